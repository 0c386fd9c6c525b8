/* SPDX-License-Identifier: Apache-2.0 */
/* test_mount.c - which targets are taken, and what is recognised as mounted already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "guest/mount.h"

static const char mountinfo[] =
    "22 1 0:20 / / rw,relatime - ext4 /dev/vda1 rw\n"
    "30 22 0:31 / /home/anna rw,nosuid,nodev shared:3 master:1 - virtiofs vdi-0 rw\n"
    "31 22 0:32 / /data rw - tmpfs none rw,size=1024k\n"
    "32 22 254:16 / /disk rw - ext4 /dev/vdb rw";

static struct runner_mount of(const char *tag, const char *target)
{
    struct runner_mount m = {.type = RUNNER_VIRTIOFS};

    str_copy(m.tag, sizeof(m.tag), tag);
    str_copy(m.target, sizeof(m.target), target);
    return m;
}

static void is_there_already(void **state)
{
    struct runner_mount home = of("vdi-0", "/home/anna"), data = of("vdi-1", "/data"),
                        none = of("vdi-1", "/home"), disk = of("vdi-disk", "/disk");

    assert_int_equal(mount_find(mountinfo, &home, "vdi-0"), 1);
    assert_int_equal(mount_find(mountinfo, &home, "vdi-1"), -EBUSY);
    assert_int_equal(mount_find(mountinfo, &data, "vdi-1"), -EBUSY);
    assert_int_equal(mount_find(mountinfo, &none, "vdi-1"), 0);
    assert_int_equal(mount_find(mountinfo, &disk, "/dev/vdb"), 1);
    assert_int_equal(mount_find("", &home, "vdi-0"), 0);
    assert_int_equal(mount_find("garbage\n\n- - -\n", &home, "vdi-0"), 0);
}

static void no_other_targets(void **state)
{
    static const char *const targets[] = {"", "/", "home", "/a/../b", "/a/..", "/a//b", "/a\nb"};
    char root[] = "/tmp/vdi-mount.XXXXXX";
    uint32_t next;

    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < ELEMENTS(targets); i++) {
        struct runner_mount m = of("vdi-0", targets[i]);

        assert_int_equal(mount_all(root, &m, 1, &next, NULL), -EINVAL);
    }
    assert_int_equal(rmdir(root), 0); /* nothing was made */
}

static void absent_disk(void **state)
{
    struct runner_mount m = of("vdi-no-such-disk", "/disk");
    uint32_t next;
    struct vdi_error err = {0};

    m.type = RUNNER_DISK;
    assert_true(mount_all("/nonexistent", &m, 1, &next, &err) < 0);
    assert_true(strstr(err.detail, "/disk") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_there_already),
        cmocka_unit_test(no_other_targets),
        cmocka_unit_test(absent_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
