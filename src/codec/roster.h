/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roster.h - a roster file: the members of a class, one a line.
 *
 *     # CAD 1, winter
 *     alice
 *     keystone:bob    # a guest
 *
 * NAME is of the system (realm unix), REALM:NAME of another realm, as in `users` of vdi.conf.
 * Blank lines count for nothing, nor does what follows a '#' at the beginning of a line or behind
 * a blank. Errors say which line, and never what is in it: who reads them need not be who may
 * read the file.
 */
#ifndef CODEC_ROSTER_H
#define CODEC_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#include "base/cleanup.h"

#define ROSTER_BYTES_MAX (1u << 20)
#define ROSTER_NAMES_MAX 20000u
#define ROSTER_LINE_MAX 255u

struct roster; /* immutable: any thread may ask it */

/* Whether the file is the one that was read: it was neither written nor replaced. */
struct roster_mark {
    uint64_t device, inode;
    int64_t size, changed_sec, changed_nsec; /* st_ctim: nobody can set it */
};

/* *ret_line is the line of the error; 0: it is about all of the text. */
int roster_parse(const char *text, size_t len, struct roster **ret, unsigned *ret_line,
                 struct vdi_error *err);
/*
 * Blocks. 1: it is as `known` (NULL: nothing is) and *ret is left alone. 0 with *ret. Negative:
 * err->field is "". *ret_mark, which is not *known, is of what was looked at, also where that was
 * no good; all 0 where there was nothing to look at.
 */
int roster_read(const char *path, const struct roster_mark *known, struct roster_mark *ret_mark,
                struct roster **ret, unsigned *ret_line, struct vdi_error *err);
void roster_free(struct roster *r); /* takes NULL */
DEFINE_FREEP(struct roster, roster_free)

size_t roster_count(const struct roster *r);
/* By what principals are called: "unix:alice". */
bool roster_has(const struct roster *r, const char *realm, const char *name);
bool roster_equal(const struct roster *a, const struct roster *b);

#endif
