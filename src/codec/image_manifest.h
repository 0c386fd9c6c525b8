/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_manifest.h - image.json, and the header of a qcow2 file: what an image says of itself.
 */
#ifndef CODEC_IMAGE_MANIFEST_H
#define CODEC_IMAGE_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include <vdi/types.h>

#define IMAGE_NAME_MAX 64
#define IMAGE_FILE_MAX 128
#define IMAGE_MANIFEST_MAX 16384 /* bytes of image.json */

enum image_ready { IMAGE_READY_AGENT, IMAGE_READY_RUNNER, IMAGE_READY_CONSOLE };

extern const char *const image_video_names[];    /* NULL-terminated */
extern const char *const image_firmware_names[]; /* "template" is 0: what the template says */

struct image_manifest {
    char kernel[IMAGE_FILE_MAX], initrd[IMAGE_FILE_MAX], disk[IMAGE_FILE_MAX];
    char cmdline[2048];
    char sha256[65]; /* of the disk, or the kernel where there is no disk; "" whatever it is */
    char ready[IMAGE_FILE_MAX]; /* "agent", "runner" or "console:TEXT" */
    uint32_t video;             /* of image_video_names */
    uint32_t firmware;          /* of image_firmware_names */
    /* What a publication adds: sha256 is of the main file, these are of the others. */
    char kernel_sha256[65], initrd_sha256[65];
    uint64_t disk_bytes, kernel_bytes, initrd_bytes;
    uint64_t virtual_bytes; /* what the guest sees as its disk */
};

#define IMAGE_PARTS_MAX 3

/* One file of a published image; borrows from the manifest. */
struct image_part {
    const char *name, *sha256;
    uint64_t bytes;
    bool is_disk;
};

/* -EINVAL: it is not what it should be; `path` is for the message. */
int image_manifest_read(const char *json, size_t len, const char *path, struct image_manifest *ret,
                        struct vdi_error *err);
/* One JSON object, without what is empty. */
void image_manifest_write(const struct image_manifest *m, struct buf *out);
/* What tells that a guest of the image is ready; *ret_text is the console's text, or "". */
enum image_ready image_manifest_ready(const struct image_manifest *m, const char **ret_text);
/* "agent", "runner", "console:TEXT", or "". */
bool image_ready_is_word(const char *ready);
/* Its files; -EINVAL: one is without digest or size, so it was not published. */
int image_manifest_parts(const struct image_manifest *m, struct image_part *ret, size_t *ret_n,
                         struct vdi_error *err);
/* The file that the digest is of. */
const char *image_manifest_main(const struct image_manifest *m);

/* Whether a file may be part of an image for a program of `uid`: regular, not empty, and nobody
 * can write it but root and that user. -EINVAL, -EPERM. */
int image_file_check(const struct stat *st, uid_t uid, const char *path, struct vdi_error *err);

#define QCOW2_HEADER_BYTES 104

struct qcow2_header {
    uint64_t virtual_bytes;
    uint32_t n_snapshots;
};

/*
 * The first QCOW2_HEADER_BYTES of a file. -EUCLEAN: no qcow2 file, or marked as damaged;
 * -EINVAL: it leads to other files (backing, data), or is encrypted.
 */
int qcow2_header_check(const void *bytes, size_t len, const char *path, struct qcow2_header *ret,
                       struct vdi_error *err);

#endif
