/* SPDX-License-Identifier: Apache-2.0 */
/* test_wide.c - jobs on several nodes: all at once or none. */
#include <errno.h>

#include "world.h"

struct scene {
    struct world_config config;
    struct planner *p;
    struct plan_action actions[16];
    size_t n;
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

static void put(struct scene *s, uint64_t id, struct job_spec *spec)
{
    struct job job = world_job(id, spec);

    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static struct job put_run(struct scene *s, uint64_t id, struct job_spec *spec, const char *nodes)
{
    struct plan_place places[JOB_NODES_MAX] = {{.node = ""}};
    struct job job = world_job(id, spec);
    uint32_t n = 0;

    for (const char *at = nodes; *at; at += 3 + (at[3] == ','))
        snprintf(places[n++].node, sizeof(places->node), "%.3s", at);
    world_run(&job, "n00", T0);
    assert_int_equal(planner_put_job_on(s->p, &job, NULL, places, n), 0);
    return job;
}

static void step(struct scene *s, int64_t now)
{
    bool more;

    s->n = planner_step(s->p, now, 0, s->actions, 16, &more);
    assert_false(more);
}

static void join_places(void *arg, const struct plan_place *place)
{
    char *text = arg;

    sprintf(text + strlen(text), "%s%s=%s", *text ? " " : "", place->node, place->gpus_held);
}

static void assert_start(struct scene *s, uint64_t id, const char *places)
{
    char text[256] = "";

    assert_int_equal(s->n, 1);
    assert_int_equal(s->actions[0].type, PLAN_START);
    assert_int_equal(s->actions[0].job, id);
    planner_each_place(s->p, id, join_places, text);
    assert_string_equal(text, places);
}

static struct plan_why why_of(struct scene *s, uint64_t id)
{
    struct plan_why why;

    assert_int_equal(planner_why(s->p, id, T0, &why), 0);
    return why;
}

/* n01 is busy for 10 min: who wants three of three waits for it, and nobody takes what it will
 * need; two of three start around it, on the first that are free. */
static void all_nodes_at_once(void **state)
{
    struct job_spec busy = world_spec(4, 0, 0, 10), two = world_spec(1, 0, 2, 5);
    struct job_spec three = world_spec(4, 0, 0, 5), one = world_spec(4, 0, 0, 30);
    struct scene s;
    int64_t usec;

    two.nodes = 2;
    three.nodes = 3;
    begin(&s, 3);
    put_run(&s, 1, &busy, "n01");
    put(&s, 2, &two);
    step(&s, T0);
    assert_start(&s, 2, "n00=:0,1 n02=:0,1");
    assert_int_equal(s.actions[0].n_nodes, 2);
    put(&s, 3, &three);
    put(&s, 4, &one);
    step(&s, T0);
    assert_int_equal(s.n, 0);
    assert_int_equal(why_of(&s, 3).start_usec, T0 + 10 * MIN);
    assert_string_equal(why_of(&s, 3).node, "n[00-02]");
    assert_int_equal(why_of(&s, 4).start_usec, T0 + 15 * MIN + PLAN_BOOT_USEC);
    for (size_t i = 0; i < 3; i++) {
        assert_true(planner_planned_on(s.p, 3, s.config.list[i], T0, &usec));
        assert_int_equal(usec, T0 + 10 * MIN);
    }
    assert_true(planner_planned_on(s.p, 4, "n00", T0, &usec));
    assert_false(planner_planned_on(s.p, 4, "n01", T0, &usec));
    assert_false(planner_planned_on(s.p, 1, "n01", T0, &usec)); /* it runs */
    assert_false(planner_planned_on(s.p, 5, "n00", T0, &usec));
    planner_free(s.p);
}

/* Nodes that are free one after the other, and never together before both are free for good. */
static void free_in_turn_is_not_at_once(void **state)
{
    struct job_spec first = world_spec(4, 0, 0, 10), later = world_spec(4, 0, 0, 20);
    struct job_spec two = world_spec(4, 0, 0, 60);
    struct plan_window window = {T0 + 15 * MIN, T0 + 90 * MIN};
    struct job_spec seat = world_spec(4, 0, 0, 0);
    struct plan_class c = {.id = 1, .seat = &seat, .seats = 1, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;
    struct scene s;

    two.nodes = 2;
    seat.nodelist = (char *)"n00";
    begin(&s, 2);
    put_run(&s, 1, &first, "n00");
    put_run(&s, 2, &later, "n01");
    assert_int_equal(planner_put_class(s.p, &c, T0, &shortage), 0);
    put(&s, 3, &two);
    step(&s, T0);
    assert_int_equal(why_of(&s, 3).start_usec, T0 + 90 * MIN);
    planner_free(s.p);
}

/* A start of which one node is lost is given anew, elsewhere; the other nodes are free again. */
static void a_lost_node_takes_the_start_back(void **state)
{
    struct job_spec two = world_spec(4, 0, 0, 5), one = world_spec(4, 0, 0, 5);
    struct scene s;

    two.nodes = 2;
    begin(&s, 3);
    put(&s, 1, &two);
    step(&s, T0);
    assert_start(&s, 1, "n00= n01=");
    struct node down = world_node("n01", 4, 64000, 2);
    down.up = false;
    assert_int_equal(planner_put_node(s.p, &down), 0);
    step(&s, T0);
    assert_start(&s, 1, "n00= n02=");
    planner_remove_job(s.p, 1);
    put(&s, 2, &one);
    step(&s, T0);
    assert_start(&s, 2, "n00=");
    planner_free(s.p);
}

static void blockers_count_nodes(void **state)
{
    struct job_spec four = world_spec(1, 0, 0, 5), gpus = world_spec(1, 0, 2, 5);
    struct job_spec busy = world_spec(1, 0, 1, 10);
    struct scene s;

    four.nodes = 4;
    gpus.nodes = 3;
    begin(&s, 3);
    put_run(&s, 1, &busy, "n01");
    put(&s, 2, &four);
    put(&s, 3, &gpus);
    step(&s, T0);
    assert_int_equal(s.n, 0);
    struct plan_why why = why_of(&s, 2);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_NO_NODE);
    assert_int_equal(why.blockers[0].need, 4);
    assert_int_equal(why.blockers[0].free, 3);
    assert_string_equal(why.blockers[0].subject, "nodes");
    why = why_of(&s, 3);
    const struct plan_blocker *b = world_blocker(&why, PLAN_BLOCK_GPUS);
    assert_non_null(b);
    assert_int_equal(b->need, 2);
    assert_int_equal(b->free, 1); /* the third best node has no more */
    assert_int_equal(b->job, 1);
    assert_string_equal(b->subject, "n01");
    planner_free(s.p);
}

/* It may run on until the first of its nodes is planned for another. */
static void room_is_that_of_the_tightest_node(void **state)
{
    struct job_spec two = world_spec(3, 0, 0, 10), busy = world_spec(4, 0, 0, 40);
    struct job_spec next = world_spec(4, 0, 0, 10);
    struct plan_room room;
    struct scene s;

    two.nodes = 2;
    next.nodelist = (char *)"n02";
    begin(&s, 3);
    put_run(&s, 1, &two, "n01,n02");
    put_run(&s, 2, &busy, "n00");
    next.begin_usec = T0 + 30 * MIN;
    put(&s, 3, &next);
    step(&s, T0);
    step(&s, T0 + 1);
    assert_int_equal(planner_room(s.p, 1, &room), 0);
    assert_int_equal(room.room_usec, 20 * MIN);
    assert_int_equal(room.blocker.job, 3);
    assert_string_equal(room.blocker.subject, "n02");
    planner_free(s.p);
}

/* What it was given it gives back on all nodes, and once. */
static void an_end_frees_all_nodes(void **state)
{
    struct job_spec two = world_spec(4, 0, 2, 10), more = world_spec(4, 0, 2, 10);
    struct plan_usage usage;
    struct scene s;
    struct job job;

    two.nodes = 2;
    more.nodes = 3;
    begin(&s, 3);
    job = put_run(&s, 1, &two, "n00,n02");
    assert_true(planner_node_usage(s.p, "n02", &usage));
    assert_int_equal(usage.cpus, 4);
    assert_int_equal(usage.gpus, 2);
    put(&s, 2, &more);
    step(&s, T0);
    assert_int_equal(s.n, 0);
    job.state = JOB_COMPLETED;
    assert_int_equal(planner_put_job(s.p, &job), 0);
    step(&s, T0);
    assert_start(&s, 2, "n00=:0,1 n01=:0,1 n02=:0,1");
    planner_free(s.p);
}

static void too_many_nodes_are_refused(void **state)
{
    struct plan_place places[JOB_NODES_MAX + 1] = {{.node = ""}};
    struct job_spec spec = world_spec(1, 0, 0, 10);
    struct job job = world_job(1, &spec);
    struct scene s;

    begin(&s, 1);
    assert_int_equal(planner_put_job_on(s.p, &job, NULL, places, JOB_NODES_MAX + 1), -EINVAL);
    spec.nodes = JOB_NODES_MAX + 1;
    assert_int_equal(planner_put_job(s.p, &job), -EINVAL);
    planner_free(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_nodes_at_once),
        cmocka_unit_test(free_in_turn_is_not_at_once),
        cmocka_unit_test(a_lost_node_takes_the_start_back),
        cmocka_unit_test(blockers_count_nodes),
        cmocka_unit_test(room_is_that_of_the_tightest_node),
        cmocka_unit_test(an_end_frees_all_nodes),
        cmocka_unit_test(too_many_nodes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
