/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planner.h - who starts where and when. Deterministic, no I/O, no clock of its own.
 *
 * The caller tells every change (planner_put_*, planner_remove_*), asks for
 * actions in bounded slices (planner_step), and does them; the planner counts
 * an action as done only when the caller puts the changed job back. Ties are
 * broken by id, so equal inputs in any order give the same plan.
 */
#ifndef PLAN_PLANNER_H
#define PLAN_PLANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"
#include "model/gpu.h"
#include "model/job.h"
#include "model/node.h"

struct planner;

/* An action whose job was not put again by then is given anew. */
#define PLAN_RETRY_USEC INT64_C(30000000)

enum plan_action_type { PLAN_START, PLAN_PREEMPT, PLAN_DEADLINE };

/* How a job is to make room: its memory goes to a file and it runs on later; it starts over
 * later; it ends. */
enum plan_mode { PLAN_SAVE, PLAN_REQUEUE, PLAN_CANCEL };
const char *plan_mode_name(enum plan_mode mode);

struct plan_action {
    enum plan_action_type type;
    uint64_t job;
    /* PLAN_PREEMPT: how, for a job or a class, by when what it holds must be free, and until when
     * that is needed */
    enum plan_mode mode;
    bool is_for_job;
    int64_t free_usec, until_usec;
    /* PLAN_START: where, and which GPUs ("" without). Of several nodes the first; all of them are
     * told by planner_each_place(). */
    char node[64];
    char gpus_held[GPU_HELD_TEXT]; /* gpu_held_format() */
    uint32_t n_nodes;
    int64_t limit_sec; /* shorter than it asked for, and as it accepts; 0: as it asked */
};

/* What keeps a job from starting. Several may hold at once; the binding one first. */
enum plan_blocker_type {
    PLAN_BLOCK_HELD_USER,
    PLAN_BLOCK_HELD_ADMIN,
    PLAN_BLOCK_UNKNOWN,    /* its record was damaged: waits for the nodes */
    PLAN_BLOCK_DEPENDENCY, /* this and the next: of PLAN_WAITS_FOR_CALLER */
    PLAN_BLOCK_DEPENDENCY_NEVER,
    PLAN_BLOCK_LIMIT,       /* and this: need may be had at once, free are */
    PLAN_BLOCK_ARRAY,       /* so is this: need tasks may run at once, free do, count come first */
    PLAN_BLOCK_BEGIN,       /* begin time not reached: until */
    PLAN_BLOCK_PARTITION,   /* partition down or gone */
    PLAN_BLOCK_NO_NODE,     /* no node of the partition could ever hold it, or too few could */
    PLAN_BLOCK_NODES_OUT,   /* the nodes that could are down or drained */
    PLAN_BLOCK_DISK_NODE,   /* so is the node on which a disk of it lies */
    PLAN_BLOCK_DISK_BUSY,   /* another job has a disk that it needs */
    PLAN_BLOCK_DISK_QUOTA,  /* its disks would be more than its owner may have */
    PLAN_BLOCK_CLASS,       /* what is free is kept for a class, count 1: for a job that
                             * preempts others: until */
    PLAN_BLOCK_RESERVATION, /* nodes are closed for `reservation`, or not yet open by it: until */
    PLAN_BLOCK_PRIORITY,    /* `count` jobs before it in line */
    PLAN_BLOCK_CPUS,        /* need, free (most free on one node), until */
    PLAN_BLOCK_MEMORY,
    PLAN_BLOCK_GPUS,
    PLAN_BLOCK_DISK,   /* GiB */
    PLAN_BLOCK_ENCODE, /* megapixels of video, each second */
    PLAN_BLOCK_WORK,   /* of nodes that encode in software: cpus and their video, in thousandths */
    PLAN_N_BLOCKERS
};
/* Slurm's reason word where there is one: "Resources", "Priority", "BeginTime" ... */
const char *plan_blocker_name(enum plan_blocker_type type);

struct plan_blocker {
    enum plan_blocker_type type;
    uint64_t need, free; /* in the resource's own unit */
    uint64_t count;
    uint64_t job;       /* one that holds what is missing; 0: none */
    int64_t until_usec; /* when this blocker is expected to end; 0: unknown */
    char subject[64];   /* partition, node, feature ... */
    char reservation[64];
};

struct plan_why {
    uint64_t place;     /* 1 = next in line; 0: not in line */
    int64_t start_usec; /* estimate; 0: none can be given */
    char node[64];      /* where, by the estimate, as a hostlist if that fits; "" */
    struct plan_blocker blockers[16];
    size_t n_blockers;
};

struct planner *planner_new(uint64_t seed);
/* A job's limit runs from its start: between order and start it is given so long to boot.
 * Planned with it, a job that then runs holds its node no longer than was planned, and no plan
 * is made anew for it. Before any job is put; PLAN_BOOT_USEC unless called. */
#define PLAN_BOOT_USEC INT64_C(120000000)
void planner_set_boot(struct planner *p, int64_t boot_usec);
/* How long saving a job takes at most, grace aside: who is in the way of a class is asked to go
 * so long, and the grace of the class's QOS, before its window. Before planner_configure();
 * 60 s unless called. */
#define PLAN_SAVE_USEC INT64_C(60000000)
void planner_set_save(struct planner *p, int64_t save_usec);
void planner_free(struct planner *p);
/* Partitions, qos, tiers. The planner keeps a copy of what it needs. */
int planner_configure(struct planner *p, const struct config *config);
/* Takes the job or node as it now is (new or changed). Ended jobs are removed. */
int planner_put_job(struct planner *p, const struct job *job);
/* What decides a job's start beside its record, its disks above all; planner_put_job() is of one
 * that has nothing of it. PLAN_WAITS_FOR_CALLER: it is not in line for a reason that is none of
 * the planner's, and that planner_why() leaves to the caller. */
enum plan_disk_block { PLAN_DISK_FREE, PLAN_DISK_BUSY, PLAN_DISK_QUOTA, PLAN_WAITS_FOR_CALLER };
struct plan_terms {
    char node[64]; /* a disk of it lies there, so it starts there or not at all; "" none does */
    /* Waits: what its start would make on its node. Else: what goes from there with it. */
    uint32_t gib;
    enum plan_disk_block block; /* it is not in line while this holds */
    bool unsaved;      /* it can't be saved: it makes room by the first other mode, if any */
    const char *drawn; /* names of closures whose windows are open to it unnamed, by commas; NULL */
    uint32_t
        image; /* that it would boot, as planner_set_images() has it; 0: none, or all have it */
};
int planner_put_job_with(struct planner *p, const struct job *job, const struct plan_terms *terms);
/*
 * The same for a job on several nodes: where each of its instances is, when it holds any or is
 * saved there. A job's own record names one node alone. `terms` may be NULL; -EINVAL: more
 * places than JOB_NODES_MAX.
 */
struct plan_place {
    char node[64];
    char gpus_held[GPU_HELD_TEXT];
};
int planner_put_job_on(struct planner *p, const struct job *job, const struct plan_terms *terms,
                       const struct plan_place *places, uint32_t n_places);
/* What a job holds, or shall by a start that was given out, node after node. */
typedef void plan_place_fn(void *arg, const struct plan_place *place);
void planner_each_place(const struct planner *p, uint64_t job, plan_place_fn *fn, void *arg);
/* A job that holds a node is a desktop that nobody touches: rather it than others makes room. It is
 * so until said otherwise, or the job holds nothing. */
void planner_set_idle(struct planner *p, uint64_t job, bool is_idle);
/*
 * The images that a node has until said otherwise: these and no others, by numbers of the caller's
 * choice. A job on one node that starts now takes, of the nodes that are as good for it, one that
 * has its image. That never changes who starts, or when; an estimate of a later start does not
 * count on it. -ENOMEM.
 */
int planner_set_images(struct planner *p, const char *node, const uint32_t *images, size_t n);
/* Disks that are on the node and go with no job that holds it. */
int planner_put_stored(struct planner *p, const char *node, uint32_t gib);
void planner_remove_job(struct planner *p, uint64_t id);
/* That it was put with. False: it was not. */
bool planner_priority(const struct planner *p, uint64_t id, int32_t *ret);
int planner_put_node(struct planner *p, const struct node *node);
void planner_remove_node(struct planner *p, const char *name);
/*
 * Plans for at most budget_usec of CLOCK_THREAD_CPUTIME (0: to the end) and writes up to `max`
 * actions. Returns their number; *ret_more says that work is left: call again soon.
 * An action is not repeated until its job or node is put again or PLAN_RETRY passed.
 */
size_t planner_step(struct planner *p, int64_t now_usec, int64_t budget_usec,
                    struct plan_action *ret, size_t max, bool *ret_more);
/* When planner_step should be called next although nothing changed; 0: no need. */
int64_t planner_next_usec(const struct planner *p);
/* All blockers, place and estimate. -ENOENT: not in line for a node. */
int planner_why(struct planner *p, uint64_t job, int64_t now_usec, struct plan_why *ret);
/* Its estimate alone. 0: none can be given. */
int64_t planner_start_usec(const struct planner *p, uint64_t job, int64_t now_usec);
/*
 * When a pending job that is not in line could start, if it came to the end of the line and not
 * before that time: reserves nothing, so it delays nobody. 0: never by this plan, or it can't be
 * in line. -EAGAIN: the plan is being made. Who asks for many asks in the order of times: then it
 * costs what planning one does.
 */
int64_t planner_probe(struct planner *p, uint64_t job, int64_t not_before_usec, int64_t now_usec);
/*
 * How much longer a job may hold its node: until something is planned there that would then
 * start later. The plan stays as it is, so no start of anybody is delayed.
 */
struct plan_room {
    int64_t room_usec;           /* 0: not at all; INT64_MAX: nothing is planned there */
    struct plan_blocker blocker; /* of what is planned: its need, and until when it has it */
    int64_t blocker_start_usec;  /* when it has it from */
};
/* -EAGAIN: the plan is being made; planner_hurry() and a few steps help. -ENOENT: it holds none. */
int planner_room(struct planner *p, uint64_t job, struct plan_room *ret);
/* All estimates are of now, and nothing is due but by the clock. */
bool planner_is_current(const struct planner *p);
/* Estimates are not let grow old: the next steps make them anew. */
void planner_hurry(struct planner *p);
/* Forgets everything derived and plans anew: the oracle of the tests. */
void planner_full(struct planner *p, int64_t now_usec);
/* Free for seats: nodes that could start this now, and how many of it. */
struct plan_usage {
    uint32_t cpus, memory_mib, gpus, jobs;
};
bool planner_node_usage(const struct planner *p, const char *node, struct plan_usage *ret);

/*
 * Classes: seats that are kept free for windows of time. A class that is put again gets these
 * windows besides those that it has. All of them get all seats, or none does: -ENOSPC, with what
 * the first short one could have; -ENOMEM. Seats are put where other seats and jobs that run by
 * then leave room; nodes that are down count, for they come back. A window goes by itself at its
 * end.
 */
struct plan_window {
    int64_t from_usec, to_usec;
};
struct plan_class {
    uint64_t id;                 /* below 2^63 */
    const struct job_spec *seat; /* what one asks for; its time limit does not matter */
    uint32_t seats;
    const struct plan_window *windows;
    size_t n_windows;
    bool only_in_service; /* not where seats wait for a node to come back */
};
struct plan_shortage {
    size_t window;
    uint32_t seats;   /* that there would be */
    char licence[64]; /* of which there are too few for more; "": it is not that */
    /* Else what one seat more lacks, as bits of enum plan_blocker_type: NO_NODE alone, or GPUS,
     * MEMORY, CPUS, ENCODE, RESERVATION. `any_helps`: more of any of them would admit it, for each
     * is all that some node lacks; otherwise it takes all of them. 0: nobody looked. */
    uint32_t lacks;
    bool any_helps;
};
bool plan_shortage_is(const struct plan_shortage *s, enum plan_blocker_type type);
/* "GPUs (T4-4Q) are short", "memory and processors are short together"; "" where it is a licence or
 * a reservation alone. The profile is of a seat; "" any. */
#define PLAN_SHORTAGE_TEXT 192
const char *plan_shortage_text(const struct plan_shortage *s, const char *profile,
                               char ret[PLAN_SHORTAGE_TEXT]);
/* Another number each time that windows with seats have come or gone. */
uint64_t planner_windows_stamp(const struct planner *p);
/* Ids from here on are not of jobs, but of seats that were started and that nobody has yet. */
#define PLAN_SEAT_ID (UINT64_C(1) << 62)
/*
 * Licences of programs (model/licence.h): what a class's seats ask for is theirs while a window of
 * it is open, and a class gets no more seats than there are licences for, besides those of jobs and
 * seats that run by then. Which jobs may start is the caller's to say: with this, the most that
 * seats which nobody has yet, started or not, have of it at one time in [from, to); and from when
 * on that is no more than `most` for so long.
 */
uint64_t planner_licences_kept(struct planner *p, const char *name, int64_t from_usec,
                               int64_t to_usec);
int64_t planner_licences_usec(struct planner *p, const char *name, uint64_t most,
                              int64_t not_before_usec, int64_t span_usec);
struct plan_seat {
    int64_t from_usec, to_usec;
    char node[64];
    char gpus_held[GPU_HELD_TEXT];
};
typedef void plan_seat_fn(void *arg, const struct plan_seat *seat);
int planner_put_class(struct planner *p, const struct plan_class *c, int64_t now_usec,
                      struct plan_shortage *ret);
/* The same, but nothing is kept: would it be admitted? What it lacks is not looked for, nor is it
 * for one that is only_in_service. */
int planner_try_class(struct planner *p, const struct plan_class *c, int64_t now_usec,
                      struct plan_shortage *ret);
void planner_remove_class(struct planner *p, uint64_t id);
/* The window that begins then. */
void planner_remove_window(struct planner *p, uint64_t id, int64_t from_usec);
/*
 * Takes the seats of a class out of the plan, to try others in their place, and puts them back
 * as they were, or for good. Between the two calls the planner is told of no job or node and
 * makes no step. NULL: it has none.
 */
struct plan_detached;
struct plan_detached *planner_detach_class(struct planner *p, uint64_t id);
void planner_attach_class(struct planner *p, struct plan_detached *detached);
void planner_detached_free(struct planner *p, struct plan_detached *detached);
/*
 * Closures: windows of time in which nodes are there only for jobs that name the closure
 * (job_spec.reservation), which start nowhere else, and end in a window in which they started. A
 * job may be drawn by some instead (plan_terms): their windows are nothing to it, and of places
 * where it can start now one inside comes first. All others keep clear of them; what is there
 * already stays. One that is put again is another.
 */
struct plan_closure {
    uint64_t id;
    const char *name;
    char *const *nodes; /* each once */
    size_t n_nodes;
    const struct plan_window *windows;
    size_t n_windows;
};
int planner_put_closure(struct planner *p, const struct plan_closure *c); /* -ENOMEM */
void planner_remove_closure(struct planner *p, uint64_t id);
/* The name of the one that the node is closed for at that time; NULL: none. */
const char *planner_closed_by(const struct planner *p, const char *node, int64_t usec);
/* Of those with a node of the partition the one whose window is there first in [from, to), by its
 * id; 0: there is none. */
uint64_t planner_closed_in(const struct planner *p, const char *partition, int64_t from_usec,
                           int64_t to_usec);
/* What is in its windows: jobs that will be there still, seats, other closures. */
enum plan_clash_type { PLAN_CLASH_JOB, PLAN_CLASH_CLASS, PLAN_CLASH_CLOSURE };
struct plan_clash {
    enum plan_clash_type type;
    uint64_t id;                /* of that job, class or closure */
    int64_t from_usec, to_usec; /* it has the node */
    size_t window;              /* the first one that it is in */
    char node[64];
};
typedef void plan_clash_fn(void *arg, const struct plan_clash *clash);
void planner_each_clash(struct planner *p, const struct plan_closure *c, int64_t now_usec,
                        plan_clash_fn *fn, void *arg);
/* Whether it is in line, and the plan as it stands has it on the node; a start of 0: it can't say
 * when. */
bool planner_planned_on(const struct planner *p, uint64_t job, const char *node, int64_t now_usec,
                        int64_t *ret_start_usec);
/* When the next window of a class is over; 0: there is none. */
int64_t planner_next_window_usec(const struct planner *p);
/* Takes one seat on that node out of the class's windows, `if_free` one whose place nobody holds:
 * whoever asks puts a job there at once, or gives it up. False: it has none there. */
bool planner_take_seat(struct planner *p, uint64_t id, const char *node, bool if_free,
                       struct plan_seat *ret);
void planner_each_seat(const struct planner *p, uint64_t id, plan_seat_fn *fn, void *arg);
/* How many more of this could start now in the nodes of its partition that are up and take any. */
uint32_t planner_count(struct planner *p, const struct job_spec *spec);

/*
 * What the GPUs of a node hold at a time, as the plan stands: running jobs until their expected
 * ends, seats of classes in their windows, and what is reserved for jobs in line.
 */
#define PLAN_CHANGES_MAX 64
enum plan_by { PLAN_BY_NOBODY, PLAN_BY_RESERVATION, PLAN_BY_JOB, PLAN_BY_CLASS };
struct plan_content { /* of one GPU, from a time on */
    int64_t from_usec;
    uint64_t profiles;   /* bits: offers of its kind that are in force; a kind without: 1 */
    bool reserved;       /* and what jobs in line will get, by laws that do not say which profile */
    const char *foreign; /* and a profile that its kind has no more; NULL: none */
    uint32_t used[GPU_OFFERS_MAX]; /* instances, by offer; without what is `reserved` */
    enum plan_by by;               /* who brings what is new, or has what is there */
    uint64_t id;                   /* of that job, or of that class */
};
struct plan_forecast {
    uint32_t gpu;
    const struct gpu_kind *kind;
    bool in_service; /* its node is; else nothing is free */
    struct plan_content content;
    uint32_t free[GPU_OFFERS_MAX]; /* how many more of an offer fit, if no other is taken */
    struct plan_content changes[PLAN_CHANGES_MAX]; /* of profiles, by time */
    size_t n_changes;
    bool more; /* there are later ones */
};
struct plan_forecast_ask {
    int64_t at_usec, span_usec; /* free is what is so from then for so long; 0: at that moment */
    size_t changes;             /* so many at most */
};
typedef void plan_forecast_fn(void *arg, const struct plan_forecast *forecast);
/* Calls fn for each GPU of the node. -ENOENT, -ENOMEM. */
int planner_forecast(struct planner *p, const char *node, const struct plan_forecast_ask *ask,
                     int64_t now_usec, plan_forecast_fn *fn, void *arg);
/* The first node by name that comes after this one; NULL: none. */
const char *planner_next_node(struct planner *p, const char *after);

#endif
