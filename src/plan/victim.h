/* SPDX-License-Identifier: Apache-2.0 */
/*
 * victim.h - jobs that are to be gone when a window begins, for its seats have their place.
 *
 * See doc/design/planner.md, "Victims".
 */
#ifndef PLAN_VICTIM_H
#define PLAN_VICTIM_H

#include <stdbool.h>
#include <stdint.h>

struct entry;
struct plan_lines;
struct plan_node;
struct planner;
struct seat_window;

struct victim {
    struct entry *job; /* its head */
    uint64_t job_id;
    struct seat_window *window;
    struct victim *next_of_window, *next_of_job;
};

/* Is it one that who has this QOS may ask to go, so that it is gone by then? */
bool victim_may_be(const struct planner *p, uint32_t by, int64_t need_usec, const struct entry *e);
/* When it may be asked first: it is left alone for its minimum time. */
int64_t victim_asked_usec(const struct planner *p, const struct entry *e);
/* Gives the lines what all such jobs on the node have, from when they can be gone. -ENOMEM. */
int victims_give(struct planner *p, uint32_t by, int64_t need_usec, struct plan_node *node,
                 struct plan_lines *lines);
/*
 * The seats of `w` on the node were taken from these lines. Of those that were given up for it,
 * the ones that cost most to push aside stay if there is room beside the seats; the others are
 * victims of `w`, each once. *ret_harm: what it costs, more with each. -ENOMEM.
 */
int victims_choose(struct planner *p, uint32_t by, int64_t need_usec, struct plan_node *node,
                   struct plan_lines *lines, struct seat_window *w, int64_t *ret_harm);
/* Puts the window's victims in the plan, and takes them out. Without memory one is left out: its
 * place is not free in time, and the class's alarm says so. */
void victims_link(struct planner *p, struct seat_window *w);
void victims_unlink(struct planner *p, struct seat_window *w);
void victims_free(struct seat_window *w); /* of one that is not in the plan */
void victims_forget_job(struct planner *p, const struct entry *job);
void victims_forget_node(struct planner *p, struct seat_window *w, const struct plan_node *node);
/* The windows that it is a victim of; NULL: none. */
struct victim *victim_first(const struct planner *p, const struct entry *job);
/* When the first of them begins, for the job or a part of it; TIMELINE_NEVER. */
int64_t victim_gone_usec(const struct planner *p, const struct entry *e);
/* Is there room for it beside the seats of the window that begins then, by now? Then it is a
 * victim of it no more. */
bool victim_is_spared(struct planner *p, struct entry *job, int64_t from_usec);

#endif
