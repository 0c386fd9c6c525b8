/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - the line of pending jobs, in order, with the place of each in O(log n). */
#ifndef PLAN_QUEUE_H
#define PLAN_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/entry.h"

struct queue {
    struct entry *root;
    uint64_t seed; /* shapes the tree, never the order */
};

/*
 * Who comes first: jobs that may start before late ones, those by begin time; then
 * tier and priority (high first), submit time and id (low first).
 */
int entry_compare(const struct entry *a, const struct entry *b);

/* What the order looks at must not change while an entry is in the queue. */
void queue_insert(struct queue *q, struct entry *e);
void queue_remove(struct queue *q, struct entry *e);
struct entry *queue_first(const struct queue *q);
struct entry *queue_next(const struct entry *e);
uint32_t queue_count(const struct queue *q);
uint32_t queue_rank(const struct entry *e); /* 1: the first */

#endif
