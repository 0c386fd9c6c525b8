/* SPDX-License-Identifier: Apache-2.0 */
/* archive.c - store queries on the store's worker. */
#include "vdictld/archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/record.h"

static struct archive_row *row_add(struct archive_query *q)
{
    if (q->n_rows >= q->limit)
        return NULL;
    return &q->rows[q->n_rows];
}

static int row_fill(struct archive_query *q, struct archive_row *row, const char *key,
                    const char *type, const char *body, size_t len)
{
    row->key = strdup(key);
    row->type = strdup(type);
    row->body = malloc(len + 1);
    row->body_len = len;
    q->n_rows++;
    if (!row->key || !row->type || !row->body)
        return -ENOMEM;
    memcpy(row->body, body, len);
    row->body[len] = '\0';
    return 0;
}

static void row_bad(struct archive_query *q, const char *key)
{
    if (!q->n_bad++)
        str_copy(q->bad_key, sizeof(q->bad_key), key);
}

static int take_record(void *arg, const struct vdi_store_record *r)
{
    struct archive_query *q = arg;
    struct archive_row *row = row_add(q);

    if (!row)
        return 0;
    if (!record_is_good(r)) {
        row_bad(q, r->key);
        return 0;
    }
    row->seq = r->seq;
    row->time_usec = r->time_usec;
    row->version = r->version;
    return row_fill(q, row, r->key, r->type, r->body, r->body_len);
}

static int take_object(void *arg, const struct vdi_store_object *o)
{
    struct archive_query *q = arg;
    struct archive_row *row = row_add(q);

    q->n_seen++;
    q->last_usec = o->end_usec;
    str_copy(q->last_key, sizeof(q->last_key), o->key);
    if (!row)
        return 0;
    if (!object_is_good(o)) {
        row_bad(q, o->key);
        return 0;
    }
    row->seq = o->seq;
    row->time_usec = o->begin_usec;
    row->version = o->version;
    return row_fill(q, row, o->key, o->state, o->body, o->body_len);
}

static void ask_work(void *arg)
{
    struct archive_query *q = arg;
    struct vdi_store_query query = {
        .noun = q->noun,
        .key = *q->key ? q->key : NULL,
        .owner = *q->owner ? q->owner : NULL,
        .from_usec = q->from_usec,
        .to_usec = q->to_usec,
        .after_seq = q->after_seq,
        .after_key = *q->after_key ? q->after_key : NULL,
        .limit = q->limit,
        .states = q->states[0] ? q->states : NULL,
        .by_end = q->by_end,
        .after_usec = q->after_usec,
        .ended_by_usec = q->ended_by_usec,
    };
    const struct vdi_store_ops *ops = &q->core->store_ops;

    q->rows = calloc(q->limit, sizeof(*q->rows));
    if (!q->rows)
        q->result = error_set(&q->err, ENOMEM, "", "out of memory");
    else if (q->events)
        q->result = ops->query_events(q->core->store, &query, take_record, q, &q->err);
    else
        q->result = ops->query_archive(q->core->store, &query, take_object, q, &q->err);
}

/* Once a minute at most: a list that is asked for again and again meets the same rows. */
static void tell_damage(const struct archive_query *q)
{
    int64_t now = loop_monotonic_usec(q->core->loop);

    q->core->archive_damaged += q->n_bad;
    if (q->core->archive_told_usec && now < q->core->archive_told_usec + 60 * USEC_PER_SEC)
        return;
    q->core->archive_told_usec = now;
    log_error("store: %s of %s %s can't be believed: its checksum differs; it is left out (%zu so)",
              q->events ? "an event" : "the archived state", q->noun, q->bad_key, q->n_bad);
}

void archive_query_free(struct archive_query *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->n_rows; i++) {
        free(q->rows[i].key);
        free(q->rows[i].type);
        free(q->rows[i].body);
    }
    free(q->rows);
    free(q);
}

struct archive_query *archive_keep(const struct archive_query *q)
{
    struct archive_query *mine = (struct archive_query *)q;

    *mine->kept = true;
    return mine;
}

static void ask_done(void *arg, bool dropped)
{
    struct archive_query *q = arg;
    bool kept = false;

    if (dropped)
        q->result = error_set(&q->err, ESHUTDOWN, "", "the controller is stopping");
    if (q->n_bad)
        tell_damage(q);
    q->kept = &kept;
    q->done(q->arg, q);
    if (!kept)
        archive_query_free(q);
}

int archive_ask(struct core *core, const struct archive_query *q)
{
    struct archive_query *copy = malloc(sizeof(*copy));
    int r;

    if (!copy)
        return -ENOMEM;
    *copy = *q;
    copy->core = core;
    copy->rows = NULL;
    copy->n_rows = copy->n_seen = copy->n_bad = 0;
    copy->result = 0;
    r = workers_post(core->store_worker, ask_work, ask_done, copy);
    if (r < 0)
        free(copy);
    return r;
}

/* ---- walks ---- */

#define WINDOW_USEC (7 * 86400 * USEC_PER_SEC)

void archive_walk_begin(struct archive_walk *w)
{
    int64_t at = w->after_usec > w->from_usec ? w->after_usec : w->from_usec;

    w->low_usec = w->from_usec;
    w->ended_by_usec = w->to_usec;
    while (w->ended_by_usec && w->ended_by_usec < at)
        w->ended_by_usec += WINDOW_USEC;
}

int archive_walk_ask(struct core *core, const struct archive_walk *w, struct archive_query *q)
{
    q->noun = w->noun;
    q->by_end = true;
    q->limit = w->page;
    q->from_usec = w->low_usec;
    q->to_usec = w->to_usec;
    q->ended_by_usec = w->ended_by_usec;
    q->after_usec = w->after_usec;
    str_copy(q->owner, sizeof(q->owner), w->owner);
    /* Within a new window everything is after the cursor. */
    if (w->after_usec > w->low_usec)
        str_copy(q->after_key, sizeof(q->after_key), w->after_key);
    return archive_ask(core, q);
}

bool archive_walk_next(struct archive_walk *w, const struct archive_query *q)
{
    if (q->n_seen) {
        w->after_usec = q->last_usec;
        str_copy(w->after_key, sizeof(w->after_key), q->last_key);
    }
    if (q->n_seen == w->page)
        return true;
    if (!w->ended_by_usec || w->ended_by_usec >= w->now_usec)
        return false;
    w->low_usec = w->ended_by_usec;
    w->ended_by_usec += WINDOW_USEC;
    return true;
}

bool archive_walk_met(const struct archive_walk *w, int64_t end_usec, uint64_t id)
{
    uint64_t last = 0;

    (void)str_to_u64(w->after_key, 0, INT64_MAX, &last);
    return end_usec < w->after_usec || (end_usec == w->after_usec && id <= last);
}
