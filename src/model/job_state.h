/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_state.h - the states of a job, and the one table of what may follow what.
 *
 * Names and letters are Slurm's (squeue(1), JOB STATE CODES).
 */
#ifndef MODEL_JOB_STATE_H
#define MODEL_JOB_STATE_H

#include <stdbool.h>
#include <stddef.h>

enum job_state {
    JOB_NONE, /* before the submit event */
    JOB_PENDING,
    JOB_CONFIGURING,
    JOB_RUNNING,
    JOB_SUSPENDED,
    JOB_COMPLETING,
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_TIMEOUT,
    JOB_PREEMPTED,
    JOB_NODE_FAIL,
    JOB_BOOT_FAIL,
    JOB_DEADLINE,
    JOB_N_STATES
};

enum job_event_type {
    JOB_EVENT_SUBMIT, /* the job exists; carries the whole request */
    JOB_EVENT_UPDATE, /* request fields changed (PATCH, extend) */
    JOB_EVENT_HOLD,
    JOB_EVENT_RELEASE,
    JOB_EVENT_PRIORITY,
    JOB_EVENT_ALLOC, /* node and instance given */
    JOB_EVENT_START, /* the instance is READY: the time limit begins */
    JOB_EVENT_SUSPEND,
    JOB_EVENT_RESUME,
    JOB_EVENT_FINISH,      /* it ends with `final`; the instance is being stopped */
    JOB_EVENT_END,         /* nothing of it is left on a node */
    JOB_EVENT_REQUEUE,     /* back to PENDING, after FINISH with final = PENDING */
    JOB_EVENT_UNREACHABLE, /* its node is silent; the job is believed to run on */
    JOB_EVENT_REACHABLE,
    JOB_EVENT_UNKNOWN, /* its record was damaged: held until the nodes report */
    JOB_EVENT_NOTE,    /* its user was told or its script signalled; nothing of it changes */
    JOB_EVENT_WAKE,    /* its owner wants it back: in line for its node, perhaps with more time */
    JOB_EVENT_RESTORE, /* its node is its own again, and reads its memory */
    JOB_EVENT_STAY,    /* it could not be resumed, and stays as it was saved */
    JOB_EVENT_NOTICE,  /* its owner is told that its saved state expires */
    JOB_N_EVENTS
};

const char *job_state_name(enum job_state state);    /* "PENDING" */
const char *job_state_letters(enum job_state state); /* "PD" */
/* Takes the name or the letters, in any case. Returns JOB_NONE if it is neither. */
enum job_state job_state_from(const char *text);
bool job_state_is_end(enum job_state state);
/* Holds or may hold resources of a node. */
bool job_state_is_active(enum job_state state);
const char *job_event_name(enum job_event_type type); /* "submit" */
int job_event_from(const char *name);                 /* -1: unknown */

/*
 * The state after `event` in `from`, or JOB_NONE when the pair is not in the
 * table: then the event is refused. `final` matters to FINISH and END alone.
 */
enum job_state job_state_next(enum job_state from, enum job_event_type event, enum job_state final);
/* The table row by row, for doc/ and for the test that walks all pairs. */
struct job_transition {
    enum job_event_type event;
    enum job_state from, to; /* to = JOB_NONE: the event's `final` */
};
extern const struct job_transition job_transitions[];
extern const size_t job_n_transitions;

#endif
