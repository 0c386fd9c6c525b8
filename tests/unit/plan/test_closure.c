/* SPDX-License-Identifier: Apache-2.0 */
/* test_closure.c - nodes that are closed for windows of time, case by case. */
#include <errno.h>

#include "world.h"

struct scene {
    struct world_config config;
    struct planner *p;
    struct job_spec spec;
    struct job job;
};

static void begin(struct scene *s, size_t n_nodes)
{
    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, n_nodes);
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node n = world_node(s->config.list[i], 4, 64000, 2);

        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
}

static void put(struct scene *s, uint64_t id, const char *name, size_t n_nodes, int64_t from_min,
                int64_t to_min)
{
    struct plan_window window = {T0 + from_min * MIN, T0 + to_min * MIN};
    struct plan_closure c = {.id = id,
                             .name = name,
                             .nodes = s->config.list,
                             .n_nodes = n_nodes,
                             .windows = &window,
                             .n_windows = 1};

    assert_int_equal(planner_put_closure(s->p, &c), 0);
}

static void put_job(struct scene *s, uint64_t id, int64_t limit_min, const char *reservation)
{
    s->spec = world_spec(1, 1000, 0, limit_min);
    s->spec.reservation = (char *)reservation;
    s->job = world_job(id, &s->spec);
    assert_int_equal(planner_put_job(s->p, &s->job), 0);
}

static size_t step(struct scene *s, int64_t min, struct plan_action *ret)
{
    bool more;

    return planner_step(s->p, T0 + min * MIN, 0, ret, 8, &more);
}

static int64_t start_min(struct scene *s, uint64_t id, int64_t now_min)
{
    struct plan_why why;

    assert_int_equal(planner_why(s->p, id, T0 + now_min * MIN, &why), 0);
    return why.start_usec ? (why.start_usec - T0) / MIN : -1;
}

/* Its limit, and two minutes to boot, end before the window: it starts; else after it. */
static void jobs_keep_clear(void **state)
{
    struct plan_action a[8];
    struct plan_why why;
    struct scene s;

    begin(&s, 1);
    put(&s, 1, "maint", 1, 60, 120);
    put_job(&s, 1, 58, "");
    assert_int_equal(step(&s, 0, a), 1);
    planner_remove_job(s.p, 1);
    put_job(&s, 2, 59, "");
    assert_int_equal(step(&s, 0, a), 0);
    assert_int_equal(start_min(&s, 2, 0), 120);
    assert_int_equal(planner_why(s.p, 2, T0, &why), 0);
    assert_int_equal(why.n_blockers, 1);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_RESERVATION);
    assert_string_equal(why.blockers[0].reservation, "maint");
    assert_string_equal(why.blockers[0].subject, "n00");
    assert_int_equal(why.blockers[0].until_usec, T0 + 120 * MIN);
    step(&s, 1, a);
    assert_int_equal(planner_next_usec(s.p), T0 + 60 * MIN);
    assert_null(planner_closed_by(s.p, "n00", T0 + 59 * MIN));
    assert_string_equal(planner_closed_by(s.p, "n00", T0 + 60 * MIN), "maint");
    step(&s, 119, a);
    assert_int_equal(planner_next_usec(s.p), T0 + 120 * MIN);
    assert_int_equal(step(&s, 120, a), 1);
    assert_int_equal(a[0].job, 2);
    planner_free(s.p);
}

static void put_drawn(struct scene *s, uint64_t id, int64_t limit_min, const char *drawn)
{
    struct plan_terms terms = {.drawn = drawn};

    s->spec = world_spec(1, 1000, 0, limit_min);
    s->job = world_job(id, &s->spec);
    assert_int_equal(planner_put_job_with(s->p, &s->job, &terms), 0);
}

/* He need not name it, nor end in it; the node of all is left to those who may not be there. */
static void who_is_drawn_goes_inside_first(void **state)
{
    struct plan_action a[8];
    struct scene s;

    begin(&s, 3);
    s.config.list[0] = s.config.list[2];
    put(&s, 1, "lab", 1, 0, 120); /* n02 */
    put_drawn(&s, 1, 500, "den,lab");
    put_drawn(&s, 2, 10, "den");
    put_drawn(&s, 3, 10, "la,labs");
    put_job(&s, 4, 10, "lab");
    assert_int_equal(step(&s, 0, a), 4);
    assert_string_equal(a[0].node, "n02");
    assert_string_equal(a[1].node, "n00");
    assert_string_equal(a[2].node, "n00");
    assert_string_equal(a[3].node, "n02");
    for (uint64_t id = 1; id < 5; id++)
        planner_remove_job(s.p, id);
    put_drawn(&s, 5, 10, "lab"); /* it is over */
    assert_int_equal(step(&s, 120, a), 1);
    assert_string_equal(a[0].node, "n00");
    planner_free(s.p);
}

/* Where there is no room inside he goes elsewhere, and before it begins nothing draws him. */
static void who_is_drawn_is_not_bound(void **state)
{
    struct plan_action a[8];
    struct scene s;

    begin(&s, 2);
    put(&s, 1, "lab", 1, 30, 90); /* n00 */
    put_drawn(&s, 1, 600, "lab");
    assert_int_equal(step(&s, 0, a), 1);
    assert_string_equal(a[0].node, "n00");
    world_run(&s.job, "n00", T0);
    assert_int_equal(planner_put_job(s.p, &s.job), 0);
    for (uint64_t id = 2; id < 5; id++)
        put_drawn(&s, id, 20, "lab");
    assert_int_equal(step(&s, 40, a), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(a[i].node, "n00");
    put_drawn(&s, 5, 20, "lab");
    assert_int_equal(step(&s, 40, a), 1);
    assert_string_equal(a[0].node, "n01");
    planner_free(s.p);
}

/* Who waits for a window may go when it is dropped. */
static void what_is_dropped_holds_nobody_up(void **state)
{
    struct plan_action a[8];
    struct scene s;

    begin(&s, 1);
    put(&s, 1, "maint", 1, -10, 120);
    put_job(&s, 1, 10, "");
    assert_int_equal(step(&s, 0, a), 0);
    planner_remove_closure(s.p, 1);
    assert_int_equal(step(&s, 0, a), 1);
    planner_free(s.p);
}

static void members_are_inside(void **state)
{
    struct plan_action a[8];
    struct plan_why why;
    struct scene s;

    begin(&s, 2);
    put(&s, 1, "lab", 1, 30, 90);
    put_job(&s, 1, 58, "lab");
    put_job(&s, 2, 59, "lab"); /* does not fit, ever */
    put_job(&s, 3, 1000, "");  /* n01 is open */
    assert_int_equal(step(&s, 0, a), 1);
    assert_int_equal(a[0].job, 3);
    assert_string_equal(a[0].node, "n01");
    planner_remove_job(s.p, 3);
    step(&s, 0, a);
    assert_int_equal(start_min(&s, 1, 0), 30);
    assert_int_equal(start_min(&s, 2, 0), -1);
    assert_int_equal(planner_why(s.p, 2, T0, &why), 0);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_RESERVATION);
    assert_int_equal(why.blockers[0].until_usec, 0);
    step(&s, 1, a);
    assert_int_equal(planner_next_usec(s.p), T0 + 30 * MIN);
    assert_int_equal(step(&s, 30, a), 1);
    assert_int_equal(a[0].job, 1);
    assert_string_equal(a[0].node, "n00");
    planner_free(s.p);
}

/* A maintenance on top of a reservation keeps its members out, too. */
static void one_over_another(void **state)
{
    struct plan_action a[8];
    struct scene s;

    begin(&s, 1);
    put(&s, 1, "lab", 1, 0, 300);
    put(&s, 2, "maint", 1, 10, 60);
    put_job(&s, 1, 20, "lab");
    assert_int_equal(step(&s, 0, a), 0);
    assert_int_equal(start_min(&s, 1, 0), 60);
    planner_free(s.p);
}

static void take_seat_min(void *arg, const struct plan_seat *seat)
{
    *(int64_t *)arg = (seat->from_usec - T0) / MIN;
}

static void seats_keep_clear(void **state)
{
    struct job_spec spec = world_spec(1, 1000, 1, 0);
    struct plan_window window = {T0 + 100 * MIN, T0 + 130 * MIN};
    struct plan_class c = {.id = 7, .seat = &spec, .seats = 1, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage = {0};
    int64_t at = -1;
    struct scene s;

    begin(&s, 1);
    put(&s, 1, "maint", 1, 60, 120);
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), -ENOSPC);
    assert_int_equal(shortage.seats, 0);
    window = (struct plan_window){T0 + 120 * MIN, T0 + 130 * MIN};
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    planner_each_seat(s.p, 7, take_seat_min, &at);
    assert_int_equal(at, 120);
    planner_free(s.p);
}

struct found {
    struct plan_clash clash[8];
    size_t n;
};

static void take_clash(void *arg, const struct plan_clash *clash)
{
    struct found *f = arg;

    assert_true(f->n < 8);
    f->clash[f->n++] = *clash;
}

static void what_is_in_its_way_is_told(void **state)
{
    struct job_spec spec = world_spec(1, 1000, 1, 0);
    struct plan_window seats = {T0 + 100 * MIN, T0 + 130 * MIN};
    struct plan_class class = {
        .id = 7, .seat = &spec, .seats = 1, .windows = &seats, .n_windows = 1};
    struct plan_window windows[2] = {{T0 + 10 * MIN, T0 + 20 * MIN},
                                     {T0 + 110 * MIN, T0 + 120 * MIN}};
    struct plan_closure c = {
        .id = 2, .name = "b", .n_nodes = 1, .windows = windows, .n_windows = 2};
    struct plan_shortage shortage;
    struct plan_action a[8];
    struct found f = {.n = 0};
    struct scene s;

    begin(&s, 1);
    c.nodes = s.config.list;
    put_job(&s, 1, 30, "");
    assert_int_equal(step(&s, 0, a), 1);
    world_run(&s.job, "n00", T0);
    assert_int_equal(planner_put_job(s.p, &s.job), 0);
    assert_int_equal(planner_put_class(s.p, &class, T0, &shortage), 0);
    put(&s, 1, "a", 1, 115, 300);
    put(&s, 2, "b", 1, 0, 300); /* itself is not in its own way */
    planner_each_clash(s.p, &c, T0, take_clash, &f);
    assert_int_equal(f.n, 3);
    assert_int_equal(f.clash[0].type, PLAN_CLASH_JOB);
    assert_int_equal(f.clash[0].window, 0);
    assert_int_equal(f.clash[1].type, PLAN_CLASH_CLASS);
    assert_int_equal(f.clash[1].id, 7);
    assert_int_equal(f.clash[1].window, 1);
    assert_int_equal(f.clash[2].type, PLAN_CLASH_CLOSURE);
    assert_int_equal(f.clash[2].id, 1);
    assert_int_equal(planner_put_job_with(s.p, &s.job, &(struct plan_terms){.drawn = "a,b"}), 0);
    f.n = 0; /* nor is who is drawn by it */
    planner_each_clash(s.p, &c, T0, take_clash, &f);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.clash[0].type, PLAN_CLASH_CLASS);
    planner_free(s.p);
}

/* It stays, and gets no more time than there is. */
static void who_runs_is_left_alone(void **state)
{
    struct plan_action a[8];
    struct plan_room room;
    struct scene s;

    begin(&s, 1);
    put_job(&s, 1, 30, "");
    assert_int_equal(step(&s, 0, a), 1);
    world_run(&s.job, "n00", T0);
    assert_int_equal(planner_put_job(s.p, &s.job), 0);
    put(&s, 1, "maint", 1, 40, 300);
    assert_int_equal(step(&s, 1, a), 0);
    assert_int_equal(planner_room(s.p, 1, &room), 0);
    assert_int_equal(room.room_usec, 10 * MIN);
    assert_int_equal(room.blocker.type, PLAN_BLOCK_RESERVATION);
    put(&s, 1, "maint", 1, 20, 300);
    assert_int_equal(step(&s, 2, a), 0);
    assert_int_equal(planner_room(s.p, 1, &room), 0);
    assert_int_equal(room.room_usec, 0);
    planner_free(s.p);
}

/* What is free now is not what a closed node has. */
static void take_free(void *arg, const struct plan_forecast *forecast)
{
    *(uint32_t *)arg += forecast->free[0];
}

static uint32_t free_gpus(struct scene *s, int64_t at_min, int64_t span_min)
{
    struct plan_forecast_ask ask = {T0 + at_min * MIN, span_min * MIN, 0};
    uint32_t n = 0;

    assert_int_equal(planner_forecast(s->p, "n00", &ask, T0, take_free, &n), 0);
    return n;
}

static void closed_nodes_are_not_counted(void **state)
{
    struct job_spec spec = world_spec(1, 0, 0, 0);
    struct plan_action a[8];
    struct scene s;

    begin(&s, 2);
    step(&s, 0, a);
    assert_int_equal(planner_count(s.p, &spec), 8);
    put(&s, 1, "maint", 1, -1, 60);
    assert_int_equal(planner_count(s.p, &spec), 4);
    assert_int_equal(free_gpus(&s, 0, 10), 0);
    assert_int_equal(free_gpus(&s, 60, 10), 2);
    put(&s, 1, "maint", 1, 30, 60);
    assert_int_equal(free_gpus(&s, 0, 30), 2);
    assert_int_equal(free_gpus(&s, 0, 31), 0);
    planner_free(s.p);
}

static void put_brief(struct scene *s, uint64_t id, int64_t least_min, const char *reservation)
{
    s->spec = world_spec(4, 1000, 0, 600);
    s->spec.reservation = (char *)reservation;
    s->spec.time_min_sec = least_min * 60;
    s->job = world_job(id, &s->spec);
    assert_int_equal(planner_put_job(s->p, &s->job), 0);
}

/* Two minutes of it are the boot. */
static void a_gap_ends_where_a_window_begins(void **state)
{
    struct plan_action a[8];
    struct scene s;

    begin(&s, 1);
    put(&s, 1, "maint", 1, 60, 120);
    put_brief(&s, 1, 59, "");
    assert_int_equal(step(&s, 0, a), 0);
    assert_int_equal(start_min(&s, 1, 0), 120);
    put_brief(&s, 2, 30, "");
    assert_int_equal(step(&s, 0, a), 1);
    assert_int_equal(a[0].job, 2);
    assert_int_equal(a[0].limit_sec, 58 * 60);
    planner_free(s.p);
}

/* And for who is in his own, where that ends or another begins. */
static void a_member_is_shortened_to_the_end_of_his_window(void **state)
{
    struct plan_action a[8];
    struct scene s;

    begin(&s, 1);
    put(&s, 1, "lab", 1, -10, 90);
    put_brief(&s, 1, 30, "lab");
    assert_int_equal(step(&s, 0, a), 1);
    assert_int_equal(a[0].limit_sec, 88 * 60);
    planner_remove_job(s.p, 1);
    put(&s, 2, "maint", 1, 70, 80);
    put_brief(&s, 2, 30, "lab");
    assert_int_equal(step(&s, 0, a), 1);
    assert_int_equal(a[0].limit_sec, 68 * 60);
    planner_free(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_keep_clear),
        cmocka_unit_test(what_is_dropped_holds_nobody_up),
        cmocka_unit_test(members_are_inside),
        cmocka_unit_test(who_is_drawn_goes_inside_first),
        cmocka_unit_test(who_is_drawn_is_not_bound),
        cmocka_unit_test(one_over_another),
        cmocka_unit_test(seats_keep_clear),
        cmocka_unit_test(what_is_in_its_way_is_told),
        cmocka_unit_test(who_runs_is_left_alone),
        cmocka_unit_test(closed_nodes_are_not_counted),
        cmocka_unit_test(a_gap_ends_where_a_window_begins),
        cmocka_unit_test(a_member_is_shortened_to_the_end_of_his_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
