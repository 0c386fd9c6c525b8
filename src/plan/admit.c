/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit.c - where the seats of a class come to be: in all its windows, or in none.
 *
 * Seats fill one GPU before the next and one node before the next, so that few nodes are touched
 * by classes, and whole ones are left to the jobs that need them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"

/* What an admission works on: lines of nodes with all that was admitted before and by it. */
struct admission {
    struct planner *p;
    struct plan_lines *lines; /* by node */
    struct plan_lines *free;  /* over victims: the same, with the victims there */
    bool *known;
    bool only_in_service;
    bool over_victims; /* of the QOS `by` */
    bool pressing;     /* what is free has its seats: the rest goes over victims */
    bool tells;        /* what is short, if it is refused */
    uint32_t by;
    int64_t need_usec; /* the first window begins */
    char licence[64];  /* of which there are too few for all seats of the window; "" */
    int r;             /* -ENOMEM */
};

static struct plan_lines *lines_of(struct admission *a, struct plan_node *node)
{
    struct plan_lines *lines = &a->lines[node->index];

    if (!a->known[node->index] && a->r == 0) {
        const struct plan_lines *base = plan_base_lines(a->p, node);
        a->r = base ? plan_lines_copy(lines, base, node->gpus.n_all) : -ENOMEM;
        if (a->r == 0 && a->over_victims)
            a->r = plan_lines_copy(&a->free[node->index], base, node->gpus.n_all);
        if (a->r == 0 && a->over_victims)
            a->r = victims_give(a->p, a->by, a->need_usec, node, lines);
        a->known[node->index] = a->r == 0;
    }
    return a->r == 0 ? lines : NULL;
}

bool seat_place(struct planner *p, struct seat_window *w, struct plan_node *node,
                struct plan_lines *lines, uint32_t gpu, int *ret_r)
{
    struct seat *seat = &w->seats[w->n];
    int64_t span = w->to_usec - w->from_usec;

    if (timeline_earliest(&lines->amount, w->from_usec, span, &w->shape->need) != w->from_usec ||
        !closure_allows(node, w->shape, w->from_usec, w->to_usec))
        return false;
    *seat = (struct seat){.window = w, .node = node};
    if (w->shape->gpus) {
        seat->gpus = place_find(p, w->shape, node, lines, w->from_usec, span, gpu, ret_r);
        if (!seat->gpus)
            return false;
    }
    w->n++;
    *ret_r = seat_take(p, seat, lines);
    return true;
}

static bool take_one(struct admission *a, struct seat_window *w, struct plan_node *node,
                     uint32_t gpu)
{
    struct plan_lines *lines = lines_of(a, node), *other = NULL;

    if (!lines)
        return false;
    if (a->over_victims) {
        other = a->pressing ? &a->free[node->index] : lines;
        lines = a->pressing ? lines : &a->free[node->index];
    }
    if (!seat_place(a->p, w, node, lines, gpu, &a->r))
        return false;
    if (other && a->r == 0)
        a->r = seat_take(a->p, &w->seats[w->n - 1], other);
    return true;
}

static bool may_have_seats(struct admission *a, struct shape *shape, const struct plan_node *node)
{
    return node->defined && (!a->only_in_service || plan_node_in_service(node)) &&
           shape_is_possible(a->p, shape, node);
}

/* Seats with one GPU: device by device, each filled before the next, node by node. */
static void fill_devices(struct admission *a, struct seat_window *w, uint32_t seats)
{
    for (size_t i = 0; i < a->p->n_nodes; i++) {
        struct plan_node *node = a->p->nodes[i];

        if (!may_have_seats(a, w->shape, node))
            continue;
        for (uint32_t gpu = 0; gpu < node->gpus.n; gpu++) {
            do {
                if (w->n == seats || a->r < 0)
                    return;
            } while (take_one(a, w, node, gpu));
        }
    }
}

/* Others: one on each node, and again. */
static void fill_rounds(struct admission *a, struct seat_window *w, uint32_t seats)
{
    uint32_t before;

    do {
        before = w->n;
        for (size_t i = 0; i < a->p->n_nodes && w->n < seats && a->r == 0; i++)
            if (may_have_seats(a, w->shape, a->p->nodes[i]))
                take_one(a, w, a->p->nodes[i], UINT32_MAX);
    } while (w->n < seats && w->n > before && a->r == 0);
}

static void fill(struct admission *a, struct seat_window *w, uint32_t seats)
{
    if (w->shape->gpus == 1)
        fill_devices(a, w, seats);
    else
        fill_rounds(a, w, seats);
}

static struct seat_window *window_new(struct admission *a, const struct plan_class *c,
                                      const struct plan_window *of, const struct job *seat)
{
    struct shape *shape = shape_get(a->p, seat, NULL, "");
    struct seat_window *w = shape ? seat_window_new(c->id, c->seats, shape, of) : NULL;
    uint32_t seats;

    if (!w) {
        shape_unref(a->p, shape);
        a->r = -ENOMEM;
        return NULL;
    }
    seats = licences_seats(a->p, shape, of->from_usec, of->to_usec, c->seats, a->licence);
    a->pressing = false;
    fill(a, w, seats);
    a->pressing = a->over_victims;
    if (a->pressing && w->n < seats)
        fill(a, w, seats);
    if (w->n < seats)
        *a->licence = '\0';
    return w;
}

/* By the lines with all seats that the window could have. */
static void find_lacks(struct admission *a, const struct seat_window *w, struct plan_shortage *ret)
{
    struct lacks lacks = {0};

    for (size_t i = 0; i < a->p->n_nodes; i++) {
        struct plan_lines *lines =
            may_have_seats(a, w->shape, a->p->nodes[i]) ? lines_of(a, a->p->nodes[i]) : NULL;

        if (lines)
            lacks_add(&lacks, a->p, w, a->p->nodes[i], lines, &a->r);
    }
    lacks_tell(&lacks, ret);
}

/* All windows, or what the first that is short has. */
static struct seat_window *admit(struct admission *a, const struct plan_class *c,
                                 const struct job *seat, struct plan_shortage *ret)
{
    struct seat_window *first = NULL, **link = &first;

    for (size_t i = 0; i < c->n_windows && a->r == 0; i++) {
        struct seat_window *w = window_new(a, c, &c->windows[i], seat);

        if (!w)
            break;
        *link = w;
        link = &w->next_of_class;
        if (w->n < c->seats && a->r == 0) {
            *ret = (struct plan_shortage){.window = i, .seats = w->n};
            memcpy(ret->licence, a->licence, sizeof(ret->licence));
            if (a->tells && !*a->licence)
                find_lacks(a, w, ret);
            if (a->r == 0)
                a->r = -ENOSPC;
        }
    }
    return first;
}

/* Those whose places the seats have, where it was admitted over jobs. */
static void choose_victims(struct admission *a, struct seat_window *first)
{
    for (struct seat_window *w = first; w; w = w->next_of_class) {
        for (uint32_t i = 0; i < w->n && a->r == 0; i++) {
            struct plan_node *node = w->seats[i].node;
            int64_t harm = 0;
            uint32_t k = i;

            /* Only for the first seat there; most stand behind another of their node. */
            while (k > 0 && w->seats[k - 1].node != node)
                k--;
            if (k == 0)
                a->r = victims_choose(a->p, a->by, a->need_usec, node, lines_of(a, node), w, &harm);
        }
    }
}

static int begin_admission(struct admission *a, struct planner *p)
{
    *a = (struct admission){.p = p};
    planner_sort_nodes(p);
    a->lines = calloc(p->n_nodes + 1, sizeof(*a->lines));
    a->free = calloc(p->n_nodes + 1, sizeof(*a->free));
    a->known = calloc(p->n_nodes + 1, sizeof(*a->known));
    return a->lines && a->free && a->known ? 0 : -ENOMEM;
}

static void end_admission(struct admission *a)
{
    for (size_t i = 0; a->lines && a->free && i < a->p->n_nodes; i++) {
        plan_lines_done(&a->lines[i]);
        plan_lines_done(&a->free[i]);
    }
    free(a->lines);
    free(a->free);
    free(a->known);
}

/* The windows that were just put, the last of them before those that the class had. */
static void exchange(struct planner *p, const struct seat_window *first, size_t n)
{
    for (const struct seat_window *w = first; w && n; w = w->next_of_class, n--)
        exchange_seats(p, w);
}

/* Where there is room; else where jobs of a QOS that the class's preempts have to make some. */
static int put_class(struct planner *p, const struct plan_class *c, bool only_try,
                     bool over_victims, struct plan_shortage *ret)
{
    struct job seat = {.spec = (struct job_spec *)c->seat, .state = JOB_PENDING, .node = ""};
    struct seat_window *first = NULL;
    struct admission a;

    a.r = begin_admission(&a, p);
    a.only_in_service = c->only_in_service;
    a.over_victims = over_victims;
    a.by = qos_find(p, c->seat->qos);
    a.tells = !only_try && !c->only_in_service && (over_victims || !a.by);
    a.need_usec = TIMELINE_NEVER;
    for (size_t i = 0; i < c->n_windows; i++)
        if (c->windows[i].from_usec < a.need_usec)
            a.need_usec = c->windows[i].from_usec;
    if (a.r == 0)
        a.r = seats_reserve(&p->seats, p->seats.n + c->n_windows);
    if (a.r == 0)
        first = admit(&a, c, &seat, ret);
    if (a.r == 0 && !only_try && over_victims)
        choose_victims(&a, first);
    if (a.r == 0 && !only_try) {
        a.r = seats_settle(p, c->id, first);
        if (a.r == 0)
            exchange(p, first, c->n_windows);
        if (a.r == 0)
            first = NULL;
    }
    seat_windows_free(p, first);
    end_admission(&a);
    if (a.r == -ENOSPC && !over_victims && a.by)
        return put_class(p, c, only_try, true, ret);
    return a.r;
}

static int put_at(struct planner *p, const struct plan_class *c, int64_t now_usec, bool only_try,
                  struct plan_shortage *ret)
{
    int64_t step_usec = p->now_usec;
    int r;

    p->now_usec = now_usec; /* jobs that are overdue end later than the last step thought */
    r = put_class(p, c, only_try, false, ret);
    p->now_usec = step_usec;
    return r;
}

int planner_put_class(struct planner *p, const struct plan_class *c, int64_t now_usec,
                      struct plan_shortage *ret)
{
    return put_at(p, c, now_usec, false, ret);
}

int planner_try_class(struct planner *p, const struct plan_class *c, int64_t now_usec,
                      struct plan_shortage *ret)
{
    return put_at(p, c, now_usec, true, ret);
}
