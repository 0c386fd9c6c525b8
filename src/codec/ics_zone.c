/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ics_zone.c - the time zones of an iCalendar file.
 *
 * A TZID is any text (RFC 5545, 3.8.3.1). In order: an IANA name, one behind a prefix, one of
 * Windows (by CLDR's table, which ICU has), the place that the VTIMEZONE names.
 */
#include "codec/ics_inner.h"

#include <string.h>
#include <time.h>

#include <unicode/ucal.h>
#include <unicode/ustring.h>

#include "base/str.h"

static bool is_zone(const char *name)
{
    _cleanup_(zone_freep) struct zone *z = NULL;

    return zone_open(name, &z) == 0;
}

/* "/freeassociation.sourceforge.net/Tzfile/Europe/Berlin": the longest end that is a zone. */
static bool from_prefix(const char *tzid, char *ret, size_t size)
{
    for (const char *s = tzid; *tzid == '/' && (s = strchr(s, '/'));) {
        s++;
        if (is_zone(s))
            return str_copy(ret, size, s);
    }
    return false;
}

static bool from_windows(const char *tzid, char *ret, size_t size)
{
    UChar wide[128], iana[128];
    UErrorCode code = U_ZERO_ERROR;
    int32_t n = 0;

    /* Lengths are passed on: what just fits has no end mark. */
    u_strFromUTF8(wide, (int32_t)ELEMENTS(wide), &n, tzid, -1, &code);
    n = ucal_getTimeZoneIDForWindowsID(wide, n, NULL, iana, (int32_t)ELEMENTS(iana), &code);
    u_strToUTF8(ret, (int32_t)size, NULL, iana, n, &code);
    return U_SUCCESS(code) && code != U_STRING_NOT_TERMINATED_WARNING && n > 0 && is_zone(ret);
}

const char *ics_x_property(icalcomponent *c, const char *name)
{
    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_X_PROPERTY); p;
         p = icalcomponent_get_next_property(c, ICAL_X_PROPERTY))
        if (icalproperty_get_x_name(p) && !strcasecmp(icalproperty_get_x_name(p), name))
            return icalproperty_get_value_as_string(p);
    return NULL;
}

/* With an iterator of its own: the component's is its caller's. */
static const char *location_of(icalcomponent *calendar, const char *tzid)
{
    icalcompiter i = icalcomponent_begin_component(calendar, ICAL_VTIMEZONE_COMPONENT);

    for (icalcomponent *z; (z = icalcompiter_deref(&i)); icalcompiter_next(&i)) {
        icalproperty *id = icalcomponent_get_first_property(z, ICAL_TZID_PROPERTY);

        if (id && str_equal(icalproperty_get_tzid(id), tzid))
            return ics_x_property(z, "X-LIC-LOCATION");
    }
    return NULL;
}

bool ics_zone_name(icalcomponent *calendar, const char *tzid, char *ret, size_t size)
{
    const char *location;

    if (is_zone(tzid))
        return str_copy(ret, size, tzid);
    if (from_prefix(tzid, ret, size) || from_windows(tzid, ret, size))
        return true;
    location = location_of(calendar, tzid);
    return location && is_zone(location) && str_copy(ret, size, location);
}

/* ---- writing ---- */

struct icaltimetype ics_wall(int64_t local_sec)
{
    time_t sec = (time_t)local_sec;
    struct icaltimetype t = {0};
    struct tm tm;

    gmtime_r(&sec, &tm);
    t.year = tm.tm_year + 1900;
    t.month = tm.tm_mon + 1;
    t.day = tm.tm_mday;
    t.hour = tm.tm_hour;
    t.minute = tm.tm_min;
    t.second = tm.tm_sec;
    return t;
}

/* From `at_sec` on the offset is another; the clock until then says when. */
static icalcomponent *observance(int64_t at_sec, int32_t before_sec, int32_t after_sec)
{
    return icalcomponent_vanew(after_sec > before_sec ? ICAL_XDAYLIGHT_COMPONENT
                                                      : ICAL_XSTANDARD_COMPONENT,
                               icalproperty_new_dtstart(ics_wall(at_sec + before_sec)),
                               icalproperty_new_tzoffsetfrom(before_sec),
                               icalproperty_new_tzoffsetto(after_sec), (void *)0);
}

icalcomponent *ics_zone_component(const char *name, const struct zone *zone, int64_t from_sec,
                                  int64_t to_sec)
{
    int32_t before = (int32_t)(zone_to_local(zone, from_sec) - from_sec);
    icalcomponent *c =
        icalcomponent_vanew(ICAL_VTIMEZONE_COMPONENT, icalproperty_new_tzid(name), (void *)0);
    int64_t at = from_sec;

    if (!c)
        return NULL;
    icalcomponent_add_component(c, observance(from_sec, before, before));
    while (zone_next_change(zone, at, &at) && at < to_sec) {
        int32_t after = (int32_t)(zone_to_local(zone, at) - at);

        if (after != before)
            icalcomponent_add_component(c, observance(at, before, after));
        before = after;
    }
    return c;
}
