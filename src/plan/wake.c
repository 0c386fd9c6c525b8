/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wake.c - which job must be looked at again when: an indexed binary heap.
 *
 * Kept: heap[i]->slot == i for 1 <= i <= n, and no entry is before its parent.
 */
#include "plan/wake.h"

#include <errno.h>
#include <stdlib.h>

int wake_reserve(struct wake *w, size_t n)
{
    size_t size = w->size ? w->size : 64;
    struct entry **heap;

    if (n < w->size)
        return 0;
    while (size <= n)
        size += size / 2;
    heap = realloc(w->heap, size * sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    w->heap = heap;
    w->size = size;
    return 0;
}

static bool before(const struct entry *a, const struct entry *b)
{
    if (a->wake_usec != b->wake_usec)
        return a->wake_usec < b->wake_usec;
    return a->id < b->id;
}

static void put(struct wake *w, size_t i, struct entry *e)
{
    w->heap[i] = e;
    e->slot = (uint32_t)i;
}

static void sift(struct wake *w, size_t i, struct entry *e)
{
    for (; i > 1 && before(e, w->heap[i / 2]); i /= 2)
        put(w, i, w->heap[i / 2]);
    for (size_t child; (child = 2 * i) <= w->n; i = child) {
        if (child < w->n && before(w->heap[child + 1], w->heap[child]))
            child++;
        if (!before(w->heap[child], e))
            break;
        put(w, i, w->heap[child]);
    }
    put(w, i, e);
}

void wake_set(struct wake *w, struct entry *e, int64_t when_usec)
{
    if (e->slot) {
        size_t i = e->slot;
        struct entry *last = w->heap[w->n--];
        e->slot = 0;
        if (last != e)
            sift(w, i, last);
    }
    e->wake_usec = when_usec;
    if (when_usec)
        sift(w, ++w->n, e);
}

struct entry *wake_first(const struct wake *w)
{
    return w->n ? w->heap[1] : NULL;
}

void wake_done(struct wake *w)
{
    free(w->heap);
    *w = (struct wake){0};
}
