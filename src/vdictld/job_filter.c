/* SPDX-License-Identifier: Apache-2.0 */
/* job_filter.c - which jobs a list asks for. */
#include "vdictld/job_filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/arrays.h"

#define IDS_MAX 10000

void job_filter_done(struct job_filter *f)
{
    free(f->ids);
    free(f->arrays);
    f->ids = NULL;
    f->arrays = NULL;
}

static bool filter_state(const struct job_filter *f, enum job_state state)
{
    if (f->all)
        return true;
    if (f->states)
        return f->states & (1u << state);
    return !job_state_is_end(state);
}

/* Ids, or arrays, which begin with theirs. */
static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t next_listed(const struct job_filter *f, uint64_t after)
{
    size_t lo = 0, hi = f->n_ids;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (f->ids[mid] <= after)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < f->n_ids ? f->ids[lo] : 0;
}

static struct job_filter_array *array_of(const struct job_filter *f, uint64_t id)
{
    const struct job_filter_array key = {.id = id};

    return f->n_arrays ? bsearch(&key, f->arrays, f->n_arrays, sizeof(key), compare_ids) : NULL;
}

void job_filter_learn(struct job_filter *f, const struct job *job)
{
    struct job_filter_array *a = array_of(f, job->array_id ? job->array_id : job->id);
    struct array_tasks tasks = {.n = 0};
    struct vdi_error err;

    if (!a || a->n)
        return;
    a->n = 1;
    if (array_parse(job->spec->array, ARRAY_SIZE_MAX, &tasks, &err) == 0 && tasks.n)
        a->n = (uint32_t)tasks.n;
    array_tasks_done(&tasks);
}

uint64_t job_filter_unknown(const struct job_filter *f, uint64_t after)
{
    for (size_t i = 0; i < f->n_arrays && f->arrays[i].id <= after; i++)
        if (!f->arrays[i].n)
            return f->arrays[i].id;
    return 0;
}

void job_filter_forget(struct job_filter *f, uint64_t array)
{
    struct job_filter_array *a = array_of(f, array);

    if (a && !a->n)
        a->n = 1;
}

uint64_t job_filter_next_id(const struct job_filter *f, uint64_t after)
{
    uint64_t next = next_listed(f, after);

    for (size_t i = 0; i < f->n_arrays; i++)
        if (after >= f->arrays[i].id && after + 1 < f->arrays[i].id + f->arrays[i].n)
            return after + 1;
    return next;
}

static bool filter_id(const struct job_filter *f, const struct job *job)
{
    return !f->n_ids || next_listed(f, job->id - 1) == job->id ||
           (job->array_id && array_of(f, job->array_id));
}

static bool word_is(const char *want, const char *is)
{
    return !*want || !strcmp(want, is);
}

static bool filter_owner(const struct job_filter *f, const char *owner)
{
    const char *colon;

    if (!*f->owner)
        return true;
    if (strchr(f->owner, ':'))
        return !strcmp(f->owner, owner);
    colon = strrchr(owner, ':');
    return !strcmp(f->owner, colon ? colon + 1 : owner);
}

/* On one of its nodes. */
static bool filter_node(const struct job_filter *f, const struct job *job)
{
    struct hostlist hosts;
    bool is_on = word_is(f->node, job->node);

    if (is_on || !*job->node_list || hostlist_parse(job->node_list, JOB_NODES_MAX, &hosts) < 0)
        return is_on;
    for (size_t i = 0; i < hosts.n; i++)
        is_on |= str_equal(f->node, hosts.names[i]);
    hostlist_done(&hosts);
    return is_on;
}

bool job_filter_takes(const struct job_filter *f, const struct job *job)
{
    const struct job_spec *s = job->spec;

    return filter_state(f, job->state) && filter_owner(f, s->owner) &&
           word_is(f->partition, s->partition) && word_is(f->name, s->name) &&
           filter_node(f, job) && word_is(f->account, s->account) && word_is(f->qos, s->qos) &&
           word_is(f->reservation, s->reservation) &&
           (f->kind < 0 || (uint32_t)f->kind == s->kind) && filter_id(f, job) &&
           (!f->until_usec || job->submit_usec < f->until_usec) &&
           (!f->since_usec || !job->end_usec || job->end_usec > f->since_usec);
}

/* ---- what was asked for ---- */

static int parse_states(const char *text, struct job_filter *f, struct vdi_error *err)
{
    char word[24];

    if (!strcmp(text, "all")) {
        f->all = f->archive = true;
        return 0;
    }
    while (*text) {
        size_t n = strcspn(text, ",");
        enum job_state state;

        snprintf(word, sizeof(word), "%.*s", (int)(n < 23 ? n : 23), text);
        state = job_state_from(word);
        if (state == JOB_NONE) {
            error_set(err, EINVAL, "state", "there is no job state '%s'", word);
            error_hint(err, NULL, "PENDING, RUNNING, ... or their letters, or all");
            return -EINVAL;
        }
        f->states |= 1u << state;
        f->archive |= job_state_is_end(state);
        text += n + (text[n] == ',');
    }
    return 0;
}

static const char *query(const struct call *call, const char *name)
{
    const char *value = http_request_query(call->http, name);

    return value ? value : "";
}

static size_t count_words(const char *text)
{
    size_t n = *text != '\0';

    for (; *text; text++)
        n += *text == ',';
    return n;
}

/* Those behind what is there already. */
static int parse_ids(const char *name, const char *text, uint64_t *ids, size_t *io_n,
                     struct vdi_error *err)
{
    while (*text) {
        char word[24];
        size_t len = strcspn(text, ",");

        snprintf(word, sizeof(word), "%.*s", (int)(len < 23 ? len : 23), text);
        if (str_to_u64(word, 1, INT64_MAX, &ids[(*io_n)++]) < 0)
            return error_set(err, EINVAL, name, "'%s' is not a job id", word);
        text += len + (text[len] == ',');
    }
    return 0;
}

/* id=, and array=: all tasks of that array. */
static int parse_jobs(struct call *call, struct job_filter *f, struct vdi_error *err)
{
    const char *ids = query(call, "id"), *arrays = query(call, "array");
    size_t n = count_words(ids), n_arrays = count_words(arrays), at;
    int r;

    if (!n && !n_arrays)
        return 0;
    if (n + n_arrays > IDS_MAX) {
        error_set(err, EINVAL, "id", "%zu ids are too many", n + n_arrays);
        error_hint(err, "10000 ids", NULL);
        return -EINVAL;
    }
    f->ids = calloc(n + n_arrays, sizeof(*f->ids));
    f->arrays = calloc(n_arrays + 1, sizeof(*f->arrays));
    if (!f->ids || !f->arrays)
        return error_set(err, ENOMEM, "", "out of memory");
    r = parse_ids("id", ids, f->ids, &f->n_ids, err);
    at = f->n_ids;
    if (r >= 0)
        r = parse_ids("array", arrays, f->ids, &f->n_ids, err);
    if (r < 0)
        return r;
    for (; at < f->n_ids; at++)
        f->arrays[f->n_arrays++] =
            (struct job_filter_array){.id = f->ids[at], .n = arrays_count(call->core, f->ids[at])};
    qsort(f->ids, f->n_ids, sizeof(*f->ids), compare_ids);
    qsort(f->arrays, f->n_arrays, sizeof(*f->arrays), compare_ids);
    return 0;
}

int job_filter_time(struct call *call, const char *name, int64_t *ret, struct vdi_error *err)
{
    const char *text = query(call, name);

    if (!*text || time_from_rfc3339(text, ret) >= 0)
        return 0;
    error_set(err, EINVAL, name, "'%.40s' is not a time", text);
    error_hint(err, NULL, "write 2026-10-13T10:15:00Z");
    return -EINVAL;
}

int job_filter_parse(struct call *call, struct job_filter *f, struct vdi_error *err)
{
    const char *kind = query(call, "kind");
    int r = 0;

    f->kind = -1;
    str_copy(f->owner, sizeof(f->owner), query(call, "user"));
    if (str_equal(query(call, "me"), "true"))
        str_copy(f->owner, sizeof(f->owner), call->who_text);
    str_copy(f->partition, sizeof(f->partition), query(call, "partition"));
    str_copy(f->name, sizeof(f->name), query(call, "name"));
    str_copy(f->node, sizeof(f->node), query(call, "node"));
    str_copy(f->account, sizeof(f->account), query(call, "account"));
    str_copy(f->qos, sizeof(f->qos), query(call, "qos"));
    str_copy(f->reservation, sizeof(f->reservation), query(call, "reservation"));
    if (*kind) {
        f->kind = str_equal(kind, "batch") ? JOB_BATCH : JOB_INTERACTIVE;
        if (!str_equal(kind, job_kind_names[f->kind]))
            return error_set(err, EINVAL, "kind", "a job is interactive or batch, not '%.40s'",
                             kind);
    }
    if (*query(call, "state"))
        r = parse_states(query(call, "state"), f, err);
    if (r >= 0)
        r = parse_jobs(call, f, err);
    if (r >= 0)
        r = job_filter_time(call, "since", &f->since_usec, err);
    if (r >= 0)
        r = job_filter_time(call, "until", &f->until_usec, err);
    return r;
}

void job_filter_end_states(const struct job_filter *f,
                           const char *ret_states[JOB_FILTER_STATES_MAX + 1])
{
    size_t n = 0;

    for (int s = 0; !f->all && s < JOB_N_STATES && n < JOB_FILTER_STATES_MAX; s++)
        if ((f->states & (1u << s)) && job_state_is_end((enum job_state)s))
            ret_states[n++] = job_state_name((enum job_state)s);
    ret_states[n] = NULL;
}
