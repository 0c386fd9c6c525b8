/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrays.h - job arrays that have tasks in memory: whose id is which task's, and how many of
 * them may run at once.
 *
 * Everything is of the tasks' own records (array_id, array_task, spec->array): nothing more is
 * stored.
 */
#ifndef VDICTLD_ARRAYS_H
#define VDICTLD_ARRAYS_H

#include "model/array.h"
#include "vdictld/core.h"

struct arrays;

struct arrays *arrays_new(struct core *core);
void arrays_free(struct arrays *arrays); /* takes NULL */
/* A committed change of a job; before the planner is told of it. `old` NULL: new in memory. */
void arrays_job(struct core *core, const struct job *old, const struct job *now);
/* A job leaves memory. */
void arrays_forget(struct core *core, const struct job *job);

/* How many tasks the array has; 0: none of them is in memory, or it is no array. */
uint32_t arrays_count(const struct core *core, uint64_t array);
/* Of its tasks in memory the first, committed; NULL: there is none. */
const struct job *arrays_any(struct core *core, uint64_t array);
/*
 * A job by its name: "12", or "12_4" for a task of array 12. False: that is no name, or of a
 * task that is not in memory (*ret_array is then its array's id, else 0).
 */
bool arrays_id(const struct core *core, const char *name, uint64_t *ret, uint64_t *ret_array);
/* The same for a task whose array is known by its text. 0: it has no such task. */
uint64_t arrays_task_id(uint64_t array, const char *text, uint32_t task);
/* "12_4" to 12 and 4. */
bool arrays_split(const char *name, uint64_t *ret_array, uint32_t *ret_task);
/* What a person calls it: "12_4", "12". */
#define JOB_NAME_TEXT 40
const char *arrays_name(const struct job *job, char ret[JOB_NAME_TEXT]);

/* May it be in line, as far as its array's limit goes? */
bool arrays_lets(const struct core *core, const struct job *job);
/* When that is expected to let it in. 0: it does. FORESEE_NEVER: nobody knows. */
int64_t arrays_foreseen_usec(struct core *core, const struct job *job);
/* Its blocker, if that is one. False: none. */
bool arrays_why(const struct core *core, const struct job *job, struct plan_blocker *ret);

#endif
