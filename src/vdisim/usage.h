/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage.h - what GPUs were there for in a replay.
 *
 * Sessions of seats are the trace's rows of class "interactive", whose origin_id is
 * CLASS.wWEEK.dDAY.SEAT: the seat of that number of that class on that day.
 */
#ifndef VDISIM_USAGE_H
#define VDISIM_USAGE_H

#include "vdisim/world.h"

/* Fills world.usage when all is over. -ENOMEM. */
int usage_make(struct world *w, const struct trace *trace);

#endif
