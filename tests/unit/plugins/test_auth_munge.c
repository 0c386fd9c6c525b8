/* SPDX-License-Identifier: Apache-2.0 */
/* test_auth_munge.c - munge credentials against a munged of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <munge.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <vdi/plugin.h>

static const struct vdi_auth_ops *ops;
static char dir[] = "/tmp/vdi-munge-XXXXXX";
static char socket_path[64];
static pid_t munged = -1;
static bool munged_runs;
static unsigned char hash[32] = {1, 2, 3}, other_hash[32] = {1, 2, 4};

static const struct vdi_auth_request good = {
    .cluster = "campus", .method = "POST", .path = "/v1/jobs?x=1", .body_sha256 = hash};

static void option(char *ret, size_t size, const char *name)
{
    snprintf(ret, size, "--%s-file=%s/%s", name, dir, name);
}

static void start_munged(void)
{
    char key[96], pid[96], log[96], seed[96], sock[96], path[80];
    unsigned char bytes[128] = {42};
    snprintf(path, sizeof(path), "%s/key", dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
        return;
    close(fd);
    option(key, sizeof(key), "key");
    option(pid, sizeof(pid), "pid");
    option(log, sizeof(log), "log");
    option(seed, sizeof(seed), "seed");
    snprintf(sock, sizeof(sock), "--socket=%s", socket_path);
    munged = fork();
    if (munged == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        execlp("munged", "munged", "--foreground", "--force", key, pid, log, seed, sock,
               (char *)NULL);
        execl("/usr/sbin/munged", "munged", "--foreground", "--force", key, pid, log, seed, sock,
              (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 250 && !munged_runs && waitpid(munged, NULL, WNOHANG) == 0; i++) {
        munged_runs = access(socket_path, F_OK) == 0;
        usleep(20000);
    }
}

static void stop_munged(void)
{
    if (munged_runs) {
        kill(munged, SIGTERM);
        waitpid(munged, NULL, 0);
    }
    munged_runs = false;
}

static void *auth_new(const char *path)
{
    struct vdi_setting_value value = {"socket", path};
    struct vdi_error err;
    void *auth;
    assert_int_equal(ops->init(&auth, NULL, NULL, &value, 1, &err), 0);
    return auth;
}

static void need_munged(void)
{
    if (!munged_runs) {
        print_message("# munged is missing or does not start here\n");
        skip();
    }
}

static int verify(void *auth, const struct vdi_auth_request *request, const char *credential,
                  struct vdi_error *err)
{
    struct vdi_principal principal;
    struct vdi_auth_request with = *request;
    char id[128] = "unset";
    with.credential = credential;
    memset(err, 0, sizeof(*err));
    int r = ops->verify(auth, &with, 0, &principal, id, err);
    if (r == 0) {
        assert_string_equal(principal.realm, "unix");
        assert_int_equal(principal.uid, geteuid());
        assert_int_equal(principal.gid, getegid());
        assert_string_equal(principal.name, ""); /* the host's work */
        assert_string_equal(id, "");
    } else {
        assert_int_equal(err->code, -r);
        assert_true(err->detail[0]);
    }
    return r;
}

static void sign(void *auth, char *ret, size_t size)
{
    struct vdi_error err = {0};
    if (ops->sign(auth, &good, ret, size, &err) < 0)
        fail_msg("%s", err.detail);
    assert_memory_equal(ret, "Munge MUNGE:", 12);
    memmove(ret, ret + 6, strlen(ret + 6) + 1);
}

static void takes_a_credential_once(void **state)
{
    need_munged();
    char credential[4096];
    struct vdi_error err;
    void *auth = auth_new(socket_path);
    sign(auth, credential, sizeof(credential));
    assert_int_equal(verify(auth, &good, credential, &err), 0);
    assert_int_equal(verify(auth, &good, credential, &err), -EKEYREJECTED);
    assert_true(err.remedy[0]);
    ops->done(auth);
}

static void names_the_part_that_differs(void **state)
{
    need_munged();
    static const struct {
        struct vdi_auth_request request;
        const char *part;
    } rows[] = {
        {{"other", "POST", "/v1/jobs?x=1", hash}, "cluster"},
        {{"campus", "GET", "/v1/jobs?x=1", hash}, "method"},
        {{"campus", "POST", "/v1/jobs?x=2", hash}, "path"},
        {{"campus", "POST", "/v1/jobs", hash}, "path"},
        {{"campus", "POST", "/v1/jobs?x=1", other_hash}, "body"},
    };
    void *auth = auth_new(socket_path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char credential[4096];
        struct vdi_error err;
        sign(auth, credential, sizeof(credential));
        assert_int_equal(verify(auth, &rows[i].request, credential, &err), -EACCES);
        assert_non_null(strstr(err.detail, rows[i].part));
    }
    ops->done(auth);
}

static char *encode(const char *payload, int ttl)
{
    char *credential = NULL;
    munge_ctx_t ctx = munge_ctx_create();
    munge_ctx_set(ctx, MUNGE_OPT_SOCKET, socket_path);
    munge_ctx_set(ctx, MUNGE_OPT_TTL, ttl);
    assert_int_equal(munge_encode(&credential, ctx, payload, (int)strlen(payload)), EMUNGE_SUCCESS);
    munge_ctx_destroy(ctx);
    return credential;
}

#define HASH_HEX "0102030000000000000000000000000000000000000000000000000000000000"
#define NONCE "00000000000000000000000000000000"
#define GOOD "vdi-munge-1\ncampus\nPOST\n/v1/jobs?x=1\n" NONCE "\n" HASH_HEX "\n"

static void refuses_what_others_signed(void **state)
{
    need_munged();
    static const struct {
        const char *payload;
        int ttl, want;
    } rows[] = {
        {GOOD, 60, 0}, /* anybody may write the client */
        {GOOD, 300, -EACCES},
        {GOOD "more\n", 60, -EACCES},
        {"", 60, -EACCES},
        {"hello", 60, -EACCES},
        {"vdi-munge-2\ncampus\nPOST\n/v1/jobs?x=1\n" NONCE "\n" HASH_HEX "\n", 60, -EACCES},
        {"vdi-munge-1\ncampus\nPOST\n/v1/jobs?x=1\n\n" HASH_HEX "\n", 60, -EACCES},
        {"vdi-munge-1\ncampus\nPOST\n/v1/jobs?x=1\n" NONCE "\n" HASH_HEX, 60, -EACCES},
    };
    void *auth = auth_new(socket_path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vdi_error err;
        char *credential = encode(rows[i].payload, rows[i].ttl);
        int r = verify(auth, &good, credential, &err);
        if (r != rows[i].want)
            fail_msg("row %zu: %d, not %d: %s", i, r, rows[i].want, err.detail);
        free(credential);
    }
    ops->done(auth);
}

static void refuses_expired_ones(void **state)
{
    need_munged();
    struct vdi_error err;
    void *auth = auth_new(socket_path);
    char *credential = encode(GOOD, 1);
    sleep(3);
    assert_int_equal(verify(auth, &good, credential, &err), -EKEYEXPIRED);
    free(credential);
    ops->done(auth);
}

static void refuses_changed_ones(void **state)
{
    need_munged();
    char credential[4096];
    struct vdi_error err;
    void *auth = auth_new(socket_path);
    sign(auth, credential, sizeof(credential));
    /* The last digit before padding has bits that mean nothing, and munged lets them be. */
    size_t end = strcspn(credential, "=");
    end = credential[end] ? end - 1 : end - strlen(":");
    for (size_t i = strlen("MUNGE:"); i < end; i++) {
        credential[i] ^= 1;
        int r = verify(auth, &good, credential, &err);
        if (r != -EACCES && r != -EKEYEXPIRED)
            fail_msg("byte %zu changed: %d", i, r);
        credential[i] ^= 1;
    }
    assert_int_equal(verify(auth, &good, "", &err), -EACCES);
    assert_int_equal(verify(auth, &good, "MUNGE::", &err), -EACCES);
    assert_int_equal(verify(auth, &good, credential, &err), 0);
    ops->done(auth);
}

static void says_when_munged_is_away(void **state)
{
    struct vdi_error err;
    char ret[4096], path[80];
    snprintf(path, sizeof(path), "%s/nobody", dir);
    void *auth = auth_new(path);
    assert_int_equal(verify(auth, &good, "MUNGE:AwQDAA:", &err), -EAGAIN);
    assert_true(err.remedy[0]);
    assert_int_equal(ops->sign(auth, &good, ret, sizeof(ret), &err), -EAGAIN);
    ops->done(auth);
}

static void follows_the_environment(void **state)
{
    need_munged();
    char credential[4096];
    struct vdi_error err;
    setenv("MUNGE_SOCKET", socket_path, 1);
    void *auth = auth_new(NULL);
    unsetenv("MUNGE_SOCKET");
    sign(auth, credential, sizeof(credential));
    assert_int_equal(verify(auth, &good, credential, &err), 0);
    ops->done(auth);
}

static void says_when_munged_stops(void **state)
{
    need_munged();
    char credential[4096];
    struct vdi_error err;
    void *auth = auth_new(socket_path);
    sign(auth, credential, sizeof(credential));
    stop_munged();
    assert_int_equal(verify(auth, &good, credential, &err), -EAGAIN);
    ops->done(auth);
}

static int setup(void **state)
{
    ops = vdi_plugin.ops;
    umask(077);
    if (!mkdtemp(dir))
        return -1;
    snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
    start_munged();
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    stop_munged();
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_credential_once),    cmocka_unit_test(names_the_part_that_differs),
        cmocka_unit_test(refuses_what_others_signed), cmocka_unit_test(refuses_expired_ones),
        cmocka_unit_test(refuses_changed_ones),       cmocka_unit_test(says_when_munged_is_away),
        cmocka_unit_test(follows_the_environment),    cmocka_unit_test(says_when_munged_stops),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
