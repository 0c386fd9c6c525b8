/* SPDX-License-Identifier: Apache-2.0 */
/* time.h - clocks and the texts of instants (RFC 3339, Slurm's forms). */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdint.h>

#define USEC_PER_SEC INT64_C(1000000)
#define USEC_PER_MSEC INT64_C(1000)

int64_t time_now_usec(void);        /* CLOCK_REALTIME */
int64_t time_monotonic_usec(void);  /* CLOCK_MONOTONIC */
int64_t time_thread_cpu_usec(void); /* CLOCK_THREAD_CPUTIME_ID: what the calling thread used */
/* "2026-10-13T10:15:00Z" (UTC, whole seconds; fraction only if not zero); buf of 40. 0 -> "". */
const char *time_to_rfc3339(int64_t usec, char *buf);
/* RFC 3339 with zone, or without one: local time (TZ). */
int time_from_rfc3339(const char *s, int64_t *ret_usec);
/* Slurm's --begin/--deadline: RFC 3339, "HH:MM[:SS]", "MMDDYY", "now+2hours", "today",
 * "tomorrow", "noon", "midnight", "teatime". Local time. */
int time_from_slurm(const char *s, int64_t now_usec, int64_t *ret_usec);

#endif
