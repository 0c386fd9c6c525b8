/* SPDX-License-Identifier: Apache-2.0 */
/* draw.c - seeded random times. */
#include "vdisim/draw.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define QUANTILE_99 2.3263478740408408 /* of the standard normal distribution */
#define LONGEST_SEC 1e7

void draw_seed(struct draw *d, uint64_t seed)
{
    d->state[0] = (unsigned short)(0x330e ^ (seed >> 32));
    d->state[1] = (unsigned short)seed;
    d->state[2] = (unsigned short)(seed >> 16);
}

bool draw_chance(struct draw *d, double probability)
{
    return erand48(d->state) < probability;
}

/* Box and Muller's transform. */
static double normal(struct draw *d)
{
    double u = 1 - erand48(d->state), v = erand48(d->state);

    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

int64_t draw_usec(struct draw *d, const struct draw_time *time)
{
    double sec = time->median_sec;

    if (sec > 0 && time->p99_sec > sec)
        sec *= exp(normal(d) * log(time->p99_sec / sec) / QUANTILE_99);
    return (int64_t)((sec < LONGEST_SEC ? sec : LONGEST_SEC) * 1e6);
}

static bool read_sec(const char *text, char **ret_end, double *ret)
{
    *ret = strtod(text, ret_end);
    return *ret_end != text && *ret >= 0 && *ret <= LONGEST_SEC;
}

int draw_time_parse(const char *text, struct draw_time *ret, struct vdi_error *err)
{
    struct draw_time t;
    char *end;
    bool good = read_sec(text, &end, &t.median_sec);

    t.p99_sec = t.median_sec;
    if (good && *end == ':')
        good = read_sec(end + 1, &end, &t.p99_sec) && t.p99_sec >= t.median_sec;
    if (!good || *end) {
        error_set(err, EINVAL, "time", "'%.40s' is no time to draw", text);
        error_hint(err, NULL, "write SECONDS, or MEDIAN:P99 in seconds");
        return -EINVAL;
    }
    *ret = t;
    return 0;
}
