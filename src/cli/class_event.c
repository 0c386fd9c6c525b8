/* SPDX-License-Identifier: Apache-2.0 */
/* class_event.c - a class of the controller as an event of an iCalendar file. */
#include "cli/class_event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/noun_codec.h"

int class_from_document(const struct value *document, struct class *ret, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(1 << 16);

    value_write(document, 0, &text);
    if (text.failed)
        return error_set(err, EREMOTEIO, "", "the controller's answer is no class");
    return fields_read(class_fields, ret, text.data, text.len, FIELD_KEEP, NULL, err);
}

const char *class_event_uid(const struct class *class, char ret[320])
{
    snprintf(ret, 320, "%s%s", *class->spec.uid ? "" : CLASS_EVENT_UID,
             *class->spec.uid ? class->spec.uid : class->spec.name);
    return ret;
}

/* ---- as an event ---- */

static int no_memory(struct vdi_error *err)
{
    return error_set(err, ENOMEM, "", "out of memory");
}

/* False: out of memory. */
static bool list_put(struct ics_list *l, const char *text, size_t len)
{
    char **items = realloc(l->items, (l->n + 1) * sizeof(*items));

    if (!items)
        return false;
    l->items = items;
    items[l->n] = strndup(text, len);
    return items[l->n] && ++l->n;
}

static bool list_split(struct ics_list *l, const char *text)
{
    for (const char *at = text; *at; at += *at == ',') {
        size_t len = strcspn(at, ",");

        if (len && !list_put(l, at, len))
            return false;
        at += len;
    }
    return true;
}

static char *length_text(int64_t sec)
{
    return str_printf("%" PRId64 "%c", sec % 60 ? sec : sec / 60, sec % 60 ? 's' : 'm');
}

static bool put_texts(const struct class_spec *s, struct ics_class *e, const char *uid)
{
    char **const texts[] = {&e->uid,      &e->summary,   &e->repeat, &e->name,
                            &e->template, &e->partition, &e->qos,    &e->account};
    const char *const values[] = {uid,          s->name, s->repeat, s->name, s->template_name,
                                  s->partition, s->qos,  s->account};
    char **const lengths[] = {&e->lead, &e->grace, &e->no_show, &e->cleaning};
    const int64_t secs[] = {s->lead_sec, s->grace_sec, s->no_show_sec, s->cleaning_sec};

    for (size_t i = 0; i < ELEMENTS(texts); i++)
        if (!(*texts[i] = strdup(values[i])))
            return false;
    for (size_t i = 0; i < ELEMENTS(lengths); i++)
        if (!(*lengths[i] = length_text(secs[i])))
            return false;
    return list_split(&e->groups, s->groups) && list_split(&e->users, s->users) &&
           list_split(&e->except, s->except);
}

/* An override of a date that the rule does not have any more says nothing. */
static bool put_override(const struct class_spec *s, const struct class_override *o,
                         struct ics_class *e)
{
    char from[CALENDAR_NAME_SIZE];
    struct ics_moved *m;

    snprintf(from, sizeof(from), "%.19s%.9s", o->date, strchr(o->date, 'T') ? "" : s->starts + 10);
    if (o->skip)
        return list_put(&e->except, from, strlen(from));
    m = realloc(e->moved, (e->n_moved + 1) * sizeof(*m));
    if (!m)
        return false;
    e->moved = m;
    m += e->n_moved++;
    str_copy(m->from, sizeof(m->from), from);
    str_copy(m->starts, sizeof(m->starts), *o->starts ? o->starts : from);
    snprintf(m->duration, sizeof(m->duration), "%" PRId64 "s",
             o->duration_sec ? o->duration_sec : s->duration_sec);
    return true;
}

int class_to_event(const struct class *class, struct ics *ret, struct vdi_error *err)
{
    _cleanup_(calendar_freep) struct calendar *calendar = NULL;
    struct ics_class *e = calloc(1, sizeof(*e));
    struct calendar_text text;
    struct class_override o;
    char uid[320];
    bool ok;
    int r;

    *ret = (struct ics){.classes = e, .n = e ? 1 : 0};
    if (!e)
        return no_memory(err);
    e->seats = class->spec.seats;
    str_copy(e->starts, sizeof(e->starts), class->spec.starts);
    str_copy(e->zone, sizeof(e->zone), class->spec.zone);
    snprintf(e->duration, sizeof(e->duration), "%" PRId64 "s", class->spec.duration_sec);
    ok = put_texts(&class->spec, e, class_event_uid(class, uid));
    text = ics_class_text(e);
    r = ok ? calendar_new(&text, &calendar, err) : no_memory(err);
    for (const char *at = NULL; r == 0 && class_override_each(class, &at, &o);) {
        struct calendar_occurrence found;

        if (calendar_find(calendar, o.date, &found, NULL) == 0 &&
            !put_override(&class->spec, &o, e))
            r = no_memory(err);
    }
    return r;
}

/* ---- and the other way ---- */

static int too_long(const char *field, size_t max, const char *remedy, struct vdi_error *err)
{
    char limit[32];

    snprintf(limit, sizeof(limit), "%zu bytes", max);
    error_set(err, E2BIG, field, "it is too long");
    error_hint(err, limit, remedy);
    return -E2BIG;
}

static int put_list(const char *field, const struct ics_list *l, char *ret, size_t size,
                    struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(1 << 20);

    for (size_t i = 0; i < l->n; i++)
        buf_printf(&text, "%s%s", i ? "," : "", l->items[i]);
    if (l->n && (text.failed || !str_copy(ret, size, text.data)))
        return too_long(field, size - 1, "name a group instead of its members", err);
    return 0;
}

int class_put_words(const struct ics_class *event, struct class_spec *ret, struct vdi_error *err)
{
    const struct {
        const char *field, *text;
        char *at; /* of 64 bytes */
    } texts[] = {
        {"X-VDI-TEMPLATE", event->template, ret->template_name},
        {"X-VDI-PARTITION", event->partition, ret->partition},
        {"X-VDI-QOS", event->qos, ret->qos},
        {"X-VDI-ACCOUNT", event->account, ret->account},
    };
    const struct {
        const char *text;
        int64_t *at;
    } lengths[] = {
        {event->lead, &ret->lead_sec},
        {event->grace, &ret->grace_sec},
        {event->no_show, &ret->no_show_sec},
        {event->cleaning, &ret->cleaning_sec},
    };
    int r;

    for (size_t i = 0; i < ELEMENTS(texts); i++)
        if (*texts[i].text && !str_copy(texts[i].at, 64, texts[i].text))
            return too_long(texts[i].field, 63, "write a name that there is", err);
    for (size_t i = 0; i < ELEMENTS(lengths); i++)
        if (*lengths[i].text)
            str_to_duration_sec(lengths[i].text, 60, lengths[i].at); /* ics_read() checked it */
    if (event->seats)
        ret->seats = event->seats;
    r = put_list("X-VDI-GROUPS", &event->groups, ret->groups, sizeof(ret->groups), err);
    return r < 0 ? r : put_list("X-VDI-USERS", &event->users, ret->users, sizeof(ret->users), err);
}

int class_event_normalize(const struct ics_class *event, struct ics *ret, struct vdi_error *err)
{
    const struct ics one = {.classes = (struct ics_class *)event, .n = 1};
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    int r = ics_write(&one, 0, &text, err);

    return r < 0 ? r : ics_read(text.data, text.len, ret, err);
}

int class_event_date(const struct calendar *calendar, const char *local, char ret[CLASS_DATE_MAX],
                     struct vdi_error *err)
{
    struct calendar_occurrence found;
    char date[] = "2026-10-20";
    int64_t usec;

    str_copy(date, sizeof(date), local);
    if ((calendar_find(calendar, local, &found, NULL) == 0 ||
         calendar_find(calendar, date, &found, NULL) == 0) &&
        calendar_instant(calendar, "RECURRENCE-ID", local, &usec, err) == 0 &&
        usec == found.from_usec) {
        str_copy(ret, CLASS_DATE_MAX, found.name);
        return 0;
    }
    error_set(err, ENOENT, "RECURRENCE-ID", "the rule has no occurrence at %s", local);
    error_hint(err, NULL, "take it out, or write the time of one");
    return -ENOENT;
}
