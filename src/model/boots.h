/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boots.h - how long the last seats of a template took to be READY, and what follows from it:
 * how long ahead seats are started, and from when on one of them is slow.
 *
 * A seat that is slow gets a second instance: where there is room at once, else a job is asked to
 * make some. What is started ahead is started so early that this comes in time, too.
 */
#ifndef MODEL_BOOTS_H
#define MODEL_BOOTS_H

#include <stdint.h>

#define BOOTS_KEPT 64
/* Of one that was seen to be slow and finds no room, a job is asked so much later. */
#define BOOTS_PRESS_USEC (INT64_C(30) * 1000000)

struct boots {
    int64_t took_usec[BOOTS_KEPT]; /* of the last ones, a ring */
    uint32_t n;                    /* of all: more than BOOTS_KEPT, too */
};

void boots_add(struct boots *b, int64_t took_usec);
int64_t boots_slowest_usec(const struct boots *b); /* 0: none is known */
/* One that boots for longer is slow. Where all take about as long none is, however long it is.
 * 0: too little is known. */
int64_t boots_slow_usec(const struct boots *b);
/* How long ahead seats are started that boot in so many rounds on a node. free_usec: so long after
 * it is asked a job has made room for a second instance; below 0: none does. 0: nothing is
 * known. */
int64_t boots_lead_usec(const struct boots *b, uint32_t rounds, int64_t free_usec);

#endif
