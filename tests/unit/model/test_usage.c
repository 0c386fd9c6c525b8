/* SPDX-License-Identifier: Apache-2.0 */
/* test_usage.c - sums over periods, against what a pocket calculator says */
#include "model/usage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOUR (INT64_C(3600) * 1000000)
#define BY(x) (1u << USAGE_##x)

static struct instance held(const char *owner, const char *account, int64_t from, int64_t to)
{
    struct instance in = {.refs = 1,
                          .id = 1,
                          .state = to ? INSTANCE_GONE : INSTANCE_BOUND,
                          .vcpus = 4,
                          .memory_mib = 1024,
                          .gpus = 2,
                          .request_usec = from,
                          .gone_usec = to,
                          .profile = "nvidia-a40-4q"};

    snprintf(in.owner, sizeof(in.owner), "%s", owner);
    snprintf(in.account, sizeof(in.account), "%s", account);
    return in;
}

static void test_a_run_over_two_periods(void **state)
{
    const int64_t cuts[] = {0, 10 * HOUR, 20 * HOUR, 30 * HOUR};
    struct usage *u = usage_new(cuts, 4, BY(OWNER) | BY(PROFILE));
    struct instance in = held("unix:anna", "", 8 * HOUR, 11 * HOUR);

    assert_int_equal(usage_add(u, &in, 99 * HOUR), 0);
    assert_int_equal(usage_count(u), 2);
    const struct usage_sum *s = usage_at(u, 0);
    assert_int_equal(s->period, 0);
    assert_string_equal(s->by[USAGE_OWNER], "unix:anna");
    assert_string_equal(s->by[USAGE_PROFILE], "nvidia-a40-4q");
    assert_null(s->by[USAGE_ACCOUNT]);
    assert_int_equal(s->held_msec, 2 * 3600 * 1000);
    assert_int_equal(s->gpu_msec, 4 * 3600 * 1000);
    assert_int_equal(s->cpu_msec, 8 * 3600 * 1000);
    assert_true(s->framebuffer_mib_msec == UINT64_C(4096) * 4 * 3600 * 1000);
    assert_int_equal(s->gpu_unsized_msec, 0);
    assert_int_equal(usage_at(u, 1)->period, 1);
    assert_int_equal(usage_at(u, 1)->held_msec, 3600 * 1000);
    usage_free(u);
}

static void test_what_lies_outside(void **state)
{
    const int64_t cuts[] = {10 * HOUR, 20 * HOUR};
    struct usage *u = usage_new(cuts, 2, BY(OWNER));
    struct instance before = held("a", "", 1 * HOUR, 10 * HOUR);
    struct instance after = held("a", "", 20 * HOUR, 21 * HOUR);
    struct instance around = held("a", "", 1 * HOUR, 40 * HOUR);
    struct instance live = held("a", "", 12 * HOUR, 0);

    assert_int_equal(usage_add(u, &before, 99 * HOUR), 0);
    assert_int_equal(usage_add(u, &after, 99 * HOUR), 0);
    assert_int_equal(usage_count(u), 0);
    assert_int_equal(usage_add(u, &around, 99 * HOUR), 0);
    assert_int_equal(usage_add(u, &live, 13 * HOUR), 0);
    assert_int_equal(usage_count(u), 1);
    assert_int_equal(usage_at(u, 0)->held_msec, 11 * 3600 * 1000);
    assert_int_equal(usage_at(u, 0)->instances, 2);
    usage_free(u);
}

/* Saved for half of its time: half of each of its hours counts. */
static void test_saved_time_is_free(void **state)
{
    const int64_t cuts[] = {0, 2 * HOUR, 4 * HOUR};
    struct usage *u = usage_new(cuts, 3, 0);
    struct instance in = held("a", "", 0 * HOUR, 4 * HOUR);

    in.saved_total_usec = 2 * HOUR;
    assert_int_equal(usage_add(u, &in, 99 * HOUR), 0);
    assert_int_equal(usage_at(u, 0)->held_msec, 3600 * 1000);
    assert_int_equal(usage_at(u, 1)->held_msec, 3600 * 1000);
    in = held("a", "", 1 * HOUR, 0);
    in.state = INSTANCE_SAVED;
    in.state_usec = 1 * HOUR;
    assert_int_equal(usage_add(u, &in, 4 * HOUR), 0); /* saved ever since */
    assert_int_equal(usage_at(u, 0)->held_msec, 3600 * 1000);
    usage_free(u);
}

static void test_groups_and_their_order(void **state)
{
    const int64_t cuts[] = {0, 100 * HOUR};
    struct usage *u = usage_new(cuts, 2, BY(OWNER) | BY(ACCOUNT));
    static const char *const put[][2] = {{"b", "x"}, {"a", "y"}, {"a", "x"}, {"a", ""}, {"a", "x"}};
    static const char *const want[][2] = {{"a", ""}, {"a", "x"}, {"a", "y"}, {"b", "x"}};

    for (size_t i = 0; i < 5; i++) {
        struct instance in = held(put[i][0], put[i][1], 0, HOUR);
        assert_int_equal(usage_add(u, &in, HOUR), 0);
    }
    assert_int_equal(usage_count(u), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(usage_at(u, i)->by[USAGE_OWNER], want[i][0]);
        assert_string_equal(usage_at(u, i)->by[USAGE_ACCOUNT], want[i][1]);
    }
    assert_int_equal(usage_at(u, 1)->instances, 2);
    usage_free(u);
}

static void test_sums_are_bounded(void **state)
{
    const int64_t cuts[] = {0, 100 * HOUR};
    struct usage *u = usage_new(cuts, 2, BY(OWNER));
    char owner[24];
    int r = 0;

    for (int i = 0; i <= USAGE_GROUPS_MAX && r == 0; i++) {
        snprintf(owner, sizeof(owner), "u%d", i);
        struct instance in = held(owner, "", 0, HOUR);
        r = usage_add(u, &in, HOUR);
    }
    assert_int_equal(r, -E2BIG);
    assert_int_equal(usage_count(u), USAGE_GROUPS_MAX);
    usage_free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_over_two_periods),
        cmocka_unit_test(test_what_lies_outside),
        cmocka_unit_test(test_saved_time_is_free),
        cmocka_unit_test(test_groups_and_their_order),
        cmocka_unit_test(test_sums_are_bounded),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
