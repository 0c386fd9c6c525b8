/* SPDX-License-Identifier: Apache-2.0 */
/* acct_columns.c - the columns of vdiacct: sacct's names over the job document. */
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/acct.h"
#include "cli/cells.h"
#include "cli/ids.h"
#include "codec/document.h"

#define COLUMN(fn)                                                                                 \
    static void fn(const void *row, const struct format_context *context, struct buf *out)
#define TEXT_COLUMN(fn, member)                                                                    \
    COLUMN(fn)                                                                                     \
    {                                                                                              \
        buf_puts(out, value_get_string(row, member, ""));                                          \
    }
#define INT_COLUMN(fn, member)                                                                     \
    COLUMN(fn)                                                                                     \
    {                                                                                              \
        cell_int(out, value_get_int(row, member, 0));                                              \
    }
#define TIME_COLUMN(fn, member)                                                                    \
    COLUMN(fn)                                                                                     \
    {                                                                                              \
        int64_t usec = value_usec(row, member);                                                    \
        if (usec)                                                                                  \
            cell_usec(out, usec);                                                                  \
        else                                                                                       \
            buf_puts(out, "Unknown");                                                              \
    }

INT_COLUMN(write_id, "id")
INT_COLUMN(write_uid, "uid")
INT_COLUMN(write_gid, "gid")
INT_COLUMN(write_priority, "priority")
INT_COLUMN(write_restarts, "restarts")
INT_COLUMN(write_instance, "instance")
INT_COLUMN(write_limit_raw, "time_limit_sec")
TEXT_COLUMN(write_name, "name")
TEXT_COLUMN(write_partition, "partition")
TEXT_COLUMN(write_account, "account")
TEXT_COLUMN(write_qos, "qos")
TEXT_COLUMN(write_comment, "comment")
TEXT_COLUMN(write_constraint, "constraint")
TEXT_COLUMN(write_state, "state")
TEXT_COLUMN(write_reason, "reason")
TEXT_COLUMN(write_template, "template")
TEXT_COLUMN(write_profile, "profile")
TEXT_COLUMN(write_kind, "kind")
TEXT_COLUMN(write_work_dir, "work_dir")
TIME_COLUMN(write_submit, "submit_time")
TIME_COLUMN(write_alloc, "alloc_time")
TIME_COLUMN(write_start, "start_time")
TIME_COLUMN(write_end, "end_time")

COLUMN(write_name_of_job)
{
    char text[ID_TEXT];
    buf_puts(out, id_text(id_of(row), text));
}

/* All nodes together, as sacct has them. */
static int64_t all_of(const void *row, const char *member)
{
    return value_nodes(row) * value_get_int(row, member, 0);
}

COLUMN(write_cpus)
{
    cell_int(out, all_of(row, "cpus"));
}

COLUMN(write_gpus)
{
    cell_int(out, all_of(row, "gpus"));
}

COLUMN(write_nodes)
{
    cell_int(out, *value_get_string(row, "node", "") ? value_nodes(row) : 0);
}

COLUMN(write_node)
{
    cell_text(out, value_node_list(row), "None assigned");
}

COLUMN(write_user)
{
    cell_owner(out, value_get_string(row, "owner", ""));
}

/* "0:9": the script's code and the signal that ended it. */
COLUMN(write_exit_code)
{
    cell_int(out, value_get_int(row, "exit_code", 0));
    buf_putc(out, ':');
    cell_int(out, value_get_int(row, "exit_signal", 0));
}

/* From the start to the end, suspensions left out. */
static int64_t elapsed_sec(const void *row, const struct format_context *context)
{
    int64_t start = value_usec(row, "start_time"), end = value_usec(row, "end_time");
    int64_t suspended = value_usec(row, "suspended_time");
    if (!end)
        end = suspended ? suspended : context->now_usec;
    int64_t usec = end - start - value_get_int(row, "suspended_total_usec", 0);
    return start && usec > 0 ? usec / USEC_PER_SEC : 0;
}

COLUMN(write_elapsed)
{
    cell_length(out, elapsed_sec(row, context));
}

COLUMN(write_elapsed_raw)
{
    cell_int(out, elapsed_sec(row, context));
}

COLUMN(write_cpu_time)
{
    cell_length(out, elapsed_sec(row, context) * all_of(row, "cpus"));
}

COLUMN(write_cpu_time_raw)
{
    cell_int(out, elapsed_sec(row, context) * all_of(row, "cpus"));
}

COLUMN(write_gpu_time)
{
    cell_length(out, elapsed_sec(row, context) * all_of(row, "gpus"));
}

COLUMN(write_gpu_time_raw)
{
    cell_int(out, elapsed_sec(row, context) * all_of(row, "gpus"));
}

COLUMN(write_suspended)
{
    int64_t since = value_usec(row, "suspended_time");
    int64_t usec = value_get_int(row, "suspended_total_usec", 0);
    if (since && context->now_usec > since)
        usec += context->now_usec - since;
    cell_length(out, usec / USEC_PER_SEC);
}

/* How long it waited, or waits. */
COLUMN(write_planned)
{
    int64_t submit = value_usec(row, "submit_time"), until = value_usec(row, "start_time");
    if (!until)
        until = value_usec(row, "end_time");
    if (!until)
        until = context->now_usec;
    cell_length(out, until > submit ? (until - submit) / USEC_PER_SEC : 0);
}

COLUMN(write_eligible)
{
    int64_t submit = value_usec(row, "submit_time"), begin = value_usec(row, "begin_time");
    cell_usec(out, begin > submit ? begin : submit);
}

COLUMN(write_limit)
{
    cell_limit(out, value_get_int(row, "time_limit_sec", 0));
}

COLUMN(write_memory)
{
    cell_mib(out, value_get_int(row, "memory_mib", 0), context->noconvert);
}

static void write_tres(const void *row, const struct format_context *context, struct buf *out)
{
    int64_t gpus = all_of(row, "gpus");
    const char *profile = value_get_string(row, "profile", "");
    buf_puts(out, "cpu=");
    write_cpus(row, context, out);
    if (gpus) {
        buf_puts(out, ",gres/gpu=");
        cell_int(out, gpus);
    }
    if (gpus && *profile) {
        buf_printf(out, ",gres/gpu:%s=", profile);
        cell_int(out, gpus);
    }
    buf_puts(out, ",mem=");
    cell_mib(out, all_of(row, "memory_mib"), context->noconvert);
    buf_puts(out, ",node=");
    cell_int(out, value_nodes(row));
}

COLUMN(write_alloc_tres)
{
    if (value_usec(row, "alloc_time"))
        write_tres(row, context, out);
}

#define USED "start_time,end_time,suspended_time,suspended_total_usec"
#define TRES "cpus,gpus,profile,memory_mib,nodes"
#define NAMED(n, title, fields, write, width)                                                      \
    {                                                                                              \
        0, n, title, fields, write, false, width                                                   \
    }

const struct column acct_columns[] = {
    NAMED("account", "Account", "account", write_account, 10),
    NAMED("alloccpus", "AllocCPUS", "cpus,nodes", write_cpus, 10),
    NAMED("allocnodes", "AllocNodes", "node,nodes", write_nodes, 10),
    NAMED("alloctime", "AllocTime", "alloc_time", write_alloc, 19),
    NAMED("alloctres", "AllocTRES", "alloc_time," TRES, write_alloc_tres, 40),
    NAMED("comment", "Comment", "comment", write_comment, 14),
    NAMED("constraints", "Constraints", "constraint", write_constraint, 20),
    NAMED("cputime", "CPUTime", "cpus,nodes," USED, write_cpu_time, 10),
    NAMED("cputimeraw", "CPUTimeRAW", "cpus,nodes," USED, write_cpu_time_raw, 10),
    NAMED("elapsed", "Elapsed", USED, write_elapsed, 10),
    NAMED("elapsedraw", "ElapsedRaw", USED, write_elapsed_raw, 10),
    NAMED("eligible", "Eligible", "submit_time,begin_time", write_eligible, 19),
    NAMED("end", "End", "end_time", write_end, 19),
    NAMED("exitcode", "ExitCode", "exit_code,exit_signal", write_exit_code, 8),
    NAMED("gid", "GID", "gid", write_gid, 6),
    NAMED("gpus", "GPUs", "gpus,nodes", write_gpus, 4),
    NAMED("gputime", "GPUTime", "gpus,nodes," USED, write_gpu_time, 10),
    NAMED("gputimeraw", "GPUTimeRaw", "gpus,nodes," USED, write_gpu_time_raw, 10),
    NAMED("instance", "Instance", "instance", write_instance, 9),
    NAMED("jobid", "JobID", ID_FIELDS, write_name_of_job, 12),
    NAMED("jobidraw", "JobIDRaw", "id", write_id, 12),
    NAMED("jobname", "JobName", "name", write_name, 10),
    NAMED("kind", "Kind", "kind", write_kind, 11),
    NAMED("ncpus", "NCPUS", "cpus,nodes", write_cpus, 10),
    NAMED("nnodes", "NNodes", "node,nodes", write_nodes, 8),
    NAMED("nodelist", "NodeList", "node,node_list", write_node, 15),
    NAMED("partition", "Partition", "partition", write_partition, 10),
    NAMED("planned", "Planned", "submit_time,start_time,end_time", write_planned, 10),
    NAMED("priority", "Priority", "priority", write_priority, 10),
    NAMED("profile", "Profile", "profile", write_profile, 15),
    NAMED("qos", "QOS", "qos", write_qos, 10),
    NAMED("reason", "Reason", "reason", write_reason, 22),
    NAMED("reqcpus", "ReqCPUS", "cpus,nodes", write_cpus, 8),
    NAMED("reqmem", "ReqMem", "memory_mib", write_memory, 10),
    NAMED("reqtres", "ReqTRES", TRES, write_tres, 40),
    NAMED("restarts", "Restarts", "restarts", write_restarts, 8),
    NAMED("start", "Start", "start_time", write_start, 19),
    NAMED("state", "State", "state", write_state, 11),
    NAMED("submit", "Submit", "submit_time", write_submit, 19),
    NAMED("suspended", "Suspended", "suspended_time,suspended_total_usec", write_suspended, 10),
    NAMED("template", "Template", "template", write_template, 12),
    NAMED("timelimit", "Timelimit", "time_limit_sec", write_limit, 10),
    NAMED("timelimitraw", "TimelimitRaw", "time_limit_sec", write_limit_raw, 12),
    NAMED("uid", "UID", "uid", write_uid, 6),
    NAMED("user", "User", "owner", write_user, 9),
    NAMED("workdir", "WorkDir", "work_dir", write_work_dir, 20),
    {0, NULL, NULL, NULL, NULL},
};
