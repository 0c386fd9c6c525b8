/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ics_read.c - classes from an iCalendar file.
 *
 * Bytes, lines, components and zones are counted before libical takes memory for them. What libical
 * could not read of a property that is ours is refused, never left out: a rule that is dropped
 * would be a class of one day.
 */
#include "codec/ics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "codec/calendar_rule.h"
#include "codec/ics_inner.h"

#define ZONES_MAX 64u
#define TZID_MAX 256u

struct ics_zone {
    char tzid[TZID_MAX + 1], name[72];
    struct zone *zone; /* owned */
};

/* The properties of a VEVENT that say anything here; NULL: it has none. */
struct event {
    icalproperty *uid, *summary, *starts, *ends, *duration, *rule, *id, *status;
};

struct reader {
    icalcomponent *calendar;
    struct ics_zone *zones;
    size_t n_zones;
    const struct ics_zone *usual; /* X-WR-TIMEZONE; NULL: the calendar has none */
    struct ics ics;
    size_t size;
    struct hash *uids; /* index + 1 of the class */
    const char *uid;   /* of the event at hand */
    struct vdi_error *err;
};

static const struct single {
    icalproperty_kind kind;
    const char *name;
    size_t offset;
} singles[] = {
    {ICAL_UID_PROPERTY, "UID", offsetof(struct event, uid)},
    {ICAL_SUMMARY_PROPERTY, "SUMMARY", offsetof(struct event, summary)},
    {ICAL_DTSTART_PROPERTY, "DTSTART", offsetof(struct event, starts)},
    {ICAL_DTEND_PROPERTY, "DTEND", offsetof(struct event, ends)},
    {ICAL_DURATION_PROPERTY, "DURATION", offsetof(struct event, duration)},
    {ICAL_RRULE_PROPERTY, "RRULE", offsetof(struct event, rule)},
    {ICAL_RECURRENCEID_PROPERTY, "RECURRENCE-ID", offsetof(struct event, id)},
    {ICAL_STATUS_PROPERTY, "STATUS", offsetof(struct event, status)},
};

#define REFUSE(r, field, remedy, format, ...)                                                      \
    (error_set((r)->err, EINVAL, field, "event '%.64s': " format, (r)->uid, ##__VA_ARGS__),        \
     error_hint((r)->err, NULL, remedy), -EINVAL)

static int no_memory(struct reader *r)
{
    return error_set(r->err, ENOMEM, "", "out of memory");
}

/* ---- before libical ---- */

static int too_many(struct vdi_error *err, const char *what, unsigned limit)
{
    char text[32];

    snprintf(text, sizeof(text), "%u", limit);
    error_set(err, E2BIG, "", "the file has too many %s", what);
    error_hint(err, text, "part it");
    return -E2BIG;
}

/* A copy without the file's mark of UTF-8 and with plain newlines, when it is safe to parse. */
static int check_text(const char *data, size_t len, struct buf *out, struct vdi_error *err)
{
    unsigned lines = 0, components = 0, depth = 0;

    if (len > ICS_BYTES_MAX) {
        error_set(err, E2BIG, "", "the file is too large");
        error_hint(err, "1 MiB", "part it");
        return -E2BIG;
    }
    if (len >= 3 && !memcmp(data, "\xef\xbb\xbf", 3)) {
        data += 3;
        len -= 3;
    }
    for (size_t i = 0; i < len; i++)
        if (data[i] != '\r' || i + 1 == len || data[i + 1] != '\n')
            buf_putc(out, data[i]);
    if (out->failed)
        return error_set(err, ENOMEM, "", "out of memory");
    if (!out->len || !str_is_text(out->data, out->len, true))
        return error_set(err, EINVAL, "", "the file is no text in UTF-8");
    for (const char *line = out->data, *end; line; line = end ? end + 1 : NULL) {
        bool begins = !strncasecmp(line, "BEGIN:", 6);

        end = strchr(line, '\n');
        components += begins;
        depth += begins;
        if (!strncasecmp(line, "END:", 4) && depth-- == 0)
            return error_set(err, EINVAL, "", "line %u ends what did not begin", lines + 1);
        if (++lines > ICS_LINES_MAX)
            return too_many(err, "lines", ICS_LINES_MAX);
        if (components > ICS_COMPONENTS_MAX)
            return too_many(err, "components", ICS_COMPONENTS_MAX);
        if (depth > ICS_DEPTH_MAX)
            return too_many(err, "components within each other", ICS_DEPTH_MAX);
    }
    if (depth > 0) {
        error_set(err, EINVAL, "", "the file ends in the middle of something");
        error_hint(err, NULL, "export it again: there is no END for every BEGIN");
        return -EINVAL;
    }
    return 0;
}

/* ---- zones and times ---- */

/* Every name is looked up once. */
static int find_zone(struct reader *r, const char *field, const char *tzid,
                     const struct ics_zone **ret)
{
    struct ics_zone *z;

    for (size_t i = 0; i < r->n_zones; i++)
        if (!strcmp(r->zones[i].tzid, tzid)) {
            *ret = &r->zones[i];
            return 0;
        }
    if (r->n_zones == ZONES_MAX)
        return too_many(r->err, "time zones", ZONES_MAX);
    z = &r->zones[r->n_zones];
    *z = (struct ics_zone){0};
    if (!str_copy(z->tzid, sizeof(z->tzid), tzid) ||
        !ics_zone_name(r->calendar, tzid, z->name, sizeof(z->name)) ||
        zone_open(z->name, &z->zone) < 0)
        return REFUSE(r, field, "write the name of one as the IANA has it: Europe/Berlin",
                      "there is no time zone '%.64s'", tzid);
    r->n_zones++;
    *ret = z;
    return 0;
}

struct moment {
    const struct ics_zone *zone;
    int64_t local_sec; /* there */
    bool date, utc;
};

static int64_t utc_of(const struct moment *m)
{
    return zone_from_local(m->zone->zone, m->local_sec);
}

static int64_t local_in(const struct moment *m, const struct ics_zone *zone)
{
    return m->zone == zone || m->date ? m->local_sec : zone_to_local(zone->zone, utc_of(m));
}

static int read_time(struct reader *r, const char *field, icalproperty *p, struct moment *ret)
{
    icalparameter *tzid = icalproperty_get_first_parameter(p, ICAL_TZID_PARAMETER);
    char text[sizeof("20261013T101500Z")];
    struct moment m = {0};
    int result = 0;

    if (!str_copy(text, sizeof(text), icalproperty_get_value_as_string(p)))
        text[0] = '\0';
    m.utc = strlen(text) == sizeof(text) - 1 && text[sizeof(text) - 2] == 'Z';
    if (m.utc)
        text[sizeof(text) - 2] = '\0';
    if (!calendar_scan(text, &m.local_sec, &m.date))
        return REFUSE(r, field, "write it as 20261013T101500", "%s is no time", field);
    if (m.utc)
        result = find_zone(r, field, "UTC", &m.zone);
    else if (tzid && icalparameter_get_tzid(tzid))
        result = find_zone(r, field, icalparameter_get_tzid(tzid), &m.zone);
    else
        m.zone = r->usual;
    if (result == 0 && !m.zone && !m.date)
        result = REFUSE(r, field, "add TZID=Europe/Berlin, or X-WR-TIMEZONE to the calendar",
                        "%s has no time zone", field);
    if (result == 0)
        *ret = m;
    return result;
}

static void print_local(int64_t local_sec, bool date, char *ret)
{
    calendar_print(local_sec, !date, ret, CALENDAR_NAME_SIZE);
}

static void print_duration(int64_t sec, char *ret, size_t size)
{
    if (sec % 60 == 0)
        snprintf(ret, size, "%lldm", (long long)(sec / 60));
    else
        snprintf(ret, size, "%llds", (long long)sec);
}

static int read_duration(struct reader *r, const struct event *e, const struct moment *starts,
                         char *ret, size_t size)
{
    struct moment ends;
    int64_t sec;
    int result;

    if (e->ends) {
        result = read_time(r, "DTEND", e->ends, &ends);
        if (result < 0)
            return result;
        if (ends.date)
            return REFUSE(r, "DTEND", "write a time as well", "DTEND is a date");
        sec = utc_of(&ends) - utc_of(starts);
    } else if (e->duration) {
        struct icaldurationtype d = icalproperty_get_duration(e->duration);

        sec = ((int64_t)d.weeks * 7 + d.days) * 86400 + (int64_t)d.hours * 3600 +
              (int64_t)d.minutes * 60 + d.seconds;
        sec = d.is_neg ? -sec : sec;
    } else
        return REFUSE(r, "DTEND", "add DTEND or DURATION", "it has no end");
    if (sec <= 0 || sec > CALENDAR_DURATION_MAX_SEC) {
        result =
            REFUSE(r, e->ends ? "DTEND" : "DURATION", "write another", "it cannot be that long");
        error_hint(r->err, "more than nothing, 7 days at most", NULL);
        return result;
    }
    print_duration(sec, ret, size);
    return 0;
}

/* ---- properties ---- */

static bool is_ours(const char *name, size_t len)
{
    static const char *const others[] = {"EXDATE", "RDATE", "EXRULE"};

    for (size_t i = 0; i < ELEMENTS(singles); i++)
        if (strlen(singles[i].name) == len && !strncasecmp(singles[i].name, name, len))
            return true;
    for (size_t i = 0; i < ELEMENTS(others); i++)
        if (strlen(others[i]) == len && !strncasecmp(others[i], name, len))
            return true;
    return len > 6 && !strncasecmp(name, "X-VDI-", 6);
}

/* libical leaves this in the place of what it could not read: "... in RRULE property. ...". */
static int check_unread(struct reader *r, icalproperty *p)
{
    const char *text = icalproperty_get_value_as_string(p);
    const char *end = text ? strstr(text, " property") : NULL, *begin = end;

    while (begin && begin > text && begin[-1] != ' ')
        begin--;
    if (begin && !is_ours(begin, (size_t)(end - begin)))
        return 0;
    return REFUSE(r, "", "mend that line", "%.160s", text ? text : "a line cannot be read");
}

/* A text of one line, without white space around it. */
static bool is_label(const char *text, size_t max)
{
    size_t len = text ? strlen(text) : 0;

    return len > 0 && len <= max && str_is_text(text, len, false) && text[0] != ' ' &&
           text[len - 1] != ' ';
}

/* The same of any text. */
static char *label_of(const char *text)
{
    char *copy = strdup(text + strspn(text, " \t\n"));
    size_t len = copy ? strlen(copy) : 0;

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)copy[i] < ' ')
            copy[i] = ' ';
    while (len > 0 && copy[len - 1] == ' ')
        copy[--len] = '\0';
    return copy;
}

static int read_single(struct reader *r, icalproperty *p, struct event *e)
{
    for (size_t i = 0; i < ELEMENTS(singles); i++)
        if (icalproperty_isa(p) == singles[i].kind) {
            icalproperty **at = (icalproperty **)((char *)e + singles[i].offset);

            if (*at)
                return REFUSE(r, singles[i].name, "leave one", "it has %s twice", singles[i].name);
            *at = p;
        }
    return 0;
}

static int read_event(struct reader *r, icalcomponent *c, struct event *e)
{
    icalproperty *uid = icalcomponent_get_first_property(c, ICAL_UID_PROPERTY);
    int result = 0;

    r->uid = uid ? icalproperty_get_uid(uid) : "";
    *e = (struct event){0};
    if (!is_label(r->uid, ICS_TEXT_MAX)) {
        r->uid = "";
        return REFUSE(r, "UID", "give every event a UID, of 1024 bytes at most",
                      "it has no UID, or none that will do");
    }
    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_ANY_PROPERTY); p && result == 0;
         p = icalcomponent_get_next_property(c, ICAL_ANY_PROPERTY)) {
        icalproperty_kind kind = icalproperty_isa(p);

        if (kind == ICAL_XLICERROR_PROPERTY)
            result = check_unread(r, p);
        else if (kind == ICAL_RDATE_PROPERTY || kind == ICAL_EXRULE_PROPERTY)
            result = REFUSE(r, icalproperty_kind_to_string(kind), "make more events of it",
                            "%s is not supported", icalproperty_kind_to_string(kind));
        else
            result = read_single(r, p, e);
    }
    return result;
}

static bool is_cancelled(const struct event *e)
{
    return e->status && icalproperty_get_status(e->status) == ICAL_STATUS_CANCELLED;
}

/* ---- a class ---- */

static int list_put(struct reader *r, struct ics_list *l, size_t max, const char *text)
{
    char **items;

    if (l->n == max)
        return -E2BIG;
    items = realloc(l->items, (l->n + 1) * sizeof(*items));
    if (!items)
        return no_memory(r);
    l->items = items;
    items[l->n] = strdup(text);
    if (!items[l->n])
        return no_memory(r);
    l->n++;
    return 0;
}

/* "cad1, staff" */
static int read_list(struct reader *r, const char *name, const char *text, struct ics_list *l)
{
    char copy[ICS_TEXT_MAX * 8 + 1], *rest = copy, *item;
    int result = 0;

    if (!str_copy(copy, sizeof(copy), text))
        return REFUSE(r, name, "write several lines", "%s is too long", name);
    while (result == 0 && (item = strsep(&rest, ","))) {
        item += strspn(item, " ");
        for (size_t len = strlen(item); len > 0 && item[len - 1] == ' ';)
            item[--len] = '\0';
        if (!is_label(item, VDI_NAME_MAX - 1))
            return REFUSE(r, name, "write names with commas between", "'%.80s' is no name", item);
        result = list_put(r, l, ICS_LIST_MAX, item);
    }
    if (result == -E2BIG) {
        result = REFUSE(r, name, "make a group of them", "%s has too many names", name);
        error_hint(r->err, "256", NULL);
    }
    return result;
}

static int read_word(struct reader *r, const struct ics_word *word, icalproperty *p,
                     struct ics_class *c)
{
    const char *text = icalproperty_get_value_as_string(p);
    void *at = (char *)c + word->offset;
    int64_t length_sec;
    uint64_t number;

    text = text ? text : "";
    switch (word->type) {
    case ICS_WORD_NUMBER:
        if (str_to_u64(text, 1, ICS_SEATS_MAX, &number) < 0)
            return REFUSE(r, word->name, "write a number from 1 to 65536", "'%.40s' is none", text);
        *(uint32_t *)at = (uint32_t)number;
        return 0;
    case ICS_WORD_LIST:
        return read_list(r, word->name, text, at);
    default:
        if (**(char **)at)
            return REFUSE(r, word->name, "leave one", "it has %s twice", word->name);
        if (word->type == ICS_WORD_LENGTH && str_to_duration_sec(text, 60, &length_sec) < 0)
            return REFUSE(r, word->name, "write minutes, 90m or 2h", "'%.40s' is no length of time",
                          text);
        if (!is_label(text, VDI_NAME_MAX - 1))
            return REFUSE(r, word->name, "write a name", "'%.80s' is no name", text);
        free(*(char **)at);
        *(char **)at = strdup(text);
        return *(char **)at ? 0 : no_memory(r);
    }
}

static int read_words(struct reader *r, icalcomponent *c, struct ics_class *class)
{
    int result = 0;

    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_X_PROPERTY); p && result == 0;
         p = icalcomponent_get_next_property(c, ICAL_X_PROPERTY)) {
        const char *name = icalproperty_get_x_name(p);
        const struct ics_word *word = ics_words;

        if (!name || strncasecmp(name, "X-VDI-", 6) != 0)
            continue;
        while (word->name && strcasecmp(word->name, name) != 0)
            word++;
        result = word->name ? read_word(r, word, p, class)
                            : REFUSE(r, "",
                                     "leave it out, or write X-VDI-NAME, -TEMPLATE, -SEATS, "
                                     "-GROUPS, -USERS, -PARTITION, -QOS, -ACCOUNT, -LEAD, -GRACE, "
                                     "-NO-SHOW or -CLEANING",
                                     "there is no %.40s", name);
    }
    return result;
}

static int read_exceptions(struct reader *r, icalcomponent *c, const struct ics_zone *zone,
                           struct ics_class *class)
{
    int result = 0;

    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_EXDATE_PROPERTY);
         p && result == 0; p = icalcomponent_get_next_property(c, ICAL_EXDATE_PROPERTY)) {
        char text[CALENDAR_NAME_SIZE];
        struct moment m;

        result = read_time(r, "EXDATE", p, &m);
        if (result < 0)
            break;
        print_local(local_in(&m, zone), m.date, text);
        result = list_put(r, &class->except, CALENDAR_EXCEPT_MAX, text);
        if (result == -E2BIG)
            result = REFUSE(r, "EXDATE", "let the rule end earlier", "it has over 1024 of them");
    }
    return result;
}

/* What the event does not say is "". */
static int init_words(struct reader *r, struct ics_class *class)
{
    for (const struct ics_word *word = ics_words; word->name; word++) {
        char **at = (char **)((char *)class + word->offset);

        if (word->type != ICS_WORD_TEXT && word->type != ICS_WORD_LENGTH)
            continue;
        *at = strdup("");
        if (!*at)
            return no_memory(r);
    }
    return 0;
}

static int read_class(struct reader *r, icalcomponent *c, const struct event *e,
                      struct ics_class *class)
{
    const char *summary = e->summary ? icalproperty_get_summary(e->summary) : NULL;
    const char *rule = e->rule ? icalproperty_get_value_as_string(e->rule) : "";
    const struct ics_zone *zone;
    struct moment starts;
    int result;

    class->uid = strdup(r->uid);
    class->summary = label_of(summary ? summary : "");
    class->repeat = strdup(rule ? rule : "");
    if (!class->uid || !class->summary || !class->repeat || init_words(r, class) < 0)
        return no_memory(r);
    if (strlen(class->summary) > ICS_TEXT_MAX)
        return REFUSE(r, "SUMMARY", "1024 bytes are the most", "SUMMARY is too long");
    if (!e->starts)
        return REFUSE(r, "DTSTART", "add one", "it has no DTSTART");
    result = read_time(r, "DTSTART", e->starts, &starts);
    if (result < 0)
        return result;
    if (starts.date)
        return REFUSE(r, "DTSTART", "give it a time, or take it out of the file",
                      "it takes all day, and a class has a time");
    /* One hour of UTC is one of the place where it is; a rule in UTC is none of a place. */
    zone = starts.utc && !e->rule && r->usual ? r->usual : starts.zone;
    str_copy(class->zone, sizeof(class->zone), zone->name);
    print_local(local_in(&starts, zone), false, class->starts);
    result = read_duration(r, e, &starts, class->duration, sizeof(class->duration));
    if (result == 0)
        result = read_exceptions(r, c, zone, class);
    return result == 0 ? read_words(r, c, class) : result;
}

/* ---- one occurrence ---- */

static int put_moved(struct reader *r, struct ics_class *class, const struct ics_moved *m)
{
    struct ics_moved *moved;

    for (size_t i = 0; i < class->n_moved; i++)
        if (!strcmp(class->moved[i].from, m->from))
            return REFUSE(r, "RECURRENCE-ID", "leave one", "%s is changed twice", m->from);
    if (class->n_moved == CALENDAR_EXCEPT_MAX)
        return REFUSE(r, "RECURRENCE-ID", "make more events of it", "over 1024 dates are changed");
    moved = realloc(class->moved, (class->n_moved + 1) * sizeof(*moved));
    if (!moved)
        return no_memory(r);
    class->moved = moved;
    moved[class->n_moved++] = *m;
    return 0;
}

static bool says_words(icalcomponent *c)
{
    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_X_PROPERTY); p;
         p = icalcomponent_get_next_property(c, ICAL_X_PROPERTY))
        if (icalproperty_get_x_name(p) && !strncasecmp(icalproperty_get_x_name(p), "X-VDI-", 6))
            return true;
    return false;
}

/* A VEVENT with RECURRENCE-ID: another time, or none, for one occurrence of what has its UID. */
static int read_override(struct reader *r, icalcomponent *c, const struct event *e)
{
    uintptr_t at = (uintptr_t)hash_get(r->uids, r->uid);
    struct ics_class *class = at ? &r->ics.classes[at - 1] : NULL;
    const struct ics_zone *zone;
    struct ics_moved m = {0};
    struct moment id, starts;
    int result;

    if (!class || !*class->repeat)
        return REFUSE(r, "RECURRENCE-ID", "add the event with its RRULE, or take it out",
                      "no event with a rule has this UID");
    if (icalproperty_get_first_parameter(e->id, ICAL_RANGE_PARAMETER))
        return REFUSE(r, "RECURRENCE-ID", "end the rule there, and begin another event",
                      "RANGE is not supported");
    result = find_zone(r, "DTSTART", class->zone, &zone);
    if (result == 0)
        result = read_time(r, "RECURRENCE-ID", e->id, &id);
    if (result < 0)
        return result;
    print_local(local_in(&id, zone), id.date, m.from);
    if (is_cancelled(e)) {
        result = list_put(r, &class->except, CALENDAR_EXCEPT_MAX, m.from);
        return result == -E2BIG
                   ? REFUSE(r, "EXDATE", "let the rule end earlier", "it has over 1024 of them")
                   : result;
    }
    if (says_words(c))
        return REFUSE(r, "RECURRENCE-ID", "write X-VDI- in the event with the rule alone",
                      "one occurrence has X-VDI- of its own");
    if (!e->starts)
        return REFUSE(r, "DTSTART", "add one", "it has no DTSTART");
    result = read_time(r, "DTSTART", e->starts, &starts);
    if (result == 0 && (starts.date || id.date))
        result = REFUSE(r, "DTSTART", "give it a time", "it takes all day, and a class has a time");
    if (result == 0)
        result = read_duration(r, e, &starts, m.duration, sizeof(m.duration));
    if (result < 0)
        return result;
    print_local(local_in(&starts, zone), false, m.starts);
    return put_moved(r, class, &m);
}

/* ---- the file ---- */

static int add_class(struct reader *r, icalcomponent *c, const struct event *e)
{
    struct ics_class *class;
    int result;

    if (r->ics.n == r->size) {
        size_t size = r->size ? 2 * r->size : 32;
        struct ics_class *classes = realloc(r->ics.classes, size * sizeof(*classes));

        if (!classes)
            return no_memory(r);
        r->ics.classes = classes;
        r->size = size;
    }
    class = &r->ics.classes[r->ics.n++];
    *class = (struct ics_class){0};
    result = read_class(r, c, e, class);
    if (result < 0)
        return result;
    result = hash_put(r->uids, class->uid, (void *)(uintptr_t)r->ics.n);
    return result == -EEXIST ? REFUSE(r, "UID", "give each its own", "two events have this UID")
           : result < 0      ? no_memory(r)
                             : 0;
}

/* First what has a rule, then what changes an occurrence: the file may have them in any order. */
static int read_events(struct reader *r, bool overrides)
{
    int result = 0;

    for (icalcomponent *c = icalcomponent_get_first_component(r->calendar, ICAL_VEVENT_COMPONENT);
         c && result == 0;
         c = icalcomponent_get_next_component(r->calendar, ICAL_VEVENT_COMPONENT)) {
        struct event e;

        result = read_event(r, c, &e);
        if (result == 0 && overrides && e.id)
            result = read_override(r, c, &e);
        if (result == 0 && !overrides && !e.id && !is_cancelled(&e))
            result = add_class(r, c, &e);
    }
    return result;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_moved(const void *a, const void *b)
{
    return strcmp(((const struct ics_moved *)a)->from, ((const struct ics_moved *)b)->from);
}

/* The order of a file's lines says nothing. */
static void sort_dates(struct ics *ics)
{
    for (size_t i = 0; i < ics->n; i++) {
        struct ics_class *c = &ics->classes[i];

        if (c->except.n)
            qsort(c->except.items, c->except.n, sizeof(c->except.items[0]), compare_texts);
        if (c->n_moved)
            qsort(c->moved, c->n_moved, sizeof(c->moved[0]), compare_moved);
    }
}

static int read_usual_zone(struct reader *r)
{
    const char *name = ics_x_property(r->calendar, "X-WR-TIMEZONE");

    r->uid = "";
    return name ? find_zone(r, "X-WR-TIMEZONE", name, &r->usual) : 0;
}

static int read_calendar(struct reader *r, const char *text)
{
    int result;

    r->calendar = icalparser_parse_string(text);
    if (!r->calendar || icalcomponent_isa(r->calendar) != ICAL_VCALENDAR_COMPONENT) {
        error_set(r->err, EINVAL, "", "the file is not one VCALENDAR");
        error_hint(r->err, NULL, "export it again as iCalendar (.ics)");
        return -EINVAL;
    }
    r->zones = calloc(ZONES_MAX, sizeof(*r->zones));
    r->uids = hash_new_str();
    if (!r->zones || !r->uids)
        return no_memory(r);
    result = read_usual_zone(r);
    if (result == 0)
        result = read_events(r, false);
    return result == 0 ? read_events(r, true) : result;
}

int ics_read(const char *data, size_t len, struct ics *ret, struct vdi_error *err)
{
    struct buf text = BUF_INIT(ICS_BYTES_MAX + 1);
    struct reader r = {.err = err};
    int result = check_text(data, len, &text, err);

    if (result == 0)
        result = read_calendar(&r, text.data);
    for (size_t i = 0; i < r.n_zones; i++)
        zone_free(r.zones[i].zone);
    free(r.zones);
    hash_free(r.uids);
    if (r.calendar)
        icalcomponent_free(r.calendar);
    buf_done(&text);
    if (result < 0)
        ics_done(&r.ics);
    else {
        sort_dates(&r.ics);
        *ret = r.ics;
    }
    return result;
}
