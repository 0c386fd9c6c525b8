/* SPDX-License-Identifier: Apache-2.0 */
/* audit_codec.h - audit records in JSON, and the hash that seals each of them. */
#ifndef CODEC_AUDIT_CODEC_H
#define CODEC_AUDIT_CODEC_H

#include "codec/document.h"
#include "codec/field.h"
#include "model/audit.h"

#define AUDIT_EVENT_VERSION 2 /* 1 kept no chain */

extern const struct field audit_event_fields[];

void audit_event_encode(const struct audit_event *event, struct buf *out);
int audit_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                       size_t len, struct audit_event *ret, struct vdi_error *err);
void audit_snapshot_encode(const struct audit *audit, struct buf *out);
int audit_snapshot_decode(const char *key, uint32_t version, const char *json, size_t len,
                          struct audit **ret, struct vdi_error *err);
/* From an item of GET /v1/audit. */
void audit_event_read(const struct value *item, struct audit_event *ret);

/*
 * SHA-256 over the canonical content: number, prev, time (usec since 1970), request, by, address,
 * target, status, count and detail, each as a netstring ("5:hello,"), so that no content can be
 * moved from one to the next.
 */
void audit_hash(const struct audit_event *event, char *ret); /* AUDIT_HASH_LEN + 1 */
/* Makes all strings valid UTF-8 without control characters: what is hashed comes back alike. */
void audit_clean(struct audit_event *event);

#endif
