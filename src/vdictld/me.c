/* SPDX-License-Identifier: Apache-2.0 */
/* me.c - GET /v1/me: who asks, what limits hold for them, how much is used, when they ease. */
#include <inttypes.h>

#include "base/str.h"
#include "base/time.h"
#include "vdictld/disks.h"
#include "vdictld/handlers.h"
#include "vdictld/job_index.h"
#include "vdictld/queue.h"
#include "vdictld/quota.h"

struct counted {
    uint32_t pending, running, ended;
    int64_t eases_usec; /* the first of the time limits; 0: none is known */
};

/* At most max_jobs_user live ones, and those that ended within keep_done. */
static void count(struct call *call, struct counted *ret)
{
    uint64_t id = 0;

    *ret = (struct counted){0};
    while ((id = job_index_next(call->core->mine, call->who_text, id))) {
        const struct job *job = core_job(call->core, id);
        int64_t end = job ? job_limit_usec(job) : 0;

        if (!job || !str_equal(job->spec->owner, call->who_text))
            continue;
        if (job->state == JOB_PENDING)
            ret->pending++;
        else if (job_state_is_end(job->state))
            ret->ended++;
        else
            ret->running++;
        if (end && (!ret->eases_usec || end < ret->eases_usec))
            ret->eases_usec = end;
    }
}

static void write_limit(const char *name, uint64_t used, uint64_t allowed, const char *unit,
                        int64_t eases_usec, struct buf *out)
{
    char when[40];

    buf_puts(out, "{\"name\":");
    json_write_string(out, name);
    buf_printf(out, ",\"used\":%" PRIu64 ",\"allowed\":%" PRIu64 ",\"unit\":", used, allowed);
    json_write_string(out, unit);
    buf_puts(out, ",\"eases_by\":");
    if (eases_usec)
        buf_printf(out, "\"%s\"}", time_to_rfc3339(eases_usec, when));
    else
        buf_puts(out, "null}");
}

/* What is in force; without a limit nothing is said. */
static void write_disks(struct call *call, struct buf *out)
{
    const struct config *c = call->core->config;
    const struct disk *disk = NULL;
    uint64_t n = 0, gib = 0;

    while ((disk = disks_next(call->core, call->who_text, disk ? disk->id : 0))) {
        n += disks_is_live(disk);
        gib += disks_is_live(disk) ? disk->size_gib : 0;
    }
    if (c->disks_max) {
        buf_putc(out, ',');
        write_limit("disks_max", n, c->disks_max, "disks", 0, out);
    }
    if (c->disk_space_max_gib) {
        buf_putc(out, ',');
        write_limit("disk_space_max", gib, c->disk_space_max_gib, "GiB of disks", 0, out);
    }
}

void handle_me(struct call *call)
{
    const struct config *c = call->core->config;
    uint32_t mine = queue_jobs_of(call->core->queue, call->who_text);
    struct buf body = BUF_INIT(0);
    struct counted n;

    count(call, &n);
    buf_puts(&body, "{\"principal\":");
    json_write_string(&body, call->who_text);
    buf_printf(&body, ",\"role\":\"%s\",\"pending\":%u,\"running\":%u,\"limits\":[",
               request_role_names[call->role], n.pending, n.running);
    /* Operators are not held to it, as submit.c has it. */
    if (!call_is_operator(call))
        write_limit("max_jobs_user", mine, c->max_jobs_user, "jobs pending or running",
                    n.eases_usec, &body);
    else
        write_limit("max_jobs", queue_jobs(call->core->queue), c->max_jobs,
                    "jobs of everybody, pending or running", 0, &body);
    quota_write_me(call, n.eases_usec, &body);
    write_disks(call, &body);
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}
