/* SPDX-License-Identifier: Apache-2.0 */
/* job_find.c - every job ever acknowledged can be asked about: live ones and ended ones. */
#include "vdictld/job_find.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "vdictld/archive.h"
#include "vdictld/arrays.h"

struct search {
    struct call *call;
    void (*found)(struct call *call, const struct job *job);
    bool is_array; /* asked for is `task` of an array without tasks in memory: its record first */
    uint32_t task;
};

/* Also tells the audit whether it is another's. */
static bool may_see(struct call *call, const struct job *job)
{
    call->foreign = !str_equal(job->spec->owner, call->who_text);
    return !call->foreign || call_is_operator(call);
}

static struct job *decode(const struct archive_query *q)
{
    struct job *job = NULL;
    uint64_t id;

    if (!q->n_rows || str_to_u64(q->rows[0].key, 1, INT64_MAX, &id) < 0 ||
        job_snapshot_decode(id, q->rows[0].version, q->rows[0].body, q->rows[0].body_len, &job,
                            NULL) < 0)
        return NULL;
    return job;
}

static void refuse_none(struct call *call)
{
    call_refuse_with(call, ENOENT, "id", "there is no job %s", call->match.params[0]);
}

static void archived(void *arg, const struct archive_query *q);

static bool ask(struct search *s, uint64_t id)
{
    struct archive_query q = {.noun = "job", .limit = 1, .done = archived, .arg = s};

    snprintf(q.key, sizeof(q.key), "%" PRIu64, id);
    if (archive_ask(s->call->core, &q) >= 0)
        return true;
    call_refuse_with(s->call, EBUSY, "", "the store is busy");
    return false;
}

/* The record of its array says which job the task is. False: refused. */
static bool ask_task(struct search *s, const struct job *array)
{
    uint64_t id = arrays_task_id(array->id, array->spec->array, s->task);

    s->is_array = false;
    if (id)
        return ask(s, id);
    refuse_none(s->call);
    return false;
}

static void archived(void *arg, const struct archive_query *q)
{
    struct search *s = arg;
    struct job *job = q->result < 0 ? NULL : decode(q);
    bool goes_on = false;

    if (q->result < 0)
        call_refuse(s->call, &q->err);
    else if (!job || !may_see(s->call, job))
        refuse_none(s->call);
    else if (s->is_array)
        goes_on = ask_task(s, job);
    else
        s->found(s->call, job);
    job_unref(job);
    if (!goes_on)
        free(s);
}

void job_find(struct call *call, void (*found)(struct call *call, const struct job *job))
{
    const char *name = call->match.params[0];
    const struct job *job = NULL;
    struct search *s;
    uint64_t id = 0, array;
    uint32_t task = 0;
    bool is_id = arrays_id(call->core, name, &id, &array);

    if (is_id)
        job = core_job(call->core, id);
    if (job && may_see(call, job)) {
        found(call, job);
        return;
    }
    if (!is_id && !arrays_split(name, &id, &task)) {
        refuse_none(call);
        return;
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    *s = (struct search){call, found, !is_id, task};
    if (!ask(s, id))
        free(s);
}
