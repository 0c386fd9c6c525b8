/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index.c - for requests that are alike, the nodes by a time before which none of them can start.
 *
 * Kept: a bound is never too late for any shape of the index. In a pass space only shrinks, so it
 * only grows; what it is without reservations is kept from pass to pass, until the node's base
 * lines or closures are others. It changes what a plan costs, and never what it says. Shapes of one
 * index are of one pool, so a closure is the same to all of them.
 */
#include "plan/index.h"

#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"

#define GRAINS 6
/* An index that no shape in line has is kept for so many passes. */
#define IDLE_PASSES 64

/* What shapes of one index have in common. */
struct like {
    struct pool *pool; /* NULL: any */
    struct wish *wish; /* NULL: any, and GPUs do not count */
    struct amount need;
    int64_t span_usec;
    uint32_t gpus;
};

struct index {
    struct like like;
    unsigned grain;
    struct shape floor; /* least of all that were of it: need, span, gpus, wish, pool */
    uint64_t used;      /* the last pass with shapes of it in line */
    uint64_t layout;    /* of planner, that the nodes are of */
    uint64_t pass;      /* whose bounds these are */
    uint32_t n_nodes;
    /* by node: by its base lines, and which of them; ALWAYS: it can't take them at all */
    int64_t *base_usec;
    uint32_t *base_is_of;
    /* by level and vertex; of a node also by which lines */
    int64_t *bounds[INDEX_LEVELS];
    uint32_t *is_of;
    /* by vertex of level 1: which of its nodes may be otherwise than by their base lines */
    uint16_t *marks;
};
_Static_assert(INDEX_FAN == 16, "a mark for each node of a vertex");
#define ALWAYS UINT32_MAX

/* ---- what is alike ---------------------------------------------------------- */

/* Keeps the highest bits: of every 2^bits-fold as one. */
static int64_t coarse(int64_t value, unsigned bits)
{
    unsigned log;

    if (!bits || value <= 0)
        return value;
    log = 63u - (unsigned)__builtin_clzll((unsigned long long)value);
    return INT64_C(1) << (log - log % bits);
}

static struct like like_of(const struct shape *shape, unsigned grain)
{
    static const struct {
        unsigned span, need;
    } bits[GRAINS] = {{0, 0}, {1, 1}, {2, 1}, {3, 2}, {64, 64}, {64, 64}};
    struct like like = {.pool = shape->pool,
                        .wish = shape->gpus ? shape->wish : NULL,
                        .gpus = shape->gpus,
                        .span_usec = coarse(shape->span_usec, bits[grain].span)};

    like.need.cpus = (int32_t)coarse(shape->need.cpus, bits[grain].need);
    like.need.memory_mib = (int32_t)coarse(shape->need.memory_mib, bits[grain].need);
    like.need.disk_gib = (int32_t)coarse(shape->need.disk_gib, bits[grain].need);
    like.need.encode_mpix = (int32_t)coarse(shape->need.encode_mpix, bits[grain].need);
    like.need.work_mcpu = (int32_t)coarse(shape->need.work_mcpu, bits[grain].need);
    if (grain == GRAINS - 1)
        like = (struct like){.pool = shape->pool, .span_usec = 1};
    return like;
}

static bool like_is_equal(const struct like *a, const struct like *b)
{
    return a->pool == b->pool && a->wish == b->wish && a->gpus == b->gpus &&
           a->span_usec == b->span_usec && amount_is_equal(&a->need, &b->need);
}

/* Those that may pause are asked one by one. One node alone needs no index. */
static bool is_for(struct planner *p, struct shape *shape)
{
    return !*shape->pool->pin && !pause_is_for(p, shape);
}

/* Are the kinds in line no more than `most` at this grain? */
static bool is_few(struct planner *p, unsigned grain, uint32_t most)
{
    struct like seen[INDEX_MAX];
    uint32_t n = 0;

    for (struct shape *shape = p->shapes.first; shape; shape = shape->next) {
        struct like like;
        uint32_t i = 0;

        if (!shape->queued || !is_for(p, shape))
            continue;
        like = like_of(shape, grain);
        while (i < n && !like_is_equal(&seen[i], &like))
            i++;
        if (i < n)
            continue;
        if (n == most)
            return false;
        seen[n++] = like;
    }
    return true;
}

static void mark(struct index *ix, uint32_t node)
{
    ix->marks[node >> INDEX_SHIFT] |= (uint16_t)(1u << node % INDEX_FAN);
}

/* ---- one of them -------------------------------------------------------------- */

static void index_free(struct planner *p, struct index *ix)
{
    if (!ix)
        return;
    free(ix->base_usec);
    free(ix->base_is_of);
    free(ix->is_of);
    free(ix->marks);
    free(ix->bounds[0]);
    wish_unref(p, ix->floor.wish);
    pool_unref(p, ix->floor.pool);
    free(ix);
}

static void forget_nodes(struct index *ix)
{
    ix->layout = 0;
    ix->pass = 0;
}

/* The shape is one of the index's from now on. */
static void index_lower(struct index *ix, const struct shape *shape)
{
    struct shape *floor = &ix->floor;
    struct shape was = *floor;

    if (shape->need.cpus < floor->need.cpus)
        floor->need.cpus = shape->need.cpus;
    if (shape->need.memory_mib < floor->need.memory_mib)
        floor->need.memory_mib = shape->need.memory_mib;
    if (shape->need.disk_gib < floor->need.disk_gib)
        floor->need.disk_gib = shape->need.disk_gib;
    if (shape->need.encode_mpix < floor->need.encode_mpix)
        floor->need.encode_mpix = shape->need.encode_mpix;
    if (shape->need.work_mcpu < floor->need.work_mcpu)
        floor->need.work_mcpu = shape->need.work_mcpu;
    if (shape->span_usec < floor->span_usec)
        floor->span_usec = shape->span_usec;
    if (!index_is_floor(ix, &was))
        forget_nodes(ix);
}

static struct index *index_new(struct planner *p, const struct shape *shape,
                               const struct like *like, unsigned grain)
{
    struct index *ix = calloc(1, sizeof(*ix));

    if (!ix)
        return NULL;
    ix->like = *like;
    ix->grain = grain;
    ix->floor = (struct shape){.pool = like->pool,
                               .wish = like->wish,
                               .gpus = like->gpus,
                               .need = shape->need,
                               .span_usec = shape->span_usec,
                               .nodes = 1};
    ix->floor.pool->refs++;
    if (ix->floor.wish)
        ix->floor.wish->refs++;
    p->indexes.all[p->indexes.n++] = ix;
    return ix;
}

static struct index *find(struct planner *p, const struct like *like, unsigned grain)
{
    for (uint32_t i = 0; i < p->indexes.n; i++) {
        struct index *ix = p->indexes.all[i];

        if (ix->grain == grain && like_is_equal(&ix->like, like))
            return ix;
    }
    return NULL;
}

bool index_is_floor(const struct index *ix, const struct shape *shape)
{
    const struct shape *floor = &ix->floor;

    return shape->gpus == floor->gpus && shape->span_usec == floor->span_usec &&
           amount_is_equal(&shape->need, &floor->need);
}

/* ---- all ------------------------------------------------------------------------ */

void indexes_init(struct indexes *all)
{
    all->most = INDEX_MAX;
    all->nodes_min = INDEX_NODES_MIN;
}

void indexes_done(struct planner *p)
{
    while (p->indexes.n)
        index_free(p, p->indexes.all[--p->indexes.n]);
    free(p->indexes.stands);
}

/* As fine as there is room for; finer again only when there is some to spare. */
static void choose_grain(struct planner *p)
{
    unsigned grain = p->indexes.grain;

    if (grain && is_few(p, grain - 1, p->indexes.most * 3 / 4)) {
        grain--;
    } else {
        while (grain < GRAINS - 1 && !is_few(p, grain, p->indexes.most))
            grain++;
    }
    p->indexes.grain = grain;
}

static void drop_unused(struct planner *p)
{
    struct indexes *all = &p->indexes;

    for (uint32_t i = 0; i < all->n;) {
        if (all->all[i]->grain == all->grain && all->all[i]->used + IDLE_PASSES > p->pass) {
            i++;
            continue;
        }
        index_free(p, all->all[i]);
        all->all[i] = all->all[--all->n];
    }
}

/* The one that was not in use for longest goes, if it is not of this pass. */
static bool make_place(struct planner *p)
{
    struct indexes *all = &p->indexes;
    uint32_t oldest = 0;

    if (all->n < all->most)
        return true;
    for (uint32_t i = 1; i < all->n; i++)
        if (all->all[i]->used < all->all[oldest]->used)
            oldest = i;
    if (all->all[oldest]->used == p->pass)
        return false;
    index_free(p, all->all[oldest]);
    all->all[oldest] = all->all[--all->n];
    return true;
}

void indexes_begin(struct planner *p)
{
    uint32_t *stands = p->indexes.stands;

    if (p->n_nodes < p->indexes.nodes_min)
        return;
    if (p->indexes.n_stands < p->n_nodes) {
        stands = realloc(stands, p->n_nodes * sizeof(*stands));
        if (stands) {
            memset(stands, 0, p->n_nodes * sizeof(*stands));
            p->indexes.stands = stands;
            p->indexes.n_stands = (uint32_t)p->n_nodes;
            plan_bases_changed(p);
        }
    }
    choose_grain(p);
    drop_unused(p);
    for (struct shape *shape = p->shapes.first; shape; shape = shape->next) {
        struct like like;
        struct index *ix;

        if (!shape->queued || !is_for(p, shape))
            continue;
        like = like_of(shape, p->indexes.grain);
        ix = find(p, &like, p->indexes.grain);
        if (!ix && make_place(p))
            ix = index_new(p, shape, &like, p->indexes.grain);
        if (!ix)
            continue;
        ix->used = p->pass;
        index_lower(ix, shape);
    }
}

void index_see(struct planner *p, const struct plan_node *node)
{
    uint32_t *stands = p->indexes.stands, i = node->index;

    if (i >= p->indexes.n_stands || stands[i] == node->base_stand)
        return;
    stands[i] = node->base_stand;
    for (uint32_t k = 0; k < p->indexes.n; k++)
        if (i < p->indexes.all[k]->n_nodes)
            mark(p->indexes.all[k], i);
}

/* ---- bounds ------------------------------------------------------------------------ */

unsigned index_levels(const struct planner *p)
{
    unsigned levels = 0;

    while (index_width(p, levels) > 1)
        levels++;
    return levels;
}

uint32_t index_width(const struct planner *p, unsigned level)
{
    return p->n_nodes ? (uint32_t)((p->n_nodes - 1) >> level * INDEX_SHIFT) + 1 : 0;
}

/* Nodes are others, or stand elsewhere. */
static bool index_layout(struct planner *p, struct index *ix)
{
    size_t all = 0;

    ix->n_nodes = 0;
    free(ix->base_usec);
    free(ix->base_is_of);
    free(ix->is_of);
    free(ix->marks);
    free(ix->bounds[0]);
    for (unsigned l = 0; l <= index_levels(p); l++)
        all += index_width(p, l);
    ix->base_usec = malloc(p->n_nodes * sizeof(*ix->base_usec));
    ix->base_is_of = calloc(p->n_nodes, sizeof(*ix->base_is_of));
    ix->is_of = calloc(p->n_nodes, sizeof(*ix->is_of));
    ix->marks = calloc(index_width(p, 1), sizeof(*ix->marks));
    ix->bounds[0] = malloc(all * sizeof(*ix->bounds[0]));
    if (!ix->base_usec || !ix->base_is_of || !ix->is_of || !ix->marks || !ix->bounds[0])
        return false;
    for (unsigned l = 0; l < index_levels(p); l++)
        ix->bounds[l + 1] = ix->bounds[l] + index_width(p, l);
    ix->n_nodes = (uint32_t)p->n_nodes;
    for (uint32_t i = 0; i < ix->n_nodes; i++) {
        mark(ix, i);
        if (!shape_is_possible(p, &ix->floor, p->nodes[i]))
            ix->base_is_of[i] = ALWAYS;
    }
    ix->layout = p->layout;
    return true;
}

static int64_t least_of(const struct planner *p, const struct index *ix, unsigned level, uint32_t i)
{
    uint32_t first = i << INDEX_SHIFT, end = index_width(p, level - 1);
    const int64_t *below = &ix->bounds[level - 1][first];
    int64_t least = TIMELINE_NEVER;

    end = end - first < INDEX_FAN ? end - first : INDEX_FAN;
    for (uint32_t k = 0; k < end; k++)
        least = below[k] < least ? below[k] : least;
    return least;
}

/* As the base lines of the node have it. */
static void index_node(struct index *ix, uint32_t i, uint32_t stand)
{
    bool known = ix->base_is_of[i] == stand;

    ix->is_of[i] = known ? stand : 0;
    ix->bounds[0][i] = !stand || ix->base_is_of[i] == ALWAYS ? TIMELINE_NEVER
                       : known                               ? ix->base_usec[i]
                                                             : INT64_MIN;
}

/* As the base lines have it: what is not marked is so already. */
static void index_pass(struct planner *p, struct index *ix)
{
    unsigned levels = index_levels(p);

    for (uint32_t v = 0; v < index_width(p, 1); v++) {
        if (!ix->marks[v])
            continue;
        for (uint32_t left = ix->marks[v]; left; left &= left - 1) {
            uint32_t i = (v << INDEX_SHIFT) + (uint32_t)__builtin_ctz(left);

            index_node(ix, i, p->indexes.stands[i]);
        }
        ix->marks[v] = 0;
        if (levels)
            ix->bounds[1][v] = least_of(p, ix, 1, v);
    }
    for (unsigned l = 2; l <= levels; l++)
        for (uint32_t i = 0; i < index_width(p, l); i++)
            ix->bounds[l][i] = least_of(p, ix, l, i);
    ix->pass = p->pass;
}

struct index *index_of(struct planner *p, struct shape *shape)
{
    struct like like;
    struct index *ix;
    struct shape floor;

    if (p->n_nodes < p->indexes.nodes_min || p->indexes.n_stands < p->n_nodes || !is_for(p, shape))
        return NULL;
    like = like_of(shape, p->indexes.grain);
    ix = find(p, &like, p->indexes.grain);
    if (!ix && make_place(p))
        ix = index_new(p, shape, &like, p->indexes.grain);
    if (!ix)
        return NULL;
    floor = ix->floor;
    if (ix->pass == p->pass && ix->used == p->pass) {
        /* It is in use, as it is: only for who asks for no less. */
        return amount_covers(&shape->need, &floor.need) && shape->span_usec >= floor.span_usec
                   ? ix
                   : NULL;
    }
    ix->used = p->pass;
    index_lower(ix, shape);
    if (ix->layout != p->layout && !index_layout(p, ix))
        return NULL;
    index_pass(p, ix);
    return ix;
}

int64_t index_bound(const struct planner *p, const struct index *ix, unsigned level, uint32_t i)
{
    int64_t bound = ix ? ix->bounds[level][i] : p->now_usec;

    return bound > p->now_usec ? bound : p->now_usec;
}

static uint32_t stand_of(const struct planner *p, const struct plan_node *node)
{
    return node->pass == p->pass ? node->stand : node->base_stand;
}

bool index_is_known(const struct index *ix, uint32_t node)
{
    return ix->is_of[node];
}

bool index_is_exact(const struct planner *p, const struct index *ix, const struct plan_node *node)
{
    uint32_t stand = stand_of(p, node);

    return stand && ix->is_of[node->index] == stand && ix->bounds[0][node->index] >= p->now_usec;
}

void index_set(const struct planner *p, struct index *ix, const struct plan_node *node,
               int64_t from_usec, int64_t earliest_usec)
{
    uint32_t i = node->index;
    int64_t was;

    mark(ix, i);
    ix->is_of[i] = stand_of(p, node);
    if (ix->is_of[i] == node->base_stand && ix->base_is_of[i] != ALWAYS &&
        from_usec <= p->now_usec) {
        ix->base_usec[i] = earliest_usec;
        ix->base_is_of[i] = ix->is_of[i];
    }
    was = ix->bounds[0][i];
    ix->bounds[0][i] = earliest_usec;
    /* Only the least of a vertex's makes it another. */
    for (unsigned l = 1; l <= index_levels(p) && ix->bounds[l][i >> INDEX_SHIFT] == was; l++) {
        i >>= INDEX_SHIFT;
        ix->bounds[l][i] = least_of(p, ix, l, i);
        if (ix->bounds[l][i] == was)
            return;
    }
}

int64_t index_refine(struct planner *p, struct index *ix, struct plan_node *node)
{
    const struct plan_lines *lines = plan_lines_now(p, node);
    int64_t from = index_bound(p, ix, 0, node->index), earliest = TIMELINE_NEVER;
    uint8_t offer;

    /* They may leave more than those before them, as when victims of a new booking go. */
    if (stand_of(p, node) == node->base_stand)
        from = p->now_usec;
    if (lines && plan_lines_are_open(lines))
        earliest = place_earliest(p, &ix->floor, node, lines, from, &offer);
    index_set(p, ix, node, from, earliest);
    return index_bound(p, ix, 0, node->index);
}
