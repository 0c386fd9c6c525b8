/* SPDX-License-Identifier: Apache-2.0 */
/* test_buf.c - a buffer never misses its middle and never passes its limit */
#include <base/buf.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void grows_and_stays_terminated(void **state)
{
    struct buf b = BUF_INIT(0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf_printf(&b, "%d,", i), 0);
        assert_int_equal(b.data[b.len], '\0');
        assert_true(b.len < b.size);
    }
    assert_int_equal(buf_puts(&b, ""), 0);
    assert_int_equal(buf_append(&b, "\0x", 2), 0);
    assert_memory_equal(b.data + b.len - 2, "\0x", 3);
    assert_true(strncmp(b.data, "0,1,2,", 6) == 0);
    buf_done(&b);
    assert_null(b.data);
}

static void limit_is_exact_and_failure_sticks(void **state)
{
    struct buf b = BUF_INIT(8);
    assert_int_equal(buf_puts(&b, "12345678"), 0);
    assert_int_equal(buf_putc(&b, '9'), -ENOBUFS);
    assert_true(b.failed);
    assert_string_equal(b.data, "12345678");
    buf_consume(&b, 4);
    /* There is room, but what comes now would follow a gap. */
    assert_int_equal(buf_putc(&b, 'x'), -ENOBUFS);
    assert_int_equal(buf_printf(&b, "%d", 1), -ENOBUFS);
    assert_string_equal(b.data, "5678");
    buf_clear(&b);
    assert_false(b.failed);
    assert_int_equal(buf_printf(&b, "%s", "abcdefgh"), 0);
    assert_int_equal(buf_printf(&b, "%s", "i"), -ENOBUFS);
    assert_null(buf_take(&b, NULL));
    assert_int_equal(b.len, 0);
    assert_int_equal(b.max, 8);
    assert_false(b.failed);
    buf_done(&b);
}

static void sizes_do_not_overflow(void **state)
{
    struct buf b = BUF_INIT(0);
    buf_puts(&b, "x");
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOBUFS);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 1), -ENOBUFS);
    b.max = SIZE_MAX;
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 1), -ENOBUFS);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOBUFS);
    assert_false(b.failed);
    assert_string_equal(b.data, "x");
    buf_done(&b);
}

static void consume_and_take(void **state)
{
    struct buf b = BUF_INIT(0);
    size_t len = 77;
    char *s = buf_take(&b, &len);
    assert_string_equal(s, "");
    assert_int_equal(len, 0);
    free(s);
    buf_consume(&b, 3);
    buf_puts(&b, "hello world");
    buf_consume(&b, 6);
    s = buf_take(&b, &len);
    assert_string_equal(s, "world");
    assert_int_equal(len, 5);
    assert_null(b.data);
    free(s);
    buf_puts(&b, "again");
    buf_consume(&b, 500);
    assert_string_equal(b.data, "");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(limit_is_exact_and_failure_sticks),
        cmocka_unit_test(sizes_do_not_overflow),
        cmocka_unit_test(consume_and_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
