/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h - the one way anything changes: check, append, commit, publish, answer.
 *
 * A transaction holds the events of one request. Each is checked against the
 * staged state (everything appended so far, committed or not) as it is added.
 * Transactions that arrive while a commit runs share the next one (group
 * commit). When a commit fails, every transaction in it and after it is undone
 * and told so; nothing of it was ever visible.
 */
#ifndef VDICTLD_EVENT_H
#define VDICTLD_EVENT_H

#include "loop/loop.h"
#include "vdictld/table.h"
#include <vdi/plugin.h>

struct events;
struct txn;

/* What happened, told once after its commit, in order. `old` is NULL for a new object. */
struct published {
    enum noun_id noun;
    uint64_t id;
    const char *key;
    const void *old, *now;
    const char *type;
    int64_t time_usec;
    uint64_t seq;
};

struct events_stats {
    uint64_t commits, transactions, records, failures;
    int64_t last_commit_usec;    /* duration */
    int64_t longest_commit_usec; /* since the last look */
    uint32_t waiting;            /* transactions not durable yet */
    int last_error;              /* errno of the last commit; 0: it worked */
};

#define EVENTS_ID_BLOCK 1000 /* ids are reserved durably in blocks of so many */

/* On `store_worker`, one thread, all store ops run but snapshots, which have
 * `snapshot_worker`, one thread, so that commits go on beside them. `arg` goes to every
 * callback. */
struct events *events_new(struct loop *loop, struct workers *store_worker,
                          struct workers *snapshot_worker, const struct vdi_store_ops *ops,
                          void (*published)(void *arg, const struct published *p), void *arg);
/* Tells every transaction that is not durable that it will not be (-ESHUTDOWN); at the end,
 * when the store's worker is gone. Takes NULL. */
void events_cancel(struct events *ev);
void events_free(struct events *ev);
/* Fills the tables from the open store, which is used from then on; before the loop
 * runs. Damage is logged with place and reason; jobs about which events may be lost
 * are UNKNOWN afterwards. */
int events_load(struct events *ev, void *store, uint64_t epoch, struct vdi_error *err);
struct table *events_table(struct events *ev, enum noun_id noun);
uint64_t events_seq(const struct events *ev);   /* the last one committed */
uint64_t events_epoch(const struct events *ev); /* of our lease; every order carries it */
bool events_damaged(const struct events *ev);
void events_stats(struct events *ev, struct events_stats *ret);
/* The next id of a numeric noun; never given twice, not even after a failed commit. */
uint64_t events_next_id(struct events *ev, enum noun_id noun);

struct txn *txn_new(struct events *ev); /* NULL: no memory */
void *txn_owner(const struct txn *txn); /* the arg of events_new() */
/* -EPROTO and others: not allowed, the transaction may go on or be aborted. */
int txn_add(struct txn *txn, enum noun_id noun, uint64_t id, const char *key, const void *event,
            struct vdi_error *err);
/* Takes the transaction. `done` is called once, on the loop, after publishing: result 0,
 * or negative errno when nothing of it was kept. An empty one waits for all before it. */
void txn_commit(struct txn *txn, void (*done)(void *arg, int result, const struct vdi_error *err),
                void *arg);
/* Takes the transaction and undoes it; only before anything else is staged. Takes NULL. */
void txn_abort(struct txn *txn);

/*
 * Writes a snapshot of everything committed, then trims events older than
 * before_usec. One at a time: -EBUSY. It stands for the instant of the call, whatever
 * is committed while its objects are gathered, in slices. `done` is not called when
 * events_free comes first.
 */
int events_snapshot(struct events *ev, int64_t before_usec,
                    void (*done)(void *arg, int result, const struct vdi_error *err), void *arg);
/* Rows that are no objects (retry keys). They are gathered after the objects, and must be
 * right with any events that are replayed on top of them. */
struct events_extra {
    const char *noun;
    char *key, *body; /* owned by the caller of next(); NULL: no memory */
    int64_t time_usec;
};
struct events_extras {
    void (*begin)(void *arg);
    /* 1 and a row, -EAGAIN: none here, go on, 0: that was all. */
    int (*next)(void *arg, struct events_extra *ret);
    void (*restore)(void *arg, const struct vdi_store_object *row); /* at the next load */
};
void events_set_extras(struct events *ev, const struct events_extras *extras);
/*
 * The rows of a snapshot for other ends than the store's (a backup): `done` gets them, or
 * negative errno. -EBUSY: a snapshot is being gathered. The taker reads them on one worker
 * thread at a time and gives them back with events_give_back, on the loop.
 */
struct snapshot;
int events_gather(struct events *ev, void (*done)(void *arg, int result, struct snapshot *rows),
                  void *arg);
int snapshot_next(void *rows, struct vdi_store_object *ret_row); /* 1 and a row, 0: the end */
uint64_t snapshot_seq(const struct snapshot *rows);              /* what they stand for */
void events_give_back(struct snapshot *rows);                    /* in slices; takes NULL */
uint64_t events_id_reserve(const struct events *ev);     /* ids below may have been given out */
uint64_t events_since_snapshot(const struct events *ev); /* UINT64_MAX: after damage */

#endif
