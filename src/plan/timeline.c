/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline.c - what is free on one node from now on, as steps in time.
 *
 * Kept: steps are strictly ascending in time; neighbours differ, so jobs of one
 * size that follow each other cost no memory.
 */
#include "plan/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int timeline_reserve(struct timeline *t, size_t n)
{
    size_t size = t->size ? t->size : 8;
    struct step *steps;

    if (n <= t->size)
        return 0;
    while (size < n)
        size += size / 2;
    steps = realloc(t->steps, size * sizeof(*steps));
    if (!steps)
        return -ENOMEM;
    t->steps = steps;
    t->size = size;
    return 0;
}

int timeline_begin(struct timeline *t, const struct amount *free)
{
    int r = timeline_reserve(t, 4);
    if (r < 0)
        return r;
    t->steps[0] = (struct step){.from_usec = INT64_MIN, .free = *free};
    t->n = 1;
    t->closed = false;
    return 0;
}

/* The step that holds at `usec`. */
static size_t step_at(const struct timeline *t, int64_t usec)
{
    size_t low = 0, high = t->n;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (t->steps[mid].from_usec <= usec)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Makes a step begin at `usec`; returns which. Room must have been reserved. */
static size_t split(struct timeline *t, int64_t usec)
{
    size_t i = step_at(t, usec);
    if (t->steps[i].from_usec == usec)
        return i;
    memmove(&t->steps[i + 2], &t->steps[i + 1], (t->n - i - 1) * sizeof(*t->steps));
    t->steps[i + 1] = t->steps[i];
    t->steps[i + 1].from_usec = usec;
    t->n++;
    return i + 1;
}

static void join(struct timeline *t, size_t i)
{
    const struct amount *a = &t->steps[i - 1].free, *b = &t->steps[i].free;
    if (a->cpus != b->cpus || a->gpus != b->gpus || a->memory_mib != b->memory_mib ||
        a->disk_gib != b->disk_gib)
        return;
    memmove(&t->steps[i], &t->steps[i + 1], (t->n - i - 1) * sizeof(*t->steps));
    t->n--;
}

int timeline_change(struct timeline *t, int64_t from_usec, int64_t to_usec,
                    const struct amount *amount, int sign)
{
    int r = timeline_reserve(t, t->n + 2);
    if (r < 0) {
        t->closed = true;
        return r;
    }
    size_t first = split(t, from_usec);
    size_t end = to_usec >= TIMELINE_NEVER ? t->n : split(t, to_usec);
    for (size_t i = first; i < end; i++)
        amount_add(&t->steps[i].free, amount, sign);
    if (end < t->n)
        join(t, end);
    if (first > 0)
        join(t, first);
    return 0;
}

int64_t timeline_earliest(const struct timeline *t, int64_t not_before_usec, int64_t span_usec,
                          const struct amount *need)
{
    int64_t start = not_before_usec;

    for (size_t i = step_at(t, start); i < t->n; i++) {
        if (t->steps[i].from_usec >= start + span_usec)
            break;
        if (!amount_covers(&t->steps[i].free, need))
            start = i + 1 < t->n ? t->steps[i + 1].from_usec : TIMELINE_NEVER;
    }
    return start < TIMELINE_NEVER ? start : TIMELINE_NEVER;
}

void timeline_done(struct timeline *t)
{
    free(t->steps);
    *t = (struct timeline){0};
}
