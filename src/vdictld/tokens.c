/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c - issuing, listing and revoking bearer tokens. The token itself is said once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/noun_codec.h"
#include "codec/request_input.h"
#include "vdictld/auth.h"
#include "vdictld/digest.h"
#include "vdictld/handlers.h"

#define TOKEN_DEFAULT_SEC 900
#define TOKENS_LIVE_MAX 100000
#define TOKENS_OWNER_MAX 200 /* so that nobody takes all of them */

struct issue {
    struct call *call;
    struct request_token ask;
    char id[48];
    struct buf body;
};

static void issued(void *arg, int result, const struct vdi_error *err)
{
    struct issue *issue = arg;

    if (result < 0)
        call_refuse(issue->call, err);
    else
        call_reply_json(issue->call, 201, &issue->body);
    buf_done(&issue->body);
    free(issue);
}

static int check_scope(struct call *call, const struct request_token *ask, struct vdi_error *err)
{
    if (!str_equal(ask->scope, "") && !str_equal(ask->scope, "jobs:read") &&
        !str_equal(ask->scope, "jobs:write"))
        return error_set(err, EINVAL, "scope", "there is no scope '%.40s'", ask->scope);
    /* A token never says more than the credential that asked for it. */
    if (*call->who.scope && !str_equal(call->who.scope, ask->scope))
        return error_set(err, EPERM, "scope", "a token of scope '%s' cannot ask for more",
                         call->who.scope);
    return 0;
}

/* Signs the token and prepares the event and the answer. */
static int build(struct issue *issue, struct vdi_principal *who, struct token_event *event,
                 struct vdi_error *err)
{
    struct call *call = issue->call;
    char token[4096], when[40];
    int r = digest_random_hex(16, issue->id);

    if (r < 0)
        return error_set(err, -r, "", "the kernel gives no random bytes");
    str_copy(who->scope, sizeof(who->scope), issue->ask.scope);
    event->time_usec = loop_now_usec(call->core->loop);
    event->expire_usec =
        event->time_usec +
        (issue->ask.lifetime_sec ? issue->ask.lifetime_sec : TOKEN_DEFAULT_SEC) * USEC_PER_SEC;
    /* Else whoever gets hold of a token could renew it for ever. */
    if (call->expire_usec && event->expire_usec > call->expire_usec)
        event->expire_usec = call->expire_usec;
    snprintf(event->owner, sizeof(event->owner), "%s:%s", who->realm, who->name);
    str_copy(event->scope, sizeof(event->scope), issue->ask.scope);
    str_copy(event->by, sizeof(event->by), call->who_text);
    r = auth_issue(call->core->auth, who, issue->id, event->time_usec, event->expire_usec, token,
                   sizeof(token), err);
    if (r < 0)
        return r;
    buf_puts(&issue->body, "{\"token\":");
    json_write_string(&issue->body, token);
    buf_printf(&issue->body, ",\"id\":\"%s\",\"owner\":", issue->id);
    json_write_string(&issue->body, event->owner);
    buf_printf(&issue->body, ",\"expire_time\":\"%s\"}", time_to_rfc3339(event->expire_usec, when));
    explicit_bzero(token, sizeof(token));
    return 0;
}

static void issue_refuse(struct issue *issue, const struct vdi_error *err)
{
    call_refuse(issue->call, err);
    buf_done(&issue->body);
    free(issue);
}

/* Revoked ones count until they would have expired: they are still kept. */
static int check_owner(struct core *core, const struct vdi_principal *who, struct vdi_error *err)
{
    struct table *t = events_table(core->events, NOUN_TOKEN);
    char owner[CALL_WHO_MAX], limit[24];
    unsigned n = 0;

    snprintf(owner, sizeof(owner), "%s:%s", who->realm, who->name);
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct token *token = slot ? slot->staged : NULL;

        n += token && !token->ended && str_equal(token->owner, owner);
    }
    if (n < TOKENS_OWNER_MAX)
        return 0;
    error_set(err, EDQUOT, "", "%s has %u tokens", owner, n);
    snprintf(limit, sizeof(limit), "%d tokens", TOKENS_OWNER_MAX);
    error_hint(err, limit, "use one for many requests; they end by themselves");
    return -EDQUOT;
}

static void issue_for(struct issue *issue, struct vdi_principal *who)
{
    struct token_event event = {.type = TOKEN_EVENT_ISSUE};
    struct vdi_error err = {0};
    struct txn *txn = txn_new(issue->call->core->events);
    int r = txn ? 0 : error_set(&err, ENOMEM, "", "out of memory");

    if (r >= 0)
        r = check_owner(issue->call->core, who, &err);
    if (r >= 0)
        r = build(issue, who, &event, &err);
    if (r >= 0)
        r = txn_add(txn, NOUN_TOKEN, 0, issue->id, &event, &err);
    if (r < 0) {
        txn_abort(txn);
        issue_refuse(issue, &err);
        return;
    }
    call_commit(issue->call, txn, 201, issued, issue);
}

static void looked_up(void *arg, int r, const struct identity_answer *found)
{
    struct issue *issue = arg;
    struct vdi_principal who;
    struct vdi_error err = {0};

    if (r < 0) {
        error_set(&err, r == -ENOENT ? ESRCH : EAGAIN, "user",
                  r == -ENOENT ? "there is no user '%s'" : "user '%s' could not be looked up",
                  issue->ask.user);
        issue_refuse(issue, &err);
        return;
    }
    who = found->who;
    issue->call->foreign = true;
    issue_for(issue, &who);
}

static int check_issue(struct call *call, const struct request_token *ask, struct vdi_error *err)
{
    if (table_count(events_table(call->core->events, NOUN_TOKEN)) >= TOKENS_LIVE_MAX)
        return error_set(err, EDQUOT, "", "%d tokens are valid: no more for now", TOKENS_LIVE_MAX);
    if (*ask->user && call->role < ROLE_ADMIN && !str_equal(ask->user, call->who.name))
        return error_set(err, EPERM, "user", "only admins issue tokens for others");
    if (*ask->user && !str_is_name(ask->user, VDI_NAME_MAX - 1))
        return error_set(err, EINVAL, "user", "'%s' is not a user name", ask->user);
    return check_scope(call, ask, err);
}

void handle_token_issue(struct call *call)
{
    struct issue *issue = calloc(1, sizeof(*issue));
    struct vdi_error err = {0};
    size_t len;
    const char *body = http_request_body(call->http, &len);
    int r = 0;

    if (!issue) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    issue->call = call;
    issue->body = BUF_INIT(0);
    if (len)
        r = fields_read(request_token_fields, &issue->ask, body, len, FIELD_SUBMIT, NULL, &err);
    if (r >= 0)
        r = check_issue(call, &issue->ask, &err);
    if (r < 0)
        issue_refuse(issue, &err);
    else if (*issue->ask.user && !str_equal(issue->ask.user, call->who.name))
        auth_lookup(call->core->auth, issue->ask.user, looked_up, issue);
    else
        issue_for(issue, &call->who);
}

void handle_token_list(struct call *call)
{
    struct table *t = events_table(call->core->events, NOUN_TOKEN);
    struct buf body = BUF_INIT(0);
    bool first = true;

    buf_puts(&body, "{\"tokens\":[");
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct token *token = slot ? slot->pub : NULL;
        bool first_field = true;

        if (!token || token->ended ||
            (!str_equal(token->owner, call->who_text) && call->role < ROLE_ADMIN))
            continue;
        buf_puts(&body, first ? "{" : ",{");
        first = false;
        fields_write(token_fields, token, FIELD_SHOW, &body, &first_field);
        buf_putc(&body, '}');
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

static void revoked(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;
    struct buf body = BUF_INIT(0);

    if (result < 0) {
        call_refuse(call, err);
        return;
    }
    buf_printf(&body, "{\"id\":\"%s\",\"revoked\":true}", call->match.params[0]);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_token_revoke(struct call *call)
{
    const char *id = call->match.params[0];
    const struct token *token = core_token(call->core, id);
    struct token_event event = {
        .type = TOKEN_EVENT_REVOKE,
        .time_usec = loop_now_usec(call->core->loop),
    };
    struct vdi_error err = {0};
    struct txn *txn;

    if (!token || token->ended ||
        (!str_equal(token->owner, call->who_text) && call->role < ROLE_ADMIN)) {
        call_refuse_with(call, ENOENT, "id", "there is no token '%s'", id);
        return;
    }
    call->foreign = !str_equal(token->owner, call->who_text);
    str_copy(event.by, sizeof(event.by), call->who_text);
    txn = txn_new(call->core->events);
    if (!txn || txn_add(txn, NOUN_TOKEN, 0, id, &event, &err) < 0) {
        txn_abort(txn);
        call_refuse(call, &err);
        return;
    }
    call_commit(call, txn, 200, revoked, call);
}
