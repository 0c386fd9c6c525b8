/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minutes.c - the GPU minutes that were used under each limit that counts them.
 *
 * Kept: a sum is what is left of it at `at_usec`. The archive is read at the start, and when
 * limits or the half life are others; until then nothing is known.
 */
#include "vdictld/minutes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/noun_codec.h"
#include "model/share.h"
#include "model/usage.h"
#include "vdictld/archive.h"
#include "vdictld/priority.h"
#include "vdictld/quota_impl.h"

#define PAGE 500
#define SLICE_USEC 2000
#define LOOKS 8       /* instances between two looks at the clock */
#define HALF_LIVES 20 /* of what is older a millionth is left */
#define RETRY_USEC (10 * USEC_PER_SEC)

struct used {
    double minutes;
    int64_t at_usec;
    char key[];
};

struct minutes {
    struct core *core;
    struct hash *sums;    /* counter's key -> struct used; NULL: nothing is known */
    struct hash *reading; /* to be in force next */
    char *of;             /* the limits that `sums` or `reading` is of */
    int64_t half_life_usec;
    struct source *next; /* the next slice, or another try */
    struct archive_walk walk;
    struct archive_query *page; /* being summed up; NULL: none */
    size_t page_at;
    bool asking; /* a page is on its way */
    bool again;  /* another vdi.conf came meanwhile */
    bool told_error;
};

static void run(void *arg);

struct minutes *minutes_new(struct core *core)
{
    struct minutes *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->core = core;
    m->next = loop_timer(core->loop, -1, run, m);
    if (m->next)
        return m;
    free(m);
    return NULL;
}

static void sums_free(struct hash *sums)
{
    void *value;

    for (size_t i = 0; sums && hash_next(sums, &i, &value);)
        free(value);
    hash_free(sums);
}

void minutes_free(struct minutes *m)
{
    if (!m)
        return;
    source_free(m->next);
    archive_query_free(m->page);
    sums_free(m->sums);
    sums_free(m->reading);
    free(m->of);
    free(m);
}

/* ---- sums ---- */

/* Once, or a full memory would fill the log, too. */
static void no_memory(struct minutes *m)
{
    if (!m->told_error)
        log_error("max_gpu_minutes: not all that was used is counted: out of memory");
    m->told_error = true;
}

static struct used *used_get(struct hash *sums, const char *key)
{
    struct used *u = hash_get(sums, key);
    size_t size = strlen(key) + 1;

    if (u)
        return u;
    u = calloc(1, sizeof(*u) + size);
    if (!u)
        return NULL;
    memcpy(u->key, key, size);
    if (hash_put(sums, u->key, u) == 0)
        return u;
    free(u);
    return NULL;
}

static void add_to(struct minutes *m, struct hash *sums, const struct instance *in,
                   const struct quota_scope *scope)
{
    _cleanup_(freep) char *key = quota_key(scope);
    struct used *u = key ? used_get(sums, key) : NULL;
    double rate = in->gpus / 60.0 * usage_held_part(in, in->gone_usec);

    if (!u) {
        no_memory(m);
        return;
    }
    if (in->gone_usec > u->at_usec) {
        u->minutes *= share_left(m->half_life_usec, in->gone_usec - u->at_usec);
        u->at_usec = in->gone_usec;
    }
    u->minutes += share_decay(m->half_life_usec, rate, in->request_usec, in->gone_usec, u->at_usec);
}

/* To every limit that it is counted under. */
static void add(struct minutes *m, struct hash *sums, const struct instance *in)
{
    const struct job_spec spec = {.qos = in->qos,
                                  .partition = in->partition,
                                  .account = in->account,
                                  .owner = in->owner,
                                  .limits = in->limits,
                                  .licences = ""};
    struct quota_scope scopes[QUOTA_COUNTERS_MAX];
    size_t n = in->gpus ? quota_scopes(m->core->config, &spec, scopes) : 0;

    for (size_t i = 0; i < n; i++)
        if (quota_set(&scopes[i])->gpu_minutes)
            add_to(m, sums, in, &scopes[i]);
}

void minutes_instance(struct core *core, const struct instance *old, const struct instance *now)
{
    struct minutes *m = core->minutes;

    if (now->state != INSTANCE_GONE || (old && old->state == INSTANCE_GONE) || !m->sums)
        return;
    add(m, m->sums, now);
    quota_eased(core);
}

static double left_of(const struct minutes *m, const char *key)
{
    const struct used *u = m->sums ? hash_get(m->sums, key) : NULL;

    return u ? u->minutes * share_left(m->half_life_usec, loop_now_usec(m->core->loop) - u->at_usec)
             : 0;
}

bool minutes_are_known(const struct core *core)
{
    return core->minutes->sums != NULL;
}

uint64_t minutes_used(const struct core *core, const char *key)
{
    return (uint64_t)left_of(core->minutes, key);
}

/* Until `sum` is `most`. */
static int64_t decays_in(const struct minutes *m, double sum, double most)
{
    return sum <= most ? 0 : (int64_t)(log2(sum / most) * (double)m->half_life_usec) + 1;
}

int64_t minutes_ease_usec(const struct core *core, const char *key, uint64_t more,
                          int64_t from_usec, uint64_t most)
{
    const struct minutes *m = core->minutes;
    int64_t now = loop_now_usec(core->loop), first = 0, last = 0;
    double past = left_of(m, key), allowed = (double)most + 0.99; /* sums are in whole minutes */

    if (!most)
        allowed = 0.99;
    if ((double)more < allowed)
        first = now + decays_in(m, past, allowed - (double)more);
    if (from_usec < now)
        from_usec = now;
    last =
        from_usec +
        decays_in(m, past * share_left(m->half_life_usec, from_usec - now) + (double)more, allowed);
    return first && first < last ? first : last;
}

int64_t minutes_look_usec(const struct core *core)
{
    int64_t look = core->minutes->half_life_usec / 1000;

    return look < USEC_PER_SEC ? USEC_PER_SEC : look > 60 * USEC_PER_SEC ? 60 * USEC_PER_SEC : look;
}

/* ---- what was used before ---- */

static void ask(struct minutes *m);
static void begin(struct minutes *m);

/* What the archive did not have when it was read: gone since, and still in memory. */
static void take(struct minutes *m)
{
    struct table *t = events_table(m->core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->pub : NULL;

        if (in && in->gone_usec && !archive_walk_met(&m->walk, in->gone_usec, in->id))
            add(m, m->reading, in);
    }
    m->sums = TAKE_PTR(m->reading);
    quota_eased(m->core);
}

static void page_slice(struct minutes *m)
{
    int64_t until = loop_monotonic_usec(m->core->loop) + SLICE_USEC;
    bool more;

    while (m->page_at < m->page->n_rows) {
        const struct archive_row *row = &m->page->rows[m->page_at++];
        struct instance *in = NULL;
        uint64_t id;

        if (str_to_u64(row->key, 1, INT64_MAX, &id) == 0 &&
            instance_snapshot_decode(id, row->version, row->body, row->body_len, &in, NULL) >= 0 &&
            in->gone_usec)
            add(m, m->reading, in);
        instance_unref(in);
        if (m->page_at % LOOKS == 0 && loop_monotonic_usec(m->core->loop) > until) {
            source_rearm(m->next, 0);
            return;
        }
    }
    more = archive_walk_next(&m->walk, m->page);
    archive_query_free(TAKE_PTR(m->page));
    if (m->again)
        begin(m);
    else if (more)
        ask(m);
    else
        take(m);
}

/* The store is away or busy: nobody is let in by half of what was used. */
static void retry(struct minutes *m, const char *why)
{
    if (!m->told_error)
        log_error("max_gpu_minutes: what was used can't be read: %s; it is tried again", why);
    m->told_error = true;
    source_rearm(m->next, RETRY_USEC);
}

static void page_came(void *arg, const struct archive_query *q)
{
    struct minutes *m = arg;

    m->asking = false;
    if (m->core->stopping)
        return;
    if (m->again) {
        begin(m);
    } else if (q->result < 0) {
        retry(m, q->err.detail);
    } else {
        m->page = archive_keep(q);
        m->page_at = 0;
        page_slice(m);
    }
}

static void ask(struct minutes *m)
{
    struct archive_query q = {.done = page_came, .arg = m};

    if (archive_walk_ask(m->core, &m->walk, &q) >= 0)
        m->asking = true;
    else
        retry(m, "the store is busy");
}

static void run(void *arg)
{
    struct minutes *m = arg;

    if (m->core->stopping)
        return;
    if (m->page)
        page_slice(m);
    else if (!m->asking && !m->sums)
        m->reading ? ask(m) : begin(m);
}

static void begin(struct minutes *m)
{
    int64_t now = loop_now_usec(m->core->loop), span = m->half_life_usec * HALF_LIVES;

    m->again = m->asking || m->page; /* the old one ends first */
    if (m->again)
        return;
    sums_free(m->reading);
    m->reading = hash_new_str();
    if (!m->reading) {
        retry(m, "out of memory");
        return;
    }
    m->walk = (struct archive_walk){.noun = "instance",
                                    .from_usec = now > span ? now - span : 0,
                                    .to_usec = now,
                                    .now_usec = now,
                                    .page = PAGE};
    archive_walk_begin(&m->walk);
    ask(m);
}

void minutes_configure(struct core *core)
{
    struct minutes *m = core->minutes;
    char *of = quota_minutes(core->config); /* NULL: no memory; "": there is no such limit */
    int64_t half_life = priority_half_life_usec(core);

    half_life = half_life ? half_life : MINUTES_HALF_LIFE_USEC;
    if (of && m->of && str_equal(of, m->of) && half_life == m->half_life_usec) {
        free(of);
        return;
    }
    free(m->of);
    m->of = of;
    m->half_life_usec = half_life;
    sums_free(TAKE_PTR(m->sums));
    if (of && !*of && !m->asking && !m->page && (m->sums = hash_new_str()))
        quota_eased(core);
    else
        begin(m);
}
