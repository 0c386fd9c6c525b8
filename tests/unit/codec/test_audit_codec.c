/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit_codec.c - the hash of a record, and records that come back as they were. */
#include <codec/audit_codec.h>

#include <base/str.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct audit_event record(void)
{
    struct audit_event e = {.time_usec = 1760000000123456,
                            .request = "node.update",
                            .by = "unix:anna",
                            .address = "unix",
                            .target = "gpu01",
                            .status = 200,
                            .count = 1,
                            .detail = "{\"state\":\"drain\"}"};

    audit_next(NULL, &e);
    audit_hash(&e, e.hash);
    return e;
}

/* Whoever wrote a checker of their own must not be told that everything is broken. */
static void hash_is_as_described(void **state)
{
    struct audit_event e = record();

    /* printf '1:1,64:000...,16:1760000000123456,11:node.update,9:unix:anna,4:unix,5:gpu01,3:200,'
     * '1:1,17:{"state":"drain"},' | sha256sum */
    assert_string_equal(e.hash, "4ae8d55c92caa3c6ca56ad849dee3d4e11062901e284bcd5b8faffef2237f696");
    assert_int_equal(e.number, 1);
}

static void every_member_counts(void **state)
{
    struct audit_event e = record();
    char *texts[] = {e.request, e.by, e.address, e.target, e.detail, e.prev};
    char hash[AUDIT_HASH_LEN + 1];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        texts[i][0] ^= 1;
        audit_hash(&e, hash);
        assert_string_not_equal(hash, e.hash);
        texts[i][0] ^= 1;
    }
    e.count++;
    audit_hash(&e, hash);
    assert_string_not_equal(hash, e.hash);
    /* What moves from one member to the next is another content. */
    e = record();
    str_copy(e.request, sizeof(e.request), "node.updateu");
    str_copy(e.by, sizeof(e.by), "nix:anna");
    audit_hash(&e, hash);
    assert_string_not_equal(hash, e.hash);
}

static void comes_back(void **state)
{
    struct audit_event e = record(), back;
    struct buf text = BUF_INIT(0);

    str_copy(e.detail, sizeof(e.detail), "\xc3\xa4 \xc3 \x01\n\"\\\xe2\x82");
    audit_clean(&e);
    assert_string_equal(e.detail, "\xc3\xa4 ? ??\"\\??");
    audit_hash(&e, e.hash);
    audit_event_encode(&e, &text);
    assert_int_equal(
        audit_event_decode("x", 0, AUDIT_EVENT_VERSION, text.data, text.len, &back, NULL), 0);
    audit_hash(&back, back.hash);
    assert_string_equal(back.hash, e.hash);
    buf_done(&text);
}

static void only_the_next_follows(void **state)
{
    struct audit_event first = record(), second = record();
    struct audit *head = NULL, *next = NULL;

    assert_int_equal(audit_apply(NULL, &first, &head, NULL), 0);
    assert_int_not_equal(audit_apply(head, &second, &next, NULL), 0);
    audit_next(head, &second);
    assert_int_equal(second.number, 2);
    assert_string_equal(second.prev, first.hash);
    assert_int_equal(audit_apply(head, &second, &next, NULL), 0);
    second.prev[0] ^= 1;
    assert_false(audit_follows(head, &second));
    audit_unref(next);
    audit_unref(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_as_described),
        cmocka_unit_test(every_member_counts),
        cmocka_unit_test(comes_back),
        cmocka_unit_test(only_the_next_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
