/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_index.h - which jobs in memory are whose, so that a list of one's own jobs costs what
 * is in it.
 *
 * By the name without its realm: who asks for `anna` means hers of every realm.
 */
#ifndef VDICTLD_JOB_INDEX_H
#define VDICTLD_JOB_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "model/job.h"

struct job_index;

struct job_index *job_index_new(void);
void job_index_free(struct job_index *index); /* takes NULL */
/* A job that is new in memory, and one that leaves it. */
void job_index_add(struct job_index *index, const struct job *job);
void job_index_remove(struct job_index *index, const struct job *job);
/* False: there was no memory for a job, so that all jobs must be looked at. */
bool job_index_is_whole(const struct job_index *index);
/* The first job above `after` of owners with the name of `owner` ("realm:name", or "name");
 * 0: there is none. */
uint64_t job_index_next(const struct job_index *index, const char *owner, uint64_t after);

#endif
