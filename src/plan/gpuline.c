/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpuline.c - what one GPU holds from now on, as steps in time.
 *
 * Kept: neighbours differ.
 */
#include "plan/gpuline.h"

#define SIZE sizeof(struct gpustep)

int gpuline_begin(struct gpuline *line, const struct gpu_state *state)
{
    int r = steps_reserve(&line->steps, SIZE, 4);

    if (r < 0)
        return r;
    *gpuline_step(line, 0) = (struct gpustep){.from_usec = INT64_MIN, .state = *state};
    line->steps.n = 1;
    line->closed = false;
    return 0;
}

static void join(struct gpuline *line, size_t i)
{
    if (gpu_state_is_equal(&gpuline_step(line, i - 1)->state, &gpuline_step(line, i)->state))
        steps_remove(&line->steps, SIZE, i);
}

int gpuline_change(struct gpuline *line, const struct gpu_kind *kind, int64_t from_usec,
                   int64_t to_usec, size_t offer, uint8_t slot, int sign)
{
    int r = steps_reserve(&line->steps, SIZE, line->steps.n + 2);

    if (r < 0) {
        line->closed = true;
        return r;
    }
    size_t first = steps_split(&line->steps, SIZE, from_usec);
    size_t end =
        to_usec >= TIMELINE_NEVER ? line->steps.n : steps_split(&line->steps, SIZE, to_usec);
    for (size_t i = first; i < end; i++) {
        if (sign < 0)
            gpu_take(kind, &gpuline_step(line, i)->state, offer, slot);
        else
            gpu_give(kind, &gpuline_step(line, i)->state, offer, slot);
    }
    if (end < line->steps.n)
        join(line, end);
    if (first > 0)
        join(line, first);
    return 0;
}

int gpuline_block(struct gpuline *line, int64_t to_usec)
{
    int r = steps_reserve(&line->steps, SIZE, line->steps.n + 1);

    if (r < 0) {
        line->closed = true;
        return r;
    }
    for (size_t i = steps_split(&line->steps, SIZE, to_usec); i > 0; i--)
        gpuline_step(line, i - 1)->state =
            (struct gpu_state){.slots = UINT64_MAX, .used = UINT32_MAX / 2, .tag = GPU_CLASH};
    while (line->steps.n > 1 && gpuline_step(line, 1)->from_usec < to_usec)
        steps_remove(&line->steps, SIZE, 1);
    return 0;
}

int64_t gpuline_earliest(const struct gpuline *line, const struct gpu_kind *kind,
                         int64_t not_before_usec, int64_t span_usec, size_t offer)
{
    int64_t start = not_before_usec;
    size_t first = steps_at(&line->steps, SIZE, start);

    while (first < line->steps.n) {
        uint64_t starts = UINT64_MAX, here = 0;
        size_t i = first;

        for (; i < line->steps.n && gpuline_step(line, i)->from_usec < start + span_usec; i++) {
            here = gpu_fit(kind, &gpuline_step(line, i)->state, offer);
            starts &= here;
            if (!starts)
                break;
        }
        if (starts)
            return start;
        /* Where there is no place at all, nothing that begins before helps. */
        first = here ? first + 1 : i + 1;
        if (first < line->steps.n)
            start = gpuline_step(line, first)->from_usec;
    }
    return TIMELINE_NEVER;
}

struct gpu_state gpuline_join(const struct gpuline *line, int64_t from_usec, int64_t to_usec)
{
    size_t i = steps_at(&line->steps, SIZE, from_usec);
    struct gpu_state all = gpuline_step(line, i)->state;

    for (i++; i < line->steps.n && gpuline_step(line, i)->from_usec < to_usec; i++)
        gpu_join(&all, &gpuline_step(line, i)->state);
    return all;
}

void gpuline_done(struct gpuline *line)
{
    free(line->steps.data);
    *line = (struct gpuline){0};
}
