/* SPDX-License-Identifier: Apache-2.0 */
/* calendar_rule.h - the text of a rule of RFC 5545, as calendar.c needs it: days and times. */
#ifndef CODEC_CALENDAR_RULE_H
#define CODEC_CALENDAR_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libical/ical.h>

#include <vdi/types.h>

#include "codec/calendar.h"

enum calendar_until { UNTIL_NEVER, UNTIL_UTC, UNTIL_LOCAL };

struct calendar_rule {
    struct icalrecurrencetype days; /* FREQ, INTERVAL and the parts about days; no end */
    enum calendar_until until;
    int64_t until_sec;                     /* the last second at which an occurrence may begin */
    unsigned count;                        /* occurrences; 0: no COUNT */
    int32_t times_sec[CALENDAR_TIMES_MAX]; /* of the day, ascending */
    size_t n_times;
};

/* The rule of RFC 5545 that one of Slurm's words is; any other text as it is. */
const char *calendar_rule_text(const char *text);

/* `start_sec` is the local time of the first occurrence; what BYHOUR and BYMINUTE don't say is
 * taken from it. -EINVAL, field "repeat". */
int calendar_rule_parse(const char *text, int64_t start_sec, struct calendar_rule *ret,
                        struct vdi_error *err);

/* What the local texts of a calendar look like: "2026-10-13T10:15:00" and RFC 5545's
 * "20261013T101500". Local seconds since 1970; *ret_date: there is no time, and 00:00 was
 * taken. False: another form, or no such day or time. */
bool calendar_scan(const char *text, int64_t *ret_sec, bool *ret_date);
/* The other way: "2026-10-13T10:15", with seconds if they are not 0; without `time` the date. */
void calendar_print(int64_t local_sec, bool time, char *ret, size_t size);

#endif
