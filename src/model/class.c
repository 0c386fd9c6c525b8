/* SPDX-License-Identifier: Apache-2.0 */
/* class.c - classes and what each event makes of them; pure like job.c. */
#include "model/class.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char *const events[CLASS_N_EVENTS] = {"create", "update", "override", "delete"};

const char *class_event_name(enum class_event_type type)
{
    return (unsigned)type < CLASS_N_EVENTS ? events[type] : "none";
}

int class_event_from(const char *name)
{
    for (int i = 0; i < CLASS_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

bool class_flag_is_known(const char *flag, size_t len)
{
    static const char *const known[] = {"maint", "magnetic", "ignore_jobs"};

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strlen(known[i]) == len && !memcmp(known[i], flag, len))
            return true;
    return false;
}

struct class *class_ref(struct class *class)
{
    class->refs++;
    return class;
}

void class_unref(struct class *class)
{
    if (class && !--class->refs)
        free(class);
}

/* ---- overrides: "DATE skip" or "DATE STARTS SECONDS", '-' as rule and class say; by ';' ---- */

bool class_override_next(const char **io_at, struct class_override *ret)
{
    char starts[CLASS_TIME_MAX] = "";
    int64_t duration_sec = 0;
    int n;

    *ret = (struct class_override){.skip = false};
    if (!**io_at)
        return false;
    n = sscanf(*io_at, "%23[^ ;] %23[^ ;] %" SCNd64, ret->date, starts, &duration_sec);
    *io_at += strcspn(*io_at, ";");
    *io_at += **io_at == ';';
    if (n < 2)
        return false;
    ret->skip = !strcmp(starts, "skip");
    if (!ret->skip && strcmp(starts, "-") != 0)
        str_copy(ret->starts, sizeof(ret->starts), starts);
    ret->duration_sec = n == 3 ? duration_sec : 0;
    return true;
}

static bool find(const char *text, const char *date, struct class_override *ret)
{
    for (const char *at = text; class_override_next(&at, ret);)
        if (!strcmp(ret->date, date))
            return true;
    return false;
}

bool class_override_of(const struct class *class, const char *date, struct class_override *ret)
{
    return find(class->overrides, date, ret) || find(class->spec.moved, date, ret);
}

bool class_override_each(const struct class *class, const char **io_at, struct class_override *ret)
{
    const char *moved = class->spec.moved, *at = *io_at ? *io_at : class->overrides;
    struct class_override by_api;
    bool in_moved = at >= moved && at < moved + sizeof(class->spec.moved), is;

    is = !in_moved && class_override_next(&at, ret);
    if (!in_moved && !is)
        at = moved;
    while (!is && class_override_next(&at, ret))
        is = !find(class->overrides, ret->date, &by_api);
    *io_at = at;
    return is;
}

bool class_override_put(char *text, size_t size, const struct class_override *o)
{
    size_t len = strlen(text);
    int n;

    if (o->skip)
        n = snprintf(text + len, size - len, "%s%s skip", len ? ";" : "", o->date);
    else
        n = snprintf(text + len, size - len, "%s%s %s %" PRId64, len ? ";" : "", o->date,
                     *o->starts ? o->starts : "-", o->duration_sec);
    if (n > 0 && (size_t)n < size - len)
        return true;
    text[len] = '\0';
    return false;
}

static int apply_override(struct class *class, const struct class_event *event,
                          struct vdi_error *err)
{
    struct class_override o, changed = {.skip = event->skip, .duration_sec = event->duration_sec};
    char text[CLASS_OVERRIDES_MAX] = "";
    bool fits = true;

    str_copy(changed.date, sizeof(changed.date), event->date);
    str_copy(changed.starts, sizeof(changed.starts), event->starts);
    for (const char *at = class->overrides; class_override_next(&at, &o);)
        if (strcmp(o.date, changed.date) != 0)
            fits = fits && class_override_put(text, sizeof(text), &o);
    if (!event->reset)
        fits = fits && class_override_put(text, sizeof(text), &changed);
    if (!fits) {
        error_set(err, ENOSPC, "date", "%s '%s' has too many changed dates",
                  class_word(&class->spec), class->spec.name);
        error_hint(err, "4095 bytes", "change its rule or its exceptions instead");
        return -ENOSPC;
    }
    str_copy(class->overrides, sizeof(class->overrides), text);
    return 0;
}

static int check_change(const struct class *old, uint64_t id, const struct class_event *event,
                        struct vdi_error *err)
{
    if (event->type == CLASS_EVENT_CREATE)
        return old ? error_set(err, EPROTO, "id", "class %" PRIu64 " is there already", id) : 0;
    if (!old)
        return error_set(err, ENOENT, "name", "there is no such class");
    if (old->deleted)
        return error_set(err, EPROTO, "name", "%s '%s' was deleted", class_word(&old->spec),
                         old->spec.name);
    return 0;
}

int class_apply(const struct class *old, uint64_t id, const struct class_event *event,
                struct class **ret, struct vdi_error *err)
{
    int r = check_change(old, id, event, err);
    struct class *class;

    if (r < 0)
        return r;
    class = calloc(1, sizeof(*class));
    if (!class)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *class = *old;
    class->refs = 1;
    class->id = id;
    class->change_usec = event->time_usec;
    str_copy(class->by, sizeof(class->by), event->by);
    if (event->type == CLASS_EVENT_CREATE) {
        class->create_usec = event->time_usec;
        class->from_config = event->from_config;
        str_copy(class->creator, sizeof(class->creator), event->by);
    }
    if (event->type == CLASS_EVENT_CREATE || event->type == CLASS_EVENT_UPDATE) {
        class->spec = event->spec;
    } else if (event->type == CLASS_EVENT_DELETE) {
        class->deleted = true;
        class->delete_usec = event->time_usec;
    } else {
        r = apply_override(class, event, err);
    }
    if (r < 0)
        class_unref(class);
    else
        *ret = class;
    return r;
}
