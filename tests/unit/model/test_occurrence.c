/* SPDX-License-Identifier: Apache-2.0 */
/* test_occurrence.c - every (state, event) against a table written by hand; what is counted */
#include <model/occurrence.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S(name) OCCURRENCE_##name
#define E(name) [OCCURRENCE_EVENT_##name]
#define KEY "12.2026-10-13"

/* What was given back can still be taken by who was on the way; what is closed stays so. */
static const int expected[OCCURRENCE_N_STATES][OCCURRENCE_N_EVENTS] = {
    [S(NONE)] = {E(OPEN) = S(OPEN)},
    [S(OPEN)] = {E(CLAIM) = S(OPEN), E(FAIL) = S(OPEN), E(COUNT) = S(OPEN),
                 E(RELEASE) = S(RELEASED), E(CLOSE) = S(CLOSED)},
    [S(RELEASED)] = {E(CLAIM) = S(RELEASED), E(FAIL) = S(RELEASED), E(COUNT) = S(RELEASED),
                     E(CLOSE) = S(CLOSED)},
};

static void every_pair(void **state)
{
    for (int from = 0; from < OCCURRENCE_N_STATES; from++) {
        for (int event = 0; event < OCCURRENCE_N_EVENTS; event++) {
            struct occurrence old = {.refs = 1, .key = KEY, .state = from, .reason = "old"};
            struct occurrence copy = old, *now = NULL;
            struct occurrence_event e = {.type = event, .time_usec = 99};
            struct vdi_error err = {0};
            int to = expected[from][event];
            int r = occurrence_apply(from ? &old : NULL, KEY, &e, &now, &err);

            assert_memory_equal(&old, &copy, sizeof(copy));
            if (to == OCCURRENCE_NONE) {
                assert_int_equal(r, -EPROTO);
                assert_null(now);
                assert_true(err.detail[0]);
                continue;
            }
            assert_int_equal(r, 0);
            assert_int_equal(now->state, to);
            assert_int_equal(now->refs, 1);
            assert_string_equal(now->key, KEY);
            assert_string_equal(now->reason, from ? "old" : "");
            occurrence_unref(now);
        }
    }
}

static struct occurrence *step(struct occurrence *old, struct occurrence_event event)
{
    struct occurrence *now = NULL;

    assert_int_equal(occurrence_apply(old, KEY, &event, &now, NULL), 0);
    occurrence_unref(old);
    return now;
}

static struct occurrence *opened(void)
{
    return step(NULL, (struct occurrence_event){.type = OCCURRENCE_EVENT_OPEN,
                                                .time_usec = 5,
                                                .class_id = 12,
                                                .class_name = "lab",
                                                .date = "2026-10-13",
                                                .seats = 30,
                                                .begin_usec = 100,
                                                .end_usec = 200,
                                                .until_usec = 210,
                                                .account = "cs101"});
}

static void life_of_an_occurrence(void **state)
{
    struct occurrence *o = opened();

    assert_true(o->class_id == 12 && o->seats == 30 && o->open_usec == 5);
    assert_true(o->begin_usec == 100 && o->end_usec == 200 && o->until_usec == 210);
    assert_string_equal(o->class_name, "lab");
    assert_string_equal(o->date, "2026-10-13");
    assert_string_equal(o->account, "cs101");
    for (int i = 0; i < 3; i++)
        o = step(o, (struct occurrence_event){.type = OCCURRENCE_EVENT_CLAIM});
    o = step(o, (struct occurrence_event){.type = OCCURRENCE_EVENT_FAIL, .reason = "n1 is gone"});
    o = step(o, (struct occurrence_event){.type = OCCURRENCE_EVENT_RELEASE, .time_usec = 150});
    o = step(o, (struct occurrence_event){.type = OCCURRENCE_EVENT_CLAIM});
    assert_true(o->claimed == 4 && o->failed == 1 && o->release_usec == 150 && !o->close_usec);
    assert_string_equal(o->reason, "n1 is gone"); /* until there is another */
    o = step(o, (struct occurrence_event){.type = OCCURRENCE_EVENT_CLOSE, .time_usec = 200});
    assert_true(o->close_usec == 200 && o->claimed == 4);
    occurrence_unref(occurrence_ref(o));
    assert_int_equal(o->refs, 1);
    occurrence_unref(o);
    occurrence_unref(NULL);
}

static void ready_seats_are_counted_at_each_moment(void **state)
{
    struct occurrence *o = opened();
    struct occurrence_event count = {.type = OCCURRENCE_EVENT_COUNT};

    assert_int_equal(o->counted, 0); /* not yet is not none */
    for (uint32_t m = 0; m < OCCURRENCE_MOMENTS; m++) {
        count.moment = m;
        count.ready = 10 * m;
        count.slowest_usec = 7 * m;
        snprintf(count.slow_stage, sizeof(count.slow_stage), "stage%u", m);
        o = step(o, count);
        assert_int_equal(o->counted, (1u << (m + 1)) - 1);
    }
    assert_true(o->ready_early == 0 && o->ready_on_time == 10 && o->ready_late == 20);
    assert_true(o->slowest_usec == 14);
    assert_string_equal(o->slow_stage, "stage2");
    count.moment = OCCURRENCE_MOMENTS; /* of a later version: no moment of ours */
    count.ready = 99;
    o = step(o, count);
    assert_true(o->counted == 7 && o->ready_late == 20);
    for (int m = 1; m < OCCURRENCE_MOMENTS; m++)
        assert_true(occurrence_moment_usec[m - 1] < occurrence_moment_usec[m]);
    occurrence_unref(o);
}

static void names(void **state)
{
    char key[OCCURRENCE_KEY_MAX];

    for (int i = 0; i < OCCURRENCE_N_EVENTS; i++)
        assert_int_equal(occurrence_event_from(occurrence_event_name(i)), i);
    assert_int_equal(occurrence_event_from("none"), -1);
    assert_string_equal(occurrence_event_name((enum occurrence_event_type)77), "none");
    assert_null(occurrence_state_names[OCCURRENCE_N_STATES]);
    occurrence_key(12, "2026-10-13", key);
    assert_string_equal(key, KEY);
    occurrence_key(UINT64_MAX, "2026-10-13T10:15:30xxxx", key); /* the longest fits */
    assert_string_equal(key, "18446744073709551615.2026-10-13T10:15:30xxxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(life_of_an_occurrence),
        cmocka_unit_test(ready_seats_are_counted_at_each_moment),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
