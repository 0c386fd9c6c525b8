/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_write.c - objects as blocks of vdi.conf.
 *
 * A value is first taken as the file's reader takes it (config_key_set()), and what came of that
 * is written: what the reader would refuse is refused here, by the same words.
 */
#include "codec/config_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/calendar.h"
#include "codec/config.h"
#include "codec/config_key.h"

#define LINE_WIDTH 100 /* lists are broken there */

/* ---- any block ----------------------------------------------------------- */

void config_write_comment(const char *text, struct buf *out)
{
    buf_puts(out, "# ");
    for (; *text; text++)
        buf_putc(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
    buf_putc(out, '\n');
}

/* What no string of the file can hold (config_scan.c). */
static int check_string(const char *value, struct vdi_error *err)
{
    if (!strchr(value, '|') && !strstr(value, "${"))
        return 0;
    error_set(err, EINVAL, NULL, "\"%.64s\" holds %s", value, strchr(value, '|') ? "'|'" : "${");
    error_hint(err, NULL, "write it without");
    return -EINVAL;
}

static void write_string(const char *value, struct buf *out)
{
    buf_putc(out, '"');
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *value);
    }
    buf_putc(out, '"');
}

static void write_list(const struct config_names *names, size_t indent, struct buf *out)
{
    size_t column = indent;

    buf_putc(out, '{');
    for (size_t i = 0; i < names->n; i++) {
        size_t width = strlen(names->names[i]) + 4;

        if (i && column + width > LINE_WIDTH) {
            buf_printf(out, ",\n%*s", (int)indent, "");
            column = indent;
        } else if (i) {
            buf_puts(out, ", ");
        }
        write_string(names->names[i], out);
        column += width;
    }
    buf_putc(out, '}');
}

/* Numbers, durations and words as people write them; texts in quotes. */
static void write_value(const struct config_key *key, const void *base, struct buf *out)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);

    if (key->type == CONFIG_LIST) {
        write_list((const void *)((const char *)base + key->offset), strlen(key->name) + 8, out);
        return;
    }
    config_key_print(key, base, &text);
    if (key->type <= CONFIG_CHOICE || key->type >= CONFIG_DURATION)
        write_string(text.data ? text.data : "", out);
    else
        buf_puts(out, text.data);
}

static bool is_default(const struct config_key *key, const void *base, const void *defaults)
{
    _cleanup_(buf_done) struct buf a = BUF_INIT(0);
    _cleanup_(buf_done) struct buf b = BUF_INIT(0);

    if (key->flags & CONFIG_REQUIRED)
        return false;
    config_key_print(key, base, &a);
    config_key_print(key, defaults, &b);
    return str_equal(a.data, b.data);
}

static void write_keys(const struct config_key *keys, const void *base, const void *defaults,
                       struct buf *out)
{
    for (const struct config_key *k = keys; k->name; k++) {
        if (k->type == CONFIG_LATER || is_default(k, base, defaults))
            continue;
        buf_printf(out, "    %s = ", k->name);
        write_value(k, base, out);
        buf_putc(out, '\n');
    }
}

static const struct config_key *find_key(const struct config_key *keys, const char *name)
{
    while (keys->name && !str_equal(keys->name, name))
        keys++;
    return keys;
}

/* ---- a class, or a reservation -------------------------------------------- */

#define NAMES_MAX 1024 /* more than a list may have: that is for config_key_set() to say */

struct writer {
    const struct config_key *keys;
    struct config_class class, defaults;
    struct calendar *calendar; /* without the dates that are skipped */
    struct buf stale;          /* comments */
};

static int no_memory(struct vdi_error *err)
{
    return error_set(err, ENOMEM, "", "out of memory");
}

/* Names the key in what is wrong. One that the block does not have says nothing there. */
static int set(struct writer *w, const char *key, const char *const *values, size_t n,
               struct vdi_error *err)
{
    int r = 0;

    if (!find_key(w->keys, key)->name)
        return 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = check_string(values[i], err);
    if (r == 0)
        r = config_key_set(find_key(w->keys, key), &w->class, values, n, err);
    if (r < 0 && err)
        str_copy(err->field, sizeof(err->field), key);
    return r;
}

static int set_texts(struct writer *w, const struct class_spec *s, struct vdi_error *err)
{
    const struct {
        const char *key, *value;
    } texts[] = {
        {"template", s->template_name}, {"nodes", s->nodes}, {"roster", s->roster},
        {"partition", s->partition},    {"qos", s->qos},     {"account", s->account},
        {"starts", s->starts},          {"zone", s->zone},   {"repeat", s->repeat},
    };
    const struct {
        const char *key;
        int64_t sec;
    } lengths[] = {
        {"duration", s->duration_sec}, {"lead", s->lead_sec},         {"grace", s->grace_sec},
        {"no_show", s->no_show_sec},   {"cleaning", s->cleaning_sec}, {"seats", s->seats},
    };
    int r = 0;

    for (size_t i = 0; i < ELEMENTS(texts) && r == 0; i++)
        r = set(w, texts[i].key, &texts[i].value, 1, err);
    for (size_t i = 0; i < ELEMENTS(lengths) && r == 0; i++) {
        char text[32];
        const char *value = text;

        snprintf(text, sizeof(text), "%" PRId64, lengths[i].sec);
        r = set(w, lengths[i].key, &value, 1, err);
    }
    return r;
}

static bool has(const char *const *items, size_t n, const char *item)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(items[i], item))
            return true;
    return false;
}

/* A list that is joined by commas, without what is empty or there twice: that says nothing. */
static int set_list(struct writer *w, const char *key, const char *joined, struct vdi_error *err)
{
    _cleanup_(freep) const char **items = calloc(NAMES_MAX, sizeof(*items));
    _cleanup_(freep) char *text = strdup(joined);
    size_t n = 0;

    if (!items || !text)
        return no_memory(err);
    for (char *rest = text, *item; n < NAMES_MAX && (item = strsep(&rest, ","));)
        if (*item && !has(items, n, item))
            items[n++] = item;
    return n ? set(w, key, items, n, err) : 0;
}

/* An override may leave it to the class when it begins; the file says it. */
void config_write_moved(const struct class_spec *spec, const struct class_override *o,
                        struct buf *out)
{
    const char *time = strchr(o->date, 'T');

    if (*o->starts)
        buf_printf(out, "%s %s", o->date, o->starts);
    else
        buf_printf(out, "%s %.10s%s", o->date, o->date, time ? time : spec->starts + 10);
    if (o->duration_sec)
        buf_printf(out, " %" PRId64 "s", o->duration_sec);
}

static void write_item(const struct class_spec *spec, const struct class_override *o,
                       struct buf *out)
{
    buf_puts(out, out->len ? "," : "");
    config_write_moved(spec, o, out);
}

/* Sorts what is changed: into exceptions, into `moved`, and what has no effect. */
static int set_dates(struct writer *w, const struct class *class, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf except = BUF_INIT(0);
    _cleanup_(buf_done) struct buf moved = BUF_INIT(0);
    struct calendar_occurrence found;
    struct class_override o;
    int r;

    buf_puts(&except, class->spec.except);
    for (const char *at = NULL; class_override_each(class, &at, &o);) {
        if (calendar_find(w->calendar, o.date, &found, NULL) < 0)
            buf_printf(&w->stale, "    # %s is changed, and no date of the %s any more\n", o.date,
                       class_word(&class->spec));
        else if (o.skip)
            buf_printf(&except, "%s%s", except.len ? "," : "", o.date);
        else
            write_item(&class->spec, &o, &moved);
    }
    if (except.failed || moved.failed || w->stale.failed)
        return no_memory(err);
    if (except.len >= sizeof(class->spec.except)) {
        error_set(err, E2BIG, "except", "with those that are skipped there are too many");
        error_hint(err, "1023 bytes", "write ranges of dates, as in 2026-12-22/2027-01-06");
        return -E2BIG;
    }
    r = set_list(w, "except", except.len ? except.data : "", err);
    return r < 0 ? r : set_list(w, "moved", moved.len ? moved.data : "", err);
}

/* When it takes place, by what is in `c`. */
static int calendar_of(const struct config_class *c, struct calendar **ret, struct vdi_error *err)
{
    char duration[32];
    struct calendar_text text = {
        .starts = c->starts,
        .duration = duration,
        .zone = c->zone,
        .repeat = c->repeat,
        .except = (const char *const *)c->except.names,
        .n_except = c->except.n,
    };

    snprintf(duration, sizeof(duration), "%" PRId64 "s", c->duration_sec);
    return calendar_new(&text, ret, err);
}

static int fill(struct writer *w, const struct class *class, struct vdi_error *err)
{
    struct calendar *whole = NULL;
    int r = config_keys_default(w->keys, &w->class);

    if (r == 0)
        r = config_keys_default(w->keys, &w->defaults);
    if (r < 0)
        return no_memory(err);
    r = set_texts(w, &class->spec, err);
    if (r == 0)
        r = set_list(w, "groups", class->spec.groups, err);
    if (r == 0)
        r = set_list(w, "users", class->spec.users, err);
    if (r == 0)
        r = set_list(w, "flags", class->spec.flags, err);
    if (r == 0)
        r = set_list(w, "except", class->spec.except, err);
    if (r == 0)
        r = calendar_of(&w->class, &w->calendar, err);
    if (r == 0)
        r = set_dates(w, class, err);
    if (r == 0) /* with all dates skipped there is no class */
        r = calendar_of(&w->class, &whole, err);
    calendar_free(whole);
    return r;
}

int config_write_class(const struct class *class, struct buf *out, struct vdi_error *err)
{
    struct writer w = {
        .keys = class_is_reservation(&class->spec) ? config_reservation_keys : config_class_keys,
        .stale = BUF_INIT(0),
    };
    int r = fill(&w, class, err);

    if (r == 0) {
        buf_printf(out, "%s \"%s\" {\n", class_word(&class->spec), class->spec.name);
        write_keys(w.keys, &w.class, &w.defaults, out);
        buf_printf(out, "%s}\n", w.stale.len ? w.stale.data : "");
        r = out->failed ? no_memory(err) : 0;
    }
    calendar_free(w.calendar);
    buf_done(&w.stale);
    config_class_done(&w.class);
    config_class_done(&w.defaults);
    return r;
}
