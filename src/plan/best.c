/* SPDX-License-Identifier: Apache-2.0 */
/*
 * best.c - the nodes on which a shape can start first: a heap of them for each, within a pass.
 *
 * Kept: within a pass space only shrinks, so what is in a heap is never too late; it is made exact
 * only when it comes up. The memory that it takes never changes what a plan says, only what it
 * costs.
 */
#include <stdlib.h>
#include <string.h>

#include "plan/fragment.h"
#include "plan/index.h"
#include "plan/inner.h"
#include "plan/pause.h"
#include "plan/place.h"

/* Without a branch, as below: which of two it is nobody can foresee, and plans of many kinds do
 * little else. */
static bool candidate_before(const struct candidate *a, const struct candidate *b)
{
    return (a->earliest_usec < b->earliest_usec) |
           ((a->earliest_usec == b->earliest_usec) & (a->node < b->node));
}

/* Of so many children each: what is compared lies together. */
#define HEAP_FAN 4

/* Those below the children from `first` on will be compared next; a large heap lies far away. */
static void fetch_below(const struct shape *shape, size_t first)
{
    size_t i = HEAP_FAN * first + 1;

    for (size_t k = 0; k < HEAP_FAN && i < shape->n_heap; k++, i += HEAP_FAN)
        __builtin_prefetch(&shape->heap[i]);
}

/* The least of the children from `first` on. */
static size_t least_child(const struct shape *shape, size_t first)
{
    const struct candidate *heap = shape->heap;
    size_t least = first, other = first + 2;

    if (first + HEAP_FAN <= shape->n_heap) {
        least += candidate_before(&heap[first + 1], &heap[first]);
        other += candidate_before(&heap[first + 3], &heap[first + 2]);
        return least + (other - least) * candidate_before(&heap[other], &heap[least]);
    }
    for (size_t k = first + 1; k < shape->n_heap; k++)
        if (candidate_before(&heap[k], &heap[least]))
            least = k;
    return least;
}

static void sift_down(struct shape *shape, struct candidate c)
{
    struct candidate *heap = shape->heap;
    size_t i = 0;

    for (size_t first; (first = HEAP_FAN * i + 1) < shape->n_heap;) {
        size_t least;

        fetch_below(shape, first);
        least = least_child(shape, first);
        if (!candidate_before(&heap[least], &c))
            break;
        heap[i] = heap[least];
        i = least;
    }
    heap[i] = c;
}

static struct candidate heap_pop(struct planner *p, struct shape *shape)
{
    struct candidate first = shape->heap[0];

    shape->n_heap--;
    p->shapes.n_candidates--;
    sift_down(shape, shape->heap[shape->n_heap]);
    return first;
}

/* There is room. */
static void heap_push(struct planner *p, struct shape *shape, struct candidate c)
{
    size_t i = shape->n_heap++;

    p->shapes.n_candidates++;
    for (; i && candidate_before(&c, &shape->heap[(i - 1) / HEAP_FAN]); i = (i - 1) / HEAP_FAN)
        shape->heap[i] = shape->heap[(i - 1) / HEAP_FAN];
    shape->heap[i] = c;
}

/* Takes the first out for a while, and keeps its room. */
static struct candidate heap_take(struct planner *p, struct shape *shape)
{
    shape->n_taken++;
    return heap_pop(p, shape);
}

static void heap_give(struct planner *p, struct shape *shape, const struct candidate *c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        heap_push(p, shape, c[i]);
    shape->n_taken -= n;
}

static bool heap_reserve(struct shape *shape, size_t n)
{
    size_t room = n > 2 * shape->heap_room ? n : 2 * shape->heap_room;
    struct candidate *grown;

    if (n <= shape->heap_room)
        return true;
    grown = realloc(shape->heap, room * sizeof(*grown));
    if (!grown)
        return false;
    shape->heap = grown;
    shape->heap_room = room;
    return true;
}

/* The next job of the shape begins it anew. */
static void heap_clear(struct planner *p, struct shape *shape)
{
    p->shapes.n_candidates -= shape->n_heap;
    shape->n_heap = 0;
    shape->pass = 0;
}

static void heap_drop(struct planner *p, struct shape *shape)
{
    heap_clear(p, shape);
    free(shape->heap);
    shape->heap = NULL;
    shape->heap_room = 0;
}

static bool is_candidate(struct planner *p, struct shape *shape, uint32_t i)
{
    return plan_node_in_service(p->nodes[i]) && shape_is_possible(p, shape, p->nodes[i]);
}

/* All nodes that could take it: several that may pause are looked at together. */
static bool heap_fill(struct planner *p, struct shape *shape)
{
    size_t n = 0;

    for (uint32_t i = 0; i < p->n_nodes; i++)
        n += is_candidate(p, shape, i);
    if (!heap_reserve(shape, n))
        return false;
    for (uint32_t i = 0; i < p->n_nodes; i++)
        if (is_candidate(p, shape, i))
            heap_push(p, shape, (struct candidate){p->now_usec, i, 0, 0});
    return true;
}

/* One candidate for all nodes; it is taken apart as far as somebody asks. Without memory: no
 * estimate and no start; the next job of the shape tries again. */
static void heap_begin(struct planner *p, struct shape *shape)
{
    heap_drop(p, shape);
    shape->is_pausing = pause_is_for(p, shape);
    shape->asked_usec = INT64_MIN;
    if (shape->is_pausing && shape->nodes > 1) {
        if (!heap_fill(p, shape))
            return;
    } else if (p->n_nodes > 1 || (p->n_nodes && is_candidate(p, shape, 0))) {
        unsigned level = index_levels(p);

        /* While nobody is in line no pass looks at the nodes, and bounds are of long ago. */
        shape->index = queue_first(&p->queue) ? index_of(p, shape) : NULL;
        if (!heap_reserve(shape, INDEX_FAN))
            return;
        heap_push(p, shape,
                  (struct candidate){index_bound(p, shape->index, level, 0), 0, 0, (uint8_t)level});
    }
    shape->pass = p->pass;
}

/* It is not before that. True: so it was known. */
static bool heap_delay(struct planner *p, struct shape *shape, int64_t earliest_usec)
{
    struct candidate c = shape->heap[0];

    if (earliest_usec >= TIMELINE_NEVER) {
        heap_pop(p, shape);
        return false;
    }
    if (earliest_usec <= c.earliest_usec)
        return true;
    c.earliest_usec = earliest_usec;
    sift_down(shape, c);
    return false;
}

/* Puts those for which the first of the heap stands in its place. */
static void heap_expand(struct planner *p, struct shape *shape)
{
    struct candidate c = shape->heap[0];
    unsigned level = c.level - 1u, shift = level * INDEX_SHIFT;
    uint32_t first = c.node >> shift, end = first + INDEX_FAN, all = index_width(p, level);

    if (!heap_delay(p, shape, index_bound(p, shape->index, c.level, first >> INDEX_SHIFT)))
        return;
    if (!heap_reserve(shape, shape->n_heap + shape->n_taken + INDEX_FAN)) {
        heap_clear(p, shape);
        return;
    }
    heap_pop(p, shape);
    for (uint32_t i = first; i < end && i < all; i++) {
        int64_t bound = index_bound(p, shape->index, level, i);

        if (bound >= TIMELINE_NEVER || (!level && !is_candidate(p, shape, i)))
            continue;
        if (!level && shape->index && !index_is_known(shape->index, i))
            bound = index_refine(p, shape->index, p->nodes[i]);
        if (bound >= TIMELINE_NEVER)
            continue;
        heap_push(p, shape, (struct candidate){bound, i << shift, 0, (uint8_t)level});
    }
}

static int64_t earliest_on(struct planner *p, struct shape *shape, struct plan_node *n,
                           int64_t not_before_usec, uint8_t *ret_offer)
{
    const struct plan_lines *lines = plan_lines_now(p, n);

    if (!lines || !plan_lines_are_open(lines))
        return TIMELINE_NEVER;
    if (shape->is_pausing && pause_is_for_node(p, shape, n)) {
        int64_t end = 0, at = pause_earliest(p, shape, n, lines, not_before_usec, &end, ret_offer);

        return at < TIMELINE_NEVER ? end - shape->span_usec : at;
    }
    return place_earliest(p, shape, n, lines, not_before_usec, ret_offer);
}

/* The first of the heap is a node. False: by what others know of it, it is not that early. */
static bool ask_index(struct planner *p, struct shape *shape, bool *ret_is_asked)
{
    struct index *index = shape->index;
    struct candidate c = shape->heap[0];
    struct plan_node *node = p->nodes[c.node];

    *ret_is_asked = false;
    if (!index)
        return true;
    if (!heap_delay(p, shape, index_bound(p, index, 0, c.node)))
        return false;
    if (index_is_exact(p, index, node))
        return true;
    /* What is found for the shape holds for all of its index, if nobody of it asks for less. */
    *ret_is_asked =
        index_is_floor(index, shape) && c.earliest_usec <= index_bound(p, index, 0, c.node);
    return *ret_is_asked || heap_delay(p, shape, index_refine(p, index, node));
}

/* Makes the first of the heap exact. True: it still is the first, and the earliest from then on. */
static bool settle(struct planner *p, struct shape *shape, int64_t not_before_usec)
{
    struct candidate c = shape->heap[0];
    struct plan_node *node = p->nodes[c.node];
    bool is_start, is_asked;
    int64_t floor, t;

    if (c.level) {
        heap_expand(p, shape);
        return false;
    }
    if (!ask_index(p, shape, &is_asked))
        return false;
    is_start = !shape->is_pausing || !pause_is_for_node(p, shape, node);
    floor = is_start && c.earliest_usec > not_before_usec ? c.earliest_usec : not_before_usec;
    t = earliest_on(p, shape, node, floor, &c.offer);
    if (is_asked && not_before_usec <= p->now_usec)
        index_set(p, shape->index, node, floor, t);
    if (t >= TIMELINE_NEVER) {
        heap_pop(p, shape);
        return false;
    }
    bool exact = t == c.earliest_usec;
    c.earliest_usec = t;
    if (!exact)
        sift_down(shape, c);
    if (!exact && shape->heap[0].node != c.node)
        return false;
    shape->heap[0].offer = c.offer;
    return true;
}

/* False: there is none. */
static bool settle_first(struct planner *p, struct shape *shape, int64_t not_before_usec)
{
    while (shape->n_heap)
        if (settle(p, shape, not_before_usec))
            return true;
    return false;
}

/*
 * Before the time at which the last of them is free for the first time they are not all free,
 * so that time is looked at next, until all are free at it.
 */
static bool best_nodes(struct planner *p, struct shape *shape, int64_t from_usec,
                       struct candidate *ret)
{
    for (;;) {
        uint32_t n = 0;

        while (n < shape->nodes && settle_first(p, shape, from_usec))
            ret[n++] = heap_take(p, shape);
        heap_give(p, shape, ret, n);
        if (n < shape->nodes)
            return false;
        if (ret[0].earliest_usec == ret[n - 1].earliest_usec)
            return true;
        from_usec = ret[n - 1].earliest_usec;
    }
}

/*
 * The first of the heap is free for it now. Of the nodes that are, as far as they are looked at,
 * the one that it fragments least, or that has its image: all are as early, so it delays nobody.
 */
static void best_now(struct planner *p, struct shape *shape, uint32_t image, struct candidate *ret)
{
    struct candidate found[FRAGMENT_NODES] = {heap_take(p, shape)};
    uint32_t n = 1, end = found[0].node + FRAGMENT_SPAN;
    bool has_lines = true;

    while (n < FRAGMENT_NODES && shape->n_heap && shape->heap[0].node < end &&
           shape->heap[0].earliest_usec <= p->now_usec)
        if (settle(p, shape, p->now_usec) && shape->heap[0].earliest_usec <= p->now_usec)
            found[n++] = heap_take(p, shape);
    heap_give(p, shape, found, n);
    for (uint32_t i = 0; i < n; i++)
        has_lines &= plan_begin_lines(p, p->nodes[found[i].node]) == 0;
    *ret = found[has_lines ? fragment_least(p, shape, image, found, n) : 0];
}

bool shape_best(struct planner *p, struct shape *shape, uint32_t image, int64_t not_before_usec,
                struct candidate *ret)
{
    /* What was asked for later has made the heap exact for then. */
    if (shape->pass != p->pass || shape->is_pausing != pause_is_for(p, shape) ||
        not_before_usec < shape->asked_usec)
        heap_begin(p, shape);
    shape->asked_usec = not_before_usec;
    if (shape->nodes > 1 && pause_is_for(p, shape))
        return pause_best_nodes(p, shape, not_before_usec, ret);
    if (shape->nodes > 1)
        return best_nodes(p, shape, not_before_usec, ret);
    if (!settle_first(p, shape, not_before_usec))
        return false;
    if (shape->heap[0].earliest_usec <= p->now_usec && !pause_is_for(p, shape) &&
        (fragment_matters(p) || image))
        best_now(p, shape, image, ret);
    else
        *ret = shape->heap[0];
    return true;
}

int64_t shape_start_usec(struct planner *p, struct shape *shape, const struct candidate *best,
                         int64_t not_before_usec)
{
    struct plan_node *node = p->nodes[best->node];
    const struct plan_lines *lines = plan_lines_now(p, node);
    int64_t end = 0;
    uint8_t offer;

    if (shape->nodes > 1 || !shape->is_pausing || !pause_is_for_node(p, shape, node) || !lines)
        return best->earliest_usec;
    return pause_earliest(p, shape, node, lines, not_before_usec, &end, &offer);
}

bool shape_draw(struct planner *p, struct shape *shape, uint32_t image, struct candidate *io)
{
    struct candidate found[JOB_NODES_MAX];
    bool one = shape->nodes == 1, pauses = pause_is_for(p, shape);
    bool chooses = one && !pauses && (fragment_matters(p) || image);
    uint32_t n = 0, most = chooses ? FRAGMENT_NODES : shape->nodes;

    if (io->earliest_usec > p->now_usec || (!one && pauses) || !closures_draw(p, shape))
        return false;
    for (uint32_t i = 0; i < p->n_nodes && n < most; i++) {
        struct candidate c = {.node = i};

        if (!closure_draws(p->nodes[i], shape, p->now_usec) || !is_candidate(p, shape, i))
            continue;
        c.earliest_usec = earliest_on(p, shape, p->nodes[i], p->now_usec, &c.offer);
        if (c.earliest_usec <= p->now_usec && (!chooses || plan_begin_lines(p, p->nodes[i]) == 0))
            found[n++] = c;
    }
    if (n < shape->nodes)
        return false;
    if (chooses)
        found[0] = found[fragment_least(p, shape, image, found, n)];
    memcpy(io, found, shape->nodes * sizeof(*io));
    return true;
}

void shape_trim(struct planner *p, struct shape *shape)
{
    /* 16 bytes each: 16 MiB for all, and a share of what a job and a node may take. */
    size_t limit = (1 << 20) + 6 * (size_t)queue_count(&p->queue) + 32 * p->n_nodes;

    if (p->shapes.n_candidates > limit)
        heap_drop(p, shape);
}
