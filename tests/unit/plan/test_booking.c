/* SPDX-License-Identifier: Apache-2.0 */
/* test_booking.c - jobs on several nodes for which others make room: everywhere, or nowhere. */
#include "scene.h"

/* On n00 and n01. */
static void put_wide_run(struct scene *s, uint64_t id, struct job_spec *spec, int64_t since_min)
{
    struct plan_place places[] = {{.node = "n00"}, {.node = "n01"}};
    struct job job = world_job(id, spec);

    world_run(&job, "n00", T0 + since_min * MIN);
    assert_int_equal(planner_put_job_on(s->p, &job, NULL, places, 2), 0);
}

static void lose(struct scene *s, const char *node)
{
    struct node n = world_node(node, 4, 64000, 2);

    n.up = false;
    assert_int_equal(planner_put_node(s->p, &n), 0);
}

static struct job_spec wide(uint32_t nodes, uint32_t cpus, int64_t limit_min)
{
    struct job_spec spec = of_qos("first", cpus, limit_min);

    spec.nodes = nodes;
    return spec;
}

/* Who is asked is all that is done. */
static void assert_asked(struct scene *s, int64_t now, size_t n, const uint64_t *ids)
{
    step(s, now);
    if (!s->n) /* what was booked is planned by the next pass */
        step(s, now);
    assert_int_equal(s->n, n);
    for (size_t i = 0; i < n; i++) {
        const struct plan_action *a = action_of(s, ids[i]);

        assert_non_null(a);
        assert_int_equal(a->type, PLAN_PREEMPT);
        assert_true(a->is_for_job);
    }
}
#define ASKED(s, now, ...)                                                                         \
    assert_asked(s, now, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                     \
                 (uint64_t[]){__VA_ARGS__})

static void join_places(void *arg, const struct plan_place *place)
{
    char *text = arg;

    sprintf(text + strlen(text), "%s%s%s%s", *text ? " " : "", place->node,
            *place->gpus_held ? "=" : "", place->gpus_held);
}

static void assert_starts(struct scene *s, int64_t now, uint64_t id, const char *places)
{
    char text[256] = "";

    step(s, now);
    assert_int_equal(s->n, 1);
    assert_int_equal(s->actions[0].type, PLAN_START);
    assert_int_equal(s->actions[0].job, id);
    planner_each_place(s->p, id, join_places, text);
    assert_string_equal(text, places);
    assert_int_equal(s->p->seats.n, 0);
}

static void assert_nothing(struct scene *s, int64_t now)
{
    for (int i = 0; i < 3; i++) {
        step(s, now + i);
        assert_int_equal(s->n, 0);
    }
}

/* ---- where --------------------------------------------------------------------- */

/* What it waits for ends when it starts: that one makes room, and not that it has a place. */
static void assert_waits_for(struct scene *s, uint64_t id, int64_t now, uint64_t job)
{
    const struct plan_blocker *b;
    struct plan_why why;

    assert_int_equal(planner_why(s->p, id, now, &why), 0);
    assert_int_equal(why.n_blockers, 1);
    b = world_blocker(&why, PLAN_BLOCK_CPUS);
    assert_non_null(b);
    assert_int_equal(b->job, job);
    assert_int_equal(b->free, 0);
    assert_int_equal(b->until_usec, why.start_usec);
    assert_int_equal(why.start_usec, T0 + SAVE);
}

/* Both are asked at once, and it begins when both are gone, not when one is. */
static void all_make_room(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = wide(2, 4, 60);
    struct plan_why why;
    int64_t usec;
    struct scene s;

    begin(&s, 3, "requeue");
    lose(&s, "n02");
    put_run(&s, 1, &all, "n00", "", -10);
    put_run(&s, 2, &all, "n01", "", -20);
    put(&s, 3, &comes);
    ASKED(&s, T0, 1, 2);
    assert_waits_for(&s, 3, T0, 2);
    assert_int_equal(planner_why(s.p, 3, T0, &why), 0);
    assert_string_equal(why.node, "n[00-01]");
    assert_true(planner_planned_on(s.p, 3, "n01", T0, &usec));
    planner_remove_job(s.p, 2);
    assert_nothing(&s, T0 + SAVE / 4);
    assert_waits_for(&s, 3, T0 + SAVE / 4, 1);
    planner_remove_job(s.p, 1);
    assert_starts(&s, T0 + SAVE / 2, 3, "n00 n01");
    planner_free(s.p);
}

/* A free node is one of its nodes: one job goes, that which loses less. Nobody takes the free one
 * meanwhile. */
static void a_free_node_is_taken(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = wide(2, 4, 60), other = of_qos("", 4, 60);
    struct scene s;

    begin(&s, 3, "requeue");
    put_run(&s, 1, &all, "n00", "", -300);
    put_run(&s, 2, &all, "n02", "", -20);
    put(&s, 3, &comes);
    ASKED(&s, T0, 2);
    assert_waits_for(&s, 3, T0, 2);
    put(&s, 4, &other);
    assert_nothing(&s, T0 + SAVE / 4);
    planner_remove_job(s.p, 2);
    assert_starts(&s, T0 + SAVE / 2, 3, "n01 n02");
    planner_free(s.p);
}

/* Who is on two nodes leaves both and is counted once: it goes rather than it and another, though
 * each of these loses less. For a job on one node the other goes. */
static void who_leaves_two_counts_once(void **state)
{
    struct job_spec both = of_qos("batch", 4, 0), all = of_qos("batch", 4, 0);
    struct job_spec comes = wide(2, 4, 60), one = wide(1, 4, 60);
    struct scene s;

    both.nodes = 2;
    for (int i = 0; i < 2; i++) {
        begin(&s, 3, "requeue");
        put_wide_run(&s, 1, &both, -30);
        put_run(&s, 2, &all, "n02", "", -40);
        put(&s, 3, i ? &one : &comes);
        if (i) {
            ASKED(&s, T0, 2);
        } else {
            ASKED(&s, T0, 1);
            planner_remove_job(s.p, 1);
            assert_starts(&s, T0 + SAVE / 2, 3, "n00 n01");
        }
        planner_free(s.p);
    }
}

/* On n00 it must go, and so it does not stay on n01, where there would be room beside it: nobody
 * else has to go there. */
static void who_is_gone_is_gone_from_all(void **state)
{
    struct job_spec both = of_qos("batch", 2, 0), fixed = of_qos("", 2, 0);
    struct job_spec one = of_qos("batch", 1, 0), comes = wide(2, 2, 60);
    const struct seat_window *w;
    struct scene s;

    both.nodes = 2;
    begin(&s, 2, "requeue");
    put_wide_run(&s, 1, &both, -1000);
    put_run(&s, 2, &fixed, "n00", "", -10);
    put_run(&s, 3, &one, "n01", "", -10);
    put_run(&s, 4, &one, "n01", "", -20);
    put(&s, 5, &comes);
    step(&s, T0);
    w = booking_of(s.p, 5);
    assert_non_null(w);
    assert_int_equal(w->victims->job_id, 1);
    assert_null(w->victims->next_of_window);
    ASKED(&s, T0, 1);
    planner_remove_job(s.p, 1);
    assert_starts(&s, T0 + SAVE / 2, 5, "n00 n01");
    planner_free(s.p);
}

/* Its share on n00 should be free, and is not: nobody goes elsewhere for a job that would wait for
 * it. */
static void who_overruns_is_not_counted_on(void **state)
{
    struct job_spec fixed = of_gpu("", "x-2q", 0), over = of_gpu("", "x-2q", 5);
    struct job_spec goes = of_gpu("batch", "x-2q", 0), beside = of_qos("batch", 1, 0);
    struct job_spec comes = of_gpu("first", "x-2q", 60);
    struct scene s;

    comes.nodes = 2;
    begin(&s, 3, "requeue");
    for (uint64_t n = 0; n < 3; n++) {
        for (uint64_t i = 0; i < 3; i++)
            put_run(&s, 10 * n + i + 1, &fixed, s.config.list[n], i ? "x-2q:1" : "x-2q:0", -10);
        put_run(&s, 10 * n + 4, n ? &goes : &over, s.config.list[n], "x-2q:0", -10);
    }
    put_run(&s, 100, &beside, "n00", "", -10);
    put(&s, 101, &comes);
    ASKED(&s, T0, 14, 24);
    planner_free(s.p);
}

/* On one node somebody leaves a device for it, on the other there is room on one. */
static void shares_of_devices_are_booked(void **state)
{
    struct job_spec small = of_gpu("batch", "x-1q", 0), big = of_gpu("", "x-2q", 0);
    struct job_spec comes = of_gpu("first", "x-2q", 60);
    struct scene s;

    comes.nodes = 2;
    begin(&s, 2, "save");
    put_run(&s, 1, &small, "n00", "x-1q:0", -10);
    put_run(&s, 2, &big, "n00", "x-2q:1", -10);
    put_run(&s, 3, &big, "n00", "x-2q:1", -10);
    put_run(&s, 4, &small, "n01", "x-1q:0", -10);
    put_run(&s, 5, &big, "n01", "x-2q:1", -10);
    put(&s, 6, &comes);
    ASKED(&s, T0, 1);
    planner_remove_job(s.p, 1);
    assert_starts(&s, T0 + SAVE / 2, 6, "n00=x-2q:0 n01=x-2q:1");
    planner_free(s.p);
}

/* ---- for nothing ----------------------------------------------------------------- */

/* One node is missing: nobody goes. So while who is there is left alone; then all are asked. */
static void too_few_nodes_are_none(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), fixed = of_qos("", 1, 0), comes = wide(2, 4, 60);
    struct scene s;

    begin(&s, 2, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put_run(&s, 2, &fixed, "n01", "", -10);
    put(&s, 3, &comes);
    assert_nothing(&s, T0);
    assert_int_equal(s.p->seats.n_booked, 0);
    planner_remove_job(s.p, 2);
    put_run(&s, 4, &all, "n01", "", 0);
    for (int64_t t = T0; t < T0 + 3 * MIN; t += MIN / 2)
        assert_nothing(&s, t);
    int64_t at = planner_next_usec(s.p);
    assert_in_range(at, T0 + 3 * MIN, T0 + 3 * MIN + PLAN_BOOT_USEC);
    step(&s, at);
    ASKED(&s, at, 1, 4);
    planner_free(s.p);
}

/* It takes nothing of the reservations of those before it, on none of its nodes. */
static void who_comes_before_is_not_delayed(void **state)
{
    struct job_spec all = of_qos("batch", 4, 60), ahead = of_qos("", 4, 60);
    struct job_spec comes = wide(2, 4, 600), quick = wide(2, 4, 30);
    struct scene s;

    begin(&s, 2, "requeue");
    put_run(&s, 1, &all, "n00", "", 0);
    put_run(&s, 2, &all, "n01", "", 5);
    struct job first = world_job(3, &ahead);
    first.priority = 10;
    assert_int_equal(planner_put_job(s.p, &first), 0);
    put(&s, 4, &comes);
    assert_nothing(&s, T0 + 10 * MIN);
    assert_int_equal(s.p->seats.n_booked, 0);
    assert_int_equal(start_of(&s, 3, T0 + 10 * MIN), T0 + 60 * MIN);
    planner_remove_job(s.p, 4);
    put(&s, 5, &quick); /* over before the other's time */
    ASKED(&s, T0 + 10 * MIN + 10, 1, 2);
    assert_in_range(start_of(&s, 3, T0 + 10 * MIN + 10), T0 + 40 * MIN, T0 + 60 * MIN);
    planner_free(s.p);
}

/* ---- what becomes of it ------------------------------------------------------------ */

/* Without one of its nodes it is none: it is sought anew, or not there. */
static void a_lost_node_is_replaced(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = wide(2, 4, 60);
    struct scene s;

    begin(&s, 3, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put_run(&s, 2, &all, "n01", "", -20);
    put_run(&s, 3, &all, "n02", "", -30);
    put(&s, 4, &comes);
    ASKED(&s, T0, 1, 2);
    lose(&s, "n01");
    ASKED(&s, T0 + 1000, 3);
    planner_remove_job(s.p, 1);
    assert_nothing(&s, T0 + 2000);
    lose(&s, "n02");
    assert_nothing(&s, T0 + 3000);
    assert_int_equal(s.p->seats.n_booked, 0);
    assert_int_equal(start_of(&s, 4, T0 + 3000), 0);
    planner_free(s.p);
}

/* One does not go in time: it is asked again, the place of the other is kept, and nobody else has
 * to go. */
static void late_ones_are_waited_for(void **state)
{
    struct job_spec all = of_qos("batch", 4, 0), comes = wide(2, 4, 60);
    struct scene s;

    begin(&s, 3, "requeue");
    put_run(&s, 1, &all, "n00", "", -10);
    put_run(&s, 2, &all, "n01", "", -20);
    put_run(&s, 3, &all, "n02", "", -1000);
    put(&s, 4, &comes);
    ASKED(&s, T0, 1, 2);
    planner_remove_job(s.p, 1);
    for (int64_t t = T0 + SAVE; t < T0 + 10 * SAVE; t += SAVE / 4) {
        step(&s, t);
        assert_in_range(s.n, 0, 1);
        assert_true(!s.n || s.actions[0].job == 2);
    }
    planner_remove_job(s.p, 2);
    assert_starts(&s, T0 + 10 * SAVE, 4, "n00 n01");
    planner_free(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_make_room),
        cmocka_unit_test(a_free_node_is_taken),
        cmocka_unit_test(who_leaves_two_counts_once),
        cmocka_unit_test(who_is_gone_is_gone_from_all),
        cmocka_unit_test(who_overruns_is_not_counted_on),
        cmocka_unit_test(shares_of_devices_are_booked),
        cmocka_unit_test(too_few_nodes_are_none),
        cmocka_unit_test(who_comes_before_is_not_delayed),
        cmocka_unit_test(a_lost_node_is_replaced),
        cmocka_unit_test(late_ones_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
