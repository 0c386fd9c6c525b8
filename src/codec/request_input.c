/* SPDX-License-Identifier: Apache-2.0 */
/* request_input.c - the fields of the small request bodies. */
#include "codec/request_input.h"

#include "model/image.h"

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

const struct field request_image_fields[] = {
    {"name", FIELD_FIXED, MEMBER(request_image, name), FIELD_SUBMIT | FIELD_REQUIRED, 0, 0, NULL,
     "letters, digits and ._-"},
    {"manifest", FIELD_TEXT, MEMBER(request_image, manifest), FIELD_SUBMIT | FIELD_REQUIRED, 0,
     IMAGE_TEXT_MAX - 1, NULL, "image.json, as text: its SHA-256 is the version's"},
    {"source", FIELD_FIXED, MEMBER(request_image, source), FIELD_SUBMIT, 0, 0, NULL,
     "where nodes find the disk, if not in the store: an https URL or a path"},
    {"reason", FIELD_FIXED, MEMBER(request_image, reason), FIELD_SUBMIT, 0, 0, NULL,
     "what is new in it"},
    {.type = FIELD_END},
};

const struct field request_image_version_fields[] = {
    {"sha256", FIELD_FIXED, MEMBER(request_image_version, sha256), FIELD_SUBMIT, 0, 0, NULL,
     "of the version, or how it begins; the one before the current one if not given"},
    {.type = FIELD_END},
};

const struct field request_prefetch_fields[] = {
    {"nodes", FIELD_FIXED, MEMBER(request_prefetch, nodes), FIELD_SUBMIT, 0, 0, NULL,
     "gpu[01-16]; all that are connected if not given"},
    {"sha256", FIELD_FIXED, MEMBER(request_prefetch, sha256), FIELD_SUBMIT, 0, 0, NULL,
     "of the version, or how it begins; the current one if not given"},
    {.type = FIELD_END},
};

const struct field request_class_date_fields[] = {
    {"skip", FIELD_BOOL, MEMBER(request_class_date, skip), FIELD_SUBMIT, 0, 0, NULL,
     "it does not take place then"},
    {"reset", FIELD_BOOL, MEMBER(request_class_date, reset), FIELD_SUBMIT, 0, 0, NULL,
     "as the class's rule says again"},
    {"starts", FIELD_FIXED, MEMBER(request_class_date, starts), FIELD_SUBMIT, 0, 0, NULL,
     "begins then instead, as in 2026-10-20T14:15; local time of the class's zone"},
    {"duration_sec", FIELD_I64, MEMBER(request_class_date, duration_sec), FIELD_SUBMIT, 60,
     7 * 86400, NULL, "and takes so long"},
    {.type = FIELD_END},
};

const struct field request_octet_fields[] = {{.type = FIELD_END}};

const struct field request_reconfigure_fields[] = {
    {"dry_run", FIELD_BOOL, MEMBER(request_reconfigure, dry_run), FIELD_SUBMIT, 0, 0, NULL,
     "only say what would change"},
    {.type = FIELD_END},
};
