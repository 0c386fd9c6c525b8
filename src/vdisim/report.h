/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what a replay came to: waits, slowdown, use of the cluster.
 *
 * wait = end - submit - run, so that a start that failed counts; bounded slowdown =
 * max(1, (wait + run) / max(run, 10 s)), Feitelson's; percentiles by nearest rank.
 */
#ifndef VDISIM_REPORT_H
#define VDISIM_REPORT_H

#include "base/buf.h"
#include "vdisim/world.h"

struct report {
    uint64_t jobs, left_out, turned_away, never_started; /* what follows is of jobs that were not */
    uint64_t waited;                                     /* more than no time */
    double mean_wait_sec, p50_wait_sec, p95_wait_sec, longest_wait_sec;
    double mean_slowdown;
    double utilisation; /* of the units, from first submit to last end */
    double makespan_sec;
    uint64_t starts, failed_starts, saves, requeues;
    double gpu_hours, gpu_hours_preempted; /* of units: asked for; lost to making room */
    uint64_t classes, class_seats, failed_seats;
    double lead_sec;             /* how long ahead seats were kept free */
    uint64_t second_seats;       /* further instances of slow seats, a third too */
    double seats_ready_pct;      /* when their class begins */
    double slowest_seat_sec;     /* after its class began; below 0: before */
    double gpu_hours_held_empty; /* kept for classes while no session is there */
    uint64_t profile_changes, sessions;
    uint64_t reservations, reservation_jobs; /* jobs that name one, and ran */
    double node_hours_closed;                /* by them, of the partition's nodes */
    double plan_cpu_sec;
    uint64_t plan_steps;
};

int report_make(const struct world *w, struct report *ret); /* -ENOMEM */
void report_write_text(const struct report *r, struct buf *out);
void report_write_json(const struct report *r, struct buf *out);
/* CSV, a line per seat of a class: class_id,profile,from_s,begin_s,end_s,node,gpus,
 * start_s,ready_s,failed,second_s: kept from from_s on; its instance was begun at start_s, READY at
 * ready_s, after so many failed starts; second_s: when it got a second one, empty if not. */
void report_write_seats(const struct world *w, struct buf *out);
/* CSV, a line per run of a job, as they end: origin_id,submit_s,start_s,end_s,node,units,gpus,
 * from_s,how. Seconds of the trace's own clock; nodes are held from from_s to end_s. gpus: as a
 * job's gpus_held. Those of several nodes are joined by ';'. */
void report_write_starts(const struct world *w, struct buf *out);

#endif
