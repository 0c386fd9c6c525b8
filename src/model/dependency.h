/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dependency.h - what a job waits for in other jobs: sbatch(1), --dependency.
 *
 * Every condition, once met, stays met, whatever becomes of the job that it is about: so it
 * can be worked out anew from what is stored at any time, and nothing else is kept of it.
 */
#ifndef MODEL_DEPENDENCY_H
#define MODEL_DEPENDENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#define DEPENDENCY_MAX 256 /* conditions of one job */
#define DEPENDENCY_TEXT_MAX 4096
#define DEPENDENCY_DELAY_MAX_MIN (366 * 24 * 60) /* of after:ID+MINUTES */

enum dependency_type {
    DEPENDENCY_AFTER, /* it has started, or ended without */
    DEPENDENCY_AFTERANY,
    DEPENDENCY_AFTEROK,
    DEPENDENCY_AFTERNOTOK,
    DEPENDENCY_SINGLETON, /* no earlier job of the owner has the name */
    DEPENDENCY_N_TYPES
};
extern const char *const dependency_type_names[]; /* NULL-terminated */

struct dependency_clause {
    enum dependency_type type;
    uint64_t job;       /* of an array: all of its tasks. 0: singleton */
    uint32_t task;      /* has_task: of the array `job` this one */
    uint32_t delay_min; /* AFTER: so long after the start */
    bool has_task;
};

struct dependency {
    struct dependency_clause *clauses;
    size_t n;
    bool any; /* one of them is enough ('?'); else all are needed (',') */
};

/* "" gives none. -EINVAL names what is wrong; -ERANGE: too many; -ENOMEM. */
int dependency_parse(const char *text, struct dependency *ret, struct vdi_error *err);
void dependency_done(struct dependency *d);
/* "12", or "12_4"; buf of 40. */
const char *dependency_job_name(const struct dependency_clause *c, char *buf);

/* What is known of one job, or of all tasks of an array: as of now, for good. */
struct dependency_facts {
    bool started, ended;
    bool failed;        /* one ended otherwise than as COMPLETED */
    int64_t start_usec; /* of the last to start: first; or its end, if it never was */
};
enum dependency_state { DEPENDENCY_WAITS, DEPENDENCY_MET, DEPENDENCY_NEVER };
/* Of a clause about jobs; *ret_due_usec: when it is met without any event, 0: not by itself. */
enum dependency_state dependency_look(const struct dependency_clause *c,
                                      const struct dependency_facts *facts, int64_t now_usec,
                                      int64_t *ret_due_usec);
/* Of all of them together. */
enum dependency_state dependency_join(const struct dependency *d,
                                      const enum dependency_state *states);

#endif
