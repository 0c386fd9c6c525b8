/* SPDX-License-Identifier: Apache-2.0 */
/* acct.h - between the files of vdiacct: the time it is asked about, columns, the report. */
#ifndef CLI_ACCT_H
#define CLI_ACCT_H

#include "cli/client.h"
#include "cli/format.h"
#include "cli/job_list.h"

struct acct {
    struct job_filter filter;
    const char *users, *start, *end, *states, *jobs, *format, *delimiter;
    const char *period, *by;
    bool all, brief, is_long, parsable, parsable2, noheader, noconvert, allocations, json;
    uint32_t limit;
    int64_t now_usec, since_usec, until_usec; /* since 0: open */
};

/* "2026-10-13", "2026-10-13T10:15", "09:00" of today, "today", "now-7days". */
int acct_when(const char *text, int64_t now_usec, int64_t *ret_usec);
/* The beginning of the day, the month, ... in local time that usec is in. */
int64_t acct_begin(char unit, int64_t usec); /* 'd', 'w' (Monday), 'm' */
/* The next such beginning. */
int64_t acct_next(char unit, int64_t usec);

extern const struct column acct_columns[]; /* rows: struct value of a job */
#define ACCT_FORMAT "JobID,JobName,Partition,Account,User,AllocCPUS,GPUs,State,ExitCode,Elapsed,End"
#define ACCT_FORMAT_BRIEF "JobID,State,ExitCode"
#define ACCT_FORMAT_LONG                                                                           \
    "JobID,JobName,Kind,Template,Partition,QOS,Account,User,State,ExitCode,Reason%30,Submit,"      \
    "Start,End,Planned,Elapsed,Timelimit,NodeList,AllocCPUS,ReqMem,GPUs,Profile,GPUTime,CPUTime,"  \
    "Restarts"

/* vdiacct report; the exit code. */
int acct_report(struct client *client, const struct acct *acct, struct vdi_error *err);

#endif
