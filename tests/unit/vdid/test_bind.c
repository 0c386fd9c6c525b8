/* SPDX-License-Identifier: Apache-2.0 */
/* test_bind.c - a seat gets its owner once, whatever fails or is restarted in between */
#include "run_fixture.h"

#define DISK                                                                                       \
    "{\"name\":\"work\",\"volume\":\"7.0011223344556677\",\"target\":\"/own\","                    \
    "\"where\":\"node\",\"persistence\":\"personal\",\"size_gib\":1,\"new\":true}"

static int start_seat(const char *places)
{
    char details[200];

    snprintf(details, sizeof(details), "{\"template\":{\"login\":\"auto\"},\"seat\":{%s}}", places);
    return give(&(struct vdid_order){.verb = VDID_START,
                                     .id = {1, 1},
                                     .epoch = 1,
                                     .details = details,
                                     .wish = {.image = "a", .vcpus = 1, .memory_mib = 64}});
}

/* MORE: as of start(). */
static struct vdid_order bind_order(uint64_t job, const char *more, char details[1024])
{
    snprintf(details, 1024,
             "{\"job\":{\"kind\":\"interactive\"},\"owner\":{\"name\":\"me\",\"uid\":%u,\"gid\":%u,"
             "\"home\":\"%s\"}%s}",
             getuid(), getgid(), t.dir, more);
    return (struct vdid_order){
        .verb = VDID_BIND, .id = {1, 1}, .epoch = 1, .details = details, .wish.job = job};
}

static int bind_to(uint64_t job, const char *more)
{
    char details[1024];
    struct vdid_order o = bind_order(job, more, details);

    return give(&o);
}

static void a_seat_is_ready(const char *places)
{
    assert_int_equal(start_seat(places), 0);
    guest_boots();
    t.guest.runs_as = "session";
    until(&t.n_ready, 1);
}

static void test_a_bind(void **state)
{
    assert_int_equal(start_seat("\"mounts\":0,\"disks\":1"), 0);
    assert_int_equal(bind_to(9, ""), -EAGAIN);
    guest_boots();
    t.guest.runs_as = "session";
    until(&t.n_ready, 1);
    assert_true(fake.n_screenshots > 0); /* a desktop's screen shows something */
    assert_int_equal(t.guest.welcome.id.job, 0);
    assert_string_equal(t.guest.welcome.owner.name, "");
    /* The record of READY is being written: the order waits for that. */
    assert_int_equal(bind_to(9, ",\"env\":[\"VDI_JOB_KIND=x\"],\"disks\":[" DISK "]"), 0);
    assert_int_equal(t.guest.welcome.id.job, 9);
    assert_string_equal(t.guest.welcome.owner.name, "me");
    assert_int_equal(t.guest.welcome.n_mounts, 1);
    assert_string_equal(t.guest.welcome.mounts[0].tag, "vdi-disk-0");
    assert_int_equal(fake.n_disks, 1);
    assert_non_null(strstr(fake.plugged, "<serial>vdi-disk-0</serial>"));
    assert_non_null(strstr(fake.plugged, "/disks/7.0011223344556677"));
    assert_int_equal(t.guest.n_run, 1);
    settle();
    assert_int_equal(bind_to(9, ""), 0); /* it is done already */
    assert_int_equal(bind_to(10, ""), -EEXIST);
    assert_non_null(strstr(t.answer, "job 9's"));
    node_restart();
    assert_int_equal(bind_to(10, ""), -EEXIST);
    assert_int_equal(bind_to(9, ""), 0);
    assert_int_equal(order(VDID_LOG), 0);
    assert_non_null(strstr(t.answer, "\"bound\""));
    assert_int_equal(t.guest.n_run, 1);
    assert_int_equal(fake.n_attach, 1);
    assert_int_equal(stop(0), 0);
    assert_int_equal(bind_to(9, ""), -ENOENT);
}

/* Seats alone; and only with what they have a place for. */
static void test_refused(void **state)
{
    assert_int_equal(start("interactive", "", ""), 0);
    guest_boots();
    until(&t.n_ready, 1);
    assert_int_equal(bind_to(7, ""), -EEXIST);
    assert_non_null(strstr(t.answer, "no seat"));
    teardown(NULL);
    setup(NULL);
    a_seat_is_ready("\"mounts\":1,\"disks\":0");
    assert_int_equal(bind_to(0, ""), -EINVAL);
    assert_int_equal(bind_to(9, ",\"seat\":{}"), -EINVAL);
    assert_int_equal(bind_to(9, ",\"disks\":[" DISK "]"), -E2BIG);
    assert_non_null(strstr(t.answer, "1 mounts and 0 disks, and not for 0 and 1"));
    assert_int_equal(bind_to(9, ""), 0); /* nothing of it has touched the guest */
    assert_int_equal(t.n_gone, 0);
}

/* At any time: the order given again succeeds, and nothing is done twice. */
static void test_killed_in_between(void **state)
{
    for (int rounds = 0; rounds < 30; rounds++) {
        char details[1024];
        struct vdid_order o;

        teardown(NULL);
        setup(NULL);
        a_seat_is_ready("\"mounts\":0,\"disks\":1");
        o = bind_order(9, ",\"disks\":[" DISK "]", details);
        vdid_order(t.node, &o, on_answer, NULL);
        for (int i = 0; i < 2 * rounds; i++) {
            loop_run_once(t.loop, false);
            usleep(500);
        }
        node_restart();
        while (give(&o) == -EAGAIN)
            loop_run_once(t.loop, true);
        if (t.result < 0)
            fail_msg("after %d turns: %s", rounds, t.answer);
        assert_int_equal(t.guest.welcome.id.job, 9);
        assert_int_equal(t.guest.n_run, 1);
        assert_int_equal(fake.n_disks, 1);
        assert_int_equal(t.n_gone, 0);
    }
}

static void test_a_lost_answer(void **state)
{
    a_seat_is_ready("\"mounts\":0,\"disks\":1");
    fake.attach_result = -EIO;
    fake.attach_anyway = true;
    assert_int_equal(bind_to(9, ",\"disks\":[" DISK "]"), 0); /* it is in all the same */
    assert_int_equal(fake.n_disks, 1);
}

static void test_a_failure_ends_it(void **state)
{
    a_seat_is_ready("\"mounts\":0,\"disks\":1");
    fake.attach_result = -EIO;
    assert_int_equal(bind_to(9, ",\"disks\":[" DISK "]"), -EIO);
    assert_string_equal(t.answer, "the fake says no");
    assert_int_equal(t.n_gone, 0); /* the answer does not wait for the end */
    until(&t.n_gone, 1);
    assert_true(t.last.failed);
    teardown(NULL);
    setup(NULL);
    a_seat_is_ready("");
    t.guest.never_ready = true;
    char details[1024];
    struct vdid_order o = bind_order(9, "", details);
    vdid_order(t.node, &o, on_answer, NULL);
    while (t.guest.welcome.id.job != 9)
        loop_run_once(t.loop, true);
    fake_guest_stage(&t.guest, "failed", "uid 5 is another account's");
    until(&t.n_gone, 1);
    assert_int_equal(t.result, -EIO);
    assert_string_equal(t.answer, "guest: uid 5 is another account's");
    assert_int_equal(bind_to(9, ""), -ENOENT);
}

/* A login that the guest asks for, and an image without a session: there is none to wait for. */
static void test_without_a_session(void **state)
{
    a_seat_is_ready("");
    assert_int_equal(bind_to(9, ",\"template\":{\"login\":\"prompt\"}"), 0);
    assert_int_equal(t.guest.n_run, 0);
    teardown(NULL);
    setup(NULL);
    a_seat_is_ready("");
    t.guest.runs_as = "idle";
    assert_int_equal(bind_to(9, ""), 0);
    assert_int_equal(t.guest.n_run, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_bind),        TEST(test_refused),           TEST(test_killed_in_between),
        TEST(test_a_lost_answer), TEST(test_a_failure_ends_it), TEST(test_without_a_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
