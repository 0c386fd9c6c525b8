/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - telling the planner, running it in slices, doing what it says.
 *
 * The planner is told after a commit, so it never plans on what may be undone.
 */
#include "vdictld/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hostlist.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/arrays.h"
#include "vdictld/classes.h"
#include "vdictld/depend.h"
#include "vdictld/disks.h"
#include "vdictld/foresee.h"
#include "vdictld/gpu_wish.h"
#include "vdictld/images.h"
#include "vdictld/job_doc.h"
#include "vdictld/life.h"
#include "vdictld/priority.h"
#include "vdictld/quota.h"

/* An answer waits so long for a plan; a step costs a fraction of it to begin. */
#define STEP_BUDGET_USEC 500
#define STEP_ACTIONS 64
/* Who asks about the plan waits so long for it. */
#define PLAN_PATIENCE_USEC (2 * USEC_PER_SEC)

/* Of the job that queue_write_test() asks about. */
#define TEST_ID INT64_MAX

struct owner {
    uint32_t n;
    char name[];
};

/* Somebody who waits for the plan. */
struct waiter {
    struct list link;
    void (*fn)(void *arg, bool current);
    void *arg;
    int64_t until_usec;
};

struct queue {
    struct core *core;
    struct list waiters;
    bool claimed;
    struct planner *planner;
    struct source *step;
    struct hash *owners;
    uint64_t windows; /* planner_windows_stamp(), as the limits know them */
    uint32_t n;
    uint32_t in_state[JOB_N_STATES]; /* of published jobs that have not ended */
    struct queue_stats stats;
};

static void step(void *arg);

/* Who starts over to make room is given as long to end as one that is saved. */
int64_t queue_save_usec(const struct core *core)
{
    int64_t kill = core->config ? core->config->kill_wait_sec * USEC_PER_SEC : 0;

    return kill > PLAN_SAVE_USEC ? kill : PLAN_SAVE_USEC;
}

struct queue *queue_new(struct core *core)
{
    struct queue *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->core = core;
    list_init(&q->waiters);
    q->planner = planner_new(1);
    q->owners = hash_new_str();
    q->step = loop_timer(core->loop, -1, step, q);
    if (!q->planner || !q->owners || !q->step) {
        queue_free(q);
        return NULL;
    }
    return q;
}

void queue_free(struct queue *q)
{
    void *owner;

    if (!q)
        return;
    for (size_t i = 0; q->owners && hash_next(q->owners, &i, &owner);)
        free(owner);
    hash_free(q->owners);
    list_for_each_safe (it, &q->waiters)
        free(list_entry(it, struct waiter, link));
    source_free(q->step);
    planner_free(q->planner);
    free(q);
}

/* ---- counts ---- */

static struct owner *owner_get(struct queue *q, const char *name)
{
    struct owner *owner = hash_get(q->owners, name);

    if (owner)
        return owner;
    owner = calloc(1, sizeof(*owner) + strlen(name) + 1);
    if (!owner)
        return NULL;
    memcpy(owner->name, name, strlen(name) + 1);
    if (hash_put(q->owners, owner->name, owner) < 0) {
        free(owner);
        return NULL;
    }
    return owner;
}

uint32_t queue_jobs(const struct queue *q)
{
    return q->n;
}

uint32_t queue_jobs_of(const struct queue *q, const char *owner)
{
    const struct owner *o = hash_get(q->owners, owner);

    return o ? o->n : 0;
}

void queue_each_owner(const struct queue *q, void (*fn)(void *arg, const char *owner), void *arg)
{
    void *value;

    for (size_t i = 0; hash_next(q->owners, &i, &value);)
        fn(arg, ((const struct owner *)value)->name);
}

uint32_t queue_jobs_in(const struct queue *q, enum job_state state)
{
    return q->in_state[state];
}

void queue_stage(struct queue *q, const char *owner)
{
    struct owner *o = owner_get(q, owner);

    q->n++;
    if (o)
        o->n++;
}

void queue_unstage(struct queue *q, const char *owner)
{
    struct owner *o = hash_get(q->owners, owner);

    q->n--;
    if (!o || --o->n)
        return;
    hash_remove(q->owners, o->name);
    free(o);
}

/* ---- the planner ---- */

/* The limits go by the same order as the line. */
static bool may_start(struct queue *q, const struct job *job)
{
    struct job ranked = *job;

    ranked.priority = priority_of(q->core, job);
    return quota_lets(q->core, &ranked, true);
}

static void do_action(struct queue *q, const struct plan_action *a)
{
    const struct job *job = core_job(q->core, a->job);

    if (a->type == PLAN_START && job && job->state == JOB_PENDING && !may_start(q, job)) {
        queue_again(q, job); /* its begin time has come, and a limit holds it */
    } else if (a->type == PLAN_START) {
        q->stats.starts++;
        life_start(q->core, a);
    } else if (a->type == PLAN_PREEMPT) {
        life_make_room(q->core, a);
    } else if (a->type == PLAN_DEADLINE) {
        life_end_job(q->core, a->job, JOB_DEADLINE, "it can't end by its deadline any more");
    }
}

/* True: somebody waits still. One at a time: what it does may change the plan. */
static bool tell_waiter(struct queue *q, bool is_over)
{
    struct waiter *w;
    bool current;

    if (list_is_empty(&q->waiters) || q->claimed)
        return false;
    w = list_entry(q->waiters.next, struct waiter, link);
    current = is_over && planner_is_current(q->planner);
    if (current || loop_now_usec(q->core->loop) >= w->until_usec) {
        list_remove(&w->link);
        w->fn(w->arg, current);
        free(w);
    } else {
        planner_hurry(q->planner);
    }
    return !list_is_empty(&q->waiters) && !q->claimed;
}

/* No plan is made any more. */
static void tell_all_waiters(struct queue *q)
{
    list_for_each_safe (it, &q->waiters) {
        struct waiter *w = list_entry(it, struct waiter, link);

        list_remove(it);
        w->fn(w->arg, false);
        free(w);
    }
}

static void step(void *arg)
{
    struct queue *q = arg;
    struct plan_action actions[STEP_ACTIONS];
    int64_t begin = time_thread_cpu_usec(), now = loop_now_usec(q->core->loop), next, took;
    bool more = false;
    size_t n;

    if (q->core->stopping) {
        tell_all_waiters(q);
        return;
    }
    n = planner_step(q->planner, now, STEP_BUDGET_USEC, actions, STEP_ACTIONS, &more);
    for (size_t i = 0; i < n; i++)
        do_action(q, &actions[i]);
    if (q->windows != planner_windows_stamp(q->planner)) {
        q->windows = planner_windows_stamp(q->planner);
        if (q->core->config->n_licences)
            quota_eased(q->core); /* seats may have given licences back */
    }
    took = time_thread_cpu_usec() - begin;
    q->stats.steps++;
    q->stats.cpu_usec += took;
    if (took > q->stats.longest_step_usec)
        q->stats.longest_step_usec = took;
    next = planner_next_usec(q->planner);
    if (tell_waiter(q, !more && n < STEP_ACTIONS) || more || n == STEP_ACTIONS)
        source_rearm(q->step, 0);
    else if (next)
        source_rearm(q->step, next > now ? next - now : 0);
}

static void soon(struct queue *q)
{
    source_rearm(q->step, 0);
}

/* The record of a job has one node: the others are found by its instances. */
static int put_on_nodes(struct core *core, struct planner *planner, const struct job *job,
                        const struct plan_terms *terms)
{
    struct plan_place places[JOB_NODES_MAX];
    struct hostlist hosts;
    int r = hostlist_parse(job->node_list, JOB_NODES_MAX, &hosts);

    if (r < 0)
        return r;
    for (size_t i = 0; i < hosts.n; i++) {
        const struct instance *in = core_instance_staged(core, job->instance + i);

        str_copy(places[i].node, sizeof(places[i].node), hosts.names[i]);
        str_copy(places[i].gpus_held, sizeof(places[i].gpus_held), in ? in->gpus_held : "");
    }
    r = planner_put_job_on(planner, job, terms, places, (uint32_t)hosts.n);
    hostlist_done(&hosts);
    return r;
}

static int put_in(struct core *core, struct planner *planner, const struct job *job,
                  const struct plan_terms *terms)
{
    return *job->node_list ? put_on_nodes(core, planner, job, terms)
                           : planner_put_job_with(planner, job, terms);
}

static struct plan_terms terms_of(struct core *core, const struct job *job)
{
    const struct config_template *t = config_template(core->config, job->spec->template_name);
    struct plan_terms terms;

    disks_plan(core, job, &terms);
    terms.drawn = classes_drawn(core, job->spec);
    terms.unsaved = t && !config_template_can_save(t);
    if (t && job->state == JOB_PENDING)
        terms.image = images_number(core, t->image);
    return terms;
}

int queue_put_held(struct core *core, struct planner *planner, const struct job *job)
{
    const struct plan_terms terms = terms_of(core, job);

    return put_in(core, planner, job, &terms);
}

static int put_on_terms(struct queue *q, const struct job *job)
{
    struct plan_terms terms = terms_of(q->core, job);
    bool pends = job->state == JOB_PENDING, is_test = job->id == TEST_ID;
    bool waits =
        pends && (!priority_is_known(q->core) || depend_state(q->core, job) != DEPENDENCY_MET ||
                  !arrays_lets(q->core, job));
    bool ready;

    ready = pends && !waits && terms.block == PLAN_DISK_FREE && !job->held_by_user &&
            !job->held_by_admin && !job->unknown &&
            job->spec->begin_usec <= loop_now_usec(q->core->loop);

    if (is_test ? quota_foreseen_usec(q->core, job) != 0
                : pends && !quota_lets(q->core, job, ready))
        waits = true;

    if (waits && terms.block == PLAN_DISK_FREE)
        terms.block = PLAN_WAITS_FOR_CALLER;
    if (!is_test)
        foresee_put(q->core, job->id, pends && (waits || terms.block != PLAN_DISK_FREE));
    return put_in(q->core, q->planner, job, &terms);
}

/* A record of a version that did not write the template's profiles into a job has none: such a
 * job wants those of today's template, as it always did, and not a whole device. To the planner a
 * deadline is until when a job may start: the user's is until when it must be able to end. */
static int put(struct queue *q, const struct job *job)
{
    const struct config_template *t =
        job->spec->gpus && !*job->spec->profile
            ? config_template(q->core->config, job->spec->template_name)
            : NULL;
    struct job_spec spec = *job->spec;
    struct job planned = *job;
    char wish[GPU_WISH_TEXT];

    planned.spec = &spec;
    planned.priority = priority_of(q->core, job);
    if (t && t->profiles.n) {
        gpu_wish_of_template(t, 0, wish, sizeof(wish));
        spec.profile = wish;
    }
    if (spec.deadline_usec) {
        spec.deadline_usec -= job_spec_least_sec(&spec) * USEC_PER_SEC;
        spec.deadline_usec = spec.deadline_usec > 1 ? spec.deadline_usec : 1;
    }
    return put_on_terms(q, &planned);
}

void queue_again(struct queue *q, const struct job *job)
{
    if (job_state_is_end(job->state) || classes_waits(q->core, job))
        return;
    if (put(q, job) < 0)
        log_error("planner: no memory for job %" PRIu64, job->id);
    soon(q);
}

void queue_ranked(struct queue *q, const struct job *job, bool anyway)
{
    int32_t told;

    if (anyway || !planner_priority(q->planner, job->id, &told) ||
        told != priority_of(q->core, job))
        queue_again(q, job);
}

void queue_set_idle(struct queue *q, uint64_t job, bool is_idle)
{
    planner_set_idle(q->planner, job, is_idle);
}

void queue_stored(struct queue *q, const char *node, uint32_t gib)
{
    if (planner_put_stored(q->planner, node, gib) < 0)
        log_error("planner: no memory for node %s", node);
    soon(q);
}

void queue_images(struct queue *q, const char *node, const uint32_t *images, size_t n)
{
    if (planner_set_images(q->planner, node, images, n) < 0)
        log_error("planner: no memory for the images of node %s", node);
}

static void forget(struct queue *q, uint64_t job)
{
    foresee_put(q->core, job, false);
    planner_remove_job(q->planner, job);
}

void queue_job(struct queue *q, const struct job *old, const struct job *now)
{
    bool was = old && !job_state_is_end(old->state);

    if (was)
        q->in_state[old->state]--;
    if (!job_state_is_end(now->state))
        q->in_state[now->state]++;
    if (was && job_state_is_end(now->state))
        queue_unstage(q, now->spec->owner);
    if (job_state_is_end(now->state) || classes_waits(q->core, now))
        forget(q, now->id);
    else if (put(q, now) < 0)
        log_error("planner: no memory for job %" PRIu64, now->id);
    soon(q);
}

void queue_node(struct queue *q, const struct node *now)
{
    if (now->removed)
        planner_remove_node(q->planner, now->name);
    else if (planner_put_node(q->planner, now) < 0)
        log_error("planner: no memory for node %s", now->name);
    soon(q);
}

void queue_hold(struct queue *q, const struct job *job)
{
    if (planner_put_job(q->planner, job) < 0)
        log_error("planner: no memory for what is on node %s", job->node);
    soon(q);
}

void queue_unhold(struct queue *q, uint64_t id)
{
    planner_remove_job(q->planner, id);
    soon(q);
}

uint64_t queue_licences_kept(const struct queue *q, const char *name, int64_t from_usec,
                             int64_t to_usec)
{
    return planner_licences_kept(q->planner, name, from_usec, to_usec);
}

int64_t queue_licences_usec(const struct queue *q, const char *name, uint64_t most,
                            int64_t not_before_usec, int64_t span_usec)
{
    return planner_licences_usec(q->planner, name, most, not_before_usec, span_usec);
}

int64_t queue_start_usec(const struct queue *q, uint64_t job)
{
    return planner_start_usec(q->planner, job, loop_now_usec(q->core->loop));
}

int64_t queue_probe(struct queue *q, uint64_t job, int64_t not_before_usec)
{
    return planner_probe(q->planner, job, not_before_usec, loop_now_usec(q->core->loop));
}

struct planner *queue_planner(struct queue *q)
{
    soon(q);
    return q->planner;
}

int queue_configure(struct queue *q)
{
    int r;

    planner_set_save(q->planner, queue_save_usec(q->core));
    r = planner_configure(q->planner, q->core->config);
    soon(q);
    return r;
}

void queue_add_blocker(struct plan_why *why, const struct plan_blocker *b)
{
    const size_t room = sizeof(why->blockers) / sizeof(why->blockers[0]);
    size_t at = 0;

    while (at < why->n_blockers && why->blockers[at].type < PLAN_BLOCK_BEGIN)
        at++;
    if (at == room) {
        why->blockers[room - 1].count++;
        return;
    }
    if (why->n_blockers == room)
        why->n_blockers--;
    memmove(&why->blockers[at + 1], &why->blockers[at],
            (why->n_blockers - at) * sizeof(why->blockers[0]));
    why->blockers[at] = *b;
    why->n_blockers++;
}

int queue_why(struct queue *q, uint64_t job, struct plan_why *ret)
{
    int r = planner_why(q->planner, job, loop_now_usec(q->core->loop), ret);
    const struct job *of = core_job(q->core, job);
    struct plan_blocker own;

    for (size_t i = 0; r >= 0 && of && i < ret->n_blockers; i++)
        if (ret->blockers[i].type == PLAN_BLOCK_DISK_BUSY)
            disks_explain(q->core, of, &ret->blockers[i]);
    if (r >= 0 && of && of->state == JOB_PENDING && !priority_is_known(q->core))
        queue_add_blocker(
            ret, &(struct plan_blocker){.type = PLAN_BLOCK_PRIORITY, .subject = "fair share"});
    if (r >= 0 && of)
        depend_why(q->core, of, ret);
    if (r >= 0 && of && arrays_why(q->core, of, &own))
        queue_add_blocker(ret, &own);
    if (r >= 0 && of)
        quota_why(q->core, of, ret);
    if (r >= 0 && of && !ret->start_usec)
        ret->start_usec = foresee_start_usec(q->core, job);
    return r;
}

/* Nobody planned it: it starts now when nothing is in its way, else not before all that is ends. */
static void estimate_alone(struct plan_why *why, int64_t now_usec)
{
    int64_t latest = now_usec;

    if (why->start_usec)
        return;
    for (size_t i = 0; i < why->n_blockers; i++) {
        if (why->blockers[i].type == PLAN_BLOCK_PRIORITY)
            continue; /* those before it wait for the same */
        if (!why->blockers[i].until_usec)
            return;
        if (why->blockers[i].until_usec > latest)
            latest = why->blockers[i].until_usec;
    }
    why->start_usec = latest;
}

/* Limits would hold it back. */
static void estimate_limited(struct queue *q, const struct job *job, struct plan_why *io)
{
    int64_t usec = quota_foreseen_usec(q->core, job);

    quota_why(q->core, job, io);
    if (usec == FORESEE_NEVER)
        return;
    usec = usec > job->spec->begin_usec ? usec : job->spec->begin_usec;
    usec = queue_probe(q, job->id, usec);
    io->start_usec = usec > 0 ? usec : 0;
}

void queue_write_test(struct queue *q, const struct job_spec *spec, int32_t given, struct buf *out)
{
    struct job_spec asked = *spec;
    struct job job = {
        .refs = 1,
        .id = TEST_ID,
        .spec = &asked,
        .state = JOB_PENDING,
        .node = "",
        .node_list = "",
        .gpus_held = "",
        .reason = "",
        .priority = given,
        .submit_usec = loop_now_usec(q->core->loop),
    };
    struct plan_why why = {0};
    struct buf ranked = BUF_INIT(0);
    bool limited;

    asked.dependency = ""; /* when it is met is not the planner's to know */
    job.priority = priority_of(q->core, &job);
    limited = quota_try(q->core, &job);
    job.priority = given;
    if (put(q, &job) >= 0 && queue_why(q, job.id, &why) >= 0) {
        if (limited)
            estimate_limited(q, &job, &why);
        estimate_alone(&why, job.submit_usec);
    }
    planner_remove_job(q->planner, job.id);
    quota_untry(q->core, &job);
    priority_write(q->core, &job, &ranked);
    buf_printf(out, "{%s", ranked.len ? ranked.data + 1 : ""); /* without its comma */
    buf_done(&ranked);
    job_doc_write_why(&why, true, out);
    buf_puts(out, ",\"blockers\":[");
    for (size_t i = 0; i < why.n_blockers; i++) {
        if (i)
            buf_putc(out, ',');
        job_doc_write_blocker(q->core, &why.blockers[i], false, out);
    }
    buf_puts(out, "]}");
}

int queue_when_planned(struct queue *q, void (*fn)(void *arg, bool current), void *arg)
{
    struct waiter *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->fn = fn;
    w->arg = arg;
    w->until_usec = loop_now_usec(q->core->loop) + PLAN_PATIENCE_USEC;
    list_append(&q->waiters, &w->link);
    soon(q);
    return 0;
}

void queue_claim(struct queue *q)
{
    q->claimed = true;
}

void queue_release(struct queue *q)
{
    q->claimed = false;
    soon(q);
}

int queue_room(struct queue *q, uint64_t job, struct plan_room *ret)
{
    return planner_room(q->planner, job, ret);
}

bool queue_usage(struct queue *q, const char *node, struct plan_usage *ret)
{
    return planner_node_usage(q->planner, node, ret);
}

int queue_forecast(struct queue *q, const char *node, const struct plan_forecast_ask *ask,
                   plan_forecast_fn *fn, void *arg)
{
    return planner_forecast(q->planner, node, ask, loop_now_usec(q->core->loop), fn, arg);
}

const char *queue_next_node(struct queue *q, const char *after)
{
    return planner_next_node(q->planner, after);
}

uint32_t queue_free_now(struct queue *q, const struct job_spec *spec)
{
    return planner_count(q->planner, spec);
}

void queue_stats(struct queue *q, struct queue_stats *ret)
{
    *ret = q->stats;
    q->stats.longest_step_usec = 0;
}
