/* SPDX-License-Identifier: Apache-2.0 */
/* test_victim.c - who makes room: for classes beside whom others may stay, and for jobs in line. */
#include <errno.h>

#include "scene.h"

#define BOOT PLAN_BOOT_USEC

/* ---- idle desktops ------------------------------------------------------------- */

/* The longest that ran goes before those in use, and two go before one in use does. */
static void idle_ones_go_first(void **state)
{
    struct job_spec one = of_qos("batch", 1, 0);
    struct scene s;

    begin(&s, 1, "requeue");
    for (int i = 0; i < 4; i++)
        put_run(&s, (uint64_t)i + 1, &one, "n00", "", -(i + 1) * 1000);
    planner_set_idle(s.p, 4, true);
    planner_set_idle(s.p, 3, true);
    planner_set_idle(s.p, 1, true);
    planner_set_idle(s.p, 1, false); /* somebody is there again */
    planner_set_idle(s.p, 77, true); /* there is none */
    step(&s, T0);
    assert_int_equal(book(&s, of_qos("first", 1, 0), 2, 20, 80), 0);
    step(&s, T0 + 20 * MIN - SAVE);
    assert_int_equal(s.n, 2);
    assert_non_null(action_of(&s, 3));
    assert_non_null(action_of(&s, 4));
    planner_free(s.p);
}

/* Of idle ones those that lose least; when they don't suffice, of the others, too. */
static void and_least_loss_after_that(void **state)
{
    struct job_spec one = of_qos("batch", 1, 0);
    struct scene s;

    begin(&s, 1, "requeue");
    for (int i = 0; i < 4; i++)
        put_run(&s, (uint64_t)i + 1, &one, "n00", "", -(i + 1) * 1000);
    for (uint64_t id = 2; id <= 4; id++)
        planner_set_idle(s.p, id, true);
    step(&s, T0);
    assert_int_equal(book(&s, of_qos("first", 1, 0), 2, 20, 80), 0);
    step(&s, T0 + 20 * MIN - SAVE);
    assert_int_equal(s.n, 2);
    assert_non_null(action_of(&s, 2));
    assert_non_null(action_of(&s, 3));
    planner_free(s.p);
}

/* A job in line takes the place of the desktop that nobody touches, wherever that is. */
static void a_job_takes_the_idle_place(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), mine = of_qos("first", 4, 60);
    struct scene s;

    begin(&s, 3, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put_run(&s, 2, &all, "n01", "", -5000);
    put_run(&s, 3, &all, "n02", "", -20);
    planner_set_idle(s.p, 2, true);
    step(&s, T0);
    put(&s, 10, &mine);
    step(&s, T0 + MIN);
    step(&s, T0 + MIN);
    assert_int_equal(s.n, 1);
    assert_non_null(action_of(&s, 2));
    planner_free(s.p);
}

/* Put again, it is as it was; what holds nothing any more is not idle. */
static void it_lasts_while_it_holds(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), mine = of_qos("first", 4, 60);
    struct job waits = world_job(2, &all);
    struct scene s;

    begin(&s, 2, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put_run(&s, 2, &all, "n01", "", -20);
    planner_set_idle(s.p, 1, true);
    planner_set_idle(s.p, 2, true);
    put_run(&s, 1, &all, "n00", "", -10);
    assert_int_equal(planner_put_job(s.p, &waits), 0);
    put_run(&s, 2, &all, "n01", "", -5);
    step(&s, T0);
    put(&s, 10, &mine);
    step(&s, T0 + MIN);
    step(&s, T0 + MIN);
    assert_int_equal(s.n, 1);
    assert_non_null(action_of(&s, 1)); /* though it ran for longer */
    planner_free(s.p);
}

/* ---- for classes ------------------------------------------------------------ */

/* Four jobs of one cpu on four; two seats: two go, those that lose least; two stay. */
static void no_more_than_needed_go(void **state)
{
    struct job_spec one = of_qos("batch", 1, 0);
    struct scene s;

    begin(&s, 1, "requeue");
    for (int i = 0; i < 4; i++)
        put_run(&s, (uint64_t)i + 1, &one, "n00", "", -(i + 1) * 10);
    step(&s, T0);
    assert_int_equal(book(&s, of_qos("first", 1, 0), 2, 30, 60), 0);
    step(&s, T0 + 30 * MIN - SAVE - 1);
    assert_int_equal(s.n, 0);
    assert_int_equal(planner_next_usec(s.p), T0 + 30 * MIN - SAVE);
    step(&s, T0 + 30 * MIN - SAVE);
    assert_int_equal(s.n, 2);
    assert_non_null(action_of(&s, 1)); /* they began last */
    assert_non_null(action_of(&s, 2));
    assert_int_equal(s.actions[0].type, PLAN_PREEMPT);
    assert_int_equal(s.actions[0].mode, PLAN_REQUEUE);
    assert_false(s.actions[0].is_for_job);
    assert_int_equal(s.actions[0].free_usec, T0 + 30 * MIN);
    planner_free(s.p);
}

/* A share of a GPU: of three on a device of four one goes for two seats, and the one on the
 * other device stays, whose profile is another. */
static void shares_of_a_device_go(void **state)
{
    struct job_spec small = of_gpu("batch", "x-1q", 0), big = of_gpu("batch", "x-2q", 0);
    struct scene s;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &small, "n00", "x-1q:0", -10);
    put_run(&s, 2, &small, "n00", "x-1q:0", -20);
    put_run(&s, 3, &small, "n00", "x-1q:0", -30);
    put_run(&s, 4, &big, "n00", "x-2q:1", -10);
    step(&s, T0);
    assert_int_equal(book(&s, of_gpu("first", "x-1q", 0), 2, 30, 60), 0);
    step(&s, T0 + 30 * MIN - SAVE);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 1);
    planner_free(s.p);
}

/* One of the others ends before: there is room, and nobody goes. */
static void who_is_not_needed_any_more_is_spared(void **state)
{
    struct job_spec one = of_qos("batch", 2, 0);
    struct scene s;

    begin(&s, 1, "save");
    put_run(&s, 1, &one, "n00", "", -10);
    put_run(&s, 2, &one, "n00", "", -20);
    step(&s, T0);
    assert_int_equal(book(&s, of_qos("first", 2, 0), 1, 30, 60), 0);
    planner_remove_job(s.p, 2);
    step(&s, T0 + 30 * MIN - SAVE);
    assert_int_equal(s.n, 0);
    step(&s, T0 + 40 * MIN);
    assert_int_equal(s.n, 0);
    planner_free(s.p);
}

/* The class goes, and so does the reason. */
static void no_class_no_victim(void **state)
{
    struct job_spec one = of_qos("batch", 4, 0);
    struct scene s;

    begin(&s, 1, "save");
    put_run(&s, 1, &one, "n00", "", -10);
    step(&s, T0);
    assert_int_equal(book(&s, of_qos("first", 1, 0), 1, 30, 60), 0);
    planner_remove_class(s.p, 1);
    step(&s, T0 + 40 * MIN);
    assert_int_equal(s.n, 0);
    assert_int_equal(book(&s, of_qos("", 1, 0), 1, 30, 60), -ENOSPC); /* it preempts nobody */
    planner_free(s.p);
}

/* What is left when they are gone is planned: a job that fits nowhere else begins then. */
static void what_victims_leave_is_planned(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), rest = of_qos("", 3, 10);
    struct scene s;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    step(&s, T0);
    assert_int_equal(book(&s, of_qos("first", 1, 0), 1, 30, 60), 0);
    put(&s, 2, &rest);
    step(&s, T0);
    step(&s, T0 + MIN);
    assert_int_equal(start_of(&s, 2, T0 + MIN), T0 + 30 * MIN);
    planner_free(s.p);
}

/* ---- for jobs in line ---------------------------------------------------------- */

/* It is asked at once; whoever comes later gets its place neither before nor after it is free. */
static void a_job_comes_over_another(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = of_qos("first", 4, 60);
    struct job_spec ahead = of_qos("", 4, 60);
    const struct plan_blocker *b;
    struct plan_why why;
    struct scene s;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put(&s, 2, &comes);
    step(&s, T0);
    step(&s, T0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_PREEMPT);
    assert_int_equal(s.actions[0].job, 1);
    assert_true(s.actions[0].is_for_job);
    assert_int_equal(s.actions[0].free_usec, T0 + SAVE);
    assert_int_equal(planner_why(s.p, 2, T0, &why), 0);
    assert_int_equal(why.start_usec, T0 + SAVE);
    b = world_blocker(&why, PLAN_BLOCK_CPUS); /* that one, until it goes; its own place is none */
    assert_non_null(b);
    assert_int_equal(b->job, 1);
    assert_int_equal(b->until_usec, T0 + SAVE);
    assert_int_equal(why.n_blockers, 1);
    struct job first = world_job(3, &ahead);
    first.priority = 10; /* it comes later, and before it in line: the place is not its own */
    assert_int_equal(planner_put_job(s.p, &first), 0);
    step(&s, T0 + SAVE / 4);
    assert_int_equal(s.n, 0);
    planner_remove_job(s.p, 1);
    step(&s, T0 + SAVE / 4);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 2);
    step(&s, T0 + SAVE / 4 + 1000);
    assert_int_equal(s.n, 0);
    planner_free(s.p);
}

/* Who fits beside, but not until the place is another job's, is told that it is no class's. */
static void a_place_for_a_job_is_named(void **state)
{
    struct job_spec half = of_qos("batch", 2, 0), comes = of_qos("first", 4, 60);
    struct job_spec other = of_qos("", 2, 60);
    const struct plan_blocker *b;
    struct plan_why why;
    struct scene s;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &half, "n00", "", -10);
    put(&s, 2, &comes);
    step(&s, T0);
    step(&s, T0);
    assert_int_equal(s.n, 1);
    put(&s, 3, &other);
    step(&s, T0);
    assert_int_equal(planner_why(s.p, 3, T0, &why), 0);
    b = world_blocker(&why, PLAN_BLOCK_CLASS);
    assert_non_null(b);
    assert_int_equal(b->count, 1);
    planner_free(s.p);
}

static void it_starts_where_they_left(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = of_qos("first", 4, 60);
    struct scene s;

    begin(&s, 1, "save");
    put_run(&s, 1, &all, "n00", "", -10);
    put(&s, 2, &comes);
    step(&s, T0);
    planner_remove_job(s.p, 1);
    step(&s, T0 + SAVE / 2);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_START);
    assert_int_equal(s.actions[0].job, 2);
    assert_int_equal(s.p->seats.n, 0);
    planner_free(s.p);
}

/* One on several nodes has a share of a device on n00, and a whole one on n01, which is another
 * kind: it is asked for a seat there. */
static void whose_second_node_is_needed_goes(void **state)
{
    struct plan_place places[] = {{.node = "n00"}, {.node = "n01", .gpus_held = ":0"}};
    struct job_spec both = of_gpu("batch", "", 0), fixed = of_gpu("", "", 0);
    struct job_spec comes = of_gpu("first", "", 60);
    struct job job = world_job(1, &both);
    struct scene s;

    both.nodes = 2;
    comes.nodelist = (char *)"n01";
    begin(&s, 2, "save");
    s.nodes[1].kind = NULL;
    assert_int_equal(planner_configure(s.p, &s.config.config), 0);
    world_run(&job, "n00", T0 - 10 * MIN);
    assert_int_equal(planner_put_job_on(s.p, &job, NULL, places, 2), 0);
    put_run(&s, 2, &fixed, "n01", ":1", -10);
    put(&s, 3, &comes);
    step(&s, T0);
    step(&s, T0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 1);
    assert_int_equal(s.actions[0].type, PLAN_PREEMPT);
    planner_free(s.p);
}

/* The node where least is lost. */
static void least_is_lost(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = of_qos("first", 4, 60);
    struct scene s;

    begin(&s, 3, "requeue");
    put_run(&s, 1, &all, "n00", "", -300);
    put_run(&s, 2, &all, "n01", "", -20);
    put_run(&s, 3, &all, "n02", "", -40);
    put(&s, 4, &comes);
    step(&s, T0);
    step(&s, T0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 2);
    planner_free(s.p);
}

/* Who has just begun is left alone for its minimum time, and asked after it. */
static void the_minimum_time_is_kept(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = of_qos("first", 4, 60);
    struct scene s;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &all, "n00", "", 0);
    put(&s, 2, &comes);
    for (int64_t t = T0; t < T0 + 3 * MIN; t += MIN / 2) {
        step(&s, t);
        assert_int_equal(s.n, 0);
    }
    int64_t at = planner_next_usec(s.p);
    assert_in_range(at, T0 + 3 * MIN, T0 + 3 * MIN + BOOT);
    for (int i = 0; i < 4 && !s.n; i++)
        step(&s, at + i);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 1);
    planner_free(s.p);
}

/* Others of the same shape in line, jobs that could not start all the same, who starts anyway. */
static void nobody_goes_for_nothing(void **state)
{
    struct job_spec half = of_qos("batch", 2, 0), fixed = of_qos("", 2, 0);
    struct job_spec comes = of_qos("first", 4, 60), small = of_qos("first", 2, 60);
    struct scene s;

    begin(&s, 2, "requeue");
    put_run(&s, 1, &half, "n00", "", -10);
    put_run(&s, 2, &fixed, "n00", "", -10);
    put_run(&s, 3, &half, "n01", "", -10);
    put_run(&s, 4, &fixed, "n01", "", -10);
    put(&s, 5, &comes); /* no node has four cpus of those that may be asked */
    step(&s, T0);
    step(&s, T0);
    assert_int_equal(s.n, 0);
    planner_remove_job(s.p, 5);
    planner_remove_job(s.p, 4);
    put(&s, 6, &small); /* two are free */
    step(&s, T0 + 1);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_START);
    planner_free(s.p);
}

/* Those before it in line have reservations: it takes nothing of them. */
static void who_comes_before_is_not_delayed(void **state)
{
    struct job_spec all = of_qos("batch", 4, 60), ahead = of_qos("", 4, 60);
    struct job_spec comes = of_qos("first", 4, 600), quick = of_qos("first", 4, 30);
    struct scene s;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &all, "n00", "", 0);
    struct job first = world_job(2, &ahead);
    first.priority = 10;
    assert_int_equal(planner_put_job(s.p, &first), 0);
    put(&s, 3, &comes);
    for (int i = 0; i < 3; i++) {
        step(&s, T0 + 10 * MIN + i);
        assert_int_equal(s.n, 0);
    }
    assert_int_equal(start_of(&s, 2, T0 + 10 * MIN), T0 + 60 * MIN);
    planner_remove_job(s.p, 3);
    put(&s, 4, &quick); /* over before the other's time */
    step(&s, T0 + 10 * MIN + 10);
    step(&s, T0 + 10 * MIN + 10);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 1);
    planner_free(s.p);
}

/* It is held, or gone, before they went: its place is anybody's. */
static void who_goes_needs_no_place(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = of_qos("first", 4, 60);
    struct scene s;
    struct job job;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put(&s, 2, &comes);
    step(&s, T0);
    assert_int_equal(s.p->seats.n_booked, 1);
    job = world_job(2, &comes);
    job.priority = 5; /* by its age: it stands elsewhere, and its place stays */
    assert_int_equal(planner_put_job(s.p, &job), 0);
    assert_int_equal(s.p->seats.n_booked, 1);
    job.held_by_user = true;
    assert_int_equal(planner_put_job(s.p, &job), 0);
    assert_int_equal(s.p->seats.n_booked, 0);
    put(&s, 3, &comes);
    step(&s, T0 + 1);
    step(&s, T0 + 2);
    assert_int_equal(s.p->seats.n_booked, 1);
    planner_remove_job(s.p, 3);
    assert_int_equal(s.p->seats.n_booked, 0);
    planner_free(s.p);
}

/* The node is lost: it looks for another place. */
static void a_lost_place_is_given_up(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = of_qos("first", 4, 60);
    struct node n = world_node("n00", 4, 64000, 2);
    struct scene s;

    begin(&s, 2, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put_run(&s, 2, &all, "n01", "", -20);
    put(&s, 3, &comes);
    step(&s, T0);
    n.up = false;
    assert_int_equal(planner_put_node(s.p, &n), 0);
    for (int i = 1; i < 4 && !action_of(&s, 2); i++)
        step(&s, T0 + i * 1000);
    assert_non_null(action_of(&s, 2));
    assert_int_equal(action_of(&s, 2)->type, PLAN_PREEMPT);
    planner_free(s.p);
}

/* A begin time that is still to come, a partition that closes: its place is anybody's. */
static void who_leaves_the_line_has_no_place(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = of_qos("first", 4, 60);
    struct scene s;
    struct job job;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put(&s, 2, &comes);
    step(&s, T0);
    assert_int_equal(s.p->seats.n_booked, 1);
    comes.begin_usec = T0 + 1000 * MIN;
    job = world_job(2, &comes);
    assert_int_equal(planner_put_job(s.p, &job), 0);
    planner_remove_job(s.p, 1);
    step(&s, T0 + 1000);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.p->seats.n_booked, 0);
    planner_remove_job(s.p, 2);
    comes.begin_usec = 0;
    put_run(&s, 3, &all, "n00", "", -10);
    put(&s, 4, &comes);
    step(&s, T0 + 2000);
    assert_int_equal(s.p->seats.n_booked, 1);
    s.config.partitions[0].up = false;
    assert_int_equal(planner_configure(s.p, &s.config.config), 0);
    assert_int_equal(s.p->seats.n_booked, 0);
    planner_free(s.p);
}

/* It was saved and is back: its minimum time counts from there, however long it ran before. */
static void who_came_back_is_left_alone(void **state)
{
    struct job_spec all = of_qos("batch", 4, 600), comes = of_qos("first", 4, 60);
    struct job job = world_job(1, &all);
    struct scene s;

    begin(&s, 1, "save");
    world_run(&job, "n00", T0 - 100 * MIN);
    job.gpus_held = "";
    job.state = JOB_SUSPENDED;
    job.suspended_usec = job.wake_usec = T0 - 10 * MIN;
    assert_int_equal(planner_put_job(s.p, &job), 0);
    step(&s, T0);
    assert_int_equal(s.n, 1); /* its start */
    job.restore_usec = T0;
    assert_int_equal(planner_put_job(s.p, &job), 0);
    job.state = JOB_RUNNING;
    job.suspended_total_usec = 10 * MIN;
    job.suspended_usec = job.wake_usec = job.restore_usec = 0;
    assert_int_equal(planner_put_job(s.p, &job), 0);
    put(&s, 2, &comes);
    step(&s, T0 + MIN);
    step(&s, T0 + 2 * MIN);
    assert_int_equal(s.n, 0);
    for (int64_t t = T0 + 3 * MIN; t < T0 + 10 * MIN && !s.n; t += MIN)
        step(&s, t);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_PREEMPT);
    planner_free(s.p);
}

/* Three of four seats have free places on a node that comes last: one job goes, not four. */
static void what_is_free_is_taken_first(void **state)
{
    struct job_spec one = of_qos("batch", 1, 0);
    struct scene s;

    begin(&s, 2, "requeue");
    for (int i = 0; i < 4; i++)
        put_run(&s, (uint64_t)i + 1, &one, "n00", "", -(i + 1) * 10);
    put_run(&s, 5, &one, "n01", "", -100);
    step(&s, T0);
    assert_int_equal(book(&s, of_qos("first", 1, 0), 4, 30, 60), 0);
    step(&s, T0 + 30 * MIN - SAVE);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 1);
    planner_free(s.p);
}

/* Two windows, a week apart: spared in the first, it makes room for the second. */
static void each_window_has_its_victims(void **state)
{
    struct job_spec half = of_qos("batch", 2, 0);
    struct job_spec seat = of_qos("first", 2, 0);
    struct plan_window windows[] = {{T0 + 30 * MIN, T0 + 60 * MIN},
                                    {T0 + 10080 * MIN, T0 + 10110 * MIN}};
    struct plan_class c = {.id = 1, .seat = &seat, .seats = 1, .windows = windows, .n_windows = 2};
    struct plan_shortage shortage;
    struct scene s;

    begin(&s, 1, "requeue");
    put_run(&s, 1, &half, "n00", "", -10);
    put_run(&s, 2, &half, "n00", "", -20);
    step(&s, T0);
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    planner_remove_job(s.p, 2);
    step(&s, T0 + 30 * MIN - SAVE);
    assert_int_equal(s.n, 0); /* there is room beside it */
    put_run(&s, 3, &half, "n00", "", 70);
    step(&s, T0 + 10080 * MIN - SAVE);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 1);
    planner_free(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_ones_go_first),
        cmocka_unit_test(and_least_loss_after_that),
        cmocka_unit_test(a_job_takes_the_idle_place),
        cmocka_unit_test(it_lasts_while_it_holds),
        cmocka_unit_test(no_more_than_needed_go),
        cmocka_unit_test(shares_of_a_device_go),
        cmocka_unit_test(who_is_not_needed_any_more_is_spared),
        cmocka_unit_test(no_class_no_victim),
        cmocka_unit_test(what_victims_leave_is_planned),
        cmocka_unit_test(a_job_comes_over_another),
        cmocka_unit_test(a_place_for_a_job_is_named),
        cmocka_unit_test(it_starts_where_they_left),
        cmocka_unit_test(whose_second_node_is_needed_goes),
        cmocka_unit_test(least_is_lost),
        cmocka_unit_test(the_minimum_time_is_kept),
        cmocka_unit_test(nobody_goes_for_nothing),
        cmocka_unit_test(who_comes_before_is_not_delayed),
        cmocka_unit_test(who_goes_needs_no_place),
        cmocka_unit_test(a_lost_place_is_given_up),
        cmocka_unit_test(who_leaves_the_line_has_no_place),
        cmocka_unit_test(who_came_back_is_left_alone),
        cmocka_unit_test(what_is_free_is_taken_first),
        cmocka_unit_test(each_window_has_its_victims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
