/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_act.c - changing a job: PATCH, cancel, hold, release, requeue.
 *
 * Every one is a transaction on the staged job and is answered after its commit
 * with the document of the job as it then is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "vdictld/handlers.h"
#include "vdictld/job_doc.h"
#include "vdictld/life.h"
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

/* One event on one job. */
static void act(struct call *call, const struct job_event *event)
{
    struct txn *txn = txn_new(call->core->events);
    struct vdi_error err = {0};

    if (!txn || core_add_job(txn, call->job, event, &err) < 0) {
        txn_abort(txn);
        if (!txn)
            error_set(&err, ENOMEM, "", "out of memory");
        call_refuse(call, &err);
        return;
    }
    call_commit(call, txn, 200, acted, call);
}

void handle_job_hold(struct call *call)
{
    const struct job *job = call_staged_job(call);
    struct job_event event;

    if (!job)
        return;
    event = core_job_event(call->core, JOB_EVENT_HOLD, call->who_text, "");
    event.admin = !str_equal(job->spec->owner, call->who_text);
    act(call, &event);
}

void handle_job_release(struct call *call)
{
    const struct job *job = call_staged_job(call);
    struct job_event event;

    if (!job)
        return;
    if ((job->held_by_admin || job->unknown) && !call_is_operator(call)) {
        call_refuse_with(call, EPERM, "", "job %" PRIu64 " is held by an operator", job->id);
        return;
    }
    event = core_job_event(call->core, JOB_EVENT_RELEASE, call->who_text, "");
    event.admin = call_is_operator(call);
    act(call, &event);
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
    if (old->begin_usec != spec->begin_usec || old->deadline_usec != spec->deadline_usec)
        return "begin_time or deadline_time";
    return old->nice != spec->nice ? "nice" : NULL;
}

static int check_update(struct call *call, const struct job *job, struct job_spec *spec,
                        struct vdi_error *err)
{
    const char *frozen = job->state == JOB_PENDING ? NULL : frozen_field(job->spec, spec);

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
    return submit_check(call, spec, err);
}

void handle_job_update(struct call *call)
{
    _cleanup_(job_spec_unrefp) struct job_spec *spec = NULL;
    const struct job *job = call_staged_job(call);
    struct job_event event, priority;
    struct vdi_error err = {0};
    struct txn *txn = NULL;
    size_t len;
    const char *body;
    uint32_t accept = FIELD_UPDATE;
    int r;

    if (!job)
        return;
    body = http_request_body(call->http, &len);
    if (call_is_operator(call))
        accept |= FIELD_ADMIN;
    r = job_update_decode(job->spec, body, len, accept, &spec, &err);
    if (r >= 0)
        r = check_update(call, job, spec, &err);
    if (r >= 0 && !(txn = txn_new(call->core->events)))
        r = error_set(&err, ENOMEM, "", "out of memory");
    if (r >= 0) {
        event = core_job_event(call->core, JOB_EVENT_UPDATE, call->who_text, "");
        event.spec = spec;
        r = core_add_job(txn, call->job, &event, &err);
    }
    if (r >= 0 && job->state == JOB_PENDING) {
        priority = core_job_event(call->core, JOB_EVENT_PRIORITY, call->who_text, "");
        priority.priority = submit_priority(call->core->config, spec);
        r = core_add_job(txn, call->job, &priority, &err);
    }
    if (r < 0) {
        txn_abort(txn);
        call_refuse(call, &err);
        return;
    }
    call_commit(call, txn, 200, acted, call);
}

static void finish(struct call *call, enum job_state final, const char *reason)
{
    struct vdi_error err = {0};
    struct txn *txn = txn_new(call->core->events);
    int r = -ENOMEM;

    if (txn)
        r = life_finish(call->core, txn, call->job, final, call->who_text, reason, &err);
    else
        error_set(&err, ENOMEM, "", "out of memory");
    if (r < 0) {
        txn_abort(txn);
        call_refuse(call, &err);
        return;
    }
    call_commit(call, txn, 200, acted, call);
}

static bool cancel_signal(struct call *call, const struct job *job)
{
    uint64_t signo;

    if (!http_request_query(call->http, "signal"))
        return false;
    if (!call_number(call, "signal", 0, 64, &signo))
        return true;
    if (job->state != JOB_RUNNING)
        call_refuse_state(call, job, "signalled");
    else
        life_signal(call, job, (int)signo);
    return true;
}

void handle_job_cancel(struct call *call)
{
    const struct job *job = call_staged_job(call);
    char reason[96];

    if (!job || cancel_signal(call, job))
        return;
    /* Of a job on its way to an end the first word stands: it would not end as cancelled. */
    if (job_state_is_end(job->state) ||
        (job->state == JOB_COMPLETING && job->final != JOB_PENDING)) {
        call_refuse_state(call, job, "cancelled");
        return;
    }
    snprintf(reason, sizeof(reason), "cancelled by %.80s", call->who_text);
    finish(call, JOB_CANCELLED, reason);
}

void handle_job_requeue(struct call *call)
{
    const struct job *job = call_staged_job(call);

    if (!job)
        return;
    if (job->state == JOB_PENDING || !job_state_is_active(job->state)) {
        call_refuse_state(call, job, "requeued");
    } else if (!job->spec->requeue) {
        call_refuse_with(call, EPROTO, "requeue", "job %" PRIu64 " was submitted with --no-requeue",
                         job->id);
    } else {
        finish(call, JOB_PENDING, "requeued");
    }
}
