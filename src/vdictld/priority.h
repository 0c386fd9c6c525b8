/* SPDX-License-Identifier: Apache-2.0 */
/*
 * priority.h - who comes first: the priority plugin, and what accounts and users have used.
 *
 * A priority is an estimate, not a fact: it is made anew in rounds and never stored. Between two
 * rounds it depends on the job alone, so nobody gains by being looked at later.
 */
#ifndef VDICTLD_PRIORITY_H
#define VDICTLD_PRIORITY_H

#include "base/buf.h"
#include "vdictld/core.h"

struct priority;
struct priority_rule; /* the plugin with the settings of one vdi.conf */

const char *priority_plugin(const struct config *config);
/* Loads the plugin that core->config names, with its settings. */
struct priority *priority_new(struct core *core, struct vdi_error *err);
void priority_free(struct priority *p); /* takes NULL */
/* What is in memory was told to the planner: reads from the store what was used. */
void priority_begin(struct core *core);
/* Tries the settings of another vdi.conf; priority_take() puts them in force with it. */
int priority_try(struct core *core, const struct config *config, struct priority_rule **ret,
                 struct vdi_error *err);
void priority_take(struct core *core, struct priority_rule *rule);
void priority_rule_free(struct core *core, struct priority_rule *rule); /* takes NULL */
/* A committed change; `old` NULL: new in memory. */
void priority_instance(struct core *core, const struct instance *old, const struct instance *now);

/* Of what was used; 0: fair share counts nothing. */
int64_t priority_half_life_usec(const struct core *core);
/* False: what was used before the start is still being read, and nobody starts. */
bool priority_is_known(const struct core *core);
/* Of a job that waits; of others that in the record. */
int32_t priority_of(struct core *core, const struct job *job);
/* ,"priority":N,"factors":[{"name","factor","weight","product"}...]: members of an object. */
void priority_write(struct core *core, const struct job *job, struct buf *out);

#endif
