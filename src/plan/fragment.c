/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fragment.c - what a start leaves of a node in pieces that the jobs known here can't use.
 *
 * A node has GPUs free and yet no use for a job, if too little of each is left, or too few of
 * them, or no processors beside them. Kept: the mix is of the jobs as they are known now, in
 * whatever order they were put; it chooses among nodes at which a job starts now, never when.
 */
#include "plan/fragment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "plan/inner.h"

/* ---- the mix ------------------------------------------------------------ */

struct demand *demand_get(struct planner *p, const struct shape *shape, int *ret_r)
{
    const struct amount *need = &shape->need;
    _cleanup_(freep) char *key = NULL;
    struct demand *d;

    *ret_r = 0;
    if (!shape->gpus || *shape->pool->pin)
        return NULL;
    key = str_printf("%llu %d %d %d %d %d %u %s", (unsigned long long)shape->pool->number,
                     need->cpus, need->memory_mib, need->disk_gib, need->encode_mpix,
                     need->work_mcpu, shape->gpus, shape->wish->key);
    d = key ? hash_get(p->shapes.demands, key) : NULL;
    if (!d) {
        d = key ? calloc(1, sizeof(*d)) : NULL;
        if (!d || hash_put(p->shapes.demands, key, d) < 0) {
            free(d);
            *ret_r = -ENOMEM;
            return NULL;
        }
        *d = (struct demand){.key = TAKE_PTR(key),
                             .pool = shape->pool,
                             .wish = shape->wish,
                             .need = *need,
                             .gpus = shape->gpus,
                             .next = p->mix.first};
        if (d->next)
            d->next->prev = d;
        p->mix.first = d;
    }
    d->refs++;
    return d;
}

void demand_unref(struct planner *p, struct demand *d)
{
    if (!d || --d->refs)
        return;
    if (d->next)
        d->next->prev = d->prev;
    if (d->prev)
        d->prev->next = d->next;
    else
        p->mix.first = d->next;
    p->mix.is_current = false;
    hash_remove(p->shapes.demands, d->key);
    free(d->key);
    free(d);
}

void demand_count(struct planner *p, const struct shape *shape, int sign)
{
    if (!shape || !shape->demand)
        return;
    if (sign > 0)
        shape->demand->jobs += shape->nodes;
    else
        shape->demand->jobs -= shape->nodes;
    p->mix.is_current = false;
}

/* By what they are, not by when they came: equal jobs give equal plans. */
static bool comes_before(const struct demand *a, const struct demand *b)
{
    int order;

    if (a->jobs != b->jobs)
        return a->jobs > b->jobs;
    if (a->gpus != b->gpus)
        return a->gpus > b->gpus;
    if (a->need.cpus != b->need.cpus)
        return a->need.cpus > b->need.cpus;
    if (a->need.memory_mib != b->need.memory_mib)
        return a->need.memory_mib > b->need.memory_mib;
    if (a->need.disk_gib != b->need.disk_gib)
        return a->need.disk_gib > b->need.disk_gib;
    if (a->need.encode_mpix != b->need.encode_mpix)
        return a->need.encode_mpix > b->need.encode_mpix;
    if (a->need.work_mcpu != b->need.work_mcpu)
        return a->need.work_mcpu > b->need.work_mcpu;
    order = strcmp(a->wish->key, b->wish->key);
    return (order ? order : strcmp(a->pool->key, b->pool->key)) < 0;
}

static void mix_add(struct mix *mix, const struct demand *d)
{
    uint32_t i = mix->n;

    if (i == FRAGMENT_DEMANDS && !comes_before(d, mix->most[--i]))
        return;
    for (; i && comes_before(d, mix->most[i - 1]); i--)
        mix->most[i] = mix->most[i - 1];
    mix->most[i] = d;
    mix->n += mix->n < FRAGMENT_DEMANDS;
}

bool fragment_matters(struct planner *p)
{
    struct mix *mix = &p->mix;

    if (mix->is_current)
        return mix->n;
    mix->n = 0;
    for (const struct demand *d = mix->first; d; d = d->next)
        if (d->jobs)
            mix_add(mix, d);
    mix->is_current = true;
    return mix->n;
}

/* ---- a node ------------------------------------------------------------- */

/* What is free on a node. */
struct rest {
    struct amount amount;
    uint64_t sum; /* of free[] */
    uint32_t n;
    uint32_t free[GPU_PLACES_MAX]; /* of a device, in thousandths */
    uint64_t fits[GPU_PLACES_MAX]; /* which offers it takes */
};

static void rest_see(const struct gpu_kind *kind, const struct gpu_state *state, struct rest *rest,
                     uint32_t gpu)
{
    rest->sum -= rest->free[gpu];
    rest->free[gpu] = gpu_free_permille(kind, state);
    rest->sum += rest->free[gpu];
    rest->fits[gpu] = 0;
    for (size_t o = 0; rest->free[gpu] && (!o || o < kind->n_offers); o++)
        rest->fits[gpu] |= (uint64_t)(gpu_fit(kind, state, o) != 0) << o;
}

static void rest_of(const struct planner *p, const struct plan_node *node, struct rest *ret)
{
    ret->amount = plan_node_free(node);
    ret->sum = 0;
    ret->n = node->gpus.n;
    for (uint32_t i = 0; i < ret->n; i++) {
        ret->free[i] = 0;
        ret->fits[i] = 0;
        if (!node->gpus.gpus[i].n_foreign)
            rest_see(&p->kinds[node->kind], &node->gpus.gpus[i].now, ret, i);
    }
}

static void rest_start(struct planner *p, const struct shape *shape, const struct plan_node *node,
                       uint8_t offer, struct rest *rest)
{
    const struct gpu_kind *kind = &p->kinds[node->kind];
    struct gpu_place places[GPU_PLACES_MAX];
    uint32_t n = shape->gpus ? place_choose(p, shape, node, p->now_usec, offer, places) : 0;

    amount_add(&rest->amount, &shape->need, -1);
    for (uint32_t i = 0; i < n; i++) {
        struct gpu_state state = node->gpus.gpus[places[i].gpu].now;

        gpu_take(kind, &state, offer, places[i].slot);
        rest_see(kind, &state, rest, places[i].gpu);
    }
}

/* Thousandths of GPUs that are free and of no use for the demand; `offers`: those it would take. */
static uint64_t rest_waste(const struct rest *rest, const struct demand *d, uint64_t offers)
{
    uint64_t use = 0;
    uint32_t n = 0;

    if (!amount_covers(&rest->amount, &d->need))
        return rest->sum;
    for (uint32_t i = 0; i < rest->n; i++) {
        if (!(rest->fits[i] & offers))
            continue;
        n++;
        use += rest->free[i];
    }
    return n < d->gpus ? rest->sum : rest->sum - use;
}

/* How much more is wasted by a start, summed over the mix. */
static int64_t growth(struct planner *p, const struct shape *shape, const struct plan_node *node,
                      uint8_t offer)
{
    struct rest before, after;
    int64_t sum = 0;

    rest_of(p, node, &before);
    if (!before.sum)
        return 0;
    after = before;
    rest_start(p, shape, node, offer, &after);
    for (uint32_t i = 0; i < p->mix.n; i++) {
        const struct demand *d = p->mix.most[i];
        uint64_t offers = 0;

        if (pool_has(p, d->pool, node)) {
            struct wish_offers wanted = wish_offers(p, d->wish, node->kind);

            for (uint8_t o = 0; o < wanted.n; o++)
                offers |= UINT64_C(1) << wanted.offer[o];
        }
        sum += (int64_t)d->jobs *
               ((int64_t)rest_waste(&after, d, offers) - (int64_t)rest_waste(&before, d, offers));
    }
    return sum;
}

uint32_t fragment_least(struct planner *p, const struct shape *shape, uint32_t image,
                        const struct candidate *of, uint32_t n)
{
    int64_t least = INT64_MAX;
    bool is_warm = false;
    uint32_t best = 0;

    for (uint32_t i = 0; i < n && n > 1; i++) {
        const struct plan_node *node = p->nodes[of[i].node];
        int64_t grows = growth(p, shape, node, of[i].offer);
        bool has_image = plan_node_has_image(node, image);

        if (grows > least || (grows == least && has_image <= is_warm))
            continue;
        least = grows;
        is_warm = has_image;
        best = i;
    }
    return best;
}
