/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - issued tokens and what each event makes of them; pure like job.c. */
#include "model/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char *const events[TOKEN_N_EVENTS] = {"issue", "revoke", "expire"};

const char *token_event_name(enum token_event_type type)
{
    return (unsigned)type < TOKEN_N_EVENTS ? events[type] : "none";
}

int token_event_from(const char *name)
{
    for (int i = 0; i < TOKEN_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

struct token *token_ref(struct token *token)
{
    token->refs++;
    return token;
}

void token_unref(struct token *token)
{
    if (token && !--token->refs)
        free(token);
}

int token_apply(const struct token *old, const char *id, const struct token_event *event,
                struct token **ret, struct vdi_error *err)
{
    struct token *token;

    if (!old != (event->type == TOKEN_EVENT_ISSUE))
        return error_set(err, old ? EEXIST : ENOENT, "token", "token '%s' %s", id,
                         old ? "exists" : "does not exist");
    if (old && old->ended)
        return error_set(err, EPROTO, "token", "token '%s' has ended", id);
    token = calloc(1, sizeof(*token));
    if (!token)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *token = *old;
    token->refs = 1;
    str_copy(token->id, sizeof(token->id), id);
    if (event->type == TOKEN_EVENT_ISSUE) {
        token->issue_usec = event->time_usec;
        token->expire_usec = event->expire_usec;
        str_copy(token->owner, sizeof(token->owner), event->owner);
        str_copy(token->scope, sizeof(token->scope), event->scope);
    }
    token->revoked |= event->type == TOKEN_EVENT_REVOKE;
    token->ended = event->type == TOKEN_EVENT_EXPIRE;
    *ret = token;
    return 0;
}
