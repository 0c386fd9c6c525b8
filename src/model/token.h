/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - an issued bearer token: its id, whose, until when, revoked or not.
 * The token itself is never kept (only its id, "jti"). Immutable like struct job.
 */
#ifndef MODEL_TOKEN_H
#define MODEL_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/types.h>

enum token_event_type { TOKEN_EVENT_ISSUE, TOKEN_EVENT_REVOKE, TOKEN_EVENT_EXPIRE, TOKEN_N_EVENTS };

struct token {
    unsigned refs;
    uint64_t seq;
    char id[48];
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char scope[VDI_NAME_MAX];
    int64_t issue_usec, expire_usec;
    bool revoked, ended;
};

struct token_event {
    enum token_event_type type;
    int64_t time_usec;
    int64_t expire_usec;
    char owner[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char scope[VDI_NAME_MAX];
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2];
};

const char *token_event_name(enum token_event_type type);
int token_event_from(const char *name);
struct token *token_ref(struct token *token);
void token_unref(struct token *token);
int token_apply(const struct token *old, const char *id, const struct token_event *event,
                struct token **ret, struct vdi_error *err);

#endif
