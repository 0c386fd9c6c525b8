/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause.h - times at which a job is saved because a class needs its GPUs, and what it has between.
 *
 * A job whose QOS is preempted by that of a class, with its memory saved, may be planned across the
 * class's window: it runs until the window, is saved, and runs on after it. See
 * doc/design/planner.md, "Across windows of classes".
 */
#ifndef PLAN_PAUSE_H
#define PLAN_PAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct candidate;
struct entry;
struct gpu_hold;
struct plan_lines;
struct plan_node;
struct planner;
struct seat_window;
struct shape;

struct pause {
    int64_t from_usec; /* who is there is asked to go */
    int64_t free_usec; /* nobody is there any more */
    int64_t to_usec;   /* who was there may come back */
    uint32_t qos;      /* that of the class, of planner.qos */
    bool is_for_job;   /* and not for a class */
};

struct pauses { /* by time, apart from each other */
    struct pause *at;
    size_t n, room;
    bool is_known;
};

/* One per QOS and device of a node, and one per QOS for all devices. */
struct node_pauses {
    struct pauses *of;
    uint32_t n_gpus, n_qos;
};

void node_pauses_forget(struct node_pauses *np); /* seats of the node are others */
void node_pauses_done(struct node_pauses *np);

/* Goes through what a job has of its nodes: pieces between the pauses. */
struct walk {
    const struct pauses *pauses;
    size_t i;
    int64_t at_usec, left_usec;
    int64_t least_usec;   /* a shorter time between pauses is not worth coming back for */
    int64_t restore_usec; /* what coming back takes */
};
/* The next piece; false: the job is over. */
bool walk_next(struct walk *w, int64_t *ret_from_usec, int64_t *ret_to_usec);

/*
 * A job of the shape is in line: a pass makes what it asks of every node's pauses before it looks
 * at any job, node by node; is that done, and doing it.
 */
void pause_want(struct planner *p, struct shape *shape);
bool pause_is_warm(const struct planner *p, const struct plan_node *node);
void pause_warm(struct planner *p, struct plan_node *node);
/* May the job be planned across pauses at all; on this node? */
bool pause_is_for(struct planner *p, struct shape *shape);
bool pause_is_for_node(struct planner *p, struct shape *shape, const struct plan_node *node);
/*
 * When it could begin on the node so as to end first. *ret_end_usec: when it would end.
 * TIMELINE_NEVER: not at all.
 */
int64_t pause_earliest(struct planner *p, struct shape *shape, struct plan_node *node,
                       const struct plan_lines *lines, int64_t from_usec, int64_t *ret_end_usec,
                       uint8_t *ret_offer);
/*
 * As many nodes as it asks for, and the time, at which it could begin so as to end first: at each
 * time those of which each alone would end first, by name. Each candidate's time is that. False:
 * never.
 */
bool pause_best_nodes(struct planner *p, struct shape *shape, int64_t from_usec,
                      struct candidate *ret);
/*
 * Takes the pieces of the job from the nodes' own lines, one hold for each, from the time that
 * is returned. The holds are the caller's. TIMELINE_NEVER: they are not free together; *ret_r.
 */
int64_t pause_reserve(struct planner *p, struct shape *shape, struct plan_node *const *nodes,
                      int64_t from_usec, struct gpu_hold **ret, int *ret_r);
/* Seats can't be where the job, or this part of it, is. */
bool pause_is_in_the_way(const struct planner *p, const struct entry *part);
/* So are the seats of this window, by the GPUs alone. */
bool pause_is_of_window(const struct planner *p, const struct entry *part,
                        const struct seat_window *w);
/* The pieces of one that holds its nodes, as `end` says without pauses. */
void pause_walk_entry(struct planner *p, const struct entry *e, int64_t end_usec, struct walk *ret);
/* The pause that asks it to go, now or next; NULL: none before its end. */
const struct pause *pause_next(struct planner *p, const struct entry *e, int64_t end_usec);

#endif
