/* SPDX-License-Identifier: Apache-2.0 */
/* job_columns.h - the columns of vdiqueue: squeue's letters over the job document. */
#ifndef CLI_JOB_COLUMNS_H
#define CLI_JOB_COLUMNS_H

#include "cli/format.h"

/*
 * A column's `fields` may have "estimates": not a member to ask for, but the
 * query parameter that adds place, estimated_start_time, estimated_node and blocker.
 */
#define JOB_ESTIMATES "estimates"

/* Rows are struct value of a job. */
extern const struct column job_columns[];

#define JOB_FORMAT "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
#define JOB_FORMAT_LONG "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
#define JOB_FORMAT_START "%.18i %.9P %.8j %.8u %.2t %.19S %.6D %20Y %R"

struct value;
/* < 0, 0, > 0 as a comes before b in this column. */
int job_compare(const struct column *column, const struct value *a, const struct value *b,
                const struct format_context *context);

#endif
