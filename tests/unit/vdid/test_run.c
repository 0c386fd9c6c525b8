/* SPDX-License-Identifier: Apache-2.0 */
/* test_run.c - what runs in an instance: ready, output and end, whatever ends or is restarted. */
#include "run_fixture.h"

#define SCRIPT "\"payload\":{\"script\":\"#!/bin/sh\\n\"}"

/* A script that runs. */
static void begin(const char *job)
{
    assert_int_equal(start("batch", job, "," SCRIPT), 0);
    guest_boots();
    until(&t.n_ready, 1);
    until(&t.guest.n_run, 1);
}

/* ---- tests ---- */

static void test_a_script(void **state)
{
    begin("");
    assert_int_equal(t.guest.welcome.id.job, 7);
    assert_int_equal(strlen(t.guest.welcome.id.nonce), 32);
    assert_string_equal(t.guest.payload.data, "{\"script\":\"#!/bin/sh\\n\"}");
    assert_string_equal(t.guest.welcome.env[0], "VDI_JOB_ID=7");
    fake_guest_output(&t.guest, "hello\n");
    fake_guest_exit(&t.guest, 3);
    until(&t.n_exited, 1);
    assert_true(t.last.exited && t.last.exit_code == 3 && t.last.state == SITE_STATE_READY);
    assert_string_equal(get("state/spool/1.1/output"), "hello\n");
    settle(); /* the record is written off the loop */
    assert_int_equal(order(VDID_POLL), 0);
    assert_non_null(strstr(t.answer, "\"exited\":true,\"exit_code\":3"));
    node_restart();
    assert_int_equal(order(VDID_POLL), 0);
    assert_non_null(strstr(t.answer, "\"exited\":true,\"exit_code\":3"));
    assert_int_equal(stop(0), 0);
    assert_true(t.last.state == SITE_STATE_GONE && t.last.exited && t.last.exit_code == 3);
    assert_int_equal(t.guest.n_run, 1);
    assert_int_equal(t.n_exited, 1);
}

/* What the image's own word is, is not enough for a script. */
static void test_a_script_needs_its_runner(void **state)
{
    assert_int_equal(start("batch", "", "," SCRIPT), 0);
    put("state/instances/1.1/console.log", "UP\n", 0600);
    settle();
    assert_int_equal(t.n_ready, 0);
    guest_boots();
    until(&t.n_ready, 1);
}

static void test_without_a_runner(void **state)
{
    assert_int_equal(start("batch", "", ""), 0);
    put("state/instances/1.1/console.log", "UP\n", 0600);
    until(&t.n_ready, 1);
    assert_int_equal(order(VDID_SIGNAL), -EAGAIN);
    assert_int_equal(order(VDID_MESSAGE), -EAGAIN);
}

/* At any moment: the end is told or polled, and the guest is told that it may forget it. */
static void test_killed_at_the_end(void **state)
{
    for (int rounds = 0; rounds < 20; rounds++) {
        teardown(NULL);
        setup(NULL);
        begin("");
        fake_guest_output(&t.guest, "all of it\n");
        fake_guest_exit(&t.guest, 5);
        for (int i = 0; i < rounds; i++)
            loop_run_once(t.loop, false);
        node_restart();
        while (order(VDID_POLL) == 0 && !strstr(t.answer, "\"exited\":true,\"exit_code\":5"))
            loop_run_once(t.loop, true);
        while (t.guest.outbox.n > 0)
            loop_run_once(t.loop, true);
        assert_string_equal(get("state/spool/1.1/output"), "all of it\n");
        assert_int_equal(t.guest.n_run, 1);
    }
}

static void test_words(void **state)
{
    begin("");
    assert_int_equal(order(VDID_SIGNAL), 0);
    assert_int_equal(t.guest.n_signals, 1); /* heard before it is acknowledged */
    assert_int_equal(t.guest.last_signal, 10);
    assert_int_equal(order(VDID_MESSAGE), 0);
    assert_int_equal(t.guest.n_messages, 1);
    fake_guest_exit(&t.guest, 0);
    until(&t.n_exited, 1);
    assert_int_equal(order(VDID_SIGNAL), -ESRCH);
    assert_int_equal(order(VDID_MESSAGE), 0);
}

static void ended(void *arg, int result, const char *json, const struct vdi_error *err)
{
    t.is_answered = true;
}

static void test_grace(void **state)
{
    begin("");
    t.is_answered = false;
    vdid_order(t.node,
               &(struct vdid_order){.verb = VDID_STOP, .id = {1, 1}, .epoch = 1, .grace_sec = 3000},
               ended, NULL);
    until(&t.guest.n_signals, 1);
    assert_int_equal(t.guest.last_signal, SIGTERM);
    assert_int_equal(t.guest.n_shutdowns, 0);
    node_restart(); /* there is grace all the same */
    t.guest.n_signals = 0;
    until(&t.guest.n_signals, 1);
    assert_true(fake_has("vdi-1-1"));
    fake_guest_output(&t.guest, "last words\n");
    fake_guest_exit(&t.guest, 9);
    until(&t.guest.n_shutdowns, 1);
    fake_remove("vdi-1-1");
    fake_event(fake_virt, "vdi-1-1", VIRT_SHUTDOWN);
    until(&t.n_gone, 1);
    assert_true(t.last.exited && t.last.exit_code == 9);
    assert_string_equal(get("state/spool/1.1/output"), "last words\n");
}

/* QEMU ends with words in its socket that nobody has read. */
static void test_last_words(void **state)
{
    begin("");
    fake_guest_output(&t.guest, "said\n");
    fake_guest_exit(&t.guest, 2);
    fake_guest_done(&t.guest);
    fake_remove("vdi-1-1");
    fake_event(fake_virt, "vdi-1-1", VIRT_SHUTDOWN);
    until(&t.n_gone, 1);
    assert_true(t.last.exited && t.last.exit_code == 2 && !t.last.failed);
    assert_string_equal(get("state/spool/1.1/output"), "said\n");
}

static void test_failed_guest(void **state)
{
    assert_int_equal(start("batch", "", "," SCRIPT), 0);
    guest_boots();
    t.guest.never_ready = true;
    while (!t.guest.is_welcome)
        loop_run_once(t.loop, true);
    fake_guest_stage(&t.guest, "failed", "another account has the uid");
    until(&t.n_gone, 1);
    assert_true(t.last.failed);
    assert_string_equal(t.last.reason, "guest: another account has the uid");
    assert_int_equal(t.n_ready, 0);
}

static void test_output(void **state)
{
    assert_int_equal(output_of(1, 0, 10), -ENOENT);
    begin("");
    fake_guest_output(&t.guest, "0123456789");
    until_spooled("0123456789");
    assert_int_equal(output_of(1, 2, 3), 0);
    assert_string_equal(t.answer, "{\"from\":2,\"size\":10,\"data\":\"MjM0\",\"truncated\":false,"
                                  "\"ended\":false}");
    assert_int_equal(output_of(1, 10, 3), 0);
    assert_string_equal(t.answer, "{\"from\":10,\"size\":10,\"data\":\"\",\"truncated\":false,"
                                  "\"ended\":false}");
    assert_int_equal(stop(0), 0);
    assert_int_equal(output_of(1, 8, 100), 0);
    assert_string_equal(t.answer, "{\"from\":8,\"size\":10,\"data\":\"ODk=\",\"truncated\":false,"
                                  "\"ended\":true}");
    /* Also of a generation that another has taken the place of. */
    assert_int_equal(
        give(&(struct vdid_order){.verb = VDID_START,
                                  .id = {1, 2},
                                  .epoch = 1,
                                  .wish = {.image = "a", .vcpus = 1, .memory_mib = 64}}),
        0);
    assert_int_equal(output_of(1, 8, 100), 0);
}

static void spooled(const char *name, size_t bytes, int64_t age_sec)
{
    struct timespec at[2] = {{.tv_sec = time_now_usec() / USEC_PER_SEC - age_sec}};
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "state/spool/%s", name);
    mkdir(in_dir(path), 0700);
    snprintf(path, sizeof(path), "state/spool/%s/output", name);
    fd = open(in_dir(path), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
    snprintf(path, sizeof(path), "state/spool/%s", name);
    at[1] = at[0];
    utimensat(AT_FDCWD, in_dir(path), at, 0);
}

static bool is_spooled(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "state/spool/%s", name);
    return access(in_dir(path), F_OK) == 0;
}

static void test_what_is_kept(void **state)
{
    begin(""); /* runs, and is not touched, however large and old */
    spooled("1.1", 800000, 5000);
    spooled("2.1", 10, 2000); /* too old */
    spooled("3.1", 200000, 500);
    spooled("4.1", 100000, 400);
    spooled("5.1", 50000, 300);
    vdid_collect(t.node);
    settle();
    assert_true(is_spooled("1.1"));
    assert_false(is_spooled("2.1"));
    assert_false(is_spooled("3.1")); /* 1 MiB is the limit: the oldest go */
    assert_true(is_spooled("4.1"));
    assert_true(is_spooled("5.1"));
}

static void test_a_picture(void **state)
{
    fake.is_blank = true;
    assert_int_equal(start("interactive", "", ""), 0);
    guest_boots();
    until(&fake.n_screenshots, 2);
    assert_int_equal(t.n_ready, 0);
    fake.is_blank = false;
    until(&t.n_ready, 1);
    until(&t.guest.n_run, 1);
    assert_string_equal(t.guest.payload.data, "{}"); /* the image's session */
    assert_int_equal(order(VDID_LOG), 0);
    assert_non_null(strstr(t.answer, "{\"name\":\"picture\""));
    assert_non_null(strstr(t.answer, "\"screenshot\":\"UDYK")); /* "P6\n" */
}

/* Told when it begins and ends, and seldom, whatever a guest says. */
static void test_input(void **state)
{
    assert_int_equal(start("interactive", "", ""), 0);
    guest_boots();
    until(&t.n_ready, 1);
    assert_int_equal(t.last.idle_sec, -1);
    fake_guest_input(&t.guest, 0);
    until(&t.n_inputs, 1);
    assert_int_equal(t.last.idle_sec, 0);
    for (uint32_t sec = 60; sec < 70; sec++)
        fake_guest_input(&t.guest, sec);
    settle();
    assert_int_equal(t.n_inputs, 2);
    assert_in_range(t.last.idle_sec, 60, 62);
    assert_int_equal(order(VDID_POLL), 0);
    assert_non_null(strstr(t.answer, "\"idle_sec\":"));
    for (int i = 0; i < 100; i++)
        fake_guest_input(&t.guest, i % 2 ? 0 : 60);
    settle();
    assert_in_range(t.n_inputs, 3, 8);
    /* The one that says so is gone, and its successor says nothing. */
    assert_int_equal(order(VDID_REBOOT), 0);
    assert_int_equal(order(VDID_POLL), 0);
    assert_null(strstr(t.answer, "idle_sec"));
}

/* Of a script's guest nobody is told, and of none what it says out of turn. */
static void test_input_of_a_script(void **state)
{
    begin("");
    fake_guest_input(&t.guest, 100);
    settle();
    assert_int_equal(t.n_inputs, 0);
    assert_int_equal(order(VDID_POLL), 0);
    assert_null(strstr(t.answer, "idle_sec"));
}

static void test_owners_files(void **state)
{
    if (access(t.writer, X_OK) < 0)
        skip();
    put("out.txt", "before\n", 0600);
    begin(",\"output\":\"out.txt\",\"error\":\"no/such/file\"");
    fake_guest_output(&t.guest, "one\n");
    until_spooled("one\n");
    node_restart();
    until(&t.n_problems, 1);
    while (!t.guest.is_welcome)
        loop_run_once(t.loop, true);
    fake_guest_output(&t.guest, "two\n");
    fake_guest_exit(&t.guest, 0);
    until(&t.n_exited, 1); /* the file is whole by then */
    assert_string_equal(get("out.txt"), "before\none\ntwo\n");
    assert_int_equal(order(VDID_LOG), 0);
    assert_non_null(strstr(t.answer, "no/such/file: No such file or directory"));
}

static void test_save(void **state)
{
    begin("");
    assert_int_equal(order(VDID_SAVE), 0);
    assert_int_equal(order(VDID_RESUME), 0);
    t.guest.n_times = 0;
    until(&t.guest.n_times, 1); /* it is told what time it is */
    fake_guest_exit(&t.guest, 1);
    until(&t.n_exited, 1);
    assert_int_equal(t.guest.n_run, 1);
}

#define MOUNT                                                                                      \
    ",\"mounts\":[{\"name\":\"h\",\"source\":\"//files/me\",\"target\":\"/h\",\"type\":\"smb\","   \
    "\"mode\":\"rw\",\"security\":\"krb5i\",\"ticket\":\"%s\"},"                                   \
    "{\"name\":\"d\",\"source\":\"files:/d\",\"target\":\"/d\",\"type\":\"nfs-krb5\","             \
    "\"mode\":\"ro\",\"security\":\"krb5p\",\"ticket\":\"%s\"}]," SCRIPT

static int start_with_ticket(void)
{
    char more[1024], path[128];

    snprintf(path, sizeof(path), "%s", in_dir("ticket"));
    snprintf(more, sizeof(more), MOUNT, path, path);
    return start("batch", "", more);
}

static struct instance *the_instance(void)
{
    return hash_get_u64(t.node->instances, 1);
}

static bool is_anywhere(const char *text)
{
    char command[256];

    snprintf(command, sizeof(command), "grep -rqF --exclude=ticket '%s' '%s'", text, t.dir);
    return system(command) == 0;
}

static void test_a_ticket(void **state)
{
    put("ticket", "secret-1", 0600);
    assert_int_equal(start_with_ticket(), 0);
    guest_boots();
    until(&t.guest.n_tickets, 1);
    assert_string_equal(t.guest.ticket, "secret-1");
    assert_int_equal(t.guest.welcome.n_mounts, 2);
    assert_string_equal(t.guest.welcome.mounts[0].target, "/d"); /* what is above comes first */
    assert_string_equal(t.guest.welcome.mounts[0].source, "files:/d");
    assert_int_equal(t.guest.welcome.mounts[0].security, RUNNER_KRB5P);
    assert_int_equal(t.guest.welcome.mounts[1].security, RUNNER_KRB5I);
    until(&t.guest.n_run, 1);
    /* Looked at again: nothing new, something new, nothing at all. */
    source_rearm(the_instance()->ticket_timer, 0);
    settle();
    assert_int_equal(t.guest.n_tickets, 1);
    put("ticket", "secret-22", 0600);
    source_rearm(the_instance()->ticket_timer, 0);
    until(&t.guest.n_tickets, 2);
    assert_string_equal(t.guest.ticket, "secret-22");
    unlink(in_dir("ticket"));
    for (int i = 0; i < 2; i++) {
        source_rearm(the_instance()->ticket_timer, 0);
        settle();
    }
    assert_int_equal(t.guest.n_messages, 1); /* its user is told once */
    assert_int_equal(t.n_problems, 1);
    assert_int_equal(t.n_gone, 0);
    assert_int_equal(order(VDID_SAVE), -EOPNOTSUPP);
    assert_non_null(strstr(t.answer, "ticket"));
    assert_false(is_anywhere("secret-"));
    put("ticket", "secret-3", 0600);
    node_restart(); /* vdid itself keeps none */
    until(&t.guest.n_tickets, 3);
    assert_string_equal(t.guest.ticket, "secret-3");
    assert_false(is_anywhere("secret-"));
}

static void test_no_ticket(void **state)
{
    assert_int_equal(start_with_ticket(), -ENOKEY);
    assert_non_null(strstr(t.answer, "/ticket"));
    until(&t.n_gone, 1);
    assert_true(t.last.state == SITE_STATE_GONE && t.last.failed);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_script),
        TEST(test_a_script_needs_its_runner),
        TEST(test_without_a_runner),
        TEST(test_killed_at_the_end),
        TEST(test_words),
        TEST(test_grace),
        TEST(test_last_words),
        TEST(test_failed_guest),
        TEST(test_output),
        TEST(test_what_is_kept),
        TEST(test_a_picture),
        TEST(test_input),
        TEST(test_input_of_a_script),
        TEST(test_owners_files),
        TEST(test_save),
        TEST(test_a_ticket),
        TEST(test_no_ticket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
