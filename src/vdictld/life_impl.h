/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_impl.h - what the files of an instance's life share; nobody else includes it.
 *
 * life.c         the one next thing to do in each state, and ends
 * life_start.c   from the planner's word to the order to start
 * life_report.c  what the site, a node and a poll say
 * life_save.c    to a file
 * life_restore.c and back
 * life_preempt.c a job makes room for a class
 * life_idle.c    a desktop that nobody touches
 * life_nodes.c   a job on several nodes
 */
#ifndef VDICTLD_LIFE_IMPL_H
#define VDICTLD_LIFE_IMPL_H

#include "codec/site_report.h"
#include "vdictld/life.h"

struct run {
    struct core *core;
    uint64_t id;
    unsigned busy;              /* operations and transactions of ours that are under way */
    bool saving;                /* its job is on its way to a file: of several, the first's */
    bool exited;                /* its script ended well, and that of others goes on */
    int64_t preempt_usec;       /* when its job makes room; 0: nobody asked */
    int64_t preempt_until_usec; /* it is tried until then */
    enum plan_mode preempt_mode;
    bool preempt_for_job;
    bool ask;             /* what the site told was not kept: ask it before going on */
    struct source *again; /* look once more: a retry, or the boot timeout */
    struct limit *limit;  /* the time limit of its job, while it is bound */
    bool has_input;       /* its site says if somebody touches it: */
    int64_t quiet_usec;   /* nobody since then; 0: somebody does */
    struct source *quiet; /* look at that again */
    bool is_planned_idle; /* so the planner was told */
};

/* life.c. NULL: no memory. */
struct run *life_run(struct core *core, uint64_t instance);
struct run *life_run_known(struct core *core, uint64_t instance); /* NULL: nothing is under way */
/* Does the next thing for the instance, unless something is under way. */
void life_act(struct run *run);
void life_retry(struct run *run);
/* Commits (r >= 0) or gives up the transaction; then goes on, or tries again later. */
void life_commit(struct run *run, struct txn *txn, int r);
/* One event of the instance in a transaction of its own. */
void life_event(struct run *run, enum instance_event_type type, const char *reason);
/* Stages the end of the job: event's final, exit status and reason. */
int life_finish_with(struct core *core, struct txn *txn, uint64_t job, struct job_event *event,
                     struct vdi_error *err);
/* life_finish_with() in a transaction of its own, by the controller itself. */
void life_end_with(struct core *core, uint64_t job, struct job_event *event);
/* How a job ends that did not ask for it: event's final is PENDING if it may come back, held
 * if that was its last time, else `otherwise`. */
void life_fate(const struct core *core, const struct job *job, enum job_state otherwise,
               struct job_event *event);
int64_t life_boot_timeout_sec(const struct core *core, const struct instance *in);

/* life_nodes.c: all as staged; what has left memory is GONE. */
#define LIFE_IN(state) (1u << INSTANCE_##state)
/* Every other instance of the job is in one of these states; so it is where there is no other. */
bool life_others_are(struct core *core, const struct job *job, uint64_t id, uint32_t states);
/* One is ready: those that waited for it look again. */
void life_wake_others(struct core *core, const struct instance *in);
/* The script ended well in this instance: does it go on in another? Remembers it. */
bool life_others_go_on(struct run *run, const struct job *job);

/* Gives the order for every instance of the job, of one node as of several; `done` has the first
 * refusal, or 0, when all have answered, and goes on with the run of the first. Until then their
 * runs are busy. -ENOMEM: it is not called. */
typedef void life_order_fn(struct site *site, const struct instance *in, site_done_fn done,
                           void *arg);
int life_order_all(struct core *core, const struct job *job, life_order_fn *order,
                   site_done_fn done, void *arg);

/* life_calls.c: the instance of an active job, or NULL with the call refused. */
const struct instance *life_call_instance(struct call *call, const struct job *job);

/* life_restore.c: the one thing to do for a saved instance. */
void life_saved(struct run *run, const struct instance *in);
/* A poll says what is not written down; false: it is. */
bool life_found_running(struct run *run, const struct instance *in);
/* life_save.c: the same. */
bool life_found_saved(struct run *run, const struct instance *in);
/* How long a guest may take to end. `job` may be NULL. */
uint32_t life_grace_sec(struct core *core, const struct job *job);

/* It can't be: its job ends with BOOT_FAIL, or waits for another seat of its class; a seat that
 * nobody has is stopped. */
void life_fail(struct run *run, const struct instance *in, const char *reason);
/* The job has its instance in hand: from now on its limit runs. */
void life_bound(struct run *run, const struct instance *in);

/* life_preempt.c: it makes room now, if it is time. False: nobody asked, or it is not. */
bool life_leave(struct run *run, const struct instance *in);
/* Its script ended by the signal that told it: fills how the job goes on. False: by itself. */
bool life_left(const struct run *run, const struct job *job, const struct site_report *report,
               struct job_event *event);
/* Who needs its place: "a class needs its place". */
const char *life_room_reason(const struct run *run);
void life_not_saved(struct run *run, const struct job *job, int result,
                    const struct vdi_error *err);
/* life_save.c: the job is in line again as soon as it is saved. -EPROTO: it can't be. -ENOMEM. */
int life_save_for_room(struct run *run, const struct job *job);

/* life_save.c: what its template says of a desktop that nobody has touched since then. */
enum life_limit life_idle_word(struct core *core, const struct job *job);
void life_end_idle(struct run *run, const struct instance *in, const struct job *job,
                   int64_t since_usec, int64_t due_usec);

/* life_idle.c: the site's word, as in struct site_report. */
void life_input(struct run *run, int64_t idle_sec);
/* It is not known any more. Also from what is told of a commit. */
void life_forget_input(struct run *run);
/* What that means for its job by now. */
void life_look_idle(struct run *run);

/* life_start.c: the instance is REQUESTED. */
void life_request(struct run *run, const struct instance *in);
/* It is a seat that is READY, and its job's. */
void life_personalise(struct run *run, const struct instance *in);
/* life_report.c: asks the site where the instance stands. */
void life_ask(struct run *run);

#endif
