/* SPDX-License-Identifier: Apache-2.0 */
/* test_exchange.c - classes of the same time exchange GPUs, so that these change profile seldom. */
#include "world.h"

#define HOUR (60 * MIN)
#define FIRST (T0 + 24 * HOUR)
#define N_CLASSES 24

struct scene {
    struct world_config world;
    struct gpu_kind kind;
    struct config_node nodes[4];
    struct config_qos qos[2];
    struct planner *p;
    uint64_t n_classes;
};

static void offer(struct scene *s, const char *profile)
{
    struct gpu_offer *o = &s->kind.offers[s->kind.n_offers++];

    snprintf(o->profile, sizeof(o->profile), "%s", profile);
    o->display = true;
}

/* Cards of 48 GiB: 12 of x-4q, 6 of x-8q, 4 of x-12q. */
static void begin(struct scene *s, size_t n_nodes, const uint32_t *cpus, uint32_t gpus)
{
    size_t which;

    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->world, n_nodes);
    s->kind = (struct gpu_kind){.law = GPU_HOMOGENEOUS, .framebuffer_mib = 49152};
    offer(s, "x-4q");
    offer(s, "x-8q");
    offer(s, "x-12q");
    assert_null(gpu_kind_settle(&s->kind, &which));
    for (size_t i = 0; i < n_nodes; i++)
        s->nodes[i] = (struct config_node){.name = s->world.list[i], .kind = &s->kind};
    s->qos[0].name = (char *)"teach";
    s->qos[1].name = (char *)"exam";
    s->world.config.kinds = &s->kind;
    s->world.config.n_kinds = 1;
    s->world.config.nodes = s->nodes;
    s->world.config.n_nodes = n_nodes;
    s->world.config.qos = s->qos;
    s->world.config.n_qos = 2;
    assert_int_equal(planner_configure(s->p, &s->world.config), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node node = world_node(s->world.list[i], cpus[i], 512000, gpus);

        assert_int_equal(planner_put_node(s->p, &node), 0);
    }
}

static struct job_spec seat_of(const char *profile, uint32_t cpus)
{
    struct job_spec spec = world_spec(cpus, 1000, 1, 0);

    spec.profile = (char *)profile;
    spec.kind = JOB_INTERACTIVE;
    spec.qos = (char *)"teach";
    return spec;
}

/* One more class. */
static int put(struct scene *s, const struct job_spec *seat, uint32_t seats, int64_t from_usec,
               int64_t to_usec)
{
    struct plan_window window = {from_usec, to_usec};
    struct plan_class c = {
        .id = s->n_classes + 1, .seat = seat, .seats = seats, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;
    int r = planner_put_class(s->p, &c, T0, &shortage);

    s->n_classes += r == 0;
    return r;
}

static void put_lesson(struct scene *s, const char *profile, uint32_t cpus, uint32_t seats,
                       int64_t from_usec)
{
    struct job_spec seat = seat_of(profile, cpus);

    assert_int_equal(put(s, &seat, seats, from_usec, from_usec + 55 * MIN), 0);
}

struct where {
    char text[GPU_HELD_TEXT + sizeof(((struct plan_seat *)0)->node)]; /* "n00 x-4q:0": all are */
    uint32_t n;
};

static void take(void *arg, const struct plan_seat *seat)
{
    struct where *where = arg;
    char text[sizeof(where->text)];

    snprintf(text, sizeof(text), "%s %s", seat->node, seat->gpus_held);
    if (!where->n++)
        memcpy(where->text, text, sizeof(text));
    assert_string_equal(where->text, text);
}

static void assert_at(struct scene *s, uint64_t id, const char *text, uint32_t n)
{
    struct where where = {0};

    planner_each_seat(s->p, id, take, &where);
    assert_string_equal(where.text, text);
    assert_int_equal(where.n, n);
}

static void end(struct scene *s)
{
    planner_free(s->p);
}

static const uint32_t many[] = {64, 64, 64, 64};

/* ---- by hand --------------------------------------------------------------- */

/* Classes of the next lesson come in another order. */
static void a_card_keeps_its_profile(void **state)
{
    struct scene s;

    begin(&s, 1, many, 3);
    put_lesson(&s, "x-4q", 1, 12, FIRST);
    put_lesson(&s, "x-8q", 1, 6, FIRST);
    put_lesson(&s, "x-12q", 1, 4, FIRST);
    put_lesson(&s, "x-12q", 1, 4, FIRST + HOUR);
    assert_at(&s, 4, "n00 x-12q:0", 4); /* for all it knows */
    put_lesson(&s, "x-4q", 1, 12, FIRST + HOUR);
    put_lesson(&s, "x-8q", 1, 6, FIRST + HOUR);
    assert_at(&s, 4, "n00 x-12q:2", 4);
    assert_at(&s, 5, "n00 x-4q:0", 12);
    assert_at(&s, 6, "n00 x-8q:1", 6);
    end(&s);
}

/* What comes after counts as well, whatever was admitted first; and a night as little. */
static void by_what_comes_after(void **state)
{
    struct scene s;

    begin(&s, 1, many, 2);
    put_lesson(&s, "x-4q", 1, 12, FIRST + HOUR);
    put_lesson(&s, "x-8q", 1, 6, FIRST + HOUR);
    put_lesson(&s, "x-8q", 1, 6, FIRST);
    put_lesson(&s, "x-4q", 1, 12, FIRST);
    assert_at(&s, 3, "n00 x-8q:1", 6);
    assert_at(&s, 4, "n00 x-4q:0", 12);
    put_lesson(&s, "x-8q", 1, 6, FIRST + 24 * HOUR);
    put_lesson(&s, "x-4q", 1, 12, FIRST + 24 * HOUR);
    assert_at(&s, 5, "n00 x-8q:1", 6);
    assert_at(&s, 6, "n00 x-4q:0", 12);
    end(&s);
}

/* The night before they were as they come, and in the next hour they are the other way round. */
static void what_is_near_counts_more(void **state)
{
    struct job_spec seat = seat_of("x-4q", 1);
    struct scene s;

    begin(&s, 1, many, 2);
    put_lesson(&s, "x-4q", 1, 12, FIRST + 25 * HOUR);
    put_lesson(&s, "x-8q", 1, 6, FIRST + 25 * HOUR);
    put_lesson(&s, "x-8q", 1, 6, FIRST);
    assert_int_equal(put(&s, &seat, 12, FIRST, FIRST + 54 * MIN), 0);
    assert_at(&s, 3, "n00 x-8q:0", 6);
    put_lesson(&s, "x-8q", 1, 6, FIRST + 24 * HOUR);
    put_lesson(&s, "x-4q", 1, 12, FIRST + 24 * HOUR);
    assert_at(&s, 5, "n00 x-8q:1", 6);
    assert_at(&s, 6, "n00 x-4q:0", 12);
    end(&s);
}

/* All seats of a card go, of whatever class, and to another node if it has the processors. */
static void only_where_there_is_room(void **state)
{
    static const uint32_t cpus[] = {64, 12};
    struct scene s;

    for (uint32_t each = 2; each <= 3; each++) {
        begin(&s, 2, cpus, 1);
        put_lesson(&s, "x-4q", 1, 12, FIRST);
        put_lesson(&s, "x-8q", 1, 6, FIRST);
        put_lesson(&s, "x-8q", each, 2, FIRST + HOUR);
        put_lesson(&s, "x-8q", each, 4, FIRST + HOUR);
        put_lesson(&s, "x-4q", 1, 12, FIRST + HOUR);
        assert_at(&s, 3, each == 2 ? "n01 x-8q:0" : "n00 x-8q:0", 2);
        assert_at(&s, 4, each == 2 ? "n01 x-8q:0" : "n00 x-8q:0", 4);
        assert_at(&s, 5, each == 2 ? "n00 x-4q:0" : "n01 x-4q:0", 12);
        end(&s);
    }
}

/* Jobs make room for one of them and not for the other. */
static void not_with_another_qos(void **state)
{
    struct job_spec seat = seat_of("x-4q", 1);
    struct scene s;

    begin(&s, 1, many, 2);
    put_lesson(&s, "x-4q", 1, 12, FIRST);
    put_lesson(&s, "x-8q", 1, 6, FIRST);
    put_lesson(&s, "x-8q", 1, 6, FIRST + HOUR);
    seat.qos = (char *)"exam";
    assert_int_equal(put(&s, &seat, 12, FIRST + HOUR, FIRST + HOUR + 55 * MIN), 0);
    assert_at(&s, 3, "n00 x-8q:0", 6);
    assert_at(&s, 4, "n00 x-4q:1", 12);
    end(&s);
}

/* Which GPUs are held, and when, stays as it is: so nobody is moved whose time is another. */
static void not_with_another_time(void **state)
{
    struct job_spec seat = seat_of("x-4q", 1);
    struct scene s;

    begin(&s, 1, many, 2);
    put_lesson(&s, "x-4q", 1, 12, FIRST);
    put_lesson(&s, "x-8q", 1, 6, FIRST);
    put_lesson(&s, "x-8q", 1, 6, FIRST + HOUR);
    assert_int_equal(put(&s, &seat, 12, FIRST + HOUR, FIRST + HOUR + 54 * MIN), 0);
    assert_at(&s, 3, "n00 x-8q:0", 6);
    assert_at(&s, 4, "n00 x-4q:1", 12);
    end(&s);
}

/* Some on the card have another time. */
static void not_beside_others(void **state)
{
    struct job_spec seat = seat_of("x-8q", 1);
    struct scene s;

    begin(&s, 1, many, 2);
    put_lesson(&s, "x-4q", 1, 12, FIRST);
    put_lesson(&s, "x-8q", 1, 6, FIRST);
    put_lesson(&s, "x-8q", 1, 5, FIRST + HOUR);
    assert_int_equal(put(&s, &seat, 1, FIRST + HOUR + 20 * MIN, FIRST + 2 * HOUR), 0);
    put_lesson(&s, "x-4q", 1, 12, FIRST + HOUR);
    assert_at(&s, 3, "n00 x-8q:0", 5);
    assert_at(&s, 5, "n00 x-4q:1", 12);
    end(&s);
}

/* By then nodes are told whom they will have. */
static void not_in_the_last_hour(void **state)
{
    int64_t at = T0 + EXCHANGE_NOTICE_USEC;
    struct scene s;

    for (int is_late = 0; is_late < 2; is_late++) {
        begin(&s, 1, many, 2);
        put_lesson(&s, "x-4q", 1, 12, at - HOUR - is_late);
        put_lesson(&s, "x-8q", 1, 6, at - HOUR - is_late);
        put_lesson(&s, "x-8q", 1, 6, at - is_late);
        put_lesson(&s, "x-4q", 1, 12, at - is_late);
        assert_at(&s, 3, is_late ? "n00 x-8q:0" : "n00 x-8q:1", 6);
        end(&s);
    }
}

/* ---- by lot ---------------------------------------------------------------- */

struct seats_now {
    struct plan_seat at[N_CLASSES * 8];
    uint32_t cpus[N_CLASSES * 8];
    size_t n;
};

static void collect(void *arg, const struct plan_seat *seat)
{
    struct seats_now *now = arg;

    assert_true(now->n < N_CLASSES * 8);
    now->at[now->n++] = *seat;
}

static uint32_t instances(const struct scene *s, const char *held)
{
    char profile[64];
    struct gpu_place place;
    size_t n;

    assert_int_equal(gpu_held_parse(held, profile, &place, 1, &n), 0);
    return s->kind.offers[gpu_find_offer(&s->kind, profile)].instances;
}

/* At the begin of each seat its card has no other profile, and node and card have room. */
static void assert_law(const struct scene *s, const struct seats_now *now, const uint32_t *cpus)
{
    for (size_t i = 0; i < now->n; i++) {
        const struct plan_seat *a = &now->at[i];
        const char *card = strchr(a->gpus_held, ':');
        uint32_t n = 0, used = 0;

        for (size_t k = 0; k < now->n; k++) {
            const struct plan_seat *b = &now->at[k];

            if (strcmp(a->node, b->node) != 0 || b->from_usec > a->from_usec ||
                b->to_usec <= a->from_usec)
                continue;
            used += now->cpus[k];
            if (strcmp(card, strchr(b->gpus_held, ':')) != 0)
                continue;
            assert_string_equal(a->gpus_held, b->gpus_held);
            n++;
        }
        assert_true(n <= instances(s, a->gpus_held));
        assert_true(used <= cpus[atoi(a->node + 1)]);
    }
}

/* What is kept of the nodes is what comes out when it is made anew. */
static void assert_lines(struct scene *s)
{
    for (size_t i = 0; i < s->p->n_nodes; i++) {
        struct plan_node *node = s->p->nodes[i];
        struct plan_lines kept = {0};
        const struct plan_lines *anew;

        assert_int_equal(plan_lines_copy(&kept, plan_base_lines(s->p, node), node->gpus.n_all), 0);
        node->base_is_valid = false;
        anew = plan_base_lines(s->p, node);
        assert_non_null(anew);
        assert_int_equal(kept.amount.steps.n, anew->amount.steps.n);
        assert_memory_equal(kept.amount.steps.data, anew->amount.steps.data,
                            kept.amount.steps.n * sizeof(struct step));
        for (uint32_t g = 0; g < node->gpus.n_all; g++) {
            assert_int_equal(kept.gpus[g].steps.n, anew->gpus[g].steps.n);
            for (size_t k = 0; k < kept.gpus[g].steps.n; k++) {
                const struct gpustep *x = gpuline_step(&kept.gpus[g], k);
                const struct gpustep *y = gpuline_step(&anew->gpus[g], k);

                assert_int_equal(x->from_usec, y->from_usec);
                assert_true(gpu_state_is_equal(&x->state, &y->state));
            }
        }
        plan_lines_done(&kept);
    }
}

static size_t count_moved(const struct seats_now *a, const struct seats_now *b)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++)
        n += strcmp(a->at[i].node, b->at[i].node) != 0 ||
             strcmp(a->at[i].gpus_held, b->at[i].gpus_held) != 0;
    return n;
}

/* Random classes on few times; returns how many seats were moved. */
static size_t run(unsigned seed)
{
    static const char *const profiles[] = {"x-4q", "x-8q", "x-12q"};
    static const uint32_t cpus[] = {10, 14, 24};
    static struct seats_now before, now;
    uint32_t each[N_CLASSES + 1], seats[N_CLASSES + 1];
    size_t moved = 0;
    struct scene s;

    before.n = 0;
    begin(&s, 3, cpus, 2);
    for (int i = 0; i < N_CLASSES; i++) {
        struct job_spec seat = seat_of(profiles[rand_r(&seed) % 3], (uint32_t)rand_r(&seed) % 3);
        int64_t from = FIRST + rand_r(&seed) % 4 * HOUR;
        int64_t to = from + (rand_r(&seed) % 4 ? 55 : 115) * MIN;
        uint32_t n = 1 + (uint32_t)rand_r(&seed) % 8;

        if (put(&s, &seat, n, from, to) < 0)
            continue;
        each[s.n_classes] = seat.cpus;
        seats[s.n_classes] = n;
        now.n = 0;
        for (uint64_t id = 1; id <= s.n_classes; id++) {
            size_t first = now.n;

            planner_each_seat(s.p, id, collect, &now);
            assert_int_equal(now.n - first, seats[id]);
            for (; first < now.n; first++)
                now.cpus[first] = each[id];
        }
        assert_law(&s, &now, cpus);
        assert_lines(&s);
        moved += count_moved(&before, &now);
        before = now;
    }
    end(&s);
    return moved;
}

static void laws_and_lines_hold(void **state)
{
    size_t moved = 0;

    for (unsigned seed = 1; seed <= 400; seed++)
        moved += run(seed);
    print_message("# %zu seats moved\n", moved);
    assert_true(moved > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_keeps_its_profile), cmocka_unit_test(by_what_comes_after),
        cmocka_unit_test(what_is_near_counts_more), cmocka_unit_test(only_where_there_is_room),
        cmocka_unit_test(not_with_another_qos),     cmocka_unit_test(not_with_another_time),
        cmocka_unit_test(not_beside_others),        cmocka_unit_test(not_in_the_last_hour),
        cmocka_unit_test(laws_and_lines_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
