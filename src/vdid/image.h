/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - an image on this node: IMAGE_DIR/NAME/image.json and the files it names.
 *
 * An image never changes once it was used here: its digest is recorded then, and a
 * file with another one is refused. All of it blocks (it may read gigabytes).
 */
#ifndef VDID_IMAGE_H
#define VDID_IMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "codec/image_manifest.h"
#include <vdi/types.h>

struct image {
    struct image_manifest manifest;
    char kernel[PATH_MAX], initrd[PATH_MAX], disk[PATH_MAX]; /* "" none */
    char sha256[65];
    const char *ready_text; /* into manifest; "": the guest agent's answer */
    bool by_runner;         /* neither: the guest runner's word */
    bool is_new;            /* its digest is not recorded yet: check it, then image_record() */
};

/*
 * `name` is NAME or NAME@SHA256 (of image_dir), or NAME@sha256:DIGEST (of cache_dir).
 * -ENOENT: no such image here; -EPERM: others can write it;
 * -EINVAL: its image.json or a file is not what it should be; -EUCLEAN: the digest differs.
 * On success the caller has checked nothing but what is_new says is left.
 */
int image_load(const char *image_dir, const char *state_dir, const char *cache_dir,
               const char *name, struct image *ret, struct vdi_error *err);
/* A version that vdi-fetch has just made CACHE_DIR/SHA256 of: its digests are right. */
int image_load_proven(const char *cache_dir, const char *sha256, struct image *ret,
                      struct vdi_error *err);
int image_record(const char *state_dir, const struct image *image, struct vdi_error *err);
/* Whether a qcow2 header names no other file (backing, data) and no error mark. */
int image_check_qcow2(int fd, const char *path, struct vdi_error *err);

#endif
