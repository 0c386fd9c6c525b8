/* SPDX-License-Identifier: Apache-2.0 */
/* boots.c - how long the last seats took, and what follows from it. */
#include "model/boots.h"

#include <stdlib.h>
#include <string.h>

#define ENOUGH 8 /* of them say what is slow */

static uint32_t kept(const struct boots *b)
{
    return b->n < BOOTS_KEPT ? b->n : BOOTS_KEPT;
}

void boots_add(struct boots *b, int64_t took_usec)
{
    b->took_usec[b->n++ % BOOTS_KEPT] = took_usec;
}

int64_t boots_slowest_usec(const struct boots *b)
{
    int64_t slowest = 0;

    for (uint32_t i = 0; i < kept(b); i++)
        if (b->took_usec[i] > slowest)
            slowest = b->took_usec[i];
    return slowest;
}

static int compare_usec(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int64_t median_usec(const struct boots *b)
{
    int64_t took[BOOTS_KEPT];

    memcpy(took, b->took_usec, sizeof(took));
    qsort(took, kept(b), sizeof(*took), compare_usec);
    return took[kept(b) / 2];
}

int64_t boots_slow_usec(const struct boots *b)
{
    int64_t half, twice;

    if (b->n < ENOUGH)
        return 0;
    half = boots_slowest_usec(b) / 2;
    twice = 2 * median_usec(b);
    return half > twice ? half : twice;
}

/* It is seen to be slow, a job is asked, and what takes its place boots. Where all boot in the
 * time that a job is asked after, that does not come to pass. */
static int64_t second_chance_usec(const struct boots *b, int64_t free_usec)
{
    int64_t slowest = boots_slowest_usec(b), slow = boots_slow_usec(b);

    if (!slow || slowest <= slow || slowest < BOOTS_PRESS_USEC || free_usec < 0)
        return 0;
    return slow + BOOTS_PRESS_USEC + free_usec + slowest;
}

int64_t boots_lead_usec(const struct boots *b, uint32_t rounds, int64_t free_usec)
{
    int64_t first = boots_slowest_usec(b) * rounds, second = second_chance_usec(b, free_usec);

    return first > second ? first : second;
}
