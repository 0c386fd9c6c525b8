/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.h - something that changes at points in time, as an array of steps.
 *
 * A step's first member is its int64_t time; the first step holds from the beginning of
 * time, the last for ever. Kept: times ascend strictly. Inline, so that `size` is a
 * constant: this is the inner loop of every plan.
 */
#ifndef PLAN_STEPS_H
#define PLAN_STEPS_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct steps {
    void *data;
    size_t n, room;
};

static inline int64_t steps_from_usec(const struct steps *s, size_t size, size_t i)
{
    return *(const int64_t *)(const void *)((const char *)s->data + i * size);
}

static inline int steps_reserve(struct steps *s, size_t size, size_t n)
{
    size_t room = s->room ? s->room : 4;
    void *data;

    if (n <= s->room)
        return 0;
    while (room < n)
        room += room / 2;
    data = realloc(s->data, room * size);
    if (!data)
        return -ENOMEM;
    s->data = data;
    s->room = room;
    return 0;
}

static inline int steps_copy(struct steps *to, const struct steps *from, size_t size)
{
    int r = steps_reserve(to, size, from->n);

    if (r == 0) {
        memcpy(to->data, from->data, from->n * size);
        to->n = from->n;
    }
    return r;
}

/* The step that holds at `usec`. */
static inline size_t steps_at(const struct steps *s, size_t size, int64_t usec)
{
    size_t low = 0, high = s->n;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (steps_from_usec(s, size, mid) <= usec)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Makes a step begin at `usec`; returns which. Room must have been reserved. */
static inline size_t steps_split(struct steps *s, size_t size, int64_t usec)
{
    size_t i = steps_at(s, size, usec);
    char *at = (char *)s->data + i * size;

    if (steps_from_usec(s, size, i) == usec)
        return i;
    memmove(at + 2 * size, at + size, (s->n - i - 1) * size);
    memcpy(at + size, at, size);
    *(int64_t *)(void *)(at + size) = usec;
    s->n++;
    return i + 1;
}

/* Takes out a step that is as the one before it. */
static inline void steps_remove(struct steps *s, size_t size, size_t i)
{
    char *at = (char *)s->data + i * size;

    memmove(at, at + size, (s->n - i - 1) * size);
    s->n--;
}

#endif
