/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_columns.c - the columns of vdiqueue: squeue's letters over the job document.
 *
 * Portals ask squeue for every letter there is and read the answer by place.
 * A letter of a thing that jobs do not have here shows what squeue shows for a
 * job without it; a letter that squeue does not know either is refused.
 */
#include "cli/job_columns.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/ids.h"
#include "codec/document.h"
#include "model/job_state.h"

#define COLUMN(fn)                                                                                 \
    static void fn(const void *row, const struct format_context *context, struct buf *out)

/* A column that is one member of the document, as text. */
#define TEXT_COLUMN(fn, member, otherwise)                                                         \
    COLUMN(fn)                                                                                     \
    {                                                                                              \
        cell_text(out, value_get_string(row, member, ""), otherwise);                              \
    }
#define INT_COLUMN(fn, member)                                                                     \
    COLUMN(fn)                                                                                     \
    {                                                                                              \
        cell_int(out, value_get_int(row, member, 0));                                              \
    }
#define CONSTANT_COLUMN(fn, text)                                                                  \
    COLUMN(fn)                                                                                     \
    {                                                                                              \
        buf_puts(out, text);                                                                       \
    }

INT_COLUMN(write_id, "id")
INT_COLUMN(write_cpus, "cpus")
INT_COLUMN(write_priority_number, "priority")
INT_COLUMN(write_nice, "nice")
INT_COLUMN(write_restarts, "restarts")
INT_COLUMN(write_exit_code, "exit_code")
INT_COLUMN(write_instance, "instance")
INT_COLUMN(write_place, "place")
TEXT_COLUMN(write_name, "name", "")
TEXT_COLUMN(write_partition, "partition", "")
TEXT_COLUMN(write_account, "account", "(null)")
TEXT_COLUMN(write_qos, "qos", "")
TEXT_COLUMN(write_reservation, "reservation", "(null)")
TEXT_COLUMN(write_comment, "comment", "(null)")
TEXT_COLUMN(write_constraint, "constraint", "(null)")
TEXT_COLUMN(write_licences, "licences", "(null)")
TEXT_COLUMN(write_dependency, "dependency", "(null)")
TEXT_COLUMN(write_nodelist, "nodelist", "")
TEXT_COLUMN(write_exclude, "exclude", "")
TEXT_COLUMN(write_exec_host, "node", "n/a")
TEXT_COLUMN(write_work_dir, "work_dir", "")
TEXT_COLUMN(write_state, "state", "")
TEXT_COLUMN(write_template, "template", "")
TEXT_COLUMN(write_profile, "profile", "(null)")
TEXT_COLUMN(write_kind, "kind", "")
TEXT_COLUMN(write_planned_node, "estimated_node", "(null)")
TEXT_COLUMN(write_reason_text, "reason", "")
CONSTANT_COLUMN(write_zero, "0")
CONSTANT_COLUMN(write_null, "(null)")
CONSTANT_COLUMN(write_star, "*")
CONSTANT_COLUMN(write_stars, "*:*:*")
CONSTANT_COLUMN(write_none, "N/A")
CONSTANT_COLUMN(write_no, "NO")

/* "12", "12_4", or for those of an array that are shown as one "12_[4-99%10]". */
COLUMN(write_name_of_job)
{
    struct id id = id_of(row);
    char text[ID_TEXT];
    if (context->tasks)
        buf_printf(out, "%" PRIu64 "_[%s]", id.job, context->tasks);
    else
        buf_puts(out, id_text(id, text));
}

COLUMN(write_node_list)
{
    buf_puts(out, value_node_list(row));
}

COLUMN(write_nodes)
{
    cell_int(out, value_nodes(row));
}

COLUMN(write_all_cpus)
{
    cell_int(out, value_nodes(row) * value_get_int(row, "cpus", 0));
}

COLUMN(write_all_gpus)
{
    cell_int(out, value_nodes(row) * value_get_int(row, "gpus", 0));
}

COLUMN(write_array_id)
{
    cell_int(out, (int64_t)id_of(row).job);
}

COLUMN(write_task_id)
{
    struct id id = id_of(row);
    if (context->tasks)
        buf_puts(out, context->tasks);
    else if (id.task < 0)
        buf_puts(out, "N/A");
    else
        cell_int(out, id.task);
}

static bool is_pending(const void *row)
{
    return str_equal(value_get_string(row, "state", ""), "PENDING");
}

static int64_t limit_usec(const void *row)
{
    return value_get_int(row, "time_limit_sec", 0) * USEC_PER_SEC;
}

COLUMN(write_state_letters)
{
    buf_puts(out, job_state_letters(job_state_from(value_get_string(row, "state", ""))));
}

COLUMN(write_user)
{
    cell_owner(out, value_get_string(row, "owner", ""));
}

COLUMN(write_uid)
{
    cell_int(out, value_get_int(row, "uid", -1));
}

/* %g too: the API carries the number, names are the directory's business. */
COLUMN(write_gid)
{
    cell_int(out, value_get_int(row, "gid", -1));
}

COLUMN(write_reason)
{
    const char *blocker = is_pending(row) ? value_get_string(row, "blocker", "") : "";
    cell_text(out, *blocker ? blocker : value_get_string(row, "reason", ""), "None");
}

COLUMN(write_node_or_reason)
{
    const char *node = value_node_list(row);
    bool ended_badly = !*node && !is_pending(row);
    if (*node && !is_pending(row)) {
        buf_puts(out, node);
        if (value_get_bool(row, "unreachable", false))
            buf_puts(out, " (unreachable)");
        return;
    }
    buf_putc(out, '(');
    if (ended_badly)
        cell_text(out, value_get_string(row, "reason", ""), "None");
    else
        write_reason(row, context, out);
    buf_putc(out, ')');
}

/* Running time does not count what a job was suspended for just now. */
static int64_t used_usec(const void *row, const struct format_context *context)
{
    int64_t start = value_usec(row, "start_time"), end = value_usec(row, "end_time");
    int64_t suspended = value_usec(row, "suspended_time");
    if (!end)
        end = suspended ? suspended : context->now_usec;
    return start && end > start ? end - start : 0;
}

COLUMN(write_used)
{
    cell_length(out, used_usec(row, context) / USEC_PER_SEC);
}

COLUMN(write_limit)
{
    cell_limit(out, value_get_int(row, "time_limit_sec", 0));
}

COLUMN(write_left)
{
    int64_t limit = limit_usec(row), left = limit - used_usec(row, context);
    if (!limit)
        buf_puts(out, "UNLIMITED");
    else
        cell_length(out, left > 0 ? left / USEC_PER_SEC : 0);
}

COLUMN(write_start)
{
    const char *start = value_get_string(row, "start_time", "");
    cell_time(out, *start ? start : value_get_string(row, "estimated_start_time", ""));
}

COLUMN(write_end)
{
    int64_t end = value_usec(row, "end_time"), start = value_usec(row, "start_time");
    if (!end && start && limit_usec(row))
        end = start + limit_usec(row);
    cell_usec(out, end);
}

COLUMN(write_submit)
{
    cell_time(out, value_get_string(row, "submit_time", ""));
}

COLUMN(write_idle_since)
{
    cell_time(out, value_get_string(row, "idle_since_time", ""));
}

COLUMN(write_begin)
{
    cell_time(out, value_get_string(row, "begin_time", ""));
}

COLUMN(write_memory)
{
    cell_mib(out, value_get_int(row, "memory_mib", 0), context->noconvert);
}

/* "gres/gpu:nvidia-a40-4q:1" */
COLUMN(write_gpus)
{
    int64_t gpus = value_get_int(row, "gpus", 0);
    const char *profile = value_get_string(row, "profile", "");
    if (!gpus) {
        buf_puts(out, "N/A");
        return;
    }
    buf_printf(out, "gres/gpu%s%s:", *profile ? ":" : "", profile);
    cell_int(out, gpus);
}

COLUMN(write_command)
{
    bool batch = str_equal(value_get_string(row, "kind", ""), "batch");
    cell_text(out, value_get_string(row, batch ? "name" : "template", ""), "");
}

/* Slurm shows the number of %Q as a part of 2^32. */
COLUMN(write_priority_part)
{
    buf_printf(out, "%.14f", (double)value_get_int(row, "priority", 0) / 4294967296.0);
}

#define NODE_FIELDS "node,node_list,state,reason,unreachable,estimates"
#define USED_FIELDS "start_time,end_time,suspended_time"

const struct column job_columns[] = {
    {'a', "account", "ACCOUNT", "account", write_account},
    {'A', "jobid", "JOBID", "id", write_id},
    {'b', "tres-per-node", "TRES_PER_NODE", "gpus,profile", write_gpus},
    {'B', "batchhost", "EXEC_HOST", "node", write_exec_host},
    {'c', "mincpus", "MIN_CPUS", "cpus", write_cpus},
    {'C', "numcpus", "CPUS", "cpus,nodes", write_all_cpus},
    {'d', "mintmpdisk", "MIN_TMP_DISK", "", write_zero},
    {'D', "numnodes", "NODES", "nodes", write_nodes},
    {'e', "endtime", "END_TIME", "end_time,start_time,time_limit_sec", write_end},
    {'E', "dependency", "DEPENDENCY", "dependency", write_dependency},
    {'f', "feature", "FEATURES", "constraint", write_constraint},
    {'F', "arrayjobid", "ARRAY_JOB_ID", ID_FIELDS, write_array_id},
    {'g', "groupname", "GROUP", "gid", write_gid},
    {'G', "groupid", "GROUP", "gid", write_gid},
    {'h', "oversubscribe", "OVER_SUBSCRIBE", "", write_no},
    {'H', "sockets", "SOCKETS_PER_NODE", "", write_star},
    {'i', "jobarrayid", "JOBID", ID_FIELDS, write_name_of_job},
    {'I', "cores", "CORES_PER_SOCKET", "", write_star},
    {'j', "name", "NAME", "name", write_name},
    {'J', "threads", "THREADS_PER_CORE", "", write_star},
    {'k', "comment", "COMMENT", "comment", write_comment},
    {'K', "arraytaskid", "ARRAY_TASK_ID", "array_id,array_task", write_task_id},
    {'l', "timelimit", "TIME_LIMIT", "time_limit_sec", write_limit},
    {'L', "timeleft", "TIME_LEFT", "time_limit_sec," USED_FIELDS, write_left},
    {'m', "minmemory", "MIN_MEMORY", "memory_mib", write_memory},
    {'M', "timeused", "TIME", USED_FIELDS, write_used},
    {'n', "reqnodes", "REQ_NODES", "nodelist", write_nodelist},
    {'N', "nodelist", "NODELIST", "node,node_list", write_node_list},
    {'o', "command", "COMMAND", "name,kind,template", write_command},
    {'O', "contiguous", "CONTIGUOUS", "", write_zero},
    {'p', "priority", "PRIORITY", "priority", write_priority_part},
    {'P', "partition", "PARTITION", "partition", write_partition},
    {'q', "qos", "QOS", "qos", write_qos},
    {'Q', "prioritylong", "PRIORITY", "priority", write_priority_number},
    {'r', "reason", "REASON", "state,reason,estimates", write_reason},
    {'R', "reasonlist", "NODELIST(REASON)", NODE_FIELDS, write_node_or_reason},
    {'s', "selectjobinfo", "SELECT_JOBINFO", "", write_null},
    {'S', "starttime", "START_TIME", "start_time,estimates", write_start},
    {'t', "statecompact", "ST", "state", write_state_letters},
    {'T', "state", "STATE", "state", write_state},
    {'u', "username", "USER", "owner", write_user},
    {'U', "userid", "USER", "uid", write_uid},
    {'v', "reservation", "RESERVATION", "reservation", write_reservation},
    {'V', "submittime", "SUBMIT_TIME", "submit_time", write_submit},
    {'w', "wckey", "WCKEY", "", write_null},
    {'W', "licenses", "LICENSES", "licences", write_licences},
    {'x', "exc_nodes", "EXC_NODES", "exclude", write_exclude},
    {'X', "corespec", "CORE_SPEC", "", write_none},
    {'y', "nice", "NICE", "nice", write_nice},
    {'Y', "schednodes", "SCHEDNODES", "estimates", write_planned_node},
    {'z', "sct", "S:C:T", "", write_stars},
    {'Z', "workdir", "WORK_DIR", "work_dir", write_work_dir},
    {0, "begintime", "BEGIN_TIME", "begin_time", write_begin},
    {0, "exit_code", "EXIT_CODE", "exit_code", write_exit_code},
    {0, "gpus", "GPUS", "gpus,nodes", write_all_gpus},
    {0, "idlesince", "IDLE_SINCE", "estimates", write_idle_since},
    {0, "instance", "INSTANCE", "instance", write_instance},
    {0, "kind", "KIND", "kind", write_kind},
    {0, "place", "PLACE", "estimates", write_place},
    {0, "profile", "PROFILE", "profile", write_profile},
    {0, "reasontext", "REASON", "reason", write_reason_text},
    {0, "restartcnt", "RESTARTS", "restarts", write_restarts},
    {0, "template", "TEMPLATE", "template", write_template},
    {0, NULL, NULL, NULL, NULL},
};

/* Numbers and times compare as what they are, not as they are shown. */
static bool number_of(const struct column *column, const struct value *job,
                      const struct format_context *context, int64_t *ret)
{
    if (column->write == write_used)
        *ret = used_usec(job, context);
    else if (column->write == write_left)
        *ret = limit_usec(job) ? limit_usec(job) - used_usec(job, context) : INT64_MAX;
    else if (column->write == write_limit)
        *ret = limit_usec(job) ? limit_usec(job) : INT64_MAX;
    else if (column->write == write_name_of_job)
        *ret = value_get_int(job, "id", 0);
    else if (column->write == write_memory)
        *ret = value_get_int(job, "memory_mib", 0);
    else if (column->write == write_priority_part)
        *ret = value_get_int(job, "priority", 0);
    else if (column->write == write_state_letters || column->write == write_state)
        *ret = job_state_from(value_get_string(job, "state", ""));
    else
        return false;
    return true;
}

static int compare_text(const char *a, const char *b)
{
    int64_t x, y;
    if (str_to_i64(a, INT64_MIN, INT64_MAX, &x) == 0 &&
        str_to_i64(b, INT64_MIN, INT64_MAX, &y) == 0)
        return (x > y) - (x < y);
    return strcmp(a, b);
}

int job_compare(const struct column *column, const struct value *a, const struct value *b,
                const struct format_context *context)
{
    int64_t x, y;
    if (number_of(column, a, context, &x) && number_of(column, b, context, &y))
        return (x > y) - (x < y);
    _cleanup_(buf_done) struct buf left = BUF_INIT(4096), right = BUF_INIT(4096);
    column->write(a, context, &left);
    column->write(b, context, &right);
    return compare_text(left.data ? left.data : "", right.data ? right.data : "");
}
