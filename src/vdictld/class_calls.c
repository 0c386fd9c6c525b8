/* SPDX-License-Identifier: Apache-2.0 */
/* class_calls.c - the requests about classes and their occurrences. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "codec/noun_codec.h"
#include "codec/request_input.h"
#include "vdictld/class_admit.h"
#include "vdictld/handlers.h"

/* What a class has that says nothing else. */
static const struct class_spec defaults = {.zone = "UTC", .lead_sec = CLASS_LEAD_SEC};

/* ---- documents ---- */

static void write_time(const char *name, int64_t usec, struct buf *out)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_time(out, usec);
}

/* The requests about reservations are the same, of others of these objects. */
static bool is_of_reservations(const struct call *call)
{
    return str_starts_with(call->match.request->path, "/v1/reservations");
}

static void write_alarm(const struct course *course, struct buf *out)
{
    const char *seats = course ? course->alarm : "", *roster = course ? course->roster.alarm : "";
    char text[sizeof(course->alarm) + sizeof(course->roster.alarm) + 2];

    snprintf(text, sizeof(text), "%s%s%s", seats, *seats && *roster ? "; " : "", roster);
    json_write_string(out, text);
}

/* Where its roster is, operators alone are told. */
static void write_class(const struct call *call, const struct class *class, struct buf *out)
{
    const struct course *course = course_get(call->core, class->id);
    const struct class_time *next = course && course->n_times ? &course->times[0] : NULL;
    bool first = true;

    buf_putc(out, '{');
    fields_write(class_is_reservation(&class->spec) ? reservation_fields : class_fields, class,
                 FIELD_SHOW, out, &first);
    buf_puts(out, ",\"next\":");
    json_write_string(out, next ? next->date : "");
    write_time("next_begin_time", next ? next->begin_usec : 0, out);
    write_time("next_end_time", next ? next->end_usec : 0, out);
    buf_printf(out, ",\"occurrences\":%zu", course ? course->n_times : 0);
    course_roster_write(course, call_is_operator(call), out);
    buf_puts(out, ",\"alarm\":");
    write_alarm(course, out);
    buf_putc(out, '}');
}

void class_reply(struct call *call, unsigned status, uint64_t id)
{
    const struct class *class = class_of(call->core, id);
    struct buf body = BUF_INIT(0);

    if (!class) {
        call_refuse_with(call, ENOENT, "name", "it was deleted meanwhile");
        return;
    }
    write_class(call, class, &body);
    call_reply_json(call, status, &body);
    buf_done(&body);
}

/* Its members, its makers, and operators see a class. */
static bool may_see(const struct call *call, const struct class *class)
{
    return call_is_operator(call) || str_equal(class->creator, call->who_text) ||
           class_is_member(call->core, &call->who, class);
}

const char *classes_name_for(const struct call *call, uint64_t id)
{
    const struct class *class = class_of(call->core, id);

    return class && may_see(call, class) ? class->spec.name : "";
}

void handle_class_list(struct call *call)
{
    struct table *t = events_table(call->core->events, NOUN_CLASS);
    struct buf body = BUF_INIT(0);
    uint64_t after, limit, n = 0, last = 0;
    size_t i;

    if (!call_number(call, "after", 0, INT64_MAX, &after) ||
        !call_number(call, "limit", 500, 500, &limit))
        return;
    buf_puts(&body, is_of_reservations(call) ? "{\"reservations\":[" : "{\"classes\":[");
    for (i = table_after(t, after); i < table_end(t) && n < limit; i++) {
        const struct slot *slot = table_at(t, i);
        const struct class *class = slot ? slot->pub : NULL;

        if (!class || class->deleted || !may_see(call, class) ||
            class_is_reservation(&class->spec) != is_of_reservations(call))
            continue;
        if (n++)
            buf_putc(&body, ',');
        write_class(call, class, &body);
        last = class->id;
    }
    if (i < table_end(t))
        buf_printf(&body, "],\"next\":\"%" PRIu64 "\"}", last);
    else
        buf_puts(&body, "],\"next\":null}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

/* The class named in the path, if the caller may see it; else refuses. */
static const struct class *call_class(struct call *call)
{
    const struct class *class = classes_get_staged(call->core, call->match.params[0]);

    if (class && may_see(call, class) &&
        class_is_reservation(&class->spec) == is_of_reservations(call))
        return class;
    call_refuse_with(call, ENOENT, "name", "there is no %s '%s'",
                     is_of_reservations(call) ? "reservation" : "class", call->match.params[0]);
    return NULL;
}

void handle_class_show(struct call *call)
{
    const struct class *class = call_class(call);

    if (class)
        class_reply(call, 200, class->id);
}

/* ---- occurrences ---- */

static void write_occurrence(struct core *core, const struct class *class,
                             const struct class_time *t, struct buf *out)
{
    const struct occurrence *o = class_occurrence(core, class->id, t->date);
    struct class_override change;
    bool first = true;

    buf_putc(out, '{');
    if (o) {
        fields_write(occurrence_fields, o, FIELD_SHOW, out, &first);
        buf_printf(out, ",\"ready\":%u", class_ready_now(core, o));
    } else {
        buf_printf(out, "\"class_id\":%" PRIu64 ",\"class\":", class->id);
        json_write_string(out, class->spec.name);
        buf_puts(out, ",\"date\":");
        json_write_string(out, t->date);
        buf_printf(out, ",\"state\":\"%s\",\"seats\":%u",
                   class_is_reservation(&class->spec) && t->begin_usec <= loop_now_usec(core->loop)
                       ? "ACTIVE"
                       : "BOOKED",
                   t->seats);
        write_time("begin_time", t->begin_usec, out);
        write_time("end_time", t->end_usec, out);
        write_time("open_time", t->from_usec, out);
        write_time("until_time", t->until_usec, out);
    }
    buf_printf(out, ",\"changed\":%s}",
               class_override_of(class, t->date, &change) ? "true" : "false");
}

/* Those to come and the one that is. */
void handle_class_occurrences(struct call *call)
{
    const struct class *class = call_class(call);
    const struct course *course = class ? course_get(call->core, class->id) : NULL;
    struct class_override change;
    struct buf body = BUF_INIT(0);
    bool first = true;

    if (!class)
        return;
    buf_puts(&body, "{\"occurrences\":[");
    for (size_t i = 0; course && i < course->n_times; i++) {
        if (!first)
            buf_putc(&body, ',');
        first = false;
        write_occurrence(call->core, class, &course->times[i], &body);
    }
    buf_puts(&body, "],\"skipped\":[");
    first = true;
    for (const char *at = class->overrides; class_override_next(&at, &change);) {
        if (!change.skip)
            continue;
        if (!first)
            buf_putc(&body, ',');
        first = false;
        json_write_string(&body, change.date);
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

/* ---- metrics ---- */

static uint32_t seats_of(const struct occurrence *o)
{
    return o->seats;
}

static uint32_t on_time_of(const struct occurrence *o)
{
    return o->ready_on_time;
}

static uint32_t claimed_of(const struct occurrence *o)
{
    return o->claimed;
}

static uint32_t failed_of(const struct occurrence *o)
{
    return o->failed;
}

static const struct {
    const char *name, *help;
    uint32_t (*value)(const struct occurrence *o);
    unsigned counted; /* only where this moment was counted; 0: always */
} metrics[] = {
    {"class_seats", "seats of a class that is on", seats_of, 0},
    {"class_seats_on_time", "of these READY at its time", on_time_of, 1u << OCCURRENCE_ON_TIME},
    {"class_seats_claimed", "of these taken by members", claimed_of, 0},
    {"class_seats_failed", "seats that were started anew", failed_of, 0},
};

/* A name of a class needs no quoting: str_is_name(). */
static void write_metric(struct core *core, size_t which, struct buf *out)
{
    struct table *t = events_table(core->events, NOUN_OCCURRENCE);

    buf_printf(out, "# TYPE vdi_%s gauge\n# HELP vdi_%s %s\n", metrics[which].name,
               metrics[which].name, metrics[which].help);
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct occurrence *o = slot ? slot->pub : NULL;

        if (!o || o->state == OCCURRENCE_CLOSED ||
            (metrics[which].counted && !(o->counted & metrics[which].counted)))
            continue;
        buf_printf(out, "vdi_%s{class=\"%s\",date=\"%s\"} %u\n", metrics[which].name, o->class_name,
                   o->date, metrics[which].value(o));
    }
}

void classes_write_metrics(struct core *core, struct buf *out)
{
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
        write_metric(core, i, out);
}

/* ---- changes ---- */

static int check_spec(const struct core *core, const struct class_spec *spec, bool is_reservation,
                      struct vdi_error *err)
{
    if (!str_is_name(spec->name, 63)) {
        error_set(err, EINVAL, "name", "'%.64s' is not a name of a class or a reservation",
                  spec->name);
        error_hint(err, "63 bytes", "use letters, digits and ._-");
        return -EINVAL;
    }
    if (is_reservation)
        return reservation_check(core->config, spec, err);
    if (!*spec->template_name || !*spec->starts || !spec->seats || spec->duration_sec < 60) {
        error_set(err, EINVAL,
                  !*spec->template_name ? "template"
                  : !*spec->starts      ? "starts"
                  : !spec->seats        ? "seats"
                                        : "duration_sec",
                  "a class needs template, seats, starts and a duration of a minute or more");
        error_hint(err, NULL, "say all of them");
        return -EINVAL;
    }
    if (!*spec->groups && !*spec->users) {
        error_set(err, EINVAL, "groups", "nobody could take a seat");
        error_hint(err, NULL, "name groups or users");
        return -EINVAL;
    }
    if (*spec->account && core->config->n_accounts &&
        !config_account(core->config, spec->account)) {
        error_set(err, ESRCH, "account", "there is no account '%s'", spec->account);
        error_hint(err, NULL, "name one of vdi.conf, or leave it out");
        return -ESRCH;
    }
    if (*spec->qos && !config_qos(core->config, spec->qos)) {
        error_set(err, ESRCH, "qos", "there is no qos '%s'", spec->qos);
        error_hint(err, NULL, "vdiinfo lists them; or leave it out");
        return -ESRCH;
    }
    return 0;
}

static bool is_own(struct call *call, const struct class *class)
{
    struct vdi_error err = {0};

    if (class_check_owner(call, class, &err) == 0)
        return true;
    call_refuse(call, &err);
    return false;
}

static bool may_change(struct call *call, const struct class *class)
{
    if (!class->from_config)
        return is_own(call, class);
    call_refuse_with(call, EPERM, "name",
                     "%s '%s' is in vdi.conf: change it there; only single dates of it can be "
                     "skipped or moved here",
                     class_word(&class->spec), class->spec.name);
    return false;
}

/* Members by their field names are read into `class`. */
static int read_spec(struct call *call, uint32_t accept, struct class *class, struct vdi_error *err)
{
    size_t len;
    const char *body = http_request_body(call->http, &len);
    bool is_reservation = is_of_reservations(call);
    int r = fields_read(is_reservation ? reservation_fields : class_fields, class, body, len,
                        accept, NULL, err);

    return r < 0 ? r : check_spec(call->core, &class->spec, is_reservation, err);
}

static struct class_event event_of(const struct call *call, enum class_event_type type,
                                   const struct class_spec *spec)
{
    struct class_event event = {
        .type = type, .time_usec = loop_now_usec(call->core->loop), .spec = *spec};

    str_copy(event.by, sizeof(event.by), call->who_text);
    return event;
}

void handle_class_create(struct call *call)
{
    _cleanup_(freep) struct class *draft = calloc(1, sizeof(*draft));
    struct vdi_error err = {0};
    struct class_event event;
    int r = draft ? 0 : error_set(&err, ENOMEM, "", "out of memory");

    if (r >= 0 && hash_count(call->core->classes->courses) >= CLASSES_MAX) {
        error_set(&err, EDQUOT, "name",
                  "there are as many classes and reservations as there may be");
        error_hint(&err, "4096 classes", "delete some that are over");
        r = -EDQUOT;
    }
    if (r >= 0) {
        draft->spec = is_of_reservations(call) ? (struct class_spec){.zone = "UTC"} : defaults;
        r = read_spec(call, FIELD_SUBMIT, draft, &err);
    }
    if (r < 0) {
        call_refuse(call, &err);
        return;
    }
    event = event_of(call, CLASS_EVENT_CREATE, &draft->spec);
    class_admit(call, events_next_id(call->core->events, NOUN_CLASS), NULL, &event, 201);
}

void handle_class_update(struct call *call)
{
    const struct class *class = call_class(call);
    _cleanup_(freep) struct class *draft = class ? calloc(1, sizeof(*draft)) : NULL;
    struct vdi_error err = {0};
    struct class_event event;
    int r;

    if (!class || !may_change(call, class))
        return;
    if (draft)
        *draft = *class;
    r = draft ? read_spec(call, FIELD_UPDATE, draft, &err)
              : error_set(&err, ENOMEM, "", "out of memory");
    if (r < 0) {
        call_refuse(call, &err);
        return;
    }
    event = event_of(call, CLASS_EVENT_UPDATE, &draft->spec);
    class_admit(call, class->id, class, &event, 200);
}

static void deleted(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;
    struct buf body = BUF_INIT(0);

    if (result < 0) {
        call_refuse(call, err);
        return;
    }
    buf_printf(&body, "{\"id\":%" PRIu64 ",\"deleted\":true}", call->job);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_class_delete(struct call *call)
{
    const struct class *class = call_class(call);
    struct vdi_error err = {0};
    struct class_event event;
    struct txn *txn;

    if (!class || !may_change(call, class))
        return;
    if (class_is_reservation(&class->spec) &&
        reservation_check_unused(call->core, class, &err) < 0) {
        call_refuse(call, &err);
        return;
    }
    event = event_of(call, CLASS_EVENT_DELETE, &class->spec);
    call->job = class->id;
    txn = txn_new(call->core->events);
    if (txn && txn_add(txn, NOUN_CLASS, class->id, NULL, &event, &err) >= 0) {
        call_commit(call, txn, 200, deleted, call);
        return;
    }
    txn_abort(txn);
    if (!err.code)
        error_set(&err, ENOMEM, "", "out of memory");
    call_refuse(call, &err);
}

/* One date is skipped, moved, or as the rule says again. */
void handle_class_override(struct call *call)
{
    const struct class *class = call_class(call);
    struct request_class_date ask = {0};
    struct vdi_error err = {0};
    struct class_event event;
    const char *body;
    size_t len;

    if (!class || !is_own(call, class))
        return; /* refused, and the call with it */
    body = http_request_body(call->http, &len);
    if (fields_read(request_class_date_fields, &ask, body, len, FIELD_SUBMIT, NULL, &err) < 0) {
        call_refuse(call, &err);
        return;
    }
    if (ask.skip + ask.reset + (*ask.starts || ask.duration_sec) != 1) {
        call_refuse_with(call, EINVAL, "skip",
                         "say one of skip, reset, and another time (starts, duration_sec)");
        return;
    }
    if (class_occurrence(call->core, class->id, call->match.params[1])) {
        call_refuse_with(call, EPROTO, "date", "class '%s' on %s has begun", class->spec.name,
                         call->match.params[1]);
        return;
    }
    if (class_find_date(class, call->match.params[1], ask.starts, &err) < 0) {
        call_refuse(call, &err);
        return;
    }
    event = event_of(call, CLASS_EVENT_OVERRIDE, &class->spec);
    event.skip = ask.skip;
    event.reset = ask.reset;
    event.duration_sec = ask.duration_sec;
    str_copy(event.date, sizeof(event.date), call->match.params[1]);
    str_copy(event.starts, sizeof(event.starts), ask.starts);
    class_admit(call, class->id, class, &event, 200);
}
