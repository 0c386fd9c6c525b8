/* SPDX-License-Identifier: Apache-2.0 */
/* job_find.h - the job that a request is about, in memory or in the archive. */
#ifndef VDICTLD_JOB_FIND_H
#define VDICTLD_JOB_FIND_H

#include "vdictld/call.h"

/*
 * Gives `found` the job of the path, borrowed for that call: at once, or once the store has
 * answered. One that is not there or not the caller's to see is refused with the same words.
 */
void job_find(struct call *call, void (*found)(struct call *call, const struct job *job));

#endif
