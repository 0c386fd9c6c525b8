/* SPDX-License-Identifier: Apache-2.0 */
/* request_input.c - the fields of the small request bodies. */
#include "codec/request_input.h"

#define MEMBER(type, m) offsetof(struct type, m), sizeof(((struct type *)0)->m)

const struct field request_extend_fields[] = {
    {"seconds", FIELD_I64, MEMBER(request_extend, seconds), FIELD_SUBMIT | FIELD_REQUIRED, 1,
     366 * 24 * 3600, NULL, "so much longer"},
    {.type = FIELD_END},
};

const struct field request_resume_fields[] = {
    {"seconds", FIELD_I64, MEMBER(request_resume, seconds), FIELD_SUBMIT, 1, 366 * 24 * 3600, NULL,
     "with so much more time; one whose limit is used up gets its partition's default_time"},
    {.type = FIELD_END},
};

const struct field request_message_fields[] = {
    {"text", FIELD_FIXED, MEMBER(request_message, text), FIELD_SUBMIT | FIELD_REQUIRED, 0, 0, NULL,
     "what the user is shown; one line"},
    {.type = FIELD_END},
};

static const char *const node_asks[] = {"drain", "resume", "down", NULL};

const struct field request_node_fields[] = {
    {"state", FIELD_ENUM, MEMBER(request_node, state), FIELD_SUBMIT | FIELD_REQUIRED, 0, 0,
     node_asks, "drain, resume or down"},
    {"reason", FIELD_FIXED, MEMBER(request_node, reason), FIELD_SUBMIT, 0, 0, NULL,
     "why; drain and down need one"},
    {.type = FIELD_END},
};

const struct field request_token_fields[] = {
    {"lifetime_sec", FIELD_I64, MEMBER(request_token, lifetime_sec), FIELD_SUBMIT, 1, 3600, NULL,
     "good for so long; 900 if not given"},
    {"scope", FIELD_FIXED, MEMBER(request_token, scope), FIELD_SUBMIT, 0, 0, NULL,
     "jobs:read, jobs:write or empty for everything"},
    {"user", FIELD_FIXED, MEMBER(request_token, user), FIELD_SUBMIT, 0, 0, NULL,
     "for whom (admins only)"},
    {.type = FIELD_END},
};

const struct field request_reconfigure_fields[] = {
    {"dry_run", FIELD_BOOL, MEMBER(request_reconfigure, dry_run), FIELD_SUBMIT, 0, 0, NULL,
     "only say what would change"},
    {.type = FIELD_END},
};
