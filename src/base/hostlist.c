/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostlist.c - Slurm's hostlists.
 *
 * A text is read twice by the same reader: once to count, with the limit, and
 * only then to make the names. A range keeps the width its lower end is written with.
 */
#include "base/hostlist.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 253 /* a DNS name, RFC 1035 */
#define DIGITS_MAX 18    /* of a number in brackets; fits 64 bits */

/* One range of a bracket: lo..hi, printed at least `width` wide. */
struct range {
    uint64_t lo, hi;
    int width;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

static bool scan_number(const char **s, uint64_t *ret, int *ret_width)
{
    int n = 0;
    uint64_t value = 0;
    for (; is_digit((*s)[n]); n++) {
        if (n == DIGITS_MAX)
            return false;
        value = value * 10 + (uint64_t)((*s)[n] - '0');
    }
    *s += n;
    *ret = value;
    *ret_width = n;
    return n > 0;
}

/* "LO[-HI]" and the ',' or ']' after it, which is left standing. */
static bool scan_range(const char **s, struct range *ret)
{
    int hi_width;
    if (!scan_number(s, &ret->lo, &ret->width))
        return false;
    ret->hi = ret->lo;
    if (**s == '-') {
        ++*s;
        if (!scan_number(s, &ret->hi, &hi_width))
            return false;
    }
    return ret->hi >= ret->lo && (**s == ',' || **s == ']');
}

/* From after '[' to after ']'. Numbers in it, or -EINVAL, or -E2BIG. */
static int64_t count_bracket(const char **s, size_t max)
{
    uint64_t n = 0;
    for (;;) {
        struct range r;
        if (!scan_range(s, &r))
            return -EINVAL;
        uint64_t more = r.hi - r.lo + 1;
        if (more > max || n + more > max)
            return -E2BIG;
        n += more;
        if (*(*s)++ == ']')
            return (int64_t)n;
    }
}

/* One element, up to ',' or the end. Names it stands for, or -EINVAL, or -E2BIG. */
static int64_t count_element(const char **s, size_t max)
{
    const char *start = *s;
    uint64_t n = 1;
    while (**s && **s != ',') {
        if (is_name_char(**s)) {
            ++*s;
            continue;
        }
        if (*(*s)++ != '[')
            return -EINVAL;
        int64_t k = count_bracket(s, max);
        if (k < 0)
            return k;
        n *= (uint64_t)k; /* both are at most HOSTLIST_MAX */
        if (n > max)
            return -E2BIG;
    }
    return *s > start ? (int64_t)n : -EINVAL;
}

static int64_t count_all(const char *s, size_t max)
{
    uint64_t n = 0;
    for (;;) {
        int64_t k = count_element(&s, max);
        if (k < 0)
            return k;
        n += (uint64_t)k;
        if (n > max)
            return -E2BIG;
        if (!*s)
            return (int64_t)n;
        s++;
    }
}

/*
 * Makes every name of the element at s, whose beginning is in name[0..len).
 * Recurses once per bracket; each adds a character, so NAME_MAX_LEN bounds the depth.
 */
static int expand(const char *s, char *name, size_t len, struct hostlist *h)
{
    for (; *s && *s != ',' && *s != '['; s++) {
        if (len >= NAME_MAX_LEN)
            return -EINVAL;
        name[len++] = *s;
    }
    name[len] = '\0';
    if (*s != '[') {
        h->names[h->n] = strdup(name);
        return h->names[h->n] ? (h->n++, 0) : -ENOMEM;
    }
    const char *rest = strchr(s, ']') + 1;
    for (s++; s < rest; s++) {
        struct range r;
        scan_range(&s, &r);
        for (uint64_t i = r.lo; i <= r.hi; i++) {
            int k = snprintf(name + len, NAME_MAX_LEN + 1 - len, "%0*llu", r.width,
                             (unsigned long long)i);
            if (k < 0 || (size_t)k > NAME_MAX_LEN - len)
                return -EINVAL;
            int ret = expand(rest, name, len + (size_t)k, h);
            if (ret < 0)
                return ret;
        }
    }
    return 0;
}

/* The ',' that ends the element, or the end of the text. */
static const char *element_end(const char *s)
{
    for (bool inside = false; *s && (inside || *s != ','); s++)
        inside = *s == '[' || (inside && *s != ']');
    return s;
}

int hostlist_parse(const char *text, size_t max, struct hostlist *ret)
{
    if (max > HOSTLIST_MAX)
        max = HOSTLIST_MAX;
    int64_t n = count_all(text, max);
    if (n < 0)
        return (int)n;
    struct hostlist h = {.names = calloc((size_t)n, sizeof(*h.names))};
    if (!h.names)
        return -ENOMEM;
    char name[NAME_MAX_LEN + 1];
    for (;;) {
        int r = expand(text, name, 0, &h);
        if (r < 0) {
            hostlist_done(&h);
            return r;
        }
        text = element_end(text);
        if (!*text)
            break;
        text++;
    }
    *ret = h;
    return 0;
}

void hostlist_done(struct hostlist *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->names[i]);
    free(h->names);
    *h = (struct hostlist){0};
}

/* ---- folding ---- */

/* A name cut before the digits at its end. */
struct cut {
    const char *name;
    size_t prefix; /* its length */
    size_t digits;
    uint64_t number;
};

static struct cut cut_name(const char *name)
{
    struct cut c = {.name = name};
    c.prefix = strlen(name);
    while (c.prefix > 0 && c.digits < DIGITS_MAX && is_digit(name[c.prefix - 1])) {
        c.prefix--;
        c.digits++;
    }
    c.number = c.digits ? strtoull(name + c.prefix, NULL, 10) : 0;
    return c;
}

static bool same_prefix(const struct cut *a, const struct cut *b)
{
    return a->prefix == b->prefix && memcmp(a->name, b->name, a->prefix) == 0;
}

/*
 * By prefix, then number of digits, then number: 01 02 … 99 100 and 1 2 … 9 10
 * both come in one piece, also when a list has names of both widths.
 */
static int compare(const void *left, const void *right)
{
    const struct cut *a = left, *b = right;
    size_t shorter = a->prefix < b->prefix ? a->prefix : b->prefix;
    int r = memcmp(a->name, b->name, shorter);
    if (r != 0)
        return r;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    if (a->digits != b->digits)
        return a->digits < b->digits ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* May b follow a in a range written with `width` digits? */
static bool follows(const struct cut *a, const struct cut *b, size_t width)
{
    if (b->number != a->number + 1)
        return false;
    return b->digits == width || (b->digits > width && b->name[b->prefix] != '0');
}

/* Writes the names of one prefix, which are n > 0. */
static void fold_group(struct buf *b, const struct cut *c, size_t n)
{
    buf_append(b, c->name, c->prefix);
    if (n == 1) {
        buf_puts(b, c->name + c->prefix);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t first = i;
        while (i + 1 < n && follows(&c[i], &c[i + 1], c[first].digits))
            i++;
        buf_printf(b, "%c%s", first == 0 ? '[' : ',', c[first].name + c[first].prefix);
        if (i > first)
            buf_printf(b, "-%s", c[i].name + c[i].prefix);
    }
    buf_putc(b, ']');
}

char *hostlist_fold(const char *const *names, size_t n)
{
    _cleanup_(freep) struct cut *cuts = calloc(n ? n : 1, sizeof(*cuts));
    if (!cuts)
        return NULL;
    for (size_t i = 0; i < n; i++)
        cuts[i] = cut_name(names[i]);
    qsort(cuts, n, sizeof(*cuts), compare);
    size_t unique = 0;
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || compare(&cuts[unique - 1], &cuts[i]) != 0)
            cuts[unique++] = cuts[i];

    struct buf b = BUF_INIT(0);
    for (size_t i = 0, end; i < unique; i = end) {
        /* A name without a number stands for itself, also beside name1, name2. */
        end = i + 1;
        while (cuts[i].digits && end < unique && same_prefix(&cuts[i], &cuts[end]))
            end++;
        if (i > 0)
            buf_putc(&b, ',');
        fold_group(&b, &cuts[i], end - i);
    }
    return buf_take(&b, NULL);
}
