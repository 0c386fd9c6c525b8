/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closure.h - nodes that are closed for windows of time: maintenance, and nodes reserved for some.
 *
 * Who names the closure runs in its windows, on its nodes, and nowhere else; who is drawn by it
 * runs there as well as elsewhere; all others keep clear of them. Nothing is taken from a node's
 * lines for it: times are asked about beside them.
 */
#ifndef PLAN_CLOSURE_H
#define PLAN_CLOSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan_node;
struct plan_window;
struct planner;
struct shape;

struct closure {
    uint64_t id;
    char *name;
    struct plan_node **nodes;
    size_t n_nodes;
    struct plan_window *windows; /* by time, apart from each other */
    size_t n_windows;
};

struct closures {
    struct hash *all;  /* id -> struct closure */
    int64_t next_usec; /* a window begins or ends; TIMELINE_NEVER */
};

/* Of one node. */
struct node_closures {
    struct closure **of;
    size_t n, room;
};

int closures_init(struct closures *c);
void closures_done(struct planner *p);
/* Whether a window has begun or is over since: what waits for that may start. */
bool closures_pass(struct planner *p);
/* The first time from then on at which the node is the shape's for the whole span; NEVER. */
int64_t closure_earliest(const struct plan_node *node, const struct shape *shape, int64_t from_usec,
                         int64_t span_usec);
/* Is it, in [from, to)? */
bool closure_allows(const struct plan_node *node, const struct shape *shape, int64_t from_usec,
                    int64_t to_usec);
/* A window that draws the shape is now; and on this node. */
bool closures_draw(struct planner *p, const struct shape *shape);
bool closure_draws(const struct plan_node *node, const struct shape *shape, int64_t now_usec);
/* Some window of it is in [from, to). */
bool closure_is_on(const struct plan_node *node, int64_t from_usec, int64_t to_usec);
/* The first window in [from, to) that is not the shape's own; NULL: there is none. */
const struct closure *closure_against(const struct plan_node *node, const struct shape *shape,
                                      int64_t from_usec, int64_t to_usec,
                                      const struct plan_window **ret);
/* Until when a job of the shape that is there now may stay, seen from a time on; NEVER. With the
 * name of the closure that ends it. */
int64_t closure_until(const struct plan_node *node, const struct shape *shape, int64_t now_usec,
                      int64_t from_usec, const char **ret_name);
/* When the first window that is not over by then ends; NEVER. */
int64_t closure_next_end(const struct plan_node *node, int64_t usec);

#endif
