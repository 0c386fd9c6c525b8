/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h - a job: what was asked for (spec, immutable and shared) and where it stands.
 *
 * Both are reference counted and never change once made: an event makes a new
 * struct job from the old one (job_apply), so readers and a failed commit keep
 * what they had. Counts are not atomic: jobs live on the loop's thread.
 */
#ifndef MODEL_JOB_H
#define MODEL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#include "model/gpu.h"
#include "model/job_state.h"

enum job_kind { JOB_INTERACTIVE, JOB_BATCH, JOB_N_KINDS };
extern const char *const job_kind_names[]; /* NULL-terminated */

#define JOB_TIME_UNLIMITED INT64_C(0)
#define JOB_ASKED_UNLIMITED INT64_C(-1) /* as time_asked_sec */
#define JOB_PRIORITY_MAX 1000000000

#define JOB_DIGEST_BYTES 32
/* What an event says of a desktop that nobody touches. */
enum job_idle {
    JOB_IDLE_NONE,
    JOB_IDLE_TOLD, /* NOTE: its user is told that it goes */
    JOB_IDLE_OVER, /* NOTE: somebody is there again: it stays */
    JOB_IDLE_END,  /* FINISH: it goes for that */
    JOB_N_IDLE
};
extern const char *const job_idle_names[]; /* NULL-terminated */

/* Nodes of one job. */
#define JOB_NODES_MAX 64

/* Strings are words (base/word.h), for most are the same in thousands of jobs; never
 * NULL ("" for none). job_spec_set() changes one. */
struct job_spec {
    unsigned refs;
    const char *name;
    const char *owner; /* "realm:name" of the principal that submitted */
    uint32_t uid, gid; /* UINT32_MAX: none */
    uint32_t kind;     /* enum job_kind */
    const char *template_name;
    const char *partition;
    const char *qos;
    const char *account;
    const char *comment;
    const char *constraint; /* features that a node must have, joined by '&' */
    const char *nodelist;   /* hostlist it must run in; "" any */
    const char *exclude;    /* hostlist it must not run in */
    const char *profile;    /* GPU profile wished; "" any */
    const char *licences;   /* model/licence.h, in the normal form; "" none */
    const char *work_dir;
    const char *output; /* -o pattern; "" the spool only */
    const char *error;
    const char *mail_type; /* of what its owner is told: "BEGIN,END" (model/notice.h); "" nothing */
    const char *mail_user; /* who is told; "" the owner */
    const char *dependency;  /* model/dependency.h; "" none */
    const char *limits;      /* limit blocks that held for its owner at submit, by commas */
    const char *array;       /* the tasks that were submitted together: model/array.h; "" none */
    const char *reservation; /* class whose seat it takes; "" none */
    int64_t time_limit_sec;  /* 0: unlimited */
    int64_t time_min_sec;    /* so little is accepted for an earlier start; 0: all of the limit */
    int64_t time_asked_sec;  /* the limit, where this run was given less; 0: it was not */
    int64_t begin_usec;      /* 0: now */
    int64_t deadline_usec;   /* 0: none */
    uint32_t cpus;           /* of each of its nodes, as memory and GPUs */
    uint32_t memory_mib;
    uint32_t gpus;
    uint32_t encode_mpix; /* of a desktop's video each second: config_template_encode() */
    int32_t nice;
    uint32_t signal;     /* sent before the limit; 0: none */
    uint32_t signal_sec; /* so long before it */
    bool requeue;
    bool kill_on_invalid_dep; /* it ends when its dependency can't be met any more */
    uint32_t nodes;           /* so many at once, an instance on each; 0 is 1 */
    char *idempotency_key;    /* NULL: none; the spec's own, it is in no other */
    unsigned char request_digest[JOB_DIGEST_BYTES]; /* SHA-256 of the body that came with it */
    uint32_t script_bytes; /* the script itself stays in the submit event */
};

struct job {
    unsigned refs;
    uint64_t id;
    uint64_t seq;        /* the last event in it */
    uint64_t array_id;   /* of the first task of its array; 0: it is in none */
    uint32_t array_task; /* its index */
    struct job_spec *spec;
    enum job_state state;
    enum job_state final; /* while COMPLETING: what it will be */
    int32_t priority;
    bool held_by_user, held_by_admin;
    bool unreachable;
    bool unknown; /* JOB_EVENT_UNKNOWN */
    uint32_t restarts;
    uint32_t limit_told;    /* percent of this run's limit that its owner was told of */
    int64_t idle_told_usec; /* RUNNING: since then its user knows that it goes, for nobody touches
                             * it; then: it went for that. 0 */
    enum job_state
        term_final;      /* RUNNING: its script was told to go, and what it is once SIGTERM has
                                * ended it: PENDING or PREEMPTED. JOB_NONE */
    int32_t exit_code;   /* of the batch script */
    int32_t exit_signal; /* 0: none */
    uint64_t instance;   /* of several the first, others follow; 0: none */
    uint32_t generation;
    int64_t submit_usec;
    int64_t alloc_usec;
    int64_t start_usec;           /* of this run; 0: not started */
    int64_t first_start_usec;     /* of its first run; 0: never started */
    int64_t end_usec;             /* of the job; 0: not ended */
    int64_t suspended_usec;       /* since when; 0: not suspended */
    int64_t suspended_total_usec; /* earlier suspensions of this run */
    int64_t wake_usec;            /* SUSPENDED: wanted back since; 0: not wanted back */
    int64_t restore_usec;         /* SUSPENDED: its node reads its memory since; 0: not yet */
    int64_t notice_usec;          /* SUSPENDED: when its owner was told that it expires */
    int64_t spent_sec;            /* of its time limit: gone when it was last resumed at its end */
    const char *node;             /* word; of several the first */
    const char *node_list;        /* word: several as a hostlist; "" one or none */
    const char *gpus_held;        /* word: gpu_held_format(); "" none, or not known */
    const char *reason;           /* word: why it ended, is held or unreachable; for people */
};

struct job_event {
    enum job_event_type type;
    int64_t time_usec;
    char by[VDI_REALM_MAX + VDI_NAME_MAX + 2]; /* principal, or "vdictld" */
    struct job_spec *spec;                     /* SUBMIT, UPDATE, WAKE, ALLOC; owned */
    char *payload; /* SUBMIT: JSON with script, args, env; owned, may be NULL */
    int32_t priority;
    uint64_t array_id; /* SUBMIT: of a task, with its index */
    uint32_t array_task;
    bool admin; /* HOLD: by an administrator; FINISH with PENDING: held once it is back */
    uint64_t instance;
    uint32_t generation;
    char node[64];
    char *node_list; /* ALLOC: of several, as a hostlist that begins with `node`; owned */
    char gpus_held[GPU_HELD_TEXT]; /* ALLOC, RESTORE */
    enum job_state final;          /* FINISH, END; SUBMIT: JOB_PENDING says held by its user; NOTE:
                                    * of a script that is told to go */
    int32_t exit_code, exit_signal;
    uint32_t idle;    /* enum job_idle */
    uint32_t percent; /* NOTE: so much of its limit is used up, as its owner is told */
    char reason[96];
};

struct job_spec *job_spec_new(void); /* all strings "", numbers 0 */
/* Gives a string member a new value (NULL or "" for none). -ENOMEM. */
int job_spec_set(const char **member, const char *value);
/* Key and digest of the request, so that its retry is known. -ENOMEM. */
int job_spec_set_retry(struct job_spec *spec, const char *key,
                       const unsigned char digest[JOB_DIGEST_BYTES]);
struct job_spec *job_spec_copy(const struct job_spec *spec);
struct job_spec *job_spec_ref(struct job_spec *spec);
void job_spec_unref(struct job_spec *spec); /* takes NULL */
struct job *job_ref(struct job *job);
void job_unref(struct job *job); /* takes NULL */
void job_event_done(struct job_event *event);

/*
 * The job after the event; `old` is NULL for SUBMIT and stays untouched.
 * -EPROTO: not allowed in this state (err says which), -ENOMEM.
 */
int job_apply(const struct job *old, uint64_t id, const struct job_event *event, struct job **ret,
              struct vdi_error *err);
/* The request with a shorter limit, as it accepts; a requeue takes that back. NULL: no memory. */
struct job_spec *job_spec_shorten(const struct job_spec *spec, int64_t limit_sec);
/* The least time that it accepts; 0: no limit. */
static inline int64_t job_spec_least_sec(const struct job_spec *spec)
{
    return spec->time_min_sec ? spec->time_min_sec : spec->time_limit_sec;
}
/* When its time limit ends; 0: never, or not running. */
int64_t job_limit_usec(const struct job *job);
/* What is left of the limit of a job that is SUSPENDED, at least 0; INT64_MAX: it has none. */
int64_t job_left_usec(const struct job *job);
/* How long it has run, suspensions left out, rounded up; of a job that is SUSPENDED. */
int64_t job_ran_sec(const struct job *job);
static inline uint32_t job_spec_nodes(const struct job_spec *spec)
{
    return spec->nodes ? spec->nodes : 1;
}
/* One of its instances: they have consecutive ids. */
static inline bool job_has_instance(const struct job *job, uint64_t id)
{
    return job->instance && id >= job->instance && id - job->instance < job_spec_nodes(job->spec);
}
/* Its nodes as a hostlist; "" none. */
static inline const char *job_node_list(const struct job *job)
{
    return *job->node_list ? job->node_list : job->node;
}
/* In line for a node: to start, or to be resumed on its own. */
bool job_is_waiting(const struct job *job);

#endif
