/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_idle.c - a desktop that nobody touches: its user is told, then it goes.
 *
 * Since when nobody does is the site's word, and never outlives what it was heard over: after a
 * restart, a silence of the node, a save or a boot it is not known until the site says it again,
 * and what is not known changes nothing. That its user was told is the job's to know, so it is
 * done once, and nobody goes before the whole warning was given.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/life_impl.h"
#include "vdictld/nodelink.h"
#include "vdictld/queue.h"
#include "vdictld/site.h"

/* Seconds are cut, and reports take their time: a difference up to here is none. */
#define SAME_USEC (5 * USEC_PER_SEC)
/* So long nobody has touched it before it is a better victim than others. */
#define VICTIM_USEC (5 * 60 * USEC_PER_SEC)
#define AGAIN_USEC (2 * USEC_PER_SEC) /* its node's link is gone for a moment */

/* ---- what is known ---- */

static bool is_desktop(const struct instance *in, const struct job *job)
{
    return in && job && in->state == INSTANCE_BOUND && job->state == JOB_RUNNING &&
           job->instance == in->id && job->spec->kind == JOB_INTERACTIVE;
}

/* What was before it was its user's, or before it was read back, is not this user's idleness. */
static int64_t since_of(const struct run *run, const struct instance *in)
{
    if (!run->has_input || !run->quiet_usec)
        return 0;
    return run->quiet_usec > in->state_usec ? run->quiet_usec : in->state_usec;
}

int64_t life_idle_usec(struct core *core, const struct job *job)
{
    const struct instance *in = job->instance ? core_instance(core, job->instance) : NULL;
    const struct run *run = is_desktop(in, job) ? life_run_known(core, in->id) : NULL;

    return run && !job->unreachable ? since_of(run, in) : 0;
}

void life_input(struct run *run, int64_t idle_sec)
{
    int64_t since = loop_now_usec(run->core->loop) - idle_sec * USEC_PER_SEC;
    bool is_same = run->has_input && run->quiet_usec && since < run->quiet_usec + SAME_USEC;

    run->has_input = idle_sec >= 0;
    if (idle_sec <= 0)
        run->quiet_usec = 0;
    else if (!is_same) /* else it is known already, and more exactly */
        run->quiet_usec = since;
    life_look_idle(run);
}

void life_forget_input(struct run *run)
{
    run->has_input = false;
    run->quiet_usec = 0;
    source_rearm(run->quiet, 0);
}

/* ---- its user is told ---- */

struct word {
    struct core *core;
    uint64_t job;
};

static void told(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct word *w = arg;

    if (result < 0 && !w->core->stopping) {
        char note[96];

        snprintf(note, sizeof(note), "the warning of idleness was not delivered: %.45s",
                 err->detail);
        life_note(w->core, w->job, CORE_SELF, note);
    }
    free(w);
}

static void say(struct run *run, const struct instance *in, const struct job *job, const char *text)
{
    struct word *w = malloc(sizeof(*w));

    if (!w)
        return;
    *w = (struct word){run->core, job->id};
    site_message(run->core->site, in, text, told, w);
}

static void write_note(struct run *run, const struct job *job, enum job_idle what, const char *text)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_NOTE, CORE_SELF, text);
    struct txn *txn = txn_new(run->core->events);

    event.idle = what;
    life_commit(run, txn, txn ? core_add_job(txn, job->id, &event, NULL) : -ENOMEM);
}

/* "5 minutes" */
static const char *duration(int64_t usec, char ret[32])
{
    int64_t minutes = (usec + 30 * USEC_PER_SEC) / (60 * USEC_PER_SEC), n = minutes;

    if (!minutes)
        n = (usec + USEC_PER_SEC / 2) / USEC_PER_SEC;
    snprintf(ret, 32, "%" PRId64 " %s%s", n, minutes ? "minute" : "second", n == 1 ? "" : "s");
    return ret;
}

static void warn(struct run *run, const struct instance *in, const struct job *job,
                 const struct config_template *t, int64_t since_usec)
{
    bool saves = life_idle_word(run->core, job) == LIFE_LIMIT_SAVE;
    int64_t left = t->idle_warn_sec * USEC_PER_SEC;
    char quiet[32], in_time[32], since[40], text[256], note[96];

    duration(loop_now_usec(run->core->loop) - since_usec, quiet);
    duration(left, in_time);
    snprintf(note, sizeof(note), "idle since %.20s: %s in %s unless somebody comes",
             time_to_rfc3339(since_usec, since), saves ? "saved" : "ended", in_time);
    snprintf(text, sizeof(text),
             "Nobody has used this session for %s. In %s it %s. To keep it, go on working.", quiet,
             in_time, saves ? "is saved as it is, and you can resume it later" : "ends");
    if (left)
        say(run, in, job, text);
    write_note(run, job, JOB_IDLE_TOLD, note);
}

static void take_back(struct run *run, const struct instance *in, const struct job *job,
                      const char *why)
{
    char note[96];

    snprintf(note, sizeof(note), "%s: it stays", why);
    say(run, in, job, "This session stays as it is.");
    write_note(run, job, JOB_IDLE_OVER, note);
}

/* ---- what is to be done ---- */

static void plan(struct run *run, const struct instance *in, bool is_idle)
{
    if (is_idle == run->is_planned_idle || !in || !in->job)
        return;
    run->is_planned_idle = is_idle;
    queue_set_idle(run->core->queue, in->job, is_idle);
}

static bool has_policy(const struct config_template *t, const struct job *job)
{
    return t && t->idle_sec && (!*job->spec->reservation || t->idle_in_class);
}

/* Does what is due; when to look again, or 0. */
static int64_t act(struct run *run, const struct instance *in, const struct job *job,
                   int64_t since_usec, int64_t now)
{
    const struct config_template *t = config_template(run->core->config, job->spec->template_name);
    bool is_back = run->has_input && (!since_usec || since_usec > job->idle_told_usec + SAME_USEC);
    int64_t due, warning;

    if (job->idle_told_usec && (is_back || !has_policy(t, job))) {
        take_back(run, in, job, is_back ? "it is in use again" : "no longer by its template");
        return 0;
    }
    if (!since_usec || !has_policy(t, job))
        return 0;
    warning = t->idle_warn_sec * USEC_PER_SEC;
    due = since_usec + t->idle_sec * USEC_PER_SEC;
    if (!job->idle_told_usec && now < due - warning)
        return due - warning;
    if (nodelink_silent_usec(run->core->links, in->node))
        return now + AGAIN_USEC; /* somebody may have come that we can't hear of */
    if (!job->idle_told_usec) {
        warn(run, in, job, t, since_usec);
        return 0;
    }
    if (due < job->idle_told_usec + warning)
        due = job->idle_told_usec + warning;
    if (now < due)
        return due;
    life_end_idle(run, in, job, since_usec, due);
    return 0;
}

/* Who is busy with it comes back here. */
void life_look_idle(struct run *run)
{
    const struct instance *in = core_instance(run->core, run->id);
    const struct job *job = in ? core_job(run->core, in->job) : NULL;
    bool counts = is_desktop(in, job) && !job->unreachable;
    int64_t now = loop_now_usec(run->core->loop), since = counts ? since_of(run, in) : 0;
    int64_t victim = since + VICTIM_USEC, next = 0;

    plan(run, in, since && now >= victim);
    if (counts && !run->busy && !run->saving && !run->preempt_usec && !run->core->stopping)
        next = act(run, in, job, since, now);
    if (since && now < victim && (!next || victim < next))
        next = victim;
    source_rearm(run->quiet, next ? next - now : -1);
}
