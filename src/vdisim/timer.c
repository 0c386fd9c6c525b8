/* SPDX-License-Identifier: Apache-2.0 */
/* timer.c - a binary heap of what is to happen when. */
#include "vdisim/timer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static bool is_before(const struct timer *a, const struct timer *b)
{
    if (a->at_usec != b->at_usec)
        return a->at_usec < b->at_usec;
    return a->kind != b->kind ? a->kind < b->kind : a->id < b->id;
}

int timers_add(struct timers *t, struct timer timer)
{
    size_t i = t->n;

    if (t->n == t->size) {
        size_t size = t->size ? 2 * t->size : 256;
        struct timer *heap = realloc(t->heap, size * sizeof(*heap));

        if (!heap)
            return -ENOMEM;
        t->heap = heap;
        t->size = size;
    }
    for (; i && is_before(&timer, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = timer;
    t->n++;
    return 0;
}

const struct timer *timers_first(const struct timers *t)
{
    return t->n ? &t->heap[0] : NULL;
}

struct timer timers_take(struct timers *t)
{
    struct timer first = t->heap[0], last = t->heap[--t->n];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < t->n; i = child) {
        if (child + 1 < t->n && is_before(&t->heap[child + 1], &t->heap[child]))
            child++;
        if (!is_before(&t->heap[child], &last))
            break;
        t->heap[i] = t->heap[child];
    }
    if (t->n)
        t->heap[i] = last;
    return first;
}

void timers_done(struct timers *t)
{
    free(t->heap);
    *t = (struct timers){0};
}
