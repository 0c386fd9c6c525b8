/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_list.c - GET /v1/audit: the audit trail, newest first.
 *
 * `head` is the newest record as memory knows it at the time of the question: a trail in the
 * store that does not reach it has lost its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/audit_codec.h"
#include "vdictld/archive.h"
#include "vdictld/audit.h"
#include "vdictld/handlers.h"

#define PAGE_MAX 1000 /* records decoded at once: more would stall the loop */

struct listing {
    struct call *call;
    bool denied; /* those with a status of 4xx alone */
    struct audit_event head;
    char request[48];
};

static void write_rows(const struct listing *l, const struct archive_query *q, struct buf *body)
{
    bool first = true;

    for (size_t i = 0; i < q->n_rows; i++) {
        struct audit_event event;
        bool first_field = true;

        if (audit_event_decode("", 0, q->rows[i].version, q->rows[i].body, q->rows[i].body_len,
                               &event, NULL) < 0 ||
            (l->denied && event.status < 400))
            continue;
        buf_puts(body, first ? "{" : ",{");
        fields_write(audit_event_fields, &event, FIELD_SHOW, body, &first_field);
        buf_putc(body, '}');
        first = false;
    }
}

static void answered(void *arg, const struct archive_query *q)
{
    struct listing *l = arg;
    struct buf body = BUF_INIT(0);

    if (q->result < 0) {
        call_refuse(l->call, &q->err);
        free(l);
        return;
    }
    buf_printf(&body, "{\"head\":{\"number\":%" PRIu64 ",\"hash\":\"%s\"},\"audit\":[",
               l->head.number, l->head.hash);
    write_rows(l, q, &body);
    if (q->n_seen == q->limit)
        buf_printf(&body, "],\"next\":\"%s\"}", q->last_key);
    else
        buf_puts(&body, "],\"next\":null}");
    call_reply_json(l->call, 200, &body);
    buf_done(&body);
    free(l);
}

static int read_time(struct call *call, const char *name, int64_t *ret, struct vdi_error *err)
{
    const char *text = http_request_query(call->http, name);

    if (!text || time_from_rfc3339(text, ret) >= 0)
        return 0;
    error_set(err, EINVAL, name, "'%.40s' is no time", text);
    error_hint(err, NULL, "write it as in 2026-10-13T10:15:00Z");
    return -EINVAL;
}

/* "anna" is "unix:anna". */
static void read_user(struct call *call, struct archive_query *q)
{
    const char *user = http_request_query(call->http, "user");

    if (user)
        snprintf(q->owner, sizeof(q->owner), "%s%s", strchr(user, ':') ? "" : "unix:", user);
}

static int read_query(struct call *call, struct listing *l, struct archive_query *q,
                      struct vdi_error *err)
{
    const char *denied = http_request_query(call->http, "denied");
    const char *request = http_request_query(call->http, "request");
    int r = read_time(call, "from", &q->from_usec, err);

    if (r >= 0)
        r = read_time(call, "to", &q->to_usec, err);
    if (r >= 0 && denied && !str_equal(denied, "true") && !str_equal(denied, "false"))
        r = error_set(err, EINVAL, "denied", "'denied' is true or false, not '%.40s'", denied);
    if (r < 0)
        return r;
    if (q->from_usec)
        q->from_usec--; /* a record ends when it begins, and what ends at `from` counts */
    read_user(call, q);
    l->denied = str_equal(denied, "true");
    if (request) {
        str_copy(l->request, sizeof(l->request), request);
        q->states[0] = l->request;
    }
    return 0;
}

void handle_audit_list(struct call *call)
{
    struct archive_query q = {.noun = "audit", .done = answered};
    const struct audit *head = core_audit(call->core);
    struct listing *l = calloc(1, sizeof(*l));
    struct vdi_error err = {0};
    uint64_t limit, after;

    if (!l) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    if (!call_number(call, "after", 0, INT64_MAX, &after) ||
        !call_number(call, "limit", PAGE_MAX, PAGE_MAX, &limit)) {
        free(l);
        return;
    }
    l->call = call;
    if (head)
        l->head = head->last;
    q.arg = l;
    q.limit = limit ? (uint32_t)limit : 1;
    if (after)
        snprintf(q.after_key, sizeof(q.after_key), "%" PRIu64, after);
    if (read_query(call, l, &q, &err) < 0)
        call_refuse(call, &err);
    else if (archive_ask(call->core, &q) < 0)
        call_refuse_with(call, EBUSY, "", "the store is busy");
    else
        return;
    free(l);
}
