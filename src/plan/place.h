/* SPDX-License-Identifier: Apache-2.0 */
/* place.h - where on a node a job fits: its amount and its GPUs together. */
#ifndef PLAN_PLACE_H
#define PLAN_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gpu.h"
#include "plan/gpuline.h"
#include "plan/timeline.h"

struct plan_node;
struct planner;
struct shape;

/* The GPUs that one job holds, or shall get. */
struct gpu_hold {
    const char *profile; /* word; "": whatever the device is */
    uint8_t offer, n;    /* offer: of the node's kind; HOLD_FOREIGN: it has it no more */
    struct gpu_place places[];
};
#define HOLD_FOREIGN UINT8_MAX

/* The devices of a node; more than it has, if a job is said to hold such. */
struct plan_gpus {
    uint32_t n; /* that the node has */
    uint32_t n_all, room;
    struct plan_gpu {
        struct gpu_state now;
        uint32_t n_foreign; /* jobs on it whose profile it has no more: nothing else fits */
    } * gpus;
};

/* What is free on a node from now on. */
struct plan_lines {
    struct timeline amount;
    struct gpuline *gpus; /* as many as plan_gpus.n_all when they were made */
    uint32_t room;
};

int plan_lines_reserve(struct plan_lines *lines, uint32_t n_gpus); /* -ENOMEM */
int plan_lines_copy(struct plan_lines *to, const struct plan_lines *from, uint32_t n_gpus);
void plan_lines_done(struct plan_lines *lines);

/* Makes room for `n` devices. -ENOMEM. */
int place_set_gpus(struct plan_gpus *gpus, uint32_t n);
void place_done(struct plan_gpus *gpus);

/* Does the shape fit now, reservations aside? Amounts and GPUs. */
bool place_fits(struct planner *p, struct shape *shape, const struct plan_node *node);
/* Could the node hold it if it were empty? */
bool place_is_possible(struct planner *p, struct shape *shape, const struct plan_node *node);
/* How often the shape fits now, one after another, at most `most`. */
uint32_t place_count(struct planner *p, struct shape *shape, const struct plan_node *node,
                     uint32_t most);
/* GPUs of the node that could be had by the shape now. */
uint32_t place_free_gpus(struct planner *p, struct shape *shape, const struct plan_node *node);

/* By lines of the node, the first time at which it fits, with *ret_offer; TIMELINE_NEVER. */
int64_t place_earliest(struct planner *p, struct shape *shape, const struct plan_node *node,
                       const struct plan_lines *lines, int64_t not_before_usec, uint8_t *ret_offer);
/* The same for GPUs alone. */
int64_t place_gpus_earliest(struct planner *p, struct shape *shape, const struct plan_node *node,
                            const struct plan_lines *lines, int64_t not_before_usec,
                            uint8_t *ret_offer);
/* The devices and slots that place_reserve() takes; their number. */
uint32_t place_choose(const struct planner *p, const struct shape *shape,
                      const struct plan_node *node, int64_t at_usec, uint8_t offer,
                      struct gpu_place *places);
/*
 * Takes the shape at a time and offer of place_earliest() from the node's own lines, at the
 * places that leave most to others. The hold is the caller's; NULL without GPUs or (*ret_r) memory.
 */
struct gpu_hold *place_reserve(struct planner *p, struct shape *shape, struct plan_node *node,
                               int64_t at_usec, uint8_t offer, int *ret_r);

/* A place of the shape from `from_usec` for `span_usec` by these lines: on the device `gpu` if it
 * takes one alone, else on the first that will do. NULL: there is none, or (*ret_r) no memory. */
struct gpu_hold *place_find(struct planner *p, struct shape *shape, const struct plan_node *node,
                            const struct plan_lines *lines, int64_t from_usec, int64_t span_usec,
                            uint32_t gpu, int *ret_r);

/* What a job holds now: takes it (sign 1) or gives it back (-1). */
void place_hold(const struct planner *p, struct plan_node *node, struct gpu_hold *hold, int sign);
/* Are these places free now? */
bool place_is_free(const struct planner *p, const struct plan_node *node,
                   const struct gpu_hold *hold);
/* The kind of the node is another: finds the profile among what it offers now. */
void place_find_offer(const struct planner *p, const struct plan_node *node, struct gpu_hold *hold);
/* NULL: no memory. */
struct gpu_hold *place_hold_new(const struct planner *p, const struct plan_node *node,
                                uint8_t offer, const struct gpu_place *places, uint32_t n);
struct gpu_hold *place_hold_copy(const struct gpu_hold *hold); /* NULL: no memory */
struct gpu_hold *place_hold_free(struct gpu_hold *hold);       /* takes NULL, returns it */
/* A hold at the places the record says; where it says none, at those that are free, or the
 * first. -ENOMEM. */
int place_of_record(struct planner *p, struct shape *shape, struct plan_node *node,
                    const char *held, struct gpu_hold **ret);

#endif
