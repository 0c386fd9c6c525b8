/* SPDX-License-Identifier: Apache-2.0 */
/* event_impl.h - between event.c, recover.c and snapshot.c alone. */
#ifndef VDICTLD_EVENT_IMPL_H
#define VDICTLD_EVENT_IMPL_H

#include "base/list.h"
#include "vdictld/event.h"

/* One event of a transaction, and what it makes of its object. */
struct change {
    struct list link;
    enum noun_id noun;
    uint64_t id;
    char *key;
    struct slot *slot; /* NULL: the noun has no objects */
    void *object;      /* after the event */
    void *prev;        /* staged before it */
    bool made_slot;
    char type[48];
    int64_t time_usec;
    uint64_t seq;
    char *body;
    size_t body_len;
};

struct txn {
    struct list link;
    struct events *ev;
    struct list changes;
    size_t n_changes;
    void (*done)(void *arg, int result, const struct vdi_error *err);
    void *arg;
};

struct batch {
    struct events *ev;
    struct list txns;
    size_t n_txns;
    struct vdi_store_record *records;
    size_t n_records;
    struct vdi_store_object *archive;
    size_t n_archive;
    uint64_t id_reserve;
    int64_t took_usec;
    int result;
    struct vdi_error err;
};

struct snapshot;

struct events {
    struct loop *loop;
    struct workers *worker, *snapshot_worker;
    const struct vdi_store_ops *ops;
    void *store;
    void (*published)(void *arg, const struct published *p);
    void *arg;
    struct events_extras extras;
    struct table *tables[NOUN_N];
    struct list waiting; /* transactions for the next batch */
    uint32_t n_waiting;
    struct batch *inflight;
    struct source *flush;
    uint64_t next_seq;
    uint64_t published_seq; /* behind next_seq - 1 while a batch is being published */
    uint64_t next_id[NOUN_N];
    uint64_t epoch;
    uint64_t snapshot_seq;
    struct snapshot *snapshot; /* that is gathered, written or given back; NULL: none */
    uint32_t n_snapshots;
    struct list gathered; /* snapshots that were handed out, and are not given back yet */
    bool snapshot_due;    /* what the store has now is not whole, or stands alone */
    bool damaged;
    struct events_stats stats;
};

/* snapshot.c. Keep: before event `seq` publishes another object in the slot. */
void snapshot_keep(struct events *ev, enum noun_id noun, struct slot *slot, uint64_t seq);
void snapshot_free(struct snapshot *s);  /* takes NULL */
void snapshot_unlink(struct list *link); /* frees one of events.gathered */

#endif
