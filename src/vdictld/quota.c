/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.c - counters, and which of the jobs under them are let into the line.
 *
 * Kept: a counter's `active` is the sum of its jobs that hold a node or are saved, `let` of those
 * that are let in and have not started; neither is over the limit but by a lowered limit, or by a
 * job that used more GPU minutes than its limit said. The
 * lists hold links in the order of the line. The planner is told of others than the job that is
 * asked about from a timer, in slices: never from within a question.
 */
#include "vdictld/quota_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/minutes.h"
#include "vdictld/queue.h"

#define SLICE 512 /* jobs told to the planner at a time */
#define SLICE_USEC 2000
#define LOOKS_MAX 4096 /* waiting jobs looked at when there is room */

/* ---- counters ---- */

struct counter *quota_find(const struct core *core, const struct quota_scope *scope)
{
    _cleanup_(freep) char *key = quota_key(scope);

    return key ? hash_get(core->quota->counters, key) : NULL;
}

static struct counter *counter_get(struct core *core, const struct quota_scope *scope)
{
    struct counter *c = quota_find(core, scope);
    _cleanup_(freep) char *key = quota_key(scope);

    if (c || !key)
        return c;
    c = calloc(1, sizeof(*c) + 2 * (strlen(key) + 1));
    if (!c)
        return NULL;
    c->core = core;
    c->kind = scope->kind;
    c->is_user = scope->is_user;
    c->max = *quota_set(scope);
    list_init(&c->waiting);
    list_init(&c->let_in);
    list_init(&c->running);
    list_init(&c->dirty);
    list_init(&c->foresee);
    memcpy(c->key, key, strlen(key) + 1);
    c->name = c->key + strlen(key) + 1;
    memcpy((char *)c->name, scope->name, strlen(scope->name) + 1);
    if (hash_put(core->quota->counters, c->key, c) == 0)
        return c;
    free(c);
    return NULL;
}

static void counter_drop(struct quota *q, struct counter *c)
{
    if (c->submitted || !list_is_empty(&c->waiting) || !list_is_empty(&c->let_in) ||
        c->active[QUOTA_RUNNING])
        return;
    hash_remove(q->counters, c->key);
    list_remove(&c->dirty);
    list_remove(&c->foresee);
    free(c);
}

uint64_t quota_had(const struct counter *c, enum quota_what what)
{
    return c->active[what] + (what == QUOTA_GPU_MINUTES ? minutes_used(c->core, c->key) : 0);
}

uint64_t quota_link_need(const struct link *link, enum quota_what what)
{
    return what == QUOTA_LICENCES ? link->licences : link->entry->need[what];
}

/* Of the licence, for seats of classes while the job would run. */
static uint64_t kept(const struct counter *c, const struct entry *e)
{
    int64_t now = loop_now_usec(c->core->loop);
    int64_t end = e->span_usec < INT64_MAX - now ? now + e->span_usec : INT64_MAX;

    return queue_licences_kept(c->core->queue, c->name, now, end);
}

/* With so much more than there is. */
static bool is_too_much(const struct counter *c, enum quota_what what, uint64_t more)
{
    uint64_t max = quota_max(&c->max, what);

    if (!max || (what == QUOTA_GPU_MINUTES && !minutes_are_known(c->core)))
        return max && more;
    return quota_had(c, what) + more > max;
}

bool quota_lacks(const struct link *link, enum quota_what what, uint64_t let)
{
    const struct counter *c = link->counter;
    uint64_t need = quota_link_need(link, what);

    if (!need || is_too_much(c, what, let + need))
        return need;
    return what == QUOTA_LICENCES && is_too_much(c, what, let + need + kept(c, link->entry));
}

/* Besides those that hold something; and besides those that are let in. */
static bool would_fit(const struct link *link)
{
    for (int i = 0; i < QUOTA_N; i++)
        if (quota_lacks(link, (enum quota_what)i, 0))
            return false;
    return true;
}

static bool has_room(const struct link *link)
{
    for (int i = 0; i < QUOTA_N; i++)
        if (quota_lacks(link, (enum quota_what)i, link->counter->let[i]))
            return false;
    return true;
}

static const struct link *first_full(const struct entry *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (!has_room(&e->links[i]))
            return &e->links[i];
    return NULL;
}

/* ---- entries ---- */

bool quota_comes_before(const struct entry *a, const struct entry *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->submit_usec != b->submit_usec)
        return a->submit_usec < b->submit_usec;
    return a->job < b->job;
}

static void soon(struct quota *q)
{
    source_rearm(q->again, 0);
}

static void look_again(struct counter *c)
{
    struct quota *q = c->core->quota;

    if (!list_is_empty(&c->dirty))
        return;
    list_append(&q->dirty, &c->dirty);
    soon(q);
}

void quota_guards_change(struct counter *c)
{
    c->guards_known = false;
    if (c->holds_back)
        look_again(c);
}

/* A new priority moves one that waits a little: from where it is. */
static void reorder(struct entry *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct list *head = &e->links[i].counter->waiting, *at = e->links[i].list.prev;

        list_remove(&e->links[i].list);
        while (at != head && quota_comes_before(e, list_entry(at, struct link, list)->entry))
            at = at->prev;
        while (at->next != head &&
               quota_comes_before(list_entry(at->next, struct link, list)->entry, e))
            at = at->next;
        list_append(at->next, &e->links[i].list);
        quota_guards_change(e->links[i].counter);
    }
}

/* Most come behind all that are there. */
static void insert(struct list *list, struct link *link)
{
    struct list *after = list->prev;

    while (after != list &&
           quota_comes_before(link->entry, list_entry(after, struct link, list)->entry))
        after = after->prev;
    list_append(after->next, &link->list);
}

static void tell(struct quota *q, struct entry *e)
{
    if (list_is_empty(&e->tell))
        list_append(&q->tell, &e->tell);
    soon(q);
}

static void look_later(struct quota *q)
{
    if (!q->looks)
        source_rearm(q->look, minutes_look_usec(q->core));
    q->looks = true;
}

/* With time alone: what was used counts less, a class is over. */
static bool eases(const struct counter *c)
{
    return c->max.gpu_minutes || c->max.licences;
}

static void entry_move(struct quota *q, struct entry *e, enum entry_state state)
{
    bool frees = (e->state == LET || e->state == ACTIVE) && (state == IDLE || state == WAITING);

    for (size_t i = 0; i < e->n; i++) {
        struct counter *c = e->links[i].counter;

        list_remove(&e->links[i].list);
        for (int k = 0; k < QUOTA_N; k++) {
            uint64_t need = quota_link_need(&e->links[i], (enum quota_what)k);

            c->active[k] -= e->state == ACTIVE ? need : 0;
            c->let[k] -= e->state == LET ? need : 0;
            c->active[k] += state == ACTIVE ? need : 0;
            c->let[k] += state == LET ? need : 0;
        }
        if (state == WAITING || state == LET)
            insert(state == WAITING ? &c->waiting : &c->let_in, &e->links[i]);
        if (state == ACTIVE)
            list_append(&c->running, &e->links[i].list);
        if (state == WAITING && eases(c))
            look_later(q);
        quota_guards_move(c, &e->links[i], state);
        if (frees)
            look_again(c);
    }
    e->state = state;
}

static struct entry *entry_new(struct core *core, const struct job *job)
{
    struct quota_scope scopes[QUOTA_COUNTERS_MAX];
    size_t n = quota_scopes(core->config, job->spec, scopes);
    struct entry *e = n ? calloc(1, sizeof(*e) + n * sizeof(e->links[0])) : NULL;

    if (!n)
        return NULL;
    for (size_t i = 0; e && i < n; i++) {
        struct counter *c = counter_get(core, &scopes[i]);

        if (!c)
            continue;
        e->links[e->n] =
            (struct link){.counter = c,
                          .entry = e,
                          .licences = quota_licences(job->spec, scopes[i].kind, scopes[i].name)};
        list_init(&e->links[e->n++].list);
    }
    if (!e || hash_put_u64(core->quota->entries, job->id, e) < 0) {
        log_error("job %" PRIu64 ": no memory for its limits: they do not hold", job->id);
        free(e);
        return NULL;
    }
    e->job = job->id;
    e->submit_usec = job->submit_usec;
    e->span_usec = job->spec->time_limit_sec
                       ? job->spec->time_limit_sec * USEC_PER_SEC + PLAN_BOOT_USEC
                       : INT64_MAX;
    list_init(&e->tell);
    for (int k = 0; k < QUOTA_N; k++)
        e->need[k] = quota_need(job->spec, (enum quota_what)k);
    return e;
}

static void entry_free(struct quota *q, struct entry *e)
{
    entry_move(q, e, IDLE);
    hash_remove_u64(q->entries, e->job);
    list_remove(&e->tell);
    free(e);
}

/* ---- letting in ---- */

static struct entry *last_let_in(const struct counter *c)
{
    return list_is_empty(&c->let_in) ? NULL : list_entry(c->let_in.prev, struct link, list)->entry;
}

/* Its place in the list is as it was: where thousands wait, finding it again costs. */
static bool still_waits(const struct entry *e, const struct job *job)
{
    const struct link *full = first_full(e);
    const struct entry *last = full ? last_let_in(full->counter) : NULL;
    enum quota_what what;

    if (e->state != WAITING || e->priority != job->priority)
        return false;
    return full ? !last || quota_comes_before(last, e) || !would_fit(full)
                : quota_held_back(e, &what) != NULL;
}

/* Its start is on its way to the store: it holds its place. */
static bool is_starting(const struct quota *q, const struct entry *e)
{
    const struct job *job = core_job_staged(q->core, e->job);

    return job && job_state_is_active(job->state);
}

/* The last of those let in gives way to one that comes before it. */
static bool displace(struct quota *q, const struct counter *c, const struct entry *e)
{
    struct entry *last = last_let_in(c);

    if (!last || !quota_comes_before(e, last) || is_starting(q, last))
        return false;
    entry_move(q, last, WAITING);
    tell(q, last);
    return true;
}

static bool let_in(struct quota *q, struct entry *e)
{
    const struct link *full;
    enum quota_what what;

    while ((full = first_full(e)) && would_fit(full) && displace(q, full->counter, e))
        ;
    entry_move(q, e, full || quota_held_back(e, &what) ? WAITING : LET);
    return e->state == LET;
}

bool quota_lets(struct core *core, const struct job *job, bool is_ready)
{
    struct quota *q = core->quota;
    struct entry *e = hash_get_u64(q->entries, job->id);

    if (!e || e->state == ACTIVE)
        return true;
    if (!is_ready) {
        entry_move(q, e, IDLE);
        return true; /* it is not in line anyway */
    }
    if (e->state == LET && e->priority == job->priority)
        return true;
    if (e->state == WAITING && e->priority != job->priority) {
        e->priority = job->priority;
        reorder(e);
    }
    if (still_waits(e, job))
        return false;
    entry_move(q, e, IDLE);
    e->priority = job->priority;
    return let_in(q, e);
}

bool quota_try(struct core *core, const struct job *job)
{
    struct entry *e = entry_new(core, job), *last;
    const struct link *full;
    enum quota_what what;

    if (!e)
        return false;
    e->priority = job->priority;
    full = first_full(e);
    last = full ? last_let_in(full->counter) : NULL;
    if ((!full && !quota_held_back(e, &what)) ||
        (full && would_fit(full) && last && quota_comes_before(e, last) &&
         !is_starting(core->quota, last)))
        return false; /* it would take that one's place */
    entry_move(core->quota, e, WAITING);
    foresee_anew(core);
    quota_foresee(core);
    while (quota_foresee_next(core))
        ;
    return true;
}

void quota_untry(struct core *core, const struct job *job)
{
    struct quota *q = core->quota;
    struct entry *e = hash_get_u64(q->entries, job->id);

    if (!e)
        return;
    entry_move(q, e, IDLE);
    for (size_t i = 0; i < e->n; i++)
        counter_drop(q, e->links[i].counter);
    entry_free(q, e);
    foresee_anew(core); /* others were counted behind it */
}

static bool is_over(const struct counter *c)
{
    for (int k = 0; k < QUOTA_N; k++)
        if (is_too_much(c, (enum quota_what)k, c->let[k]))
            return true;
    return false;
}

/* More is had than there was when they were let in: the last of them wait again. */
static void put_back(struct quota *q, const struct counter *c)
{
    while (is_over(c) && !list_is_empty(&c->let_in)) {
        struct entry *last = last_let_in(c);

        if (is_starting(q, last))
            break;
        entry_move(q, last, WAITING);
        tell(q, last);
    }
}

/* A counter has room again: those that come first. */
static void fill(struct quota *q, struct counter *c)
{
    enum quota_what what;
    unsigned looks = 0;

    c->holds_back = false;
    list_for_each_safe (it, &c->waiting) {
        struct entry *e = list_entry(it, struct link, list)->entry;

        if (looks++ == LOOKS_MAX ||
            (c->max.running && c->active[QUOTA_RUNNING] + c->let[QUOTA_RUNNING] >= c->max.running))
            return;
        if (first_full(e) || quota_held_back(e, &what))
            continue;
        entry_move(q, e, LET);
        tell(q, e);
    }
}

static void run(void *arg)
{
    struct quota *q = arg;
    int64_t until;

    if (q->core->stopping)
        return;
    until = loop_monotonic_usec(q->core->loop) + SLICE_USEC;
    while (!list_is_empty(&q->dirty) && loop_monotonic_usec(q->core->loop) < until) {
        struct counter *c = list_entry(q->dirty.next, struct counter, dirty);

        list_remove(&c->dirty);
        put_back(q, c);
        fill(q, c);
        counter_drop(q, c);
    }
    for (unsigned n = 0; n < SLICE && !list_is_empty(&q->tell); n++) {
        struct entry *e = list_entry(q->tell.next, struct entry, tell);
        const struct job *job = core_job(q->core, e->job);

        list_remove(&e->tell);
        if (job)
            queue_again(q->core->queue, job);
    }
    if (!list_is_empty(&q->tell) || !list_is_empty(&q->dirty))
        soon(q);
}

void quota_eased(struct core *core)
{
    void *value;

    for (size_t i = 0; hash_next(core->quota->counters, &i, &value);) {
        struct counter *c = value;

        if (eases(c) && (!list_is_empty(&c->waiting) || !list_is_empty(&c->let_in)))
            look_again(c);
    }
}

static bool any_waits(const struct quota *q)
{
    void *value;

    for (size_t i = 0; hash_next(q->counters, &i, &value);) {
        const struct counter *c = value;

        if (eases(c) && !list_is_empty(&c->waiting))
            return true;
    }
    return false;
}

static void look(void *arg)
{
    struct quota *q = arg;

    q->looks = false;
    if (q->core->stopping)
        return;
    quota_eased(q->core);
    if (any_waits(q))
        look_later(q);
}

/* ---- what others tell ---- */

struct quota *quota_new(struct core *core)
{
    struct quota *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->core = core;
    list_init(&q->dirty);
    list_init(&q->tell);
    list_init(&q->foresee);
    q->counters = hash_new_str();
    q->entries = hash_new_u64();
    q->again = loop_timer(core->loop, -1, run, q);
    q->look = loop_timer(core->loop, -1, look, q);
    if (q->counters && q->entries && q->again && q->look)
        return q;
    quota_free(q);
    return NULL;
}

static void forget_all(struct quota *q)
{
    void *value;

    for (size_t i = 0; q->entries && hash_next(q->entries, &i, &value);)
        free(value);
    for (size_t i = 0; q->counters && hash_next(q->counters, &i, &value);)
        free(value);
    hash_free(q->entries);
    hash_free(q->counters);
    list_init(&q->dirty);
    list_init(&q->tell);
    list_init(&q->foresee);
}

void quota_free(struct quota *q)
{
    if (!q)
        return;
    forget_all(q);
    source_free(q->again);
    source_free(q->look);
    free(q->ends.at);
    free(q->configured);
    free(q);
}

void quota_stage(struct core *core, const struct job_spec *spec, int n)
{
    struct quota_scope scopes[QUOTA_COUNTERS_MAX];
    size_t n_scopes = quota_scopes(core->config, spec, scopes);

    for (size_t i = 0; i < n_scopes; i++) {
        struct counter *c = n > 0 ? counter_get(core, &scopes[i]) : quota_find(core, &scopes[i]);

        if (!c)
            continue;
        c->submitted += (uint32_t)n;
        if (spec->kind == JOB_INTERACTIVE)
            c->desktops += (uint32_t)n;
        if (n < 0)
            counter_drop(core->quota, c);
    }
}

static bool is_moved(const struct job *old, const struct job *now)
{
    const struct job_spec *a = old->spec, *b = now->spec;

    return a != b &&
           (!str_equal(a->qos, b->qos) || !str_equal(a->partition, b->partition) ||
            !str_equal(a->account, b->account) || a->gpus != b->gpus ||
            !str_equal(a->licences, b->licences) || a->time_limit_sec != b->time_limit_sec);
}

/* One holds a node that was not let in: it was moved here, or the limit was another. */
static void make_room(struct quota *q, const struct entry *e)
{
    for (size_t i = 0; i < e->n; i++)
        put_back(q, e->links[i].counter);
}

/* What instances that are gone used of a job's GPU minutes is in minutes.c: of a job on several
 * nodes those of the others are kept. */
static uint64_t kept_minutes(struct core *core, const struct job *job)
{
    uint64_t all = quota_need(job->spec, QUOTA_GPU_MINUTES);
    uint32_t n = job_spec_nodes(job->spec), there = 0;

    for (uint32_t i = 0; n > 1 && i < n; i++) {
        const struct instance *in = core_instance(core, job->instance + i);

        there += !in || in->state != INSTANCE_GONE;
    }
    return n > 1 ? (all * there + n - 1) / n : all;
}

void quota_instance_gone(struct core *core, const struct instance *in)
{
    struct quota *q = core->quota;
    const struct job *job = core_job(core, in->job);
    struct entry *e = job ? hash_get_u64(q->entries, job->id) : NULL;
    uint64_t less;

    if (!e || e->state != ACTIVE || job_spec_nodes(job->spec) == 1 ||
        !job_has_instance(job, in->id))
        return;
    less = e->need[QUOTA_GPU_MINUTES] - kept_minutes(core, job);
    e->need[QUOTA_GPU_MINUTES] -= less;
    for (size_t i = 0; i < e->n; i++)
        e->links[i].counter->active[QUOTA_GPU_MINUTES] -= less; /* minutes.c looks who may run */
}

void quota_job(struct core *core, const struct job *old, const struct job *now)
{
    struct quota *q = core->quota;
    struct entry *e = hash_get_u64(q->entries, now->id);
    bool ended = job_state_is_end(now->state), was = old && !job_state_is_end(old->state);

    if (e && was && (ended || is_moved(old, now))) {
        entry_free(q, e);
        e = NULL;
    }
    if (was && !ended && is_moved(old, now)) {
        quota_stage(core, old->spec, -1);
        quota_stage(core, now->spec, 1);
    }
    if (was && ended)
        quota_stage(core, now->spec, -1);
    if (ended)
        return;
    if (!e)
        e = entry_new(core, now);
    if (e && job_state_is_active(now->state) && e->state != ACTIVE) {
        if (e->state == IDLE) /* it is new here, and may have begun to end */
            e->need[QUOTA_GPU_MINUTES] = kept_minutes(core, now);
        entry_move(q, e, ACTIVE);
        make_room(q, e);
    } else if (e && !job_state_is_active(now->state) && e->state == ACTIVE) {
        entry_move(q, e, IDLE); /* requeued: the planner is told of it next */
        e->need[QUOTA_GPU_MINUTES] = quota_need(now->spec, QUOTA_GPU_MINUTES);
    }
}

/* Other limits are counted anew; with the same ones a long queue holds nobody up. */
static bool is_same(struct quota *q)
{
    char *now = quota_text(q->core->config);
    bool same = now && q->configured && !strcmp(now, q->configured);

    free(q->configured);
    q->configured = now;
    return same;
}

void quota_configure(struct core *core)
{
    struct quota *q = core->quota;
    struct table *t = events_table(core->events, NOUN_JOB);
    struct hash *counters, *entries;

    if (is_same(q))
        return;
    counters = hash_new_str();
    entries = hash_new_u64();
    if (!counters || !entries) {
        log_error("no memory for the limits of vdi.conf: the former ones stay in force");
        free(q->configured);
        q->configured = NULL;
        hash_free(counters);
        hash_free(entries);
        return;
    }
    forget_all(q);
    q->counters = counters;
    q->entries = entries;
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct job *job = slot ? slot->pub : NULL;

        if (slot && !job && slot->staged) /* counted since it was staged */
            quota_stage(core, ((struct job *)slot->staged)->spec, 1);
        else if (job && !job_state_is_end(job->state))
            quota_stage(core, job->spec, 1);
        if (!job || job_state_is_end(job->state))
            continue;
        quota_job(core, NULL, job);
        if (hash_get_u64(q->entries, job->id) && job->state == JOB_PENDING)
            tell(q, hash_get_u64(q->entries, job->id));
    }
}

size_t quota_full(const struct core *core, const struct job *job, const struct counter **ret,
                  enum quota_what *ret_what)
{
    const struct entry *e = hash_get_u64(core->quota->entries, job->id);
    size_t n = 0;

    if (!e || e->state != WAITING)
        return 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct counter *c = e->links[i].counter;

        for (int k = 0; k < QUOTA_N && n < QUOTA_COUNTERS_MAX; k++) {
            if (!quota_lacks(&e->links[i], (enum quota_what)k, c->let[k]))
                continue;
            ret[n] = c;
            ret_what[n++] = (enum quota_what)k;
        }
    }
    if (!n && (ret[0] = quota_held_back(e, &ret_what[0])))
        n = 1;
    return n;
}

int64_t quota_last_end_usec(const struct counter *c)
{
    int64_t last = 0;

    list_for_each (it, &c->running) {
        const struct job *job = core_job(c->core, list_entry(it, struct link, list)->entry->job);
        int64_t end = job ? job_limit_usec(job) : 0;

        if (job &&
            !end) /* it has not started, or is saved: then it may have all of its limit left */
            end = loop_now_usec(c->core->loop) + job->spec->time_limit_sec * USEC_PER_SEC;
        last = end > last ? end : last;
    }
    return last;
}
