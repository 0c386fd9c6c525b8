/* SPDX-License-Identifier: Apache-2.0 */
/* test_mount.c - paths of mounts: which are refused, and what they become for an owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/mount.h"

static const struct mount_owner anna = {"anna", "cad1", 7001, 7002};

static void good_paths(void **state)
{
    static const char *const paths[][2] = {
        {"/home/%u", "/home/anna"},
        {"/scratch/%g/%U-%G", "/scratch/cad1/7001-7002"},
        {"/a%%b/..c/d..", "/a%b/..c/d.."},
        {"/x", "/x"},
    };
    char text[MOUNT_PATH_MAX];

    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        assert_int_equal(mount_path_expand(paths[i][0], &anna, text, NULL), 0);
        assert_string_equal(text, paths[i][1]);
    }
}

static void bad_paths(void **state)
{
    static const char *const paths[] = {"",      "/",     "home", "/a/../b", "/a/..",    "/./a",
                                        "/a//b", "/a/",   "/a b", "/a%",     "/a%x",     "/a\\b",
                                        "/a\nb", "/a\"b", "/a;b", "/$HOME",  "/\xc3\xa4"};
    struct vdi_error err;

    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        err = (struct vdi_error){0};
        assert_int_equal(mount_path_check(paths[i], &err), -EINVAL);
        assert_true(*err.detail && *err.remedy);
    }
}

static void names_are_no_paths(void **state)
{
    static const char *const names[] = {"", ".", "..", "../root", "a/b", ".ssh", "a b", "-r"};
    char text[MOUNT_PATH_MAX] = "untouched";
    struct vdi_error err;

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        struct mount_owner o = anna;

        o.name = names[i];
        err = (struct vdi_error){0};
        assert_int_equal(mount_path_expand("/home/%u", &o, text, &err), -EINVAL);
        assert_true(*err.detail);
        o = anna;
        o.group = names[i];
        assert_int_equal(mount_path_expand("/home/%g", &o, text, NULL), -EINVAL);
    }
    assert_string_equal(text, "untouched");
}

static void too_long(void **state)
{
    char path[MOUNT_PATH_MAX + 1], text[MOUNT_PATH_MAX];
    struct vdi_error err = {0};

    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(mount_path_check(path, NULL), -ENAMETOOLONG);
    path[MOUNT_PATH_MAX - 1] = '\0';
    assert_int_equal(mount_path_check(path, NULL), 0);
    memcpy(path + MOUNT_PATH_MAX - 3, "%u", 2);
    assert_true(mount_path_expand(path, &anna, text, &err) < 0);
    assert_true(*err.detail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_paths),
        cmocka_unit_test(bad_paths),
        cmocka_unit_test(names_are_no_paths),
        cmocka_unit_test(too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
