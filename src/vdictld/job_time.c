/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_time.c - the owner's suspend, resume and extend.
 *
 * More time is given while that delays nobody's planned start; a saved job waits in line for
 * its own node. Both are answered when the plan is made, with what came out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/request_input.h"
#include "vdictld/handlers.h"
#include "vdictld/job_doc.h"
#include "vdictld/life.h"
#include "vdictld/queue.h"
#include "vdictld/quota.h"
#include "vdictld/submit.h"

DEFINE_FREEP(struct job_spec, job_spec_unref)

/* Less than that is not worth a resume: it is asked for more. */
#define LEFT_MIN_USEC (60 * USEC_PER_SEC)
/* Where neither the partition nor the job says how long. */
#define MORE_SEC 3600

void call_reply_job(struct call *call)
{
    const struct job *job = core_job(call->core, call->job);
    struct job_doc_columns all = {.estimates = true};
    struct buf body = BUF_INIT(0);

    if (job)
        job_doc_write(call->core, job, &all, &body);
    else
        buf_printf(&body, "{\"id\":%" PRIu64 "}", call->job);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

static void planned(void *arg, bool current)
{
    call_reply_job(arg); /* without an estimate when there is no plan yet */
}

/* The estimate is what is asked for: it comes with the next plan. */
static void answer_planned(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;

    if (result < 0)
        call_refuse(call, err);
    else if (queue_when_planned(call->core->queue, planned, call) < 0)
        call_reply_job(call);
}

static void answer(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;

    queue_release(call->core->queue);
    if (result < 0)
        call_refuse(call, err);
    else
        call_reply_job(call);
}

/* One event of the job; `done` is told, or the call refused. */
static void act(struct call *call, const struct job_event *event,
                void (*done)(void *arg, int result, const struct vdi_error *err))
{
    struct txn *txn = txn_new(call->core->events);
    struct vdi_error err = {0};
    int r = txn ? core_add_job(txn, call->job, event, &err)
                : error_set(&err, ENOMEM, "", "out of memory");

    if (r >= 0) {
        call_commit(call, txn, 200, done, call);
        return;
    }
    txn_abort(txn);
    done(call, r, &err);
}

/* ---- suspend ---- */

void handle_job_suspend(struct call *call)
{
    const struct job *job = call_staged_job(call);

    if (!job)
        return;
    if (job->state != JOB_RUNNING)
        call_refuse_state(call, job, "suspended");
    else
        life_suspend(call, job);
}

/* ---- more time ---- */

/* The job's request with so much more time, or NULL and why not. */
static struct job_spec *longer(struct call *call, const struct job *job, int64_t base_sec,
                               int64_t spent_sec, int64_t more_sec, struct vdi_error *err)
{
    _cleanup_(job_spec_unrefp) struct job_spec *spec = job_spec_copy(job->spec);

    if (!spec) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    spec->time_limit_sec = base_sec + more_sec;
    if (spec->time_limit_sec > field_find(job_spec_fields, "time_limit_sec")->max) {
        error_set(err, ERANGE, "seconds", "no time limit is that long");
        return NULL;
    }
    if (submit_check_time(call, spec, spent_sec, err) < 0 ||
        quota_check_more(call, job, spec, err) < 0)
        return NULL;
    return TAKE_PTR(spec);
}

/* ---- resume ---- */

static int64_t default_more_sec(const struct core *core, const struct job *job)
{
    const struct config_partition *p = config_partition(core->config, job->spec->partition);
    int64_t asked = job->spec->time_limit_sec - job->spent_sec;

    if (p && p->default_time_sec)
        return p->default_time_sec;
    if (p && p->max_time_sec && p->max_time_sec < asked)
        return p->max_time_sec;
    return asked > 0 ? asked : MORE_SEC;
}

static void wake(struct call *call, const struct job *job, int64_t more_sec)
{
    _cleanup_(job_spec_unrefp) struct job_spec *spec = NULL;
    struct job_event event = core_job_event(call->core, JOB_EVENT_WAKE, call->who_text, "");
    int64_t left = job_left_usec(job), base = job->spec->time_limit_sec, ran = job_ran_sec(job);
    struct vdi_error err = {0};

    if (!more_sec && left < LEFT_MIN_USEC)
        more_sec = default_more_sec(call->core, job);
    if (!left && base < ran)
        base = ran; /* it ran on while it was being saved */
    if (more_sec && left != INT64_MAX) {
        spec = longer(call, job, base, left ? job->spent_sec : base, more_sec, &err);
        if (!spec) {
            call_refuse(call, &err);
            return;
        }
        event.spec = spec;
    }
    act(call, &event, answer_planned);
}

void handle_job_resume(struct call *call)
{
    const struct job *job = call_staged_job(call);
    struct request_resume ask = {0};
    struct vdi_error err = {0};
    const char *body;
    size_t len;

    if (!job)
        return;
    body = http_request_body(call->http, &len);
    if (len && fields_read(request_resume_fields, &ask, body, len, FIELD_SUBMIT, NULL, &err) < 0)
        call_refuse(call, &err);
    else if (job->state != JOB_SUSPENDED)
        call_refuse_state(call, job, "resumed");
    else if (job->wake_usec)
        call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is to be resumed already",
                         job->id);
    else
        wake(call, job, ask.seconds);
}

/* ---- extend ---- */

static void update(struct call *call, const struct job *job, int64_t more_sec,
                   void (*done)(void *arg, int result, const struct vdi_error *err))
{
    _cleanup_(job_spec_unrefp) struct job_spec *spec = NULL;
    struct job_event event = core_job_event(call->core, JOB_EVENT_UPDATE, call->who_text, "");
    struct vdi_error err = {0};

    spec = longer(call, job, job->spec->time_limit_sec, job->spent_sec, more_sec, &err);
    if (!spec) {
        done(call, -err.code, &err);
        return;
    }
    event.spec = spec;
    act(call, &event, done);
}

static void describe_blocker(const struct plan_room *room, char *ret, size_t size)
{
    const struct plan_blocker *b = &room->blocker;
    const char *unit = b->type == PLAN_BLOCK_GPUS   ? "GPUs"
                       : b->type == PLAN_BLOCK_CPUS ? "CPUs"
                                                    : "MiB of memory";
    char from[40], until[40];

    if (b->type == PLAN_BLOCK_RESERVATION) {
        snprintf(ret, size, "node %s is there for it until %s only, by reservation '%s'",
                 b->subject, time_to_rfc3339(room->blocker_start_usec, from), b->reservation);
        return;
    }
    if (!b->need || !room->blocker_start_usec) {
        snprintf(ret, size, "node %s has nothing to spare by then", b->subject);
        return;
    }
    snprintf(ret, size, "%" PRIu64 " %s of %s are planned for another job from %s%s%s", b->need,
             unit, b->subject, time_to_rfc3339(room->blocker_start_usec, from),
             b->until_usec ? " until " : ", without an end",
             b->until_usec ? time_to_rfc3339(b->until_usec, until) : "");
}

static void refuse_room(struct call *call, const struct job *job, int64_t more_sec,
                        const struct plan_room *room)
{
    int64_t longest = room->room_usec / USEC_PER_SEC;
    char why[200], asked[32], limit[32], remedy[100];
    struct vdi_error err = {0};

    describe_blocker(room, why, sizeof(why));
    error_set(&err, EDQUOT, "seconds", "job %" PRIu64 " can't have %s more: %s", job->id,
              str_from_duration_sec(more_sec, asked), why);
    str_from_duration_sec(longest, limit);
    if (longest)
        snprintf(remedy, sizeof(remedy),
                 "ask for %" PRId64 " s at most, or suspend it and resume it later", longest);
    else
        str_copy(remedy, sizeof(remedy), "suspend it, and resume it later");
    error_hint(&err, limit, remedy);
    call_refuse(call, &err);
}

static void extend(void *arg, bool current)
{
    struct call *call = arg;
    const struct job *job = core_job_staged(call->core, call->job);
    struct request_extend ask = {0};
    struct plan_room room;
    size_t len;
    const char *body = http_request_body(call->http, &len);
    int r = job ? queue_room(call->core->queue, call->job, &room) : -ENOENT;

    fields_read(request_extend_fields, &ask, body, len, FIELD_SUBMIT, NULL, NULL);
    if (!job) {
        call_refuse_with(call, ENOENT, "id", "the job ended meanwhile");
    } else if (r == -EAGAIN || !current) {
        call_refuse_with(call, EAGAIN, "seconds",
                         "the plan is being made anew: who would be delayed is not known yet");
    } else if (r < 0) { /* it was saved meanwhile, or is ending */
        call_refuse_state(call, job, "extended");
    } else if (room.room_usec < ask.seconds * USEC_PER_SEC) {
        refuse_room(call, job, ask.seconds, &room);
    } else {
        queue_claim(call->core->queue); /* the next one is asked when the plan has this one */
        update(call, job, ask.seconds, answer);
    }
}

static bool holds_a_node(const struct job *job)
{
    return job->state == JOB_CONFIGURING || job->state == JOB_RUNNING ||
           (job->state == JOB_SUSPENDED && job->restore_usec);
}

/* It waits, or is saved: nothing is planned behind its end. */
static void extended(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;

    if (result < 0)
        call_refuse(call, err);
    else
        call_reply_job(call);
}

void handle_job_extend(struct call *call)
{
    const struct job *job = call_staged_job(call);
    struct request_extend ask = {0};
    struct vdi_error err = {0};
    size_t len;
    const char *body;

    if (!job)
        return;
    body = http_request_body(call->http, &len);
    if (fields_read(request_extend_fields, &ask, body, len, FIELD_SUBMIT, NULL, &err) < 0)
        call_refuse(call, &err);
    else if (*job->spec->reservation && job->state != JOB_SUSPENDED && !call_is_operator(call))
        call_refuse_with(call, EPERM, "seconds",
                         "job %" PRIu64 " has a seat of class '%s', and ends with it", job->id,
                         job->spec->reservation);
    else if (!job->spec->time_limit_sec)
        call_refuse_with(call, EPROTO, "seconds", "job %" PRIu64 " has no time limit", job->id);
    else if (!holds_a_node(job))
        update(call, job, ask.seconds, extended);
    else if (queue_when_planned(call->core->queue, extend, call) < 0)
        call_refuse_with(call, ENOMEM, "", "out of memory");
}
