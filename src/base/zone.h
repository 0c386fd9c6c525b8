/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.h - the system's IANA time zones, without TZ of the process.
 *
 * A zone is immutable: any thread may read it. Local times are seconds since 1970-01-01 00:00 of
 * the zone's own clock. Exact until the end of ZONE_YEAR_MAX, for all zones and both edges of
 * summer time: tests/t1150-calendar.t.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define ZONE_NAME_MAX 64
#define ZONE_YEAR_MAX 2100

struct zone;

/* Reads the zone from TZDIR or /usr/share/zoneinfo; the caller frees it. -EINVAL: such a name no
 * zone has; -ENOENT: there is none; -EBADMSG: its file is damaged, or counts leap seconds. */
int zone_open(const char *name, struct zone **ret);
/* The bytes of a TZif file (RFC 9636), version 2 or later. -EBADMSG. */
int zone_parse(const void *data, size_t len, struct zone **ret);
void zone_free(struct zone *z); /* takes NULL */
DEFINE_FREEP(struct zone, zone_free)

int64_t zone_to_local(const struct zone *z, int64_t utc_sec);
/* RFC 5545, 3.3.5: what the clock shows twice is the first of the two, and what it never shows is
 * read with the offset before the gap. */
int64_t zone_from_local(const struct zone *z, int64_t local_sec);
/* The first instant after this one at which the offset may change; false: there is none. */
bool zone_next_change(const struct zone *z, int64_t utc_sec, int64_t *ret_sec);

#endif
