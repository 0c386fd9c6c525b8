/* SPDX-License-Identifier: Apache-2.0 */
/* test_error.c - a refusal is one sentence, cut rather than overrun */
#include <base/error.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sets_and_prints(void **state)
{
    struct vdi_error err;
    char text[700];
    assert_int_equal(error_set(&err, -EINVAL, "time", "%s is over the limit", "13h"), -EINVAL);
    assert_int_equal(err.code, EINVAL);
    assert_string_equal(error_text(&err, text, sizeof(text)), "time: 13h is over the limit");
    error_hint(&err, "12h", "ask for less");
    assert_string_equal(error_text(&err, text, sizeof(text)),
                        "time: 13h is over the limit (limit: 12h); ask for less");
    error_hint(&err, NULL, "ask for 12h");
    assert_string_equal(err.limit, "12h");
    assert_string_equal(err.remedy, "ask for 12h");
    /* A new error does not inherit the old hints. */
    assert_int_equal(error_set(&err, ENOENT, NULL, "no such job"), -ENOENT);
    assert_string_equal(error_text(&err, text, sizeof(text)), "no such job");
}

static void an_error_is_never_success(void **state)
{
    struct vdi_error err;
    char text[100];
    assert_int_equal(error_set(&err, 0, "x", "y"), -EIO);
    assert_int_equal(error_set(NULL, EPERM, "x", "y"), -EPERM);
    assert_int_equal(error_set(NULL, 0, "x", "y"), -EIO);
    error_hint(NULL, "a", "b");
    error_set(&err, EACCES, NULL, "%s", "");
    assert_string_equal(error_text(&err, text, sizeof(text)), strerror(EACCES));
}

static void cuts_what_is_too_long(void **state)
{
    struct vdi_error err;
    char long_text[1000], text[2000], small[10];
    memset(long_text, 'a', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    error_set(&err, EINVAL, long_text, "%s", long_text);
    error_hint(&err, long_text, long_text);
    assert_int_equal(strlen(err.field), sizeof(err.field) - 1);
    assert_int_equal(strlen(err.detail), sizeof(err.detail) - 1);
    assert_int_equal(strlen(err.limit), sizeof(err.limit) - 1);
    assert_int_equal(strlen(err.remedy), sizeof(err.remedy) - 1);
    assert_int_equal(strlen(error_text(&err, text, sizeof(text))),
                     47 + 2 + 319 + 9 + 63 + 1 + 2 + 159);
    assert_string_equal(error_text(&err, small, sizeof(small)), "aaaaaaaaa");
    assert_string_equal(error_text(&err, small, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_prints),
        cmocka_unit_test(an_error_is_never_success),
        cmocka_unit_test(cuts_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
