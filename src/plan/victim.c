/* SPDX-License-Identifier: Apache-2.0 */
/*
 * victim.c - jobs that are to be gone when a window begins, for its seats have their place.
 *
 * Who has GPUs for itself is in the way of every seat on them, and pause.c knows that by the seats
 * alone. Others may be in the way or not, as cpus, memory and shares of a GPU add up: those that
 * must go are chosen when the window is admitted, so that the plan counts on it.
 */
#include "plan/victim.h"

#include <errno.h>
#include <stdlib.h>

#include "plan/inner.h"

#define HARM_IN_USE (INT64_C(1) << 20)
#define LOSS_MAX (INT64_C(1) << 32) /* the harm of 1,000 victims fits in what it is added up in */

static const struct entry *head_of(const struct entry *e)
{
    return e->head ? e->head : e;
}

/* ---- who ------------------------------------------------------------------ */

/* When it began to run, or will: its end is so far from there. Pauses are not counted. */
static int64_t start_of(const struct planner *p, const struct entry *e)
{
    return e->time_usec - e->shape->span_usec + p->boot_usec;
}

/* The same, or when it came back: its minimum time counts from there. */
static int64_t since(const struct planner *p, const struct entry *e)
{
    int64_t start = start_of(p, e), held = (e->head ? e->head : e)->begin_usec;

    return held > start ? held : start;
}

int64_t victim_asked_usec(const struct planner *p, const struct entry *e)
{
    int64_t exempt = since(p, e) + p->qos[qos_of(p, e->shape)].exempt_usec;

    return exempt > p->now_usec ? exempt : p->now_usec;
}

static int64_t gone_usec(const struct planner *p, uint32_t by, const struct entry *e)
{
    return victim_asked_usec(p, e) + qos_free_usec(p, by);
}

bool victim_may_be(const struct planner *p, uint32_t by, int64_t need_usec, const struct entry *e)
{
    return e->place == ENTRY_ACTIVE && qos_preempts(p, by, qos_of(p, e->shape)) &&
           !(e->gpus && e->gpus->offer == HOLD_FOREIGN) && gone_usec(p, by, e) <= need_usec;
}

/* Bytes to be written, or work that is done again. */
static int64_t loss_of(const struct planner *p, uint32_t by, const struct entry *e)
{
    int64_t ran_sec = (p->now_usec - start_of(p, e)) / 1000000;

    if (qos_mode(p, by, qos_of(p, e->shape)) == PLAN_SAVE)
        return 1 + e->shape->need.memory_mib * (int64_t)e->shape->nodes;
    return 1 + (ran_sec > 0 ? ran_sec : 0) * (int64_t)e->shape->nodes *
                   (e->shape->gpus ? (int64_t)e->shape->gpus : 1);
}

/* What its going costs. A desktop that nobody touches costs less than anything in use, however
 * little that would lose; of several such ones the loss decides. */
static int64_t harm_of(const struct planner *p, uint32_t by, const struct entry *e)
{
    int64_t loss = loss_of(p, by, e);

    if (head_of(e)->is_idle)
        return loss < HARM_IN_USE ? loss : HARM_IN_USE - 1;
    return (loss < LOSS_MAX ? loss : LOSS_MAX) * HARM_IN_USE;
}

/* ---- on the lines ----------------------------------------------------------- */

int victims_give(struct planner *p, uint32_t by, int64_t need_usec, struct plan_node *node,
                 struct plan_lines *lines)
{
    int r = 0;

    for (struct entry *e = node->jobs; e && r == 0; e = e->next) {
        int64_t gone = gone_usec(p, by, e), from, to;
        struct walk walk;

        if (!victim_may_be(p, by, need_usec, e))
            continue;
        pause_walk_entry(p, e, plan_expected_end(p, e), &walk);
        while (r == 0 && walk_next(&walk, &from, &to)) {
            from = from > gone ? from : gone;
            if (from < to)
                r = plan_change_place(&p->kinds[node->kind], e, from, to, 1, lines);
        }
    }
    return r;
}

/* ---- the choice --------------------------------------------------------------- */

struct candidate_victim {
    const struct entry *e; /* the part on this node */
    int64_t harm;
};

static int by_harm(const void *a, const void *b)
{
    const struct candidate_victim *x = a, *y = b;

    if (x->harm != y->harm)
        return x->harm > y->harm ? -1 : 1;
    return (x->e->id > y->e->id) - (x->e->id < y->e->id);
}

/* What it has of the window; false: nothing is left of it by then. */
static bool piece_in(struct planner *p, const struct entry *e, const struct seat_window *w,
                     struct walk *walk, int64_t *ret_from_usec, int64_t *ret_to_usec)
{
    while (walk_next(walk, ret_from_usec, ret_to_usec)) {
        if (*ret_from_usec < w->from_usec)
            *ret_from_usec = w->from_usec;
        if (*ret_to_usec > w->to_usec)
            *ret_to_usec = w->to_usec;
        if (*ret_from_usec < *ret_to_usec)
            return true;
    }
    return false;
}

/* Beside the seats, while the window is open? One that has nothing of it does. */
static bool can_stay(struct planner *p, const struct plan_node *node, const struct entry *e,
                     const struct plan_lines *lines, const struct seat_window *w)
{
    struct walk walk;
    int64_t from, to;
    bool can = true;

    pause_walk_entry(p, e, plan_expected_end(p, e), &walk);
    while (can && piece_in(p, e, w, &walk, &from, &to))
        can = room_until(p, node, lines, e, from) >= to;
    return can;
}

static int stay(struct planner *p, struct plan_node *node, const struct entry *e,
                struct plan_lines *lines, const struct seat_window *w)
{
    struct walk walk;
    int64_t from, to;
    int r = 0;

    pause_walk_entry(p, e, plan_expected_end(p, e), &walk);
    while (r == 0 && piece_in(p, e, w, &walk, &from, &to))
        r = plan_change_place(&p->kinds[node->kind], e, from, to, -1, lines);
    return r;
}

/* Its own GPUs tell that it makes room, and runs on. */
static bool is_paused(const struct planner *p, const struct entry *e, const struct seat_window *w)
{
    return !p->qos[qos_of(p, e->shape)].is_lost && pause_is_of_window(p, e, w);
}

/* It is chosen already, for another of its nodes. */
static bool is_chosen(const struct entry *job, const struct seat_window *w)
{
    const struct victim *v = job->part ? w->victims : NULL;

    while (v && v->job != job)
        v = v->next_of_window;
    return v;
}

/* Of what it costs that one on several nodes goes, each of them has a share, for it may leave them
 * all to the job on several that is booked there. */
static int64_t share_of(const struct candidate_victim *c, const struct seat_window *w)
{
    int64_t n = c->e->shape->nodes < w->shape->nodes ? c->e->shape->nodes : w->shape->nodes;

    return (c->harm + n - 1) / n;
}

static int add_victim(struct seat_window *w, const struct entry *job)
{
    struct victim *v = calloc(1, sizeof(*v));

    if (!v)
        return -ENOMEM;
    *v = (struct victim){
        .job = (struct entry *)job, .job_id = job->id, .window = w, .next_of_window = w->victims};
    w->victims = v;
    return 0;
}

int victims_choose(struct planner *p, uint32_t by, int64_t need_usec, struct plan_node *node,
                   struct plan_lines *lines, struct seat_window *w, int64_t *ret_harm)
{
    struct candidate_victim *all = calloc(node->n_jobs + 1, sizeof(*all));
    size_t n = 0;
    int r = all ? 0 : -ENOMEM;

    for (struct entry *e = node->jobs; e && r == 0; e = e->next)
        if (victim_may_be(p, by, need_usec, e) && !is_chosen(head_of(e), w))
            all[n++] = (struct candidate_victim){e, harm_of(p, by, e)};
    if (n)
        qsort(all, n, sizeof(*all), by_harm);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (can_stay(p, node, all[i].e, lines, w)) {
            r = stay(p, node, all[i].e, lines, w);
            continue;
        }
        if (!is_paused(p, all[i].e, w))
            r = add_victim(w, head_of(all[i].e));
        *ret_harm += share_of(&all[i], w);
    }
    free(all);
    return r;
}

/* ---- in the plan ---------------------------------------------------------------- */

static void forget_lines(const struct planner *p, const struct entry *job)
{
    for (const struct entry *part = job; part; part = part->part)
        if (part->node)
            plan_base_forget(p, part->node);
}

/* The list of a job in planner.victims. */
struct victims_of {
    struct victim *first;
};

static struct victims_of *victims_of(const struct planner *p, uint64_t job)
{
    return hash_count(p->victims) ? hash_get_u64(p->victims, job) : NULL;
}

static struct victims_of *victims_of_new(struct planner *p, uint64_t job)
{
    struct victims_of *of = calloc(1, sizeof(*of));

    if (of && hash_put_u64(p->victims, job, of) == 0)
        return of;
    free(of);
    return NULL;
}

void victims_link(struct planner *p, struct seat_window *w)
{
    for (struct victim *v = w->victims; v; v = v->next_of_window) {
        struct victims_of *of = victims_of(p, v->job->id);

        if (!of && !(of = victims_of_new(p, v->job->id)))
            continue;
        v->next_of_job = of->first;
        of->first = v;
        forget_lines(p, v->job);
    }
}

/* Out of the job's list, if it is in it: the job of one that is not may be gone. */
static void unlink_of_job(struct planner *p, struct victim *v)
{
    struct victims_of *of = victims_of(p, v->job_id);
    struct victim **link = of ? &of->first : NULL;

    while (link && *link && *link != v)
        link = &(*link)->next_of_job;
    if (!link || !*link)
        return;
    *link = v->next_of_job;
    forget_lines(p, v->job);
    if (!of->first)
        free(hash_remove_u64(p->victims, v->job_id));
}

void victims_unlink(struct planner *p, struct seat_window *w)
{
    for (struct victim *v = w->victims; v; v = v->next_of_window)
        unlink_of_job(p, v);
}

void victims_free(struct seat_window *w)
{
    while (w->victims) {
        struct victim *v = w->victims;

        w->victims = v->next_of_window;
        free(v);
    }
}

static void remove_victim(struct planner *p, struct victim *v)
{
    struct victim **link = &v->window->victims;

    while (*link != v)
        link = &(*link)->next_of_window;
    *link = v->next_of_window;
    p->harmed = true; /* it may stay, where others are planned */
    unlink_of_job(p, v);
    free(v);
}

void victims_forget_job(struct planner *p, const struct entry *job)
{
    struct victim *v;

    while ((v = victim_first(p, job)))
        remove_victim(p, v);
}

static bool is_on(const struct entry *job, const struct plan_node *node)
{
    for (const struct entry *part = job; part; part = part->part)
        if (part->node == node)
            return true;
    return false;
}

void victims_forget_node(struct planner *p, struct seat_window *w, const struct plan_node *node)
{
    for (struct victim *v = w->victims, *next; v; v = next) {
        next = v->next_of_window;
        if (is_on(v->job, node))
            remove_victim(p, v);
    }
}

/* ---- when it goes ------------------------------------------------------------------ */

struct victim *victim_first(const struct planner *p, const struct entry *job)
{
    struct victims_of *of = victims_of(p, job->id);

    return of ? of->first : NULL;
}

int64_t victim_gone_usec(const struct planner *p, const struct entry *e)
{
    int64_t gone = TIMELINE_NEVER;

    for (const struct victim *v = victim_first(p, e); v; v = v->next_of_job)
        if (v->window->from_usec < gone)
            gone = v->window->from_usec;
    return gone;
}

bool victim_is_spared(struct planner *p, struct entry *job, int64_t from_usec)
{
    struct victim *v = victim_first(p, job);
    int64_t end = plan_expected_end(p, job);
    bool can = true;

    while (v && v->window->from_usec != from_usec)
        v = v->next_of_job;
    if (!v)
        return false;
    end = end < v->window->to_usec ? end : v->window->to_usec;
    for (const struct entry *part = job; part && can; part = part->part) {
        const struct plan_lines *lines = plan_base_lines(p, part->node);

        can = lines && room_until(p, part->node, lines, part, from_usec) >= end;
    }
    if (can)
        remove_victim(p, v);
    return can;
}
