/* SPDX-License-Identifier: Apache-2.0 */
/* test_job.c - what each event makes of a job, and that the old one stays as it was */
#include <model/job.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEC INT64_C(1000000)

/* The job after the event; the old one is checked bit by bit and let go. */
static struct job *step(struct job *old, struct job_event event)
{
    struct job copy = old ? *old : (struct job){0}, *now = NULL;
    struct vdi_error err = {0};

    if (job_apply(old, 7, &event, &now, &err) < 0)
        fail_msg("%s: %s", job_event_name(event.type), err.detail);
    assert_int_equal(now->refs, 1);
    assert_int_equal(now->id, 7);
    if (old) {
        assert_memory_equal(old, &copy, sizeof(copy));
        assert_ptr_not_equal(old, now);
        job_unref(old);
    }
    return now;
}

static void refused(const struct job *old, struct job_event event, int code)
{
    struct job *now = NULL;
    struct vdi_error err = {0};

    assert_int_equal(job_apply(old, 7, &event, &now, &err), -code);
    assert_null(now);
    assert_int_equal(err.code, code);
    assert_true(err.detail[0]);
}

static struct job *submitted(int64_t limit_sec)
{
    struct job_event event = {.type = JOB_EVENT_SUBMIT, .time_usec = SEC, .priority = 10};
    struct job *job;

    event.spec = job_spec_new();
    event.spec->time_limit_sec = limit_sec;
    assert_int_equal(job_spec_set(&event.spec->name, "cad"), 0);
    job = step(NULL, event);
    assert_ptr_equal(job->spec, event.spec);
    assert_int_equal(job->spec->refs, 2);
    job_event_done(&event);
    assert_int_equal(job->spec->refs, 1);
    return job;
}

static struct job_event at(enum job_event_type type, int64_t sec)
{
    return (struct job_event){.type = type, .time_usec = sec * SEC};
}

static struct job_event finish(int64_t sec, enum job_state final, const char *reason)
{
    struct job_event event = at(JOB_EVENT_FINISH, sec);

    event.final = final;
    snprintf(event.reason, sizeof(event.reason), "%s", reason);
    return event;
}

static struct job *allocated(struct job *job, int64_t sec)
{
    struct job_event event = at(JOB_EVENT_ALLOC, sec);

    event.instance = 70;
    event.generation = 1;
    strcpy(event.node, "gpu01");
    return step(job, event);
}

static struct job *running(int64_t limit_sec)
{
    return step(allocated(submitted(limit_sec), 100), at(JOB_EVENT_START, 110));
}

static void from_submit_to_end(void **state)
{
    struct job *job = submitted(60);
    struct job_event event;

    assert_int_equal(job->state, JOB_PENDING);
    assert_int_equal(job->priority, 10);
    assert_true(job->submit_usec == SEC);
    assert_false(job->held_by_user);
    assert_true(job_limit_usec(job) == 0);
    job = allocated(job, 100);
    assert_int_equal(job->state, JOB_CONFIGURING);
    assert_int_equal(job->instance, 70);
    assert_string_equal(job->node, "gpu01");
    assert_true(job->alloc_usec == 100 * SEC);
    assert_true(job_limit_usec(job) == 0); /* the time runs once it is ready */
    job = step(job, at(JOB_EVENT_START, 110));
    assert_true(job->start_usec == 110 * SEC);
    assert_true(job_limit_usec(job) == 170 * SEC);
    event = finish(150, JOB_FAILED, "exit 3");
    event.exit_code = 3;
    job = step(job, event);
    assert_int_equal(job->state, JOB_COMPLETING);
    assert_int_equal(job->final, JOB_FAILED);
    assert_true(job_limit_usec(job) == 0);
    event = at(JOB_EVENT_END, 160);
    event.final = JOB_COMPLETED; /* what FINISH said stands */
    job = step(job, event);
    assert_int_equal(job->state, JOB_FAILED);
    assert_int_equal(job->final, JOB_NONE);
    assert_int_equal(job->exit_code, 3);
    assert_string_equal(job->reason, "exit 3");
    assert_true(job->end_usec == 160 * SEC);
    assert_string_equal(job->node, "gpu01"); /* where it ran is still known */
    for (int i = 0; i < JOB_N_EVENTS; i++) {
        event = at(i, 200);
        event.final = JOB_CANCELLED;
        refused(job, event, EPROTO);
    }
    job_unref(job);
}

static void refusals_change_nothing(void **state)
{
    struct job *job = submitted(0);
    struct job copy = *job;

    refused(job, at(JOB_EVENT_START, 2), EPROTO);
    refused(job, at(JOB_EVENT_REQUEUE, 2), EPROTO);
    refused(job, at(JOB_EVENT_END, 2), EPROTO); /* without a final state */
    refused(job, at(JOB_EVENT_SUBMIT, 2), EPROTO);
    refused(job, at(JOB_EVENT_UPDATE, 2), EINVAL);
    refused(NULL, at(JOB_EVENT_SUBMIT, 2), EINVAL);
    refused(NULL, at(JOB_EVENT_HOLD, 2), EPROTO);
    refused(NULL, at(JOB_N_EVENTS, 2), EPROTO);
    assert_memory_equal(job, &copy, sizeof(copy));
    assert_int_equal(job->spec->refs, 1);
    job_unref(job);
}

static void holds(void **state)
{
    struct job_event event = at(JOB_EVENT_SUBMIT, 1);
    struct job *job;

    event.spec = job_spec_new();
    event.final = JOB_PENDING;
    job = step(NULL, event);
    job_event_done(&event);
    assert_true(job->held_by_user);
    assert_int_equal(job->final, JOB_NONE);
    event = at(JOB_EVENT_HOLD, 2);
    event.admin = true;
    strcpy(event.reason, "cooling");
    job = step(job, event);
    assert_true(job->held_by_user && job->held_by_admin);
    job = step(job, at(JOB_EVENT_RELEASE, 3));
    assert_true(!job->held_by_user && job->held_by_admin);
    assert_string_equal(job->reason, "cooling"); /* still held, and still says why */
    event = at(JOB_EVENT_RELEASE, 4);
    event.admin = true;
    job = step(job, event);
    assert_true(!job->held_by_user && !job->held_by_admin);
    assert_string_equal(job->reason, "");
    job_unref(job);
}

static void a_damaged_record_is_not_released_by_its_owner(void **state)
{
    struct job_event release = at(JOB_EVENT_RELEASE, 4);
    struct job *job = step(submitted(0), at(JOB_EVENT_UNKNOWN, 2));

    assert_true(job->unknown);
    job = step(job, release);
    assert_true(job->unknown);
    release.admin = true;
    job = step(job, release);
    assert_false(job->unknown);
    job_unref(job);
    job = step(running(0), at(JOB_EVENT_UNKNOWN, 200));
    assert_true(job->unknown);
    job = step(job, at(JOB_EVENT_REACHABLE, 201)); /* its node has reported */
    assert_false(job->unknown);
    job_unref(job);
}

static void suspensions_move_the_limit(void **state)
{
    struct job *job = running(60); /* until 170 */

    job = step(job, at(JOB_EVENT_SUSPEND, 120));
    assert_true(job->suspended_usec == 120 * SEC);
    assert_true(job_limit_usec(job) == 0);
    job = step(job, at(JOB_EVENT_RESUME, 1120));
    assert_true(job->suspended_usec == 0);
    assert_true(job->suspended_total_usec == 1000 * SEC);
    assert_true(job_limit_usec(job) == 1170 * SEC);
    job = step(job, at(JOB_EVENT_SUSPEND, 1130));
    job = step(job, at(JOB_EVENT_RESUME, 1125)); /* the clock was set back: not negative */
    assert_true(job_limit_usec(job) == 1170 * SEC);
    job = step(job, at(JOB_EVENT_SUSPEND, 1140));
    job = step(job, finish(1150, JOB_CANCELLED, ""));
    assert_true(job->suspended_total_usec == 1010 * SEC);
    assert_true(job->suspended_usec == 0);
    job_unref(job);
    job = running(0);
    assert_true(job_limit_usec(job) == 0); /* unlimited */
    job_unref(job);
    job = running(10 * INT64_C(366) * 24 * 3600);
    assert_true(job_limit_usec(job) > 110 * SEC);
    job_unref(job);
}

static struct job_event longer(const struct job *job, int64_t sec, int64_t limit_sec)
{
    struct job_event event = at(JOB_EVENT_WAKE, sec);

    event.spec = job_spec_copy(job->spec);
    event.spec->time_limit_sec = limit_sec;
    return event;
}

/* Saved with some of its limit left, that counts on; saved at its limit, new time does. */
static void what_is_left_counts_after_a_resume(void **state)
{
    struct job *job = running(60), *next;
    struct job_event event;

    job = step(job, at(JOB_EVENT_SUSPEND, 130));
    assert_true(job_left_usec(job) == 40 * SEC && job_ran_sec(job) == 20);
    assert_false(job_is_waiting(job));
    event = at(JOB_EVENT_RESTORE, 140); /* nobody wants it back yet */
    assert_int_equal(job_apply(job, 1, &event, &next, NULL), -EPROTO);
    job = step(job, at(JOB_EVENT_WAKE, 150));
    assert_true(job_is_waiting(job) && job->wake_usec == 150 * SEC && !job->spent_sec);
    event = at(JOB_EVENT_WAKE, 151);
    assert_int_equal(job_apply(job, 1, &event, &next, NULL), -EPROTO);
    job = step(job, at(JOB_EVENT_RESTORE, 160));
    assert_false(job_is_waiting(job));
    job = step(job, at(JOB_EVENT_STAY, 170));
    assert_true(!job->wake_usec && !job->restore_usec && job->state == JOB_SUSPENDED);
    job = step(job, at(JOB_EVENT_WAKE, 180));
    job = step(job, at(JOB_EVENT_RESTORE, 190));
    job = step(job, at(JOB_EVENT_RESUME, 230));
    assert_true(job_limit_usec(job) == 270 * SEC && !job->wake_usec && !job->restore_usec);
    job = step(job, at(JOB_EVENT_SUSPEND, 275)); /* it took 5 s to save it */
    assert_true(job_left_usec(job) == 0 && job_ran_sec(job) == 65);
    event = longer(job, 1000, 65 + 3600);
    job = step(job, event);
    job_event_done(&event);
    assert_true(job->spent_sec == 65 && job_left_usec(job) == 3600 * SEC);
    job = step(job, at(JOB_EVENT_RESTORE, 1000));
    job = step(job, at(JOB_EVENT_RESUME, 1010));
    assert_true(job_limit_usec(job) == (1010 + 3600) * SEC);
    job_unref(job);
}

static void extend_is_an_update_while_it_runs(void **state)
{
    struct job *job = running(60);
    struct job_spec *shared = job_spec_ref(job->spec);
    struct job_event event = at(JOB_EVENT_UPDATE, 130);

    event.spec = job_spec_copy(job->spec);
    event.spec->time_limit_sec = 120;
    job = step(job, event);
    job_event_done(&event);
    assert_true(job_limit_usec(job) == 230 * SEC);
    assert_string_equal(job->spec->name, "cad");
    assert_true(shared->time_limit_sec == 60);
    assert_int_equal(shared->refs, 1);
    job_spec_unref(shared);
    job_unref(job);
}

/* What a start took of the limit, a requeue gives back; also of a job that had none. */
static void a_shorter_limit_is_of_one_run(void **state)
{
    static const int64_t limits[] = {3600, 0};

    for (size_t i = 0; i < 2; i++) {
        struct job *job = submitted(limits[i]);
        struct job_spec *asked = job_spec_ref(job->spec);
        struct job_event event = at(JOB_EVENT_ALLOC, 10);

        event.spec = job_spec_shorten(job->spec, 600);
        job = step(job, event);
        job_event_done(&event);
        job = step(job, at(JOB_EVENT_START, 20));
        assert_true(job_limit_usec(job) == 620 * SEC);
        assert_true(job->spec->time_asked_sec == (limits[i] ? limits[i] : JOB_ASKED_UNLIMITED));
        job = step(job, finish(30, JOB_PENDING, "again"));
        assert_true(job->spec->time_limit_sec == 600);
        job = step(job, at(JOB_EVENT_REQUEUE, 31));
        assert_true(job->spec->time_limit_sec == limits[i] && !job->spec->time_asked_sec);
        assert_true(asked->time_limit_sec == limits[i]);
        assert_string_equal(job->spec->name, "cad");
        job_spec_unref(asked);
        job_unref(job);
    }
}

static void the_first_word_stands(void **state)
{
    struct job *job = step(running(0), finish(120, JOB_TIMEOUT, "limit"));

    job = step(job, finish(121, JOB_CANCELLED, "by hand"));
    assert_int_equal(job->final, JOB_TIMEOUT);
    assert_string_equal(job->reason, "limit");
    job = step(job, finish(122, JOB_PENDING, "again")); /* no way back from an end */
    assert_int_equal(job->final, JOB_TIMEOUT);
    refused(job, at(JOB_EVENT_REQUEUE, 123), EPROTO);
    job_unref(job);
    job = step(running(0), finish(120, JOB_PENDING, "preempted"));
    refused(job, at(JOB_EVENT_END, 121), EPROTO); /* it is to be queued again */
    job = step(job, finish(121, JOB_CANCELLED, "by hand"));
    assert_int_equal(job->final, JOB_CANCELLED);
    refused(job, at(JOB_EVENT_REQUEUE, 122), EPROTO);
    job = step(job, at(JOB_EVENT_END, 123));
    assert_int_equal(job->state, JOB_CANCELLED);
    job_unref(job);
}

static void requeue_forgets_the_run(void **state)
{
    struct job *job = running(60);
    struct job_event event = finish(130, JOB_PENDING, "node went away");

    job = step(job, at(JOB_EVENT_SUSPEND, 120));
    job = step(job, at(JOB_EVENT_UNREACHABLE, 121));
    assert_true(job->unreachable);
    event.exit_signal = 9;
    job = step(job, event);
    job = step(job, at(JOB_EVENT_REQUEUE, 140));
    assert_int_equal(job->state, JOB_PENDING);
    assert_int_equal(job->restarts, 1);
    assert_true(job->submit_usec == SEC); /* it keeps its place */
    assert_true(!job->instance && !job->generation && !job->node[0]);
    assert_true(!job->alloc_usec && !job->start_usec && !job->end_usec);
    assert_true(!job->suspended_usec && !job->suspended_total_usec);
    assert_true(!job->exit_code && !job->exit_signal && !job->final && !job->unreachable);
    job = step(allocated(job, 200), at(JOB_EVENT_START, 210));
    assert_true(job_limit_usec(job) == 270 * SEC);
    job_unref(job);
}

/* Its instances have ids one after the other. */
static void a_job_on_several_nodes(void **state)
{
    struct job_event event = {.type = JOB_EVENT_SUBMIT, .time_usec = SEC};
    struct job *job;

    event.spec = job_spec_new();
    event.spec->nodes = 3;
    job = step(NULL, event);
    job_event_done(&event);
    assert_string_equal(job_node_list(job), "");
    assert_false(job_has_instance(job, 0) || job_has_instance(job, 1));
    event = at(JOB_EVENT_ALLOC, 100);
    event.instance = 70;
    strcpy(event.node, "gpu01");
    event.node_list = strdup("gpu[01-03]");
    job = step(job, event);
    job_event_done(&event);
    assert_string_equal(job->node, "gpu01");
    assert_string_equal(job_node_list(job), "gpu[01-03]");
    assert_false(job_has_instance(job, 69) || job_has_instance(job, 73));
    assert_true(job_has_instance(job, 70) && job_has_instance(job, 72));
    job = step(job, at(JOB_EVENT_START, 110));
    job = step(job, finish(130, JOB_PENDING, "one is lost"));
    assert_string_equal(job->node_list, "gpu[01-03]"); /* until all are gone */
    job = step(job, at(JOB_EVENT_REQUEUE, 140));
    assert_string_equal(job->node_list, "");
    assert_false(job_has_instance(job, 70));
    job = allocated(job, 200); /* as an old record has it */
    assert_string_equal(job_node_list(job), "gpu01");
    job_unref(job);
}

static struct job_event idle(enum job_event_type type, int64_t sec, enum job_idle what)
{
    struct job_event event = at(type, sec);

    event.idle = what;
    event.final = type == JOB_EVENT_FINISH ? JOB_TIMEOUT : JOB_NONE;
    return event;
}

/* That its user was told holds until he is back, it is saved, or it ends for something else. */
static void idleness_is_told_once(void **state)
{
    struct job *job = step(running(60), idle(JOB_EVENT_NOTE, 100, JOB_IDLE_TOLD));

    assert_true(job->idle_told_usec == 100 * SEC);
    job = step(job, at(JOB_EVENT_NOTE, 105));
    assert_true(job->idle_told_usec == 100 * SEC);
    job = step(job, idle(JOB_EVENT_NOTE, 110, JOB_IDLE_OVER));
    assert_true(!job->idle_told_usec);
    job = step(job, idle(JOB_EVENT_NOTE, 120, JOB_IDLE_TOLD));
    job = step(job, at(JOB_EVENT_SUSPEND, 130));
    assert_true(!job->idle_told_usec);
    job = step(job, at(JOB_EVENT_RESUME, 140));
    job = step(job, idle(JOB_EVENT_NOTE, 150, JOB_IDLE_TOLD));
    job = step(job, idle(JOB_EVENT_FINISH, 160, JOB_IDLE_END));
    job = step(job, finish(161, JOB_CANCELLED, "")); /* the first word stands */
    assert_true(job->idle_told_usec == 150 * SEC && job->final == JOB_TIMEOUT);
    job_unref(job);
    job = step(running(60), idle(JOB_EVENT_NOTE, 100, JOB_IDLE_TOLD));
    job = step(job, finish(160, JOB_TIMEOUT, "time limit reached"));
    assert_true(!job->idle_told_usec);
    job_unref(job);
}

/* What a script that was told to go ends as holds for this run, and not once it was saved. */
static void who_was_told_to_go_is_known(void **state)
{
    struct job_event told = at(JOB_EVENT_NOTE, 100);
    struct job *job;

    told.final = JOB_PENDING;
    job = step(running(60), told);
    assert_int_equal(job->term_final, JOB_PENDING);
    job = step(job, at(JOB_EVENT_NOTE, 105));
    assert_int_equal(job->term_final, JOB_PENDING);
    assert_int_equal(job->final, JOB_NONE);
    job = step(job, at(JOB_EVENT_SUSPEND, 130));
    assert_int_equal(job->term_final, JOB_NONE);
    job_unref(job);
}

static void a_pending_job_ends_at_once(void **state)
{
    struct job_event event = at(JOB_EVENT_END, 5);
    struct job *job = submitted(0);

    event.final = JOB_DEADLINE;
    strcpy(event.reason, "too late");
    job = step(job, event);
    assert_int_equal(job->state, JOB_DEADLINE);
    assert_string_equal(job->reason, "too late");
    job_unref(job);
}

static void unreachable_and_back(void **state)
{
    struct job_event event = at(JOB_EVENT_UNREACHABLE, 120);
    struct job *job = running(60);

    strcpy(event.reason, "gpu01 is silent");
    job = step(job, event);
    assert_int_equal(job->state, JOB_RUNNING);
    assert_true(job->unreachable);
    assert_true(job_limit_usec(job) == 170 * SEC); /* its time runs on */
    job = step(job, at(JOB_EVENT_REACHABLE, 130));
    assert_false(job->unreachable);
    assert_string_equal(job->reason, "");
    job_unref(job);
}

static void long_texts_are_cut(void **state)
{
    struct job_event event = finish(130, JOB_FAILED, "");
    struct job *job = running(0);

    memset(event.reason, 'x', sizeof(event.reason) - 1);
    job = step(job, event);
    assert_int_equal(strlen(job->reason), sizeof(event.reason) - 1);
    job_unref(job);
}

static void specs(void **state)
{
    struct job_spec *spec = job_spec_new(), *copy;

    assert_string_equal(spec->name, "");
    assert_null(spec->idempotency_key);
    assert_true(spec->uid == UINT32_MAX && spec->gid == UINT32_MAX);
    assert_int_equal(job_spec_set(&spec->name, "a"), 0);
    assert_int_equal(job_spec_set(&spec->name, "b"), 0);
    assert_int_equal(job_spec_set(&spec->comment, "c"), 0);
    assert_int_equal(job_spec_set(&spec->comment, NULL), 0);
    assert_string_equal(spec->comment, "");
    copy = job_spec_copy(spec);
    assert_int_equal(copy->refs, 1);
    assert_string_equal(copy->name, "b");
    assert_ptr_equal(copy->name, spec->name); /* a word is shared */
    assert_int_equal(job_spec_set(&copy->name, ""), 0);
    assert_string_equal(spec->name, "b");
    job_spec_unref(copy);
    job_spec_unref(spec);
    job_spec_unref(NULL);
    job_unref(NULL);
}

/* What came back too often comes back held; a cancel meanwhile is an end like any other. */
static void a_requeue_may_end_in_a_hold(void **state)
{
    struct job *job = allocated(submitted(0), 20);
    struct job_event event = finish(30, JOB_PENDING, "held after 5 restarts");
    struct job *cancelled;

    event.admin = true;
    job = step(job, event);
    assert_true(job->state == JOB_COMPLETING && job->held_by_admin);
    cancelled = job_ref(job);
    job = step(job, at(JOB_EVENT_REQUEUE, 40));
    assert_true(job->state == JOB_PENDING && job->held_by_admin && job->restarts == 1);
    assert_string_equal(job->reason, "held after 5 restarts");
    job_unref(job);
    cancelled = step(cancelled, finish(35, JOB_CANCELLED, "cancelled"));
    assert_true(cancelled->final == JOB_CANCELLED && !cancelled->held_by_admin);
    job_unref(cancelled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_submit_to_end),
        cmocka_unit_test(refusals_change_nothing),
        cmocka_unit_test(holds),
        cmocka_unit_test(a_damaged_record_is_not_released_by_its_owner),
        cmocka_unit_test(suspensions_move_the_limit),
        cmocka_unit_test(what_is_left_counts_after_a_resume),
        cmocka_unit_test(extend_is_an_update_while_it_runs),
        cmocka_unit_test(the_first_word_stands),
        cmocka_unit_test(requeue_forgets_the_run),
        cmocka_unit_test(a_job_on_several_nodes),
        cmocka_unit_test(idleness_is_told_once),
        cmocka_unit_test(who_was_told_to_go_is_known),
        cmocka_unit_test(a_pending_job_ends_at_once),
        cmocka_unit_test(unreachable_and_back),
        cmocka_unit_test(a_requeue_may_end_in_a_hold),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(a_shorter_limit_is_of_one_run),
        cmocka_unit_test(specs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
