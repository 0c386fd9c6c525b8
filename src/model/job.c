/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.c - jobs and what each event makes of them.
 *
 * job_apply is pure: it looks at nothing but its arguments, so replaying the
 * same events always gives the same job.
 */
#include "model/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/word.h"

const char *const job_kind_names[] = {"interactive", "batch", NULL};
const char *const job_idle_names[] = {"none", "told", "over", "end", NULL};

/* Every word of a spec, once: new, copy and free can't forget one. */
static const size_t spec_words[] = {
    offsetof(struct job_spec, name),          offsetof(struct job_spec, owner),
    offsetof(struct job_spec, template_name), offsetof(struct job_spec, partition),
    offsetof(struct job_spec, qos),           offsetof(struct job_spec, account),
    offsetof(struct job_spec, comment),       offsetof(struct job_spec, constraint),
    offsetof(struct job_spec, nodelist),      offsetof(struct job_spec, exclude),
    offsetof(struct job_spec, profile),       offsetof(struct job_spec, work_dir),
    offsetof(struct job_spec, output),        offsetof(struct job_spec, error),
    offsetof(struct job_spec, mail_type),     offsetof(struct job_spec, mail_user),
    offsetof(struct job_spec, dependency),    offsetof(struct job_spec, array),
    offsetof(struct job_spec, limits),        offsetof(struct job_spec, reservation),
    offsetof(struct job_spec, licences),
};

static const char **spec_word(struct job_spec *spec, size_t i)
{
    return (const char **)(void *)((char *)spec + spec_words[i]);
}

struct job_spec *job_spec_new(void)
{
    struct job_spec *spec = calloc(1, sizeof(*spec));

    if (!spec)
        return NULL;
    spec->refs = 1;
    spec->uid = spec->gid = UINT32_MAX;
    for (size_t i = 0; i < ELEMENTS(spec_words); i++)
        *spec_word(spec, i) = word_get("");
    return spec;
}

int job_spec_set(const char **member, const char *value)
{
    return word_set(member, value);
}

int job_spec_set_retry(struct job_spec *spec, const char *key,
                       const unsigned char digest[JOB_DIGEST_BYTES])
{
    char *copy = strdup(key);

    if (!copy)
        return -ENOMEM;
    free(spec->idempotency_key);
    spec->idempotency_key = copy;
    memcpy(spec->request_digest, digest, JOB_DIGEST_BYTES);
    return 0;
}

struct job_spec *job_spec_copy(const struct job_spec *spec)
{
    struct job_spec *copy = malloc(sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = *spec;
    copy->refs = 1;
    for (size_t i = 0; i < ELEMENTS(spec_words); i++)
        word_ref(*spec_word(copy, i));
    if (spec->idempotency_key) {
        copy->idempotency_key = strdup(spec->idempotency_key);
        if (!copy->idempotency_key) {
            job_spec_unref(copy);
            return NULL;
        }
    }
    return copy;
}

struct job_spec *job_spec_ref(struct job_spec *spec)
{
    spec->refs++;
    return spec;
}

void job_spec_unref(struct job_spec *spec)
{
    if (!spec || --spec->refs)
        return;
    for (size_t i = 0; i < ELEMENTS(spec_words); i++)
        word_unref(*spec_word(spec, i));
    free(spec->idempotency_key);
    free(spec);
}

struct job *job_ref(struct job *job)
{
    job->refs++;
    return job;
}

void job_unref(struct job *job)
{
    if (!job || --job->refs)
        return;
    job_spec_unref(job->spec);
    word_unref(job->node);
    word_unref(job->node_list);
    word_unref(job->gpus_held);
    word_unref(job->reason);
    free(job);
}

void job_event_done(struct job_event *event)
{
    job_spec_unref(event->spec);
    free(event->payload);
    free(event->node_list);
    event->spec = NULL;
    event->payload = event->node_list = NULL;
}

static struct job *job_copy(const struct job *old)
{
    struct job *job = malloc(sizeof(*job));

    if (!job)
        return NULL;
    if (old) {
        *job = *old;
        if (job->spec)
            job_spec_ref(job->spec);
        word_ref(job->node);
        word_ref(job->node_list);
        word_ref(job->gpus_held);
        word_ref(job->reason);
    } else {
        *job = (struct job){.state = JOB_NONE,
                            .node = word_get(""),
                            .node_list = word_get(""),
                            .gpus_held = word_get(""),
                            .reason = word_get("")};
    }
    job->refs = 1;
    return job;
}

static void stop_suspension(struct job *job, int64_t now_usec)
{
    if (job->suspended_usec && now_usec > job->suspended_usec)
        job->suspended_total_usec += now_usec - job->suspended_usec;
    job->suspended_usec = 0;
    job->wake_usec = job->restore_usec = job->notice_usec = 0;
}

static void forget_run(struct job *job)
{
    job->instance = 0;
    job->generation = 0;
    word_set(&job->node, "");
    word_set(&job->node_list, "");
    word_set(&job->gpus_held, "");
    job->alloc_usec = job->start_usec = 0;
    job->suspended_usec = job->suspended_total_usec = 0;
    job->wake_usec = job->restore_usec = job->notice_usec = job->spent_sec = 0;
    job->exit_code = job->exit_signal = 0;
    job->unreachable = false;
    job->limit_told = 0;
    job->idle_told_usec = 0;
    job->term_final = job->final = JOB_NONE;
}

struct job_spec *job_spec_shorten(const struct job_spec *spec, int64_t limit_sec)
{
    struct job_spec *copy = job_spec_copy(spec);

    if (!copy)
        return NULL;
    copy->time_asked_sec = spec->time_limit_sec ? spec->time_limit_sec : JOB_ASKED_UNLIMITED;
    copy->time_limit_sec = limit_sec;
    return copy;
}

/* It waits anew, and for all that was asked for. */
static int apply_requeue(struct job *job)
{
    int64_t asked = job->spec->time_asked_sec;
    struct job_spec *spec;

    forget_run(job);
    job->restarts++;
    if (!asked)
        return 0;
    spec = job_spec_copy(job->spec);
    if (!spec)
        return -ENOMEM;
    spec->time_limit_sec = asked == JOB_ASKED_UNLIMITED ? JOB_TIME_UNLIMITED : asked;
    spec->time_asked_sec = 0;
    job_spec_unref(job->spec);
    job->spec = spec;
    return 0;
}

static void apply_submit(struct job *job, const struct job_event *event)
{
    job->submit_usec = event->time_usec;
    job->priority = event->priority;
    job->array_id = event->array_id;
    job->array_task = event->array_task;
    if (event->final == JOB_PENDING) /* submitted with --hold */
        job->held_by_user = true;
}

/* A user's release ends the user's own hold alone; why it is still held stays told. */
static void apply_release(struct job *job, const struct job_event *event)
{
    job->held_by_user = false;
    if (event->admin)
        job->held_by_admin = job->unknown = false;
    if (!job->held_by_admin && !job->unknown)
        word_set(&job->reason, "");
}

static int apply_finish(struct job *job, const struct job_event *event)
{
    stop_suspension(job, event->time_usec);
    /* The first word stands, but for a requeue that turns into an end (cancel). */
    if (job->final && (job->final != JOB_PENDING || event->final == JOB_PENDING))
        return 0;
    job->final = event->final;
    if (event->idle != JOB_IDLE_END)
        job->idle_told_usec = 0;
    job->exit_code = event->exit_code;
    job->exit_signal = event->exit_signal;
    job->held_by_admin = event->admin && event->final == JOB_PENDING;
    return word_set(&job->reason, event->reason);
}

static int apply_end(struct job *job, const struct job_event *event)
{
    job->end_usec = event->time_usec;
    job->final = JOB_NONE;
    job->unreachable = false;
    return event->reason[0] ? word_set(&job->reason, event->reason) : 0;
}

static int apply_alloc(struct job *job, const struct job_event *event)
{
    job->instance = event->instance;
    job->generation = event->generation;
    job->alloc_usec = event->time_usec;
    word_set(&job->reason, "");
    if (word_set(&job->gpus_held, event->gpus_held) < 0 ||
        word_set(&job->node_list, event->node_list) < 0)
        return -ENOMEM;
    return word_set(&job->node, event->node);
}

/* The request may be a new one, with more time; `job` has it already. */
static int apply_wake(const struct job *old, struct job *job, const struct job_event *event)
{
    job->wake_usec = event->time_usec;
    job->notice_usec = 0; /* it is kept for as long as it waits */
    if (!job_left_usec(old)) {
        job->spent_sec = job_ran_sec(old);
        if (job->spent_sec < old->spec->time_limit_sec)
            job->spent_sec = old->spec->time_limit_sec;
    }
    return word_set(&job->reason, event->reason);
}

/* Between the events that only a saved job knows. */
static int apply_saved(const struct job *old, struct job *job, const struct job_event *event)
{
    switch (event->type) {
    case JOB_EVENT_SUSPEND:
        job->suspended_usec = event->time_usec;
        job->idle_told_usec = 0;
        job->term_final = JOB_NONE;
        return word_set(&job->reason, event->reason);
    case JOB_EVENT_WAKE:
        return apply_wake(old, job, event);
    case JOB_EVENT_RESTORE:
        job->restore_usec = event->time_usec;
        return *event->gpus_held ? word_set(&job->gpus_held, event->gpus_held) : 0;
    case JOB_EVENT_STAY:
        job->wake_usec = job->restore_usec = 0;
        return word_set(&job->reason, event->reason);
    case JOB_EVENT_NOTICE:
        job->notice_usec = event->time_usec;
        return word_set(&job->reason, event->reason);
    default: /* RESUME */
        stop_suspension(job, event->time_usec);
        return word_set(&job->reason, "");
    }
}

static int apply_members(const struct job *old, struct job *job, const struct job_event *event)
{
    switch (event->type) {
    case JOB_EVENT_SUBMIT:
        apply_submit(job, event);
        break;
    case JOB_EVENT_HOLD:
        *(event->admin ? &job->held_by_admin : &job->held_by_user) = true;
        return word_set(&job->reason, event->reason);
    case JOB_EVENT_RELEASE:
        apply_release(job, event);
        break;
    case JOB_EVENT_PRIORITY:
        job->priority = event->priority;
        break;
    case JOB_EVENT_ALLOC:
        return apply_alloc(job, event);
    case JOB_EVENT_START:
        job->start_usec = event->time_usec;
        if (!job->first_start_usec)
            job->first_start_usec = event->time_usec;
        break;
    case JOB_EVENT_SUSPEND:
    case JOB_EVENT_WAKE:
    case JOB_EVENT_RESTORE:
    case JOB_EVENT_STAY:
    case JOB_EVENT_NOTICE:
    case JOB_EVENT_RESUME:
        return apply_saved(old, job, event);
    case JOB_EVENT_FINISH:
        return apply_finish(job, event);
    case JOB_EVENT_END:
        return apply_end(job, event);
    case JOB_EVENT_REQUEUE:
        return apply_requeue(job);
    case JOB_EVENT_UNREACHABLE:
        job->unreachable = true;
        return word_set(&job->reason, event->reason);
    case JOB_EVENT_REACHABLE:
        job->unreachable = job->unknown = false; /* its node has said what it is */
        word_set(&job->reason, "");
        break;
    case JOB_EVENT_UNKNOWN:
        job->unknown = true;
        return word_set(&job->reason, event->reason);
    case JOB_EVENT_NOTE:
        if (event->percent)
            job->limit_told = event->percent;
        if (event->final)
            job->term_final = event->final;
        if (event->idle != JOB_IDLE_NONE)
            job->idle_told_usec = event->idle == JOB_IDLE_TOLD ? event->time_usec : 0;
        break;
    case JOB_EVENT_UPDATE:
    case JOB_N_EVENTS:
        break;
    }
    return 0;
}

/* What the table of states can't say. */
static bool is_possible(const struct job *old, const struct job_event *event)
{
    switch (event->type) {
    case JOB_EVENT_REQUEUE:
        return old->final == JOB_PENDING;
    case JOB_EVENT_WAKE:
        return !old->wake_usec;
    case JOB_EVENT_RESTORE:
        return old->wake_usec && !old->restore_usec;
    case JOB_EVENT_STAY:
        return old->wake_usec != 0;
    default:
        return true;
    }
}

int job_apply(const struct job *old, uint64_t id, const struct job_event *event, struct job **ret,
              struct vdi_error *err)
{
    enum job_state from = old ? old->state : JOB_NONE;
    enum job_state final = event->final;
    enum job_state to;
    struct job *job;

    if (event->type == JOB_EVENT_END && old && old->state == JOB_COMPLETING)
        final = old->final; /* FINISH said what it will be */
    to = job_state_next(from, event->type, final);
    if (old && to != JOB_NONE && !is_possible(old, event))
        to = JOB_NONE;
    if (to == JOB_NONE)
        return error_set(err, EPROTO, "state", "job %llu is %s: '%s' is not possible then",
                         (unsigned long long)id, job_state_name(from), job_event_name(event->type));
    if ((event->type == JOB_EVENT_SUBMIT || event->type == JOB_EVENT_UPDATE) && !event->spec)
        return error_set(err, EINVAL, "spec", "a %s event without a request",
                         job_event_name(event->type));
    job = job_copy(old);
    if (!job)
        return error_set(err, ENOMEM, "", "out of memory");
    job->id = id;
    if (event->spec) {
        job_spec_unref(job->spec);
        job->spec = job_spec_ref(event->spec);
    }
    if (apply_members(old, job, event) < 0) {
        job_unref(job);
        return error_set(err, ENOMEM, "", "out of memory");
    }
    job->state = to;
    *ret = job;
    return 0;
}

int64_t job_limit_usec(const struct job *job)
{
    if (job->state != JOB_RUNNING || !job->spec->time_limit_sec || !job->start_usec)
        return 0;
    return job->start_usec + job->suspended_total_usec + job->spec->time_limit_sec * 1000000;
}

int64_t job_ran_sec(const struct job *job)
{
    int64_t ran = job->suspended_usec - job->start_usec - job->suspended_total_usec;

    return ran > 0 ? (ran + 999999) / 1000000 : 0;
}

int64_t job_left_usec(const struct job *job)
{
    int64_t left;

    if (!job->spec->time_limit_sec)
        return INT64_MAX;
    left = job->start_usec + job->suspended_total_usec + job->spec->time_limit_sec * 1000000 -
           job->suspended_usec;
    return left > 0 ? left : 0;
}

bool job_is_waiting(const struct job *job)
{
    return job->state == JOB_PENDING ||
           (job->state == JOB_SUSPENDED && job->wake_usec && !job->restore_usec);
}
