/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.c - counters, and which of the jobs under them are let into the line.
 *
 * Kept: a counter's `active` is the sum of its jobs that hold a node or are saved, `let` of those
 * that are let in and have not started; neither is over the limit but by a lowered limit. The
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
#include "vdictld/queue.h"

#define SLICE 512      /* jobs told to the planner at a time */
#define LOOKS_MAX 4096 /* waiting jobs looked at when there is room */

enum entry_state { IDLE, WAITING, LET, ACTIVE };

struct link {
    struct list list; /* of its counter: waiting, or let in */
    struct counter *counter;
    struct entry *entry;
};

/* A live job under a limit. */
struct entry {
    uint64_t job;
    enum entry_state state;
    int32_t priority;
    int64_t submit_usec;
    uint32_t need[QUOTA_N];
    struct list tell; /* in quota.tell: the planner is to hear of it */
    size_t n;
    struct link links[];
};

struct quota {
    struct core *core;
    struct hash *counters; /* key -> struct counter */
    struct hash *entries;  /* job -> struct entry */
    struct list dirty;     /* counters that may have room */
    struct list tell;
    struct source *again;
    char *configured; /* the limits of vdi.conf that are counted, as describe() has them */
};

/* ---- which limits ---- */

const struct config_limit_set *quota_set(const struct quota_scope *scope)
{
    return scope->is_user ? &scope->limits->user : &scope->limits->all;
}

uint32_t quota_max(const struct config_limit_set *set, enum quota_what what)
{
    return what == QUOTA_RUNNING ? set->running : what == QUOTA_GPUS ? set->gpus : set->desktops;
}

uint32_t quota_need(const struct job_spec *spec, enum quota_what what)
{
    if (what == QUOTA_RUNNING)
        return 1;
    return what == QUOTA_GPUS ? spec->gpus * job_spec_nodes(spec) : spec->kind == JOB_INTERACTIVE;
}

static bool is_set(const struct config_limit_set *s)
{
    return s->running || s->submitted || s->gpus || s->desktops;
}

static void add_scope(enum quota_kind kind, const char *name, const char *owner,
                      const struct config_limits *limits, struct quota_scope *ret, size_t *io_n)
{
    for (int user = 0; user < 2; user++) {
        struct quota_scope scope = {kind, user, name, user ? owner : "", limits};

        if (is_set(quota_set(&scope)) && *io_n < QUOTA_COUNTERS_MAX)
            ret[(*io_n)++] = scope;
    }
}

static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == len && !memcmp(list, word, len))
            return true;
    return false;
}

size_t quota_scopes(const struct config *c, const struct job_spec *spec, struct quota_scope *ret)
{
    const struct config_qos *qos = *spec->qos ? config_qos(c, spec->qos) : NULL;
    const struct config_partition *p = config_partition(c, spec->partition);
    const struct config_account *a = *spec->account ? config_account(c, spec->account) : NULL;
    size_t n = 0;

    if (qos)
        add_scope(QUOTA_QOS, qos->name, spec->owner, &qos->limits, ret, &n);
    if (p)
        add_scope(QUOTA_PARTITION, p->name, spec->owner, &p->limits, ret, &n);
    if (a)
        add_scope(QUOTA_ACCOUNT, a->name, spec->owner, &a->limits, ret, &n);
    for (size_t i = 0; i < c->n_limits; i++) {
        const struct config_limit *l = &c->limits[i];

        if ((!l->groups.n && !l->users.n) || list_has(spec->limits, l->name))
            add_scope(QUOTA_LIMIT, l->name, spec->owner, &l->limits, ret, &n);
    }
    return n;
}

/* ---- counters ---- */

static char *key_of(const struct quota_scope *s)
{
    return str_printf("%d%s\n%s", (int)s->kind, s->name, s->owner);
}

struct counter *quota_find(const struct core *core, const struct quota_scope *scope)
{
    _cleanup_(freep) char *key = key_of(scope);

    return key ? hash_get(core->quota->counters, key) : NULL;
}

static struct counter *counter_get(struct core *core, const struct quota_scope *scope)
{
    struct counter *c = quota_find(core, scope);
    _cleanup_(freep) char *key = key_of(scope);

    if (c || !key)
        return c;
    c = calloc(1, sizeof(*c) + 2 * (strlen(key) + 1));
    if (!c)
        return NULL;
    c->kind = scope->kind;
    c->is_user = scope->is_user;
    c->max = *quota_set(scope);
    list_init(&c->waiting);
    list_init(&c->let_in);
    list_init(&c->dirty);
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
    free(c);
}

static bool has_room(const struct counter *c, const struct entry *e)
{
    for (int i = 0; i < QUOTA_N; i++) {
        uint32_t max = quota_max(&c->max, (enum quota_what)i);

        if (max && e->need[i] && (uint64_t)c->active[i] + c->let[i] + e->need[i] > max)
            return false;
    }
    return true;
}

static const struct counter *first_full(const struct entry *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (!has_room(e->links[i].counter, e))
            return e->links[i].counter;
    return NULL;
}

/* ---- entries ---- */

/* As the line has it, within a tier. */
static bool comes_before(const struct entry *a, const struct entry *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->submit_usec != b->submit_usec)
        return a->submit_usec < b->submit_usec;
    return a->job < b->job;
}

/* A new priority moves one that waits a little: from where it is. */
static void reorder(struct entry *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct list *head = &e->links[i].counter->waiting, *at = e->links[i].list.prev;

        list_remove(&e->links[i].list);
        while (at != head && comes_before(e, list_entry(at, struct link, list)->entry))
            at = at->prev;
        while (at->next != head && comes_before(list_entry(at->next, struct link, list)->entry, e))
            at = at->next;
        list_append(at->next, &e->links[i].list);
    }
}

/* Most come behind all that are there. */
static void insert(struct list *list, struct link *link)
{
    struct list *after = list->prev;

    while (after != list && comes_before(link->entry, list_entry(after, struct link, list)->entry))
        after = after->prev;
    list_append(after->next, &link->list);
}

static void soon(struct quota *q)
{
    source_rearm(q->again, 0);
}

static void tell(struct quota *q, struct entry *e)
{
    if (list_is_empty(&e->tell))
        list_append(&q->tell, &e->tell);
    soon(q);
}

static void entry_move(struct quota *q, struct entry *e, enum entry_state state)
{
    bool frees = (e->state == LET || e->state == ACTIVE) && (state == IDLE || state == WAITING);

    for (size_t i = 0; i < e->n; i++) {
        struct counter *c = e->links[i].counter;

        list_remove(&e->links[i].list);
        for (int k = 0; k < QUOTA_N; k++) {
            c->active[k] -= e->state == ACTIVE ? e->need[k] : 0;
            c->let[k] -= e->state == LET ? e->need[k] : 0;
            c->active[k] += state == ACTIVE ? e->need[k] : 0;
            c->let[k] += state == LET ? e->need[k] : 0;
        }
        if (state == WAITING || state == LET)
            insert(state == WAITING ? &c->waiting : &c->let_in, &e->links[i]);
        if (frees && list_is_empty(&c->dirty)) {
            list_append(&q->dirty, &c->dirty);
            soon(q);
        }
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
        e->links[e->n] = (struct link){.counter = c, .entry = e};
        list_init(&e->links[e->n++].list);
    }
    if (!e || hash_put_u64(core->quota->entries, job->id, e) < 0) {
        log_error("job %" PRIu64 ": no memory for its limits: they do not hold", job->id);
        free(e);
        return NULL;
    }
    e->job = job->id;
    e->submit_usec = job->submit_usec;
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
    const struct counter *full = first_full(e);
    const struct entry *last = full ? last_let_in(full) : NULL;

    return e->state == WAITING && e->priority == job->priority && full &&
           (!last || comes_before(last, e));
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

    if (!last || !comes_before(e, last) || is_starting(q, last))
        return false;
    entry_move(q, last, WAITING);
    tell(q, last);
    return true;
}

static bool let_in(struct quota *q, struct entry *e)
{
    const struct counter *full;

    while ((full = first_full(e)) && displace(q, full, e))
        ;
    entry_move(q, e, full ? WAITING : LET);
    return !full;
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

/* A counter has room again: those that come first. */
static void fill(struct quota *q, struct counter *c)
{
    unsigned looks = 0;

    list_for_each_safe (it, &c->waiting) {
        struct entry *e = list_entry(it, struct link, list)->entry;

        if (looks++ == LOOKS_MAX ||
            (c->max.running && c->active[QUOTA_RUNNING] + c->let[QUOTA_RUNNING] >= c->max.running))
            return;
        if (first_full(e))
            continue;
        entry_move(q, e, LET);
        tell(q, e);
    }
}

static void run(void *arg)
{
    struct quota *q = arg;

    if (q->core->stopping)
        return;
    while (!list_is_empty(&q->dirty)) {
        struct counter *c = list_entry(q->dirty.next, struct counter, dirty);

        list_remove(&c->dirty);
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
    if (!list_is_empty(&q->tell))
        soon(q);
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
    q->counters = hash_new_str();
    q->entries = hash_new_u64();
    q->again = loop_timer(core->loop, -1, run, q);
    if (q->counters && q->entries && q->again)
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
}

void quota_free(struct quota *q)
{
    if (!q)
        return;
    forget_all(q);
    source_free(q->again);
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

    return a != b && (!str_equal(a->qos, b->qos) || !str_equal(a->partition, b->partition) ||
                      !str_equal(a->account, b->account) || a->gpus != b->gpus);
}

static bool is_over(const struct counter *c)
{
    for (int k = 0; k < QUOTA_N; k++) {
        uint32_t max = quota_max(&c->max, (enum quota_what)k);

        if (max && (uint64_t)c->active[k] + c->let[k] > max)
            return true;
    }
    return false;
}

/* One holds a node that was not let in: it was moved here, or the limit was another. */
static void make_room(struct quota *q, const struct entry *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct counter *c = e->links[i].counter;

        while (is_over(c) && !list_is_empty(&c->let_in)) {
            struct entry *last = list_entry(c->let_in.prev, struct link, list)->entry;

            if (is_starting(q, last))
                break;
            entry_move(q, last, WAITING);
            tell(q, last);
        }
    }
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
        entry_move(q, e, ACTIVE);
        make_room(q, e);
    } else if (e && !job_state_is_active(now->state) && e->state == ACTIVE) {
        entry_move(q, e, IDLE); /* requeued: the planner is told of it next */
    }
}

static void describe_one(enum quota_kind kind, const char *name, bool of_everyone,
                         const struct config_limits *limits, struct buf *out)
{
    const struct config_limit_set *sets[] = {&limits->all, &limits->user};

    buf_printf(out, "%d%s%d", (int)kind, name, of_everyone);
    for (int i = 0; i < 2; i++)
        buf_printf(out, " %u %u %u %u", sets[i]->running, sets[i]->submitted, sets[i]->gpus,
                   sets[i]->desktops);
    buf_putc(out, '\n');
}

/* NULL: no memory. */
static char *describe(const struct config *c)
{
    struct buf out = BUF_INIT(0);

    for (size_t i = 0; i < c->n_qos; i++)
        describe_one(QUOTA_QOS, c->qos[i].name, true, &c->qos[i].limits, &out);
    for (size_t i = 0; i < c->n_partitions; i++)
        describe_one(QUOTA_PARTITION, c->partitions[i].name, true, &c->partitions[i].limits, &out);
    for (size_t i = 0; i < c->n_accounts; i++)
        describe_one(QUOTA_ACCOUNT, c->accounts[i].name, true, &c->accounts[i].limits, &out);
    for (size_t i = 0; i < c->n_limits; i++)
        describe_one(QUOTA_LIMIT, c->limits[i].name,
                     !c->limits[i].groups.n && !c->limits[i].users.n, &c->limits[i].limits, &out);
    if (!out.failed)
        return buf_take(&out, NULL);
    buf_done(&out);
    return NULL;
}

/* Other limits are counted anew; with the same ones a long queue holds nobody up. */
static bool is_same(struct quota *q)
{
    char *now = describe(q->core->config);
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
            uint32_t max = quota_max(&c->max, (enum quota_what)k);

            if (!max || !e->need[k] || (uint64_t)c->active[k] + c->let[k] + e->need[k] <= max)
                continue;
            ret[n] = c;
            ret_what[n++] = (enum quota_what)k;
        }
    }
    return n;
}
