/* SPDX-License-Identifier: Apache-2.0 */
/* test_index.c - what shapes share changes what a plan costs, and nothing of what it says. */
#include "world.h"

#define NODES 64
#define JOBS 160

static uint64_t state;

static unsigned pick(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* Two planners that are told the same: one with indexes, as few as `most`, and one with none. */
struct twins {
    struct world_config config;
    struct config_node nodes[NODES];
    struct gpu_kind kind;
    struct planner *p[2];
    struct job_spec specs[JOBS];
    struct job jobs[JOBS];
    char held[JOBS][64], on[JOBS][64];
    bool is_there[JOBS];
    bool is_out[NODES];
    uint64_t classes;
    int64_t now;
    unsigned starts, reserved, compared, asked;
};

static void put_node(struct twins *t, unsigned i)
{
    struct node n = world_node(t->config.list[i], 8, 24000, i % 4);

    n.drain = t->is_out[i];
    n.software_encoder = i % 5 == 1;
    n.encode_mpix = i % 5 == 2 ? 400 : 0;
    if (i % 3 == 0)
        strcpy(n.features, "fast");
    for (int k = 0; k < 2; k++)
        assert_int_equal(planner_put_node(t->p[k], &n), 0);
}

static void begin(struct twins *t, unsigned seed, uint32_t most)
{
    static const uint32_t sizes[] = {4000, 8000, 16000};
    size_t offer;

    memset(t, 0, sizeof(*t));
    state = seed;
    t->now = T0;
    world_config(&t->config, NODES);
    t->kind = (struct gpu_kind){.law = GPU_HOMOGENEOUS, .n_offers = 3, .framebuffer_mib = 16000};
    for (size_t i = 0; i < 3; i++) {
        t->kind.offers[i] = (struct gpu_offer){.framebuffer_mib = sizes[i], .display = true};
        t->kind.offers[i].profile[0] = (char)('a' + i);
    }
    assert_null(gpu_kind_settle(&t->kind, &offer));
    for (size_t i = 0; i < NODES; i++)
        t->nodes[i] = (struct config_node){.name = t->config.names[i], .kind = &t->kind};
    t->config.config.nodes = t->nodes;
    t->config.config.n_nodes = NODES;
    t->config.config.kinds = &t->kind;
    t->config.config.n_kinds = 1;
    for (int k = 0; k < 2; k++) {
        t->p[k] = planner_new(seed);
        assert_non_null(t->p[k]);
        assert_int_equal(planner_configure(t->p[k], &t->config.config), 0);
    }
    t->p[0]->indexes.nodes_min = 1;
    t->p[0]->indexes.most = most;
    t->p[1]->indexes.nodes_min = UINT32_MAX;
    for (unsigned i = 0; i < NODES; i++)
        put_node(t, i);
}

static void end(struct twins *t)
{
    planner_free(t->p[0]);
    planner_free(t->p[1]);
}

static void put_job(struct twins *t, unsigned j)
{
    struct plan_place place = {.node = ""};

    strcpy(place.node, t->on[j]);
    strcpy(place.gpus_held, t->held[j]);
    for (int k = 0; k < 2; k++)
        assert_int_equal(
            planner_put_job_on(t->p[k], &t->jobs[j], NULL, &place, t->jobs[j].state == JOB_RUNNING),
            0);
}

/* A new one; or a pending one, with another request. */
static const char *const closures[] = {"tue", "wed", "fan"};

static void submit(struct twins *t, unsigned j)
{
    static const char *const wishes[] = {"a", "b", "a,c", "whole", "fb>=5000"};
    struct job_spec *spec = &t->specs[j];

    *spec = world_spec(1 + pick(8), 1000 * pick(20), pick(3), 10 + pick(pick(4) ? 60 : 600));
    spec->profile = (char *)wishes[pick(5)];
    if (!pick(4))
        spec->constraint = (char *)"fast";
    if (!pick(6))
        spec->nodelist = (char *)"n[00-20]";
    spec->nodes = pick(8) ? 1 : 2 + pick(3);
    if (!pick(3))
        spec->encode_mpix = 63 << pick(3);
    if (!pick(5))
        spec->reservation = (char *)closures[pick(3)];
    if (!pick(4))
        spec->time_min_sec = 60 * (1 + pick(20));
    if (!pick(8))
        spec->begin_usec = t->now + pick(90) * MIN;
    t->jobs[j] = world_job(j + 1, spec);
    t->jobs[j].submit_usec = t->now;
    t->jobs[j].priority = (int32_t)pick(3);
    t->is_there[j] = true;
    put_job(t, j);
}

static void put_class(struct twins *t)
{
    struct job_spec spec = world_spec(1 + pick(2), 1000, 1, 10);
    struct plan_window w = {.from_usec = t->now + (1 + pick(300)) * MIN};
    struct plan_class c = {.id = 1 + pick(5), .seat = &spec, .windows = &w, .n_windows = 1};
    struct plan_shortage shortage;
    int r[2];

    spec.profile = (char *)"a";
    c.seats = 1 + pick(40);
    w.to_usec = w.from_usec + (20 + pick(60)) * MIN;
    for (int k = 0; k < 2; k++) {
        planner_remove_class(t->p[k], c.id);
        r[k] = planner_put_class(t->p[k], &c, t->now, &shortage);
    }
    assert_int_equal(r[0], r[1]);
    t->classes += r[0] == 0;
}

/* Put, moved or dropped. */
static void put_closure(struct twins *t)
{
    unsigned id = pick(3);
    struct plan_window windows[3];
    char *nodes[NODES];
    struct plan_closure c = {.id = id + 1,
                             .name = closures[id],
                             .nodes = nodes,
                             .windows = windows,
                             .n_windows = 1 + pick(3)};

    for (size_t i = 0; i < c.n_windows; i++) {
        windows[i].from_usec = t->now + ((int64_t)i * 60 + pick(60) - 5) * MIN;
        windows[i].to_usec = windows[i].from_usec + (5 + pick(120)) * MIN;
    }
    for (unsigned i = 0, of = 1 + pick(6); i < NODES; i++)
        if (!pick(of))
            nodes[c.n_nodes++] = t->config.names[i];
    for (int k = 0, drop = !pick(4); k < 2; k++) {
        if (drop)
            planner_remove_closure(t->p[k], c.id);
        else
            assert_int_equal(planner_put_closure(t->p[k], &c), 0);
    }
}

static void event(struct twins *t)
{
    unsigned j = pick(JOBS), i = pick(NODES);

    switch (pick(13)) {
    case 0:
        t->is_out[i] = !t->is_out[i];
        put_node(t, i);
        return;
    case 1:
        t->now += (1 + pick(20)) * MIN / 2;
        return;
    case 2:
        put_class(t);
        return;
    case 3:
    case 4:
    case 5:
        if (!t->is_there[j])
            break;
        for (int k = 0; k < 2; k++)
            planner_remove_job(t->p[k], j + 1);
        t->is_there[j] = false;
        return;
    case 6:
        put_closure(t);
        return;
    default:
        break;
    }
    if (!t->is_there[j] || t->jobs[j].state == JOB_PENDING)
        submit(t, j);
}

/* Both start the same. What starts on one node runs from then on; on several it is done. */
static void start(struct twins *t, const struct plan_action *a)
{
    unsigned j = (unsigned)a->job - 1;

    t->starts++;
    t->reserved += t->specs[j].reservation && *t->specs[j].reservation;
    if (a->n_nodes > 1) {
        for (int k = 0; k < 2; k++)
            planner_remove_job(t->p[k], a->job);
        t->is_there[j] = false;
        return;
    }
    strcpy(t->on[j], a->node);
    strcpy(t->held[j], a->gpus_held);
    world_run(&t->jobs[j], t->on[j], t->now);
    put_job(t, j);
}

static size_t step(struct twins *t, int k, int64_t budget_usec, struct plan_action *actions)
{
    size_t n = 0;
    bool more;

    do {
        n += planner_step(t->p[k], t->now, budget_usec, &actions[n], JOBS - n, &more);
        assert_true(n < JOBS);
    } while (more);
    return n;
}

static void step_both(struct twins *t)
{
    static struct plan_action a[2][JOBS];
    size_t n[2] = {step(t, 0, pick(2), a[0]), step(t, 1, 0, a[1])};

    assert_int_equal(n[0], n[1]);
    for (size_t i = 0; i < n[0]; i++) {
        assert_int_equal(a[0][i].type, a[1][i].type);
        assert_int_equal(a[0][i].job, a[1][i].job);
        if (a[0][i].type != PLAN_START)
            continue;
        assert_string_equal(a[0][i].node, a[1][i].node);
        assert_string_equal(a[0][i].gpus_held, a[1][i].gpus_held);
        assert_int_equal(a[0][i].limit_sec, a[1][i].limit_sec);
        start(t, &a[0][i]);
    }
}

static void compare(struct twins *t)
{
    for (int k = 0; k < 2; k++)
        planner_full(t->p[k], t->now);
    for (unsigned j = 0; j < JOBS; j++) {
        struct plan_why why[2];

        if (!t->is_there[j] || t->jobs[j].state != JOB_PENDING)
            continue;
        for (int k = 0; k < 2; k++)
            assert_int_equal(planner_why(t->p[k], j + 1, t->now, &why[k]), 0);
        assert_int_equal(why[0].start_usec, why[1].start_usec);
        assert_string_equal(why[0].node, why[1].node);
        t->compared++;
        t->asked += why[0].start_usec > 0;
    }
}

/* Estimates of passes that went on from earlier ones, with what was kept from pass to pass. */
static void compare_kept(struct twins *t)
{
    t->now += 2 * MIN; /* stale ones are made anew */
    step_both(t);
    for (unsigned j = 0; j < JOBS; j++) {
        struct entry *e[2];

        for (int k = 0; k < 2; k++)
            e[k] = hash_get_u64(t->p[k]->jobs, j + 1);
        if (!t->is_there[j] || e[0]->place != ENTRY_QUEUED)
            continue;
        assert_int_equal(e[1]->place, ENTRY_QUEUED);
        assert_int_equal(e[0]->time_usec, e[1]->time_usec);
        assert_int_equal(!e[0]->node, !e[1]->node);
        if (e[0]->node)
            assert_string_equal(e[0]->node->facts.name, e[1]->node->facts.name);
        t->compared++;
    }
}

static void indexes_change_no_plan(void **unused)
{
    static const uint32_t most[] = {1, 2, 4, 12, INDEX_MAX};
    static struct twins t;
    unsigned starts = 0, compared = 0, asked = 0, classes = 0, shared = 0, reserved = 0;

    for (unsigned seed = 1; seed <= 40; seed++) {
        begin(&t, seed, most[seed % 5]);
        for (unsigned j = 0; j < JOBS; j++)
            submit(&t, j);
        step_both(&t);
        for (unsigned i = 0; i < 40; i++) {
            for (unsigned k = 1 + pick(12); k; k--)
                event(&t);
            step_both(&t);
            if (i % 4 == 0)
                compare_kept(&t);
            if (i % 13 == 0)
                compare(&t);
        }
        shared += t.p[0]->indexes.n > 0 && t.p[0]->indexes.grain > 0;
        assert_int_equal(t.p[1]->indexes.n, 0);
        starts += t.starts;
        reserved += t.reserved;
        compared += t.compared;
        asked += t.asked;
        classes += t.classes;
        end(&t);
    }
    printf("# %u starts, %u of them reserved, %u estimates compared, %u classes, %u worlds where "
           "kinds shared\n",
           starts, reserved, compared, classes, shared);
    assert_true(starts > 1000 && compared > 10000 && asked > 1000 && classes > 50 && shared > 10);
    assert_true(reserved > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(indexes_change_no_plan)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
