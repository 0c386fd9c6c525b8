/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life.h - from a planner's start to the last trace of an instance.
 *
 * Everything here is driven by the committed state: for each state of an
 * instance there is one thing to do next, it is safe to do it twice, and it is
 * done again after a restart, a failed commit or a failed operation.
 */
#ifndef VDICTLD_LIFE_H
#define VDICTLD_LIFE_H

#include "plan/planner.h"
#include "vdictld/call.h"
#include "vdictld/site.h"

struct life;

struct life *life_new(struct core *core);
void life_free(struct life *life);
/* After a load: asks the site for every live instance, and goes on from its answer. */
void life_recover(struct core *core);
/* The planner's word: this pending job starts on that node. */
void life_start(struct core *core, const struct plan_action *action);
/* Stages what ends a job: at once when it is pending, else by stopping its instance.
 * final = JOB_PENDING queues it again. */
int life_finish(struct core *core, struct txn *txn, uint64_t job, enum job_state final,
                const char *by, const char *reason, struct vdi_error *err);
/* The same in a transaction of its own, by the controller itself. */
void life_end_job(struct core *core, uint64_t job, enum job_state final, const char *reason);
/* Seconds that a guest of the template may take to boot. */
int64_t life_boot_timeout(const struct core *core, const char *template_name);
/* A seat that nobody has is no longer wanted. */
void life_stop(struct core *core, const struct instance *in, const char *reason);
/* Writes down in the job's events what was done for it: its user told, its script signalled. */
void life_note(struct core *core, uint64_t job, const char *by, const char *text);
/* Notes that so much of its time limit is used up, which its owner asked to be told of. */
void life_percent(struct core *core, uint64_t job, uint32_t percent);
/* A committed change of a job or an instance. */
void life_job(struct core *core, const struct job *old, const struct job *now);
void life_instance(struct core *core, const struct instance *now);
/* The instance is lost with its node: no order can reach it. Its job comes back if it may. */
void life_abandon(struct core *core, const struct instance *in, const char *reason);
/* A node's word about an instance: a site report with its `state`. */
void life_instance_report(struct core *core, struct vdi_instance_id id, const char *json);
/* The site plugin's word about an instance: "ready", "exited", "gone". */
void life_instance_event(struct core *core, struct vdi_instance_id id, const char *what,
                         const char *json);
/* Sends the signal to all scripts of the job; `done` has the first failure, or 0. -ENOMEM: it is
 * not called. */
int life_signal_all(struct core *core, const struct job *job, int signo, site_done_fn done,
                    void *arg);
/* Owner's wishes; they answer the call. */
void life_signal(struct call *call, const struct job *job, int signo);
void life_suspend(struct call *call, const struct job *job);
/* What becomes of a job at its time limit: its template's word, for a batch job an end. */
enum life_limit { LIFE_LIMIT_SAVE, LIFE_LIMIT_SHUTDOWN, LIFE_LIMIT_KILL };
enum life_limit life_limit_of(struct core *core, const struct job *job);
/* Since when nobody has touched the desktop of a job that is RUNNING; 0: somebody does, or it is
 * not known. */
int64_t life_idle_usec(struct core *core, const struct job *job);
/* A new configuration is in force. */
void life_configured(struct core *core);
/* PLAN_PREEMPT: it is saved and wants back, starts over, or ends. */
void life_make_room(struct core *core, const struct plan_action *action);
void life_at_limit(struct core *core, uint64_t job);

/* saved_state.c: what is saved counts against its owner's limit, and is kept for a time. */
/* 0, or -EDQUOT with err: it would be more than saved_max. */
int saved_check(struct core *core, const struct job *job, struct vdi_error *err);
/* When the state of a job that is SUSPENDED is removed; 0: it is kept. */
int64_t saved_until_usec(const struct core *core, const struct job *job);
/* When its owner is told so. */
int64_t saved_notice_usec(const struct core *core, const struct job *job);

#endif
