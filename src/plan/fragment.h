/* SPDX-License-Identifier: Apache-2.0 */
/* fragment.h - what a start leaves of a node in pieces that the jobs known here can't use. */
#ifndef PLAN_FRAGMENT_H
#define PLAN_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/timeline.h"

struct candidate;
struct plan_node;
struct planner;
struct pool;
struct shape;
struct wish;

/* Of the nodes that could start a job so many are compared: the first by name, and those of the
 * next FRAGMENT_SPAN. */
#define FRAGMENT_NODES 16
#define FRAGMENT_SPAN 128
/* Of the demands, so many are looked at: those of most jobs. */
#define FRAGMENT_DEMANDS 64

/* Shapes that ask for the same GPUs beside the same amounts, whatever their length and QOS. */
struct demand {
    char *key;
    struct pool *pool;
    struct wish *wish;
    struct amount need;
    uint32_t gpus;
    unsigned refs; /* shapes */
    uint64_t jobs; /* instances of the jobs that the planner knows of them */
    struct demand *next, *prev;
};

struct mix {
    struct demand *first; /* of all */
    bool is_current;      /* most[] is of what is known now */
    uint32_t n;
    const struct demand *most[FRAGMENT_DEMANDS]; /* most jobs first */
};

/* The demand of a shape that has its other members: one of GPUs, with a choice of nodes. NULL: it
 * is of no other kind, or (*ret_r) no memory. */
struct demand *demand_get(struct planner *p, const struct shape *shape, int *ret_r);
void demand_unref(struct planner *p, struct demand *demand); /* takes NULL */
/* A job of the shape (NULL: none) is known (sign 1), or not any more (-1). */
void demand_count(struct planner *p, const struct shape *shape, int sign);

/* Anybody here wants GPUs, so that it matters what is left of them. */
bool fragment_matters(struct planner *p);
/*
 * Of nodes on which the shape starts now the one on which fragmentation grows least; equal: the
 * first that has the image, or else the first. A node is fragmented by the GPUs, in thousandths,
 * that a job can't use of what is free on it now, summed over the jobs of the mix (Weng et al.,
 * USENIX ATC '23).
 */
uint32_t fragment_least(struct planner *p, const struct shape *shape, uint32_t image,
                        const struct candidate *of, uint32_t n);

#endif
