/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar_rule.c - the text of a rule of RFC 5545 (3.3.10).
 *
 * Each part is checked here, by a table, so that whoever wrote it is told which part will not do,
 * and libical sees nothing that it would read leniently. It gets the parts about days; times of
 * day, COUNT and UNTIL are ours, so the work of a walk grows with the days alone.
 */
#include "codec/calendar_rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* Everything that is refused here is refused this way. */
#define REFUSE(err, remedy, ...)                                                                   \
    (error_set(err, EINVAL, "repeat", __VA_ARGS__), error_hint(err, NULL, remedy), -EINVAL)

enum frequency { DAILY = 1, WEEKLY = 2, MONTHLY = 4, YEARLY = 8, ANY = 15 };
static const char *const frequencies[] = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
static const char *const weekdays[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

enum part {
    FREQ,
    INTERVAL,
    WKST,
    BYMONTH,
    BYWEEKNO,
    BYYEARDAY,
    BYMONTHDAY,
    BYDAY,
    BYSETPOS,
    N_DAY_PARTS, /* those before are libical's */
    BYHOUR = N_DAY_PARTS,
    BYMINUTE,
    COUNT,
    UNTIL,
    N_PARTS
};

/* What a part may hold: numbers of [min, max] and, with `back`, those counted from the end. */
static const struct part_row {
    const char *name;
    int min, max;
    bool numbers, list, back;
    unsigned frequencies;
} part_rows[N_PARTS] = {
    [FREQ] = {"FREQ", 0, 0, false, false, false, ANY},
    [INTERVAL] = {"INTERVAL", 1, 999, true, false, false, ANY},
    [WKST] = {"WKST", 0, 0, false, false, false, ANY},
    [BYMONTH] = {"BYMONTH", 1, 12, true, true, false, ANY},
    [BYWEEKNO] = {"BYWEEKNO", 2, 51, true, true, false, YEARLY},
    [BYYEARDAY] = {"BYYEARDAY", 1, 366, true, true, true, YEARLY},
    [BYMONTHDAY] = {"BYMONTHDAY", 1, 31, true, true, true, MONTHLY | YEARLY},
    [BYDAY] = {"BYDAY", 1, 53, false, true, true, ANY},
    [BYSETPOS] = {"BYSETPOS", 1, 366, true, true, true, MONTHLY | YEARLY},
    [BYHOUR] = {"BYHOUR", 0, 23, true, true, false, ANY},
    [BYMINUTE] = {"BYMINUTE", 0, 59, true, true, false, ANY},
    [COUNT] = {"COUNT", 1, 65535, true, false, false, ANY},
    [UNTIL] = {"UNTIL", 0, 0, false, false, false, ANY},
};

/* Slurm's flags of a reservation. */
static const struct {
    const char *word, *rule;
} words[] = {
    {"HOURLY", "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23"},
    {"DAILY", "FREQ=DAILY"},
    {"WEEKLY", "FREQ=WEEKLY"},
    {"WEEKDAY", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
    {"WEEKEND", "FREQ=WEEKLY;BYDAY=SA,SU"},
};

struct reader {
    char text[CALENDAR_RULE_MAX + 1]; /* upper case; parted in place */
    const char *values[N_PARTS];      /* NULL: the rule has no such part */
    enum frequency frequency;
    struct vdi_error *err;
};

/* ---- parts ---- */

static int part_of(const char *name)
{
    for (int i = 0; i < N_PARTS; i++)
        if (!strcmp(part_rows[i].name, name))
            return i;
    return -1;
}

static int refuse_part(struct reader *r, const char *name)
{
    static const char *const known[] = {"BYSECOND", "RSCALE", "SKIP"};

    for (size_t i = 0; i < ELEMENTS(known); i++)
        if (!strcmp(known[i], name))
            return REFUSE(r->err, "leave it out", "%s is not supported", name);
    return REFUSE(r->err,
                  "parts are FREQ INTERVAL COUNT UNTIL WKST BYDAY BYMONTH BYMONTHDAY BYYEARDAY "
                  "BYWEEKNO BYSETPOS BYHOUR BYMINUTE, each NAME=VALUE, and ';' between",
                  "'%.40s' is no part of a rule", name);
}

/* "FREQ=WEEKLY;BYDAY=MO" into values. */
static int split(struct reader *r)
{
    char *rest = r->text, *clause;

    while ((clause = strsep(&rest, ";"))) {
        char *value = clause, *name = strsep(&value, "=");
        int part = part_of(name);

        if (!*name && !rest && r->values[FREQ])
            break; /* a ';' at the end */
        if (part < 0 || !value)
            return refuse_part(r, clause);
        if (r->values[part])
            return REFUSE(r->err, "write it once", "the rule has %s twice", name);
        if (!*value)
            return REFUSE(r->err, "give it a value, or leave it out", "%s is empty", name);
        r->values[part] = value;
    }
    return 0;
}

/* ---- values ---- */

static bool is_weekday(const char *s)
{
    for (size_t i = 0; i < ELEMENTS(weekdays); i++)
        if (!strcmp(weekdays[i], s))
            return true;
    return false;
}

/* A number of the part's range at *s, which is moved behind it. */
static bool scan_number(const struct part_row *row, const char **s, int *ret)
{
    bool back = **s == '-';
    int value = 0, digits = 0;

    if (back || **s == '+')
        ++*s;
    for (; isdigit((unsigned char)**s) && digits < 5; digits++)
        value = value * 10 + *(*s)++ - '0';
    *ret = back ? -value : value;
    return digits > 0 && value >= row->min && value <= row->max && (!back || row->back);
}

static bool is_item(const struct part_row *row, const char *s)
{
    int number;

    if (row->numbers)
        return scan_number(row, &s, &number) && !*s;
    /* BYDAY: "MO", "-1FR" */
    return (!isdigit((unsigned char)s[0]) && s[0] != '-' && s[0] != '+') ||
                   scan_number(row, &s, &number)
               ? is_weekday(s)
               : false;
}

static int check_items(struct reader *r, enum part part)
{
    const struct part_row *row = &part_rows[part];
    char copy[CALENDAR_RULE_MAX + 1], *rest = copy, *item, limit[64];

    str_copy(copy, sizeof(copy), r->values[part]);
    while ((item = row->list ? strsep(&rest, ",") : rest)) {
        if (!is_item(row, item)) {
            snprintf(limit, sizeof(limit), "%s%d to %d%s", row->numbers ? "" : "MO to SU, with ",
                     row->min, row->max, row->back ? ", or from the end with '-'" : "");
            error_set(r->err, EINVAL, "repeat", "'%.40s' will not do for %s", item, row->name);
            error_hint(r->err, limit, "write one that there is");
            return -EINVAL;
        }
        if (!row->list)
            break;
    }
    return 0;
}

static int check_frequency(struct reader *r)
{
    const char *value = r->values[FREQ];

    if (!value)
        return REFUSE(r->err, "begin with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY",
                      "the rule has no FREQ");
    for (size_t i = 0; i < ELEMENTS(frequencies); i++)
        if (!strcmp(value, frequencies[i]))
            r->frequency = 1u << i;
    if (!r->frequency)
        return REFUSE(r->err,
                      "write FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; several times a day are "
                      "FREQ=DAILY with BYHOUR and BYMINUTE",
                      "FREQ=%.40s is not supported", value);
    for (int i = 0; i < N_PARTS; i++)
        if (r->values[i] && !(part_rows[i].frequencies & r->frequency))
            return REFUSE(r->err, "leave one of them out, or take another FREQ",
                          "%s does not go with FREQ=%s", part_rows[i].name, value);
    return 0;
}

/* No month of BYMONTH is as long as a day of BYMONTHDAY says: the day that never comes. */
static bool has_month_day(const struct icalrecurrencetype *days)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (days->by_month[0] == ICAL_RECURRENCE_ARRAY_MAX ||
        days->by_month_day[0] == ICAL_RECURRENCE_ARRAY_MAX)
        return true;
    for (const short *m = days->by_month; *m != ICAL_RECURRENCE_ARRAY_MAX; m++)
        for (const short *d = days->by_month_day; *d != ICAL_RECURRENCE_ARRAY_MAX; d++)
            if (abs(*d) <= lengths[*m - 1])
                return true;
    return false;
}

static int check_together(struct reader *r)
{
    const char *const *v = r->values;

    if (v[COUNT] && v[UNTIL])
        return REFUSE(r->err, "leave one of them out",
                      "COUNT and UNTIL both say where the rule ends");
    if (v[BYDAY] && strpbrk(v[BYDAY], "0123456789") &&
        (r->frequency & (DAILY | WEEKLY) || v[BYWEEKNO] || v[BYMONTHDAY]))
        return REFUSE(r->err, "leave the numbers out",
                      "a number in BYDAY needs FREQ=MONTHLY or FREQ=YEARLY, and no BYMONTHDAY or "
                      "BYWEEKNO");
    /* What libical makes of these is not what RFC 5545 wants. */
    if (v[BYYEARDAY] && (v[BYMONTH] || v[BYWEEKNO] || v[BYMONTHDAY] || v[BYDAY]))
        return REFUSE(r->err, "leave the others out",
                      "BYYEARDAY does not go with BYMONTH, BYMONTHDAY, BYWEEKNO and BYDAY");
    if (v[BYWEEKNO] && (!v[BYDAY] || v[BYMONTH] || v[BYMONTHDAY] || v[BYSETPOS]))
        return REFUSE(
            r->err, "say the day with BYDAY, and leave the others out",
            "BYWEEKNO needs BYDAY, and does not go with BYMONTH, BYMONTHDAY and BYSETPOS");
    if (v[BYSETPOS] && v[BYMONTHDAY] && strchr(v[BYMONTHDAY], '-'))
        return REFUSE(r->err, "count the days from the first",
                      "BYSETPOS does not go with days of BYMONTHDAY from the end");
    if (v[BYSETPOS] && !v[BYDAY] && !v[BYMONTHDAY] && !v[BYYEARDAY] && !v[BYMONTH])
        return REFUSE(r->err, "add BYDAY or BYMONTHDAY, or leave it out",
                      "BYSETPOS chooses among days, and there is no other part that gives some");
    if (v[WKST] && !is_weekday(v[WKST]))
        return REFUSE(r->err, "write WKST=MO", "'%.40s' will not do for WKST", v[WKST]);
    /* libical goes back too far to the week's first day; every week is every week all the same. */
    if (v[WKST] && strcmp(v[WKST], "MO") && strcmp(v[WKST], "SU") &&
        ((v[INTERVAL] && strcmp(v[INTERVAL], "1")) || v[BYWEEKNO]))
        return REFUSE(r->err, "write WKST=MO or WKST=SU, or leave it out",
                      "WKST=%s does not go with INTERVAL or BYWEEKNO", v[WKST]);
    return 0;
}

/* ---- what calendar.c needs ---- */

static bool has_form(const char *s, const char *form)
{
    for (; *form; s++, form++)
        if (*form == 'd' ? !isdigit((unsigned char)*s) : *s != *form)
            return false;
    return !*s;
}

bool calendar_scan(const char *text, int64_t *ret_sec, bool *ret_date)
{
    static const char *const forms[] = {"dddd-dd-ddTdd:dd:dd", "dddd-dd-ddTdd:dd", "dddd-dd-dd",
                                        "ddddddddTdddddd", "dddddddd"};
    int digits[14] = {0}, n = 0;
    size_t form = 0;
    struct tm tm = {0}, again;
    time_t sec;

    while (form < ELEMENTS(forms) && !has_form(text, forms[form]))
        form++;
    if (form == ELEMENTS(forms))
        return false;
    for (; *text; text++)
        if (isdigit((unsigned char)*text))
            digits[n++] = *text - '0';
    tm.tm_year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3] - 1900;
    tm.tm_mon = digits[4] * 10 + digits[5] - 1;
    tm.tm_mday = digits[6] * 10 + digits[7];
    tm.tm_hour = digits[8] * 10 + digits[9];
    tm.tm_min = digits[10] * 10 + digits[11];
    tm.tm_sec = digits[12] * 10 + digits[13];
    again = tm;
    sec = timegm(&again);
    /* What the calendar does not have was carried over. */
    if (tm.tm_mday != again.tm_mday || tm.tm_mon != again.tm_mon || tm.tm_hour != again.tm_hour ||
        tm.tm_min != again.tm_min || tm.tm_sec != again.tm_sec)
        return false;
    *ret_sec = sec;
    *ret_date = n == 8;
    return true;
}

void calendar_print(int64_t local_sec, bool time, char *ret, size_t size)
{
    time_t sec = (time_t)local_sec;
    struct tm tm;

    gmtime_r(&sec, &tm);
    strftime(ret, size,
             !time       ? "%Y-%m-%d"
             : tm.tm_sec ? "%Y-%m-%dT%H:%M:%S"
                         : "%Y-%m-%dT%H:%M",
             &tm);
}

static int take_until(struct reader *r, struct calendar_rule *rule)
{
    char text[sizeof("20270212T225959Z")];
    size_t len = strlen(r->values[UNTIL]);
    bool utc, date;

    utc = len > 0 && r->values[UNTIL][len - 1] == 'Z';
    if (!str_copy(text, sizeof(text), r->values[UNTIL]))
        text[0] = '\0';
    else if (utc)
        text[len - 1] = '\0';
    if (!calendar_scan(text, &rule->until_sec, &date) || (utc && date))
        return REFUSE(r->err, "write UNTIL=20270212, or UNTIL=20270212T225959Z",
                      "'%.40s' will not do for UNTIL", r->values[UNTIL]);
    rule->until = utc ? UNTIL_UTC : UNTIL_LOCAL;
    if (date) /* that day is in it */
        rule->until_sec += 86400 - 1;
    return 0;
}

/* The numbers of a list that was checked, in their order, each once; or `otherwise` alone. */
static size_t list_numbers(const struct reader *r, enum part part, int otherwise, bool *set)
{
    const char *s = r->values[part];
    size_t n = 0;
    int number = otherwise;

    do {
        if (s)
            scan_number(&part_rows[part], &s, &number);
        n += !set[number];
        set[number] = true;
    } while (s && *s++ == ',');
    return n;
}

static int take_times(struct reader *r, int64_t start_sec, struct calendar_rule *rule)
{
    bool hours[24] = {false}, minutes[60] = {false};
    int start = (int)(start_sec % 86400);
    size_t n = list_numbers(r, BYHOUR, start / 3600, hours) *
               list_numbers(r, BYMINUTE, start / 60 % 60, minutes);

    if (n > CALENDAR_TIMES_MAX) {
        error_set(r->err, EINVAL, "repeat", "BYHOUR and BYMINUTE give %zu times a day", n);
        error_hint(r->err, "24 times a day", "make more classes of it");
        return -EINVAL;
    }
    if (n > 1 && r->values[BYSETPOS])
        return REFUSE(r->err, "leave one of them out",
                      "BYSETPOS does not go with several times a day");
    for (int hour = 0; hour < 24; hour++)
        for (int minute = 0; hours[hour] && minute < 60; minute++)
            if (minutes[minute])
                rule->times_sec[rule->n_times++] = hour * 3600 + minute * 60 + start % 60;
    return 0;
}

static int take_days(struct reader *r, struct calendar_rule *rule)
{
    struct buf text = BUF_INIT(2 * CALENDAR_RULE_MAX);

    for (int i = 0; i < N_DAY_PARTS; i++)
        if (r->values[i])
            buf_printf(&text, "%s%s=%s", i ? ";" : "", part_rows[i].name, r->values[i]);
    /* Days of months that are not named are days of all months; libical takes the start's. */
    if (r->frequency == YEARLY && r->values[BYMONTHDAY] && !r->values[BYMONTH])
        buf_puts(&text, ";BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12");
    if (text.failed) {
        buf_done(&text);
        return error_set(r->err, ENOMEM, "", "out of memory");
    }
    rule->days = icalrecurrencetype_from_string(text.data);
    buf_done(&text);
    if (rule->days.freq == ICAL_NO_RECURRENCE)
        return REFUSE(r->err, "write it as RFC 5545 has it", "the rule cannot be read");
    if (!has_month_day(&rule->days))
        return REFUSE(r->err, "change BYMONTH or BYMONTHDAY",
                      "no month of BYMONTH has a day of BYMONTHDAY");
    return 0;
}

const char *calendar_rule_text(const char *text)
{
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (!strcasecmp(text, words[i].word))
            return words[i].rule;
    return text;
}

/* Into upper case, as names and values may be written in any. */
static int take_text(struct reader *r, const char *text)
{
    text = calendar_rule_text(text);
    if (!str_copy(r->text, sizeof(r->text), text)) {
        error_set(r->err, EINVAL, "repeat", "the rule is too long");
        error_hint(r->err, "1024 bytes", "make more classes of it");
        return -EINVAL;
    }
    for (char *s = r->text; *s; s++) {
        if (!isalnum((unsigned char)*s) && !strchr("=;,+-_", *s))
            return REFUSE(r->err, "write it as RFC 5545 has it: FREQ=WEEKLY;BYDAY=MO",
                          "character %zu of the rule will not do", (size_t)(s - r->text) + 1);
        *s = (char)toupper((unsigned char)*s);
    }
    return 0;
}

int calendar_rule_parse(const char *text, int64_t start_sec, struct calendar_rule *ret,
                        struct vdi_error *err)
{
    struct reader reader = {.err = err}, *r = &reader;
    struct calendar_rule rule = {0};
    int result = take_text(r, text);

    if (result == 0)
        result = split(r);
    if (result == 0)
        result = check_frequency(r);
    for (int i = 0; i < N_PARTS && result == 0; i++)
        if (r->values[i] && (part_rows[i].numbers || i == BYDAY))
            result = check_items(r, (enum part)i);
    if (result == 0)
        result = check_together(r);
    if (result == 0 && r->values[UNTIL])
        result = take_until(r, &rule);
    if (result == 0)
        result = take_times(r, start_sec, &rule);
    if (result == 0)
        result = take_days(r, &rule);
    if (result < 0)
        return result;
    if (r->values[COUNT]) {
        const char *s = r->values[COUNT];
        int count;

        scan_number(&part_rows[COUNT], &s, &count);
        rule.count = (unsigned)count;
    }
    *ret = rule;
    return 0;
}
