/* SPDX-License-Identifier: Apache-2.0 */
/* ics_inner.h - what reading and writing of iCalendar files share. */
#ifndef CODEC_ICS_INNER_H
#define CODEC_ICS_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libical/ical.h>

#include "base/zone.h"

/* Our own properties of a VEVENT, and the members of struct ics_class that hold them. */
enum ics_word_type { ICS_WORD_TEXT, ICS_WORD_LENGTH, ICS_WORD_NUMBER, ICS_WORD_LIST };

struct ics_word {
    const char *name; /* NULL ends the table */
    enum ics_word_type type;
    size_t offset;
};

extern const struct ics_word ics_words[];

/* The IANA name behind a TZID of the file, in `ret` of 72; false: there is none. */
bool ics_zone_name(icalcomponent *calendar, const char *tzid, char *ret, size_t size);
/* A VTIMEZONE with the zone's changes between the two instants. NULL: out of memory. */
icalcomponent *ics_zone_component(const char *name, const struct zone *zone, int64_t from_sec,
                                  int64_t to_sec);
struct icaltimetype ics_wall(int64_t local_sec);
/* The value of the component's own property of this name; NULL: there is none. */
const char *ics_x_property(icalcomponent *c, const char *name);

#endif
