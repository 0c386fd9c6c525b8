/* SPDX-License-Identifier: Apache-2.0 */
/* test_presence.c - devices that are FIFOs, and a clock that jumps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "guest/presence.h"

#define QUIET_USEC (60 * USEC_PER_SEC)

static char dir[64];
static struct loop *loop;
static struct presence *presence;
static int told;
static int64_t told_sec; /* what was said then */

static void changed(void *arg)
{
    told++;
    told_sec = presence_idle_sec(presence);
}

static void in_dir(const char *name, char ret[128])
{
    snprintf(ret, 128, "%s/%s", dir, name);
}

/* A device, and who types on it. */
static int plug(const char *name)
{
    char path[128];

    in_dir(name, path);
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void unplug(const char *name, int fd)
{
    char path[128];

    in_dir(name, path);
    unlink(path);
    close(fd);
}

static void touch(int fd)
{
    char event[24] = "";

    assert_int_equal(write(fd, event, sizeof(event)), sizeof(event));
}

/* So much time goes by, on the virtual clock. */
static void on_time(void *arg)
{
    *(bool *)arg = true;
}

static void pass(int64_t usec)
{
    bool over = false;
    struct source *timer = loop_timer(loop, usec, on_time, &over);

    while (!over)
        assert_int_equal(loop_run_once(loop, true), 0);
    source_free(timer);
}

static int setup(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/vdi-presence.XXXXXX");
    assert_non_null(mkdtemp(dir));
    loop = loop_new_virtual(INT64_C(1700000000000000));
    assert_non_null(loop);
    told = 0;
    return 0;
}

static int teardown(void **state)
{
    presence_free(presence);
    presence = NULL;
    loop_free(loop);
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

static void begin(void)
{
    presence = presence_new(loop, dir, QUIET_USEC, changed, NULL);
    assert_non_null(presence);
    pass(USEC_PER_SEC);
}

static void quiet_and_back(void **state)
{
    int keys = plug("event0"), mouse = plug("event7");

    begin();
    assert_int_equal(told, 1); /* there is something that would tell */
    assert_int_equal(told_sec, 0);
    for (int i = 0; i < 20; i++) { /* somebody works: nothing is said */
        touch(i % 2 ? keys : mouse);
        pass(20 * USEC_PER_SEC);
    }
    assert_int_equal(told, 1);
    pass(90 * USEC_PER_SEC);
    assert_int_equal(told, 2);
    assert_in_range(told_sec, 60, 75);
    pass(10 * QUIET_USEC); /* and seldom after that */
    assert_in_range(told, 11, 13);
    assert_in_range(presence_idle_sec(presence), 650, 760);
    told = 0;
    touch(mouse);
    pass(USEC_PER_MSEC); /* at once */
    assert_int_equal(told, 1);
    assert_int_equal(told_sec, 0);
    for (int i = 0; i < 40; i++) /* a mouse that moves on is not looked at each time */
        touch(mouse);
    pass(30 * USEC_PER_SEC);
    assert_int_equal(told, 1);
    unplug("event0", keys);
    unplug("event7", mouse);
}

static void without_devices(void **state)
{
    char path[128];

    in_dir("event3", path); /* no device */
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    begin();
    pass(10 * QUIET_USEC);
    assert_int_equal(told, 0);
    assert_int_equal(presence_idle_sec(presence), -1);
    unlink(path);
    int keys = plug("event4"); /* and then there is one: the clock begins with it */
    pass(QUIET_USEC / 2);
    assert_int_equal(told, 1);
    assert_int_equal(told_sec, 0);
    pass(QUIET_USEC);
    assert_true(presence_idle_sec(presence) >= 60);
    unplug("event4", keys);
    pass(3 * QUIET_USEC); /* it is gone: nobody knows any more */
    assert_int_equal(presence_idle_sec(presence), -1);
}

/* A pointer that comes with its viewer: its first move counts. */
static void new_device_while_quiet(void **state)
{
    int keys = plug("event0");

    begin();
    pass(5 * QUIET_USEC);
    assert_true(presence_idle_sec(presence) > 60);
    int tablet = plug("event1");
    pass(USEC_PER_MSEC);
    assert_true(presence_idle_sec(presence) > 60); /* by itself it is nobody */
    told = 0;
    touch(tablet);
    pass(USEC_PER_MSEC);
    assert_int_equal(told, 1);
    assert_int_equal(told_sec, 0);
    unplug("event0", keys);
    unplug("event1", tablet);
}

static void folder_that_comes_later(void **state)
{
    char path[128];

    assert_int_equal(rmdir(dir), 0);
    begin();
    assert_int_equal(presence_idle_sec(presence), -1);
    assert_int_equal(mkdir(dir, 0700), 0);
    int keys = plug("event0");
    pass(QUIET_USEC / 2);
    assert_int_equal(presence_idle_sec(presence), 0);
    unplug("event0", keys);
    in_dir("event0", path);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quiet_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(without_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(new_device_while_quiet, setup, teardown),
        cmocka_unit_test_setup_teardown(folder_that_comes_later, setup, teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
