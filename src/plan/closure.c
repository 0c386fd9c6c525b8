/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closure.c - nodes that are closed for windows of time: maintenance, and nodes reserved for some.
 *
 * Kept: a node's list has the closures that name it; windows of one closure are by time and don't
 * overlap, those of several may. What is on a node when a window begins is left alone.
 */
#include "plan/closure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/inner.h"

int closures_init(struct closures *c)
{
    c->all = hash_new_u64();
    c->next_usec = TIMELINE_NEVER;
    return c->all ? 0 : -ENOMEM;
}

static void closure_free(struct closure *c)
{
    if (!c)
        return;
    free(c->name);
    free(c->nodes);
    free(c->windows);
    free(c);
}

void closures_done(struct planner *p)
{
    void *value;

    for (size_t i = 0; p->closures.all && hash_next(p->closures.all, &i, &value);)
        closure_free(value);
    hash_free(p->closures.all);
    for (size_t i = 0; i < p->n_nodes; i++)
        free(p->nodes[i]->closures.of);
}

/* ---- asked about ------------------------------------------------------------ */

/* The first window that is not over then; n_windows: all are. */
static size_t window_at(const struct closure *c, int64_t usec)
{
    size_t low = 0, high = c->n_windows;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (c->windows[mid].to_usec <= usec)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_named(const struct closure *c, const struct shape *shape)
{
    return *shape->pool->reservation && str_equal(c->name, shape->pool->reservation);
}

static bool is_own(const struct closure *c, const struct shape *shape)
{
    return is_named(c, shape) || str_list_has(shape->pool->drawn, c->name);
}

/* A window of it that draws the shape is now. */
static bool draws_now(const struct closure *c, const struct shape *shape, int64_t now_usec)
{
    size_t k = str_list_has(shape->pool->drawn, c->name) ? window_at(c, now_usec) : c->n_windows;

    return k < c->n_windows && c->windows[k].from_usec <= now_usec;
}

bool closures_draw(struct planner *p, const struct shape *shape)
{
    void *value;

    for (size_t i = 0; *shape->pool->drawn && hash_next(p->closures.all, &i, &value);)
        if (draws_now(value, shape, p->now_usec))
            return true;
    return false;
}

bool closure_draws(const struct plan_node *node, const struct shape *shape, int64_t now_usec)
{
    for (size_t i = 0; i < node->closures.n; i++)
        if (draws_now(node->closures.of[i], shape, now_usec))
            return true;
    return false;
}

static bool is_before(const struct closure *a, const struct plan_window *x, const struct closure *b,
                      const struct plan_window *y)
{
    return x->from_usec != y->from_usec ? x->from_usec < y->from_usec : a->id < b->id;
}

const struct closure *closure_against(const struct plan_node *node, const struct shape *shape,
                                      int64_t from_usec, int64_t to_usec,
                                      const struct plan_window **ret)
{
    const struct closure *found = NULL;

    for (size_t i = 0; i < node->closures.n; i++) {
        const struct closure *c = node->closures.of[i];
        size_t k = is_own(c, shape) ? c->n_windows : window_at(c, from_usec);

        if (k == c->n_windows || c->windows[k].from_usec >= to_usec ||
            (found && !is_before(c, &c->windows[k], found, *ret)))
            continue;
        found = c;
        *ret = &c->windows[k];
    }
    return found;
}

/* The first time from then on at which it is in a window of its own for the span. */
static int64_t own_earliest(const struct plan_node *node, const struct shape *shape,
                            int64_t from_usec, int64_t span_usec)
{
    int64_t best = TIMELINE_NEVER;

    for (size_t i = 0; i < node->closures.n; i++) {
        const struct closure *c = node->closures.of[i];
        size_t k = is_own(c, shape) ? window_at(c, from_usec) : c->n_windows;

        for (; k < c->n_windows; k++) {
            const struct plan_window *w = &c->windows[k];
            int64_t at = w->from_usec > from_usec ? w->from_usec : from_usec;

            if (w->to_usec - at < span_usec)
                continue;
            best = plan_sooner(best, at);
            break;
        }
    }
    return best;
}

int64_t closure_earliest(const struct plan_node *node, const struct shape *shape, int64_t from_usec,
                         int64_t span_usec)
{
    const struct plan_window *w;
    bool is_bound = shape->pool->is_bound;
    int64_t at = from_usec;

    if (!node->closures.n)
        return is_bound ? TIMELINE_NEVER : at;
    do {
        if (is_bound)
            at = own_earliest(node, shape, at, span_usec);
        if (at >= TIMELINE_NEVER || !closure_against(node, shape, at, at + span_usec, &w))
            return at;
        at = w->to_usec;
    } while (true);
}

bool closure_allows(const struct plan_node *node, const struct shape *shape, int64_t from_usec,
                    int64_t to_usec)
{
    return closure_earliest(node, shape, from_usec, to_usec - from_usec) == from_usec;
}

int64_t closure_until(const struct plan_node *node, const struct shape *shape, int64_t now_usec,
                      int64_t from_usec, const char **ret_name)
{
    int64_t until = TIMELINE_NEVER;
    const struct plan_window *w;
    const struct closure *against;

    for (size_t i = 0; i < node->closures.n; i++) {
        const struct closure *c = node->closures.of[i];
        size_t k = is_named(c, shape) ? window_at(c, now_usec) : c->n_windows;

        if (k == c->n_windows || c->windows[k].from_usec > now_usec)
            continue;
        until = c->windows[k].to_usec > from_usec ? c->windows[k].to_usec : from_usec;
        *ret_name = c->name;
    }
    against = closure_against(node, shape, from_usec, until, &w);
    if (!against)
        return until;
    *ret_name = against->name;
    return w->from_usec > from_usec ? w->from_usec : from_usec;
}

int64_t closure_next_end(const struct plan_node *node, int64_t usec)
{
    int64_t next = TIMELINE_NEVER;

    for (size_t i = 0; i < node->closures.n; i++) {
        const struct closure *c = node->closures.of[i];
        size_t k = window_at(c, usec);

        if (k < c->n_windows)
            next = plan_sooner(next, c->windows[k].to_usec);
    }
    return next;
}

/* ---- time ------------------------------------------------------------------- */

static void set_next(struct planner *p)
{
    void *value;

    p->closures.next_usec = TIMELINE_NEVER;
    for (size_t i = 0; hash_next(p->closures.all, &i, &value);) {
        const struct closure *c = value;
        size_t k = window_at(c, p->now_usec);

        if (k == c->n_windows)
            continue;
        p->closures.next_usec = plan_sooner(
            p->closures.next_usec, c->windows[k].from_usec > p->now_usec ? c->windows[k].from_usec
                                                                         : c->windows[k].to_usec);
    }
}

bool closures_pass(struct planner *p)
{
    if (p->closures.next_usec > p->now_usec)
        return false;
    set_next(p);
    return true;
}

/* ---- told of ---------------------------------------------------------------- */

static void unlink_nodes(struct closure *c)
{
    for (size_t i = 0; i < c->n_nodes; i++) {
        struct node_closures *list = &c->nodes[i]->closures;

        for (size_t k = 0; k < list->n; k++)
            if (list->of[k] == c)
                list->of[k--] = list->of[--list->n];
    }
}

/* Room was made for it once: a node that is named twice has it already, as its last. */
static void link_nodes(struct closure *c)
{
    for (size_t i = 0; i < c->n_nodes; i++) {
        struct node_closures *list = &c->nodes[i]->closures;

        if (!list->n || list->of[list->n - 1] != c)
            list->of[list->n++] = c;
    }
}

static int make_room(struct node_closures *list)
{
    size_t room = list->room ? 2 * list->room : 2;
    struct closure **grown;

    if (list->n < list->room)
        return 0;
    grown = realloc(list->of, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    list->of = grown;
    list->room = room;
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct plan_window *x = a, *y = b;

    return x->from_usec != y->from_usec ? (x->from_usec < y->from_usec ? -1 : 1)
                                        : (x->to_usec > y->to_usec) - (x->to_usec < y->to_usec);
}

static int take_nodes(struct planner *p, const struct plan_closure *from, struct closure *c)
{
    int r = 0;

    for (size_t i = 0; i < from->n_nodes && r == 0; i++) {
        struct plan_node *node = planner_node_get(p, from->nodes[i]);

        r = node ? make_room(&node->closures) : -ENOMEM;
        if (r == 0)
            c->nodes[c->n_nodes++] = node;
    }
    return r;
}

/* By time; those that overlap are one. */
static void take_windows(const struct plan_closure *from, struct closure *c)
{
    size_t n = 0;

    if (!from->n_windows)
        return;
    memcpy(c->windows, from->windows, from->n_windows * sizeof(*c->windows));
    qsort(c->windows, from->n_windows, sizeof(*c->windows), by_time);
    for (size_t i = 0; i < from->n_windows; i++) {
        struct plan_window w = c->windows[i];

        if (!n || w.from_usec >= c->windows[n - 1].to_usec)
            c->windows[n++] = w;
        else if (w.to_usec > c->windows[n - 1].to_usec)
            c->windows[n - 1].to_usec = w.to_usec;
    }
    c->n_windows = n;
}

static struct closure *closure_new(struct planner *p, const struct plan_closure *from)
{
    struct closure *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->id = from->id;
    c->name = strdup(from->name);
    c->nodes = calloc(from->n_nodes + 1, sizeof(struct plan_node *));
    c->windows = calloc(from->n_windows + 1, sizeof(*c->windows));
    if (!c->name || !c->nodes || !c->windows || take_nodes(p, from, c) < 0) {
        closure_free(c);
        return NULL;
    }
    take_windows(from, c);
    return c;
}

/* What was planned may be where it is closed now, and elsewhere than it might be. The bounds of a
 * pass, and those that indexes keep, hold no more: times are asked about beside the lines. */
static void mark_changed(struct planner *p)
{
    set_next(p);
    p->harmed = true;
    planner_mark(p, PLAN_RESHAPED);
}

int planner_put_closure(struct planner *p, const struct plan_closure *from)
{
    struct closure *was, *c = closure_new(p, from);

    if (!c)
        return -ENOMEM;
    was = hash_remove_u64(p->closures.all, c->id);
    if (hash_put_u64(p->closures.all, c->id, c) < 0) {
        closure_free(c);
        if (was && hash_put_u64(p->closures.all, was->id, was) < 0) {
            unlink_nodes(was);
            closure_free(was);
        }
        return -ENOMEM;
    }
    if (was)
        unlink_nodes(was);
    closure_free(was);
    link_nodes(c);
    mark_changed(p);
    return 0;
}

void planner_remove_closure(struct planner *p, uint64_t id)
{
    struct closure *c = hash_remove_u64(p->closures.all, id);

    if (!c)
        return;
    unlink_nodes(c);
    closure_free(c);
    mark_changed(p);
}

bool closure_is_on(const struct plan_node *node, int64_t from_usec, int64_t to_usec)
{
    bool is = false;

    for (size_t i = 0; i < node->closures.n && !is; i++) {
        const struct closure *c = node->closures.of[i];
        size_t k = window_at(c, from_usec);

        is = k < c->n_windows && c->windows[k].from_usec < to_usec;
    }
    return is;
}

const char *planner_closed_by(const struct planner *p, const char *name, int64_t usec)
{
    const struct plan_node *node = hash_get(p->node_names, name);

    for (size_t i = 0; node && i < node->closures.n; i++) {
        const struct closure *c = node->closures.of[i];
        size_t k = window_at(c, usec);

        if (k < c->n_windows && c->windows[k].from_usec <= usec)
            return c->name;
    }
    return NULL;
}

uint64_t planner_closed_in(const struct planner *p, const char *partition, int64_t from_usec,
                           int64_t to_usec)
{
    const struct plan_partition *part = planner_partition(p, partition);
    const struct closure *found = NULL;
    const struct plan_window *at = NULL;

    for (size_t i = 0; part && i < part->n_nodes; i++) {
        const struct plan_node *node = hash_get(p->node_names, part->nodes[i]);

        for (size_t k = 0; node && k < node->closures.n; k++) {
            const struct closure *c = node->closures.of[k];
            size_t n = window_at(c, from_usec);

            if (n == c->n_windows || c->windows[n].from_usec >= to_usec ||
                (found && !is_before(c, &c->windows[n], found, at)))
                continue;
            found = c;
            at = &c->windows[n];
        }
    }
    return found ? found->id : 0;
}

/* ---- what is in its way ------------------------------------------------------- */

struct look {
    struct planner *p;
    const struct plan_closure *of;
    plan_clash_fn *fn;
    void *arg;
};

/* The first of its windows that touches [from, to). */
static const struct plan_window *touched(const struct plan_closure *c, int64_t from_usec,
                                         int64_t to_usec)
{
    for (size_t i = 0; i < c->n_windows; i++)
        if (c->windows[i].from_usec < to_usec && c->windows[i].to_usec > from_usec)
            return &c->windows[i];
    return NULL;
}

static void tell(const struct look *l, enum plan_clash_type type, uint64_t id,
                 const struct plan_node *node, int64_t from_usec, int64_t to_usec)
{
    const struct plan_window *w = touched(l->of, from_usec, to_usec);
    struct plan_clash clash = {.type = type, .id = id, .from_usec = from_usec, .to_usec = to_usec};

    if (!w)
        return;
    clash.window = (size_t)(w - l->of->windows);
    memcpy(clash.node, node->facts.name, sizeof(clash.node));
    l->fn(l->arg, &clash);
}

static void look_at_node(const struct look *l, const struct plan_node *node)
{
    int64_t now = l->p->now_usec;

    for (const struct entry *e = node->jobs; e; e = e->next)
        if (!str_equal(e->shape->pool->reservation, l->of->name) &&
            !str_list_has(e->shape->pool->drawn, l->of->name))
            tell(l, PLAN_CLASH_JOB, e->head ? e->head->id : e->id, node, now,
                 plan_expected_end(l->p, e));
    for (const struct seat *s = node->seats; s; s = s->next)
        if (!seat_is_booked(s->window))
            tell(l, PLAN_CLASH_CLASS, s->window->class_id, node, s->window->from_usec,
                 s->window->to_usec);
    for (size_t i = 0; i < node->closures.n; i++) {
        const struct closure *c = node->closures.of[i];

        for (size_t k = c->id == l->of->id ? c->n_windows : window_at(c, now); k < c->n_windows;
             k++)
            tell(l, PLAN_CLASH_CLOSURE, c->id, node, c->windows[k].from_usec,
                 c->windows[k].to_usec);
    }
}

void planner_each_clash(struct planner *p, const struct plan_closure *c, int64_t now_usec,
                        plan_clash_fn *fn, void *arg)
{
    struct look l = {p, c, fn, arg};
    int64_t step_usec = p->now_usec;

    p->now_usec = now_usec; /* as planner_put_class() */
    for (size_t i = 0; i < c->n_nodes; i++) {
        const struct plan_node *node = hash_get(p->node_names, c->nodes[i]);

        if (node)
            look_at_node(&l, node);
    }
    p->now_usec = step_usec;
}
