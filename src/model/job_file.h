/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_file.h - the names of a job's files: what -o and -e say, with its symbols filled in.
 *
 * The symbols are sbatch(1)'s, "filename pattern": %j (job id), %A (the same, or its array's), %a
 * (of an array: the task's index), %u (user), %x (job name), %N (node, without its domain), %n (the
 * node's number in the job, from 0), %%. A number between % and j, A, a or n is the least number of
 * digits. A name with a backslash is taken as it is, without its backslashes.
 */
#ifndef MODEL_JOB_FILE_H
#define MODEL_JOB_FILE_H

#include "base/buf.h"
#include "model/job.h"

#define JOB_FILE_SYMBOLS "%j %A %a %u %x %N %n %%"

/* -EINVAL: a symbol that is not known here, or %a of what is no array; err names it. */
int job_file_check(const char *field, const char *pattern, bool is_array, struct vdi_error *err);
/*
 * Appends the name, with the working directory before it unless it is absolute; nothing for
 * "". The job must have its node, its `node_id`th. A '/' in a job's name becomes '_': a symbol is
 * one step. Where neither %N nor %n tells files of several nodes apart, ".NODE_ID" is behind the
 * name on all but the first.
 */
void job_file_name(const struct job *job, uint32_t node_id, const char *pattern, struct buf *out);

#endif
