/* SPDX-License-Identifier: Apache-2.0 */
/*
 * booking.c - a place that is kept for a pending job while others leave it.
 *
 * A booking is a window of one seat, as classes have them, from when the victims can be gone
 * until the job would be over. So they are asked like those of a class, and nobody else is
 * planned there, those before it in line included: it takes only what they leave, and a place
 * that its victims leave is its own. Kept: a job has one booking at most, and only in line.
 */
#include "plan/booking.h"

#include <errno.h>
#include <stdlib.h>

#include "plan/inner.h"

/* Nodes that are looked at for one job, those with victims, by name. */
#define NODES_MAX 64
/* Bookings at once: each is followed by a new plan. The others wait until one has started. */
#define BOOKED_MAX 64
/* It is booked for so much longer, for those who leave late. */
#define SLACK_USEC (2 * PLAN_RETRY_USEC)

struct seat *booking_of(const struct planner *p, uint64_t job)
{
    struct seat_window *w =
        p->seats.n_booked ? hash_get_u64(p->seats.classes, seat_booking_id(job)) : NULL;

    return w ? &w->seats[0] : NULL;
}

/* One on several nodes waits for its turn. */
bool booking_is_for(struct planner *p, struct shape *shape)
{
    return p->qos[qos_of(p, shape)].has_victims && shape->nodes == 1 && shape->tried != p->pass &&
           p->seats.n_booked < BOOKED_MAX;
}

int64_t booking_start_usec(const struct planner *p, const struct seat *seat)
{
    int64_t from = seat->window->from_usec;

    return from > p->now_usec ? from : plan_next_minute(p);
}

int64_t booking_look_usec(const struct planner *p, const struct seat *seat)
{
    int64_t over = seat->window->to_usec - seat->window->shape->span_usec + 1;

    return plan_sooner(booking_start_usec(p, seat), over > p->now_usec ? over : INT64_MAX);
}

bool booking_is_ready(struct planner *p, const struct seat *seat)
{
    const struct seat_window *w = seat->window;
    struct entry there = {.shape = w->shape, .gpus = seat->gpus};
    const struct plan_lines *lines;

    if (w->victims || !seat_is_free(p, seat))
        return false;
    lines = plan_base_lines(p, seat->node);
    return lines && room_until(p, seat->node, lines, &there, p->now_usec) >= w->from_usec;
}

bool booking_is_over(struct planner *p, const struct entry *e, const struct seat *seat)
{
    return e->late || seat->window->shape != e->shape || !plan_node_in_service(seat->node) ||
           seat->window->to_usec < p->now_usec + e->shape->span_usec ||
           !closure_allows(seat->node, e->shape, seat->window->from_usec, seat->window->to_usec);
}

void booking_drop(struct planner *p, uint64_t job)
{
    if (booking_of(p, job))
        planner_remove_class(p, seat_booking_id(job));
}

void booking_check(struct planner *p, const struct entry *e)
{
    const struct seat *seat = booking_of(p, e->id);

    if (seat && (e->place != ENTRY_QUEUED || e->late || seat->window->shape != e->shape))
        booking_drop(p, e->id);
}

/* ---- a place for it ---------------------------------------------------------- */

struct search {
    struct planner *p;
    const struct entry *e;
    uint32_t by;
    struct plan_window window;
    struct plan_lines given; /* of the node that is looked at, without its victims */
    struct plan_lines lines; /* the same, with the seat */
    int64_t later_usec;      /* then somebody more may be asked */
    struct seat_window *best;
    int64_t best_harm;
    int r;
};

/* Would there be enough, were they all gone? */
static bool has_victims(struct search *s, const struct plan_node *node)
{
    struct amount free = plan_node_free(node);
    bool has = false;

    for (const struct entry *e = node->jobs; e; e = e->next) {
        if (victim_may_be(s->p, s->by, s->window.from_usec, e)) {
            amount_add(&free, &e->shape->need, 1);
            has = true;
        } else if (victim_may_be(s->p, s->by, TIMELINE_NEVER, e)) {
            s->later_usec = plan_sooner(s->later_usec, victim_asked_usec(s->p, e));
        }
    }
    return has && amount_covers(&free, &s->e->shape->need);
}

/* What those before it in line leave, and its victims. */
static int give(struct search *s, struct plan_node *node)
{
    struct planner *p = s->p;
    const struct plan_lines *lines =
        node->pass == p->pass ? &node->lines : plan_base_lines(p, node);
    int r = lines ? plan_lines_copy(&s->given, lines, node->gpus.n_all) : -ENOMEM;

    return r < 0 ? r : victims_give(p, s->by, s->window.from_usec, node, &s->given);
}

static void try_device(struct search *s, struct plan_node *node, uint32_t gpu)
{
    struct planner *p = s->p;
    struct seat_window *w =
        seat_window_new(seat_booking_id(s->e->id), 1, shape_ref(s->e->shape), &s->window);
    int64_t harm = 0;

    s->r = w ? plan_lines_copy(&s->lines, &s->given, node->gpus.n_all) : -ENOMEM;
    if (!w)
        shape_unref(p, s->e->shape);
    if (s->r == 0 && seat_place(p, w, node, &s->lines, gpu, &s->r) && s->r == 0)
        s->r = victims_choose(p, s->by, s->window.from_usec, node, &s->lines, w, &harm);
    if (s->r == 0 && w->n && harm && (!s->best || harm < s->best_harm)) {
        seat_windows_free(p, s->best);
        s->best = w;
        s->best_harm = harm;
        w = NULL;
    }
    seat_windows_free(p, w);
}

static void try_node(struct search *s, struct plan_node *node)
{
    bool one = s->e->shape->gpus == 1;

    s->r = give(s, node);
    for (uint32_t gpu = 0; s->r == 0 && gpu < (one ? node->gpus.n : 1); gpu++)
        try_device(s, node, one ? gpu : UINT32_MAX);
}

bool booking_try(struct planner *p, struct entry *e)
{
    struct shape *shape = e->shape;
    struct search s = {.p = p, .e = e, .by = qos_of(p, shape), .later_usec = TIMELINE_NEVER};
    uint32_t looked = 0;
    bool done;

    s.window.from_usec = p->now_usec + qos_free_usec(p, s.by);
    s.window.to_usec = s.window.from_usec + shape->span_usec + SLACK_USEC;
    shape->tried = p->pass;
    for (size_t i = 0; i < p->n_nodes && looked < NODES_MAX && s.r == 0; i++) {
        struct plan_node *node = p->nodes[i];

        if (!plan_node_in_service(node) || !has_victims(&s, node) ||
            !shape_is_possible(p, shape, node))
            continue;
        looked++;
        try_node(&s, node);
    }
    done = s.best && seats_reserve(&p->seats, p->seats.n + 1) == 0 &&
           seats_settle(p, s.best->class_id, s.best) == 0;
    if (!done) {
        seat_windows_free(p, s.best);
        if (s.later_usec < TIMELINE_NEVER && (!e->wake_usec || s.later_usec < e->wake_usec))
            wake_set(&p->wake, e, s.later_usec);
    }
    plan_lines_done(&s.given);
    plan_lines_done(&s.lines);
    return done;
}
