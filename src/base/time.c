/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time.c - clocks and the texts of instants.
 *
 * A text is either understood to its end or refused; a day that the calendar
 * does not have is refused, never carried over into the next month.
 */
#include "base/time.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#define DAY_SEC 86400

static int64_t clock_usec(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

int64_t time_now_usec(void)
{
    return clock_usec(CLOCK_REALTIME);
}

int64_t time_monotonic_usec(void)
{
    return clock_usec(CLOCK_MONOTONIC);
}

int64_t time_thread_cpu_usec(void)
{
    return clock_usec(CLOCK_THREAD_CPUTIME_ID);
}

const char *time_to_rfc3339(int64_t usec, char *buf)
{
    buf[0] = '\0';
    if (usec == 0)
        return buf;
    int64_t fraction = usec % USEC_PER_SEC;
    time_t sec = (time_t)(usec / USEC_PER_SEC);
    if (fraction < 0) {
        fraction += USEC_PER_SEC;
        sec--;
    }
    struct tm tm;
    if (!gmtime_r(&sec, &tm))
        return buf;
    size_t n = strftime(buf, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fraction)
        n += (size_t)snprintf(buf + n, 40 - n, ".%06d", (int)fraction);
    snprintf(buf + n, 40 - n, "Z");
    return buf;
}

/* ---- scanning ---- */

/* Exactly `digits` digits; false leaves *s alone. */
static bool scan_int(const char **s, int digits, int *ret)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if ((*s)[i] < '0' || (*s)[i] > '9')
            return false;
        value = value * 10 + (*s)[i] - '0';
    }
    *s += digits;
    *ret = value;
    return true;
}

/* One or two digits. */
static bool scan_short(const char **s, int *ret)
{
    return scan_int(s, 2, ret) || scan_int(s, 1, ret);
}

static bool scan_char(const char **s, char c)
{
    if (**s != c)
        return false;
    ++*s;
    return true;
}

static bool is_date(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

/* "YYYY-MM-DD" into tm. */
static bool scan_iso_date(const char **s, struct tm *tm)
{
    int year, month, day;
    if (!scan_int(s, 4, &year) || !scan_char(s, '-') || !scan_int(s, 2, &month) ||
        !scan_char(s, '-') || !scan_int(s, 2, &day) || !is_date(year, month, day))
        return false;
    *tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_isdst = -1};
    return true;
}

/* "HH:MM[:SS[.fraction]]" into tm; digits after the sixth of the fraction are dropped. */
static bool scan_iso_clock(const char **s, struct tm *tm, int64_t *ret_fraction_usec)
{
    if (!scan_int(s, 2, &tm->tm_hour) || !scan_char(s, ':') || !scan_int(s, 2, &tm->tm_min))
        return false;
    *ret_fraction_usec = 0;
    if (scan_char(s, ':')) {
        if (!scan_int(s, 2, &tm->tm_sec))
            return false;
        if (scan_char(s, '.')) {
            int digit;
            int64_t unit = USEC_PER_SEC / 10;
            if (!scan_int(s, 1, &digit))
                return false;
            do {
                *ret_fraction_usec += digit * unit;
                unit /= 10;
            } while (scan_int(s, 1, &digit));
        }
    }
    /* RFC 3339 writes a leap second as :60. */
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* "Z" or "+HH:MM". */
static bool scan_zone(const char **s, int *ret_offset_sec)
{
    *ret_offset_sec = 0;
    if (scan_char(s, 'Z') || scan_char(s, 'z'))
        return true;
    int hours, minutes, sign = **s == '-' ? -1 : 1;
    if (!scan_char(s, '+') && !scan_char(s, '-'))
        return false;
    if (!scan_int(s, 2, &hours) || !scan_char(s, ':') || !scan_int(s, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *ret_offset_sec = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int from_sec(int64_t sec, int64_t fraction_usec, int64_t *ret_usec)
{
    if (sec < 0 || sec > INT64_MAX / USEC_PER_SEC - 1)
        return -ERANGE;
    *ret_usec = sec * USEC_PER_SEC + fraction_usec;
    return 0;
}

int time_from_rfc3339(const char *s, int64_t *ret_usec)
{
    struct tm tm;
    int64_t fraction = 0;
    int offset;
    if (!scan_iso_date(&s, &tm))
        return -EINVAL;
    if (*s == '\0')
        return from_sec(mktime(&tm), 0, ret_usec);
    if (!scan_char(&s, 'T') && !scan_char(&s, 't') && !scan_char(&s, ' '))
        return -EINVAL;
    if (!scan_iso_clock(&s, &tm, &fraction))
        return -EINVAL;
    if (*s == '\0')
        return from_sec(mktime(&tm), fraction, ret_usec);
    if (!scan_zone(&s, &offset) || *s)
        return -EINVAL;
    return from_sec(timegm(&tm) - offset, fraction, ret_usec);
}

/* ---- Slurm's forms ---- */

/* What has been said so far; -1: nothing. */
struct moment {
    int year, month, day;
    int hour, minute, second;
};

static bool is_word_end(char c)
{
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
}

static bool scan_word(const char **s, const char *word)
{
    size_t n = strlen(word);
    if (strncasecmp(*s, word, n) != 0 || !is_word_end((*s)[n]))
        return false;
    *s += n;
    return true;
}

static bool scan_clock_word(const char **s, struct moment *m)
{
    static const struct {
        const char *word;
        int hour;
    } words[] = {{"midnight", 0}, {"elevenses", 11}, {"noon", 12}, {"fika", 15}, {"teatime", 16}};
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        if (!scan_word(s, words[i].word))
            continue;
        m->hour = words[i].hour;
        m->minute = m->second = 0;
        return true;
    }
    return false;
}

/* "H:MM[:SS]" and what may follow: "am", "pm". */
static bool scan_clock(const char **s, struct moment *m)
{
    const char *p = *s;
    int hour, minute, second = 0;
    if (!scan_short(&p, &hour) || !scan_char(&p, ':') || !scan_int(&p, 2, &minute))
        return false;
    if (scan_char(&p, ':') && !scan_int(&p, 2, &second))
        return false;
    const char *q = p;
    while (*q == ' ')
        q++;
    bool pm = scan_word(&q, "pm");
    if (pm || scan_word(&q, "am")) {
        if (hour < 1 || hour > 12)
            return false;
        hour = hour % 12 + (pm ? 12 : 0);
        p = q;
    }
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    m->hour = hour;
    m->minute = minute;
    m->second = second;
    *s = p;
    return true;
}

/* "MMDD[YY]", "MM/DD[/YY]", "MM.DD[.YY]" or "YYYY-MM-DD". */
static bool scan_date(const char **s, struct moment *m)
{
    const char *p = *s;
    struct tm tm;
    int year = -1, month, day;
    if (scan_iso_date(&p, &tm)) {
        year = tm.tm_year + 1900;
        month = tm.tm_mon + 1;
        day = tm.tm_mday;
        *s = p;
    } else {
        p = *s;
        if (!scan_short(&p, &month))
            return false;
        char between = *p == '/' || *p == '.' ? *p++ : '\0';
        if (!(between ? scan_short(&p, &day) : scan_int(&p, 2, &day)))
            return false;
        if (between ? scan_char(&p, between) : *p >= '0' && *p <= '9') {
            if (!scan_int(&p, 2, &year))
                return false;
            year += 2000;
        }
        /* Without a year any leap day will do; which year is decided with the time of day. */
        if (!is_date(year < 0 ? 2000 : year, month, day) || (*p >= '0' && *p <= '9'))
            return false;
        *s = p;
    }
    m->year = year;
    m->month = month;
    m->day = day;
    return true;
}

static bool scan_day_word(const char **s, int64_t now_usec, struct moment *m)
{
    bool tomorrow = scan_word(s, "tomorrow");
    if (!tomorrow && !scan_word(s, "today"))
        return false;
    time_t now = (time_t)(now_usec / USEC_PER_SEC);
    struct tm tm;
    localtime_r(&now, &tm);
    tm.tm_mday += tomorrow;
    tm.tm_hour = 12; /* no zone changes its offset at noon */
    tm.tm_isdst = -1;
    mktime(&tm);
    m->year = tm.tm_year + 1900;
    m->month = tm.tm_mon + 1;
    m->day = tm.tm_mday;
    return true;
}

/* What follows "now": nothing, or a count with a unit (seconds if none). */
static int from_now(const char *s, int64_t now_usec, int64_t *ret_usec)
{
    static const struct {
        const char *word;
        int64_t sec;
    } units[] = {
        {"", 1},
        {"s", 1},
        {"sec", 1},
        {"secs", 1},
        {"second", 1},
        {"seconds", 1},
        {"m", 60},
        {"min", 60},
        {"mins", 60},
        {"minute", 60},
        {"minutes", 60},
        {"h", 3600},
        {"hour", 3600},
        {"hours", 3600},
        {"d", DAY_SEC},
        {"day", DAY_SEC},
        {"days", DAY_SEC},
        {"w", 7 * DAY_SEC},
        {"week", 7 * DAY_SEC},
        {"weeks", 7 * DAY_SEC},
    };
    while (*s == ' ')
        s++;
    if (!*s) {
        *ret_usec = now_usec;
        return 0;
    }
    int sign = *s == '-' ? -1 : 1;
    if (*s != '+' && *s != '-')
        return -EINVAL;
    s++;
    while (*s == ' ')
        s++;
    size_t digits = strspn(s, "0123456789");
    if (digits == 0)
        return -EINVAL;
    if (digits > 10)
        return -ERANGE;
    int64_t count = 0;
    for (size_t i = 0; i < digits; i++)
        count = count * 10 + s[i] - '0';
    s += digits;
    while (*s == ' ')
        s++;
    for (size_t i = 0; i < ELEMENTS(units); i++) {
        if (strcasecmp(s, units[i].word) != 0)
            continue;
        int64_t sec = now_usec / USEC_PER_SEC + sign * count * units[i].sec;
        return from_sec(sec, now_usec % USEC_PER_SEC, ret_usec);
    }
    return -EINVAL;
}

static int64_t moment_usec(const struct moment *m)
{
    struct tm tm = {.tm_year = m->year - 1900,
                    .tm_mon = m->month - 1,
                    .tm_mday = m->day,
                    .tm_hour = m->hour,
                    .tm_min = m->minute,
                    .tm_sec = m->second,
                    .tm_isdst = -1};
    return mktime(&tm) * USEC_PER_SEC;
}

/* Fills in what was not said: the coming instant that fits. */
static int resolve(struct moment *m, int64_t now_usec, int64_t *ret_usec)
{
    const char *today = "today", *tomorrow = "tomorrow";
    if (m->hour < 0)
        m->hour = m->minute = m->second = 0;
    if (m->month < 0) {
        scan_day_word(&today, now_usec, m);
        if (moment_usec(m) < now_usec)
            scan_day_word(&tomorrow, now_usec, m);
    } else if (m->year < 0) {
        struct moment now;
        scan_day_word(&today, now_usec, &now);
        m->year = now.year;
        /* At most eight years on there is a 29 February. */
        while (!is_date(m->year, m->month, m->day) || moment_usec(m) < now_usec)
            m->year++;
    }
    return from_sec(moment_usec(m) / USEC_PER_SEC, 0, ret_usec);
}

int time_from_slurm(const char *s, int64_t now_usec, int64_t *ret_usec)
{
    if (time_from_rfc3339(s, ret_usec) == 0)
        return 0;
    while (*s == ' ')
        s++;
    if (scan_word(&s, "now"))
        return from_now(s, now_usec, ret_usec);

    struct moment m = {-1, -1, -1, -1, -1, -1};
    while (*s) {
        bool known = (m.hour < 0 && (scan_clock_word(&s, &m) || scan_clock(&s, &m))) ||
                     (m.month < 0 && (scan_day_word(&s, now_usec, &m) || scan_date(&s, &m)));
        if (!known)
            return -EINVAL;
        /* Between date and time stands a blank, "T" or, in MM/DD-HH:MM, a dash. */
        const char *after = s;
        while (*s == ' ')
            s++;
        if (s == after && *s && *s != 'T' && *s != '-')
            return -EINVAL;
        if (s == after && *s && !*++s)
            return -EINVAL;
    }
    if (m.hour < 0 && m.month < 0)
        return -EINVAL;
    return resolve(&m, now_usec, ret_usec);
}
