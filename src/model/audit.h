/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - the audit trail: records in a chain, each sealed with the hash of the one before.
 *
 * Pure: hashes are computed by codec/audit_codec.c. The one object is the chain's head, its
 * newest record; all records are in the store's archive under their numbers.
 */
#ifndef MODEL_AUDIT_H
#define MODEL_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/types.h>

#define AUDIT_HASH_LEN 64 /* SHA-256 in hexadecimal */
#define AUDIT_KEY "audit" /* of the head */

/* An administrative act, a denial, a connect: written down, never changed. */
struct audit_event {
    int64_t time_usec;
    uint64_t number;  /* 1, 2, 3, ...; 0: of a release that kept no chain */
    char request[48]; /* "job.cancel" */
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2];
    char address[64];
    char target[80]; /* the id or name in the path */
    uint32_t status; /* the HTTP status that was answered */
    uint32_t count;  /* so many alike: denials are gathered */
    char detail[160];
    char prev[AUDIT_HASH_LEN + 1]; /* hash of the record before; of the first: zeros */
    char hash[AUDIT_HASH_LEN + 1];
};

struct audit {
    unsigned refs;
    uint64_t seq;
    struct audit_event last;
};

struct audit *audit_ref(struct audit *audit);
void audit_unref(struct audit *audit); /* takes NULL */
/* What the record after this head (NULL: the first) must carry. */
void audit_next(const struct audit *head, struct audit_event *io_event);
/* Does the record follow the head? */
bool audit_follows(const struct audit *head, const struct audit_event *event);
/* -EPROTO: it does not follow. */
int audit_apply(const struct audit *head, const struct audit_event *event, struct audit **ret,
                struct vdi_error *err);

#endif
