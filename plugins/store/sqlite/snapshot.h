/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h - snapshots as files: written whole or not at all, checked before they are used. */
#ifndef SQLITE_SNAPSHOT_H
#define SQLITE_SNAPSHOT_H

#include "plugins/store/record.h"

struct snapshot_head {
    uint64_t seq;
    uint64_t id_reserve;
    uint64_t rows;
};

/* Writes `name`, durable when it returns (its directory entry is not). Returns the
 * first error of next() or of the file; then there is no such file. */
int snapshot_file_write(int dirfd, const char *name, const struct snapshot_head *head,
                        int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg);
/* Reads all of it and checks it. -ENOENT; -EBADMSG with why (a constant string). */
int snapshot_file_check(int dirfd, const char *name, struct snapshot_head *ret, const char **why);
/* Hands the rows on; a negative answer of row() ends it and is returned. */
int snapshot_file_read(int dirfd, const char *name,
                       int (*row)(void *arg, const struct vdi_store_object *row), void *arg);

#endif
