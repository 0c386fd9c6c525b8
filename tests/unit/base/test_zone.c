/* SPDX-License-Identifier: Apache-2.0 */
/* test_zone.c - local time and UTC, of zones made here; all real ones: tests/t1150-calendar.t */
#include <base/zone.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

/* A file with one type of offset 0, no changes, and a rule. */
static size_t make_file(uint8_t *p, const char *rule)
{
    static const uint8_t header[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 4};
    static const uint8_t type[6 + 4] = {0, 0, 0, 0, 0, 0, 'U', 'T', 'C', 0};
    size_t n = 0;

    for (int block = 0; block < 2; block++) {
        memcpy(p + n, header, sizeof(header));
        memcpy(p + n + sizeof(header), type, sizeof(type));
        n += sizeof(header) + sizeof(type);
    }
    p[n++] = '\n';
    memcpy(p + n, rule, strlen(rule));
    n += strlen(rule);
    p[n++] = '\n';
    return n;
}

static struct zone *zone_of(const char *rule)
{
    struct zone *z = NULL;
    uint8_t file[512];

    assert_int_equal(zone_parse(file, make_file(file, rule), &z), 0);
    return z;
}

static int64_t sec(const char *text)
{
    struct tm tm = {0};

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
    return timegm(&tm);
}

#define is_at(z, local, utc) assert_int_equal(zone_from_local(z, sec(local)), sec(utc))

static void both_edges(void **state)
{
    struct zone *z = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");

    is_at(z, "2026-01-15 12:00", "2026-01-15 11:00");
    is_at(z, "2026-07-15 12:00", "2026-07-15 10:00");
    /* 2026-03-29: 02:00 is 03:00. What is not there counts with the offset before. */
    is_at(z, "2026-03-29 01:59", "2026-03-29 00:59");
    is_at(z, "2026-03-29 02:00", "2026-03-29 01:00");
    is_at(z, "2026-03-29 02:30", "2026-03-29 01:30");
    is_at(z, "2026-03-29 03:00", "2026-03-29 01:00");
    is_at(z, "2026-03-29 03:30", "2026-03-29 01:30");
    /* 2026-10-25: 03:00 is 02:00. What is there twice is the first. */
    is_at(z, "2026-10-25 01:59", "2026-10-24 23:59");
    is_at(z, "2026-10-25 02:00", "2026-10-25 00:00");
    is_at(z, "2026-10-25 02:59", "2026-10-25 00:59");
    is_at(z, "2026-10-25 03:00", "2026-10-25 02:00");
    assert_int_equal(zone_to_local(z, sec("2026-10-25 00:30")), sec("2026-10-25 02:30"));
    assert_int_equal(zone_to_local(z, sec("2026-10-25 01:30")), sec("2026-10-25 02:30"));
    is_at(z, "2100-07-15 12:00", "2100-07-15 10:00");
    zone_free(z);
}

static void rules(void **state)
{
    struct zone *z;

    z = zone_of("<+0530>-5:30");
    is_at(z, "2026-07-15 12:00", "2026-07-15 06:30");
    zone_free(z);
    z = zone_of("NZST-12NZDT,M9.5.0,M4.1.0/3"); /* summer over the new year */
    is_at(z, "2026-01-15 12:00", "2026-01-14 23:00");
    is_at(z, "2026-07-15 12:00", "2026-07-15 00:00");
    zone_free(z);
    z = zone_of("IST-1GMT0,M10.5.0,M3.5.0/1"); /* Dublin's summer time is its standard one */
    is_at(z, "2026-01-15 12:00", "2026-01-15 12:00");
    is_at(z, "2026-07-15 12:00", "2026-07-15 11:00");
    is_at(z, "2026-10-25 01:30", "2026-10-25 00:30");
    zone_free(z);
    z = zone_of("<-02>2<-01>,M3.5.0/-1,M10.5.0/0"); /* Nuuk: on Saturday at 23:00 */
    is_at(z, "2026-03-28 23:30", "2026-03-29 01:30");
    is_at(z, "2026-03-29 00:30", "2026-03-29 01:30");
    zone_free(z);
    z = zone_of("EET-2EEST,M3.4.4/50,M10.4.4/50"); /* Gaza: two days after a Thursday */
    is_at(z, "2026-03-28 01:59", "2026-03-27 23:59");
    is_at(z, "2026-03-28 03:00", "2026-03-28 00:00");
    zone_free(z);
    z = zone_of("XXX3YYY,J60/0,J300/0"); /* March the first, also in leap years */
    is_at(z, "2028-02-29 12:00", "2028-02-29 15:00");
    is_at(z, "2028-03-01 12:00", "2028-03-01 14:00");
    zone_free(z);
    z = zone_of("XXX3YYY,59/0,300/0"); /* the 60th day: February the 29th of leap years */
    is_at(z, "2028-02-29 12:00", "2028-02-29 14:00");
    is_at(z, "2027-02-28 12:00", "2027-02-28 15:00");
    zone_free(z);
    z = zone_of("EST5EDT,0/0,J365/25"); /* summer time all the year */
    is_at(z, "2026-01-01 00:30", "2026-01-01 04:30");
    is_at(z, "2026-12-31 23:30", "2027-01-01 03:30");
    zone_free(z);
    z = zone_of("");
    is_at(z, "2026-07-15 12:00", "2026-07-15 12:00");
    zone_free(z);
}

static void damaged(void **state)
{
    static const char *const bad[] = {"CET",
                                      "CE-1",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-1CEST,M3.0.0,M10.5.0",
                                      "CET-1CEST,M3.5.0,M10.5.0/168",
                                      "CET-1CEST,M3.5.0,M10.5.0x",
                                      "CET-25",
                                      "<+03-3",
                                      "CET-1:60"};
    uint8_t file[512];
    struct zone *z = NULL;
    size_t n;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        n = make_file(file, bad[i]);
        if (zone_parse(file, n, &z) != -EBADMSG)
            fail_msg("'%s' was taken", bad[i]);
    }
    n = make_file(file, "UTC0");
    for (size_t len = 0; len < n; len++)
        assert_int_equal(zone_parse(file, len, &z), -EBADMSG);
    file[4] = '\0'; /* version 1 */
    assert_int_equal(zone_parse(file, n, &z), -EBADMSG);
    n = make_file(file, "UTC0");
    file[54 + 31] = 1; /* a leap second */
    assert_int_equal(zone_parse(file, n, &z), -EBADMSG);
    n = make_file(file, "UTC0");
    file[54 + 44] = 0x7f; /* an offset of years */
    assert_int_equal(zone_parse(file, n, &z), -EBADMSG);
    assert_null(z);
}

static void names(void **state)
{
    static const char *const bad[] = {"",
                                      "/etc/passwd",
                                      "../../etc/passwd",
                                      "Europe/../UTC",
                                      "Europe/",
                                      "Europe//Berlin",
                                      ".hidden",
                                      "posix/UTC",
                                      "right/UTC",
                                      "Europe/Berlin\n",
                                      "UTC x"};
    struct zone *z = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (zone_open(bad[i], &z) != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
    setenv("TZDIR", "/nonexistent", 1);
    assert_int_equal(zone_open("Europe/Berlin", &z), -ENOENT);
    setenv("TZDIR", "/", 1);
    assert_int_equal(zone_open("usr/share", &z), -ENOENT);
    assert_int_equal(zone_open("etc/passwd/x", &z), -ENOENT);
    assert_int_equal(zone_open("etc/passwd", &z), -EBADMSG);
    unsetenv("TZDIR");
    assert_null(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_edges), cmocka_unit_test(rules),
                                       cmocka_unit_test(damaged), cmocka_unit_test(names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
