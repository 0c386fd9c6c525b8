/* SPDX-License-Identifier: Apache-2.0 */
/* run.h - what lives only while a replay runs. Included by the files of world.h alone. */
#ifndef VDISIM_RUN_H
#define VDISIM_RUN_H

#include "plan/planner.h"
#include "vdisim/draw.h"
#include "vdisim/timer.h"
#include "vdisim/world.h"

#define USEC INT64_C(1000000)
/* Virtual clocks begin here: a whole day, late enough that no time is taken for "none". */
#define EPOCH_USEC (INT64_C(86400) * 365 * USEC)

/* At one instant in this order. */
enum { TIMER_END, TIMER_READY, TIMER_ARRIVE };

struct run {
    struct world *world;
    struct planner *planner;
    struct timers timers;
    struct draw draw;
    int64_t now_usec;
    uint64_t busy;
    uint32_t running, waiting;
    bool no_memory;
};

/* ask.c: what jobs of a trace ask for */
const struct config_partition *ask_partition(const struct world *w);
/* Units of the whole job. */
uint32_t ask_units(const struct world_options *o, const struct trace_job *t);
bool ask_fill(const struct world *w, const struct trace_job *t, struct job_spec *spec);
/* The partition's nodes could hold it when empty. */
bool ask_is_possible(const struct world *w, const struct job_spec *spec);

/* life.c: jobs, by their place in the world */
int life_arrive(struct run *run, size_t i);
int life_start(struct run *run, const struct plan_action *action);
int life_ready(struct run *run, size_t i);
int life_end(struct run *run, size_t i);

/* classes.c: all classes are known in advance, and booked before the first job comes */
int classes_admit(struct run *run, struct vdi_error *err);

#endif
