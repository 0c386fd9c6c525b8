/* SPDX-License-Identifier: Apache-2.0 */
/* test_fragment.c - of the nodes on which a job starts now, which is taken. */
#include "world.h"

#define N 24

struct scene {
    struct world_config config;
    struct config_node nodes[N];
    struct gpu_kind kind; /* a pool of 1000: a, b, c of 300, 500, 1000 */
    struct planner *p;
    char node[64]; /* that the last start was on; "" there was none */
};

static void begin(struct scene *s, size_t n_nodes, uint32_t gpus)
{
    static const uint32_t sizes[] = {300, 500, 1000};
    size_t offer;

    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, n_nodes);
    s->kind = (struct gpu_kind){.law = GPU_POOL, .n_offers = 3, .framebuffer_mib = 1000};
    for (size_t i = 0; i < 3; i++) {
        s->kind.offers[i].framebuffer_mib = sizes[i];
        s->kind.offers[i].display = true;
        s->kind.offers[i].profile[0] = (char)('a' + i);
    }
    assert_null(gpu_kind_settle(&s->kind, &offer));
    for (size_t i = 0; i < n_nodes; i++)
        s->nodes[i] = (struct config_node){.name = s->config.names[i], .kind = &s->kind};
    s->config.config.nodes = s->nodes;
    s->config.config.n_nodes = n_nodes;
    s->config.config.kinds = &s->kind;
    s->config.config.n_kinds = 1;
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node n = world_node(s->config.list[i], 8, 64000, gpus);
        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
}

static struct job_spec wants(uint32_t cpus, const char *profile)
{
    struct job_spec spec = world_spec(cpus, 1000, *profile != '\0', 60);

    spec.profile = (char *)profile;
    return spec;
}

static void put_run(struct scene *s, uint64_t id, struct job_spec spec, const char *node,
                    const char *gpus_held)
{
    struct plan_place place = {.node = ""};
    struct job job = world_job(id, &spec);

    world_run(&job, node, T0);
    strcpy(place.node, node);
    strcpy(place.gpus_held, gpus_held);
    assert_int_equal(planner_put_job_on(s->p, &job, NULL, &place, 1), 0);
}

/* In line, and wants to start later. */
static void put_later(struct scene *s, uint64_t id, struct job_spec spec)
{
    struct job job = world_job(id, &spec);

    spec.begin_usec = T0 + MIN;
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

/* Where it starts. */
static const char *start(struct scene *s, uint64_t id, struct job_spec spec)
{
    struct job job = world_job(id, &spec);
    struct plan_action a;
    bool more;

    s->node[0] = '\0';
    assert_int_equal(planner_put_job(s->p, &job), 0);
    if (planner_step(s->p, T0, 0, &a, 1, &more) == 1)
        strcpy(s->node, a.node);
    return s->node;
}

/* A share goes beside another, for whole GPUs are wanted, too. */
static void a_share_leaves_whole_gpus(void **state)
{
    struct scene s;

    begin(&s, 3, 1);
    put_run(&s, 1, wants(1, "c"), "n00", "c:0");
    put_run(&s, 2, wants(1, "b"), "n02", "b:0");
    assert_string_equal(start(&s, 3, wants(1, "b")), "n02");
    assert_string_equal(start(&s, 4, wants(1, "b")), "n01");
    planner_free(s.p);
}

/* It does not fill the fullest GPU, if what is left there would be of no use to the others. */
static void a_rest_is_left_that_is_of_use(void **state)
{
    struct scene s;

    begin(&s, 2, 1);
    put_run(&s, 1, wants(1, "a"), "n00", "a:0"); /* 700 left: 400 would not do for a b */
    for (uint64_t i = 10; i < 20; i++)
        put_later(&s, i, wants(1, "b"));
    assert_string_equal(start(&s, 2, wants(1, "a")), "n01");
    assert_string_equal(start(&s, 3, wants(1, "b")), "n00");
    planner_free(s.p);
}

/* Processors beside free GPUs are for jobs that want both. */
static void a_job_without_gpus_keeps_off_free_ones(void **state)
{
    struct scene s;

    begin(&s, 2, 1);
    put_run(&s, 1, wants(4, "c"), "n01", "c:0");
    put_later(&s, 2, wants(6, "b"));
    assert_string_equal(start(&s, 3, wants(4, "")), "n01");
    assert_string_equal(start(&s, 4, wants(4, "")), "n00"); /* nothing is kept from anybody */
    planner_free(s.p);
}

/* Nobody wants GPUs, or it does not start now: the first by name. */
static void else_it_is_the_first_by_name(void **state)
{
    struct plan_why why;
    struct scene s;

    begin(&s, 3, 1);
    put_run(&s, 1, wants(4, ""), "n01", "");
    assert_string_equal(start(&s, 2, wants(4, "")), "n00");
    planner_free(s.p);
    begin(&s, 3, 1);
    put_run(&s, 1, wants(8, "a"), "n00", "a:0");
    put_run(&s, 2, wants(8, "b"), "n01", "b:0");
    put_run(&s, 3, wants(8, "c"), "n02", "c:0");
    assert_string_equal(start(&s, 4, wants(1, "b")), "");
    assert_int_equal(planner_why(s.p, 4, T0, &why), 0);
    assert_string_equal(why.node, "n00");
    planner_free(s.p);
}

/* So many are looked at: one behind them is not found, whatever it would be. */
static void the_first_nodes_are_compared(void **state)
{
    struct scene s;

    begin(&s, FRAGMENT_NODES + 1, 1);
    put_run(&s, 1, wants(1, "c"), "n00", "c:0"); /* is not free, so the last is looked at */
    put_run(&s, 2, wants(1, "b"), "n16", "b:0");
    assert_string_equal(start(&s, 3, wants(1, "b")), "n16");
    planner_free(s.p);
    begin(&s, FRAGMENT_NODES + 2, 1);
    put_run(&s, 1, wants(1, "c"), "n00", "c:0");
    put_run(&s, 2, wants(1, "b"), "n17", "b:0");
    assert_string_equal(start(&s, 3, wants(1, "b")), "n01");
    planner_free(s.p);
}

static void take_place(void *arg, const struct plan_place *place)
{
    strcat(arg, place->node);
    strcat(arg, " ");
}

/* Who is drawn to several nodes has each of them once: none is the best. */
static void several_nodes_are_not_weighed(void **state)
{
    struct plan_window window = {T0, T0 + 60 * MIN};
    struct plan_terms terms = {.drawn = "lab"};
    struct job_spec both = wants(1, "b");
    struct job job = world_job(3, &both);
    struct plan_action a;
    char nodes[64] = "";
    struct scene s;
    bool more;

    begin(&s, 3, 1);
    struct plan_closure lab = {.id = 1,
                               .name = "lab",
                               .nodes = &s.config.list[1],
                               .n_nodes = 2,
                               .windows = &window,
                               .n_windows = 1};
    assert_int_equal(planner_put_closure(s.p, &lab), 0);
    put_run(&s, 1, wants(1, "b"), "n02", "b:0"); /* the better one, of one node */
    put_later(&s, 2, wants(1, "c"));
    both.nodes = 2;
    both.time_limit_sec = 86400;
    assert_int_equal(planner_put_job_with(s.p, &job, &terms), 0);
    assert_int_equal(planner_step(s.p, T0, 0, &a, 1, &more), 1);
    planner_each_place(s.p, 3, take_place, nodes);
    assert_string_equal(nodes, "n01 n02 ");
    planner_free(s.p);
}

static void put_with(struct scene *s, uint64_t id, struct job_spec spec, uint32_t image)
{
    struct plan_terms terms = {.image = image};
    struct job job = world_job(id, &spec);

    assert_int_equal(planner_put_job_with(s->p, &job, &terms), 0);
}

static const char *start_with(struct scene *s, uint64_t id, struct job_spec spec, uint32_t image)
{
    struct plan_action a;
    bool more;

    s->node[0] = '\0';
    put_with(s, id, spec, image);
    if (planner_step(s->p, T0, 0, &a, 1, &more) == 1)
        strcpy(s->node, a.node);
    return s->node;
}

/* What a node has matters to who would boot that, and less than what is left in pieces. */
static void of_equal_nodes_the_one_with_the_image(void **state)
{
    static const uint32_t images[] = {9, 7, 7, 8};
    struct scene s;

    begin(&s, 4, 1);
    assert_int_equal(planner_set_images(s.p, "n02", images, 4), 0);
    assert_int_equal(planner_set_images(s.p, "n03", images, 1), 0);
    assert_string_equal(start_with(&s, 1, wants(1, ""), 7), "n02"); /* nobody wants GPUs */
    assert_string_equal(start_with(&s, 2, wants(1, ""), 9), "n02");
    assert_string_equal(start_with(&s, 3, wants(1, ""), 6), "n00");
    assert_string_equal(start_with(&s, 4, wants(1, ""), 0), "n00");
    assert_int_equal(planner_set_images(s.p, "n02", NULL, 0), 0);
    assert_string_equal(start_with(&s, 5, wants(1, ""), 7), "n00");
    assert_string_equal(start_with(&s, 6, wants(1, ""), 9), "n03");
    put_with(&s, 7, wants(1, ""), 9);
    assert_string_equal(start_with(&s, 7, wants(1, ""), 0), "n00"); /* as it was said last */
    put_later(&s, 10, wants(1, "c"));
    assert_string_equal(start_with(&s, 11, wants(1, "c"), 9), "n03"); /* all would be as whole */
    assert_string_equal(start_with(&s, 12, wants(1, "b"), 0), "n00");
    assert_int_equal(planner_set_images(s.p, "n02", images, 1), 0);
    assert_string_equal(start_with(&s, 13, wants(1, "b"), 9), "n00"); /* and leaves n02 whole */
    planner_free(s.p);
}

/* It waits for no node, whatever is there, and is drawn first. */
static void an_image_delays_nobody(void **state)
{
    struct plan_window window = {T0, T0 + 600 * MIN};
    struct plan_terms terms = {.drawn = "lab", .image = 7};
    struct job_spec spec = wants(1, "");
    struct job job = world_job(2, &spec);
    uint32_t image = 7;
    struct plan_action a;
    struct scene s;
    bool more;

    begin(&s, 4, 0);
    struct plan_closure lab = {.id = 1,
                               .name = "lab",
                               .nodes = &s.config.list[1],
                               .n_nodes = 2,
                               .windows = &window,
                               .n_windows = 1};
    assert_int_equal(planner_set_images(s.p, "n03", &image, 1), 0);
    put_run(&s, 1, wants(8, ""), "n03", "");
    assert_string_equal(start_with(&s, 3, wants(1, ""), 7), "n00");
    assert_int_equal(planner_put_closure(s.p, &lab), 0);
    assert_int_equal(planner_set_images(s.p, "n00", &image, 1), 0);
    assert_int_equal(planner_set_images(s.p, "n02", &image, 1), 0);
    assert_int_equal(planner_put_job_with(s.p, &job, &terms), 0);
    assert_int_equal(planner_step(s.p, T0, 0, &a, 1, &more), 1);
    assert_string_equal(a.node, "n02");
    planner_free(s.p);
}

/* More demands than are looked at, put forwards, backwards and with some that came and went. */
static void the_order_of_puts_does_not_matter(void **state)
{
    enum { JOBS = 150, ROUNDS = 40 };

    for (unsigned round = 0; round < ROUNDS; round++) {
        char node[3][64];

        for (int way = 0; way < 3; way++) {
            struct scene s;

            begin(&s, 8, 4);
            srand(round);
            for (uint64_t i = 0; i < JOBS; i++) {
                uint64_t id = way == 1 ? JOBS - 1 - i : i;
                const char *profile = id % 3 == 0 ? "a" : id % 3 == 1 ? "b" : "c";
                struct job_spec spec = wants(1 + (uint32_t)(id % 75) / 10, profile);

                spec.memory_mib = 1000 + (uint32_t)(id % 75);
                put_later(&s, id + 1, spec);
                if (way == 2 && id % 2) {
                    planner_remove_job(s.p, id + 1);
                    put_later(&s, id + 1, spec);
                }
            }
            for (uint64_t i = 0; i < 8; i++) {
                char name[8], held[8];

                snprintf(name, sizeof(name), "n%02u", (unsigned)i);
                snprintf(held, sizeof(held), "%c:%d", 'a' + rand() % 2, rand() % 4);
                put_run(&s, 1000 + i, wants((unsigned)rand() % 6, (char[]){held[0], 0}), name,
                        held);
            }
            strcpy(node[way], start(&s, 2000, wants(1, round % 2 ? "b" : "a")));
            assert_true(*node[way]);
            planner_free(s.p);
        }
        assert_string_equal(node[0], node[1]);
        assert_string_equal(node[0], node[2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_leaves_whole_gpus),
        cmocka_unit_test(a_rest_is_left_that_is_of_use),
        cmocka_unit_test(a_job_without_gpus_keeps_off_free_ones),
        cmocka_unit_test(else_it_is_the_first_by_name),
        cmocka_unit_test(the_first_nodes_are_compared),
        cmocka_unit_test(several_nodes_are_not_weighed),
        cmocka_unit_test(of_equal_nodes_the_one_with_the_image),
        cmocka_unit_test(an_image_delays_nobody),
        cmocka_unit_test(the_order_of_puts_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
