/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage.h - what instances held, summed up by whose they are and by period. Pure.
 *
 * An instance holds what it was given from its request to when it is gone, booting and
 * stopping included, but not while it is saved: as the planner gives it out.
 */
#ifndef MODEL_USAGE_H
#define MODEL_USAGE_H

#include <stddef.h>
#include <stdint.h>

#include "model/instance.h"

#define USAGE_GROUPS_MAX 20000 /* sums in one answer: they are sorted on the loop */
#define USAGE_CUTS_MAX 1001

/* What a sum is made by; a bit each. */
enum usage_by {
    USAGE_OWNER,
    USAGE_ACCOUNT,
    USAGE_PARTITION,
    USAGE_QOS,
    USAGE_TEMPLATE,
    USAGE_PROFILE,
    USAGE_N_BY,
};
extern const char *const usage_by_names[]; /* NULL-terminated; members of the document */

/* Milliseconds times what was held: 64 bits are enough for thousands of node-years. */
struct usage_sum {
    size_t period;              /* between cuts[period] and the next */
    const char *by[USAGE_N_BY]; /* NULL: not summed by it */
    uint64_t instances;         /* that held anything in the period */
    uint64_t held_msec;
    uint64_t gpu_msec;
    uint64_t cpu_msec;
    uint64_t memory_mib_msec;
    uint64_t framebuffer_mib_msec;
    uint64_t gpu_unsized_msec; /* of gpu_msec: the profile's name says no framebuffer */
};

struct usage;

/* cuts: ascending, the first and the last are the whole time; n >= 2. NULL: no memory. */
struct usage *usage_new(const int64_t *cuts, size_t n_cuts, unsigned by);
void usage_free(struct usage *u); /* takes NULL */
/* One that is not gone holds up to now. -E2BIG: more than USAGE_GROUPS_MAX sums; -ENOMEM. */
int usage_add(struct usage *u, const struct instance *in, int64_t now_usec);
/* The part of its time to `end` in which it was not saved, 0 to 1: what is saved counts as spread
 * evenly. */
double usage_held_part(const struct instance *in, int64_t end_usec);
size_t usage_count(const struct usage *u);
/* By period, then by the members in their order. Sorts once; no usage_add() afterwards. */
const struct usage_sum *usage_at(struct usage *u, size_t i);

#endif
