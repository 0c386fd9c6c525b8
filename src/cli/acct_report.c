/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acct_report.c - vdiacct report: what users and accounts used, period by period.
 *
 * The controller sums up between the times it is told; where a day or a month begins is a
 * matter of who asks, so that they are cut here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/acct.h"
#include "cli/cells.h"
#include "codec/document.h"

#define CUTS_MAX 1001 /* that /v1/usage takes */

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
/* What the document counts in seconds, in hours; `unit` of the member are one. */
#define HOURS_COLUMN(fn, member, unit)                                                             \
    COLUMN(fn)                                                                                     \
    {                                                                                              \
        buf_printf(out, "%.2f", (double)value_get_int(row, member, 0) / 3600.0 / (unit));          \
    }

TEXT_COLUMN(write_account, "account")
TEXT_COLUMN(write_partition, "partition")
TEXT_COLUMN(write_qos, "qos")
TEXT_COLUMN(write_template, "template")
TEXT_COLUMN(write_profile, "profile")
INT_COLUMN(write_instances, "instances")
INT_COLUMN(write_gpu_seconds, "gpu_seconds")
INT_COLUMN(write_cpu_seconds, "cpu_seconds")
HOURS_COLUMN(write_hours, "held_seconds", 1)
HOURS_COLUMN(write_gpu_hours, "gpu_seconds", 1)
HOURS_COLUMN(write_cpu_hours, "cpu_seconds", 1)
HOURS_COLUMN(write_memory_hours, "memory_mib_seconds", 1024)

COLUMN(write_user)
{
    cell_owner(out, value_get_string(row, "owner", ""));
}

COLUMN(write_start)
{
    cell_time(out, value_get_string(row, "since", ""));
}

COLUMN(write_end)
{
    cell_time(out, value_get_string(row, "until", ""));
}

/* A plus: there were GPUs whose framebuffer is not known on top of it. */
COLUMN(write_framebuffer_hours)
{
    buf_printf(out, "%.2f",
               (double)value_get_int(row, "framebuffer_mib_seconds", 0) / 3600.0 / 1024.0);
    if (value_get_int(row, "gpu_seconds_unsized", 0))
        buf_putc(out, '+');
}

#define NAMED(n, title, write, width)                                                              \
    {                                                                                              \
        0, n, title, "", write, false, width                                                       \
    }

static const struct column columns[] = {
    NAMED("account", "Account", write_account, 12),
    NAMED("cpuhours", "CPUHours", write_cpu_hours, 12),
    NAMED("cpuseconds", "CPUSeconds", write_cpu_seconds, 14),
    NAMED("end", "End", write_end, 19),
    NAMED("framebufferhours", "FBGiBHours", write_framebuffer_hours, 12),
    NAMED("gpuhours", "GPUHours", write_gpu_hours, 12),
    NAMED("gpuseconds", "GPUSeconds", write_gpu_seconds, 14),
    NAMED("hours", "Hours", write_hours, 12),
    NAMED("instances", "Runs", write_instances, 8),
    NAMED("memoryhours", "MemGiBHours", write_memory_hours, 12),
    NAMED("partition", "Partition", write_partition, 12),
    NAMED("profile", "Profile", write_profile, 18),
    NAMED("qos", "QOS", write_qos, 10),
    NAMED("start", "Start", write_start, 19),
    NAMED("template", "Template", write_template, 12),
    NAMED("user", "User", write_user, 12),
    {0, NULL, NULL, NULL, NULL},
};

/* "user,profile" -> "owner,profile" */
static int by_make(const char *text, struct buf *out, struct vdi_error *err)
{
    static const char *const names[] = {"user",     "account", "partition", "qos",
                                        "template", "profile", NULL};
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ","), i = 0;
        while (names[i] && (strlen(names[i]) != n || memcmp(names[i], p, n) != 0))
            i++;
        if (!names[i]) {
            error_set(err, EINVAL, "by", "--by=%.60s: nothing is summed up by that", text);
            error_hint(err, NULL, "write user,account,partition,qos,template,profile");
            return -EINVAL;
        }
        buf_puts(out, out->len ? "," : "");
        buf_puts(out, i ? names[i] : "owner");
        p += n + (p[n] == ',');
    }
    return 0;
}

/* Whole seconds: a report ends with the second that has passed. */
static int cut(struct buf *out, size_t *io_n, int64_t usec, struct vdi_error *err)
{
    if (++*io_n > CUTS_MAX) {
        error_set(err, EINVAL, "period", "the time has too many periods");
        error_hint(err, "1000 periods", "take longer ones, or less time");
        return -EINVAL;
    }
    buf_printf(out, out->len ? ",%" PRId64 : "%" PRId64, usec / USEC_PER_SEC);
    return 0;
}

static int cuts_make(const struct acct *acct, struct buf *out, struct vdi_error *err)
{
    static const char *const words[] = {"day", "week", "month", "all", NULL};
    int64_t until = acct->until_usec ? acct->until_usec : acct->now_usec + USEC_PER_SEC;
    const char *period = acct->period ? acct->period : "all";
    size_t i = 0, n = 0;
    while (words[i] && strcmp(words[i], period) != 0)
        i++;
    if (!words[i]) {
        error_set(err, EINVAL, "period", "--period=%.60s: no such period", period);
        error_hint(err, NULL, "write day, week, month or all");
        return -EINVAL;
    }
    int64_t usec = acct->since_usec;
    int r = cut(out, &n, usec, err);
    while (r == 0 && *period != 'a') {
        usec = acct_next(*period, usec);
        if (usec >= until)
            break;
        r = cut(out, &n, usec, err);
    }
    return r == 0 ? cut(out, &n, until, err) : r;
}

/* What it is summed up by stands before the sums. */
static int format_make(const struct acct *acct, const char *by, struct format *ret,
                       struct vdi_error *err)
{
    bool plain = acct->parsable || acct->parsable2;
    const char *delimiter = !plain ? NULL : acct->delimiter ? acct->delimiter : "|";
    _cleanup_(buf_done) struct buf text = BUF_INIT(4096);
    if (!acct->format)
        buf_printf(&text, "%s%s,Instances,Hours,GPUHours,FramebufferHours,CPUHours,MemoryHours",
                   acct->period && !str_equal(acct->period, "all") ? "Start," : "", by);
    int r =
        format_parse_list(acct->format ? acct->format : text.data, columns, delimiter, ret, err);
    return r == 0 && acct->parsable ? format_end(ret, delimiter, err) : r;
}

static void print_usage(const struct acct *acct, const struct format *format,
                        const struct value *list)
{
    struct format_context context = {.now_usec = acct->now_usec, .noconvert = acct->noconvert};
    _cleanup_(buf_done) struct buf out = BUF_INIT(0);
    if (!acct->noheader)
        format_header(format, &out);
    if (!acct->noheader && !acct->parsable && !acct->parsable2)
        format_rule(format, &out);
    for (size_t i = 0; i < value_count(list); i++)
        format_row(format, value_item(list, i), &context, &out);
    fwrite(out.data ? out.data : "", 1, out.len, stdout);
}

static int refuse_list(const char *name, const char *text, struct vdi_error *err)
{
    if (!text || !strchr(text, ','))
        return 0;
    error_set(err, EINVAL, name, "--%s=%.60s: a report takes one", name, text);
    error_hint(err, "one", "leave it out and use --by");
    return -EINVAL;
}

/* What /v1/usage does not know of. */
static int check(const struct acct *acct, struct vdi_error *err)
{
    const struct job_filter *f = &acct->filter;
    int r = refuse_list("user", acct->users, err);
    if (r == 0)
        r = refuse_list("accounts", f->account, err);
    if (r == 0)
        r = refuse_list("partition", f->partition, err);
    if (r == 0)
        r = refuse_list("qos", f->qos, err);
    if (r == 0 && (f->ids.n || f->name || f->nodes || f->state || acct->limit || acct->brief ||
                   acct->is_long)) {
        error_set(
            err, EINVAL, "",
            "a report takes no --jobs, --name, --nodelist, --state, --limit, --brief, --long");
        r = -EINVAL;
    }
    return r;
}

int acct_report(struct client *client, const struct acct *acct, struct vdi_error *err)
{
    const char *by = acct->by ? acct->by : "account,user";
    _cleanup_(buf_done) struct buf target = BUF_INIT(1 << 16), cuts = BUF_INIT(1 << 15),
                                   members = BUF_INIT(256);
    _cleanup_(document_freep) struct document *document = NULL;
    struct format format;
    int r = check(acct, err);
    if (r == 0)
        r = by_make(by, &members, err);
    if (r == 0)
        r = cuts_make(acct, &cuts, err);
    if (r == 0)
        r = format_make(acct, by, &format, err);
    if (r < 0)
        return r;
    buf_puts(&target, "/v1/usage");
    client_query(&target, "cuts", cuts.data);
    client_query(&target, "by", members.data);
    client_query(&target, "user", acct->users);
    client_query(&target, "account", acct->filter.account);
    client_query(&target, "partition", acct->filter.partition);
    client_query(&target, "qos", acct->filter.qos);
    client_query(&target, "me", acct->filter.me ? "true" : NULL);
    r = client_get(client, target.data, &document, err);
    if (r < 0)
        return r;
    if (acct->json) {
        _cleanup_(buf_done) struct buf out = BUF_INIT(0);
        value_write(document_root(document), 2, &out);
        puts(out.data ? out.data : "");
    } else {
        print_usage(acct, &format, value_get(document_root(document), "usage"));
    }
    return 0;
}
