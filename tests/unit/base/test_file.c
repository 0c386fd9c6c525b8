/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static char dir[] = "/tmp/vdi-file-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[2][PATH_MAX];
    static int turn;

    turn = !turn;
    snprintf(path[turn], PATH_MAX, "%s/%s", dir, name);
    return path[turn];
}

static void assert_holds(const char *path, const char *text)
{
    struct buf out = BUF_INIT(100);

    assert_int_equal(file_read(path, &out), 0);
    assert_string_equal(out.data, text);
    buf_done(&out);
}

static void reads_within_a_limit(void **state)
{
    struct buf out = BUF_INIT(10);

    assert_int_equal(file_read(in_dir("none"), &out), -ENOENT);
    assert_int_equal(file_replace(in_dir("f"), "0123456789", 10), 0);
    assert_holds(in_dir("f"), "0123456789");
    assert_int_equal(file_replace(in_dir("f"), "0123456789a", 11), 0);
    assert_int_equal(file_read(in_dir("f"), &out), -EFBIG);
    assert_int_equal(file_replace(in_dir("empty"), "", 0), 0);
    assert_holds(in_dir("empty"), "");
    assert_int_equal(symlink("f", in_dir("link")), 0);
    assert_int_equal(file_read(in_dir("link"), &out), -ELOOP);
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_int_equal(file_read(in_dir("fifo"), &out), -EINVAL);
    assert_int_equal(file_read(dir, &out), -EINVAL);
    buf_done(&out);
}

static void replaces_whole_or_not_at_all(void **state)
{
    struct stat before, st;

    assert_int_equal(file_replace(in_dir("r"), "old", 3), 0);
    assert_int_equal(stat(in_dir("r"), &before), 0);
    assert_int_equal(before.st_mode & 07777, 0600);
    assert_int_equal(file_replace(in_dir("r"), "new", 3), 0);
    assert_int_equal(stat(in_dir("r"), &st), 0);
    assert_int_not_equal(st.st_ino, before.st_ino);
    assert_holds(in_dir("r"), "new");
    /* What a crash left, and a link that somebody laid, are in nobody's way. */
    assert_int_equal(symlink("f", in_dir("r.vdi-new")), 0);
    assert_int_equal(file_replace(in_dir("r"), "newer", 5), -ELOOP);
    assert_int_equal(unlink(in_dir("r.vdi-new")), -1); /* gone with the attempt */
    assert_holds(in_dir("r"), "new");
    assert_int_equal(file_replace(in_dir("no/such"), "x", 1), -ENOENT);
    assert_int_equal(mkdir(in_dir("d"), 0700), 0);
    assert_int_equal(file_replace(in_dir("d"), "x", 1), -EISDIR);
    assert_int_equal(access(in_dir("d.vdi-new"), F_OK), -1);
}

static void is_like_the_old_one(void **state)
{
    struct stat like = {.st_mode = 0640, .st_uid = geteuid(), .st_gid = getegid()}, st;

    if (geteuid() == 0)
        like.st_uid = like.st_gid = 1;
    assert_int_equal(file_replace_like(in_dir("l"), "x", 1, &like), 0);
    assert_int_equal(stat(in_dir("l"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_uid, like.st_uid);
    assert_int_equal(st.st_gid, like.st_gid);
}

static void needs_room(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, "x", 1), -ENOSPC);
    assert_int_equal(file_write_all(fd, "x", 0), 0);
    close(fd);
    assert_int_equal(file_sync_dir(dir), 0);
    assert_int_equal(file_sync_dir(in_dir("none")), -ENOENT);
}

static int begin(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_within_a_limit),
        cmocka_unit_test(replaces_whole_or_not_at_all),
        cmocka_unit_test(is_like_the_old_one),
        cmocka_unit_test(needs_room),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
