/* SPDX-License-Identifier: Apache-2.0 */
/* grant.c - streams end with the token that they were asked with. */
#include "vdictld/grant.h"

#include <errno.h>

#include "base/str.h"

static void grant_end(struct grant *grant)
{
    grant->token[0] = '\0';
    source_rearm(grant->expiry, -1);
    grant->over(grant->arg);
}

static void expired(void *arg)
{
    grant_end(arg);
}

bool grant_check(struct call *call)
{
    const struct token *token = *call->token ? core_token(call->core, call->token) : NULL;

    if (!*call->token || (token && !token->revoked && !token->ended))
        return true;
    call_refuse_with(call, EKEYREVOKED, "Authorization", "the token was revoked meanwhile");
    return false;
}

void grant_init(struct grant *grant, const struct call *call, void (*over)(void *arg), void *arg)
{
    struct core *core = call->core;
    int64_t left = call->expire_usec - loop_now_usec(core->loop);

    *grant = (struct grant){.over = over, .arg = arg};
    str_copy(grant->token, sizeof(grant->token), call->token);
    list_append(&core->grants, &grant->link);
    if (*call->token && call->expire_usec)
        grant->expiry = loop_timer(core->loop, left > 0 ? left : 0, expired, grant);
}

void grant_done(struct grant *grant)
{
    list_remove(&grant->link);
    source_free(grant->expiry);
    grant->expiry = NULL;
}

void grant_token(struct core *core, const struct token *token)
{
    if (!token->revoked && !token->ended)
        return;
    list_for_each_safe (it, &core->grants) {
        struct grant *grant = list_entry(it, struct grant, link);

        if (str_equal(grant->token, token->id))
            grant_end(grant);
    }
}
