/* SPDX-License-Identifier: Apache-2.0 */
/* test_parts.c - the line, the wake heap and the timeline, each against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "plan/gpuline.h"
#include "plan/queue.h"
#include "plan/timeline.h"
#include "plan/wake.h"

#define N 400

static struct entry entries[N];

static void entries_fill(unsigned seed)
{
    srand(seed);
    for (size_t i = 0; i < N; i++)
        entries[i] = (struct entry){.id = i + 1,
                                    .tier = rand() % 3,
                                    .priority = rand() % 4,
                                    .submit_usec = rand() % 5,
                                    .begin_usec = rand() % 3,
                                    .late = rand() % 4 == 0};
}

static int compare(const void *a, const void *b)
{
    return entry_compare(*(struct entry *const *)a, *(struct entry *const *)b);
}

static void assert_line(const struct queue *q, struct entry **in, size_t n)
{
    struct entry *e = queue_first(q);
    assert_int_equal(queue_count(q), n);
    qsort(in, n, sizeof(*in), compare);
    for (size_t i = 0; i < n; i++, e = queue_next(e)) {
        assert_ptr_equal(e, in[i]);
        assert_int_equal(queue_rank(e), i + 1);
    }
    assert_null(e);
}

static void line_is_sorted_and_ranked(void **state)
{
    struct entry *in[N];
    struct queue q = {.seed = 7};
    size_t n = 0;

    entries_fill(1);
    for (unsigned round = 0; round < 3000; round++) {
        size_t pick = (size_t)rand() % N, at = 0;
        while (at < n && in[at] != &entries[pick])
            at++;
        if (at < n) {
            queue_remove(&q, in[at]);
            in[at] = in[--n];
        } else {
            queue_insert(&q, &entries[pick]);
            in[n++] = &entries[pick];
        }
        if (round % 50 == 0)
            assert_line(&q, in, n);
    }
    assert_line(&q, in, n);
    assert_true(n > 100);
}

static void order_is_late_tier_priority_submit_id(void **state)
{
    struct entry a = {.id = 2, .tier = 1, .priority = 5, .submit_usec = 10}, b = a;

    b.id = 3;
    assert_true(entry_compare(&a, &b) < 0);
    b.submit_usec = 9;
    assert_true(entry_compare(&a, &b) > 0);
    a.priority = 6;
    assert_true(entry_compare(&a, &b) < 0);
    b.tier = 2;
    assert_true(entry_compare(&a, &b) > 0);
    b.late = true;
    assert_true(entry_compare(&a, &b) < 0);
    a.late = true;
    a.begin_usec = 1;
    assert_true(entry_compare(&a, &b) > 0);
}

static void wake_gives_the_earliest(void **state)
{
    struct wake w = {0};
    int64_t when[N] = {0};

    entries_fill(2);
    assert_int_equal(wake_reserve(&w, N), 0);
    for (unsigned round = 0; round < 4000; round++) {
        size_t pick = (size_t)rand() % N, best = N;
        when[pick] = rand() % 3 ? rand() % 50 + 1 : 0;
        wake_set(&w, &entries[pick], when[pick]);
        for (size_t i = 0; i < N; i++)
            if (when[i] && (best == N || when[i] < when[best]))
                best = i;
        assert_ptr_equal(wake_first(&w), best == N ? NULL : &entries[best]);
    }
    wake_done(&w);
}

#define SPAN 200 /* the plain timeline: one amount per moment, the last for ever */

static int64_t plain_earliest(const int *free, int64_t from, int64_t span, int need)
{
    for (int64_t t = from; t < SPAN; t++) {
        int64_t u = t;
        while (u < SPAN && u < t + span && free[u] >= need)
            u++;
        if (u == t + span || u == SPAN)
            return t;
    }
    return TIMELINE_NEVER;
}

static void timeline_is_as_a_plain_array(void **state)
{
    for (unsigned seed = 0; seed < 300; seed++) {
        struct timeline t = {0};
        struct amount all = {.cpus = 16, .memory_mib = 100};
        int free[SPAN];

        srand(seed);
        assert_int_equal(timeline_begin(&t, &all), 0);
        for (int i = 0; i < SPAN; i++)
            free[i] = 16;
        for (int k = 0; k < 30; k++) {
            int64_t from = rand() % 150, to = from + 1 + rand() % 40;
            struct amount a = {.cpus = rand() % 4};
            int sign = rand() % 4 ? -1 : 1;
            if (rand() % 8 == 0)
                to = TIMELINE_NEVER;
            assert_int_equal(timeline_change(&t, from, to, &a, sign), 0);
            for (int64_t i = from; i < to && i < SPAN; i++)
                free[i] += sign * a.cpus;
            struct amount need = {.cpus = 1 + rand() % 16};
            int64_t at = rand() % 190, span = 1 + rand() % 60;
            assert_int_equal(timeline_earliest(&t, at, span, &need),
                             plain_earliest(free, at, span, need.cpus));
        }
        for (size_t i = 1; i < t.steps.n; i++)
            assert_true(timeline_step(&t, i - 1)->from_usec < timeline_step(&t, i)->from_usec);
        timeline_done(&t);
    }
}

/* Jobs of one size that follow each other must not cost memory each. */
static void timeline_joins_equal_neighbours(void **state)
{
    struct timeline t = {0};
    struct amount all = {.cpus = 4}, one = {.cpus = 1};

    assert_int_equal(timeline_begin(&t, &all), 0);
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(timeline_change(&t, i * 10, i * 10 + 10, &one, -1), 0);
    assert_int_equal(t.steps.n, 3);
    timeline_done(&t);
}

/* What is not needed does not matter, even where a node owes some. */
static void nothing_needed_is_always_covered(void **state)
{
    struct amount owes = {.cpus = 2, .memory_mib = -5};
    struct amount need = {.cpus = 2};

    assert_true(amount_covers(&owes, &need));
    need.memory_mib = 1;
    assert_false(amount_covers(&owes, &need));
}

/* ---- one GPU ------------------------------------------------------------- */

#define GPU_SPAN 120

/* What lies on the GPU at each moment, plainly. */
struct plain_gpu {
    struct {
        int offer, slot;
    } on[GPU_SPAN][64];
    int n[GPU_SPAN];
};

/* Places of mixed sizes are counted in their own size. */
static int place_at(const struct gpu_kind *k, int offer, int slot)
{
    return k->law == GPU_MIXED ? slot * (int)k->offers[offer].size : slot;
}

/* The law said once more, as a check of every pair. */
static bool plain_fits(const struct gpu_kind *k, const struct plain_gpu *g, int at, int offer,
                       int slot)
{
    int used = 0;

    for (int i = 0; i < g->n[at]; i++) {
        int o = g->on[at][i].offer, s = g->on[at][i].slot;

        used += (int)k->offers[o].size;
        if (k->law == GPU_HOMOGENEOUS && o != offer)
            return false;
        if (gpu_has_slots(k) &&
            place_at(k, o, s) < place_at(k, offer, slot) + (int)k->offers[offer].size &&
            place_at(k, offer, slot) < place_at(k, o, s) + (int)k->offers[o].size)
            return false;
    }
    if (k->law == GPU_HOMOGENEOUS)
        return g->n[at] < (int)k->offers[offer].instances;
    return gpu_has_slots(k) || used + (int)k->offers[offer].size <= (int)k->capacity;
}

static bool plain_starts(const struct gpu_kind *k, int offer, int slot)
{
    return gpu_has_slots(k) ? k->offers[offer].starts >> slot & 1 : slot == 0;
}

static int64_t plain_gpu_earliest(const struct gpu_kind *k, const struct plain_gpu *g, int from,
                                  int span, int offer)
{
    for (int t = from; t < GPU_SPAN; t++) {
        for (int slot = 0; slot < 64; slot++) {
            int u = t;

            while (plain_starts(k, offer, slot) && u < GPU_SPAN && u < t + span &&
                   plain_fits(k, g, u, offer, slot))
                u++;
            if (u == t + span || u == GPU_SPAN)
                return t;
        }
    }
    return TIMELINE_NEVER;
}

static struct gpu_kind some_kind(enum gpu_law law)
{
    struct gpu_kind k = {.law = law, .framebuffer_mib = 8192, .n_offers = 4};
    size_t offer;

    for (size_t i = 0; i < 4; i++) {
        snprintf(k.offers[i].profile, sizeof(k.offers[i].profile), "x-%dq", 1 << i);
        k.offers[i].size = i < 3 ? 1u << i : 7;
        k.offers[i].starts = i == 0 ? 0x7f : i == 1 ? 0x15 : i == 2 ? 0x9 : 0x1;
    }
    k.capacity = 7;
    assert_null(gpu_kind_settle(&k, &offer));
    return k;
}

/* In every law: what fits at a time is found, at the first time, and nothing else. */
static void gpu_line_is_as_the_law_says(void **state)
{
    static const enum gpu_law laws[] = {GPU_WHOLE, GPU_HOMOGENEOUS, GPU_MIXED,
                                        GPU_POOL,  GPU_SLICES,      GPU_SHARED};
    unsigned placed = 0, refused = 0;

    for (unsigned seed = 0; seed < 1200; seed++) {
        struct gpu_kind k = some_kind(laws[seed % 6]);
        struct plain_gpu g = {.n = {0}};
        struct gpuline line = {0};
        struct gpu_state empty = {0};

        srand(seed);
        assert_int_equal(gpuline_begin(&line, &empty), 0);
        for (int i = 0; i < 25; i++) {
            int from = rand() % 100, span = 1 + rand() % 30, offer = rand() % 4;
            int64_t t = gpuline_earliest(&line, &k, from, span, (size_t)offer);

            assert_int_equal(t, plain_gpu_earliest(&k, &g, from, span, offer));
            if (t + span >= GPU_SPAN) {
                refused++;
                continue;
            }
            struct gpu_state all = gpuline_join(&line, t, t + span);
            uint64_t starts = gpu_fit(&k, &all, (size_t)offer);
            assert_true(starts);
            uint8_t slot = gpu_best_slot(&k, &all, (size_t)offer, starts);
            assert_true(starts >> slot & 1);
            assert_int_equal(gpuline_change(&line, &k, t, t + span, (size_t)offer, slot, -1), 0);
            for (int u = (int)t; u < (int)t + span; u++) {
                assert_true(plain_fits(&k, &g, u, offer, slot));
                g.on[u][g.n[u]].offer = offer;
                g.on[u][g.n[u]++].slot = slot;
            }
            placed++;
        }
        gpuline_done(&line);
    }
    assert_true(placed > 5000 && refused > 100);
}

static void gpu_line_gives_back_what_it_took(void **state)
{
    for (unsigned seed = 0; seed < 600; seed++) {
        struct gpu_kind k = some_kind((enum gpu_law)(seed % 6));
        struct gpuline line = {0};
        struct gpu_state empty = {0};
        struct {
            int64_t from, to;
            size_t offer;
            uint8_t slot;
        } held[20];
        int n = 0;

        srand(seed);
        assert_int_equal(gpuline_begin(&line, &empty), 0);
        for (int i = 0; i < 20; i++) {
            size_t offer = (size_t)rand() % 4;
            int64_t span = 1 + rand() % 30;
            int64_t t = gpuline_earliest(&line, &k, rand() % 100, span, offer);
            struct gpu_state all = gpuline_join(&line, t, t + span);

            held[n].from = t;
            held[n].to = rand() % 8 ? t + span : TIMELINE_NEVER;
            held[n].offer = offer;
            if (held[n].to == TIMELINE_NEVER)
                all = gpuline_join(&line, t, TIMELINE_NEVER);
            uint64_t starts = gpu_fit(&k, &all, offer);
            if (t == TIMELINE_NEVER || !starts)
                continue;
            held[n].slot = gpu_best_slot(&k, &all, offer, starts);
            gpuline_change(&line, &k, t, held[n].to, offer, held[n].slot, -1);
            n++;
        }
        for (int i = 0; i < n; i++)
            gpuline_change(&line, &k, held[i].from, held[i].to, held[i].offer, held[i].slot, 1);
        assert_int_equal(line.steps.n, 1);
        assert_true(gpu_state_is_equal(&gpuline_step(&line, 0)->state, &empty));
        gpuline_done(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_sorted_and_ranked),
        cmocka_unit_test(order_is_late_tier_priority_submit_id),
        cmocka_unit_test(wake_gives_the_earliest),
        cmocka_unit_test(timeline_is_as_a_plain_array),
        cmocka_unit_test(timeline_joins_equal_neighbours),
        cmocka_unit_test(nothing_needed_is_always_covered),
        cmocka_unit_test(gpu_line_is_as_the_law_says),
        cmocka_unit_test(gpu_line_gives_back_what_it_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
