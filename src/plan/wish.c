/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish.c - which profiles will do for a job, on each kind of GPU there is.
 *
 * Worked out once for each layout and shared by all jobs that wish the same.
 */
#include "plan/wish.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "plan/inner.h"

static void add(const struct wish *wish, const struct gpu_kind *kind, int offer,
                struct wish_offers *ret)
{
    if (offer < 0 || ret->n == WISH_OFFERS_MAX)
        return;
    if (kind->n_offers && wish->is_desktop && !kind->offers[offer].display)
        return;
    ret->offer[ret->n++] = (uint8_t)offer;
}

static void add_named(const struct wish *wish, const struct gpu_kind *kind, struct wish_offers *ret)
{
    char name[64];

    for (const char *p = wish->text; *p;) {
        size_t len = strcspn(p, ",");

        if (len < sizeof(name)) {
            str_copy(name, len + 1, p);
            add(wish, kind, gpu_find_offer(kind, name), ret);
        }
        p += len + (p[len] == ',');
    }
}

/* Those from `least` on, the smallest first; equal ones as they are written. */
static void add_by_size(const struct wish *wish, const struct gpu_kind *kind, uint32_t least,
                        struct wish_offers *ret)
{
    uint64_t after = 0;

    while (ret->n < WISH_OFFERS_MAX) {
        uint64_t best = UINT64_MAX;

        for (size_t i = 0; i < kind->n_offers; i++) {
            uint64_t key = ((uint64_t)kind->offers[i].framebuffer_mib << 8 | i) + 1;
            if (kind->offers[i].framebuffer_mib >= least && key > after && key < best)
                best = key;
        }
        if (best == UINT64_MAX)
            return;
        add(wish, kind, (int)((best - 1) & 0xff), ret);
        after = best;
    }
}

/* A device for itself: those that nothing can share; else the largest, which leaves least. */
static void add_whole(const struct wish *wish, const struct gpu_kind *kind, bool strictly,
                      struct wish_offers *ret)
{
    int largest = -1;

    for (size_t i = 0; i < kind->n_offers; i++) {
        const struct gpu_offer *o = &kind->offers[i];

        if (gpu_is_whole(kind, i) || (kind->law == GPU_SHARED && !strictly))
            add(wish, kind, (int)i, ret);
        if ((!wish->is_desktop || o->display) &&
            (largest < 0 || o->framebuffer_mib > kind->offers[largest].framebuffer_mib))
            largest = (int)i;
    }
    if (!ret->n && !strictly)
        add(wish, kind, largest, ret);
}

static struct wish_offers resolve(const struct wish *wish, const struct gpu_kind *kind)
{
    struct wish_offers ret = {0};
    uint64_t least;

    if (str_starts_with(wish->text, GPU_WISH_SIZE)) {
        if (str_to_u64(wish->text + strlen(GPU_WISH_SIZE), 0, UINT32_MAX, &least) < 0)
            return ret;
        if (kind->n_offers)
            add_by_size(wish, kind, (uint32_t)least, &ret);
        else if (kind->framebuffer_mib >= least)
            add(wish, kind, 0, &ret);
    } else if (!kind->n_offers) { /* it takes every profile, as the whole device or a share */
        if (!str_equal(wish->text, GPU_WISH_WHOLE) || gpu_is_whole(kind, 0))
            add(wish, kind, 0, &ret);
    } else if (!*wish->text || str_equal(wish->text, GPU_WISH_WHOLE)) {
        add_whole(wish, kind, *wish->text, &ret);
    } else {
        add_named(wish, kind, &ret);
    }
    return ret;
}

struct wish *wish_get(struct planner *p, const char *text, bool is_desktop)
{
    _cleanup_(freep) char *key = str_printf("%c%s", is_desktop ? 'd' : 'b', text ? text : "");
    struct wish *wish = key ? hash_get(p->shapes.wishes, key) : NULL;

    if (!wish) {
        wish = key ? calloc(1, sizeof(*wish)) : NULL;
        if (!wish || hash_put(p->shapes.wishes, key, wish) < 0) {
            free(wish);
            return NULL;
        }
        wish->key = TAKE_PTR(key);
        wish->text = wish->key + 1;
        wish->is_desktop = is_desktop;
    }
    wish->refs++;
    return wish;
}

void wish_unref(struct planner *p, struct wish *wish)
{
    if (!wish || --wish->refs)
        return;
    hash_remove(p->shapes.wishes, wish->key);
    free(wish->of);
    free(wish->key);
    free(wish);
}

struct wish_offers wish_offers(struct planner *p, struct wish *wish, uint32_t kind)
{
    if (wish->layout != p->layout || !wish->of) {
        free(wish->of);
        wish->of = calloc(p->n_kinds, sizeof(*wish->of));
        if (!wish->of)
            return (struct wish_offers){0};
        for (size_t i = 0; i < p->n_kinds; i++)
            wish->of[i] = resolve(wish, &p->kinds[i]);
        wish->layout = p->layout;
    }
    return wish->of[kind];
}
