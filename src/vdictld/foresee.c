/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foresee.c - when jobs may start that are not in line.
 *
 * Kept: `jobs` are those that the planner was told to leave aside for a reason of ours. A round
 * asks limits and arrays, then each job for the time from which nothing of ours holds it up, then
 * the plan, in the order of these times.
 */
#include "vdictld/foresee.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/time.h"
#include "vdictld/arrays.h"
#include "vdictld/depend.h"
#include "vdictld/disks.h"
#include "vdictld/queue.h"
#include "vdictld/quota.h"

#define SLICE_USEC 2000
#define ASKED_USEC 5000 /* for who asks, and is the first to */
#define ROUND_USEC (30 * USEC_PER_SEC)
#define SOON_USEC (USEC_PER_SEC / 2)
#define SHARE 20       /* of the processor, one of so many parts at most, where many come */
#define AT_ONCE_MAX 64 /* so few are worked out when somebody asks for one that is new */
#define DEPTH_MAX 100  /* of jobs that wait for jobs; what is deeper is known a round later */

struct ahead {
    uint64_t job;
    uint32_t round;     /* that `ready_usec` is of */
    int64_t ready_usec; /* nothing of ours holds it up any more; FORESEE_NEVER: nobody knows when */
    int64_t start_usec; /* 0: none, or not yet */
    int64_t asked_usec; /* the plan was asked for a start from then on */
};

enum stage { IDLE, LIMITS, READY, PLAN };

struct foresee {
    struct core *core;
    struct hash *jobs; /* id -> struct ahead */
    struct source *again;
    enum stage stage;
    uint32_t round;
    unsigned depth;
    bool is_changed;           /* one has come since the round began */
    size_t at;                 /* in the table of jobs */
    struct foresee_ends ready; /* of the round, with their ids */
    int64_t took_usec;
};

static void run(void *arg);

struct foresee *foresee_new(struct core *core)
{
    struct foresee *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->core = core;
    f->jobs = hash_new_u64();
    f->again = loop_timer(core->loop, -1, run, f);
    if (f->jobs && f->again)
        return f;
    foresee_free(f);
    return NULL;
}

void foresee_free(struct foresee *f)
{
    void *value;

    if (!f)
        return;
    for (size_t i = 0; f->jobs && hash_next(f->jobs, &i, &value);)
        free(value);
    hash_free(f->jobs);
    source_free(f->again);
    free(f->ready.at);
    free(f);
}

uint32_t foresee_round(const struct core *core)
{
    return core->foresee->round;
}

void foresee_anew(struct core *core)
{
    core->foresee->round++;
    core->foresee->stage = IDLE; /* a round that is under way begins again */
}

/* ---- ends ---- */

static bool is_sooner(const struct foresee_ends *ends, size_t a, size_t b)
{
    return ends->at[a].usec < ends->at[b].usec;
}

static void swap(struct foresee_ends *ends, size_t a, size_t b)
{
    struct foresee_end end = ends->at[a];

    ends->at[a] = ends->at[b];
    ends->at[b] = end;
}

int foresee_ends_add(struct foresee_ends *ends, struct foresee_end end)
{
    if (end.usec == FORESEE_NEVER)
        return 0;
    if (ends->n == ends->room) {
        size_t room = ends->room ? 2 * ends->room : 64;
        struct foresee_end *at = realloc(ends->at, room * sizeof(*at));

        if (!at)
            return -ENOMEM;
        ends->at = at;
        ends->room = room;
    }
    ends->at[ends->n++] = end;
    for (size_t i = ends->n - 1; i && is_sooner(ends, i, (i - 1) / 2); i = (i - 1) / 2)
        swap(ends, i, (i - 1) / 2);
    return 0;
}

struct foresee_end foresee_ends_take(struct foresee_ends *ends)
{
    struct foresee_end first = ends->at[0];
    size_t i = 0, child;

    ends->at[0] = ends->at[--ends->n];
    while ((child = 2 * i + 1) < ends->n) {
        child += child + 1 < ends->n && is_sooner(ends, child + 1, child);
        if (!is_sooner(ends, child, i))
            break;
        swap(ends, i, child);
        i = child;
    }
    return first;
}

/* ---- one job ---- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Of a dead lock of jobs that wait for each other there is none. */
static int64_t ready_of(struct foresee *f, struct ahead *a, const struct job *job)
{
    int64_t usec = loop_now_usec(f->core->loop);

    if (a->round == f->round)
        return a->ready_usec;
    if (f->depth == DEPTH_MAX)
        return a->start_usec ? later(a->start_usec, usec) : FORESEE_NEVER;
    a->round = f->round;
    a->ready_usec = FORESEE_NEVER;
    if (job->held_by_user || job->held_by_admin || job->unknown)
        return FORESEE_NEVER;
    f->depth++;
    usec = later(usec, job->spec->begin_usec);
    usec = later(usec, quota_foreseen_usec(f->core, job));
    usec = later(usec, arrays_foreseen_usec(f->core, job));
    usec = later(usec, disks_foreseen_usec(f->core, job));
    usec = later(usec, depend_foreseen_usec(f->core, job));
    f->depth--;
    a->ready_usec = usec;
    return usec;
}

/* In a round who waits for it is looked at before the plan is asked anew. If it is ready sooner
 * now, it waits as long for room as it did: so a whole chain comes nearer in one round. */
static int64_t likely_start_usec(const struct ahead *a)
{
    int64_t sooner = a->start_usec ? a->asked_usec - a->ready_usec : 0;

    return later(a->ready_usec, a->start_usec - later(sooner, 0));
}

int64_t foresee_begin_usec(struct core *core, const struct job *job)
{
    int64_t now = loop_now_usec(core->loop), usec;
    struct ahead *a = hash_get_u64(core->foresee->jobs, job->id);

    if (job_state_is_active(job->state))
        return now;
    if (a) {
        usec = ready_of(core->foresee, a, job);
        return usec == FORESEE_NEVER || a->round != core->foresee->round ? usec
                                                                         : likely_start_usec(a);
    }
    usec = queue_start_usec(core->queue, job->id);
    return usec ? later(usec, now) : FORESEE_NEVER;
}

int64_t foresee_end_usec(struct core *core, const struct job *job)
{
    int64_t now = loop_now_usec(core->loop), begin, end = job_limit_usec(job);

    if (job->state == JOB_COMPLETING)
        return now;
    if (end && job_state_is_active(job->state))
        return later(end, now);
    begin = foresee_begin_usec(core, job);
    return begin == FORESEE_NEVER || !job->spec->time_limit_sec
               ? FORESEE_NEVER
               : begin + job->spec->time_limit_sec * USEC_PER_SEC + PLAN_BOOT_USEC;
}

/* ---- a round ---- */

/* Most wait for jobs that came before them, and those are looked at first. */
static void look_ready(struct foresee *f, const struct job *job)
{
    struct ahead *a = job && job->state == JOB_PENDING ? hash_get_u64(f->jobs, job->id) : NULL;

    if (!a)
        return;
    if (ready_of(f, a, job) == FORESEE_NEVER ||
        foresee_ends_add(&f->ready, (struct foresee_end){a->ready_usec, .job = job->id}) < 0)
        a->start_usec = 0;
}

/* False: the plan is being made. */
static bool look_plan(struct foresee *f)
{
    uint64_t id = f->ready.at[0].job;
    struct ahead *a = hash_get_u64(f->jobs, id);
    int64_t usec = a ? queue_probe(f->core->queue, id, a->ready_usec) : 0;

    if (usec < 0)
        return false;
    foresee_ends_take(&f->ready);
    if (a) {
        a->start_usec = usec;
        a->asked_usec = a->ready_usec;
    }
    return true;
}

static void round_begin(struct foresee *f)
{
    f->stage = LIMITS;
    f->round++;
    f->at = 0;
    f->ready.n = 0;
    f->is_changed = false;
    f->took_usec = 0;
    quota_foresee(f->core);
}

/* One unit of the round. False: the plan is being made. */
static bool look(struct foresee *f)
{
    struct table *jobs = events_table(f->core->events, NOUN_JOB);
    const struct slot *slot;

    switch (f->stage) {
    case IDLE:
        round_begin(f);
        break;
    case LIMITS:
        if (!quota_foresee_next(f->core))
            f->stage = READY;
        break;
    case READY:
        slot = f->at < table_end(jobs) ? table_at(jobs, f->at) : NULL;
        look_ready(f, slot ? slot->pub : NULL);
        if (++f->at >= table_end(jobs))
            f->stage = PLAN;
        break;
    case PLAN:
        if (f->ready.n)
            return look_plan(f);
        f->stage = IDLE;
    }
    return true;
}

/* Until that time. False: the plan is being made. */
static bool go_on(struct foresee *f, int64_t until_usec)
{
    do
        if (!look(f))
            return false;
    while (f->stage != IDLE && loop_monotonic_usec(f->core->loop) < until_usec);
    return true;
}

static void run_later(struct foresee *f)
{
    int64_t wait = f->is_changed ? SOON_USEC : ROUND_USEC;

    if (hash_count(f->jobs))
        source_rearm(f->again, wait > SHARE * f->took_usec ? wait : SHARE * f->took_usec);
}

static void run(void *arg)
{
    struct foresee *f = arg;
    int64_t begin = loop_monotonic_usec(f->core->loop);
    bool has_plan;

    if (f->core->stopping)
        return;
    has_plan = go_on(f, begin + SLICE_USEC);
    f->took_usec += loop_monotonic_usec(f->core->loop) - begin;
    if (f->stage == IDLE)
        run_later(f);
    else
        source_rearm(f->again, has_plan ? 0 : SOON_USEC / 10);
}

void foresee_put(struct core *core, uint64_t job, bool is_held_up)
{
    struct foresee *f = core->foresee;
    struct ahead *a = hash_get_u64(f->jobs, job);

    if (a && !is_held_up) {
        hash_remove_u64(f->jobs, job);
        free(a);
    }
    if (a || !is_held_up)
        return;
    a = calloc(1, sizeof(*a));
    if (!a || hash_put_u64(f->jobs, job, a) < 0) {
        free(a); /* it gets no estimate */
        return;
    }
    a->job = job;
    if (f->stage == IDLE && !f->is_changed)
        source_rearm(f->again, SOON_USEC > SHARE * f->took_usec ? SOON_USEC : SHARE * f->took_usec);
    f->is_changed = true;
}

int64_t foresee_start_usec(struct core *core, uint64_t job)
{
    struct foresee *f = core->foresee;
    const struct ahead *a = hash_get_u64(f->jobs, job);

    if (!a)
        return 0;
    if (!a->start_usec && f->is_changed && hash_count(f->jobs) <= AT_ONCE_MAX)
        go_on(f, loop_monotonic_usec(core->loop) + ASKED_USEC);
    return a->start_usec ? later(a->start_usec, loop_now_usec(core->loop)) : 0;
}
