/* SPDX-License-Identifier: Apache-2.0 */
/* job_codec.h - jobs in JSON: documents, submit and update requests, events, snapshots. */
#ifndef CODEC_JOB_CODEC_H
#define CODEC_JOB_CODEC_H

#include "codec/field.h"
#include "model/job.h"

extern const char *const job_state_names[];  /* by enum job_state; NULL-terminated */
extern const struct field job_spec_fields[]; /* of struct job_spec */
extern const struct field job_fields[];      /* of struct job */
extern const struct field job_event_fields[];

/* Script, arguments and environment together, as JSON: they go to the node in one order. */
#define JOB_PAYLOAD_MAX (896u << 10)

/* A submit request: the fields plus `script`, `args`, `environment` (kept in
 * *ret_payload as JSON). Owner, ids and digests are the caller's to fill. */
int job_submit_decode(const char *json, size_t len, size_t max_script, struct job_spec **ret,
                      char **ret_payload, bool *ret_hold, struct vdi_error *err);
/* A PATCH against old; accept is FIELD_UPDATE, plus FIELD_ADMIN for operators. */
int job_update_decode(const struct job_spec *old, const char *json, size_t len, uint32_t accept,
                      struct job_spec **ret, struct vdi_error *err);
/* Chosen fields of the document (NULL: all FIELD_SHOW). */
struct job_columns {
    const struct field *fields[64];
    bool of_spec[64];
    size_t n;
};
int job_columns_parse(const char *list, struct job_columns *ret, struct vdi_error *err);
/* The same without the closing brace, for a caller that adds members. */
void job_write_open(const struct job *job, const struct job_columns *columns, struct buf *out);
void job_write(const struct job *job, const struct job_columns *columns, struct buf *out);

#define JOB_EVENT_VERSION 1
void job_event_encode(const struct job_event *event, struct buf *out);
/* All but the payload, in half the time. */
int job_event_decode_bare(const char *type, int64_t time_usec, uint32_t version, const char *json,
                          size_t len, struct job_event *ret, struct vdi_error *err);
int job_event_decode(const char *type, int64_t time_usec, uint32_t version, const char *json,
                     size_t len, struct job_event *ret, struct vdi_error *err);
void job_snapshot_encode(const struct job *job, struct buf *out);
int job_snapshot_decode(uint64_t id, uint32_t version, const char *json, size_t len,
                        struct job **ret, struct vdi_error *err);
/* The script out of a payload; NULL if there is none. Caller frees. */
char *job_payload_script(const char *payload);

#endif
