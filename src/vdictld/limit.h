/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.h - the time limit of a running job: warnings, the signal before it, the end.
 *
 * The user is told 15, 5 and 1 minutes before the end; the job's own signal
 * goes out when it asked for it; at the limit
 * life_at_limit() does what its template says.
 */
#ifndef VDICTLD_LIMIT_H
#define VDICTLD_LIMIT_H

#include "vdictld/core.h"

struct limit;

struct limit *limit_new(struct core *core, uint64_t job);
void limit_free(struct limit *limit); /* takes NULL */
/* (Re)arms for the job as it now is: started, extended, suspended, resumed. */
void limit_set(struct limit *limit, const struct job *job);

#endif
