/* SPDX-License-Identifier: Apache-2.0 */
/* events.h - random worlds, and what happens in them. */
#ifndef TEST_PLAN_EVENTS_H
#define TEST_PLAN_EVENTS_H

#include "reference.h"

unsigned pick(unsigned n); /* below n */
/* Tells the planner of the job as it now is. */
void put_job(struct world *w, int j);
/* The same seed is the same world. Its planner is the caller's to free. */
void world_begin(struct world *w, unsigned seed);
void event(struct world *w);

#endif
