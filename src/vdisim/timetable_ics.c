/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timetable_ics.c - the classes of an iCalendar file, as a timetable.
 *
 * Seats and template are the event's X-VDI properties; the template's profiles are those of the
 * cluster's vdi.conf. The trace's clock begins at an instant that the caller gives, or at 00:00 of
 * the day of the first class, so that both have the same days.
 */
#include "vdisim/timetable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/ics.h"
#include "model/config.h"
#include "vdisim/trace.h"

#define DAY_SEC 86400
/* As far as a controller books ahead. */
#define AHEAD_USEC (366 * DAY_SEC * USEC_PER_SEC)

struct reader {
    const char *path;
    const struct config *config;
    int64_t zero_usec;
    struct timetable *table;
    struct vdi_error *err;
};

static int refuse(struct reader *r, const struct ics_class *class, const char *field,
                  const char *remedy, const char *what, const char *value)
{
    error_set(r->err, EINVAL, field, "%s: event '%.64s': %s '%.64s'", r->path, class->uid, what,
              value);
    error_hint(r->err, NULL, remedy);
    return -EINVAL;
}

static int no_memory(struct reader *r)
{
    return error_set(r->err, ENOMEM, "", "out of memory");
}

/* An error of what knows no file. */
static int placed(struct reader *r, const struct ics_class *class, int result)
{
    char detail[sizeof(r->err->detail)];

    if (result < 0 && result != -ENOMEM) {
        str_copy(detail, sizeof(detail), r->err->detail);
        snprintf(r->err->detail, sizeof(r->err->detail), "%.80s: event '%.64s': %.160s", r->path,
                 class->uid, detail);
    }
    return result;
}

/* What every date of the class has alike. */
static int read_seat(struct reader *r, const struct ics_class *class, struct timetable_row *ret)
{
    const struct config_template *t = config_template(r->config, class->template);
    const char *trouble;

    if (!class->seats)
        return refuse(r, class, "X-VDI-SEATS", "say how many in X-VDI-SEATS",
                      "it has no seats:", class->summary);
    ret->seats = class->seats;
    trouble = timetable_seat(t, ret);
    return trouble ? refuse(r, class, "X-VDI-TEMPLATE",
                            t ? "only seats of one GPU are replayed"
                              : "name a template of the cluster's vdi.conf",
                            trouble, class->template)
                   : 0;
}

static const struct ics_moved *moved_of(const struct ics_class *class, const char *name)
{
    for (size_t i = 0; i < class->n_moved; i++)
        if (!strncmp(class->moved[i].from, name, strlen(name)))
            return &class->moved[i];
    return NULL;
}

static int put_row(struct reader *r, const struct ics_class *class,
                   const struct timetable_row *like, const char *name, int64_t from_usec,
                   int64_t to_usec)
{
    struct timetable_row row = *like, *at;

    row.begin_sec = (from_usec - r->zero_usec) / USEC_PER_SEC;
    row.end_sec = (to_usec - r->zero_usec) / USEC_PER_SEC;
    if (row.begin_sec < 0)
        return 0; /* before the trace */
    snprintf(row.id, sizeof(row.id), "%.40s %s", *class->summary ? class->summary : class->uid,
             name);
    at = timetable_add(r->table);
    if (!at)
        return error_set(r->err, ENOMEM, "classes", "%s has too many classes", r->path);
    *at = row;
    return 0;
}

static int put_moved(struct reader *r, const struct ics_class *class, const struct calendar *c,
                     const struct timetable_row *like, const char *name, const struct ics_moved *m)
{
    int64_t from_usec, sec;
    int result = calendar_instant(c, "DTSTART", m->starts, &from_usec, r->err);

    if (result == 0 && str_to_duration_sec(m->duration, 1, &sec) < 0)
        result = no_memory(r);
    return result < 0 ? placed(r, class, result)
                      : put_row(r, class, like, name, from_usec, from_usec + sec * USEC_PER_SEC);
}

/* What is moved has to be there. */
static int check_moved(struct reader *r, const struct ics_class *class, const struct calendar *c)
{
    for (size_t i = 0; i < class->n_moved; i++) {
        const char *from = class->moved[i].from;
        struct calendar_occurrence o;
        char date[sizeof("2026-10-13")];

        str_copy(date, sizeof(date), from);
        if (calendar_find(c, from, &o, r->err) < 0 && calendar_find(c, date, &o, r->err) < 0)
            return refuse(r, class, "RECURRENCE-ID", "take it out, or mend its RECURRENCE-ID",
                          "the rule gives nothing at", from);
    }
    return 0;
}

static int put_class(struct reader *r, const struct ics_class *class)
{
    _cleanup_(calendar_freep) struct calendar *c = NULL;
    _cleanup_(freep) struct calendar_occurrence *list = NULL;
    struct calendar_text text = ics_class_text(class);
    struct timetable_row like = {.seats = 0};
    size_t n = 0;
    int result = read_seat(r, class, &like);

    if (result < 0)
        return result;
    result = calendar_new(&text, &c, r->err);
    if (result == 0)
        result = calendar_occurrences(c, r->zero_usec, r->zero_usec + AHEAD_USEC,
                                      CALENDAR_OCCURRENCES_MAX, &list, &n, r->err);
    result = result < 0 ? placed(r, class, result) : check_moved(r, class, c);
    for (size_t i = 0; result == 0 && i < n; i++) {
        const struct ics_moved *m = moved_of(class, list[i].name);

        result = m ? put_moved(r, class, c, &like, list[i].name, m)
                   : put_row(r, class, &like, list[i].name, list[i].from_usec, list[i].to_usec);
    }
    return result;
}

/* 00:00, in its zone, of the day of the class that begins first. */
static int first_day(struct reader *r, const struct ics *ics)
{
    r->zero_usec = INT64_MAX;
    for (size_t i = 0; i < ics->n; i++) {
        _cleanup_(calendar_freep) struct calendar *c = NULL;
        struct calendar_text text = ics_class_text(&ics->classes[i]);
        char midnight[sizeof("2026-10-13T00:00")];
        int64_t usec;
        int result = calendar_new(&text, &c, r->err);

        snprintf(midnight, sizeof(midnight), "%.10sT00:00", text.starts);
        if (result == 0)
            result = calendar_instant(c, "DTSTART", midnight, &usec, r->err);
        if (result < 0)
            return placed(r, &ics->classes[i], result);
        if (usec < r->zero_usec)
            r->zero_usec = usec;
    }
    return 0;
}

int timetable_read_ics(const char *path, const struct config *config, int64_t *epoch_usec,
                       struct timetable *ret, struct vdi_error *err)
{
    struct buf text = BUF_INIT(ICS_BYTES_MAX + 1);
    struct timetable table = {0};
    struct ics ics = {0};
    struct reader r = {path, config, *epoch_usec, &table, err};
    int result = trace_read_text(path, &text, err);

    if (result == 0)
        result = ics_read(text.data ? text.data : "", text.len, &ics, err);
    if (result == 0 && !*epoch_usec)
        result = first_day(&r, &ics);
    for (size_t i = 0; result == 0 && i < ics.n; i++)
        result = put_class(&r, &ics.classes[i]);
    ics_done(&ics);
    buf_done(&text);
    if (result < 0)
        timetable_done(&table);
    else
        *ret = table;
    if (result == 0)
        *epoch_usec = r.zero_usec;
    return result;
}
