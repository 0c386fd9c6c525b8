/* SPDX-License-Identifier: Apache-2.0 */
/* memory_store.c - see memory_store.h. */
#include "memory_store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"

static char *copy_bytes(const char *s, size_t len)
{
    char *copy = malloc(len + 1);

    assert_non_null(copy);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

static struct vdi_store_object copy_object(const struct vdi_store_object *o)
{
    struct vdi_store_object copy = *o;

    copy.noun = strdup(o->noun);
    copy.key = strdup(o->key);
    copy.owner = strdup(o->owner);
    copy.state = strdup(o->state);
    copy.body = copy_bytes(o->body, o->body_len);
    return copy;
}

static void free_object(struct vdi_store_object *o)
{
    free((char *)o->noun);
    free((char *)o->key);
    free((char *)o->owner);
    free((char *)o->state);
    free((char *)o->body);
}

static void free_rows(struct memory_store *s)
{
    for (size_t i = 0; i < s->n_rows; i++)
        free_object(&s->rows[i]);
    free(s->rows);
    s->rows = NULL;
    s->n_rows = 0;
}

static void keep_record(struct memory_store *s, const struct vdi_store_record *r)
{
    struct vdi_store_record *copy;

    if (s->n_records == s->size_records) {
        s->size_records = s->size_records ? s->size_records * 2 : 64;
        s->records = reallocarray(s->records, s->size_records, sizeof(*s->records));
    }
    copy = &s->records[s->n_records++];
    *copy = *r;
    copy->noun = strdup(r->noun);
    copy->key = strdup(r->key);
    copy->type = strdup(r->type);
    copy->body = copy_bytes(r->body, r->body_len);
}

static int store_append(void *arg, const struct vdi_store_batch *batch, struct vdi_error *err)
{
    struct memory_store *s = arg;

    if (s->slow_usec)
        usleep(s->slow_usec);
    s->appends++;
    if (s->fail_all || s->appends == s->fail_append)
        return error_set(err, s->fail_code, "store", "told to fail");
    for (size_t i = 0; i < batch->n_records; i++)
        keep_record(s, &batch->records[i]);
    s->archive = reallocarray(s->archive, s->n_archive + batch->n_archive + 1, sizeof(*s->archive));
    for (size_t i = 0; i < batch->n_archive; i++)
        s->archive[s->n_archive++] = copy_object(&batch->archive[i]);
    if (batch->id_reserve > s->id_reserve)
        s->id_reserve = batch->id_reserve;
    return 0;
}

static int store_load(void *arg, const struct vdi_store_loader *loader,
                      struct vdi_store_summary *ret, struct vdi_error *err)
{
    static const struct vdi_store_damage told = {"snapshot", "is cut short", 0, 0};
    struct memory_store *s = arg;

    *ret = (struct vdi_store_summary){
        .snapshot_seq = s->snapshot_seq,
        .last_seq = s->snapshot_seq,
        .id_reserve = s->id_reserve,
        .damaged = s->tell_damage,
    };
    if (s->tell_damage)
        loader->damage(loader->arg, &told);
    for (size_t i = 0; i < s->n_rows; i++)
        assert_int_equal(loader->object(loader->arg, &s->rows[i]), 0);
    for (size_t i = 0; i < s->n_records; i++) {
        int r =
            s->records[i].seq > s->snapshot_seq ? loader->record(loader->arg, &s->records[i]) : 0;
        uint64_t seq = s->records[i].seq;
        struct vdi_store_damage damage = {"a record", "checksum differs", seq, seq};

        if (r == -EBADMSG) {
            ret->damaged = ret->lost = true;
            loader->damage(loader->arg, &damage);
        } else if (r < 0) {
            return r;
        }
        if (s->records[i].seq > ret->last_seq)
            ret->last_seq = s->records[i].seq;
    }
    return 0;
}

static int store_snapshot(void *arg, uint64_t epoch, uint64_t seq,
                          int (*next)(void *arg, struct vdi_store_object *ret_row), void *next_arg,
                          struct vdi_error *err)
{
    struct memory_store *s = arg;
    struct vdi_store_object row;

    free_rows(s);
    while (next(next_arg, &row) > 0) {
        s->rows = reallocarray(s->rows, s->n_rows + 1, sizeof(*s->rows));
        s->rows[s->n_rows++] = copy_object(&row);
    }
    s->snapshot_seq = seq;
    return 0;
}

static int store_trim(void *arg, uint64_t epoch, uint64_t seq, int64_t before_usec,
                      struct vdi_error *err)
{
    return 0;
}

const struct vdi_store_ops memory_store_ops = {
    .append = store_append,
    .load = store_load,
    .snapshot_write = store_snapshot,
    .trim = store_trim,
};

void memory_store_done(struct memory_store *s)
{
    for (size_t i = 0; i < s->n_records; i++) {
        free((char *)s->records[i].noun);
        free((char *)s->records[i].key);
        free((char *)s->records[i].type);
        free((char *)s->records[i].body);
    }
    free(s->records);
    free_rows(s);
    for (size_t i = 0; i < s->n_archive; i++)
        free_object(&s->archive[i]);
    free(s->archive);
    *s = (struct memory_store){0};
}

void memory_store_flip(struct memory_store *s, size_t record)
{
    ((char *)s->records[record].body)[s->records[record].body_len / 2] ^= 0x10;
}

/* ---- the core on it ---- */

static void published(void *arg, const struct published *p)
{
    struct memory_events *m = arg;

    m->disorder |= p->seq != m->last_seq + 1;
    m->last_seq = p->seq;
    m->n_published++;
}

static void core_new(struct memory_events *m)
{
    struct vdi_error err = {0};

    m->loop = loop_new();
    m->worker = workers_new(m->loop, "store", 1, 4096);
    m->snapshot_worker = workers_new(m->loop, "snapshot", 1, 1);
    m->events = events_new(m->loop, m->worker, m->snapshot_worker, &memory_store_ops, published, m);
    assert_non_null(m->events);
    assert_int_equal(events_load(m->events, &m->store, 1, &err), 0);
    m->last_seq = events_seq(m->events);
}

static void core_done(struct memory_events *m)
{
    workers_free(m->snapshot_worker);
    workers_free(m->worker);
    events_free(m->events);
    loop_free(m->loop);
}

void memory_events_new(struct memory_events *m)
{
    *m = (struct memory_events){0};
    core_new(m);
}

void memory_events_done(struct memory_events *m)
{
    core_done(m);
    memory_store_done(&m->store);
}

void memory_events_restart(struct memory_events *m)
{
    core_done(m);
    core_new(m);
}

struct pending {
    struct memory_events *m;
    int *result;
};

static void answered(void *arg, int result, const struct vdi_error *err)
{
    struct pending *p = arg;

    if (result < 0)
        assert_non_null(err);
    if (p->result)
        *p->result = result;
    p->m->n_pending--;
    free(p);
}

void memory_events_commit(struct memory_events *m, struct txn *txn, int *ret_result)
{
    struct pending *p = malloc(sizeof(*p));

    *p = (struct pending){m, ret_result};
    m->n_pending++;
    txn_commit(txn, answered, p);
}

void memory_events_wait(struct memory_events *m)
{
    while (m->n_pending)
        loop_run_once(m->loop, true);
}

static void snapshot_answered(void *arg, int result, const struct vdi_error *err)
{
    assert_int_equal(result, 0);
    ((struct memory_events *)arg)->n_pending--;
}

void memory_events_snapshot(struct memory_events *m)
{
    m->n_pending++;
    assert_int_equal(events_snapshot(m->events, 0, snapshot_answered, m), 0);
    memory_events_wait(m);
}

static const struct slot *find(struct memory_events *m, enum noun_id noun, uint64_t id,
                               const char *key)
{
    return table_slot(events_table(m->events, noun), id, key, false);
}

const void *memory_events_pub(struct memory_events *m, enum noun_id noun, uint64_t id,
                              const char *key)
{
    const struct slot *slot = find(m, noun, id, key);

    return slot ? slot->pub : NULL;
}

const void *memory_events_staged(struct memory_events *m, enum noun_id noun, uint64_t id,
                                 const char *key)
{
    const struct slot *slot = find(m, noun, id, key);

    return slot ? slot->staged : NULL;
}
