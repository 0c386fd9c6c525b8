/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive.h - asking the store, off the loop: ended jobs and events of old.
 *
 * One query is one struct; its strings are copied, its rows owned by it. It is
 * freed after `done`, which runs on the loop, unless `done` keeps it: a page of rows takes
 * longer to decode than the loop may be held.
 */
#ifndef VDICTLD_ARCHIVE_H
#define VDICTLD_ARCHIVE_H

#include "vdictld/core.h"
#include "vdictld/job_filter.h"

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
    uint64_t after_seq;
    uint32_t limit;
    int64_t from_usec, to_usec;
    const char *states[JOB_FILTER_STATES_MAX + 1]; /* the asker's until `done`; none: all */
    bool by_end;
    int64_t after_usec, ended_by_usec;

    struct archive_row *rows;
    size_t n_rows;
    size_t n_seen; /* with those whose checksum is wrong, which are told and left out */
    size_t n_bad;
    char bad_key[64]; /* the first of them */
    bool *kept;
    char last_key[64];
    int64_t last_usec; /* end of the last one seen */
    int result;
    struct vdi_error err;
    void (*done)(void *arg, const struct archive_query *q);
    void *arg;
    struct core *core;
};

/*
 * All ended objects of a time, oldest end first, page by page: where a walk is. What ended
 * long after `to_usec` may have begun before it: it is looked for in windows, so that no
 * query runs through all that came later.
 */
struct archive_walk {
    const char *noun;
    char owner[100]; /* "": of all */
    int64_t from_usec, to_usec;
    int64_t now_usec; /* nothing has ended later */
    uint32_t page;
    int64_t low_usec, ended_by_usec; /* the window */
    int64_t after_usec;              /* the cursor: the last one seen */
    char after_key[64];
};
/* From the beginning, or from a cursor that is set. */
void archive_walk_begin(struct archive_walk *w);
/* The next page; q has done, arg and states. */
int archive_walk_ask(struct core *core, const struct archive_walk *w, struct archive_query *q);
/* Takes in an answer; false: it was the last. */
bool archive_walk_next(struct archive_walk *w, const struct archive_query *q);

/* Whether the walk has met what ended then, or would have: the rest is in memory alone. */
bool archive_walk_met(const struct archive_walk *w, int64_t end_usec, uint64_t id);

/* For `done`: the query is the caller's from now on. */
struct archive_query *archive_keep(const struct archive_query *q);
void archive_query_free(struct archive_query *q); /* takes NULL */

/* Takes a heap copy of q's asking part. -EBUSY: the store's queue is full. */
int archive_ask(struct core *core, const struct archive_query *q);

#endif
