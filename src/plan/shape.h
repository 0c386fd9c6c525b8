/* SPDX-License-Identifier: Apache-2.0 */
/* shape.h - equal requests are one shape; where it may run is its pool. */
#ifndef PLAN_SHAPE_H
#define PLAN_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "plan/entry.h"
#include "plan/timeline.h"
#include "plan/wish.h"

struct demand;
struct index;
struct job;
struct plan_terms;
struct planner;
struct plan_node;

/* (partition, constraint, nodelist, exclude, pin, reservation, drawn), and the nodes that satisfy
 * them. */
struct pool {
    char *key;
    const char *partition, *constraint, *nodelist, *exclude; /* in `text` */
    const char *pin;         /* the one node that has its disks; "" none */
    const char *reservation; /* the closure in whose windows it may run; "" none */
    const char *drawn;       /* closures that are none to it, by commas; "" none */
    bool is_bound;           /* and nowhere else */
    char *text;
    unsigned refs; /* shapes and indexes */
    uint64_t number;
    uint64_t layout; /* planner.layout that `bits` is of */
    uint64_t *bits;  /* by plan_node.index */
    size_t n_words;
    bool exists, up; /* of the partition */
    int32_t tier;
};

/* A node with the earliest time at which it could take the shape, or a time before that. Of a job
 * that may pause: its earliest end, less its span. */
struct candidate {
    int64_t earliest_usec;
    uint32_t node;
    uint8_t offer; /* of the node's kind of GPU, by which it is so early */
    uint8_t level; /* in a heap: it stands for so many nodes from `node` on, as index.h has it */
};

struct shape {
    char *key;
    struct pool *pool;
    struct amount need;
    uint32_t nodes; /* so many at once, each with this need */
    uint32_t gpus;  /* devices, each with a share that meets the wish */
    struct wish *wish;
    struct demand *demand; /* NULL: of no GPUs, or of one node alone */
    const char *qos;       /* word */
    bool unsaved;          /* plan_terms */
    const char *licences;  /* word */
    uint64_t qos_layout;   /* that qos_index is of */
    uint32_t qos_index;
    bool all_pause; /* pause_is_for(), of pause_layout */
    uint64_t pause_layout;
    int64_t span_usec;   /* plan_span() */
    struct shape *brief; /* the same for the least time that is accepted; NULL: it is not less */
    unsigned refs;       /* entries */
    uint32_t queued;     /* of them in line */
    struct shape *next, *prev;
    /* Known not to fit anywhere now, as of this layout; cleared when a node it fits on gains. */
    bool full;
    uint64_t full_layout;
    uint32_t roomy; /* a node it fitted on when last asked */
    uint64_t tried; /* the pass that found no booking for it: booking.c */
    /* Of pass `pass`: a heap by (earliest, node). Within a pass free space only shrinks,
     * so what is in it is never too late. */
    uint64_t pass;
    struct index *index; /* NULL: none */
    bool is_pausing;     /* pause_is_for(), as it was then */
    int64_t asked_usec;  /* nobody was asked for that was to start earlier, or the heap is anew */
    struct candidate *heap;
    size_t n_heap, n_taken, heap_room; /* taken: out of it while nodes are compared */
};

struct shapes {
    struct hash *pools;   /* key -> struct pool */
    struct hash *shapes;  /* key -> struct shape */
    struct hash *wishes;  /* key -> struct wish */
    struct hash *demands; /* key -> struct demand */
    struct shape *first;
    size_t n_candidates; /* in all heaps */
    uint64_t next_pool;
};

int shapes_init(struct shapes *s);
void shapes_done(struct planner *p);
/* The shape of a job, with one reference more. `saved_on`: the nodes of one that is saved, as a
 * hostlist. NULL: no memory. */
struct shape *shape_get(struct planner *p, const struct job *job, const struct plan_terms *terms,
                        const char *saved_on);
struct shape *shape_ref(struct shape *shape);
void shape_unref(struct planner *p, struct shape *shape); /* takes NULL */
void pool_unref(struct planner *p, struct pool *pool);
/* Brings `exists`, `up`, `tier` in step with the configuration. */
void pool_configure(const struct planner *p, struct pool *pool);
/* May the pool's jobs run on this node, whatever its state? Nodes must be sorted. */
bool pool_has(struct planner *p, struct pool *pool, const struct plan_node *node);
/* Could the node hold it when empty? */
bool shape_is_possible(struct planner *p, struct shape *shape, const struct plan_node *node);
/* Does it fit now, reservations aside? */
bool shape_fits(struct planner *p, struct shape *shape, const struct plan_node *node);
bool shape_is_full(struct planner *p, struct shape *shape);
/* The best nodes, as many as it asks for, and the time at which all are free for it, in this
 * pass: the first by name, or, now and of one node, by fragment.h, for a job that would boot
 * `image`. False: there are none. */
bool shape_best(struct planner *p, struct shape *shape, uint32_t image, int64_t not_before_usec,
                struct candidate *ret);
/* When it would start there: one that pauses on its way is found by its end. */
int64_t shape_start_usec(struct planner *p, struct shape *shape, const struct candidate *best,
                         int64_t not_before_usec);
/* In place of the best nodes, if it can start there now, those where it can start as well in
 * windows that draw it: the first by name, or by fragment.h. Several that may pause stay. True:
 * they are others. */
bool shape_draw(struct planner *p, struct shape *shape, uint32_t image, struct candidate *io);
/* Gives memory back when all heaps together are large; a later call makes it anew. */
void shape_trim(struct planner *p, struct shape *shape);

#endif
