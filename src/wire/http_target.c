/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_target.c - a request target (RFC 9112 section 3.2) taken apart and decoded.
 *
 * The path is percent-decoded once. An escape that is cut short or not hexadecimal, and
 * one that stands for NUL, are refused: what follows could otherwise be hidden from checks.
 * In the query '+' is a space (the form encoding); "a" without '=' is "a=".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "wire/http_internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; len bytes at s, which are followed by a byte that may be overwritten. */
static int decode(char *s, size_t len, bool plus_is_space)
{
    char *out = s;
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (c == '%') {
            if (len - i < 3 || hex_digit(s[i + 1]) < 0 || hex_digit(s[i + 2]) < 0)
                return -EINVAL;
            c = (char)(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2]));
            if (c == '\0')
                return -EINVAL;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *out++ = c;
    }
    *out = '\0';
    return 0;
}

static int add_parameter(struct http_target *t, char *text)
{
    if (!*text)
        return 0;
    if (t->n_query == HTTP_QUERY_MAX)
        return -E2BIG;
    size_t name_len = strcspn(text, "=");
    char *value = text + name_len + (text[name_len] == '=');
    if (decode(value, strlen(value), true) < 0 || decode(text, name_len, true) < 0)
        return -EINVAL;
    t->query[t->n_query++] = (struct http_pair){.name = text, .value = value};
    return 0;
}

/* "http://host/path" means "/path" (RFC 9112 section 3.2.2). */
static const char *skip_authority(const char *raw)
{
    size_t scheme = 0;
    if (strncasecmp(raw, "http://", 7) == 0)
        scheme = 7;
    else if (strncasecmp(raw, "https://", 8) == 0)
        scheme = 8;
    return scheme ? raw + scheme + strcspn(raw + scheme, "/?") : raw;
}

int http_target_parse(const char *raw, struct http_target **ret)
{
    raw = skip_authority(raw);
    if (*raw != '/')
        return -EINVAL;
    size_t size = strlen(raw) + 2;
    _cleanup_(freep) struct http_target *t = malloc(sizeof(*t) + size);
    if (!t)
        return -ENOMEM;
    t->n_query = 0;
    t->path = (char *)(t + 1);
    memcpy(t->path, raw, size - 1);
    t->path[strcspn(t->path, "#")] = '\0';
    char *query = strchr(t->path, '?');
    if (query)
        *query++ = '\0';
    int r = decode(t->path, strlen(t->path), false);
    while (r == 0 && query) {
        char *parameter = strsep(&query, "&");
        r = add_parameter(t, parameter);
    }
    if (r == 0)
        *ret = TAKE_PTR(t);
    return r;
}
