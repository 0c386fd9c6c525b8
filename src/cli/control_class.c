/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_class.c - vdictl class: booked, changed, single dates skipped or moved, and shown.
 *
 * What is said goes to the controller as it is, but for lengths of time, which people write as
 * "90m", and the zone: who names none means the clock of this machine.
 */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "base/zone.h"
#include "cli/cells.h"
#include "cli/class_list.h"
#include "codec/field.h"

#define LIST_ROW "%-20s %6s %-16s %-20s %-20s %s\n"
#define RESERVATION_ROW "%-20s %-24s %-20s %-20s %-16s %s\n"
#define DATE_ROW "%-16s %-20s %-20s %-8s %6s %8s %8s %-10s %s\n"

/* ---- what is asked for ---- */

enum kind { TEXT, NUMBER, LENGTH };
#define AT(member) offsetof(struct control_options, member)

static const struct {
    const char *option, *member;
    enum kind kind;
    size_t offset; /* of a const char * */
} members[] = {
    {"template", "template", TEXT, AT(template_name)},
    {"seats", "seats", NUMBER, AT(seats)},
    {"groups", "groups", TEXT, AT(groups)},
    {"users", "users", TEXT, AT(users)},
    {"partition", "partition", TEXT, AT(partition)},
    {"qos", "qos", TEXT, AT(qos)},
    {"account", "account", TEXT, AT(account)},
    {"starts", "starts", TEXT, AT(starts)},
    {"duration", "duration_sec", LENGTH, AT(duration)},
    {"zone", "zone", TEXT, AT(zone)},
    {"repeat", "repeat", TEXT, AT(repeat)},
    {"nodes", "nodes", TEXT, AT(nodes)},
    {"flags", "flags", TEXT, AT(flags)},
    {"except", "except", TEXT, AT(except)},
    {"lead", "lead_sec", LENGTH, AT(lead)},
    {"grace", "grace_sec", LENGTH, AT(grace)},
    {"no-show", "no_show_sec", LENGTH, AT(no_show)},
    {"cleaning", "cleaning_sec", LENGTH, AT(cleaning)},
};

static int put_member(size_t i, const char *text, struct buf *out, struct vdi_error *err)
{
    const char *option = members[i].option;
    int64_t n = 0;
    uint64_t count = 0;

    buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", members[i].member);
    if (members[i].kind == TEXT) {
        json_write_string(out, text);
    } else if (members[i].kind == NUMBER) {
        if (str_to_u64(text, 0, UINT32_MAX, &count) < 0) {
            error_set(err, EINVAL, option, "--%s=%.40s: not a number", option, text);
            error_hint(err, NULL, "write how many, as in 30");
            return -EINVAL;
        }
        buf_printf(out, "%" PRIu64, count);
    } else {
        if (str_to_duration_sec(text, 60, &n) < 0) {
            error_set(err, EINVAL, option, "--%s=%.40s: not a length of time", option, text);
            error_hint(err, NULL, "write minutes, 90m, 2h or HH:MM:SS");
            return -EINVAL;
        }
        buf_printf(out, "%" PRId64, n);
    }
    return 0;
}

int control_class_members(const struct control_options *options, struct buf *out,
                          struct vdi_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ELEMENTS(members); i++) {
        const char *text = *(const char *const *)((const char *)options + members[i].offset);

        if (text)
            r = put_member(i, text, out, err);
    }
    return r;
}

/* The name behind ".../zoneinfo/", or the text itself; NULL: no zone of that name is here. */
static const char *zone_of(const char *text)
{
    const char *at = strstr(text, "zoneinfo/");
    struct zone *zone = NULL;

    text = at ? at + strlen("zoneinfo/") : text;
    if (zone_open(text, &zone) < 0)
        return NULL;
    zone_free(zone);
    return text;
}

/* By TZ, else by the link /etc/localtime, else UTC; *ret_why says which. */
static const char *zone_here(char buf[512], const char **ret_why)
{
    const char *tz = getenv("TZ"), *zone = NULL;

    if (tz) {
        *ret_why = "by TZ";
        zone = zone_of(tz + (*tz == ':'));
    } else {
        ssize_t n = readlink("/etc/localtime", buf, 511);

        *ret_why = "by /etc/localtime";
        buf[n > 0 ? n : 0] = '\0';
        zone = zone_of(buf);
    }
    if (!zone)
        *ret_why = "for this machine names no zone";
    return zone ? zone : "UTC";
}

/* ---- what came of it ---- */

static void put_span(struct buf *out, const struct value *list, const char *zone)
{
    size_t n = value_count(list);

    if (!n)
        return;
    buf_puts(out, n > 1 ? ", first " : ", on ");
    cell_class_time(out, value_usec(value_item(list, 0), "begin_time"), zone);
    if (n > 1) {
        buf_puts(out, ", last ");
        cell_class_time(out, value_usec(value_item(list, n - 1), "begin_time"), zone);
    }
}

/* "cad1-lab: 30 seats, 10 occurrences, first Tue 2026-10-13 10:15, last ... (Europe/Berlin)" */
static int print_booked(struct control *c, const char *base, const struct value *class,
                        struct vdi_error *err)
{
    const char *name = value_get_string(class, "name", ""), *zone;
    _cleanup_(document_freep) struct document *document = NULL;
    _cleanup_(buf_done) struct buf span = BUF_INIT(256);
    const struct value *list;
    int r;

    if (c->options.json) {
        control_print(class, true);
        return 0;
    }
    r = class_occurrences(c->client, base, name, &document, err);
    if (r < 0) {
        printf("%s: booked\n", name);
        return r;
    }
    zone = value_get_string(class, "zone", "UTC");
    list = value_get(document_root(document), "occurrences");
    put_span(&span, list, zone);
    printf("%s: ", name);
    if (value_get(class, "nodes"))
        printf("%s", value_get_string(class, "nodes", ""));
    else
        printf("%" PRId64 " seats", value_get_int(class, "seats", 0));
    printf(", %zu occurrence%s%s (%s)\n", value_count(list), value_count(list) == 1 ? "" : "s",
           span.len ? span.data : "", zone);
    return 0;
}

static int send(struct control *c, const struct verb *verb, const char *method, const char *target,
                const struct buf *body, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    int r = client_send(c->client, method, target, body, &document, err);

    return r < 0 ? r : print_booked(c, verb->target, document_root(document), err);
}

int control_class_create(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(1 << 16);
    struct control_options options = c->options;
    const char *why = NULL;
    char buf[512];
    int r;

    if (!options.zone)
        options.zone = zone_here(buf, &why);
    buf_puts(&body, "{\"name\":");
    json_write_string(&body, c->words[0]);
    r = control_class_members(&options, &body, err);
    buf_putc(&body, '}');
    if (r == 0)
        r = send(c, verb, "POST", verb->target, &body, err);
    if (r == 0 && why && !options.json)
        printf("Times are those of zone %s, %s; --zone says another.\n", options.zone, why);
    return r;
}

void control_class_path(struct buf *target, const char *base, const char *name, const char *date)
{
    buf_puts(target, base);
    if (name) {
        buf_putc(target, '/');
        client_escape(target, name);
    }
    if (date) {
        buf_puts(target, "/occurrences/");
        client_escape(target, date);
    }
}

int control_class_update(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(1 << 16), target = BUF_INIT(4096);
    int r;

    buf_putc(&body, '{');
    r = control_class_members(&c->options, &body, err);
    if (r == 0 && body.len == 1) {
        error_set(err, EINVAL, "", "nothing to change");
        error_hint(err, NULL, "say what: --except 2026-12-24, --duration 2h, ...");
        r = -EINVAL;
    }
    buf_putc(&body, '}');
    control_class_path(&target, verb->target, c->words[0], NULL);
    return r < 0 ? r : send(c, verb, "PATCH", target.data, &body, err);
}

/* skip and reset of dates, each by itself: those before the one that fails are done. */
int control_class_date(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    int r = 0;

    for (int i = 1; r == 0 && i < c->n_words; i++) {
        _cleanup_(buf_done) struct buf body = BUF_INIT(64), target = BUF_INIT(4096);

        buf_printf(&body, "{\"%s\":true}", verb->name);
        control_class_path(&target, verb->target, c->words[0], c->words[i]);
        r = send(c, verb, "PATCH", target.data, &body, err);
    }
    return r;
}

int control_class_move(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf body = BUF_INIT(4096), target = BUF_INIT(4096);
    int r;

    if (!c->options.starts && !c->options.duration) {
        error_set(err, EINVAL, "starts", "move where?");
        error_hint(err, NULL, "add --starts 2026-10-20T14:15, or --duration");
        return -EINVAL;
    }
    buf_putc(&body, '{');
    r = control_class_members(&c->options, &body, err);
    buf_putc(&body, '}');
    control_class_path(&target, verb->target, c->words[0], c->words[1]);
    return r < 0 ? r : send(c, verb, "PATCH", target.data, &body, err);
}

int control_class_delete(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);

    control_class_path(&target, verb->target, c->words[0], NULL);
    return client_send(c->client, "DELETE", target.data, NULL, NULL, err);
}

/* ---- shown ---- */

struct listing {
    bool json;
    size_t n;
};

static int print_class(void *arg, const struct value *class, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf next = BUF_INIT(64), alarm = BUF_INIT(1024);
    const char *zone = value_get_string(class, "zone", "UTC");
    struct listing *l = arg;
    char seats[24];

    if (l->n++ && l->json)
        puts(",");
    if (l->json) {
        control_print(class, true);
        return 0;
    }
    snprintf(seats, sizeof(seats), "%" PRId64, value_get_int(class, "seats", 0));
    cell_class_time(&next, value_usec(class, "next_begin_time"), zone);
    cell_text(&alarm, value_get_string(class, "alarm", ""), "-");
    printf(LIST_ROW, value_get_string(class, "name", ""), seats,
           value_get_string(class, "template", ""), next.data, zone, alarm.data);
    return 0;
}

int control_class_list(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    struct listing l = {.json = c->options.json};
    int r;

    if (l.json)
        puts("{\"classes\": [");
    else
        printf(LIST_ROW, "NAME", "SEATS", "TEMPLATE", "NEXT", "ZONE", "ALARM");
    r = class_list(c->client, "/v1/classes", "classes", print_class, &l, err);
    if (l.json)
        puts("]}");
    return r;
}

static int print_reservation(void *arg, const struct value *r, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf next = BUF_INIT(64), end = BUF_INIT(64);
    const char *zone = value_get_string(r, "zone", "UTC"),
               *flags = value_get_string(r, "flags", "");
    int64_t begin_usec = value_usec(r, "next_begin_time");
    struct listing *l = arg;

    if (l->n++ && l->json)
        puts(",");
    if (l->json) {
        control_print(r, true);
        return 0;
    }
    cell_class_time(&next, begin_usec, zone);
    cell_class_end(&end, value_usec(r, "next_end_time"), begin_usec, zone);
    printf(RESERVATION_ROW, value_get_string(r, "name", ""), value_get_string(r, "nodes", ""),
           next.data, end.data, zone, *flags ? flags : "-");
    return 0;
}

int control_reservation_list(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    struct listing l = {.json = c->options.json};
    int r;

    if (l.json)
        puts("{\"reservations\": [");
    else
        printf(RESERVATION_ROW, "NAME", "NODES", "NEXT", "UNTIL", "ZONE", "FLAGS");
    r = class_list(c->client, verb->target, "reservations", print_reservation, &l, err);
    if (l.json)
        puts("]}");
    return r;
}

static void print_occurrence(const struct value *o, const char *zone)
{
    _cleanup_(buf_done) struct buf begin = BUF_INIT(64), end = BUF_INIT(64), ready = BUF_INIT(64);
    _cleanup_(buf_done) struct buf slowest = BUF_INIT(128), note = BUF_INIT(1024);
    int64_t begin_usec = value_usec(o, "begin_time");
    bool is_booked = str_equal(value_get_string(o, "state", ""), "BOOKED");
    char seats[24], claimed[24] = "-";

    snprintf(seats, sizeof(seats), "%" PRId64, value_get_int(o, "seats", 0));
    if (!is_booked)
        snprintf(claimed, sizeof(claimed), "%" PRId64, value_get_int(o, "claimed", 0));
    cell_class_time(&begin, begin_usec, zone);
    cell_class_end(&end, value_usec(o, "end_time"), begin_usec, zone);
    cell_class_ready(&ready, o);
    cell_class_slowest(&slowest, o);
    buf_puts(&note, value_get_bool(o, "changed", false) ? "changed " : "");
    buf_puts(&note, value_get_string(o, "reason", ""));
    printf(DATE_ROW, value_get_string(o, "date", ""), begin.data, end.data,
           value_get_string(o, "state", ""), seats, ready.data, claimed, slowest.data,
           note.len ? note.data : "-");
}

int control_class_occurrences(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL, *class = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    const struct value *root, *list, *skipped;
    int r = class_occurrences(c->client, verb->target, c->words[0], &document, err);

    root = document_root(document);
    if (r == 0 && c->options.json) {
        control_print(root, true);
        return 0;
    }
    control_class_path(&target, verb->target, c->words[0], NULL);
    if (r == 0)
        r = client_get(c->client, target.data, &class, err);
    if (r < 0)
        return r;
    list = value_get(root, "occurrences");
    skipped = value_get(root, "skipped");
    printf(DATE_ROW, "DATE", "BEGINS", "ENDS", "STATE", "SEATS", "READY", "CLAIMED", "SLOWEST",
           "NOTE");
    for (size_t i = 0; i < value_count(list); i++)
        print_occurrence(value_item(list, i),
                         value_get_string(document_root(class), "zone", "UTC"));
    for (size_t i = 0; i < value_count(skipped); i++)
        printf("%-16s skipped\n", value_string(value_item(skipped, i), ""));
    return 0;
}
