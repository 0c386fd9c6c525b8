/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - the one table of requests: path, verb, role, input, output.
 *
 * vdictld dispatches by it, OpenAPI and the golden test of roles are made from it.
 */
#ifndef CODEC_REQUEST_H
#define CODEC_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/field.h"

enum request_role {
    ROLE_NOBODY,   /* no credential needed: /v1/ping, /v1/openapi.json */
    ROLE_USER,     /* any verified principal; objects of one's own */
    ROLE_OPERATOR, /* all jobs, nodes, metrics */
    ROLE_ADMIN,    /* tokens of others, reconfigure, pki */
};
extern const char *const request_role_names[]; /* NULL-terminated */

enum request_id {
    REQUEST_PING,
    REQUEST_OPENAPI,
    REQUEST_METRICS,
    REQUEST_JOB_LIST,
    REQUEST_JOB_SUBMIT,
    REQUEST_JOB_SHOW,
    REQUEST_JOB_UPDATE,
    REQUEST_JOB_CANCEL,
    REQUEST_JOB_HOLD,
    REQUEST_JOB_RELEASE,
    REQUEST_JOB_SUSPEND,
    REQUEST_JOB_RESUME,
    REQUEST_JOB_EXTEND,
    REQUEST_JOB_REQUEUE,
    REQUEST_JOB_MESSAGE,
    REQUEST_JOB_CONNECTION,
    REQUEST_JOB_OUTPUT,
    REQUEST_JOB_LOG,
    REQUEST_JOB_EVENTS,
    REQUEST_JOB_WHY,
    REQUEST_INSTANCE_LIST,
    REQUEST_INSTANCE_SHOW,
    REQUEST_NODE_LIST,
    REQUEST_NODE_SHOW,
    REQUEST_NODE_UPDATE,
    REQUEST_NODE_FORECAST,
    REQUEST_NODE_ENROLL,
    REQUEST_GPU_LIST,
    REQUEST_PARTITION_LIST,
    REQUEST_QOS_LIST,
    REQUEST_TEMPLATE_LIST,
    REQUEST_IMAGE_LIST,
    REQUEST_IMAGE_PUBLISH,
    REQUEST_IMAGE_SHOW,
    REQUEST_IMAGE_RETIRE,
    REQUEST_IMAGE_ROLLBACK,
    REQUEST_IMAGE_PREFETCH,
    REQUEST_BLOB_SHOW,
    REQUEST_BLOB_WRITE,
    REQUEST_DISK_LIST,
    REQUEST_DISK_SHOW,
    REQUEST_DISK_DELETE,
    REQUEST_DISK_RELEASE,
    REQUEST_CLASS_LIST,
    REQUEST_CLASS_CREATE,
    REQUEST_CLASS_SHOW,
    REQUEST_CLASS_UPDATE,
    REQUEST_CLASS_DELETE,
    REQUEST_CLASS_OCCURRENCES,
    REQUEST_CLASS_OVERRIDE,
    REQUEST_RESERVATION_LIST,
    REQUEST_RESERVATION_CREATE,
    REQUEST_RESERVATION_SHOW,
    REQUEST_RESERVATION_UPDATE,
    REQUEST_RESERVATION_DELETE,
    REQUEST_RESERVATION_OCCURRENCES,
    REQUEST_RESERVATION_OVERRIDE,
    REQUEST_TOKEN_ISSUE,
    REQUEST_TOKEN_LIST,
    REQUEST_TOKEN_REVOKE,
    REQUEST_AUDIT_LIST,
    REQUEST_BACKUP,
    REQUEST_EVENTS,
    REQUEST_DIAG,
    REQUEST_HISTORY,
    REQUEST_USAGE,
    REQUEST_ME,
    REQUEST_RECONFIGURE,
    REQUEST_N
};

#define REQUEST_PARAMS_MAX 2

struct request {
    enum request_id id;
    const char *verb;
    const char *path; /* "/v1/jobs/{id}/hold" */
    enum request_role role;
    const char *name;           /* "job.hold": roles' `may`, audit, metrics */
    const struct field *input;  /* NULL: no body taken */
    const char *query;          /* query parameters taken, comma separated */
    const struct field *output; /* rows of the document; NULL: see summary */
    bool changes;               /* audited when an administrator does it to others */
    const char *summary;        /* one line */
};

extern const struct request requests[REQUEST_N]; /* by id */

struct request_match {
    const struct request *request;
    char params[REQUEST_PARAMS_MAX][80];
};

/* Finds by verb and path (percent-decoded, without the query). -ENOENT: no such
 * path; -EOPNOTSUPP: the path has other verbs (ret_allow gets "GET, POST"). */
int request_find(const char *verb, const char *path, struct request_match *ret, char *ret_allow,
                 size_t allow_size);

#endif
