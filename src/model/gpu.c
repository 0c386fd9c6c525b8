/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpu.c - the law of a GPU: which profiles may live on one device together.
 *
 * Kept: gpu_give() undoes gpu_take(); a join is commutative and only ever fits less.
 */
#include "model/gpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

const char *const gpu_law_names[] = {"whole",  "homogeneous", "mixed", "pool",
                                     "slices", "shared",      NULL};

/* The slots of a place. Places of mixed sizes are counted in their own size: so what is written
 * down of a running instance stays true when another smallest size is configured. */
static uint64_t slot_mask(const struct gpu_kind *kind, const struct gpu_offer *o, uint32_t place)
{
    uint64_t run = o->size >= 64 ? UINT64_MAX : (UINT64_C(1) << o->size) - 1;
    uint32_t at = kind->law == GPU_MIXED ? place * o->size : place;
    return at < GPU_SLOTS_MAX ? run << at : 0;
}

/* ---- what fits ---------------------------------------------------------- */

static uint64_t free_starts(const struct gpu_kind *kind, const struct gpu_state *state,
                            const struct gpu_offer *o)
{
    uint64_t found = 0;

    for (uint64_t left = o->starts; left; left &= left - 1) {
        uint32_t start = (uint32_t)__builtin_ctzll(left);
        if (!(state->slots & slot_mask(kind, o, start)))
            found |= UINT64_C(1) << start;
    }
    return found;
}

static const struct gpu_offer *offer_of(const struct gpu_kind *kind, size_t offer)
{
    static const struct gpu_offer any = {.size = 1, .instances = 1, .display = true};
    return kind->n_offers ? &kind->offers[offer] : &any;
}

uint64_t gpu_fit(const struct gpu_kind *kind, const struct gpu_state *state, size_t offer)
{
    const struct gpu_offer *o = offer_of(kind, offer);

    if (gpu_has_slots(kind) && kind->n_offers)
        return free_starts(kind, state, o);
    if (!kind->n_offers)
        return state->used < (kind->law == GPU_SHARED ? kind->capacity : 1);
    if (kind->law == GPU_HOMOGENEOUS)
        return (!state->tag || state->tag == offer + 1) && state->used < o->instances;
    return state->used + (uint64_t)o->size <= kind->capacity;
}

/* How much of all offers would still find a place, weighed by size. */
static uint64_t worth(const struct gpu_kind *kind, const struct gpu_state *state)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < kind->n_offers; i++)
        sum += (uint64_t)__builtin_popcountll(free_starts(kind, state, &kind->offers[i])) *
               kind->offers[i].size;
    return sum;
}

uint8_t gpu_best_slot(const struct gpu_kind *kind, const struct gpu_state *state, size_t offer,
                      uint64_t starts)
{
    uint64_t best = 0;
    uint8_t ret = (uint8_t)__builtin_ctzll(starts);

    if (!gpu_has_slots(kind) || !kind->n_offers)
        return 0;
    if (!(starts & (starts - 1)))
        return ret;
    for (uint64_t left = starts; left; left &= left - 1) {
        struct gpu_state after = *state;
        uint8_t start = (uint8_t)__builtin_ctzll(left);

        gpu_take(kind, &after, offer, start);
        uint64_t w = worth(kind, &after) + 1;
        if (w > best) {
            best = w;
            ret = start;
        }
    }
    return ret;
}

void gpu_take(const struct gpu_kind *kind, struct gpu_state *state, size_t offer, uint8_t slot)
{
    const struct gpu_offer *o = offer_of(kind, offer);

    if (gpu_has_slots(kind) && kind->n_offers) {
        state->slots |= slot_mask(kind, o, slot);
        return;
    }
    state->used += o->size;
    if (kind->law == GPU_HOMOGENEOUS)
        state->tag = !state->tag || state->tag == offer + 1 ? (uint32_t)offer + 1 : GPU_CLASH;
}

void gpu_give(const struct gpu_kind *kind, struct gpu_state *state, size_t offer, uint8_t slot)
{
    const struct gpu_offer *o = offer_of(kind, offer);

    if (gpu_has_slots(kind) && kind->n_offers) {
        state->slots &= ~slot_mask(kind, o, slot);
        return;
    }
    state->used -= state->used < o->size ? state->used : o->size;
    if (!state->used)
        state->tag = 0;
}

uint32_t gpu_count(const struct gpu_kind *kind, const struct gpu_state *state, size_t offer)
{
    const struct gpu_offer *o = offer_of(kind, offer);
    struct gpu_state s = *state;
    uint32_t n = 0, capacity = kind->law == GPU_HOMOGENEOUS ? o->instances : kind->capacity;

    if (!gpu_fit(kind, &s, offer))
        return 0;
    if (!kind->n_offers && kind->law != GPU_SHARED)
        return 1;
    if (!gpu_has_slots(kind))
        return (capacity - s.used) / o->size;
    for (uint64_t starts; (starts = gpu_fit(kind, &s, offer)); n++)
        gpu_take(kind, &s, offer, (uint8_t)__builtin_ctzll(starts));
    return n;
}

uint32_t gpu_free_permille(const struct gpu_kind *kind, const struct gpu_state *state)
{
    uint64_t all = kind->capacity, used = state->used;

    if (!kind->n_offers && kind->law != GPU_SHARED)
        all = 1;
    else if (kind->n_offers && gpu_has_slots(kind))
        used = (uint64_t)__builtin_popcountll(state->slots);
    else if (kind->n_offers && kind->law == GPU_HOMOGENEOUS && state->tag)
        all = state->tag <= kind->n_offers ? kind->offers[state->tag - 1].instances : 0;
    return used < all ? (uint32_t)((all - used) * 1000 / all) : 0;
}

bool gpu_is_whole(const struct gpu_kind *kind, size_t offer)
{
    struct gpu_state s = {0};
    uint64_t starts = gpu_fit(kind, &s, offer);

    if (!starts)
        return false;
    gpu_take(kind, &s, offer, (uint8_t)__builtin_ctzll(starts));
    if (!kind->n_offers)
        return !gpu_fit(kind, &s, 0);
    for (size_t i = 0; i < kind->n_offers; i++)
        if (gpu_fit(kind, &s, i))
            return false;
    return true;
}

int gpu_find_offer(const struct gpu_kind *kind, const char *profile)
{
    if (!kind->n_offers)
        return 0;
    for (size_t i = 0; i < kind->n_offers; i++)
        if (str_equal(kind->offers[i].profile, profile))
            return (int)i;
    return -1;
}

/* ---- a kind from what is written ----------------------------------------- */

static bool is_power_of_two(uint32_t n)
{
    return n && !(n & (n - 1));
}

/* The unit is the smallest size; every size is a power of two of it, at a multiple of itself. */
static const char *settle_mixed(struct gpu_kind *kind, size_t *ret_offer)
{
    uint32_t unit = UINT32_MAX;

    for (size_t i = 0; i < kind->n_offers; i++)
        if (kind->offers[i].framebuffer_mib < unit)
            unit = kind->offers[i].framebuffer_mib;
    kind->capacity = kind->framebuffer_mib / unit;
    if (kind->capacity > GPU_SLOTS_MAX)
        return "its framebuffer has more than 64 times the smallest size";
    for (size_t i = 0; i < kind->n_offers; i++) {
        struct gpu_offer *o = &kind->offers[i];

        *ret_offer = i;
        o->size = o->framebuffer_mib / unit;
        if (o->framebuffer_mib % unit)
            return "its framebuffer is no multiple of the smallest size";
        /* The whole card is one more size, whatever it is (48 of an A40). */
        if (!is_power_of_two(o->size) && o->size != kind->capacity)
            return "its framebuffer is no power of two of the smallest size";
        o->starts = UINT64_MAX >> (64 - kind->capacity / o->size);
    }
    return NULL;
}

static const char *settle_slices(struct gpu_kind *kind, size_t *ret_offer)
{
    if (!kind->capacity || kind->capacity > GPU_SLOTS_MAX)
        return "a card by slices needs their number, at most 64";
    for (size_t i = 0; i < kind->n_offers; i++) {
        const struct gpu_offer *o = &kind->offers[i];

        *ret_offer = i;
        if (!o->size || !o->starts)
            return "a profile of a card by slices needs slices and placements";
        if (o->size + (63 - (uint32_t)__builtin_clzll(o->starts)) > kind->capacity)
            return "a placement ends beyond the card's slices";
    }
    return NULL;
}

static uint32_t largest(const struct gpu_kind *kind)
{
    uint32_t most = 0;
    for (size_t i = 0; i < kind->n_offers; i++)
        if (kind->offers[i].framebuffer_mib > most)
            most = kind->offers[i].framebuffer_mib;
    return most;
}

static const char *settle_offer(const struct gpu_kind *kind, struct gpu_offer *o)
{
    if (!o->framebuffer_mib)
        o->framebuffer_mib = profile_framebuffer_mib(o->profile);
    if ((kind->law == GPU_POOL || kind->law == GPU_MIXED) && !o->framebuffer_mib)
        return "its framebuffer is not known";
    return NULL;
}

const char *gpu_kind_settle(struct gpu_kind *kind, size_t *ret_offer)
{
    const char *fault = NULL;

    for (size_t i = 0; i < kind->n_offers && !fault; i++) {
        *ret_offer = i;
        fault = settle_offer(kind, &kind->offers[i]);
    }
    if (fault)
        return fault;
    if (!kind->framebuffer_mib)
        kind->framebuffer_mib = largest(kind);
    for (size_t i = 0; i < kind->n_offers; i++) {
        struct gpu_offer *o = &kind->offers[i];

        *ret_offer = i;
        if (o->framebuffer_mib > kind->framebuffer_mib)
            return "its framebuffer is larger than the card's";
        if (!o->instances)
            o->instances = kind->law == GPU_WHOLE || !o->framebuffer_mib
                               ? 1
                               : kind->framebuffer_mib / o->framebuffer_mib;
        if (!gpu_has_slots(kind))
            o->size = kind->law == GPU_POOL ? o->framebuffer_mib : 1;
    }
    if (kind->law == GPU_MIXED && kind->n_offers)
        return settle_mixed(kind, ret_offer);
    if (kind->law == GPU_SLICES && kind->n_offers)
        return settle_slices(kind, ret_offer);
    if (kind->law == GPU_POOL)
        kind->capacity = kind->framebuffer_mib;
    else if (kind->law != GPU_SHARED || !kind->capacity)
        kind->capacity = 1;
    return NULL;
}

/* ---- names --------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* NVIDIA's vGPU types end in gigabytes and the series: a40-4q; a 0 stands for half of one.
 * Types of MIG name them with their unit: 1g.10gb, a100-2-10c. */
uint32_t profile_framebuffer_mib(const char *profile)
{
    size_t len = strlen(profile), i;
    uint32_t n = 0;

    if (len > 2 && !strcmp(profile + len - 2, "gb"))
        i = len - 2;
    else if (len > 1 && strchr("abcq", profile[len - 1] | 0x20))
        i = len - 1;
    else
        return 0;
    size_t end = i;
    while (i > 0 && is_digit(profile[i - 1]))
        i--;
    if (i == end || end - i > 4 || i == 0 || (profile[i - 1] != '-' && profile[i - 1] != '.'))
        return 0;
    for (size_t k = i; k < end; k++)
        n = n * 10 + (uint32_t)(profile[k] - '0');
    return n ? n * 1024 : 512;
}

/* ---- what is held, as text ------------------------------------------------------ */

void gpu_held_format(const char *profile, const struct gpu_place *places, size_t n, bool slots,
                     char *ret, size_t size)
{
    size_t len = (size_t)snprintf(ret, size, "%s:", profile);

    for (size_t i = 0; i < n && len < size; i++) {
        const char *comma = i ? "," : "";
        int more =
            slots ? snprintf(ret + len, size - len, "%s%u@%u", comma, places[i].gpu, places[i].slot)
                  : snprintf(ret + len, size - len, "%s%u", comma, places[i].gpu);
        len += (size_t)more;
    }
}

static int parse_number(const char **io, uint8_t *ret)
{
    unsigned n = 0;
    const char *p = *io;

    while (is_digit(*p) && p - *io < 3)
        n = n * 10 + (unsigned)(*p++ - '0');
    if (p == *io || n >= GPU_SLOTS_MAX)
        return -EINVAL;
    *io = p;
    *ret = (uint8_t)n;
    return 0;
}

int gpu_held_parse(const char *text, char profile[64], struct gpu_place *ret, size_t max,
                   size_t *ret_n)
{
    size_t n = 0, len = strcspn(text, ":");

    if (!text[len] || len > 63)
        return -EINVAL;
    for (const char *p = text + len + 1; *p; n++) {
        if (n == max || (n && *p++ != ','))
            return -EINVAL;
        ret[n] = (struct gpu_place){0};
        if (parse_number(&p, &ret[n].gpu) < 0 ||
            (*p == '@' && (p++, parse_number(&p, &ret[n].slot) < 0)))
            return -EINVAL;
    }
    str_copy(profile, len + 1, text);
    *ret_n = n;
    return 0;
}
