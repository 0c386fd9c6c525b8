/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - the objects of one noun, found by key and walked in order.
 *
 * Ids only grow, so the ordered array is appended to; holes are closed when
 * they outnumber the slots.
 */
#include "vdictld/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct table {
    const struct noun *noun;
    struct hash *hash;
    struct slot **order;
    size_t n_order, size_order;
    unsigned shifts;
};

struct table *table_new(const struct noun *noun)
{
    struct table *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->noun = noun;
    t->hash = noun->numeric ? hash_new_u64() : hash_new_str();
    if (!t->hash) {
        free(t);
        return NULL;
    }
    return t;
}

static void slot_free(struct table *t, struct slot *slot)
{
    if (slot->pub)
        t->noun->unref(slot->pub);
    if (slot->staged)
        t->noun->unref(slot->staged);
    free(slot->key);
    free(slot);
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_order; i++)
        if (t->order[i])
            slot_free(t, t->order[i]);
    free(t->order);
    hash_free(t->hash);
    free(t);
}

size_t table_after(const struct table *t, uint64_t id)
{
    size_t lo = 0, hi = t->n_order;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2, at = mid;

        while (at < hi && !t->order[at])
            at++;
        if (at == hi)
            hi = mid;
        else if (t->order[at]->id <= id)
            lo = at + 1;
        else
            hi = mid;
    }
    return lo;
}

static void close_holes(struct table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_order; i++)
        if (t->order[i])
            t->order[n++] = t->order[i];
    t->n_order = n;
    t->shifts++;
}

static bool order_insert(struct table *t, struct slot *slot)
{
    size_t at = t->n_order;

    if (t->n_order == t->size_order) {
        size_t size = t->size_order ? t->size_order * 2 : 64;
        struct slot **order = reallocarray(t->order, size, sizeof(*order));

        if (!order)
            return false;
        t->order = order;
        t->size_order = size;
    }
    /* Ids come in order but for a replay after damage. */
    if (t->noun->numeric)
        at = table_after(t, slot->id);
    memmove(t->order + at + 1, t->order + at, (t->n_order - at) * sizeof(*t->order));
    t->order[at] = slot;
    t->n_order++;
    return true;
}

static struct slot *slot_new(struct table *t, uint64_t id, const char *key)
{
    struct slot *slot = calloc(1, sizeof(*slot));
    int r;

    if (!slot)
        return NULL;
    slot->id = id;
    if (!t->noun->numeric) {
        slot->key = strdup(key);
        if (!slot->key) {
            free(slot);
            return NULL;
        }
    }
    r = t->noun->numeric ? hash_put_u64(t->hash, id, slot) : hash_put(t->hash, slot->key, slot);
    if (r < 0) {
        slot_free(t, slot);
        return NULL;
    }
    if (!order_insert(t, slot)) {
        if (t->noun->numeric)
            hash_remove_u64(t->hash, id);
        else
            hash_remove(t->hash, slot->key);
        slot_free(t, slot);
        return NULL;
    }
    return slot;
}

struct slot *table_slot(struct table *t, uint64_t id, const char *key, bool make)
{
    struct slot *slot = t->noun->numeric ? hash_get_u64(t->hash, id) : hash_get(t->hash, key);

    return slot || !make ? slot : slot_new(t, id, key);
}

static size_t order_find(const struct table *t, const struct slot *slot)
{
    size_t i = 0;

    if (t->noun->numeric) {
        i = table_after(t, slot->id);
        while (i > 0 && t->order[i - 1] != slot)
            i--;
        return i - 1;
    }
    while (t->order[i] != slot)
        i++;
    return i;
}

void table_remove(struct table *t, struct slot *slot)
{
    t->order[order_find(t, slot)] = NULL;
    if (t->noun->numeric)
        hash_remove_u64(t->hash, slot->id);
    else
        hash_remove(t->hash, slot->key);
    slot_free(t, slot);
    if (t->n_order > 64 && hash_count(t->hash) < t->n_order / 2)
        close_holes(t);
}

size_t table_count(const struct table *t)
{
    return hash_count(t->hash);
}

size_t table_end(const struct table *t)
{
    return t->n_order;
}

unsigned table_shifts(const struct table *t)
{
    return t->shifts;
}

struct slot *table_at(const struct table *t, size_t i)
{
    return i < t->n_order ? t->order[i] : NULL;
}

void table_stage(struct table *t, struct slot *slot, void *object)
{
    if (slot->staged)
        t->noun->unref(slot->staged);
    slot->staged = object;
}

void table_publish(struct table *t, struct slot *slot, void *object)
{
    void *old = slot->pub;

    slot->pub = t->noun->ref(object);
    if (old)
        t->noun->unref(old);
}

void table_revert(struct table *t, struct slot *slot)
{
    if (!slot->pub) {
        table_remove(t, slot);
        return;
    }
    if (slot->staged != slot->pub)
        table_stage(t, slot, t->noun->ref(slot->pub));
}
