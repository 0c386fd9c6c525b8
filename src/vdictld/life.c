/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life.c - the one next thing to do for an instance in each of its states, and ends.
 *
 * struct run is the volatile side of an instance: what is under way on the site
 * and when its next timer falls. It is made anew after a restart; the truth is
 * in the events.
 */
#include "vdictld/life_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/classes.h"
#include "vdictld/disks.h"
#include "vdictld/limit.h"
#include "vdictld/site.h"

#define RETRY_USEC (2 * USEC_PER_SEC)

struct life {
    struct core *core;
    struct hash *runs;
};

static void act_again(void *arg)
{
    life_act(arg);
}

static void look_again(void *arg)
{
    life_look_idle(arg);
}

struct life *life_new(struct core *core)
{
    struct life *life = calloc(1, sizeof(*life));

    if (!life)
        return NULL;
    life->core = core;
    life->runs = hash_new_u64();
    if (!life->runs) {
        free(life);
        return NULL;
    }
    return life;
}

static void run_free(struct run *run)
{
    source_free(run->again);
    source_free(run->quiet);
    limit_free(run->limit);
    free(run);
}

void life_free(struct life *life)
{
    void *run;

    if (!life)
        return;
    for (size_t i = 0; hash_next(life->runs, &i, &run);)
        run_free(run);
    hash_free(life->runs);
    free(life);
}

struct run *life_run_known(struct core *core, uint64_t id)
{
    return hash_get_u64(core->life->runs, id);
}

struct run *life_run(struct core *core, uint64_t id)
{
    struct run *run = hash_get_u64(core->life->runs, id);

    if (run)
        return run;
    run = calloc(1, sizeof(*run));
    if (!run)
        return NULL;
    run->core = core;
    run->id = id;
    run->again = loop_timer(core->loop, -1, act_again, run);
    run->quiet = loop_timer(core->loop, -1, look_again, run);
    if (!run->again || !run->quiet || hash_put_u64(core->life->runs, id, run) < 0) {
        run_free(run);
        return NULL;
    }
    return run;
}

static void run_drop(struct core *core, uint64_t id)
{
    struct run *run = hash_get_u64(core->life->runs, id);

    if (!run || run->busy)
        return; /* the last one that is busy with it drops it */
    hash_remove_u64(core->life->runs, id);
    run_free(run);
}

void life_retry(struct run *run)
{
    source_rearm(run->again, RETRY_USEC);
}

/* The transaction may have held what a site tells once only: ready, gone. */
static void ask_and_retry(struct run *run)
{
    run->ask = true;
    life_retry(run);
}

/* ---- transactions of our own ---- */

static void committed(void *arg, int result, const struct vdi_error *err)
{
    struct run *run = arg;

    run->busy--;
    if (result < 0)
        ask_and_retry(run); /* the store could not: the state is as it was, so do it again */
    else
        life_act(run);
}

void life_commit(struct run *run, struct txn *txn, int r)
{
    if (r < 0) {
        txn_abort(txn);
        ask_and_retry(run);
        return;
    }
    run->busy++;
    txn_commit(txn, committed, run);
}

void life_event(struct run *run, enum instance_event_type type, const char *reason)
{
    struct instance_event event = core_instance_event(run->core, type, reason);
    struct txn *txn = txn_new(run->core->events);

    life_commit(run, txn, txn ? core_add_instance(txn, run->id, &event, NULL) : -ENOMEM);
}

/* ---- ends ---- */

/* Stops the instances of a job in the same transaction. */
static int add_stop(struct core *core, struct txn *txn, const struct job *job, const char *reason,
                    struct vdi_error *err)
{
    struct instance_event event = core_instance_event(core, INSTANCE_EVENT_STOP, reason);
    int r = 0;

    for (uint32_t i = 0; r >= 0 && i < job_spec_nodes(job->spec); i++) {
        const struct instance *in = core_instance_staged(core, job->instance + i);

        if (in && in->state != INSTANCE_STOPPING && in->state != INSTANCE_GONE)
            r = core_add_instance(txn, in->id, &event, err);
    }
    return r;
}

int life_finish_with(struct core *core, struct txn *txn, uint64_t id, struct job_event *event,
                     struct vdi_error *err)
{
    const struct job *job = core_job_staged(core, id);
    int r;

    if (!job)
        return error_set(err, ENOENT, "id", "there is no job %" PRIu64, id);
    if (job->state == JOB_PENDING) {
        event->type = JOB_EVENT_END;
        return core_add_job(txn, id, event, err);
    }
    event->type = JOB_EVENT_FINISH;
    r = core_add_job(txn, id, event, err);
    return r < 0 ? r : add_stop(core, txn, core_job_staged(core, id), event->reason, err);
}

int life_finish(struct core *core, struct txn *txn, uint64_t job, enum job_state final,
                const char *by, const char *reason, struct vdi_error *err)
{
    struct job_event event = core_job_event(core, JOB_EVENT_FINISH, by, reason);

    event.final = final;
    return life_finish_with(core, txn, job, &event, err);
}

void life_end_job(struct core *core, uint64_t id, enum job_state final, const char *reason)
{
    struct job_event event = core_job_event(core, JOB_EVENT_FINISH, CORE_SELF, reason);

    event.final = final;
    life_end_with(core, id, &event);
}

void life_end_with(struct core *core, uint64_t id, struct job_event *event)
{
    const struct job *job = core_job_staged(core, id);
    struct run *run = job && job->instance ? life_run(core, job->instance) : NULL;
    struct txn *txn = txn_new(core->events);
    struct vdi_error err = {0};

    if (!txn || life_finish_with(core, txn, id, event, &err) < 0) {
        txn_abort(txn);
        if (run)
            life_retry(run);
        return;
    }
    if (run) {
        run->busy++;
        txn_commit(txn, committed, run);
    } else {
        txn_commit(txn, NULL, NULL);
    }
}

static void note(struct core *core, uint64_t id, const struct job_event *event)
{
    struct txn *txn = txn_new(core->events);

    if (txn && core_add_job(txn, id, event, NULL) >= 0)
        txn_commit(txn, NULL, NULL);
    else
        txn_abort(txn); /* it ended meanwhile */
}

void life_note(struct core *core, uint64_t id, const char *by, const char *text)
{
    struct job_event event = core_job_event(core, JOB_EVENT_NOTE, by, text);

    note(core, id, &event);
}

void life_percent(struct core *core, uint64_t id, uint32_t percent)
{
    struct job_event event = core_job_event(core, JOB_EVENT_NOTE, CORE_SELF, "");

    event.percent = percent;
    snprintf(event.reason, sizeof(event.reason), "%u %% of the time limit are used up", percent);
    note(core, id, &event);
}

void life_fate(const struct core *core, const struct job *job, enum job_state otherwise,
               struct job_event *event)
{
    char why[sizeof(event->reason)];
    bool has_not_begun = *job->spec->reservation && job->state == JOB_CONFIGURING;

    event->final = job->spec->requeue || has_not_begun ? JOB_PENDING : otherwise;
    if (event->final != JOB_PENDING || job->restarts < core->config->max_requeue)
        return;
    event->admin = true;
    str_copy(why, sizeof(why), event->reason);
    snprintf(event->reason, sizeof(event->reason), "held after %u restarts (max_requeue): %.50s",
             job->restarts, why);
}

/* ---- states ---- */

int64_t life_boot_timeout(const struct core *core, const char *template_name)
{
    const struct config_template *t = config_template(core->config, template_name);

    return t && t->boot_timeout_sec ? t->boot_timeout_sec : core->config->boot_timeout_sec;
}

int64_t life_boot_timeout_sec(const struct core *core, const struct instance *in)
{
    return life_boot_timeout(core, in->template_name);
}

static void act_building(struct run *run, const struct instance *in)
{
    int64_t timeout_sec = life_boot_timeout_sec(run->core, in);
    int64_t left = in->state_usec + timeout_sec * USEC_PER_SEC - loop_now_usec(run->core->loop);
    char reason[96];

    if (life_leave(run, in))
        return;
    if (left > 0) {
        source_rearm(run->again, left);
        return;
    }
    snprintf(reason, sizeof(reason), "not ready within %" PRId64 " s", timeout_sec);
    life_fail(run, in, reason);
}

void life_fail(struct run *run, const struct instance *in, const char *reason)
{
    const struct job *job = core_job_staged(run->core, in->job);

    if (!in->job)
        life_event(run, INSTANCE_EVENT_STOP, reason);
    else
        life_end_job(run->core, in->job,
                     in->class_id && job && job->restarts < run->core->config->max_requeue
                         ? JOB_PENDING
                         : JOB_BOOT_FAIL,
                     reason);
}

void life_stop(struct core *core, const struct instance *in, const char *reason)
{
    struct run *run = life_run(core, in->id);

    if (run && !run->busy && core_instance(core, in->id) == in)
        life_event(run, INSTANCE_EVENT_STOP, reason);
}

void life_bound(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);
    struct instance_event bind = core_instance_event(run->core, INSTANCE_EVENT_BIND, "");
    struct job_event start = core_job_event(run->core, JOB_EVENT_START, CORE_SELF, "");
    struct txn *txn = txn_new(run->core->events);
    int r = txn ? core_add_instance(txn, run->id, &bind, NULL) : -ENOMEM;

    if (r >= 0 && in->class_id)
        r = classes_add_limit(run->core, txn, in);
    if (r >= 0 && life_others_are(run->core, job, in->id, LIFE_IN(BOUND)))
        r = core_add_job(txn, job->id, &start, NULL);
    life_commit(run, txn, r);
}

/* It is there: hand it to its owner, and let the time run. A seat waits until somebody has it. */
static void act_ready(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);

    if (!job || job->state != JOB_CONFIGURING)
        return;
    if (job_spec_nodes(job->spec) > 1 && life_leave(run, in))
        return;
    if (!life_others_are(run->core, job, in->id, LIFE_IN(READY) | LIFE_IN(BOUND)))
        return; /* the last one that is ready has the others go on */
    if (in->class_id || job_spec_nodes(job->spec) > 1)
        life_personalise(run, in);
    else
        life_bound(run, in);
}

static void act_bound(struct run *run, const struct instance *in)
{
    const struct job *job = core_job(run->core, in->job);

    if (!job || life_leave(run, in))
        return;
    if (!run->limit && in->id == job->instance) /* one limit, of several instances */
        run->limit = limit_new(run->core, job->id);
    limit_set(run->limit, job);
    life_look_idle(run);
}

static void stop_done(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;
    struct instance_event gone = core_instance_event(run->core, INSTANCE_EVENT_GONE, "");
    struct job_event end = core_job_event(run->core, JOB_EVENT_END, CORE_SELF, "");
    struct txn *txn;
    int r;

    run->busy--;
    if (!in || in->state != INSTANCE_STOPPING) {
        life_act(run);
        return;
    }
    const struct node *node = core_node_staged(run->core, in->node);
    if (result < 0 && result != -ENOENT && node && node->failed) {
        life_abandon(run->core, in, "its node is given up"); /* as all that ran there */
        return;
    }
    if (result < 0 && result != -ENOENT) {
        log_warning("instance %" PRIu64 " on %s could not be stopped: %s", in->id, in->node,
                    err->detail);
        life_retry(run);
        return;
    }
    txn = txn_new(run->core->events);
    r = txn ? disks_add_gone(run->core, txn, in) : -ENOMEM;
    if (r >= 0)
        r = core_add_instance(txn, in->id, &gone, NULL);
    if (r >= 0 && job && job->state == JOB_COMPLETING && job_has_instance(job, in->id) &&
        life_others_are(run->core, job, in->id, LIFE_IN(GONE))) {
        if (job->final == JOB_PENDING)
            end.type = JOB_EVENT_REQUEUE;
        r = core_add_job(txn, job->id, &end, NULL);
    }
    life_commit(run, txn, r);
}

static void act_stopping(struct run *run, const struct instance *in)
{
    limit_free(run->limit);
    run->limit = NULL;
    run->busy++;
    site_stop(run->core->site, in, life_grace_sec(run->core, core_job(run->core, in->job)),
              stop_done, run);
}

void life_act(struct run *run)
{
    const struct instance *in = core_instance(run->core, run->id);

    if (run->busy || run->core->stopping)
        return;
    if (!in || in->state == INSTANCE_GONE) {
        run_drop(run->core, run->id);
        return;
    }
    if (run->ask) {
        life_ask(run);
        return;
    }
    switch (in->state) {
    case INSTANCE_REQUESTED:
        life_request(run, in);
        break;
    case INSTANCE_BUILDING:
        act_building(run, in);
        break;
    case INSTANCE_READY:
        act_ready(run, in);
        break;
    case INSTANCE_BOUND:
        act_bound(run, in);
        break;
    case INSTANCE_STOPPING:
        act_stopping(run, in);
        break;
    case INSTANCE_SAVED:
        life_saved(run, in);
        break;
    default:
        break;
    }
}

/* ---- what others tell ---- */

void life_instance(struct core *core, const struct instance *now)
{
    struct run *run = life_run(core, now->id);

    if (!run)
        return;
    if (!run->busy)
        source_rearm(run->again, 0); /* after the transaction is published whole */
    if (now->state == INSTANCE_READY)
        life_wake_others(core, now);
}

void life_job(struct core *core, const struct job *old, const struct job *now)
{
    struct run *run = now->instance ? hash_get_u64(core->life->runs, now->instance) : NULL;

    if (run && run->limit)
        limit_set(run->limit, now); /* an extension, a suspension */
    if (run && now->unreachable)
        life_forget_input(run); /* the last word of a node that is silent is not today's */
    if (run && now->state == JOB_SUSPENDED && !run->busy)
        source_rearm(run->again, 0); /* wanted back: its instance changes only afterwards */
}

static int add_abandon(struct core *core, struct txn *txn, const struct instance *in,
                       const char *reason)
{
    const struct job *job = core_job_staged(core, in->job);
    struct instance_event gone = core_instance_event(core, INSTANCE_EVENT_GONE, reason);
    struct job_event end = core_job_event(core, JOB_EVENT_END, CORE_SELF, "");
    struct job_event finish = core_job_event(core, JOB_EVENT_FINISH, CORE_SELF, reason);
    int r = core_add_instance(txn, in->id, &gone, NULL);

    if (r < 0 || !job || !job_state_is_active(job->state) || !job_has_instance(job, in->id))
        return r;
    if (job->state != JOB_COMPLETING) {
        life_fate(core, job, JOB_NODE_FAIL, &finish);
        r = life_finish_with(core, txn, job->id, &finish, NULL);
    }
    if (r >= 0 && !life_others_are(core, job, in->id, LIFE_IN(GONE)))
        return 0; /* they are being stopped: the last one ends the job */
    if (r >= 0 && core_job_staged(core, in->job)->final == JOB_PENDING)
        end.type = JOB_EVENT_REQUEUE;
    return r < 0 ? r : core_add_job(txn, in->job, &end, NULL);
}

void life_abandon(struct core *core, const struct instance *in, const char *reason)
{
    struct run *run = life_run(core, in->id);
    struct txn *txn = txn_new(core->events);
    int r = run && txn ? add_abandon(core, txn, in, reason) : -ENOMEM;

    if (run) {
        life_commit(run, txn, r);
    } else {
        txn_abort(txn);
    }
}

void life_configured(struct core *core)
{
    void *run;

    for (size_t i = 0; hash_next(core->life->runs, &i, &run);)
        life_look_idle(run);
}

void life_recover(struct core *core)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->pub : NULL;
        struct run *run;

        if (!in || in->state == INSTANCE_GONE)
            continue;
        run = life_run(core, in->id);
        if (!run)
            continue;
        life_ask(run);
    }
}
