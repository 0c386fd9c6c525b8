/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.c - every request takes the same way: row, credential, budget, role, handler.
 *
 * Nothing about an object is said before the caller is known, and a caller who
 * may not use a request learns only that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "vdictld/auth.h"
#include "vdictld/budget.h"
#include "vdictld/handlers.h"

static void (*const handlers[REQUEST_N])(struct call *call) = {
    [REQUEST_PING] = handle_ping,
    [REQUEST_OPENAPI] = handle_openapi,
    [REQUEST_METRICS] = handle_metrics,
    [REQUEST_JOB_LIST] = handle_job_list,
    [REQUEST_JOB_SUBMIT] = handle_job_submit,
    [REQUEST_JOB_SHOW] = handle_job_show,
    [REQUEST_JOB_UPDATE] = handle_job_update,
    [REQUEST_JOB_CANCEL] = handle_job_cancel,
    [REQUEST_JOB_HOLD] = handle_job_hold,
    [REQUEST_JOB_RELEASE] = handle_job_release,
    [REQUEST_JOB_SUSPEND] = handle_job_suspend,
    [REQUEST_JOB_RESUME] = handle_job_resume,
    [REQUEST_JOB_EXTEND] = handle_job_extend,
    [REQUEST_JOB_REQUEUE] = handle_job_requeue,
    [REQUEST_JOB_MESSAGE] = handle_job_message,
    [REQUEST_JOB_CONNECTION] = handle_job_connection,
    [REQUEST_JOB_OUTPUT] = handle_job_output,
    [REQUEST_JOB_LOG] = handle_job_log,
    [REQUEST_JOB_EVENTS] = handle_job_events,
    [REQUEST_JOB_WHY] = handle_job_why,
    [REQUEST_INSTANCE_LIST] = handle_instance_list,
    [REQUEST_INSTANCE_SHOW] = handle_instance_show,
    [REQUEST_NODE_LIST] = handle_node_list,
    [REQUEST_NODE_SHOW] = handle_node_show,
    [REQUEST_NODE_UPDATE] = handle_node_update,
    [REQUEST_GPU_LIST] = handle_gpu_list,
    [REQUEST_NODE_FORECAST] = handle_node_forecast,
    [REQUEST_NODE_ENROLL] = handle_node_enroll,
    [REQUEST_PARTITION_LIST] = handle_partitions,
    [REQUEST_QOS_LIST] = handle_qos,
    [REQUEST_TEMPLATE_LIST] = handle_templates,
    [REQUEST_IMAGE_LIST] = handle_image_list,
    [REQUEST_IMAGE_PUBLISH] = handle_image_publish,
    [REQUEST_IMAGE_SHOW] = handle_image_show,
    [REQUEST_IMAGE_RETIRE] = handle_image_retire,
    [REQUEST_IMAGE_ROLLBACK] = handle_image_rollback,
    [REQUEST_IMAGE_PREFETCH] = handle_image_prefetch,
    [REQUEST_BLOB_SHOW] = handle_blob_show,
    [REQUEST_BLOB_WRITE] = handle_blob_write,
    [REQUEST_DISK_LIST] = handle_disk_list,
    [REQUEST_DISK_SHOW] = handle_disk_show,
    [REQUEST_DISK_DELETE] = handle_disk_delete,
    [REQUEST_DISK_RELEASE] = handle_disk_release,
    [REQUEST_CLASS_LIST] = handle_class_list,
    [REQUEST_CLASS_CREATE] = handle_class_create,
    [REQUEST_CLASS_SHOW] = handle_class_show,
    [REQUEST_CLASS_UPDATE] = handle_class_update,
    [REQUEST_CLASS_DELETE] = handle_class_delete,
    [REQUEST_CLASS_OCCURRENCES] = handle_class_occurrences,
    [REQUEST_CLASS_OVERRIDE] = handle_class_override,
    [REQUEST_RESERVATION_LIST] = handle_class_list,
    [REQUEST_RESERVATION_CREATE] = handle_class_create,
    [REQUEST_RESERVATION_SHOW] = handle_class_show,
    [REQUEST_RESERVATION_UPDATE] = handle_class_update,
    [REQUEST_RESERVATION_DELETE] = handle_class_delete,
    [REQUEST_RESERVATION_OCCURRENCES] = handle_class_occurrences,
    [REQUEST_RESERVATION_OVERRIDE] = handle_class_override,
    [REQUEST_TOKEN_ISSUE] = handle_token_issue,
    [REQUEST_TOKEN_LIST] = handle_token_list,
    [REQUEST_TOKEN_REVOKE] = handle_token_revoke,
    [REQUEST_AUDIT_LIST] = handle_audit_list,
    [REQUEST_BACKUP] = handle_backup,
    [REQUEST_EVENTS] = handle_events,
    [REQUEST_DIAG] = handle_diag,
    [REQUEST_HISTORY] = handle_history,
    [REQUEST_USAGE] = handle_usage,
    [REQUEST_ME] = handle_me,
    [REQUEST_RECONFIGURE] = handle_reconfigure,
};

/* A token's scope narrows what its holder may do; none widens it. */
static bool scope_allows(const struct call *call)
{
    const char *scope = call->who.scope;
    const struct request *request = call->match.request;

    if (!*scope)
        return true;
    if (!strcmp(scope, "jobs:read"))
        return str_starts_with(request->name, "job.") && !request->changes;
    if (!strcmp(scope, "jobs:write"))
        return str_starts_with(request->name, "job.");
    return false;
}

static void refuse_role(struct call *call, const struct request *request)
{
    struct vdi_error err = {0};

    error_set(&err, EPERM, "", "%s needs the role '%s'%s", request->name,
              request_role_names[request->role],
              scope_allows(call) ? "" : ", and the token's scope does not cover it");
    error_hint(&err, NULL, "ask who administers this cluster; vdi.conf says who has which role");
    call_refuse(call, &err);
}

static void identified(struct call *call, int result, const struct vdi_error *err)
{
    const struct request *request = call->match.request;
    const struct config *config = call->core->config;

    if (result < 0) {
        call_refuse(call, err);
        return;
    }
    if (!budget_take(call->core->budget, call->who_text, config->requests_per_sec,
                     config->requests_burst, loop_monotonic_usec(call->core->loop))) {
        struct vdi_error over;

        error_set(&over, EUSERS, "", "%s asks too often", call->who_text);
        error_hint(&over, NULL, "wait a second; follow /v1/events instead of polling");
        call_refuse(call, &over);
        return;
    }
    if (call->role < request->role || !scope_allows(call)) {
        refuse_role(call, request);
        return;
    }
    handlers[request->id](call);
}

struct query_check {
    const char *taken;
    char unknown[48];
};

/* Is `name` one of the comma-separated words? */
static void check_query(void *arg, const char *name, const char *value)
{
    struct query_check *check = arg;

    if (!str_list_has(check->taken, name))
        str_copy(check->unknown, sizeof(check->unknown), name);
}

/* Unknown parameters and bodies that nobody reads are refused, not ignored. */
static bool check_shape(struct call *call)
{
    const struct request *request = call->match.request;
    struct query_check check = {.taken = request->query};
    size_t len;

    http_request_each_query(call->http, check_query, &check);
    if (check.unknown[0]) {
        call_refuse_with(call, EINVAL, check.unknown, "%s takes no parameter '%s'", request->name,
                         check.unknown);
        return false;
    }
    http_request_body(call->http, &len);
    if (len && !request->input) {
        call_refuse_with(call, EINVAL, "body", "%s takes no body", request->name);
        return false;
    }
    return true;
}

void dispatch_http(void *arg, struct http_request *http)
{
    struct core *core = arg;
    struct call *call = calloc(1, sizeof(*call));
    char allow[64];
    int r;

    if (!call) {
        http_request_reply(http, 503, "text/plain", NULL);
        return;
    }
    call->core = core;
    call->http = http;
    call->begin_usec = loop_monotonic_usec(core->loop);
    r = request_find(http_request_method(http), http_request_path(http), &call->match, allow,
                     sizeof(allow));
    if (r == -EOPNOTSUPP) {
        http_request_add_header(http, "Allow", allow);
        call_refuse_with(call, EOPNOTSUPP, "method", "this path takes %s, not %s", allow,
                         http_request_method(http));
    } else if (r < 0) {
        call_refuse_with(call, ENOENT, "path", "there is no %.80s; see /v1/openapi.json",
                         http_request_path(http));
    } else if (!check_shape(call)) {
        return;
    } else if (call->match.request->role == ROLE_NOBODY) {
        handlers[call->match.request->id](call);
    } else {
        auth_identify(core->auth, call, identified);
    }
}
