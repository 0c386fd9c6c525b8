/* SPDX-License-Identifier: Apache-2.0 */
/* test_kept.c - records read without a tree: what counts, what is passed over, what is refused. */
#include <codec/kept.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/word.h>

struct outer {
    uint32_t number;
    bool flag;
    char fixed[8];
    int64_t when;
};

struct inner {
    const char *word;
    uint32_t number;
    unsigned char digest[2];
};

#define OUTER(m) offsetof(struct outer, m), sizeof(((struct outer *)0)->m)
#define INNER(m) offsetof(struct inner, m), sizeof(((struct inner *)0)->m)

static const struct field outer_fields[] = {
    {"number", FIELD_U32, OUTER(number), FIELD_KEEP, 1, 5, NULL, ""},
    {"flag", FIELD_BOOL, OUTER(flag), FIELD_KEEP, 0, 0, NULL, ""},
    {"fixed", FIELD_FIXED, OUTER(fixed), FIELD_KEEP, 0, 0, NULL, ""},
    {"when", FIELD_TIME, OUTER(when), FIELD_KEEP, 0, 0, NULL, ""},
    {"shown", FIELD_U32, OUTER(number), FIELD_SHOW, 0, 9, NULL, ""},
    {.type = FIELD_END},
};

static const struct field inner_fields[] = {
    {"word", FIELD_WORD, INNER(word), FIELD_KEEP, 0, 4, NULL, ""},
    {"number", FIELD_U32, INNER(number), FIELD_KEEP, 0, 9, NULL, ""},
    {"digest", FIELD_DIGEST, INNER(digest), FIELD_KEEP, 0, 0, NULL, ""},
    {.type = FIELD_END},
};

static struct outer outer;
static struct inner inner;
static bool inner_found;

static int read_text(const char *json, struct vdi_error *err)
{
    struct kept_object objects[] = {
        {.fields = outer_fields, .base = &outer},
        {.name = "spec", .fields = inner_fields, .base = &inner},
    };
    int r;

    word_unref(inner.word);
    memset(&outer, 0, sizeof(outer));
    memset(&inner, 0, sizeof(inner));
    r = kept_read(objects, 2, json, strlen(json), err);
    inner_found = objects[1].found;
    return r;
}

static void values_go_to_their_members(void **state)
{
    assert_int_equal(read_text("{\"number\":7,\"flag\":true,\"fixed\":\"a\\u00e4\\n\","
                               "\"when\":\"1970-01-01T00:00:01Z\",\"spec\":{\"word\":\"long word\","
                               "\"number\":3,\"digest\":\"0aFF\"}}",
                               NULL),
                     0);
    assert_int_equal(outer.number, 7); /* a limit for requests does not hold */
    assert_true(outer.flag);
    assert_string_equal(outer.fixed, "a\xc3\xa4\n");
    assert_int_equal(outer.when, 1000000);
    assert_true(inner_found);
    assert_string_equal(inner.word, "long word");
    assert_int_equal(inner.number, 3);
    assert_memory_equal(inner.digest, "\x0a\xff", 2);
    assert_int_equal(read_text(" {\"when\":null} ", NULL), 0); /* in any order, or not there */
    assert_false(inner_found);
}

static void the_unknown_is_passed_over(void **state)
{
    assert_int_equal(
        read_text("{\"new\":{\"number\":1,\"spec\":{\"number\":1},\"l\":[{\"flag\":1}]},"
                  "\"shown\":6,\"list\":[\"number\",[1.5,null,\"\\u0001\"]],"
                  "\"spec\":{\"new\":{\"word\":\"x\"},\"l\":[{}],\"number\":8},"
                  "\"number\":2,\"new\":1,\"new\":2}",
                  NULL),
        0);
    assert_int_equal(outer.number, 2);
    assert_false(outer.flag);
    assert_int_equal(inner.number, 8);
    assert_null(inner.word);
}

static void the_rest_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "{}{}",
        "{} x",
        "[]",
        "[{}]",
        "7",
        "\"number\"",
        "null",
        "{\"number\":1,}",
        "{\"number\":1 \"flag\":true}",
        "{'number':1}",
        "{\"number\":1,\"number\":1}",
        "{\"spec\":{},\"spec\":{}}",
        "{\"spec\":{\"word\":\"a\",\"number\":1,\"word\":\"b\"}}",
        "{\"number\":-1}",
        "{\"number\":4294967296}",
        "{\"number\":99999999999999999999}",
        "{\"number\":1.0}",
        "{\"number\":1e3}",
        "{\"number\":\"1\"}",
        "{\"number\":null}",
        "{\"number\":[1]}",
        "{\"number\":{}}",
        "{\"flag\":1}",
        "{\"fixed\":true}",
        "{\"fixed\":\"a\\u0000b\"}",
        "{\"fixed\":\"\xff\"}",
        "{\"when\":\"yesterday\"}",
        "{\"spec\":1}",
        "{\"spec\":[]}",
        "{\"spec\":null}",
        "{\"spec\":{\"digest\":\"0a\"}}",
        "{\"spec\":{\"digest\":\"0a0g\"}}",
        "{\"spec\":{\"digest\":\"0a0b0c\"}}",
        "{\"number\":1}/* remark */",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct vdi_error err = {0};

        if (read_text(texts[i], &err) >= 0)
            fail_msg("taken: %s", texts[i]);
        assert_true(err.code > 0 && *err.detail);
    }
}

static void depth_is_bounded(void **state)
{
    char text[4 * KEPT_DEPTH_MAX + 16] = "{\"a\":";
    size_t n = strlen(text);

    for (unsigned i = 1; i < KEPT_DEPTH_MAX; i++)
        text[n++] = '[';
    for (unsigned i = 1; i < KEPT_DEPTH_MAX; i++)
        text[n++] = ']';
    strcpy(text + n, "}");
    assert_int_equal(read_text(text, NULL), 0);
    memmove(text + 6, text + 5, n - 4);
    text[5] = '[';
    strcpy(text + n + 1, "]}");
    assert_true(read_text(text, NULL) < 0);
}

static int give_word_back(void **state)
{
    word_unref(inner.word);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_to_their_members),
        cmocka_unit_test(the_unknown_is_passed_over),
        cmocka_unit_test(the_rest_is_refused),
        cmocka_unit_test(depth_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, give_word_back);
}
