/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.c - the time limit of a running job.
 *
 * One timer walks the stages in the order of their times; a stage that lies
 * behind (an extension, a restart) is not repeated.
 */
#include "vdictld/limit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "model/notice.h"
#include "vdictld/life.h"
#include "vdictld/site.h"

static const int64_t warnings_sec[] = {900, 300, 60};
#define N_WARNINGS (sizeof(warnings_sec) / sizeof(warnings_sec[0]))

struct limit {
    struct core *core;
    uint64_t job;
    struct source *timer;
    int64_t end_usec;  /* 0: none */
    int64_t told_usec; /* stages up to here were done */
    uint32_t percent_tried;
};

static void limit_fire(void *arg);

struct limit *limit_new(struct core *core, uint64_t job)
{
    struct limit *limit = calloc(1, sizeof(*limit));

    if (!limit)
        return NULL;
    limit->core = core;
    limit->job = job;
    limit->told_usec = loop_now_usec(core->loop);
    limit->timer = loop_timer(core->loop, -1, limit_fire, limit);
    return limit;
}

void limit_free(struct limit *limit)
{
    if (!limit)
        return;
    source_free(limit->timer);
    free(limit);
}

static int64_t stage_usec(const struct limit *limit, int64_t before_sec)
{
    return limit->end_usec - before_sec * USEC_PER_SEC;
}

/* The share of the limit that its owner wants to be told of next. What was told is the job's to
 * know, as staged: it outlives a restart, and is not told twice while it is on its way. */
static uint32_t percent_due(const struct limit *limit, int64_t now, int64_t *ret_usec)
{
    const struct job *job = core_job_staged(limit->core, limit->job);

    uint32_t percent = job ? notice_percent(job, now, ret_usec) : 0;

    return percent > limit->percent_tried ? percent : 0;
}

/* The next stage after told_usec; the end is the last. */
static int64_t next_stage(const struct limit *limit, const struct job *job)
{
    int64_t next = limit->end_usec;
    int64_t at;

    for (size_t i = 0; i < N_WARNINGS; i++) {
        at = stage_usec(limit, warnings_sec[i]);
        if (at > limit->told_usec && at < next)
            next = at;
    }
    at = stage_usec(limit, job->spec->signal_sec);
    if (job->spec->signal && at > limit->told_usec && at < next)
        next = at;
    if (percent_due(limit, INT64_MIN, &at) && at < next)
        next = at;
    return next;
}

/* Its time has come since the last look, however late this one is. */
static bool is_due(const struct limit *limit, int64_t before_sec, int64_t now)
{
    int64_t at = stage_usec(limit, before_sec);

    return at > limit->told_usec && at <= now;
}

void limit_set(struct limit *limit, const struct job *job)
{
    int64_t end = job_limit_usec(job), left;

    if (!limit)
        return;
    if (end != limit->end_usec) /* stages of the new time that lie behind were never due */
        limit->told_usec = loop_now_usec(limit->core->loop);
    limit->end_usec = end;
    if (!limit->end_usec) {
        source_rearm(limit->timer, -1);
        return;
    }
    left = next_stage(limit, job) - loop_now_usec(limit->core->loop);
    source_rearm(limit->timer, left > 0 ? left : 0);
}

/* Outlives the limit: the job may have ended when the site answers. */
struct telling {
    struct core *core;
    uint64_t job;
    char what[48];
};

/* That it was due is written down at once, and that it failed when that is known. */
static void told(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct telling *t = arg;
    char note[128];

    if (result < 0 && !t->core->stopping) {
        if (result != -ENOSYS)
            log_warning("job %" PRIu64 ": %s was not delivered: %s", t->job, t->what, err->detail);
        snprintf(note, sizeof(note), "%s was not delivered: %.40s", t->what, err->detail);
        life_note(t->core, t->job, CORE_SELF, note);
    }
    free(t);
}

static struct telling *telling_new(struct limit *limit, const char *what)
{
    struct telling *t = calloc(1, sizeof(*t));

    life_note(limit->core, limit->job, CORE_SELF, what);
    if (!t)
        return NULL;
    t->core = limit->core;
    t->job = limit->job;
    str_copy(t->what, sizeof(t->what), what);
    return t;
}

static void warn(struct limit *limit, const struct job *job, const struct instance *in,
                 int64_t left_usec)
{
    bool saves = life_limit_of(limit->core, job) == LIFE_LIMIT_SAVE;
    int64_t minutes = (left_usec + 30 * USEC_PER_SEC) / (60 * USEC_PER_SEC);
    const char *s = minutes == 1 ? "" : "s";
    struct telling *t;
    char text[120], what[48];

    snprintf(what, sizeof(what), "the warning '%" PRId64 " minute%s left'", minutes, s);
    snprintf(text, sizeof(text),
             saves ? "This session is saved as it is in %" PRId64 " minute%s. Resume it later."
                   : "This session ends in %" PRId64 " minute%s. Save your work.",
             minutes, s);
    t = telling_new(limit, what);
    if (t)
        site_message(limit->core->site, in, text, told, t);
}

static void send_signal(struct limit *limit, const struct job *job)
{
    struct telling *t;
    char what[48];

    snprintf(what, sizeof(what), "signal %u before the limit", job->spec->signal);
    t = telling_new(limit, what);
    if (t && life_signal_all(limit->core, job, (int)job->spec->signal, told, t) < 0)
        free(t);
}

static void tell_percent(struct limit *limit, int64_t now)
{
    int64_t at = 0;
    uint32_t percent = percent_due(limit, now, &at);

    if (!percent || at > now)
        return;
    limit->percent_tried = percent;
    life_percent(limit->core, limit->job, percent);
}

static void limit_fire(void *arg)
{
    struct limit *limit = arg;
    const struct job *job = core_job(limit->core, limit->job);
    const struct instance *in = job ? core_instance(limit->core, job->instance) : NULL;
    int64_t now = loop_now_usec(limit->core->loop);
    bool due = false;

    if (!in || !limit->end_usec)
        return;
    if (now >= limit->end_usec) {
        life_at_limit(limit->core, job->id);
        return;
    }
    for (size_t i = 0; i < N_WARNINGS; i++)
        due |= is_due(limit, warnings_sec[i], now);
    if (due)
        warn(limit, job, in, limit->end_usec - now);
    if (job->spec->signal && is_due(limit, job->spec->signal_sec, now))
        send_signal(limit, job);
    tell_percent(limit, now);
    limit->told_usec = now;
    limit_set(limit, job);
}
