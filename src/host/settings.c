/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.c - a plugin's block of vdi.conf against what the plugin declares.
 *
 * The result is in the order of the declaration, one entry per setting that has a
 * value; a plugin never sees a key that it did not declare.
 */
#include "host/host_internal.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

static bool is_bool(const char *value)
{
    static const char *const words[] = {"yes", "no", "true", "false", "on", "off"};
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        if (str_equal(value, words[i]))
            return true;
    }
    return false;
}

int host_setting_check(const struct vdi_setting *setting, const char *value, struct vdi_error *err)
{
    int64_t n;
    if (setting->type == VDI_SETTING_INT && str_to_i64(value, INT64_MIN, INT64_MAX, &n) < 0) {
        error_set(err, EINVAL, setting->name, "\"%.64s\" is not a number", value);
        error_hint(err, NULL, "write a whole number");
        return -EINVAL;
    }
    if (setting->type == VDI_SETTING_BOOL && !is_bool(value)) {
        error_set(err, EINVAL, setting->name, "\"%.64s\" is neither yes nor no", value);
        error_hint(err, NULL, "write yes or no");
        return -EINVAL;
    }
    return 0;
}

static const struct vdi_setting *find(const struct vdi_setting *settings, const char *name)
{
    for (; settings && settings->name; settings++) {
        if (str_equal(settings->name, name))
            return settings;
    }
    return NULL;
}

static int refuse_unknown(const struct vdi_plugin *info, const char *name, struct vdi_error *err)
{
    struct buf names = BUF_INIT(120);
    for (const struct vdi_setting *s = info->settings; s && s->name; s++)
        buf_printf(&names, "%s%s", names.len ? ", " : "", s->name);
    error_set(err, EINVAL, name, "the plugin %s has no such setting", info->name);
    error_hint(err, NULL, "take it out");
    if (err && names.len)
        snprintf(err->remedy, sizeof(err->remedy), "its settings are %s", names.data);
    buf_done(&names);
    return -EINVAL;
}

static int check_given(const struct vdi_plugin *info, const struct vdi_setting_value *given,
                       size_t n, struct vdi_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct vdi_setting *s = find(info->settings, given[i].name);
        if (!s)
            return refuse_unknown(info, given[i].name, err);
        for (size_t j = 0; j < i; j++) {
            if (str_equal(given[i].name, given[j].name)) {
                error_set(err, EINVAL, s->name, "it is given twice");
                error_hint(err, NULL, "keep one of them");
                return -EINVAL;
            }
        }
        int r = host_setting_check(s, given[i].value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static const char *value_of(const struct vdi_setting *s, const struct vdi_setting_value *given,
                            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_equal(given[i].name, s->name))
            return given[i].value;
    }
    return s->initial;
}

/* Copies into the room that was counted for it, and moves on. */
static const char *pack_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

/* Entries, then their texts, in one block of memory. */
static struct vdi_setting_value *pack(const struct vdi_setting *settings,
                                      const struct vdi_setting_value *given, size_t n_given,
                                      size_t *ret_n)
{
    size_t n = 0, bytes = 1;
    for (const struct vdi_setting *s = settings; s && s->name; s++) {
        const char *value = value_of(s, given, n_given);
        bytes += value ? strlen(s->name) + strlen(value) + 2 : 0;
        n += value != NULL;
    }
    struct vdi_setting_value *all = malloc(n * sizeof(*all) + bytes);
    if (!all)
        return NULL;
    struct vdi_setting_value *v = all;
    char *text = (char *)(all + n);
    for (const struct vdi_setting *s = settings; s && s->name; s++) {
        const char *value = value_of(s, given, n_given);
        if (!value)
            continue;
        v->name = pack_text(&text, s->name);
        v->value = pack_text(&text, value);
        v++;
    }
    *ret_n = n;
    return all;
}

int host_plugin_settings(const struct host_plugin *p, const struct vdi_setting_value *given,
                         size_t n_given, struct vdi_setting_value **ret, size_t *ret_n,
                         struct vdi_error *err)
{
    const struct vdi_plugin *info = host_plugin_info(p);
    int r = check_given(info, given, n_given, err);
    if (r < 0)
        return r;
    struct vdi_setting_value *all = pack(info->settings, given, n_given, ret_n);
    if (!all)
        return error_set(err, ENOMEM, info->name, "no memory for its settings");
    *ret = all;
    return 0;
}
