/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.c - the system's IANA time zones, from their TZif files (RFC 9636).
 *
 * A zone is one sorted list of changes of its offset. What the file lists is followed by what the
 * rule in its last line (a TZ string of POSIX) gives until the end of ZONE_YEAR_MAX, so that
 * both kinds of file, with all years and with the rule alone, are read the same way.
 */
#include "base/zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_BYTES_MAX 65536u
#define CHANGES_MAX 4096u
#define HEADER_BYTES 44u
#define YEAR_MIN 1970
#define DAY_SEC 86400
#define TIME_MAX_SEC (INT64_C(1) << 60) /* so that an offset can be added */
#define OFFSET_MAX_SEC (26 * 3600)      /* RFC 9636: more than -25 hours, less than 26 */

struct change {
    int64_t at_sec; /* UTC; from here on */
    int32_t offset_sec;
};

struct zone {
    int32_t first_offset_sec; /* before the first change */
    size_t n;
    struct change changes[];
};

/* ---- the rule of the last line ---- */

struct rule_day {
    char kind; /* 'J': 1-365 without leap days, 'D': 0-365, 'M': month, week, day of the week */
    int day, month, week;
    int32_t time_sec; /* of the local clock that runs until then */
};

struct rule {
    int32_t offset_sec, summer_offset_sec;
    bool has_summer;
    struct rule_day begin, end; /* of summer time */
};

static bool scan_number(const char **s, int max, int *ret)
{
    int value = 0, digits = 0;

    for (; isdigit((unsigned char)**s) && digits < 4; digits++)
        value = value * 10 + *(*s)++ - '0';
    *ret = value;
    return digits > 0 && value <= max;
}

static bool scan_char(const char **s, char c)
{
    if (**s != c)
        return false;
    ++*s;
    return true;
}

/* "CET" or "<+03>" */
static bool scan_name(const char **s)
{
    bool quoted = scan_char(s, '<');
    size_t n = 0;

    while (isalpha((unsigned char)(*s)[n]) ||
           (quoted && (isdigit((unsigned char)(*s)[n]) || (*s)[n] == '+' || (*s)[n] == '-')))
        n++;
    *s += n;
    return n >= 3 && (!quoted || scan_char(s, '>'));
}

/* "[+-]hh[:mm[:ss]]" */
static bool scan_time(const char **s, int max_hours, int32_t *ret_sec)
{
    int sign = scan_char(s, '-') ? -1 : 1, hours, minutes = 0, seconds = 0;

    if (sign > 0)
        scan_char(s, '+');
    if (!scan_number(s, max_hours, &hours))
        return false;
    if (scan_char(s, ':') &&
        (!scan_number(s, 59, &minutes) || (scan_char(s, ':') && !scan_number(s, 59, &seconds))))
        return false;
    *ret_sec = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool scan_rule_day(const char **s, struct rule_day *ret)
{
    *ret = (struct rule_day){.kind = 'D', .time_sec = 2 * 3600};
    if (!scan_char(s, ','))
        return false;
    if (scan_char(s, 'M')) {
        ret->kind = 'M';
        if (!scan_number(s, 12, &ret->month) || !scan_char(s, '.') ||
            !scan_number(s, 5, &ret->week) || !scan_char(s, '.') || !scan_number(s, 6, &ret->day) ||
            ret->month < 1 || ret->week < 1)
            return false;
    } else {
        if (scan_char(s, 'J'))
            ret->kind = 'J';
        if (!scan_number(s, 365, &ret->day) || (ret->kind == 'J' && ret->day < 1))
            return false;
    }
    return !scan_char(s, '/') || scan_time(s, 167, &ret->time_sec);
}

static bool scan_rule(const char *s, struct rule *ret)
{
    int32_t west_sec;

    *ret = (struct rule){0};
    if (!scan_name(&s) || !scan_time(&s, 24, &west_sec))
        return false;
    ret->offset_sec = -west_sec;
    if (!*s)
        return true;
    ret->has_summer = true;
    ret->summer_offset_sec = ret->offset_sec + 3600;
    if (!scan_name(&s))
        return false;
    if (*s != ',') {
        if (!scan_time(&s, 24, &west_sec))
            return false;
        ret->summer_offset_sec = -west_sec;
    }
    return scan_rule_day(&s, &ret->begin) && scan_rule_day(&s, &ret->end) && !*s;
}

/* Seconds since 1970 of that day's 00:00, of a clock without an offset. Days and months carry. */
static int64_t day_begin(int year, int month, int day)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};

    return timegm(&tm);
}

static int64_t rule_day_begin(const struct rule_day *d, int year)
{
    int64_t first, last;

    if (d->kind == 'D')
        return day_begin(year, 1, 1 + d->day);
    if (d->kind == 'J') /* counted in a year without a leap day: of the month that it is in there */
        return d->day < 60 ? day_begin(year, 1, d->day) : day_begin(year, 3, d->day - 59);
    first = day_begin(year, d->month, 1);
    last = day_begin(year, d->month + 1, 0);
    /* 1970-01-01 was a Thursday, day 4 of its week. */
    first += (d->day + 7 - (first / DAY_SEC + 4) % 7) % 7 * DAY_SEC + (d->week - 1) * 7 * DAY_SEC;
    return first > last ? first - 7 * DAY_SEC : first;
}

/* ---- the file ---- */

struct counts {
    uint32_t is_ut, is_std, leap, time, type, chars;
};

static uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get_be64(const uint8_t *p)
{
    return (int64_t)((uint64_t)get_be32(p) << 32 | get_be32(p + 4));
}

static bool get_header(const uint8_t *p, size_t len, struct counts *ret)
{
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    *ret = (struct counts){get_be32(p + 20), get_be32(p + 24), get_be32(p + 28),
                           get_be32(p + 32), get_be32(p + 36), get_be32(p + 40)};
    return ret->is_ut <= 256 && ret->is_std <= 256 && ret->leap <= CHANGES_MAX &&
           ret->time <= CHANGES_MAX && ret->type <= 256 && ret->chars <= 4096;
}

static size_t block_bytes(const struct counts *c, size_t time_bytes)
{
    return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) +
           c->is_std + c->is_ut;
}

static bool is_offset(int32_t sec)
{
    return sec > -OFFSET_MAX_SEC && sec < OFFSET_MAX_SEC;
}

/* The changes that the file lists. */
static bool take_listed(struct zone *z, const uint8_t *block, const struct counts *c)
{
    const uint8_t *indexes = block + c->time * 8, *types = indexes + c->time;

    for (uint32_t i = 0; i < c->type; i++)
        if (!is_offset((int32_t)get_be32(types + 6 * i)))
            return false;
    z->first_offset_sec = (int32_t)get_be32(types);
    for (uint32_t i = 0; i < c->time; i++) {
        int64_t at = get_be64(block + 8 * i);

        if (indexes[i] >= c->type || (i > 0 && at <= z->changes[i - 1].at_sec) ||
            at < -TIME_MAX_SEC || at > TIME_MAX_SEC)
            return false;
        z->changes[z->n++] = (struct change){at, (int32_t)get_be32(types + 6 * indexes[i])};
    }
    return true;
}

static void put_change(struct zone *z, int64_t at_sec, int32_t offset_sec)
{
    /* "All the year" is a summer time that begins when the former one ends: the later one holds. */
    if (z->n > 0 && at_sec == z->changes[z->n - 1].at_sec)
        z->n--;
    if (z->n == 0 || at_sec > z->changes[z->n - 1].at_sec)
        z->changes[z->n++] = (struct change){at_sec, offset_sec};
}

/* What the rule gives after what is listed. */
static void take_rule(struct zone *z, const struct rule *r)
{
    int64_t listed_end = z->n ? z->changes[z->n - 1].at_sec : INT64_MIN;

    if (!r->has_summer) { /* the last change that is listed leads to this offset */
        if (z->n == 0)
            z->first_offset_sec = r->offset_sec;
        return;
    }
    for (int year = YEAR_MIN; year <= ZONE_YEAR_MAX; year++) {
        int64_t begin = rule_day_begin(&r->begin, year) + r->begin.time_sec - r->offset_sec;
        int64_t end = rule_day_begin(&r->end, year) + r->end.time_sec - r->summer_offset_sec;

        if (begin < end && begin > listed_end)
            put_change(z, begin, r->summer_offset_sec);
        if (end > listed_end)
            put_change(z, end, r->offset_sec);
        if (begin > end && begin > listed_end)
            put_change(z, begin, r->summer_offset_sec);
    }
}

/* The line between two newlines that ends the file; "" is allowed. */
static bool get_rule_line(const uint8_t *p, size_t len, char *ret, size_t size)
{
    const uint8_t *end = len ? memchr(p + 1, '\n', len - 1) : NULL;
    size_t n;

    if (!end || *p != '\n')
        return false;
    n = (size_t)(end - p) - 1;
    if (n >= size || memchr(p, '\0', n + 1))
        return false;
    memcpy(ret, p + 1, n);
    ret[n] = '\0';
    return true;
}

int zone_parse(const void *data, size_t len, struct zone **ret)
{
    const uint8_t *p = data;
    struct counts c;
    struct rule rule = {0};
    char line[128];
    size_t bytes;

    /* The first block is of 32-bit times, for programs of old. */
    if (!get_header(p, len, &c) || len - HEADER_BYTES < (bytes = block_bytes(&c, 4)))
        return -EBADMSG;
    p += HEADER_BYTES + bytes;
    len -= HEADER_BYTES + bytes;
    if (!get_header(p, len, &c) || len - HEADER_BYTES < (bytes = block_bytes(&c, 8)) ||
        c.leap > 0 || c.type == 0)
        return -EBADMSG;
    p += HEADER_BYTES;
    len -= HEADER_BYTES;
    if (!get_rule_line(p + bytes, len - bytes, line, sizeof(line)) ||
        (*line && !scan_rule(line, &rule)))
        return -EBADMSG;

    _cleanup_(zone_freep) struct zone *z =
        malloc(sizeof(*z) + (c.time + 2 * (ZONE_YEAR_MAX - YEAR_MIN + 1)) * sizeof(struct change));
    if (!z)
        return -ENOMEM;
    z->n = 0;
    if (!take_listed(z, p, &c))
        return -EBADMSG;
    if (*line)
        take_rule(z, &rule);
    *ret = TAKE_PTR(z);
    return 0;
}

/* "Europe/Berlin". No "..", no hidden file, nothing from the root; and of the two copies of the
 * whole database one counts leap seconds, and the other is what has the names without a prefix. */
static bool is_zone_name(const char *name)
{
    size_t n = 0;

    if (!strncmp(name, "posix/", 6) || !strncmp(name, "right/", 6))
        return false;
    for (const char *s = name; *s; s++, n++) {
        bool begins = s == name || s[-1] == '/';

        if (!isalnum((unsigned char)*s) && (begins || !strchr("/_+-", *s)))
            return false;
    }
    return n > 0 && n <= ZONE_NAME_MAX && name[n - 1] != '/';
}

int zone_open(const char *name, struct zone **ret)
{
    const char *dir = secure_getenv("TZDIR");
    _cleanup_(fclosep) FILE *f = NULL;
    _cleanup_(freep) uint8_t *data = NULL;
    char path[512];
    size_t n;

    if (!is_zone_name(name))
        return -EINVAL;
    if (snprintf(path, sizeof(path), "%s/%s", dir ? dir : "/usr/share/zoneinfo", name) >=
        (int)sizeof(path))
        return -ENAMETOOLONG;
    f = fopen(path, "re");
    if (!f)
        return errno == ENOTDIR ? -ENOENT : -errno;
    data = malloc(FILE_BYTES_MAX);
    if (!data)
        return -ENOMEM;
    n = fread(data, 1, FILE_BYTES_MAX, f);
    if (ferror(f)) /* also a directory: "Europe" */
        return errno == EISDIR ? -ENOENT : -EIO;
    return zone_parse(data, n, ret);
}

void zone_free(struct zone *z)
{
    free(z);
}

/* ---- the two ways ---- */

static int32_t offset_before(const struct zone *z, size_t i)
{
    return i ? z->changes[i - 1].offset_sec : z->first_offset_sec;
}

/* How many changes are over by then. */
static size_t changes_until(const struct zone *z, int64_t utc_sec)
{
    size_t low = 0, high = z->n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (z->changes[middle].at_sec <= utc_sec)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t zone_to_local(const struct zone *z, int64_t utc_sec)
{
    return utc_sec + offset_before(z, changes_until(z, utc_sec));
}

bool zone_next_change(const struct zone *z, int64_t utc_sec, int64_t *ret_sec)
{
    size_t i = changes_until(z, utc_sec);

    if (i == z->n)
        return false;
    *ret_sec = z->changes[i].at_sec;
    return true;
}

int64_t zone_from_local(const struct zone *z, int64_t local_sec)
{
    size_t low = 0, high = z->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int32_t before = offset_before(z, middle), after = z->changes[middle].offset_sec;

        /* Until the clock has passed both what it showed before and what it shows after, the
         * offset before holds: so it does in the gap, and when it shows the same again. */
        if (z->changes[middle].at_sec + (before > after ? before : after) <= local_sec)
            low = middle + 1;
        else
            high = middle;
    }
    return local_sec - offset_before(z, low);
}
