/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.h - GPUs that classes have at the same time exchange seats, to change profile seldom. */
#ifndef PLAN_EXCHANGE_H
#define PLAN_EXCHANGE_H

struct planner;
struct seat_window;

/* Nobody's seats are moved later than so long before their window: by then nodes are told whom
 * they will have. */
#define EXCHANGE_NOTICE_USEC (INT64_C(3600) * 1000000)
/* Over what lies longer before or after a window jobs may come: it counts less. */
#define EXCHANGE_NEAR_USEC (INT64_C(3600) * 1000000)
/* GPUs that are compared in one window. */
#define EXCHANGE_CARDS_MAX 256

/* Among all windows of just the time of this one, which is in the plan. */
void exchange_seats(struct planner *p, const struct seat_window *w);

#endif
