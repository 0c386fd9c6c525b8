/* SPDX-License-Identifier: Apache-2.0 */
/* test_auth_token.c - tokens: issued, verified, and every way of not being one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <vdi/plugin.h>

#include "../../../plugins/auth/token/token_text.h"

#define NOW_SEC INT64_C(1800000000)
#define USEC INT64_C(1000000)

static const struct vdi_auth_ops *ops;
static char dir[] = "/tmp/vdi-token-XXXXXX";
static char key_path[64], file_path[64];

static const struct vdi_principal alice = {
    .realm = "unix", .name = "alice", .uid = 1000, .gid = 100, .scope = "job.submit"};

static void *auth_new(const char *key, const char *create, const char *file, int want)
{
    struct vdi_setting_value values[] = {{"key", key}, {"create", create}, {"file", file}};
    struct vdi_error err = {0};
    void *auth = NULL;
    int r = ops->init(&auth, NULL, NULL, values, 3, &err);
    if (r != want)
        fail_msg("init: %d, not %d: %s", r, want, err.detail);
    if (r < 0)
        assert_int_equal(err.code, -r);
    return auth;
}

static int verify(void *auth, const char *text, const char *cluster, int64_t now_sec)
{
    struct vdi_principal principal;
    char id[128];
    struct vdi_error err = {0};
    struct vdi_auth_request request = {.cluster = cluster,
                                       .method = "GET",
                                       .path = "/",
                                       .credential = text,
                                       .now_usec = now_sec * USEC};
    int r = ops->verify(auth, &request, 0, &principal, id, &err);
    if (r == 0) {
        assert_string_equal(principal.realm, "unix");
        assert_string_equal(principal.name, "alice");
        assert_string_equal(principal.scope, "job.submit");
        assert_int_equal(principal.uid, 1000);
        assert_int_equal(principal.gid, 100);
        assert_string_equal(id, "jti-1");
    } else {
        assert_int_equal(err.code, -r);
        assert_true(err.detail[0]);
    }
    return r;
}

static void issue(void *auth, int64_t from_sec, int64_t to_sec, char *text, int want)
{
    struct vdi_error err = {0};
    int r = ops->issue(auth, &alice, "campus", "jti-1", from_sec * USEC, to_sec * USEC, text,
                       TOKEN_TEXT_MAX, &err);
    if (r != want)
        fail_msg("issue: %d, not %d: %s", r, want, err.detail);
}

static void makes_its_key_once(void **state)
{
    struct stat st;
    char a[TOKEN_TEXT_MAX];
    void *auth = auth_new(key_path, "true", NULL, 0);
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, TOKEN_KEY_MIN);
    issue(auth, NOW_SEC, NOW_SEC + 60, a, 0);
    ops->done(auth);
    auth = auth_new(key_path, "true", NULL, 0); /* the same key again */
    assert_int_equal(verify(auth, a, "campus", NOW_SEC), 0);
    ops->done(auth);
}

static void refuses_bad_keys(void **state)
{
    char path[80];
    snprintf(path, sizeof(path), "%s/none", dir);
    auth_new(path, "false", NULL, -ENOENT);
    auth_new(NULL, NULL, NULL, -EINVAL);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "0123456789012345678901234567890", 31), 31);
    auth_new(path, "false", NULL, -EINVAL);
    assert_int_equal(write(fd, "1", 1), 1);
    ops->done(auth_new(path, "false", NULL, 0));
    assert_int_equal(fchmod(fd, 0640), 0);
    auth_new(path, "true", NULL, -EPERM);
    close(fd);
}

static void keeps_to_times_and_cluster(void **state)
{
    void *auth = auth_new(key_path, "true", NULL, 0);
    char text[TOKEN_TEXT_MAX];
    issue(auth, NOW_SEC, NOW_SEC + 3600, text, 0);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC), 0);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC + 3599), 0);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC + 3600), -EKEYEXPIRED);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC - 3600), -EACCES);
    assert_int_equal(verify(auth, text, "other", NOW_SEC), -EACCES);
    issue(auth, NOW_SEC, NOW_SEC + 3601, text, -ERANGE);
    issue(auth, NOW_SEC, NOW_SEC, text, -ERANGE);
    issue(auth, NOW_SEC, NOW_SEC - 1, text, -ERANGE);
    ops->done(auth);
}

static void refuses_every_flipped_bit(void **state)
{
    void *auth = auth_new(key_path, "true", NULL, 0);
    char text[TOKEN_TEXT_MAX];
    issue(auth, NOW_SEC, NOW_SEC + 60, text, 0);
    size_t len = strlen(text);
    for (size_t i = 0; i < len * 8; i++) {
        text[i / 8] ^= (char)(1 << i % 8);
        if (verify(auth, text, "campus", NOW_SEC) != -EACCES)
            fail_msg("bit %zu of %zu makes no difference", i, len * 8);
        text[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t n = 0; n < len; n++) {
        char cut[TOKEN_TEXT_MAX];
        memcpy(cut, text, n);
        cut[n] = '\0';
        assert_int_equal(verify(auth, cut, "campus", NOW_SEC), -EACCES);
    }
    char more[TOKEN_TEXT_MAX + 2];
    static const char *const tails[] = {"A", "=", " ", "."};
    for (int i = 0; i < 4; i++) {
        snprintf(more, sizeof(more), "%s%s", text, tails[i]);
        assert_int_equal(verify(auth, more, "campus", NOW_SEC), -EACCES);
    }
    assert_int_equal(verify(auth, text, "campus", NOW_SEC), 0);
    ops->done(auth);
}

static void refuses_other_keys(void **state)
{
    char path[80], text[TOKEN_TEXT_MAX];
    snprintf(path, sizeof(path), "%s/other", dir);
    void *auth = auth_new(key_path, "true", NULL, 0), *other = auth_new(path, "true", NULL, 0);
    issue(other, NOW_SEC, NOW_SEC + 60, text, 0);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC), -EACCES);
    ops->done(auth);
    ops->done(other);
}

/* A right signature does not make wrong claims good. */
static void checks_what_is_signed(void **state)
{
    struct token_key key = {.len = TOKEN_KEY_MIN};
    struct token_claims claims = {.cluster = "campus",
                                  .realm = "unix",
                                  .name = "alice",
                                  .scope = "job.submit",
                                  .jti = "jti-1",
                                  .uid = 1000,
                                  .gid = 100,
                                  .iat_sec = NOW_SEC,
                                  .exp_sec = NOW_SEC + 60};
    char path[80], text[TOKEN_TEXT_MAX];
    snprintf(path, sizeof(path), "%s/zero", dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, key.bytes, TOKEN_KEY_MIN), TOKEN_KEY_MIN);
    close(fd);
    void *auth = auth_new(path, NULL, NULL, 0);
    assert_int_equal(token_text_encode(&key, &claims, text, sizeof(text)), 0);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC), 0);
    claims.exp_sec = NOW_SEC + 7200;
    assert_int_equal(token_text_encode(&key, &claims, text, sizeof(text)), 0);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC), -EACCES);
    claims.exp_sec = NOW_SEC + 60;
    claims.name[0] = '\0';
    assert_int_equal(token_text_encode(&key, &claims, text, sizeof(text)), 0);
    assert_int_equal(verify(auth, text, "campus", NOW_SEC), -EACCES);
    claims.name[0] = '\xff';
    assert_int_equal(token_text_encode(&key, &claims, text, sizeof(text)), -EINVAL);
    claims.name[0] = 'a';
    assert_int_equal(token_text_encode(&key, &claims, text, 100), -ENOBUFS);
    ops->done(auth);
}

static void signs_from_a_private_file(void **state)
{
    struct vdi_auth_request request = {.cluster = "campus", .method = "GET", .path = "/"};
    struct vdi_error err;
    char ret[TOKEN_TEXT_MAX + 16];
    void *auth = auth_new(NULL, NULL, file_path, 0);
    assert_int_equal(ops->sign(auth, &request, ret, sizeof(ret), &err), -ENOENT);
    FILE *f = fopen(file_path, "w");
    fputs("vdi1.a.b\n", f);
    fclose(f);
    chmod(file_path, 0644);
    assert_int_equal(ops->sign(auth, &request, ret, sizeof(ret), &err), -EPERM);
    chmod(file_path, 0600);
    assert_int_equal(ops->sign(auth, &request, ret, sizeof(ret), &err), 0);
    assert_string_equal(ret, "Bearer vdi1.a.b");
    assert_int_equal(ops->sign(auth, &request, ret, 10, &err), -ENOBUFS);
    f = fopen(file_path, "w");
    fputs("something else\n", f);
    fclose(f);
    assert_int_equal(ops->sign(auth, &request, ret, sizeof(ret), &err), -EINVAL);
    ops->done(auth);
}

static int setup(void **state)
{
    ops = vdi_plugin.ops;
    umask(077);
    if (!mkdtemp(dir))
        return -1;
    snprintf(key_path, sizeof(key_path), "%s/key", dir);
    snprintf(file_path, sizeof(file_path), "%s/token", dir);
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_its_key_once),         cmocka_unit_test(refuses_bad_keys),
        cmocka_unit_test(keeps_to_times_and_cluster), cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_other_keys),         cmocka_unit_test(checks_what_is_signed),
        cmocka_unit_test(signs_from_a_private_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
