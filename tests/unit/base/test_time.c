/* SPDX-License-Identifier: Apache-2.0 */
/* test_time.c - instants and their texts, in UTC and in a zone with summer time */
#include <base/time.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3" /* needs no zone files */

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static int64_t at(const char *s)
{
    int64_t usec = -1;
    if (time_from_rfc3339(s, &usec) != 0)
        fail_msg("\"%s\" was refused", s);
    return usec;
}

static void rfc3339(void **state)
{
    char buf[40];
    set_zone(BERLIN);
    assert_int_equal(at("1970-01-01T00:00:01Z"), 1000000);
    assert_int_equal(at("2026-10-13T10:15:00Z"), INT64_C(1791886500000000));
    assert_int_equal(at("2026-10-13T12:15:00+02:00"), at("2026-10-13T10:15:00Z"));
    assert_int_equal(at("2026-10-13T04:45:00-05:30"), at("2026-10-13T10:15:00Z"));
    assert_int_equal(at("2026-10-13t10:15:00.25z"), at("2026-10-13T10:15:00Z") + 250000);
    assert_int_equal(at("2026-10-13T10:15:00.1234569Z"), at("2026-10-13T10:15:00Z") + 123456);
    /* Without a zone: local time, summer and winter. */
    assert_int_equal(at("2026-07-01T12:00:00"), at("2026-07-01T10:00:00Z"));
    assert_int_equal(at("2026-12-01T12:00"), at("2026-12-01T11:00:00Z"));
    assert_int_equal(at("2026-12-01 12:00"), at("2026-12-01T11:00:00Z"));
    assert_int_equal(at("2026-12-22"), at("2026-12-21T23:00:00Z"));
    assert_int_equal(at("2028-02-29T00:00:00Z") - at("2028-02-28T00:00:00Z"), INT64_C(86400000000));
    assert_string_equal(time_to_rfc3339(at("2026-10-13T10:15:00Z"), buf), "2026-10-13T10:15:00Z");
    assert_string_equal(time_to_rfc3339(at("2026-10-13T10:15:00.5Z"), buf),
                        "2026-10-13T10:15:00.500000Z");
    assert_string_equal(time_to_rfc3339(0, buf), "");
    assert_string_equal(time_to_rfc3339(-1, buf), "1969-12-31T23:59:59.999999Z");
    assert_true(strlen(time_to_rfc3339(INT64_MAX, buf)) < 40);
    assert_true(strlen(time_to_rfc3339(INT64_MIN, buf)) < 40);
}

static void rfc3339_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-10",
        "2026-10-1",
        "2026-13-01",
        "2026-00-01",
        "2026-02-29",
        "2026-04-31",
        "2026-10-13T",
        "2026-10-13T10",
        "2026-10-13T10:1",
        "2026-10-13T24:00:00Z",
        "2026-10-13T10:60:00Z",
        "2026-10-13T10:15:61Z",
        "2026-10-13T10:15:00.Z",
        "2026-10-13T10:15:00+2",
        "2026-10-13T10:15:00+0200",
        "2026-10-13T10:15:00+24:00",
        "2026-10-13T10:15:00ZZ",
        "2026-10-13T10:15:00 Z",
        "2026-10-13X10:15:00Z",
        " 2026-10-13T10:15:00Z",
        "1969-12-31T23:59:59Z",
        "20261013T101500Z",
        "+026-10-13",
        "2026-10-13T-1:15:00Z",
    };
    int64_t usec = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (time_from_rfc3339(bad[i], &usec) != -EINVAL)
            fail_msg("\"%s\" was not refused", bad[i]);
    assert_int_equal(time_from_rfc3339("1970-01-01T00:00:00+01:00", &usec), -ERANGE);
    assert_int_equal(usec, 7);
}

/* Each row of sbatch(1) --begin, as seen on Tuesday 2026-10-13 at 14:30 in Berlin. */
static void slurm_forms(void **state)
{
    static const struct {
        const char *text, *instant;
    } rows[] = {
        {"now", "2026-10-13T14:30:00"},
        {"now+60", "2026-10-13T14:31:00"},
        {"now+1hour", "2026-10-13T15:30:00"},
        {"now+2hours", "2026-10-13T16:30:00"},
        {"now + 90 minutes", "2026-10-13T16:00:00"},
        {"NOW+3DAYS", "2026-10-16T14:30:00"},
        {"now+1week", "2026-10-20T14:30:00"},
        {"now-10minutes", "2026-10-13T14:20:00"},
        {"today", "2026-10-13T00:00:00"},
        {"tomorrow", "2026-10-14T00:00:00"},
        {"midnight", "2026-10-14T00:00:00"},
        {"noon", "2026-10-14T12:00:00"},
        {"elevenses", "2026-10-14T11:00:00"},
        {"fika", "2026-10-13T15:00:00"},
        {"teatime", "2026-10-13T16:00:00"},
        {"tomorrow noon", "2026-10-14T12:00:00"},
        {"noon tomorrow", "2026-10-14T12:00:00"},
        {"today 16:00", "2026-10-13T16:00:00"},
        {"16:00", "2026-10-13T16:00:00"},
        {"14:30", "2026-10-13T14:30:00"},
        {"14:29:59", "2026-10-14T14:29:59"},
        {"8:05", "2026-10-14T08:05:00"},
        {"4:00pm", "2026-10-13T16:00:00"},
        {"4:00 PM", "2026-10-13T16:00:00"},
        {"12:00am", "2026-10-14T00:00:00"},
        {"12:30pm", "2026-10-14T12:30:00"},
        {"101426", "2026-10-14T00:00:00"},
        {"1014", "2026-10-14T00:00:00"},
        {"1012", "2027-10-12T00:00:00"},
        {"10/14/26", "2026-10-14T00:00:00"},
        {"10/14", "2026-10-14T00:00:00"},
        {"1/5", "2027-01-05T00:00:00"},
        {"10.14.26", "2026-10-14T00:00:00"},
        {"0229", "2028-02-29T00:00:00"},
        {"10/13", "2027-10-13T00:00:00"},
        {"10/13-16:00", "2026-10-13T16:00:00"},
        {"10/13/26-16:00:30", "2026-10-13T16:00:30"},
        {"10/14 8:00am", "2026-10-14T08:00:00"},
        {"16:00 10/14", "2026-10-14T16:00:00"},
        {"2026-12-24", "2026-12-24T00:00:00"},
        {"2026-12-24T18:00", "2026-12-24T18:00:00"},
        {"2026-12-24T18:00:07", "2026-12-24T18:00:07"},
        {"2026-12-24T18:00:07Z", "2026-12-24T18:00:07Z"},
        {"2026-12-24 6:00pm", "2026-12-24T18:00:00"},
        {"2020-01-01", "2020-01-01T00:00:00"},
    };
    set_zone(BERLIN);
    int64_t now = at("2026-10-13T14:30:00"), usec;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        usec = -1;
        int r = time_from_slurm(rows[i].text, now, &usec);
        if (r != 0 || usec != at(rows[i].instant))
            fail_msg("\"%s\": %d, %lld is not %s", rows[i].text, r, (long long)usec,
                     rows[i].instant);
    }
}

static void slurm_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "soon",
        "nowish",
        "now+",
        "now+x",
        "now+1fortnight",
        "now 5",
        "now+1hour 5",
        "now++5",
        "now+-5",
        "today today",
        "noon noon",
        "noon 16:00",
        "25:00",
        "12:60",
        "12:00:60",
        "13:00pm",
        "0:30am",
        "12",
        "1340",
        "0230",
        "10/32",
        "13/01",
        "10/14/2026",
        "10/14/26/1",
        "16:00T",
        "16:00-",
        "16:00x",
        "16:00,10/14",
        "10-14",
        "2026-10-32",
        "-5",
        "+5",
        "noonish",
        "tomorrow-",
        "1:2",
        "101426Z",
        "10142",
        "1014261",
    };
    int64_t usec = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (time_from_slurm(bad[i], at("2026-10-13T14:30:00"), &usec) != -EINVAL)
            fail_msg("\"%s\" was not refused", bad[i]);
    assert_int_equal(time_from_slurm("now-99999weeks", at("2026-10-13T14:30:00"), &usec), -ERANGE);
    assert_int_equal(time_from_slurm("now+99999999999", at("2026-10-13T14:30:00"), &usec), -ERANGE);
    assert_int_equal(usec, 7);
    assert_int_equal(time_from_slurm("now+9999999999weeks", at("2026-10-13T14:30:00"), &usec),
                     -ERANGE);
}

/* A day is not always 24 hours: the wall clock counts, not the seconds. */
static void summer_time(void **state)
{
    set_zone(BERLIN);
    int64_t usec, now = at("2026-10-24T23:30:00"); /* clocks go back in this night */
    assert_int_equal(time_from_slurm("tomorrow 23:30", now, &usec), 0);
    assert_int_equal(usec - now, INT64_C(25) * 3600 * USEC_PER_SEC);
    assert_int_equal(time_from_slurm("noon", now, &usec), 0);
    assert_int_equal(usec, at("2026-10-25T11:00:00Z"));
    now = at("2026-03-28T12:00:00");
    assert_int_equal(time_from_slurm("11:59", now, &usec), 0);
    assert_int_equal(usec, at("2026-03-29T09:59:00Z"));
}

/* Where clocks go forward at midnight there is no 00:30 in that night. */
static void a_night_without_midnight(void **state)
{
    set_zone("BRT3BRST,M10.3.0/0,M2.3.0/0");
    int64_t usec, now = at("2026-10-17T00:30:00");
    assert_int_equal(time_from_slurm("tomorrow noon", now, &usec), 0);
    assert_int_equal(usec, at("2026-10-18T14:00:00Z"));
    set_zone(BERLIN);
}

static void clocks_run(void **state)
{
    int64_t a = time_monotonic_usec(), b = time_monotonic_usec();
    assert_true(a > 0 && b >= a);
    assert_true(time_now_usec() > at("2020-01-01T00:00:00Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339),     cmocka_unit_test(rfc3339_refused),
        cmocka_unit_test(slurm_forms), cmocka_unit_test(slurm_refused),
        cmocka_unit_test(summer_time), cmocka_unit_test(a_night_without_midnight),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
