/* SPDX-License-Identifier: Apache-2.0 */
/* test_planner.c - one rule at a time: order, backfill, blockers, retry, cost of a put. */
#include <errno.h>

#include "world.h"

struct scene {
    struct world_config config;
    struct planner *p;
    int64_t now;
    struct plan_action actions[64];
    size_t n;
};

static void begin(struct scene *s, size_t n_nodes, uint32_t cpus, uint32_t gpus)
{
    memset(s, 0, sizeof(*s));
    s->now = T0;
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, n_nodes);
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node n = world_node(s->config.list[i], cpus, 64000, gpus);
        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
}

static void step(struct scene *s)
{
    bool more;
    s->n = planner_step(s->p, s->now, 0, s->actions, 64, &more);
    assert_false(more);
}

static void end(struct scene *s)
{
    planner_free(s->p);
}

static void pend(struct scene *s, uint64_t id, struct job_spec *spec, int32_t priority)
{
    struct job job = world_job(id, spec);
    job.priority = priority;
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static void run(struct scene *s, uint64_t id, struct job_spec *spec, const char *node)
{
    struct job job = world_job(id, spec);
    world_run(&job, node, s->now);
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static void assert_start(const struct scene *s, size_t i, uint64_t id, const char *node)
{
    assert_true(i < s->n);
    assert_int_equal(s->actions[i].type, PLAN_START);
    assert_int_equal(s->actions[i].job, id);
    assert_string_equal(s->actions[i].node, node);
}

static struct plan_why why_of(struct scene *s, uint64_t id)
{
    struct plan_why why;
    assert_int_equal(planner_why(s->p, id, s->now, &why), 0);
    return why;
}

static void tier_goes_before_priority_before_submit(void **state)
{
    struct job_spec spec = world_spec(4, 1000, 0, 10), low = spec;
    struct scene s;

    low.partition = (char *)"low";
    begin(&s, 1, 4, 0);
    pend(&s, 1, &low, 9);
    pend(&s, 2, &spec, 1);
    pend(&s, 4, &spec, 2);
    pend(&s, 3, &spec, 2);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 3, "n00");
    assert_int_equal(why_of(&s, 4).place, 1);
    assert_int_equal(why_of(&s, 2).place, 2);
    assert_int_equal(why_of(&s, 1).place, 3);
    assert_int_equal(why_of(&s, 4).start_usec, T0 + 10 * MIN + PLAN_BOOT_USEC);
    assert_int_equal(why_of(&s, 1).start_usec, T0 + 3 * (10 * MIN + PLAN_BOOT_USEC));
    assert_string_equal(why_of(&s, 1).node, "n00");
    end(&s);
}

/* 3 of 4 cpus are taken for 10 min; a job for 4 waits: one that has booted and ended by then may
 * pass it, a longer one not. */
static void short_job_fills_the_gap_and_long_one_waits(void **state)
{
    struct job_spec part = world_spec(3, 0, 0, 10), whole = world_spec(4, 0, 0, 10);
    struct job_spec shorter = world_spec(1, 0, 0, 10 - PLAN_BOOT_USEC / MIN);
    struct job_spec longer = world_spec(1, 0, 0, 11 - PLAN_BOOT_USEC / MIN);
    struct scene s;

    begin(&s, 1, 4, 0);
    run(&s, 1, &part, "n00");
    pend(&s, 2, &whole, 0);
    pend(&s, 3, &longer, 0);
    pend(&s, 4, &shorter, 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 4, "n00");
    assert_int_equal(why_of(&s, 2).start_usec, T0 + 10 * MIN);
    struct plan_why why = why_of(&s, 3);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_PRIORITY);
    assert_int_equal(why.blockers[0].count, 1);
    assert_int_equal(why.start_usec, T0 + 20 * MIN + PLAN_BOOT_USEC);
    end(&s);
}

/* From its order until it runs, and another that comes behind all: nothing is planned anew. */
static void a_start_is_no_reason_for_a_new_plan(void **state)
{
    struct job_spec spec = world_spec(1, 0, 0, 10), gpu = world_spec(1, 0, 1, 10);
    struct scene s;

    begin(&s, 2, 4, 0);
    planner_put_node(
        s.p,
        &(struct node){
            .name = "n01", .known = true, .up = true, .cpus = 4, .memory_mib = 100000, .gpus = 1});
    run(&s, 1, &gpu, "n01");
    for (uint64_t id = 10; id < 30; id++)
        pend(&s, id, &gpu, 0);
    step(&s);
    for (uint64_t id = 30; id < 34; id++) {
        uint64_t pass = s.p->pass;
        struct job job = world_job(id, &spec);

        pend(&s, id, &spec, 0);
        step(&s);
        assert_int_equal(s.n, 1);
        assert_int_equal(s.actions[0].job, id);
        job.state = JOB_CONFIGURING;
        job.node = s.actions[0].node;
        job.alloc_usec = s.now + PLAN_LAG_USEC / 2;
        assert_int_equal(planner_put_job(s.p, &job), 0);
        job.state = JOB_RUNNING;
        job.start_usec = s.now + PLAN_BOOT_USEC - PLAN_LAG_USEC;
        assert_int_equal(planner_put_job(s.p, &job), 0);
        step(&s);
        assert_int_equal(s.p->pass, pass);
    }
    end(&s);
}

static void ended_job_wakes_the_line(void **state)
{
    struct job_spec spec = world_spec(4, 0, 2, 10);
    struct scene s;

    begin(&s, 2, 4, 2);
    run(&s, 1, &spec, "n00");
    run(&s, 2, &spec, "n01");
    pend(&s, 3, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 0);
    planner_remove_job(s.p, 2);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 3, "n01");
    end(&s);
}

static void resources_are_named_with_numbers(void **state)
{
    struct job_spec most = world_spec(6, 60000, 1, 10), wide = world_spec(6, 1000, 2, 30);
    struct job_spec wish = world_spec(4, 8000, 2, 10);
    struct scene s;

    begin(&s, 2, 8, 2);
    run(&s, 7, &most, "n00");
    run(&s, 8, &wide, "n01");
    pend(&s, 9, &wish, 0);
    step(&s);
    struct plan_why why = why_of(&s, 9);
    const struct plan_blocker *cpus = world_blocker(&why, PLAN_BLOCK_CPUS);
    const struct plan_blocker *gpus = world_blocker(&why, PLAN_BLOCK_GPUS);
    assert_non_null(cpus);
    assert_int_equal(cpus->need, 4);
    assert_int_equal(cpus->free, 2);
    assert_int_equal(cpus->until_usec, T0 + 10 * MIN);
    assert_int_equal(cpus->job, 7);
    assert_string_equal(cpus->subject, "n00");
    assert_non_null(gpus);
    assert_int_equal(gpus->need, 2);
    assert_int_equal(gpus->free, 1);
    assert_int_equal(gpus->job, 7);
    assert_null(world_blocker(&why, PLAN_BLOCK_MEMORY)); /* 63000 MiB free on n01 */
    assert_null(world_blocker(&why, PLAN_BLOCK_PRIORITY));
    assert_int_equal(why.start_usec, T0 + 10 * MIN);
    assert_string_equal(why.node, "n00");
    end(&s);
}

/* cpus are free on one node and memory on the other: never both on one. */
static void apart_is_not_together(void **state)
{
    struct job_spec cpus = world_spec(8, 1000, 0, 10), memory = world_spec(1, 64000, 0, 20);
    struct job_spec wish = world_spec(4, 8000, 0, 10);
    struct scene s;

    begin(&s, 2, 8, 0);
    run(&s, 1, &cpus, "n00");
    run(&s, 2, &memory, "n01");
    pend(&s, 3, &wish, 0);
    step(&s);
    struct plan_why why = why_of(&s, 3);
    assert_int_equal(why.n_blockers, 1);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_CPUS);
    assert_int_equal(why.blockers[0].free, 0);
    assert_string_equal(why.blockers[0].subject, "n00");
    end(&s);
}

static void held_and_begin_and_resources_at_once(void **state)
{
    struct job_spec full = world_spec(8, 0, 0, 10), wish = world_spec(8, 0, 0, 10);
    struct job job = world_job(2, &wish);
    struct scene s;

    wish.begin_usec = T0 + 60 * MIN;
    job.held_by_user = job.held_by_admin = true;
    begin(&s, 1, 8, 0);
    run(&s, 1, &full, "n00");
    assert_int_equal(planner_put_job(s.p, &job), 0);
    step(&s);
    struct plan_why why = why_of(&s, 2);
    assert_int_equal(why.n_blockers, 4);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_HELD_USER);
    assert_int_equal(why.blockers[1].type, PLAN_BLOCK_HELD_ADMIN);
    assert_int_equal(why.blockers[2].type, PLAN_BLOCK_BEGIN); /* ends after the resources */
    assert_int_equal(why.blockers[2].until_usec, wish.begin_usec);
    assert_int_equal(why.blockers[3].type, PLAN_BLOCK_CPUS);
    assert_int_equal(why.place, 0);
    end(&s);
}

static void what_no_node_can_hold_is_named(void **state)
{
    struct job_spec gpus = world_spec(1, 0, 9, 10), feature = world_spec(1, 0, 0, 10);
    struct scene s;

    feature.constraint = (char *)"a40";
    begin(&s, 2, 8, 2);
    pend(&s, 1, &gpus, 0);
    pend(&s, 2, &feature, 0);
    step(&s);
    assert_int_equal(s.n, 0);
    struct plan_why why = why_of(&s, 1);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_NO_NODE);
    assert_string_equal(why.blockers[0].subject, "gpus");
    assert_int_equal(why.blockers[0].need, 9);
    assert_int_equal(why.blockers[0].free, 2);
    why = why_of(&s, 2);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_NO_NODE);
    assert_string_equal(why.blockers[0].subject, "a40");
    assert_int_equal(why.start_usec, 0);
    assert_int_equal(planner_next_usec(s.p), 0);
    struct node n = world_node("n01", 8, 64000, 2);
    strcpy(n.features, "a40,ssd");
    assert_int_equal(planner_put_node(s.p, &n), 0);
    feature.constraint = (char *)"ssd&a40"; /* all of them, in any order */
    pend(&s, 2, &feature, 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 2, "n01");
    end(&s);
}

static void nodes_out_are_named_and_come_back(void **state)
{
    struct job_spec spec = world_spec(1, 0, 0, 10);
    struct scene s;

    begin(&s, 3, 8, 0);
    for (int i = 0; i < 3; i++) {
        struct node n = world_node(s.config.list[i], 8, 64000, 0);
        n.up = i == 0;
        n.drain = i == 0;
        assert_int_equal(planner_put_node(s.p, &n), 0);
    }
    pend(&s, 1, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 0);
    struct plan_why why = why_of(&s, 1);
    assert_int_equal(why.n_blockers, 1);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_NODES_OUT);
    assert_int_equal(why.blockers[0].count, 3);
    assert_string_equal(why.blockers[0].subject, "n[00-02]");
    struct node back = world_node("n02", 8, 64000, 0);
    assert_int_equal(planner_put_node(s.p, &back), 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 1, "n02");
    end(&s);
}

static void closed_partition_holds_its_jobs(void **state)
{
    struct job_spec spec = world_spec(1, 0, 0, 10);
    struct scene s;

    begin(&s, 1, 8, 0);
    s.config.partitions[0].up = false;
    assert_int_equal(planner_configure(s.p, &s.config.config), 0);
    pend(&s, 1, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 0);
    struct plan_why why = why_of(&s, 1);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_PARTITION);
    assert_string_equal(why.blockers[0].subject, "main");
    s.config.partitions[0].up = true;
    assert_int_equal(planner_configure(s.p, &s.config.config), 0);
    step(&s);
    assert_int_equal(s.n, 1);
    end(&s);
}

/* A failing commit must not lose the start, and a slow one must not double it. */
static void start_is_counted_at_once_and_given_again(void **state)
{
    struct job_spec spec = world_spec(4, 0, 0, 10);
    struct plan_usage usage;
    struct scene s;

    begin(&s, 1, 4, 0);
    pend(&s, 1, &spec, 0);
    pend(&s, 2, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_true(planner_node_usage(s.p, "n00", &usage));
    assert_int_equal(usage.cpus, 4);
    s.now += PLAN_RETRY_USEC - 1;
    step(&s);
    assert_int_equal(s.n, 0);
    s.now += 1;
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 1, "n00");
    pend(&s, 1, &spec, 0); /* put again as pending: the start was refused */
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 1, "n00");
    end(&s);
}

static void begin_and_deadline_come_by_the_clock(void **state)
{
    struct job_spec spec = world_spec(1, 0, 0, 10), dead = world_spec(9, 0, 0, 10);
    struct scene s;

    begin(&s, 1, 4, 0);
    spec.begin_usec = T0 + 5 * MIN;
    dead.deadline_usec = T0 + 7 * MIN;
    pend(&s, 1, &spec, 0);
    pend(&s, 2, &dead, 0);
    step(&s);
    assert_int_equal(s.n, 0);
    assert_int_equal(why_of(&s, 1).start_usec, spec.begin_usec);
    assert_int_equal(planner_next_usec(s.p), spec.begin_usec);
    s.now = spec.begin_usec;
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 1, "n00");
    spec.begin_usec = 0;
    run(&s, 1, &spec, "n00");
    s.now = dead.deadline_usec - 1;
    step(&s);
    assert_int_equal(s.n, 0);
    s.now++;
    step(&s);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.actions[0].type, PLAN_DEADLINE);
    assert_int_equal(s.actions[0].job, 2);
    step(&s);
    assert_int_equal(s.n, 0);
    end(&s);
}

static void unlimited_job_gives_no_estimate(void **state)
{
    struct job_spec ever = world_spec(4, 0, 0, 0), spec = world_spec(4, 0, 0, 10);
    struct scene s;

    begin(&s, 1, 4, 0);
    run(&s, 1, &ever, "n00");
    pend(&s, 2, &spec, 0);
    step(&s);
    struct plan_why why = why_of(&s, 2);
    assert_int_equal(why.place, 1);
    assert_int_equal(why.start_usec, 0);
    assert_string_equal(why.node, "");
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_CPUS);
    assert_int_equal(why.blockers[0].until_usec, 0);
    assert_int_equal(why.blockers[0].job, 1);
    end(&s);
}

/* Whatever a user writes as begin or limit must not overflow. */
static void far_times_are_survived(void **state)
{
    struct job_spec far = world_spec(1, 0, 0, 1), ever = world_spec(4, 0, 0, 1);
    struct scene s;

    far.begin_usec = INT64_MAX;
    ever.time_limit_sec = INT64_MAX;
    begin(&s, 1, 4, 0);
    pend(&s, 1, &far, 0);
    for (uint64_t id = 2; id < 600; id++)
        pend(&s, id, &ever, 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_int_equal(why_of(&s, 1).start_usec, 0);
    assert_int_equal(why_of(&s, 599).start_usec, 0);
    end(&s);
}

/* With the cluster full, a put behind 20,000 jobs or before them begins no pass. */
static void put_on_a_full_cluster_costs_no_pass(void **state)
{
    struct job_spec spec = world_spec(4, 0, 0, 10);
    struct scene s;

    begin(&s, 2, 4, 0);
    run(&s, 1, &spec, "n00");
    run(&s, 2, &spec, "n01");
    for (uint64_t id = 10; id < 20010; id++)
        pend(&s, id, &spec, 5);
    step(&s);
    uint64_t pass = s.p->pass;
    pend(&s, 30000, &spec, 1);
    step(&s);
    assert_int_equal(why_of(&s, 30000).place, 20001);
    assert_true(why_of(&s, 30000).start_usec > why_of(&s, 20009).start_usec);
    pend(&s, 30001, &spec, 9);
    step(&s);
    assert_int_equal(why_of(&s, 30001).place, 1);
    assert_int_equal(s.p->pass, pass);
    int64_t refresh = planner_next_usec(s.p); /* its estimate comes with the next refresh */
    assert_true(refresh > s.now && refresh <= s.now + 20002 * PLAN_REFRESH_JOB_USEC);
    s.now = refresh;
    step(&s);
    assert_int_equal(s.p->pass, pass + 1);
    assert_int_equal(why_of(&s, 30001).start_usec, T0 + 10 * MIN);
    end(&s);
}

/* Slices of the smallest budget until nothing is left; counts the starts of job `id`. */
static unsigned starts_in_slices(struct scene *s, uint64_t id)
{
    unsigned starts = 0;
    for (bool more = true; more;) {
        s->n = planner_step(s->p, s->now, 1, s->actions, 64, &more);
        for (size_t i = 0; i < s->n; i++)
            starts += s->actions[i].job == id;
    }
    return starts;
}

/* A pass that is let through to its end must not start anything by what a node lost
 * meanwhile made wrong: job 1 must move to n01, where job 500 would be in its way. */
static void pass_overtaken_by_a_change_starts_nothing(void **state)
{
    struct job_spec all = world_spec(8, 0, 0, 5), most = world_spec(6, 0, 0, 10);
    struct job_spec whole = world_spec(8, 0, 0, 10), never = world_spec(9, 0, 0, 10);
    struct job_spec quick = world_spec(1, 0, 0, 1), slow = world_spec(1, 0, 0, 60);
    struct node drained = world_node("n00", 8, 64000, 0);
    struct scene s;
    bool more;

    begin(&s, 2, 8, 0);
    run(&s, 800, &all, "n00");
    run(&s, 801, &most, "n01");
    pend(&s, 1, &whole, 1);
    for (uint64_t id = 2; id < 200; id++)
        pend(&s, id, &never, 0);
    pend(&s, 500, &slow, 0);
    do {
        s.n = planner_step(s.p, s.now, 1, s.actions, 64, &more);
        assert_true(more && s.n == 0);
    } while (!why_of(&s, 1).start_usec); /* first, the lines of both nodes are made */
    pend(&s, 600, &quick, 2);            /* cuts the pass; the next one is let through */
    unsigned starts = 0;
    uint64_t pass = s.p->pass;
    while (s.p->pass == pass || s.p->last.id < 20 || s.p->last.id >= 600) {
        s.n = planner_step(s.p, s.now, 1, s.actions, 64, &more);
        assert_true(more);
        starts += s.n;
    }
    assert_int_equal(starts, 1);
    assert_string_equal(why_of(&s, 1).node, "n00");
    drained.drain = true;
    assert_int_equal(planner_put_node(s.p, &drained), 0);
    assert_int_equal(starts_in_slices(&s, 500), 0);
    assert_string_equal(why_of(&s, 1).node, "n01");
    assert_int_equal(why_of(&s, 1).start_usec, T0 + 10 * MIN);
    end(&s);
}

static void every_blocker_has_a_name(void **state)
{
    for (int i = 0; i < PLAN_N_BLOCKERS; i++)
        assert_true(*plan_blocker_name((enum plan_blocker_type)i));
    assert_string_equal(plan_blocker_name(PLAN_BLOCK_GPUS), "Resources");
    assert_string_equal(plan_blocker_name(PLAN_BLOCK_NODES_OUT), "ReqNodeNotAvail");
    assert_string_equal(plan_blocker_name(PLAN_BLOCK_HELD_ADMIN), "JobHeldAdmin");
}

static void unknown_ids_are_refused(void **state)
{
    struct job_spec spec = world_spec(1, 0, 0, 10);
    struct plan_usage usage;
    struct plan_why why;
    struct scene s;

    begin(&s, 1, 4, 0);
    assert_int_equal(planner_why(s.p, 1, T0, &why), -ENOENT);
    run(&s, 1, &spec, "n00");
    assert_int_equal(planner_why(s.p, 1, T0, &why), -ENOENT);
    assert_false(planner_node_usage(s.p, "n77", &usage));
    planner_remove_job(s.p, 77);
    planner_remove_node(s.p, "n77");
    end(&s);
}

static void pend_with(struct scene *s, uint64_t id, struct job_spec *spec, const char *node,
                      uint32_t gib, enum plan_disk_block block)
{
    struct job job = world_job(id, spec);
    struct plan_terms disks = {.gib = gib, .block = block};

    snprintf(disks.node, sizeof(disks.node), "%s", node);
    assert_int_equal(planner_put_job_with(s->p, &job, &disks), 0);
}

static void put_disk_node(struct scene *s, const char *name, uint32_t gib, bool up)
{
    struct node n = world_node(name, 4, 64000, 0);

    n.disk_gib = gib;
    n.up = up;
    assert_int_equal(planner_put_node(s->p, &n), 0);
}

/* The other node is free, and of no use. */
static void a_job_starts_where_its_disk_is(void **state)
{
    struct job_spec spec = world_spec(4, 0, 0, 10), elsewhere = spec;
    struct plan_why why;
    struct scene s;

    elsewhere.nodelist = (char *)"n00";
    begin(&s, 2, 4, 0);
    run(&s, 1, &spec, "n01");
    pend_with(&s, 2, &spec, "n01", 0, PLAN_DISK_FREE);
    pend_with(&s, 3, &elsewhere, "n01", 0, PLAN_DISK_FREE);
    step(&s);
    assert_int_equal(s.n, 0);
    why = why_of(&s, 2);
    assert_string_equal(why.node, "n01");
    assert_true(why.start_usec >= T0 + 10 * MIN);
    why = why_of(&s, 3);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_NO_NODE);
    assert_string_equal(why.blockers[0].subject, "n01, where its disk is");
    put_disk_node(&s, "n01", 0, false);
    step(&s);
    assert_int_equal(s.n, 0);
    why = why_of(&s, 2);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_DISK_NODE);
    assert_string_equal(why.blockers[0].subject, "n01");
    pend(&s, 2, &spec, 0); /* the disk was deleted */
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 2, "n00");
    end(&s);
}

/* What is stored stays; what goes with a job is free at its end. */
static void disk_space_is_a_resource(void **state)
{
    struct job_spec spec = world_spec(1, 0, 0, 10);
    struct job job = world_job(1, &spec);
    struct plan_terms has = {.gib = 60};
    struct plan_why why;
    struct scene s;

    begin(&s, 1, 4, 0);
    put_disk_node(&s, "n00", 100, true);
    world_run(&job, "n00", s.now);
    assert_int_equal(planner_put_job_with(s.p, &job, &has), 0);
    pend_with(&s, 2, &spec, "", 50, PLAN_DISK_FREE);
    pend_with(&s, 3, &spec, "", 40, PLAN_DISK_FREE);
    pend_with(&s, 4, &spec, "", 101, PLAN_DISK_FREE);
    pend(&s, 5, &spec, 0);
    step(&s);
    why = why_of(&s, 2);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_DISK);
    assert_int_equal(why.blockers[0].need, 50);
    assert_int_equal(why.blockers[0].free, 0); /* 60 of job 1, 40 of job 3 that starts */
    assert_int_equal(why.blockers[0].job, 1);
    why = why_of(&s, 4);
    assert_int_equal(why.blockers[0].type, PLAN_BLOCK_NO_NODE);
    assert_string_equal(why.blockers[0].subject, "disk");
    assert_int_equal(s.n, 2);
    assert_start(&s, 0, 3, "n00");
    assert_start(&s, 1, 5, "n00");
    assert_int_equal(planner_put_stored(s.p, "n00", 51), 0);
    planner_remove_job(s.p, 1);
    planner_remove_job(s.p, 3);
    planner_remove_job(s.p, 5);
    step(&s);
    s.now += MIN;
    step(&s);
    assert_int_equal(s.n, 0);
    assert_int_equal(why_of(&s, 2).start_usec, 0); /* nobody knows when */
    assert_int_equal(planner_put_stored(s.p, "n00", 50), 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 2, "n00");
    end(&s);
}

/* Who waits for a disk is in nobody's way. */
static void a_busy_disk_keeps_its_job_out_of_line(void **state)
{
    struct job_spec spec = world_spec(4, 0, 0, 10);
    struct scene s;

    begin(&s, 1, 4, 0);
    pend_with(&s, 1, &spec, "", 0, PLAN_DISK_BUSY);
    pend_with(&s, 2, &spec, "", 0, PLAN_DISK_QUOTA);
    pend_with(&s, 4, &spec, "", 0, PLAN_WAITS_FOR_CALLER);
    pend(&s, 3, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 3, "n00");
    assert_int_equal(why_of(&s, 1).blockers[0].type, PLAN_BLOCK_DISK_BUSY);
    assert_int_equal(why_of(&s, 1).place, 0);
    assert_int_equal(why_of(&s, 2).blockers[0].type, PLAN_BLOCK_DISK_QUOTA);
    assert_int_equal(why_of(&s, 4).blockers[0].type, PLAN_BLOCK_CPUS); /* all that is known here */
    assert_int_equal(why_of(&s, 4).place, 0);
    planner_remove_job(s.p, 3);
    pend_with(&s, 1, &spec, "", 0, PLAN_DISK_FREE);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_start(&s, 0, 1, "n00");
    end(&s);
}

/* ---- GPUs ---------------------------------------------------------------- */

static void set_law(struct scene *s, struct config_node *node, struct gpu_kind *kind,
                    enum gpu_law law, const char *const *profiles)
{
    size_t offer;

    *kind = (struct gpu_kind){.law = law};
    for (; profiles[kind->n_offers]; kind->n_offers++) {
        snprintf(kind->offers[kind->n_offers].profile, sizeof(kind->offers[0].profile), "%s",
                 profiles[kind->n_offers]);
        kind->offers[kind->n_offers].display = true;
    }
    assert_null(gpu_kind_settle(kind, &offer));
    *node = (struct config_node){.name = s->config.list[0], .kind = kind};
    s->config.config.nodes = node;
    s->config.config.n_nodes = 1;
    s->config.config.kinds = kind;
    s->config.config.n_kinds = 1;
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
}

static void run_on(struct scene *s, uint64_t id, struct job_spec *spec, const char *held)
{
    struct job job = world_job(id, spec);

    world_run(&job, "n00", s->now);
    job.gpus_held = held;
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

/* What runs keeps its place, whatever the configuration says of its GPU afterwards. */
static void another_law_puts_nobody_where_a_job_runs(void **state)
{
    static const char *const before[] = {"x-4q", "x-16q", NULL};
    static const char *const after[] = {"x-2q", "x-4q", "x-16q", NULL};
    struct job_spec spec = world_spec(1, 0, 1, 60);
    struct config_node node;
    struct gpu_kind kind;
    struct scene s;

    begin(&s, 1, 64, 1);
    set_law(&s, &node, &kind, GPU_HOMOGENEOUS, before);
    spec.profile = (char *)"x-4q";
    run_on(&s, 1, &spec, "x-4q:0");
    run_on(&s, 2, &spec, "x-4q:0");
    set_law(&s, &node, &kind, GPU_MIXED, after); /* both say they are at its first place */
    pend(&s, 3, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 0);
    planner_remove_job(s.p, 2);
    step(&s);
    assert_int_equal(s.n, 0); /* the other may be anywhere */
    planner_remove_job(s.p, 1);
    step(&s);
    assert_start(&s, 0, 3, "n00");
    end(&s);
}

static void a_new_smallest_size_moves_nobody(void **state)
{
    static const char *const before[] = {"x-4q", "x-8q", "x-16q", NULL};
    static const char *const after[] = {"x-2q", "x-4q", "x-8q", "x-16q", NULL};
    struct job_spec spec = world_spec(1, 0, 1, 60), half = spec;
    struct config_node node;
    struct gpu_kind kind;
    struct scene s;

    begin(&s, 1, 64, 1);
    set_law(&s, &node, &kind, GPU_MIXED, before);
    spec.profile = (char *)"x-4q";
    half.profile = (char *)"x-8q";
    run_on(&s, 1, &spec, "x-4q:0@3"); /* the last quarter */
    set_law(&s, &node, &kind, GPU_MIXED, after);
    pend(&s, 2, &half, 0);
    pend(&s, 3, &half, 0);
    step(&s);
    assert_int_equal(s.n, 1); /* the first half alone is free */
    assert_start(&s, 0, 2, "n00");
    assert_string_equal(s.actions[0].gpus_held, "x-8q:0@0");
    end(&s);
}

static void a_profile_that_is_gone_keeps_others_off(void **state)
{
    static const char *const before[] = {"x-4q", "x-16q", NULL};
    static const char *const after[] = {"x-8q", "x-16q", NULL};
    struct job_spec old = world_spec(1, 0, 1, 60), spec = old;
    struct config_node node;
    struct gpu_kind kind;
    struct scene s;

    begin(&s, 1, 64, 2);
    set_law(&s, &node, &kind, GPU_POOL, before);
    old.profile = (char *)"x-4q";
    spec.profile = (char *)"x-8q";
    run_on(&s, 1, &old, "x-4q:0");
    set_law(&s, &node, &kind, GPU_POOL, after);
    pend(&s, 2, &spec, 0);
    step(&s);
    assert_int_equal(s.n, 1);
    assert_string_equal(s.actions[0].gpus_held, "x-8q:1");
    set_law(&s, &node, &kind, GPU_POOL, before); /* and it comes back */
    pend(&s, 3, &old, 0);
    step(&s);
    assert_string_equal(s.actions[0].gpus_held, "x-4q:0");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tier_goes_before_priority_before_submit),
        cmocka_unit_test(short_job_fills_the_gap_and_long_one_waits),
        cmocka_unit_test(a_start_is_no_reason_for_a_new_plan),
        cmocka_unit_test(ended_job_wakes_the_line),
        cmocka_unit_test(resources_are_named_with_numbers),
        cmocka_unit_test(apart_is_not_together),
        cmocka_unit_test(held_and_begin_and_resources_at_once),
        cmocka_unit_test(what_no_node_can_hold_is_named),
        cmocka_unit_test(nodes_out_are_named_and_come_back),
        cmocka_unit_test(closed_partition_holds_its_jobs),
        cmocka_unit_test(start_is_counted_at_once_and_given_again),
        cmocka_unit_test(begin_and_deadline_come_by_the_clock),
        cmocka_unit_test(unlimited_job_gives_no_estimate),
        cmocka_unit_test(far_times_are_survived),
        cmocka_unit_test(put_on_a_full_cluster_costs_no_pass),
        cmocka_unit_test(pass_overtaken_by_a_change_starts_nothing),
        cmocka_unit_test(every_blocker_has_a_name),
        cmocka_unit_test(unknown_ids_are_refused),
        cmocka_unit_test(a_job_starts_where_its_disk_is),
        cmocka_unit_test(disk_space_is_a_resource),
        cmocka_unit_test(a_busy_disk_keeps_its_job_out_of_line),
        cmocka_unit_test(another_law_puts_nobody_where_a_job_runs),
        cmocka_unit_test(a_new_smallest_size_moves_nobody),
        cmocka_unit_test(a_profile_that_is_gone_keeps_others_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
