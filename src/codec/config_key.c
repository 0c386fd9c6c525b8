/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_key.c - values of vdi.conf: from words to members, and back to words.
 *
 * A member is only replaced by a value that passed every check. Defaults take
 * the same way as what is written, so a default out of range can't exist.
 */
#include "codec/config_key.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"

static void *member_of(const struct config_key *key, const void *base)
{
    return (char *)base + key->offset;
}

static bool is_list(const struct config_key *key)
{
    return key->type == CONFIG_LIST || key->type == CONFIG_JOINED;
}

static int set_string(char **member, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free(*member);
    *member = copy;
    return 0;
}

static void names_clear(struct config_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct config_names){0};
}

/* ---- texts -------------------------------------------------------------- */

static int check_bytes(const struct config_key *key, const char *value, struct vdi_error *err)
{
    char limit[48];
    if (strlen(value) > (size_t)key->max) {
        error_set(err, EINVAL, NULL, "\"%.64s...\" is too long (%zu bytes)", value, strlen(value));
        snprintf(limit, sizeof(limit), "%lld bytes", (long long)key->max);
        error_hint(err, limit, "use a shorter one");
        return -EINVAL;
    }
    if (!*value && key->min > 0) {
        error_set(err, EINVAL, NULL, "it is empty");
        error_hint(err, NULL, "write a value or leave the line out");
        return -EINVAL;
    }
    if (!str_is_text(value, strlen(value), false)) {
        error_set(err, EINVAL, NULL, "it holds control characters");
        error_hint(err, NULL, "take them out");
        return -EINVAL;
    }
    return key->check ? key->check(value, err) : 0;
}

static int check_text(const struct config_key *key, const char *value, struct vdi_error *err)
{
    int r = check_bytes(key, value, err);
    if (r < 0)
        return r;
    if (key->type == CONFIG_NAME && *value && !str_is_name(value, (size_t)key->max)) {
        error_set(err, EINVAL, NULL, "\"%s\" is not a name", value);
        error_hint(err, NULL,
                   "use letters, digits, '.', '_' and '-', not beginning with '.' or '-'");
        return -EINVAL;
    }
    if (key->type == CONFIG_PATH && *value && *value != '/') {
        error_set(err, EINVAL, NULL, "\"%s\" is not an absolute path", value);
        error_hint(err, NULL, "write the path from /");
        return -EINVAL;
    }
    return 0;
}

static int check_choice(const struct config_key *key, const char *value, struct vdi_error *err)
{
    struct buf words = BUF_INIT(256);
    for (size_t i = 0; key->choices[i]; i++) {
        if (str_equal(key->choices[i], value)) {
            buf_done(&words);
            return 0;
        }
        buf_printf(&words, "%s%s", i ? ", " : "", key->choices[i]);
    }
    error_set(err, EINVAL, NULL, "\"%s\" is not one of the choices", value);
    error_hint(err, NULL, NULL);
    if (err)
        snprintf(err->remedy, sizeof(err->remedy), "write one of %s", words.data);
    buf_done(&words);
    return -EINVAL;
}

static int set_text(const struct config_key *key, char **member, const char *value,
                    struct vdi_error *err)
{
    int r =
        key->type == CONFIG_CHOICE ? check_choice(key, value, err) : check_text(key, value, err);
    return r < 0 ? r : set_string(member, value);
}

/* ---- numbers ------------------------------------------------------------ */

static int refuse_number(const struct config_key *key, int code, const char *value,
                         const char *what, const char *example, struct vdi_error *err)
{
    const char *unit = key->type == CONFIG_MIB                                          ? " MiB"
                       : key->type == CONFIG_GIB                                        ? " GiB"
                       : key->type == CONFIG_DURATION || key->type == CONFIG_DURATION32 ? " seconds"
                                                                                        : "";
    if (code == -ERANGE)
        error_set(err, EINVAL, NULL, "\"%s\" is out of range", value);
    else
        error_set(err, EINVAL, NULL, "\"%s\" is not %s", value, what);
    error_hint(err, NULL, example);
    if (err)
        snprintf(err->limit, sizeof(err->limit), "%lld to %lld%s", (long long)key->min,
                 (long long)key->max, unit);
    return -EINVAL;
}

/* Every kind of number goes through int64 first: one place for ranges. */
static int parse_number(const struct config_key *key, const char *value, int64_t *ret,
                        struct vdi_error *err)
{
    uint64_t mib = 0;
    int r;
    switch (key->type) {
    case CONFIG_MIB:
    case CONFIG_GIB:
        r = str_to_mib(value, UINT64_C(1) << 50, &mib);
        *ret = (int64_t)(key->type == CONFIG_MIB ? mib : (mib + 1023) / 1024);
        if (r == 0 && (*ret < key->min || *ret > key->max))
            r = -ERANGE;
        return r < 0 ? refuse_number(key, r, value, "a size", "write it as 512M, 16G or 2T", err)
                     : 0;
    case CONFIG_DURATION:
    case CONFIG_DURATION32:
        r = str_to_duration_sec(value, 1, ret);
        if (r == 0 && (*ret < key->min || *ret > key->max))
            r = -ERANGE;
        return r < 0 ? refuse_number(key, r, value, "a duration", "write it as 90s, 15m, 12h or 2d",
                                     err)
                     : 0;
    default:
        r = str_to_i64(value, key->min, key->max, ret);
        return r < 0 ? refuse_number(key, r, value, "a number", "write a whole number in the range",
                                     err)
                     : 0;
    }
}

static int parse_bool(const char *value, bool *ret, struct vdi_error *err)
{
    static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};
    for (size_t i = 0; i < ELEMENTS(yes); i++) {
        if (str_equal(value, yes[i]) || str_equal(value, no[i])) {
            *ret = str_equal(value, yes[i]);
            return 0;
        }
    }
    error_set(err, EINVAL, NULL, "\"%s\" is neither yes nor no", value);
    error_hint(err, NULL, "write yes or no");
    return -EINVAL;
}

static int set_number(const struct config_key *key, void *member, const char *value,
                      struct vdi_error *err)
{
    int64_t n;
    int r = parse_number(key, value, &n, err);
    if (r < 0)
        return r;
    if (key->type == CONFIG_DURATION)
        *(int64_t *)member = n;
    else if (key->type == CONFIG_I32)
        *(int32_t *)member = (int32_t)n;
    else
        *(uint32_t *)member = (uint32_t)n;
    return 0;
}

/* ---- lists -------------------------------------------------------------- */

static int check_item(const struct config_key *key, const char *value, struct vdi_error *err)
{
    int r;
    if (!*value) {
        error_set(err, EINVAL, NULL, "the list holds an empty text");
        error_hint(err, NULL, "take it out");
        return -EINVAL;
    }
    r = check_bytes(key, value, err);
    if (r == 0 && key->type == CONFIG_JOINED && !str_is_name(value, (size_t)key->max)) {
        error_set(err, EINVAL, NULL, "\"%s\" is not a name", value);
        error_hint(err, NULL,
                   "use letters, digits, '.', '_' and '-', not beginning with '.' or '-'");
        return -EINVAL;
    }
    return r;
}

static int refuse_twice(const char *value, struct vdi_error *err)
{
    error_set(err, EINVAL, NULL, "\"%s\" is in the list twice", value);
    error_hint(err, NULL, "take one out");
    return -EINVAL;
}

#define LIST_MAX 256 /* values of one list */

static int check_list(const struct config_key *key, const char *const *values, size_t n,
                      struct vdi_error *err)
{
    if (n > LIST_MAX) {
        error_set(err, EINVAL, NULL, "the list has %zu values", n);
        error_hint(err, "256 values", "take some out");
        return -EINVAL;
    }
    if (n == 0 && key->min > 0) {
        error_set(err, EINVAL, NULL, "the list is empty");
        error_hint(err, NULL, "write at least one value");
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        int r = check_item(key, values[i], err);
        if (r < 0)
            return r;
        for (size_t j = 0; j < i; j++) {
            if (str_equal(values[i], values[j]))
                return refuse_twice(values[i], err);
        }
    }
    return 0;
}

static int set_names(struct config_names *member, const char *const *values, size_t n)
{
    struct config_names names = {.names = calloc(n + 1, sizeof(char *))};
    if (!names.names)
        return -ENOMEM;
    for (; names.n < n; names.n++) {
        names.names[names.n] = strdup(values[names.n]);
        if (!names.names[names.n]) {
            names_clear(&names);
            return -ENOMEM;
        }
    }
    names_clear(member);
    *member = names;
    return 0;
}

static int set_joined(const struct config_key *key, char **member, const char *const *values,
                      size_t n, struct vdi_error *err)
{
    struct buf joined = BUF_INIT(65536);
    int r = 0;
    for (size_t i = 0; i < n; i++)
        buf_printf(&joined, "%s%s", i ? "," : "", values[i]);
    if (joined.failed || joined.len > (size_t)key->max) {
        r = error_set(err, EINVAL, NULL, "the words have %zu bytes together", joined.len);
        error_hint(err, NULL, "take some out");
        if (err)
            snprintf(err->limit, sizeof(err->limit), "%lld bytes", (long long)key->max);
    } else {
        r = set_string(member, joined.len ? joined.data : "");
    }
    buf_done(&joined);
    return r;
}

static int set_list(const struct config_key *key, void *member, const char *const *values, size_t n,
                    struct vdi_error *err)
{
    int r = check_list(key, values, n, err);
    if (r < 0)
        return r;
    return key->type == CONFIG_LIST ? set_names(member, values, n)
                                    : set_joined(key, member, values, n, err);
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int set_hosts(struct config_names *member, const char *value, struct vdi_error *err)
{
    struct hostlist hosts;
    int r = hostlist_parse(value, HOSTLIST_MAX, &hosts);
    if (r < 0 || hosts.n == 0) {
        error_set(err, EINVAL, NULL,
                  r == -E2BIG ? "\"%.128s\" stands for too many names"
                              : "\"%.128s\" is not a hostlist",
                  value);
        error_hint(err, r == -E2BIG ? "65536 names" : NULL,
                   "write names and ranges, as in \"gpu[01-16,20],login\"");
        if (r == 0)
            hostlist_done(&hosts);
        return r == -ENOMEM ? r : -EINVAL;
    }
    qsort(hosts.names, hosts.n, sizeof(char *), name_compare);
    for (size_t i = 1; i < hosts.n; i++) {
        if (str_equal(hosts.names[i - 1], hosts.names[i])) {
            refuse_twice(hosts.names[i], err);
            hostlist_done(&hosts);
            return -EINVAL;
        }
    }
    names_clear(member);
    *member = (struct config_names){.names = hosts.names, .n = hosts.n};
    return 0;
}

/* ---- all of them -------------------------------------------------------- */

int config_key_set(const struct config_key *key, void *base, const char *const *values, size_t n,
                   struct vdi_error *err)
{
    void *member = member_of(key, base);
    if (is_list(key))
        return set_list(key, member, values, n, err);
    if (n != 1) {
        error_set(err, EINVAL, NULL, "it takes one value, and %zu are given", n);
        error_hint(err, NULL, "write the value without { }");
        return -EINVAL;
    }
    switch (key->type) {
    case CONFIG_HOSTS:
        return set_hosts(member, values[0], err);
    case CONFIG_BOOL:
        return parse_bool(values[0], member, err);
    case CONFIG_TEXT:
    case CONFIG_NAME:
    case CONFIG_PATH:
    case CONFIG_CHOICE:
        return set_text(key, member, values[0], err);
    default:
        return set_number(key, member, values[0], err);
    }
}

int config_keys_default(const struct config_key *keys, void *base)
{
    int r = 0;
    for (const struct config_key *k = keys; k->name && r == 0; k++) {
        bool is_string = k->type <= CONFIG_CHOICE || k->type == CONFIG_JOINED;
        if (k->type == CONFIG_LATER)
            continue;
        if (is_string && str_is_empty(k->initial))
            r = set_string(member_of(k, base), "");
        else if (!str_is_empty(k->initial))
            r = config_key_set(k, base, &k->initial, 1, NULL);
    }
    return r;
}

static void print_names(const struct config_names *names, struct buf *out)
{
    for (size_t i = 0; i < names->n; i++)
        buf_printf(out, "%s%s", i ? "," : "", names->names[i]);
}

static void print_hosts(const struct config_names *names, struct buf *out)
{
    _cleanup_(freep) char *text = hostlist_fold((const char *const *)names->names, names->n);
    buf_puts(out, text ? text : "");
}

static void print_duration(int64_t sec, struct buf *out)
{
    static const struct {
        int64_t sec;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};
    for (size_t i = 0; i < ELEMENTS(units); i++) {
        if (sec && sec % units[i].sec == 0) {
            buf_printf(out, "%lld%c", (long long)(sec / units[i].sec), units[i].unit);
            return;
        }
    }
    buf_printf(out, sec ? "%llds" : "%lld", (long long)sec);
}

void config_key_print(const struct config_key *key, const void *base, struct buf *out)
{
    const void *member = member_of(key, base);
    uint32_t n = 0;
    switch (key->type) {
    case CONFIG_LIST:
        print_names(member, out);
        break;
    case CONFIG_HOSTS:
        print_hosts(member, out);
        break;
    case CONFIG_BOOL:
        buf_puts(out, *(const bool *)member ? "yes" : "no");
        break;
    case CONFIG_I32:
        buf_printf(out, "%d", *(const int32_t *)member);
        break;
    case CONFIG_DURATION:
        print_duration(*(const int64_t *)member, out);
        break;
    case CONFIG_DURATION32:
        print_duration(*(const uint32_t *)member, out);
        break;
    case CONFIG_U32:
        buf_printf(out, "%u", *(const uint32_t *)member);
        break;
    case CONFIG_MIB:
    case CONFIG_GIB:
        n = *(const uint32_t *)member;
        if (n && n % 1024 == 0)
            buf_printf(out, "%u%c", n / 1024, key->type == CONFIG_MIB ? 'G' : 'T');
        else
            buf_printf(out, "%u%s", n, n == 0 ? "" : key->type == CONFIG_MIB ? "M" : "G");
        break;
    case CONFIG_LATER:
        break;
    default:
        buf_puts(out, *(char *const *)member);
    }
}
