/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.h - the limits of qos, partition, account and limit blocks (struct config_limits).
 *
 * Each limit that holds for a job is a counter: of all jobs of the block, or of one owner's there.
 * Of the jobs that could be in line those that come first are let into it, as many as may run
 * besides those that do; the others wait with Slurm's reason. All of it follows from the jobs and
 * vdi.conf: nothing is stored.
 */
#ifndef VDICTLD_QUOTA_H
#define VDICTLD_QUOTA_H

#include "vdictld/call.h"

struct quota;

struct quota *quota_new(struct core *core);
void quota_free(struct quota *q); /* takes NULL */
/* A new vdi.conf is in force. */
void quota_configure(struct core *core);
/* A committed change of a job; before the planner is told of it. `old` NULL: new in memory. */
void quota_job(struct core *core, const struct job *old, const struct job *now);
/* An instance is gone; what it used is counted by now. */
void quota_instance_gone(struct core *core, const struct instance *in);
/* A submit is on its way to the store (n jobs of that kind), or was undone (-n). */
void quota_stage(struct core *core, const struct job_spec *spec, int n);
/* What was used under some limit is another sum now, or is known: who may run may be another. */
void quota_eased(struct core *core);
/* A pending job that may be in line as far as all else goes, or may not: may it be? */
bool quota_lets(struct core *core, const struct job *job, bool is_ready);

/*
 * A job that is only asked about is counted as one that came last, until quota_untry(): is there a
 * limit that would hold it back? Then quota_why() names it and quota_foreseen_usec() tells when it
 * would let it in. Whoever else waits or is let in stays so.
 */
bool quota_try(struct core *core, const struct job *job);
void quota_untry(struct core *core, const struct job *job);

/* ---- quota_foresee.c ---- */

/* When limits let jobs in is worked out anew: by as many calls as there are limits that jobs wait
 * for. False: that was all. */
void quota_foresee(struct core *core);
bool quota_foresee_next(struct core *core);
/* When limits are expected to let the job in. 0: they do. FORESEE_NEVER: nobody knows. */
int64_t quota_foreseen_usec(const struct core *core, const struct job *job);

/* ---- quota_check.c ---- */

/* Which limit blocks hold for the caller, written into the request. -ENOMEM. */
int quota_settle(struct call *call, struct job_spec *spec);
/* May n more of these be submitted? -EDQUOT names limit and numbers. */
int quota_check(struct call *call, const struct job_spec *spec, size_t n, struct vdi_error *err);
/* May it have this much more than it has: an update, or more time? -EDQUOT names the limit. */
int quota_check_more(struct call *call, const struct job *job, const struct job_spec *spec,
                     struct vdi_error *err);
/* Adds the limits that a job waits for. */
void quota_why(struct core *core, const struct job *job, struct plan_why *why);
/* "QOSMaxJobsPerUserLimit" of a blocker that quota_why() made. */
const char *quota_reason(const struct plan_blocker *b);
void quota_write_text(const struct plan_blocker *b, struct buf *out);
/* Those that hold for the caller: more members of the list of /v1/me. */
void quota_write_me(struct call *call, int64_t eases_usec, struct buf *out);

#endif
