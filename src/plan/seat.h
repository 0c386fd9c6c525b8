/* SPDX-License-Identifier: Apache-2.0 */
/* seat.h - seats of classes: parts of nodes that are kept free for a window of time. */
#ifndef PLAN_SEAT_H
#define PLAN_SEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/place.h"

struct plan_window;
struct planner;

/* One seat of one window, on the node that it was given. */
struct seat {
    struct seat_window *window;
    struct plan_node *node;
    struct seat *next, **link; /* in the list of its node */
    struct gpu_hold *gpus;     /* NULL: none */
};

struct seat_window {
    uint64_t class_id; /* or, for one that is booked for a job, seat_booking_id() */
    int64_t from_usec, to_usec;
    struct shape *shape; /* what a seat asks for */
    struct seat_window *next_of_class;
    struct seat_window *next_at; /* in the plan: another that begins with it */
    struct victim *victims;
    uint32_t slot; /* in the heap by end */
    uint32_t n;
    struct seat seats[];
};

struct seats {
    struct hash *classes;        /* id -> the first of its windows */
    struct hash *by_from;        /* when it begins -> one that does, others by next_at */
    struct seat_window **by_end; /* a binary heap by (to, class); by_end[0] is not used */
    size_t n, size;
    size_t n_booked; /* of the n, for jobs */
    uint64_t stamp;  /* counts seats that came and went */
};

/* The place that is kept for a job while others leave it (booking.c) is a window with a
 * seat on each of its nodes. */
static inline uint64_t seat_booking_id(uint64_t job)
{
    return job | UINT64_C(1) << 63;
}

static inline bool seat_is_booked(const struct seat_window *w)
{
    return w->class_id >> 63;
}

/* One without seats, which takes over the reference to `shape`. NULL: no memory. */
struct seat_window *seat_window_new(uint64_t id, uint32_t seats, struct shape *shape,
                                    const struct plan_window *of);
/* One more seat on the node, taken from these lines of it: on the device `gpu` if it has that
 * many, else on any. False: there is no room, or (*ret_r) no memory. */
bool seat_place(struct planner *p, struct seat_window *w, struct plan_node *node,
                struct plan_lines *lines, uint32_t gpu, int *ret_r);
int seats_init(struct seats *s);
void seats_done(struct planner *p);
/* Room for so many windows in all. -ENOMEM. */
int seats_reserve(struct seats *s, size_t n);
/* Puts the windows, with their victims, before those that the class has. -ENOMEM: nothing was
 * done, and they are the caller's still. */
int seats_settle(struct planner *p, uint64_t id, struct seat_window *first);
/* Windows of a class, in the plan or not. */
void seat_windows_free(struct planner *p, struct seat_window *first);
/* Windows that are over go. True: some did. */
bool seats_expire(struct planner *p);
/* Takes the seat, or all seats of the node, from lines of the node, or gives it back. -ENOMEM. */
int seat_take(const struct planner *p, const struct seat *seat, struct plan_lines *lines);
int seat_give(const struct planner *p, const struct seat *seat, struct plan_lines *lines);
int seats_take(const struct planner *p, const struct plan_node *node, struct plan_lines *lines);
/* One of the windows that begin then, all by next_at; NULL: there are none. */
struct seat_window *seats_at(const struct seats *s, int64_t from_usec);
/* Seats of a GPU each go from their places, and to places of the same profile on another one. */
void seats_take_off(struct planner *p, struct seat *const *seats, size_t n);
void seats_put_on(struct planner *p, struct seat *const *seats, size_t n, struct plan_node *node,
                  uint8_t gpu);
/* Does nobody have its place, seats aside? */
bool seat_is_free(const struct planner *p, const struct seat *seat);
/* Kinds of GPU are others: profiles are found again among them. */
void seats_find_offers(struct planner *p);

#endif
