/* SPDX-License-Identifier: Apache-2.0 */
/* draw.h - seeded random times: the same seed gives the same run on every machine. */
#ifndef VDISIM_DRAW_H
#define VDISIM_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/types.h>

struct draw {
    unsigned short state[3]; /* of erand48(3), which POSIX defines bit by bit */
};

/* How long something takes: log-normal by its median and its 99th percentile; 0: no time. */
struct draw_time {
    double median_sec, p99_sec;
};

void draw_seed(struct draw *d, uint64_t seed);
bool draw_chance(struct draw *d, double probability);
int64_t draw_usec(struct draw *d, const struct draw_time *time);
/* From "45" (always) or "45:180" (median:p99), in seconds. */
int draw_time_parse(const char *text, struct draw_time *ret, struct vdi_error *err);

#endif
