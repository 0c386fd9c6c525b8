/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - a snapshot of everything committed.
 *
 * It stands for one instant, though the loop takes references to the published objects
 * (they never change) in slices: who publishes another object in a slot that has not
 * been taken yet has the old one taken first. The snapshot worker then encodes and
 * writes them, beside commits; the references are given back in slices. They are
 * counted on the loop alone: the worker only reads.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vdictld/event_impl.h"
#include "vdictld/record.h"

#define SLICE_STEPS 2000 /* the loop's other work waits for so many: under 1 ms */

struct row {
    enum noun_id noun;
    char *key; /* NULL: the object's number */
    void *object;
};

struct snapshot {
    struct list link; /* ev->gathered */
    struct events *ev;
    struct source *slice;
    bool gathering;
    uint32_t number; /* slots with it are taken */
    int noun;        /* where the walk is */
    size_t index;
    unsigned shifts;
    struct row *rows;
    size_t n, size, at;
    struct events_extra *extras;
    size_t n_extras, size_extras, at_extra;
    uint64_t next_id[NOUN_N];
    int at_id;
    uint64_t seq, epoch;
    int64_t before_usec;
    struct buf body;
    char key[24];
    int result;
    struct vdi_error err;
    void (*done)(void *arg, int result, const struct vdi_error *err);
    void (*gathered)(void *arg, int result, struct snapshot *rows); /* NULL: for the store */
    void *arg;
};

/* Gives back one row; false: there is none. */
static bool drop_one(struct snapshot *s)
{
    if (s->n) {
        struct row *row = &s->rows[--s->n];

        nouns[row->noun].unref(row->object);
        free(row->key);
    } else if (s->n_extras) {
        struct events_extra *x = &s->extras[--s->n_extras];

        free(x->key);
        free(x->body);
    } else {
        return false;
    }
    return true;
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    while (drop_one(s))
        ;
    source_free(s->slice);
    list_remove(&s->link);
    free(s->extras);
    free(s->rows);
    buf_done(&s->body);
    free(s);
}

/* ---- gathering, on the loop ---- */

static int take_slot(struct snapshot *s, enum noun_id noun, struct slot *slot)
{
    struct row *row = &s->rows[s->n];

    if (slot->taken == s->number)
        return 0;
    slot->taken = s->number;
    if (!slot->pub)
        return 0;
    if (s->n == s->size)
        return -EOVERFLOW; /* no more objects than there were at the instant */
    *row = (struct row){.noun = noun, .key = slot->key ? strdup(slot->key) : NULL};
    if (slot->key && !row->key)
        return -ENOMEM;
    row->object = nouns[noun].ref(slot->pub);
    s->n++;
    return 0;
}

void snapshot_keep(struct events *ev, enum noun_id noun, struct slot *slot, uint64_t seq)
{
    struct snapshot *s = ev->snapshot;

    /* What is published late but was committed before the instant belongs in it. */
    if (s && s->gathering && seq > s->seq && s->result >= 0)
        s->result = take_slot(s, noun, slot);
}

static int gather_extra(struct snapshot *s)
{
    struct events_extra x = {0};
    int r = s->ev->extras.next ? s->ev->extras.next(s->ev->arg, &x) : 0;

    if (r <= 0)
        return r == -EAGAIN ? 1 : r;
    if (s->n_extras == s->size_extras) {
        size_t size = s->size_extras ? 2 * s->size_extras : 256;
        void *extras = reallocarray(s->extras, size, sizeof(*s->extras));

        if (extras) {
            s->extras = extras;
            s->size_extras = size;
        }
    }
    if (s->n_extras == s->size_extras || !x.key || !x.body) {
        free(x.key);
        free(x.body);
        return -ENOMEM;
    }
    s->extras[s->n_extras++] = x;
    return 1;
}

/* One step of the walk: 1: go on, 0: that was all. */
static int gather_one(struct snapshot *s)
{
    struct table *t = s->noun < NOUN_N ? s->ev->tables[s->noun] : NULL;
    struct slot *slot;

    if (s->noun == NOUN_N)
        return gather_extra(s); /* last: what left its table before it was taken is among them */
    if (t && s->index && s->shifts != table_shifts(t))
        s->index = 0; /* what is taken already is passed over */
    if (!t || s->index >= table_end(t)) {
        s->noun++;
        s->index = 0;
        if (s->noun == NOUN_N && s->ev->extras.begin)
            s->ev->extras.begin(s->ev->arg);
        return 1;
    }
    s->shifts = table_shifts(t);
    slot = table_at(t, s->index++);
    int r = slot ? take_slot(s, (enum noun_id)s->noun, slot) : 0;
    return r < 0 ? r : 1;
}

static void finish(struct snapshot *s)
{
    if (s->ev->snapshot == s)
        s->ev->snapshot = NULL;
    if (s->result < 0 && !s->err.code)
        error_set(&s->err, -s->result, "", "a snapshot could not be made: %s",
                  strerror(-s->result));
    if (s->done)
        s->done(s->arg, s->result, &s->err);
    snapshot_free(s);
}

static void write_work(void *arg);
static void write_done(void *arg, bool dropped);

/* To who asked; others may gather meanwhile. */
static int hand_out(struct snapshot *s, int result)
{
    s->ev->snapshot = NULL;
    list_append(&s->ev->gathered, &s->link);
    s->gathered(s->arg, result, result < 0 ? NULL : s);
    return result < 0 ? 1 : -EINPROGRESS;
}

static int step(struct snapshot *s)
{
    int r;

    if (!s->gathering)
        return drop_one(s);
    r = s->result < 0 ? s->result : gather_one(s);
    if (r > 0)
        return r;
    s->gathering = false;
    if (s->gathered)
        return hand_out(s, r);
    if (r == 0)
        r = workers_post(s->ev->snapshot_worker, write_work, write_done, s);
    if (r >= 0)
        return -EINPROGRESS;
    s->result = r;
    return 1; /* gives back what it has */
}

static void run_slice(void *arg)
{
    struct snapshot *s = arg;

    for (int i = 0; i < SLICE_STEPS; i++) {
        int r = step(s);

        if (r == 0)
            finish(s);
        if (r <= 0)
            return;
    }
    source_rearm(s->slice, 0);
}

/* ---- rows, on the snapshot worker ---- */

static int object_row(struct snapshot *s, struct vdi_store_object *ret)
{
    enum noun_id noun = s->rows[s->at].noun;
    const void *object = s->rows[s->at].object;
    struct noun_meta meta;

    nouns[noun].meta(object, &meta);
    nouns[noun].encode(object, &s->body);
    if (nouns[noun].numeric) /* job and instance keep their id in different places */
        snprintf(s->key, sizeof(s->key), "%" PRIu64, nouns[noun].id(object));
    *ret = (struct vdi_store_object){
        .seq = nouns[noun].seq(object),
        .noun = nouns[noun].name,
        .key = nouns[noun].numeric ? s->key : s->rows[s->at].key,
        .owner = meta.owner,
        .state = meta.state,
        .begin_usec = meta.begin_usec,
        .end_usec = meta.end_usec,
        .version = nouns[noun].version,
    };
    s->at++;
    return s->body.failed ? -ENOMEM : 1;
}

static int id_row(struct snapshot *s, struct vdi_store_object *ret)
{
    buf_printf(&s->body, "%" PRIu64, s->next_id[s->at_id]);
    *ret = (struct vdi_store_object){
        .seq = s->seq,
        .noun = "next_id",
        .key = nouns[s->at_id].name,
        .owner = "",
        .state = "",
    };
    s->at_id++;
    return 1;
}

static int extra_row(struct snapshot *s, struct vdi_store_object *ret)
{
    const struct events_extra *x = &s->extras[s->at_extra++];

    buf_puts(&s->body, x->body);
    *ret = (struct vdi_store_object){
        .seq = s->seq,
        .noun = x->noun,
        .key = x->key,
        .owner = "",
        .state = "",
        .begin_usec = x->time_usec,
    };
    return 1;
}

int snapshot_next(void *arg, struct vdi_store_object *ret)
{
    struct snapshot *s = arg;
    int r = 0;

    buf_clear(&s->body);
    if (s->at_id < NOUN_N)
        r = id_row(s, ret);
    else if (s->at < s->n)
        r = object_row(s, ret);
    else if (s->at_extra < s->n_extras)
        r = extra_row(s, ret);
    if (r > 0) {
        ret->body = s->body.data;
        ret->body_len = s->body.len;
        object_seal(ret);
    }
    return r;
}

/* ---- writing ---- */

static void trim_work(void *arg)
{
    struct snapshot *s = arg;

    s->result = s->ev->ops->trim(s->ev->store, s->epoch, s->seq, s->before_usec, &s->err);
}

/* Dropped: the next snapshot's trim takes what this one leaves. */
static void trim_done(void *arg, bool dropped)
{
    source_rearm(((struct snapshot *)arg)->slice, 0);
}

static void write_work(void *arg)
{
    struct snapshot *s = arg;

    s->result =
        s->ev->ops->snapshot_write(s->ev->store, s->epoch, s->seq, snapshot_next, s, &s->err);
}

static void write_done(void *arg, bool dropped)
{
    struct snapshot *s = arg;
    struct events *ev = s->ev;

    if (dropped)
        s->result = error_set(&s->err, ESHUTDOWN, "", "the controller is stopping");
    if (s->result >= 0) {
        ev->snapshot_seq = s->seq;
        ev->snapshot_due = false;
        if (workers_post(ev->worker, trim_work, trim_done, s) >= 0)
            return;
    }
    source_rearm(s->slice, 0);
}

static int begin(struct events *ev, const struct snapshot *how)
{
    struct snapshot *s;

    if (ev->snapshot)
        return -EBUSY;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    *s = *how;
    list_init(&s->link);
    s->ev = ev;
    s->gathering = true;
    s->number = ++ev->n_snapshots;
    s->seq = events_seq(ev);
    s->epoch = ev->epoch;
    s->body = BUF_INIT(0);
    memcpy(s->next_id, ev->next_id, sizeof(s->next_id));
    for (int i = 0; i < NOUN_N; i++)
        s->size += ev->tables[i] ? table_count(ev->tables[i]) : 0;
    s->rows = calloc(s->size + 1, sizeof(*s->rows));
    s->slice = loop_timer(ev->loop, 0, run_slice, s);
    if (!s->rows || !s->slice) {
        snapshot_free(s);
        return -ENOMEM;
    }
    ev->snapshot = s;
    return 0;
}

int events_snapshot(struct events *ev, int64_t before_usec,
                    void (*done)(void *arg, int result, const struct vdi_error *err), void *arg)
{
    return begin(ev, &(struct snapshot){.before_usec = before_usec, .done = done, .arg = arg});
}

int events_gather(struct events *ev, void (*done)(void *arg, int result, struct snapshot *rows),
                  void *arg)
{
    return begin(ev, &(struct snapshot){.gathered = done, .arg = arg});
}

uint64_t snapshot_seq(const struct snapshot *rows)
{
    return rows->seq;
}

void events_give_back(struct snapshot *rows)
{
    if (rows)
        source_rearm(rows->slice, 0);
}

void snapshot_unlink(struct list *link)
{
    snapshot_free(list_entry(link, struct snapshot, link));
}

uint64_t events_since_snapshot(const struct events *ev)
{
    return ev->snapshot_due ? UINT64_MAX : events_seq(ev) - ev->snapshot_seq;
}

void events_set_extras(struct events *ev, const struct events_extras *extras)
{
    ev->extras = *extras;
}
