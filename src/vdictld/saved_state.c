/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved_state.c - how much saved state its owner may have, and for how long.
 *
 * Counted is the memory of the guest: it is known before it is saved, and a file is never much
 * larger. Kept: nothing is removed whose owner was not told in time, whatever stood still.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/job_index.h"
#include "vdictld/life_impl.h"

/* Its owner is told so long before it is removed, or half of the time that it is kept. */
#define NOTICE_SEC INT64_C(86400)

static const struct config_qos *qos_of(const struct core *core, const struct job *job)
{
    return *job->spec->qos ? config_qos(core->config, job->spec->qos) : NULL;
}

static uint32_t max_mib(const struct core *core, const struct job *job)
{
    const struct config_qos *q = qos_of(core, job);

    return q && q->saved_max_mib ? q->saved_max_mib : core->config->saved_max_mib;
}

static int64_t keep_sec(const struct core *core, const struct job *job)
{
    const struct config_qos *q = qos_of(core, job);

    return q && q->saved_keep_sec ? q->saved_keep_sec : core->config->saved_keep_sec;
}

/* ---- how much ---- */

/* What is on its way to a file counts: two at once must not pass together. */
static uint64_t memory_mib(const struct job *job)
{
    return (uint64_t)job->spec->memory_mib * job_spec_nodes(job->spec);
}

static uint64_t counted_mib(struct core *core, const struct job *job, const char *owner)
{
    const struct run *run;

    if (!job || !str_equal(job->spec->owner, owner))
        return 0;
    if (job->state == JOB_SUSPENDED)
        return memory_mib(job);
    run = job->state == JOB_RUNNING ? life_run_known(core, job->instance) : NULL;
    return run && run->saving ? memory_mib(job) : 0;
}

static uint64_t saved_mib(struct core *core, const char *owner)
{
    struct table *t = events_table(core->events, NOUN_JOB);
    uint64_t sum = 0;

    if (job_index_is_whole(core->mine)) {
        for (uint64_t id = 0; (id = job_index_next(core->mine, owner, id));)
            sum += counted_mib(core, core_job_staged(core, id), owner);
        return sum;
    }
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);

        sum += counted_mib(core, slot ? slot->staged : NULL, owner);
    }
    return sum;
}

int saved_check(struct core *core, const struct job *job, struct vdi_error *err)
{
    uint32_t max = max_mib(core, job);
    uint64_t have = max ? saved_mib(core, job->spec->owner) : 0;
    char limit[48];

    if (!max || have + memory_mib(job) <= max)
        return 0;
    error_set(err, EDQUOT, "saved_max",
              "job %" PRIu64 " has %" PRIu64 " MiB of memory, and %" PRIu64
              " MiB are saved already",
              job->id, memory_mib(job), have);
    snprintf(limit, sizeof(limit), "%u MiB", max);
    error_hint(err, limit,
               "resume or cancel a suspended job first; vdiqueue -t SUSPENDED lists them");
    return -EDQUOT;
}

/* ---- for how long ---- */

static int64_t lead_usec(int64_t keep)
{
    return (keep / 2 < NOTICE_SEC ? keep * USEC_PER_SEC / 2 : NOTICE_SEC * USEC_PER_SEC);
}

int64_t saved_notice_usec(const struct core *core, const struct job *job)
{
    int64_t keep = keep_sec(core, job);

    return job->suspended_usec + keep * USEC_PER_SEC - lead_usec(keep);
}

int64_t saved_until_usec(const struct core *core, const struct job *job)
{
    int64_t keep = keep_sec(core, job), until, told;

    if (job->state != JOB_SUSPENDED || job->wake_usec || !keep)
        return 0;
    until = job->suspended_usec + keep * USEC_PER_SEC;
    told = job->notice_usec ? job->notice_usec + lead_usec(keep) : 0;
    return until > told ? until : told;
}
