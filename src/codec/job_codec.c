/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_codec.c - jobs in JSON. The tables below are the one place a job's field is named.
 *
 * Script, arguments and environment travel apart from the spec (the payload): they are
 * in the submit event, in the store, and not in the memory of a pending job.
 */
#include "codec/job_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/json.h"
#include "model/array.h"
#include "model/dependency.h"
#include "model/licence.h"

#define SPEC(m) offsetof(struct job_spec, m), sizeof(((struct job_spec *)0)->m)
#define JOB(m) offsetof(struct job, m), sizeof(((struct job *)0)->m)
#define EVENT(m) offsetof(struct job_event, m), sizeof(((struct job_event *)0)->m)

#define ASK (FIELD_SUBMIT | FIELD_SHOW | FIELD_KEEP)
#define CHANGE (ASK | FIELD_UPDATE)
#define DERIVED (FIELD_SHOW | FIELD_KEEP)

#define ARGS_MAX 1024
#define ENVIRONMENT_MAX 4096
#define YEAR_SEC (366 * 24 * 3600)

const char *const job_state_names[] = {
    "NONE",       "PENDING",   "CONFIGURING", "RUNNING",   "SUSPENDED",
    "COMPLETING", "COMPLETED", "FAILED",      "CANCELLED", "TIMEOUT",
    "PREEMPTED",  "NODE_FAIL", "BOOT_FAIL",   "DEADLINE",  NULL,
};

const struct field job_spec_fields[] = {
    {"name", FIELD_WORD, SPEC(name), CHANGE | FIELD_LIST, 0, 128, NULL, "name of the job"},
    {"owner", FIELD_WORD, SPEC(owner), DERIVED | FIELD_LIST, 0, 100, NULL,
     "realm:name of who submitted it"},
    {"uid", FIELD_U32, SPEC(uid), DERIVED, 0, UINT32_MAX, NULL, "the owner's uid"},
    {"gid", FIELD_U32, SPEC(gid), DERIVED, 0, UINT32_MAX, NULL, "the owner's gid"},
    {"kind", FIELD_ENUM, SPEC(kind), ASK | FIELD_LIST, 0, 0, job_kind_names,
     "interactive (a desktop) or batch"},
    {"template", FIELD_WORD, SPEC(template_name), ASK | FIELD_LIST, 0, 63, NULL,
     "template of the instance"},
    {"partition", FIELD_WORD, SPEC(partition), CHANGE | FIELD_LIST, 0, 63, NULL, "partition"},
    {"qos", FIELD_WORD, SPEC(qos), CHANGE | FIELD_LIST, 0, 63, NULL, "quality of service"},
    {"account", FIELD_WORD, SPEC(account), CHANGE, 0, 63, NULL, "account charged"},
    {"comment", FIELD_WORD, SPEC(comment), CHANGE, 0, 512, NULL, "free text"},
    {"constraint", FIELD_WORD, SPEC(constraint), CHANGE, 0, 255, NULL,
     "features the node must have, joined by &"},
    {"nodelist", FIELD_WORD, SPEC(nodelist), CHANGE, 0, 1024, NULL, "nodes it must run in"},
    {"exclude", FIELD_WORD, SPEC(exclude), CHANGE, 0, 1024, NULL, "nodes it must not run in"},
    {"profile", FIELD_WORD, SPEC(profile), ASK, 0, 255, NULL,
     "GPU profile; several by commas, the best first; fb>=MIB; whole"},
    {"licences", FIELD_WORD, SPEC(licences), ASK | FIELD_SKIP_EMPTY, 0, LICENCES_TEXT - 1, NULL,
     "licences that it uses, as in matlab:2,ansys; those of its template besides"},
    {"work_dir", FIELD_WORD, SPEC(work_dir), ASK, 0, 1024, NULL, "working directory"},
    {"output", FIELD_WORD, SPEC(output), ASK, 0, 1024, NULL, "file for the output"},
    {"error", FIELD_WORD, SPEC(error), ASK, 0, 1024, NULL, "file for the errors"},
    {"mail_type", FIELD_WORD, SPEC(mail_type), ASK | FIELD_SKIP_EMPTY, 0, 200, NULL,
     "of what its owner is told: BEGIN, END, FAIL, REQUEUE, TIME_LIMIT, TIME_LIMIT_90 (_80, _50), "
     "joined by commas; ALL or NONE"},
    {"mail_user", FIELD_WORD, SPEC(mail_user), ASK | FIELD_SKIP_EMPTY, 0, 254, NULL,
     "who is told instead of its owner"},
    {"dependency", FIELD_WORD, SPEC(dependency), ASK | FIELD_SKIP_EMPTY, 0, DEPENDENCY_TEXT_MAX,
     NULL, "other jobs that it waits for, as afterok:12,afterany:13"},
    {"array", FIELD_WORD, SPEC(array), ASK | FIELD_SKIP_EMPTY, 0, ARRAY_TEXT_MAX, NULL,
     "so many jobs at once, by their indexes, and how many may run at once: 0-99%10"},
    {"limits", FIELD_WORD, SPEC(limits), DERIVED | FIELD_SKIP_EMPTY, 0, 1024, NULL,
     "limit blocks of vdi.conf that hold for its owner"},
    {"kill_on_invalid_dep", FIELD_BOOL, SPEC(kill_on_invalid_dep), ASK | FIELD_SKIP_EMPTY, 0, 0,
     NULL, "it is cancelled when its dependency can't be met any more"},
    {"reservation", FIELD_WORD, SPEC(reservation), ASK | FIELD_SKIP_EMPTY, 0, 63, NULL,
     "class of whose seats it takes one"},
    {"time_limit_sec", FIELD_I64, SPEC(time_limit_sec), CHANGE | FIELD_LIST, 1, 10 * YEAR_SEC, NULL,
     "time limit"},
    {"time_min_sec", FIELD_I64, SPEC(time_min_sec), CHANGE | FIELD_SKIP_EMPTY, 0, 10 * YEAR_SEC,
     NULL, "its limit may be made as short as this, so that it starts earlier; 0: it may not"},
    {"time_asked_sec", FIELD_I64, SPEC(time_asked_sec), DERIVED | FIELD_SKIP_EMPTY, -1,
     10 * YEAR_SEC, NULL,
     "the limit that was asked for, where this run was given a shorter one; -1: none"},
    {"begin_time", FIELD_TIME, SPEC(begin_usec), CHANGE, 0, 0, NULL, "not before"},
    {"deadline_time", FIELD_TIME, SPEC(deadline_usec), CHANGE, 0, 0, NULL,
     "given up once it can't end by then (without a time limit: has not started)"},
    {"cpus", FIELD_U32, SPEC(cpus), CHANGE | FIELD_LIST, 1, 4096, NULL,
     "virtual CPUs, of each node, as memory and GPUs"},
    {"memory_mib", FIELD_U32, SPEC(memory_mib), CHANGE | FIELD_LIST, 1, 64 << 20, NULL, "memory"},
    {"gpus", FIELD_U32, SPEC(gpus), CHANGE | FIELD_LIST, 0, 64, NULL, "GPUs"},
    {"encode_mpix", FIELD_U32, SPEC(encode_mpix), DERIVED | FIELD_SKIP_EMPTY, 0, 1 << 24, NULL,
     "a desktop: megapixels of video each second, of the node's encoders"},
    {"nodes", FIELD_U32, SPEC(nodes), ASK | FIELD_LIST | FIELD_SKIP_EMPTY, 1, JOB_NODES_MAX, NULL,
     "a script: so many nodes at once, and an instance on each"},
    {"nice", FIELD_I32, SPEC(nice), CHANGE, -1000000, 1000000, NULL,
     "lowers the priority (operators may raise it)"},
    {"signal", FIELD_U32, SPEC(signal), ASK, 0, 64, NULL, "signal before the time limit"},
    {"signal_sec", FIELD_U32, SPEC(signal_sec), ASK, 0, 65535, NULL, "so long before it"},
    {"requeue", FIELD_BOOL, SPEC(requeue), CHANGE, 0, 0, NULL, "may be started again"},
    {"idempotency_key", FIELD_STRING, SPEC(idempotency_key), FIELD_KEEP, 0, 64, NULL, ""},
    {"request_digest", FIELD_DIGEST, SPEC(request_digest), FIELD_KEEP, 0, 0, NULL, ""},
    {"script_bytes", FIELD_U32, SPEC(script_bytes), DERIVED, 0, UINT32_MAX, NULL,
     "size of the script"},
    {.type = FIELD_END},
};

const struct field job_fields[] = {
    {"id", FIELD_U64, JOB(id), FIELD_SHOW | FIELD_LIST, 0, INT64_MAX, NULL, "job id"},
    {"array_id", FIELD_U64, JOB(array_id), DERIVED | FIELD_LIST | FIELD_SKIP_EMPTY, 0, INT64_MAX,
     NULL, "id of its array, which is that of the first task"},
    {"array_task", FIELD_U32, JOB(array_task), DERIVED | FIELD_LIST | FIELD_SKIP_EMPTY, 0,
     UINT32_MAX, NULL, "its index in the array"},
    {"state", FIELD_ENUM, JOB(state), DERIVED | FIELD_LIST, 0, 0, job_state_names, "state"},
    {"final", FIELD_ENUM, JOB(final), DERIVED, 0, 0, job_state_names,
     "while COMPLETING: how it ends"},
    {"priority", FIELD_I32, JOB(priority), DERIVED | FIELD_LIST, INT32_MIN, INT32_MAX, NULL,
     "priority"},
    {"held_by_user", FIELD_BOOL, JOB(held_by_user), DERIVED, 0, 0, NULL, "held by its owner"},
    {"held_by_admin", FIELD_BOOL, JOB(held_by_admin), DERIVED, 0, 0, NULL, "held by an operator"},
    {"unreachable", FIELD_BOOL, JOB(unreachable), DERIVED, 0, 0, NULL,
     "its node is silent; the job is believed to run on"},
    {"unknown", FIELD_BOOL, JOB(unknown), DERIVED, 0, 0, NULL,
     "its record was damaged: held until the nodes report"},
    {"restarts", FIELD_U32, JOB(restarts), DERIVED, 0, UINT32_MAX, NULL, "times requeued"},
    {"limit_told", FIELD_U32, JOB(limit_told), DERIVED | FIELD_SKIP_EMPTY, 0, 100, NULL,
     "percent of the time limit that its owner was told of"},
    {"idle_told_time", FIELD_TIME, JOB(idle_told_usec), DERIVED | FIELD_SKIP_EMPTY, 0, 0, NULL,
     "when its user was told that it goes, for nobody touches it"},
    {"term_final", FIELD_ENUM, JOB(term_final), DERIVED | FIELD_SKIP_EMPTY, 0, 0, job_state_names,
     "its script was told to make room, and this is what it is once that has ended it"},
    {"exit_code", FIELD_I32, JOB(exit_code), DERIVED, INT32_MIN, INT32_MAX, NULL,
     "exit status of the script"},
    {"exit_signal", FIELD_I32, JOB(exit_signal), DERIVED, 0, 128, NULL,
     "signal that ended the script"},
    {"instance", FIELD_U64, JOB(instance), DERIVED, 0, INT64_MAX, NULL,
     "its instance; of several the first, the others have the next ids"},
    {"generation", FIELD_U32, JOB(generation), DERIVED, 0, UINT32_MAX, NULL,
     "generation of the instance"},
    {"node", FIELD_WORD, JOB(node), DERIVED | FIELD_LIST, 0, 0, NULL, "node; of several the first"},
    {"node_list", FIELD_WORD, JOB(node_list), DERIVED | FIELD_LIST | FIELD_SKIP_EMPTY, 0, 0, NULL,
     "its nodes, if there are several"},
    {"gpus_held", FIELD_WORD, JOB(gpus_held), DERIVED, 0, 0, NULL,
     "profile and numbers of the GPUs that it holds"},
    {"reason", FIELD_WORD, JOB(reason), DERIVED | FIELD_LIST, 0, 0, NULL, "why it is so"},
    {"submit_time", FIELD_TIME, JOB(submit_usec), DERIVED | FIELD_LIST, 0, 0, NULL, "submitted"},
    {"alloc_time", FIELD_TIME, JOB(alloc_usec), DERIVED, 0, 0, NULL, "given a node"},
    {"start_time", FIELD_TIME, JOB(start_usec), DERIVED | FIELD_LIST, 0, 0, NULL, "started"},
    {"first_start_time", FIELD_TIME, JOB(first_start_usec), DERIVED | FIELD_SKIP_EMPTY, 0, 0, NULL,
     "started for the first time"},
    {"end_time", FIELD_TIME, JOB(end_usec), DERIVED | FIELD_LIST, 0, 0, NULL, "ended"},
    {"suspended_time", FIELD_TIME, JOB(suspended_usec), DERIVED, 0, 0, NULL, "suspended since"},
    {"suspended_total_usec", FIELD_I64, JOB(suspended_total_usec), DERIVED, 0, INT64_MAX, NULL,
     "time of earlier suspensions of this run"},
    {"wake_time", FIELD_TIME, JOB(wake_usec), DERIVED, 0, 0, NULL,
     "SUSPENDED: to be resumed since"},
    {"restore_time", FIELD_TIME, JOB(restore_usec), DERIVED, 0, 0, NULL,
     "SUSPENDED: being resumed since"},
    {"notice_time", FIELD_TIME, JOB(notice_usec), DERIVED, 0, 0, NULL,
     "SUSPENDED: when it was said that its saved state expires"},
    {"spent_sec", FIELD_I64, JOB(spent_sec), DERIVED, 0, INT64_MAX, NULL,
     "of the time limit: used up before it was resumed at its end"},
    {.type = FIELD_END},
};

const struct field job_event_fields[] = {
    {"by", FIELD_FIXED, EVENT(by), DERIVED, 0, 0, NULL, "who"},
    {"priority", FIELD_I32, EVENT(priority), DERIVED | FIELD_SKIP_EMPTY, INT32_MIN, INT32_MAX, NULL,
     "priority"},
    {"array_id", FIELD_U64, EVENT(array_id), DERIVED | FIELD_SKIP_EMPTY, 0, INT64_MAX, NULL,
     "id of its array"},
    {"array_task", FIELD_U32, EVENT(array_task), DERIVED | FIELD_SKIP_EMPTY, 0, UINT32_MAX, NULL,
     "its index in the array"},
    {"admin", FIELD_BOOL, EVENT(admin), DERIVED | FIELD_SKIP_EMPTY, 0, 0, NULL, "by an operator"},
    {"instance", FIELD_U64, EVENT(instance), DERIVED | FIELD_SKIP_EMPTY, 0, INT64_MAX, NULL,
     "instance"},
    {"generation", FIELD_U32, EVENT(generation), DERIVED | FIELD_SKIP_EMPTY, 0, UINT32_MAX, NULL,
     "generation"},
    {"node", FIELD_FIXED, EVENT(node), DERIVED | FIELD_SKIP_EMPTY, 0, 0, NULL, "node"},
    {"node_list", FIELD_STRING, EVENT(node_list), DERIVED | FIELD_SKIP_EMPTY, 0, 64 * JOB_NODES_MAX,
     NULL, "nodes, if there are several"},
    {"gpus_held", FIELD_FIXED, EVENT(gpus_held), DERIVED | FIELD_SKIP_EMPTY, 0, 0, NULL,
     "profile and numbers of GPUs"},
    {"final", FIELD_ENUM, EVENT(final), DERIVED | FIELD_SKIP_EMPTY, 0, 0, job_state_names,
     "how it ends"},
    {"exit_code", FIELD_I32, EVENT(exit_code), DERIVED | FIELD_SKIP_EMPTY, INT32_MIN, INT32_MAX,
     NULL, "exit status"},
    {"exit_signal", FIELD_I32, EVENT(exit_signal), DERIVED | FIELD_SKIP_EMPTY, 0, 128, NULL,
     "signal"},
    {"percent", FIELD_U32, EVENT(percent), DERIVED | FIELD_SKIP_EMPTY, 0, 100, NULL,
     "of its time limit"},
    {"idle", FIELD_ENUM, EVENT(idle), DERIVED | FIELD_SKIP_EMPTY, 0, 0, job_idle_names,
     "of a desktop that nobody touches: its user is told, it is over, it ends for that"},
    {"reason", FIELD_FIXED, EVENT(reason), DERIVED | FIELD_SKIP_EMPTY, 0, 0, NULL, "why"},
    {.type = FIELD_END},
};

DEFINE_FREEP(struct job_spec, job_spec_unref)

static int check_strings(const json_t *list, const char *field, size_t max, struct vdi_error *err)
{
    const json_t *item;
    char limit[40];
    size_t i;

    if (!json_is_array(list))
        return error_set(err, EINVAL, field, "'%s' must be a list of strings", field);
    if (json_array_size(list) > max) {
        error_set(err, EINVAL, field, "'%s' has %zu members", field, json_array_size(list));
        snprintf(limit, sizeof(limit), "%zu members", max);
        error_hint(err, limit, NULL);
        return -EINVAL;
    }
    json_array_foreach((json_t *)list, i, item) if (!json_is_string(item)) return error_set(
        err, EINVAL, field, "member %zu of '%s' is not a string", i, field);
    return 0;
}

static bool is_variable_name(const char *name)
{
    if (!*name || (*name >= '0' && *name <= '9'))
        return false;
    for (; *name; name++)
        if (!(*name == '_' || (*name >= '0' && *name <= '9') || (*name >= 'A' && *name <= 'Z') ||
              (*name >= 'a' && *name <= 'z')))
            return false;
    return true;
}

static int check_environment(json_t *object, struct vdi_error *err)
{
    const char *name;
    json_t *value;
    char limit[40];

    if (!json_is_object(object))
        return error_set(err, EINVAL, "environment", "'environment' must be an object of strings");
    if (json_object_size(object) > ENVIRONMENT_MAX) {
        error_set(err, EINVAL, "environment", "'environment' has %zu variables",
                  json_object_size(object));
        snprintf(limit, sizeof(limit), "%d variables", ENVIRONMENT_MAX);
        error_hint(err, limit, NULL);
        return -EINVAL;
    }
    json_object_foreach(object, name, value)
    {
        if (!is_variable_name(name) || !json_is_string(value))
            return error_set(err, EINVAL, "environment",
                             "'%.40s' in 'environment' is not a variable with a string", name);
    }
    return 0;
}

static int check_script(const json_t *script, size_t max, struct vdi_error *err)
{
    char limit[40];

    if (!json_is_string(script))
        return error_set(err, EINVAL, "script", "'script' must be a string");
    if (json_string_length(script) > max) {
        error_set(err, EFBIG, "script", "the script has %zu bytes", json_string_length(script));
        snprintf(limit, sizeof(limit), "%zu bytes", max);
        error_hint(err, limit, "keep data in files and the script small");
        return -EFBIG;
    }
    if (strncmp(json_string_value(script), "#!", 2) != 0) {
        error_set(err, EINVAL, "script", "the script does not begin with #!");
        error_hint(err, NULL, "begin it with #!/bin/sh or the path of another interpreter");
        return -EINVAL;
    }
    return 0;
}

static int check_payload(const char *text, struct vdi_error *err)
{
    size_t len = strlen(text);
    char limit[40];

    if (len <= JOB_PAYLOAD_MAX)
        return 0;
    error_set(err, EFBIG, "script", "script, arguments and environment have %zu bytes together",
              len);
    snprintf(limit, sizeof(limit), "%u bytes as JSON", JOB_PAYLOAD_MAX);
    error_hint(err, limit, "keep data in files");
    return -EFBIG;
}

/* Moves script, args and environment out of `object` into a payload of their own. */
static int take_payload(json_t *object, size_t max_script, uint32_t *ret_script_bytes, char **ret,
                        struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *payload = json_object();
    json_t *script = json_object_get(object, "script");
    json_t *args = json_object_get(object, "args");
    json_t *environment = json_object_get(object, "environment");
    int r = 0;

    if (script)
        r = check_script(script, max_script, err);
    if (r >= 0 && args)
        r = check_strings(args, "args", ARGS_MAX, err);
    if (r >= 0 && environment)
        r = check_environment(environment, err);
    if (r < 0)
        return r;
    *ret_script_bytes = script ? (uint32_t)json_string_length(script) : 0;
    if (script)
        json_object_set(payload, "script", script);
    if (args)
        json_object_set(payload, "args", args);
    if (environment)
        json_object_set(payload, "environment", environment);
    json_object_del(object, "script");
    json_object_del(object, "args");
    json_object_del(object, "environment");
    if (!json_object_size(payload))
        return 0;
    _cleanup_(freep) char *text = json_dumps(payload, JSON_COMPACT);
    if (!text)
        return error_set(err, ENOMEM, "", "out of memory");
    r = check_payload(text, err);
    if (r == 0)
        *ret = TAKE_PTR(text);
    return r;
}

int job_submit_decode(const char *json, size_t len, size_t max_script, struct job_spec **ret,
                      char **ret_payload, bool *ret_hold, struct vdi_error *err)
{
    _cleanup_(json_decrefp) json_t *object = fields_parse_object(json, len, err);
    _cleanup_(job_spec_unrefp) struct job_spec *spec = NULL;
    _cleanup_(freep) char *payload = NULL;
    json_t *hold;
    int r;

    if (!object)
        return -EINVAL;
    spec = job_spec_new();
    if (!spec)
        return error_set(err, ENOMEM, "", "out of memory");
    r = take_payload(object, max_script, &spec->script_bytes, &payload, err);
    if (r < 0)
        return r;
    hold = json_object_get(object, "hold");
    if (hold && !json_is_boolean(hold))
        return error_set(err, EINVAL, "hold", "'hold' must be true or false");
    *ret_hold = json_is_true(hold);
    json_object_del(object, "hold");
    /* A script makes a batch job, and batch jobs come back unless told otherwise. */
    if (spec->script_bytes)
        spec->kind = JOB_BATCH;
    spec->requeue = spec->script_bytes > 0;
    r = fields_read_value(job_spec_fields, spec, object, FIELD_SUBMIT, NULL, err);
    if (r < 0)
        return r;
    if (spec->kind == JOB_BATCH && !spec->script_bytes) {
        error_set(err, EINVAL, "script", "a batch job needs a script");
        error_hint(err, NULL, "give one, or submit an interactive job");
        return -EINVAL;
    }
    *ret = TAKE_PTR(spec);
    *ret_payload = TAKE_PTR(payload);
    return 0;
}

int job_update_decode(const struct job_spec *old, const char *json, size_t len, uint32_t accept,
                      struct job_spec **ret, struct vdi_error *err)
{
    _cleanup_(job_spec_unrefp) struct job_spec *spec = job_spec_copy(old);
    int r;

    if (!spec)
        return error_set(err, ENOMEM, "", "out of memory");
    r = fields_read(job_spec_fields, spec, json, len, accept, NULL, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(spec);
    return 0;
}

static int columns_add(struct job_columns *columns, const char *name, struct vdi_error *err)
{
    const struct field *f = field_find(job_fields, name);
    bool of_spec = !f;

    if (!f)
        f = field_find(job_spec_fields, name);
    if (!f || !(f->flags & FIELD_SHOW)) {
        error_set(err, EINVAL, "fields", "there is no field '%.40s'", name);
        error_hint(err, NULL, "see /v1/openapi.json for the fields");
        return -EINVAL;
    }
    if (columns->n == ELEMENTS(columns->fields))
        return error_set(err, EINVAL, "fields", "too many fields");
    columns->of_spec[columns->n] = of_spec;
    columns->fields[columns->n++] = f;
    return 0;
}

int job_columns_parse(const char *list, struct job_columns *ret, struct vdi_error *err)
{
    struct job_columns columns = {0};
    char name[48];

    while (*list) {
        size_t n = strcspn(list, ",");
        int r;

        snprintf(name, sizeof(name), "%.*s", (int)(n < 47 ? n : 47), list);
        r = columns_add(&columns, name, err);
        if (r < 0)
            return r;
        list += n + (list[n] == ',');
    }
    *ret = columns;
    return 0;
}

static void write_columns(const struct job *job, const struct job_columns *columns, struct buf *out)
{
    for (size_t i = 0; i < columns->n; i++) {
        const void *base = columns->of_spec[i] ? (const void *)job->spec : (const void *)job;

        buf_puts(out, i ? ",\"" : "\"");
        buf_puts(out, columns->fields[i]->name);
        buf_puts(out, "\":");
        field_write_value(columns->fields[i], base, out);
    }
}

void job_write_open(const struct job *job, const struct job_columns *columns, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    if (columns) {
        write_columns(job, columns, out);
        return;
    }
    fields_write(job_fields, job, FIELD_SHOW, out, &first);
    fields_write(job_spec_fields, job->spec, FIELD_SHOW, out, &first);
}

void job_write(const struct job *job, const struct job_columns *columns, struct buf *out)
{
    job_write_open(job, columns, out);
    buf_putc(out, '}');
}

char *job_payload_script(const char *payload)
{
    _cleanup_(json_decrefp) json_t *object = json_loads(payload, 0, NULL);
    const char *script = json_string_value(json_object_get(object, "script"));

    return script ? strdup(script) : NULL;
}
