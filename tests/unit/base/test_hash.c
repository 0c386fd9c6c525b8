/* SPDX-License-Identifier: Apache-2.0 */
/* test_hash.c - the table against a plain array, with many removals */
#include <base/hash.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 4096

static void strings(void **state)
{
    struct hash *h = hash_new_str();
    int one = 1, two = 2;
    char key[] = "job";
    assert_int_equal(hash_put(h, "job", &one), 0);
    assert_int_equal(hash_put(h, key, &two), -EEXIST);
    assert_int_equal(hash_put(h, "null", NULL), -EINVAL);
    assert_int_equal(hash_put(h, "", &two), 0);
    assert_ptr_equal(hash_get(h, key), &one);
    assert_ptr_equal(hash_get(h, ""), &two);
    assert_null(hash_get(h, "jo"));
    assert_null(hash_remove(h, "jobs"));
    assert_ptr_equal(hash_remove(h, key), &one);
    assert_null(hash_get(h, key));
    assert_null(hash_remove(h, key));
    assert_int_equal(hash_count(h), 1);
    hash_free(h);
    hash_free(NULL);
}

/* Random puts and removes; after each batch every key must answer as the array says. */
static void random_walk_equals_array(void **state)
{
    struct hash *h = hash_new_u64();
    static bool present[N];
    static int value[N];
    size_t count = 0;
    uint32_t rng = 12345;
    memset(present, 0, sizeof(present));
    for (unsigned step = 0; step < 60000; step++) {
        rng = rng * 1664525u + 1013904223u;
        unsigned k = rng >> 16 & (N - 1);
        /* It fills for a while, then empties, and so on: growth and shrinking. */
        bool put = (rng >> 8 & 7) < (step / 10000 % 2 ? 2u : 6u);
        if (put) {
            assert_int_equal(hash_put_u64(h, k, &value[k]), present[k] ? -EEXIST : 0);
            count += !present[k];
            present[k] = true;
        } else {
            assert_ptr_equal(hash_remove_u64(h, k), present[k] ? &value[k] : NULL);
            count -= present[k];
            present[k] = false;
        }
        assert_int_equal(hash_count(h), count);
        if (step % 1000 != 0)
            continue;
        for (unsigned i = 0; i < N; i++)
            assert_ptr_equal(hash_get_u64(h, i), present[i] ? &value[i] : NULL);
        size_t seen = 0;
        void *v;
        for (size_t i = 0; hash_next(h, &i, &v); seen++)
            assert_true(present[(int *)v - value]);
        assert_int_equal(seen, count);
    }
    hash_free(h);
}

static void many_strings(void **state)
{
    enum { MANY = 100000 };
    struct hash *h = hash_new_str();
    char(*keys)[16] = calloc(MANY, sizeof(*keys));
    for (int i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%d", i);
        assert_int_equal(hash_put(h, keys[i], keys[i]), 0);
    }
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(hash_get(h, keys[i]), keys[i]);
    for (int i = 0; i < MANY; i += 2)
        assert_ptr_equal(hash_remove(h, keys[i]), keys[i]);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(hash_get(h, keys[i]), i % 2 ? keys[i] : NULL);
    assert_int_equal(hash_count(h), MANY / 2);
    hash_free(h);
    free(keys);
}

/* Keys are found, removed and walked while the table moves to one of another size. */
static void nothing_is_lost_while_it_moves(void **state)
{
    enum { MANY = 3000 };
    static int value[MANY];
    struct hash *h = hash_new_u64();
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(hash_put_u64(h, i, &value[i]), 0);
        assert_int_equal(hash_put_u64(h, i / 2, &value[i]), -EEXIST);
        assert_ptr_equal(hash_remove_u64(h, i / 2), &value[i / 2]);
        assert_null(hash_get_u64(h, i / 2));
        assert_int_equal(hash_put_u64(h, i / 2, &value[i / 2]), 0);
        unsigned n = 0;
        void *v;
        for (size_t pos = 0; i % 7 == 0 && hash_next(h, &pos, &v);)
            n++;
        assert_int_equal(n, i % 7 == 0 ? i + 1 : 0);
    }
    for (unsigned i = MANY; i-- > 0;) {
        assert_ptr_equal(hash_remove_u64(h, i), &value[i]);
        assert_ptr_equal(hash_get_u64(h, i / 2), i / 2 < i ? &value[i / 2] : NULL);
    }
    assert_int_equal(hash_count(h), 0);
    hash_free(h);
}

/* Two tables with the same keys walk in different orders: the keys of the hash differ. */
static void tables_are_keyed(void **state)
{
    struct hash *a = hash_new_u64(), *b = hash_new_u64();
    static int value[1000];
    for (unsigned i = 0; i < 1000; i++) {
        hash_put_u64(a, i, &value[i]);
        hash_put_u64(b, i, &value[i]);
    }
    unsigned same = 0;
    void *va, *vb;
    for (size_t i = 0, j = 0; hash_next(a, &i, &va) && hash_next(b, &j, &vb);)
        same += va == vb;
    assert_true(same < 500);
    hash_free(a);
    hash_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),          cmocka_unit_test(random_walk_equals_array),
        cmocka_unit_test(many_strings),     cmocka_unit_test(nothing_is_lost_while_it_moves),
        cmocka_unit_test(tables_are_keyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
