/* SPDX-License-Identifier: Apache-2.0 */
/* seat.h - seats of classes: parts of nodes that are kept free for a window of time. */
#ifndef PLAN_SEAT_H
#define PLAN_SEAT_H

#include <stdint.h>

#include "plan/place.h"

struct plan_class;
struct planner;

/* One seat of one window, on the node that it was given. */
struct seat {
    struct seat_window *window;
    struct plan_node *node;
    struct seat *next, **link; /* in the list of its node */
    struct gpu_hold *gpus;     /* NULL: none */
};

struct seat_window {
    uint64_t class_id;
    int64_t from_usec, to_usec;
    struct shape *shape; /* what a seat asks for */
    struct seat_window *next_of_class;
    uint32_t slot; /* in the heap by end */
    uint32_t n;
    struct seat seats[];
};

struct seats {
    struct hash *classes;        /* id -> the first of its windows */
    struct seat_window **by_end; /* a binary heap by (to, class); by_end[0] is not used */
    size_t n, size;
};

int seats_init(struct seats *s);
void seats_done(struct planner *p);
/* Windows that are over go. True: some did. */
bool seats_expire(struct planner *p);
/* Takes the node's seats from lines of it. -ENOMEM. */
int seats_take(const struct planner *p, const struct plan_node *node, struct plan_lines *lines);
/* Kinds of GPU are others: profiles are found again among them. */
void seats_find_offers(struct planner *p);

#endif
