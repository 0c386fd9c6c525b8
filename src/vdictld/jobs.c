/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c - reading one job: its document, events, log, and why it waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/archive.h"
#include "vdictld/handlers.h"
#include "vdictld/job_doc.h"
#include "vdictld/queue.h"

/* A call that waits for the store. */
struct asked {
    struct call *call;
    struct job_doc_columns columns;
    void (*events)(struct call *call, const struct archive_query *q);
    uint32_t limit;
    uint64_t after;
};

static void refuse_no_job(struct call *call)
{
    call_refuse_with(call, ENOENT, "id", "there is no job %s", call->match.params[0]);
}

/* The job out of the archive; NULL: none, or not the caller's to see. */
static struct job *archived_job(struct call *call, const struct archive_query *q)
{
    struct job *job = NULL;
    uint64_t id;

    if (!q->n_rows || str_to_u64(q->rows[0].key, 1, INT64_MAX, &id) < 0 ||
        job_snapshot_decode(id, q->rows[0].version, q->rows[0].body, q->rows[0].body_len, &job,
                            NULL) < 0)
        return NULL;
    if (call_is_operator(call) || str_equal(job->spec->owner, call->who_text))
        return job;
    job_unref(job);
    return NULL;
}

static int ask_job(struct asked *a, void (*done)(void *arg, const struct archive_query *q))
{
    struct archive_query q = {.noun = "job", .limit = 1, .done = done, .arg = a};

    str_copy(q.key, sizeof(q.key), a->call->match.params[0]);
    return archive_ask(a->call->core, &q);
}

static int ask_events(struct asked *a, void (*done)(void *arg, const struct archive_query *q))
{
    struct archive_query q = {
        .noun = "job",
        .events = true,
        .limit = a->limit,
        .after_seq = a->after,
        .done = done,
        .arg = a,
    };

    str_copy(q.key, sizeof(q.key), a->call->match.params[0]);
    return archive_ask(a->call->core, &q);
}

/* The job in memory that the caller may see, or NULL without an answer. */
static const struct job *visible_job(struct call *call)
{
    uint64_t id = 0;
    const struct job *job = NULL;

    if (str_to_u64(call->match.params[0], 1, INT64_MAX, &id) == 0)
        job = core_job(call->core, id);
    if (job && !call_is_operator(call) && !str_equal(job->spec->owner, call->who_text))
        job = NULL;
    return job;
}

static void show_archived(void *arg, const struct archive_query *q)
{
    struct asked *a = arg;
    struct call *call = a->call;
    struct buf body = BUF_INIT(0);
    struct job *job;

    if (q->result < 0) {
        call_refuse(call, &q->err);
    } else if (!(job = archived_job(call, q))) {
        refuse_no_job(call);
    } else {
        job_doc_write(call->core, job, &a->columns, &body);
        job_unref(job);
        call_reply_json(call, 200, &body);
        buf_done(&body);
    }
    free(a);
}

static struct asked *asked_new(struct call *call)
{
    struct asked *a = calloc(1, sizeof(*a));

    if (!a) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return NULL;
    }
    a->call = call;
    return a;
}

void handle_job_show(struct call *call)
{
    const char *fields = http_request_query(call->http, "fields");
    const struct job *job = visible_job(call);
    struct job_doc_columns columns;
    struct vdi_error err = {0};
    struct buf body = BUF_INIT(0);
    struct asked *a;

    if (job_doc_columns(fields ? fields : "", !fields, &columns, &err) < 0) {
        call_refuse(call, &err);
        return;
    }
    if (job) {
        job_doc_write(call->core, job, &columns, &body);
        call_reply_json(call, 200, &body);
        buf_done(&body);
        return;
    }
    a = asked_new(call);
    if (!a)
        return;
    a->columns = columns;
    if (ask_job(a, show_archived) < 0) {
        call_refuse_with(call, EBUSY, "", "the store is busy");
        free(a);
    }
}

/* ---- events and log: from the store, once the caller is known to own the job ---- */

static void with_events(void *arg, const struct archive_query *q)
{
    struct asked *a = arg;

    if (q->result < 0)
        call_refuse(a->call, &q->err);
    else
        a->events(a->call, q);
    free(a);
}

static void owner_checked(void *arg, const struct archive_query *q)
{
    struct asked *a = arg;
    struct job *job = q->result < 0 ? NULL : archived_job(a->call, q);

    if (!job) {
        refuse_no_job(a->call);
        free(a);
        return;
    }
    job_unref(job);
    if (ask_events(a, with_events) < 0) {
        call_refuse_with(a->call, EBUSY, "", "the store is busy");
        free(a);
    }
}

static void events_of_job(struct call *call, uint32_t limit, uint64_t after,
                          void (*fn)(struct call *call, const struct archive_query *q))
{
    struct asked *a = asked_new(call);
    int r;

    if (!a)
        return;
    a->events = fn;
    a->limit = limit;
    a->after = after;
    r = visible_job(call) ? ask_events(a, with_events) : ask_job(a, owner_checked);
    if (r < 0) {
        call_refuse_with(call, EBUSY, "", "the store is busy");
        free(a);
    }
}

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

static void reply_events(struct call *call, const struct archive_query *q)
{
    struct buf body = BUF_INIT(0);

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

void handle_job_events(struct call *call)
{
    uint64_t after, limit;

    if (!call_number(call, "after", 0, INT64_MAX, &after) ||
        !call_number(call, "limit", 1000, 10000, &limit))
        return;
    events_of_job(call, (uint32_t)(limit ? limit : 1), after, reply_events);
}

/* A line a stage: when, how long since the one before, what. */
static void reply_log(struct call *call, const struct archive_query *q)
{
    struct buf body = BUF_INIT(0);
    int64_t before = 0;

    for (size_t i = 0; i < q->n_rows; i++) {
        const struct archive_row *row = &q->rows[i];
        struct job_event event;
        char when[40];

        if (job_event_decode_bare(row->type, row->time_usec, row->version, row->body, row->body_len,
                                  &event, NULL) < 0)
            continue;
        buf_printf(&body, "%s %+9.3f s  %-11s", time_to_rfc3339(row->time_usec, when),
                   before ? (double)(row->time_usec - before) / 1e6 : 0.0, row->type);
        buf_printf(&body, " by %s%s%s%s%s%s%s\n", event.by, event.node[0] ? " on " : "", event.node,
                   event.final ? " -> " : "", event.final ? job_state_name(event.final) : "",
                   event.reason[0] ? ": " : "", event.reason);
        before = row->time_usec;
        job_event_done(&event);
    }
    call_reply(call, 200, "text/plain; charset=utf-8", &body);
    buf_done(&body);
}

void handle_job_log(struct call *call)
{
    events_of_job(call, 10000, 0, reply_log);
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
    if (job->state != JOB_PENDING) {
        call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is %s, not PENDING", job->id,
                         job_state_name(job->state));
        return;
    }
    queue_why(call->core->queue, job->id, &why);
    buf_printf(&body, "{\"job\":%" PRIu64 ",\"priority\":%d", job->id, job->priority);
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
