/* SPDX-License-Identifier: Apache-2.0 */
/* timeline.h - what is free on one node from now on, as steps in time; GPUs aside. */
#ifndef PLAN_TIMELINE_H
#define PLAN_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/steps.h"

/* A time that no plan reaches: "never". */
#define TIMELINE_NEVER INT64_C(1000000000000000000)
/* So many steps are kept for one node; a node with more takes no further job in this pass. */
#define TIMELINE_STEPS_MAX 16384

/* There is one in each step of each node, so it is small. What a node or a job may have of each
 * (codec/config_table.c, job_codec.c) leaves it room for sums. */
struct amount {
    int32_t memory_mib;
    int32_t cpus;
    int32_t disk_gib;
    int32_t encode_mpix; /* of video, each second */
    int32_t work_mcpu;   /* cpus and what its video takes of them, in thousandths of a processor */
};

/* Nothing of a resource is needed: it is there, even on a node that owes some. */
static inline bool amount_covers(const struct amount *free, const struct amount *need)
{
    return (!need->cpus || free->cpus >= need->cpus) &&
           (!need->memory_mib || free->memory_mib >= need->memory_mib) &&
           (!need->disk_gib || free->disk_gib >= need->disk_gib) &&
           (!need->encode_mpix || free->encode_mpix >= need->encode_mpix) &&
           (!need->work_mcpu || free->work_mcpu >= need->work_mcpu);
}

static inline void amount_add(struct amount *a, const struct amount *b, int sign)
{
    a->memory_mib += sign * b->memory_mib;
    a->cpus += sign * b->cpus;
    a->disk_gib += sign * b->disk_gib;
    a->encode_mpix += sign * b->encode_mpix;
    a->work_mcpu += sign * b->work_mcpu;
}

static inline bool amount_is_equal(const struct amount *a, const struct amount *b)
{
    return a->cpus == b->cpus && a->memory_mib == b->memory_mib && a->disk_gib == b->disk_gib &&
           a->encode_mpix == b->encode_mpix && a->work_mcpu == b->work_mcpu;
}

struct step {
    int64_t from_usec;
    struct amount free;
};

struct timeline {
    struct steps steps; /* struct step */
    bool closed;        /* a change was lost for want of memory: nothing may be planned on it */
};

static inline struct step *timeline_step(const struct timeline *t, size_t i)
{
    return (struct step *)t->steps.data + i;
}

int timeline_begin(struct timeline *t, const struct amount *free);
/* Adds `amount` (sign 1) or takes it (sign -1) in [from, to). */
int timeline_change(struct timeline *t, int64_t from_usec, int64_t to_usec,
                    const struct amount *amount, int sign);
/* The first time >= not_before from which `need` is free for `span`; NEVER if there is none. */
int64_t timeline_earliest(const struct timeline *t, int64_t not_before_usec, int64_t span_usec,
                          const struct amount *need);
void timeline_done(struct timeline *t);

#endif
