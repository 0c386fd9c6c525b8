/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - a snapshot of everything committed.
 *
 * The loop takes a reference to every published object at one instant (they
 * never change); the snapshot worker then encodes and writes them, beside commits.
 * References are counted on the loop alone: the worker only reads.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vdictld/event_impl.h"
#include "vdictld/record.h"

struct snapshot {
    struct events *ev;
    struct {
        enum noun_id noun;
        char *key;
        void *object;
    } * rows;
    size_t n, at;
    struct events_extra *extras;
    size_t n_extras, at_extra;
    uint64_t next_id[NOUN_N];
    int at_id;
    uint64_t seq, epoch;
    int64_t before_usec;
    struct buf body;
    char key[24];
    int result;
    struct vdi_error err;
    void (*done)(void *arg, int result, const struct vdi_error *err);
    void *arg;
};

static void snapshot_free(struct snapshot *s)
{
    for (size_t i = 0; i < s->n; i++) {
        nouns[s->rows[i].noun].unref(s->rows[i].object);
        free(s->rows[i].key);
    }
    for (size_t i = 0; i < s->n_extras; i++) {
        free(s->extras[i].noun);
        free(s->extras[i].key);
        free(s->extras[i].body);
    }
    free(s->extras);
    free(s->rows);
    buf_done(&s->body);
    free(s);
}

static int take_table(struct snapshot *s, enum noun_id noun)
{
    struct table *t = s->ev->tables[noun];

    for (size_t i = 0; t && i < table_end(t); i++) {
        struct slot *slot = table_at(t, i);

        if (!slot || !slot->pub)
            continue;
        s->rows[s->n].noun = noun;
        s->rows[s->n].object = nouns[noun].ref(slot->pub);
        s->rows[s->n].key = slot->key ? strdup(slot->key) : NULL;
        s->n++;
        if (slot->key && !s->rows[s->n - 1].key)
            return -ENOMEM;
    }
    return 0;
}

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

static int next_row(void *arg, struct vdi_store_object *ret)
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

static void finish(struct snapshot *s)
{
    s->ev->snapshot_running = false;
    if (s->done)
        s->done(s->arg, s->result, &s->err);
    snapshot_free(s);
}

static void trim_work(void *arg)
{
    struct snapshot *s = arg;

    s->result = s->ev->ops->trim(s->ev->store, s->epoch, s->seq, s->before_usec, &s->err);
}

static void trim_done(void *arg, bool dropped)
{
    finish(arg); /* dropped: the next snapshot's trim takes what this one leaves */
}

static void write_work(void *arg)
{
    struct snapshot *s = arg;

    s->result = s->ev->ops->snapshot_write(s->ev->store, s->epoch, s->seq, next_row, s, &s->err);
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
    finish(s);
}

int events_snapshot(struct events *ev, int64_t before_usec,
                    void (*done)(void *arg, int result, const struct vdi_error *err), void *arg)
{
    struct snapshot *s;
    size_t n = 0;
    int r = 0;

    if (ev->snapshot_running)
        return -EBUSY;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    for (int i = 0; i < NOUN_N; i++)
        n += ev->tables[i] ? table_count(ev->tables[i]) : 0;
    s->ev = ev;
    s->seq = events_seq(ev);
    s->epoch = ev->epoch;
    s->before_usec = before_usec;
    s->body = BUF_INIT(0);
    s->done = done;
    s->arg = arg;
    memcpy(s->next_id, ev->next_id, sizeof(s->next_id));
    s->rows = calloc(n + 1, sizeof(*s->rows));
    if (!s->rows)
        r = -ENOMEM;
    for (int i = 0; r >= 0 && i < NOUN_N; i++)
        r = take_table(s, (enum noun_id)i);
    if (r >= 0 && ev->collect)
        s->n_extras = ev->collect(ev->arg, &s->extras);
    if (r >= 0)
        r = workers_post(ev->snapshot_worker, write_work, write_done, s);
    if (r < 0) {
        snapshot_free(s);
        return r;
    }
    ev->snapshot_running = true;
    return 0;
}

uint64_t events_since_snapshot(const struct events *ev)
{
    return ev->snapshot_due ? UINT64_MAX : events_seq(ev) - ev->snapshot_seq;
}

void events_set_extras(struct events *ev, size_t (*collect)(void *arg, struct events_extra **ret),
                       void (*restore)(void *arg, const struct vdi_store_object *row))
{
    ev->collect = collect;
    ev->restore = restore;
}
