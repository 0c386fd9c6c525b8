/* SPDX-License-Identifier: Apache-2.0 */
/* test_shortage.c - what a refused class lacks: by hand, and against nodes that have more of it. */
#include <errno.h>

#include "world.h"

#define N_NODES 4
#define BIT(type) (UINT32_C(1) << PLAN_BLOCK_##type)

struct scene {
    struct world_config config;
    struct config_qos qos[2];
    struct config_licence licence;
    struct node nodes[N_NODES];
    char *preempts[1], *modes[1];
    struct planner *p;
    struct plan_shortage short_of;
    char text[PLAN_SHORTAGE_TEXT];
};

static void begin(struct scene *s, size_t n)
{
    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, n);
    s->preempts[0] = (char *)"batch";
    s->modes[0] = (char *)"requeue";
    s->qos[0] = (struct config_qos){.name = (char *)"batch"};
    s->qos[1] = (struct config_qos){
        .name = (char *)"first", .preempts = {s->preempts, 1}, .preempt_modes = {s->modes, 1}};
    s->config.config.qos = s->qos;
    s->config.config.n_qos = 2;
    s->licence.name = (char *)"matlab";
    s->licence.limits.all.licences = 2;
    s->config.config.licences = &s->licence;
    s->config.config.n_licences = 1;
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
}

static void put_node(struct scene *s, size_t i, uint32_t cpus, uint32_t memory_mib, uint32_t gpus,
                     uint32_t encode_mpix)
{
    s->nodes[i] = world_node(s->config.list[i], cpus, memory_mib, gpus);
    s->nodes[i].encode_mpix = encode_mpix;
    assert_int_equal(planner_put_node(s->p, &s->nodes[i]), 0);
}

static struct job_spec seat_of(uint32_t cpus, uint32_t memory_mib, uint32_t gpus,
                               uint32_t encode_mpix)
{
    struct job_spec spec = world_spec(cpus, memory_mib, gpus, 0);

    spec.encode_mpix = encode_mpix;
    return spec;
}

static int book(struct scene *s, uint64_t id, const struct job_spec *seat, uint32_t seats,
                int64_t from_min, int64_t to_min, bool only_try)
{
    struct plan_window window = {T0 + from_min * MIN, T0 + to_min * MIN};
    struct plan_class c = {
        .id = id, .seat = seat, .seats = seats, .windows = &window, .n_windows = 1};

    s->short_of = (struct plan_shortage){0};
    return only_try ? planner_try_class(s->p, &c, T0, &s->short_of)
                    : planner_put_class(s->p, &c, T0, &s->short_of);
}

static void assert_short(struct scene *s, const struct job_spec *seat, uint32_t there,
                         uint32_t lacks, bool any_helps, const char *text)
{
    assert_int_equal(book(s, 1, seat, there + 1, 60, 90, false), -ENOSPC);
    assert_int_equal(s->short_of.seats, there);
    assert_int_equal(s->short_of.lacks, lacks);
    assert_int_equal(s->short_of.any_helps, any_helps);
    assert_string_equal(plan_shortage_text(&s->short_of, seat->profile, s->text), text);
}

static void each_resource(void **state)
{
    struct job_spec seat = seat_of(2, 1000, 1, 60);
    struct scene s;

    begin(&s, 1);
    put_node(&s, 0, 20, 10000, 4, 600);
    assert_short(&s, &seat, 4, BIT(GPUS), true, "GPUs are short");
    put_node(&s, 0, 20, 3500, 4, 600);
    assert_short(&s, &seat, 3, BIT(MEMORY), true, "memory is short");
    put_node(&s, 0, 5, 10000, 4, 600);
    assert_short(&s, &seat, 2, BIT(CPUS), true, "processors are short");
    put_node(&s, 0, 20, 10000, 4, 119);
    assert_short(&s, &seat, 1, BIT(ENCODE), true, "the encoders are short");
    put_node(&s, 0, 20, 10000, 4, 0); /* not counted */
    assert_short(&s, &seat, 4, BIT(GPUS), true, "GPUs are short");
    put_node(&s, 0, 1, 10000, 4, 600);
    assert_short(&s, &seat, 0, BIT(NO_NODE), false, "no node of the partition could hold one");
    planner_free(s.p);
}

/* Nobody asks, who tries one time after another, or has a controller find places again. */
static void only_who_is_refused(void **state)
{
    struct job_spec seat = seat_of(0, 0, 1, 0);
    struct plan_window window = {T0 + 60 * MIN, T0 + 90 * MIN};
    struct plan_class c = {.id = 1,
                           .seat = &seat,
                           .seats = 3,
                           .windows = &window,
                           .n_windows = 1,
                           .only_in_service = true};
    struct scene s;

    begin(&s, 1);
    put_node(&s, 0, 20, 10000, 2, 0);
    assert_int_equal(book(&s, 1, &seat, 3, 60, 90, true), -ENOSPC);
    assert_int_equal(s.short_of.seats, 2);
    assert_int_equal(s.short_of.lacks, 0);
    assert_int_equal(planner_put_class(s.p, &c, T0, &s.short_of), -ENOSPC);
    assert_int_equal(s.short_of.lacks, 0);
    planner_free(s.p);
}

static void several_together(void **state)
{
    struct job_spec seat = seat_of(2, 1000, 1, 0);
    struct scene s;

    begin(&s, 2);
    put_node(&s, 0, 5, 2500, 4, 0);
    assert_short(&s, &seat, 2, BIT(CPUS) | BIT(MEMORY), false,
                 "memory and processors are short together");
    put_node(&s, 1, 5, 2500, 2, 0); /* this one lacks GPUs as well */
    assert_short(&s, &seat, 4, BIT(CPUS) | BIT(MEMORY), false,
                 "memory and processors are short together");
    put_node(&s, 0, 5, 2500, 2, 0);
    assert_short(&s, &seat, 4, BIT(CPUS) | BIT(MEMORY) | BIT(GPUS), false,
                 "GPUs and memory and processors are short together");
    put_node(&s, 1, 5, 8000, 4, 0); /* of this one it is known what would help */
    assert_short(&s, &seat, 4, BIT(CPUS), true, "processors are short");
    planner_free(s.p);
}

static void another_on_each_node(void **state)
{
    struct job_spec seat = seat_of(2, 1000, 1, 60);
    struct scene s;

    begin(&s, 4);
    put_node(&s, 0, 20, 10000, 2, 600);
    put_node(&s, 1, 20, 1000, 2, 600);
    assert_short(&s, &seat, 3, BIT(GPUS) | BIT(MEMORY), true,
                 "GPUs are short on some nodes, memory on others");
    put_node(&s, 2, 2, 10000, 2, 600);
    put_node(&s, 3, 20, 10000, 2, 60);
    seat.profile = (char *)"x-2345678901234567890123456789012345678901234567890123456789012";
    assert_short(&s, &seat, 5, BIT(GPUS) | BIT(MEMORY) | BIT(CPUS) | BIT(ENCODE), true,
                 "GPUs (x-2345678901234567890123456789012345678901234567890123456789012) are "
                 "short on some nodes, memory on others, processors on others, the encoders on "
                 "others");
    planner_free(s.p);
}

/* What could never hold a seat is no reason to buy anything for it. */
static void nodes_that_are_possible(void **state)
{
    struct job_spec seat = seat_of(2, 1000, 1, 0);
    struct scene s;

    begin(&s, 3);
    put_node(&s, 0, 20, 10000, 0, 0);
    put_node(&s, 1, 20, 10000, 0, 0);
    put_node(&s, 2, 20, 1000, 4, 0);
    assert_short(&s, &seat, 1, BIT(MEMORY), true, "memory is short");
    planner_remove_node(s.p, "n02");
    assert_short(&s, &seat, 0, BIT(NO_NODE), false, "no node of the partition could hold one");
    planner_free(s.p);
}

/* What others have for a part of the window alone. */
static void at_its_time(void **state)
{
    struct job_spec seat = seat_of(1, 1000, 1, 0), other = seat_of(0, 3500, 0, 0),
                    more = seat_of(20, 0, 0, 0);
    struct scene s;

    begin(&s, 1);
    put_node(&s, 0, 20, 4000, 4, 0);
    assert_int_equal(book(&s, 2, &other, 1, 80, 85, false), 0);
    assert_short(&s, &seat, 0, BIT(MEMORY), true, "memory is short");
    assert_int_equal(book(&s, 3, &more, 1, 60, 61, false), 0);
    assert_short(&s, &seat, 0, BIT(MEMORY) | BIT(CPUS), false,
                 "memory and processors are short together");
    planner_free(s.p);
}

static void put_closure(struct scene *s, const char *node)
{
    struct plan_window window = {T0 + 70 * MIN, T0 + 75 * MIN};
    char *nodes[] = {(char *)node};
    struct plan_closure c = {
        .id = 9, .name = "maint", .nodes = nodes, .n_nodes = 1, .windows = &window, .n_windows = 1};

    assert_int_equal(planner_put_closure(s->p, &c), 0);
}

static void reservations(void **state)
{
    struct job_spec seat = seat_of(1, 1000, 1, 0), all = seat_of(0, 0, 4, 0);
    struct scene s;

    begin(&s, 2);
    put_node(&s, 0, 20, 10000, 4, 0);
    put_closure(&s, "n00");
    assert_short(&s, &seat, 0, BIT(RESERVATION), true, "");
    put_node(&s, 1, 20, 10000, 4, 0);
    assert_short(&s, &seat, 4, BIT(RESERVATION) | BIT(GPUS), true, "GPUs are short");
    planner_remove_closure(s.p, 9);
    assert_int_equal(book(&s, 2, &all, 1, 60, 90, false), 0); /* the first node */
    put_closure(&s, "n00");
    assert_short(&s, &seat, 0 + 4, BIT(GPUS), true, "GPUs are short"); /* opening it is no help */
    planner_free(s.p);
}

/* Jobs that make room are in nobody's way. */
static void over_victims(void **state)
{
    struct job_spec seat = seat_of(1, 1000, 1, 0), batch = world_spec(19, 9500, 0, 600);
    struct job job = world_job(1, &batch);
    struct scene s;

    begin(&s, 1);
    put_node(&s, 0, 20, 10000, 4, 0);
    batch.qos = "batch";
    world_run(&job, "n00", T0);
    assert_int_equal(planner_put_job(s.p, &job), 0);
    assert_short(&s, &seat, 0, BIT(MEMORY), true, "memory is short");
    seat.qos = "first";
    assert_short(&s, &seat, 4, BIT(GPUS), true, "GPUs are short");
    planner_free(s.p);
}

static void a_licence_is_told_instead(void **state)
{
    struct job_spec seat = seat_of(1, 1000, 1, 0);
    struct scene s;

    begin(&s, 1);
    put_node(&s, 0, 20, 10000, 4, 0);
    seat.licences = "matlab:1";
    assert_short(&s, &seat, 2, 0, false, "");
    assert_string_equal(s.short_of.licence, "matlab");
    put_node(&s, 0, 20, 1000, 4, 0);
    assert_short(&s, &seat, 1, BIT(MEMORY), true, "memory is short");
    assert_string_equal(s.short_of.licence, "");
    planner_free(s.p);
}

/* ---- against nodes that have more ---- */

static unsigned pick(unsigned *seed, unsigned n)
{
    return (unsigned)rand_r(seed) % n;
}

/* Would as much of these as anybody wants admit one more? */
static bool helps(struct scene *s, const struct job_spec *seat, uint32_t seats, uint32_t bits)
{
    bool is;

    for (size_t i = 0; i < N_NODES; i++) {
        struct node n = s->nodes[i];

        /* Where none could ever be, more of something would make a place that is none now. */
        if (n.cpus < seat->cpus || n.memory_mib < seat->memory_mib || n.gpus < seat->gpus ||
            (n.encode_mpix && n.encode_mpix < seat->encode_mpix))
            continue;
        n.cpus = bits & BIT(CPUS) ? 10000 : n.cpus;
        n.memory_mib = bits & BIT(MEMORY) ? 1000000 : n.memory_mib;
        n.gpus = bits & BIT(GPUS) ? 60 : n.gpus;
        n.encode_mpix = bits & BIT(ENCODE) ? 1000000 : n.encode_mpix;
        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
    is = book(s, 1, seat, seats + 1, 60, 90, true) == 0;
    for (size_t i = 0; i < N_NODES; i++)
        assert_int_equal(planner_put_node(s->p, &s->nodes[i]), 0);
    return is;
}

static void assert_honest(struct scene *s, const struct job_spec *seat)
{
    static const uint32_t all[] = {BIT(CPUS), BIT(MEMORY), BIT(GPUS), BIT(ENCODE)};
    const struct plan_shortage was = s->short_of;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(helps(s, seat, was.seats, all[i]),
                         was.any_helps && (was.lacks & all[i]) != 0);
    assert_true(helps(s, seat, was.seats, was.lacks));
    for (size_t i = 0; i < 4 && !was.any_helps; i++)
        if (was.lacks & all[i])
            assert_false(helps(s, seat, was.seats, was.lacks & ~all[i]));
}

static void it_is_what_would_help(void **state)
{
    unsigned seed = 3, n_alone = 0, n_together = 0, n_several = 0;

    for (int round = 0; round < 3000; round++) {
        struct job_spec seat = seat_of(1 + pick(&seed, 3), 500 + 500 * pick(&seed, 3),
                                       pick(&seed, 3), 30 * pick(&seed, 3));
        struct scene s;

        begin(&s, N_NODES);
        for (size_t i = 0; i < N_NODES; i++)
            put_node(&s, i, 1 + pick(&seed, 12), 500 + 500 * pick(&seed, 10), pick(&seed, 8),
                     pick(&seed, 300));
        for (uint64_t id = 2; id < 5; id++) {
            struct job_spec other =
                seat_of(pick(&seed, 5), 700 * pick(&seed, 3), pick(&seed, 3), 20 * pick(&seed, 3));

            book(&s, id, &other, 1 + pick(&seed, 3), 50 + pick(&seed, 30), 80 + pick(&seed, 30),
                 false);
        }
        assert_int_equal(book(&s, 1, &seat, 1000, 60, 90, false), -ENOSPC);
        if (s.short_of.lacks == BIT(NO_NODE)) {
            planner_free(s.p);
            continue;
        }
        n_together += !s.short_of.any_helps;
        n_alone += s.short_of.any_helps && __builtin_popcount(s.short_of.lacks) == 1;
        n_several += s.short_of.any_helps && __builtin_popcount(s.short_of.lacks) > 1;
        assert_honest(&s, &seat);
        planner_free(s.p);
    }
    assert_true(n_alone > 100 && n_together > 100 && n_several > 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_resource),
        cmocka_unit_test(only_who_is_refused),
        cmocka_unit_test(several_together),
        cmocka_unit_test(another_on_each_node),
        cmocka_unit_test(nodes_that_are_possible),
        cmocka_unit_test(at_its_time),
        cmocka_unit_test(reservations),
        cmocka_unit_test(over_victims),
        cmocka_unit_test(a_licence_is_told_instead),
        cmocka_unit_test(it_is_what_would_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
