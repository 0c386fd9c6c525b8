/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - the live jobs of one owner and name, in the order of their ids: --dependency=singleton.
 *
 * Only names that somebody waits for are watched: what is not asked for costs nothing.
 */
#ifndef VDICTLD_NAMES_H
#define VDICTLD_NAMES_H

#include "vdictld/core.h"

struct names;

/* `changed` is told which job may be the first of its name now. */
struct names *names_new(struct core *core, void (*changed)(void *arg, uint64_t job), void *arg);
void names_free(struct names *names); /* takes NULL */
/* From now on, until as many names_unwatch(). -ENOMEM. */
int names_watch(struct names *names, const char *owner, const char *name);
void names_unwatch(struct names *names, const char *owner, const char *name);
/* A committed change of a job. */
void names_job(struct names *names, const struct job *now);
/* No job of the owner and name that began to wait earlier is left, and none of them holds a node;
 * else *ret_before is one that does or that is. False also when the name is not watched. */
bool names_is_first(const struct names *names, const struct job *job, uint64_t *ret_before);

#endif
