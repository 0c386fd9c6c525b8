/* SPDX-License-Identifier: Apache-2.0 */
/* test_job_state.c - every (state, event, final) against a table written by hand */
#include <model/job_state.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What a cell says besides the state that follows. */
enum { ENDS = 100, FINISHES };

/*
 * What each state must do with each event, from the order of a job's life: a
 * pending job waits, may be held and may be changed; one that has an instance
 * may be changed in words, lost and found; only what runs can be suspended; all
 * with an instance come to COMPLETING, and from there to an end or back; a job
 * that has ended takes nothing any more.
 */
static const int expected[JOB_N_STATES][JOB_N_EVENTS] = {
    [JOB_NONE] = {[JOB_EVENT_SUBMIT] = JOB_PENDING},
    [JOB_PENDING] = {[JOB_EVENT_UPDATE] = JOB_PENDING,
                     [JOB_EVENT_HOLD] = JOB_PENDING,
                     [JOB_EVENT_RELEASE] = JOB_PENDING,
                     [JOB_EVENT_PRIORITY] = JOB_PENDING,
                     [JOB_EVENT_ALLOC] = JOB_CONFIGURING,
                     [JOB_EVENT_END] = ENDS,
                     [JOB_EVENT_UNKNOWN] = JOB_PENDING},
    [JOB_CONFIGURING] = {[JOB_EVENT_UPDATE] = JOB_CONFIGURING,
                         [JOB_EVENT_START] = JOB_RUNNING,
                         [JOB_EVENT_FINISH] = FINISHES,
                         [JOB_EVENT_UNREACHABLE] = JOB_CONFIGURING,
                         [JOB_EVENT_REACHABLE] = JOB_CONFIGURING,
                         [JOB_EVENT_UNKNOWN] = JOB_CONFIGURING},
    [JOB_RUNNING] = {[JOB_EVENT_UPDATE] = JOB_RUNNING,
                     [JOB_EVENT_SUSPEND] = JOB_SUSPENDED,
                     [JOB_EVENT_FINISH] = FINISHES,
                     [JOB_EVENT_UNREACHABLE] = JOB_RUNNING,
                     [JOB_EVENT_REACHABLE] = JOB_RUNNING,
                     [JOB_EVENT_UNKNOWN] = JOB_RUNNING,
                     [JOB_EVENT_NOTE] = JOB_RUNNING},
    [JOB_SUSPENDED] = {[JOB_EVENT_UPDATE] = JOB_SUSPENDED,
                       [JOB_EVENT_WAKE] = JOB_SUSPENDED,
                       [JOB_EVENT_RESTORE] = JOB_SUSPENDED,
                       [JOB_EVENT_STAY] = JOB_SUSPENDED,
                       [JOB_EVENT_NOTICE] = JOB_SUSPENDED,
                       [JOB_EVENT_RESUME] = JOB_RUNNING,
                       [JOB_EVENT_FINISH] = FINISHES,
                       [JOB_EVENT_UNREACHABLE] = JOB_SUSPENDED,
                       [JOB_EVENT_REACHABLE] = JOB_SUSPENDED,
                       [JOB_EVENT_UNKNOWN] = JOB_SUSPENDED},
    [JOB_COMPLETING] = {[JOB_EVENT_FINISH] = FINISHES,
                        [JOB_EVENT_END] = ENDS,
                        [JOB_EVENT_REQUEUE] = JOB_PENDING,
                        [JOB_EVENT_UNREACHABLE] = JOB_COMPLETING,
                        [JOB_EVENT_REACHABLE] = JOB_COMPLETING,
                        [JOB_EVENT_UNKNOWN] = JOB_COMPLETING},
};

static bool is_end(int state)
{
    static const int ends[] = {JOB_COMPLETED, JOB_FAILED,    JOB_CANCELLED, JOB_TIMEOUT,
                               JOB_PREEMPTED, JOB_NODE_FAIL, JOB_BOOT_FAIL, JOB_DEADLINE};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends[i] == state)
            return true;
    return false;
}

static int after(int from, int event, int final)
{
    int to = expected[from][event];

    if (to == ENDS)
        return is_end(final) ? final : JOB_NONE;
    if (to == FINISHES)
        return is_end(final) || final == JOB_PENDING ? JOB_COMPLETING : JOB_NONE;
    return to;
}

static void every_pair(void **state)
{
    unsigned taken = 0;

    for (int from = 0; from < JOB_N_STATES; from++) {
        for (int event = 0; event < JOB_N_EVENTS; event++) {
            for (int final = 0; final < JOB_N_STATES; final++) {
                int to = (int)job_state_next(from, event, final);

                if (to != after(from, event, final))
                    fail_msg("%s + %s (%s) = %s, not %s", job_state_name(from),
                             job_event_name(event), job_state_name(final), job_state_name(to),
                             job_state_name(after(from, event, final)));
                taken += to != JOB_NONE;
            }
        }
    }
    assert_in_range(taken, 1, JOB_N_STATES * JOB_N_EVENTS * JOB_N_STATES - 1);
}

/* No row stands twice, none leads out of an end, every state can be reached and left. */
static void rows_are_sound(void **state)
{
    bool reached[JOB_N_STATES] = {[JOB_NONE] = true};

    for (size_t i = 0; i < job_n_transitions; i++) {
        const struct job_transition *t = &job_transitions[i];

        assert_false(is_end(t->from));
        for (size_t k = 0; k < i; k++)
            assert_false(job_transitions[k].event == t->event &&
                         job_transitions[k].from == t->from);
        for (int final = 0; final < JOB_N_STATES; final++)
            reached[job_state_next(t->from, t->event, final)] = true;
    }
    for (int s = 0; s < JOB_N_STATES; s++)
        if (!reached[s])
            fail_msg("%s cannot be reached", job_state_name(s));
}

static void names_and_letters(void **state)
{
    static const struct {
        const char *name, *letters;
        enum job_state state;
    } slurm[] = {
        {"PENDING", "PD", JOB_PENDING},       {"CONFIGURING", "CF", JOB_CONFIGURING},
        {"RUNNING", "R", JOB_RUNNING},        {"SUSPENDED", "S", JOB_SUSPENDED},
        {"COMPLETING", "CG", JOB_COMPLETING}, {"COMPLETED", "CD", JOB_COMPLETED},
        {"FAILED", "F", JOB_FAILED},          {"CANCELLED", "CA", JOB_CANCELLED},
        {"TIMEOUT", "TO", JOB_TIMEOUT},       {"PREEMPTED", "PR", JOB_PREEMPTED},
        {"NODE_FAIL", "NF", JOB_NODE_FAIL},   {"BOOT_FAIL", "BF", JOB_BOOT_FAIL},
        {"DEADLINE", "DL", JOB_DEADLINE},
    };

    for (size_t i = 0; i < sizeof(slurm) / sizeof(slurm[0]); i++) {
        assert_string_equal(job_state_name(slurm[i].state), slurm[i].name);
        assert_string_equal(job_state_letters(slurm[i].state), slurm[i].letters);
        assert_int_equal(job_state_from(slurm[i].name), slurm[i].state);
        assert_int_equal(job_state_from(slurm[i].letters), slurm[i].state);
        assert_int_equal(job_state_is_end(slurm[i].state), is_end((int)slurm[i].state));
    }
    assert_int_equal(sizeof(slurm) / sizeof(slurm[0]), JOB_N_STATES - 1);
    assert_int_equal(job_state_from("pd"), JOB_PENDING);
    assert_int_equal(job_state_from("Running"), JOB_RUNNING);
    assert_int_equal(job_state_from(""), JOB_NONE);
    assert_int_equal(job_state_from("NONE"), JOB_NONE);
    assert_int_equal(job_state_from("PENDINGS"), JOB_NONE);
    assert_string_equal(job_state_name((enum job_state)99), "NONE");
    assert_string_equal(job_state_letters((enum job_state) - 1), "--");
    assert_string_equal(job_event_name((enum job_event_type)99), "none");
}

static void events_by_name(void **state)
{
    for (int i = 0; i < JOB_N_EVENTS; i++)
        assert_int_equal(job_event_from(job_event_name(i)), i);
    assert_int_equal(job_event_from(""), -1);
    assert_int_equal(job_event_from("Submit"), -1);
    assert_int_equal(job_event_from("none"), -1);
}

static void active_is_what_may_hold_a_node(void **state)
{
    for (int s = 0; s < JOB_N_STATES; s++)
        assert_int_equal(job_state_is_active(s), s == JOB_CONFIGURING || s == JOB_RUNNING ||
                                                     s == JOB_SUSPENDED || s == JOB_COMPLETING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(names_and_letters),
        cmocka_unit_test(events_by_name),
        cmocka_unit_test(active_is_what_may_hold_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
