/* SPDX-License-Identifier: Apache-2.0 */
/* test_shorten.c - who accepts less time than he asks for (--time-min). */
#include "world.h"

struct scene {
    struct world_config config;
    struct planner *p;
    int64_t now;
    struct plan_action actions[8];
    size_t n;
};

static void step(struct scene *s)
{
    bool more;

    s->n = planner_step(s->p, s->now, 0, s->actions, 8, &more);
    assert_false(more);
}

static void put(struct scene *s, uint64_t id, struct job_spec *spec, int32_t priority)
{
    struct job job = world_job(id, spec);

    job.priority = priority;
    if (id == 1)
        world_run(&job, "n00", s->now);
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static int64_t estimate(struct scene *s, uint64_t id)
{
    struct plan_why why;

    assert_int_equal(planner_why(s->p, id, s->now, &why), 0);
    return why.start_usec;
}

static void assert_start(const struct scene *s, size_t i, uint64_t id, int64_t limit_sec)
{
    assert_true(i < s->n);
    assert_int_equal(s->actions[i].type, PLAN_START);
    assert_int_equal(s->actions[i].job, id);
    assert_int_equal(s->actions[i].limit_sec, limit_sec);
}

/* Half of the node is free until a job that needs all of it, in an hour. */
static void begin_gap(struct scene *s, struct job_spec *half, struct job_spec *whole)
{
    struct node n = world_node("n00", 4, 64000, 0);

    *half = world_spec(2, 0, 0, 60);
    *whole = world_spec(4, 0, 0, 60);
    *s = (struct scene){.p = planner_new(1), .now = T0};
    assert_non_null(s->p);
    world_config(&s->config, 1);
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    assert_int_equal(planner_put_node(s->p, &n), 0);
    put(s, 1, half, 0);
    put(s, 2, whole, 9);
    step(s);
    assert_int_equal(estimate(s, 2), T0 + 60 * MIN);
}

static void a_limit_is_shortened_to_fit(void **state)
{
    struct job_spec half, whole, spec = world_spec(1, 0, 0, 120), small = world_spec(1, 0, 0, 30);
    struct scene s;

    begin_gap(&s, &half, &whole);
    spec.time_min_sec = 59 * 60; /* with the boot it is too long */
    put(&s, 3, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 0);
    assert_int_equal(estimate(&s, 3), T0 + 120 * MIN + PLAN_BOOT_USEC);
    spec.time_min_sec = 58 * 60 - 1;
    small.time_min_sec = 60;
    put(&s, 4, &spec, 0);
    put(&s, 5, &small, 0);
    step(&s);
    assert_int_equal(s.n, 2);
    assert_start(&s, 0, 4, 58 * 60); /* all that there is */
    assert_start(&s, 1, 5, 0);       /* it fits as it is */
    assert_int_equal(estimate(&s, 2), T0 + 60 * MIN);
    planner_free(s.p);
}

/* Whole minutes, unless that is less than it accepts; and before a deadline as before a job. */
static void a_shortened_limit_is_what_it_accepts(void **state)
{
    struct job_spec half, whole, spec = world_spec(1, 0, 0, 120), due = world_spec(1, 0, 0, 120);
    struct scene s;

    begin_gap(&s, &half, &whole);
    s.now += MIN / 2;
    spec.time_min_sec = 57 * 60 + 20;
    due.time_min_sec = 600;
    due.deadline_usec = s.now + 15 * MIN; /* the latest start: over by 25 minutes */
    put(&s, 3, &spec, 0);
    put(&s, 4, &due, 0);
    step(&s);
    assert_int_equal(s.n, 2);
    assert_start(&s, 0, 3, 57 * 60 + 20);
    assert_start(&s, 1, 4, 25 * 60);
    planner_free(s.p);
}

/* Who has time for all he asks for by his deadline, to the second, is given all of it. */
static void what_fits_before_a_deadline_is_whole(void **state)
{
    struct job_spec half, whole, due = world_spec(1, 0, 0, 20);
    struct scene s;

    begin_gap(&s, &half, &whole);
    due.time_min_sec = 600;
    due.deadline_usec = s.now + 10 * MIN; /* the latest start: over by 20 minutes */
    put(&s, 3, &due, 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 3, 0);
    planner_free(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_shortened_to_fit),
        cmocka_unit_test(a_shortened_limit_is_what_it_accepts),
        cmocka_unit_test(what_fits_before_a_deadline_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
