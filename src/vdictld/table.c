/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - the objects of one noun, found by key and walked in order.
 *
 * Ids only grow, so the ordered array is appended to, and a number is found in it: until
 * holes are closed it is as far from the first as its id. A hole keeps its id; holes are
 * closed when they outnumber the slots.
 */
#include "vdictld/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct place {
    uint64_t id;       /* numeric nouns */
    struct slot *slot; /* NULL: a hole */
};

struct table {
    const struct noun *noun;
    struct hash *names; /* NULL: keys are numbers */
    struct place *order;
    size_t n_order, size_order;
    size_t n;
    unsigned shifts;
};

struct table *table_new(const struct noun *noun)
{
    struct table *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->noun = noun;
    t->names = noun->numeric ? NULL : hash_new_str();
    if (!t->names && !noun->numeric) {
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
        if (t->order[i].slot)
            slot_free(t, t->order[i].slot);
    free(t->order);
    hash_free(t->names);
    free(t);
}

/* Narrows [*lo, *hi) around the id, to nothing if ids are as dense as places. */
static void guess(const struct table *t, uint64_t id, size_t *lo, size_t *hi)
{
    size_t at, n = t->n_order;

    if (n && t->order[n - 1].id <= id) {
        *lo = n;
        return;
    }
    if (!n || id < t->order[0].id || id - t->order[0].id >= n)
        return;
    at = (size_t)(id - t->order[0].id);
    if (t->order[at].id <= id)
        *lo = at + 1;
    else
        *hi = at;
    if (*lo < n && t->order[*lo].id > id)
        *hi = *lo;
}

size_t table_after(const struct table *t, uint64_t id)
{
    size_t lo = 0, hi = t->n_order;

    guess(t, id, &lo, &hi);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (t->order[mid].id <= id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void close_holes(struct table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_order; i++)
        if (t->order[i].slot)
            t->order[n++] = t->order[i];
    t->n_order = n;
    t->shifts++;
}

static bool order_insert(struct table *t, struct slot *slot)
{
    size_t at = t->n_order;

    if (t->n_order == t->size_order) {
        size_t size = t->size_order ? t->size_order * 2 : 64;
        struct place *order = reallocarray(t->order, size, sizeof(*order));

        if (!order)
            return false;
        t->order = order;
        t->size_order = size;
    }
    /* Ids come in order but for a replay after damage. */
    if (!t->names)
        at = table_after(t, slot->id);
    memmove(t->order + at + 1, t->order + at, (t->n_order - at) * sizeof(*t->order));
    t->order[at] = (struct place){.id = slot->id, .slot = slot};
    t->n_order++;
    return true;
}

static struct slot *slot_new(struct table *t, uint64_t id, const char *key)
{
    struct slot *slot = calloc(1, sizeof(*slot));

    if (!slot)
        return NULL;
    slot->id = id;
    if (t->names) {
        slot->key = strdup(key);
        if (!slot->key || hash_put(t->names, slot->key, slot) < 0) {
            slot_free(t, slot);
            return NULL;
        }
    }
    if (!order_insert(t, slot)) {
        if (t->names)
            hash_remove(t->names, slot->key);
        slot_free(t, slot);
        return NULL;
    }
    t->n++;
    return slot;
}

/* Where the number is, or SIZE_MAX. A hole and what is there again may have the same. */
static size_t find_number(const struct table *t, uint64_t id)
{
    size_t i = table_after(t, id);

    while (i > 0 && t->order[i - 1].id == id && !t->order[i - 1].slot)
        i--;
    return i > 0 && t->order[i - 1].id == id ? i - 1 : SIZE_MAX;
}

struct slot *table_slot(struct table *t, uint64_t id, const char *key, bool make)
{
    struct slot *slot = NULL;
    size_t i;

    if (t->names) {
        slot = hash_get(t->names, key);
    } else {
        i = find_number(t, id);
        slot = i == SIZE_MAX ? NULL : t->order[i].slot;
    }
    return slot || !make ? slot : slot_new(t, id, key);
}

static size_t order_find(const struct table *t, const struct slot *slot)
{
    size_t i = 0;

    if (!t->names)
        return find_number(t, slot->id);
    while (t->order[i].slot != slot)
        i++;
    return i;
}

void table_remove(struct table *t, struct slot *slot)
{
    t->order[order_find(t, slot)].slot = NULL;
    if (t->names)
        hash_remove(t->names, slot->key);
    slot_free(t, slot);
    t->n--;
    if (t->n_order > 64 && t->n < t->n_order / 2)
        close_holes(t);
}

size_t table_count(const struct table *t)
{
    return t->n;
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
    return i < t->n_order ? t->order[i].slot : NULL;
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
