/* SPDX-License-Identifier: Apache-2.0 */
/* test_account.c - the owner's account in files of a folder of our own. */
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
#include "base/str.h"
#include "guest/account.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\nanna2:x:5000:5000::/:/bin/sh";
static const char group[] = "root:x:0:\nvideo:x:44:bob\nrender:x:105:";

static char dir[] = "/tmp/vdi-account.XXXXXX";

static void put(const char *name, const char *text, mode_t mode)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0 && fchmod(fd, mode) == 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static const char *get(const char *name)
{
    static char text[4096];
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = '\0';
    return text;
}

/* Without root only for ourselves: a home can't be given away. */
static struct runner_owner anna(void)
{
    struct runner_owner o = {.name = "anna", .n_groups = 3};
    o.uid = getuid() == 0 ? 7001 : getuid();
    o.gid = getuid() == 0 ? 7002 : getgid();
    o.groups[0] = (struct runner_group){"video", 44};
    o.groups[1] = (struct runner_group){"gpu", 105}; /* named otherwise in the guest */
    o.groups[2] = (struct runner_group){"cad1", 9001};
    snprintf(o.home, sizeof(o.home), "%s/homes/anna", dir);
    return o;
}

static int setup(void **state)
{
    put("passwd", passwd, 0644);
    put("group", group, 0644);
    put("shadow", "root:*:::::::\n", 0640);
    return 0;
}

static void made_once(void **state)
{
    struct runner_owner o = anna();
    struct vdi_error err = {0};
    struct stat st;
    char expect[512], path[64];

    for (int i = 0; i < 2; i++) {
        if (account_ensure(dir, &o, &err) < 0)
            fail_msg("%s", err.detail);
        snprintf(expect, sizeof(expect), "%s\nanna:x:%u:%u::%s:/bin/sh\n", passwd, o.uid, o.gid,
                 o.home);
        assert_string_equal(get("passwd"), expect);
        snprintf(expect, sizeof(expect),
                 "gpu:x:105:anna\nroot:x:0:\nvideo:x:44:bob,anna\nrender:x:105:\nanna:x:%u:\n"
                 "cad1:x:9001:anna\n",
                 o.gid);
        assert_string_equal(get("group"), expect);
        assert_string_equal(get("shadow"), "root:*:::::::\nanna:*:::::::\n");
    }
    assert_int_equal(account_check(dir, &o, &err), 0);
    snprintf(path, sizeof(path), "%s/shadow", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(stat(o.home, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(st.st_uid, o.uid);
}

static void not_over_others(void **state)
{
    struct runner_owner o = anna();

    put("passwd", "anna:x:1:1::/:/bin/sh\n", 0644);
    assert_int_equal(account_check(dir, &o, NULL), -EEXIST);
    assert_int_equal(account_ensure(dir, &o, NULL), -EEXIST);
    assert_string_equal(get("passwd"), "anna:x:1:1::/:/bin/sh\n");
    str_copy(o.name, sizeof(o.name), "berta");
    o.uid = 1;
    assert_int_equal(account_check(dir, &o, NULL), -EEXIST);
    assert_int_equal(account_ensure(dir, &o, NULL), -EEXIST);
}

/* What id(1) says of them goes by number: the first line that has it. */
static void groups_as_outside(void **state)
{
    struct runner_owner o = anna();
    char expect[512];

    setup(NULL);
    o.groups[0].gid = 4444; /* the guest's video is another */
    o.groups[2] = (struct runner_group){"students", o.gid};
    assert_int_equal(account_ensure(dir, &o, NULL), 0);
    snprintf(expect, sizeof(expect),
             "gpu:x:105:anna\nroot:x:0:\nvideo:x:44:bob\nrender:x:105:\nstudents:x:%u:\n"
             "video:x:4444:anna\n",
             o.gid);
    assert_string_equal(get("group"), expect);
    o.groups[2].name[0] = 'S'; /* the primary group has another name by now */
    assert_int_equal(account_ensure(dir, &o, NULL), 0);
    assert_true(str_starts_with(get("group"), "Students:x:"));
}

static void account_of_another_time(void **state)
{
    struct runner_owner o = anna();
    char line[512];

    setup(NULL);
    snprintf(line, sizeof(line), "anna:x:%u:1:Anna A.:/old:/bin/zsh\nberta:x:1:1::/:/bin/sh\n",
             o.uid);
    put("passwd", line, 0644);
    assert_int_equal(account_ensure(dir, &o, NULL), 0);
    snprintf(line, sizeof(line), "anna:x:%u:%u:Anna A.:%s:/bin/zsh\nberta:x:1:1::/:/bin/sh\n",
             o.uid, o.gid, o.home);
    assert_string_equal(get("passwd"), line);
    snprintf(line, sizeof(line), "anna:x:%u\n", o.uid);
    put("passwd", line, 0644);
    assert_int_equal(account_ensure(dir, &o, NULL), -EBADMSG);
}

static void no_lines_by_name(void **state)
{
    static const char *const names[] = {"", "a:b", "a\nroot", "-a", "a b", "../a"};

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        struct runner_owner o = anna();
        str_copy(o.name, sizeof(o.name), names[i]);
        assert_int_equal(account_ensure(dir, &o, NULL), -EINVAL);
        o = anna();
        str_copy(o.groups[1].name, 64, names[i]);
        assert_int_equal(account_ensure(dir, &o, NULL), -EINVAL);
    }
    struct runner_owner o = anna();
    str_copy(o.home, sizeof(o.home), "/h:0:0::/root");
    assert_int_equal(account_ensure(dir, &o, NULL), -EINVAL);
    assert_string_equal(get("passwd"), passwd);
}

static void without_files(void **state)
{
    struct runner_owner o = anna();
    char path[64];

    for (const char *const *name = (const char *const[]){"passwd", "group", "shadow", NULL}; *name;
         name++) {
        snprintf(path, sizeof(path), "%s/%s", dir, *name);
        unlink(path);
    }
    assert_int_equal(account_check(dir, &o, NULL), 0);
    assert_int_equal(account_ensure(dir, &o, NULL), 0);
    assert_true(str_starts_with(get("passwd"), "anna:x:"));
    assert_string_equal(get("shadow"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(made_once, setup),
        cmocka_unit_test_setup(not_over_others, setup),
        cmocka_unit_test_setup(groups_as_outside, setup),
        cmocka_unit_test_setup(account_of_another_time, setup),
        cmocka_unit_test_setup(no_lines_by_name, setup),
        cmocka_unit_test_setup(without_files, setup),
    };
    char command[128];

    if (!mkdtemp(dir))
        return 99;
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) != 0 ? 99 : r;
}
