/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - a workload that was: jobs with when they came, how long they ran, what they asked for.
 *
 * Two formats: CSV with a header line (submit_s,duration_s,walltime_s,nodes,cpus,mem_mb,gpus,
 * gpu_type,user,group,class,reservation,origin_id; cpus, mem_mb and gpus are totals of the job),
 * and the Standard Workload Format of the Parallel Workloads Archive, version 2.2. Either may be
 * packed by xz. What a source does not say is 0 or "".
 */
#ifndef VDISIM_TRACE_H
#define VDISIM_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#include "base/buf.h"

#define TRACE_BYTES_MAX (1u << 30) /* unpacked */
#define TRACE_JOBS_MAX 10000000u

struct trace_job {
    int64_t submit_sec, duration_sec;
    int64_t walltime_sec; /* what its submitter asked for; 0: not said */
    uint32_t nodes, cpus, memory_mib;
    double gpus;
    char *id, *user, *group, *kind; /* kind: "batch", "interactive" ...; owned, as the next */
    char *gpu_type, *reservation;
};

struct trace {
    struct trace_job *jobs; /* in the order of the file */
    size_t n, size;
};

/* Appends the text of a file, without its packing by xz if its name says so. Blocks. */
int trace_read_text(const char *path, struct buf *out, struct vdi_error *err);
/* Blocks. -EINVAL with place (line) and column in err; the format follows from the name. */
int trace_read(const char *path, struct trace *ret, struct vdi_error *err);
void trace_done(struct trace *t);

#endif
