/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.h - a cluster under a virtual clock: the planner and the jobs of vdictld, replayed.
 *
 * Jobs are struct job and change by the events of model/ alone; the planner is plan/'s, told of
 * them as vdictld tells it. At one instant first jobs end, then jobs come, then the planner
 * acts until it has nothing more to do. Nothing here reads a clock: same input, same run.
 */
#ifndef VDISIM_WORLD_H
#define VDISIM_WORLD_H

#include <stdbool.h>

#include "model/config.h"
#include "model/job.h"
#include "plan/planner.h"
#include "vdisim/draw.h"
#include "vdisim/timetable.h"
#include "vdisim/trace.h"

/* What of a trace's job is asked for. */
enum world_unit {
    WORLD_AS_TRACED, /* processors, memory, GPUs or a share of one, of one node */
    WORLD_GPUS,      /* so many processors of a pool as it had GPUs, rounded up */
    WORLD_CPUS,
    WORLD_NODES,
    WORLD_N_UNITS
};
extern const char *const world_unit_names[]; /* NULL-terminated */

/* The QOS of jobs whose time limit is at most so long. */
struct world_qos {
    char name[64];
    int64_t max_sec;
};
#define WORLD_QOS_MAX 8

struct world_options {
    enum world_unit unit;
    const char *partition; /* of jobs; "": the default one */
    const char *kind;      /* only trace rows of this class; "": all */
    uint32_t share_mib;    /* a fraction of a GPU is a profile of as much of this; 0: rounded up */
    bool no_wait;          /* who can't start when it comes is turned away */
    double factor;         /* time limit where the trace has none: so many times the duration */
    uint64_t limit;        /* so many jobs of the trace at most; 0: all */
    uint64_t seed;
    struct draw_time boot; /* from the start order until the job runs */
    int64_t lead_sec; /* seats are kept free from so long before their class, or longer: in struct
                         world it is how long */
    struct world_qos qos[WORLD_QOS_MAX]; /* of jobs: the first that fits */
    size_t n_qos;
    const char *class_qos; /* of classes; "": none */
    int64_t epoch_usec;    /* the instant that is time 0 of the trace; reservations go by it */
    struct draw_time save; /* from the order until a job is saved, and the same until it is back */
    double fail;           /* probability that a start fails; the job is queued again */
    double second_sec;     /* a seat that takes longer gets a second one; 0: none does; below 0:
                              by how long others take, and in struct world it is how long */
};

struct world_job {
    const struct trace_job *trace;
    struct job *job;
    int64_t run_usec;                          /* what it takes; cut at its limit */
    int64_t left_usec;                         /* of that, when it ran last or was saved */
    int64_t submit_usec, start_usec, end_usec; /* start: the last time */
    int64_t due_usec, paused_usec;             /* due: what comes next; 0: nothing by itself */
    uint32_t due_kind;
    uint32_t units;            /* GPUs of all its nodes, or what the unit is */
    struct plan_place *places; /* what it holds now */
    uint32_t n_places;
    int64_t held_usec; /* since when */
    bool turned_away;  /* or given up */
};

/* Nodes that a job held without a break, from a start order on. */
struct world_run {
    size_t job;
    int64_t from_usec, start_usec,
        to_usec;        /* start: it ran from then; 0: it did not come to that */
    const char *how;    /* it ended: a constant */
    char *nodes, *gpus; /* of each node, in order, joined by ';' */
};

/* A change of what the cluster does, for pictures: one per instant that changed anything. */
struct world_sample {
    int64_t at_usec;
    uint64_t busy;   /* units */
    uint64_t closed; /* units, of nodes that reservations have */
    uint32_t running, waiting, closed_nodes;
};

#define SEAT_INSTANCES 3 /* that one seat may have: each that is slow gets one more */

struct world_seat { /* of a class, and where it is kept */
    size_t row;     /* of the timetable */
    struct plan_seat at;
    int64_t start_usec, ready_usec;          /* of the instance that is the seat; 0: not */
    struct plan_seat places[SEAT_INSTANCES]; /* of those after the first */
    int64_t begun_usec[SEAT_INSTANCES];
    uint32_t n;       /* instances */
    uint32_t failed;  /* starts */
    bool is_pressing; /* there was no room for one more when the last was found to be slow */
};

struct world_usage {
    double held_empty_sec;    /* of GPUs that classes keep, while no session is on them */
    uint64_t profile_changes; /* of GPUs, from one instance to the next */
    uint64_t sessions;        /* of seats, in the trace */
};

struct world {
    const struct config *config;
    const struct timetable *timetable; /* NULL: no classes */
    struct world_options options;
    struct world_job *jobs; /* in the trace's order */
    size_t n_jobs;
    uint64_t left_out; /* rows that ask for nothing, or for more than there is */
    uint64_t turned_away;
    uint64_t never_started; /* no time between reservations is long enough for them */
    uint64_t reservations;
    uint32_t gpu_units; /* that a GPU counts for: 1, or share_mib */
    uint64_t capacity;  /* units */
    uint64_t starts, failed_starts, saves, requeues;
    int64_t lost_usec;            /* of units: saving, coming back, and work that is done again */
    int64_t begin_usec, end_usec; /* first submit, last end */
    int64_t plan_cpu_usec;        /* processor time of the planner */
    uint64_t plan_steps;
    struct world_seat *seats; /* of the classes, in the timetable's order */
    size_t n_seats, seats_size;
    uint64_t classes, failed_seats, second_seats;
    struct world_usage usage;
    struct world_run *runs; /* in the order of their ends */
    size_t n_runs, runs_size;
    struct world_sample *samples;
    size_t n_samples, samples_size;
};

/* 00:00, in its zone, of the day of the reservation (or class) that begins first; 0: none does. */
int reservations_first_day(const struct config *config, bool with_classes, int64_t *ret_usec,
                           struct vdi_error *err);

/* Replays it to the end. `config`, `trace` and `timetable` (NULL: none) must outlive *ret, which is
 * written on success alone and freed with world_done(). -EINVAL: the configuration has no such
 * partition, or no job of the trace fits; -ENOSPC: a class has no room beside those before it. */
int world_run(const struct config *config, const struct trace *trace,
              const struct timetable *timetable, const struct world_options *options,
              struct world *ret, struct vdi_error *err);
void world_done(struct world *w);

#endif
