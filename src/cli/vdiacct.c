/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdiacct.c - shows jobs of any time and what was used, as sacct(1) and sreport(1) do.
 *
 * Jobs come in the order of their ends and are printed page by page, so that a list of
 * any length takes the memory of one page.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/acct.h"
#include "cli/job_columns.h"
#include "cli/options.h"

#define NAME "vdiacct"

#define AT(member) offsetof(struct acct, member)

static const struct option_row rows[] = {
    {"accounts", 'A', "ACCOUNTS", "jobs of these accounts", option_set_string, AT(filter.account)},
    {"allocations", 'X', NULL, "one line for each job (always so: jobs have no steps)",
     option_set_flag, AT(allocations)},
    {"allusers", 'a', NULL, "jobs of everybody that you may see", option_set_flag, AT(all)},
    {"brief", 'b', NULL, "JobID, State and ExitCode alone", option_set_flag, AT(brief)},
    {"by", 0, "MEMBERS", "report: sum by user,account,partition,qos,template,profile",
     option_set_string, AT(by), .words = "user account partition qos template profile"},
    {"delimiter", 0, "TEXT", "between the columns of --parsable and --parsable2", option_set_string,
     AT(delimiter)},
    {"endtime", 'E', "TIME", "jobs submitted before TIME (default: now)", option_set_string,
     AT(end)},
    {"format", 'o', "COLUMNS", "JobID,Elapsed%15,... or letters as in vdiqueue, \"%i %j\"",
     option_set_string, AT(format)},
    {"jobs", 'j', "IDS", "these jobs, whenever they were: 17,20-25", option_set_string, AT(jobs)},
    {"json", 0, NULL, "print the documents of the REST API", option_set_flag, AT(json)},
    {"limit", 0, "N", "the first N jobs", option_set_u32, AT(limit)},
    {"long", 'l', NULL, "more columns", option_set_flag, AT(is_long)},
    {"name", 0, "NAMES", "jobs of these names", option_set_string, AT(filter.name)},
    {"noconvert", 0, NULL, "sizes in MiB as they are (4096M, not 4G)", option_set_flag,
     AT(noconvert)},
    {"nodelist", 'N', "NODES", "jobs that ran on these nodes", option_set_string, AT(filter.nodes)},
    {"noheader", 'n', NULL, "no header", option_set_flag, AT(noheader)},
    {"parsable", 'p', NULL, "columns between |, with one at the end", option_set_flag,
     AT(parsable)},
    {"parsable2", 'P', NULL, "columns between |, without one at the end", option_set_flag,
     AT(parsable2)},
    {"partition", 'r', "PARTITIONS", "jobs of these partitions", option_set_string,
     AT(filter.partition)},
    {"period", 0, "PERIOD", "report: a sum for each day, week, month, or one for all",
     option_set_string, AT(period), .words = "day week month all"},
    {"qos", 'q', "QOS", "jobs of these qualities of service", option_set_string, AT(filter.qos)},
    {"starttime", 'S', "TIME", "jobs that had not ended at TIME (default: today, 00:00)",
     option_set_string, AT(start)},
    {"state", 's', "STATES", "jobs in these states: CD,F,TO,R,...", option_set_string, AT(states),
     .words = "PENDING CONFIGURING RUNNING SUSPENDED COMPLETING COMPLETED FAILED CANCELLED "
              "TIMEOUT PREEMPTED NODE_FAIL BOOT_FAIL DEADLINE"},
    {"user", 'u', "USERS", "jobs of these users", option_set_string, AT(users)},
    OPTION_REFUSED("associations", 'x', "IDS", "use --accounts and --user"),
    OPTION_REFUSED("clusters", 'M', "CLUSTERS", "set VDI_URL to one cluster"),
    OPTION_REFUSED("completion", 'c', NULL, "use vdiqueue --follow"),
    OPTION_REFUSED("constraints", 'C', "LIST", "use --format=JobID,Constraints and grep"),
    OPTION_REFUSED("duplicates", 'D', NULL, "what became of a job: vdictl show job ID"),
    OPTION_REFUSED("file", 'f', "FILE", "history is in the controller's store"),
    OPTION_REFUSED("flags", 'F', "LIST", "leave it out"),
    OPTION_REFUSED("gid", 'g', "GROUPS", "use --accounts"),
    OPTION_REFUSED("nnodes", 'i', "N", "print the column and choose: -o jobid,nnodes"),
    OPTION_REFUSED("reserved", 0, NULL, "seats that were taken are in report --by account"),
    OPTION_REFUSED("timelimit-max", 'K', "TIME", "use --format=JobID,Timelimit and sort"),
    OPTION_REFUSED("timelimit-min", 'k', "TIME", "use --format=JobID,Timelimit and sort"),
    OPTION_REFUSED("truncate", 'T', NULL, "use vdiacct report: it counts within the time alone"),
    OPTION_REFUSED("units", 0, "UNIT", "use --noconvert"),
    OPTION_REFUSED("wckeys", 'W', "KEYS", "use --accounts or --name"),
    OPTION_REFUSED("yaml", 0, NULL, "use --json"),
    {NULL},
};

static const struct command command = {
    .name = NAME,
    .usage = "[OPTION]... | report [OPTION]...",
    .summary = "Shows jobs of any time; report: what users and accounts used.",
    .rows = rows,
    .words = "report",
};

struct listing {
    struct acct *acct;
    struct format format;
    struct format_context context;
    uint32_t n;
    struct buf out;
};

static int flush(void *arg)
{
    struct listing *l = arg;
    size_t n = fwrite(l->out.data ? l->out.data : "", 1, l->out.len, stdout);
    bool short_write = n < l->out.len;
    buf_clear(&l->out);
    return short_write || fflush(stdout) < 0 ? -EPIPE : 0;
}

/* -ECANCELED: there are as many as were asked for. */
static int print_job(void *arg, const struct value *job)
{
    struct listing *l = arg;
    if (l->acct->limit && l->n == l->acct->limit)
        return -ECANCELED;
    if (l->acct->json) {
        buf_puts(&l->out, l->n ? ",\n  " : "\n  ");
        value_write(job, 0, &l->out);
    } else {
        format_row(&l->format, job, &l->context, &l->out);
    }
    l->n++;
    return l->out.failed ? -ENOMEM : 0;
}

/* One user at a time: only so is the controller's index of users of use. */
static int list_users(struct listing *l, struct client *client, const char *fields,
                      struct vdi_error *err)
{
    struct job_filter *f = &l->acct->filter;
    const char *p = l->acct->users ? l->acct->users : "";
    char user[160];
    int r;
    do {
        size_t n = strcspn(p, ",");
        snprintf(user, sizeof(user), "%.*s", n < sizeof(user) ? (int)n : 0, p);
        f->user = *user ? user : NULL;
        r = job_list_paged(client, f, fields, false, print_job, flush, l, err);
        p += n + (p[n] == ',');
    } while (r >= 0 && *p);
    f->user = NULL;
    return r == -ECANCELED ? 0 : r;
}

static int show_jobs(struct acct *acct, struct client *client, struct vdi_error *err)
{
    struct listing l = {.acct = acct, .out = BUF_INIT(0)};
    const char *text = acct->brief     ? ACCT_FORMAT_BRIEF
                       : acct->is_long ? ACCT_FORMAT_LONG
                                       : ACCT_FORMAT;
    bool plain = acct->parsable || acct->parsable2,
         letters = acct->format && strchr(acct->format, '%') == acct->format;
    const char *delimiter = !plain ? NULL : acct->delimiter ? acct->delimiter : "|";
    _cleanup_(buf_done) struct buf fields = BUF_INIT(4096);
    l.context = (struct format_context){.now_usec = acct->now_usec, .noconvert = acct->noconvert};
    int r = letters ? format_parse(acct->format, job_columns, &l.format, err)
                    : format_parse_list(acct->format ? acct->format : text, acct_columns, delimiter,
                                        &l.format, err);
    if (r == 0 && acct->parsable && !letters)
        r = format_end(&l.format, delimiter, err);
    if (r < 0)
        return r;
    format_fields(&l.format, "id", &fields);
    if (acct->json)
        buf_puts(&l.out, "{\"jobs\": [");
    else if (!acct->noheader)
        format_header(&l.format, &l.out);
    if (!acct->json && !acct->noheader && !plain && !letters)
        format_rule(&l.format, &l.out);
    r = list_users(&l, client, acct->json ? NULL : fields.data, err);
    if (r == 0 && acct->json)
        buf_puts(&l.out, l.n ? "\n]}\n" : "]}\n");
    int flushed = flush(&l);
    buf_done(&l.out);
    return r < 0 ? r : flushed;
}

/* ---- what was asked for ---- */

static int when(const char *option, const char *text, int64_t now_usec, int64_t *ret,
                struct vdi_error *err)
{
    if (!text || acct_when(text, now_usec, ret) >= 0)
        return 0;
    error_set(err, EINVAL, option, "--%s=%.60s: not a point in time", option, text);
    error_hint(err, NULL, "write 2026-10-01, 2026-10-13T10:15, 09:00, today or now-7days");
    return -EINVAL;
}

static int prepare(struct acct *acct, bool report, struct buf *states, struct vdi_error *err)
{
    struct job_filter *f = &acct->filter;
    acct->since_usec = acct->jobs ? 0 : acct_begin(report ? 'm' : 'd', acct->now_usec);
    int r = when("starttime", acct->start, acct->now_usec, &acct->since_usec, err);
    if (r == 0)
        r = when("endtime", acct->end, acct->now_usec, &acct->until_usec, err);
    if (r == 0 && acct->until_usec && acct->until_usec <= acct->since_usec)
        r = error_set(err, EINVAL, "endtime", "--endtime must be after --starttime");
    if (r == 0 && acct->jobs)
        r = ids_add(&f->ids, acct->jobs, err);
    if (r == 0 && acct->states)
        r = job_states_parse(acct->states, states, err);
    if (r == 0 && acct->brief + acct->is_long + (acct->format != NULL) > 1)
        r = error_set(err, EINVAL, "", "--brief, --long and --format exclude each other");
    if (r == 0 && !report && (acct->period || acct->by)) {
        error_set(err, EINVAL, acct->period ? "period" : "by", "--%s goes with a report",
                  acct->period ? "period" : "by");
        error_hint(err, NULL, "write vdiacct report");
        r = -EINVAL;
    }
    if (r < 0)
        return r;
    f->history = true;
    f->state = acct->states ? states->data : NULL;
    f->me = !acct->all && !acct->users && !acct->jobs;
    f->limit = acct->limit;
    return 0;
}

static int run(struct acct *acct, bool report, struct vdi_error *err)
{
    char since[40], until[40];
    _cleanup_(buf_done) struct buf states = BUF_INIT(1024);
    _cleanup_(client_freep) struct client *client = NULL;
    int r = prepare(acct, report, &states, err);
    if (r == 0)
        r = client_new(&client, err);
    if (r < 0)
        return r;
    if (acct->since_usec)
        acct->filter.since = time_to_rfc3339(acct->since_usec, since);
    if (acct->until_usec)
        acct->filter.until = time_to_rfc3339(acct->until_usec, until);
    return report ? acct_report(client, acct, err) : show_jobs(acct, client, err);
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct acct acct = {.now_usec = time_now_usec()};
    int first;
    int r = options_read(&command, argc, argv, &acct, &first, &err);
    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    bool report = r == 0 && first < argc && str_equal(argv[first], "report");
    if (r == 0 && first + report < argc) {
        error_set(&err, EINVAL, "", "%.60s: not an option", argv[first + report]);
        error_hint(&err, NULL, "for some jobs: vdiacct --jobs=17,20-25");
        r = -EINVAL;
    }
    if (r == 0)
        r = run(&acct, report, &err);
    ids_done(&acct.filter.ids);
    if (r == -EPIPE && !*err.detail)
        return EXIT_REFUSED; /* who read our output is gone */
    return r < 0 ? (int)client_fail(NAME, r, &err) : EXIT_OK;
}
