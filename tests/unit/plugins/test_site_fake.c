/* SPDX-License-Identifier: Apache-2.0 */
/* test_site_fake.c - nothing is started twice, and a restart changes nothing */
#include "tests/unit/plugins/site_fixture.h"

static void ready_at_once_but_not_inside_start(void **state)
{
    struct fixture f = {0};

    setup(&f, "0", "0", false);
    assert_int_equal(f.host.warnings, 1); /* that it starts nothing */
    assert_int_equal(start(&f, 7, 1, 1, NULL).result, 0);
    assert_int_equal(f.host.n_heard, 0);
    run_for(&f, 1);
    assert_int_equal(f.host.n_heard, 1);
    assert_string_equal(f.host.heard[0].what, "ready");
    assert_int_equal(f.host.heard[0].id.id, 7);
    assert_int_equal(f.host.heard[0].id.generation, 1);
    run_for(&f, 100000000);
    assert_int_equal(f.host.n_heard, 1); /* a desktop stays until it is stopped */
    assert_string_equal(state_of(&f, 7, 1), "ready");
    teardown(&f);
}

static void boots_runs_and_ends(void **state)
{
    struct fixture f = {0};

    setup(&f, "500", "2000", false);
    start(&f, 1, 1, 1, "sleep 2");
    assert_string_equal(state_of(&f, 1, 1), "building");
    run_for(&f, 499);
    assert_int_equal(f.host.n_heard, 0);
    run_for(&f, 1);
    assert_string_equal(state_of(&f, 1, 1), "ready");
    run_for(&f, 1999);
    assert_int_equal(f.host.n_heard, 1);
    run_for(&f, 1);
    assert_int_equal(f.host.n_heard, 2);
    assert_string_equal(f.host.heard[1].what, "exited");
    assert_string_equal(f.host.heard[1].json,
                        "{\"state\":\"ready\",\"exited\":true,\"exit_code\":0,"
                        "\"exit_signal\":0}");
    assert_true(f.host.heard[1].at_usec == T0 + 2500 * USEC_PER_MSEC);
    assert_string_equal(state_of(&f, 1, 1), "exited"); /* until it is stopped */
    assert_int_equal(ORDER(&f, signal, ID(1, 1), "n1", 9).result, -ESRCH);
    assert_int_equal(ORDER(&f, stop, ID(1, 1), "n1", 0).result, 0);
    assert_string_equal(state_of(&f, 1, 1), strerror(ENOENT));
    teardown(&f);
}

static void script_decides(void **state)
{
    struct fixture f = {0};

    setup(&f, "10", "0", false);
    start(&f, 1, 1, 1, "#FAKE exit=3 after_ms=200");
    start(&f, 2, 1, 1, "#FAKE signal=9");
    start(&f, 3, 1, 1, "#FAKE crash after_ms=50");
    start(&f, 4, 1, 1, "#FAKE noboot");
    start(&f, 5, 1, 1, "# no word for the site");
    start(&f, 6, 1, 1, "echo\\n#FAKE exit=4"); /* the third line */
    run_for(&f, 1000000);
    assert_string_equal(state_of(&f, 4, 1), "building");
    assert_string_equal(state_of(&f, 5, 1), "ready");
    assert_string_equal(state_of(&f, 6, 1), "ready");
    int seen = 0;
    for (size_t i = 0; i < f.host.n_heard; i++) {
        const struct heard *h = &f.host.heard[i];

        if (!strcmp(h->what, "ready"))
            continue;
        assert_string_equal(h->what, h->id.id == 3 ? "gone" : "exited");
        seen++;
        if (h->id.id == 1) {
            assert_int_equal(number(h->json, "exit_code"), 3);
            assert_true(h->at_usec == T0 + 210 * USEC_PER_MSEC);
        } else if (h->id.id == 2) {
            assert_int_equal(number(h->json, "exit_signal"), 9);
            assert_true(h->at_usec == T0 + 10 * USEC_PER_MSEC);
        } else {
            assert_int_equal(h->id.id, 3);
            assert_non_null(strstr(h->json, "\"failed\":true"));
            assert_null(strstr(h->json, "exited"));
        }
    }
    assert_int_equal(seen, 3);
    teardown(&f);
}

/* A test whose #FAKE line has a slip of the pen must not pass. */
static void bad_lines_are_refused(void **state)
{
    static const char *const bad[] = {
        "#FAKE exit=256",
        "#FAKE exit=-1",
        "#FAKE exit=",
        "#FAKE exit=1x",
        "#FAKE signal=0",
        "#FAKE signal=65",
        "#FAKE after_ms=99999999999999999999",
        "#FAKE crsh",
        "#FAKEexit",
        "#FAKE exit=1 2",
    };
    struct fixture f = {0};
    char line[300] = "#FAKE exit=1";

    setup(&f, "0", "0", false);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vdi_op op = start(&f, i + 1, 1, 1, bad[i]);

        if (op.result != -EINVAL)
            fail_msg("'%s': %d", bad[i], op.result);
        assert_string_equal(op.err.field, "script");
        assert_string_equal(state_of(&f, i + 1, 1), strerror(ENOENT));
    }
    memset(line + strlen(line), ' ', 250);
    assert_int_equal(start(&f, 99, 1, 1, line).result, -EINVAL);
    struct vdi_instance_spec spec = {.id = {50, 1}, .node = "n1", .spec_json = "[1]"};
    assert_int_equal(start_spec(&f, &spec).result, -EINVAL);
    spec.spec_json = "{}";
    spec.node = "n1 start\n51 1 n1";
    assert_int_equal(start_spec(&f, &spec).result, -EINVAL);
    run_for(&f, 1000);
    assert_int_equal(f.host.n_heard, 0);
    teardown(&f);
}

static void once_per_id_and_generation(void **state)
{
    struct fixture f = {0};

    setup(&f, "100", "0", true);
    assert_int_equal(start(&f, 1, 2, 5, NULL).result, 0);
    run_for(&f, 60);
    assert_int_equal(start(&f, 1, 2, 5, NULL).result, 0); /* repeated: nothing new */
    run_for(&f, 40);
    assert_string_equal(state_of(&f, 1, 2), "ready"); /* and it did not boot anew */
    assert_int_equal(journal_lines(&f, "1 2 n1 start"), 1);
    assert_int_equal(start(&f, 1, 1, 5, NULL).result, -ESTALE);
    assert_int_equal(start(&f, 2, 1, 4, NULL).result, -ESTALE); /* an older leader's */
    assert_int_equal(start(&f, 1, 2, 4, NULL).result, -ESTALE);
    assert_int_equal(start(&f, 2, 1, 6, NULL).result, 0);
    assert_int_equal(start(&f, 3, 1, 5, NULL).result, -ESTALE);
    assert_int_equal(start(&f, 1, 3, 6, NULL).result, 0); /* takes the place of .2 */
    assert_int_equal(journal_lines(&f, "1 2 n1 stop"), 1);
    assert_string_equal(state_of(&f, 1, 2), strerror(ESTALE));
    assert_int_equal(ORDER(&f, stop, ID(1, 2), "n1", 0).result, 0);
    assert_string_equal(state_of(&f, 1, 3), "building"); /* the stop was not for it */
    assert_int_equal(ORDER(&f, stop, ID(1, 3), "n1", 0).result, 0);
    assert_int_equal(ORDER(&f, stop, ID(1, 3), "n1", 0).result, 0);
    assert_int_equal(journal_lines(&f, "1 3 n1 stop"), 1);
    assert_int_equal(start(&f, 1, 3, 6, NULL).result, -ESTALE); /* a late double */
    assert_int_equal(ORDER(&f, stop, ID(77, 1), "n1", 0).result, 0);
    teardown(&f);
}

static void suspend_stops_the_clock(void **state)
{
    struct fixture f = {0};

    setup(&f, "0", "1000", true);
    start(&f, 1, 1, 1, "true");
    assert_int_equal(ORDER(&f, suspend, ID(1, 1), "n1", "shelve").result, -EINVAL);
    run_for(&f, 400);
    assert_int_equal(ORDER(&f, suspend, ID(1, 1), "n1", "save").result, 0);
    assert_int_equal(ORDER(&f, suspend, ID(1, 1), "n1", "save").result, 0);
    assert_string_equal(state_of(&f, 1, 1), "saved");
    assert_int_equal(ORDER(&f, signal, ID(1, 1), "n1", 9).result, -EAGAIN);
    run_for(&f, 5000);
    ops->done(f.site); /* saved over a restart */
    setup(&f, "0", "1000", true);
    assert_string_equal(state_of(&f, 1, 1), "saved");
    assert_int_equal(ORDER(&f, resume, ID(1, 1), "n1").result, 0);
    assert_int_equal(ORDER(&f, resume, ID(1, 1), "n1").result, 0);
    run_for(&f, 599);
    assert_string_equal(state_of(&f, 1, 1), "ready");
    run_for(&f, 1);
    assert_string_equal(state_of(&f, 1, 1), "exited");
    assert_int_equal(ORDER(&f, resume, ID(1, 1), "n1").result, 0);
    assert_int_equal(f.host.n_heard, 2);
    teardown(&f);
}

static void signals_messages_and_reboots(void **state)
{
    struct fixture f = {0};

    setup(&f, "100", "0", false);
    start(&f, 1, 1, 1, "true");
    start(&f, 2, 1, 1, NULL);
    assert_int_equal(ORDER(&f, message, ID(1, 1), "n1", "5 minutes left").result, -EAGAIN);
    run_for(&f, 100);
    assert_int_equal(ORDER(&f, message, ID(1, 1), "n1", "5 minutes left").result, 0);
    assert_non_null(strstr(f.host.last_log, "5 minutes left"));
    assert_int_equal(ORDER(&f, signal, ID(2, 1), "n1", 15).result, -ESRCH);
    assert_int_equal(ORDER(&f, signal, ID(1, 1), "n1", 0).result, -EINVAL);
    assert_int_equal(ORDER(&f, signal, ID(1, 1), "n1", 65).result, -EINVAL);
    assert_int_equal(ORDER(&f, signal, ID(1, 1), "n1", 18).result, 0); /* SIGCONT */
    assert_string_equal(state_of(&f, 1, 1), "ready");
    assert_int_equal(ORDER(&f, reboot, ID(1, 1), "n1").result, 0);
    assert_string_equal(state_of(&f, 1, 1), "building");
    run_for(&f, 100);
    assert_int_equal(f.host.n_heard, 3); /* ready, ready, ready again */
    assert_int_equal(ORDER(&f, signal, ID(1, 1), "n1", 15).result, 0);
    assert_int_equal(f.host.n_heard, 3);
    run_for(&f, 1);
    assert_int_equal(f.host.n_heard, 4);
    assert_int_equal(number(f.host.heard[3].json, "exit_signal"), 15);
    assert_int_equal(number(ORDER(&f, capacity).json, "instances"), 2);
    assert_null(ops->connection);
    teardown(&f);
}

/* A piece as the controller asks for it: its bytes in text. */
static json_t *piece(struct fixture *f, uint64_t id, const char *stream, uint64_t from,
                     uint32_t max)
{
    struct vdi_op op = ORDER(f, output, ID(id, 1), "n1", stream, from, max);

    return op.result < 0 ? NULL : json_loads(op.json, 0, NULL);
}

static void is_piece(struct fixture *f, const char *stream, uint64_t from, uint32_t max,
                     const char *base64, int size, bool ended)
{
    json_t *p = piece(f, 1, stream, from, max);

    assert_string_equal(json_string_value(json_object_get(p, "data")), base64);
    assert_int_equal(json_integer_value(json_object_get(p, "size")), size);
    assert_int_equal(json_is_true(json_object_get(p, "ended")), ended);
    json_decref(p);
}

/* "a\nbc\n" and "e\n" */
#define ECHOES                                                                                     \
    "#FAKE every_ms=100 after_ms=150\\necho a\\n  echo \\\"b$C\\\"\\necho 'e' >&2\\nsleep 1\\necho no"

static void echoes_are_output(void **state)
{
    struct fixture f = {0};
    struct vdi_instance_spec spec = {.id = {1, 1}, .epoch = 1, .node = "n1"};

    setup(&f, "10", "0", true);
    spec.spec_json = "{\"job\":{\"kind\":\"batch\"},\"env\":[\"C=c\"],\"payload\":{\"script\":"
                     "\"#!/bin/sh\\n" ECHOES "\\n\"}}";
    assert_int_equal(start_spec(&f, &spec).result, 0);
    is_piece(&f, "out", 0, 100, "", 0, false); /* it boots */
    run_for(&f, 10);
    is_piece(&f, "out", 0, 100, "YQo=", 2, false);
    run_for(&f, 100);
    is_piece(&f, "out", 0, 100, "YQpiYwo=", 5, false);
    is_piece(&f, "out", 1, 3, "CmJj", 5, false);
    is_piece(&f, "out", 9, 3, "", 5, false);
    is_piece(&f, "err", 0, 100, "ZQo=", 2, false);
    run_for(&f, 1000); /* it ended before the last line was due */
    is_piece(&f, "out", 0, 100, "YQpiYwo=", 5, true);
    ops->done(f.site);
    setup(&f, "10", "0", true); /* the instance and what it wrote outlive the controller */
    is_piece(&f, "out", 2, 100, "YmMK", 5, true);
    assert_int_equal(ORDER(&f, stop, ID(1, 1), "n1", 0).result, 0);
    is_piece(&f, "out", 0, 100, "YQpiYwo=", 5, true);
    ops->done(f.site);
    setup(&f, "10", "0", true);
    is_piece(&f, "out", 0, 100, "YQpiYwo=", 5, true);
    is_piece(&f, "err", 0, 100, "ZQo=", 2, true);
    assert_null(piece(&f, 2, "out", 0, 100));
    teardown(&f);
}

static void boots_leave_a_log(void **state)
{
    struct fixture f = {0};
    struct vdi_op op;

    setup(&f, "10", "0", false);
    start(&f, 1, 1, 1, "#FAKE noboot");
    op = ORDER(&f, log, ID(1, 1), "n1");
    assert_non_null(strstr(op.json, "\"failed_stage\":\"boot\""));
    assert_non_null(strstr(op.json, "fake console of instance 1.1"));
    assert_int_equal(ORDER(&f, log, ID(1, 2), "n1").result, -ENOENT);
    teardown(&f);
}

static void host_may_stop_inside_an_event(void **state)
{
    struct fixture f = {0};

    setup(&f, "5", "5", false);
    f.host.stop_on_ready = f.site;
    start(&f, 1, 1, 1, "true");
    run_for(&f, 100);
    assert_int_equal(f.host.n_heard, 1);
    assert_int_equal(f.host.n_watches, 0);
    assert_string_equal(state_of(&f, 1, 1), strerror(ENOENT));
    teardown(&f);
}

/* What a SIGKILL of the controller leaves behind is all there is: done() writes nothing. */
static void instances_outlive_the_controller(void **state)
{
    struct fixture f = {0};

    setup(&f, "1000", "5000", true);
    start(&f, 1, 1, 9, "true");
    start(&f, 2, 1, 9, "#FAKE exit=7 after_ms=500");
    start(&f, 3, 1, 9, NULL);
    start(&f, 4, 1, 9, NULL);
    assert_int_equal(ORDER(&f, stop, ID(4, 1), "n1", 0).result, 0);
    run_for(&f, 600);
    ops->done(f.site);
    assert_int_equal(f.host.n_watches, 0);
    run_for(&f, 1000); /* while nobody looks, 2 becomes ready and ends */
    setup(&f, "1000", "5000", true);
    assert_string_equal(state_of(&f, 1, 1), "ready");
    assert_string_equal(state_of(&f, 3, 1), "ready");
    assert_string_equal(state_of(&f, 4, 1), strerror(ENOENT));
    struct vdi_op op = ORDER(&f, poll, ID(2, 1), "n1");
    assert_int_equal(number(op.json, "exit_code"), 7);
    assert_int_equal(start(&f, 1, 1, 9, "true").result, 0);
    assert_int_equal(journal_lines(&f, "1 1 n1 start"), 1);
    assert_int_equal(start(&f, 5, 1, 8, NULL).result, -ESTALE); /* the epoch is kept too */
    assert_int_equal(f.host.n_heard, 0);
    run_for(&f, 4399);
    assert_int_equal(f.host.n_heard, 0);
    run_for(&f, 1);
    assert_int_equal(f.host.n_heard, 1);
    assert_true(f.host.heard[0].at_usec == T0 + 6000 * USEC_PER_MSEC);
    teardown(&f);
}

static void write_at(const struct fixture *f, const char *name, const char *text)
{
    char path[120];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Killed between file and journal, and files that no one of ours wrote. */
static void half_done_work_is_made_good(void **state)
{
    struct fixture f = {0};
    char path[120];

    setup(&f, "0", "0", true);
    start(&f, 1, 1, 1, NULL);
    start(&f, 2, 1, 1, NULL);
    ops->done(f.site);
    write_at(&f, "journal", "1 1 n1 start\n2 1 n1 start\n1 1 n1 stop\n9 9");
    write_at(&f, "3.json", "{\"id\":4}");
    write_at(&f, "5.json", "");
    write_at(&f, "x.json", "{}");
    setup(&f, "0", "0", true);
    assert_int_equal(f.host.warnings, 4); /* twice that it runs nothing, two bad files */
    assert_string_equal(state_of(&f, 1, 1), strerror(ENOENT));
    snprintf(path, sizeof(path), "%s/1.json", f.dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_string_equal(state_of(&f, 2, 1), "ready");
    assert_int_equal(number(ORDER(&f, capacity).json, "instances"), 1);
    ops->done(f.site);
    write_at(&f, "journal", "");
    setup(&f, "0", "0", true);
    assert_int_equal(journal_lines(&f, "2 1 n1 start"), 1);
    teardown(&f);
}

/* Its directory is taken away: not a right that root would have all the same. */
static void starts_that_cannot_be_kept_are_refused(void **state)
{
    struct fixture f = {0};
    char path[120];

    setup(&f, "0", "0", true);
    assert_int_equal(start(&f, 1, 1, 1, NULL).result, 0);
    snprintf(path, sizeof(path), "rm -rf '%s'", f.dir);
    assert_int_equal(system(path), 0);
    assert_int_equal(start(&f, 2, 1, 1, NULL).result, -ENOENT);
    assert_string_equal(state_of(&f, 2, 1), strerror(ENOENT));
    assert_int_equal(number(ORDER(&f, capacity).json, "instances"), 1);
    teardown(&f);
}

static void a_share_of_starts_fails(void **state)
{
    struct fixture f = {.host.loop = loop_new_virtual(T0)};
    struct vdi_setting_value settings[] = {{"fail_start", "25"}};
    int failed = 0;

    f.site = site_new(&f.host, settings, 1);
    for (uint64_t id = 1; id <= 4000; id++) {
        int r = start(&f, id, 1, 1, NULL).result;

        assert_true(r == 0 || r == -EIO);
        assert_int_equal(start(&f, id, 1, 1, NULL).result, r); /* the same again */
        failed += r < 0;
    }
    assert_in_range(failed, 900, 1100);
    teardown(&f);
}

static void settings_are_checked(void **state)
{
    static const struct vdi_setting_value bad[] = {
        {"boot_ms", "-1"},
        {"boot_ms", ""},
        {"boot_ms", "1s"},
        {"run_ms", "99999999999999999999"},
        {"fail_start", "101"},
        {"bind_ms", "x"},
        {"fail_bind", "-1"},
        {"colour", "red"},
        {"state_dir", "/dev/null/x"},
        {"state_dir", "/dev/null"},
    };
    struct vdi_host host = {.loop = loop_new_virtual(T0)};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vdi_error err = {0};
        void *site = NULL;

        if (ops->init(&site, &host, &api, &bad[i], 1, &err) >= 0)
            fail_msg("%s = '%s' was taken", bad[i].name, bad[i].value);
        assert_string_equal(err.field, bad[i].name);
        assert_true(err.detail[0]);
        assert_null(site);
    }
    loop_free(host.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_at_once_but_not_inside_start),
        cmocka_unit_test(boots_runs_and_ends),
        cmocka_unit_test(script_decides),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(once_per_id_and_generation),
        cmocka_unit_test(suspend_stops_the_clock),
        cmocka_unit_test(signals_messages_and_reboots),
        cmocka_unit_test(echoes_are_output),
        cmocka_unit_test(boots_leave_a_log),
        cmocka_unit_test(host_may_stop_inside_an_event),
        cmocka_unit_test(instances_outlive_the_controller),
        cmocka_unit_test(half_done_work_is_made_good),
        cmocka_unit_test(starts_that_cannot_be_kept_are_refused),
        cmocka_unit_test(a_share_of_starts_fails),
        cmocka_unit_test(settings_are_checked),
    };

    ops = vdi_plugin.ops;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
