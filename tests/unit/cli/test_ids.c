/* SPDX-License-Identifier: Apache-2.0 */
/* test_ids.c - job ids as people type them */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cli/ids.h"

static void words_are_ids(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"17", "17"},
        {"17,18", "17 18"},
        {"20-23", "20 21 22 23"},
        {"17_4", "17_4"},
        {"17_0,5", "17_0 5"},
        {"17_[0-3,7],9", "17_0 17_1 17_2 17_3 17_7 9"},
        {"3,17_[4-8:2]", "3 17_4 17_6 17_8"},
    };
    char name[ID_TEXT];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ids ids = {.n = 0};
        struct vdi_error err = {0};
        struct buf out = BUF_INIT(0);

        assert_int_equal(ids_add(&ids, rows[i].text, &err), 0);
        for (size_t k = 0; k < ids.n; k++)
            buf_printf(&out, "%s%s", k ? " " : "", id_text(ids.ids[k], name));
        assert_string_equal(out.data, rows[i].want);
        buf_done(&out);
        ids_done(&ids);
    }
}

static void others_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "0",
        "-1",
        "1-",
        "3-1",
        "1,",
        ",1",
        "1_",
        "_1",
        "1_x",
        "1_-1",
        "1_[",
        "1_[]",
        "1_[1-",
        "1_2-3",
        "1_[2%3]",
        "1_2_3",
        "1_[9999999]",
        "1-2_3",
        "1_[1]2",
        "1-999999",
        "9223372036854775808",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ids ids = {.n = 0};
        struct vdi_error err = {0};

        if (ids_add(&ids, bad[i], &err) == 0)
            fail_msg("'%s' was taken", bad[i]);
        assert_string_equal(err.field, "job");
        ids_done(&ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_ids),
        cmocka_unit_test(others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
