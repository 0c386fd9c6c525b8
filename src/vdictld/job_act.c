/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_act.c - changing a job, or all tasks of an array: PATCH, cancel, hold, release, requeue.
 *
 * Every one is a transaction on the staged jobs and is answered after its commit
 * with the document of the job (of an array: of its first task) as it then is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "vdictld/arrays.h"
#include "vdictld/handlers.h"
#include "vdictld/job_doc.h"
#include "vdictld/life.h"
#include "vdictld/quota.h"
#include "vdictld/submit.h"

DEFINE_FREEP(struct job_spec, job_spec_unref)

static void acted(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;
    const struct job *job = result < 0 ? NULL : core_job(call->core, call->job);
    struct buf body = BUF_INIT(0);

    if (result < 0) {
        call_refuse(call, err);
        return;
    }
    if (job)
        job_write(job, NULL, &body);
    else
        buf_printf(&body, "{\"id\":%" PRIu64 "}", call->job);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

/* What is done to a job, in a transaction: -EPROTO and why when it is not possible as it is now,
 * with which another task of its array does not fail. */
typedef int act_fn(struct call *call, struct txn *txn, const struct job *job,
                   struct vdi_error *err);

/* To the job of the path, or to all tasks of an array for which it is possible. */
static void act(struct call *call, act_fn *fn)
{
    struct vdi_error err = {0}, why_not = {0};
    uint64_t id;
    size_t n = call_staged_jobs(call, &id), done = 0;
    struct txn *txn = n ? txn_new(call->core->events) : NULL;
    int r = txn || !n ? 0 : error_set(&err, ENOMEM, "", "out of memory");

    if (!n)
        return;
    error_set(&why_not, EPROTO, "state", "all tasks of job %" PRIu64 " have ended", id);
    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct job *job = core_job_staged(call->core, id + i);

        call->job = id + i;
        r = job ? fn(call, txn, job, &err) : -EPROTO;
        done += r == 0;
        if (r == -EPROTO && job)
            why_not = err;
        r = r == -EPROTO ? 0 : r;
    }
    call->job = id;
    if (r == 0 && done) {
        call_commit(call, txn, 200, acted, call);
        return;
    }
    txn_abort(txn);
    call_refuse(call, r < 0 ? &err : &why_not);
}

static int not_possible(const struct job *job, const char *what, struct vdi_error *err)
{
    char name[JOB_NAME_TEXT];

    return error_set(err, EPROTO, "state", "job %s is %s: it cannot be %s", arrays_name(job, name),
                     job_state_name(job->state), what);
}

static int hold(struct call *call, struct txn *txn, const struct job *job, struct vdi_error *err)
{
    struct job_event event = core_job_event(call->core, JOB_EVENT_HOLD, call->who_text, "");

    event.admin = !str_equal(job->spec->owner, call->who_text);
    return core_add_job(txn, job->id, &event, err);
}

void handle_job_hold(struct call *call)
{
    act(call, hold);
}

static int release(struct call *call, struct txn *txn, const struct job *job, struct vdi_error *err)
{
    struct job_event event = core_job_event(call->core, JOB_EVENT_RELEASE, call->who_text, "");
    char name[JOB_NAME_TEXT];

    event.admin = call_is_operator(call);
    if ((job->held_by_admin || job->unknown) && !event.admin)
        return error_set(err, EPERM, "", "job %s is held by an operator", arrays_name(job, name));
    return core_add_job(txn, job->id, &event, err);
}

void handle_job_release(struct call *call)
{
    act(call, release);
}

/* What a running job asks for is what it holds: only words and the time may change. */
static const char *frozen_field(const struct job_spec *old, const struct job_spec *spec)
{
    if (old->cpus != spec->cpus)
        return "cpus";
    if (old->memory_mib != spec->memory_mib)
        return "memory_mib";
    if (old->gpus != spec->gpus)
        return "gpus";
    if (!str_equal(old->partition, spec->partition))
        return "partition";
    if (!str_equal(old->qos, spec->qos))
        return "qos";
    if (!str_equal(old->nodelist, spec->nodelist) || !str_equal(old->exclude, spec->exclude) ||
        !str_equal(old->constraint, spec->constraint))
        return "nodelist, exclude or constraint";
    if (old->time_min_sec != spec->time_min_sec)
        return "time_min_sec";
    if (old->begin_usec != spec->begin_usec || old->deadline_usec != spec->deadline_usec)
        return "begin_time or deadline_time";
    return old->nice != spec->nice ? "nice" : NULL;
}

static int check_update(struct call *call, const struct job *job, struct job_spec *spec,
                        struct vdi_error *err)
{
    const char *frozen = job->state == JOB_PENDING ? NULL : frozen_field(job->spec, spec);
    int r;

    if (frozen) {
        error_set(err, EPROTO, frozen, "'%s' cannot change once the job is %s", frozen,
                  job_state_name(job->state));
        error_hint(err, NULL, "cancel it and submit anew");
        return -EPROTO;
    }
    if (spec->nice < job->spec->nice && !call_is_operator(call))
        return error_set(err, EPERM, "nice", "only operators raise a priority");
    if (job->state != JOB_PENDING && spec->time_limit_sec > job->spec->time_limit_sec &&
        !call_is_operator(call)) {
        error_set(err, EPERM, "time_limit_sec", "more time could delay others");
        error_hint(err, NULL, "ask for it with vdictl extend JOB +TIME");
        return -EPERM;
    }
    r = submit_check(call, spec, err);
    /* Who changes what it is counted under is counted there like anybody. */
    if (r >= 0 && (!str_equal(spec->qos, job->spec->qos) ||
                   !str_equal(spec->partition, job->spec->partition) ||
                   !str_equal(spec->account, job->spec->account)))
        r = quota_check(call, spec, ++call->moved, err);
    else if (r >= 0)
        r = quota_check_more(call, job, spec, err);
    return r;
}

static int update(struct call *call, struct txn *txn, const struct job *job, struct vdi_error *err)
{
    _cleanup_(job_spec_unrefp) struct job_spec *spec = NULL;
    struct job_event event, priority;
    size_t len;
    const char *body = http_request_body(call->http, &len);
    uint32_t accept = FIELD_UPDATE | (call_is_operator(call) ? FIELD_ADMIN : 0);
    bool pends = job->state == JOB_PENDING;
    int r = job_update_decode(job->spec, body, len, accept, &spec, err);

    if (r >= 0)
        r = check_update(call, job, spec, err);
    if (r >= 0) {
        event = core_job_event(call->core, JOB_EVENT_UPDATE, call->who_text, "");
        event.spec = spec;
        r = core_add_job(txn, job->id, &event, err);
    }
    if (r < 0 || !pends)
        return r;
    priority = core_job_event(call->core, JOB_EVENT_PRIORITY, call->who_text, "");
    priority.priority = submit_priority(call->core->config, spec);
    return core_add_job(txn, call->job, &priority, err);
}

void handle_job_update(struct call *call)
{
    act(call, update);
}

static bool cancel_signal(struct call *call)
{
    const struct job *job;
    uint64_t signo;

    if (!http_request_query(call->http, "signal"))
        return false;
    job = call_staged_job(call);
    if (!job || !call_number(call, "signal", 0, 64, &signo))
        return true;
    if (job->state != JOB_RUNNING)
        call_refuse_state(call, job, "signalled");
    else
        life_signal(call, job, (int)signo);
    return true;
}

static int cancel(struct call *call, struct txn *txn, const struct job *job, struct vdi_error *err)
{
    char reason[96];

    /* Of a job on its way to an end the first word stands: it would not end as cancelled. */
    if (job_state_is_end(job->state) || (job->state == JOB_COMPLETING && job->final != JOB_PENDING))
        return not_possible(job, "cancelled", err);
    snprintf(reason, sizeof(reason), "cancelled by %.80s", call->who_text);
    return life_finish(call->core, txn, job->id, JOB_CANCELLED, call->who_text, reason, err);
}

void handle_job_cancel(struct call *call)
{
    if (!cancel_signal(call))
        act(call, cancel);
}

static int requeue(struct call *call, struct txn *txn, const struct job *job, struct vdi_error *err)
{
    char name[JOB_NAME_TEXT];

    if (job->state == JOB_PENDING || !job_state_is_active(job->state))
        return not_possible(job, "requeued", err);
    if (!job->spec->requeue)
        return error_set(err, EPROTO, "requeue", "job %s was submitted with --no-requeue",
                         arrays_name(job, name));
    return life_finish(call->core, txn, job->id, JOB_PENDING, call->who_text, "requeued", err);
}

void handle_job_requeue(struct call *call)
{
    act(call, requeue);
}
