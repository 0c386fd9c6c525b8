/* SPDX-License-Identifier: Apache-2.0 */
/* test_instance.c - orders are idempotent, restarts start and stop nothing, ends are told once */
#include "fake_virt.h"
#include "vdid/domain_spec.h"
#include "vdid/vdid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "codec/site_report.h"

static struct {
    char dir[64], state[80], images[80], emulator[96];
    struct loop *loop;
    struct vdid *node;
    bool in_service;
    unsigned n_ready, n_gone, n_orphans;
    struct site_report last;
    bool is_answered;
    int result;
    struct vdi_error err;
    const char *details; /* of starts; NULL: nothing is run */
} t;

static uint32_t memory_mib = 64; /* of what is started */

static void put(const char *dir, const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    fchmod(fd, mode);
    close(fd);
}

static void on_instance(void *arg, struct vdi_instance_id id, const char *what, const char *json)
{
    struct vdi_error err = {0};

    t.n_ready += !strcmp(what, "ready");
    t.n_gone += !strcmp(what, "gone");
    if (!strcmp(what, "ready") || !strcmp(what, "gone") || !strcmp(what, "saved"))
        assert_int_equal(site_report_decode(json, &t.last, &err) < 0, 0);
}

static void on_orphan(void *arg, struct vdi_instance_id id)
{
    t.n_orphans++;
}

static void on_service(void *arg, bool in_service, const char *why)
{
    t.in_service = in_service;
}

static void node_start(void)
{
    static const struct vdid_handler handler = {on_instance, on_orphan, on_service};
    const struct vdid_config config = {.uri = "fake",
                                       .state_dir = t.state,
                                       .image_dir = t.images,
                                       .run_dir = t.dir,
                                       .prefix = "vdi",
                                       .emulator = t.emulator,
                                       .spice_address = "127.0.0.1",
                                       .port_min = 24400,
                                       .port_max = 24409,
                                       .accel = ACCEL_TCG,
                                       .boot_timeout_sec = 300,
                                       .keep_gone_sec = 3600,
                                       .node = "n1",
                                       .output_max_mib = 1,
                                       .output_keep_mib = 10,
                                       .output_keep_sec = 3600};
    struct vdi_error err = {0};

    t.in_service = false;
    t.node = vdid_new(t.loop, &config, &handler, NULL, &err);
    if (!t.node)
        fail_msg("%s", err.detail);
    while (!t.in_service)
        loop_run_once(t.loop, true);
}

/* What a SIGKILL leaves is the directory and the domains; orders under way are lost. */
static void node_restart(void)
{
    vdid_free(t.node);
    node_start();
}

static int setup(void **state)
{
    memset(&t, 0, sizeof(t));
    memset(&fake, 0, sizeof(fake));
    strcpy(t.dir, "/tmp/vdid-inst.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.state, sizeof(t.state), "%s/state", t.dir);
    snprintf(t.images, sizeof(t.images), "%s/images", t.dir);
    snprintf(t.emulator, sizeof(t.emulator), "%s/qemu", t.dir);
    put(t.dir, "qemu", "#!/bin/sh\nexit 85\n", 0755); /* the proof's word */
    mkdir(t.images, 0755);
    snprintf(t.emulator, sizeof(t.emulator), "%s/images/a", t.dir);
    mkdir(t.emulator, 0755);
    put(t.emulator, "kernel", "k", 0644);
    put(t.emulator, "image.json", "{\"kernel\":\"kernel\",\"ready\":\"console:UP\"}", 0644);
    snprintf(t.emulator, sizeof(t.emulator), "%s/qemu", t.dir);
    t.loop = loop_new();
    node_start();
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    vdid_free(t.node);
    loop_free(t.loop);
    snprintf(command, sizeof(command), "rm -rf '%s'", t.dir);
    return system(command);
}

static void on_answer(void *arg, int result, const char *json, const struct vdi_error *err)
{
    t.is_answered = true;
    t.result = result;
    t.err = result < 0 ? *err : (struct vdi_error){0};
    if (arg && result == 0)
        assert_int_equal(site_report_decode(json, arg, NULL) < 0, 0);
}

static void give(enum vdid_verb verb, uint64_t id, uint32_t generation, uint64_t epoch, void *arg)
{
    struct vdid_order o = {.verb = verb,
                           .id = {id, generation},
                           .epoch = epoch,
                           .details = (char *)t.details,
                           .wish = {.image = "a", .vcpus = 1, .memory_mib = memory_mib}};

    t.is_answered = false;
    vdid_order(t.node, &o, on_answer, arg);
}

static int order_at(enum vdid_verb verb, uint64_t id, uint32_t generation, uint64_t epoch)
{
    give(verb, id, generation, epoch, NULL);
    while (!t.is_answered)
        loop_run_once(t.loop, true);
    return t.result;
}

static int order(enum vdid_verb verb, uint64_t id, uint32_t generation)
{
    return order_at(verb, id, generation, 1);
}

static uint32_t polled(uint64_t id, uint32_t generation)
{
    struct site_report report = {0};

    give(VDID_POLL, id, generation, 1, &report);
    assert_true(t.is_answered);
    return t.result < 0 ? SITE_STATE_NONE : report.state;
}

static void console_says(const char *name, const char *text)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof(dir), "%s/instances/%s", t.state, name);
    put(dir, "console.log", text, 0600);
}

static void until(const unsigned *counter, unsigned n)
{
    while (*counter < n)
        loop_run_once(t.loop, true);
}

static void boot(uint64_t id, uint32_t generation, const char *name)
{
    unsigned n = t.n_ready;

    assert_int_equal(order(VDID_START, id, generation), 0);
    console_says(name, "UP\n");
    until(&t.n_ready, n + 1);
    assert_int_equal(t.last.state, SITE_STATE_READY);
}

/* Some rounds in which something would happen if it were to. */
static void settle(void)
{
    int64_t end = time_monotonic_usec() + 300 * USEC_PER_MSEC;

    while (time_monotonic_usec() < end) {
        loop_run_once(t.loop, false);
        usleep(1000);
    }
}

/* ---- tests ---- */

static void test_start_twice_is_once(void **state)
{
    give(VDID_START, 1, 1, 1, NULL);
    assert_int_equal(order(VDID_START, 1, 1), 0); /* while the first is under way */
    boot(1, 1, "1.1");
    assert_int_equal(order(VDID_START, 1, 1), 0);
    assert_int_equal(fake.n_create, 1);
    assert_int_equal(polled(1, 1), SITE_STATE_READY);
}

static void test_older_is_stale(void **state)
{
    boot(1, 2, "1.2");
    assert_int_equal(order(VDID_STOP, 1, 1), -ESTALE);
    assert_int_equal(order(VDID_START, 1, 1), -ESTALE);
    assert_int_equal(order_at(VDID_POLL, 1, 2, 7), 0);
    assert_int_equal(order_at(VDID_STOP, 1, 2, 6), -ESTALE);
    settle(); /* it is written off the loop */
    node_restart();
    assert_int_equal(order_at(VDID_STOP, 1, 2, 6), -ESTALE);
    assert_true(fake_has("vdi-1-2"));
}

static void test_stop(void **state)
{
    assert_int_equal(order(VDID_STOP, 9, 1), 0);
    boot(1, 1, "1.1");
    assert_int_equal(order(VDID_STOP, 1, 2), 0); /* a generation that is not there */
    assert_true(fake_has("vdi-1-1"));
    assert_int_equal(order(VDID_STOP, 1, 1), 0);
    assert_false(fake_has("vdi-1-1"));
    assert_int_equal(t.n_gone, 1);
    assert_false(t.last.failed);
    assert_int_equal(order(VDID_STOP, 1, 1), 0);
    assert_int_equal(order(VDID_START, 1, 1), 0); /* a late repetition */
    settle();
    assert_int_equal(fake.n_create, 1);
    assert_int_equal(t.n_gone, 2); /* told again, for who asked again */
}

static void test_stop_overtakes_start(void **state)
{
    give(VDID_START, 1, 1, 1, NULL);
    order(VDID_STOP, 1, 1); /* two answers: the start's is -ECANCELED */
    settle();
    assert_int_equal(polled(1, 1), SITE_STATE_GONE);
    assert_false(fake_has("vdi-1-1"));
    assert_int_equal(t.n_gone, 1);
}

static void test_restart_finds_it(void **state)
{
    boot(1, 1, "1.1");
    boot(2, 1, "2.1");
    node_restart();
    settle();
    assert_int_equal(polled(1, 1), SITE_STATE_READY);
    assert_int_equal(polled(2, 1), SITE_STATE_READY);
    assert_int_equal(order(VDID_START, 1, 1), 0);
    assert_int_equal(fake.n_create, 2);
    assert_int_equal(fake.n_destroy, 0);
    assert_int_equal(t.n_gone, 0);
    assert_int_equal(t.n_orphans, 0);
}

static void test_ended_while_away(void **state)
{
    boot(1, 1, "1.1");
    vdid_free(t.node);
    fake_remove("vdi-1-1");
    node_start();
    until(&t.n_gone, 1);
    assert_true(t.last.failed);
    assert_int_equal(polled(1, 1), SITE_STATE_GONE);
    assert_int_equal(fake.n_create, 1);
}

/* Killed at every point of a start: it goes on, and makes one domain. */
static void test_killed_while_starting(void **state)
{
    for (int rounds = 0; rounds < 25; rounds++) {
        uint64_t id = 100 + (uint64_t)rounds;
        char name[40];

        fake.n_create = 0;
        give(VDID_START, id, 1, 1, NULL);
        for (int i = 0; i < rounds; i++)
            loop_run_once(t.loop, false);
        node_restart();
        assert_int_equal(order(VDID_START, id, 1), 0);
        settle();
        snprintf(name, sizeof(name), "vdi-%d-1", 100 + rounds);
        assert_true(fake_has(name));
        assert_true(fake.n_create >= 1 && fake.n_create <= 2);
        assert_int_equal(t.n_gone, (unsigned)rounds);
        assert_int_equal(order(VDID_STOP, id, 1), 0);
        assert_false(fake_has(name));
    }
}

static void test_lost_answer(void **state)
{
    fake.create_result = -ENOTCONN;
    fake.create_anyway = true;
    assert_int_equal(order(VDID_START, 1, 1), 0);
    assert_int_equal(fake.n_create, 1); /* the list said that it is there */
    fake.create_anyway = false;
    fake.create_result = -ENOTCONN;
    assert_int_equal(order(VDID_START, 2, 1), 0);
    assert_int_equal(fake.n_create, 3); /* the list said that it is not */
}

static void test_failed_start(void **state)
{
    fake.create_result = -EIO;
    assert_int_equal(order(VDID_START, 1, 1), -EIO);
    assert_string_equal(t.err.detail, "the fake says no");
    assert_int_equal(t.n_gone, 1);
    assert_true(t.last.failed);
    assert_int_equal(polled(1, 1), SITE_STATE_GONE);
    /* The port is free again, ten times over. */
    for (uint32_t g = 2; g < 14; g++) {
        fake.create_result = -EIO;
        assert_int_equal(order(VDID_START, 1, g), -EIO);
    }
}

static void test_ends(void **state)
{
    boot(1, 1, "1.1");
    fake_remove("vdi-1-1");
    fake_event(fake_virt, "vdi-1-1", VIRT_SHUTDOWN);
    until(&t.n_gone, 1);
    assert_false(t.last.failed);
    boot(2, 1, "2.1");
    fake_remove("vdi-2-1");
    fake_event(fake_virt, "vdi-2-1", VIRT_FAILED);
    fake_event(fake_virt, "vdi-2-1", VIRT_FAILED);
    until(&t.n_gone, 2);
    assert_true(t.last.failed);
    fake_event(fake_virt, "vdi-77-1", VIRT_FAILED);
    fake_event(fake_virt, "somebody", VIRT_FAILED);
    settle();
    assert_int_equal(t.n_gone, 2);
}

static void test_superseded(void **state)
{
    boot(1, 1, "1.1");
    assert_int_equal(order(VDID_START, 1, 2), -EBUSY);
    until(&t.n_gone, 1);
    settle();
    assert_false(fake_has("vdi-1-1"));
    assert_int_equal(order(VDID_START, 1, 2), 0);
    assert_true(fake_has("vdi-1-2"));
}

static void test_save(void **state)
{
    char path[PATH_MAX];
    FILE *f;

    boot(1, 1, "1.1");
    assert_int_equal(order(VDID_SAVE, 1, 1), 0);
    assert_int_equal(order(VDID_SAVE, 1, 1), 0);
    assert_int_equal(fake.n_save, 1);
    assert_int_equal(polled(1, 1), SITE_STATE_SAVED);
    node_restart();
    assert_int_equal(polled(1, 1), SITE_STATE_SAVED);
    snprintf(path, sizeof(path), "%s/instances/1.1/save", t.state);
    f = fopen(path, "r+");
    fseek(f, 20, SEEK_SET);
    fputc('!', f);
    fclose(f);
    assert_int_equal(order(VDID_RESUME, 1, 1), -EUCLEAN);
    assert_int_equal(fake.n_restore, 0);
    f = fopen(path, "w");
    fputs("LibvirtQemudSave and more", f);
    fclose(f);
    assert_int_equal(order(VDID_RESUME, 1, 1), 0);
    assert_int_equal(fake.n_restore, 1);
    assert_int_equal(polled(1, 1), SITE_STATE_READY);
}

static bool is_there(const char *file)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/instances/1.1/%s", t.state, file);
    return access(path, F_OK) == 0;
}

static void test_what_cannot_be_saved_runs_on(void **state)
{
    boot(1, 1, "1.1");
    fake.save_result = -EIO;
    assert_int_equal(order(VDID_SAVE, 1, 1), -EIO);
    assert_int_equal(polled(1, 1), SITE_STATE_READY);
    assert_true(fake_has("vdi-1-1") && !is_there("save.part") && !is_there("save"));
    assert_int_equal(order(VDID_SAVE, 1, 1), 0);
    assert_int_equal(polled(1, 1), SITE_STATE_SAVED);
    assert_int_equal(order(VDID_STOP, 1, 1), 0);
    assert_false(is_there("save"));
}

/* More memory than any disk has room for: it is not even tried. */
static void test_no_room_to_save(void **state)
{
    memory_mib = DOMAIN_MEMORY_MAX_MIB;
    boot(1, 1, "1.1");
    memory_mib = 64;
    assert_int_equal(order(VDID_SAVE, 1, 1), -ENOSPC);
    assert_int_equal(fake.n_save, 0);
    assert_int_equal(polled(1, 1), SITE_STATE_READY);
}

static void test_orphans_are_left_alone(void **state)
{
    fake_add("vdi-55-1");
    fake_add("somebody-else");
    node_restart();
    until(&t.n_orphans, 1);
    settle();
    assert_int_equal(t.n_orphans, 1);
    assert_true(fake_has("vdi-55-1"));
    assert_int_equal(fake.n_destroy, 0);
}

static void test_damaged_record(void **state)
{
    char dir[PATH_MAX];

    boot(1, 1, "1.1");
    boot(2, 1, "2.1");
    snprintf(dir, sizeof(dir), "%s/instances/1.1", t.state);
    put(dir, "record.json", "{\"id\":1,", 0600);
    node_restart();
    until(&t.n_orphans, 1);
    assert_int_equal(polled(2, 1), SITE_STATE_READY);
    assert_true(fake_has("vdi-1-1"));
}

static void test_order_decode(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"verb\":\"start\"}",
        "{\"verb\":\"fly\",\"instance\":1}",
        "{\"verb\":\"stop\",\"instance\":0}",
        "{\"verb\":\"stop\",\"instance\":-1}",
        "{\"verb\":\"stop\",\"instance\":1,\"more\":1}",
        "{\"verb\":\"signal\",\"instance\":1,\"signal\":65}",
        "{\"verb\":\"output\",\"instance\":1,\"stream\":\"in\"}",
        "{\"verb\":\"output\",\"instance\":1,\"max\":262145}",
        "{\"verb\":\"start\",\"instance\":1,\"vcpus\":1,\"memory_mib\":64}",
        "{\"verb\":\"start\",\"instance\":1,\"image\":\"a\",\"memory_mib\":64}",
        "{\"verb\":\"start\",\"instance\":1,\"image\":\"a\",\"vcpus\":0,\"memory_mib\":64}",
        "{\"verb\":\"start\",\"instance\":1,\"image\":\"a\",\"vcpus\":9999,\"memory_mib\":64}",
        "{\"verb\":\"start\",\"instance\":1,\"image\":\"a\\n\",\"vcpus\":1,\"memory_mib\":64}",
        ("{\"verb\":\"start\",\"instance\":1,\"image\":\"a\",\"vcpus\":1,\"memory_mib\":64,"
         "\"os\":\"plan9\"}"),
    };
    static const char good[] = "{\"verb\":\"start\",\"instance\":5,\"generation\":2,\"epoch\":9,"
                               "\"image\":\"a\",\"vcpus\":2,\"memory_mib\":64,\"os\":\"windows\"}";
    struct vdid_order o = {0};
    struct vdi_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = (struct vdi_error){0};
        if (vdid_order_decode(bad[i], strlen(bad[i]), &o, &err) >= 0)
            fail_msg("taken: %s", bad[i]);
        assert_true(*err.detail);
    }
    assert_int_equal(vdid_order_decode(good, strlen(good), &o, &err), 0);
    assert_true(o.verb == VDID_START && o.id.id == 5 && o.id.generation == 2 && o.epoch == 9);
    assert_true(o.wish.vcpus == 2 && o.wish.os == 1);
}

/* ---- disks ---- */

#define DISK_DETAILS(is_new)                                                                       \
    "{\"job\":{\"kind\":\"interactive\"},\"template\":{\"login\":\"prompt\"},"                     \
    "\"owner\":{\"name\":\"ada\",\"uid\":1234,\"gid\":1235,\"home\":\"/h\",\"groups\":[]},"        \
    "\"disks\":[{\"name\":\"w\",\"volume\":\"7.0011223344556677\",\"target\":\"/w\","              \
    "\"where\":\"node\",\"persistence\":\"job\",\"size_gib\":1,\"new\":" is_new "}]}"

static bool has_mkfs(void)
{
    return access("/usr/sbin/mkfs.ext4", X_OK) == 0 || access("/sbin/mkfs.ext4", X_OK) == 0;
}

static const char *volume_file(const char *suffix)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/disks/7.0011223344556677%s", t.state, suffix);
    return path;
}

/* ext4's magic number, and a word of ours where no file system looks (its last byte). */
static void look_into(const char *expected)
{
    int fd = open(volume_file(".img"), O_RDWR | O_CLOEXEC);
    unsigned char magic[2] = {0};
    char word[8] = "";

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, magic, 2, 1024 + 56), 2);
    assert_true(magic[0] == 0x53 && magic[1] == 0xef);
    assert_true(pread(fd, word, 4, (1 << 30) - 8) == 4);
    assert_string_equal(word, expected);
    assert_int_equal(pwrite(fd, "mine", 4, (1 << 30) - 8), 4);
    close(fd);
}

static int discard(uint64_t epoch, const char *volume, uint32_t where)
{
    t.is_answered = false;
    vdid_discard(t.node, epoch, volume, where, on_answer, NULL);
    while (!t.is_answered)
        loop_run_once(t.loop, true);
    return t.result;
}

static void test_disk(void **state)
{
    struct inventory_volume *list = NULL;
    char command[PATH_MAX + 80];

    if (!has_mkfs())
        skip();
    t.details = DISK_DETAILS("false");
    assert_int_equal(order(VDID_START, 1, 1),
                     -ENOENT); /* who expects a full one gets no empty one */
    settle();
    t.details = DISK_DETAILS("true");
    assert_int_equal(order(VDID_START, 2, 1), 0);
    look_into("");
    snprintf(command, sizeof(command),
             "debugfs -R 'stat <2>' %s 2>/dev/null | grep -q 'User: *1234 *Group: *1235'",
             volume_file(".img"));
    assert_int_equal(system(command), 0);
    assert_int_equal(order(VDID_START, 3, 1), -EBUSY); /* another instance has it */
    assert_int_equal(discard(1, "7.0011223344556677", 0), -EBUSY);
    node_restart();
    assert_int_equal(order(VDID_START, 3, 1), -EBUSY); /* ... over a restart */
    assert_int_equal(discard(1, "7.0011223344556677", 0), -EBUSY);
    assert_int_equal(order(VDID_STOP, 2, 1), 0);
    t.details = DISK_DETAILS("true"); /* it was made, and nobody has heard of that */
    assert_int_equal(order(VDID_START, 3, 1), 0);
    look_into("mine");
    assert_int_equal(order(VDID_STOP, 3, 1), 0);
    settle();
    assert_int_equal(vdid_volumes(t.node, &list), 1);
    assert_string_equal(list[0].volume, "7.0011223344556677");
    free(list);
    assert_int_equal(order_at(VDID_POLL, 3, 1, 5), 0);
    assert_int_equal(discard(4, "7.0011223344556677", 0), -ESTALE); /* an older controller */
    assert_int_equal(discard(5, "../../etc/passwd", 0), -EINVAL);
    assert_int_equal(discard(5, "7.0011223344556677", 1), -ENODEV);
    assert_int_equal(discard(5, "7.0011223344556677", 0), 0);
    assert_int_equal(access(volume_file(".img"), F_OK), -1);
    assert_int_equal(discard(5, "7.0011223344556677", 0), 0);
}

/* Killed at every point while a disk is made: it is made once, and no half of it stays. */
static void test_killed_while_making(void **state)
{
    if (!has_mkfs())
        skip();
    t.details = DISK_DETAILS("true");
    for (int rounds = 0; rounds < 16; rounds++) {
        uint64_t id = 200 + (uint64_t)rounds;

        give(VDID_START, id, 1, 1, NULL);
        for (int i = 0; i < rounds; i++)
            loop_run_once(t.loop, i > 3);
        node_restart();
        assert_int_equal(order(VDID_START, id, 1), 0);
        look_into("");
        assert_int_equal(access(volume_file(".part-n1"), F_OK), -1);
        assert_int_equal(order(VDID_STOP, id, 1), 0);
        assert_int_equal(discard(1, "7.0011223344556677", 0), 0);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_start_twice_is_once),
        TEST(test_older_is_stale),
        TEST(test_stop),
        TEST(test_stop_overtakes_start),
        TEST(test_restart_finds_it),
        TEST(test_ended_while_away),
        TEST(test_killed_while_starting),
        TEST(test_lost_answer),
        TEST(test_failed_start),
        TEST(test_ends),
        TEST(test_superseded),
        TEST(test_save),
        TEST(test_what_cannot_be_saved_runs_on),
        TEST(test_no_room_to_save),
        TEST(test_orphans_are_left_alone),
        TEST(test_damaged_record),
        TEST(test_disk),
        TEST(test_killed_while_making),
        cmocka_unit_test(test_order_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
