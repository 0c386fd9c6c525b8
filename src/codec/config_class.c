/* SPDX-License-Identifier: Apache-2.0 */
/* config_class.c - a class of vdi.conf: its names mean something, and it has dates. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

#include "codec/calendar.h"
#include "codec/config.h"
#include "codec/config_check.h"
#include "codec/config_key.h"

static void field_name(char *ret, size_t size, const struct config_class *class, const char *key)
{
    snprintf(ret, size, "%s \"%.16s\" %s", class->nodes.n ? "reservation" : "class", class->name,
             key);
}

int config_class_moved(const char *text, struct class_override *ret)
{
    char duration[16] = "", more[2] = "";
    struct class_override o = {.skip = false};

    if (sscanf(text, "%23[^ ] %23[^ ] %15[^ ] %1s", o.date, o.starts, duration, more) < 2 ||
        *more || !strchr(o.starts, 'T') || strchr(text, ';'))
        return -EINVAL;
    if (*duration && (str_to_duration_sec(duration, 1, &o.duration_sec) < 0 ||
                      o.duration_sec < 60 || o.duration_sec > CALENDAR_DURATION_MAX_SEC))
        return -EINVAL;
    *ret = o;
    return 0;
}

int config_form_moved(const char *value, struct vdi_error *err)
{
    struct class_override o;

    if (config_class_moved(value, &o) == 0)
        return 0;
    error_set(err, EINVAL, NULL, "\"%.64s\" moves no date", value);
    error_hint(
        err, "a minute to 7 days",
        "write DATE STARTS or DATE STARTS DURATION, as in \"2026-11-24 2026-11-25T14:15 2h\"");
    return -EINVAL;
}

/* One that moves a date which is not there would be taken for one that does. */
static int check_moved(const struct calendar *calendar, const struct class_override *o,
                       struct vdi_error *err)
{
    struct calendar_occurrence found;
    int64_t to_usec, by_sec;
    int r = calendar_find(calendar, o->date, &found, err);

    if (r == 0)
        r = calendar_instant(calendar, "moved", o->starts, &to_usec, err);
    if (r < 0)
        return r;
    by_sec = (to_usec - found.from_usec) / 1000000;
    if (by_sec >= -CLASS_MOVED_SEC && by_sec <= CLASS_MOVED_SEC)
        return 0;
    error_set(err, ERANGE, "moved", "%s is too far from %s (limit: 14 days)", o->starts, o->date);
    error_hint(err, NULL, "except the date, and make a class of that one");
    return -ERANGE;
}

static void check_all_moved(const struct config_class *class, const struct calendar *calendar,
                            struct config_findings *f)
{
    char field[96], text[CLASS_OVERRIDES_MAX] = "";
    struct class_override o, other;

    field_name(field, sizeof(field), class, "moved");
    for (size_t i = 0; i < class->moved.n; i++) {
        struct vdi_error err = {0};
        bool twice = false;

        if (config_class_moved(class->moved.names[i], &o) < 0)
            continue; /* told already */
        for (const char *at = text; class_override_next(&at, &other);)
            twice = twice || str_equal(o.date, other.date);
        if (twice)
            config_finding_text(f, class->place.line, field, "take one out",
                                "\"%s\" is moved twice", o.date);
        else if (!class_override_put(text, sizeof(text), &o))
            config_finding_text(f, class->place.line, field, "make two classes of it",
                                "there are too many moved dates (limit: 4095 bytes)");
        else if (check_moved(calendar, &o, &err) < 0)
            config_finding_text(f, class->place.line, field, err.remedy, "%s", err.detail);
    }
}

static void check_calendar(const struct config_class *class, struct config_findings *f)
{
    char duration[32], field[96];
    struct calendar_text text = {
        .starts = class->starts,
        .duration = duration,
        .zone = class->zone,
        .repeat = class->repeat,
        .except = (const char *const *)class->except.names,
        .n_except = class->except.n,
    };
    struct calendar *calendar = NULL;
    struct vdi_error err = {0};

    if (!class->starts || !*class->starts || !class->duration_sec)
        return; /* told already */
    snprintf(duration, sizeof(duration), "%" PRId64 "s", class->duration_sec);
    if (calendar_new(&text, &calendar, &err) < 0) {
        field_name(field, sizeof(field), class, err.field);
        config_finding_text(f, class->place.line, field, err.remedy, "%s", err.detail);
    } else {
        check_all_moved(class, calendar, f);
    }
    calendar_free(calendar);
}

void config_check_class(const struct config *c, const struct config_class *class,
                        struct config_findings *f)
{
    char field[48];
    field_name(field, sizeof(field), class, "template");
    if (!config_template(c, class->template_name))
        config_finding_text(f, class->place.line, field, "write a template block of that name",
                            "there is no template \"%s\"", class->template_name);
    field_name(field, sizeof(field), class, "partition");
    if (*class->partition && !config_partition(c, class->partition))
        config_finding_text(f, class->place.line, field, "write a partition block of that name",
                            "there is no partition \"%s\"", class->partition);
    else if (!*class->partition && !config_default_partition(c))
        config_finding_text(f, class->place.line, field, "name one",
                            "no partition is the default one");
    field_name(field, sizeof(field), class, "qos");
    if (*class->qos && !config_qos(c, class->qos))
        config_finding_text(f, class->place.line, field, "write a qos block of that name",
                            "there is no qos \"%s\"", class->qos);
    field_name(field, sizeof(field), class, "account");
    if (*class->account && c->n_accounts && !config_account(c, class->account))
        config_finding_text(f, class->place.line, field, "write an account block of that name",
                            "there is no account \"%s\"", class->account);
    field_name(field, sizeof(field), class, "groups");
    if (class->groups.n == 0 && class->users.n == 0 && !*class->roster)
        config_finding_text(f, class->place.line, field, "write groups, users or roster",
                            "nobody could take a seat");
    check_calendar(class, f);
}

void config_check_reservation(const struct config *c, const struct config_class *class,
                              struct config_findings *f)
{
    bool is_maint = false, draws = false, is_known = true;
    char field[48];

    field_name(field, sizeof(field), class, "nodes");
    for (size_t i = 0; i < class->nodes.n; i++)
        if (!config_node(c, class->nodes.names[i]))
            config_finding_text(f, class->place.line, field, "write a node block of that name",
                                "there is no node \"%s\"", class->nodes.names[i]);
    field_name(field, sizeof(field), class, "flags");
    for (size_t i = 0; i < class->flags.n; i++) {
        is_maint |= !strcmp(class->flags.names[i], "maint");
        draws |= !strcmp(class->flags.names[i], "magnetic");
        is_known &= class_flag_is_known(class->flags.names[i], strlen(class->flags.names[i]));
    }
    if (!is_known)
        config_finding_text(f, class->place.line, field,
                            "write some of maint, magnetic, ignore_jobs", "there is no such flag");
    if (is_maint && draws)
        config_finding_text(f, class->place.line, field, "leave out maint or magnetic",
                            "nobody's jobs run in a maintenance");
    field_name(field, sizeof(field), class, "groups");
    if (is_maint == (class->groups.n + class->users.n > 0))
        config_finding_text(f, class->place.line, field,
                            is_maint ? "leave groups and users out, or the flag maint"
                                     : "write groups or users, or flags = {maint}",
                            is_maint ? "nobody's jobs run in a maintenance"
                                     : "nobody's jobs could run in it");
    for (const struct config_class *other = c->classes; other < class; other++)
        if (!strcmp(other->name, class->name))
            config_finding_text(f, class->place.line, "reservation", "choose another name",
                                "there is a class \"%s\"", class->name);
    check_calendar(class, f);
}
