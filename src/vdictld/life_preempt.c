/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_preempt.c - a job makes room, as the planner asks: it is told, and when its grace is over
 * its memory goes to a file and it runs on later, or it starts over later, or it ends.
 *
 * What was asked is in the run alone: the planner asks again after a restart. But that a script was
 * told to end is kept: whatever becomes of the question, its end is no failure.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/life_impl.h"
#include "vdictld/site.h"

/* A save that fails for a reason that may pass is tried again for so long after its place should
 * have been free. */
#define PATIENCE_USEC (120 * USEC_PER_SEC)

const char *life_room_reason(const struct run *run)
{
    return run->preempt_for_job ? "a job that comes first needs its place"
                                : "a class needs its place";
}

/* Of the time until its place is needed, so much is for the save, or for a guest's end. */
static int64_t needs_usec(const struct core *core, enum plan_mode mode)
{
    return mode == PLAN_SAVE ? PLAN_SAVE_USEC : core->config->kill_wait_sec * USEC_PER_SEC;
}

/* ---- it is told ---- */

struct word {
    struct core *core;
    uint64_t job;
};

static void told(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct word *w = arg;

    if (result < 0 && result != -ENOSYS && !w->core->stopping)
        log_warning("job %" PRIu64 " could not be told that it makes room: %s", w->job,
                    err->detail);
    free(w);
}

static struct word *word_new(struct core *core, uint64_t job)
{
    struct word *w = malloc(sizeof(*w));

    if (w)
        *w = (struct word){core, job};
    return w;
}

static void stop_script(void *arg, int result, const struct vdi_error *err)
{
    struct word *w = arg;
    const struct job *job = result >= 0 ? core_job_staged(w->core, w->job) : NULL;

    if (!job || job->state != JOB_RUNNING || life_signal_all(w->core, job, SIGTERM, told, w) < 0)
        free(w);
}

/* As Slurm's GraceTime: a script hears of it as soon as its job is chosen. */
static void note(struct core *core, const struct job *job, enum plan_mode mode, const char *text)
{
    struct job_event event = core_job_event(core, JOB_EVENT_NOTE, CORE_SELF, text);
    struct txn *txn = txn_new(core->events);
    struct word *w = word_new(core, job->id);

    if (mode != PLAN_SAVE && job->spec->kind == JOB_BATCH)
        event.final = mode == PLAN_REQUEUE && job->spec->requeue ? JOB_PENDING : JOB_PREEMPTED;
    if (!txn || !w || core_add_job(txn, job->id, &event, NULL) < 0) {
        txn_abort(txn);
        free(w);
    } else if (event.final) {
        txn_commit(txn, stop_script, w);
    } else {
        txn_commit(txn, NULL, NULL);
        free(w);
    }
}

static void tell(const struct run *run, const struct job *job, const struct instance *in,
                 int64_t left_sec)
{
    static const char *const what[] = {
        [PLAN_SAVE] = "is saved as it is, and goes on by itself later",
        [PLAN_REQUEUE] = "is stopped and starts over by itself later. Save your work",
        [PLAN_CANCEL] = "is ended. Save your work",
    };
    enum plan_mode mode = run->preempt_mode;
    struct core *core = run->core;
    struct word *w = word_new(core, job->id);
    char text[192], line[96];

    snprintf(line, sizeof(line), "makes room for a %s in %" PRId64 " s (%s)",
             run->preempt_for_job ? "job" : "class", left_sec, plan_mode_name(mode));
    note(core, job, mode, line);
    log_info("job %" PRIu64 " %s", job->id, line);
    snprintf(text, sizeof(text), "%s needs this place: in %" PRId64 " seconds this job %s.",
             run->preempt_for_job ? "A job that comes first" : "A class", left_sec, what[mode]);
    if (w)
        site_message(core->site, in, text, told, w);
}

static bool can_go(const struct job *job)
{
    /* One that is being read back is asked again when it runs: its memory is worth more. */
    return job && (job->state == JOB_RUNNING || job->state == JOB_CONFIGURING);
}

/* What can't be saved starts over, and is told so. */
static enum plan_mode mode_of(const struct core *core, const struct job *job,
                              const struct instance *in, enum plan_mode asked)
{
    const struct config_template *t = config_template(core->config, in->template_name);

    if (job->state == JOB_CONFIGURING ||
        (asked == PLAN_SAVE && !(t && config_template_can_save(t))))
        return PLAN_REQUEUE;
    return asked;
}

void life_make_room(struct core *core, const struct plan_action *action)
{
    const struct job *job = core_job_staged(core, action->job);
    const struct instance *in = can_go(job) ? core_instance_staged(core, job->instance) : NULL;
    struct run *run = in ? life_run(core, in->id) : NULL;
    int64_t now = loop_now_usec(core->loop), left;

    if (!run || run->preempt_usec || run->saving)
        return; /* it goes already */
    run->preempt_mode = mode_of(core, job, in, action->mode);
    run->preempt_for_job = action->is_for_job;
    run->preempt_until_usec = action->free_usec + PATIENCE_USEC;
    left = action->free_usec - needs_usec(core, run->preempt_mode) - now;
    left = left > 0 && job->state == JOB_RUNNING ? left : 0;
    run->preempt_usec = now + left;
    if (job->state == JOB_RUNNING)
        tell(run, job, in, left / USEC_PER_SEC);
    if (!run->busy)
        source_rearm(run->again, left);
}

/* ---- it goes ---- */

/* Without its memory: it starts over, if it may. */
static void end(struct run *run, const struct job *job, enum plan_mode mode)
{
    bool has_begun = job->state != JOB_CONFIGURING;
    bool again = !has_begun || (mode != PLAN_CANCEL && job->spec->requeue);

    life_end_job(run->core, job->id, again ? JOB_PENDING : JOB_PREEMPTED, life_room_reason(run));
}

/* 143 is how a shell says that its child was ended by SIGTERM. */
static bool is_by_term(const struct site_report *report)
{
    return report->exited && !report->failed &&
           (report->exit_signal == SIGTERM || report->exit_code == 128 + SIGTERM);
}

bool life_left(const struct run *run, const struct job *job, const struct site_report *report,
               struct job_event *event)
{
    if (!job->term_final || !is_by_term(report))
        return false;
    event->final = job->term_final;
    str_copy(event->reason, sizeof(event->reason),
             run->preempt_usec ? life_room_reason(run) : "another needed its place");
    return true;
}

/* Its node is silent for a moment, the guest reboots: its work is worth another try. */
static bool may_pass(int result)
{
    return result == -EAGAIN || result == -EBUSY || result == -ENOTCONN || result == -ETIMEDOUT;
}

void life_not_saved(struct run *run, const struct job *job, int result, const struct vdi_error *err)
{
    int64_t now = loop_now_usec(run->core->loop);

    if (may_pass(result) && now < run->preempt_until_usec) {
        run->preempt_usec = now;
        life_retry(run);
        return;
    }
    log_warning("job %" PRIu64 " could not be saved to make room: %s", job->id, err->detail);
    end(run, job, PLAN_REQUEUE);
}

bool life_leave(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);
    int64_t left = run->preempt_usec - loop_now_usec(run->core->loop);
    int r = -EPROTO;

    if (!run->preempt_usec || !can_go(job))
        return false;
    if (left > 0) {
        source_rearm(run->again, left);
        return false;
    }
    if (run->preempt_mode == PLAN_SAVE)
        r = life_save_for_room(run, job);
    if (r == -ENOMEM) { /* its work is worth another try */
        life_retry(run);
        return true;
    }
    run->preempt_usec = 0;
    if (r < 0)
        end(run, job, run->preempt_mode);
    return true;
}
