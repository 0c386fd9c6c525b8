/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c - where on a node a job fits: its amount and its GPUs together.
 *
 * A job's GPUs are of one profile, on as many devices. It fits a window if its amount
 * does on the node's line and the profile does on enough of the devices' lines; both
 * only ever push the time out, so the two are asked in turn until they agree.
 */
#include "plan/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "plan/inner.h"

/* ---- the devices -------------------------------------------------------- */

int place_set_gpus(struct plan_gpus *gpus, uint32_t n)
{
    if (n > gpus->room) {
        struct plan_gpu *grown = realloc(gpus->gpus, n * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        memset(&grown[gpus->room], 0, (n - gpus->room) * sizeof(*grown));
        gpus->gpus = grown;
        gpus->room = n;
    }
    if (n > gpus->n_all)
        gpus->n_all = n;
    return 0;
}

void place_done(struct plan_gpus *gpus)
{
    free(gpus->gpus);
}

int plan_lines_reserve(struct plan_lines *lines, uint32_t n_gpus)
{
    struct gpuline *grown;

    if (n_gpus <= lines->room)
        return 0;
    grown = realloc(lines->gpus, n_gpus * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    memset(&grown[lines->room], 0, (n_gpus - lines->room) * sizeof(*grown));
    lines->gpus = grown;
    lines->room = n_gpus;
    return 0;
}

int plan_lines_copy(struct plan_lines *to, const struct plan_lines *from, uint32_t n_gpus)
{
    int r = plan_lines_reserve(to, n_gpus);

    if (r == 0)
        r = steps_copy(&to->amount.steps, &from->amount.steps, sizeof(struct step));
    to->amount.closed = from->amount.closed;
    for (uint32_t i = 0; i < n_gpus && r == 0; i++) {
        r = steps_copy(&to->gpus[i].steps, &from->gpus[i].steps, sizeof(struct gpustep));
        to->gpus[i].closed = from->gpus[i].closed;
    }
    return r;
}

void plan_lines_done(struct plan_lines *lines)
{
    timeline_done(&lines->amount);
    for (uint32_t i = 0; i < lines->room; i++)
        gpuline_done(&lines->gpus[i]);
    free(lines->gpus);
    *lines = (struct plan_lines){0};
}

static const struct gpu_kind *kind_of(const struct planner *p, const struct plan_node *node)
{
    return &p->kinds[node->kind];
}

/* ---- now ---------------------------------------------------------------- */

static uint32_t count_free(const struct gpu_kind *kind, const struct plan_gpus *gpus, uint8_t offer)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < gpus->n; i++)
        n += !gpus->gpus[i].n_foreign && gpu_fit(kind, &gpus->gpus[i].now, offer) != 0;
    return n;
}

uint32_t place_free_gpus(struct planner *p, struct shape *shape, const struct plan_node *node)
{
    struct wish_offers offers = wish_offers(p, shape->wish, node->kind);
    uint32_t most = 0;

    for (uint8_t i = 0; i < offers.n; i++) {
        uint32_t n = count_free(kind_of(p, node), &node->gpus, offers.offer[i]);
        most = n > most ? n : most;
    }
    return most;
}

bool place_fits(struct planner *p, struct shape *shape, const struct plan_node *node)
{
    struct amount free = plan_node_free(node);

    return amount_covers(&free, &shape->need) &&
           (!shape->gpus || place_free_gpus(p, shape, node) >= shape->gpus);
}

bool place_is_possible(struct planner *p, struct shape *shape, const struct plan_node *node)
{
    struct amount all = plan_node_capacity(node);

    if (!node->defined || !amount_covers(&all, &shape->need))
        return false;
    return !shape->gpus ||
           (shape->gpus <= node->gpus.n && wish_offers(p, shape->wish, node->kind).n);
}

/* One more on a copy of the devices. */
static bool take_once(const struct gpu_kind *kind, struct plan_gpu *gpus, uint32_t n_gpus,
                      const struct wish_offers *offers, uint32_t n)
{
    for (uint8_t o = 0; o < offers->n; o++) {
        struct plan_gpus all = {.n = n_gpus, .gpus = gpus};
        uint8_t offer = offers->offer[o];
        uint32_t left = n;

        if (count_free(kind, &all, offer) < n)
            continue;
        for (uint32_t i = 0; i < n_gpus && left; i++) {
            uint64_t starts = gpus[i].n_foreign ? 0 : gpu_fit(kind, &gpus[i].now, offer);

            if (!starts)
                continue;
            gpu_take(kind, &gpus[i].now, offer, (uint8_t)__builtin_ctzll(starts));
            left--;
        }
        return true;
    }
    return false;
}

static uint32_t times(int64_t have, int64_t each, uint32_t most)
{
    if (!each)
        return most;
    return have < each ? 0 : have / each < most ? (uint32_t)(have / each) : most;
}

/* Jobs of one GPU: on each device so many of the first offer that it still takes. */
static uint32_t count_singles(const struct gpu_kind *kind, const struct plan_gpus *gpus,
                              const struct wish_offers *offers)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < gpus->n; i++) {
        uint32_t here = 0;

        for (uint8_t o = 0; o < offers->n && !here && !gpus->gpus[i].n_foreign; o++)
            here = gpu_count(kind, &gpus->gpus[i].now, offers->offer[o]);
        n += here;
    }
    return n;
}

uint32_t place_count(struct planner *p, struct shape *shape, const struct plan_node *node,
                     uint32_t most)
{
    struct amount free = plan_node_free(node);
    struct wish_offers offers = wish_offers(p, shape->wish, node->kind);
    struct plan_gpu gpus[GPU_PLACES_MAX];
    uint32_t n = times(free.cpus, shape->need.cpus, most), count = 0;

    n = times(free.memory_mib, shape->need.memory_mib, n);
    n = times(free.disk_gib, shape->need.disk_gib, n);
    n = times(free.encode_mpix, shape->need.encode_mpix, n);
    n = times(free.work_mcpu, shape->need.work_mcpu, n);
    if (!shape->gpus || !n)
        return n;
    if (shape->gpus == 1) {
        count = count_singles(kind_of(p, node), &node->gpus, &offers);
        return count < n ? count : n;
    }
    memcpy(gpus, node->gpus.gpus, node->gpus.n * sizeof(*gpus));
    while (count < n && take_once(kind_of(p, node), gpus, node->gpus.n, &offers, shape->gpus))
        count++;
    return count;
}

/* ---- by the lines ------------------------------------------------------- */

/* When so many devices have a place for the offer at once. */
static int64_t devices_earliest(const struct gpu_kind *kind, const struct plan_gpus *gpus,
                                const struct plan_lines *lines, int64_t from_usec,
                                int64_t span_usec, uint8_t offer, uint32_t n)
{
    int64_t at[GPU_PLACES_MAX];
    uint32_t found = 0;

    for (uint32_t i = 0; i < gpus->n; i++) {
        int64_t t = gpus->gpus[i].n_foreign || lines->gpus[i].closed
                        ? TIMELINE_NEVER
                        : gpuline_earliest(&lines->gpus[i], kind, from_usec, span_usec, offer);
        uint32_t k = found < n ? found++ : n;

        if (k == n && t >= at[n - 1])
            continue;
        for (k = k == n ? n - 1 : k; k > 0 && at[k - 1] > t; k--)
            at[k] = at[k - 1];
        at[k] = t;
    }
    return found < n ? TIMELINE_NEVER : at[n - 1];
}

static int64_t offer_earliest(const struct gpu_kind *kind, const struct shape *shape,
                              const struct plan_node *node, const struct plan_lines *lines,
                              int64_t from_usec, uint8_t offer, bool gpus_alone)
{
    int64_t t = from_usec;

    for (;;) {
        int64_t line =
            gpus_alone ? t : timeline_earliest(&lines->amount, t, shape->span_usec, &shape->need);
        if (line >= TIMELINE_NEVER)
            return TIMELINE_NEVER;
        t = devices_earliest(kind, &node->gpus, lines, line, shape->span_usec, offer, shape->gpus);
        if (t >= TIMELINE_NEVER || t == line)
            return t;
    }
}

static int64_t earliest(struct planner *p, struct shape *shape, const struct plan_node *node,
                        const struct plan_lines *lines, int64_t from_usec, bool gpus_alone,
                        uint8_t *ret_offer)
{
    struct wish_offers offers = wish_offers(p, shape->wish, node->kind);
    int64_t best = TIMELINE_NEVER;

    for (uint8_t i = 0; i < offers.n && best > from_usec; i++) {
        int64_t t = offer_earliest(kind_of(p, node), shape, node, lines, from_usec, offers.offer[i],
                                   gpus_alone);
        if (t >= best)
            continue;
        best = t;
        *ret_offer = offers.offer[i];
    }
    return best;
}

int64_t place_earliest(struct planner *p, struct shape *shape, const struct plan_node *node,
                       const struct plan_lines *lines, int64_t not_before_usec, uint8_t *ret_offer)
{
    int64_t at, from = not_before_usec;

    *ret_offer = 0;
    for (;;) {
        at = closure_earliest(node, shape, from, shape->span_usec);
        if (at >= TIMELINE_NEVER)
            return at;
        from = shape->gpus ? earliest(p, shape, node, lines, at, false, ret_offer)
                           : timeline_earliest(&lines->amount, at, shape->span_usec, &shape->need);
        if (from == at || from >= TIMELINE_NEVER)
            return from;
    }
}

int64_t place_gpus_earliest(struct planner *p, struct shape *shape, const struct plan_node *node,
                            const struct plan_lines *lines, int64_t not_before_usec,
                            uint8_t *ret_offer)
{
    *ret_offer = 0;
    return shape->gpus ? earliest(p, shape, node, lines, not_before_usec, true, ret_offer)
                       : not_before_usec;
}

/* ---- which devices ------------------------------------------------------ */

/* "": the kind takes any, and has none by name. */
static const char *profile_of(const struct gpu_kind *kind, uint8_t offer)
{
    return offer < kind->n_offers ? kind->offers[offer].profile : "";
}

static struct gpu_hold *hold_new(const char *profile, uint8_t offer, uint32_t n)
{
    struct gpu_hold *hold = malloc(sizeof(*hold) + n * sizeof(*hold->places));

    if (!hold)
        return NULL;
    *hold = (struct gpu_hold){.offer = offer, .n = (uint8_t)n};
    if (word_set(&hold->profile, profile) < 0)
        return place_hold_free(hold);
    return hold;
}

struct gpu_hold *place_hold_free(struct gpu_hold *hold)
{
    if (hold)
        word_unref(hold->profile);
    free(hold);
    return NULL;
}

struct gpu_hold *place_hold_new(const struct planner *p, const struct plan_node *node,
                                uint8_t offer, const struct gpu_place *places, uint32_t n)
{
    struct gpu_hold *hold = hold_new(profile_of(kind_of(p, node), offer), offer, n);

    if (hold)
        memcpy(hold->places, places, n * sizeof(*places));
    return hold;
}

struct gpu_hold *place_hold_copy(const struct gpu_hold *hold)
{
    struct gpu_hold *copy = hold_new(hold->profile, hold->offer, hold->n);

    if (copy)
        memcpy(copy->places, hold->places, hold->n * sizeof(*hold->places));
    return copy;
}

void place_find_offer(const struct planner *p, const struct plan_node *node, struct gpu_hold *hold)
{
    int offer = gpu_find_offer(kind_of(p, node), hold->profile);

    hold->offer = offer < 0 ? HOLD_FOREIGN : (uint8_t)offer;
}

/* A device that is in use already, and fuller, leaves more to others. */
static uint32_t fullness(const struct gpu_kind *kind, const struct gpu_state *s)
{
    return gpu_has_slots(kind) ? (uint32_t)__builtin_popcountll(s->slots) : s->used;
}

/* Puts i among the n best: fullest first, then lowest. Returns how many there are. */
static uint32_t rank(uint32_t *best, uint32_t *fill, uint32_t found, uint32_t n, uint32_t i,
                     uint32_t full)
{
    uint32_t k = found < n ? found : n - 1;

    if (found == n && full <= fill[n - 1])
        return found;
    for (; k > 0 && full > fill[k - 1]; k--) {
        best[k] = best[k - 1];
        fill[k] = fill[k - 1];
    }
    best[k] = i;
    fill[k] = full;
    return found < n ? found + 1 : n;
}

/*
 * What starts now goes where it leaves most to others. What is planned for later takes the
 * first: then a plan stays as it is when space that it does not use is taken, and whoever
 * extends a job within its room delays nobody.
 */
uint32_t place_choose(const struct planner *p, const struct shape *shape,
                      const struct plan_node *node, int64_t at_usec, uint8_t offer,
                      struct gpu_place *places)
{
    const struct gpu_kind *kind = kind_of(p, node);
    bool is_now = at_usec <= p->now_usec;
    uint32_t best[GPU_PLACES_MAX], fill[GPU_PLACES_MAX], found = 0;
    uint64_t starts[GPU_PLACES_MAX];

    for (uint32_t i = 0; i < node->gpus.n; i++) {
        struct gpu_state all =
            gpuline_join(&node->lines.gpus[i], at_usec, at_usec + shape->span_usec);

        starts[i] = node->gpus.gpus[i].n_foreign ? 0 : gpu_fit(kind, &all, offer);
        if (starts[i])
            found = rank(best, fill, found, shape->gpus, i,
                         is_now ? fullness(kind, &node->gpus.gpus[i].now) : 0);
    }
    for (uint32_t k = 0; k < found; k++) {
        uint64_t fit = starts[best[k]];
        uint8_t slot = is_now ? gpu_best_slot(kind, &node->gpus.gpus[best[k]].now, offer, fit)
                              : (uint8_t)__builtin_ctzll(fit);
        places[k] = (struct gpu_place){(uint8_t)best[k], slot};
    }
    return found;
}

struct gpu_hold *place_reserve(struct planner *p, struct shape *shape, struct plan_node *node,
                               int64_t at_usec, uint8_t offer, int *ret_r)
{
    const struct gpu_kind *kind = kind_of(p, node);
    int64_t end = at_usec + shape->span_usec;
    struct gpu_place places[GPU_PLACES_MAX];
    struct gpu_hold *hold = NULL;

    *ret_r = timeline_change(&node->lines.amount, at_usec, end, &shape->need, -1);
    if (!shape->gpus)
        return NULL;
    if (place_choose(p, shape, node, at_usec, offer, places) == shape->gpus)
        hold = hold_new(profile_of(kind, offer), offer, shape->gpus);
    if (!hold) {
        *ret_r = -ENOMEM;
        return NULL;
    }
    memcpy(hold->places, places, shape->gpus * sizeof(*places));
    for (uint32_t k = 0; k < shape->gpus; k++)
        if (gpuline_change(&node->lines.gpus[places[k].gpu], kind, at_usec, end, offer,
                           places[k].slot, -1) < 0)
            *ret_r = -ENOMEM;
    return hold;
}

struct gpu_hold *place_find(struct planner *p, struct shape *shape, const struct plan_node *node,
                            const struct plan_lines *lines, int64_t from_usec, int64_t span_usec,
                            uint32_t gpu, int *ret_r)
{
    const struct gpu_kind *kind = kind_of(p, node);
    struct wish_offers offers = wish_offers(p, shape->wish, node->kind);
    uint32_t first = gpu < node->gpus.n ? gpu : 0;
    uint32_t end = gpu < node->gpus.n ? gpu + 1 : node->gpus.n;

    for (uint8_t o = 0; o < offers.n; o++) {
        struct gpu_place places[GPU_PLACES_MAX];
        uint32_t n = 0;

        for (uint32_t i = first; i < end && n < shape->gpus; i++) {
            struct gpu_state all = gpuline_join(&lines->gpus[i], from_usec, from_usec + span_usec);
            uint64_t starts =
                node->gpus.gpus[i].n_foreign ? 0 : gpu_fit(kind, &all, offers.offer[o]);

            if (starts)
                places[n++] = (struct gpu_place){
                    (uint8_t)i, gpu_best_slot(kind, &all, offers.offer[o], starts)};
        }
        if (n < shape->gpus)
            continue;
        struct gpu_hold *hold =
            hold_new(profile_of(kind, offers.offer[o]), offers.offer[o], shape->gpus);
        if (hold)
            memcpy(hold->places, places, n * sizeof(*places));
        else
            *ret_r = -ENOMEM;
        return hold;
    }
    return NULL;
}

/* ---- what is held ------------------------------------------------------- */

static bool has_places(const struct planner *p, const struct plan_node *node,
                       const struct gpu_hold *hold)
{
    for (uint8_t i = 0; i < hold->n; i++) {
        const struct plan_gpu *gpu = &node->gpus.gpus[hold->places[i].gpu];

        if (!(gpu_fit(kind_of(p, node), &gpu->now, hold->offer) >> hold->places[i].slot & 1))
            return false;
    }
    return true;
}

void place_hold(const struct planner *p, struct plan_node *node, struct gpu_hold *hold, int sign)
{
    /* What lies where another is, by an old record or another law: nobody may come beside. */
    if (hold && sign > 0 && hold->offer != HOLD_FOREIGN && !has_places(p, node, hold))
        hold->offer = HOLD_FOREIGN;
    for (uint8_t i = 0; hold && i < hold->n; i++) {
        struct plan_gpu *gpu = &node->gpus.gpus[hold->places[i].gpu];

        if (hold->offer == HOLD_FOREIGN)
            gpu->n_foreign += (uint32_t)sign;
        else if (sign > 0)
            gpu_take(kind_of(p, node), &gpu->now, hold->offer, hold->places[i].slot);
        else
            gpu_give(kind_of(p, node), &gpu->now, hold->offer, hold->places[i].slot);
    }
}

bool place_is_free(const struct planner *p, const struct plan_node *node,
                   const struct gpu_hold *hold)
{
    for (uint8_t i = 0; hold && i < hold->n; i++) {
        const struct plan_gpu *gpu = &node->gpus.gpus[hold->places[i].gpu];
        uint64_t starts = gpu_fit(kind_of(p, node), &gpu->now, hold->offer);

        if (hold->places[i].gpu >= node->gpus.n || gpu->n_foreign)
            return false;
        if (!(starts >> hold->places[i].slot & 1))
            return false;
    }
    return true;
}

static int guess(struct planner *p, struct shape *shape, struct plan_node *node, int offer,
                 struct gpu_place *places)
{
    const struct gpu_kind *kind = kind_of(p, node);
    uint32_t n = 0;

    for (uint32_t i = 0; offer >= 0 && i < node->gpus.n && n < shape->gpus; i++) {
        struct gpu_state *now = &node->gpus.gpus[i].now;
        uint64_t starts = node->gpus.gpus[i].n_foreign ? 0 : gpu_fit(kind, now, (size_t)offer);

        if (starts)
            places[n++] =
                (struct gpu_place){(uint8_t)i, gpu_best_slot(kind, now, (size_t)offer, starts)};
    }
    for (uint32_t i = 0; n < shape->gpus && i < GPU_PLACES_MAX; i++) {
        bool has = false;
        for (uint32_t k = 0; k < n; k++)
            has |= places[k].gpu == i;
        if (!has)
            places[n++] = (struct gpu_place){(uint8_t)i, 0};
    }
    return (int)n;
}

int place_of_record(struct planner *p, struct shape *shape, struct plan_node *node,
                    const char *held, struct gpu_hold **ret)
{
    const struct gpu_kind *kind = kind_of(p, node);
    struct gpu_place places[GPU_PLACES_MAX];
    char profile[64] = "";
    uint32_t most = 0;
    size_t n = 0;
    bool is_known = gpu_held_parse(held, profile, places, GPU_PLACES_MAX, &n) == 0;
    struct wish_offers offers = wish_offers(p, shape->wish, node->kind);
    int offer = is_known ? gpu_find_offer(kind, profile) : offers.n ? offers.offer[0] : -1;

    *ret = NULL;
    if (!shape->gpus)
        return 0;
    if (!is_known || n != shape->gpus)
        n = (size_t)guess(p, shape, node, offer, places);
    *ret = hold_new(is_known || offer < 0 ? profile : profile_of(kind, (uint8_t)offer),
                    offer < 0 ? HOLD_FOREIGN : (uint8_t)offer, (uint32_t)n);
    if (!*ret)
        return -ENOMEM;
    memcpy((*ret)->places, places, n * sizeof(*places));
    for (size_t i = 0; i < n; i++)
        most = places[i].gpu + 1u > most ? places[i].gpu + 1u : most;
    if (place_set_gpus(&node->gpus, most) < 0) {
        *ret = place_hold_free(*ret);
        return -ENOMEM;
    }
    return 0;
}

uint32_t planner_count(struct planner *p, const struct job_spec *spec)
{
    struct job job = {.spec = (struct job_spec *)spec, .state = JOB_PENDING, .node = ""};
    struct shape *shape = shape_get(p, &job, NULL, "");
    uint64_t n = 0;

    planner_sort_nodes(p);
    for (size_t i = 0; shape && shape->pool->up && i < p->n_nodes; i++)
        if (plan_node_in_service(p->nodes[i]) && shape_is_possible(p, shape, p->nodes[i]) &&
            closure_allows(p->nodes[i], shape, p->now_usec, p->now_usec + 1))
            n += place_count(p, shape, p->nodes[i], UINT32_MAX);
    shape_unref(p, shape);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}
