/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_preempt.c - whole lives of jobs some of which push others aside, in random clusters.
 *
 * What the planner says is done, and looked at with a book of its own: who holds what, who ran for
 * how long. Nobody is asked who may not be, or too soon; who is pushed aside comes back; who others
 * went for starts, on all of its nodes; and in the end everybody has run.
 */
#include "world.h"

#define N_NODES 4
#define N_JOBS 48
#define N_GPUS 2
#define EXEMPT (3 * MIN)
#define FOR_MAX (2 * MIN) /* from when one has left until those for whom it did start */

enum phase { COMES, WAITS, BOOTS, RUNS, LEAVES, DONE };

struct sim_job {
    struct job_spec spec;
    struct job job;
    enum phase phase;
    int64_t due_usec; /* of its phase */
    int64_t run_usec; /* that are left */
    int64_t since_usec;
    struct plan_place places[N_NODES];
    uint32_t n_places;
    unsigned pushed;
    uint32_t booked, asked; /* nodes, as bits: kept for it; those that it was asked to leave */
    int64_t left_usec;
};

struct sim {
    struct world_config config;
    struct config_qos qos[2];
    struct config_node config_nodes[N_NODES];
    struct gpu_kind kinds[2];
    char *preempts[1], *modes[1];
    enum plan_mode mode;
    bool is_late; /* some leave later than they should */
    struct planner *p;
    struct sim_job jobs[N_JOBS];
    int64_t cpus[N_NODES];
    struct gpu_state gpus[N_NODES][N_GPUS];
    int64_t now, class_usec; /* 0: no class */
    uint32_t class_seats;
    unsigned seed;
    unsigned long starts, asked, pushed, booked, compared, classes;
    unsigned long wide, wide_pushed; /* of these, jobs on several nodes */
};

static unsigned pick(struct sim *s, unsigned n)
{
    s->seed = s->seed * 1103515245u + 12345u;
    return (s->seed >> 16) % n;
}

static const struct gpu_kind *kind_of(const struct sim *s, int node)
{
    static const struct gpu_kind any = {.law = GPU_WHOLE, .capacity = 1};

    return s->config_nodes[node].kind ? s->config_nodes[node].kind : &any;
}

/* ---- a world ------------------------------------------------------------------ */

static void make_kinds(struct sim *s)
{
    size_t offer;

    for (int i = 0; i < 2; i++) {
        struct gpu_kind *k = &s->kinds[i];

        *k = (struct gpu_kind){.law = i ? GPU_POOL : GPU_HOMOGENEOUS,
                               .n_offers = 2,
                               .framebuffer_mib = 4096,
                               .capacity = 4};
        for (uint32_t o = 0; o < 2; o++) {
            k->offers[o] =
                (struct gpu_offer){.display = true, .size = o ? 4 : 1, .instances = o ? 1 : 4};
            snprintf(k->offers[o].profile, sizeof(k->offers[o].profile), "x-%dq", o ? 4 : 1);
        }
        assert_null(gpu_kind_settle(k, &offer));
    }
    for (int i = 0; i < N_NODES; i++)
        s->config_nodes[i] =
            (struct config_node){.name = s->config.names[i], .kind = i < 2 ? &s->kinds[i] : NULL};
    s->config.config.nodes = s->config_nodes;
    s->config.config.n_nodes = N_NODES;
    s->config.config.kinds = s->kinds;
    s->config.config.n_kinds = 2;
}

static void make_qos(struct sim *s)
{
    s->mode = (enum plan_mode)pick(s, 3);
    s->preempts[0] = (char *)"batch";
    s->modes[0] = (char *)plan_mode_name(s->mode);
    s->qos[0] =
        (struct config_qos){.name = (char *)"batch", .preempt_exempt_sec = EXEMPT / 1000000};
    s->qos[1] = (struct config_qos){.name = (char *)"first",
                                    .preempts = {s->preempts, 1},
                                    .preempt_modes = {s->modes, 1},
                                    .grace_sec = pick(s, 3) * 10};
    s->config.config.qos = s->qos;
    s->config.config.n_qos = 2;
}

static void make_job(struct sim *s, int j)
{
    static const char *const profiles[] = {"x-1q", "x-4q", ""};
    struct sim_job *x = &s->jobs[j];

    x->spec = world_spec(pick(s, 4), 0, pick(s, 3), pick(s, 4) ? 5 + pick(s, 60) : 0);
    x->spec.cpus += !x->spec.cpus && !x->spec.gpus;
    x->spec.profile = (char *)(x->spec.gpus ? profiles[pick(s, 3)] : "");
    x->spec.nodes = pick(s, 4) ? 1 : 2 + pick(s, 2);
    x->spec.qos = pick(s, 3) ? "batch" : pick(s, 3) ? "first" : "";
    x->job = world_job((uint64_t)j + 1, &x->spec);
    x->job.priority = strcmp(x->spec.qos, "first") ? 0 : (int32_t)pick(s, 3);
    x->phase = COMES;
    x->due_usec = T0 + (int64_t)pick(s, 120) * MIN / 2;
    x->job.submit_usec = x->due_usec;
    x->run_usec = (1 + (int64_t)pick(s, x->spec.time_limit_sec ? 5 : 60)) * MIN;
}

static void begin(struct sim *s, unsigned seed)
{
    memset(s, 0, sizeof(*s));
    s->seed = seed;
    s->now = T0;
    s->p = planner_new(seed);
    assert_non_null(s->p);
    if (seed % 2) /* as large clusters have */
        s->p->indexes.nodes_min = 2;
    world_config(&s->config, N_NODES);
    make_kinds(s);
    make_qos(s);
    s->is_late = pick(s, 4) == 0;
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (int i = 0; i < N_NODES; i++) {
        struct node n = world_node(s->config.names[i], 6, 64000, N_GPUS);

        s->cpus[i] = 6;
        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
    for (int j = 0; j < N_JOBS; j++)
        make_job(s, j);
}

/* ---- the book ------------------------------------------------------------------ */

static void hold_on(struct sim *s, const struct sim_job *x, const struct plan_place *place,
                    int sign)
{
    struct gpu_place places[GPU_PLACES_MAX];
    int node = atoi(place->node + 1);
    const struct gpu_kind *kind = kind_of(s, node);
    char profile[64];
    size_t n = 0, offer;

    s->cpus[node] -= sign * (int64_t)x->spec.cpus;
    assert_true(s->cpus[node] >= 0);
    if (!x->spec.gpus)
        return;
    assert_int_equal(gpu_held_parse(place->gpus_held, profile, places, GPU_PLACES_MAX, &n), 0);
    assert_int_equal(n, x->spec.gpus);
    offer = kind->n_offers ? (size_t)gpu_find_offer(kind, profile) : 0;
    for (size_t i = 0; i < n; i++) {
        struct gpu_state *gpu = &s->gpus[node][places[i].gpu];

        assert_true(places[i].gpu < N_GPUS);
        if (sign > 0) {
            assert_true(gpu_fit(kind, gpu, offer) >> places[i].slot & 1);
            gpu_take(kind, gpu, offer, places[i].slot);
        } else {
            gpu_give(kind, gpu, offer, places[i].slot);
        }
    }
}

static void hold(struct sim *s, const struct sim_job *x, int sign)
{
    for (uint32_t i = 0; i < x->n_places; i++)
        hold_on(s, x, &x->places[i], sign);
}

static void put(struct sim *s, struct sim_job *x)
{
    assert_int_equal(planner_put_job_on(s->p, &x->job, NULL, x->places, x->n_places), 0);
}

/* ---- what the planner says -------------------------------------------------------- */

static void take_place(void *arg, const struct plan_place *place)
{
    struct sim_job *x = arg;

    assert_in_range(x->n_places, 0, x->spec.nodes - 1);
    x->places[x->n_places++] = *place;
}

static uint32_t nodes_of(const struct sim_job *x)
{
    uint32_t nodes = 0;

    for (uint32_t i = 0; i < x->n_places; i++)
        nodes |= 1u << atoi(x->places[i].node + 1);
    return nodes;
}

/* Each place is on another node; of who was booked, on those that were. Who was
 * asked to leave one of them was for this. */
static void check_places(struct sim *s, const struct sim_job *x)
{
    uint32_t nodes = nodes_of(x);

    assert_int_equal(x->n_places, x->spec.nodes);
    assert_int_equal(__builtin_popcount(nodes), x->spec.nodes);
    if (!s->is_late && !s->class_usec)
        assert_true(!x->booked || x->booked == nodes);
    s->booked += x->booked == nodes;
    s->wide += x->booked == nodes && x->spec.nodes > 1;
    for (int j = 0; j < N_JOBS && !strcmp(x->spec.qos, "first"); j++)
        if (s->jobs[j].asked & nodes)
            s->jobs[j].asked = 0;
}

static void start(struct sim *s, struct sim_job *x)
{
    assert_int_equal(x->phase, WAITS);
    x->n_places = 0;
    planner_each_place(s->p, x->job.id, take_place, x);
    check_places(s, x);
    hold(s, x, 1);
    x->job.node = x->places[0].node;
    x->job.gpus_held = x->places[0].gpus_held;
    x->job.alloc_usec = s->now;
    if (x->job.state == JOB_SUSPENDED)
        x->job.restore_usec = s->now;
    else
        x->job.state = JOB_CONFIGURING;
    x->phase = BOOTS;
    x->due_usec = s->now + (int64_t)pick(s, 100) * 1000000;
    s->starts++;
    put(s, x);
}

static void push(struct sim *s, struct sim_job *x, const struct plan_action *a)
{
    int64_t left = a->free_usec - s->now;

    assert_string_equal(x->spec.qos, "batch");
    assert_int_equal(a->mode, s->mode);
    assert_true(x->phase == BOOTS || x->phase == RUNS || x->phase == LEAVES);
    s->asked++;
    if (x->phase != RUNS)
        return;                             /* it goes, or is asked again when it runs */
    if (!x->pushed || s->mode != PLAN_SAVE) /* what a saved one ran before counts, too */
        assert_true(s->now - x->since_usec >= EXEMPT - PLAN_BOOT_USEC);
    x->phase = LEAVES;
    x->asked = nodes_of(x);
    x->run_usec -= s->now - x->since_usec;
    x->due_usec =
        s->now + (left > 0 ? pick(s, (unsigned)(left / 1000000) + 1) * INT64_C(1000000) : 0);
    if (s->is_late && pick(s, 3) == 0)
        x->due_usec += pick(s, 300) * INT64_C(1000000);
    x->left_usec = x->due_usec;
}

static uint32_t booked_nodes(const struct sim *s, uint64_t job)
{
    const struct seat_window *w = booking_of(s->p, job);
    uint32_t nodes = 0;

    for (uint32_t i = 0; w && i < w->n; i++)
        nodes |= 1u << atoi(w->seats[i].node->facts.name + 1);
    return nodes;
}

static void step(struct sim *s)
{
    struct plan_action actions[N_JOBS * 2];
    bool more;
    size_t n;

    for (int j = 0; j < N_JOBS; j++)
        s->jobs[j].booked = booked_nodes(s, s->jobs[j].job.id);
    n = planner_step(s->p, s->now, 0, actions, N_JOBS * 2, &more);
    assert_false(more);
    for (size_t i = 0; i < n; i++) {
        struct sim_job *x = &s->jobs[actions[i].job - 1];

        if (actions[i].type == PLAN_START)
            start(s, x);
        else
            push(s, x, &actions[i]);
    }
    for (int j = 0; j < N_JOBS && !s->is_late && !s->class_usec; j++)
        if (s->jobs[j].booked && s->jobs[j].phase == WAITS)
            assert_int_equal(booked_nodes(s, s->jobs[j].job.id), s->jobs[j].booked);
    /* Nobody went for nothing. */
    for (int j = 0; j < N_JOBS && !s->is_late && !s->classes; j++)
        assert_true(!s->jobs[j].asked || s->now - s->jobs[j].left_usec < FOR_MAX);
}

/* ---- lives ------------------------------------------------------------------------ */

static void run(struct sim *s, struct sim_job *x)
{
    if (x->job.state == JOB_SUSPENDED)
        x->job.suspended_total_usec += s->now - x->job.suspended_usec;
    else
        x->job.start_usec = s->now;
    x->job.suspended_usec = x->job.wake_usec = x->job.restore_usec = 0;
    x->job.state = JOB_RUNNING;
    x->phase = RUNS;
    x->since_usec = s->now;
    x->due_usec = s->now + x->run_usec;
    put(s, x);
}

static void leave(struct sim *s, struct sim_job *x)
{
    hold(s, x, -1);
    x->pushed++;
    s->pushed++;
    s->wide_pushed += x->spec.nodes > 1;
    if (s->mode == PLAN_CANCEL) {
        planner_remove_job(s->p, x->job.id);
        x->phase = DONE;
        return;
    }
    x->phase = WAITS;
    x->due_usec = 0;
    if (s->mode == PLAN_SAVE) {
        x->job.state = JOB_SUSPENDED;
        x->job.suspended_usec = x->job.wake_usec = s->now;
    } else {
        x->job.state = JOB_PENDING;
        x->job.node = x->job.gpus_held = "";
        x->n_places = 0;
        x->run_usec += s->now - x->since_usec; /* more or less: it starts over */
    }
    put(s, x);
}

static void go_on(struct sim *s, struct sim_job *x)
{
    switch (x->phase) {
    case COMES:
        x->phase = WAITS;
        x->due_usec = 0;
        put(s, x);
        break;
    case BOOTS:
        run(s, x);
        break;
    case RUNS:
        hold(s, x, -1);
        planner_remove_job(s->p, x->job.id);
        x->phase = DONE;
        break;
    case LEAVES:
        leave(s, x);
        break;
    default:
        break;
    }
}

/* A class comes over whoever is there; its places are free when it begins. */
static void class_comes(struct sim *s)
{
    struct job_spec seat = world_spec(1, 0, pick(s, 2), 0);
    struct plan_window window = {.from_usec = s->now + (5 + (int64_t)pick(s, 20)) * MIN};
    struct plan_class c = {
        .id = 1, .seat = &seat, .seats = 1 + pick(s, 8), .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;

    seat.qos = "first";
    seat.profile = (char *)(seat.gpus ? "x-1q" : "");
    window.to_usec = window.from_usec + 20 * MIN;
    if (planner_put_class(s->p, &c, s->now, &shortage) < 0)
        return;
    s->class_usec = window.from_usec;
    s->class_seats = c.seats;
    s->classes++;
}

static void class_begins(struct sim *s)
{
    struct plan_seat seat;
    uint32_t n = 0;

    for (int i = 0; i < N_NODES; i++)
        while (planner_take_seat(s->p, 1, s->config.names[i], true, &seat))
            n++;
    if (!s->is_late)
        assert_int_equal(n, s->class_seats);
    planner_remove_class(s->p, 1);
    s->class_usec = 0;
}

/* What is planned bit by bit is what is planned at once. */
static void compare(struct sim *s)
{
    int64_t starts[N_JOBS] = {0};
    struct plan_why why;

    if (!planner_is_current(s->p))
        return;
    for (int j = 0; j < N_JOBS; j++)
        if (planner_why(s->p, (uint64_t)j + 1, s->now, &why) == 0)
            starts[j] = why.start_usec;
    planner_full(s->p, s->now);
    for (int j = 0; j < N_JOBS; j++) {
        if (planner_why(s->p, (uint64_t)j + 1, s->now, &why) < 0)
            continue;
        assert_int_equal(why.start_usec, starts[j]);
        s->compared++;
    }
}

static int64_t next_usec(const struct sim *s)
{
    int64_t next = planner_next_usec(s->p);

    for (int j = 0; j < N_JOBS; j++)
        if (s->jobs[j].due_usec && s->jobs[j].phase != DONE &&
            (!next || s->jobs[j].due_usec < next))
            next = s->jobs[j].due_usec;
    if (s->class_usec && (!next || s->class_usec < next))
        next = s->class_usec;
    return next;
}

static void live(struct sim *s, bool with_class)
{
    int64_t next;
    unsigned rounds = 0;

    while ((next = next_usec(s))) {
        assert_in_range(rounds++, 0, 20000); /* it comes to an end */
        s->now = next > s->now ? next : s->now + 1;
        for (int j = 0; j < N_JOBS; j++)
            if (s->jobs[j].due_usec && s->jobs[j].due_usec <= s->now)
                go_on(s, &s->jobs[j]);
        if (with_class && !s->class_usec && pick(s, 20) == 0)
            class_comes(s);
        step(s);
        if (s->class_usec && s->class_usec <= s->now)
            class_begins(s);
        planner_set_idle(s->p, 1 + pick(s, N_JOBS), pick(s, 2));
        if (pick(s, 8) == 0)
            compare(s);
    }
    for (int j = 0; j < N_JOBS; j++)
        assert_int_equal(s->jobs[j].phase, DONE);
}

static void lives(unsigned first, unsigned n, bool with_class, struct sim *sum)
{
    for (unsigned seed = first; seed < first + n; seed++) {
        static struct sim s;

        begin(&s, seed);
        live(&s, with_class);
        planner_free(s.p);
        sum->starts += s.starts;
        sum->asked += s.asked;
        sum->pushed += s.pushed;
        sum->booked += s.booked;
        sum->wide += s.wide;
        sum->wide_pushed += s.wide_pushed;
        sum->compared += s.compared;
        sum->classes += s.classes;
    }
    print_message("# %lu starts, %lu in booked places; %lu asked, %lu pushed aside\n", sum->starts,
                  sum->booked, sum->asked, sum->pushed);
    print_message("# of several nodes %lu in booked places, %lu pushed aside\n", sum->wide,
                  sum->wide_pushed);
    print_message("# %lu classes; %lu estimates compared\n", sum->classes, sum->compared);
}

static void jobs_over_jobs(void **state)
{
    static struct sim sum;

    lives(1, 3000, false, &sum);
    assert_true(sum.booked > 5000 && sum.pushed > 5000 && sum.compared > 10000);
    assert_true(sum.wide > 2000 && sum.wide_pushed > 2000);
}

static void classes_and_jobs_over_jobs(void **state)
{
    static struct sim sum;

    lives(5001, 3000, true, &sum);
    assert_true(sum.booked > 5000 && sum.pushed > 5000 && sum.classes > 5000);
    assert_true(sum.wide > 2000 && sum.wide_pushed > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_over_jobs),
        cmocka_unit_test(classes_and_jobs_over_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
