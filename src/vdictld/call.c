/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - answering a REST request: documents, problems, audit. */
#include "vdictld/call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "vdictld/arrays.h"
#include "vdictld/audit.h"

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
    {E2BIG, 422, "Too much"},
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
    {ENOSPC, 507, "No space left"},
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

bool call_is_audited(const struct call *call)
{
    const struct request *request = call->match.request;

    return request && !call->is_more &&
           (call->watched ||
            (request->changes && (call->foreign || request->role >= ROLE_OPERATOR)));
}

void call_commit(struct call *call, struct txn *txn, unsigned status,
                 void (*done)(void *arg, int result, const struct vdi_error *err), void *arg)
{
    struct vdi_error err = {0};
    int r = 0;

    if (call_is_audited(call)) {
        struct audit_event event = audit_of(call, status, call->watched);

        r = audit_add(call->core, txn, &event, &err);
        call->recorded = r >= 0;
    }
    if (r < 0) {
        txn_abort(txn);
        done(arg, r, &err);
        return;
    }
    txn_commit(txn, done, arg);
}

static void reply_now(struct call *call, unsigned status, const char *content_type,
                      struct buf *body)
{
    if (status / 100 < 6)
        call->core->replies[status / 100]++;
    http_request_reply(call->http, status, content_type, body);
    free(call);
}

/* An answer that waits for its record. */
struct held {
    struct call *call;
    unsigned status;
    char content_type[48];
    struct buf body;
};

static void recorded(void *arg, int result, const struct vdi_error *err)
{
    struct held *held = arg;

    if (result < 0)
        call_refuse(held->call, err);
    else
        reply_now(held->call, held->status, held->content_type, &held->body);
    if (held->body.data)
        explicit_bzero(held->body.data, held->body.len); /* a ticket, or a token */
    buf_done(&held->body);
    free(held);
}

static void reply_recorded(struct call *call, unsigned status, const char *content_type,
                           struct buf *body)
{
    struct held *held = calloc(1, sizeof(*held));
    struct txn *txn = txn_new(call->core->events);

    if (!held || !txn) {
        free(held);
        txn_abort(txn);
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    *held = (struct held){.call = call, .status = status};
    str_copy(held->content_type, sizeof(held->content_type), content_type);
    if (body) {
        held->body = *body;
        *body = BUF_INIT(body->max);
    }
    call_commit(call, txn, status, recorded, held);
}

void call_reply(struct call *call, unsigned status, const char *content_type, struct buf *body)
{
    if (status < 400 && !call->recorded && call_is_audited(call))
        reply_recorded(call, status, content_type, body);
    else
        reply_now(call, status, content_type, body);
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
    if (status == 401 || status == 403 ||
        (status == 404 && call->foreign && !call_is_operator(call))) /* there, but not theirs */
        audit_denied(call, status, err->detail);
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

bool call_may_charge(const struct call *call, const struct config_account *account)
{
    if (!account->groups.n && !account->users.n)
        return true;
    return (account->groups.n && call_in_groups(call, &account->groups)) ||
           config_names_has(&account->users, call->who.name) ||
           config_names_has(&account->users, call->who_text);
}

bool call_sees(const struct call *call, const char *owner)
{
    return call_is_operator(call) || call->core->config->visible_all ||
           str_equal(call->who_text, owner);
}

/* The job is there, and the caller may see it; else refused. */
static bool is_theirs(struct call *call, const struct job *job)
{
    call->foreign = job && !str_equal(job->spec->owner, call->who_text);
    if (job && (!call->foreign || call_is_operator(call)))
        return true;
    call_refuse_with(call, ENOENT, "id", "there is no job %s", call->match.params[0]);
    return false;
}

const struct job *call_job(struct call *call)
{
    const struct job *job = NULL;
    uint64_t id, array;

    if (arrays_id(call->core, call->match.params[0], &id, &array))
        job = core_job(call->core, id);
    return is_theirs(call, job) ? job : NULL;
}

/* How many tasks the array has that is meant; 1: one job is. */
static uint32_t tasks_of(const struct call *call, uint64_t *ret_id)
{
    uint64_t array;
    uint32_t n = 1;

    if (arrays_id(call->core, call->match.params[0], ret_id, &array) && !array)
        n = arrays_count(call->core, *ret_id);
    return n ? n : 1;
}

const struct job *call_staged_job(struct call *call)
{
    uint64_t id;
    const struct job *job = call_job(call);
    uint32_t n = job ? tasks_of(call, &id) : 1;

    if (!job)
        return NULL;
    if (n > 1) {
        call_refuse_with(call, EINVAL, "id",
                         "job %" PRIu64 " is an array of %u tasks: name one, as %" PRIu64 "_%u",
                         job->id, n, job->array_id, job->array_task);
        return NULL;
    }
    call->job = job->id;
    return core_job_staged(call->core, job->id);
}

size_t call_staged_jobs(struct call *call, uint64_t *ret_first)
{
    uint64_t id;
    uint32_t n = tasks_of(call, &id);

    if (n == 1) {
        const struct job *job = call_staged_job(call);

        if (!job)
            return 0; /* the call is gone */
        *ret_first = job->id;
        return 1;
    }
    if (!is_theirs(call, arrays_any(call->core, id)))
        return 0;
    *ret_first = call->job = id;
    return n;
}

void call_refuse_state(struct call *call, const struct job *job, const char *what)
{
    call_refuse_with(call, EPROTO, "state", "job %" PRIu64 " is %s: it cannot be %s", job->id,
                     job_state_name(job->state), what);
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
