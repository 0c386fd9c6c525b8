/* SPDX-License-Identifier: Apache-2.0 */
/* job_doc.h - the document of a job: its own fields and what the planner says of it. */
#ifndef VDICTLD_JOB_DOC_H
#define VDICTLD_JOB_DOC_H

#include "codec/job_codec.h"
#include "vdictld/core.h"

struct job_doc_columns {
    bool chosen; /* else the whole document */
    struct job_columns columns;
    bool estimates; /* place, estimated_start_time, estimated_node, blocker, saved_until_time */
};

int job_doc_columns(const char *fields, bool estimates, struct job_doc_columns *ret,
                    struct vdi_error *err);
void job_doc_write(struct core *core, const struct job *job, const struct job_doc_columns *columns,
                   struct buf *out);
/* place, estimate and blockers as members of an object, each preceded by a comma. */
void job_doc_write_why(const struct plan_why *why, bool blockers, struct buf *out);
/* For /v1/jobs/{id}/why and --test-only: one blocker in words. A stranger's job is not named. */
void job_doc_write_blocker(struct core *core, const struct plan_blocker *b, bool name_job,
                           struct buf *out);

#endif
