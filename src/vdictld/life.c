/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life.c - the one next thing to do for an instance in each of its states.
 *
 * struct run is the volatile side of an instance: what is under way on the site
 * and when its next timer falls. It is made anew after a restart; the truth is
 * in the events.
 */
#include "vdictld/life.h"

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
#include "codec/job_codec.h"
#include "codec/site_report.h"
#include "vdictld/archive.h"
#include "vdictld/limit.h"
#include "vdictld/site.h"

#define RETRY_USEC (2 * USEC_PER_SEC)

struct run {
    struct core *core;
    uint64_t id;
    unsigned busy;        /* operations and transactions of ours that are under way */
    bool ask;             /* what the site told was not kept: ask it before going on */
    struct source *again; /* look once more: a retry, or the boot timeout */
    struct limit *limit;  /* the time limit of its job, while it is bound */
};

struct life {
    struct core *core;
    struct hash *runs;
};

static void act(struct run *run);
static void ask_site(struct run *run);

static void act_again(void *arg)
{
    act(arg);
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

static struct run *run_get(struct core *core, uint64_t id)
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
    if (!run->again || hash_put_u64(core->life->runs, id, run) < 0) {
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

static void retry(struct run *run)
{
    source_rearm(run->again, RETRY_USEC);
}

/* The transaction may have held what a site tells once only: ready, gone. */
static void ask_and_retry(struct run *run)
{
    run->ask = true;
    retry(run);
}

/* ---- transactions of our own ---- */

static void committed(void *arg, int result, const struct vdi_error *err)
{
    struct run *run = arg;

    run->busy--;
    if (result < 0)
        ask_and_retry(run); /* the store could not: the state is as it was, so do it again */
    else
        act(run);
}

static void commit_or_retry(struct run *run, struct txn *txn, int r)
{
    if (r < 0) {
        txn_abort(txn);
        ask_and_retry(run);
        return;
    }
    run->busy++;
    txn_commit(txn, committed, run);
}

static void one_event(struct run *run, enum instance_event_type type, const char *reason)
{
    struct instance_event event = core_instance_event(run->core, type, reason);
    struct txn *txn = txn_new(run->core->events);

    commit_or_retry(run, txn, txn ? core_add_instance(txn, run->id, &event, NULL) : -ENOMEM);
}

/* ---- ends ---- */

/* Stops the instance of a job in the same transaction. */
static int add_stop(struct core *core, struct txn *txn, const struct job *job, const char *reason,
                    struct vdi_error *err)
{
    const struct instance *in = core_instance_staged(core, job->instance);
    struct instance_event event = core_instance_event(core, INSTANCE_EVENT_STOP, reason);

    if (!in || in->state == INSTANCE_STOPPING || in->state == INSTANCE_GONE)
        return 0;
    return core_add_instance(txn, in->id, &event, err);
}

static int finish_with(struct core *core, struct txn *txn, uint64_t id, struct job_event *event,
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
    return finish_with(core, txn, job, &event, err);
}

void life_end_job(struct core *core, uint64_t id, enum job_state final, const char *reason)
{
    const struct job *job = core_job_staged(core, id);
    struct run *run = job && job->instance ? run_get(core, job->instance) : NULL;
    struct txn *txn = txn_new(core->events);
    struct vdi_error err = {0};

    if (!txn || life_finish(core, txn, id, final, CORE_SELF, reason, &err) < 0) {
        txn_abort(txn);
        if (run)
            retry(run);
        return;
    }
    if (run) {
        run->busy++;
        txn_commit(txn, committed, run);
    } else {
        txn_commit(txn, NULL, NULL);
    }
}

/* How a job ends that did not ask for it: it comes back if it may. */
static enum job_state fate(const struct core *core, const struct job *job, enum job_state otherwise)
{
    bool may = job->spec->requeue && job->restarts < core->config->max_requeue;

    return may ? JOB_PENDING : otherwise;
}

/* ---- states ---- */

static void start_done(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;

    run->busy--;
    if (!in || in->state != INSTANCE_REQUESTED) {
        act(run); /* it was cancelled, or is ready already */
    } else if (result >= 0) {
        one_event(run, INSTANCE_EVENT_BUILD, "");
    } else if (result == -EAGAIN || result == -EBUSY || result == -ETIMEDOUT ||
               result == -ENOTCONN) {
        retry(run);
    } else if (job) {
        log_warning("job %" PRIu64 " could not start on %s: %s", job->id, in->node, err->detail);
        life_end_job(run->core, job->id, JOB_BOOT_FAIL, err->detail);
    }
}

static void start_with(struct run *run, const struct job *job, const char *payload)
{
    const struct instance *in = core_instance(run->core, run->id);
    const struct config_template *t = config_template(run->core->config, in->template_name);
    struct buf json = BUF_INIT(0);
    struct vdi_instance_spec spec = {
        .id = {in->id, in->generation},
        .job = in->job,
        .node = in->node,
        .owner = in->owner,
        .template_name = in->template_name,
        .vcpus = in->vcpus,
        .memory_mib = in->memory_mib,
        .gpus = in->gpus,
        .gpu_profile = in->profile,
    };

    if (!t) {
        life_end_job(run->core, job->id, JOB_BOOT_FAIL, "its template is no longer in vdi.conf");
        return;
    }
    site_spec_write(t, job, payload, &json);
    spec.epoch = events_epoch(run->core->events);
    spec.image = t->image;
    spec.spec_json = json.data;
    run->busy++;
    site_start(run->core->site, &spec, start_done, run);
    buf_done(&json);
}

/* The script comes from the submit event: it is not kept in memory while a job waits. */
static void script_read(void *arg, const struct archive_query *q)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job(run->core, in->job) : NULL;
    struct job_event event = {0};

    run->busy--;
    if (!job || in->state != INSTANCE_REQUESTED) {
        act(run);
    } else if (q->result < 0 || !q->n_rows ||
               job_event_decode(q->rows[0].type, 0, q->rows[0].version, q->rows[0].body,
                                q->rows[0].body_len, &event, NULL) < 0) {
        log_error("job %" PRIu64 ": its script could not be read from the store", job->id);
        retry(run);
    } else {
        start_with(run, job, event.payload);
        job_event_done(&event);
    }
}

static void act_requested(struct run *run, const struct instance *in)
{
    const struct job *job = core_job(run->core, in->job);
    struct archive_query q = {
        .noun = "job",
        .events = true,
        .limit = 1,
        .done = script_read,
        .arg = run,
    };

    if (!job)
        return;
    if (job->spec->kind == JOB_INTERACTIVE && !job->spec->script_bytes) {
        start_with(run, job, NULL);
        return;
    }
    snprintf(q.key, sizeof(q.key), "%" PRIu64, job->id);
    if (archive_ask(run->core, &q) < 0)
        retry(run);
    else
        run->busy++;
}

static void act_building(struct run *run, const struct instance *in)
{
    const struct config_template *t = config_template(run->core->config, in->template_name);
    int64_t timeout_sec =
        t && t->boot_timeout_sec ? t->boot_timeout_sec : run->core->config->boot_timeout_sec;
    int64_t left = in->state_usec + timeout_sec * USEC_PER_SEC - loop_now_usec(run->core->loop);
    char reason[96];

    if (left > 0) {
        source_rearm(run->again, left);
        return;
    }
    snprintf(reason, sizeof(reason), "not ready within %" PRId64 " s", timeout_sec);
    life_end_job(run->core, in->job, JOB_BOOT_FAIL, reason);
}

/* The seat is there: hand it to its owner, and let the time run. */
static void act_ready(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);
    struct instance_event bind = core_instance_event(run->core, INSTANCE_EVENT_BIND, "");
    struct job_event start = core_job_event(run->core, JOB_EVENT_START, CORE_SELF, "");
    struct txn *txn;
    int r;

    if (!job || job->state != JOB_CONFIGURING)
        return;
    txn = txn_new(run->core->events);
    r = txn ? core_add_instance(txn, run->id, &bind, NULL) : -ENOMEM;
    if (r >= 0)
        r = core_add_job(txn, job->id, &start, NULL);
    commit_or_retry(run, txn, r);
}

static void act_bound(struct run *run, const struct instance *in)
{
    const struct job *job = core_job(run->core, in->job);

    if (!job)
        return;
    if (!run->limit)
        run->limit = limit_new(run->core, job->id);
    limit_set(run->limit, job);
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
        act(run);
        return;
    }
    if (result < 0 && result != -ENOENT) {
        log_warning("instance %" PRIu64 " on %s could not be stopped: %s", in->id, in->node,
                    err->detail);
        retry(run);
        return;
    }
    txn = txn_new(run->core->events);
    r = txn ? core_add_instance(txn, in->id, &gone, NULL) : -ENOMEM;
    if (r >= 0 && job && job->state == JOB_COMPLETING && job->instance == in->id) {
        if (job->final == JOB_PENDING)
            end.type = JOB_EVENT_REQUEUE;
        r = core_add_job(txn, job->id, &end, NULL);
    }
    commit_or_retry(run, txn, r);
}

static void act_stopping(struct run *run, const struct instance *in)
{
    limit_free(run->limit);
    run->limit = NULL;
    run->busy++;
    site_stop(run->core->site, in, (uint32_t)run->core->config->kill_wait_sec, stop_done, run);
}

static void act(struct run *run)
{
    const struct instance *in = core_instance(run->core, run->id);

    if (run->busy || run->core->stopping)
        return;
    if (!in || in->state == INSTANCE_GONE) {
        run_drop(run->core, run->id);
        return;
    }
    if (run->ask) {
        ask_site(run);
        return;
    }
    switch (in->state) {
    case INSTANCE_REQUESTED:
        act_requested(run, in);
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
    default: /* SAVED: its owner resumes it */
        break;
    }
}

/* ---- what others tell ---- */

void life_instance(struct core *core, const struct instance *now)
{
    struct run *run = run_get(core, now->id);

    if (!run)
        return;
    if (!run->busy)
        source_rearm(run->again, 0); /* after the transaction is published whole */
}

void life_job(struct core *core, const struct job *old, const struct job *now)
{
    struct run *run = now->instance ? hash_get_u64(core->life->runs, now->instance) : NULL;

    if (run && run->limit)
        limit_set(run->limit, now); /* an extension, a suspension */
}

static int alloc(struct core *core, struct txn *txn, const struct job *job, const char *node)
{
    struct job_event event = core_job_event(core, JOB_EVENT_ALLOC, CORE_SELF, "");
    struct instance_event request = core_instance_event(core, INSTANCE_EVENT_REQUEST, "");
    int r;

    event.instance = events_next_id(core->events, NOUN_INSTANCE);
    event.generation = request.generation = 1;
    str_copy(event.node, sizeof(event.node), node);
    request.job = job->id;
    request.vcpus = job->spec->cpus;
    request.memory_mib = job->spec->memory_mib;
    request.gpus = job->spec->gpus;
    str_copy(request.owner, sizeof(request.owner), job->spec->owner);
    str_copy(request.node, sizeof(request.node), node);
    str_copy(request.template_name, sizeof(request.template_name), job->spec->template_name);
    str_copy(request.profile, sizeof(request.profile), job->spec->profile);
    r = core_add_job(txn, job->id, &event, NULL);
    return r < 0 ? r : core_add_instance(txn, event.instance, &request, NULL);
}

void life_start(struct core *core, uint64_t id, const char *node)
{
    const struct job *job = core_job_staged(core, id);
    struct txn *txn;

    if (!job || job->state != JOB_PENDING || job != core_job(core, id) ||
        core_node_staged(core, node) != core_node(core, node))
        return; /* a change is on its way: the planner hears of it and decides again */
    txn = txn_new(core->events);
    if (txn && alloc(core, txn, job, node) >= 0)
        txn_commit(txn, NULL, NULL); /* the planner offers it again if this fails */
    else
        txn_abort(txn);
}

/* How a job ends whose instance went by itself. A script that says how it ended did run. */
static enum job_state final_of(const struct core *core, const struct job *job,
                               const struct site_report *report)
{
    if (report->exited && !report->failed)
        return report->exit_code || report->exit_signal ? JOB_FAILED : JOB_COMPLETED;
    if (job->state == JOB_CONFIGURING)
        return fate(core, job, JOB_BOOT_FAIL);
    if (report->failed)
        return fate(core, job, JOB_NODE_FAIL);
    return job->spec->kind == JOB_BATCH ? JOB_FAILED : JOB_COMPLETED;
}

/* The end of a short script overtook the word that its instance was ready. */
static int add_start(struct core *core, struct txn *txn, const struct job *job,
                     const struct instance *in)
{
    struct instance_event ready = core_instance_event(core, INSTANCE_EVENT_READY, "");
    struct instance_event bind = core_instance_event(core, INSTANCE_EVENT_BIND, "");
    struct job_event start = core_job_event(core, JOB_EVENT_START, CORE_SELF, "");
    uint64_t id = in->id;
    int r = 0;

    if (in->state != INSTANCE_READY)
        r = core_add_instance(txn, id, &ready, NULL);
    if (r >= 0)
        r = core_add_instance(txn, id, &bind, NULL);
    return r < 0 ? r : core_add_job(txn, job->id, &start, NULL);
}

/* The instance is no longer there although nobody stopped it. */
static void lost(struct core *core, const struct instance *in, const struct site_report *report)
{
    const struct job *job = core_job_staged(core, in->job);
    struct job_event event = core_job_event(core, JOB_EVENT_FINISH, CORE_SELF, report->reason);
    struct run *run = run_get(core, in->id);
    struct txn *txn;
    int r;

    if (!job || !run || !job_state_is_active(job->state) || job->state == JOB_COMPLETING ||
        job->instance != in->id) /* the job has moved on to another */
        return;
    event.final = final_of(core, job, report);
    event.exit_code = report->exit_code;
    event.exit_signal = report->exit_signal;
    txn = txn_new(core->events);
    r = txn ? 0 : -ENOMEM;
    if (r >= 0 && job->state == JOB_CONFIGURING && report->exited && !report->failed)
        r = add_start(core, txn, job, in);
    commit_or_retry(run, txn, r < 0 ? r : finish_with(core, txn, in->job, &event, NULL));
}

void life_instance_event(struct core *core, struct vdi_instance_id id, const char *what,
                         const char *json)
{
    const struct instance *in = core_instance_staged(core, id.id);
    struct site_report report = {0};
    struct run *run = in ? run_get(core, id.id) : NULL;

    if (!run || in->generation != id.generation) {
        log_debug("site: '%s' of instance %" PRIu64 ".%u, which is not known", what, id.id,
                  id.generation);
        return;
    }
    if (site_report_decode(json, &report, NULL) < 0)
        log_warning("site: a report of instance %" PRIu64 " could not be read", id.id);
    if (!strcmp(what, "ready") &&
        (in->state == INSTANCE_REQUESTED || in->state == INSTANCE_BUILDING))
        one_event(run, INSTANCE_EVENT_READY, "");
    else if (!strcmp(what, "gone") && in->state != INSTANCE_STOPPING)
        lost(core, in, &report);
}

void life_instance_report(struct core *core, struct vdi_instance_id id, const char *json)
{
    struct site_report report = {0};

    if (site_report_decode(json, &report, NULL) < 0)
        log_warning("a report of instance %" PRIu64 " could not be read", id.id);
    else if (report.state == SITE_STATE_READY)
        life_instance_event(core, id, "ready", json);
    else if (report.state == SITE_STATE_GONE)
        life_instance_event(core, id, "gone", json);
}

static int add_abandon(struct core *core, struct txn *txn, const struct instance *in,
                       const char *reason)
{
    const struct job *job = core_job_staged(core, in->job);
    struct instance_event gone = core_instance_event(core, INSTANCE_EVENT_GONE, reason);
    struct job_event end = core_job_event(core, JOB_EVENT_END, CORE_SELF, "");
    int r = core_add_instance(txn, in->id, &gone, NULL);

    if (r < 0 || !job || !job_state_is_active(job->state) || job->instance != in->id)
        return r;
    if (job->state != JOB_COMPLETING)
        r = life_finish(core, txn, job->id, fate(core, job, JOB_NODE_FAIL), CORE_SELF, reason,
                        NULL);
    if (r >= 0 && core_job_staged(core, in->job)->final == JOB_PENDING)
        end.type = JOB_EVENT_REQUEUE;
    return r < 0 ? r : core_add_job(txn, in->job, &end, NULL);
}

void life_abandon(struct core *core, const struct instance *in, const char *reason)
{
    struct run *run = run_get(core, in->id);
    struct txn *txn = txn_new(core->events);
    int r = run && txn ? add_abandon(core, txn, in, reason) : -ENOMEM;

    if (run) {
        commit_or_retry(run, txn, r);
    } else {
        txn_abort(txn);
    }
}

/* ---- asking the site: after a restart, or a commit that failed ---- */

/* The record of the job was damaged, and its instance is where the record says. */
static void known_again(struct run *run, const struct job *job)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_REACHABLE, CORE_SELF, "");
    struct txn *txn = txn_new(run->core->events);

    commit_or_retry(run, txn, txn ? core_add_job(txn, job->id, &event, NULL) : -ENOMEM);
}

static void polled(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;
    struct site_report report = {0};

    run->busy--;
    if (!in) {
        act(run);
        return;
    }
    if (result == -ENOENT && in->state != INSTANCE_REQUESTED && in->state != INSTANCE_STOPPING) {
        report.failed = true;
        str_copy(report.reason, sizeof(report.reason), "its instance is gone");
        lost(run->core, in, &report);
    } else if (result >= 0 && json && site_report_decode(json, &report, NULL) >= 0 &&
               report.state == SITE_STATE_READY &&
               (in->state == INSTANCE_REQUESTED || in->state == INSTANCE_BUILDING)) {
        one_event(run, INSTANCE_EVENT_READY, "");
    } else if (result >= 0 && report.state == SITE_STATE_GONE && in->state != INSTANCE_STOPPING) {
        lost(run->core, in, &report);
    } else if (result >= 0 && job && job->unknown && job_state_is_active(job->state)) {
        known_again(run, job);
    } else {
        act(run); /* also when the site can't be asked: every act is safe to repeat */
    }
}

static void ask_site(struct run *run)
{
    run->ask = false;
    run->busy++;
    site_poll(run->core->site, core_instance(run->core, run->id), polled, run);
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
        run = run_get(core, in->id);
        if (!run)
            continue;
        ask_site(run);
    }
}
