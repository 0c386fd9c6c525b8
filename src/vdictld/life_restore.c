/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_restore.c - what is saved runs on where it was, or is kept for a time.
 *
 * The order to restore is given out only when the job's events say that its node is held for it.
 * The instances of a job on several nodes run on all together or stay saved.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "vdictld/life_impl.h"
#include "vdictld/site.h"

/* How often it is looked at how long something saved is kept. */
#define LOOK_USEC (600 * USEC_PER_SEC)

static int add_resumed(struct core *core, struct txn *txn, const struct job *job)
{
    struct job_event event = core_job_event(core, JOB_EVENT_RESUME, CORE_SELF, "");
    struct instance_event restore = core_instance_event(core, INSTANCE_EVENT_RESTORE, "");
    int r = core_add_job(txn, job->id, &event, NULL);

    for (uint32_t i = 0; r >= 0 && i < job_spec_nodes(job->spec); i++)
        r = core_add_instance(txn, job->instance + i, &restore, NULL);
    return r;
}

/* It stays as it is saved, and its owner may ask again. */
static void stay(struct run *run, const struct job *job, const struct vdi_error *err)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_STAY, CORE_SELF, "");
    struct txn *txn = txn_new(run->core->events);

    log_warning("job %" PRIu64 " could not be resumed: %s", job->id, err->detail);
    snprintf(event.reason, sizeof(event.reason), "not resumed: %.80s", err->detail);
    life_commit(run, txn, txn ? core_add_job(txn, job->id, &event, NULL) : -ENOMEM);
}

static bool is_restoring(const struct instance *in, const struct job *job)
{
    return in && job && in->state == INSTANCE_SAVED && job->state == JOB_SUSPENDED &&
           job_has_instance(job, in->id) && job->restore_usec;
}

struct staying {
    struct run *run;
    struct vdi_error err;
};

static void stays(void *arg, int result, const char *json, const struct vdi_error *err)
{
    _cleanup_(freep) struct staying *s = arg;
    const struct instance *in = core_instance_staged(s->run->core, s->run->id);
    const struct job *job = in ? core_job_staged(s->run->core, in->job) : NULL;

    if (is_restoring(in, job)) /* what runs all the same is found (life_found_running) */
        stay(s->run, job, &s->err);
    else
        life_act(s->run);
}

/* Of several nodes those that were resumed are saved again. */
static void stay_all(struct run *run, const struct job *job, const struct vdi_error *err)
{
    struct staying *s = malloc(sizeof(*s));

    if (!s) {
        life_retry(run);
        return;
    }
    *s = (struct staying){run, *err};
    if (life_order_all(run->core, job, site_suspend, stays, s) == 0)
        return;
    free(s);
    life_retry(run);
}

static void ask_all(struct core *core, const struct job *job)
{
    for (uint32_t i = 0; i < job_spec_nodes(job->spec); i++) {
        struct run *run = life_run_known(core, job->instance + i);

        if (run)
            run->ask = true;
    }
}

static void restored(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;
    struct txn *txn;

    if (!is_restoring(in, job)) {
        life_act(run); /* it was cancelled */
    } else if (result >= 0) {
        txn = txn_new(run->core->events);
        life_commit(run, txn, txn ? add_resumed(run->core, txn, job) : -ENOMEM);
    } else if (result == -EAGAIN || result == -EBUSY || result == -ETIMEDOUT ||
               result == -ENOTCONN) {
        life_retry(run);
    } else if (result == -ENOENT) {
        ask_all(run->core, job); /* gone: a poll says how */
        life_act(run);
    } else if (!run->core->stopping && job_spec_nodes(job->spec) > 1) {
        stay_all(run, job, err);
    } else if (!run->core->stopping) {
        stay(run, job, err);
    }
}

/* ---- kept for a time ---- */

static void give_notice(struct run *run, const struct job *job)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_NOTICE, CORE_SELF, "");
    struct txn *txn = txn_new(run->core->events);
    struct job told = *job;
    char until[40];

    told.notice_usec = event.time_usec;
    snprintf(event.reason, sizeof(event.reason),
             "its saved state is removed at %.40s: resume it before",
             time_to_rfc3339(saved_until_usec(run->core, &told), until));
    life_commit(run, txn, txn ? core_add_job(txn, job->id, &event, NULL) : -ENOMEM);
}

/* Looked at now and then, for a reconfigure may change how long. */
static void keep(struct run *run, const struct job *job)
{
    int64_t now = loop_now_usec(run->core->loop), until = saved_until_usec(run->core, job);
    int64_t next = job->notice_usec ? until : saved_notice_usec(run->core, job);

    if (until && now >= until && job->notice_usec)
        life_end_job(run->core, job->id, JOB_TIMEOUT, "its saved state has expired (saved_keep)");
    else if (until && now >= next)
        give_notice(run, job);
    else if (until && next - now < LOOK_USEC)
        source_rearm(run->again, next - now);
    else
        source_rearm(run->again, LOOK_USEC);
}

void life_saved(struct run *run, const struct instance *in)
{
    const struct job *job = core_job(run->core, in->job);

    if (!job || job->instance != in->id)
        return; /* the first does it for all */
    if (is_restoring(in, job) && life_order_all(run->core, job, site_resume, restored, run) < 0)
        life_retry(run);
    else if (!is_restoring(in, job) && job->state == JOB_SUSPENDED && !job->wake_usec)
        keep(run, job);
}

/* ---- found by a poll ---- */

static void saved_again(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;

    run->busy--;
    if (result < 0) {
        run->ask = true;
        life_retry(run);
    } else {
        life_act(run);
    }
}

bool life_found_running(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);
    struct txn *txn;

    if (!job || job->state != JOB_SUSPENDED || in->state != INSTANCE_SAVED)
        return false;
    if (job_spec_nodes(job->spec) > 1) {
        if (is_restoring(in, job))
            return false; /* all of them are resumed */
        log_info("job %" PRIu64 " runs on %s alone: it is saved again", job->id, in->node);
        run->busy++;
        site_suspend(run->core->site, in, saved_again, run);
        return true;
    }
    log_info("job %" PRIu64 " runs again on %s: that was not written down yet", job->id, in->node);
    txn = txn_new(run->core->events);
    life_commit(run, txn, txn ? add_resumed(run->core, txn, job) : -ENOMEM);
    return true;
}
