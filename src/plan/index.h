/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index.h - for requests that are alike, the nodes by a time before which none of them can start.
 *
 * Shapes that ask for about the same share an index. It knows, for the least that any of them asks
 * for (its floor), how early each node could take that, and of each run of nodes the earliest.
 */
#ifndef PLAN_INDEX_H
#define PLAN_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct index;
struct plan_node;
struct planner;
struct shape;

/* So many at most: 25 bytes a node each. With more kinds of request "alike" is taken wider. */
#define INDEX_MAX 32
/* Each of fewer nodes is asked at once for less than an index costs. */
#define INDEX_NODES_MIN 32
/* A vertex of the level above stands for so many of one level; level 0 are the nodes. */
#define INDEX_SHIFT 4
#define INDEX_FAN (1 << INDEX_SHIFT)
#define INDEX_LEVELS 7

struct indexes {
    struct index *all[INDEX_MAX];
    uint32_t n, most;
    uint32_t nodes_min;
    unsigned grain;   /* how wide "alike" is now */
    uint32_t *stands; /* by plan_node.index: its base lines as the pass began; 0: it takes none */
    uint32_t n_stands;
};

void indexes_init(struct indexes *all);
void indexes_done(struct planner *p);
/* A pass begins: what the shapes in line share. */
void indexes_begin(struct planner *p);
/* A pass that begins goes by these base lines of the node. */
void index_see(struct planner *p, const struct plan_node *node);
/* That of the shape in this pass. NULL: it has none, and may be early on every node. */
struct index *index_of(struct planner *p, struct shape *shape);
/* How many levels there are above the nodes, and vertices of one level. */
unsigned index_levels(const struct planner *p);
uint32_t index_width(const struct planner *p, unsigned level);
/* Nobody of the index starts on the nodes of the vertex earlier. NULL: nobody starts before now. */
int64_t index_bound(const struct planner *p, const struct index *ix, unsigned level, uint32_t i);
/* Anything is known of a node. */
bool index_is_known(const struct index *ix, uint32_t node);
/* The bound of a node is as good as its lines say. */
bool index_is_exact(const struct planner *p, const struct index *ix, const struct plan_node *node);
/* The shape is the one that asks for the least of all. */
bool index_is_floor(const struct index *ix, const struct shape *shape);
/* Makes it so; returns the bound. */
int64_t index_refine(struct planner *p, struct index *ix, struct plan_node *node);
/* The same where the caller knows the floor's earliest time from then on, by the lines as they
 * are. */
void index_set(const struct planner *p, struct index *ix, const struct plan_node *node,
               int64_t from_usec, int64_t earliest_usec);

#endif
