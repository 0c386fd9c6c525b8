/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_save.c - an instance's memory to a file, by its owner's wish, at its limit or to make room.
 *
 * What the site did counts, not what was asked for: a save that nobody could write down is found
 * again by a poll (life_report.c), and is written down then. The instances of a job on several
 * nodes are saved all together or run on: it is SUSPENDED when all of them are.
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

#define AT_LIMIT "saved at its time limit"
#define FOUND "found saved on its node"

enum saving_for {
    SAVING_WISH,  /* of its owner, whose call it is */
    SAVING_LIMIT, /* it is at its limit */
    SAVING_ROOM,  /* it makes room, and wants back at once, as soon as there is some */
    SAVING_IDLE,  /* nobody touches it */
    SAVING_FOUND, /* of several nodes: it is on one of them, and nobody has written that down */
};

struct saving {
    struct run *run;
    enum saving_for what_for;
    struct call *call;            /* WISH */
    int64_t since_usec, due_usec; /* IDLE */
    int result;                   /* why some are brought back, and with what words */
    struct vdi_error err;
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
    for (uint32_t i = 0; r >= 0 && i < job_spec_nodes(job->spec); i++)
        r = core_add_instance(txn, job->instance + i, &save, err);
    return r;
}

/* With all others of its job. */
static bool can_be_saved(struct core *core, const struct instance *in, const struct job *job)
{
    return in && job && job->state == JOB_RUNNING && job_has_instance(job, in->id) &&
           (in->state == INSTANCE_BOUND || in->state == INSTANCE_READY) &&
           life_others_are(core, job, in->id, LIFE_IN(BOUND) | LIFE_IN(READY));
}

static void write_reason(const struct saving *s, const struct job *job, char *ret, size_t size)
{
    char since[40];

    if (s->what_for == SAVING_ROOM)
        snprintf(ret, size, "saved: %s", life_room_reason(s->run));
    else if (s->what_for == SAVING_LIMIT)
        snprintf(ret, size, AT_LIMIT);
    else if (s->what_for == SAVING_FOUND)
        snprintf(ret, size, FOUND);
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
    if (r >= 0 && can_be_saved(core, in, job))
        r = add_saved(core, txn, job, s->call ? s->call->who_text : CORE_SELF, reason,
                      s->what_for == SAVING_ROOM || s->what_for == SAVING_FOUND, &err);
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

/* Takes s. */
static void not_saved(struct saving *s, const struct instance *in, const struct job *job,
                      int result, const struct vdi_error *err)
{
    struct run *run = s->run;

    run->saving = false;
    if (s->call)
        call_refuse(s->call, err);
    if (s->what_for == SAVING_WISH || s->what_for == SAVING_FOUND ||
        !can_be_saved(run->core, in, job) || run->core->stopping)
        life_act(run);
    else if (s->what_for == SAVING_ROOM)
        life_not_saved(run, job, result, err);
    else if (s->what_for == SAVING_IDLE)
        idle_not_saved(s, job, result, err);
    else
        limit_not_saved(run, job, result, err);
    free(s);
}

static void brought_back(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct saving *s = arg;
    struct core *core = s->run->core;
    const struct instance *in = core_instance_staged(core, s->run->id);
    const struct job *job = in ? core_job_staged(core, in->job) : NULL;

    if (result < 0 && job && !core->stopping)
        log_warning("job %" PRIu64 " is saved on some of its nodes, and is not resumed there: %s",
                    job->id, err->detail);
    for (uint32_t i = 0; result < 0 && job && i < job_spec_nodes(job->spec); i++) {
        struct run *run = life_run_known(core, job->instance + i);

        if (run) { /* what is saved is found, and tried anew */
            run->ask = true;
            life_retry(run);
        }
    }
    not_saved(s, in, job, s->result, &s->err);
}

/* Of several nodes those that could be saved must not stay so, unless the others follow soon. */
static bool leaves_some(const struct saving *s, const struct instance *in, const struct job *job)
{
    return (s->what_for == SAVING_WISH || s->what_for == SAVING_FOUND) &&
           can_be_saved(s->run->core, in, job) && job_spec_nodes(job->spec) > 1;
}

static void saved(void *arg, int result, const char *json, const struct vdi_error *err)
{
    struct saving *s = arg;
    struct core *core = s->run->core;
    const struct instance *in = core_instance_staged(core, s->run->id);
    const struct job *job = in ? core_job_staged(core, in->job) : NULL;

    if (result >= 0) {
        write_down(s, in, job);
        return;
    }
    if (leaves_some(s, in, job)) {
        s->result = result;
        s->err = *err;
        if (life_order_all(core, job, site_resume, brought_back, s) == 0)
            return;
    }
    not_saved(s, in, job, result, err);
}

static int save(const struct saving *what, const struct job *job)
{
    struct run *run = what->run;
    struct saving *s = malloc(sizeof(*s));

    if (!s)
        return -ENOMEM;
    *s = *what;
    run->saving = true;
    if (life_order_all(run->core, job, site_suspend, saved, s) == 0)
        return 0;
    run->saving = false;
    free(s);
    return -ENOMEM;
}

int life_save_for_room(struct run *run, const struct job *job)
{
    const struct config_template *t = config_template(run->core->config, job->spec->template_name);

    return t && config_template_can_save(t)
               ? save(&(struct saving){.run = run, .what_for = SAVING_ROOM}, job)
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

void life_suspend(struct call *call, const struct job *job)
{
    const struct instance *in = life_call_instance(call, job);
    struct run *run = in ? life_run(call->core, in->id) : NULL;
    struct vdi_error err = {0};

    if (in && refuses_by_template(call, job))
        return;
    if (in && !(run && run->saving) && !call_is_operator(call) &&
        saved_check(call->core, job, &err) < 0)
        call_refuse(call, &err);
    else if (in && (!run || save(&(struct saving){.run = run, .call = call}, job) < 0))
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
    if (!run || run->busy || !can_be_saved(core, in, job))
        return; /* who is busy with it comes back to its limit */
    if (save(&(struct saving){.run = run, .what_for = SAVING_LIMIT}, job) < 0)
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
    else if (save(&what, job) < 0)
        life_retry(run);
}

uint32_t life_grace_sec(struct core *core, const struct job *job)
{
    bool kill =
        job && job->final == JOB_TIMEOUT &&
        (job->idle_told_usec ? idle_word_of(core, job) : word_of(core, job)) == LIFE_LIMIT_KILL;

    return kill ? 0 : (uint32_t)core->config->kill_wait_sec;
}

/* ---- found by a poll ---- */

/* Saved on one of its nodes, it is saved on all. */
static bool found_on_one(struct core *core, const struct job *job)
{
    struct run *first = life_run(core, job->instance);

    return first && !first->saving && !first->preempt_usec &&
           save(&(struct saving){.run = first, .what_for = SAVING_FOUND}, job) == 0;
}

/* A batch job is saved to make room alone: it wants back. Who saves a desktop resumes it. */
bool life_found_saved(struct run *run, const struct instance *in)
{
    const struct job *job = core_job_staged(run->core, in->job);
    struct txn *txn;

    if (!can_be_saved(run->core, in, job))
        return false;
    log_info("job %" PRIu64 " is saved on %s: that was not written down yet", job->id, in->node);
    if (job_spec_nodes(job->spec) > 1)
        return found_on_one(run->core, job);
    txn = txn_new(run->core->events);
    life_commit(
        run, txn,
        txn ? add_saved(run->core, txn, job, CORE_SELF, FOUND, job->spec->kind == JOB_BATCH, NULL)
            : -ENOMEM);
    return true;
}
