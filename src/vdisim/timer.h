/* SPDX-License-Identifier: Apache-2.0 */
/* timer.h - what is to happen when, earliest first; ties by kind and id. */
#ifndef VDISIM_TIMER_H
#define VDISIM_TIMER_H

#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t at_usec;
    uint32_t kind; /* lower ones first */
    size_t id;
};

struct timers { /* a binary heap */
    struct timer *heap;
    size_t n, size;
};

int timers_add(struct timers *t, struct timer timer); /* -ENOMEM */
const struct timer *timers_first(const struct timers *t);
struct timer timers_take(struct timers *t); /* the first; there must be one */
void timers_done(struct timers *t);

#endif
