/* SPDX-License-Identifier: Apache-2.0 */
/* test_instance.c - every (state, event) against a table written by hand */
#include <model/instance.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S(name) INSTANCE_##name
#define E(name) [INSTANCE_EVENT_##name]

/* Whatever is not gone can be stopped and can go by itself; only one in use can be saved. */
static const int expected[INSTANCE_N_STATES][INSTANCE_N_EVENTS] = {
    [S(NONE)] = {E(REQUEST) = S(REQUESTED)},
    [S(REQUESTED)] = {E(BUILD) = S(BUILDING), E(READY) = S(READY), E(CLAIM) = S(REQUESTED),
                      E(STOP) = S(STOPPING), E(GONE) = S(GONE)},
    [S(BUILDING)] = {E(READY) = S(READY), E(CLAIM) = S(BUILDING), E(STOP) = S(STOPPING),
                     E(GONE) = S(GONE)},
    [S(READY)] = {E(CLAIM) = S(READY), E(BIND) = S(BOUND), E(SAVE) = S(SAVED),
                  E(STOP) = S(STOPPING), E(GONE) = S(GONE)},
    [S(BOUND)] = {E(SAVE) = S(SAVED), E(STOP) = S(STOPPING), E(GONE) = S(GONE)},
    [S(SAVED)] = {E(PLACE) = S(SAVED), E(RESTORE) = S(BOUND), E(STOP) = S(STOPPING),
                  E(GONE) = S(GONE)},
    [S(STOPPING)] = {E(GONE) = S(GONE)},
};

static void every_pair(void **state)
{
    for (int from = 0; from < INSTANCE_N_STATES; from++) {
        for (int event = 0; event < INSTANCE_N_EVENTS; event++) {
            struct instance old = {.refs = 1,
                                   .id = 3,
                                   .state = from,
                                   .generation = 2,
                                   .class_id = 5,
                                   .node = "gpu01",
                                   .reason = "old"};
            struct instance copy = old, *now = NULL;
            struct instance_event e = {.type = event, .time_usec = 99};
            struct vdi_error err = {0};
            int to = expected[from][event];
            int r = instance_apply(from ? &old : NULL, 3, &e, &now, &err);

            if ((int)instance_state_next(from, event) != to || (r >= 0) != (to != 0))
                fail_msg("%s + %s", instance_state_name(from), instance_event_name(event));
            assert_memory_equal(&old, &copy, sizeof(old));
            if (r < 0) {
                assert_int_equal(r, -EPROTO);
                assert_string_equal(err.field, "state");
                assert_null(now);
                continue;
            }
            assert_int_equal(now->state, to);
            assert_int_equal(now->refs, 1);
            assert_true(now->state_usec == (to == from ? 0 : 99));
            if (from)
                assert_string_equal(now->reason, "old"); /* no new one was given */
            instance_unref(now);
        }
    }
    assert_int_equal(instance_n_transitions, 23);
}

/* What is saved is told its GPUs for its return; that it is saved since then stays known. */
static void other_gpus_for_its_return(void **state)
{
    struct instance old = {
        .refs = 1, .id = 3, .state = INSTANCE_SAVED, .state_usec = 7, .gpus_held = ":0"};
    struct instance_event e = {.type = INSTANCE_EVENT_PLACE, .time_usec = 9, .gpus_held = ":1"};
    struct instance *now;

    assert_int_equal(instance_apply(&old, 3, &e, &now, NULL), 0);
    assert_string_equal(now->gpus_held, ":1");
    assert_int_equal(now->state_usec, 7);
    assert_int_equal(now->saved_total_usec, 0);
    instance_unref(now);
}

static void request_fills_it(void **state)
{
    struct instance_event e = {
        .type = INSTANCE_EVENT_REQUEST,
        .time_usec = 5,
        .generation = 4,
        .job = 9,
        .vcpus = 2,
        .memory_mib = 1024,
        .gpus = 1,
        .owner = "unix:ada",
        .node = "gpu01",
        .template_name = "cad",
        .profile = "a40-4q",
    };
    struct instance *in = NULL, *ready = NULL, *gone = NULL;

    assert_int_equal(instance_apply(NULL, 3, &e, &in, NULL), 0);
    assert_int_equal(in->id, 3);
    assert_int_equal(in->generation, 4);
    assert_int_equal(in->job, 9);
    assert_int_equal(in->vcpus, 2);
    assert_int_equal(in->memory_mib, 1024);
    assert_int_equal(in->gpus, 1);
    assert_string_equal(in->owner, "unix:ada");
    assert_string_equal(in->node, "gpu01");
    assert_string_equal(in->template_name, "cad");
    assert_string_equal(in->profile, "a40-4q");
    assert_true(in->request_usec == 5 && !in->ready_usec && !in->gone_usec);
    e = (struct instance_event){.type = INSTANCE_EVENT_READY, .time_usec = 6};
    assert_int_equal(instance_apply(in, 3, &e, &ready, NULL), 0);
    assert_true(ready->ready_usec == 6 && ready->generation == 4 && ready->vcpus == 2);
    e = (struct instance_event){.type = INSTANCE_EVENT_GONE, .time_usec = 7, .reason = "died"};
    assert_int_equal(instance_apply(ready, 3, &e, &gone, NULL), 0);
    assert_true(gone->gone_usec == 7 && gone->ready_usec == 6);
    assert_string_equal(gone->reason, "died");
    assert_string_equal(ready->reason, "");
    instance_unref(instance_ref(gone));
    assert_int_equal(gone->refs, 1);
    instance_unref(in);
    instance_unref(ready);
    instance_unref(gone);
    instance_unref(NULL);
}

static int claim(const struct instance *old, uint64_t job, struct instance **ret)
{
    struct instance_event e = {.type = INSTANCE_EVENT_CLAIM, .time_usec = 8, .job = job};
    struct vdi_error err = {0};

    snprintf(e.owner, sizeof(e.owner), "unix:ada");
    return instance_apply(old, 3, &e, ret, &err);
}

/* One owner in its life, and none for what was not started as a seat. */
static void a_seat_is_taken_once(void **state)
{
    struct instance_event e = {.type = INSTANCE_EVENT_REQUEST,
                               .generation = 1,
                               .class_id = 5,
                               .date = "2026-10-13",
                               .gpus_held = "0:0",
                               .owner = "class:lab"};
    struct instance *seat = NULL, *taken = NULL, *again = NULL;
    struct instance other = {.refs = 1, .id = 3, .state = INSTANCE_READY};

    assert_int_equal(instance_apply(NULL, 3, &e, &seat, NULL), 0);
    assert_true(seat->class_id == 5 && !seat->job);
    assert_string_equal(seat->date, "2026-10-13");
    assert_string_equal(seat->gpus_held, "0:0");
    assert_int_equal(claim(seat, 9, &taken), 0);
    assert_true(taken->job == 9 && taken->claim_usec == 8 && taken->class_id == 5);
    assert_string_equal(taken->owner, "unix:ada");
    assert_string_equal(seat->owner, "class:lab");
    assert_int_equal(claim(taken, 9, &again), -EPROTO);
    assert_int_equal(claim(taken, 10, &again), -EPROTO);
    assert_int_equal(claim(&other, 9, &again), -EPROTO);
    assert_null(again);
    instance_unref(seat);
    instance_unref(taken);
}

static void names(void **state)
{
    for (int i = 0; i < INSTANCE_N_EVENTS; i++)
        assert_int_equal(instance_event_from(instance_event_name(i)), i);
    assert_int_equal(instance_event_from("none"), -1);
    assert_string_equal(instance_state_name(INSTANCE_GONE), "GONE");
    assert_string_equal(instance_state_name((enum instance_state)77), "NONE");
    assert_string_equal(instance_event_name((enum instance_event_type)77), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(other_gpus_for_its_return),
        cmocka_unit_test(request_fills_it),
        cmocka_unit_test(a_seat_is_taken_once),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
