/* SPDX-License-Identifier: Apache-2.0 */
/* test_notice.c - types, what an event means to whom, addresses, and a notice's few states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "model/notice.h"

static uint32_t bits(const char *text)
{
    uint32_t types = 0;

    assert_int_equal(notice_types_parse(text, &types, NULL), 0);
    return types;
}

static void test_types(void **state)
{
    static const char *const bad[] = {
        "WHENEVER",       "END,",        "ARRAY_TASK", "BEGIN,STAGE_OUT",
        "INVALID_DEPEND", "SAVED_STATE", "END END",    "ENDE"};
    char text[NOTICE_TYPES_TEXT_MAX];
    struct vdi_error err = {0};
    uint32_t types;

    notice_types_write(bits("fail,begin,TIME_LIMIT_50"), text);
    assert_string_equal(text, "BEGIN,FAIL,TIME_LIMIT_50");
    notice_types_write(bits("ALL"), text);
    assert_string_equal(text, "BEGIN,END,FAIL,REQUEUE");
    notice_types_write(bits("ALL,TIME_LIMIT,TIME_LIMIT_90,TIME_LIMIT_80,TIME_LIMIT_50"), text);
    assert_int_equal(bits(text), 0xff); /* all fit into one text */
    assert_int_equal(bits("BEGIN,NONE"), 0);
    assert_int_equal(bits(""), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (i == 1)
            continue; /* a comma at the end is forgiven, as Slurm does */
        err = (struct vdi_error){0};
        assert_int_equal(notice_types_parse(bad[i], &types, &err), -EINVAL);
        assert_string_equal(err.field, "mail_type");
        assert_true(err.remedy[0] != '\0');
    }
}

static void test_addresses(void **state)
{
    static const char *const good[] = {"ann", "ann.b_c+d-e@cs.example.org", "a@b"};
    static const char *const bad[] = {"",       "-oQ/tmp",  "a b",       "a@",    "@b",    "a@@b",
                                      "a\nb",   "a@b\r\nX", "\"a\"",     "a,b",   "a@-b",  "a..b",
                                      ".a@b",   "a.@b",     "a@b.",      "<a@b>", "a@b_c", "a@b c",
                                      "a;id@b", "a|b",      "\xc3\xa4@b"};
    char longest[NOTICE_ADDRESS_MAX + 2];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(notice_is_address(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(notice_is_address(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[1] = '@';
    longest[NOTICE_ADDRESS_MAX + 1] = '\0';
    assert_false(notice_is_address(longest));
    longest[NOTICE_ADDRESS_MAX] = '\0';
    assert_true(notice_is_address(longest));
}

static void test_what_an_event_means(void **state)
{
    struct job_spec *spec = job_spec_new();
    struct job old = {.state = JOB_RUNNING, .spec = spec};
    struct job now = {.state = JOB_FAILED, .spec = spec};
    struct job_event event = {.type = JOB_EVENT_END};

    assert_int_equal(notice_of(0, &old, &now, &event), -1);
    assert_int_equal(notice_of(bits("END"), &old, &now, &event), NOTICE_END);
    assert_int_equal(notice_of(bits("END,FAIL"), &old, &now, &event), NOTICE_FAIL);
    assert_int_equal(notice_of(bits("BEGIN"), &old, &now, &event), -1);
    now.state = JOB_CANCELLED;
    assert_int_equal(notice_of(bits("FAIL"), &old, &now, &event), -1);
    assert_int_equal(notice_of(bits("FAIL,END"), &old, &now, &event), NOTICE_END);
    event.type = JOB_EVENT_START;
    assert_int_equal(notice_of(bits("ALL"), &old, &now, &event), NOTICE_BEGIN);
    event.type = JOB_EVENT_REQUEUE;
    assert_int_equal(notice_of(bits("ALL"), &old, &now, &event), NOTICE_REQUEUE);
    event.type = JOB_EVENT_NOTICE;
    assert_int_equal(notice_of(bits("BEGIN"), &old, &now, &event), NOTICE_SAVED);
    event = (struct job_event){.type = JOB_EVENT_FINISH, .final = JOB_TIMEOUT};
    assert_int_equal(notice_of(bits("TIME_LIMIT"), &old, &now, &event), NOTICE_TIME_LIMIT);
    assert_int_equal(notice_of(bits("ALL"), &old, &now, &event), -1);
    event.idle = JOB_IDLE_END; /* that was not its limit */
    assert_int_equal(notice_of(bits("TIME_LIMIT"), &old, &now, &event), -1);
    event.idle = JOB_IDLE_NONE;
    event.final = JOB_FAILED;
    assert_int_equal(notice_of(bits("TIME_LIMIT"), &old, &now, &event), -1);
    event = (struct job_event){.type = JOB_EVENT_NOTE, .percent = 80};
    assert_int_equal(notice_of(bits("TIME_LIMIT_80"), &old, &now, &event), NOTICE_TIME_LIMIT_80);
    assert_int_equal(notice_of(bits("TIME_LIMIT_90"), &old, &now, &event), -1);
    event.percent = 0;
    assert_int_equal(notice_of(bits("ALL,TIME_LIMIT_80"), &old, &now, &event), -1);
    job_spec_unref(spec);
}

static void test_shares_of_the_limit(void **state)
{
    struct job_spec *spec = job_spec_new();
    struct job job = {.state = JOB_RUNNING, .spec = spec, .start_usec = 1000000};
    int64_t at = 0;

    spec->time_limit_sec = 100;
    assert_int_equal(notice_percent(&job, 0, &at), 0);
    assert_int_equal(job_spec_set(&spec->mail_type, "TIME_LIMIT_90,TIME_LIMIT_50"), 0);
    assert_int_equal(notice_percent(&job, 0, &at), 50);
    assert_int_equal(at, 51000000);
    assert_int_equal(notice_percent(&job, 60000000, &at), 50);
    assert_int_equal(notice_percent(&job, 95000000, &at), 90); /* of both the one that counts */
    assert_int_equal(at, 91000000);
    job.limit_told = 50;
    assert_int_equal(notice_percent(&job, 0, &at), 90);
    job.limit_told = 90;
    assert_int_equal(notice_percent(&job, 0, &at), 0);
    job.limit_told = 0;
    job.state = JOB_SUSPENDED;
    assert_int_equal(notice_percent(&job, 0, &at), 0);
    job_spec_unref(spec);
}

static void test_states(void **state)
{
    struct notice_event event = {.type = NOTICE_EVENT_OWE, .time_usec = 5, .ways = 3};
    struct notice *owed = NULL, *half = NULL, *done = NULL, *none = NULL;

    event.facts.job = 7;
    assert_int_equal(notice_apply(NULL, "7.END.5", &event, &owed, NULL), 0);
    assert_int_equal(owed->owed, 3);
    assert_int_equal(owed->facts.job, 7);
    assert_int_equal(notice_apply(owed, "7.END.5", &event, &none, NULL), -EEXIST);
    event = (struct notice_event){.type = NOTICE_EVENT_SEND, .time_usec = 6, .ways = NOTICE_MAIL};
    assert_int_equal(notice_apply(NULL, "7.END.5", &event, &none, NULL), -ENOENT);
    assert_int_equal(notice_apply(owed, "7.END.5", &event, &half, NULL), 0);
    assert_int_equal(half->owed, NOTICE_WEBHOOK);
    assert_int_equal(notice_apply(half, "7.END.5", &event, &none, NULL), -EPROTO);
    event =
        (struct notice_event){.type = NOTICE_EVENT_DROP, .time_usec = 7, .ways = NOTICE_WEBHOOK};
    assert_int_equal(notice_apply(half, "7.END.5", &event, &done, NULL), 0);
    assert_true(done->given_up && !done->owed && done->done_usec == 7);
    assert_null(none);
    notice_unref(owed);
    notice_unref(half);
    notice_unref(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_an_event_means),
        cmocka_unit_test(test_shares_of_the_limit),
        cmocka_unit_test(test_states),
    };
    return cmocka_run_group_tests_name("model/notice", tests, NULL, NULL);
}
