/* SPDX-License-Identifier: Apache-2.0 */
/* job_find.c - every job ever acknowledged can be asked about: live ones and ended ones. */
#include "vdictld/job_find.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "vdictld/archive.h"

struct search {
    struct call *call;
    void (*found)(struct call *call, const struct job *job);
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

static void archived(void *arg, const struct archive_query *q)
{
    struct search *s = arg;
    struct job *job = q->result < 0 ? NULL : decode(q);

    if (q->result < 0)
        call_refuse(s->call, &q->err);
    else if (!job || !may_see(s->call, job))
        refuse_none(s->call);
    else
        s->found(s->call, job);
    if (job)
        job_unref(job);
    free(s);
}

void job_find(struct call *call, void (*found)(struct call *call, const struct job *job))
{
    struct archive_query q = {.noun = "job", .limit = 1, .done = archived};
    const struct job *job = NULL;
    struct search *s;
    uint64_t id = 0;

    if (str_to_u64(call->match.params[0], 1, INT64_MAX, &id) == 0)
        job = core_job(call->core, id);
    if (job && may_see(call, job)) {
        found(call, job);
        return;
    }
    s = calloc(1, sizeof(*s));
    q.arg = s;
    str_copy(q.key, sizeof(q.key), call->match.params[0]);
    if (!s || archive_ask(call->core, &q) < 0) {
        free(s);
        call_refuse_with(call, EBUSY, "", "the store is busy");
        return;
    }
    *s = (struct search){call, found};
}
