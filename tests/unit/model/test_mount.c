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

static void good_sources(void **state)
{
    static const char *const sources[][3] = {
        {"/home/%u", "virtiofs", "/home/anna"},
        {"nas-1.example.org:/export/%u", "nfs-krb5", "nas-1.example.org:/export/anna"},
        {"//nas/%u$/a-b", "smb", "//nas/anna$/a-b"},
        {"//10.0.2.2/share", "smb", "//10.0.2.2/share"},
    };
    char text[MOUNT_PATH_MAX];

    for (size_t i = 0; i < ELEMENTS(sources); i++) {
        assert_int_equal(mount_source_check_type(sources[i][0], sources[i][1], NULL), 0);
        assert_int_equal(mount_source_expand(sources[i][0], &anna, text, NULL), 0);
        assert_string_equal(text, sources[i][2]);
    }
}

/* What would be another option, another word, or another place. */
static void bad_sources(void **state)
{
    static const char *const sources[][2] = {
        {"/a,b", "smb"},          {"/a", "nfs-krb5"},       {"//nas/a,uid=0", "smb"},
        {"//nas/a b", "smb"},     {"//nas/a\nb", "smb"},    {"//nas", "smb"},
        {"//nas/", "smb"},        {"//nas/a/../b", "smb"},  {"//-nas/a", "smb"},
        {"//nas./a", "smb"},      {"///a", "smb"},          {"nas:/a,sec=sys", "nfs-krb5"},
        {"nas:a", "nfs-krb5"},    {"nas:/", "nfs-krb5"},    {"nas:/a/..", "nfs-krb5"},
        {":/a", "nfs-krb5"},      {"-onas:/a", "nfs-krb5"}, {"a..b:/a", "nfs-krb5"},
        {"nas:/a", "virtiofs"},   {"//nas/a", "virtiofs"},  {"nas:/a%%b", "nfs-krb5"},
        {"[::1]:/a", "nfs-krb5"}, {"na s:/a", "nfs-krb5"},  {"nas:/a\\b", "nfs-krb5"},
    };

    for (size_t i = 0; i < ELEMENTS(sources); i++) {
        struct vdi_error err = {0};

        assert_true(mount_source_check_type(sources[i][0], sources[i][1], &err) < 0);
        assert_true(*err.detail && *err.remedy);
    }
}

static void tickets(void **state)
{
    struct vdi_error err = {0};

    assert_int_equal(mount_ticket_check("/tmp/krb5cc_%U", NULL), 0);
    assert_true(mount_ticket_check("KCM:", &err) < 0);
    assert_non_null(strstr(err.remedy, "KCM"));
    assert_true(mount_ticket_check("FILE:/tmp/x", NULL) < 0);
    assert_true(mount_ticket_check("/tmp/../etc/x", NULL) < 0);
    assert_true(mount_ticket_check("krb5cc", NULL) < 0);
    assert_int_equal(mount_security_check("krb5i", NULL), 0);
    assert_true(mount_security_check("sys", &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_paths),
        cmocka_unit_test(bad_paths),
        cmocka_unit_test(names_are_no_paths),
        cmocka_unit_test(too_long),
        cmocka_unit_test(good_sources),
        cmocka_unit_test(bad_sources),
        cmocka_unit_test(tickets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
