/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - the planner's place in the controller.
 *
 * It is told of every committed change, plans in slices when the loop is idle,
 * and turns actions into transactions. It also counts jobs by owner, staged
 * ones included, for the limits.
 */
#ifndef VDICTLD_QUEUE_H
#define VDICTLD_QUEUE_H

#include "vdictld/core.h"

struct queue *queue_new(struct core *core);
/* How long a job that is asked to make room takes at most, grace aside. */
int64_t queue_save_usec(const struct core *core);
void queue_free(struct queue *q);
/* Everything in memory, after a load or a new configuration. */
int queue_configure(struct queue *q);
void queue_job(struct queue *q, const struct job *old, const struct job *now);
/* Its disks are others than when the planner was told of it last. */
void queue_again(struct queue *q, const struct job *job);
/* It may have another priority by now; `anyway`: also if it has none. */
void queue_ranked(struct queue *q, const struct job *job, bool anyway);
/* As planner_set_idle(). */
void queue_set_idle(struct queue *q, uint64_t job, bool is_idle);
/* As planner_put_stored(). */
void queue_stored(struct queue *q, const char *node, uint32_t gib);
/* planner_set_images() */
void queue_images(struct queue *q, const char *node, const uint32_t *images, size_t n);
void queue_node(struct queue *q, const struct node *now);
/* What holds a node and is no job: `job` has its id from QUEUE_SEAT_ID on and the node. */
#define QUEUE_SEAT_ID PLAN_SEAT_ID
void queue_hold(struct queue *q, const struct job *job);
void queue_unhold(struct queue *q, uint64_t id);
/* For classes.c alone, which books in it. */
struct planner *queue_planner(struct queue *q);

uint32_t queue_jobs(const struct queue *q);                          /* not ended */
uint32_t queue_jobs_in(const struct queue *q, enum job_state state); /* no ended one */
uint32_t queue_jobs_of(const struct queue *q, const char *owner);
void queue_each_owner(const struct queue *q, void (*fn)(void *arg, const char *owner), void *arg);
/* planner_licences_kept() */
uint64_t queue_licences_kept(const struct queue *q, const char *name, int64_t from_usec,
                             int64_t to_usec);
/* planner_licences_usec() */
int64_t queue_licences_usec(const struct queue *q, const char *name, uint64_t most,
                            int64_t not_before_usec, int64_t span_usec);
/* planner_start_usec(), planner_probe() */
int64_t queue_start_usec(const struct queue *q, uint64_t job);
int64_t queue_probe(struct queue *q, uint64_t job, int64_t not_before_usec);
/* Tells another planner what a job that is active holds, on all of its nodes. -ENOMEM. */
int queue_put_held(struct core *core, struct planner *planner, const struct job *job);
/* A submit is on its way to the store; queue_unstage when it was undone. */
void queue_stage(struct queue *q, const char *owner);
void queue_unstage(struct queue *q, const char *owner);

/* Blockers, place, estimate of a pending job. */
int queue_why(struct queue *q, uint64_t job, struct plan_why *ret);
/* Adds one that is not the planner's: behind what holds the job whatever others do, before what
 * the planner says. The last that there is room for counts those that there is none for. */
void queue_add_blocker(struct plan_why *why, const struct plan_blocker *b);
/* Estimate of a job as if it were submitted now: members of a JSON object. */
void queue_write_test(struct queue *q, const struct job_spec *spec, int32_t given, struct buf *out);
/* Calls `fn` from the loop once the plan stands, or with current = false when it is not made
 * in time. -ENOMEM. */
int queue_when_planned(struct queue *q, void (*fn)(void *arg, bool current), void *arg);
/* Who changes what the plan was asked about holds up the next until that is in the plan. */
void queue_claim(struct queue *q);
void queue_release(struct queue *q);
/* As planner_room(). */
int queue_room(struct queue *q, uint64_t job, struct plan_room *ret);
bool queue_usage(struct queue *q, const char *node, struct plan_usage *ret);
/* As planner_forecast(), from now on. */
int queue_forecast(struct queue *q, const char *node, const struct plan_forecast_ask *ask,
                   plan_forecast_fn *fn, void *arg);
const char *queue_next_node(struct queue *q, const char *after);
/* As planner_count(). */
uint32_t queue_free_now(struct queue *q, const struct job_spec *spec);
/* What the planner has spent, for /metrics. */
struct queue_stats {
    uint64_t steps, starts;
    int64_t cpu_usec, longest_step_usec;
};
void queue_stats(struct queue *q, struct queue_stats *ret);

#endif
