/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - the one table of requests, and finding the row of a path. */
#include "codec/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/audit_codec.h"
#include "codec/gpu_codec.h"
#include "codec/job_codec.h"
#include "codec/noun_codec.h"
#include "codec/request_input.h"

const char *const request_role_names[] = {"nobody", "user", "operator", "admin", NULL};

#define JOB_QUERY                                                                                  \
    "fields,state,user,partition,name,node,id,array,account,qos,reservation,kind,me,limit,after,"  \
    "estimates"

#define HISTORY_QUERY                                                                              \
    "fields,state,user,partition,name,node,id,array,account,qos,reservation,kind,me,since,until,"  \
    "limit,after"

const struct request requests[REQUEST_N] = {
    {REQUEST_PING, "GET", "/v1/ping", ROLE_NOBODY, "ping", NULL, "", NULL, false,
     "cluster, version and time of the controller"},
    {REQUEST_OPENAPI, "GET", "/v1/openapi.json", ROLE_NOBODY, "openapi", NULL, "", NULL, false,
     "this API as an OpenAPI 3.1 document"},
    {REQUEST_METRICS, "GET", "/metrics", ROLE_OPERATOR, "metrics", NULL, "", NULL, false,
     "OpenMetrics text"},
    {REQUEST_JOB_LIST, "GET", "/v1/jobs", ROLE_USER, "job.list", NULL, JOB_QUERY, job_fields, false,
     "jobs, a page at a time"},
    {REQUEST_JOB_SUBMIT, "POST", "/v1/jobs", ROLE_USER, "job.submit", job_spec_fields, "test_only",
     job_fields, true, "submits a job; takes Idempotency-Key"},
    {REQUEST_JOB_SHOW, "GET", "/v1/jobs/{id}", ROLE_USER, "job.show", NULL, "fields", job_fields,
     false, "one job"},
    {REQUEST_JOB_UPDATE, "PATCH", "/v1/jobs/{id}", ROLE_USER, "job.update", job_spec_fields, "",
     job_fields, true, "changes fields of a job"},
    {REQUEST_JOB_CANCEL, "DELETE", "/v1/jobs/{id}", ROLE_USER, "job.cancel", NULL, "signal",
     job_fields, true, "ends a job, or sends it a signal"},
    {REQUEST_JOB_HOLD, "POST", "/v1/jobs/{id}/hold", ROLE_USER, "job.hold", NULL, "", job_fields,
     true, "keeps a pending job from starting"},
    {REQUEST_JOB_RELEASE, "POST", "/v1/jobs/{id}/release", ROLE_USER, "job.release", NULL, "",
     job_fields, true, "ends a hold"},
    {REQUEST_JOB_SUSPEND, "POST", "/v1/jobs/{id}/suspend", ROLE_USER, "job.suspend", NULL, "",
     job_fields, true, "suspends a running job"},
    {REQUEST_JOB_RESUME, "POST", "/v1/jobs/{id}/resume", ROLE_USER, "job.resume",
     request_resume_fields, "", job_fields, true, "queues a suspended job to be resumed"},
    {REQUEST_JOB_EXTEND, "POST", "/v1/jobs/{id}/extend", ROLE_USER, "job.extend",
     request_extend_fields, "", job_fields, true,
     "adds to the time limit, where that delays nobody"},
    {REQUEST_JOB_REQUEUE, "POST", "/v1/jobs/{id}/requeue", ROLE_USER, "job.requeue", NULL, "",
     job_fields, true, "stops a job and queues it again"},
    {REQUEST_JOB_MESSAGE, "POST", "/v1/jobs/{id}/message", ROLE_USER, "job.message",
     request_message_fields, "", job_fields, true, "shows a text to the user of a running job"},
    {REQUEST_JOB_CONNECTION, "POST", "/v1/jobs/{id}/connection", ROLE_USER, "job.connection", NULL,
     "", NULL, true, "a ticket to the desktop"},
    {REQUEST_JOB_OUTPUT, "GET", "/v1/jobs/{id}/output", ROLE_USER, "job.output", NULL,
     "stream,from,follow,nodeid", NULL, false,
     "what its script wrote: bytes of stream out or err; follow=true to the end of the job; "
     "of several nodes on the one that nodeid says, from 0"},
    {REQUEST_JOB_LOG, "GET", "/v1/jobs/{id}/log", ROLE_USER, "job.log", NULL, "screenshot", NULL,
     false, "timed stages of a job and the end of its console, as text; or its last picture"},
    {REQUEST_JOB_EVENTS, "GET", "/v1/jobs/{id}/events", ROLE_USER, "job.events", NULL,
     "after,limit", job_event_fields, false, "everything that happened to a job"},
    {REQUEST_JOB_WHY, "GET", "/v1/jobs/{id}/why", ROLE_USER, "job.why", NULL, "", NULL, false,
     "place, estimate and all blockers of a job that waits"},
    {REQUEST_INSTANCE_LIST, "GET", "/v1/instances", ROLE_USER, "instance.list", NULL, "limit,after",
     instance_fields, false, "instances"},
    {REQUEST_INSTANCE_SHOW, "GET", "/v1/instances/{id}", ROLE_USER, "instance.show", NULL, "",
     instance_fields, false, "one instance"},
    {REQUEST_NODE_LIST, "GET", "/v1/nodes", ROLE_USER, "node.list", NULL, "", node_fields, false,
     "nodes and what is free on them"},
    {REQUEST_NODE_SHOW, "GET", "/v1/nodes/{name}", ROLE_USER, "node.show", NULL, "", node_fields,
     false, "one node"},
    {REQUEST_NODE_UPDATE, "PATCH", "/v1/nodes/{name}", ROLE_OPERATOR, "node.update",
     request_node_fields, "", node_fields, true, "drains or resumes a node, or takes it down"},
    {REQUEST_NODE_FORECAST, "GET", "/v1/nodes/{name}/forecast", ROLE_OPERATOR, "node.forecast",
     NULL, "by", NULL, false,
     "jobs, seats and reservations that would be touched if it were out of service from then on"},
    {REQUEST_NODE_ENROLL, "POST", "/v1/nodes/{name}/enroll", ROLE_ADMIN, "node.enroll", NULL, "",
     NULL, true, "a one-time token with which the node gets its certificate"},
    {REQUEST_GPU_LIST, "GET", "/v1/gpus", ROLE_USER, "gpu.list", NULL,
     "at,for_sec,node,changes,fields,limit,after", gpu_fields, false,
     "what each GPU holds at a time, what is free then, and when it changes profile"},
    {REQUEST_PARTITION_LIST, "GET", "/v1/partitions", ROLE_USER, "partition.list", NULL, "", NULL,
     false, "partitions and what is free in them"},
    {REQUEST_QOS_LIST, "GET", "/v1/qos", ROLE_USER, "qos.list", NULL, "", NULL, false,
     "qualities of service"},
    {REQUEST_TEMPLATE_LIST, "GET", "/v1/templates", ROLE_USER, "template.list", NULL, "", NULL,
     false, "templates that the caller may use"},
    {REQUEST_IMAGE_LIST, "GET", "/v1/images", ROLE_USER, "image.list", NULL, "", image_fields,
     false, "published images: every version, and which nodes have it"},
    {REQUEST_IMAGE_PUBLISH, "POST", "/v1/images", ROLE_OPERATOR, "image.publish",
     request_image_fields, "", image_fields, true,
     "a new version of an image, which is the current one from then on"},
    {REQUEST_IMAGE_SHOW, "GET", "/v1/images/{name}", ROLE_USER, "image.show", NULL, "",
     image_fields, false, "the versions of one image"},
    {REQUEST_IMAGE_RETIRE, "DELETE", "/v1/images/{name}", ROLE_OPERATOR, "image.retire", NULL,
     "sha256", image_fields, true, "retires one version, or all: new instances do not get it"},
    {REQUEST_IMAGE_ROLLBACK, "POST", "/v1/images/{name}/rollback", ROLE_OPERATOR, "image.rollback",
     request_image_version_fields, "", image_fields, true,
     "makes another version the current one; the one before it if none is named"},
    {REQUEST_IMAGE_PREFETCH, "POST", "/v1/images/{name}/prefetch", ROLE_OPERATOR, "image.prefetch",
     request_prefetch_fields, "", image_fields, true, "nodes get it before an instance wants it"},
    {REQUEST_BLOB_SHOW, "GET", "/v1/blobs/{sha256}", ROLE_OPERATOR, "blob.show", NULL, "", NULL,
     false, "how much of an image's file is in the store"},
    {REQUEST_BLOB_WRITE, "POST", "/v1/blobs/{sha256}", ROLE_OPERATOR, "blob.write",
     request_octet_fields, "from", NULL, true, "the next piece of an image's file"},
    {REQUEST_DISK_LIST, "GET", "/v1/disks", ROLE_USER, "disk.list", NULL, "limit,after",
     disk_fields, false, "disks that jobs have or that are kept; one's own, or all for operators"},
    {REQUEST_DISK_SHOW, "GET", "/v1/disks/{id}", ROLE_USER, "disk.show", NULL, "", disk_fields,
     false, "one disk"},
    {REQUEST_DISK_DELETE, "DELETE", "/v1/disks/{id}", ROLE_USER, "disk.delete", NULL, "",
     disk_fields, true, "deletes a disk that no job has, and what is on it"},
    {REQUEST_DISK_RELEASE, "POST", "/v1/disks/{id}/release", ROLE_OPERATOR, "disk.release", NULL,
     "", disk_fields, true,
     "says that the lost instance that had the disk is off: it can be had elsewhere"},
    {REQUEST_CLASS_LIST, "GET", "/v1/classes", ROLE_USER, "class.list", NULL, "limit,after",
     class_fields, false, "classes: one's own, or all for operators"},
    {REQUEST_CLASS_CREATE, "POST", "/v1/classes", ROLE_OPERATOR, "class.create", class_fields, "",
     class_fields, true, "books a class: all its seats at all its times, or nothing"},
    {REQUEST_CLASS_SHOW, "GET", "/v1/classes/{name}", ROLE_USER, "class.show", NULL, "",
     class_fields, false, "one class"},
    {REQUEST_CLASS_UPDATE, "PATCH", "/v1/classes/{name}", ROLE_OPERATOR, "class.update",
     class_fields, "", class_fields, true,
     "changes a class; it stays as it is where that won't fit"},
    {REQUEST_CLASS_DELETE, "DELETE", "/v1/classes/{name}", ROLE_OPERATOR, "class.delete", NULL, "",
     NULL, true, "deletes a class; who has a seat keeps it"},
    {REQUEST_CLASS_OCCURRENCES, "GET", "/v1/classes/{name}/occurrences", ROLE_USER,
     "class.occurrences", NULL, "", NULL, false,
     "when it takes place within a year, and how the one that is goes"},
    {REQUEST_CLASS_OVERRIDE, "PATCH", "/v1/classes/{name}/occurrences/{date}", ROLE_OPERATOR,
     "class.override", request_class_date_fields, "", class_fields, true,
     "skips or moves one date of a class"},
    {REQUEST_RESERVATION_LIST, "GET", "/v1/reservations", ROLE_USER, "reservation.list", NULL,
     "limit,after", reservation_fields, false,
     "reservations that one's jobs may use, or all for operators"},
    {REQUEST_RESERVATION_CREATE, "POST", "/v1/reservations", ROLE_OPERATOR, "reservation.create",
     reservation_fields, "", reservation_fields, true,
     "keeps nodes free at all its times, or nothing"},
    {REQUEST_RESERVATION_SHOW, "GET", "/v1/reservations/{name}", ROLE_USER, "reservation.show",
     NULL, "", reservation_fields, false, "one reservation"},
    {REQUEST_RESERVATION_UPDATE, "PATCH", "/v1/reservations/{name}", ROLE_OPERATOR,
     "reservation.update", reservation_fields, "", reservation_fields, true,
     "changes a reservation; it stays as it is where that can't be"},
    {REQUEST_RESERVATION_DELETE, "DELETE", "/v1/reservations/{name}", ROLE_OPERATOR,
     "reservation.delete", NULL, "", NULL, true, "deletes a reservation that no job names"},
    {REQUEST_RESERVATION_OCCURRENCES, "GET", "/v1/reservations/{name}/occurrences", ROLE_USER,
     "reservation.occurrences", NULL, "", NULL, false, "when it is within a year"},
    {REQUEST_RESERVATION_OVERRIDE, "PATCH", "/v1/reservations/{name}/occurrences/{date}",
     ROLE_OPERATOR, "reservation.override", request_class_date_fields, "", reservation_fields, true,
     "skips or moves one date of a reservation"},
    {REQUEST_TOKEN_ISSUE, "POST", "/v1/tokens", ROLE_USER, "token.issue", request_token_fields, "",
     NULL, true, "a bearer token for oneself (or, for an admin, for a user)"},
    {REQUEST_TOKEN_LIST, "GET", "/v1/tokens", ROLE_USER, "token.list", NULL, "", token_fields,
     false, "issued tokens, without their secret"},
    {REQUEST_TOKEN_REVOKE, "DELETE", "/v1/tokens/{id}", ROLE_USER, "token.revoke", NULL, "",
     token_fields, true, "revokes a token"},
    {REQUEST_AUDIT_LIST, "GET", "/v1/audit", ROLE_ADMIN, "audit.list", NULL,
     "after,limit,user,request,from,to,denied", audit_event_fields, false,
     "administrative acts, denials, connects: the hash-chained audit trail, newest first"},
    {REQUEST_BACKUP, "GET", "/v1/backup", ROLE_ADMIN, "backup", NULL, "", NULL, false,
     "all that the controller knows, as a file for vdictld --restore"},
    {REQUEST_EVENTS, "GET", "/v1/events", ROLE_USER, "events", NULL, "job", NULL, false,
     "server-sent events; resumes after Last-Event-ID"},
    {REQUEST_DIAG, "GET", "/v1/diag", ROLE_OPERATOR, "diag", NULL, "", NULL, false,
     "counters, queue depths, loop stalls"},
    {REQUEST_HISTORY, "GET", "/v1/history", ROLE_USER, "job.history", NULL, HISTORY_QUERY,
     job_fields, false, "jobs of any time, in the order of their ends, a page at a time"},
    {REQUEST_USAGE, "GET", "/v1/usage", ROLE_USER, "job.usage", NULL,
     "since,until,cuts,by,user,account,partition,qos,me", NULL, false,
     "what jobs held, summed up by owner, account, partition or GPU profile and period"},
    {REQUEST_ME, "GET", "/v1/me", ROLE_USER, "me", NULL, "", NULL, false,
     "who asks, what limits hold, what of them is used and when they ease"},
    {REQUEST_RECONFIGURE, "POST", "/v1/reconfigure", ROLE_ADMIN, "reconfigure",
     request_reconfigure_fields, "", NULL, true, "reads vdi.conf again, or says what would change"},
};

/* "." and ".." are steps in a path, whatever was percent-encoded to get them here. */
static bool is_step(const char *segment, size_t n)
{
    return (n == 1 || n == 2) && !memcmp(segment, "..", n);
}

/* Matches one pattern; fills params. */
static bool path_matches(const char *pattern, const char *path, struct request_match *ret)
{
    size_t n_params = 0;

    while (*pattern && *path) {
        if (*pattern == '{') {
            size_t n = strcspn(path, "/");

            if (!n || n >= sizeof(ret->params[0]) || is_step(path, n) ||
                n_params == REQUEST_PARAMS_MAX)
                return false;
            memcpy(ret->params[n_params], path, n);
            ret->params[n_params++][n] = '\0';
            path += n;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*pattern && !*path;
}

/* Verbs that do not fit are left out. */
static void allow_verb(const char *verb, char *allow, size_t size)
{
    size_t len = strlen(allow);

    if (len + strlen(verb) + 3 <= size)
        snprintf(allow + len, size - len, "%s%s", len ? ", " : "", verb);
}

int request_find(const char *verb, const char *path, struct request_match *ret, char *ret_allow,
                 size_t allow_size)
{
    bool is_path = false;

    ret_allow[0] = '\0';
    for (size_t i = 0; i < REQUEST_N; i++) {
        struct request_match match = {.request = &requests[i]};

        if (!path_matches(requests[i].path, path, &match))
            continue;
        if (!strcmp(requests[i].verb, verb)) {
            ret_allow[0] = '\0';
            *ret = match;
            return 0;
        }
        is_path = true;
        allow_verb(requests[i].verb, ret_allow, allow_size);
    }
    return is_path ? -EOPNOTSUPP : -ENOENT;
}
