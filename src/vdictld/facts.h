/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what is known of the jobs that others wait for: in memory or in the store, one job, a
 * task, or all tasks of an array.
 *
 * Only jobs that somebody watches cost anything. Those that left memory are asked for off the
 * loop, one at a time: until the store has answered, nothing is known of them.
 */
#ifndef VDICTLD_FACTS_H
#define VDICTLD_FACTS_H

#include "model/dependency.h"
#include "vdictld/core.h"

struct facts;
struct target;

/* In the memory of who watches; zeros: it watches nothing. */
struct facts_watch {
    struct list link;
    struct target *target;
};

/* `changed` may be called from within a publication, and from facts_watch(). */
struct facts *facts_new(struct core *core, void (*changed)(void *arg, struct facts_watch *watch),
                        void *arg);
void facts_free(struct facts *facts); /* takes NULL */
/* The job (or array, or task) of a condition. -ENOMEM. */
int facts_watch(struct facts *facts, const struct dependency_clause *clause,
                struct facts_watch *watch);
void facts_unwatch(struct facts *facts, struct facts_watch *watch);
/* NULL: not known yet, or for ever (*ret_is_lost: there is no record of it). */
const struct dependency_facts *facts_get(const struct facts_watch *watch, bool *ret_is_lost);
/* A committed change of a job. */
void facts_job(struct facts *facts, const struct job *old, const struct job *now);
/* Asks the store, after it could not be asked. */
void facts_ask(struct facts *facts);

#endif
