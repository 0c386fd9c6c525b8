/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_role.c - what classes someone may book who may book them by a role: their own, within the
 * role's limits. Operators and administrators have none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/class_impl.h"

#define WEEK_USEC (INT64_C(7) * 86400 * USEC_PER_SEC)
#define MONDAY_USEC (INT64_C(4) * 86400 * USEC_PER_SEC) /* 1970-01-05 was one */

static const struct config_role *role_of(const struct call *call)
{
    const struct config *c = call->core->config;

    for (size_t i = 0; *call->by_role && i < c->n_roles; i++)
        if (str_equal(c->roles[i].name, call->by_role))
            return &c->roles[i];
    return NULL;
}

int class_check_owner(const struct call *call, const struct class *class, struct vdi_error *err)
{
    if (!*call->by_role || str_equal(class->creator, call->who_text))
        return 0;
    error_set(err, EPERM, "name", "class '%s' is not yours", class->spec.name);
    error_hint(err, NULL, "ask who made it, or an operator");
    return -EPERM;
}

static int refuse(struct vdi_error *err, const char *field, const char *role, const char *what,
                  const char *limit)
{
    error_set(err, EPERM, field, "role '%s' allows no class %s", role, what);
    error_hint(err, limit, "ask an operator to book it");
    return -EPERM;
}

static int64_t week_of(int64_t usec)
{
    return (usec - MONDAY_USEC) / WEEK_USEC;
}

/* How long the times that begin in the week take. */
static int64_t in_week(const struct class_time *times, size_t n, int64_t week)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (week_of(times[i].begin_usec) == week)
            sum += times[i].end_usec - times[i].begin_usec;
    return sum;
}

/* Of all other classes that the caller has made. */
static int64_t others_in_week(const struct call *call, uint64_t id, int64_t week)
{
    struct hash *courses = call->core->classes->courses;
    int64_t sum = 0;
    void *value;

    for (size_t i = 0; hash_next(courses, &i, &value);) {
        const struct course *course = value;
        const struct class *class = class_of(call->core, course->id);

        if (course->id != id && class && !class->deleted &&
            str_equal(class->creator, call->who_text))
            sum += in_week(course->times, course->n_times, week);
    }
    return sum;
}

static int check_weeks(const struct call *call, const struct config_role *role, uint64_t id,
                       const struct class_time *times, size_t n, struct vdi_error *err)
{
    int64_t most = role->max_hours_week * INT64_C(3600) * USEC_PER_SEC;
    char what[80], limit[48];

    for (size_t i = 0; most && i < n; i++) {
        int64_t week = week_of(times[i].begin_usec), sum;

        if (i && week == week_of(times[i - 1].begin_usec))
            continue;
        sum = in_week(times, n, week) + others_in_week(call, id, week);
        if (sum <= most)
            continue;
        snprintf(what, sizeof(what), "that makes %.1f hours in the week of %s", (double)sum / 3.6e9,
                 times[i].date);
        snprintf(limit, sizeof(limit), "%u hours a week", role->max_hours_week);
        return refuse(err, "duration_sec", role->name, what, limit);
    }
    return 0;
}

/* What a class lends its members its maker must be allowed to use. */
static int check_lent(const struct call *call, const struct class_spec *spec, struct vdi_error *err)
{
    const struct config *c = call->core->config;
    const struct config_partition *p = config_partition(c, spec->partition);
    const struct config_qos *q = config_qos(c, spec->qos);
    const struct config_account *a = config_account(c, spec->account);
    const char *field = p && !call_in_groups(call, &p->groups)   ? "partition"
                        : q && !call_in_groups(call, &q->groups) ? "qos"
                        : a && !call_may_charge(call, a)         ? "account"
                                                                 : NULL;

    if (!field)
        return 0;
    error_set(err, EPERM, field, "you may not use that %s yourself", field);
    error_hint(err, NULL, "leave it out, or ask an operator to book the class");
    return -EPERM;
}

int class_check_role(const struct call *call, const struct class *class,
                     const struct class_time *times, size_t n, struct vdi_error *err)
{
    const struct config_role *role = role_of(call);
    const struct class_spec *spec = &class->spec;
    int64_t latest_usec;
    char text[80], limit[48];

    if (!role)
        return *call->by_role ? error_set(err, EPERM, "", "you may book no classes any more") : 0;
    if (role->templates.n && !config_names_has(&role->templates, spec->template_name)) {
        snprintf(text, sizeof(text), "of template '%.40s'", spec->template_name);
        return refuse(err, "template", role->name, text, NULL);
    }
    if (role->max_seats && spec->seats > role->max_seats) {
        snprintf(text, sizeof(text), "of %u seats", spec->seats);
        snprintf(limit, sizeof(limit), "%u seats", role->max_seats);
        return refuse(err, "seats", role->name, text, limit);
    }
    if (check_lent(call, spec, err) < 0)
        return -EPERM;
    latest_usec = loop_now_usec(call->core->loop) + role->horizon_sec * USEC_PER_SEC;
    if (role->horizon_sec && n && times[n - 1].begin_usec > latest_usec) {
        snprintf(text, sizeof(text), "as late as %s", times[n - 1].date);
        str_from_duration_sec(role->horizon_sec, limit);
        return refuse(err, "repeat", role->name, text, limit);
    }
    return check_weeks(call, role, class->id, times, n, err);
}
