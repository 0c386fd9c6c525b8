/* SPDX-License-Identifier: Apache-2.0 */
/* test_encode.c - what a node can encode is shared out as its processors are. */
#include <errno.h>

#include "world.h"

#define HD 63 /* megapixels a second of 1920x1080 */

struct scene {
    struct world_config config;
    struct planner *p;
    struct plan_action actions[64];
    size_t n;
};

static void put_node(struct scene *s, uint32_t encode_mpix)
{
    struct node n = world_node("n00", 64, 64000, 0);

    n.encode_mpix = encode_mpix;
    assert_int_equal(planner_put_node(s->p, &n), 0);
}

static void begin(struct scene *s, uint32_t encode_mpix)
{
    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, 1);
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    put_node(s, encode_mpix);
}

static void step(struct scene *s)
{
    bool more;

    s->n = planner_step(s->p, T0, 0, s->actions, 64, &more);
    assert_false(more);
}

static struct job_spec desktop(uint32_t encode_mpix)
{
    struct job_spec spec = world_spec(1, 0, 0, 10);

    spec.kind = JOB_INTERACTIVE;
    spec.encode_mpix = encode_mpix;
    return spec;
}

static void pend(struct scene *s, uint64_t id, struct job_spec *spec)
{
    struct job job = world_job(id, spec);

    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static struct plan_blocker blocker_of(struct scene *s, uint64_t id)
{
    struct plan_why why;

    assert_int_equal(planner_why(s->p, id, T0, &why), 0);
    assert_true(why.n_blockers > 0);
    return why.blockers[0];
}

static void a_node_takes_what_it_can_encode(void **state)
{
    struct job_spec hd = desktop(HD), large = desktop(131), batch = world_spec(1, 0, 0, 10);
    struct plan_blocker b;
    struct scene s;

    begin(&s, 130);
    assert_int_equal(planner_count(s.p, &hd), 2);
    for (uint64_t id = 1; id <= 3; id++)
        pend(&s, id, &hd);
    pend(&s, 4, &large);
    pend(&s, 5, &batch);
    step(&s);
    assert_int_equal(s.n, 3);
    assert_true(s.actions[0].job == 1 && s.actions[1].job == 2 && s.actions[2].job == 5);
    b = blocker_of(&s, 3);
    assert_int_equal(b.type, PLAN_BLOCK_ENCODE);
    assert_true(b.need == HD && b.free == 4);
    assert_int_equal(b.until_usec, T0 + 10 * MIN + PLAN_BOOT_USEC);
    b = blocker_of(&s, 4);
    assert_int_equal(b.type, PLAN_BLOCK_NO_NODE);
    assert_string_equal(b.subject, "encode");
    assert_true(b.need == 131 && b.free == 130);
    planner_free(s.p);
}

static void a_node_that_is_not_counted_takes_any(void **state)
{
    struct job_spec hd = desktop(HD), most = desktop(8054);
    struct scene s;

    begin(&s, 0);
    pend(&s, 1, &most);
    for (uint64_t id = 2; id <= 40; id++)
        pend(&s, id, &hd);
    step(&s);
    assert_int_equal(s.n, 40);
    planner_free(s.p);
}

/* Who runs stays, and nobody comes beside before enough has ended. */
static void a_node_that_is_counted_later_owes_some(void **state)
{
    struct job_spec hd = desktop(HD), batch = world_spec(1, 0, 0, 10);
    struct scene s;

    begin(&s, 0);
    for (uint64_t id = 1; id <= 3; id++) {
        struct job job = world_job(id, &hd);

        world_run(&job, "n00", T0);
        assert_int_equal(planner_put_job(s.p, &job), 0);
    }
    put_node(&s, 130);
    pend(&s, 4, &hd);
    pend(&s, 5, &batch);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 5);
    assert_int_equal(blocker_of(&s, 4).free, 0);
    planner_remove_job(s.p, 1);
    step(&s);
    assert_int_equal(s.n, 0);
    assert_int_equal(blocker_of(&s, 4).free, 4);
    put_node(&s, 189);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 4);
    planner_free(s.p);
}

/* 63 megapixels are 0.315 of a processor: four desktops of 1 and their video are 5.26 of 6. */
static void a_node_that_encodes_in_software_pays_in_processors(void **state)
{
    struct job_spec hd = desktop(HD), large = desktop(1000), batch = world_spec(1, 0, 0, 10);
    struct node n = world_node("n00", 6, 64000, 0);
    struct plan_usage usage;
    struct plan_blocker b;
    struct scene s;

    begin(&s, 0);
    n.software_encoder = true;
    assert_int_equal(planner_put_node(s.p, &n), 0);
    assert_int_equal(planner_count(s.p, &hd), 4);
    for (uint64_t id = 1; id <= 5; id++)
        pend(&s, id, &hd);
    pend(&s, 6, &large);
    pend(&s, 7, &batch);
    step(&s);
    assert_int_equal(s.n, 4); /* 0.74 of a processor is not enough for any of the others */
    b = blocker_of(&s, 5);
    assert_int_equal(b.type, PLAN_BLOCK_WORK);
    assert_true(b.need == 1315 && b.free == 740);
    assert_int_equal(b.until_usec, T0 + 10 * MIN + PLAN_BOOT_USEC);
    assert_true(planner_node_usage(s.p, "n00", &usage));
    assert_int_equal(usage.cpus, 6); /* 5.26 of them */
    large.encode_mpix = 1001;
    pend(&s, 8, &large);
    assert_int_equal(blocker_of(&s, 8).type, PLAN_BLOCK_NO_NODE);
    n.software_encoder = false;
    assert_int_equal(planner_put_node(s.p, &n), 0);
    step(&s);
    assert_int_equal(s.n, 2); /* as hardware it has two processors left */
    assert_true(s.actions[0].job == 5 && s.actions[1].job == 6);
    planner_free(s.p);
}

static void a_file_says_what_a_processor_encodes(void **state)
{
    struct job_spec hd = desktop(HD), more = desktop(HD + 1);
    struct node n = world_node("n00", 4, 64000, 0);
    struct scene s;

    begin(&s, 0);
    n.software_encoder = true;
    assert_int_equal(planner_put_node(s.p, &n), 0);
    s.config.config.encode_per_cpu = HD;
    assert_int_equal(planner_configure(s.p, &s.config.config), 0);
    assert_int_equal(planner_count(s.p, &hd), 2);
    pend(&s, 1, &hd);
    pend(&s, 2, &more);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_int_equal(blocker_of(&s, 2).need, 2016); /* of 2015.9 */
    s.config.config.encode_per_cpu = 10 * HD;       /* who is there is counted as he was */
    assert_int_equal(planner_configure(s.p, &s.config.config), 0);
    assert_int_equal(planner_count(s.p, &hd), 1);
    planner_free(s.p);
}

static void seats_are_counted(void **state)
{
    struct job_spec hd = desktop(HD), hour = desktop(HD);
    struct plan_window window = {T0 + 20 * MIN, T0 + 60 * MIN};
    struct plan_class c = {.id = 1, .seat = &hd, .seats = 3, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage = {0};
    struct scene s;

    hour.time_limit_sec = 3600;
    begin(&s, 130);
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), -ENOSPC);
    assert_int_equal(shortage.seats, 2);
    c.seats = 2;
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    pend(&s, 1, &hour);
    pend(&s, 2, &hd);
    step(&s);
    assert_int_equal(s.n, 1); /* what would run into the class waits */
    assert_int_equal(s.actions[0].job, 2);
    planner_free(s.p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_takes_what_it_can_encode),
        cmocka_unit_test(a_node_that_is_not_counted_takes_any),
        cmocka_unit_test(a_node_that_is_counted_later_owes_some),
        cmocka_unit_test(a_node_that_encodes_in_software_pays_in_processors),
        cmocka_unit_test(a_file_says_what_a_processor_encodes),
        cmocka_unit_test(seats_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
