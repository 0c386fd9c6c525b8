/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - GET /v1/audit: administrative acts, denials and connects, oldest first. */
#include <errno.h>
#include <inttypes.h>

#include "base/time.h"
#include "vdictld/archive.h"
#include "vdictld/handlers.h"

static void answered(void *arg, const struct archive_query *q)
{
    struct call *call = arg;
    struct buf body = BUF_INIT(0);
    uint64_t last = 0;
    char when[40];

    if (q->result < 0) {
        call_refuse(call, &q->err);
        return;
    }
    buf_puts(&body, "{\"audit\":[");
    for (size_t i = 0; i < q->n_rows; i++) {
        const struct archive_row *row = &q->rows[i];

        /* the body is an object of ours: its members go on behind seq and time */
        buf_printf(&body, "%s{\"seq\":%" PRIu64 ",\"time\":\"%s\"%s%s", i ? "," : "", row->seq,
                   time_to_rfc3339(row->time_usec, when), row->body_len > 2 ? "," : "",
                   row->body + 1);
        last = row->seq;
    }
    if (q->n_rows == q->limit)
        buf_printf(&body, "],\"next\":\"%" PRIu64 "\"}", last);
    else
        buf_puts(&body, "],\"next\":null}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_audit_list(struct call *call)
{
    struct archive_query q = {.noun = "audit", .events = true, .done = answered, .arg = call};
    uint64_t limit;

    if (!call_number(call, "after", 0, INT64_MAX, &q.after_seq) ||
        !call_number(call, "limit", 1000, 10000, &limit))
        return;
    q.limit = limit ? (uint32_t)limit : 1;
    if (archive_ask(call->core, &q) < 0)
        call_refuse_with(call, EBUSY, "", "the store is busy");
}
