/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar.c - when a class takes place.
 *
 * A walk goes over the rule's local times in their order, from the first occurrence on; what is
 * asked for is picked from it and made UTC. Local order is not always UTC's: a time in the gap of a
 * change comes out behind the gap, where another may be. So answers are sorted, and of two that
 * begin at the same instant the one that the clock really shows is kept.
 */
#include "codec/calendar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "base/zone.h"
#include "codec/calendar_rule.h"

#define DAY_SEC 86400
/* How far local time may be from UTC, and a gap wide: a day, where the date line moved. */
#define SHIFT_SEC (2 * DAY_SEC)
/* How far ahead calendar_new() looks for occurrences that overlap: over all of a year. */
#define LOOK_AHEAD_SEC (400 * DAY_SEC)

struct span {
    int64_t first_sec, last_sec; /* local, both included */
    bool exact;                  /* one occurrence, by its time */
};

struct calendar {
    struct zone *zone;
    int64_t start_sec; /* local */
    int64_t duration_sec;
    bool repeats;
    struct calendar_rule rule; /* if it repeats; its until is UTC */
    size_t n_except;
    struct span except[];
};

/* ---- the walk ---- */

struct walk {
    const struct calendar *c;
    icalrecur_iterator *it; /* NULL: one occurrence only */
    int64_t day_sec;        /* 00:00 of the day, local */
    size_t at;              /* the next of the rule's times on it */
    unsigned n;             /* occurrences so far, excepted ones too */
    bool over;
};

static struct icaltimetype to_ical_day(int64_t local_sec)
{
    time_t sec = (time_t)local_sec;
    struct icaltimetype day = {.is_date = 1};
    struct tm tm;

    gmtime_r(&sec, &tm);
    day.year = tm.tm_year + 1900;
    day.month = tm.tm_mon + 1;
    day.day = tm.tm_mday;
    return day;
}

static int64_t from_ical_day(struct icaltimetype day)
{
    struct tm tm = {.tm_year = day.year - 1900, .tm_mon = day.month - 1, .tm_mday = day.day};

    return timegm(&tm);
}

static int64_t last_local_sec(void)
{
    struct tm tm = {.tm_year = CALENDAR_YEAR_MAX - 1900, .tm_mon = 11, .tm_mday = 31};

    return timegm(&tm) + DAY_SEC - 1;
}

/* No day later than that of `to_sec` (local) is looked at: this is what bounds libical's work. */
static int walk_init(struct walk *w, const struct calendar *c, int64_t to_sec)
{
    struct icalrecurrencetype days = c->rule.days;

    *w = (struct walk){.c = c, .day_sec = INT64_MIN};
    if (!c->repeats)
        return 0;
    if (c->rule.until && c->rule.until_sec + SHIFT_SEC < to_sec)
        to_sec = c->rule.until_sec + SHIFT_SEC;
    if (to_sec > last_local_sec())
        to_sec = last_local_sec();
    days.until = to_ical_day(to_sec);
    w->at = c->rule.n_times;
    w->it = icalrecur_iterator_new(days, to_ical_day(c->start_sec));
    return w->it ? 0 : -ENOMEM;
}

static void walk_done(struct walk *w)
{
    if (w->it)
        icalrecur_iterator_free(w->it);
}

/* The next day of the rule. */
static bool walk_day(struct walk *w)
{
    int64_t day_sec;

    do { /* libical gives BYDAY=MO,MO twice */
        struct icaltimetype day = icalrecur_iterator_next(w->it);

        if (icaltime_is_null_time(day))
            return false;
        day_sec = from_ical_day(day);
    } while (day_sec <= w->day_sec);
    w->day_sec = day_sec;
    w->at = 0;
    return true;
}

/* The local time of the next occurrence. */
static bool walk_next(struct walk *w, int64_t *ret_sec)
{
    const struct calendar *c = w->c;
    const struct calendar_rule *rule = &c->rule;

    if (w->over || (c->repeats && rule->count && w->n == rule->count))
        return false;
    if (!c->repeats) {
        w->over = true;
        *ret_sec = c->start_sec;
        return true;
    }
    for (;;) {
        int64_t sec;

        if (w->at == rule->n_times && !walk_day(w))
            return false;
        sec = w->day_sec + rule->times_sec[w->at++];
        if (sec < c->start_sec || (rule->until && zone_from_local(c->zone, sec) > rule->until_sec))
            continue;
        w->n++;
        *ret_sec = sec;
        return true;
    }
}

/* ---- occurrences ---- */

static bool is_excepted(const struct calendar *c, int64_t local_sec)
{
    for (size_t i = 0; i < c->n_except; i++)
        if (c->except[i].first_sec <= local_sec && local_sec <= c->except[i].last_sec)
            return true;
    return false;
}

static struct calendar_occurrence occurrence_at(const struct calendar *c, int64_t local_sec)
{
    struct calendar_occurrence o;

    o.from_usec = zone_from_local(c->zone, local_sec) * USEC_PER_SEC;
    o.to_usec = o.from_usec + c->duration_sec * USEC_PER_SEC;
    calendar_print(local_sec, c->repeats && c->rule.n_times > 1, o.name, sizeof(o.name));
    return o;
}

struct list {
    struct calendar_occurrence *items;
    size_t n, size;
};

/* Keeps the order by instant. Later local time replaces what begins at the same instant. */
static int list_put(struct list *l, const struct calendar_occurrence *o)
{
    size_t at = l->n;

    while (at > 0 && l->items[at - 1].from_usec > o->from_usec)
        at--;
    if (at > 0 && l->items[at - 1].from_usec == o->from_usec) {
        l->items[at - 1] = *o;
        return 0;
    }
    if (l->n == l->size) {
        size_t size = l->size ? 2 * l->size : 32;
        struct calendar_occurrence *items = realloc(l->items, size * sizeof(*items));

        if (!items)
            return -ENOMEM;
        l->items = items;
        l->size = size;
    }
    memmove(&l->items[at + 1], &l->items[at], (l->n - at) * sizeof(*o));
    l->items[at] = *o;
    l->n++;
    return 0;
}

static int check_apart(const struct list *l, struct vdi_error *err)
{
    for (size_t i = 1; i < l->n; i++)
        if (l->items[i].from_usec < l->items[i - 1].to_usec) {
            error_set(err, EINVAL, "duration", "it is not over on %s when the one of %s begins",
                      l->items[i - 1].name, l->items[i].name);
            error_hint(err, NULL, "make it shorter, or let the rule repeat less often");
            return -EINVAL;
        }
    return 0;
}

static bool is_in(const struct calendar_occurrence *o, int64_t from_usec, int64_t to_usec)
{
    return o->from_usec < to_usec && o->to_usec > from_usec;
}

/* At most max + 1, so that the caller sees that there are more; out of memory is the only error. */
static int collect(const struct calendar *c, int64_t from_usec, int64_t to_usec, size_t max,
                   struct list *ret)
{
    int64_t local_sec, to_sec = zone_to_local(c->zone, to_usec / USEC_PER_SEC) + SHIFT_SEC;
    struct walk w;
    int r = walk_init(&w, c, to_sec);

    while (r == 0 && ret->n <= max && walk_next(&w, &local_sec) && local_sec <= to_sec) {
        struct calendar_occurrence o = occurrence_at(c, local_sec);

        if (is_in(&o, from_usec, to_usec) && !is_excepted(c, local_sec))
            r = list_put(ret, &o);
    }
    walk_done(&w);
    return r;
}

int calendar_occurrences(const struct calendar *c, int64_t from_usec, int64_t to_usec, size_t max,
                         struct calendar_occurrence **ret, size_t *ret_n, struct vdi_error *err)
{
    struct list l = {0};
    int r;

    if (max > CALENDAR_OCCURRENCES_MAX)
        max = CALENDAR_OCCURRENCES_MAX;
    r = collect(c, from_usec, to_usec, max, &l);
    if (r < 0)
        error_set(err, ENOMEM, "", "out of memory");
    else if (l.n > max) {
        char limit[32];

        snprintf(limit, sizeof(limit), "%zu", max);
        r = error_set(err, E2BIG, "repeat", "too many occurrences in the time that is looked at");
        error_hint(err, limit, "let the rule repeat less often");
    } else
        r = check_apart(&l, err);
    if (r < 0) {
        free(l.items);
        return r;
    }
    *ret = l.items;
    *ret_n = l.n;
    return 0;
}

int calendar_find(const struct calendar *c, const char *name, struct calendar_occurrence *ret,
                  struct vdi_error *err)
{
    int64_t local_sec, wanted_sec;
    bool date, found = false;
    struct walk w;

    if (strlen(name) < CALENDAR_NAME_SIZE && calendar_scan(name, &wanted_sec, &date) &&
        walk_init(&w, c, wanted_sec) == 0) {
        while (!found && walk_next(&w, &local_sec) && local_sec < wanted_sec + DAY_SEC) {
            struct calendar_occurrence o = occurrence_at(c, local_sec);

            found = !strcmp(o.name, name) && !is_excepted(c, local_sec);
            if (found)
                *ret = o;
        }
        walk_done(&w);
    }
    if (found)
        return 0;
    error_set(err, ENOENT, "date", "there is no occurrence '%.40s'", name);
    error_hint(err, NULL, "write the date of one as the class's list has it");
    return -ENOENT;
}

/* ---- a new one ---- */

static bool is_year(int64_t local_sec)
{
    int year = to_ical_day(local_sec).year;

    return year >= CALENDAR_YEAR_MIN && year <= CALENDAR_YEAR_MAX;
}

static int take_local(const char *field, const char *text, int64_t *ret_sec, struct vdi_error *err)
{
    bool date;

    if (!calendar_scan(text, ret_sec, &date) || date || !strchr(text, '-')) {
        error_set(err, EINVAL, field, "'%.40s' is no date and time", text);
        error_hint(err, NULL, "write it as 2026-10-13T10:15, in local time");
        return -EINVAL;
    }
    if (!is_year(*ret_sec)) {
        error_set(err, EINVAL, field, "'%.40s' is out of range", text);
        error_hint(err, "2000 to 2099", "write another year");
        return -EINVAL;
    }
    return 0;
}

static int take_zone(const char *name, struct zone **ret, struct vdi_error *err)
{
    int r = zone_open(name, ret);

    if (r == -EINVAL || r == -ENOENT) {
        error_set(err, EINVAL, "zone", "there is no time zone '%.64s'", name);
        error_hint(err, NULL, "write the name of one as the IANA has it: Europe/Berlin");
        return -EINVAL;
    }
    if (r < 0) {
        error_set(err, -r, "zone", "the file of time zone '%.64s' cannot be read", name);
        error_hint(err, NULL, "install the system's time zones again (tzdata)");
    }
    return r;
}

static int take_duration(const char *text, int64_t *ret_sec, struct vdi_error *err)
{
    int r = str_to_duration_sec(text, 1, ret_sec);

    if (r < 0) {
        error_set(err, EINVAL, "duration", "'%.40s' is no duration", text);
        error_hint(err, NULL, "write it as 90m or 2h");
    } else if (*ret_sec < 60 || *ret_sec > CALENDAR_DURATION_MAX_SEC) {
        r = error_set(err, EINVAL, "duration", "'%.40s' is out of range", text);
        error_hint(err, "1m to 7d", "write another, or more classes");
    }
    return r < 0 ? -EINVAL : 0;
}

static bool scan_span(const char *text, struct span *ret)
{
    char first[sizeof("2026-12-22")];
    const char *slash = strchr(text, '/');
    bool date, last_date = true;

    if (strlen(text) > 24 || !strchr(text, '-'))
        return false;
    if (!slash) {
        if (!calendar_scan(text, &ret->first_sec, &date))
            return false;
        ret->last_sec = ret->first_sec;
        ret->exact = !date;
    } else {
        if ((size_t)(slash - text) != sizeof(first) - 1)
            return false;
        str_copy(first, sizeof(first), text);
        if (!calendar_scan(first, &ret->first_sec, &date) || !date ||
            !calendar_scan(slash + 1, &ret->last_sec, &last_date) || !last_date)
            return false;
        ret->exact = false;
    }
    if (!ret->exact)
        ret->last_sec += DAY_SEC - 1;
    return ret->first_sec <= ret->last_sec;
}

static int take_except(struct calendar *c, const struct calendar_text *text, struct vdi_error *err)
{
    for (size_t i = 0; i < text->n_except; i++)
        if (!scan_span(text->except[i], &c->except[c->n_except++])) {
            error_set(err, EINVAL, "except", "'%.40s' is no date, range of dates or occurrence",
                      text->except[i]);
            error_hint(err, NULL, "write 2026-12-24, 2026-12-22/2027-01-06 or 2026-12-24T10:15");
            return -EINVAL;
        }
    return 0;
}

/* The rule has to give its start. libical looks for the first period that has a day until the year
 * 20000; with the largest interval it is done after a few, and the start's own is the first. */
static bool is_first(const struct calendar *c)
{
    struct icalrecurrencetype days = c->rule.days;
    struct icaltimetype start = to_ical_day(c->start_sec), first;
    icalrecur_iterator *it;
    bool timely = false;

    for (size_t i = 0; i < c->rule.n_times; i++)
        timely |= c->start_sec % DAY_SEC == c->rule.times_sec[i];
    if (days.freq == ICAL_MONTHLY_RECURRENCE || days.freq == ICAL_YEARLY_RECURRENCE)
        days.interval = INT16_MAX;
    days.until = start;
    it = timely ? icalrecur_iterator_new(days, start) : NULL;
    if (!it)
        return false;
    first = icalrecur_iterator_next(it);
    icalrecur_iterator_free(it);
    return !icaltime_is_null_time(first) && icaltime_compare(first, start) == 0;
}

static int take_rule(struct calendar *c, const struct calendar_text *text, struct vdi_error *err)
{
    int r;

    c->repeats = !str_is_empty(text->repeat);
    if (!c->repeats)
        return 0;
    r = calendar_rule_parse(text->repeat, c->start_sec, &c->rule, err);
    if (r < 0)
        return r;
    if (c->rule.until == UNTIL_LOCAL)
        c->rule.until_sec = zone_from_local(c->zone, c->rule.until_sec);
    if (c->rule.until && c->rule.until_sec < zone_from_local(c->zone, c->start_sec)) {
        error_set(err, EINVAL, "repeat", "UNTIL is before the class starts at %s", text->starts);
        error_hint(err, NULL, "write a later UNTIL");
        return -EINVAL;
    }
    if (!is_first(c)) {
        error_set(err, EINVAL, "starts", "%s is not a time that the rule gives", text->starts);
        error_hint(err, NULL,
                   "let the class start with the rule's first occurrence, or "
                   "change the rule");
        return -EINVAL;
    }
    return 0;
}

/* Some occurrence is left, and what is excepted by its time is there. */
static int check_except(const struct calendar *c, const struct calendar_text *text,
                        struct vdi_error *err)
{
    bool *met = calloc(c->n_except + 1, sizeof(*met)), any = false;
    int64_t local_sec, last_exact_sec = INT64_MIN;
    struct walk w;
    int r = met ? walk_init(&w, c, INT64_MAX - SHIFT_SEC) : -ENOMEM;

    for (size_t i = 0; i < c->n_except; i++)
        if (c->except[i].exact && c->except[i].first_sec > last_exact_sec)
            last_exact_sec = c->except[i].first_sec;
    if (r < 0) {
        free(met);
        return error_set(err, ENOMEM, "", "out of memory");
    }
    while (walk_next(&w, &local_sec) && (!any || local_sec <= last_exact_sec)) {
        any |= !is_excepted(c, local_sec);
        for (size_t i = 0; i < c->n_except; i++)
            met[i] |= c->except[i].first_sec == local_sec;
    }
    walk_done(&w);
    for (size_t i = 0; i < c->n_except && r == 0; i++)
        if (c->except[i].exact && !met[i]) {
            r = error_set(err, EINVAL, "except", "the rule gives no occurrence at %.40s",
                          text->except[i]);
            error_hint(err, NULL, "write the date alone, or the time of an occurrence");
        }
    if (r == 0 && !any) {
        r = error_set(err, EINVAL, "except", "no occurrence is left");
        error_hint(err, NULL, "take out some exceptions, or let the rule end later");
    }
    free(met);
    return r;
}

static int check_overlap(const struct calendar *c, struct vdi_error *err)
{
    int64_t from_usec = zone_from_local(c->zone, c->start_sec) * USEC_PER_SEC;
    struct list l = {0};
    int r = collect(c, from_usec, from_usec + LOOK_AHEAD_SEC * USEC_PER_SEC,
                    CALENDAR_OCCURRENCES_MAX, &l);

    r = r < 0 ? error_set(err, ENOMEM, "", "out of memory") : check_apart(&l, err);
    free(l.items);
    return r;
}

int calendar_new(const struct calendar_text *text, struct calendar **ret, struct vdi_error *err)
{
    _cleanup_(calendar_freep) struct calendar *c = NULL;
    int r;

    if (text->n_except > CALENDAR_EXCEPT_MAX) {
        error_set(err, EINVAL, "except", "there are %zu exceptions", text->n_except);
        error_hint(err, "1024", "write ranges of dates, or an earlier end of the rule");
        return -EINVAL;
    }
    c = calloc(1, sizeof(*c) + text->n_except * sizeof(c->except[0]));
    if (!c)
        return error_set(err, ENOMEM, "", "out of memory");
    r = take_zone(text->zone, &c->zone, err);
    if (r == 0)
        r = take_local("starts", text->starts, &c->start_sec, err);
    if (r == 0)
        r = take_duration(text->duration, &c->duration_sec, err);
    if (r == 0)
        r = take_rule(c, text, err);
    if (r == 0)
        r = take_except(c, text, err);
    if (r == 0)
        r = check_except(c, text, err);
    if (r == 0)
        r = check_overlap(c, err);
    if (r == 0)
        *ret = TAKE_PTR(c);
    return r;
}

void calendar_free(struct calendar *c)
{
    if (!c)
        return;
    zone_free(c->zone);
    free(c);
}

int calendar_instant(const struct calendar *c, const char *field, const char *local,
                     int64_t *ret_usec, struct vdi_error *err)
{
    int64_t local_sec;
    int r = take_local(field, local, &local_sec, err);

    if (r == 0)
        *ret_usec = zone_from_local(c->zone, local_sec) * USEC_PER_SEC;
    return r;
}
