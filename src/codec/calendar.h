/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar.h - when a class takes place: a rule of RFC 5545 in an IANA zone, with exceptions.
 *
 * Days are computed by libical; the local time of each is made UTC by base/zone.h. So the clock on
 * the wall stays the same over changes of summer time; a time that a day does not have, or has
 * twice, is read as RFC 5545, 3.3.5 says. Two times of day that fall together there are one
 * occurrence.
 *
 * A duration is time that passes ("1d" is 24 hours, also on a day of 23): what is booked is a
 * span of the timeline, and that is how all durations of vdi.conf are read.
 */
#ifndef CODEC_CALENDAR_H
#define CODEC_CALENDAR_H

#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

#include "base/cleanup.h"

#define CALENDAR_RULE_MAX 1024u   /* bytes of a rule */
#define CALENDAR_EXCEPT_MAX 1024u /* exceptions of a class */
#define CALENDAR_TIMES_MAX 24u    /* times of day of a rule */
#define CALENDAR_DURATION_MAX_SEC (7 * 86400)
#define CALENDAR_YEAR_MIN 2000
#define CALENDAR_YEAR_MAX 2099         /* no class begins later */
#define CALENDAR_OCCURRENCES_MAX 4096u /* of one question */
#define CALENDAR_NAME_SIZE sizeof("2026-10-20T10:15:30")

/* What vdi.conf and the API say; these are also the fields that errors name. */
struct calendar_text {
    const char *starts;   /* "2026-10-13T10:15[:00]", local; the rule's first occurrence */
    const char *duration; /* "90m"; 1 minute to CALENDAR_DURATION_MAX_SEC */
    const char *zone;     /* "Europe/Berlin" */
    const char *repeat;   /* RFC 5545, or Slurm's HOURLY DAILY WEEKLY WEEKDAY WEEKEND; "": once */
    const char *const *except; /* "2026-12-24", "2026-12-22/2027-01-06" (both included), or the
                                  "2026-12-24T10:15" of one occurrence */
    size_t n_except;
};

struct calendar_occurrence {
    /* Its local date as the rule gives it, "2026-10-20"; with the time, "2026-10-20T10:15", if the
     * rule has several times of day. */
    char name[CALENDAR_NAME_SIZE];
    int64_t from_usec, to_usec;
};

struct calendar; /* immutable: any thread may ask it */

/* Refused as well: a start that the rule does not give, occurrences that overlap, exceptions that
 * leave none, the time of an occurrence that there is not. */
int calendar_new(const struct calendar_text *text, struct calendar **ret, struct vdi_error *err);
void calendar_free(struct calendar *c); /* takes NULL */
DEFINE_FREEP(struct calendar, calendar_free)

/* Those that take place at any time of [from, to), in their order; the caller frees the array (NULL
 * if there are none). -E2BIG: more than max, which is CALENDAR_OCCURRENCES_MAX at most. */
int calendar_occurrences(const struct calendar *c, int64_t from_usec, int64_t to_usec, size_t max,
                         struct calendar_occurrence **ret, size_t *ret_n, struct vdi_error *err);
/* The one of this name. -ENOENT. */
int calendar_find(const struct calendar *c, const char *name, struct calendar_occurrence *ret,
                  struct vdi_error *err);
/* "2026-10-20T14:15" in the class's zone, for one that is moved. -EINVAL names `field`. */
int calendar_instant(const struct calendar *c, const char *field, const char *local,
                     int64_t *ret_usec, struct vdi_error *err);

#endif
