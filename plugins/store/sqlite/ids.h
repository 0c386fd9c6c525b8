/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ids.h - the small file beside the database: what must outlive it.
 *
 * `id_reserve` and `epoch` never go down, so they are kept here too, written and
 * synced when they grow, in two places by turns. `acked` is the last event of which
 * the host was told that it is durable; it is written after the commit and never
 * synced, so after a power cut it may be older than the log, but never newer. A log
 * that ends before it has lost events, however well it looks.
 */
#ifndef SQLITE_IDS_H
#define SQLITE_IDS_H

#include "plugins/store/record.h"

struct ids {
    int fd;
    uint64_t counter; /* of writings; the slot is its lowest bit */
    uint64_t id_reserve;
    uint64_t epoch;
    uint64_t acked; /* 0: not known */
};

/* Opens and reads. -ENOENT: there is none; -EBADMSG: there is one, nothing in it
 * is readable (then it is closed again). */
int ids_open(struct ids *ids, int dirfd, const char *name);
/* Makes a new one with the values in `ids`, durable before it has its name. */
int ids_create(struct ids *ids, int dirfd, const char *name);
/* Raises and syncs; values that are lower than those kept change nothing. */
int ids_raise(struct ids *ids, uint64_t id_reserve, uint64_t epoch);
void ids_acked(struct ids *ids, uint64_t seq);
void ids_close(struct ids *ids);

#endif
