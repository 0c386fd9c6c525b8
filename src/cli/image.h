/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - the parts of vdi-image: what it is asked for, and one function per verb.
 *
 * What makes and checks images works on files of this machine; what publishes them is a client
 * of the controller. Other programs
 * (qemu-img, virt-customize, QEMU) are children without a shell.
 */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "codec/image_manifest.h"
#include "model/image.h"

#define IMAGE_COMMAND "vdi-image"

struct image_options {
    const char *dir; /* NULL: VDI_IMAGEDIR */
    const char *name, *recipe, *programs, *cache, *ready, *video, *firmware;
    uint32_t timeout_sec, memory_mib;
    const char *source, *reason, *sha256, *store;
    const char *accel; /* NULL: auto */
    bool boot, runner, flatten, json, no_wait;
};

/* Each returns 0, an exit code of client.h (> 0) when all is said, or -errno with err. */
int image_demo(const struct image_options *o, struct vdi_error *err);
int image_prepare(const struct image_options *o, const char *file, struct vdi_error *err);
int image_check(const struct image_options *o, const char *what, struct vdi_error *err);
int image_list(const struct image_options *o, struct vdi_error *err);

int image_publish(const struct image_options *o, const char *what, const char *name,
                  struct vdi_error *err);
int image_edit(const struct image_options *o, const char *name, struct vdi_error *err);
/* image_versions.c; name "": all; sha256 and nodes may be NULL. */
int image_list_published(const struct image_options *o, const char *name, struct vdi_error *err);
int image_rollback(const struct image_options *o, const char *name, const char *sha256,
                   struct vdi_error *err);
int image_retire(const struct image_options *o, const char *name, const char *sha256,
                 struct vdi_error *err);
int image_prefetch(const struct image_options *o, const char *name, const char *nodes,
                   struct vdi_error *err);
/* An image's directory, of which nothing is checked but digests. */
int image_publish_dir(const struct image_options *o, const char *dir, const char *name,
                      struct vdi_error *err);
/* The directory or file that `what` is: a name in --dir, or a path. */
int image_find(const struct image_options *o, const char *what, char ret[PATH_MAX],
               struct stat *ret_st, struct vdi_error *err);

/* ---- image_report.c: what was found, a line each ---- */

struct report {
    unsigned n_problems;
};

void report_ok(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_note(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_problem(struct report *r, const struct vdi_error *err);

/* ---- image_file.c: files and tools ---- */

int path_join(char ret[PATH_MAX], const char *dir, const char *name, struct vdi_error *err);
/* Opens a file of an image for reading, if it may be one; see image_file_check(). */
int image_file_open(const char *path, struct stat *ret_st, struct vdi_error *err);
int image_manifest_load(const char *dir, struct image_manifest *ret, struct vdi_error *err);
int image_qcow2_load(const char *path, struct qcow2_header *ret, struct vdi_error *err);
/* Lower-case hex; ret has 65 bytes. */
int image_file_sha256(const char *path, char *ret, struct vdi_error *err);
/*
 * Runs argv[0] from PATH; `out` (may be NULL: the caller's own stdout) gets what it prints.
 * -ENOEXEC: there is no such program, and `remedy` says how to get it.
 */
int tool_run(const char *const argv[], const char *remedy, struct buf *out, int *ret_code,
             struct vdi_error *err);
/* "64 MiB" or "1.5 GiB"; buf of 32. */
const char *size_text(uint64_t bytes, char *buf);
/* The directory, and the files in it. */
void image_dir_remove(const char *dir);

/* ---- image_look.c, image_boot.c ---- */

/* What is installed inside: the runner, the guest agent. */
void image_look(const char *dir, const struct image_manifest *m, struct report *report);
/* Boots it by software emulation, writes to nothing, and waits until it is ready. */
int image_boot(const struct image_options *o, const char *dir, const struct image_manifest *m,
               struct report *report, struct vdi_error *err);

#endif
