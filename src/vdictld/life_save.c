/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_save.c - an instance's memory to a file and back, by its owner's wish or at its limit.
 *
 * What the site did counts, not what was asked for: a save that nobody could write down is found
 * again by a poll (life_report.c), and is written down then. The order to restore is given out
 * only when the job's events say that its node is held for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/life_impl.h"
#include "vdictld/site.h"

/* At its limit a guest that can't be saved just now (it reboots) is asked again for so long. */
#define LIMIT_PATIENCE_USEC (60 * USEC_PER_SEC)

/* How often it is looked at how long something saved is kept. */
#define LOOK_USEC (600 * USEC_PER_SEC)

#define AT_LIMIT "saved at its time limit"

enum saving_for {
    SAVING_WISH,  /* of its owner, whose call it is */
    SAVING_LIMIT, /* it is at its limit */
    SAVING_ROOM,  /* it makes room, and wants back at once, as soon as there is some */
    SAVING_IDLE,  /* nobody touches it */
};

struct saving {
    struct run *run;
    enum saving_for what_for;
    struct call *call;            /* WISH */
    int64_t since_usec, due_usec; /* IDLE */
};

static void idle_not_saved(const struct saving *s, const struct job *job, int result,
                           const struct vdi_error *err);

/* ---- to a file ---- */

static void save_committed(void *arg, int result, const struct vdi_error *err)
{
    _cleanup_(freep) struct saving *s = arg;
    struct run *run = s->run;

    run->busy--;
    run->saving = false;
    if (s->call && result < 0)
        call_refuse(s->call, err);
    else if (s->call)
        call_reply_job(s->call);
    if (result < 0) {
        run->ask = true; /* saved it is all the same: its site says so again */
        life_retry(run);
    } else {
        life_act(run);
    }
}

static int add_saved(struct core *core, struct txn *txn, const struct job *job, const char *by,
                     const char *reason, bool wants_back, struct vdi_error *err)
{
    struct job_event event = core_job_event(core, JOB_EVENT_SUSPEND, by, reason);
    struct instance_event save = core_instance_event(core, INSTANCE_EVENT_SAVE, "");
    struct job_event wake = core_job_event(core, JOB_EVENT_WAKE, CORE_SELF, reason);
    int r = core_add_job(txn, job->id, &event, err);

    if (r >= 0 && wants_back)
        r = core_add_job(txn, job->id, &wake, err);
    return r < 0 ? r : core_add_instance(txn, job->instance, &save, err);
}

static bool can_be_saved(const struct instance *in, const struct job *job)
{
    return in && job && job->state == JOB_RUNNING && job->instance == in->id &&
           job_spec_nodes(job->spec) == 1 &&
           (in->state == INSTANCE_BOUND || in->state == INSTANCE_READY);
}

static void write_reason(const struct saving *s, const struct job *job, char *ret, size_t size)
{
    char since[40];

    if (s->what_for == SAVING_ROOM)
        snprintf(ret, size, "saved: %s", life_room_reason(s->run));
    else if (s->what_for == SAVING_LIMIT)
        snprintf(ret, size, AT_LIMIT);
    else if (s->what_for == SAVING_IDLE)
        snprintf(ret, size, "saved: idle since %.20s; resume it with: vdictl resume %" PRIu64,
                 time_to_rfc3339(s->since_usec, since), job ? job->id : 0);
}

/* Takes s. It is saved: an empty transaction answers when somebody else wrote that down. */
static void write_down(struct saving *s, const struct instance *in, const struct job *job)
{
    struct core *core = s->run->core;
    struct txn *txn = txn_new(core->events);
    struct vdi_error err = {0};
    int r = txn ? 0 : error_set(&err, ENOMEM, "", "out of memory");
    char reason[96] = "";

    write_reason(s, job, reason, sizeof(reason));
    if (r >= 0 && can_be_saved(in, job))
        r = add_saved(core, txn, job, s->call ? s->call->who_text : CORE_SELF, reason,
                      s->what_for == SAVING_ROOM, &err);
    s->run->busy++;
    if (r >= 0 && s->call) {
        call_commit(s->call, txn, 200, save_committed, s);
    } else if (r >= 0) {
        txn_commit(txn, save_committed, s);
    } else {
        txn_abort(txn);
        save_committed(s, r, &err);
    }
}

/* A node that is silent is asked until it answers, a guest that reboots for a while. */
static bool is_tried_again(int result, int64_t late_usec)
{
    bool may_pass = result == -EAGAIN || result == -EBUSY;

    return result == -ENOTCONN || result == -ETIMEDOUT ||
           (may_pass && late_usec < LIMIT_PATIENCE_USEC);
}

/* Nobody can be asked for his work any more: he was told that it would be saved. */
static void limit_not_saved(struct run *run, const struct job *job, int result,
                            const struct vdi_error *err)
{
    int64_t late = loop_now_usec(run->core->loop) - job_limit_usec(job);
    char reason[96];

    if (is_tried_again(result, late)) {
        life_retry(run); /* comes back here by its limit */
        return;
    }
    log_warning("job %" PRIu64 " could not be saved at its limit: %s", job->id, err->detail);
    snprintf(reason, sizeof(reason), "time limit reached; not saved: %.60s", err->detail);
    life_end_job(run->core, job->id, JOB_TIMEOUT, reason);
}

static void saved(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct saving *s = arg;
    struct run *run = s->run;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;

    run->busy--;
    if (result >= 0) {
        write_down(s, in, job);
        return;
    }
    run->saving = false;
    if (s->call)
        call_refuse(s->call, err);
    if (s->what_for == SAVING_WISH || !can_be_saved(in, job) || run->core->stopping)
        life_act(run);
    else if (s->what_for == SAVING_ROOM)
        life_not_saved(run, job, result, err);
    else if (s->what_for == SAVING_IDLE)
        idle_not_saved(s, job, result, err);
    else
        limit_not_saved(run, job, result, err);
    free(s);
}

static int save(const struct saving *what, const struct instance *in)
{
    struct run *run = what->run;
    struct saving *s = malloc(sizeof(*s));

    if (!s)
        return -ENOMEM;
    *s = *what;
    run->busy++;
    run->saving = true;
    site_suspend(run->core->site, in, saved, s);
    return 0;
}

int life_save_for_room(struct run *run, const struct instance *in)
{
    const struct config_template *t = config_template(run->core->config, in->template_name);

    return t && config_template_can_save(t)
               ? save(&(struct saving){.run = run, .what_for = SAVING_ROOM}, in)
               : -EPROTO;
}

static bool refuses_by_template(struct call *call, const struct job *job)
{
    const struct config_template *t = config_template(call->core->config, job->spec->template_name);
    struct vdi_error err = {0};

    if (!t || config_template_can_save(t))
        return false;
    error_set(&err, EPROTO, "template", "the mounts of template '%s' (%s) forbid saving the guest",
              t->name, config_template_unsaved_for(t));
    error_hint(&err, NULL, "end what runs in it, or use a template without mounts");
    call_refuse(call, &err);
    return true;
}

static bool refuses_several(struct call *call, const struct job *job)
{
    struct vdi_error err = {0};

    if (job_spec_nodes(job->spec) == 1)
        return false;
    error_set(&err, EPROTO, "nodes", "job %" PRIu64 " runs on %u nodes: it can't be suspended",
              job->id, job_spec_nodes(job->spec));
    error_hint(&err, "1 node", "requeue it (vdictl requeue): it starts over");
    call_refuse(call, &err);
    return true;
}

void life_suspend(struct call *call, const struct job *job)
{
    const struct instance *in = refuses_several(call, job) ? NULL : life_call_instance(call, job);
    struct run *run = in ? life_run(call->core, in->id) : NULL;
    struct vdi_error err = {0};

    if (in && refuses_by_template(call, job))
        return;
    if (in && !(run && run->saving) && !call_is_operator(call) &&
        saved_check(call->core, job, &err) < 0)
        call_refuse(call, &err);
    else if (in && (!run || save(&(struct saving){.run = run, .call = call}, in) < 0))
        call_refuse_with(call, ENOMEM, "", "out of memory");
}

/* ---- at the limit ---- */

static enum life_limit word_from(const struct config_template *t, const char *action)
{
    if (str_equal(action, "shutdown"))
        return LIFE_LIMIT_SHUTDOWN;
    if (str_equal(action, "kill"))
        return LIFE_LIMIT_KILL;
    /* Who submitted it was told (submit_notes.c). */
    return config_template_can_save(t) ? LIFE_LIMIT_SAVE : LIFE_LIMIT_SHUTDOWN;
}

static enum life_limit word_of(struct core *core, const struct job *job)
{
    const struct config_template *t = config_template(core->config, job->spec->template_name);

    return job->spec->kind == JOB_BATCH || !t ? LIFE_LIMIT_SHUTDOWN : word_from(t, t->at_limit);
}

/* Over saved_max it is ended instead, and its user is warned that it is. */
static enum life_limit if_may_be_saved(struct core *core, const struct job *job,
                                       enum life_limit word)
{
    return word == LIFE_LIMIT_SAVE && saved_check(core, job, NULL) < 0 ? LIFE_LIMIT_SHUTDOWN : word;
}

enum life_limit life_limit_of(struct core *core, const struct job *job)
{
    return if_may_be_saved(core, job, word_of(core, job));
}

void life_at_limit(struct core *core, uint64_t id)
{
    const struct job *job = core_job_staged(core, id);
    const struct instance *in = job ? core_instance_staged(core, job->instance) : NULL;
    struct run *run = in ? life_run(core, in->id) : NULL;

    if (!job || job->state != JOB_RUNNING || (run && run->saving))
        return; /* an end or a save is on its way */
    if (life_limit_of(core, job) != LIFE_LIMIT_SAVE) {
        life_end_job(core, id, JOB_TIMEOUT,
                     word_of(core, job) == LIFE_LIMIT_SAVE
                         ? "time limit reached; not saved: its owner is over saved_max"
                         : "time limit reached");
        return;
    }
    if (!run || run->busy || !can_be_saved(in, job))
        return; /* who is busy with it comes back to its limit */
    if (save(&(struct saving){.run = run, .what_for = SAVING_LIMIT}, in) < 0)
        life_retry(run);
}

/* ---- nobody touches it ---- */

static enum life_limit idle_word_of(struct core *core, const struct job *job)
{
    const struct config_template *t = config_template(core->config, job->spec->template_name);

    return t ? word_from(t, t->idle_action) : LIFE_LIMIT_SHUTDOWN;
}

enum life_limit life_idle_word(struct core *core, const struct job *job)
{
    return if_may_be_saved(core, job, idle_word_of(core, job));
}

static void end_idle(struct run *run, const struct job *job, int64_t since_usec, const char *why)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_FINISH, CORE_SELF, "");
    char since[40];

    event.final = JOB_TIMEOUT;
    event.idle = JOB_IDLE_END;
    snprintf(event.reason, sizeof(event.reason), "idle since %.20s%s%.50s",
             time_to_rfc3339(since_usec, since), *why ? "; not saved: " : "", why);
    life_end_with(run->core, job->id, &event);
}

/* As at its limit: who was told that it would be saved is not there to be asked. */
static void idle_not_saved(const struct saving *s, const struct job *job, int result,
                           const struct vdi_error *err)
{
    int64_t late = loop_now_usec(s->run->core->loop) - s->due_usec;

    if (is_tried_again(result, late)) {
        life_retry(s->run); /* comes back here if it is idle still */
        return;
    }
    log_warning("job %" PRIu64 ", which is idle, could not be saved: %s", job->id, err->detail);
    end_idle(s->run, job, s->since_usec, err->detail);
}

void life_end_idle(struct run *run, const struct instance *in, const struct job *job,
                   int64_t since_usec, int64_t due_usec)
{
    struct saving what = {
        .run = run, .what_for = SAVING_IDLE, .since_usec = since_usec, .due_usec = due_usec};
    enum life_limit word = idle_word_of(run->core, job);

    if (life_idle_word(run->core, job) != LIFE_LIMIT_SAVE)
        end_idle(run, job, since_usec,
                 word == LIFE_LIMIT_SAVE ? "its owner is over saved_max" : "");
    else if (save(&what, in) < 0)
        life_retry(run);
}

uint32_t life_grace_sec(struct core *core, const struct job *job)
{
    bool kill =
        job && job->final == JOB_TIMEOUT &&
        (job->idle_told_usec ? idle_word_of(core, job) : word_of(core, job)) == LIFE_LIMIT_KILL;

    return kill ? 0 : (uint32_t)core->config->kill_wait_sec;
}

/* ---- and back ---- */

void life_wake(struct core *core, const struct job *job, const struct plan_action *action)
{
    struct job_event event = core_job_event(core, JOB_EVENT_RESTORE, CORE_SELF, "");
    struct txn *txn = txn_new(core->events);

    str_copy(event.gpus_held, sizeof(event.gpus_held), action->gpus_held);
    if (txn && core_add_job(txn, job->id, &event, NULL) >= 0)
        txn_commit(txn, NULL, NULL); /* the planner offers it again if this fails */
    else
        txn_abort(txn);
}

static int add_resumed(struct core *core, struct txn *txn, const struct job *job)
{
    struct job_event event = core_job_event(core, JOB_EVENT_RESUME, CORE_SELF, "");
    struct instance_event restore = core_instance_event(core, INSTANCE_EVENT_RESTORE, "");
    int r = core_add_job(txn, job->id, &event, NULL);

    return r < 0 ? r : core_add_instance(txn, job->instance, &restore, NULL);
}

/* It stays as it is saved, and its owner may ask again. */
static void stay(struct run *run, const struct job *job, const struct vdi_error *err)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_STAY, CORE_SELF, "");
    struct txn *txn = txn_new(run->core->events);

    log_warning("job %" PRIu64 " could not be resumed: %s", job->id, err->detail);
    snprintf(event.reason, sizeof(event.reason), "not resumed: %.80s", err->detail);
    life_commit(run, txn, txn ? core_add_job(txn, job->id, &event, NULL) : -ENOMEM);
}

static bool is_restoring(const struct instance *in, const struct job *job)
{
    return in && job && in->state == INSTANCE_SAVED && job->state == JOB_SUSPENDED &&
           job->instance == in->id && job->restore_usec;
}

static void restored(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct run *run = arg;
    const struct instance *in = core_instance_staged(run->core, run->id);
    const struct job *job = in ? core_job_staged(run->core, in->job) : NULL;
    struct txn *txn;

    run->busy--;
    if (!is_restoring(in, job)) {
        life_act(run); /* it was cancelled */
    } else if (result >= 0) {
        txn = txn_new(run->core->events);
        life_commit(run, txn, txn ? add_resumed(run->core, txn, job) : -ENOMEM);
    } else if (result == -EAGAIN || result == -EBUSY || result == -ETIMEDOUT ||
               result == -ENOTCONN) {
        life_retry(run);
    } else if (result == -ENOENT) {
        run->ask = true; /* gone: a poll says how */
        life_act(run);
    } else if (!run->core->stopping) {
        stay(run, job, err);
    }
}

/* ---- kept for a time ---- */

static void give_notice(struct run *run, const struct job *job)
{
    struct job_event event = core_job_event(run->core, JOB_EVENT_NOTICE, CORE_SELF, "");
    struct txn *txn = txn_new(run->core->events);
    struct job told = *job;
    char until[40];

    told.notice_usec = event.time_usec;
    snprintf(event.reason, sizeof(event.reason),
             "its saved state is removed at %.40s: resume it before",
             time_to_rfc3339(saved_until_usec(run->core, &told), until));
    life_commit(run, txn, txn ? core_add_job(txn, job->id, &event, NULL) : -ENOMEM);
}

/* Looked at now and then, for a reconfigure may change how long. */
static void keep(struct run *run, const struct job *job)
{
    int64_t now = loop_now_usec(run->core->loop), until = saved_until_usec(run->core, job);
    int64_t next = job->notice_usec ? until : saved_notice_usec(run->core, job);

    if (until && now >= until && job->notice_usec)
        life_end_job(run->core, job->id, JOB_TIMEOUT, "its saved state has expired (saved_keep)");
    else if (until && now >= next)
        give_notice(run, job);
    else if (until && next - now < LOOK_USEC)
        source_rearm(run->again, next - now);
    else
        source_rearm(run->again, LOOK_USEC);
}

void life_saved(struct run *run, const struct instance *in)
{
    const struct job *job = core_job(run->core, in->job);

    if (!is_restoring(in, job)) {
        if (job && job->state == JOB_SUSPENDED && !job->wake_usec)
            keep(run, job);
        return;
    }
    run->busy++;
    site_resume(run->core->site, in, restored, run);
}

/* ---- found by a poll ---- */

/* A batch job is saved to make room alone: it wants back. Who saves a desktop resumes it. */
bool life_found_saved(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);
    struct txn *txn;

    if (!can_be_saved(in, job))
        return false;
    log_info("job %" PRIu64 " is saved on %s: that was not written down yet", job->id, in->node);
    txn = txn_new(run->core->events);
    life_commit(run, txn,
                txn ? add_saved(run->core, txn, job, CORE_SELF, "found saved on its node",
                                job->spec->kind == JOB_BATCH, NULL)
                    : -ENOMEM);
    return true;
}

bool life_found_running(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);
    struct txn *txn;

    if (!job || job->state != JOB_SUSPENDED || in->state != INSTANCE_SAVED)
        return false;
    log_info("job %" PRIu64 " runs again on %s: that was not written down yet", job->id, in->node);
    txn = txn_new(run->core->events);
    life_commit(run, txn, txn ? add_resumed(run->core, txn, job) : -ENOMEM);
    return true;
}
