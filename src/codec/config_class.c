/* SPDX-License-Identifier: Apache-2.0 */
/* config_class.c - a class of vdi.conf: its names mean something, and it has dates. */
#include <inttypes.h>
#include <stdio.h>

#include "codec/calendar.h"
#include "codec/config_check.h"

static void field_name(char *ret, size_t size, const char *name, const char *key)
{
    snprintf(ret, size, "class \"%.16s\" %s", name, key);
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
        field_name(field, sizeof(field), class->name, err.field);
        config_finding_text(f, class->place.line, field, err.remedy, "%s", err.detail);
    }
    calendar_free(calendar);
}

void config_check_class(const struct config *c, const struct config_class *class,
                        struct config_findings *f)
{
    char field[48];
    field_name(field, sizeof(field), class->name, "template");
    if (!config_template(c, class->template_name))
        config_finding_text(f, class->place.line, field, "write a template block of that name",
                            "there is no template \"%s\"", class->template_name);
    field_name(field, sizeof(field), class->name, "partition");
    if (*class->partition && !config_partition(c, class->partition))
        config_finding_text(f, class->place.line, field, "write a partition block of that name",
                            "there is no partition \"%s\"", class->partition);
    else if (!*class->partition && !config_default_partition(c))
        config_finding_text(f, class->place.line, field, "name one",
                            "no partition is the default one");
    field_name(field, sizeof(field), class->name, "qos");
    if (*class->qos && !config_qos(c, class->qos))
        config_finding_text(f, class->place.line, field, "write a qos block of that name",
                            "there is no qos \"%s\"", class->qos);
    field_name(field, sizeof(field), class->name, "account");
    if (*class->account && c->n_accounts && !config_account(c, class->account))
        config_finding_text(f, class->place.line, field, "write an account block of that name",
                            "there is no account \"%s\"", class->account);
    field_name(field, sizeof(field), class->name, "groups");
    if (class->groups.n == 0 && class->users.n == 0)
        config_finding_text(f, class->place.line, field, "write groups or users",
                            "nobody could take a seat");
    check_calendar(class, f);
}
