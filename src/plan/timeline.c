/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline.c - what is free on one node from now on, as steps in time; GPUs aside.
 *
 * Kept: neighbours differ, so jobs of one size that follow each other cost no memory.
 */
#include "plan/timeline.h"

#define SIZE sizeof(struct step)

int timeline_begin(struct timeline *t, const struct amount *free)
{
    int r = steps_reserve(&t->steps, SIZE, 4);
    if (r < 0)
        return r;
    *timeline_step(t, 0) = (struct step){.from_usec = INT64_MIN, .free = *free};
    t->steps.n = 1;
    t->closed = false;
    return 0;
}

static void join(struct timeline *t, size_t i)
{
    if (amount_is_equal(&timeline_step(t, i - 1)->free, &timeline_step(t, i)->free))
        steps_remove(&t->steps, SIZE, i);
}

int timeline_change(struct timeline *t, int64_t from_usec, int64_t to_usec,
                    const struct amount *amount, int sign)
{
    int r = steps_reserve(&t->steps, SIZE, t->steps.n + 2);
    if (r < 0) {
        t->closed = true;
        return r;
    }
    size_t first = steps_split(&t->steps, SIZE, from_usec);
    size_t end = to_usec >= TIMELINE_NEVER ? t->steps.n : steps_split(&t->steps, SIZE, to_usec);
    for (size_t i = first; i < end; i++)
        amount_add(&timeline_step(t, i)->free, amount, sign);
    if (end < t->steps.n)
        join(t, end);
    if (first > 0)
        join(t, first);
    return 0;
}

int64_t timeline_earliest(const struct timeline *t, int64_t not_before_usec, int64_t span_usec,
                          const struct amount *need)
{
    int64_t start = not_before_usec;

    for (size_t i = steps_at(&t->steps, SIZE, start); i < t->steps.n; i++) {
        if (timeline_step(t, i)->from_usec >= start + span_usec)
            break;
        if (!amount_covers(&timeline_step(t, i)->free, need))
            start = i + 1 < t->steps.n ? timeline_step(t, i + 1)->from_usec : TIMELINE_NEVER;
    }
    return start < TIMELINE_NEVER ? start : TIMELINE_NEVER;
}

void timeline_done(struct timeline *t)
{
    free(t->steps.data);
    *t = (struct timeline){0};
}
