/* SPDX-License-Identifier: Apache-2.0 */
/* test_hostlist.c - what is written, what is refused, and the way back */
#include <base/hostlist.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses and joins with blanks. */
static void expect(const char *text, const char *names)
{
    struct hostlist h;
    char got[2000] = "";
    assert_int_equal(hostlist_parse(text, HOSTLIST_MAX, &h), 0);
    for (size_t i = 0; i < h.n; i++) {
        strcat(got, i ? " " : "");
        strcat(got, h.names[i]);
    }
    assert_string_equal(got, names);
    hostlist_done(&h);
    assert_int_equal(h.n, 0);
}

static void parses(void **state)
{
    expect("login", "login");
    expect("gpu[01-03,20],login", "gpu01 gpu02 gpu03 gpu20 login");
    expect("n[001-004,7]", "n001 n002 n003 n004 n7");
    expect("n[8-11]", "n8 n9 n10 n11");
    expect("n[98-101]", "n98 n99 n100 n101");
    expect("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2");
    expect("a[1]b[2]c[3-4]-ib", "a1b2c3-ib a1b2c4-ib");
    expect("[5-7]", "5 6 7");
    expect("b,a,b", "b a b");
    expect("n[999999999999999998-999999999999999999]", "n999999999999999998 n999999999999999999");
}

static void refuses(void **state)
{
    static const char *const bad[] = {
        "",      ",",        "a,",     ",a",    "a,,b",
        "n[",    "n]",       "n[]",    "n[1",   "n[1-]",
        "n[-1]", "n[1-2",    "n[2-1]", "n[1,]", "n[,1]",
        "n[a]",  "n[1-2-3]", "n[[1]]", "n[1]]", "a b",
        "a/b",   "a;b",      "a\nb",   "n[ 1]", "n[1-9999999999999999999999]",
        "n%d",   "\xc3\xa9", "[",      "]",     "n[1]n[2",
    };
    struct hostlist h = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (hostlist_parse(bad[i], HOSTLIST_MAX, &h) != -EINVAL)
            fail_msg("\"%s\" was not refused", bad[i]);
    char text[400];
    memset(text, 'a', sizeof(text));
    text[253] = '\0';
    assert_int_equal(hostlist_parse(text, 1, &h), 0);
    hostlist_done(&h);
    text[253] = 'a';
    text[254] = '\0';
    assert_int_equal(hostlist_parse(text, 1, &h), -EINVAL);
    strcpy(text + 251, "[98-101]");
    assert_int_equal(hostlist_parse(text, 10, &h), -EINVAL);
    assert_null(h.names);
}

static void many_brackets_are_bounded(void **state)
{
    struct hostlist h = {0};
    char *text = malloc(100000 * 3 + 1);
    for (int i = 0; i < 100000; i++)
        memcpy(text + i * 3, "[1]", 4);
    assert_int_equal(hostlist_parse(text, HOSTLIST_MAX, &h), -EINVAL);
    free(text);
}

static void limits(void **state)
{
    struct hostlist h = {0};
    assert_int_equal(hostlist_parse("n[1-10]", 10, &h), 0);
    assert_int_equal(h.n, 10);
    hostlist_done(&h);
    assert_int_equal(hostlist_parse("n[1-10]", 9, &h), -E2BIG);
    assert_int_equal(hostlist_parse("n[1-9],m", 9, &h), -E2BIG);
    assert_int_equal(hostlist_parse("n[1-5,6-10]", 9, &h), -E2BIG);
    assert_int_equal(hostlist_parse("a", 0, &h), -E2BIG);
    assert_int_equal(hostlist_parse("n[0-999999999999999999]", HOSTLIST_MAX, &h), -E2BIG);
    assert_int_equal(
        hostlist_parse("a[1-60000]b[1-60000]c[1-60000]d[1-60000]e[1-60000]", HOSTLIST_MAX, &h),
        -E2BIG);
    assert_int_equal(hostlist_parse("n[1-65536]", SIZE_MAX, &h), 0);
    assert_string_equal(h.names[65535], "n65536");
    hostlist_done(&h);
    assert_int_equal(hostlist_parse("n[0-65536]", SIZE_MAX, &h), -E2BIG);
}

static void folds_to(const char *text, const char *folded)
{
    struct hostlist h;
    assert_int_equal(hostlist_parse(text, HOSTLIST_MAX, &h), 0);
    char *got = hostlist_fold((const char *const *)h.names, h.n);
    assert_string_equal(got, folded);
    free(got);
    hostlist_done(&h);
}

static void folds(void **state)
{
    char *none = hostlist_fold(NULL, 0);
    assert_string_equal(none, "");
    free(none);
    folds_to("a", "a");
    folds_to("n2,n1,n3", "n[1-3]");
    folds_to("n1", "n1");
    folds_to("n[1-3,5,7-8]", "n[1-3,5,7-8]");
    folds_to("n[8-11,98-101]", "n[8-11,98-101]");
    folds_to("n[08-11]", "n[08-11]");
    folds_to("n[098-100]", "n[098-100]");
    folds_to("n[01-100]", "n[01-100]");
    folds_to("n1,n01,n2,n02", "n[1-2,01-02]");
    folds_to("n9,n010", "n[9,010]");
    folds_to("b1,a1,b2,a2", "a[1-2],b[1-2]");
    folds_to("n,n1,n2", "n,n[1-2]");
    folds_to("n1,n1,n2,n2", "n[1-2]");
    folds_to("r[1-2]n[1-2]", "r1n[1-2],r2n[1-2]");
    folds_to("[5-7]", "[5-7]");
    folds_to("n[1-2]-ib", "n1-ib,n2-ib");
    /* More digits than a number may have: they belong to the prefix. */
    folds_to("n1234567890123456789,n1234567890123456790",
             "n1[234567890123456789-234567890123456790]");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Any set of names, folded and parsed, is the same set. */
static void round_trip(void **state)
{
    static const char *const prefixes[] = {"n", "gpu", "gpu-", "a1b", "", "rack0"};
    uint32_t rng = 99;
    for (int round = 0; round < 400; round++) {
        char names[64][40];
        const char *list[64];
        size_t n = 1 + round % 64;
        for (size_t i = 0; i < n; i++) {
            rng = rng * 1664525u + 1013904223u;
            snprintf(names[i], sizeof(names[i]), "%s%0*u", prefixes[(rng >> 28) % 6],
                     (int)(rng >> 24 & 3), (rng >> 8 & 0xffff) % (round % 2 ? 30u : 1200u));
            list[i] = names[i];
        }
        char *folded = hostlist_fold(list, n);
        struct hostlist h;
        assert_int_equal(hostlist_parse(folded, 64, &h), 0);
        char *again = hostlist_fold((const char *const *)h.names, h.n);
        assert_string_equal(again, folded);
        qsort(list, n, sizeof(list[0]), by_text);
        qsort(h.names, h.n, sizeof(h.names[0]), by_text);
        size_t k = 0;
        for (size_t i = 0; i < n; i++) {
            if (i > 0 && strcmp(list[i], list[i - 1]) == 0)
                continue;
            assert_true(k < h.n);
            assert_string_equal(h.names[k++], list[i]);
        }
        assert_int_equal(k, h.n);
        free(again);
        free(folded);
        hostlist_done(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses), cmocka_unit_test(refuses),
        cmocka_unit_test(limits), cmocka_unit_test(many_brackets_are_bounded),
        cmocka_unit_test(folds),  cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
