/* SPDX-License-Identifier: Apache-2.0 */
/* job_filter.h - which jobs a list asks for: the parameters of /v1/jobs and /v1/history. */
#ifndef VDICTLD_JOB_FILTER_H
#define VDICTLD_JOB_FILTER_H

#include "vdictld/call.h"

struct job_filter {
    uint32_t states; /* bit per enum job_state; 0: not ended */
    bool all;
    bool archive; /* some of the states are ends: those that left memory count too */
    char owner[CALL_WHO_MAX];
    char partition[64], name[130], node[64], account[64], qos[64], reservation[64];
    int kind;      /* -1: any */
    uint64_t *ids; /* sorted; of an array in `arrays` the first */
    size_t n_ids;
    struct job_filter_array { /* sorted: all tasks of these are meant, too */
        uint64_t id;
        uint32_t n; /* 0: not known */
    } * arrays;
    size_t n_arrays;
    int64_t since_usec, until_usec; /* overlaps [since, until); 0: open */
};

int job_filter_parse(struct call *call, struct job_filter *ret, struct vdi_error *err);
void job_filter_done(struct job_filter *f);
bool job_filter_takes(const struct job_filter *f, const struct job *job);
/* Those of its states that are ends, for a query of the archive; none: all. */
#define JOB_FILTER_STATES_MAX 16
void job_filter_end_states(const struct job_filter *f,
                           const char *ret_states[JOB_FILTER_STATES_MAX + 1]);
/* The first of the given ids above `after`, and of the arrays' as far as they are known; 0: there
 * is none. */
uint64_t job_filter_next_id(const struct job_filter *f, uint64_t after);
/* The job is of one of its arrays, perhaps: how many tasks that has is known from then on. */
void job_filter_learn(struct job_filter *f, const struct job *job);
/* An array up to `after` whose tasks are not known: its first task's record says. 0: none. */
uint64_t job_filter_unknown(const struct job_filter *f, uint64_t after);
/* There is no such record. */
void job_filter_forget(struct job_filter *f, uint64_t array);
/* A parameter that is a time, RFC 3339; *ret stays when it is not there. */
int job_filter_time(struct call *call, const char *name, int64_t *ret, struct vdi_error *err);

#endif
