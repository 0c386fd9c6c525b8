/* SPDX-License-Identifier: Apache-2.0 */
/* node_columns.c - the columns of vdiinfo: sinfo's letters over groups of nodes. */
#include "cli/node_columns.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "cli/cells.h"
#include "codec/document.h"

#define COLUMN(fn)                                                                                 \
    static void fn(const void *row, const struct format_context *context, struct buf *out)
#define GROUP ((const struct node_group *)row)

COLUMN(write_partition_name)
{
    cell_text(out, value_get_string(GROUP->partition, "name", ""), "n/a");
}

/* sinfo marks the default partition with a star. */
COLUMN(write_partition)
{
    write_partition_name(row, context, out);
    if (value_get_bool(GROUP->partition, "default", false))
        buf_putc(out, '*');
}

COLUMN(write_available)
{
    buf_puts(out, value_get_bool(GROUP->partition, "up", true) ? "up" : "down");
}

COLUMN(write_limit)
{
    int64_t sec = value_get_int(GROUP->partition, "max_time_sec", 0);
    if (sec)
        cell_length(out, sec);
    else
        buf_puts(out, "infinite");
}

COLUMN(write_tier)
{
    cell_int(out, value_get_int(GROUP->partition, "priority_tier", 0));
}

static const char *state_of(const struct node_group *group)
{
    return value_get_string(group->node, "state", "n/a");
}

COLUMN(write_state)
{
    for (const char *p = state_of(GROUP); *p; p++)
        buf_putc(out, (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
}

COLUMN(write_state_short)
{
    static const char *const words[][2] = {
        {"ALLOCATED", "alloc"}, {"MIXED", "mix"},     {"DRAINED", "drain"}, {"RESERVED", "resv"},
        {"MAINT", "maint"},     {"DRAINING", "drng"}, {"UNKNOWN", "unk"},   {"COMPLETING", "comp"},
    };
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (strcasecmp(state_of(GROUP), words[i][0]) == 0) {
            buf_puts(out, words[i][1]);
            return;
        }
    write_state(row, context, out);
}

static bool takes_work(const struct node_group *group)
{
    const char *state = state_of(group);
    return str_equal(state, "IDLE") || str_equal(state, "MIXED") || str_equal(state, "ALLOCATED");
}

COLUMN(write_count)
{
    cell_int(out, (int64_t)GROUP->n);
}

COLUMN(write_names)
{
    _cleanup_(freep) char *text = GROUP->n ? hostlist_fold(GROUP->names, GROUP->n) : NULL;
    cell_text(out, text, "");
}

COLUMN(write_host)
{
    cell_text(out, value_get_string(GROUP->node, "name", ""), "n/a");
}

COLUMN(write_cpus)
{
    cell_int(out, value_get_int(GROUP->node, "cpus", 0));
}

COLUMN(write_memory)
{
    cell_int(out, value_get_int(GROUP->node, "memory_mib", 0));
}

COLUMN(write_memory_free)
{
    cell_int(out, value_get_int(GROUP->node, "memory_mib", 0) -
                      value_get_int(GROUP->node, "memory_mib_used", 0));
}

/* allocated/idle/other/total */
COLUMN(write_cpu_use)
{
    const struct node_group *g = GROUP;
    buf_printf(out, "%lld/%lld/%lld/%lld", (long long)g->cpus_used, (long long)g->cpus_idle,
               (long long)(g->cpus - g->cpus_used - g->cpus_idle), (long long)g->cpus);
}

COLUMN(write_gpu_use)
{
    buf_printf(out, "%lld/%lld", (long long)GROUP->gpus_used, (long long)GROUP->gpus);
}

COLUMN(write_node_use)
{
    int64_t n = (int64_t)GROUP->n;
    bool idle = str_equal(state_of(GROUP), "IDLE"), works = takes_work(GROUP);
    buf_printf(out, "%lld/%lld", (long long)(works && !idle ? n : 0), (long long)(idle ? n : 0));
}

COLUMN(write_node_use_all)
{
    int64_t n = (int64_t)GROUP->n;
    write_node_use(row, context, out);
    buf_printf(out, "/%lld/%lld", (long long)(takes_work(GROUP) ? 0 : n), (long long)n);
}

/* "gpu:NVIDIA A40:4", blanks as they are in the inventory. */
COLUMN(write_gres)
{
    int64_t gpus = value_get_int(GROUP->node, "gpus", 0);
    const char *type = value_get_string(GROUP->node, "gpu_type", "");
    if (gpus)
        buf_printf(out, "gpu%s%s:%lld", *type ? ":" : "", type, (long long)gpus);
    else
        buf_puts(out, "(null)");
}

COLUMN(write_features)
{
    cell_text(out, value_get_string(GROUP->node, "features", ""), "(null)");
}

COLUMN(write_reason)
{
    cell_text(out, value_get_string(GROUP->node, "reason", ""), "none");
}

COLUMN(write_reason_by)
{
    const char *by = value_get_string(GROUP->node, "reason_by", "");
    if (*by)
        cell_owner(out, by);
    else
        buf_puts(out, "Unknown");
}

COLUMN(write_reason_time)
{
    const char *time = value_get_string(GROUP->node, "reason_time", "");
    if (*time)
        cell_time(out, time);
    else
        buf_puts(out, "Unknown");
}

COLUMN(write_version)
{
    cell_text(out, value_get_string(GROUP->node, "version", ""), "n/a");
}

const struct column node_columns[] = {
    {'a', "available", "AVAIL", "", write_available},
    {'A', "nodeai", "NODES(A/I)", "", write_node_use, .sum = true},
    {'c', "cpus", "CPUS", "", write_cpus},
    {'C', "cpusstate", "CPUS(A/I/O/T)", "", write_cpu_use, .sum = true},
    {'D', "nodes", "NODES", "", write_count, .sum = true},
    {'e', "freemem", "FREE_MEM", "", write_memory_free},
    {'E', "reason", "REASON", "", write_reason},
    {'f', "features", "AVAIL_FEATURES", "", write_features},
    {'F', "nodeaiot", "NODES(A/I/O/T)", "", write_node_use_all, .sum = true},
    {'g', "gpusused", "GPUS(A/T)", "", write_gpu_use, .sum = true},
    {'G', "gres", "GRES", "", write_gres},
    {'H', "timestamp", "TIMESTAMP", "", write_reason_time},
    {'l', "time", "TIMELIMIT", "", write_limit},
    {'m', "memory", "MEMORY", "", write_memory},
    {'n', "nodehost", "HOSTNAMES", "", write_host},
    {'N', "nodelist", "NODELIST", "", write_names, .sum = true},
    {'p', "prioritytier", "PRIO_TIER", "", write_tier},
    {'P', "partition", "PARTITION", "", write_partition},
    {'R', "partitionname", "PARTITION", "", write_partition_name},
    {'t', "statecompact", "STATE", "", write_state_short},
    {'T', "statelong", "STATE", "", write_state},
    {'u', "user", "USER", "", write_reason_by},
    {'v', "version", "VERSION", "", write_version},
    {0, NULL, NULL, NULL, NULL},
};
