/* SPDX-License-Identifier: Apache-2.0 */
/* test_forecast.c - what GPUs hold at a time and when they change, in cases made by hand. */
#include <errno.h>

#include "world.h"

#define NODE "n00"

struct scene {
    struct world_config world;
    struct gpu_kind kind;
    struct config_node node;
    struct planner *p;
    struct plan_forecast got[4]; /* by GPU */
    size_t n;
};

static void offer(struct scene *s, const char *profile)
{
    struct gpu_offer *o = &s->kind.offers[s->kind.n_offers++];

    snprintf(o->profile, sizeof(o->profile), "%s", profile);
    o->display = true;
}

static void configure(struct scene *s)
{
    size_t which;

    assert_null(gpu_kind_settle(&s->kind, &which));
    s->world.config.kinds = &s->kind;
    s->world.config.n_kinds = 1;
    s->node = (struct config_node){.name = (char *)NODE, .kind = &s->kind};
    s->world.config.nodes = &s->node;
    s->world.config.n_nodes = 1;
    assert_int_equal(planner_configure(s->p, &s->world.config), 0);
}

/* One node with `gpus` cards of a law, 48 GiB each, that offer 4q, 8q and 48q. */
static void begin(struct scene *s, enum gpu_law law, uint32_t gpus)
{
    struct node node = world_node(NODE, 64, 512000, gpus);

    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->world, 1);
    s->kind = (struct gpu_kind){.law = law, .framebuffer_mib = 49152};
    offer(s, "x-4q");
    offer(s, "x-8q");
    offer(s, "x-48q");
    configure(s);
    assert_int_equal(planner_put_node(s->p, &node), 0);
}

static void end(struct scene *s)
{
    planner_free(s->p);
}

static void step(struct scene *s, int64_t now_usec)
{
    struct plan_action actions[16];
    bool more;

    do
        planner_step(s->p, now_usec, 0, actions, 16, &more);
    while (more);
}

static void run(struct scene *s, uint64_t id, const char *profile, const char *held,
                int64_t limit_min)
{
    struct job_spec spec = world_spec(1, 1000, 1, limit_min);
    struct job job = world_job(id, &spec);

    spec.profile = (char *)profile;
    job.gpus_held = held;
    world_run(&job, NODE, T0);
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static void pend(struct scene *s, uint64_t id, const char *profile, int64_t limit_min)
{
    struct job_spec spec = world_spec(1, 1000, 1, limit_min);
    struct job job = world_job(id, &spec);

    spec.profile = (char *)profile;
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static void book(struct scene *s, uint64_t id, const char *profile, uint32_t seats,
                 int64_t from_min, int64_t to_min)
{
    struct job_spec spec = world_spec(1, 1000, 1, 0);
    struct plan_window window = {T0 + from_min * MIN, T0 + to_min * MIN};
    struct plan_class c = {
        .id = id, .seat = &spec, .seats = seats, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;

    spec.profile = (char *)profile;
    assert_int_equal(planner_put_class(s->p, &c, T0, &shortage), 0);
}

static void keep(void *arg, const struct plan_forecast *forecast)
{
    struct scene *s = arg;

    assert_true(s->n < 4);
    assert_int_equal(forecast->gpu, s->n);
    s->got[s->n++] = *forecast;
}

/* The first GPU so many minutes after T0, `now` being another. */
static const struct plan_forecast *ask(struct scene *s, int64_t at_min, int64_t span_min,
                                       int64_t now_usec)
{
    struct plan_forecast_ask what = {
        .at_usec = T0 + at_min * MIN, .span_usec = span_min * MIN, .changes = PLAN_CHANGES_MAX};

    s->n = 0;
    assert_int_equal(planner_forecast(s->p, NODE, &what, now_usec, keep, s), 0);
    return &s->got[0];
}

static const struct plan_forecast *at(struct scene *s, int64_t min)
{
    return ask(s, min, 0, T0);
}

static void assert_free(const struct plan_forecast *f, uint32_t q4, uint32_t q8, uint32_t q48)
{
    assert_int_equal(f->free[0], q4);
    assert_int_equal(f->free[1], q8);
    assert_int_equal(f->free[2], q48);
}

/* `profiles`: bits of x-4q, x-8q, x-48q. */
static void assert_content(const struct plan_content *c, uint64_t profiles, enum plan_by by,
                           uint64_t id)
{
    assert_int_equal(c->profiles, profiles);
    assert_int_equal(c->by, by);
    assert_int_equal(c->id, id);
}

static void assert_change(const struct plan_forecast *f, size_t i, int64_t min, uint64_t profiles,
                          enum plan_by by, uint64_t id)
{
    assert_true(i < f->n_changes);
    assert_int_equal(f->changes[i].from_usec, T0 + min * MIN);
    assert_content(&f->changes[i], profiles, by, id);
}

static void test_two_classes(void **state)
{
    struct scene s;
    const struct plan_forecast *f;

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 1);
    run(&s, 7, "x-4q", "x-4q:0", 30);
    book(&s, 1, "x-4q", 12, 60, 150);
    book(&s, 2, "x-8q", 5, 150, 240);
    step(&s, T0);
    f = at(&s, 0);
    assert_int_equal(f->kind->law, GPU_HOMOGENEOUS);
    assert_content(&f->content, 1, PLAN_BY_JOB, 7);
    assert_int_equal(f->content.used[0], 1);
    assert_free(f, 11, 0, 0);
    assert_int_equal(f->n_changes, 4);
    assert_change(f, 0, 30, 0, PLAN_BY_NOBODY, 0);
    assert_change(f, 1, 60, 1, PLAN_BY_CLASS, 1);
    assert_change(f, 2, 150, 2, PLAN_BY_CLASS, 2);
    assert_change(f, 3, 240, 0, PLAN_BY_NOBODY, 0);
    f = at(&s, 45);
    assert_content(&f->content, 0, PLAN_BY_NOBODY, 0);
    assert_free(f, 12, 6, 1);
    f = at(&s, 150);
    assert_content(&f->content, 2, PLAN_BY_CLASS, 2);
    assert_int_equal(f->content.used[1], 5);
    assert_free(f, 0, 1, 0);
    assert_int_equal(f->n_changes, 1);
    end(&s);
}

/* What is free at a moment may not be free for as long as somebody wants it. */
static void test_span(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 1);
    book(&s, 1, "x-4q", 10, 60, 150);
    step(&s, T0);
    assert_free(ask(&s, 0, 0, T0), 12, 6, 1);
    assert_free(ask(&s, 0, 60, T0), 12, 6, 1);
    assert_free(ask(&s, 0, 61, T0), 2, 0, 0);
    assert_free(ask(&s, 149, 30, T0), 2, 0, 0);
    assert_free(ask(&s, 150, 30, T0), 12, 6, 1);
    end(&s);
}

/* Two GPUs: seats fill one before the next, and each changes for itself. */
static void test_two_gpus(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 2);
    book(&s, 1, "x-4q", 14, 10, 20);
    step(&s, T0);
    at(&s, 15);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.got[0].content.used[0] + s.got[1].content.used[0], 14);
    assert_int_equal(s.got[0].free[0] + s.got[1].free[0], 10);
    end(&s);
}

static void test_mixed(void **state)
{
    struct scene s;
    const struct plan_forecast *f;

    (void)state;
    begin(&s, GPU_MIXED, 1);
    run(&s, 1, "x-4q", "x-4q:0@0", 60);
    run(&s, 2, "x-8q", "x-8q:0@1", 30);
    book(&s, 9, "x-8q", 1, 90, 120);
    step(&s, T0);
    f = at(&s, 0);
    assert_content(&f->content, 3, PLAN_BY_JOB, 2);
    assert_int_equal(f->content.used[0], 1);
    assert_int_equal(f->content.used[1], 1);
    assert_free(f, 9, 4, 0);
    assert_int_equal(f->n_changes, 4);
    assert_change(f, 0, 30, 1, PLAN_BY_NOBODY, 0);
    assert_change(f, 1, 60, 0, PLAN_BY_NOBODY, 0);
    assert_change(f, 2, 90, 2, PLAN_BY_CLASS, 9);
    assert_change(f, 3, 120, 0, PLAN_BY_NOBODY, 0);
    end(&s);
}

static void test_pool(void **state)
{
    struct scene s;
    const struct plan_forecast *f;

    (void)state;
    begin(&s, GPU_POOL, 1);
    run(&s, 1, "x-4q", "x-4q:0", 60);
    run(&s, 2, "x-8q", "x-8q:0", 30);
    pend(&s, 3, "x-48q", 10);
    step(&s, T0);
    f = at(&s, 0);
    assert_content(&f->content, 3, PLAN_BY_JOB, 2);
    assert_free(f, 9, 4, 0);
    assert_change(f, 0, 30, 1, PLAN_BY_NOBODY, 0);
    /* The state of a pool is an amount: that somebody in line gets it is known, not the profile. */
    assert_int_equal(f->n_changes, 3);
    assert_change(f, 1, 60, 0, PLAN_BY_RESERVATION, 0);
    assert_true(f->changes[1].reserved);
    assert_false(f->changes[2].reserved);
    f = at(&s, 65);
    assert_true(f->content.reserved);
    assert_int_equal(f->content.by, PLAN_BY_RESERVATION);
    assert_free(f, 0, 0, 0);
    end(&s);
}

/* Of a kind that says nothing of profiles a device is had whole. */
static void test_whole(void **state)
{
    struct scene s;
    const struct plan_forecast *f;

    (void)state;
    begin(&s, GPU_WHOLE, 1);
    s.world.config.n_kinds = s.world.config.n_nodes = 0;
    assert_int_equal(planner_configure(s.p, &s.world.config), 0);
    run(&s, 1, "any", "any:0", 20);
    pend(&s, 2, "", 10);
    step(&s, T0);
    f = at(&s, 0);
    assert_int_equal(f->kind->n_offers, 0);
    assert_content(&f->content, 1, PLAN_BY_JOB, 1);
    assert_int_equal(f->free[0], 0);
    f = at(&s, 21); /* the next is planned with the time of a boot */
    assert_content(&f->content, 1, PLAN_BY_RESERVATION, 0);
    assert_int_equal(f->content.used[0], 1);
    assert_int_equal(f->n_changes, 1);
    f = at(&s, 60);
    assert_int_equal(f->free[0], 1);
    assert_int_equal(f->n_changes, 0);
    end(&s);
}

/* Who waits for another profile gets it when the device is empty. */
static void test_reservation(void **state)
{
    struct scene s;
    const struct plan_forecast *f;

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 1);
    run(&s, 1, "x-4q", "x-4q:0", 20);
    pend(&s, 2, "x-8q", 10);
    pend(&s, 3, "x-8q", 10);
    step(&s, T0);
    f = at(&s, 0);
    assert_int_equal(f->n_changes, 2);
    assert_change(f, 0, 20, 2, PLAN_BY_RESERVATION, 0);
    f = at(&s, 25);
    assert_int_equal(f->content.used[1], 2);
    assert_free(f, 0, 4, 0);
    end(&s);
}

/* Past its end it has its place until the next whole minute. */
static void test_late(void **state)
{
    struct scene s;
    const struct plan_forecast *f;
    int64_t now = T0 + 30 * MIN + MIN / 2;

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 1);
    run(&s, 1, "x-4q", "x-4q:0", 20);
    step(&s, T0);
    step(&s, now);
    s.n = 0;
    f = ask(&s, 30, 0, now);
    assert_content(&f->content, 1, PLAN_BY_JOB, 1);
    assert_int_equal(f->n_changes, 1);
    assert_change(f, 0, 31, 0, PLAN_BY_NOBODY, 0);
    f = ask(&s, 31, 0, now);
    assert_free(f, 12, 6, 1);
    end(&s);
}

/* One that has a profile which is in the configuration no more keeps others off. */
static void test_foreign(void **state)
{
    struct scene s;
    const struct plan_forecast *f;

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 1);
    run(&s, 1, "y-4q", "y-4q:0", 20);
    step(&s, T0);
    f = at(&s, 0);
    assert_string_equal(f->content.foreign, "y-4q");
    assert_content(&f->content, 0, PLAN_BY_JOB, 1);
    assert_free(f, 0, 0, 0);
    assert_int_equal(f->n_changes, 1);
    assert_null(f->changes[0].foreign);
    assert_free(at(&s, 20), 12, 6, 1);
    end(&s);
}

/* A job that makes room for a class has its GPU before and after it. */
static void test_pause(void **state)
{
    struct scene s;
    char *night[] = {(char *)"night"}, *save[] = {(char *)"save"};
    struct config_qos qos[] = {{.name = (char *)"night"},
                               {.name = (char *)"teaching",
                                .preempts = {.names = night, .n = 1},
                                .preempt_modes = {.names = save, .n = 1}}};
    struct job_spec long_spec = world_spec(1, 1000, 1, 600), seat = world_spec(1, 1000, 1, 0);
    struct job job = world_job(1, &long_spec);
    struct plan_window window = {T0 + 60 * MIN, T0 + 90 * MIN};
    struct plan_class c = {.id = 5, .seat = &seat, .seats = 2, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;
    const struct plan_forecast *f;

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 1);
    s.world.config.qos = qos;
    s.world.config.n_qos = 2;
    assert_int_equal(planner_configure(s.p, &s.world.config), 0);
    long_spec.profile = (char *)"x-48q";
    long_spec.qos = (char *)"night";
    seat.profile = (char *)"x-4q";
    seat.qos = (char *)"teaching";
    job.gpus_held = "x-48q:0";
    world_run(&job, NODE, T0);
    assert_int_equal(planner_put_job(s.p, &job), 0);
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    step(&s, T0);
    f = at(&s, 0);
    assert_content(&f->content, 4, PLAN_BY_JOB, 1);
    assert_int_equal(f->n_changes, 3);
    assert_change(f, 0, 60, 1, PLAN_BY_CLASS, 5);
    assert_change(f, 1, 90, 4, PLAN_BY_JOB, 1);
    assert_int_equal(f->changes[2].profiles, 0);
    assert_content(&at(&s, 75)->content, 1, PLAN_BY_CLASS, 5);
    end(&s);
}

static void test_bounds(void **state)
{
    struct scene s;
    struct plan_forecast_ask what = {.at_usec = T0, .changes = 3};
    struct node down = world_node(NODE, 64, 512000, 1);

    (void)state;
    begin(&s, GPU_HOMOGENEOUS, 1);
    for (uint64_t i = 0; i < 10; i++)
        book(&s, i + 1, i % 2 ? "x-4q" : "x-8q", 1, (int64_t)i * 10 + 10, (int64_t)i * 10 + 15);
    step(&s, T0);
    assert_int_equal(planner_forecast(s.p, NODE, &what, T0, keep, &s), 0);
    assert_int_equal(s.got[0].n_changes, 3);
    assert_true(s.got[0].more);
    assert_int_equal(at(&s, 0)->n_changes, 20);
    assert_false(s.got[0].more);
    s.n = 0;
    what.changes = 0;
    assert_int_equal(planner_forecast(s.p, NODE, &what, T0, keep, &s), 0);
    assert_true(s.got[0].more && !s.got[0].n_changes);
    assert_int_equal(planner_forecast(s.p, "n77", &what, T0, keep, &s), -ENOENT);
    down.drain = true;
    assert_int_equal(planner_put_node(s.p, &down), 0);
    assert_free(at(&s, 0), 0, 0, 0);
    assert_false(s.got[0].in_service);
    planner_remove_node(s.p, NODE);
    assert_int_equal(planner_forecast(s.p, NODE, &what, T0, keep, &s), -ENOENT);
    end(&s);
}

static void test_names(void **state)
{
    struct scene s;
    static const char *const names[] = {"n03", "a", "n01x", "n01"};

    (void)state;
    begin(&s, GPU_WHOLE, 1);
    for (size_t i = 0; i < 4; i++) {
        struct node node = world_node(names[i], 1, 1, 0);
        assert_int_equal(planner_put_node(s.p, &node), 0);
    }
    planner_remove_node(s.p, "n01x");
    assert_string_equal(planner_next_node(s.p, ""), "a");
    assert_string_equal(planner_next_node(s.p, "a"), NODE);
    assert_string_equal(planner_next_node(s.p, "n00"), "n01");
    assert_string_equal(planner_next_node(s.p, "n01"), "n03");
    assert_string_equal(planner_next_node(s.p, "n02"), "n03");
    assert_null(planner_next_node(s.p, "n03"));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_classes), cmocka_unit_test(test_span),
        cmocka_unit_test(test_two_gpus),    cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_pool),        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_reservation), cmocka_unit_test(test_late),
        cmocka_unit_test(test_foreign),     cmocka_unit_test(test_pause),
        cmocka_unit_test(test_bounds),      cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
