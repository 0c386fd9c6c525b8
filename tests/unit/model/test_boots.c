/* SPDX-License-Identifier: Apache-2.0 */
/* test_boots.c - how long ahead seats are started, and when one is slow: cases by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/boots.h"

#define SEC INT64_C(1000000)
#define NOBODY (-1)

static struct boots of(uint32_t n, const int64_t *sec)
{
    struct boots b = {0};

    for (uint32_t i = 0; i < n; i++)
        boots_add(&b, sec[i] * SEC);
    return b;
}

/* Of nothing nothing follows. */
static void test_none(void **state)
{
    struct boots b = {0};

    assert_int_equal(boots_slowest_usec(&b), 0);
    assert_int_equal(boots_slow_usec(&b), 0);
    assert_int_equal(boots_lead_usec(&b, 3, 60 * SEC), 0);
}

/* Seven say how long the slowest is, and not yet what is slow. */
static void test_few(void **state)
{
    static const int64_t sec[] = {40, 200, 41, 42, 43, 44, 45, 46};
    struct boots b = of(7, sec);

    assert_int_equal(boots_slow_usec(&b), 0);
    assert_int_equal(boots_lead_usec(&b, 2, 60 * SEC), 400 * SEC);
    boots_add(&b, 46 * SEC);
    assert_int_equal(boots_slow_usec(&b), 100 * SEC); /* half of the slowest */
}

/* Where most take long, twice the median is slow: here the fifth of eight is 44. */
static void test_median(void **state)
{
    static const int64_t sec[] = {80, 40, 41, 42, 44, 45, 46, 43};
    struct boots b = of(8, sec);

    assert_int_equal(boots_slow_usec(&b), 88 * SEC);
    /* None took so long: no second chance is needed. */
    assert_int_equal(boots_lead_usec(&b, 1, 60 * SEC), 80 * SEC);
}

/* Slow after 100 s, a job is asked 30 s later and gone after 60 s; then 200 s to boot. */
static void test_second_chance(void **state)
{
    static const int64_t sec[] = {40, 200, 41, 42, 43, 44, 45, 46};
    struct boots b = of(8, sec);

    assert_int_equal(boots_lead_usec(&b, 1, 60 * SEC), 390 * SEC);
    assert_int_equal(boots_lead_usec(&b, 1, 0), 330 * SEC);
    assert_int_equal(boots_lead_usec(&b, 1, NOBODY), 200 * SEC);
    assert_int_equal(boots_lead_usec(&b, 2, 60 * SEC), 400 * SEC); /* rounds take longer */
}

/* All boot before a job would be asked. */
static void test_fast(void **state)
{
    static const int64_t sec[] = {2, 29, 3, 3, 3, 3, 3, 3}, long_ago[] = {2, 30, 3, 3, 3, 3, 3, 3};
    struct boots b = of(8, sec), c = of(8, long_ago);

    assert_int_equal(boots_lead_usec(&b, 1, 60 * SEC), 29 * SEC);
    assert_int_equal(boots_lead_usec(&c, 1, 60 * SEC), (15 + 30 + 60 + 30) * SEC);
}

/* The last 64 count. */
static void test_ring(void **state)
{
    struct boots b = {0};

    boots_add(&b, 500 * SEC);
    for (int i = 0; i < BOOTS_KEPT - 1; i++)
        boots_add(&b, 10 * SEC);
    assert_int_equal(boots_slowest_usec(&b), 500 * SEC);
    boots_add(&b, 10 * SEC);
    assert_int_equal(boots_slowest_usec(&b), 10 * SEC);
    assert_int_equal(boots_slow_usec(&b), 20 * SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),   cmocka_unit_test(test_few),
        cmocka_unit_test(test_median), cmocka_unit_test(test_second_chance),
        cmocka_unit_test(test_fast),   cmocka_unit_test(test_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
