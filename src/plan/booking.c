/* SPDX-License-Identifier: Apache-2.0 */
/*
 * booking.c - a place that is kept for a pending job while others leave it.
 *
 * A booking is a window as classes have them, with a seat on each node that the job asks for, from
 * when the victims can be gone until it would be over. So they are asked like those of a class, and
 * nobody else is planned there, those before it in line included: it takes only what they leave,
 * and a place that its victims leave is its own. Kept: a job has one booking at most, only in line,
 * and with all its seats, each on another node.
 */
#include "plan/booking.h"

#include <errno.h>
#include <stdlib.h>

#include "plan/inner.h"

/* Nodes with victims that are looked at for one job, by name, and free ones for one on several. */
#define NODES_MAX 64
/* Bookings at once: each is followed by a new plan. The others wait until one has started. */
#define BOOKED_MAX 64
/* It is booked for so much longer, for those who leave late. */
#define SLACK_USEC (2 * PLAN_RETRY_USEC)

struct seat_window *booking_of(const struct planner *p, uint64_t job)
{
    return p->seats.n_booked ? hash_get_u64(p->seats.classes, seat_booking_id(job)) : NULL;
}

bool booking_is_for(struct planner *p, struct shape *shape)
{
    return p->qos[qos_of(p, shape)].has_victims && shape->tried != p->pass &&
           p->seats.n_booked < BOOKED_MAX;
}

int64_t booking_start_usec(const struct planner *p, const struct seat_window *w)
{
    return w->from_usec > p->now_usec ? w->from_usec : plan_next_minute(p);
}

int64_t booking_look_usec(const struct planner *p, const struct seat_window *w)
{
    int64_t over = w->to_usec - w->shape->span_usec + 1;

    return plan_sooner(booking_start_usec(p, w), over > p->now_usec ? over : INT64_MAX);
}

static bool is_ready_on(struct planner *p, const struct seat *seat)
{
    const struct seat_window *w = seat->window;
    struct entry there = {.shape = w->shape, .gpus = seat->gpus};
    const struct plan_lines *lines = seat_is_free(p, seat) ? plan_base_lines(p, seat->node) : NULL;

    return lines && room_until(p, seat->node, lines, &there, p->now_usec) >= w->from_usec;
}

bool booking_is_ready(struct planner *p, const struct seat_window *w)
{
    bool is = !w->victims;

    for (uint32_t i = 0; is && i < w->n; i++)
        is = is_ready_on(p, &w->seats[i]);
    return is;
}

bool booking_is_over(struct planner *p, const struct entry *e, const struct seat_window *w)
{
    bool is = e->late || w->shape != e->shape || w->to_usec < p->now_usec + e->shape->span_usec;

    for (uint32_t i = 0; !is && i < w->n; i++)
        is = !plan_node_in_service(w->seats[i].node) ||
             !closure_allows(w->seats[i].node, e->shape, w->from_usec, w->to_usec);
    return is;
}

void booking_drop(struct planner *p, uint64_t job)
{
    if (booking_of(p, job))
        planner_remove_class(p, seat_booking_id(job));
}

void booking_check(struct planner *p, const struct entry *e)
{
    const struct seat_window *w = booking_of(p, e->id);

    if (w && (e->place != ENTRY_QUEUED || e->late || w->shape != e->shape))
        booking_drop(p, e->id);
}

/* ---- a place for it ---------------------------------------------------------- */

/* What the job would have of one node. */
struct found {
    int64_t harm;
    struct plan_node *node;
    uint32_t gpu; /* UINT32_MAX: any */
};

struct search {
    struct planner *p;
    const struct entry *e;
    uint32_t by;
    struct plan_window window;
    struct plan_lines given;          /* of the node that is looked at, without its victims */
    struct plan_lines lines;          /* the same, with the seat */
    int64_t later_usec;               /* then somebody more may be asked */
    struct found best[JOB_NODES_MAX]; /* as many as it needs, the least harm first */
    uint32_t n;
    int r;
};

/* Would there be enough, were they all gone? One on several nodes takes free ones, too. */
static bool may_do(struct search *s, struct plan_node *node, bool *ret_has_victims)
{
    struct shape *shape = s->e->shape;
    struct amount free = plan_node_free(node);
    bool has = false, may_have = qos_may_have_victims(s->p, s->by, node);

    for (const struct entry *e = may_have ? node->jobs : NULL; e; e = e->next) {
        if (victim_may_be(s->p, s->by, s->window.from_usec, e)) {
            amount_add(&free, &e->shape->need, 1);
            has = true;
        } else if (victim_may_be(s->p, s->by, TIMELINE_NEVER, e)) {
            s->later_usec = plan_sooner(s->later_usec, victim_asked_usec(s->p, e));
        }
    }
    *ret_has_victims = has;
    return has ? amount_covers(&free, &shape->need)
               : shape->nodes > 1 && shape_fits(s->p, shape, node);
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

static struct seat_window *window_new(struct search *s, uint32_t seats)
{
    struct shape *shape = shape_ref(s->e->shape);
    struct seat_window *w = seat_window_new(seat_booking_id(s->e->id), seats, shape, &s->window);

    if (!w) {
        shape_unref(s->p, shape);
        s->r = -ENOMEM;
    }
    return w;
}

/* One more seat, where victims were given up for it, with those who must go. False: no room. */
static bool take(struct search *s, struct seat_window *w, struct plan_node *node, uint32_t gpu,
                 int64_t *ret_harm)
{
    s->r = plan_lines_copy(&s->lines, &s->given, node->gpus.n_all);
    if (s->r < 0 || !seat_place(s->p, w, node, &s->lines, gpu, &s->r) || s->r < 0)
        return false;
    s->r = victims_choose(s->p, s->by, s->window.from_usec, node, &s->lines, w, ret_harm);
    return s->r == 0;
}

/* Where nobody would have to go, nobody may be: it would be waited for, and others went. */
static void try_device(struct search *s, struct plan_node *node, uint32_t gpu, struct found *io)
{
    struct seat_window *w = window_new(s, 1);
    int64_t harm = 0;

    if (w && take(s, w, node, gpu, &harm) && harm < io->harm &&
        (harm || (s->e->shape->nodes > 1 && seat_is_free(s->p, w->seats))))
        *io = (struct found){harm, node, gpu};
    seat_windows_free(s->p, w);
}

static void try_node(struct search *s, struct plan_node *node)
{
    uint32_t want = s->e->shape->nodes, k;
    bool one = s->e->shape->gpus == 1;
    struct found found = {.harm = INT64_MAX};

    s->r = give(s, node);
    for (uint32_t gpu = 0; s->r == 0 && found.harm && gpu < (one ? node->gpus.n : 1); gpu++)
        try_device(s, node, one ? gpu : UINT32_MAX, &found);
    if (!found.node)
        return;
    for (k = s->n; k > 0 && s->best[k - 1].harm > found.harm; k--)
        if (k < want)
            s->best[k] = s->best[k - 1];
    if (k < want)
        s->best[k] = found;
    s->n += s->n < want;
}

static int by_node(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return (x->node->index > y->node->index) - (x->node->index < y->node->index);
}

/* All its seats: who goes from one of the nodes goes from the others, too. NULL: they are too few,
 * or nobody has to go. */
static struct seat_window *place(struct search *s)
{
    uint32_t want = s->e->shape->nodes;
    bool is_worth = s->r == 0 && s->n == want && s->best[want - 1].harm;
    struct seat_window *w = is_worth ? window_new(s, want) : NULL;
    int64_t harm = 0;

    if (w)
        qsort(s->best, s->n, sizeof(*s->best), by_node);
    for (uint32_t i = 0; w && s->r == 0 && w->n == i && i < want; i++) {
        s->r = give(s, s->best[i].node);
        if (s->r == 0)
            take(s, w, s->best[i].node, s->best[i].gpu, &harm);
    }
    if (w && s->r == 0 && w->n == want)
        return w;
    seat_windows_free(s->p, w);
    return NULL;
}

bool booking_try(struct planner *p, struct entry *e)
{
    struct shape *shape = e->shape;
    struct search s = {.p = p, .e = e, .by = qos_of(p, shape), .later_usec = TIMELINE_NEVER};
    uint32_t looked[2] = {0}; /* at such without victims, and with */
    struct seat_window *w;
    bool done, has;

    s.window.from_usec = p->now_usec + qos_free_usec(p, s.by);
    s.window.to_usec = s.window.from_usec + shape->span_usec + SLACK_USEC;
    shape->tried = p->pass;
    for (size_t i = 0; i < p->n_nodes && looked[true] < NODES_MAX && s.r == 0; i++) {
        struct plan_node *node = p->nodes[i];

        if (plan_node_in_service(node) && may_do(&s, node, &has) &&
            shape_is_possible(p, shape, node) && looked[has]++ < NODES_MAX)
            try_node(&s, node);
    }
    w = place(&s);
    done =
        w && seats_reserve(&p->seats, p->seats.n + 1) == 0 && seats_settle(p, w->class_id, w) == 0;
    if (!done) {
        seat_windows_free(p, w);
        if (s.later_usec < TIMELINE_NEVER && (!e->wake_usec || s.later_usec < e->wake_usec))
            wake_set(&p->wake, e, s.later_usec);
    }
    plan_lines_done(&s.given);
    plan_lines_done(&s.lines);
    return done;
}
