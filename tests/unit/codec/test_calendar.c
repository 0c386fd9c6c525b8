/* SPDX-License-Identifier: Apache-2.0 */
/* test_calendar.c - when a class takes place, and what is refused; dateutil: t1150-calendar.t */
#include <codec/calendar.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/time.h"

#define EVER INT64_C(4200000000000000)

static struct calendar_text text_of(const char *starts, const char *duration, const char *repeat)
{
    return (struct calendar_text){
        .starts = starts, .duration = duration, .zone = "Europe/Berlin", .repeat = repeat};
}

static struct calendar *calendar_of(const struct calendar_text *text)
{
    struct calendar *c = NULL;
    struct vdi_error err = {0};
    char why[640];

    if (calendar_new(text, &c, &err) != 0)
        fail_msg("%s", error_text(&err, why, sizeof(why)));
    return c;
}

/* "NAME=UTC NAME=UTC ..." of all occurrences in [from, to). */
static void are_between(const struct calendar_text *text, const char *from, const char *to,
                        const char *wanted)
{
    struct calendar *c = calendar_of(text);
    struct calendar_occurrence *list = NULL;
    struct vdi_error err = {0};
    int64_t from_usec = 0, to_usec = EVER;
    char got[4096] = "";
    size_t n = 0;

    if (from)
        assert_int_equal(time_from_rfc3339(from, &from_usec), 0);
    if (to)
        assert_int_equal(time_from_rfc3339(to, &to_usec), 0);
    assert_int_equal(calendar_occurrences(c, from_usec, to_usec, 100, &list, &n, &err), 0);
    for (size_t i = 0; i < n; i++) {
        char at[40];
        size_t len = strlen(got);

        snprintf(got + len, sizeof(got) - len, "%s%s=%s", i ? " " : "", list[i].name,
                 time_to_rfc3339(list[i].from_usec, at));
    }
    assert_string_equal(got, wanted);
    free(list);
    calendar_free(c);
}

static void are(const struct calendar_text *text, const char *wanted)
{
    are_between(text, NULL, NULL, wanted);
}

static void refused(const struct calendar_text *text, const char *wanted)
{
    struct calendar *c = NULL;
    struct vdi_error err = {0};
    char why[640];

    if (calendar_new(text, &c, &err) == 0)
        fail_msg("'%s' was taken", text->repeat);
    assert_string_equal(error_text(&err, why, sizeof(why)), wanted);
    assert_null(c);
}

static void refused_rule(const char *repeat, const char *wanted)
{
    struct calendar_text text = text_of("2026-10-13T10:15", "90m", repeat);

    refused(&text, wanted);
}

static void term(void **state)
{
    static const char *const except[] = {"2026-10-27", "2026-11-10/2026-11-17", "2026-12-01T10:15"};
    struct calendar_text text =
        text_of("2026-10-13T10:15", "90m", "FREQ=WEEKLY;UNTIL=20261208T091500Z");

    /* The clock on the wall stays; summer time ends on October the 25th. */
    are(&text, "2026-10-13=2026-10-13T08:15:00Z 2026-10-20=2026-10-20T08:15:00Z "
               "2026-10-27=2026-10-27T09:15:00Z 2026-11-03=2026-11-03T09:15:00Z "
               "2026-11-10=2026-11-10T09:15:00Z 2026-11-17=2026-11-17T09:15:00Z "
               "2026-11-24=2026-11-24T09:15:00Z 2026-12-01=2026-12-01T09:15:00Z "
               "2026-12-08=2026-12-08T09:15:00Z");
    text.except = except;
    text.n_except = 3;
    are(&text, "2026-10-13=2026-10-13T08:15:00Z 2026-10-20=2026-10-20T08:15:00Z "
               "2026-11-03=2026-11-03T09:15:00Z 2026-11-24=2026-11-24T09:15:00Z "
               "2026-12-08=2026-12-08T09:15:00Z");
    /* UNTIL is an instant: a second less and the last is gone. */
    text.repeat = "FREQ=WEEKLY;UNTIL=20261208T091459Z";
    are_between(&text, "2026-11-20T00:00:00Z", NULL, "2026-11-24=2026-11-24T09:15:00Z");
    text.repeat = "FREQ=WEEKLY;UNTIL=20261208";
    are_between(&text, "2026-12-05T00:00:00Z", NULL, "2026-12-08=2026-12-08T09:15:00Z");
    text.repeat = "FREQ=WEEKLY;UNTIL=20261208T101500";
    are_between(&text, "2026-12-05T00:00:00Z", NULL, "2026-12-08=2026-12-08T09:15:00Z");
}

static void ranges(void **state)
{
    struct calendar_text text = text_of("2026-11-03T10:15", "90m", "FREQ=WEEKLY");

    /* What runs at the range's begin is in it, what ends or begins at an edge is not. */
    are_between(&text, "2026-11-10T10:44:59Z", "2026-11-17T09:15:01Z",
                "2026-11-10=2026-11-10T09:15:00Z 2026-11-17=2026-11-17T09:15:00Z");
    are_between(&text, "2026-11-10T10:45:00Z", "2026-11-17T09:15:00Z", "");
    are_between(&text, NULL, "2026-11-03T09:15:00Z", "");
    are_between(&text, "2099-12-25T00:00:00Z", NULL, "2099-12-29=2099-12-29T09:15:00Z");
    text.repeat = "";
    are(&text, "2026-11-03=2026-11-03T09:15:00Z");
}

static void edges(void **state)
{
    /* 02:30 is not there on the 29th, and is there twice on October the 25th. */
    struct calendar_text text = text_of("2026-03-28T02:30", "30m", "FREQ=DAILY;COUNT=3");

    are(&text, "2026-03-28=2026-03-28T01:30:00Z 2026-03-29=2026-03-29T01:30:00Z "
               "2026-03-30=2026-03-30T00:30:00Z");
    text.starts = "2026-10-24T02:30";
    are(&text, "2026-10-24=2026-10-24T00:30:00Z 2026-10-25=2026-10-25T00:30:00Z "
               "2026-10-26=2026-10-26T01:30:00Z");
    /* 02:30 falls on 03:30 and is that one; 02:00 falls on 03:00, which is before 03:30. */
    text = text_of("2026-03-29T01:30", "30m", "FREQ=DAILY;BYHOUR=1,2,3;COUNT=3");
    are(&text, "2026-03-29T01:30=2026-03-29T00:30:00Z 2026-03-29T03:30=2026-03-29T01:30:00Z");
    text = text_of("2026-03-29T02:45", "10m", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,45;COUNT=3");
    are(&text, "2026-03-29T03:00=2026-03-29T01:00:00Z 2026-03-29T03:45=2026-03-29T01:45:00Z");
    /* A duration is time that passes: three hours, though the clock shows four. */
    text = text_of("2026-03-29T00:00", "3h", "");
    are_between(&text, "2026-03-29T01:59:59Z", NULL, "2026-03-29=2026-03-28T23:00:00Z");
    are_between(&text, "2026-03-29T02:00:00Z", NULL, "");
}

static void rules(void **state)
{
    struct calendar_text text = text_of("2026-01-31T10:15", "1h", "FREQ=MONTHLY;COUNT=3");

    are(&text, "2026-01-31=2026-01-31T09:15:00Z 2026-03-31=2026-03-31T08:15:00Z "
               "2026-05-31=2026-05-31T08:15:00Z");
    text.repeat = "freq=monthly;byday=-1sa;count=2;";
    are(&text, "2026-01-31=2026-01-31T09:15:00Z 2026-02-28=2026-02-28T09:15:00Z");
    text.repeat = "FREQ=WEEKLY;BYDAY=SA,SA;COUNT=2";
    are(&text, "2026-01-31=2026-01-31T09:15:00Z 2026-02-07=2026-02-07T09:15:00Z");
    text.repeat = "FREQ=YEARLY;BYMONTHDAY=31;COUNT=2";
    are(&text, "2026-01-31=2026-01-31T09:15:00Z 2026-03-31=2026-03-31T08:15:00Z");
    text.repeat = "FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=10,14;COUNT=3";
    are(&text, "2026-01-31T10:15=2026-01-31T09:15:00Z 2026-01-31T14:15=2026-01-31T13:15:00Z "
               "2026-02-01T10:15=2026-02-01T09:15:00Z");
    /* Slurm's words. */
    text.repeat = "WEEKEND";
    are_between(&text, NULL, "2026-02-07T12:00:00Z",
                "2026-01-31=2026-01-31T09:15:00Z 2026-02-01=2026-02-01T09:15:00Z "
                "2026-02-07=2026-02-07T09:15:00Z");
    text.starts = "2026-02-06T10:15:30";
    text.repeat = "WEEKDAY";
    are_between(&text, NULL, "2026-02-10T00:00:00Z",
                "2026-02-06=2026-02-06T09:15:30Z 2026-02-09=2026-02-09T09:15:30Z");
    text.repeat = "Daily";
    are_between(&text, NULL, "2026-02-08T00:00:00Z",
                "2026-02-06=2026-02-06T09:15:30Z 2026-02-07=2026-02-07T09:15:30Z");
    text.repeat = "WEEKLY";
    are_between(&text, NULL, "2026-02-14T00:00:00Z",
                "2026-02-06=2026-02-06T09:15:30Z 2026-02-13=2026-02-13T09:15:30Z");
    text.repeat = "HOURLY";
    are_between(
        &text, NULL, "2026-02-06T11:00:00Z",
        "2026-02-06T10:15:30=2026-02-06T09:15:30Z 2026-02-06T11:15:30=2026-02-06T10:15:30Z");
}

static void one_by_name(void **state)
{
    static const char *const except[] = {"2026-10-27"};
    struct calendar_text text = text_of("2026-10-13T10:15", "90m", "FREQ=WEEKLY");
    struct calendar_occurrence o;
    struct vdi_error err = {0};
    struct calendar *c;
    int64_t usec;

    text.except = except;
    text.n_except = 1;
    c = calendar_of(&text);
    assert_int_equal(calendar_find(c, "2026-10-20", &o, &err), 0);
    assert_string_equal(o.name, "2026-10-20");
    assert_int_equal(o.to_usec - o.from_usec, 90 * 60 * USEC_PER_SEC);
    assert_int_equal(calendar_find(c, "2026-10-21", &o, &err), -ENOENT);
    assert_int_equal(calendar_find(c, "2026-10-27", &o, &err), -ENOENT);
    assert_int_equal(calendar_find(c, "2026-10-20T10:15", &o, &err), -ENOENT);
    assert_int_equal(calendar_find(c, "2026-10-06", &o, &err), -ENOENT);
    assert_int_equal(calendar_find(c, "x", &o, &err), -ENOENT);
    assert_string_equal(err.field, "date");
    assert_int_equal(calendar_instant(c, "to", "2026-10-28T14:00", &usec, &err), 0);
    assert_int_equal(usec, INT64_C(1793192400) * USEC_PER_SEC);
    assert_int_equal(calendar_instant(c, "to", "2026-10-28", &usec, &err), -EINVAL);
    assert_string_equal(err.field, "to");
    calendar_free(c);
}

static void too_many(void **state)
{
    struct calendar_text text = text_of("2026-10-13T10:15", "30m", "HOURLY");
    struct calendar *c = calendar_of(&text);
    struct calendar_occurrence *list = NULL;
    struct vdi_error err = {0};
    size_t n = 0;

    assert_int_equal(calendar_occurrences(c, 0, EVER, 1000000, &list, &n, &err), -E2BIG);
    assert_string_equal(err.limit, "4096");
    assert_int_equal(calendar_occurrences(c, INT64_MIN, INT64_MAX, 5, &list, &n, &err), -E2BIG);
    assert_string_equal(err.limit, "5");
    assert_null(list);
    calendar_free(c);
}

static void refused_fields(void **state)
{
    static const char *const except[] = {"2026-10-13/2026-10-20"};
    static const char *const bad[] = {"christmas",
                                      "2026-12-24/2026-12-20",
                                      "2026-02-30",
                                      "2026-12-24T10:15/2026-12-26",
                                      "2026-12-24/",
                                      "20261224",
                                      ""};
    static const char *const absent[] = {"2026-10-20T10:16"};
    struct calendar_text text = text_of("2026-10-13T10:15", "90m", "FREQ=WEEKLY;COUNT=2");

    text.zone = "Europe/Berln";
    refused(&text, "zone: there is no time zone 'Europe/Berln'; "
                   "write the name of one as the IANA has it: Europe/Berlin");
    text = text_of("2026-02-30T10:15", "90m", "");
    refused(&text, "starts: '2026-02-30T10:15' is no date and time; "
                   "write it as 2026-10-13T10:15, in local time");
    text.starts = "2026-10-13";
    refused(&text, "starts: '2026-10-13' is no date and time; "
                   "write it as 2026-10-13T10:15, in local time");
    text.starts = "1999-12-31T10:00";
    refused(&text, "starts: '1999-12-31T10:00' is out of range (limit: 2000 to 2099); "
                   "write another year");
    text = text_of("2026-10-13T10:15", "long", "");
    refused(&text, "duration: 'long' is no duration; write it as 90m or 2h");
    text.duration = "8d";
    refused(&text,
            "duration: '8d' is out of range (limit: 1m to 7d); write another, or more classes");
    text = text_of("2026-10-13T10:15", "25h", "FREQ=DAILY");
    refused(&text, "duration: it is not over on 2026-10-13 when the one of 2026-10-14 begins; "
                   "make it shorter, or let the rule repeat less often");
    text = text_of("2026-10-13T10:15", "90m", "FREQ=WEEKLY;COUNT=2");
    text.except = except;
    text.n_except = 1;
    refused(&text, "except: no occurrence is left; "
                   "take out some exceptions, or let the rule end later");
    text.except = absent;
    refused(&text, "except: the rule gives no occurrence at 2026-10-20T10:16; "
                   "write the date alone, or the time of an occurrence");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char wanted[200];

        text.except = &bad[i];
        snprintf(wanted, sizeof(wanted),
                 "except: '%s' is no date, range of dates or occurrence; "
                 "write 2026-12-24, 2026-12-22/2027-01-06 or 2026-12-24T10:15",
                 bad[i]);
        refused(&text, wanted);
    }
    text.n_except = CALENDAR_EXCEPT_MAX + 1;
    refused(&text, "except: there are 1025 exceptions (limit: 1024); "
                   "write ranges of dates, or an earlier end of the rule");
}

static void refused_rules(void **state)
{
    char longest[CALENDAR_RULE_MAX + 2];

    refused_rule("BYDAY=MO",
                 "repeat: the rule has no FREQ; begin with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY");
    refused_rule(
        "FREQ=SECONDLY",
        "repeat: FREQ=SECONDLY is not supported; write FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; "
        "several times a day are FREQ=DAILY with BYHOUR and BYMINUTE");
    refused_rule("FREQ=WEEKLY;BYSECOND=3", "repeat: BYSECOND is not supported; leave it out");
    refused_rule("FREQ=WEEKLY;EVERY=2",
                 "repeat: 'EVERY' is no part of a rule; parts are FREQ INTERVAL COUNT UNTIL WKST "
                 "BYDAY BYMONTH BYMONTHDAY BYYEARDAY BYWEEKNO BYSETPOS BYHOUR BYMINUTE, each "
                 "NAME=VALUE, and ';' between");
    refused_rule("FREQ=WEEKLY;COUNT=2;COUNT=3", "repeat: the rule has COUNT twice; write it once");
    refused_rule("FREQ=WEEKLY;BYDAY=", "repeat: BYDAY is empty; give it a value, or leave it out");
    refused_rule("FREQ=WEEKLY;COUNT=2;UNTIL=20270101",
                 "repeat: COUNT and UNTIL both say where the rule ends; leave one of them out");
    refused_rule(
        "FREQ=WEEKLY;BYDAY=TU,XX",
        "repeat: 'XX' will not do for BYDAY (limit: MO to SU, with 1 to 53, or from the end "
        "with '-'); write one that there is");
    refused_rule(
        "FREQ=MONTHLY;BYDAY=257MO",
        "repeat: '257MO' will not do for BYDAY (limit: MO to SU, with 1 to 53, or from the "
        "end with '-'); write one that there is");
    refused_rule("FREQ=YEARLY;BYMONTH=13",
                 "repeat: '13' will not do for BYMONTH (limit: 1 to 12); write one that there is");
    refused_rule("FREQ=WEEKLY;INTERVAL=0",
                 "repeat: '0' will not do for INTERVAL (limit: 1 to 999); write one that there is");
    refused_rule("FREQ=WEEKLY;BYMONTHDAY=13", "repeat: BYMONTHDAY does not go with FREQ=WEEKLY; "
                                              "leave one of them out, or take another FREQ");
    refused_rule(
        "FREQ=WEEKLY;BYDAY=2TU",
        "repeat: a number in BYDAY needs FREQ=MONTHLY or FREQ=YEARLY, and no BYMONTHDAY or "
        "BYWEEKNO; leave the numbers out");
    refused_rule(
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "repeat: no month of BYMONTH has a day of BYMONTHDAY; change BYMONTH or BYMONTHDAY");
    refused_rule(
        "FREQ=WEEKLY;UNTIL=20261001T000000Z",
        "repeat: UNTIL is before the class starts at 2026-10-13T10:15; write a later UNTIL");
    refused_rule("FREQ=WEEKLY;UNTIL=christmas", "repeat: 'CHRISTMAS' will not do for UNTIL; "
                                                "write UNTIL=20270212, or UNTIL=20270212T225959Z");
    refused_rule("FREQ=WEEKLY;UNTIL=20270230", "repeat: '20270230' will not do for UNTIL; "
                                               "write UNTIL=20270212, or UNTIL=20270212T225959Z");
    refused_rule("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=0,10,20,30,40",
                 "repeat: BYHOUR and BYMINUTE give 25 times a day (limit: 24 times a day); "
                 "make more classes of it");
    refused_rule("FREQ=WEEKLY;BYDAY=MO\n", "repeat: character 21 of the rule will not do; "
                                           "write it as RFC 5545 has it: FREQ=WEEKLY;BYDAY=MO");
    refused_rule("FREQ=WEEKLY;BYDAY=MO",
                 "starts: 2026-10-13T10:15 is not a time that the rule gives; let the class start "
                 "with the rule's first occurrence, or change the rule");
    refused_rule("FREQ=WEEKLY;BYHOUR=11",
                 "starts: 2026-10-13T10:15 is not a time that the rule gives; let the class start "
                 "with the rule's first occurrence, or change the rule");
    /* libical alone would look for this day until the year 20000. */
    refused_rule("FREQ=MONTHLY;BYMONTHDAY=13;BYSETPOS=5",
                 "starts: 2026-10-13T10:15 is not a time that the rule gives; let the class start "
                 "with the rule's first occurrence, or change the rule");
    memset(longest, 'A', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    refused_rule(longest,
                 "repeat: the rule is too long (limit: 1024 bytes); make more classes of it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(term),           cmocka_unit_test(ranges),
        cmocka_unit_test(edges),          cmocka_unit_test(rules),
        cmocka_unit_test(one_by_name),    cmocka_unit_test(too_many),
        cmocka_unit_test(refused_fields), cmocka_unit_test(refused_rules)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
