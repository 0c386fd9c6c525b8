/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference.h - a second planner, written to be obvious, and the world both plan for.
 *
 * It tries every (time, node) for every job in order and keeps a plain list of who holds
 * what when. It shares no code with the planner but the texts, and the choice of a slot.
 */
#ifndef TEST_PLAN_REFERENCE_H
#define TEST_PLAN_REFERENCE_H

#include "world.h"

#define N_NODES 5
#define N_JOBS 24

struct world {
    struct world_config config;
    struct config_node config_nodes[N_NODES];
    struct gpu_kind kinds[4];
    /* Where each job is by its record, or by the start given out, and what it has there. */
    struct plan_place places[N_JOBS][N_NODES];
    int n_places[N_JOBS];
    struct node nodes[N_NODES];
    bool has_node[N_NODES];
    struct job_spec specs[N_JOBS];
    struct job jobs[N_JOBS];
    bool has_job[N_JOBS];
    struct plan_terms disks[N_JOBS];
    uint32_t stored_gib[N_NODES];
    uint32_t images[N_NODES][2]; /* that it has */
    bool given[N_JOBS];          /* a start was given out */
    int64_t given_usec[N_JOBS];
    int64_t granted_sec[N_JOBS]; /* with that start, a shorter limit; 0: none */
    bool told[N_JOBS];
    struct plan_seat seats[128]; /* of classes that were admitted */
    struct job_spec seat_specs[128];
    uint64_t seat_class[128];
    size_t n_seats;
    struct world_closure {
        struct plan_closure put; /* no windows: none */
        char *nodes[N_NODES];
        struct plan_window windows[2];
    } closures[3];
    struct config_qos qos[4]; /* "teach" saves "batch", "exam" starts "spare" anew */
    char *preempts[2], *modes[3];
    bool spares_unsaved; /* "teach" does nothing to those of "batch" that can't be saved */
    bool asked[N_JOBS];  /* to make room */
    struct planner *planner;
    int taking; /* the job whose start is being taken */
    int64_t now;
    bool is_busy; /* with classes, and jobs that are in their way */
    unsigned long asks, crossings, victims, bound_starts, drawn_starts, warm_starts;
    unsigned long brief_starts, starts, wide_starts, checks, probes, elsewhere, late, admitted,
        refused;
};

struct hold {
    int node;
    int64_t from, to;
    const struct job_spec *spec;
    int64_t gib;
    int offer, n_gpus;
    struct gpu_place places[GPU_PLACES_MAX];
};

struct wanted {
    char wish[64], nodes[N_NODES * 8];
};

struct plan {
    struct hold holds[4096];
    size_t n;
    struct job_spec specs[N_JOBS];      /* what each now wants */
    struct wanted wanted[N_JOBS];       /* texts of these */
    struct hold found[N_JOBS][N_NODES]; /* by estimate, on each of its nodes */
    int n_found[N_JOBS];                /* 0: none */
    int64_t at[N_JOBS];
    struct job_spec briefs[N_JOBS]; /* the same, with the least time that it accepts */
    int64_t limit_sec[N_JOBS];      /* that it is shortened to, to start now; 0: it is not */
    bool crosses[N_JOBS];           /* it is planned to be saved and to come back */
    unsigned place[N_JOBS];
};

/* It is saved for a class, and comes back. */
bool goes_saved(const struct world *w, int j);
/* A QOS by which the job is asked to go for the seat; NULL: none. */
const char *preemptor(const struct world *w, int j, size_t seat);
/* The windows that the planner has chosen it to be gone for; NULL: none. */
const struct victim *victim_of(const struct world *w, int j);
/* The job has GPUs for itself, so that no seat can be there with it. */
bool is_in_the_way(const struct world *w, int j, int i);
/* Pieces of an active job from now on, for which the first begins at the beginning of time. */
int active_pieces(const struct world *w, int j, int64_t end, int64_t (*ret)[2], int64_t *ret_ask);

/* Nothing fits beside it on one device. */
bool is_alone(const struct gpu_kind *k, const struct gpu_offer *o);
/* Offers of the kind that meet the wish, the best first; their number. */
int wished(const struct gpu_kind *k, const struct job_spec *spec, int *ret);
/* Megapixels; where processors encode, thousandths of these, 5 for each, and those of its cpus. */
static inline int64_t encode_need(const struct node *n, const struct job_spec *spec)
{
    return n->software_encoder ? spec->cpus * 1000 + spec->encode_mpix * 5 : spec->encode_mpix;
}

/* What it has of them. */
static inline int64_t encode_of(const struct node *n)
{
    return n->software_encoder ? n->cpus * 1000
           : n->encode_mpix    ? n->encode_mpix
                               : PLAN_ENCODE_UNCOUNTED_MPIX;
}

/* Could it run there: were the node in service and empty; were it empty. */
bool is_possible(const struct world *w, int node, int j, const struct job_spec *spec);
bool allowed(const struct world *w, int node, int j, const struct job_spec *spec);
/* The node has the image that the job would boot. */
bool is_warm(const struct world *w, int node, int j);
/* Amounts alone, at that time. */
bool room_at(const struct world *w, const struct plan *plan, int node, int64_t t, int j,
             const struct job_spec *spec);
/* Across windows of classes: may it, and where would it end first, on one node or on several. */
bool can_cross(const struct world *w, int j, const struct job_spec *spec);
void place_crossing(const struct world *w, struct plan *plan, int j, int64_t from);
void place_wide_crossing(const struct world *w, struct plan *plan, int j, int64_t from);

/* Where it is first, behind all that are in the plan; not before it may begin. */
void place_full(const struct world *w, struct plan *plan, int j);

int64_t span(const struct job_spec *spec);
/* A saved job wants its own nodes, for what is left of its limit. The texts are in *ret. */
struct job_spec now_wanted(const struct world *w, int j, struct wanted *ret);
bool waits(const struct job *job);
bool holds_nothing(const struct job *job);
const struct gpu_kind *kind_of(const struct world *w, int node);
bool gpu_room(const struct world *w, const struct plan *plan, int node, int gpu, int64_t t,
              int64_t end, int offer, int slot);
/* Nobody else's closure is there in that time, and for a job that is bound to one, its own is. */
bool is_open(const struct world *w, int node, int j, int64_t from, int64_t to);
/* One that draws the job has the node now. */
bool is_drawn(const struct world *w, int node, int j);
/* When one begins or ends. */
#define N_CLOSURE_TIMES 12
static inline int64_t closure_time(const struct world *w, size_t i)
{
    const struct plan_window *x = &w->closures[i / 4].windows[i / 2 % 2];
    return i % 2 ? x->from_usec : x->to_usec;
}
/* Is there room from t on? With where, if it needs GPUs. */
bool room(const struct world *w, const struct plan *plan, int node, int64_t t, int j,
          const struct job_spec *spec, struct hold *ret);
/* Beside all that is there by then, could the job stay in one of its places? */
bool stays_at(const struct world *w, const struct plan *plan, int j, int i, int64_t from,
              int64_t to);
/* What a job holds from now on in one of its places. */
struct hold held_by(const struct world *w, int j, int i, int64_t to);
/* gpus_held of it. */
void say_held(const struct world *w, const struct hold *h, char *ret);
/* What a seat of a class holds, and when. */
struct hold seat_hold(const struct world *w, size_t i);
/* When it is expected to end: by its record, and seen from now. */
int64_t end_of_job(const struct world *w, int j);
int64_t seen_end(const struct world *w, int64_t end);
int node_of(const char *name); /* -1: "" */
bool in_line(const struct world *w, int j);
/* Who starts when and where; `until`: no further than the line before that job, -1: all. */
void reference_until(const struct world *w, struct plan *plan, int until);
void reference(const struct world *w, struct plan *plan);

#endif
