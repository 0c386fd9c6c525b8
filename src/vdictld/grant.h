/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant.h - how long an answer in pieces may go on: until its credential ends.
 *
 * A token is checked when a request comes; what is streamed for hours is also ended by the
 * token's revocation and at its expiry. Other credentials are good for their request.
 */
#ifndef VDICTLD_GRANT_H
#define VDICTLD_GRANT_H

#include "base/list.h"
#include "vdictld/call.h"

struct grant {
    struct list link; /* core->grants */
    struct source *expiry;
    char token[48]; /* "": not from a token */
    void (*over)(void *arg);
    void *arg;
};

/* Was the token revoked since it was verified? False: then the call is refused. */
bool grant_check(struct call *call);
/* `over` is called at most once, never from inside. */
void grant_init(struct grant *grant, const struct call *call, void (*over)(void *arg), void *arg);
void grant_done(struct grant *grant);
/* A committed change of a token. */
void grant_token(struct core *core, const struct token *token);

#endif
