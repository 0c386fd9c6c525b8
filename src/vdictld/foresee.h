/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foresee.h - when jobs may start that are not in line, for other jobs or a limit hold them up.
 *
 * First when what holds one up is expected to be over, then where the plan has room for it from
 * then on, behind all that are in line. It is done over in slices, every half minute while there
 * are such jobs, and soon after one more has come.
 */
#ifndef VDICTLD_FORESEE_H
#define VDICTLD_FORESEE_H

#include "vdictld/core.h"

struct foresee;

struct foresee *foresee_new(struct core *core);
void foresee_free(struct foresee *f); /* takes NULL */
/* A job is not in line, and not for a reason that its record or the planner knows; or it is. */
void foresee_put(struct core *core, uint64_t job, bool is_held_up);
/* The estimate of such a job. 0: none can be given, or not yet. */
int64_t foresee_start_usec(struct core *core, uint64_t job);

/* ---- for those that know what holds a job up ---- */

/* "Never": what a job waits for has no end that is known. */
#define FORESEE_NEVER INT64_MAX

/* When a live job is expected to have started, and to have ended by its limit. FORESEE_NEVER:
 * nobody knows. Not before now. */
int64_t foresee_begin_usec(struct core *core, const struct job *job);
int64_t foresee_end_usec(struct core *core, const struct job *job);
/* Another number each time that all is worked out anew; nothing that was is known any more. */
uint32_t foresee_round(const struct core *core);
void foresee_anew(struct core *core);

/* Times, each of something; the first of them first. */
struct foresee_end {
    int64_t usec;
    union {
        const void *of;
        uint64_t job;
    };
};
struct foresee_ends {
    struct foresee_end *at;
    size_t n, room;
};
/* -ENOMEM; never of FORESEE_NEVER, which is passed over. */
int foresee_ends_add(struct foresee_ends *ends, struct foresee_end end);
struct foresee_end foresee_ends_take(struct foresee_ends *ends);

#endif
