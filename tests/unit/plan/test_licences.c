/* SPDX-License-Identifier: Apache-2.0 */
/* test_licences.c - licences that classes have: never more than there are, and told as they are. */
#include <errno.h>

#include "world.h"

#define N 4
#define CLASSES 12

struct scene {
    struct world_config config;
    struct config_licence licences[2];
    struct planner *p;
};

static void begin(struct scene *s, uint32_t matlab)
{
    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, N);
    s->licences[0].name = (char *)"matlab";
    s->licences[0].limits.all.licences = matlab;
    s->licences[1].name = (char *)"ansys";
    s->licences[1].limits.all.licences = 100;
    s->config.config.licences = s->licences;
    s->config.config.n_licences = 2;
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (size_t i = 0; i < N; i++) {
        struct node n = world_node(s->config.list[i], 32, 64000, 0);

        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
}

static int book(struct scene *s, uint64_t id, const char *licences, uint32_t seats,
                int64_t from_min, int64_t to_min, struct plan_shortage *ret)
{
    struct job_spec seat = world_spec(1, 0, 0, 0);
    struct plan_window window = {T0 + from_min * MIN, T0 + to_min * MIN};
    struct plan_class c = {
        .id = id, .seat = &seat, .seats = seats, .windows = &window, .n_windows = 1};

    seat.licences = licences;
    *ret = (struct plan_shortage){0};
    return planner_put_class(s->p, &c, T0, ret);
}

static void put_run(struct scene *s, uint64_t id, const char *licences, int64_t limit_min)
{
    struct job_spec spec = world_spec(1, 0, 0, limit_min);
    struct job job = world_job(id, &spec);

    spec.licences = licences;
    world_run(&job, "n00", T0);
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static uint64_t kept(struct scene *s, int64_t from_min, int64_t to_min)
{
    return planner_licences_kept(s->p, "matlab", T0 + from_min * MIN, T0 + to_min * MIN);
}

/* From when on no more than `most` are kept for so long. */
static int64_t usec(struct scene *s, uint64_t most, int64_t from_min, int64_t span_min)
{
    return planner_licences_usec(s->p, "matlab", most, T0 + from_min * MIN, span_min * MIN);
}

static void a_class_has_what_there_is(void **state)
{
    struct plan_shortage shortage;
    struct scene s;

    begin(&s, 10);
    assert_int_equal(book(&s, 1, "ansys:1,matlab:2", 6, 60, 90, &shortage), -ENOSPC);
    assert_int_equal(shortage.seats, 5);
    assert_string_equal(shortage.licence, "matlab");
    assert_int_equal(kept(&s, 0, 1000), 0);
    assert_int_equal(book(&s, 1, "ansys:1,matlab:2", 3, 60, 90, &shortage), 0);
    assert_int_equal(book(&s, 2, "matlab:1", 5, 80, 120, &shortage), -ENOSPC);
    assert_int_equal(shortage.seats, 4);
    assert_int_equal(book(&s, 2, "matlab:1", 4, 80, 120, &shortage), 0);
    assert_int_equal(book(&s, 3, "matlab:1", 10, 120, 150, &shortage), 0); /* they follow */
    assert_int_equal(book(&s, 4, "", 8, 60, 150, &shortage), 0);
    assert_int_equal(book(&s, 5, "", 800, 60, 150, &shortage), -ENOSPC); /* it is not that */
    assert_string_equal(shortage.licence, "");
    assert_int_equal(kept(&s, 0, 60), 0);
    assert_int_equal(kept(&s, 0, 61), 6);
    assert_int_equal(kept(&s, 85, 86), 10);
    assert_int_equal(kept(&s, 90, 120), 4);
    assert_int_equal(kept(&s, 90, 121), 10);
    assert_int_equal(kept(&s, 150, 1000), 0);
    assert_int_equal(planner_licences_kept(s.p, "none", T0, T0 + 99 * MIN), 0);
    planner_remove_class(s.p, 1);
    assert_int_equal(kept(&s, 0, 120), 4);
    planner_free(s.p);
}

/* Who runs by then has his; a seat that was started and is nobody's keeps its own, whatever is
 * told anew, until it goes. */
static void what_runs_has_its_own(void **state)
{
    struct plan_shortage shortage;
    struct scene s;

    begin(&s, 10);
    put_run(&s, 1, "matlab:3", 30);
    assert_int_equal(book(&s, 1, "matlab:1", 8, 20, 60, &shortage), -ENOSPC);
    assert_int_equal(shortage.seats, 7);
    assert_int_equal(book(&s, 1, "matlab:1", 10, 60, 90, &shortage), 0);
    assert_int_equal(kept(&s, 0, 20), 0);
    put_run(&s, PLAN_SEAT_ID + 7, "matlab:2", 0);
    assert_int_equal(kept(&s, 0, 20), 2);
    put_run(&s, PLAN_SEAT_ID + 7, "matlab:2", 25);
    assert_int_equal(kept(&s, 0, 20), 2);
    assert_int_equal(book(&s, 2, "matlab:1", 6, 20, 60, &shortage), -ENOSPC);
    assert_int_equal(shortage.seats, 5);
    assert_int_equal(book(&s, 3, "matlab:1", 10, 100, 120, &shortage), 0); /* they end before */
    planner_full(s.p, T0);
    assert_int_equal(kept(&s, 0, 20), 2);
    assert_int_equal(planner_configure(s.p, &s.config.config), 0);
    assert_int_equal(kept(&s, 0, 20), 2);
    assert_int_equal(kept(&s, 20, 90), 12); /* more than there are is told, too */
    assert_int_equal(kept(&s, 60, 90), 10); /* they are gone */
    assert_int_equal(usec(&s, 1, 0, 5), T0 + 25 * MIN);
    assert_int_equal(usec(&s, 2, 0, 5), T0);
    assert_int_equal(usec(&s, 9, 0, 70), T0 + 120 * MIN); /* after both classes */
    assert_int_equal(usec(&s, 9, 0, 20), T0);
    planner_remove_job(s.p, PLAN_SEAT_ID + 7);
    assert_int_equal(kept(&s, 0, 20), 0);
    planner_remove_job(s.p, 1);
    assert_int_equal(book(&s, 2, "matlab:1", 10, 20, 60, &shortage), 0);
    planner_free(s.p);
}

/* Minute by minute, what was admitted and not removed. */
static void it_is_as_counted(void **state)
{
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct {
            bool is;
            uint32_t n;
            int64_t from, to;
        } all[CLASSES] = {{0}};
        struct plan_shortage shortage;
        struct scene s;

        begin(&s, 20);
        srand(seed);
        for (int step = 0; step < 40; step++) {
            int i = rand() % CLASSES;
            int64_t from = rand() % 30, to = from + 1 + rand() % 20;
            uint32_t each = 1 + (uint32_t)rand() % 3, seats = 1 + (uint32_t)rand() % 8;
            char text[32];

            planner_remove_class(s.p, (uint64_t)i + 1);
            all[i].is = false;
            snprintf(text, sizeof(text), "ansys:2,matlab:%u", each);
            if (rand() % 4) {
                all[i].is = book(&s, (uint64_t)i + 1, text, seats, from, to, &shortage) == 0;
                all[i].n = each * seats;
                all[i].from = from;
                all[i].to = to;
            }
            for (int64_t min = 0; min < 55; min++) {
                uint64_t sum = 0;

                for (int k = 0; k < CLASSES; k++)
                    sum += all[k].is && all[k].from <= min && min < all[k].to ? all[k].n : 0;
                assert_int_equal(kept(&s, min, min + 1), sum);
                assert_true(sum <= 20);
            }
        }
        planner_free(s.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_has_what_there_is),
        cmocka_unit_test(what_runs_has_its_own),
        cmocka_unit_test(it_is_as_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
