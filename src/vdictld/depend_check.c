/* SPDX-License-Identifier: Apache-2.0 */
/* depend_check.c - whether the jobs of a dependency are there, and the caller's. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "vdictld/archive.h"
#include "vdictld/arrays.h"
#include "vdictld/depend.h"

struct check {
    struct call *call;
    struct dependency of;
    size_t at; /* the condition that is looked at */
    void (*done)(void *arg, int result, const struct vdi_error *err);
    void *arg;
};

static void finish(struct check *c, int result, const struct vdi_error *err)
{
    dependency_done(&c->of);
    c->done(c->arg, result, err);
    free(c);
}

/* One answer for what there is not and for what is another's. */
static void refuse(struct check *c)
{
    struct vdi_error err = {0};
    int r =
        error_set(&err, ESRCH, "dependency", "there is no job %" PRIu64, c->of.clauses[c->at].job);

    error_hint(&err, NULL, "vdiqueue --me shows your jobs, vdiacct those that have ended");
    finish(c, r, &err);
}

/* The job of the condition, or for a task's the first of its array. */
static bool is_right(const struct check *c, const struct job *job)
{
    const struct dependency_clause *clause = &c->of.clauses[c->at];

    if (!str_equal(job->spec->owner, c->call->who_text) && !call_is_operator(c->call))
        return false;
    return !clause->has_task || arrays_task_id(clause->job, job->spec->array, clause->task);
}

static void go_on(struct check *c);

static void answered(void *arg, const struct archive_query *q)
{
    struct check *c = arg;
    struct job *job = NULL;
    bool is_there;

    if (q->result < 0) {
        finish(c, q->result, &q->err);
        return;
    }
    is_there = q->n_rows &&
               job_snapshot_decode(c->of.clauses[c->at].job, q->rows[0].version, q->rows[0].body,
                                   q->rows[0].body_len, &job, NULL) >= 0 &&
               is_right(c, job);
    job_unref(job);
    if (!is_there) {
        refuse(c);
        return;
    }
    c->at++;
    go_on(c);
}

static void ask(struct check *c)
{
    struct archive_query q = {.noun = "job", .limit = 1, .done = answered, .arg = c};
    struct vdi_error err = {0};

    snprintf(q.key, sizeof(q.key), "%" PRIu64, c->of.clauses[c->at].job);
    if (archive_ask(c->call->core, &q) < 0)
        finish(c, error_set(&err, EBUSY, "", "the store is busy"), &err);
}

static void go_on(struct check *c)
{
    for (; c->at < c->of.n; c->at++) {
        const struct dependency_clause *clause = &c->of.clauses[c->at];
        const struct job *job = NULL;

        if (clause->type == DEPENDENCY_SINGLETON)
            continue;
        job = core_job_staged(c->call->core, clause->job);
        if (!job)
            job = arrays_any(c->call->core, clause->job);
        if (job && !is_right(c, job)) {
            refuse(c);
            return;
        }
        if (!job) {
            ask(c);
            return;
        }
    }
    finish(c, 0, NULL);
}

void depend_check(struct call *call, const char *text,
                  void (*done)(void *arg, int result, const struct vdi_error *err), void *arg)
{
    struct check *c = calloc(1, sizeof(*c));
    struct vdi_error err = {0};
    int r = c ? dependency_parse(text, &c->of, &err) : error_set(&err, ENOMEM, "", "out of memory");

    if (r < 0) {
        free(c);
        done(arg, r, &err);
        return;
    }
    c->call = call;
    c->done = done;
    c->arg = arg;
    go_on(c);
}
