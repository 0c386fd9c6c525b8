/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - transactions and group commit.
 *
 * At most one batch is with the store; one more gathers meanwhile. What is in
 * them is staged in the tables and becomes visible, in order, when the store
 * says that it is durable.
 */
#include "vdictld/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/event_impl.h"
#include "vdictld/record.h"

#define BATCH_TXN_MAX 256 /* publishing more at once would stall the loop */
#define WAITING_TXN_MAX 65536
#define EVENT_BODY_MAX (8u << 20)

static void flush(struct events *ev);

static void flush_now(void *arg)
{
    flush(arg);
}

struct events *events_new(struct loop *loop, struct workers *store_worker,
                          struct workers *snapshot_worker, const struct vdi_store_ops *ops,
                          void (*published)(void *arg, const struct published *p), void *arg)
{
    struct events *ev = calloc(1, sizeof(*ev));

    if (!ev)
        return NULL;
    *ev = (struct events){
        .loop = loop,
        .worker = store_worker,
        .snapshot_worker = snapshot_worker,
        .ops = ops,
        .published = published,
        .arg = arg,
        .next_seq = 1,
    };
    list_init(&ev->waiting);
    list_init(&ev->gathered);
    for (int i = 0; i < NOUN_N; i++) {
        ev->next_id[i] = 1;
        ev->tables[i] = nouns[i].apply ? table_new(&nouns[i]) : NULL;
    }
    ev->flush = loop_timer(loop, -1, flush_now, ev);
    return ev;
}

static void change_free(struct change *c)
{
    if (c->object)
        nouns[c->noun].unref(c->object);
    if (c->prev)
        nouns[c->noun].unref(c->prev);
    free(c->body);
    free(c->key);
    free(c);
}

static void txn_free(struct txn *txn)
{
    list_for_each_safe (it, &txn->changes) {
        list_remove(it);
        change_free(list_entry(it, struct change, link));
    }
    free(txn);
}

void events_cancel(struct events *ev)
{
    struct vdi_error err = {0};

    if (!ev)
        return;
    error_set(&err, ESHUTDOWN, "", "the controller is stopping");
    while (!list_is_empty(&ev->waiting)) {
        struct txn *txn = list_entry(ev->waiting.next, struct txn, link);

        list_remove(&txn->link);
        ev->n_waiting--;
        if (txn->done)
            txn->done(txn->arg, -ESHUTDOWN, &err);
        txn_free(txn);
    }
}

void events_free(struct events *ev)
{
    if (!ev)
        return;
    list_for_each_safe (it, &ev->waiting) {
        list_remove(it);
        txn_free(list_entry(it, struct txn, link));
    }
    source_free(ev->flush);
    snapshot_free(ev->snapshot);
    list_for_each_safe (it, &ev->gathered)
        snapshot_unlink(it);
    for (int i = 0; i < NOUN_N; i++)
        table_free(ev->tables[i]);
    free(ev);
}

struct table *events_table(struct events *ev, enum noun_id noun)
{
    return ev->tables[noun];
}

uint64_t events_seq(const struct events *ev)
{
    return ev->published_seq;
}

uint64_t events_epoch(const struct events *ev)
{
    return ev->epoch;
}

bool events_damaged(const struct events *ev)
{
    return ev->damaged;
}

void events_stats(struct events *ev, struct events_stats *ret)
{
    ev->stats.waiting = ev->n_waiting;
    *ret = ev->stats;
    ev->stats.longest_commit_usec = 0;
}

uint64_t events_next_id(struct events *ev, enum noun_id noun)
{
    return ev->next_id[noun]++;
}

struct txn *txn_new(struct events *ev)
{
    struct txn *txn = calloc(1, sizeof(*txn));

    if (!txn)
        return NULL;
    txn->ev = ev;
    list_init(&txn->changes);
    return txn;
}

void *txn_owner(const struct txn *txn)
{
    return txn->ev->arg;
}

static int change_new(enum noun_id noun, uint64_t id, const char *key, const void *event,
                      struct change **ret, struct vdi_error *err)
{
    struct change *c = calloc(1, sizeof(*c));
    struct buf body = BUF_INIT(EVENT_BODY_MAX);
    char limit[32];

    if (!c)
        return error_set(err, ENOMEM, "", "out of memory");
    c->noun = noun;
    c->id = id;
    c->time_usec = nouns[noun].event_time(event);
    c->key = nouns[noun].numeric ? str_printf("%" PRIu64, id) : strdup(key);
    nouns[noun].event_encode(event, &body);
    if (body.failed || !c->key) {
        buf_done(&body);
        change_free(c);
        error_set(err, EFBIG, "body", "there is too much in this request to be written down");
        snprintf(limit, sizeof(limit), "%u bytes", EVENT_BODY_MAX);
        error_hint(err, limit, "keep data in files");
        return -EFBIG;
    }
    c->body = buf_take(&body, &c->body_len);
    str_copy(c->type, sizeof(c->type), nouns[noun].event_name(event));
    *ret = c;
    return 0;
}

/* The new object, staged. */
static int change_stage(struct events *ev, struct change *c, const void *event,
                        struct vdi_error *err)
{
    const struct noun *noun = &nouns[c->noun];
    struct table *t = ev->tables[c->noun];
    int r;

    c->slot = table_slot(t, c->id, c->key, false);
    c->prev = c->slot && c->slot->staged ? noun->ref(c->slot->staged) : NULL;
    r = noun->apply(c->prev, c->id, c->key, event, &c->object, err);
    if (r < 0)
        return r;
    if (!c->slot) {
        c->slot = table_slot(t, c->id, c->key, true);
        if (!c->slot)
            return error_set(err, ENOMEM, "", "out of memory");
        c->made_slot = true;
    }
    table_stage(t, c->slot, noun->ref(c->object));
    return 0;
}

int txn_add(struct txn *txn, enum noun_id noun, uint64_t id, const char *key, const void *event,
            struct vdi_error *err)
{
    struct change *c = NULL;
    int r;

    if (txn->ev->n_waiting >= WAITING_TXN_MAX)
        return error_set(err, EBUSY, "", "the store is behind: too many changes are waiting");
    r = change_new(noun, id, key, event, &c, err);
    if (r < 0)
        return r;
    if (nouns[noun].apply)
        r = change_stage(txn->ev, c, event, err);
    if (r < 0) {
        change_free(c);
        return r;
    }
    list_append(&txn->changes, &c->link);
    txn->n_changes++;
    return 0;
}

void txn_abort(struct txn *txn)
{
    if (!txn)
        return;
    while (!list_is_empty(&txn->changes)) {
        struct change *c = list_entry(txn->changes.prev, struct change, link);

        list_remove(&c->link);
        if (c->made_slot)
            table_remove(txn->ev->tables[c->noun], c->slot);
        else if (c->slot)
            table_stage(txn->ev->tables[c->noun], c->slot, TAKE_PTR(c->prev));
        change_free(c);
    }
    free(txn);
}

void txn_commit(struct txn *txn, void (*done)(void *arg, int result, const struct vdi_error *err),
                void *arg)
{
    struct events *ev = txn->ev;

    txn->done = done;
    txn->arg = arg;
    list_append(&ev->waiting, &txn->link);
    ev->n_waiting++;
    if (!ev->inflight)
        source_rearm(ev->flush, 0); /* after what else is ready now: it may join */
}

/* ---- a batch on its way ---- */

static void batch_free(struct batch *b)
{
    list_for_each_safe (it, &b->txns) {
        list_remove(it);
        txn_free(list_entry(it, struct txn, link));
    }
    for (size_t i = 0; i < b->n_archive; i++) {
        free((char *)b->archive[i].key);
        free((char *)b->archive[i].owner);
        free((char *)b->archive[i].body);
    }
    free(b->records);
    free(b->archive);
    free(b);
}

static void archive_add(struct batch *b, const struct change *c, uint64_t seq)
{
    struct vdi_store_object *o = &b->archive[b->n_archive];
    struct buf body = BUF_INIT(EVENT_BODY_MAX);
    struct noun_meta meta;

    nouns[c->noun].meta(c->object, &meta);
    if (!meta.ended)
        return;
    nouns[c->noun].encode(c->object, &body);
    *o = (struct vdi_store_object){
        .seq = seq,
        .noun = nouns[c->noun].name,
        .key = strdup(meta.key[0] ? meta.key : c->key),
        .owner = strdup(meta.owner),
        .state = meta.state,
        .begin_usec = meta.begin_usec,
        .end_usec = meta.end_usec,
        .version = nouns[c->noun].version,
    };
    o->body = buf_take(&body, &o->body_len);
    object_seal(o);
    b->n_archive++;
}

static void batch_fill(struct events *ev, struct batch *b)
{
    uint64_t seq = ev->next_seq;

    list_for_each (it, &b->txns) {
        struct txn *txn = list_entry(it, struct txn, link);

        list_for_each (jt, &txn->changes) {
            struct change *c = list_entry(jt, struct change, link);
            struct vdi_store_record *r = &b->records[b->n_records++];

            c->seq = seq;
            *r = (struct vdi_store_record){
                .seq = seq++,
                .time_usec = c->time_usec,
                .noun = nouns[c->noun].name,
                .key = c->key,
                .type = c->type,
                .version = nouns[c->noun].version,
                .body = c->body,
                .body_len = c->body_len,
            };
            record_seal(r);
            if (c->object) {
                nouns[c->noun].set_seq(c->object, c->seq);
                archive_add(b, c, c->seq);
            }
        }
    }
}

static uint64_t id_reserve(const struct events *ev)
{
    uint64_t most = 1;

    for (int i = 0; i < NOUN_N; i++)
        if (ev->next_id[i] > most)
            most = ev->next_id[i];
    return (most / EVENTS_ID_BLOCK + 1) * EVENTS_ID_BLOCK;
}

uint64_t events_id_reserve(const struct events *ev)
{
    return id_reserve(ev);
}

static void batch_work(void *arg)
{
    struct batch *b = arg;
    struct vdi_store_batch batch = {
        .epoch = b->ev->epoch,
        .records = b->records,
        .n_records = b->n_records,
        .archive = b->archive,
        .n_archive = b->n_archive,
        .id_reserve = b->id_reserve,
    };
    int64_t begin = time_monotonic_usec();

    if (b->n_records)
        b->result = b->ev->ops->append(b->ev->store, &batch, &b->err);
    b->took_usec = time_monotonic_usec() - begin;
}

static void publish_change(struct events *ev, struct change *c)
{
    struct published p = {
        .noun = c->noun,
        .id = c->id,
        .key = c->key,
        .now = c->object,
        .type = c->type,
        .time_usec = c->time_usec,
        .seq = c->seq,
    };
    void *old = NULL;

    if (c->slot) {
        snapshot_keep(ev, c->noun, c->slot, c->seq);
        old = c->slot->pub ? nouns[c->noun].ref(c->slot->pub) : NULL;
        table_publish(ev->tables[c->noun], c->slot, c->object);
    }
    p.old = old;
    ev->published_seq = c->seq;
    ev->published(ev->arg, &p);
    if (old)
        nouns[c->noun].unref(old);
}

static void publish_batch(struct events *ev, struct batch *b)
{
    list_for_each (it, &b->txns) {
        struct txn *txn = list_entry(it, struct txn, link);

        list_for_each (jt, &txn->changes)
            publish_change(ev, list_entry(jt, struct change, link));
        if (txn->done)
            txn->done(txn->arg, 0, NULL);
    }
}

static void undo_txn(struct events *ev, struct txn *txn)
{
    for (struct list *it = txn->changes.prev; it != &txn->changes; it = it->prev) {
        struct change *c = list_entry(it, struct change, link);

        if (!c->slot)
            continue;
        if (c->made_slot && !c->slot->pub)
            table_remove(ev->tables[c->noun], c->slot);
        else if (c->slot->pub)
            table_revert(ev->tables[c->noun], c->slot);
    }
}

/* A failed commit takes with it all that was staged on top of it. */
static void undo_batch(struct events *ev, struct batch *b)
{
    struct vdi_error err = b->err;
    struct list failed = LIST_INIT(failed);

    for (struct list *it = ev->waiting.prev; it != &ev->waiting; it = it->prev)
        undo_txn(ev, list_entry(it, struct txn, link));
    for (struct list *it = b->txns.prev; it != &b->txns; it = it->prev)
        undo_txn(ev, list_entry(it, struct txn, link));
    list_for_each_safe (it, &ev->waiting) {
        list_remove(it);
        list_append(&b->txns, it);
    }
    ev->n_waiting = 0;
    ev->stats.failures++;
    list_for_each (it, &b->txns) {
        struct txn *txn = list_entry(it, struct txn, link);

        if (txn->done)
            txn->done(txn->arg, b->result, &err);
    }
}

static void batch_done(void *arg, bool dropped)
{
    struct batch *b = arg;
    struct events *ev = b->ev;

    ev->inflight = NULL;
    if (dropped)
        b->result = error_set(&b->err, ESHUTDOWN, "", "the controller is stopping");
    ev->stats.last_commit_usec = b->took_usec;
    if (b->took_usec > ev->stats.longest_commit_usec)
        ev->stats.longest_commit_usec = b->took_usec;
    ev->stats.last_error = -b->result;
    if (b->result < 0) {
        log_error("store: a commit of %zu events failed, nothing of it was kept: %s", b->n_records,
                  b->err.detail);
        undo_batch(ev, b);
    } else {
        ev->next_seq += b->n_records;
        ev->stats.commits++;
        ev->stats.records += b->n_records;
        ev->stats.transactions += b->n_txns;
        publish_batch(ev, b);
    }
    batch_free(b);
    if (!list_is_empty(&ev->waiting))
        flush(ev);
}

static void batch_take(struct events *ev, struct batch *b)
{
    size_t n_changes = 0;

    list_for_each_safe (it, &ev->waiting) {
        if (b->n_txns == BATCH_TXN_MAX)
            break;
        list_remove(it);
        list_append(&b->txns, it);
        n_changes += list_entry(it, struct txn, link)->n_changes;
        b->n_txns++;
    }
    ev->n_waiting -= (uint32_t)b->n_txns;
    b->records = calloc(n_changes + 1, sizeof(*b->records));
    b->archive = calloc(n_changes + 1, sizeof(*b->archive));
}

static void flush(struct events *ev)
{
    struct batch *b;
    int r;

    if (ev->inflight || list_is_empty(&ev->waiting))
        return;
    b = calloc(1, sizeof(*b));
    if (!b) {
        source_rearm(ev->flush, 100 * USEC_PER_MSEC);
        return;
    }
    b->ev = ev;
    list_init(&b->txns);
    batch_take(ev, b);
    ev->inflight = b;
    if (!b->records || !b->archive) {
        b->result = error_set(&b->err, ENOMEM, "", "out of memory");
        batch_done(b, false);
        return;
    }
    batch_fill(ev, b);
    b->id_reserve = id_reserve(ev);
    r = workers_post(ev->worker, batch_work, batch_done, b);
    if (r < 0) {
        b->result =
            error_set(&b->err, -r, "", "%s",
                      r == -ESHUTDOWN ? "the controller is stopping" : "the store's queue is full");
        batch_done(b, false);
    }
}
