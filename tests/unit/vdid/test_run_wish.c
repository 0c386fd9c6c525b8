/* SPDX-License-Identifier: Apache-2.0 */
/* test_run_wish.c - what is to be run: read strictly, and the same when it is read again. */
#include "vdid/run_wish.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define OWNER "\"owner\":{\"name\":\"alice\",\"uid\":1000,\"gid\":1000,\"home\":\"/home/alice\"}"
#define SCRIPT "\"payload\":{\"script\":\"#!/bin/sh\\n\",\"args\":[\"a\"]}"

static struct run_wish *read_wish(const char *json)
{
    struct run_wish *w = NULL;
    struct vdi_error err = {0};

    if (run_wish_read(json, strlen(json), &w, &err) < 0)
        fail_msg("%s: %s", json, err.detail);
    return w;
}

/* As it is kept. */
static struct run_wish *again(struct run_wish *w)
{
    struct buf text = BUF_INIT(0);
    struct run_wish *copy;

    run_wish_write(w, &text);
    copy = read_wish(text.data);
    run_wish_free(w);
    buf_done(&text);
    return copy;
}

static void batch(void **state)
{
    struct run_wish *w = again(
        read_wish("{\"template\":{},\"job\":{\"kind\":\"batch\",\"id\":5,\"work_dir\":\"/w\","
                  "\"output\":\"o\","
                  "\"error\":\"e\",\"open_mode\":\"truncate\"},\"env\":[\"VDI_JOB_ID=5\"]," OWNER
                  "," SCRIPT "}"));

    assert_string_equal(w->owner.name, "alice");
    assert_int_equal(w->owner.uid, 1000);
    assert_string_equal(w->env[0], "VDI_JOB_ID=5");
    assert_null(w->env[1]);
    assert_non_null(strstr(w->payload, "#!/bin/sh"));
    assert_false(w->is_session || w->is_interactive || w->merge);
    assert_true(w->truncate);
    assert_string_equal(w->work_dir, "/w");
    assert_string_equal(w->files[RUNNER_OUT], "o");
    assert_string_equal(w->files[RUNNER_ERR], "e");
    run_wish_free(w);
}

static void streams(void **state)
{
    static const struct {
        const char *job;
        bool merge;
        const char *out, *err;
    } cases[] = {
        {"", true, "", ""},
        {"\"output\":\"o\"", true, "o", ""},
        {"\"output\":\"o\",\"error\":\"o\"", true, "o", ""},
        {"\"error\":\"e\"", false, "", "e"},
        {"\"output\":\"o\",\"error\":\"/dev/null\"", false, "o", ""},
        {"\"output\":\"/dev/null\"", true, "", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char json[256];
        struct run_wish *w;

        snprintf(json, sizeof(json), "{\"job\":{%s}," OWNER "," SCRIPT "}", cases[i].job);
        w = again(read_wish(json));
        assert_int_equal(w->merge, cases[i].merge);
        assert_string_equal(w->files[RUNNER_OUT], cases[i].out);
        assert_string_equal(w->files[RUNNER_ERR], cases[i].err);
        run_wish_free(w);
    }
}

static void sessions(void **state)
{
    struct run_wish *w = again(read_wish("{\"job\":{\"kind\":\"interactive\"}," OWNER
                                         ",\"payload\":{\"environment\":{\"A\":\"b\"}}}"));

    assert_true(w->is_session && w->is_interactive);
    assert_non_null(strstr(w->payload, "\"A\""));
    run_wish_free(w);
    w = again(read_wish("{\"job\":{\"kind\":\"interactive\"}," OWNER "}"));
    assert_string_equal(w->payload, "{}");
    run_wish_free(w);
    w = again(read_wish(
        "{\"template\":{\"login\":\"prompt\"},\"job\":{\"kind\":\"interactive\"}," OWNER "}"));
    assert_null(w->payload); /* the guest's own login screen opens it */
    run_wish_free(w);
    w = again(read_wish("{\"job\":{\"kind\":\"interactive\"}}")); /* nobody's */
    assert_null(w->payload);
    assert_true(w->is_interactive);
    run_wish_free(w);
    w = again(read_wish("{\"job\":{\"kind\":\"batch\"}," OWNER "}"));
    assert_null(w->payload);
    run_wish_free(w);
}

static void mounts(void **state)
{
    static const char up[] = "{\"name\":\"h\",\"source\":\"/a/../b\",\"target\":\"/a\","
                             "\"type\":\"virtiofs\",\"mode\":\"rw\"}";
    static const char *const bad[] = {
        "{\"name\":\"h\",\"source\":\"a\",\"target\":\"/a\",\"type\":\"virtiofs\",\"mode\":\"rw\"}",
        up,
        "{\"name\":\"h\",\"source\":\"/a\",\"target\":\"/a\",\"type\":\"9p\",\"mode\":\"rw\"}",
        "{\"name\":\"h\",\"source\":\"/a\",\"target\":\"/a\",\"type\":\"virtiofs\",\"mode\":\"x\"}",
        "{}",
    };
    struct run_wish *w = again(read_wish(
        "{\"job\":{\"kind\":\"batch\"}," OWNER ",\"mounts\":[{\"name\":\"h\",\"source\":\"/s\","
        "\"target\":\"/t\",\"type\":\"virtiofs\",\"mode\":\"ro\"}]}"));
    struct vdi_error err = {0};
    char text[1024];

    assert_int_equal(w->n_shares, 1);
    assert_string_equal(w->shares[0].source, "/s");
    assert_true(w->shares[0].read_only);
    run_wish_free(w);
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        snprintf(text, sizeof(text), "{\"job\":{\"kind\":\"batch\"}," OWNER ",\"mounts\":[%s]}",
                 bad[i]);
        assert_int_equal(run_wish_read(text, strlen(text), &w, &err), -EINVAL);
    }
    snprintf(text, sizeof(text),
             "{\"mounts\":[{\"name\":\"h\",\"source\":\"/s\",\"target\":\"/t\","
             "\"type\":\"virtiofs\",\"mode\":\"ro\"}]}");
    assert_int_equal(run_wish_read(text, strlen(text), &w, &err), -EINVAL); /* nobody's */
}

#define REMOTE(source, type, ticket)                                                               \
    "{\"name\":\"h\",\"source\":\"" source "\",\"target\":\"/t\",\"type\":\"" type                 \
    "\",\"mode\":\"ro\",\"security\":\"krb5i\",\"ticket\":\"" ticket "\"}"

static void remotes(void **state)
{
    static const char *const bad[] = {
        REMOTE("/a", "smb", "/t"),
        REMOTE("n:/a,b", "nfs-krb5", "/t"),
        REMOTE("n:/a", "nfs-krb5", "t"),
        REMOTE("n:/a", "nfs-krb5", "/../t"),
        REMOTE("n:/a", "nfs-krb5", "/t") "," REMOTE("n:/a", "nfs-krb5", "/u"),
        "{\"name\":\"h\",\"source\":\"n:/s\",\"target\":\"/t\",\"type\":\"smb\",\"mode\":\"rw\"}",
    };
    struct run_wish *w =
        again(read_wish("{\"job\":{\"kind\":\"batch\"}," OWNER ",\"mounts\":[" REMOTE(
            "//n/s", "smb", "/tmp/krb5cc_5") "," REMOTE("n:/s", "nfs-krb5", "/tmp/krb5cc_5") "]}"));
    struct vdi_error err = {0};
    char text[1024];

    assert_int_equal(w->n_remotes, 2);
    assert_int_equal(w->n_shares, 0);
    assert_string_equal(w->ticket, "/tmp/krb5cc_5");
    assert_true(w->remotes[0].type == RUNNER_SMB && w->remotes[1].type == RUNNER_NFS_KRB5);
    assert_true(w->remotes[0].read_only && w->remotes[0].security == RUNNER_KRB5I);
    run_wish_free(w);
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        snprintf(text, sizeof(text), "{\"job\":{\"kind\":\"batch\"}," OWNER ",\"mounts\":[%s]}",
                 bad[i]);
        assert_int_equal(run_wish_read(text, strlen(text), &w, &err), -EINVAL);
    }
}

#define DISK(volume, where, size)                                                                  \
    "{\"name\":\"work\",\"volume\":\"" volume "\",\"target\":\"/w\",\"where\":\"" where            \
    "\",\"persistence\":\"job\",\"size_gib\":" size ",\"new\":true}"

static void disks(void **state)
{
    static const char *const bad[] = {
        DISK("7", "node", "1"),
        DISK("7.0011223344556677/../x", "node", "1"),
        DISK("../../etc/passwd", "node", "1"),
        DISK("7.0011223344556677", "there", "1"),
        DISK("7.0011223344556677", "node", "0"),
        DISK("7.0011223344556677", "node", "99999999"),
        "{}",
    };
    struct run_wish *w = again(read_wish("{\"job\":{\"kind\":\"batch\"}," OWNER ",\"disks\":[" DISK(
        "7.0011223344556677", "shared", "20") "]}"));
    struct vdi_error err = {0};
    char text[1024];

    assert_int_equal(w->n_disks, 1);
    assert_string_equal(w->disks[0].volume, "7.0011223344556677");
    assert_string_equal(w->disks[0].target, "/w");
    assert_int_equal(w->disks[0].where, DISK_SHARED);
    assert_int_equal(w->disks[0].persistence, DISK_JOB);
    assert_int_equal(w->disks[0].size_gib, 20);
    assert_true(w->disks[0].is_new);
    run_wish_free(w);
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        snprintf(text, sizeof(text), "{\"job\":{\"kind\":\"batch\"}," OWNER ",\"disks\":[%s]}",
                 bad[i]);
        assert_int_equal(run_wish_read(text, strlen(text), &w, &err), -EINVAL);
    }
    snprintf(text, sizeof(text), "{\"disks\":[%s]}", DISK("7.0011223344556677", "node", "1"));
    assert_int_equal(run_wish_read(text, strlen(text), &w, &err), -EINVAL); /* nobody's */
}

static void seats(void **state)
{
    static const char *const wrong[] = {
        "{\"seat\":{\"mounts\":17}}",   "{\"seat\":{\"disks\":-1}}",
        "{\"seat\":{},\"job\":{}}",     "{\"seat\":{}," OWNER "}",
        "{\"seat\":{},\"payload\":{}}", "{\"seat\":{},\"mounts\":[{}]}",
    };
    struct run_wish *w =
        again(read_wish("{\"template\":{\"login\":\"auto\"},\"seat\":{\"mounts\":2,\"disks\":1}}"));

    assert_true(w->is_seat && w->is_interactive);
    run_wish_free(w);
    w = again(read_wish("{\"template\":{\"login\":\"auto\"},"
                        "\"seat\":{\"mounts\":2,\"disks\":1,\"batch\":true}}"));
    assert_true(w->is_seat && !w->is_interactive);
    assert_int_equal(w->seat_mounts, 2);
    assert_int_equal(w->seat_disks, 1);
    assert_string_equal(w->owner.name, "");
    assert_null(w->payload);
    run_wish_free(w);
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        struct vdi_error err = {0};

        w = NULL;
        if (run_wish_read(wrong[i], strlen(wrong[i]), &w, &err) >= 0)
            fail_msg("%s was taken", wrong[i]);
        assert_null(w);
        assert_true(*err.field);
    }
}

static void environment(void **state)
{
    struct run_wish *w = read_wish("{\"env\":[\"VDI_NODE=theirs\"]}");

    assert_int_equal(run_wish_set(w, "VDI_NODE", "ours"), 0);
    assert_int_equal(run_wish_set(w, "VDI_NO", "x"), 0);
    assert_string_equal(w->env[0], "VDI_NODE=theirs");
    assert_string_equal(w->env[1], "VDI_NO=x");
    for (int i = 0; i < 2 * RUNNER_ENV_MAX; i++) {
        char name[24];

        snprintf(name, sizeof(name), "VDI_%d", i);
        assert_int_equal(run_wish_set(w, name, "x"), 0);
    }
    assert_non_null(w->env[RUNNER_ENV_MAX - 1]);
    assert_null(w->env[RUNNER_ENV_MAX]);
    run_wish_free(w);
}

static void many_groups(void **state)
{
    struct buf json = BUF_INIT(0);
    struct run_wish *w;

    buf_puts(&json, "{\"owner\":{\"name\":\"a\",\"uid\":1,\"gid\":1,\"home\":\"/\",\"groups\":[");
    for (int i = 0; i < RUNNER_GROUPS_MAX + 7; i++)
        buf_printf(&json, "%s{\"name\":\"g%d\",\"gid\":%d}", i ? "," : "", i, 100 + i);
    buf_puts(&json, "]}}");
    w = read_wish(json.data);
    assert_int_equal(w->owner.n_groups, RUNNER_GROUPS_MAX);
    assert_int_equal(w->groups_left_out, 7);
    w = again(w);
    assert_int_equal(w->owner.groups[RUNNER_GROUPS_MAX - 1].gid, 100 + RUNNER_GROUPS_MAX - 1);
    run_wish_free(w);
    buf_done(&json);
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[",
        "{" SCRIPT "}", /* whose? */
        "{" OWNER ",\"payload\":{\"script\":\"echo\"}}",
        "{" OWNER ",\"payload\":{\"script\":5}}",
        "{" OWNER ",\"payload\":{\"more\":5}}",
        "{" OWNER ",\"payload\":[]}",
        "{\"owner\":{\"name\":\"a\",\"gid\":1,\"home\":\"/\"}}",
        "{\"owner\":{\"name\":\"a\",\"uid\":-1,\"gid\":1,\"home\":\"/\"}}",
        "{\"owner\":{\"name\":\"a\",\"uid\":4294967295,\"gid\":1,\"home\":\"/\"}}",
        "{\"owner\":{\"name\":\"a\",\"uid\":1,\"gid\":1,\"home\":\"home\"}}",
        "{\"owner\":{\"name\":\"a\",\"uid\":1,\"gid\":1,\"home\":\"/a:b\"}}",
        "{\"owner\":{\"name\":\"\",\"uid\":1,\"gid\":1,\"home\":\"/\"}}",
        ("{\"owner\":{\"name\":\"a\",\"uid\":1,\"gid\":1,\"home\":\"/\","
         "\"groups\":[{\"name\":\"g\"}]}}"),
        "{\"env\":[\"PATH=/\"]}",
        "{\"env\":[\"VDI_A\"]}",
        "{\"env\":[\"VDI_A-B=c\"]}",
        "{\"env\":[5]}",
        "{\"job\":{\"open_mode\":\"sometimes\"}}",
        "{\"job\":{\"output\":\"a\\nb\"}}",
    };
    struct run_wish *w = NULL;
    struct vdi_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = (struct vdi_error){0};
        if (run_wish_read(bad[i], strlen(bad[i]), &w, &err) >= 0)
            fail_msg("taken: %s", bad[i]);
        assert_true(*err.detail);
    }
    assert_null(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch),       cmocka_unit_test(streams),     cmocka_unit_test(sessions),
        cmocka_unit_test(mounts),      cmocka_unit_test(remotes),     cmocka_unit_test(disks),
        cmocka_unit_test(environment), cmocka_unit_test(many_groups), cmocka_unit_test(refused),
        cmocka_unit_test(seats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
