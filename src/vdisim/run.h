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
enum {
    TIMER_END,
    TIMER_SAVED,
    TIMER_READY,
    TIMER_ARRIVE,
    TIMER_SEAT, /* and both after it: a seat's place in the world x SEAT_INSTANCES + the instance */
    TIMER_SEAT_READY,
    TIMER_SEAT_SLOW,
};

struct run {
    struct world *world;
    struct planner *planner;
    struct timers timers;
    struct draw draw;
    int64_t now_usec;
    uint64_t busy;
    size_t row; /* of the timetable, whose seats are looked up */
    uint32_t running, waiting;
    bool no_memory;
    int64_t boot_usec;  /* as the planner has it */
    int64_t fired_usec; /* the last timer */
    struct closing *closings;
    size_t n_closings;
    int64_t renew_usec;        /* when their dates are looked up again */
    uint32_t closed_nodes;     /* of the partition, */
    uint64_t closed_units;     /* and what they have, */
    int64_t closed_until_usec; /* until then */
    uint8_t *held; /* jobs with all of a device, of each node: GPU_PLACES_MAX of a node */
};

/* ask.c: what jobs of a trace ask for */
const struct config_partition *ask_partition(const struct world *w);
/* Units of the whole job. */
uint32_t ask_units(const struct world *w, const struct trace_job *t);
bool ask_fill(const struct world *w, const struct trace_job *t, struct job_spec *spec);
/* The partition's nodes could hold it when empty. */
bool ask_is_possible(const struct world *w, const struct job_spec *spec);

/* reservations.c */
int reservations_begin(struct run *run, struct vdi_error *err);
/* Their dates for the year ahead, when it is time. */
int reservations_renew(struct run *run, struct vdi_error *err);
void reservations_done(struct run *run);
/* The name of one that has nodes of the partition in the window; "": none has. */
const char *reservations_closing(const struct run *run, const struct plan_window *window);
/* Brings run.closed_* in step with the clock. */
void reservations_count(struct run *run);
/* Names of those that draw the job without being named, by commas. */
#define RESERVATIONS_DRAWN 1024
void reservations_drawn(const struct run *run, const struct world_job *j,
                        char ret[RESERVATIONS_DRAWN]);
/* The job names none, or one that it may use and that has the time for it. */
bool reservations_let_in(const struct run *run, const struct world_job *j);

/* world.c */
uint64_t world_node_units(const struct world *w, const struct config_node *n);

/* life.c: jobs, by their place in the world */
int life_arrive(struct run *run, size_t i);
/* It came and did not start, or may not. */
int life_turn_away(struct run *run, size_t i);
/* It waits for what never comes. */
int life_give_up(struct run *run, size_t i);
int life_start(struct run *run, const struct plan_action *action);
int life_ready(struct run *run, size_t i);
int life_end(struct run *run, size_t i);
int life_preempt(struct run *run, const struct plan_action *action);
int life_saved(struct run *run, size_t i);
/* False: it was to come, and then something else came. */
bool life_is_due(const struct run *run, const struct timer *t);

/* A job has one of these GPUs for itself. */
bool life_holds(const struct run *run, const char *node, const char *gpus_held);

/* seats.c */
void seats_measure(struct world *w); /* how long ahead, and when slow: of its options */
int seats_begin(struct run *run);
int seats_start(struct run *run, const struct timer *t);
int seats_ready(struct run *run, const struct timer *t);
int seats_slow(struct run *run, const struct timer *t);

/* classes.c: all classes are known in advance, and booked before the first job comes */
/* What one of its seats asks for; the caller's. NULL: no memory. */
struct job_spec *classes_spec(const struct world *w, const struct timetable_row *row);
int classes_admit(struct run *run, struct vdi_error *err);

#endif
