/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_log.c - GET /v1/jobs/{id}/log: the timed stages of a job, for people.
 *
 * Two sources: the job's events in the store, and what its node says of the instance
 * (stages of the boot, the one that failed, the end of the console, a picture). A node that
 * does not answer costs its part a line. Whatever a guest said is stripped of control
 * characters.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/base64.h"
#include "codec/document.h"
#include "codec/job_codec.h"
#include "vdictld/archive.h"
#include "vdictld/handlers.h"
#include "vdictld/job_find.h"
#include "vdictld/silence.h"
#include "vdictld/site.h"

#define EVENTS_MAX 10000

struct job_log {
    struct call *call;
    uint64_t job;
    struct instance of; /* id, generation and node; id 0: nothing of it ran */
    struct buf text;
};

static void log_free(struct job_log *l)
{
    buf_done(&l->text);
    free(l);
}

static void reply(struct job_log *l)
{
    call_reply(l->call, 200, "text/plain; charset=utf-8", &l->text);
    log_free(l);
}

/* ---- the node's part ---- */

static void put_clean(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_putc(out, (unsigned char)*text < 32 || *text == 127 ? ' ' : *text);
}

static void put_failure(struct buf *out, const char *reason)
{
    buf_puts(out, "  <-- failed here");
    if (*reason)
        buf_puts(out, ": ");
    put_clean(out, reason);
}

static void put_stages(const struct value *root, struct buf *out)
{
    const struct value *stages = value_get(root, "stages");
    const char *failed = value_get_string(root, "failed_stage", "");
    const char *reason = value_get_string(root, "reason", "");
    bool marked = !*failed;

    for (size_t i = 0; i < value_count(stages); i++) {
        const struct value *stage = value_item(stages, i);
        const char *name = value_get_string(stage, "name", "?");

        buf_printf(out, "  %10.3f s  ", (double)value_get_int(stage, "usec", 0) / 1e6);
        put_clean(out, name);
        if (!marked && str_equal(name, failed) && (marked = true))
            put_failure(out, reason);
        buf_putc(out, '\n');
    }
    if (!marked) {
        buf_puts(out, "                ");
        put_clean(out, failed);
        put_failure(out, reason);
        buf_putc(out, '\n');
    } else if (!*failed && *reason) {
        buf_puts(out, "  reason: ");
        put_clean(out, reason);
        buf_putc(out, '\n');
    }
}

/* The lines of the console, each behind a bar. */
static void put_console(const char *text, struct buf *out)
{
    if (!*text)
        return;
    buf_puts(out, "the end of its console:\n");
    while (*text) {
        size_t n = strcspn(text, "\n");
        _cleanup_(freep) char *line = strndup(text, n);

        buf_puts(out, "| ");
        put_clean(out, line ? line : "");
        buf_putc(out, '\n');
        text += n + (text[n] == '\n');
    }
}

static void put_instance(const struct job_log *l, const struct value *root, struct buf *out)
{
    buf_printf(out, "instance %" PRIu64 ".%u on %s, since the order to start:\n", l->of.id,
               l->of.generation, l->of.node);
    put_stages(root, out);
    put_console(value_get_string(root, "console", ""), out);
}

static void put_trouble(const struct job_log *l, int result, const struct vdi_error *said,
                        struct buf *out)
{
    struct vdi_error err = *said;

    if (silence_is(result))
        silence_explain(l->call->core, l->of.node, &err);
    else if (result == -ENOENT)
        error_set(&err, ENOENT, "", "node %s does not keep the log of instance %" PRIu64 ".%u",
                  l->of.node, l->of.id, l->of.generation);
    buf_puts(out, "its node's part is not here: ");
    put_clean(out, err.detail);
    buf_putc(out, '\n');
}

static void node_said(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct job_log *l = arg;
    _cleanup_(document_freep) struct document *document = NULL;
    struct vdi_error bad = {0};

    if (result >= 0 && document_parse(json ? json : "", json ? strlen(json) : 0, &document, NULL))
        result = error_set(&bad, EBADMSG, "", "the site's answer is no log");
    if (result >= 0)
        put_instance(l, document_root(document), &l->text);
    else if (result != -ENOSYS)
        put_trouble(l, result, bad.code ? &bad : err, &l->text);
    reply(l);
}

/* ---- the picture ---- */

static const char *picture_type(const struct buf *picture)
{
    if (picture->len > 8 && !memcmp(picture->data, "\x89PNG\r\n\x1a\n", 8))
        return "image/png";
    if (picture->len > 3 && !memcmp(picture->data, "P6", 2))
        return "image/x-portable-pixmap";
    return NULL;
}

static int read_picture(const char *json, struct buf *ret)
{
    _cleanup_(document_freep) struct document *document = NULL;
    const char *text;
    size_t len;

    if (!json || document_parse(json, strlen(json), &document, NULL) < 0)
        return -EBADMSG;
    text = value_get_string(document_root(document), "screenshot", "");
    if (!*text)
        return -ENOENT;
    len = strlen(text);
    if (buf_reserve(ret, len / 4 * 3) < 0)
        return -ENOMEM;
    return base64_read(text, len, (uint8_t *)ret->data, &ret->len) < 0 ? -EBADMSG : 0;
}

static void picture_came(void *arg, int result, const char *json, const struct vdi_error *said)
{
    struct job_log *l = arg;
    struct call *call = l->call;
    struct buf picture = BUF_INIT(0);
    struct vdi_error err = *said;

    if (result >= 0)
        result = read_picture(json, &picture);
    if (result >= 0 && picture_type(&picture)) {
        call->watched = "picture";
        call_reply(call, 200, picture_type(&picture), &picture);
    } else {
        if (silence_is(result))
            silence_explain(call->core, l->of.node, &err);
        else if (result == -ENOENT)
            error_set(&err, ENOENT, "id", "no picture of job %" PRIu64 " is kept", l->job);
        else if (!err.code)
            error_set(&err, EIO, "", "node %s did not send a picture", l->of.node);
        call_refuse(call, &err);
    }
    buf_done(&picture);
    log_free(l);
}

/* ---- the controller's part ---- */

/* A line a stage: when, how long since the one before, what. */
static void put_event(const struct archive_row *row, int64_t *io_before, struct buf *out)
{
    struct job_event event;
    char when[40];

    if (job_event_decode(row->type, row->time_usec, row->version, row->body, row->body_len, &event,
                         NULL) < 0)
        return;
    buf_printf(out, "%s %+9.3f s  %-11s", time_to_rfc3339(row->time_usec, when),
               *io_before ? (double)(row->time_usec - *io_before) / 1e6 : 0.0, row->type);
    buf_printf(out, " by %s%s%s%s%s%s", event.by, event.node[0] ? " on " : "", event.node,
               event.final ? " -> " : "", event.final ? job_state_name(event.final) : "",
               event.reason[0] ? ": " : "");
    put_clean(out, event.reason);
    buf_putc(out, '\n');
    *io_before = row->time_usec;
    job_event_done(&event);
}

static void events_came(void *arg, const struct archive_query *q)
{
    struct job_log *l = arg;
    int64_t before = 0;

    if (q->result < 0) {
        call_refuse(l->call, &q->err);
        log_free(l);
        return;
    }
    for (size_t i = 0; i < q->n_rows; i++)
        put_event(&q->rows[i], &before, &l->text);
    if (l->of.id)
        site_log(l->call->core->site, &l->of, node_said, l);
    else
        reply(l);
}

static void ask_events(struct job_log *l)
{
    struct archive_query q = {
        .noun = "job", .events = true, .limit = EVENTS_MAX, .done = events_came, .arg = l};

    snprintf(q.key, sizeof(q.key), "%" PRIu64, l->job);
    if (archive_ask(l->call->core, &q) == 0)
        return;
    call_refuse_with(l->call, EBUSY, "", "the store is busy");
    log_free(l);
}

static void found(struct call *call, const struct job *job)
{
    const char *picture = http_request_query(call->http, "screenshot");
    struct job_log *l;

    if (picture && strcmp(picture, "true") != 0 && strcmp(picture, "false") != 0) {
        call_refuse_with(call, EINVAL, "screenshot", "'screenshot' is true or false, not '%.40s'",
                         picture);
        return;
    }
    l = calloc(1, sizeof(*l));
    if (!l) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    l->call = call;
    l->job = job->id;
    l->of.id = job->instance;
    l->of.generation = job->generation;
    str_copy(l->of.node, sizeof(l->of.node), job->node);
    if (!str_equal(picture, "true")) {
        ask_events(l);
    } else if (job->instance) {
        site_log(call->core->site, &l->of, picture_came, l);
    } else {
        call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is %s: nothing of it ran yet",
                         job->id, job_state_name(job->state));
        log_free(l);
    }
}

void handle_job_log(struct call *call)
{
    job_find(call, found);
}
