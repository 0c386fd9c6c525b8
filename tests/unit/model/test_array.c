/* SPDX-License-Identifier: Apache-2.0 */
/* test_array.c - the indexes of array tasks, read and written */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/array.h"

static struct array_tasks parse(const char *text, uint32_t size)
{
    struct array_tasks tasks = {.n = 0};
    struct vdi_error err = {0};

    if (array_parse(text, size, &tasks, &err) < 0)
        fail_msg("'%s': %s", text, err.detail);
    return tasks;
}

static void texts_are_read_and_folded(void **state)
{
    static const struct {
        const char *text, *folded;
        size_t n;
    } rows[] = {
        {"0", "0", 1},
        {"0-99", "0-99", 100},
        {"0-99%10", "0-99%10", 100},
        {"5,3,1,3", "1-5:2", 3},
        {"0-15:4", "0-12:4", 4},
        {"1,2,9", "1-2,9", 3},
        {"1,3,9%1", "1,3,9%1", 3},
        {"0-3,2-6,10", "0-6,10", 8},
        {"7-7", "7", 1},
        {"0-1000:1000", "0,1000", 2},
        {"%3", NULL, 0},
    };

    for (size_t i = 0; rows[i].folded; i++) {
        struct array_tasks tasks = parse(rows[i].text, 1001), again;
        struct buf out = BUF_INIT(0);

        assert_int_equal(tasks.n, rows[i].n);
        array_write_all(&tasks, &out);
        assert_string_equal(out.data, rows[i].folded);
        again = parse(out.data, 1001);
        assert_int_equal(again.n, tasks.n);
        assert_int_equal(again.at_once, tasks.at_once);
        assert_memory_equal(again.tasks, tasks.tasks, tasks.n * sizeof(*tasks.tasks));
        array_tasks_done(&tasks);
        array_tasks_done(&again);
        buf_done(&out);
    }
}

static void what_is_none_is_refused(void **state)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"a", -EINVAL},
        {"-1", -EINVAL},
        {"1-", -EINVAL},
        {"3-1", -EINVAL},
        {"1,,2", -EINVAL},
        {"1,", -EINVAL},
        {",1", -EINVAL},
        {"%3", -EINVAL},
        {"1%", -EINVAL},
        {"1%0", -EINVAL},
        {"1%x", -EINVAL},
        {"1%2%3", -EINVAL},
        {"1-9:0", -EINVAL},
        {"1-9:", -EINVAL},
        {"1:2", -EINVAL},
        {"1 2", -EINVAL},
        {"1-9:2:3", -EINVAL},
        {"1-2-3", -EINVAL},
        {"0-99,0-99,0-99", -EINVAL},
        {"0x1", -EINVAL},
        {"100", -ERANGE},
        {"0-100", -ERANGE},
        {"5,100", -ERANGE},
        {"2147483647", -ERANGE},
        {"4294967296", -EINVAL},
        {"99999999999999999999", -EINVAL},
    };
    struct array_tasks tasks;
    struct vdi_error err;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int r = array_parse(rows[i].text, 100, &tasks, &err);

        if (r != rows[i].code)
            fail_msg("'%s': %d", rows[i].text, r);
        assert_string_equal(err.field, "array");
        assert_true(*err.remedy);
    }
    assert_int_equal(array_parse("0-100", 100, &tasks, &err), -ERANGE);
    assert_string_equal(err.limit, "99 (max_array_size)");
    assert_int_equal(array_parse("0", 0, &tasks, &err), -ERANGE);
}

/* Any set of indexes comes back as it was. */
static void sets_come_back(void **state)
{
    srand(7);
    for (int i = 0; i < 2000; i++) {
        uint32_t set[64];
        size_t n = 0;
        struct buf out = BUF_INIT(0);
        struct array_tasks tasks;

        for (uint32_t k = 0; k < 64; k++)
            if (rand() % (1 + i % 5) == 0)
                set[n++] = k;
        if (!n)
            continue;
        array_write(set, n, &out);
        tasks = parse(out.data, 64);
        assert_int_equal(tasks.n, n);
        assert_memory_equal(tasks.tasks, set, n * sizeof(*set));
        for (uint32_t k = 0, at = 0; k < 64; k++)
            assert_int_equal(array_find(&tasks, k), at < n && set[at] == k ? at++ : SIZE_MAX);
        array_tasks_done(&tasks);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_and_folded),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(sets_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
