/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - answering a REST request: documents, problems, audit. */
#include "vdictld/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/noun_codec.h"

static const struct {
    int code;
    unsigned status;
    const char *title;
} problems[] = {
    {EINVAL, 400, "Bad request"},
    {ENOKEY, 401, "Who are you?"},
    {EACCES, 401, "Credential refused"},
    {EKEYEXPIRED, 401, "Credential expired"},
    {EKEYREJECTED, 401, "Credential used before"},
    {EKEYREVOKED, 401, "Credential revoked"},
    {EPERM, 403, "Not permitted"},
    {ENOENT, 404, "No such thing"},
    {EOPNOTSUPP, 405, "Not possible here"},
    {EPROTO, 409, "Not in this state"},
    {EEXIST, 409, "Exists already"},
    {EIDRM, 410, "No longer kept"},
    {EFBIG, 413, "Too large"},
    {ERANGE, 422, "Outside the limits"},
    {EDQUOT, 422, "Limit reached"},
    {ESRCH, 422, "Unknown name"},
    {EBADMSG, 422, "Corrupt"},
    {EUSERS, 429, "Too many requests"},
    {ENOSYS, 501, "Not supported"},
    {EAGAIN, 503, "Try again"},
    {EBUSY, 503, "Busy"},
    {ETIMEDOUT, 503, "Took too long"},
    {ENOTCONN, 503, "The node is silent"},
    {ESTALE, 503, "Not the leader"},
    {ESHUTDOWN, 503, "Stopping"},
    {EROFS, 503, "The store can't be written"},
    {EIO, 503, "The store can't be written"},
    {ENOSPC, 507, "No space for the store"},
};

static size_t problem_of(int code)
{
    for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++)
        if (problems[i].code == code)
            return i;
    return SIZE_MAX;
}

unsigned call_status(const struct vdi_error *err)
{
    size_t i = problem_of(err->code);

    return i == SIZE_MAX ? 500 : problems[i].status;
}

static void member(struct buf *out, const char *name, const char *value)
{
    if (str_is_empty(value))
        return;
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

void call_write_problem(const struct vdi_error *err, unsigned status, struct buf *out)
{
    size_t i = problem_of(err->code);

    buf_printf(out, "{\"type\":\"about:blank\",\"status\":%u", status);
    member(out, "title", i == SIZE_MAX ? "Internal error" : problems[i].title);
    member(out, "detail", err->detail);
    member(out, "field", err->field);
    member(out, "limit", err->limit);
    member(out, "remedy", err->remedy);
    buf_putc(out, '}');
}

void call_reply(struct call *call, unsigned status, const char *content_type, struct buf *body)
{
    struct core *core = call->core;

    if (status / 100 < 6)
        core->replies[status / 100]++;
    if (call->match.request && call->match.request->changes && status < 400 && !call->is_more &&
        (call->foreign || call->match.request->role >= ROLE_OPERATOR))
        call_audit(call, status, "");
    http_request_reply(call->http, status, content_type, body);
    free(call);
}

void call_reply_json(struct call *call, unsigned status, struct buf *body)
{
    if (body->failed) {
        buf_done(body);
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    call_reply(call, status, "application/json", body);
}

void call_refuse(struct call *call, const struct vdi_error *err)
{
    unsigned status = call_status(err);
    struct buf body = BUF_INIT(0);

    if (status == 401)
        http_request_add_header(call->http, "WWW-Authenticate", "Munge, Bearer");
    if (status == 429 || status == 503)
        http_request_add_header(call->http, "Retry-After", "1");
    if (status == 401 || status == 403)
        call_audit(call, status, err->detail);
    call_write_problem(err, status, &body);
    call_reply(call, status, "application/problem+json", &body);
    buf_done(&body);
}

void call_refuse_with(struct call *call, int code, const char *field, const char *format, ...)
{
    struct vdi_error err;
    char detail[sizeof(err.detail)];
    va_list ap;

    va_start(ap, format);
    vsnprintf(detail, sizeof(detail), format, ap);
    va_end(ap);
    error_set(&err, code, field, "%s", detail);
    call_refuse(call, &err);
}

/*
 * Denials can be had for free, so they are written at most so many a second: the
 * audit log must not be a way to fill the disk. What was left out is counted in the log.
 */
void call_audit(struct call *call, unsigned status, const char *detail)
{
    static struct log_rate denials;
    struct audit_event event = {
        .time_usec = loop_now_usec(call->core->loop),
        .status = status,
    };
    unsigned dropped = 0;
    struct txn *txn;

    if (status >= 400 && !log_rate_ok(&denials, &dropped))
        return;
    if (dropped)
        log_warning("audit: %u denials were not written down", dropped);
    str_copy(event.request, sizeof(event.request),
             call->match.request ? call->match.request->name : "?");
    str_copy(event.by, sizeof(event.by), call->who_text);
    str_copy(event.address, sizeof(event.address), http_request_address(call->http));
    str_copy(event.target, sizeof(event.target), call->match.params[0]);
    str_copy(event.detail, sizeof(event.detail), detail);
    txn = txn_new(call->core->events);
    if (!txn || txn_add(txn, NOUN_AUDIT, 0, "audit", &event, NULL) < 0) {
        txn_abort(txn);
        log_error("audit: %s by %s could not be written down", event.request, event.by);
        return;
    }
    txn_commit(txn, NULL, NULL);
}

bool call_is_operator(const struct call *call)
{
    return call->role >= ROLE_OPERATOR;
}

bool call_in_groups(const struct call *call, const struct config_names *groups)
{
    if (!groups->n)
        return true;
    for (uint32_t i = 0; i < call->who.n_groups; i++)
        if (config_names_has(groups, call->who.groups[i]))
            return true;
    return false;
}

bool call_sees(const struct call *call, const char *owner)
{
    return call_is_operator(call) || call->core->config->visible_all ||
           str_equal(call->who_text, owner);
}

const struct job *call_job(struct call *call)
{
    const struct job *job = NULL;
    uint64_t id;

    if (str_to_u64(call->match.params[0], 1, INT64_MAX, &id) == 0)
        job = core_job(call->core, id);
    call->foreign = job && !str_equal(job->spec->owner, call->who_text);
    if (job && (!call->foreign || call_is_operator(call)))
        return job;
    call_refuse_with(call, ENOENT, "id", "there is no job %s", call->match.params[0]);
    return NULL;
}

bool call_number(struct call *call, const char *name, uint64_t initial, uint64_t max, uint64_t *ret)
{
    const char *text = http_request_query(call->http, name);
    struct vdi_error err;
    char limit[48];

    *ret = initial;
    if (!text || str_to_u64(text, 0, max, ret) == 0)
        return true;
    error_set(&err, EINVAL, name, "'%s' cannot be '%.40s'", name, text);
    snprintf(limit, sizeof(limit), "0 to %llu", (unsigned long long)max);
    error_hint(&err, limit, NULL);
    call_refuse(call, &err);
    return false;
}
