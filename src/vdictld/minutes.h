/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minutes.h - the GPU minutes that were used under each limit that counts them.
 *
 * As Slurm's GrpTRESMins: what was used decays by the half life of fair share, so a limit eases
 * by itself. Counted here are instances that are gone; what live jobs may still use is quota.c's.
 * Nothing is stored: it follows from the times of archived instances, as fair share does.
 */
#ifndef VDICTLD_MINUTES_H
#define VDICTLD_MINUTES_H

#include "vdictld/core.h"

/* Where fair share has none. */
#define MINUTES_HALF_LIFE_USEC (INT64_C(7) * 86400 * 1000000)

struct minutes;

struct minutes *minutes_new(struct core *core);
void minutes_free(struct minutes *m); /* takes NULL */
/* A new vdi.conf is in force, or the first: reads what was used, if that is another sum now. */
void minutes_configure(struct core *core);
/* A committed change. */
void minutes_instance(struct core *core, const struct instance *old, const struct instance *now);
/* False: it is still being read, and nobody under such a limit starts. */
bool minutes_are_known(const struct core *core);
/* What is left of it now, in whole minutes; `key` is a counter's. */
uint64_t minutes_used(const struct core *core, const char *key);
/* How long until what was used, and `more` that is used by then at the latest at `from_usec`, are
 * no more than `most` together. 0: never. */
int64_t minutes_ease_usec(const struct core *core, const char *key, uint64_t more,
                          int64_t from_usec, uint64_t most);
/* How often it is worth looking whether a limit has eased. */
int64_t minutes_look_usec(const struct core *core);

#endif
