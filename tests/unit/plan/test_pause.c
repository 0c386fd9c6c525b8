/* SPDX-License-Identifier: Apache-2.0 */
/* test_pause.c - jobs across windows of classes: what is planned, and who is asked to go when. */
#include "world.h"

#define SAVE PLAN_SAVE_USEC
#define BOOT PLAN_BOOT_USEC

struct scene {
    struct world_config config;
    struct config_qos qos[3];
    char *preempts[1], *modes[2];
    struct planner *p;
    struct plan_action actions[16];
    size_t n;
};

/* Nodes of two whole GPUs; "teach" saves, or by `mode`, "batch", which is left alone for 3 min. */
static void begin(struct scene *s, size_t n_nodes, const char *mode)
{
    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, n_nodes);
    s->preempts[0] = (char *)"batch";
    s->modes[0] = (char *)mode;
    s->modes[1] = (char *)"requeue";
    s->qos[0] = (struct config_qos){.name = (char *)"batch", .preempt_exempt_sec = 180};
    s->qos[1] = (struct config_qos){.name = (char *)"teach",
                                    .preempts = {s->preempts, 1},
                                    .preempt_modes = {s->modes, 2},
                                    .grace_sec = 30};
    s->config.config.qos = s->qos;
    s->config.config.n_qos = 2;
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node n = world_node(s->config.list[i], 4, 64000, 2);
        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
}

static struct job_spec batch(uint32_t gpus, int64_t limit_min)
{
    struct job_spec spec = world_spec(1, 0, gpus, limit_min);

    spec.qos = "batch";
    return spec;
}

static void book(struct scene *s, uint64_t id, const char *qos, const char *node, int64_t from_min,
                 int64_t to_min)
{
    struct job_spec seat = world_spec(1, 0, 1, 0);
    struct plan_window window = {T0 + from_min * MIN, T0 + to_min * MIN};
    struct plan_class c = {.id = id, .seat = &seat, .seats = 1, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;

    seat.qos = qos;
    seat.nodelist = (char *)node;
    assert_int_equal(planner_put_class(s->p, &c, T0, &shortage), 0);
}

static void put(struct scene *s, uint64_t id, struct job_spec *spec)
{
    struct job job = world_job(id, spec);

    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static void put_run(struct scene *s, uint64_t id, struct job_spec *spec, const char *gpus)
{
    struct job job = world_job(id, spec);

    world_run(&job, "n00", T0);
    job.gpus_held = gpus;
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static void step(struct scene *s, int64_t now)
{
    bool more;

    s->n = planner_step(s->p, now, 0, s->actions, 16, &more);
    assert_false(more);
}

static int64_t start_of(struct scene *s, uint64_t id)
{
    struct plan_why why;

    assert_int_equal(planner_why(s->p, id, T0, &why), 0);
    return why.start_usec - T0;
}

/* It starts now, is saved from 28:30 to 60, and runs on: who comes behind it starts that much
 * later; who fits in the window beside the class is not in its way. */
static void a_job_is_planned_across(void **state)
{
    struct job_spec both = batch(2, 40), next = batch(2, 10), beside = world_spec(1, 0, 1, 20);
    struct scene s;

    begin(&s, 1, "save");
    book(&s, 1, "teach", "n00", 30, 60);
    put(&s, 1, &both);
    step(&s, T0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_START);
    put(&s, 2, &next);
    put(&s, 3, &beside);
    step(&s, T0);
    step(&s, T0 + 1000);
    assert_int_equal(s.n, 0);
    /* 40 min and the boot, less the 28:30 before, and the way back. */
    assert_int_equal(start_of(&s, 2), 60 * MIN + 40 * MIN + BOOT - (28 * MIN + 30000000) + BOOT);
    assert_int_equal(start_of(&s, 3), 30 * MIN);
    planner_free(s.p);
}

/* Two equal nodes: it goes where it ends first, though both are free now. */
static void no_window_is_better_than_one(void **state)
{
    struct job_spec one = batch(1, 40), whole = batch(2, 40);
    struct scene s;

    begin(&s, 2, "save");
    book(&s, 1, "teach", "n00", 30, 60);
    put(&s, 1, &one);
    put(&s, 2, &whole);
    step(&s, T0);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.actions[0].node, "n00"); /* the other device has no seat */
    assert_string_equal(s.actions[0].gpus_held, ":1");
    assert_string_equal(s.actions[1].node, "n01");
    planner_free(s.p);
}

/* The device of the seat is gone: who takes all that are left is planned as it will run. */
static void a_lost_device_pauses_nobody(void **state)
{
    struct job_spec one = batch(1, 40), next = batch(1, 10);
    struct node n = world_node("n00", 4, 64000, 1);
    struct scene s;

    begin(&s, 1, "save");
    put_run(&s, 9, &one, ":0");
    book(&s, 1, "teach", "n00", 10, 20); /* on device 1 */
    planner_remove_job(s.p, 9);
    put(&s, 1, &one);
    put(&s, 2, &next);
    step(&s, T0); /* two devices: what stands in the way of all is known */
    planner_remove_job(s.p, 1);
    planner_remove_job(s.p, 2);
    assert_int_equal(planner_put_node(s.p, &n), 0);
    put(&s, 3, &one);
    put(&s, 4, &next);
    step(&s, T0);
    assert_int_equal(s.n, 1);
    step(&s, T0 + 1000);
    assert_int_equal(start_of(&s, 4), 40 * MIN + BOOT);
    planner_free(s.p);
}

/* Grace and saving before the window, not earlier; once, and again when nothing comes of it. */
static void who_is_in_the_way_is_asked_in_time(void **state)
{
    struct job_spec both = batch(2, 90);
    int64_t from = T0 + 30 * MIN - SAVE - 30000000;
    struct scene s;

    begin(&s, 1, "save");
    book(&s, 1, "teach", "n00", 30, 60);
    put_run(&s, 1, &both, ":0,1");
    step(&s, T0);
    assert_int_equal(planner_next_usec(s.p), from);
    step(&s, from - 1);
    assert_int_equal(s.n, 0);
    step(&s, from);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_PREEMPT);
    assert_int_equal(s.actions[0].mode, PLAN_SAVE);
    assert_int_equal(s.actions[0].free_usec, T0 + 30 * MIN);
    assert_int_equal(s.actions[0].until_usec, T0 + 60 * MIN);
    step(&s, from + 1);
    assert_int_equal(s.n, 0);
    step(&s, from + PLAN_RETRY_USEC);
    assert_int_equal(s.n, 1);
    planner_free(s.p);
}

static void who_is_not_in_the_way_is_left_alone(void **state)
{
    struct job_spec shorter = batch(2, 30), other = batch(1, 90), plain = world_spec(1, 0, 1, 90);
    struct scene s;

    begin(&s, 1, "save");
    book(&s, 1, "teach", "n00", 30, 60);
    put_run(&s, 1, &shorter, ":0,1"); /* it ends when the window begins */
    step(&s, T0 + 29 * MIN);
    assert_int_equal(s.n, 0);
    planner_free(s.p);
    begin(&s, 1, "save");
    book(&s, 1, "teach", "n00", 30, 60);
    put_run(&s, 1, &other, ":1"); /* the seat is on the first device */
    step(&s, T0 + 29 * MIN);
    assert_int_equal(s.n, 0);
    planner_free(s.p);
    begin(&s, 1, "save");
    book(&s, 1, "teach", "n00", 30, 60);
    put_run(&s, 1, &plain, ":0"); /* nobody preempts it */
    step(&s, T0 + 29 * MIN);
    assert_int_equal(s.n, 0);
    planner_free(s.p);
}

/* With less than 3 min and a boot before it is in the way it waits, unless it ends before. */
static void nobody_starts_only_to_be_saved(void **state)
{
    struct job_spec longer = batch(2, 60), shorter = batch(2, 4); /* over when the class begins */
    struct scene s;

    begin(&s, 1, "save");
    book(&s, 1, "teach", "n00", 6, 20);
    put(&s, 1, &longer);
    put(&s, 2, &shorter);
    step(&s, T0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].job, 2);
    assert_int_equal(start_of(&s, 1), 20 * MIN);
    planner_free(s.p);
}

/* What holds it up is the class alone, or who is there, and then not the class. */
static void what_it_waits_for_is_said(void **state)
{
    struct job_spec longer = batch(2, 60), other = world_spec(1, 0, 2, 4),
                    none = world_spec(1, 0, 0, 4);
    struct plan_why why;
    struct scene s;

    begin(&s, 1, "save");
    book(&s, 1, "teach", "n00", 6, 20);
    put(&s, 1, &longer);
    step(&s, T0);
    assert_int_equal(s.n, 0);
    assert_int_equal(planner_why(s.p, 1, T0, &why), 0);
    assert_int_equal(why.n_blockers, 1);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_CLASS);
    assert_int_equal(why.blockers[0].until_usec, T0 + 20 * MIN);
    put_run(&s, 2, &other, ":0,1");
    step(&s, T0 + 1000);
    assert_int_equal(planner_why(s.p, 1, T0 + 1000, &why), 0);
    assert_non_null(world_blocker(&why, PLAN_BLOCK_GPUS));
    assert_null(world_blocker(&why, PLAN_BLOCK_CLASS));
    none.cpus = 5; /* more than any node has */
    none.qos = "batch";
    put(&s, 3, &none);
    step(&s, T0 + 2000);
    assert_int_equal(planner_why(s.p, 3, T0 + 2000, &why), 0);
    assert_non_null(world_blocker(&why, PLAN_BLOCK_NO_NODE));
    assert_null(world_blocker(&why, PLAN_BLOCK_CLASS));
    planner_free(s.p);
}

/* What can't be saved is planned beside windows as if saving were not there, and asked only if the
 * class has another way. */
static void what_cannot_be_saved_is_kept_clear(void **state)
{
    const struct plan_terms unsaved = {.unsaved = true};

    for (int has_other = 0; has_other < 2; has_other++) {
        struct job_spec both = batch(2, 40);
        struct job job = world_job(1, &both);
        struct job_spec seat = world_spec(1, 0, 1, 0);
        struct plan_window window = {T0 + 30 * MIN, T0 + 60 * MIN};
        struct plan_class c = {
            .id = 2, .seat = &seat, .seats = 1, .windows = &window, .n_windows = 1};
        struct plan_shortage shortage;
        struct scene s;

        begin(&s, 1, "save");
        s.qos[1].preempt_modes.n = has_other ? 2 : 1;
        assert_int_equal(planner_configure(s.p, &s.config.config), 0);
        book(&s, 1, "teach", "n00", 30, 60);
        assert_int_equal(planner_put_job_with(s.p, &job, &unsaved), 0);
        step(&s, T0);
        assert_int_equal(s.n, 0);
        assert_int_equal(start_of(&s, 1), 60 * MIN);
        planner_remove_class(s.p, 1);
        world_run(&job, "n00", T0);
        job.gpus_held = ":0,1";
        assert_int_equal(planner_put_job_with(s.p, &job, &unsaved), 0);
        step(&s, T0 + 1000);
        seat.qos = "teach";
        assert_int_equal(planner_put_class(s.p, &c, T0 + 1000, &shortage), has_other ? 0 : -ENOSPC);
        step(&s, T0 + 29 * MIN);
        assert_int_equal(s.n, has_other);
        if (has_other)
            assert_int_equal(s.actions[0].mode, PLAN_REQUEUE);
        planner_free(s.p);
    }
}

/* Work that would be lost is not begun; windows of a class that preempts nobody are as walls. */
static void only_who_is_saved_crosses(void **state)
{
    struct job_spec both = batch(2, 40);
    struct scene s;

    begin(&s, 1, "requeue");
    book(&s, 1, "teach", "n00", 30, 60);
    put(&s, 1, &both);
    step(&s, T0);
    assert_int_equal(s.n, 0);
    assert_int_equal(start_of(&s, 1), 60 * MIN);
    planner_free(s.p);
    begin(&s, 1, "save");
    book(&s, 1, "", "n00", 30, 60);
    put(&s, 1, &both);
    step(&s, T0);
    assert_int_equal(s.n, 0);
    planner_free(s.p);
    begin(&s, 1, "requeue");
    book(&s, 1, "teach", "n00", 30, 60);
    put_run(&s, 1, &both, ":0,1"); /* who is there all the same starts over */
    step(&s, T0 + 29 * MIN);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].mode, PLAN_REQUEUE);
    planner_free(s.p);
}

/* A class is admitted over jobs that make room for it, from when they can be gone. */
static void a_class_comes_over_jobs(void **state)
{
    struct job_spec both = batch(2, 90), seat = world_spec(1, 0, 1, 0);
    struct plan_window window = {T0 + MIN, T0 + 60 * MIN};
    struct plan_class c = {.id = 1, .seat = &seat, .seats = 1, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;
    struct scene s;

    seat.qos = "teach";
    begin(&s, 1, "save");
    put_run(&s, 1, &both, ":0,1");
    step(&s, T0);
    assert_true(planner_put_class(s.p, &c, T0, &shortage) < 0); /* saving takes longer */
    window.from_usec = T0 + 4 * MIN; /* it is left alone for 3, and has 1:30 to go */
    assert_true(planner_put_class(s.p, &c, T0, &shortage) < 0);
    window.from_usec = T0 + 5 * MIN;
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    step(&s, T0 + 5 * MIN - SAVE - 30000000);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_PREEMPT);
    planner_free(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_planned_across),
        cmocka_unit_test(no_window_is_better_than_one),
        cmocka_unit_test(a_lost_device_pauses_nobody),
        cmocka_unit_test(who_is_in_the_way_is_asked_in_time),
        cmocka_unit_test(who_is_not_in_the_way_is_left_alone),
        cmocka_unit_test(nobody_starts_only_to_be_saved),
        cmocka_unit_test(what_it_waits_for_is_said),
        cmocka_unit_test(what_cannot_be_saved_is_kept_clear),
        cmocka_unit_test(only_who_is_saved_crosses),
        cmocka_unit_test(a_class_comes_over_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
