/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive.h - asking the store, off the loop: ended jobs and events of old.
 *
 * One query is one struct; its strings are copied, its rows owned by it. It is
 * freed after `done`, which runs on the loop.
 */
#ifndef VDICTLD_ARCHIVE_H
#define VDICTLD_ARCHIVE_H

#include "vdictld/core.h"

struct archive_row {
    uint64_t seq;
    int64_t time_usec;
    uint32_t version;
    char *key, *type, *body;
    size_t body_len;
};

struct archive_query {
    const char *noun; /* a constant */
    bool events;      /* events of `key` (NULL: all of the noun), not ended objects */
    char key[64], owner[100], after_key[64];
    const char *const *states; /* as the store takes them; the asker's until `done`. NULL: all */
    uint64_t after_seq;
    uint32_t limit;
    int64_t from_usec, to_usec;

    struct archive_row *rows;
    size_t n_rows;
    int result;
    struct vdi_error err;
    void (*done)(void *arg, const struct archive_query *q);
    void *arg;
    struct core *core;
};

/* Takes a heap copy of q's asking part. -EBUSY: the store's queue is full. */
int archive_ask(struct core *core, const struct archive_query *q);

#endif
