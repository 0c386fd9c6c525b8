/* SPDX-License-Identifier: Apache-2.0 */
/* test_host.c - good plugins load; each way to be bad is one sentence and a living process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/time.h"
#include "host/host_internal.h"

static char dir[] = "/tmp/vdi-test-host-XXXXXX";

static void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("%s failed", command);
}

/* Compiles the test's plugin as DIR/<kind>/<name>.so. */
static void build(const char *kind, const char *name, const char *flags)
{
    const char *cc = getenv("CC"), *top = getenv("top_srcdir");
    _cleanup_(freep) char *command =
        str_printf("%s -shared -fPIC -D_GNU_SOURCE -I%s/include -DBAD_INITIAL='\"60\"' %s -o "
                   "%s/%s/%s.so %s/tests/unit/host/plugin.c",
                   cc ? cc : "cc", top ? top : ".", flags, dir, kind, name, top ? top : ".");
    run(command);
}

static int load(enum vdi_plugin_kind kind, const char *name, struct vdi_auth_ops *ops,
                struct host_plugin **ret, struct vdi_error *err)
{
    *err = (struct vdi_error){0};
    memset(ops, 0xff, sizeof(*ops));
    int r = host_plugin_try_within(dir, kind, name, 20 * USEC_PER_SEC, err);

    return r < 0 ? r : host_plugin_load(dir, kind, name, ops, sizeof(*ops), ret, err);
}

/* It must be refused with this errno and a sentence that has these words. */
static void refuse(enum vdi_plugin_kind kind, const char *name, int code, const char *words)
{
    struct vdi_auth_ops ops;
    struct vdi_error err;
    struct host_plugin *p = NULL;
    assert_int_equal(load(kind, name, &ops, &p, &err), code);
    assert_null(p);
    assert_int_equal(err.code, -code);
    if (!strstr(err.detail, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.detail);
    assert_true(*err.remedy != '\0');
}

static void good(void **state)
{
    struct vdi_auth_ops ops;
    struct vdi_error err;
    struct host_plugin *p = NULL;
    build("auth", "good", "");
    assert_int_equal(load(VDI_PLUGIN_AUTH, "good", &ops, &p, &err), 0);
    assert_string_equal(ops.scheme, "Test");
    assert_non_null(ops.init);
    assert_non_null(ops.verify);
    assert_null(ops.sign);
    assert_non_null(ops.done);
    assert_string_equal(host_plugin_info(p)->title, "a plugin of a test");
    host_plugin_unload(p);
    host_plugin_unload(NULL);
}

/* Compiled when the struct ended before `sign`: what follows reads as NULL. */
static void older(void **state)
{
    struct vdi_auth_ops ops;
    struct vdi_error err;
    struct host_plugin *p = NULL;
    build("auth", "older", "-DNAME='\"older\"' -DSIZE='offsetof(struct vdi_auth_ops, sign)'");
    assert_int_equal(load(VDI_PLUGIN_AUTH, "older", &ops, &p, &err), 0);
    assert_non_null(ops.verify);
    assert_null(ops.sign);
    assert_null(ops.done);
    host_plugin_unload(p);
    build("auth", "ancient", "-DNAME='\"ancient\"' -DSIZE='offsetof(struct vdi_auth_ops, verify)'");
    refuse(VDI_PLUGIN_AUTH, "ancient", -EINVAL, "no member verify");
}

static void newer(void **state)
{
    struct {
        struct vdi_auth_ops ops;
        unsigned char guard[8];
    } room;
    struct vdi_error err;
    struct host_plugin *p = NULL;
    memset(&room, 0x5a, sizeof(room));
    build("auth", "newer", "-DNAME='\"newer\"' -DSIZE='sizeof(struct newer_ops)'");
    assert_int_equal(load(VDI_PLUGIN_AUTH, "newer", &room.ops, &p, &err), 0);
    assert_non_null(room.ops.done);
    for (size_t i = 0; i < sizeof(room.guard); i++)
        assert_int_equal(room.guard[i], 0x5a);
    host_plugin_unload(p);
}

static void wrong(void **state)
{
    build("auth", "abi", "-DNAME='\"abi\"' -DABI=7");
    refuse(VDI_PLUGIN_AUTH, "abi", -EPROTO, "ABI 7");
    build("site", "good", "");
    refuse(VDI_PLUGIN_SITE, "good", -EPROTO, "of kind auth and not site");
    build("auth", "other", "");
    refuse(VDI_PLUGIN_AUTH, "other", -EPROTO, "calls itself \"good\"");
    build("auth", "symbol", "-DNAME='\"symbol\"' -DSYMBOL=some_plugin");
    refuse(VDI_PLUGIN_AUTH, "symbol", -ENOEXEC, "without the symbol vdi_plugin");
    build("auth", "member", "-DNAME='\"member\"' -DNO_VERIFY");
    refuse(VDI_PLUGIN_AUTH, "member", -EINVAL, "no member verify");
    build("auth", "initial", "-DNAME='\"initial\"' -UBAD_INITIAL -DBAD_INITIAL='\"soon\"'");
    refuse(VDI_PLUGIN_AUTH, "initial", -EINVAL, "\"ttl\" wrongly");
    build("auth", "function", "-DNAME='\"function\"' -DSYMBOL=other -Wl,--defsym=vdi_plugin=16");
    refuse(VDI_PLUGIN_AUTH, "function", -EIO, "crashed");
}

static void file(void **state)
{
    _cleanup_(freep) char *text = str_printf("echo 'not a library' > %s/auth/text.so", dir);
    _cleanup_(freep) char *open_file = str_printf(
        "cp %s/auth/good.so %s/auth/open.so && chmod 0757 %s/auth/open.so", dir, dir, dir);
    _cleanup_(freep) char *folder = str_printf("mkdir %s/auth/folder.so", dir);
    _cleanup_(freep) char *open_dir = str_printf("chmod 0777 %s/auth", dir);
    _cleanup_(freep) char *safe_dir = str_printf("chmod 0755 %s/auth", dir);
    build("auth", "good", "");
    refuse(VDI_PLUGIN_AUTH, "absent", -ENOENT, "there is no ");
    refuse(VDI_PLUGIN_AUTH, "../auth/good", -EINVAL, "not the name of a plugin");
    run(text);
    refuse(VDI_PLUGIN_AUTH, "text", -ENOEXEC, "can't be loaded");
    run(folder);
    refuse(VDI_PLUGIN_AUTH, "folder", -ENOEXEC, "not a regular file");
    run(open_file);
    refuse(VDI_PLUGIN_AUTH, "open", -EPERM, "can be written by others (mode 0757)");
    run(open_dir);
    refuse(VDI_PLUGIN_AUTH, "good", -EPERM, "can be written by others (mode 0777)");
    run(safe_dir);
}

/* A link in a safe place may lead to one that is not. */
static void link_out(void **state)
{
    _cleanup_(freep) char *command =
        str_printf("mkdir -m 0777 %s/out && chmod 0777 %s/out && cp %s/auth/good.so "
                   "%s/out/linked.so && chmod 0755 %s/out/linked.so && "
                   "ln -s %s/out/linked.so %s/auth/linked.so",
                   dir, dir, dir, dir, dir, dir, dir);
    build("auth", "good", "");
    run(command);
    refuse(VDI_PLUGIN_AUTH, "linked", -EPERM, "/out can be written by others");
}

static void crash_and_hang(void **state)
{
    struct vdi_error err = {0};
    build("auth", "crash", "-DNAME='\"crash\"' -DCRASH");
    refuse(VDI_PLUGIN_AUTH, "crash", -EIO, "crashed while it was loaded: Aborted");
    build("auth", "leave", "-DNAME='\"leave\"' -DLEAVE");
    refuse(VDI_PLUGIN_AUTH, "leave", -EIO, "ended its process");
    build("auth", "hang", "-DNAME='\"hang\"' -DHANG");
    assert_int_equal(host_plugin_try_within(dir, VDI_PLUGIN_AUTH, "hang", USEC_PER_SEC / 5, &err),
                     -ETIMEDOUT);
    assert_non_null(strstr(err.detail, "was not loaded after 0.2 seconds"));
}

static void settings(void **state)
{
    struct vdi_auth_ops ops;
    struct vdi_error err;
    struct host_plugin *p = NULL;
    struct vdi_setting_value *v = NULL;
    size_t n = 0;
    const struct vdi_setting_value given[] = {{"strict", "yes"}, {"ttl", "5"}},
                                   unknown[] = {{"tll", "5"}}, number[] = {{"ttl", "soon"}},
                                   flag[] = {{"strict", "maybe"}},
                                   twice[] = {{"ttl", "5"}, {"ttl", "6"}};
    build("auth", "good", "");
    assert_int_equal(load(VDI_PLUGIN_AUTH, "good", &ops, &p, &err), 0);
    assert_int_equal(host_plugin_settings(p, given, 2, &v, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_string_equal(v[0].name, "socket");
    assert_string_equal(v[0].value, "/run/test");
    assert_string_equal(v[1].value, "5");
    assert_string_equal(v[2].value, "yes");
    free(v);
    assert_int_equal(host_plugin_settings(p, NULL, 0, &v, &n, &err), 0);
    assert_int_equal(n, 2); /* strict has no default */
    free(v);
    assert_int_equal(host_plugin_settings(p, unknown, 1, &v, &n, &err), -EINVAL);
    assert_string_equal(err.field, "tll");
    assert_non_null(strstr(err.remedy, "socket, ttl, strict"));
    assert_int_equal(host_plugin_settings(p, number, 1, &v, &n, &err), -EINVAL);
    assert_int_equal(host_plugin_settings(p, flag, 1, &v, &n, &err), -EINVAL);
    assert_int_equal(host_plugin_settings(p, twice, 2, &v, &n, &err), -EINVAL);
    assert_non_null(strstr(err.detail, "twice"));
    host_plugin_unload(p);
}

static int setup(void **state)
{
    if (!mkdtemp(dir))
        return -1;
    _cleanup_(freep) char *command =
        str_printf("umask 022; chmod 0755 %s && mkdir %s/auth %s/site", dir, dir, dir);
    umask(022);
    return system(command);
}

static int teardown(void **state)
{
    _cleanup_(freep) char *command = str_printf("rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),           cmocka_unit_test(older),    cmocka_unit_test(newer),
        cmocka_unit_test(wrong),          cmocka_unit_test(file),     cmocka_unit_test(link_out),
        cmocka_unit_test(crash_and_hang), cmocka_unit_test(settings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
