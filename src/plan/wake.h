/* SPDX-License-Identifier: Apache-2.0 */
/* wake.h - which job must be looked at again when, although nothing changed. */
#ifndef PLAN_WAKE_H
#define PLAN_WAKE_H

#include <stddef.h>

#include "plan/entry.h"

/* A binary heap by (wake_usec, id); heap[0] is not used. */
struct wake {
    struct entry **heap;
    size_t n, size;
};

int wake_reserve(struct wake *w, size_t n); /* room for n: wake_set() can't fail then */
void wake_set(struct wake *w, struct entry *e, int64_t when_usec); /* 0: not at all */
struct entry *wake_first(const struct wake *w);
void wake_done(struct wake *w);

#endif
