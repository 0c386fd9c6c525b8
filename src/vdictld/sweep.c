/* SPDX-License-Identifier: Apache-2.0 */
/* sweep.c - a round every second, each bounded in what it does. */
#include "vdictld/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/arrays.h"
#include "vdictld/audit.h"
#include "vdictld/idem.h"
#include "vdictld/job_index.h"

#define ROUND_USEC USEC_PER_SEC
#define ROUND_OBJECTS 2000
/* A start reads the snapshot and then up to so many events. bench/snapshot: 100,000 jobs take
 * 1.8 s of CPU, 100,000 events 0.35 s more, and writing a snapshot 1.1 s beside commits. */
#define SNAPSHOT_EVENTS 100000
#define SNAPSHOT_RETRY_USEC (60 * USEC_PER_SEC)
#define ANCHOR_USEC (3600 * USEC_PER_SEC)
#define LEASE_RENEW_USEC (10 * USEC_PER_SEC)

struct ended {
    struct list link; /* oldest first */
    enum noun_id noun;
    uint64_t id;
    int64_t since_usec;
};

struct sweep {
    struct core *core;
    struct source *timer;
    struct list ended;
    int64_t lease_usec, snapshot_usec; /* when it was begun last */
    int64_t anchor_usec;               /* the last time */
    bool renewing;
    int lease_result;
    uint64_t lease_epoch; /* as the store gave it */
    struct vdi_error lease_err;
};

static void sweep_round(void *arg);

struct sweep *sweep_new(struct core *core)
{
    struct sweep *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->core = core;
    list_init(&s->ended);
    s->timer = loop_timer(core->loop, ROUND_USEC, sweep_round, s);
    s->lease_usec = loop_monotonic_usec(core->loop);
    return s;
}

void sweep_free(struct sweep *s)
{
    if (!s)
        return;
    list_for_each_safe (it, &s->ended) {
        list_remove(it);
        free(list_entry(it, struct ended, link));
    }
    source_free(s->timer);
    free(s);
}

void sweep_later(struct core *core, enum noun_id noun, uint64_t id, const char *key)
{
    struct ended *e = calloc(1, sizeof(*e));

    if (!e)
        return; /* it stays in memory until the next start */
    e->noun = noun;
    e->id = id;
    e->since_usec = loop_now_usec(core->loop);
    list_append(&core->sweep->ended, &e->link);
}

static void drop_object(struct core *core, const struct ended *e)
{
    struct table *t = events_table(core->events, e->noun);
    struct slot *slot = table_slot(t, e->id, NULL, false);
    struct noun_meta meta;

    if (!slot || !slot->pub || slot->pub != slot->staged)
        return;
    nouns[e->noun].meta(slot->pub, &meta);
    if (!meta.ended)
        return;
    if (e->noun == NOUN_JOB) {
        idem_outlive(core->idem, slot->pub);
        job_index_remove(core->mine, slot->pub);
        arrays_forget(core, slot->pub);
    }
    table_remove(t, slot);
}

static void drop_ended(struct sweep *s, int64_t now)
{
    int64_t keep = s->core->config->keep_done_sec * USEC_PER_SEC;

    for (unsigned n = 0; n < ROUND_OBJECTS && !list_is_empty(&s->ended); n++) {
        struct ended *e = list_entry(s->ended.next, struct ended, link);

        if (e->since_usec + keep > now)
            return;
        drop_object(s->core, e);
        list_remove(&e->link);
        free(e);
    }
}

static void expire_token(struct core *core, const struct token *token, int64_t now)
{
    struct token_event event = {.type = TOKEN_EVENT_EXPIRE, .time_usec = now};
    struct txn *txn = txn_new(core->events);

    if (txn && txn_add(txn, NOUN_TOKEN, 0, token->id, &event, NULL) >= 0)
        txn_commit(txn, NULL, NULL);
    else
        txn_abort(txn);
}

/* Tokens live an hour at most, so there are few; ended ones leave at once. */
static void expire_tokens(struct core *core, int64_t now)
{
    struct table *t = events_table(core->events, NOUN_TOKEN);

    for (size_t i = 0, n = 0; i < table_end(t) && n < ROUND_OBJECTS; i++) {
        struct slot *slot = table_at(t, i);
        const struct token *token = slot ? slot->pub : NULL;

        if (!token || slot->pub != slot->staged)
            continue;
        if (token->ended)
            table_remove(t, slot);
        else if (token->expire_usec <= now)
            expire_token(core, token, now);
        else
            continue;
        n++;
    }
}

static void snapshot_done(void *arg, int result, const struct vdi_error *err)
{
    struct sweep *s = arg;

    if (result >= 0)
        s->snapshot_usec = 0;
    else
        log_warning("a snapshot was not written, or the log not trimmed: %s", err->detail);
}

static void lease_work(void *arg)
{
    struct sweep *s = arg;

    s->lease_result =
        s->core->store_ops.lease(s->core->store, core_holder(s->core), time_now_usec(),
                                 LEASE_TTL_USEC, &s->lease_epoch, &s->lease_err);
}

/* Another leads, or has led: what we would still do, vdid and store refuse by the epoch. */
static void stop_leading(struct core *core, const char *why)
{
    log_error("%s: stopping", why);
    core->stopping = core->deposed = true;
    loop_stop(core->loop);
}

static void lease_done(void *arg, bool dropped)
{
    struct sweep *s = arg;
    struct core *core = s->core;

    s->renewing = false;
    if (dropped)
        return;
    if (s->lease_result < 0)
        log_error("the lease could not be renewed: %s", s->lease_err.detail);
    if (s->lease_result == -EBUSY || s->lease_result == -ESTALE)
        stop_leading(core, "another controller leads");
    else if (s->lease_result >= 0 && s->lease_epoch != events_epoch(core->events))
        /* Ours had run out. The new one is of no use: what memory holds is not the store's. */
        stop_leading(core, "another controller has led meanwhile");
}

static void renew_lease(struct sweep *s)
{
    int64_t now = loop_monotonic_usec(s->core->loop);

    if (s->renewing || now - s->lease_usec < LEASE_RENEW_USEC)
        return;
    s->lease_usec = now;
    s->renewing = workers_post(s->core->store_worker, lease_work, lease_done, s) >= 0;
}

int64_t sweep_trim_usec(struct core *core)
{
    struct table *t = events_table(core->events, NOUN_JOB);
    int64_t before = loop_now_usec(core->loop) - core->config->keep_events_sec * USEC_PER_SEC;

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct job *job = slot ? slot->staged : NULL;

        if (job && !job_state_is_end(job->state) && job->spec->script_bytes &&
            job->submit_usec < before)
            before = job->submit_usec;
    }
    return before;
}

/* One that fails is not begun again at once: it may be the disk that is full. */
static void begin_snapshot(struct sweep *s, int64_t now)
{
    struct core *core = s->core;
    int64_t monotonic = loop_monotonic_usec(core->loop);

    if (events_since_snapshot(core->events) <= SNAPSHOT_EVENTS ||
        (s->snapshot_usec && monotonic - s->snapshot_usec < SNAPSHOT_RETRY_USEC))
        return;
    s->snapshot_usec = monotonic;
    events_snapshot(core->events, sweep_trim_usec(core), snapshot_done, s);
}

static void sweep_round(void *arg)
{
    struct sweep *s = arg;
    struct core *core = s->core;
    int64_t now = loop_now_usec(core->loop);

    if (core->stopping)
        return;
    drop_ended(s, now);
    expire_tokens(core, now);
    idem_expire(core->idem, now);
    renew_lease(s);
    begin_snapshot(s, now);
    if (loop_monotonic_usec(core->loop) - s->anchor_usec >= ANCHOR_USEC) {
        s->anchor_usec = loop_monotonic_usec(core->loop);
        audit_anchor(core, false);
    }
    source_rearm(s->timer, ROUND_USEC);
}
