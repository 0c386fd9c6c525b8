/* SPDX-License-Identifier: Apache-2.0 */
/* test_document.c - JSON by name: what is there, what is not, what is of another type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "codec/document.h"

static struct document *parse(const char *json)
{
    struct document *document = NULL;
    assert_int_equal(document_parse(json, strlen(json), &document, NULL), 0);
    return document;
}

static void members_are_found_by_path(void **state)
{
    struct document *d = parse("{\"a\":{\"b\":{\"c\":\"x\"}},\"n\":9007199254740993,\"t\":true,"
                               "\"z\":null,\"l\":[1,\"two\"]}");
    const struct value *root = document_root(d);
    assert_string_equal(value_get_string(root, "a.b.c", ""), "x");
    assert_true(value_get_int(root, "n", 0) == INT64_C(9007199254740993));
    assert_true(value_get_bool(root, "t", false));
    assert_true(value_is_null(value_get(root, "z")));
    assert_true(value_is_null(value_get(root, "none")));
    assert_int_equal(value_count(value_get(root, "l")), 2);
    assert_string_equal(value_string(value_item(value_get(root, "l"), 1), ""), "two");
    assert_null(value_item(value_get(root, "l"), 2));
    document_free(d);
}

static void another_type_is_as_absent(void **state)
{
    struct document *d = parse("{\"s\":\"5\",\"n\":5,\"l\":[]}");
    const struct value *root = document_root(d);
    assert_int_equal(value_get_int(root, "s", -1), -1);
    assert_string_equal(value_get_string(root, "n", "-"), "-");
    assert_true(value_get_bool(root, "n", true));
    assert_null(value_get(root, "s.x"));
    assert_null(value_get(root, "l.x"));
    assert_int_equal(value_count(value_get(root, "n")), 0);
    assert_null(value_get(NULL, "x"));
    assert_null(document_root(NULL));
    document_free(d);
}

static void members_come_in_order_and_write_back(void **state)
{
    struct document *d = parse("{\"z\":1,\"a\":[true,null],\"m\":{\"k\":\"\xc3\xa4\"}}");
    struct buf out = BUF_INIT(0), names = BUF_INIT(0);
    const char *name;
    const struct value *value;
    for (void *i = NULL; value_next(document_root(d), &i, &name, &value);)
        buf_puts(&names, name);
    assert_string_equal(names.data, "zam");
    value_write(document_root(d), 0, &out);
    assert_string_equal(out.data, "{\"z\":1,\"a\":[true,null],\"m\":{\"k\":\"\xc3\xa4\"}}");
    buf_done(&out);
    buf_done(&names);
    document_free(d);
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const bad[] = {"",    "{",        "{\"a\":1,\"a\":2}", "nul",
                                      "{}x", "\"\xff\"", "\"a\\u0000b\""};
    static char deep[8192];
    struct document *d = NULL;
    struct vdi_error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(document_parse(bad[i], strlen(bad[i]), &d, &err), -EBADMSG);
    memset(deep, '[', sizeof(deep));
    assert_int_equal(document_parse(deep, sizeof(deep), &d, &err), -EBADMSG);
    assert_int_equal(document_parse("", DOCUMENT_MAX + 1, &d, &err), -EFBIG);
    assert_null(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_path),
        cmocka_unit_test(another_type_is_as_absent),
        cmocka_unit_test(members_come_in_order_and_write_back),
        cmocka_unit_test(what_is_no_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
