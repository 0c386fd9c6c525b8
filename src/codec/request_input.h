/* SPDX-License-Identifier: Apache-2.0 */
/* request_input.h - the small request bodies: plain structs and their fields. */
#ifndef CODEC_REQUEST_INPUT_H
#define CODEC_REQUEST_INPUT_H

#include "codec/field.h"

struct request_extend {
    int64_t seconds;
};
extern const struct field request_extend_fields[];

struct request_resume {
    int64_t seconds; /* 0: as much as is usual */
};
extern const struct field request_resume_fields[];

struct request_message {
    char text[1024];
};
extern const struct field request_message_fields[];

enum { NODE_ASK_DRAIN, NODE_ASK_RESUME, NODE_ASK_DOWN };
struct request_node {
    uint32_t state; /* NODE_ASK_* */
    char reason[128];
};
extern const struct field request_node_fields[];

struct request_token {
    int64_t lifetime_sec; /* at most an hour */
    char scope[VDI_NAME_MAX];
    char user[VDI_NAME_MAX]; /* admins: for whom */
};
extern const struct field request_token_fields[];

struct request_image {
    char name[65];
    char source[1024];
    char reason[128];
    char *manifest; /* owned */
};
extern const struct field request_image_fields[];

struct request_image_version {
    char sha256[65]; /* or a prefix of it that is only one version's; "" see request.c */
};
extern const struct field request_image_version_fields[];

struct request_prefetch {
    char nodes[1024]; /* a hostlist; "": all that are up */
    char sha256[65];  /* "": the current version */
};
extern const struct field request_prefetch_fields[];

/* Not JSON: the body is bytes. */
extern const struct field request_octet_fields[];

struct request_class_date {
    bool skip, reset;
    char starts[24];
    int64_t duration_sec;
};
extern const struct field request_class_date_fields[];

struct request_reconfigure {
    bool dry_run;
};
extern const struct field request_reconfigure_fields[];

#endif
