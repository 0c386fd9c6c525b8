/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_calls.c - requests that a job's instance answers: signal, message, connection.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/request_input.h"
#include "vdictld/handlers.h"
#include "vdictld/job_doc.h"
#include "vdictld/life_impl.h"
#include "vdictld/site.h"

const struct instance *life_call_instance(struct call *call, const struct job *job)
{
    const struct instance *in = job->instance ? core_instance(call->core, job->instance) : NULL;

    if (in && in->state != INSTANCE_GONE)
        return in;
    call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " has no instance now", job->id);
    return NULL;
}

static void reply_job(struct call *call)
{
    const struct job *job = core_job(call->core, call->job);
    struct buf body = BUF_INIT(0);

    if (job)
        job_write(job, NULL, &body);
    else
        buf_printf(&body, "{\"id\":%" PRIu64 "}", call->job);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

static void signalled(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct call *call = arg;

    if (result < 0)
        call_refuse(call, err);
    else
        reply_job(call);
}

void life_signal(struct call *call, const struct job *job, int signo)
{
    const struct instance *in = life_call_instance(call, job);

    if (in && life_signal_all(call->core, job, signo, signalled, call) < 0)
        call_refuse_with(call, ENOMEM, "", "out of memory");
}

/* It was shown, whether or not that could be written down. */
static void noted(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;

    if (result < 0)
        call->recorded = false; /* that it was done is not answered before the trail has it */
    reply_job(call);
}

static void shown(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct call *call = arg;
    struct request_message ask = {0};
    struct job_event event;
    struct txn *txn;
    size_t len;
    const char *body = http_request_body(call->http, &len);
    char note[96];

    if (result < 0) {
        call_refuse(call, err);
        return;
    }
    fields_read(request_message_fields, &ask, body, len, FIELD_SUBMIT, NULL, NULL);
    snprintf(note, sizeof(note), "the user was shown: %.70s", ask.text);
    event = core_job_event(call->core, JOB_EVENT_NOTE, call->who_text, note);
    txn = txn_new(call->core->events);
    if (txn && core_add_job(txn, call->job, &event, NULL) >= 0) {
        call_commit(call, txn, 200, noted, call);
        return;
    }
    txn_abort(txn); /* the job ended meanwhile */
    reply_job(call);
}

void handle_job_message(struct call *call)
{
    const struct job *job = call_job(call);
    struct request_message ask = {0};
    const struct instance *in;
    struct vdi_error err = {0};
    const char *body;
    size_t len;

    if (!job)
        return;
    body = http_request_body(call->http, &len);
    if (fields_read(request_message_fields, &ask, body, len, FIELD_SUBMIT, NULL, &err) < 0) {
        call_refuse(call, &err);
    } else if (!*ask.text) {
        call_refuse_with(call, EINVAL, "text", "there is nothing to show");
    } else if (job->state != JOB_RUNNING) {
        call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is %s: nobody would see it",
                         job->id, job_state_name(job->state));
    } else if ((in = life_call_instance(call, job))) {
        call->job = job->id;
        site_message(call->core->site, in, ask.text, shown, call);
    }
}

static void connected(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct call *call = arg;
    struct buf body = BUF_INIT(0);

    if (result < 0) {
        call_refuse(call, err);
        return;
    }
    buf_puts(&body, json ? json : "{}");
    call->watched = "connect";
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

/* A ticket is for the owner alone: it is the whole desktop. */
void handle_job_connection(struct call *call)
{
    const struct job *job = call_job(call);
    const struct instance *in;

    if (!job)
        return;
    if (!str_equal(job->spec->owner, call->who_text)) {
        call_refuse_with(call, EPERM, "", "only its owner connects to job %" PRIu64, job->id);
        return;
    }
    if (job->state != JOB_RUNNING) {
        call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is %s: there is no desktop yet",
                         job->id, job_state_name(job->state));
        return;
    }
    in = life_call_instance(call, job);
    if (in)
        site_connection(call->core->site, in, "{}", connected, call);
}
