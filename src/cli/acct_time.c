/* SPDX-License-Identifier: Apache-2.0 */
/* acct_time.c - times of the past as people write them, and where days, weeks, months begin. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "cli/acct.h"

/* A time of day alone is one of today: what lies behind is asked about. */
static bool is_clock(const char *text)
{
    return strchr(text, ':') && strspn(text, "0123456789:") == strlen(text);
}

int acct_when(const char *text, int64_t now_usec, int64_t *ret_usec)
{
    char today[64];
    if (time_from_rfc3339(text, ret_usec) >= 0)
        return 0;
    if (is_clock(text) && strlen(text) < 16) {
        snprintf(today, sizeof(today), "today %s", text);
        return time_from_slurm(today, now_usec, ret_usec);
    }
    return time_from_slurm(text, now_usec, ret_usec);
}

static int64_t begin(char unit, int64_t usec, int next)
{
    time_t sec = (time_t)(usec / USEC_PER_SEC);
    struct tm tm;
    if (!localtime_r(&sec, &tm))
        return usec;
    if (unit == 'm')
        tm.tm_mday = 1;
    else if (unit == 'w')
        tm.tm_mday -= (tm.tm_wday + 6) % 7; /* ISO 8601: weeks begin on Monday */
    if (unit == 'm')
        tm.tm_mon += next;
    else
        tm.tm_mday += unit == 'w' ? 7 * next : next;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * USEC_PER_SEC;
}

int64_t acct_begin(char unit, int64_t usec)
{
    return begin(unit, usec, 0);
}

int64_t acct_next(char unit, int64_t usec)
{
    return begin(unit, usec, 1);
}
