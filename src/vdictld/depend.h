/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depend.h - jobs that wait for other jobs (model/dependency.h).
 *
 * What a job waits for is in its request, and what came of that in the records of others: nothing
 * is stored of it besides, and after a restart it is worked out anew. Jobs that left memory are
 * looked up in the store, off the loop; until that answers, who waits for them waits.
 */
#ifndef VDICTLD_DEPEND_H
#define VDICTLD_DEPEND_H

#include "model/dependency.h"
#include "vdictld/call.h"

struct depend;

struct depend *depend_new(struct core *core);
void depend_free(struct depend *d); /* takes NULL */
/* A committed change of a job; before the planner is told of it. `old` NULL: new in memory. */
void depend_job(struct core *core, const struct job *old, const struct job *now);
/* May it be in line, as far as other jobs go? Queue and planner are told when that changes. */
enum dependency_state depend_state(const struct core *core, const struct job *job);
/* Adds what it waits for; before all blockers that end by themselves. */
void depend_why(struct core *core, const struct job *job, struct plan_why *why);
/* When what it waits for is expected. 0: it waits for nothing. FORESEE_NEVER: nobody knows. */
int64_t depend_foreseen_usec(struct core *core, const struct job *job);
/* Are these jobs the caller's? `done` gets 0, or a negative errno and why not; perhaps at once. */
void depend_check(struct call *call, const char *text,
                  void (*done)(void *arg, int result, const struct vdi_error *err), void *arg);

#endif
