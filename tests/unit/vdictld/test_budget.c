/* SPDX-License-Identifier: Apache-2.0 */
/* test_budget.c - so many at once, so many a second, each principal for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/time.h"
#include "vdictld/budget.h"

static unsigned taken(struct budget *b, const char *who, unsigned tries, int64_t now_usec)
{
    unsigned n = 0;

    for (unsigned i = 0; i < tries; i++)
        n += budget_take(b, who, 10, 50, now_usec);
    return n;
}

static void a_burst_and_then_the_rate(void **state)
{
    struct budget *b = budget_new();
    int64_t now = 5 * USEC_PER_SEC;

    assert_int_equal(taken(b, "unix:anna", 1000, now), 50);
    assert_int_equal(taken(b, "unix:anna", 1000, now), 0);
    assert_int_equal(taken(b, "unix:anna", 1000, now + USEC_PER_SEC), 10);
    assert_int_equal(taken(b, "unix:anna", 1000, now + USEC_PER_SEC), 0);
    assert_int_equal(taken(b, "unix:anna", 1000, now + 3600 * USEC_PER_SEC), 50);
    budget_free(b);
}

/* Asking while there is nothing left must not push the next token away. */
static void hammering_costs_nothing_more(void **state)
{
    struct budget *b = budget_new();
    unsigned n = taken(b, "unix:anna", 50, 0);

    for (int64_t now = 0; now <= 10 * USEC_PER_SEC; now += 1000)
        n += budget_take(b, "unix:anna", 10, 50, now);
    assert_in_range(n, 50 + 99, 50 + 100);
    budget_free(b);
}

static void each_for_itself(void **state)
{
    struct budget *b = budget_new();

    assert_int_equal(taken(b, "unix:anna", 1000, 0), 50);
    assert_int_equal(taken(b, "unix:ben", 1000, 0), 50);
    assert_int_equal(taken(b, "keystone:anna", 1000, 0), 50);
    budget_free(b);
}

/* Who is forgotten had a full bucket: forgetting gives nobody more. */
static void forgetting_gives_nothing_away(void **state)
{
    struct budget *b = budget_new();
    char who[32];

    for (int i = 0; i < 2000; i++) {
        snprintf(who, sizeof(who), "unix:%d", i);
        assert_int_equal(taken(b, who, 60, i), 50);
    }
    assert_int_equal(taken(b, "unix:0", 60, 4 * USEC_PER_SEC), 40);
    assert_int_equal(taken(b, "unix:1", 60, 20 * USEC_PER_SEC), 50);
    budget_free(b);
}

static void no_limit_and_a_clock_that_steps(void **state)
{
    struct budget *b = budget_new();

    for (int i = 0; i < 1000; i++)
        assert_true(budget_take(b, "unix:anna", 0, 1, 0));
    assert_int_equal(taken(b, "unix:anna", 1000, 100 * USEC_PER_SEC), 50);
    assert_int_equal(taken(b, "unix:anna", 1000, 50 * USEC_PER_SEC), 0); /* backwards */
    /* A smaller burst takes effect at once. */
    for (int i = 0; i < 3; i++)
        budget_take(b, "unix:ben", 1, 1000, 0);
    assert_true(budget_take(b, "unix:ben", 1, 1, 0));
    assert_false(budget_take(b, "unix:ben", 1, 1, 0));
    budget_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_the_rate),
        cmocka_unit_test(hammering_costs_nothing_more),
        cmocka_unit_test(each_for_itself),
        cmocka_unit_test(forgetting_gives_nothing_away),
        cmocka_unit_test(no_limit_and_a_clock_that_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
