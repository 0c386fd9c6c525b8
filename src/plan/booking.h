/* SPDX-License-Identifier: Apache-2.0 */
/*
 * booking.h - a place that is kept for a pending job while others leave it.
 *
 * See doc/design/planner.md, "Victims".
 */
#ifndef PLAN_BOOKING_H
#define PLAN_BOOKING_H

#include <stdbool.h>
#include <stdint.h>

struct entry;
struct planner;
struct seat_window;
struct shape;

/* The place that the job waits for, a seat on each of its nodes, by name; NULL: none. */
struct seat_window *booking_of(const struct planner *p, uint64_t job);
/* May jobs of this shape have others asked to go? */
bool booking_is_for(struct planner *p, struct shape *shape);
/*
 * In a pass, before the job is planned: keeps a place for it, on the nodes and devices where that
 * does least harm, that those before it in line leave, and that it gets from victims; one on
 * several nodes also where nobody is, but not there alone. False: there is none; it is woken when
 * somebody has run for its minimum time.
 */
bool booking_try(struct planner *p, struct entry *e);
/* When the job is expected to start there. */
int64_t booking_start_usec(const struct planner *p, const struct seat_window *w);
/* When it is to be looked at again, if nothing happens. */
int64_t booking_look_usec(const struct planner *p, const struct seat_window *w);
/* Its victims are gone, and nobody else's time there is before its own: it may start now. */
bool booking_is_ready(struct planner *p, const struct seat_window *w);
/* Can't be used any more: a node is out, the job asks for something else, or it would have it
 * for longer than it was booked. */
bool booking_is_over(struct planner *p, const struct entry *e, const struct seat_window *w);
void booking_drop(struct planner *p, uint64_t job);
/* The job was put again: if it is not in line, nobody has to go for it. */
void booking_check(struct planner *p, const struct entry *e);

#endif
