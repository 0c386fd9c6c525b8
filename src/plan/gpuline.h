/* SPDX-License-Identifier: Apache-2.0 */
/* gpuline.h - what one GPU holds from now on, as steps in time. */
#ifndef PLAN_GPULINE_H
#define PLAN_GPULINE_H

#include "model/gpu.h"
#include "plan/timeline.h"

struct gpustep {
    int64_t from_usec;
    struct gpu_state state;
};

struct gpuline {
    struct steps steps; /* struct gpustep */
    bool closed;        /* as timeline.closed */
};

static inline struct gpustep *gpuline_step(const struct gpuline *line, size_t i)
{
    return (struct gpustep *)line->steps.data + i;
}

int gpuline_begin(struct gpuline *line, const struct gpu_state *state);
/* Takes (sign -1) or gives back (sign 1) a place of the offer in [from, to). */
int gpuline_change(struct gpuline *line, const struct gpu_kind *kind, int64_t from_usec,
                   int64_t to_usec, size_t offer, uint8_t slot, int sign);
/* Nothing fits before `to`, for somebody is there who should not be. */
int gpuline_block(struct gpuline *line, int64_t to_usec);
/* The first time >= not_before at which the offer has a place for the whole span; NEVER if
 * there is none. */
int64_t gpuline_earliest(const struct gpuline *line, const struct gpu_kind *kind,
                         int64_t not_before_usec, int64_t span_usec, size_t offer);
/* All that it holds at some time in [from, to). */
struct gpu_state gpuline_join(const struct gpuline *line, int64_t from_usec, int64_t to_usec);
void gpuline_done(struct gpuline *line);

#endif
