/* SPDX-License-Identifier: Apache-2.0 */
/* wish.h - which profiles will do for a job, on each kind of GPU there is. */
#ifndef PLAN_WISH_H
#define PLAN_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gpu.h"

struct planner;

#define WISH_OFFERS_MAX 8

struct wish_offers { /* of one kind, best first */
    uint8_t n, offer[WISH_OFFERS_MAX];
};

/*
 * "" any whole device; "whole" one that nobody shares; "a,b" the first that is offered;
 * "fb>=MIB" the smallest that is large enough. A desktop's must have a display.
 */
struct wish {
    char *key;
    const char *text; /* in key */
    bool is_desktop;
    unsigned refs;
    uint64_t layout;        /* planner.layout that `of` is of */
    struct wish_offers *of; /* by plan_node.kind */
};

/* One reference more; NULL: no memory. */
struct wish *wish_get(struct planner *p, const char *text, bool is_desktop);
void wish_unref(struct planner *p, struct wish *wish); /* takes NULL */
/* {0}: nothing of that kind will do. */
struct wish_offers wish_offers(struct planner *p, struct wish *wish, uint32_t kind);

#endif
