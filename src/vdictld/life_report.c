/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_report.c - what the site, a node and a poll say of an instance.
 *
 * All say it in the same words (struct site_report), as often as they like and in any
 * order: what is known already, or overtaken by a stop that is under way, changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "vdictld/life_impl.h"
#include "vdictld/site.h"

/* How a job ends whose instance, or script, ended by itself. */
static void set_final(const struct core *core, const struct job *job,
                      const struct site_report *report, struct job_event *event)
{
    event->exit_code = report->exit_code;
    event->exit_signal = report->exit_signal;
    if (report->exited && !report->failed)
        event->final = report->exit_code || report->exit_signal ? JOB_FAILED : JOB_COMPLETED;
    else if (job->state == JOB_CONFIGURING)
        life_fate(core, job, JOB_BOOT_FAIL, event);
    else if (report->failed)
        life_fate(core, job, JOB_NODE_FAIL, event);
    else
        event->final = job->spec->kind == JOB_BATCH ? JOB_FAILED : JOB_COMPLETED;
}

/* A failed script that gave no other reason says its status. */
static void write_status(const struct site_report *report, char *ret, size_t size)
{
    str_copy(ret, size, report->reason);
    if (*ret || !report->exited || report->failed)
        return;
    if (report->exit_signal)
        snprintf(ret, size, "ended by signal %d", report->exit_signal);
    else if (report->exit_code)
        snprintf(ret, size, "ended with exit code %d", report->exit_code);
}

/* Of several nodes, on which. */
static void write_reason(const struct job *job, const struct instance *in,
                         const struct site_report *report, char ret[96])
{
    char why[96];

    write_status(report, why, sizeof(why));
    if (*why && job_spec_nodes(job->spec) > 1)
        snprintf(ret, 96, "on %.40s: %.50s", in->node, why);
    else
        str_copy(ret, 96, why);
}

static int add_bind(struct core *core, struct txn *txn, const struct instance *in)
{
    struct instance_event ready = core_instance_event(core, INSTANCE_EVENT_READY, "");
    struct instance_event bind = core_instance_event(core, INSTANCE_EVENT_BIND, "");
    uint64_t id = in->id;
    int r = 0;

    if (in->state == INSTANCE_REQUESTED || in->state == INSTANCE_BUILDING)
        r = core_add_instance(txn, id, &ready, NULL);
    return r < 0 ? r : core_add_instance(txn, id, &bind, NULL);
}

/* The end of a short script overtook the word that its instance was ready, or bound. */
static int add_start(struct core *core, struct txn *txn, const struct job *job)
{
    struct job_event start = core_job_event(core, JOB_EVENT_START, CORE_SELF, "");
    int r = 0;

    for (uint32_t i = 0; r >= 0 && i < job_spec_nodes(job->spec); i++) {
        const struct instance *in = core_instance_staged(core, job->instance + i);

        if (in && in->state < INSTANCE_BOUND)
            r = add_bind(core, txn, in);
    }
    return r < 0 ? r : core_add_job(txn, job->id, &start, NULL);
}

static bool is_well(const struct site_report *report)
{
    return report->exited && !report->failed && !report->exit_code && !report->exit_signal;
}

/* The script has ended, or the instance is no longer there although nobody stopped it. */
static bool ended(struct run *run, const struct instance *in, const struct site_report *report)
{
    struct core *core = run->core;
    const struct job *job = core_job_staged(core, in->job);
    const struct run *first = job ? life_run_known(core, job->instance) : NULL;
    struct job_event event = core_job_event(core, JOB_EVENT_FINISH, CORE_SELF, "");
    struct txn *txn;
    int r;

    if (!in->job && in->class_id) {
        life_fail(run, in, *report->reason ? report->reason : "it ended by itself");
        return true;
    }
    if (!job || !job_state_is_active(job->state) || job->state == JOB_COMPLETING ||
        !job_has_instance(job, in->id)) /* the job has moved on to another */
        return false;
    if (is_well(report) && life_others_go_on(run, job))
        return false;
    write_reason(job, in, report, event.reason);
    if (!life_left(first ? first : run, job, report, &event))
        set_final(core, job, report, &event);
    txn = txn_new(core->events);
    r = txn ? 0 : -ENOMEM;
    if (r >= 0 && job->state == JOB_CONFIGURING && report->exited && !report->failed)
        r = add_start(core, txn, job);
    life_commit(run, txn, r < 0 ? r : life_finish_with(core, txn, in->job, &event, NULL));
    return true;
}

static bool is_at_odds(const struct instance *in, const struct site_report *report)
{
    if (report->state == SITE_STATE_SAVED)
        return in->state == INSTANCE_BOUND || in->state == INSTANCE_READY;
    return report->state == SITE_STATE_READY && in->state == INSTANCE_SAVED;
}

/* Saved or resumed, and not written down: of a report that may be an old one we ask again. */
static bool set_right(struct run *run, const struct instance *in, const struct site_report *report,
                      bool asked)
{
    if (!asked) {
        run->ask = true;
        life_act(run);
        return false;
    }
    return report->state == SITE_STATE_SAVED ? life_found_saved(run, in)
                                             : life_found_running(run, in);
}

/* Acts on what is new in it; false: nothing is. `asked`: it answers a question of ours. */
static bool take(struct run *run, const struct instance *in, const struct site_report *report,
                 bool asked)
{
    if (in->state == INSTANCE_STOPPING || in->state == INSTANCE_GONE)
        return false;
    life_input(run, report->state == SITE_STATE_READY ? report->idle_sec : -1);
    if (report->state == SITE_STATE_GONE || report->exited)
        return ended(run, in, report);
    if (is_at_odds(in, report))
        return set_right(run, in, report, asked);
    if (report->state != SITE_STATE_READY ||
        (in->state != INSTANCE_REQUESTED && in->state != INSTANCE_BUILDING))
        return false;
    life_event(run, INSTANCE_EVENT_READY, "");
    return true;
}

static void take_known(struct core *core, struct vdi_instance_id id,
                       const struct site_report *report)
{
    const struct instance *in = core_instance_staged(core, id.id);
    struct run *run = in && in->generation == id.generation ? life_run(core, id.id) : NULL;

    if (run)
        take(run, in, report, false);
    else
        log_debug("a report of instance %" PRIu64 ".%u, which is not known", id.id, id.generation);
}

void life_instance_report(struct core *core, struct vdi_instance_id id, const char *json)
{
    struct site_report report = {.idle_sec = -1};

    if (site_report_decode(json, &report, NULL) < 0)
        log_warning("a report of instance %" PRIu64 " could not be read", id.id);
    else
        take_known(core, id, &report);
}

void life_instance_event(struct core *core, struct vdi_instance_id id, const char *what,
                         const char *json)
{
    struct site_report report = {.idle_sec = -1};

    if (site_report_decode(json, &report, NULL) < 0)
        log_warning("site: a report of instance %" PRIu64 " could not be read", id.id);
    if (!strcmp(what, "ready"))
        report.state = SITE_STATE_READY;
    else if (!strcmp(what, "gone"))
        report.state = SITE_STATE_GONE;
    take_known(core, id, &report);
}

/* ---- asking the site: after a restart, or a commit that failed ---- */

/* The record of the job was damaged, and its instance is where the record says. */
static void known_again(struct run *run, const struct job *job)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_REACHABLE, CORE_SELF, "");
    struct txn *txn = txn_new(run->core->events);

    life_commit(run, txn, txn ? core_add_job(txn, job->id, &event, NULL) : -ENOMEM);
}

static void polled(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;
    struct site_report report = {.idle_sec = -1};

    run->busy--;
    if (result == -ENOENT && in && in->state != INSTANCE_REQUESTED)
        report = (struct site_report){.state = SITE_STATE_GONE,
                                      .failed = true,
                                      .idle_sec = -1,
                                      .reason = "its instance is gone"};
    else if (result >= 0 && json && site_report_decode(json, &report, NULL) < 0)
        log_warning("a report of instance %" PRIu64 " could not be read", run->id);
    if (in && take(run, in, &report, true))
        return;
    if (result >= 0 && job && job->unknown && job_state_is_active(job->state))
        known_again(run, job);
    else
        life_act(run); /* also when the site can't be asked: every act is safe to repeat */
}

void life_ask(struct run *run)
{
    run->ask = false;
    run->busy++;
    site_poll(run->core->site, core_instance(run->core, run->id), polled, run);
}
