/* SPDX-License-Identifier: Apache-2.0 */
/* test_token.c - a token is issued once, may be revoked, and ends */
#include <model/token.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct token *step(const struct token *old, struct token_event event)
{
    struct token copy = old ? *old : (struct token){0}, *now = NULL;

    assert_int_equal(token_apply(old, "jti-1", &event, &now, NULL), 0);
    assert_int_equal(now->refs, 1);
    assert_string_equal(now->id, "jti-1");
    if (old)
        assert_memory_equal(old, &copy, sizeof(copy));
    return now;
}

static void refused(const struct token *old, enum token_event_type type, int code)
{
    struct token_event event = {.type = type, .time_usec = 1};
    struct token *now = NULL;
    struct vdi_error err = {0};

    assert_int_equal(token_apply(old, "jti-1", &event, &now, &err), -code);
    assert_null(now);
    assert_true(err.detail[0]);
}

static void life_of_a_token(void **state)
{
    struct token_event issue = {.type = TOKEN_EVENT_ISSUE,
                                .time_usec = 5,
                                .expire_usec = 50,
                                .owner = "unix:ada",
                                .scope = "jobs:read",
                                .by = "unix:root"};
    struct token *issued = step(NULL, issue), *revoked, *again, *expired, *late;

    assert_true(issued->issue_usec == 5 && issued->expire_usec == 50);
    assert_string_equal(issued->owner, "unix:ada");
    assert_string_equal(issued->scope, "jobs:read");
    assert_false(issued->revoked || issued->ended);
    refused(issued, TOKEN_EVENT_ISSUE, EEXIST);
    revoked = step(issued, (struct token_event){.type = TOKEN_EVENT_REVOKE, .time_usec = 6});
    assert_true(revoked->revoked && !revoked->ended);
    assert_true(revoked->expire_usec == 50); /* its id is remembered so long */
    again = step(revoked, (struct token_event){.type = TOKEN_EVENT_REVOKE, .time_usec = 7});
    expired = step(again, (struct token_event){.type = TOKEN_EVENT_EXPIRE, .time_usec = 51});
    assert_true(expired->ended && expired->revoked); /* an end does not make it good again */
    late = step(issued, (struct token_event){.type = TOKEN_EVENT_EXPIRE, .time_usec = 51});
    assert_true(late->ended && !late->revoked);
    for (int i = 0; i < TOKEN_N_EVENTS; i++)
        refused(expired, i, i == TOKEN_EVENT_ISSUE ? EEXIST : EPROTO);
    token_unref(token_ref(issued));
    token_unref(issued);
    token_unref(revoked);
    token_unref(again);
    token_unref(expired);
    token_unref(late);
    token_unref(NULL);
}

static void nothing_before_the_issue(void **state)
{
    refused(NULL, TOKEN_EVENT_REVOKE, ENOENT);
    refused(NULL, TOKEN_EVENT_EXPIRE, ENOENT);
    refused(NULL, TOKEN_N_EVENTS, ENOENT);
}

static void names(void **state)
{
    for (int i = 0; i < TOKEN_N_EVENTS; i++)
        assert_int_equal(token_event_from(token_event_name(i)), i);
    assert_int_equal(token_event_from("none"), -1);
    assert_string_equal(token_event_name((enum token_event_type)77), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life_of_a_token),
        cmocka_unit_test(nothing_before_the_issue),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
