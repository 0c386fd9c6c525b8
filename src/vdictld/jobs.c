/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c - reading one job: its document, events, and why it waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/archive.h"
#include "vdictld/handlers.h"
#include "vdictld/job_doc.h"
#include "vdictld/job_find.h"
#include "vdictld/priority.h"
#include "vdictld/queue.h"

static void show(struct call *call, const struct job *job)
{
    const char *fields = http_request_query(call->http, "fields");
    struct job_doc_columns columns;
    struct vdi_error err = {0};
    struct buf body = BUF_INIT(0);

    if (job_doc_columns(fields ? fields : "", !fields, &columns, &err) < 0) {
        call_refuse(call, &err);
        return;
    }
    job_doc_write(call->core, job, &columns, &body);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_job_show(struct call *call)
{
    job_find(call, show);
}

/* ---- events: from the store, once the caller is known to own the job ---- */

static void write_event(const struct archive_row *row, struct buf *out)
{
    struct job_event event;
    bool first = false;
    char when[40];

    if (job_event_decode_bare(row->type, row->time_usec, row->version, row->body, row->body_len,
                              &event, NULL) < 0)
        return;
    buf_printf(out, "{\"seq\":%" PRIu64 ",\"time\":\"%s\",\"type\":\"%s\"", row->seq,
               time_to_rfc3339(row->time_usec, when), row->type);
    fields_write(job_event_fields, &event, FIELD_SHOW, out, &first);
    buf_putc(out, '}');
    job_event_done(&event);
}

static void reply_events(void *arg, const struct archive_query *q)
{
    struct call *call = arg;
    struct buf body = BUF_INIT(0);

    if (q->result < 0) {
        call_refuse(call, &q->err);
        return;
    }
    buf_puts(&body, "{\"events\":[");
    for (size_t i = 0; i < q->n_rows; i++) {
        if (i)
            buf_putc(&body, ',');
        write_event(&q->rows[i], &body);
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

static void ask_events(struct call *call, const struct job *job)
{
    struct archive_query q = {.noun = "job", .events = true, .done = reply_events, .arg = call};
    uint64_t limit;

    if (!call_number(call, "after", 0, INT64_MAX, &q.after_seq) ||
        !call_number(call, "limit", 1000, 10000, &limit))
        return;
    q.limit = (uint32_t)(limit ? limit : 1);
    snprintf(q.key, sizeof(q.key), "%" PRIu64, job->id);
    if (archive_ask(call->core, &q) < 0)
        call_refuse_with(call, EBUSY, "", "the store is busy");
}

void handle_job_events(struct call *call)
{
    job_find(call, ask_events);
}

/* ---- why ---- */

static bool may_name(struct call *call, uint64_t id)
{
    const struct job *other = core_job(call->core, id);

    return other && (call_is_operator(call) || str_equal(other->spec->owner, call->who_text));
}

void handle_job_why(struct call *call)
{
    const struct job *job = call_job(call);
    struct plan_why why = {0};
    struct buf body = BUF_INIT(0);

    if (!job)
        return;
    if (!job_is_waiting(job)) {
        call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is %s, not PENDING", job->id,
                         job_state_name(job->state));
        return;
    }
    queue_why(call->core->queue, job->id, &why);
    buf_printf(&body, "{\"job\":%" PRIu64, job->id);
    priority_write(call->core, job, &body);
    if (job->array_id)
        buf_printf(&body, ",\"array_id\":%" PRIu64 ",\"array_task\":%u", job->array_id,
                   job->array_task);
    job_doc_write_why(&why, true, &body);
    buf_puts(&body, ",\"blockers\":[");
    for (size_t i = 0; i < why.n_blockers; i++) {
        if (i)
            buf_putc(&body, ',');
        job_doc_write_blocker(call->core, &why.blockers[i], may_name(call, why.blockers[i].job),
                              &body);
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}
