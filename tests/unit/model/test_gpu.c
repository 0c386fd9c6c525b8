/* SPDX-License-Identifier: Apache-2.0 */
/* test_gpu.c - what a kind of GPU is made of, where a share goes, and what is held as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/gpu.h"

static struct gpu_kind kind(enum gpu_law law, uint32_t framebuffer_mib, const char *const *profiles)
{
    struct gpu_kind k = {.law = law, .framebuffer_mib = framebuffer_mib};

    for (; profiles[k.n_offers]; k.n_offers++)
        snprintf(k.offers[k.n_offers].profile, sizeof(k.offers[0].profile), "%s",
                 profiles[k.n_offers]);
    return k;
}

static void instances_follow_from_the_framebuffer(void **state)
{
    static const char *const a40[] = {"nvidia-a40-2q", "nvidia-a40-4q", "nvidia-a40-48q", NULL};
    struct gpu_kind k = kind(GPU_HOMOGENEOUS, 0, a40);
    struct gpu_state s = {0};
    size_t offer;

    assert_null(gpu_kind_settle(&k, &offer));
    assert_int_equal(k.framebuffer_mib, 48 * 1024);
    assert_int_equal(k.offers[0].instances, 24);
    assert_int_equal(k.offers[2].instances, 1);
    for (unsigned i = 0; i < 12; i++) {
        assert_true(gpu_fit(&k, &s, 1));
        gpu_take(&k, &s, 1, 0);
        assert_false(gpu_fit(&k, &s, 0)); /* another size only when it is empty */
    }
    assert_false(gpu_fit(&k, &s, 1));
    for (unsigned i = 0; i < 12; i++)
        gpu_give(&k, &s, 1, 0);
    assert_true(gpu_fit(&k, &s, 0));
    assert_true(gpu_fit(&k, &s, 2));
}

/* Of each law: empty, with one of its first offer, and full; what a tag leaves is of its size. */
static void what_is_free_is_a_part_of_the_device(void **state)
{
    static const char *const sizes[] = {"x-4q", "x-8q", NULL};
    static const enum gpu_law laws[] = {GPU_WHOLE, GPU_HOMOGENEOUS, GPU_MIXED, GPU_POOL};
    static const uint32_t with_one[] = {0, 750, 750, 750};
    struct gpu_kind any = {.law = GPU_WHOLE, .capacity = 1};
    struct gpu_state s = {0}, taken = {.used = 1};
    size_t offer;

    assert_int_equal(gpu_free_permille(&any, &s), 1000);
    assert_int_equal(gpu_free_permille(&any, &taken), 0);
    for (size_t i = 0; i < 4; i++) {
        struct gpu_kind k = kind(laws[i], 16384, sizes);

        s = (struct gpu_state){0};
        assert_null(gpu_kind_settle(&k, &offer));
        assert_int_equal(gpu_free_permille(&k, &s), 1000);
        gpu_take(&k, &s, 0, 0);
        assert_int_equal(gpu_free_permille(&k, &s), with_one[i]);
        for (uint64_t fit; (fit = gpu_fit(&k, &s, 0));)
            gpu_take(&k, &s, 0, (uint8_t)__builtin_ctzll(fit));
        assert_int_equal(gpu_free_permille(&k, &s), 0);
    }
}

/* A share goes next to its like, so that the large places stay whole. */
static void mixed_sizes_keep_large_places_whole(void **state)
{
    static const char *const sizes[] = {"x-2q", "x-4q", "x-8q", "x-16q", NULL};
    struct gpu_kind k = kind(GPU_MIXED, 0, sizes);
    struct gpu_state s = {0};
    size_t offer;

    assert_null(gpu_kind_settle(&k, &offer));
    assert_int_equal(k.capacity, 8);
    assert_int_equal(k.offers[1].starts, 0xf); /* four places, each of two slots */
    assert_int_equal(k.offers[2].starts, 0x3);
    gpu_take(&k, &s, 0, gpu_best_slot(&k, &s, 0, gpu_fit(&k, &s, 0)));
    uint8_t first = (uint8_t)__builtin_ctzll(s.slots);
    uint8_t second = gpu_best_slot(&k, &s, 0, gpu_fit(&k, &s, 0));
    assert_int_equal(second ^ 1, first); /* its neighbour in a place of twice the size */
    gpu_take(&k, &s, 0, second);
    assert_int_equal(gpu_best_slot(&k, &s, 1, gpu_fit(&k, &s, 1)) / 2, first / 4);
    assert_true(gpu_fit(&k, &s, 2));
    assert_false(gpu_fit(&k, &s, 3));
}

/* What is written down of an instance is true under another smallest size. */
static void mixed_places_outlive_a_new_smallest_size(void **state)
{
    static const char *const two[] = {"x-4q", "x-8q", "x-16q", NULL};
    static const char *const three[] = {"x-2q", "x-4q", "x-8q", "x-16q", NULL};
    struct gpu_kind before = kind(GPU_MIXED, 0, two), after = kind(GPU_MIXED, 0, three);
    struct gpu_state a = {0}, b = {0};
    size_t offer;

    assert_null(gpu_kind_settle(&before, &offer));
    assert_null(gpu_kind_settle(&after, &offer));
    gpu_take(&before, &a, 0, 3); /* the last quarter of the card */
    gpu_take(&after, &b, 1, 3);
    assert_int_equal(a.slots, 0x8);
    assert_int_equal(b.slots, 0xc0);
}

static void whole_is_what_nothing_fits_beside(void **state)
{
    static const char *const pool[] = {"x-4q", "x-6q", NULL};
    static const char *const mig[] = {"3g.71gb", "7g.141gb", NULL};
    struct gpu_kind k = kind(GPU_POOL, 10 * 1024, pool);
    size_t offer;

    assert_null(gpu_kind_settle(&k, &offer));
    assert_int_equal(k.offers[1].instances, 1);
    assert_false(gpu_is_whole(&k, 1)); /* 4 GiB are left beside 6 */
    k = kind(GPU_SLICES, 0, mig);
    k.capacity = 8;
    k.offers[0].size = 4;
    k.offers[0].starts = 0x11;
    k.offers[1].size = 8;
    k.offers[1].starts = 0x1;
    assert_null(gpu_kind_settle(&k, &offer));
    assert_false(gpu_is_whole(&k, 0));
    assert_true(gpu_is_whole(&k, 1));
    k = (struct gpu_kind){.law = GPU_SHARED, .capacity = 8};
    assert_false(gpu_is_whole(&k, 0));
    k.capacity = 1;
    assert_true(gpu_is_whole(&k, 0));
}

static void count_is_how_often_it_fits(void **state)
{
    static const char *const sizes[] = {"x-2q", "x-4q", "x-8q", "x-16q", NULL};

    for (enum gpu_law law = GPU_WHOLE; law < GPU_N_LAWS; law++) {
        if (law == GPU_SLICES)
            continue;
        for (size_t o = 0; o < 4; o++) {
            struct gpu_kind k = kind(law, 0, sizes);
            struct gpu_state s = {0};
            uint32_t n = 0, said;
            uint64_t starts;
            size_t offer;

            k.capacity = 5; /* of shared */
            assert_null(gpu_kind_settle(&k, &offer));
            if (o == 1 || o == 2)
                gpu_take(&k, &s, o, 0);
            said = gpu_count(&k, &s, o);
            for (; (starts = gpu_fit(&k, &s, o)); n++)
                gpu_take(&k, &s, o, (uint8_t)__builtin_ctzll(starts));
            assert_int_equal(said, n);
        }
    }
}

/* MIG of an A100: a small instance goes where no larger one could begin. */
static void slices_keep_to_their_placements(void **state)
{
    static const char *const mig[] = {"1g.5gb", "2g.10gb", "3g.20gb", "7g.40gb", NULL};
    static const uint64_t starts[] = {0x7f, 0x15, 0x11, 0x1};
    static const uint32_t sizes[] = {1, 2, 4, 8};
    struct gpu_kind k = kind(GPU_SLICES, 0, mig);
    struct gpu_state s = {0};
    size_t offer;

    k.capacity = 8;
    for (size_t i = 0; i < 4; i++) {
        k.offers[i].starts = starts[i];
        k.offers[i].size = sizes[i];
    }
    assert_null(gpu_kind_settle(&k, &offer));
    assert_int_equal(gpu_best_slot(&k, &s, 0, gpu_fit(&k, &s, 0)), 6);
    gpu_take(&k, &s, 0, 6);
    assert_int_equal(gpu_fit(&k, &s, 2), 0x1);
    gpu_take(&k, &s, 2, 0);
    assert_int_equal(gpu_fit(&k, &s, 1), 0x10);
    assert_int_equal(gpu_fit(&k, &s, 3), 0);
    gpu_give(&k, &s, 2, 0);
    gpu_give(&k, &s, 0, 6);
    assert_int_equal(s.slots, 0);
}

static void a_join_fits_what_fits_all_of_it(void **state)
{
    static const char *const two[] = {"x-2q", "x-4q", NULL};
    struct gpu_kind k = kind(GPU_HOMOGENEOUS, 0, two);
    struct gpu_state a = {0}, b = {0};
    size_t offer;

    assert_null(gpu_kind_settle(&k, &offer));
    gpu_take(&k, &a, 0, 0);
    gpu_join(&a, &b);
    assert_true(gpu_fit(&k, &a, 0));
    gpu_take(&k, &b, 1, 0);
    gpu_join(&a, &b); /* one now, another later */
    assert_int_equal(a.tag, GPU_CLASH);
    assert_false(gpu_fit(&k, &a, 0));
    assert_false(gpu_fit(&k, &a, 1));
}

static void what_is_held_is_text_and_back(void **state)
{
    struct gpu_place places[] = {{0, 0}, {3, 4}}, back[GPU_PLACES_MAX];
    char text[GPU_HELD_TEXT], profile[64];
    size_t n;

    gpu_held_format("1g.10gb", places, 2, true, text, sizeof(text));
    assert_string_equal(text, "1g.10gb:0@0,3@4");
    assert_int_equal(gpu_held_parse(text, profile, back, GPU_PLACES_MAX, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(profile, "1g.10gb");
    assert_memory_equal(back, places, sizeof(places));
    gpu_held_format("", places, 2, false, text, sizeof(text));
    assert_string_equal(text, ":0,3");
    assert_int_equal(gpu_held_parse(text, profile, back, GPU_PLACES_MAX, &n), 0);
    assert_string_equal(profile, "");
    assert_int_equal(back[1].slot, 0);

    static const char *const bad[] = {"",     "x",   "x:1,", "x:,1", "x:64",   "x:1@64",
                                      "x:1@", "x:a", "x:-1", "x:1 ", "x:0000", "x:1,2,3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (gpu_held_parse(bad[i], profile, back, 2, &n) != -EINVAL)
            fail_msg("\"%s\" was taken", bad[i]);
}

static void names_say_the_framebuffer(void **state)
{
    static const struct {
        const char *profile;
        uint32_t mib;
    } rows[] = {
        {"nvidia-a40-4q", 4096},
        {"nvidia-a40-48q", 49152},
        {"GRID V100-1B", 1024},
        {"GRID M10-0Q", 512},
        {"NVIDIA H200X-1-18C", 18432},
        {"1g.10gb", 10240},
        {"", 0},
        {"virgl", 0},
        {"nvidia-105", 0},
        {"q", 0},
        {"4q", 0},
        {"-q", 0},
        {"x-99999q", 0},
        {"gb", 0},
        {"mbochs", 0},
        {"desk4c", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (profile_framebuffer_mib(rows[i].profile) != rows[i].mib)
            fail_msg("%s: %u MiB", rows[i].profile, profile_framebuffer_mib(rows[i].profile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_follow_from_the_framebuffer),
        cmocka_unit_test(what_is_free_is_a_part_of_the_device),
        cmocka_unit_test(mixed_sizes_keep_large_places_whole),
        cmocka_unit_test(mixed_places_outlive_a_new_smallest_size),
        cmocka_unit_test(whole_is_what_nothing_fits_beside),
        cmocka_unit_test(count_is_how_often_it_fits),
        cmocka_unit_test(slices_keep_to_their_placements),
        cmocka_unit_test(a_join_fits_what_fits_all_of_it),
        cmocka_unit_test(names_say_the_framebuffer),
        cmocka_unit_test(what_is_held_is_text_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
