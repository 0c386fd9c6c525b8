/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_dates.c - a class or reservation of vdi.conf as model/class.h has it, and its dates.
 *
 * One place for the controller and for a replay: what a rule, its exceptions and its moved dates
 * come to is the same in both.
 */
#include "codec/class_dates.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/config.h"

#define EXCEPT_MAX 256

/* ---- of vdi.conf ---- */

static int join(const char *field, const struct config_names *names, char *ret, size_t size,
                struct vdi_error *err)
{
    size_t len = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < names->n; i++) {
        int n = snprintf(ret + len, size - len, "%s%s", len ? "," : "", names->names[i]);
        char limit[32];

        if (n >= 0 && (size_t)n < size - len) {
            len += (size_t)n;
            continue;
        }
        error_set(err, E2BIG, field, "the list is too long");
        snprintf(limit, sizeof(limit), "%zu bytes", size - 1);
        error_hint(err, limit, "name a group instead of its members, a range instead of its days");
        return -E2BIG;
    }
    return 0;
}

/* As overrides are written. */
static int join_moved(const struct config_names *moved, char *ret, size_t size,
                      struct vdi_error *err)
{
    struct class_override o;

    ret[0] = '\0';
    for (size_t i = 0; i < moved->n; i++) {
        if (config_class_moved(moved->names[i], &o) == 0 && class_override_put(ret, size, &o))
            continue;
        error_set(err, E2BIG, "moved", "there are too many moved dates");
        error_hint(err, "4095 bytes", "make two classes of it");
        return -E2BIG;
    }
    return 0;
}

/* As a hostlist. */
static int fold(const struct config_names *names, char *ret, size_t size, struct vdi_error *err)
{
    _cleanup_(freep) char *text =
        names->n ? hostlist_fold((const char *const *)names->names, names->n) : strdup("");

    if (!text)
        return error_set(err, ENOMEM, "", "out of memory");
    if (strlen(text) >= size) {
        error_set(err, E2BIG, "nodes", "the list is too long");
        error_hint(err, "511 bytes", "write ranges, or several reservations");
        return -E2BIG;
    }
    str_copy(ret, size, text);
    return 0;
}

int class_spec_of_config(const struct config_class *c, struct class_spec *ret,
                         struct vdi_error *err)
{
    int r;

    *ret = (struct class_spec){
        .seats = c->seats,
        .duration_sec = c->duration_sec,
        .lead_sec = c->lead_sec,
        .grace_sec = c->grace_sec,
        .no_show_sec = c->no_show_sec,
        .cleaning_sec = c->cleaning_sec,
    };
    str_copy(ret->name, sizeof(ret->name), c->name);
    if (!c->nodes.n) {
        str_copy(ret->template_name, sizeof(ret->template_name), c->template_name);
        str_copy(ret->roster, sizeof(ret->roster), c->roster);
        str_copy(ret->partition, sizeof(ret->partition), c->partition);
        str_copy(ret->qos, sizeof(ret->qos), c->qos);
        str_copy(ret->account, sizeof(ret->account), c->account);
    }
    str_copy(ret->starts, sizeof(ret->starts), c->starts);
    str_copy(ret->zone, sizeof(ret->zone), c->zone);
    str_copy(ret->repeat, sizeof(ret->repeat), c->repeat);
    r = join("groups", &c->groups, ret->groups, sizeof(ret->groups), err);
    if (r == 0)
        r = join("users", &c->users, ret->users, sizeof(ret->users), err);
    if (r == 0)
        r = join("except", &c->except, ret->except, sizeof(ret->except), err);
    if (r == 0)
        r = join_moved(&c->moved, ret->moved, sizeof(ret->moved), err);
    if (r == 0)
        r = join("flags", &c->flags, ret->flags, sizeof(ret->flags), err);
    return r < 0 ? r : fold(&c->nodes, ret->nodes, sizeof(ret->nodes), err);
}

/* ---- when ---- */

/* The names of a list that is joined by commas; they point into `text`, which is cut up. */
static size_t split(char *text, const char **ret, size_t max)
{
    size_t n = 0;

    for (char *rest = text, *item; n < max && (item = strsep(&rest, ","));)
        if (*item)
            ret[n++] = item;
    return n;
}

int class_calendar(const struct class_spec *spec, struct calendar **ret, struct vdi_error *err)
{
    char except[sizeof(spec->except)], duration[32];
    const char *dates[EXCEPT_MAX];
    struct calendar_text text = {
        .starts = spec->starts,
        .duration = duration,
        .zone = spec->zone,
        .repeat = spec->repeat,
        .except = dates,
    };

    snprintf(duration, sizeof(duration), "%" PRId64 "s", spec->duration_sec);
    str_copy(except, sizeof(except), spec->except);
    text.n_except = split(except, dates, EXCEPT_MAX);
    return calendar_new(&text, ret, err);
}

/* What is changed of it. -ENOENT: it does not take place. */
static int override(const struct calendar *c, const struct class *class, struct class_date *d,
                    struct vdi_error *err)
{
    int64_t length_usec = d->end_usec - d->begin_usec;
    struct class_override o;
    int r = 0;

    if (!class_override_of(class, d->name, &o))
        return 0;
    if (o.skip)
        return -ENOENT;
    if (*o.starts)
        r = calendar_instant(c, "starts", o.starts, &d->begin_usec, err);
    if (o.duration_sec)
        length_usec = o.duration_sec * USEC_PER_SEC;
    d->end_usec = d->begin_usec + length_usec;
    return r;
}

static int by_begin(const void *a, const void *b)
{
    const struct class_date *x = a, *y = b;

    return x->begin_usec < y->begin_usec ? -1 : x->begin_usec > y->begin_usec;
}

int class_dates(const struct class *class, int64_t from_usec, int64_t to_usec, size_t max,
                struct class_date **ret, size_t *ret_n, struct vdi_error *err)
{
    _cleanup_(calendar_freep) struct calendar *calendar = NULL;
    _cleanup_(freep) struct calendar_occurrence *all = NULL;
    _cleanup_(freep) struct class_date *dates = NULL;
    size_t n_all = 0, n = 0;
    int r = class_calendar(&class->spec, &calendar, err);

    if (r == 0)
        r = calendar_occurrences(calendar, from_usec - CLASS_MOVED_USEC, to_usec + CLASS_MOVED_USEC,
                                 max, &all, &n_all, err);
    if (r < 0)
        return r;
    dates = calloc(n_all + 1, sizeof(*dates));
    if (!dates)
        return error_set(err, ENOMEM, "", "out of memory");
    for (size_t i = 0; i < n_all; i++) {
        struct class_date *d = &dates[n];

        *d = (struct class_date){.begin_usec = all[i].from_usec, .end_usec = all[i].to_usec};
        str_copy(d->name, sizeof(d->name), all[i].name);
        r = override(calendar, class, d, err);
        if (r < 0 && r != -ENOENT)
            return r;
        n += r == 0 && d->end_usec > from_usec && d->begin_usec < to_usec;
    }
    qsort(dates, n, sizeof(*dates), by_begin);
    *ret = TAKE_PTR(dates);
    *ret_n = n;
    return 0;
}
