/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_store.h - a store in memory that fails, is slow and is damaged as it is told,
 * and the event core on top of it.
 *
 * What its append accepted is "durable": memory_events_restart() throws the core away
 * and loads what the store has.
 */
#ifndef TEST_MEMORY_STORE_H
#define TEST_MEMORY_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "vdictld/event.h"

struct memory_store {
    struct vdi_store_record *records;
    size_t n_records, size_records;
    struct vdi_store_object *rows; /* of the snapshot */
    size_t n_rows;
    struct vdi_store_object *archive;
    size_t n_archive;
    uint64_t snapshot_seq, id_reserve;
    unsigned appends;
    unsigned fail_append; /* the n-th append fails (from 1); 0: none */
    bool fail_all;
    int fail_code; /* ENOSPC, EIO */
    unsigned slow_usec;
    bool tell_damage; /* the load tells damage about no event, and gives everything */
};

extern const struct vdi_store_ops memory_store_ops;

void memory_store_done(struct memory_store *store);
void memory_store_flip(struct memory_store *store, size_t record); /* a bit of its body */

/* The core on the store, and what it published. */
struct memory_events {
    struct memory_store store;
    struct loop *loop;
    struct workers *worker, *snapshot_worker;
    struct events *events;
    uint64_t last_seq; /* published */
    size_t n_published;
    bool disorder; /* a seq did not follow the one before */
    unsigned n_pending;
};

void memory_events_new(struct memory_events *m);
void memory_events_done(struct memory_events *m);
void memory_events_restart(struct memory_events *m); /* asserts that the load succeeds */
/* Commits and counts; the result goes to *ret_result (may be NULL). */
void memory_events_commit(struct memory_events *m, struct txn *txn, int *ret_result);
void memory_events_wait(struct memory_events *m); /* until all of those are answered */
void memory_events_snapshot(struct memory_events *m);

const void *memory_events_pub(struct memory_events *m, enum noun_id noun, uint64_t id,
                              const char *key);
const void *memory_events_staged(struct memory_events *m, enum noun_id noun, uint64_t id,
                                 const char *key);

#endif
