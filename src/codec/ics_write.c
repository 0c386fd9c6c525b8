/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ics_write.c - classes as an iCalendar file that any calendar shows as we do.
 *
 * So UNTIL is UTC, Slurm's words are rules, what is left out is named one by one, and every zone
 * comes with its changes.
 */
#include "codec/ics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/calendar_rule.h"
#include "codec/ics_inner.h"

#define YEAR_SEC INT64_C(31557600)

struct writer {
    icalcomponent *calendar;
    const struct ics_class *class; /* at hand */
    struct zone *zone;             /* its zone; owned */
    int64_t start_sec;             /* local */
    int64_t stamp_sec;
    struct vdi_error *err;
};

static int no_memory(struct writer *w)
{
    return error_set(w->err, ENOMEM, "", "out of memory");
}

static struct icaltimetype utc_time(int64_t utc_sec)
{
    struct icaltimetype t = ics_wall(utc_sec);

    t.zone = icaltimezone_get_utc_timezone();
    return t;
}

/* With the class's TZID. */
static void put_local(struct writer *w, icalcomponent *c, icalproperty *p)
{
    icalproperty_add_parameter(p, icalparameter_new_tzid(w->class->zone));
    icalcomponent_add_property(c, p);
}

static int64_t local_of(const char *text)
{
    int64_t sec = 0;
    bool date;

    calendar_scan(text, &sec, &date);
    return sec;
}

/* What both the event with the rule and the one of a date have. */
static icalcomponent *new_event(struct writer *w, const char *starts, const char *duration)
{
    icalcomponent *c = icalcomponent_new(ICAL_VEVENT_COMPONENT);
    int64_t sec = 0;

    if (!c)
        return NULL;
    str_to_duration_sec(duration, 1, &sec);
    icalcomponent_add_property(c, icalproperty_new_uid(w->class->uid));
    icalcomponent_add_property(c, icalproperty_new_dtstamp(utc_time(w->stamp_sec)));
    if (*w->class->summary)
        icalcomponent_add_property(c, icalproperty_new_summary(w->class->summary));
    put_local(w, c, icalproperty_new_dtstart(ics_wall(local_of(starts))));
    /* In hours and less, which are time that passes. */
    icalcomponent_add_property(
        c, icalproperty_new_duration((struct icaldurationtype){
               .hours = (unsigned)(sec / 3600), .minutes = sec / 60 % 60, .seconds = sec % 60}));
    icalcomponent_add_component(w->calendar, c);
    return c;
}

static int put_rule(struct writer *w, icalcomponent *c)
{
    const char *text = calendar_rule_text(w->class->repeat);
    struct icalrecurrencetype recur;
    struct calendar_rule rule;
    int r = calendar_rule_parse(text, w->start_sec, &rule, w->err);

    if (r < 0)
        return r;
    recur = icalrecurrencetype_from_string(text);
    if (rule.until == UNTIL_LOCAL)
        recur.until = utc_time(zone_from_local(w->zone, rule.until_sec));
    icalcomponent_add_property(c, icalproperty_new_rrule(recur));
    return 0;
}

/* The last day that an exception is about. */
static int64_t last_except_sec(const struct ics_list *except)
{
    int64_t last = 0;

    for (size_t i = 0; i < except->n; i++) {
        const char *slash = strchr(except->items[i], '/');
        int64_t sec = local_of(slash ? slash + 1 : except->items[i]);

        if (sec > last)
            last = sec;
    }
    return last;
}

static int occurrences(struct writer *w, bool all, int64_t to_usec,
                       struct calendar_occurrence **ret, size_t *ret_n)
{
    _cleanup_(calendar_freep) struct calendar *c = NULL;
    struct calendar_text text = ics_class_text(w->class);
    int r;

    if (all)
        text.n_except = 0;
    r = calendar_new(&text, &c, w->err);
    return r < 0
               ? r
               : calendar_occurrences(c, 0, to_usec, CALENDAR_OCCURRENCES_MAX, ret, ret_n, w->err);
}

/* What the rule gives and the class does not have. */
static int put_exceptions(struct writer *w, icalcomponent *c)
{
    _cleanup_(freep) struct calendar_occurrence *all = NULL, *left = NULL;
    int64_t to_usec = (last_except_sec(&w->class->except) + 3 * 86400) * USEC_PER_SEC;
    size_t n_all = 0, n_left = 0, next = 0;
    int r = occurrences(w, true, to_usec, &all, &n_all);

    if (r == 0)
        r = occurrences(w, false, to_usec, &left, &n_left);
    for (size_t i = 0; r == 0 && i < n_all; i++) {
        bool with_time = strchr(all[i].name, 'T') != NULL;
        int64_t sec = local_of(all[i].name);

        if (next < n_left && all[i].from_usec == left[next].from_usec)
            next++;
        else
            put_local(
                w, c,
                icalproperty_new_exdate(ics_wall(with_time ? sec : sec + w->start_sec % 86400)));
    }
    return r;
}

static void put_x(icalcomponent *c, const char *name, const char *value)
{
    icalproperty *p = icalproperty_new_x(value);

    icalproperty_set_x_name(p, name);
    icalcomponent_add_property(c, p);
}

static int put_list(struct writer *w, icalcomponent *c, const char *name, const struct ics_list *l)
{
    struct buf text = BUF_INIT(0);
    int r = 0;

    for (size_t i = 0; i < l->n; i++)
        buf_printf(&text, "%s%s", i ? "," : "", l->items[i]);
    if (text.failed)
        r = no_memory(w);
    else if (l->n)
        put_x(c, name, text.data);
    buf_done(&text);
    return r;
}

static int put_words(struct writer *w, icalcomponent *c)
{
    int r = 0;

    for (const struct ics_word *word = ics_words; word->name && r == 0; word++) {
        const void *at = (const char *)w->class + word->offset;
        char number[16];

        if (word->type == ICS_WORD_LIST)
            r = put_list(w, c, word->name, at);
        else if (word->type == ICS_WORD_NUMBER && *(const uint32_t *)at) {
            snprintf(number, sizeof(number), "%u", *(const uint32_t *)at);
            put_x(c, word->name, number);
        } else if (word->type != ICS_WORD_NUMBER && *(char *const *)at && **(char *const *)at)
            put_x(c, word->name, *(char *const *)at);
    }
    return r;
}

/* Changes from before the first class until long after a term. */
static int put_zone(struct writer *w)
{
    const char *name = w->class->zone;
    int64_t start = zone_from_local(w->zone, w->start_sec);
    icalcomponent *z;

    for (z = icalcomponent_get_first_component(w->calendar, ICAL_VTIMEZONE_COMPONENT); z;
         z = icalcomponent_get_next_component(w->calendar, ICAL_VTIMEZONE_COMPONENT)) {
        icalproperty *id = icalcomponent_get_first_property(z, ICAL_TZID_PROPERTY);

        if (!strcmp(icalproperty_get_tzid(id), name))
            return 0;
    }
    z = ics_zone_component(name, w->zone, start - YEAR_SEC, start + 10 * YEAR_SEC);
    if (!z)
        return no_memory(w);
    icalcomponent_add_component(w->calendar, z);
    return 0;
}

static int put_class(struct writer *w)
{
    const struct ics_class *class = w->class;
    struct calendar_text text = ics_class_text(class);
    _cleanup_(calendar_freep) struct calendar *checked = NULL;
    icalcomponent *c;
    int r = calendar_new(&text, &checked, w->err);

    if (r == 0 && zone_open(class->zone, &w->zone) < 0)
        r = no_memory(w);
    if (r < 0)
        return r;
    w->start_sec = local_of(class->starts);
    r = put_zone(w);
    c = r == 0 ? new_event(w, class->starts, class->duration) : NULL;
    if (!c)
        return r < 0 ? r : no_memory(w);
    if (*class->repeat)
        r = put_rule(w, c);
    if (r == 0 && class->except.n)
        r = put_exceptions(w, c);
    if (r == 0)
        r = put_words(w, c);
    for (size_t i = 0; r == 0 && i < class->n_moved; i++) {
        const struct ics_moved *m = &class->moved[i];

        c = new_event(w, m->starts, m->duration);
        if (!c)
            return no_memory(w);
        put_local(w, c, icalproperty_new_recurrenceid(ics_wall(local_of(m->from))));
    }
    return r;
}

int ics_write(const struct ics *ics, int64_t stamp_usec, struct buf *out, struct vdi_error *err)
{
    struct writer w = {.stamp_sec = stamp_usec / USEC_PER_SEC, .err = err};
    char *text = NULL;
    int r = 0;

    w.calendar = icalcomponent_vanew(ICAL_VCALENDAR_COMPONENT, icalproperty_new_version("2.0"),
                                     icalproperty_new_prodid("-//OSVDI//classes//EN"), (void *)0);
    if (!w.calendar)
        return no_memory(&w);
    for (size_t i = 0; r == 0 && i < ics->n; i++) {
        w.class = &ics->classes[i];
        r = put_class(&w);
        zone_free(TAKE_PTR(w.zone));
    }
    if (r == 0) {
        text = icalcomponent_as_ical_string_r(w.calendar);
        if (!text || buf_puts(out, text) < 0)
            r = no_memory(&w);
    }
    icalmemory_free_buffer(text);
    icalcomponent_free(w.calendar);
    return r;
}
