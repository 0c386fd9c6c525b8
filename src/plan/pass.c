/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass.c - conservative backfill: the line from its head, each job at its earliest time.
 *
 * A pass gives every job in line the earliest (time, node) that running jobs
 * and all reservations before it leave, and reserves it. So nothing starts
 * that would delay a job before it. Kept: nothing starts by a pass that a later
 * change may have made wrong (`harmed`); a start is given out only if the
 * node really has the room at that moment, whatever the pass believes; the
 * budget decides how far a step gets and never what it decides; a job put
 * behind all that are planned is planned by going on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "plan/inner.h"
#include "plan/pause.h"

/* What a step writes to, and how long it may. */
struct sink {
    struct plan_action *actions;
    size_t n, max;
    int64_t budget_usec, began_usec;
    int64_t early_usec; /* monotonic: before it the budget can't be used up */
    unsigned units;
};

static void budget_begin(struct sink *s)
{
    if (!s->budget_usec)
        return;
    s->early_usec = time_monotonic_usec() + s->budget_usec;
    s->began_usec = time_thread_cpu_usec();
}

/* No thread uses more time than passes: its own clock, which is a call into the kernel, is only
 * asked when as much has passed. */
static bool is_used_up(struct sink *s)
{
    int64_t now_usec = time_monotonic_usec(), left_usec;

    if (now_usec < s->early_usec)
        return false;
    left_usec = s->budget_usec - (time_thread_cpu_usec() - s->began_usec);
    s->early_usec = now_usec + left_usec;
    return left_usec <= 0;
}

/* The clock is read every eighth unit, or before one that costs much. Every step does at
 * least one unit, so that the smallest budget gets to the end. */
static bool is_over(struct sink *s, bool costly)
{
    unsigned unit = s->units++;
    return s->budget_usec && unit && (unit % 8 == 0 || costly) && is_used_up(s);
}

int64_t plan_next_minute(const struct planner *p)
{
    return (p->now_usec / PLAN_OVERDUE_USEC + 1) * PLAN_OVERDUE_USEC;
}

int64_t plan_expected_end(const struct planner *p, const struct entry *e)
{
    return e->time_usec > p->now_usec ? e->time_usec : plan_next_minute(p);
}

int plan_change_place(const struct gpu_kind *kind, const struct entry *e, int64_t from_usec,
                      int64_t to_usec, int sign, struct plan_lines *lines)
{
    const struct gpu_hold *hold = e->gpus;
    int r = timeline_change(&lines->amount, from_usec, to_usec, &e->shape->need, sign);

    for (uint8_t i = 0; hold && hold->offer != HOLD_FOREIGN && i < hold->n && r == 0; i++)
        r = gpuline_change(&lines->gpus[hold->places[i].gpu], kind, from_usec, to_usec, hold->offer,
                           hold->places[i].slot, sign);
    return r;
}

bool plan_first_piece(struct planner *p, const struct entry *e, struct walk *walk,
                      int64_t *ret_to_usec)
{
    int64_t from, minute = plan_next_minute(p);

    *ret_to_usec = 0;
    pause_walk_entry(p, e, plan_expected_end(p, e), walk);
    walk_next(walk, &from, ret_to_usec);
    if (*ret_to_usec > p->now_usec)
        return false;
    *ret_to_usec = walk->left_usec > 0 && walk->at_usec < minute ? walk->at_usec : minute;
    return true;
}

/* What a job that holds the node leaves to others: all from its end on, and while it is saved for
 * a class. Until its first piece ends that stays so. */
static int free_pieces(struct planner *p, struct plan_node *n, const struct entry *e,
                       struct plan_lines *lines, bool *io_late)
{
    const struct gpu_kind *kind = &p->kinds[n->kind];
    int64_t from, to;
    struct walk walk;
    int r;

    *io_late |= plan_first_piece(p, e, &walk, &to);
    n->base_until_usec = plan_sooner(n->base_until_usec, to);
    if (e->time_usec > p->now_usec) /* before that, if it should have made room and did not */
        n->base_until_usec = plan_sooner(n->base_until_usec, e->time_usec);
    r = plan_change_place(kind, e, to, TIMELINE_NEVER, 1, lines);
    while (r == 0 && walk_next(&walk, &from, &to))
        r = plan_change_place(kind, e, from, to, -1, lines);
    return r;
}

/* Where jobs are that should have made room: nothing fits, whatever else is booked there. */
static int block_late(struct planner *p, const struct plan_node *n, struct plan_lines *lines)
{
    int r = 0;

    for (const struct entry *e = n->jobs; e && r == 0; e = e->next) {
        struct walk walk;
        int64_t to;

        if (!e->gpus || !plan_first_piece(p, e, &walk, &to))
            continue;
        for (uint8_t i = 0; r == 0 && i < e->gpus->n; i++)
            r = gpuline_block(&lines->gpus[e->gpus->places[i].gpu], to);
    }
    return r;
}

static int make_base(struct planner *p, struct plan_node *n, struct plan_lines *lines)
{
    struct amount free = plan_node_free(n);
    int r = plan_lines_reserve(lines, n->gpus.n_all);
    bool any_late = false;

    n->base_until_usec = TIMELINE_NEVER;
    n->base_gpus = n->gpus.n_all;
    if (r == 0)
        r = timeline_begin(&lines->amount, &free);
    for (uint32_t i = 0; i < n->gpus.n_all && r == 0; i++)
        r = gpuline_begin(&lines->gpus[i], &n->gpus.gpus[i].now);
    for (const struct entry *e = n->jobs; e && r == 0; e = e->next)
        r = free_pieces(p, n, e, lines, &any_late);
    if (r == 0)
        r = seats_take(p, n, lines);
    return r == 0 && any_late ? block_late(p, n, lines) : r;
}

/* The base is as it was when the pass began. */
static bool is_of_pass(const struct planner *p, const struct plan_node *n)
{
    return n->pass != p->pass && n->index < p->n_warm && n->base_stand &&
           n->base_gpus == n->gpus.n_all;
}

static int begin_by(struct planner *p, struct plan_node *n, const struct plan_lines *base)
{
    int r = base ? plan_lines_copy(&n->lines, base, n->gpus.n_all) : -ENOMEM;

    if (r == 0) {
        n->pass = p->pass;
        n->stand = n->base_stand;
    }
    return r;
}

const struct plan_lines *plan_base_lines(struct planner *p, struct plan_node *n)
{
    if (n->base_is_valid && n->base_until_usec > p->now_usec)
        return &n->base;
    if (is_of_pass(p, n) && p->begun)
        begin_by(p, n, &n->base); /* the pass goes on by what it began with */
    n->base_is_valid = make_base(p, n, &n->base) == 0;
    n->base_stand = n->base_is_valid ? plan_next_stand(p) : 0;
    plan_base_changed(p, n);
    return n->base_is_valid ? &n->base : NULL;
}

const struct plan_lines *plan_lines_now(struct planner *p, struct plan_node *n)
{
    if (n->pass == p->pass)
        return &n->lines;
    return is_of_pass(p, n) ? &n->base : plan_base_lines(p, n);
}

int plan_begin_lines(struct planner *p, struct plan_node *n)
{
    return n->pass == p->pass ? 0 : begin_by(p, n, plan_lines_now(p, n));
}

/* ---- the clock ---------------------------------------------------------- */

static bool tell_deadline(struct planner *p, struct entry *e, struct sink *s)
{
    if (s->n == s->max)
        return false;
    s->actions[s->n++] = (struct plan_action){.type = PLAN_DEADLINE, .job = e->id};
    if (e->place == ENTRY_QUEUED) {
        planner_dequeue(p, e);
        planner_mark_moved(p);
    }
    booking_drop(p, e->id);
    e->place = ENTRY_TOLD;
    wake_set(&p->wake, e, p->now_usec + PLAN_RETRY_USEC);
    return true;
}

static void begin_reached(struct planner *p, struct entry *e)
{
    if (e->place == ENTRY_QUEUED)
        planner_dequeue(p, e);
    planner_settle_pending(p, e);
}

int64_t plan_next_look(struct planner *p, const struct entry *e)
{
    int64_t end = plan_expected_end(p, e), retry = e->asked_usec + PLAN_RETRY_USEC;
    const struct pause *pause = e->place == ENTRY_ACTIVE ? pause_next(p, e, end) : NULL;

    if (!pause)
        return end;
    if (pause->from_usec > p->now_usec)
        return plan_sooner(end, pause->from_usec);
    if (!e->asked_usec || retry <= p->now_usec)
        return p->now_usec;
    /* It is to be gone by then, or as soon as one that is overdue. */
    end = plan_sooner(end, pause->free_usec > p->now_usec ? pause->free_usec : plan_next_minute(p));
    return plan_sooner(end, retry);
}

/* A class needs its place soon, or it is to end. */
static bool look_at_active(struct planner *p, struct entry *e, struct sink *s)
{
    const struct pause *next = pause_next(p, e, plan_expected_end(p, e));
    struct pause pause = next ? *next : (struct pause){.free_usec = TIMELINE_NEVER};

    if (e->time_usec <= p->now_usec || pause.free_usec <= p->now_usec) {
        p->harmed = true;
        planner_mark(p, PLAN_STALE);
    }
    if (plan_next_look(p, e) > p->now_usec) {
        wake_set(&p->wake, e, plan_next_look(p, e));
        return true;
    }
    if (next && victim_is_spared(p, e, pause.free_usec)) {
        planner_mark(p, PLAN_STALE);
        wake_set(&p->wake, e, plan_next_look(p, e));
        return true;
    }
    if (s->n == s->max || !next)
        return false;
    s->actions[s->n++] = (struct plan_action){.type = PLAN_PREEMPT,
                                              .job = e->id,
                                              .mode = qos_mode(p, pause.qos, qos_of(p, e->shape)),
                                              .is_for_job = pause.is_for_job,
                                              .free_usec = pause.free_usec,
                                              .until_usec = pause.to_usec};
    e->asked_usec = p->now_usec;
    wake_set(&p->wake, e, plan_next_look(p, e));
    return true;
}

/* What the time given to e was for has come. False: no room for the action. */
static bool wake_up(struct planner *p, struct entry *e, struct sink *s)
{
    switch ((enum entry_place)e->place) {
    case ENTRY_TENTATIVE:
        planner_release(p, e);
        planner_settle_pending(p, e);
        planner_mark(p, PLAN_HOPEFUL);
        return true;
    case ENTRY_TOLD:
        planner_settle_pending(p, e);
        return true;
    case ENTRY_ACTIVE:
        return look_at_active(p, e, s);
    case ENTRY_QUEUED:
    case ENTRY_ASIDE:
        if (e->deadline_usec && e->deadline_usec <= p->now_usec)
            return tell_deadline(p, e, s);
        if (e->place == ENTRY_QUEUED && !e->late) { /* it may ask others to go, by now */
            wake_set(&p->wake, e, e->deadline_usec);
            planner_mark(p, PLAN_HOPEFUL);
        } else {
            begin_reached(p, e);
        }
        return true;
    }
    return true;
}

/* False: work is left. */
static bool run_clock(struct planner *p, struct sink *s)
{
    bool is_over_for_seats = seats_expire(p), is_over_for_closures = closures_pass(p);
    struct entry *e;

    if (is_over_for_seats || is_over_for_closures)
        planner_mark(p, PLAN_HOPEFUL);
    while ((e = wake_first(&p->wake)) && e->wake_usec <= p->now_usec)
        if (is_over(s, false) || !wake_up(p, e, s))
            return false;
    return true;
}

/* ---- the pass ----------------------------------------------------------- */

static bool pass_is_due(const struct planner *p)
{
    switch (p->dirt) {
    case PLAN_CLEAN:
        return false;
    case PLAN_STALE:
        return !p->next && p->now_usec >= p->refresh_usec;
    case PLAN_HOPEFUL: /* a second one in a row is let through, or the tail would never be seen */
        return !(p->next && p->was_cut);
    case PLAN_RESHAPED:
        return true;
    }
    return true;
}

static void pass_begin(struct planner *p)
{
    p->was_cut = p->begun && p->next;
    p->pass++;
    p->begun = false;
    p->blocked_open = false;
    p->harmed = false;
    p->dirt = PLAN_CLEAN;
    p->next = queue_first(&p->queue);
    p->n_warm = 0;
    planner_sort_nodes(p);
    indexes_begin(p);
}

/* Base lines and pauses of all nodes, so that no job has to wait for those of thousands. Who did
 * not change is passed over. False: time is up. */
static bool warm_up(struct planner *p, struct sink *s)
{
    for (; p->next && p->n_warm < p->n_nodes; p->n_warm++) {
        struct plan_node *n = p->nodes[p->n_warm];

        if (p->warm_until_usec[p->n_warm] > p->now_usec)
            continue;
        if (!plan_node_in_service(n)) {
            n->base_stand = 0;
        } else if (!n->base_is_valid || n->base_until_usec <= p->now_usec) {
            if (is_over(s, false))
                return false;
            plan_base_lines(p, n);
        } else if (!n->base_stand) {
            n->base_stand = plan_next_stand(p);
        }
        if (plan_node_in_service(n) && !pause_is_warm(p, n)) {
            if (is_over(s, true))
                return false;
            pause_warm(p, n);
        }
        index_see(p, n);
        if (n->base_is_valid || !plan_node_in_service(n))
            p->warm_until_usec[p->n_warm] = n->base_stand ? n->base_until_usec : TIMELINE_NEVER;
    }
    return true;
}

/* The reservation is in the lines already. Takes over what is held. */
static void start(struct planner *p, struct entry *e, struct held held, int64_t end_usec,
                  struct sink *s)
{
    struct plan_action *action = &s->actions[s->n++];
    const struct gpu_hold *gpus = held.gpus;

    *action = (struct plan_action){.type = PLAN_START, .job = e->id, .n_nodes = e->shape->nodes};
    if (end_usec < p->now_usec + e->shape->span_usec)
        action->limit_sec = (end_usec - p->now_usec - p->boot_usec) / 1000000;
    memcpy(action->node, held.node->facts.name, sizeof(action->node));
    if (gpus)
        gpu_held_format(gpus->profile, gpus->places, gpus->n,
                        gpu_has_slots(&p->kinds[held.node->kind]), action->gpus_held,
                        sizeof(action->gpus_held));
    planner_dequeue(p, e);
    planner_hold(p, e, held, ENTRY_TENTATIVE, end_usec);
}

static bool may_start(struct planner *p, const struct entry *e, const struct plan_node *node,
                      const struct gpu_hold *gpus, int64_t at_usec)
{
    return at_usec <= p->now_usec && !e->late && !p->oracle && shape_fits(p, e->shape, node) &&
           place_is_free(p, node, gpus);
}

/* On all nodes or, but for the estimate, on none. True: it started. */
static bool start_on(struct planner *p, struct entry *e, struct plan_node *const *nodes,
                     struct gpu_hold *const *gpus, int64_t end_usec, struct sink *s)
{
    struct held held;

    if (p->harmed) {
        planner_mark(p, PLAN_HOPEFUL);
        return false;
    }
    if (planner_held_make(nodes, gpus, e->shape->nodes, &held) < 0) {
        planner_mark(p, PLAN_STALE);
        return false;
    }
    start(p, e, held, end_usec, s);
    return true;
}

/* What the estimate says; several nodes are kept for those who ask why. */
static void set_estimate(struct entry *e, struct plan_node *const *nodes, int64_t at_usec)
{
    size_t size = e->shape->nodes * sizeof(struct plan_node *);

    e->node = nodes[0];
    e->time_usec = at_usec;
    if (e->shape->nodes > 1 && (e->planned = malloc(size)))
        memcpy(e->planned, nodes, size);
}

/* Reserves it from the time that is returned; TIMELINE_NEVER: there is none. *ret_r: no memory. */
static int64_t reserve(struct planner *p, struct shape *shape, struct plan_node *const *nodes,
                       const struct candidate *best, int64_t from_usec, struct gpu_hold **ret,
                       int *ret_r)
{
    *ret_r = 0;
    for (uint32_t i = 0; i < shape->nodes; i++) {
        ret[i] = NULL;
        if (plan_begin_lines(p, nodes[i]) < 0)
            *ret_r = -ENOMEM;
        nodes[i]->stand = plan_next_stand(p);
    }
    if (*ret_r < 0)
        return TIMELINE_NEVER;
    if (pause_is_for(p, shape) && pause_is_for_node(p, shape, nodes[0]))
        return pause_reserve(p, shape, nodes, shape->nodes > 1 ? best->earliest_usec : from_usec,
                             ret, ret_r);
    for (uint32_t i = 0; i < shape->nodes; i++) {
        int r;

        ret[i] = place_reserve(p, shape, nodes[i], best->earliest_usec, best[i].offer, &r);
        *ret_r = r < 0 ? r : *ret_r;
    }
    return best->earliest_usec;
}

/* Reserves what was found, of its own shape or of its brief one. True: it starts. */
static bool take(struct planner *p, struct entry *e, struct shape *shape,
                 const struct candidate *best, int64_t from_usec, struct sink *s)
{
    struct plan_node *nodes[JOB_NODES_MAX];
    struct gpu_hold *gpus[JOB_NODES_MAX];
    int64_t at, end;
    bool may;
    int r;

    for (uint32_t i = 0; i < e->shape->nodes; i++)
        nodes[i] = p->nodes[best[i].node];
    at = reserve(p, shape, nodes, best, from_usec, gpus, &r);
    end = p->now_usec + shape->span_usec;
    if (shape != e->shape && r == 0 && at < TIMELINE_NEVER)
        end = shorten_extend(p, e, nodes, gpus, &r);
    may = r == 0 && at < TIMELINE_NEVER;
    for (uint32_t i = 0; i < e->shape->nodes; i++) {
        if (r < 0) {
            nodes[i]->lines.amount.closed = true;
            nodes[i]->pass = p->pass;
        }
        may = may && may_start(p, e, nodes[i], gpus[i], at);
    }
    if (may && start_on(p, e, nodes, gpus, end, s))
        return true;
    for (uint32_t i = 0; i < e->shape->nodes; i++)
        place_hold_free(gpus[i]);
    if (at < TIMELINE_NEVER)
        set_estimate(e, nodes, at);
    return false;
}

/* Takes the place that is kept for it: those who had it are gone. */
static bool start_booked(struct planner *p, struct entry *e, const struct seat_window *w,
                         struct plan_node *const *nodes, struct sink *s)
{
    struct gpu_hold *gpus[JOB_NODES_MAX];
    bool has_memory = true;
    struct held held;

    for (uint32_t i = 0; i < w->n; i++) {
        gpus[i] = w->seats[i].gpus ? place_hold_copy(w->seats[i].gpus) : NULL;
        has_memory &= !gpus[i] == !w->seats[i].gpus;
    }
    if (!has_memory || planner_held_make(nodes, gpus, w->n, &held) < 0) {
        for (uint32_t i = 0; i < w->n; i++)
            place_hold_free(gpus[i]);
        planner_mark(p, PLAN_STALE);
        return false;
    }
    start(p, e, held, p->now_usec + e->shape->span_usec, s);
    booking_drop(p, e->id);
    return true;
}

/* Nobody is asked to go for what may be otherwise by a new plan. */
static bool may_book(struct planner *p, const struct entry *e)
{
    bool is_sure = !p->harmed && p->dirt < PLAN_HOPEFUL &&
                   (p->dirt == PLAN_CLEAN || shape_is_full(p, e->shape));

    if (!is_sure)
        planner_mark(p, PLAN_HOPEFUL);
    return is_sure;
}

/* True: it has a place that is kept for it, or gets one, and is not planned elsewhere. */
static bool pass_booked(struct planner *p, struct entry *e, bool may_start, struct sink *s)
{
    const struct seat_window *w = booking_of(p, e->id);
    struct plan_node *nodes[JOB_NODES_MAX];

    if (w && booking_is_over(p, e, w)) {
        booking_drop(p, e->id);
        w = NULL;
    }
    if (!w && !p->oracle && !e->late && !may_start && booking_is_for(p, e->shape) &&
        may_book(p, e) && booking_try(p, e))
        w = booking_of(p, e->id);
    if (!w)
        return false;
    for (uint32_t i = 0; i < w->n; i++)
        nodes[i] = w->seats[i].node;
    if (!p->oracle && booking_is_ready(p, w) && start_booked(p, e, w, nodes, s))
        return true;
    set_estimate(e, nodes, booking_start_usec(p, w));
    if (!e->wake_usec || e->wake_usec > booking_look_usec(p, w))
        wake_set(&p->wake, e, booking_look_usec(p, w));
    return true;
}

static void pass_job(struct planner *p, struct entry *e, struct sink *s)
{
    int64_t from = e->late && e->begin_usec > p->now_usec ? e->begin_usec : p->now_usec;
    struct candidate best[JOB_NODES_MAX], brief[JOB_NODES_MAX];
    bool has_place, is_brief;

    p->next = queue_next(e);
    p->last = *e;
    p->begun = true;
    planner_forget_estimate(e);
    has_place = from < TIMELINE_NEVER && shape_best(p, e->shape, e->image, from, best);
    if (has_place && *e->shape->pool->drawn)
        shape_draw(p, e->shape, e->image, best);
    is_brief = shorten_best(p, e, has_place ? best : NULL, brief);
    if (is_brief && p->dirt != PLAN_CLEAN) { /* by a new plan it may get all it asks for */
        planner_mark(p, PLAN_HOPEFUL);
        is_brief = false;
    }
    if (pass_booked(p, e, is_brief || (has_place && best->earliest_usec <= from), s))
        return;
    if (is_brief ? take(p, e, e->shape->brief, brief, from, s)
                 : has_place && take(p, e, e->shape, best, from, s))
        return;
    /* By an old plan there is no room: by a new one there may be. */
    if (p->dirt == PLAN_STALE && !e->late && !shape_is_full(p, e->shape))
        planner_mark(p, PLAN_HOPEFUL);
    if (!p->blocked_open && !e->late)
        p->blocked_open = !shape_is_full(p, e->shape);
    shape_trim(p, e->shape);
}

/* False: work is left. */
static bool run_pass(struct planner *p, struct sink *s)
{
    do {
        if (pass_is_due(p))
            pass_begin(p);
        if (!warm_up(p, s))
            return false;
        while (p->next) {
            if (s->n == s->max || is_over(s, p->next->shape->pass != p->pass))
                return false;
            pass_job(p, p->next, s);
        }
        p->was_cut = false;
    } while (pass_is_due(p));
    return true;
}

size_t planner_step(struct planner *p, int64_t now_usec, int64_t budget_usec,
                    struct plan_action *ret, size_t max, bool *ret_more)
{
    struct sink s = {.actions = ret, .max = max, .budget_usec = budget_usec};

    budget_begin(&s);
    p->now_usec = now_usec;
    *ret_more = !run_clock(p, &s) || !run_pass(p, &s);
    return s.n;
}

int64_t planner_next_usec(const struct planner *p)
{
    const struct entry *first = wake_first(&p->wake);
    int64_t next = first ? first->wake_usec : 0, seats = planner_next_window_usec(p);

    if (seats && (!next || seats < next))
        next = seats;
    if (p->closures.next_usec < TIMELINE_NEVER && (!next || p->closures.next_usec < next))
        next = p->closures.next_usec;
    if (p->next || p->dirt >= PLAN_HOPEFUL)
        return p->now_usec;
    if (p->dirt == PLAN_STALE && (!next || p->refresh_usec < next))
        next = p->refresh_usec;
    return next;
}

/* ---- the oracle --------------------------------------------------------- */

static void forget(struct planner *p)
{
    for (struct shape *shape = p->shapes.first; shape; shape = shape->next) {
        shape->queued = 0;
        shape->full = false;
    }
    for (size_t i = 0; i < p->n_nodes; i++) {
        p->nodes[i]->jobs = NULL;
        p->nodes[i]->n_jobs = 0;
        p->nodes[i]->used = (struct amount){0};
        plan_base_forget(p, p->nodes[i]);
        for (uint32_t g = 0; g < p->nodes[i]->gpus.n_all; g++)
            p->nodes[i]->gpus.gpus[g] = (struct plan_gpu){0};
    }
    licences_forget(p);
    p->queue.root = NULL;
    p->next = NULL;
    p->begun = false;
    p->dirt = PLAN_RESHAPED;
}

void planner_full(struct planner *p, int64_t now_usec)
{
    struct sink s = {.max = 1};
    bool startable = false;
    void *value;

    p->now_usec = now_usec;
    forget(p);
    for (size_t i = 0; hash_next(p->jobs, &i, &value);) {
        struct entry *e = value;
        int64_t wake_usec = e->wake_usec;

        if (e->place == ENTRY_QUEUED)
            planner_forget_estimate(e);
        if (e->place == ENTRY_QUEUED || e->place == ENTRY_ASIDE) {
            planner_settle_pending(p, e);
        } else if (e->place != ENTRY_TOLD) {
            planner_hold(p, e, (struct held){e->node, e->gpus, e->part}, e->place, e->time_usec);
            wake_set(&p->wake, e, wake_usec); /* the retry runs from the action, not from here */
        }
    }
    p->oracle = true;
    run_pass(p, &s);
    p->oracle = false;
    for (struct entry *e = queue_first(&p->queue); e && !startable; e = queue_next(e))
        startable = e->time_usec && e->time_usec <= now_usec;
    if (startable)
        planner_mark(p, PLAN_HOPEFUL);
}
