/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.c - jobs that are waited for: counted once, then kept in step with what is committed.
 *
 * A target is a row of ids, of which most have one. Kept: each of its jobs is counted in
 * `unstarted` and `unended` as it was when it was last looked at, or is flagged in `unknown`:
 * those were not in memory, so they have ended, and only the store can say how.
 */
#include "vdictld/facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/job_codec.h"
#include "vdictld/archive.h"
#include "vdictld/arrays.h"

#define RETRY_USEC (2 * USEC_PER_SEC)

struct target {
    struct list watches;
    struct list asking; /* in facts.asking while something is asked for */
    uint64_t job;
    uint32_t task;
    bool has_task;
    bool is_lost;
    uint64_t first; /* its jobs, once it is known which they are: n > 0 */
    uint32_t n;
    unsigned char *unknown; /* by job; NULL: none is */
    uint32_t n_unknown, unstarted, unended;
    struct dependency_facts facts; /* of those that are known */
    char key[JOB_NAME_TEXT];
};

struct facts {
    struct core *core;
    struct hash *targets; /* key -> struct target */
    struct list asking;
    struct target *asked; /* of the query on its way; NULL again: it is gone */
    bool is_asking;
    struct source *retry;
    void (*changed)(void *arg, struct facts_watch *watch);
    void *arg;
};

static void retry(void *arg)
{
    facts_ask(arg);
}

struct facts *facts_new(struct core *core, void (*changed)(void *arg, struct facts_watch *watch),
                        void *arg)
{
    struct facts *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    *f = (struct facts){.core = core, .targets = hash_new_str(), .changed = changed, .arg = arg};
    list_init(&f->asking);
    f->retry = loop_timer(core->loop, -1, retry, f);
    if (f->targets && f->retry)
        return f;
    facts_free(f);
    return NULL;
}

void facts_free(struct facts *f)
{
    void *value;

    if (!f)
        return;
    for (size_t i = 0; f->targets && hash_next(f->targets, &i, &value); free(value))
        free(((struct target *)value)->unknown);
    hash_free(f->targets);
    source_free(f->retry);
    free(f);
}

static void tell(struct facts *f, struct target *t)
{
    list_for_each (it, &t->watches)
        f->changed(f->arg, list_entry(it, struct facts_watch, link));
}

/* ---- counting ---- */

static int64_t start_of(const struct job *job)
{
    if (job->first_start_usec || job->start_usec)
        return job->first_start_usec ? job->first_start_usec : job->start_usec;
    return job_state_is_end(job->state) ? job->end_usec : 0;
}

static bool has_started(const struct job *job)
{
    return start_of(job) || job_state_is_end(job->state);
}

static void learn_start(struct target *t, const struct job *job)
{
    t->unstarted--;
    if (start_of(job) > t->facts.start_usec)
        t->facts.start_usec = start_of(job);
}

static void learn_end(struct target *t, const struct job *job)
{
    t->unended--;
    t->facts.failed |= job->state != JOB_COMPLETED;
}

static void learn(struct target *t, const struct job *job)
{
    if (has_started(job))
        learn_start(t, job);
    if (job_state_is_end(job->state))
        learn_end(t, job);
}

static void sum_up(struct target *t)
{
    t->facts.started = t->n && !t->n_unknown && !t->unstarted;
    t->facts.ended = t->n && !t->n_unknown && !t->unended;
}

/* Its jobs, as they are in memory; `other`, one that is not, or NULL, is known too. */
static void survey(struct facts *f, struct target *t, const struct job *other)
{
    t->unstarted = t->unended = t->n;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct job *job = core_job(f->core, t->first + i);

        if (!job && other && other->id == t->first + i)
            job = other;
        if (!job && !t->unknown)
            t->unknown = calloc(t->n, 1);
        if (job) {
            learn(t, job);
        } else {
            if (t->unknown)
                t->unknown[i] = 1;
            t->n_unknown++; /* without memory for the flags: for good */
        }
    }
    sum_up(t);
}

/* ---- which jobs are meant ---- */

/* By the record of the job that is named, which may be an array's first task. */
static void resolve_by(struct facts *f, struct target *t, const struct job *job)
{
    struct array_tasks tasks = {.n = 0};
    struct vdi_error err;

    t->first = job->id;
    t->n = 1;
    if (t->has_task) {
        t->first = arrays_task_id(job->id, job->spec->array, t->task);
    } else if (job->array_id == job->id &&
               array_parse(job->spec->array, ARRAY_SIZE_MAX, &tasks, &err) == 0) {
        t->n = (uint32_t)tasks.n;
        array_tasks_done(&tasks);
    }
    t->is_lost = !t->first;
    if (t->is_lost)
        t->n = 0;
    survey(f, t, job);
}

/* False: no record in memory says. */
static bool resolve(struct facts *f, struct target *t)
{
    const struct job *job = core_job(f->core, t->job), *any;
    uint64_t array;

    if (job) {
        resolve_by(f, t, job);
        return true;
    }
    any = arrays_any(f->core, t->job);
    if (!any)
        return false;
    t->n = t->has_task ? 1 : arrays_count(f->core, t->job);
    t->first = t->job;
    if (t->has_task && !arrays_id(f->core, t->key, &t->first, &array))
        t->is_lost = true;
    if (t->is_lost)
        t->n = 0;
    survey(f, t, NULL);
    return true;
}

/* ---- the store ---- */

static uint32_t next_unknown(const struct target *t)
{
    uint32_t i = 0;

    while (i < t->n && !t->unknown[i])
        i++;
    return i;
}

static void take_answer(struct facts *f, struct target *t, uint64_t id, const struct job *job)
{
    list_remove(&t->asking);
    if (!job) {
        t->is_lost = true; /* a damaged store: nobody knows how it ended */
    } else if (!t->n) {
        resolve_by(f, t, job);
    } else {
        t->unknown[id - t->first] = 0;
        t->n_unknown--;
        learn(t, job);
        sum_up(t);
    }
    if (!t->is_lost && t->n_unknown && t->unknown)
        list_append(&f->asking, &t->asking);
    tell(f, t);
}

static void answered(void *arg, const struct archive_query *q)
{
    struct facts *f = arg;
    struct target *t = f->asked;
    struct job *job = NULL;
    uint64_t id = 0;

    f->is_asking = false;
    f->asked = NULL;
    if (q->result < 0) {
        source_rearm(f->retry, RETRY_USEC);
        return;
    }
    (void)str_to_u64(q->key, 1, INT64_MAX, &id);
    if (t && q->n_rows)
        (void)job_snapshot_decode(id, q->rows[0].version, q->rows[0].body, q->rows[0].body_len,
                                  &job, NULL);
    if (t)
        take_answer(f, t, id, job);
    job_unref(job);
    facts_ask(f);
}

void facts_ask(struct facts *f)
{
    struct archive_query q = {.noun = "job", .limit = 1, .done = answered, .arg = f};
    struct target *t;

    if (f->is_asking || list_is_empty(&f->asking) || f->core->stopping)
        return;
    t = list_entry(f->asking.next, struct target, asking);
    snprintf(q.key, sizeof(q.key), "%" PRIu64, t->n ? t->first + next_unknown(t) : t->job);
    f->is_asking = archive_ask(f->core, &q) >= 0;
    f->asked = f->is_asking ? t : NULL;
    if (!f->is_asking)
        source_rearm(f->retry, RETRY_USEC);
}

/* ---- who watches ---- */

static struct target *target_get(struct facts *f, const struct dependency_clause *c)
{
    char key[JOB_NAME_TEXT];
    struct target *t = hash_get(f->targets, dependency_job_name(c, key));

    if (t)
        return t;
    t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    str_copy(t->key, sizeof(t->key), key);
    t->job = c->job;
    t->task = c->task;
    t->has_task = c->has_task;
    list_init(&t->watches);
    list_init(&t->asking);
    if (hash_put(f->targets, t->key, t) < 0) {
        free(t);
        return NULL;
    }
    if (!resolve(f, t) || (t->n_unknown && t->unknown))
        list_append(&f->asking, &t->asking);
    return t;
}

int facts_watch(struct facts *f, const struct dependency_clause *clause, struct facts_watch *watch)
{
    watch->target = target_get(f, clause);
    if (!watch->target)
        return -ENOMEM;
    list_append(&watch->target->watches, &watch->link);
    f->changed(f->arg, watch);
    source_rearm(f->retry, 0); /* not from within a publication */
    return 0;
}

void facts_unwatch(struct facts *f, struct facts_watch *watch)
{
    struct target *t = watch->target;

    if (!t)
        return;
    watch->target = NULL;
    list_remove(&watch->link);
    if (!list_is_empty(&t->watches))
        return;
    hash_remove(f->targets, t->key);
    list_remove(&t->asking);
    if (f->asked == t)
        f->asked = NULL;
    free(t->unknown);
    free(t);
}

const struct dependency_facts *facts_get(const struct facts_watch *watch, bool *ret_is_lost)
{
    const struct target *t = watch->target;

    *ret_is_lost = t && t->is_lost;
    return t && t->n ? &t->facts : NULL;
}

static void change(struct facts *f, struct target *t, const struct job *old, const struct job *now)
{
    bool starts = has_started(now) && !has_started(old);
    bool ends = job_state_is_end(now->state) && !job_state_is_end(old->state);

    if (!t || now->id - t->first >= t->n || (!starts && !ends))
        return;
    if (starts)
        learn_start(t, now);
    if (ends)
        learn_end(t, now);
    sum_up(t);
    tell(f, t);
}

void facts_job(struct facts *f, const struct job *old, const struct job *now)
{
    char key[JOB_NAME_TEXT];

    if (!old || !hash_count(f->targets))
        return;
    snprintf(key, sizeof(key), "%" PRIu64, now->id);
    change(f, hash_get(f->targets, key), old, now);
    if (!now->array_id)
        return;
    change(f, hash_get(f->targets, arrays_name(now, key)), old, now);
    snprintf(key, sizeof(key), "%" PRIu64, now->array_id);
    if (now->id != now->array_id)
        change(f, hash_get(f->targets, key), old, now);
}
