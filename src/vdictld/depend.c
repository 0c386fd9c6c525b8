/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depend.c - who waits for whom, and who need not wait any more.
 *
 * A text of conditions is one struct dep, however many jobs have it. Facts only grow, so a dep
 * that is decided needs none any more.
 * Kept: a job is waiting (in `waiters`) from when it is in memory until it has ended, and the
 * planner knows of it what its `told` says. What has changed is looked at from a timer, in
 * slices: never from within a publication.
 */
#include "vdictld/depend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "base/word.h"
#include "vdictld/arrays.h"
#include "vdictld/facts.h"
#include "vdictld/foresee.h"
#include "vdictld/life.h"
#include "vdictld/names.h"
#include "vdictld/queue.h"

#define SLICE 256 /* jobs told to the planner, and deps looked at, at a time */
#define RETRY_USEC (2 * USEC_PER_SEC)

struct clause {
    struct facts_watch watch;
    struct dep *dep;
};

struct dep {
    struct depend *depend;
    const char *text; /* a word, as all its jobs have it */
    struct dependency of;
    struct clause *clauses;        /* of.n, until it is decided */
    enum dependency_state *states; /* of.n; a singleton's is each job's own */
    enum dependency_state state;
    bool has_singleton;
    int64_t foreseen_usec; /* of round `foreseen_in`; a singleton's is each job's own */
    uint32_t foreseen_in;
    struct list waiters;
    struct list look; /* in depend.look: facts have changed */
    struct source *due;
};

struct waiter {
    struct list link; /* of its dep */
    struct list tell; /* in depend.tell: its state may be another */
    struct dep *dep;
    uint64_t job;
    const char *name; /* word: watched for it; NULL: none is */
    enum dependency_state told;
};

struct depend {
    struct core *core;
    struct hash *waiters; /* job -> struct waiter */
    struct hash *deps;    /* text -> struct dep */
    struct facts *facts;
    struct names *names;
    struct list look, tell;
    struct list later; /* waiters to be told again: it could not be stored */
    struct source *again, *retry;
};

static void run(void *arg);

static void soon(struct depend *d)
{
    source_rearm(d->again, 0);
}

/* ---- deps ---- */

static void look_at(struct dep *dep)
{
    if (list_is_empty(&dep->look))
        list_append(&dep->depend->look, &dep->look);
    soon(dep->depend);
}

static void facts_changed(void *arg, struct facts_watch *watch)
{
    look_at(list_entry(watch, struct clause, watch)->dep);
}

static void due(void *arg)
{
    look_at(arg);
}

/* It is decided, or nobody waits for it: it need not know more. */
static void dep_let_go(struct dep *dep)
{
    for (size_t i = 0; dep->clauses && i < dep->of.n; i++)
        facts_unwatch(dep->depend->facts, &dep->clauses[i].watch);
    free(dep->clauses);
    dep->clauses = NULL;
    source_free(dep->due);
    dep->due = NULL;
}

static void dep_done(struct dep *dep)
{
    source_free(dep->due);
    word_unref(dep->text);
    dependency_done(&dep->of);
    free(dep->clauses);
    free(dep->states);
    free(dep);
}

static void dep_free(struct dep *dep)
{
    dep_let_go(dep);
    list_remove(&dep->look);
    hash_remove(dep->depend->deps, dep->text);
    dep_done(dep);
}

static int dep_watch(struct dep *dep)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < dep->of.n; i++) {
        dep->clauses[i].dep = dep;
        if (dep->of.clauses[i].type == DEPENDENCY_SINGLETON)
            dep->has_singleton = true;
        else
            r = facts_watch(dep->depend->facts, &dep->of.clauses[i], &dep->clauses[i].watch);
    }
    return r;
}

static struct dep *dep_get(struct depend *d, const char *text)
{
    struct dep *dep = hash_get(d->deps, text);
    struct vdi_error err;

    if (dep)
        return dep;
    dep = calloc(1, sizeof(*dep));
    if (!dep)
        return NULL;
    dep->depend = d;
    dep->text = word_ref(text);
    list_init(&dep->waiters);
    list_init(&dep->look);
    if (dependency_parse(text, &dep->of, &err) == 0) {
        dep->clauses = calloc(dep->of.n, sizeof(*dep->clauses));
        dep->states = calloc(dep->of.n, sizeof(*dep->states));
    }
    dep->due = loop_timer(d->core->loop, -1, due, dep);
    if (dep->clauses && dep->states && dep->due && hash_put(d->deps, dep->text, dep) == 0 &&
        dep_watch(dep) == 0)
        return dep;
    dep_free(dep);
    return NULL;
}

static void tell(struct waiter *w)
{
    if (list_is_empty(&w->tell))
        list_append(&w->dep->depend->tell, &w->tell);
    soon(w->dep->depend);
}

static void dep_look(struct dep *dep)
{
    int64_t now = loop_now_usec(dep->depend->core->loop), first = 0;
    enum dependency_state was = dep->state;

    for (size_t i = 0; dep->clauses && i < dep->of.n; i++) {
        bool is_lost;
        const struct dependency_facts *facts = facts_get(&dep->clauses[i].watch, &is_lost);
        int64_t at = 0;

        if (!facts)
            continue;
        dep->states[i] = dependency_look(&dep->of.clauses[i], facts, now, &at);
        if (at && (!first || at < first))
            first = at;
    }
    if (first)
        source_rearm(dep->due, first - now);
    dep->state = dependency_join(&dep->of, dep->states);
    if (dep->state == was && !dep->has_singleton)
        return;
    list_for_each (it, &dep->waiters)
        tell(list_entry(it, struct waiter, link));
    if (dep->state != DEPENDENCY_WAITS)
        dep_let_go(dep);
}

/* ---- waiters ---- */

/* All but one's own name is the same for all that have the text. */
static enum dependency_state state_of(const struct waiter *w, const struct job *job)
{
    struct dep *dep = w->dep;
    enum dependency_state own;
    uint64_t before;

    if (!dep->has_singleton)
        return dep->state;
    own = names_is_first(dep->depend->names, job, &before) ? DEPENDENCY_MET : DEPENDENCY_WAITS;
    for (size_t i = 0; i < dep->of.n; i++)
        if (dep->of.clauses[i].type == DEPENDENCY_SINGLETON)
            dep->states[i] = own;
    own = dependency_join(&dep->of, dep->states);
    for (size_t i = 0; i < dep->of.n; i++)
        if (dep->of.clauses[i].type == DEPENDENCY_SINGLETON)
            dep->states[i] = DEPENDENCY_WAITS;
    return own;
}

static void waiter_free(struct waiter *w)
{
    struct dep *dep = w->dep;

    hash_remove_u64(dep->depend->waiters, w->job);
    list_remove(&w->link);
    list_remove(&w->tell);
    word_unref(w->name);
    free(w);
    if (list_is_empty(&dep->waiters))
        dep_free(dep);
}

/* The name that it has now is watched, whatever it had when it came. */
static int watch(struct waiter *w, const struct job *job)
{
    struct names *names = w->dep->depend->names;

    if (!w->dep->has_singleton || (w->name && str_equal(w->name, job->spec->name)))
        return 0;
    if (names_watch(names, job->spec->owner, job->spec->name) < 0)
        return -ENOMEM;
    if (w->name)
        names_unwatch(names, job->spec->owner, w->name);
    word_unref(w->name);
    w->name = word_ref(job->spec->name);
    return 0;
}

static void waiter_add(struct depend *d, const struct job *job)
{
    struct dep *dep = dep_get(d, job->spec->dependency);
    struct waiter *w = dep ? calloc(1, sizeof(*w)) : NULL;

    if (w) {
        *w = (struct waiter){.dep = dep, .job = job->id};
        list_append(&dep->waiters, &w->link);
        list_init(&w->tell);
        if (hash_put_u64(d->waiters, job->id, w) == 0) {
            look_at(dep);
            tell(w);
            return;
        }
        waiter_free(w);
    } else if (dep && list_is_empty(&dep->waiters)) {
        dep_free(dep);
    }
    log_error("job %" PRIu64 ": no memory for what it waits for: it does not start", job->id);
}

static void waiter_remove(struct waiter *w, const struct job *job)
{
    if (w->name)
        names_unwatch(w->dep->depend->names, job->spec->owner, w->name);
    waiter_free(w);
}

/* False: it is to be tried again. */
static bool waiter_tell(struct depend *d, struct waiter *w)
{
    const struct job *job = core_job(d->core, w->job);
    enum dependency_state state;

    if (!job || job->state != JOB_PENDING)
        return true;
    if (watch(w, job) < 0)
        return false;
    state = state_of(w, job);
    if (state != w->told) {
        w->told = state;
        queue_again(d->core->queue, job);
    }
    if (state != DEPENDENCY_NEVER || !job->spec->kill_on_invalid_dep)
        return true;
    if (core_job_staged(d->core, w->job) == job)
        life_end_job(d->core, w->job, JOB_CANCELLED, "what it waits for can't be met any more");
    return false; /* it has ended by then, if that could be stored */
}

static void run(void *arg)
{
    struct depend *d = arg;

    if (d->core->stopping)
        return;
    for (unsigned n = 0; n < SLICE && !list_is_empty(&d->look); n++) {
        struct dep *dep = list_entry(d->look.next, struct dep, look);

        list_remove(&dep->look);
        dep_look(dep);
    }
    for (unsigned n = 0; n < SLICE && !list_is_empty(&d->tell); n++) {
        struct waiter *w = list_entry(d->tell.next, struct waiter, tell);

        list_remove(&w->tell);
        if (waiter_tell(d, w))
            continue;
        list_append(&d->later, &w->tell);
        source_rearm(d->retry, RETRY_USEC);
    }
    if (!list_is_empty(&d->look) || !list_is_empty(&d->tell))
        soon(d);
}

static void try_again(void *arg)
{
    struct depend *d = arg;

    list_for_each_safe (it, &d->later) {
        list_remove(it);
        list_append(&d->tell, it);
    }
    soon(d);
}

static void name_changed(void *arg, uint64_t job)
{
    struct depend *d = arg;
    struct waiter *w = hash_get_u64(d->waiters, job);

    if (w)
        tell(w);
}

struct depend *depend_new(struct core *core)
{
    struct depend *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->core = core;
    list_init(&d->look);
    list_init(&d->tell);
    list_init(&d->later);
    d->waiters = hash_new_u64();
    d->deps = hash_new_str();
    d->facts = facts_new(core, facts_changed, d);
    d->names = names_new(core, name_changed, d);
    d->again = loop_timer(core->loop, -1, run, d);
    d->retry = loop_timer(core->loop, -1, try_again, d);
    if (d->waiters && d->deps && d->facts && d->names && d->again && d->retry)
        return d;
    depend_free(d);
    return NULL;
}

void depend_free(struct depend *d)
{
    void *value;

    if (!d)
        return;
    for (size_t i = 0; d->waiters && hash_next(d->waiters, &i, &value); free(value))
        word_unref(((struct waiter *)value)->name);
    for (size_t i = 0; d->deps && hash_next(d->deps, &i, &value);)
        dep_done(value);
    hash_free(d->waiters);
    hash_free(d->deps);
    facts_free(d->facts);
    names_free(d->names);
    source_free(d->again);
    source_free(d->retry);
    free(d);
}

void depend_job(struct core *core, const struct job *old, const struct job *now)
{
    struct depend *d = core->depend;
    struct waiter *w;

    names_job(d->names, now);
    facts_job(d->facts, old, now);
    if (!*now->spec->dependency)
        return;
    if (!old)
        waiter_add(d, now);
    w = hash_get_u64(d->waiters, now->id);
    if (w && job_state_is_end(now->state))
        waiter_remove(w, now);
    else if (w)
        tell(w);
}

enum dependency_state depend_state(const struct core *core, const struct job *job)
{
    const struct waiter *w;

    if (!*job->spec->dependency)
        return DEPENDENCY_MET;
    w = hash_get_u64(core->depend->waiters, job->id);
    return w ? w->told : DEPENDENCY_WAITS;
}

/* ---- when ---- */

static int64_t met_usec(struct core *core, const struct dependency_clause *c, const struct job *job)
{
    int64_t usec;

    if (!job || job_state_is_end(job->state)) /* then it is decided by the facts */
        return 0;
    if (c->type != DEPENDENCY_AFTER)
        return foresee_end_usec(core, job);
    usec = foresee_begin_usec(core, job);
    return usec == FORESEE_NEVER ? usec : usec + c->delay_min * 60 * USEC_PER_SEC;
}

/* Of the last of an array's tasks. */
static int64_t clause_usec(struct core *core, const struct dependency_clause *c)
{
    uint32_t n = c->has_task ? 0 : arrays_count(core, c->job);
    uint64_t id = c->job;
    int64_t last = 0;

    if (c->has_task) {
        const struct job *any = arrays_any(core, c->job);

        id = any ? arrays_task_id(c->job, any->spec->array, c->task) : 0;
    }
    for (uint32_t i = 0; i < (n ? n : 1) && last < FORESEE_NEVER; i++) {
        int64_t usec = met_usec(core, c, core_job(core, id + i));

        last = usec > last ? usec : last;
    }
    return last;
}

static int64_t all_usec(struct core *core, const struct waiter *w, const struct job *job)
{
    const struct dep *dep = w->dep;
    int64_t first = FORESEE_NEVER, last = 0;

    for (size_t i = 0; i < dep->of.n; i++) {
        const struct dependency_clause *c = &dep->of.clauses[i];
        int64_t usec = 0;
        uint64_t before;

        if (dep->states[i] == DEPENDENCY_NEVER)
            usec = FORESEE_NEVER;
        else if (dep->states[i] == DEPENDENCY_WAITS && c->type != DEPENDENCY_SINGLETON)
            usec = clause_usec(core, c);
        else if (c->type == DEPENDENCY_SINGLETON &&
                 !names_is_first(core->depend->names, job, &before))
            usec = met_usec(core, c, core_job(core, before));
        first = usec < first ? usec : first;
        last = usec > last ? usec : last;
    }
    return dep->of.any ? first : last;
}

int64_t depend_foreseen_usec(struct core *core, const struct job *job)
{
    const struct waiter *w =
        *job->spec->dependency ? hash_get_u64(core->depend->waiters, job->id) : NULL;

    if (!*job->spec->dependency || (w && w->told == DEPENDENCY_MET))
        return 0;
    if (!w || w->told == DEPENDENCY_NEVER)
        return FORESEE_NEVER;
    if (w->dep->has_singleton)
        return all_usec(core, w, job);
    if (w->dep->foreseen_in != foresee_round(core))
        w->dep->foreseen_usec = all_usec(core, w, job);
    w->dep->foreseen_in = foresee_round(core);
    return w->dep->foreseen_usec;
}

/* ---- why ---- */

static struct plan_blocker blocker_of(struct depend *d, const struct dep *dep, size_t i)
{
    const struct dependency_clause *c = &dep->of.clauses[i];
    bool is_lost = false;
    const struct dependency_facts *facts =
        dep->clauses ? facts_get(&dep->clauses[i].watch, &is_lost) : NULL;
    const struct job *job = core_job(d->core, c->job);
    struct plan_blocker b = {.type = PLAN_BLOCK_DEPENDENCY, .job = c->job};
    char name[40];

    if (dep->states[i] == DEPENDENCY_NEVER || is_lost)
        b.type = PLAN_BLOCK_DEPENDENCY_NEVER;
    else if (c->type == DEPENDENCY_AFTER && facts && facts->started)
        b.until_usec = facts->start_usec + c->delay_min * 60 * USEC_PER_SEC;
    else if (c->type != DEPENDENCY_AFTER && job && !job->array_id)
        b.until_usec = job_limit_usec(job);
    snprintf(b.subject, sizeof(b.subject), "%s:%s", dependency_type_names[c->type],
             dependency_job_name(c, name));
    if (!c->job)
        str_copy(b.subject, sizeof(b.subject), dependency_type_names[c->type]);
    return b;
}

void depend_why(struct core *core, const struct job *job, struct plan_why *why)
{
    const struct waiter *w = hash_get_u64(core->depend->waiters, job->id);
    const struct dep *dep = w ? w->dep : NULL;
    uint64_t before;

    if (!w || w->told == DEPENDENCY_MET)
        return;
    for (size_t i = 0; i < dep->of.n; i++) {
        struct plan_blocker b;

        if (dep->states[i] == DEPENDENCY_MET)
            continue;
        b = blocker_of(core->depend, dep, i);
        if (dep->of.clauses[i].type == DEPENDENCY_SINGLETON) {
            if (names_is_first(core->depend->names, job, &before))
                continue;
            b.job = before;
        }
        queue_add_blocker(why, &b);
    }
}
