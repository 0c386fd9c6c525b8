/* SPDX-License-Identifier: Apache-2.0 */
/* job_doc.c - the document of a job, with place, estimate and blockers while it waits. */
#include "vdictld/job_doc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "vdictld/classes.h"
#include "vdictld/life.h"
#include "vdictld/priority.h"
#include "vdictld/queue.h"
#include "vdictld/quota.h"

static const char *const estimate_names[] = {
    "place",   "estimated_start_time", "estimated_node",
    "blocker", "saved_until_time",     "idle_since_time",
    NULL,
};

static bool is_estimate(const char *name, size_t len)
{
    for (size_t i = 0; estimate_names[i]; i++)
        if (strlen(estimate_names[i]) == len && !memcmp(estimate_names[i], name, len))
            return true;
    return false;
}

int job_doc_columns(const char *fields, bool estimates, struct job_doc_columns *ret,
                    struct vdi_error *err)
{
    struct buf own = BUF_INIT(4096);
    int r = 0;

    *ret = (struct job_doc_columns){.chosen = !str_is_empty(fields), .estimates = estimates};
    while (ret->chosen && *fields) {
        size_t n = strcspn(fields, ",");

        if (is_estimate(fields, n)) {
            ret->estimates = true;
        } else {
            buf_puts(&own, own.len ? "," : "");
            buf_append(&own, fields, n);
        }
        fields += n + (fields[n] == ',');
    }
    if (own.len)
        r = job_columns_parse(own.data, &ret->columns, err);
    buf_done(&own);
    return r;
}

/* Of limits there are many words. */
static const char *reason_of(const struct plan_blocker *b)
{
    return b->type == PLAN_BLOCK_LIMIT ? quota_reason(b) : plan_blocker_name(b->type);
}

void job_doc_write_why(const struct plan_why *why, bool blockers, struct buf *out)
{
    const char *binding = why->n_blockers ? reason_of(&why->blockers[0]) : "";

    buf_printf(out, ",\"place\":%" PRIu64 ",\"estimated_start_time\":", why->place);
    json_write_time(out, why->start_usec);
    buf_puts(out, ",\"estimated_node\":");
    json_write_string(out, why->node);
    if (!blockers) {
        buf_puts(out, ",\"blocker\":");
        json_write_string(out, binding);
    }
}

void job_doc_write(struct core *core, const struct job *job, const struct job_doc_columns *columns,
                   struct buf *out)
{
    struct plan_why why = {0};
    struct job ranked = *job;

    ranked.priority = priority_of(core, job);
    job_write_open(&ranked, columns->chosen ? &columns->columns : NULL, out);
    if (columns->estimates) {
        struct buf more = BUF_INIT(0);

        if (job_is_waiting(job))
            queue_why(core->queue, job->id, &why);
        job_doc_write_why(&why, false, &more);
        buf_puts(&more, ",\"saved_until_time\":");
        json_write_time(&more, saved_until_usec(core, job));
        buf_puts(&more, ",\"idle_since_time\":");
        json_write_time(&more, life_idle_usec(core, job));
        /* the first comma falls away when nothing stands before it */
        buf_puts(out, columns->chosen && !columns->columns.n ? more.data + 1 : more.data);
        buf_done(&more);
    }
    buf_putc(out, '}');
}

static const char *const resources[] = {
    [PLAN_BLOCK_CPUS] = "cpus",          [PLAN_BLOCK_MEMORY] = "memory_mib",
    [PLAN_BLOCK_GPUS] = "gpus",          [PLAN_BLOCK_DISK] = "disk_gib",
    [PLAN_BLOCK_ENCODE] = "encode_mpix", [PLAN_BLOCK_WORK] = "work_mcpu",
};

static void text_resource(const struct plan_blocker *b, bool name_job, struct buf *out)
{
    char until[40];

    if (b->type == PLAN_BLOCK_WORK)
        buf_printf(out,
                   "needs %" PRIu64 ".%03u cpus with its encoding; at most %" PRIu64
                   ".%03u free on one node",
                   b->need / 1000, (unsigned)(b->need % 1000), b->free / 1000,
                   (unsigned)(b->free % 1000));
    else
        buf_printf(out, "needs %" PRIu64 " %s; at most %" PRIu64 " free on one node", b->need,
                   resources[b->type], b->free);
    if (b->until_usec)
        buf_printf(out, " until %s", time_to_rfc3339(b->until_usec, until));
    if (b->job && name_job)
        buf_printf(out, " (job %" PRIu64 ")", b->job);
}

static const struct {
    const char *type, *waits, *never;
} dependencies[] = {
    {"after:", "has not started, or not so long ago", "is not known any more"},
    {"afterany:", "has not ended", "is not known any more"},
    {"afterok:", "has not ended well", "did not end well, or is not known any more"},
    {"afternotok:", "has not failed", "ended well, or is not known any more"},
};

/* subject: "afterok:12_4", or "singleton". */
static void text_dependency(const struct plan_blocker *b, struct buf *out)
{
    bool never = b->type == PLAN_BLOCK_DEPENDENCY_NEVER;
    char until[40];

    for (size_t i = 0; i < sizeof(dependencies) / sizeof(dependencies[0]); i++)
        if (str_starts_with(b->subject, dependencies[i].type))
            buf_printf(out, "job %s %s", b->subject + strlen(dependencies[i].type),
                       never ? dependencies[i].never : dependencies[i].waits);
    if (!out->len && b->job)
        buf_printf(out, "job %" PRIu64 " has its name and comes before it", b->job);
    else if (!out->len)
        buf_puts(out, "other jobs of its name come before it");
    buf_printf(out, " (%s)", b->subject);
    if (b->until_usec)
        buf_printf(out, "; expected %s", time_to_rfc3339(b->until_usec, until));
    if (b->count)
        buf_printf(out, "; %" PRIu64 " more conditions wait", b->count);
    if (never)
        buf_puts(out, ": it does not start; cancel it and submit it anew");
}

static void text_reservation(struct core *core, const struct plan_blocker *b, struct buf *out)
{
    const struct class *class = classes_get(core, b->reservation);
    bool is_maint = class && str_list_has(class->spec.flags, "maint");
    char until[40];

    buf_printf(out, "%s '%s' on %s", is_maint ? "maintenance" : "reservation", b->reservation,
               b->subject);
    if (b->until_usec)
        buf_printf(out, ": the node has time for it from %s; a shorter time limit may fit before",
                   time_to_rfc3339(b->until_usec, until));
    else
        buf_puts(out, ": it has no time left that this job's limit fits into; cancel the job, or "
                      "submit it with a shorter time limit");
}

/* One blocker as a person would say it. */
static void text_of(struct core *core, const struct plan_blocker *b, bool name_job, struct buf *out)
{
    char until[40];

    switch (b->type) {
    case PLAN_BLOCK_HELD_USER:
        buf_puts(out, "held by its owner; release it with vdictl release");
        break;
    case PLAN_BLOCK_HELD_ADMIN:
        buf_puts(out, "held by an operator");
        break;
    case PLAN_BLOCK_UNKNOWN:
        buf_puts(out, "its record was damaged: waits for the nodes' reports or an operator");
        break;
    case PLAN_BLOCK_DEPENDENCY:
    case PLAN_BLOCK_DEPENDENCY_NEVER:
        text_dependency(b, out);
        break;
    case PLAN_BLOCK_LIMIT:
        quota_write_text(b, out);
        break;
    case PLAN_BLOCK_ARRAY:
        buf_printf(out,
                   "%" PRIu64 " tasks of its array may run at once: %" PRIu64 " do, and %" PRIu64
                   " that wait come before it",
                   b->need, b->free, b->count);
        break;
    case PLAN_BLOCK_BEGIN:
        buf_printf(out, "not to begin before %s", time_to_rfc3339(b->until_usec, until));
        break;
    case PLAN_BLOCK_PARTITION:
        buf_printf(out, "partition '%s' is down or gone", b->subject);
        break;
    case PLAN_BLOCK_NO_NODE:
        buf_printf(out, "no node of its partition could ever hold it%s%s", *b->subject ? ": " : "",
                   b->subject);
        break;
    case PLAN_BLOCK_NODES_OUT:
        buf_printf(out, "the nodes that could hold it are down or drained%s%s",
                   *b->subject ? ": " : "", b->subject);
        break;
    case PLAN_BLOCK_DISK_NODE:
        buf_printf(out,
                   "a disk of it is on %s, which is down or drained: it starts when that node is "
                   "back; who can do without what is on the disk deletes it (vdictl disk delete)",
                   b->subject);
        break;
    case PLAN_BLOCK_DISK_BUSY:
        buf_puts(out, "a disk that it needs is in use");
        if (b->job) /* of the same owner, as the disk is */
            buf_printf(out, " by job %" PRIu64, b->job);
        if (*b->subject)
            buf_printf(out, ": %s", b->subject);
        break;
    case PLAN_BLOCK_DISK_QUOTA:
        buf_puts(out, "its owner would have more disks than disks_max or disk_space_max: it waits "
                      "for another job's end; vdictl disk list shows them");
        break;
    case PLAN_BLOCK_CLASS:
        buf_printf(out, "what is free is kept for %s before it could end",
                   b->count ? "a job that others make room for" : "a class");
        if (b->until_usec)
            buf_printf(out, "; room for it %s", time_to_rfc3339(b->until_usec, until));
        break;
    case PLAN_BLOCK_RESERVATION:
        text_reservation(core, b, out);
        break;
    case PLAN_BLOCK_PRIORITY:
        if (*b->subject) {
            buf_puts(out, "what was used before the controller's start is still being read");
            break;
        }
        buf_printf(out, "%" PRIu64 " job%s before it", b->count, b->count == 1 ? " is" : "s are");
        break;
    case PLAN_BLOCK_CPUS:
    case PLAN_BLOCK_MEMORY:
    case PLAN_BLOCK_GPUS:
    case PLAN_BLOCK_DISK:
    case PLAN_BLOCK_ENCODE:
    case PLAN_BLOCK_WORK:
        text_resource(b, name_job, out);
        break;
    case PLAN_N_BLOCKERS:
        break;
    }
}

/* About jobs of the same owner, or that its owner named. */
static bool is_own(const struct plan_blocker *b)
{
    return b->type == PLAN_BLOCK_DISK_BUSY || b->type == PLAN_BLOCK_DEPENDENCY ||
           b->type == PLAN_BLOCK_DEPENDENCY_NEVER;
}

void job_doc_write_blocker(struct core *core, const struct plan_blocker *b, bool name_job,
                           struct buf *out)
{
    struct buf text = BUF_INIT(400);
    bool is_resource = b->type >= PLAN_BLOCK_CPUS;

    text_of(core, b, name_job, &text);
    buf_puts(out, "{\"reason\":");
    json_write_string(out, reason_of(b));
    buf_puts(out, ",\"resource\":");
    json_write_string(out, is_resource ? resources[b->type] : "");
    buf_printf(out,
               ",\"need\":%" PRIu64 ",\"free\":%" PRIu64 ",\"count\":%" PRIu64 ",\"job\":", b->need,
               b->free, b->count);
    if (b->job && (name_job || is_own(b)))
        buf_printf(out, "%" PRIu64, b->job);
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"until\":");
    json_write_time(out, b->until_usec);
    buf_puts(out, ",\"subject\":");
    json_write_string(out, b->subject);
    buf_puts(out, ",\"text\":");
    json_write_string(out, text.data ? text.data : "");
    buf_putc(out, '}');
    buf_done(&text);
}
