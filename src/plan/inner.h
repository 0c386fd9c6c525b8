/* SPDX-License-Identifier: Apache-2.0 */
/* inner.h - what the files of the planner share. Included by this room and its tests alone. */
#ifndef PLAN_INNER_H
#define PLAN_INNER_H

#include "base/hash.h"
#include "plan/booking.h"
#include "plan/closure.h"
#include "plan/exchange.h"
#include "plan/fragment.h"
#include "plan/index.h"
#include "plan/pause.h"
#include "plan/place.h"
#include "plan/planner.h"
#include "plan/queue.h"
#include "plan/seat.h"
#include "plan/shape.h"
#include "plan/timeline.h"
#include "plan/victim.h"
#include "plan/wake.h"
#include "plan/wish.h"

/* "Unlimited": beyond what anyone asks for. Estimates that rest on it are not shown. */
#define PLAN_UNLIMITED_USEC (INT64_C(100) * 365 * 86400 * 1000000)
/* What a node has whose disk space nobody told, whose encoders, and whose processors encode
 * nothing: these are counted as `cpus` alone. */
#define PLAN_DISK_UNCOUNTED_GIB (INT32_MAX / 2)
#define PLAN_ENCODE_UNCOUNTED_MPIX (INT32_MAX / 2)
#define PLAN_WORK_UNCOUNTED_MCPU (INT32_MAX / 2)
/* A job past its expected end is expected to end at the next whole multiple of this. */
#define PLAN_OVERDUE_USEC INT64_C(60000000)
/* Estimates are made anew no sooner than this, times the jobs in line, after a change that
 * starts nothing: a pass costs a fraction of it, so estimates can't eat the processor. */
#define PLAN_REFRESH_JOB_USEC 100
/* Its allocation is written down so much later, at most, than its start was given out. */
#define PLAN_LAG_USEC INT64_C(1000000)

struct plan_partition {
    char *name;
    bool up;
    int32_t tier;
    char **nodes;
    size_t n_nodes;
};

/* What a job holds: a node and GPUs of it, and a part for each further node. */
struct held {
    struct plan_node *node; /* NULL: nothing */
    struct gpu_hold *gpus;
    struct entry *parts;
};

/* Kept as long as the planner: entries point to it. Undefined: named by a job only, or removed. */
struct plan_node {
    struct node facts;
    bool defined;
    uint32_t index; /* in planner.nodes, by name */
    uint32_t kind;  /* of its GPUs, in planner.kinds */
    struct amount used;
    int32_t stored_gib; /* of disks that end with no job here */
    uint32_t *images;   /* that it has, sorted */
    size_t n_images;
    uint32_t n_jobs;
    struct entry *jobs; /* tentative and active */
    uint64_t qos_seen;  /* bit i: one of QOS i, modulo 64, is among them. Only if: */
    bool qos_is_known;
    struct seat *seats;
    struct plan_lines base; /* of what holds it and of seats, without reservations */
    bool base_is_valid;
    int64_t base_until_usec; /* then a job that holds it is overdue, and its end another */
    uint32_t base_stand;     /* of all lines ever, which these are; 0: none are known */
    uint32_t stand;          /* the same of `lines` */
    uint32_t base_gpus;      /* gpus.n_all, when the base was made */
    uint64_t pass;           /* whose `lines` these are; in another they are as the base */
    struct plan_lines lines;
    struct plan_gpus gpus;
    struct node_pauses pauses;
    struct node_closures closures;
};

struct plan_qos {
    char *name;
    bool *preempts;       /* by QOS */
    enum plan_mode mode;  /* the first, for those who can be saved */
    enum plan_mode other; /* for who can't be */
    int64_t grace_usec;   /* for those whom it preempts */
    int64_t exempt_usec;  /* its own jobs are left alone for so long */
    uint8_t wants;        /* pause.c */
    bool has_victims;
    uint64_t victims; /* those whom it preempts, as in plan_node.qos_seen */
    bool is_victim;
    bool is_lost; /* there is one that preempts it and does not save it */
};

/* What a change asks for. */
enum plan_dirt {
    PLAN_CLEAN,
    PLAN_STALE,    /* estimates are old */
    PLAN_HOPEFUL,  /* something may start now */
    PLAN_RESHAPED, /* nodes or partitions are others: what a pass stands on is gone */
};

struct planner {
    struct hash *jobs;       /* id -> struct entry */
    struct hash *node_names; /* name -> struct plan_node */
    struct plan_node **nodes;
    size_t n_nodes, nodes_size;
    bool nodes_sorted;
    int64_t *warm_until_usec; /* by plan_node.index: a pass that begins before it need not look */
    uint64_t layout;          /* counts changes of nodes and partitions: pools follow */
    struct plan_partition *partitions;
    size_t n_partitions;
    struct plan_qos *qos; /* the first: none. The second half: of jobs that can't be saved */
    size_t n_qos;
    struct pauses pauses;   /* of several devices or nodes: the last that was asked for */
    struct gpu_kind *kinds; /* the first: whole devices of any profile */
    size_t n_kinds;
    struct hash *kind_names; /* kinds.c: node -> its kind, as the configuration says */
    struct shapes shapes;
    struct indexes indexes;
    uint32_t n_stands; /* plan_next_stand() */
    struct mix mix;
    struct queue queue;
    struct wake wake;
    struct seats seats;
    struct closures closures;
    struct plan_licence *licences; /* licence.c */
    size_t n_licences;
    int64_t licensed_until_usec; /* no job that holds something has a licence for longer */
    struct hash *victims; /* victim.c: id of a job -> the windows that it is to be gone for */
    int64_t now_usec;     /* as the last step said */
    int64_t boot_usec, save_usec;
    uint32_t encode_per_cpu; /* megapixels of video that a processor encodes each second */

    /* the pass over the line */
    uint64_t pass;      /* its number */
    struct entry *next; /* the first not planned yet; NULL: all are */
    size_t n_warm;      /* nodes whose base lines were looked at: each may take long */
    struct entry last;  /* copy of the last one planned: how far the pass is */
    bool begun;         /* `last` is set */
    bool was_cut;       /* the pass before did not get to its end */
    bool blocked_open;  /* a job waits although a node has room: jobs before it need that */
    bool harmed; /* what was planned may come later than planned: no start before a new pass */
    bool oracle; /* estimates only */
    enum plan_dirt dirt;
    int64_t refresh_usec; /* when STALE is to be mended */
};

static inline bool plan_node_in_service(const struct plan_node *n)
{
    return n->defined && n->facts.up && !n->facts.drain;
}

static inline struct amount plan_node_capacity(const struct plan_node *n)
{
    if (!n->defined)
        return (struct amount){0};
    return (struct amount){.memory_mib = (int32_t)n->facts.memory_mib,
                           .cpus = (int32_t)n->facts.cpus,
                           .disk_gib = n->facts.disk_gib ? (int32_t)n->facts.disk_gib
                                                         : PLAN_DISK_UNCOUNTED_GIB,
                           .encode_mpix = n->facts.encode_mpix ? (int32_t)n->facts.encode_mpix
                                                               : PLAN_ENCODE_UNCOUNTED_MPIX,
                           .work_mcpu = n->facts.software_encoder ? (int32_t)n->facts.cpus * 1000
                                                                  : PLAN_WORK_UNCOUNTED_MCPU};
}

static inline struct amount plan_node_free(const struct plan_node *n)
{
    struct amount free = plan_node_capacity(n);
    amount_add(&free, &n->used, -1);
    free.disk_gib -= n->stored_gib;
    return free;
}

/* planner.c */
void planner_mark(struct planner *p, enum plan_dirt dirt);
void planner_mark_moved(struct planner *p); /* a reservation or a holder is gone or elsewhere */
void planner_enqueue(struct planner *p, struct entry *e);
void planner_dequeue(struct planner *p, struct entry *e);
/* QUEUED: where and when it might start is not known any more. */
void planner_forget_estimate(struct entry *e);
void planner_settle_pending(struct planner *p, struct entry *e);
void planner_release(struct planner *p, struct entry *e);
/* Sorts the nodes and says where each is, if that changed. */
void planner_sort_nodes(struct planner *p);
struct plan_partition *planner_partition(const struct planner *p, const char *name);

/* False of 0. */
bool plan_node_has_image(const struct plan_node *n, uint32_t image);
/* The node of that name; an undefined one is made if there is none. NULL: no memory. */
struct plan_node *planner_node_get(struct planner *p, const char *name);

/* held.c */
static inline bool entry_holds(const struct entry *e)
{
    return e->place == ENTRY_TENTATIVE || e->place == ENTRY_ACTIVE;
}
/* Takes over `gpus`, one for each of the nodes, on success. -ENOMEM. */
int planner_held_make(struct plan_node *const *nodes, struct gpu_hold *const *gpus, uint32_t n,
                      struct held *ret);
void planner_held_done(struct held *held);
bool planner_held_is_equal(const struct held *a, const struct held *b);
/* What it holds, without giving it up. */
struct held planner_held_by(const struct entry *e);
/* Takes over what is held. */
void planner_hold(struct planner *p, struct entry *e, struct held held, enum entry_place place,
                  int64_t end_usec);
/* Returns what it held, to be freed. */
struct held planner_take_off(struct planner *p, struct entry *e);
/* What `e` (NULL: a new one) holds by its record. -ENOMEM. */
int planner_find_held(struct planner *p, struct entry *e, struct shape *shape,
                      const struct plan_place *places, uint32_t n, struct held *ret);

/* qos.c */
int qos_init(struct planner *p); /* -ENOMEM */
void qos_done(struct planner *p);
int qos_configure(struct planner *p, const struct config *config);
/* Index in planner.qos of the jobs of the shape. */
uint32_t qos_of(const struct planner *p, struct shape *shape);
/* The same by name; 0: there is none such. */
uint32_t qos_find(const struct planner *p, const char *name);
bool qos_preempts(const struct planner *p, uint32_t by, uint32_t whom);
/* The job is put on the node. */
void qos_add_seen(const struct planner *p, struct plan_node *node, const struct entry *e);
/* May any job of the node be preempted by it? False: none. Does not look at each. */
bool qos_may_have_victims(const struct planner *p, uint32_t by, struct plan_node *node);
enum plan_mode qos_mode(const struct planner *p, uint32_t by, uint32_t whom);
/* How long it takes until who is preempted by it is gone. */
int64_t qos_free_usec(const struct planner *p, uint32_t by);

/* licence.c */
int licences_configure(struct planner *p, const struct config *config); /* -ENOMEM */
void licences_done(struct planner *p);
/* What is put on its nodes, with its end, or taken off them. */
void licences_hold(struct planner *p, const struct entry *e);
void licences_leave(struct planner *p, const struct entry *e);
void licences_forget(struct planner *p); /* nobody holds anything */
/* For how many of so many seats there are licences in all of [from, to), and which there are too
 * few of for more; "". */
uint32_t licences_seats(struct planner *p, const struct shape *shape, int64_t from_usec,
                        int64_t to_usec, uint32_t seats, char ret_name[64]);

/* shortage.c: what one seat more of a window lacks, told of each node that could hold one when it
 * is empty, with its lines. */
struct lacks {
    size_t n;       /* nodes */
    uint32_t alone; /* each is all that some node lacks: bits, as in struct plan_shortage */
    uint32_t least; /* of the first node that lacks the fewest */
};
void lacks_add(struct lacks *l, struct planner *p, const struct seat_window *w,
               const struct plan_node *node, const struct plan_lines *lines, int *ret_r);
void lacks_tell(const struct lacks *l, struct plan_shortage *ret);

/* kinds.c: takes nodes' kinds of GPU from the configuration. */
int kinds_init(struct planner *p);
void kinds_done(struct planner *p);
int kinds_configure(struct planner *p, const struct config *config);
uint32_t kinds_of(const struct planner *p, const char *node);

/* shape.c: for how long a node is reserved; PLAN_UNLIMITED_USEC without a limit. */
int64_t plan_span(const struct planner *p, const struct job *job);

/* room.c: the first time from then on at which these lines, in which the job or the part of it has
 * nothing, have no room for what it holds on the node; TIMELINE_NEVER. */
int64_t room_until(const struct planner *p, const struct plan_node *n,
                   const struct plan_lines *lines, const struct entry *e, int64_t from_usec);

/* shorten.c: would it start now with less than it asks for, and only so? `full`: where it would
 * in full, NULL: nowhere. Where it would, its brief shape has. */
bool shorten_best(struct planner *p, const struct entry *e, const struct candidate *full,
                  struct candidate *ret);
/* Reserves the rest of the gap that its brief shape was given from now on. Its end; *ret_r. */
int64_t shorten_extend(struct planner *p, const struct entry *e, struct plan_node *const *nodes,
                       struct gpu_hold *const *gpus, int *ret_r);

/* pass.c */
static inline int64_t plan_sooner(int64_t usec, int64_t other_usec)
{
    return usec < other_usec ? usec : other_usec;
}
/* Takes (sign -1) or gives back, on lines of its node, what a job or a part of it holds there. */
int plan_change_place(const struct gpu_kind *kind, const struct entry *e, int64_t from_usec,
                      int64_t to_usec, int sign, struct plan_lines *lines);
/* The pieces of a job, with the first end seen from now: one that should be gone and is not is
 * expected to be at the next whole minute. True: it is so late. */
bool plan_first_piece(struct planner *p, const struct entry *e, struct walk *walk,
                      int64_t *ret_to_usec);
/* The next whole minute: when who is late is expected to be gone. */
int64_t plan_next_minute(const struct planner *p);
/* When a job that holds something is expected to end, seen from now. */
int64_t plan_expected_end(const struct planner *p, const struct entry *e);
/* node.base, made anew if something changed it. NULL: no memory. */
const struct plan_lines *plan_base_lines(struct planner *p, struct plan_node *n);
/* Starts the lines of this pass of the node, if it has not. -ENOMEM. */
int plan_begin_lines(struct planner *p, struct plan_node *n);
/* The next pass has to look at the node: its base lines are others, or whether it takes any. */
static inline void plan_base_changed(const struct planner *p, const struct plan_node *n)
{
    p->warm_until_usec[n->index] = INT64_MIN;
}
/* The same of all nodes. */
static inline void plan_bases_changed(const struct planner *p)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        p->warm_until_usec[i] = INT64_MIN;
}
/* What holds the node, or seats there, are others: its base lines are to be made anew. */
static inline void plan_base_forget(const struct planner *p, struct plan_node *n)
{
    n->base_is_valid = false;
    plan_base_changed(p, n);
}
/* What this pass goes by on the node: its base as the pass began, until something is reserved
 * there. NULL: no memory. */
const struct plan_lines *plan_lines_now(struct planner *p, struct plan_node *n);
/* Lines are others than before. */
static inline uint32_t plan_next_stand(struct planner *p)
{
    if (++p->n_stands >= UINT32_MAX)
        p->n_stands = 1;
    return p->n_stands;
}
/* May anything be planned on them? */
static inline bool plan_lines_are_open(const struct plan_lines *lines)
{
    return !lines->amount.closed && lines->amount.steps.n <= TIMELINE_STEPS_MAX;
}
/* When an active job must be looked at again: at its end, or when a class needs its place. */
int64_t plan_next_look(struct planner *p, const struct entry *e);

#endif
