/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seat.c - seats of classes: parts of nodes that are kept free for a window of time.
 *
 * A class is admitted with all its windows or not at all: each seat gets a node, and GPUs of
 * it, that other seats and the jobs that run by then leave. Later jobs are planned around
 * them. Kept: seats are on their node's list; a window is in the heap until its end.
 *
 * Where they come to be is admit.c.
 */
#include "plan/seat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/inner.h"

int seats_init(struct seats *s)
{
    s->classes = hash_new_u64();
    s->by_from = hash_new_u64();
    return s->classes && s->by_from ? 0 : -ENOMEM;
}

/* ---- windows by their end ------------------------------------------------ */

static bool ends_before(const struct seat_window *a, const struct seat_window *b)
{
    return a->to_usec != b->to_usec ? a->to_usec < b->to_usec : a->class_id < b->class_id;
}

static void heap_set(struct seats *s, size_t i, struct seat_window *w)
{
    s->by_end[i] = w;
    w->slot = (uint32_t)i;
}

static void heap_fix(struct seats *s, size_t i, struct seat_window *w)
{
    for (; i > 1 && ends_before(w, s->by_end[i / 2]); i /= 2)
        heap_set(s, i, s->by_end[i / 2]);
    for (size_t child; (child = 2 * i) <= s->n; i = child) {
        if (child < s->n && ends_before(s->by_end[child + 1], s->by_end[child]))
            child++;
        if (!ends_before(s->by_end[child], w))
            break;
        heap_set(s, i, s->by_end[child]);
    }
    heap_set(s, i, w);
}

int seats_reserve(struct seats *s, size_t n)
{
    struct seat_window **grown;
    size_t size = s->size ? s->size : 64;

    if (n + 1 <= s->size)
        return 0;
    while (size < n + 1)
        size *= 2;
    grown = realloc(s->by_end, size * sizeof(struct seat_window *));
    if (!grown)
        return -ENOMEM;
    s->by_end = grown;
    s->size = size;
    return 0;
}

static void heap_remove(struct seats *s, struct seat_window *w)
{
    struct seat_window *last = s->by_end[s->n--];

    if (last != w)
        heap_fix(s, w->slot, last);
    w->slot = 0;
}

/* ---- windows by their begin ---------------------------------------------- */

struct seat_window *seats_at(const struct seats *s, int64_t from_usec)
{
    return hash_get_u64(s->by_from, (uint64_t)from_usec);
}

/* Without memory for it no others are found: then nothing is exchanged. */
static void chain_set(struct seats *s, int64_t from_usec, struct seat_window *first)
{
    if (first)
        hash_put_u64(s->by_from, (uint64_t)from_usec, first);
}

static void chain_add(struct seats *s, struct seat_window *w)
{
    w->next_at = hash_remove_u64(s->by_from, (uint64_t)w->from_usec);
    chain_set(s, w->from_usec, w);
}

static void chain_remove(struct seats *s, struct seat_window *w)
{
    struct seat_window *first = hash_remove_u64(s->by_from, (uint64_t)w->from_usec);
    struct seat_window **link = &first;

    while (*link && *link != w)
        link = &(*link)->next_at;
    if (*link)
        *link = w->next_at;
    chain_set(s, w->from_usec, first);
}

/* ---- lists ---------------------------------------------------------------- */

/* What the jobs on the node have of it follows from the seats there, and what those on several
 * nodes have of the others, too. */
static void seats_changed(const struct planner *p, struct plan_node *node)
{
    node_pauses_forget(&node->pauses);
    plan_base_changed(p, node);
    for (struct entry *e = node->jobs; e; e = e->next)
        for (struct entry *part = e->head ? e->head : e; part; part = part->part)
            plan_base_forget(p, part->node);
}

/* Base lines that are valid stay so: made anew for every seat, they would cost the square of the
 * seats of a node. */
static void seat_link(struct planner *p, struct seat *seat)
{
    struct plan_node *node = seat->node;

    seat->next = node->seats;
    seat->link = &node->seats;
    if (seat->next)
        seat->next->link = &seat->next;
    node->seats = seat;
    p->seats.stamp++;
    seats_changed(p, node);
    if (node->base_is_valid)
        node->base_is_valid = seat_take(p, seat, &node->base) == 0;
    node->base_stand = node->base_is_valid ? plan_next_stand(p) : 0;
    plan_base_changed(p, node);
}

static void seat_unlink(struct planner *p, struct seat *seat)
{
    p->seats.stamp++;
    plan_base_forget(p, seat->node);
    seats_changed(p, seat->node);
    *seat->link = seat->next;
    if (seat->next)
        seat->next->link = seat->link;
}

struct seat_window *seat_window_new(uint64_t id, uint32_t seats, struct shape *shape,
                                    const struct plan_window *of)
{
    struct seat_window *w = calloc(1, sizeof(*w) + seats * sizeof(*w->seats));

    if (!w)
        return NULL;
    w->class_id = id;
    w->shape = shape;
    w->from_usec = of->from_usec;
    w->to_usec = of->to_usec;
    return w;
}

static void window_link(struct planner *p, struct seat_window *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        seat_link(p, &w->seats[i]);
    victims_link(p, w);
    p->seats.n_booked += seat_is_booked(w);
    chain_add(&p->seats, w);
    heap_fix(&p->seats, ++p->seats.n, w);
}

static void window_unlink(struct planner *p, struct seat_window *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        seat_unlink(p, &w->seats[i]);
    victims_unlink(p, w);
    p->seats.n_booked -= seat_is_booked(w);
    chain_remove(&p->seats, w);
    heap_remove(&p->seats, w);
}

/* One that was admitted, or not yet: then its seats are on no list. */
static void window_free(struct planner *p, struct seat_window *w)
{
    if (w->slot)
        window_unlink(p, w);
    victims_free(w);
    for (uint32_t i = 0; i < w->n; i++)
        place_hold_free(w->seats[i].gpus);
    shape_unref(p, w->shape);
    free(w);
}

static size_t windows_count(const struct seat_window *first)
{
    size_t n = 0;

    for (const struct seat_window *w = first; w; w = w->next_of_class)
        n++;
    return n;
}

void seat_windows_free(struct planner *p, struct seat_window *first)
{
    for (struct seat_window *w = first, *next; w; w = next) {
        next = w->next_of_class;
        window_free(p, w);
    }
}

void seats_done(struct planner *p)
{
    void *first;

    for (size_t i = 0; p->seats.classes && hash_next(p->seats.classes, &i, &first);)
        seat_windows_free(p, first);
    hash_free(p->seats.classes);
    hash_free(p->seats.by_from);
    free(p->seats.by_end);
}

/* ---- time ----------------------------------------------------------------- */

static void forget_window(struct planner *p, struct seat_window *w)
{
    struct seat_window *first = hash_remove_u64(p->seats.classes, w->class_id);
    struct seat_window **link = &first;

    while (*link != w)
        link = &(*link)->next_of_class;
    *link = w->next_of_class;
    window_free(p, w);
    if (first && hash_put_u64(p->seats.classes, first->class_id, first) < 0)
        seat_windows_free(p,
                          first); /* no memory: better no seats than some that nobody can give up */
}

bool seats_expire(struct planner *p)
{
    bool any = false;

    while (p->seats.n && p->seats.by_end[1]->to_usec <= p->now_usec) {
        forget_window(p, p->seats.by_end[1]);
        any = true;
    }
    return any;
}

int64_t planner_next_window_usec(const struct planner *p)
{
    return p->seats.n ? p->seats.by_end[1]->to_usec : 0;
}

/* ---- on the lines ---------------------------------------------------------- */

static int seat_change(const struct planner *p, const struct seat *seat, int sign,
                       struct plan_lines *lines)
{
    const struct seat_window *w = seat->window;
    const struct gpu_kind *kind = &p->kinds[seat->node->kind];
    int r = timeline_change(&lines->amount, w->from_usec, w->to_usec, &w->shape->need, sign);

    for (uint8_t i = 0; seat->gpus && seat->gpus->offer != HOLD_FOREIGN && i < seat->gpus->n; i++)
        if (r == 0)
            r = gpuline_change(&lines->gpus[seat->gpus->places[i].gpu], kind, w->from_usec,
                               w->to_usec, seat->gpus->offer, seat->gpus->places[i].slot, sign);
    return r;
}

int seat_take(const struct planner *p, const struct seat *seat, struct plan_lines *lines)
{
    return seat_change(p, seat, -1, lines);
}

int seat_give(const struct planner *p, const struct seat *seat, struct plan_lines *lines)
{
    return seat_change(p, seat, 1, lines);
}

int seats_take(const struct planner *p, const struct plan_node *node, struct plan_lines *lines)
{
    int r = 0;

    for (const struct seat *s = node->seats; s && r == 0; s = s->next)
        r = seat_take(p, s, lines);
    return r;
}

void seats_find_offers(struct planner *p)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        for (struct seat *s = p->nodes[i]->seats; s; s = s->next)
            if (s->gpus)
                place_find_offer(p, s->node, s->gpus);
}

/* ---- in the plan ------------------------------------------------------------ */

/* Those that are active may have to go. */
static void look_at_jobs(struct planner *p, const struct plan_node *node)
{
    for (struct entry *part = node->jobs; part; part = part->next) {
        struct entry *e = part->head ? part->head : part;

        if (e->place == ENTRY_ACTIVE)
            wake_set(&p->wake, e, plan_next_look(p, e));
    }
}

int seats_settle(struct planner *p, uint64_t id, struct seat_window *first)
{
    struct seat_window *had, *last = first;

    if (!first)
        return 0;
    while (last->next_of_class)
        last = last->next_of_class;
    had = hash_remove_u64(p->seats.classes, id);
    last->next_of_class = had;
    if (hash_put_u64(p->seats.classes, id, first) < 0) {
        last->next_of_class = NULL;
        seat_windows_free(p, had); /* as in forget_window() */
        return -ENOMEM;
    }
    for (struct seat_window *w = first; w != had; w = w->next_of_class)
        window_link(p, w);
    for (size_t i = 0; i < p->n_nodes; i++)
        if (!p->nodes[i]->base_is_valid)
            look_at_jobs(p, p->nodes[i]);
    p->harmed = true; /* what was planned may be where the seats are */
    planner_mark(p, PLAN_HOPEFUL);
    return 0;
}

/* There is room where the seats were, and none where jobs were to leave for them. */
static void mark_gone(struct planner *p)
{
    p->harmed = true;
    planner_mark(p, PLAN_HOPEFUL);
}

void planner_remove_class(struct planner *p, uint64_t id)
{
    struct seat_window *first = hash_remove_u64(p->seats.classes, id);

    seat_windows_free(p, first);
    if (first)
        mark_gone(p);
}

void planner_remove_window(struct planner *p, uint64_t id, int64_t from_usec)
{
    for (struct seat_window *w = hash_get_u64(p->seats.classes, id), *next; w; w = next) {
        next = w->next_of_class;
        if (w->from_usec != from_usec)
            continue;
        forget_window(p, w);
        mark_gone(p);
    }
}

struct plan_detached *planner_detach_class(struct planner *p, uint64_t id)
{
    struct seat_window *first = hash_remove_u64(p->seats.classes, id);

    for (struct seat_window *w = first; w; w = w->next_of_class)
        window_unlink(p, w);
    return (struct plan_detached *)first;
}

void planner_attach_class(struct planner *p, struct plan_detached *detached)
{
    struct seat_window *first = (struct seat_window *)detached;

    if (!first)
        return;
    if (seats_reserve(&p->seats, p->seats.n + windows_count(first)) < 0 ||
        seats_settle(p, first->class_id, first) < 0)
        seat_windows_free(p, first);
}

void planner_detached_free(struct planner *p, struct plan_detached *detached)
{
    seat_windows_free(p, (struct seat_window *)detached);
    if (detached)
        mark_gone(p);
}

/* ---- one by one ------------------------------------------------------------ */

static void describe(const struct planner *p, const struct seat *s, struct plan_seat *ret)
{
    *ret = (struct plan_seat){.from_usec = s->window->from_usec, .to_usec = s->window->to_usec};
    memcpy(ret->node, s->node->facts.name, sizeof(ret->node));
    if (s->gpus)
        gpu_held_format(s->gpus->profile, s->gpus->places, s->gpus->n,
                        gpu_has_slots(&p->kinds[s->node->kind]), ret->gpus_held,
                        sizeof(ret->gpus_held));
}

void planner_each_seat(const struct planner *p, uint64_t id, plan_seat_fn *fn, void *arg)
{
    for (const struct seat_window *w = hash_get_u64(p->seats.classes, id); w;
         w = w->next_of_class) {
        for (uint32_t i = 0; i < w->n; i++) {
            struct plan_seat seat;

            describe(p, &w->seats[i], &seat);
            fn(arg, &seat);
        }
    }
}

static bool has_seat_on(const struct seat_window *w, const struct plan_node *node)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (w->seats[i].node == node)
            return true;
    return false;
}

/* Base lines that are valid stay so, as in seat_link(). */
void seats_take_off(struct planner *p, struct seat *const *seats, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct plan_node *node = seats[i]->node;
        bool is_valid = node->base_is_valid && !node->jobs;

        seat_unlink(p, seats[i]);
        node->base_is_valid = is_valid && seat_give(p, seats[i], &node->base) == 0;
        node->base_stand = node->base_is_valid ? plan_next_stand(p) : 0;
        plan_base_changed(p, node);
    }
}

void seats_put_on(struct planner *p, struct seat *const *seats, size_t n, struct plan_node *node,
                  uint8_t gpu)
{
    for (size_t i = 0; i < n; i++) {
        seats[i]->node = node;
        seats[i]->gpus->places[0].gpu = gpu;
        seat_link(p, seats[i]);
    }
    look_at_jobs(p, node);
}

/* The last seat of the window takes its place. Where it has none any more, nobody has to go. */
static void seat_remove(struct planner *p, struct seat *seat)
{
    struct seat_window *w = seat->window;
    struct seat *last = &w->seats[w->n - 1];
    struct plan_node *node = seat->node;

    seat_unlink(p, seat);
    place_hold_free(seat->gpus);
    w->n--;
    if (last != seat) {
        seat_unlink(p, last);
        *seat = *last;
        seat_link(p, seat);
    }
    if (!w->n)
        forget_window(p, w);
    else if (w->victims && !has_seat_on(w, node))
        victims_forget_node(p, w, node);
}

bool seat_is_free(const struct planner *p, const struct seat *s)
{
    struct amount free = plan_node_free(s->node);

    return amount_covers(&free, &s->window->shape->need) &&
           (!s->gpus || place_is_free(p, s->node, s->gpus));
}

bool planner_take_seat(struct planner *p, uint64_t id, const char *node, bool if_free,
                       struct plan_seat *ret)
{
    for (struct seat_window *w = hash_get_u64(p->seats.classes, id); w; w = w->next_of_class) {
        for (uint32_t i = 0; i < w->n; i++) {
            if (strcmp(w->seats[i].node->facts.name, node) != 0 ||
                (if_free && !seat_is_free(p, &w->seats[i])))
                continue;
            describe(p, &w->seats[i], ret);
            seat_remove(p, &w->seats[i]);
            planner_mark(p, PLAN_HOPEFUL);
            return true;
        }
    }
    return false;
}
