/* SPDX-License-Identifier: Apache-2.0 */
/* test_seat.c - seats one by one: taken, given up, tried, put back; and what jobs see of it. */
#include <errno.h>

#include "world.h"

#define N_NODES 3
#define CPUS 4
#define ROUNDS 4000
#define N_CLASSES 3

struct scene {
    struct world_config config;
    struct planner *p;
    struct plan_seat seats[N_CLASSES + 1][64]; /* by class */
    size_t n[N_CLASSES + 1];
    unsigned seed;
};

static unsigned pick(struct scene *s, unsigned n)
{
    return (unsigned)rand_r(&s->seed) % n;
}

static void begin(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    s->seed = 7;
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, N_NODES);
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (size_t i = 0; i < N_NODES; i++) {
        struct node n = world_node(s->config.list[i], CPUS, 64000, 2);

        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
}

static void collect(void *arg, const struct plan_seat *seat)
{
    struct scene *s = arg;

    s->seats[0][s->n[0]++] = *seat;
}

static int by_place(const void *a, const void *b)
{
    const struct plan_seat *sa = a, *sb = b;
    int r = strcmp(sa->node, sb->node);

    if (!r)
        r = strcmp(sa->gpus_held, sb->gpus_held);
    return r ? r : sa->from_usec < sb->from_usec ? -1 : sa->from_usec > sb->from_usec;
}

/* What the planner has of a class is what it should have. */
static void assert_seats(struct scene *s, uint64_t id)
{
    s->n[0] = 0;
    planner_each_seat(s->p, id, collect, s);
    assert_int_equal(s->n[0], s->n[id]);
    qsort(s->seats[0], s->n[0], sizeof(**s->seats), by_place);
    qsort(s->seats[id], s->n[id], sizeof(**s->seats), by_place);
    for (size_t i = 0; i < s->n[0]; i++) {
        assert_string_equal(s->seats[0][i].node, s->seats[id][i].node);
        assert_string_equal(s->seats[0][i].gpus_held, s->seats[id][i].gpus_held);
        assert_int_equal(s->seats[0][i].from_usec, s->seats[id][i].from_usec);
    }
}

static void put(struct scene *s, uint64_t id)
{
    struct job_spec spec = world_spec(1 + pick(s, 2), 1000, pick(s, 2), 0);
    struct plan_window window = {T0 + (int64_t)(10 + pick(s, 3) * 30) * MIN, 0};
    struct plan_class c = {
        .id = id, .seat = &spec, .seats = 1 + pick(s, 4), .windows = &window, .n_windows = 1};
    struct plan_shortage shortage = {0};
    bool only_try = pick(s, 3) == 0;
    int r;

    if (s->n[id] > 40)
        return;
    window.to_usec = window.from_usec + 20 * MIN;
    r = only_try ? planner_try_class(s->p, &c, T0, &shortage)
                 : planner_put_class(s->p, &c, T0, &shortage);
    assert_true(r == 0 || (r == -ENOSPC && shortage.seats < c.seats));
    if (r < 0 || only_try)
        return;
    s->n[0] = 0;
    planner_each_seat(s->p, id, collect, s);
    assert_int_equal(s->n[0], s->n[id] + c.seats);
    memcpy(s->seats[id], s->seats[0], s->n[0] * sizeof(**s->seats));
    s->n[id] = s->n[0];
}

static void take(struct scene *s, uint64_t id)
{
    const char *node = s->config.list[pick(s, N_NODES)];
    struct plan_seat got;
    size_t i, there = 0;

    for (i = 0; i < s->n[id]; i++)
        there += !strcmp(s->seats[id][i].node, node);
    assert_int_equal(planner_take_seat(s->p, id, node, pick(s, 2), &got), there > 0);
    if (!there)
        return;
    assert_string_equal(got.node, node);
    for (i = 0; i < s->n[id] && by_place(&s->seats[id][i], &got) != 0; i++)
        ;
    assert_true(i < s->n[id]);
    s->seats[id][i] = s->seats[id][--s->n[id]];
}

static void remove_window(struct scene *s, uint64_t id)
{
    int64_t from = T0 + (int64_t)(10 + pick(s, 3) * 30) * MIN;
    size_t n = 0;

    planner_remove_window(s->p, id, from);
    for (size_t i = 0; i < s->n[id]; i++)
        if (s->seats[id][i].from_usec != from)
            s->seats[id][n++] = s->seats[id][i];
    s->n[id] = n;
}

/* Out and back, or out for good. */
static void detach(struct scene *s, uint64_t id)
{
    struct plan_detached *out = planner_detach_class(s->p, id);

    assert_int_equal(out != NULL, s->n[id] > 0);
    s->n[0] = 0;
    planner_each_seat(s->p, id, collect, s);
    assert_int_equal(s->n[0], 0);
    if (pick(s, 2)) {
        planner_attach_class(s->p, out);
    } else {
        planner_detached_free(s->p, out);
        s->n[id] = 0;
    }
}

/* The plan of some jobs, made step by step and from scratch, is the same. */
static void assert_plan(struct scene *s)
{
    int64_t start[6];

    for (int pass = 0; pass < 2; pass++) {
        struct plan_action actions[8];
        bool more = true;

        if (pass)
            planner_full(s->p, T0);
        while (more)
            planner_step(s->p, T0, 0, actions, 8, &more);
        for (uint64_t j = 0; j < 6; j++) {
            struct plan_why why = {0};

            assert_int_equal(planner_why(s->p, 100 + j, T0, &why), 0);
            if (pass)
                assert_int_equal(why.start_usec, start[j]);
            start[j] = why.start_usec;
        }
    }
}

static void seats_come_and_go(void **state)
{
    struct job_spec specs[6];
    struct scene s;

    begin(&s);
    for (uint64_t j = 0; j < 6; j++) {
        struct job job;

        specs[j] = world_spec(1 + (uint32_t)j % CPUS, 1000, (uint32_t)j % 3, 5 + 10 * (int)j);
        job = world_job(100 + j, &specs[j]);
        job.spec->begin_usec = T0 + MIN; /* nothing starts: the plan alone is looked at */
        assert_int_equal(planner_put_job(s.p, &job), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        static void (*const change[])(struct scene * s,
                                      uint64_t id) = {put, put, take, take, remove_window, detach};
        uint64_t id = 1 + pick(&s, N_CLASSES);

        change[pick(&s, 6)](&s, id);
        for (id = 1; id <= N_CLASSES; id++)
            assert_seats(&s, id);
        if (i % 20 == 0)
            assert_plan(&s);
    }
    planner_free(s.p);
}

/* A seat that is taken out of its window is free for jobs at once; a job in its place holds it. */
static void what_is_taken_is_free(void **state)
{
    struct job_spec seat = world_spec(CPUS, 0, 0, 0), long_job = world_spec(CPUS, 0, 0, 120);
    struct plan_window window = {T0 + 30 * MIN, T0 + 90 * MIN};
    struct plan_class c = {
        .id = 1, .seat = &seat, .seats = N_NODES, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;
    struct plan_action actions[4];
    struct job job = world_job(5, &long_job);
    struct plan_seat got;
    struct plan_why why;
    struct scene s;
    bool more;

    begin(&s);
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    assert_int_equal(planner_put_job(s.p, &job), 0);
    assert_int_equal(planner_step(s.p, T0, 0, actions, 4, &more), 0);
    assert_int_equal(planner_why(s.p, 5, T0, &why), 0);
    assert_int_equal(why.start_usec, T0 + 90 * MIN);
    assert_true(planner_take_seat(s.p, 1, "n01", true, &got));
    assert_false(planner_take_seat(s.p, 1, "n01", true, &got));
    assert_int_equal(planner_step(s.p, T0, 0, actions, 4, &more), 1);
    assert_string_equal(actions[0].node, "n01");
    planner_free(s.p);
}

/* Whoever should be gone by now is there still: the seat waits for him, and can be given up. */
static void a_seat_waits_for_its_place(void **state)
{
    struct job_spec seat = world_spec(CPUS, 0, 0, 0), busy = world_spec(1, 0, 0, 20);
    struct plan_window window = {T0 + 30 * MIN, T0 + 90 * MIN};
    struct plan_class c = {
        .id = 1, .seat = &seat, .seats = N_NODES, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;
    struct job job = world_job(5, &busy);
    struct plan_seat got;
    struct scene s;

    begin(&s);
    world_run(&job, "n01", T0);
    assert_int_equal(planner_put_job(s.p, &job), 0);
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    assert_true(planner_take_seat(s.p, 1, "n00", true, &got));
    assert_false(planner_take_seat(s.p, 1, "n01", true, &got));
    assert_true(planner_take_seat(s.p, 1, "n01", false, &got));
    planner_free(s.p);
}

/* Seats that are sought now are not put where they would wait for a node to come back. */
static void seats_in_service_alone(void **state)
{
    struct job_spec seat = world_spec(CPUS, 0, 0, 0);
    struct plan_window window = {T0 + 30 * MIN, T0 + 90 * MIN};
    struct plan_class c = {.id = 1,
                           .seat = &seat,
                           .seats = N_NODES,
                           .windows = &window,
                           .n_windows = 1,
                           .only_in_service = true};
    struct plan_shortage shortage = {0};
    struct node down;
    struct scene s;

    begin(&s);
    down = world_node("n01", CPUS, 64000, 2);
    down.up = false;
    assert_int_equal(planner_put_node(s.p, &down), 0);
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), -ENOSPC);
    assert_int_equal(shortage.seats, N_NODES - 1);
    c.only_in_service = false;
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    planner_free(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seats_come_and_go),
        cmocka_unit_test(what_is_taken_is_free),
        cmocka_unit_test(a_seat_waits_for_its_place),
        cmocka_unit_test(seats_in_service_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
