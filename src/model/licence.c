/* SPDX-License-Identifier: Apache-2.0 */
/* licence.c - licences that jobs ask for, as text and one by one. */
#include "model/licence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

/* As in a title of vdi.conf. */
static bool is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static bool read_number(const char **io, uint32_t *ret)
{
    const char *p = *io;
    uint32_t n = 0;

    while (*p >= '0' && *p <= '9' && n <= LICENCE_MOST)
        n = n * 10 + (uint32_t)(*p++ - '0');
    if (p == *io || !n || n > LICENCE_MOST)
        return false;
    *io = p;
    *ret = n;
    return true;
}

bool licence_next(const char **io_text, struct licence *ret)
{
    const char *p = *io_text;
    size_t len = 0;

    while (is_of_name(p[len]))
        len++;
    if (!len || len >= sizeof(ret->name))
        return false;
    memcpy(ret->name, p, len);
    ret->name[len] = '\0';
    ret->n = 1;
    p += len;
    if (*p == ':' && (p++, !read_number(&p, &ret->n)))
        return false;
    if (*p && (*p != ',' || !p[1]))
        return false;
    *io_text = *p ? p + 1 : p;
    return true;
}

uint32_t licence_count(const char *text, const char *name)
{
    struct licence l;

    while (licence_next(&text, &l))
        if (str_equal(l.name, name))
            return l.n;
    return 0;
}

/* -EINVAL: `text` can't be read to its end; -E2BIG. */
static int add(const char *text, struct licence *all, size_t *io_n)
{
    struct licence l;
    size_t i;

    while (licence_next(&text, &l)) {
        for (i = 0; i < *io_n && !str_equal(all[i].name, l.name); i++)
            ;
        if (i == LICENCES_MAX)
            return -E2BIG;
        if (i == *io_n)
            all[(*io_n)++] = l;
        else if (all[i].n < l.n)
            all[i].n = l.n;
    }
    return *text ? -EINVAL : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct licence *)a)->name, ((const struct licence *)b)->name);
}

int licences_merge(const char *a, const char *b, char ret[LICENCES_TEXT], struct vdi_error *err)
{
    struct licence all[LICENCES_MAX];
    size_t n = 0, len = 0;
    int r = add(a, all, &n);

    if (r == 0)
        r = add(b, all, &n);
    *ret = '\0';
    if (r == -E2BIG) {
        error_set(err, EINVAL, "licences", "they are more than %d", LICENCES_MAX);
        error_hint(err, "8 licences", "ask for fewer");
    } else if (r < 0) {
        error_set(err, EINVAL, "licences", "'%.60s' is no list of licences", a);
        error_hint(err, "NAME or NAME:NUMBER, joined by commas", "write it as in matlab:2,ansys");
    }
    if (r < 0)
        return -EINVAL;
    qsort(all, n, sizeof(*all), by_name);
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(ret + len, LICENCES_TEXT - len, "%s%s:%u", i ? "," : "",
                                all[i].name, all[i].n);
    return 0;
}
