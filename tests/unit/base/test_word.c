/* SPDX-License-Identifier: Apache-2.0 */
/* test_word.c - equal texts are one word, from any thread, and it goes with its last user */
#include <base/word.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void equal_texts_are_one_word(void **state)
{
    char text[] = "unix:anna";
    const char *a = word_get(text), *b = word_get("unix:anna"), *c = word_get("unix:ben");

    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_ptr_not_equal(a, text);
    text[0] = 'x';
    assert_string_equal(a, "unix:anna");
    assert_ptr_equal(word_ref(a), a);
    word_unref(a);
    word_unref(b);
    assert_string_equal(a, "unix:anna"); /* word_ref's is left */
    word_unref(a);
    word_unref(c);
}

static void nothing_costs_nothing(void **state)
{
    assert_string_equal(word_get(""), "");
    assert_ptr_equal(word_get(NULL), word_get(""));
    assert_string_equal(word_ref(""), "");
    word_unref("");
    word_unref(NULL);
}

static void a_member_changes(void **state)
{
    const char *member = NULL;

    assert_int_equal(word_set(&member, "main"), 0);
    assert_string_equal(member, "main");
    assert_int_equal(word_set(&member, member), 0); /* itself */
    assert_string_equal(member, "main");
    assert_int_equal(word_set(&member, NULL), 0);
    assert_string_equal(member, "");
    word_unref(member);
}

#define THREADS 4

static void *churn(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < 20000; i++) {
        char text[8];
        const char *word;

        snprintf(text, sizeof(text), "w%d", rand_r(&seed) % 50);
        word = word_get(text);
        if (!word || strcmp(word, text) != 0)
            return arg;
        word_ref(word);
        word_unref(word);
        word_unref(word);
    }
    return NULL;
}

static void any_thread_may(void **state)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = threads;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_are_one_word),
        cmocka_unit_test(nothing_costs_nothing),
        cmocka_unit_test(a_member_changes),
        cmocka_unit_test(any_thread_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
