/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_munge_sign.c - what a munge credential of a command is bound to.
 *
 * Starts a munged of its own, with its own key and socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <munge.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "wire/munge_sign.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char header[16384], dir[64], socket_path[96];
static pid_t munged;

static void start_munged(void)
{
    char key[96], pid[112], seed[112], log[112], sock[112];
    snprintf(key, sizeof(key), "%s/key", dir);
    FILE *f = fopen(key, "w");
    chmod(key, 0600);
    for (int i = 0; i < 64; i++)
        fprintf(f, "%08lx", random());
    fclose(f);
    snprintf(key, sizeof(key), "--key-file=%s/key", dir);
    snprintf(pid, sizeof(pid), "--pid-file=%s/pid", dir);
    snprintf(seed, sizeof(seed), "--seed-file=%s/seed", dir);
    snprintf(log, sizeof(log), "--log-file=%s/log", dir);
    snprintf(sock, sizeof(sock), "--socket=%s", socket_path);
    munged = fork();
    if (munged == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        execl("/usr/sbin/munged", "munged", "--foreground", "--force", key, pid, seed, log, sock,
              (char *)NULL);
        _exit(127);
    }
}

static int setup(void **state)
{
    strcpy(dir, "/tmp/vdi-munge-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
    setenv("VDI_MUNGE_SOCKET", socket_path, 1);
    if (access("/usr/sbin/munged", X_OK) < 0)
        return 0;
    chmod(dir, 0755);
    start_munged();
    for (int i = 0; i < 500 && access(socket_path, F_OK) < 0; i++)
        usleep(10000);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    if (munged > 0) {
        kill(munged, SIGTERM);
        waitpid(munged, NULL, 0);
    }
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static int sign(const char *target, const char *body)
{
    struct vdi_error err = {.code = 0};
    int r = munge_sign("campus", "POST", target, body, strlen(body), header, sizeof(header), &err);
    if (r == -EAGAIN)
        assert_true(*err.detail && *err.remedy);
    return r;
}

/* The payload as text; its nonce is cut out into `nonce`. */
static void payload(const char *target, const char *digest, char *nonce)
{
    void *data = NULL;
    int len = 0;
    uid_t uid = 1;
    munge_ctx_t ctx = munge_ctx_create();
    munge_ctx_set(ctx, MUNGE_OPT_SOCKET, socket_path);
    char before[256], text[1024];
    assert_true(str_starts_with(header, "Authorization: Munge "));
    const char *credential = header + strlen("Authorization: Munge ");
    int ttl = 0;
    assert_int_equal(munge_decode(credential, ctx, &data, &len, &uid, NULL), EMUNGE_SUCCESS);
    assert_int_equal(munge_ctx_get(ctx, MUNGE_OPT_TTL, &ttl), EMUNGE_SUCCESS);
    assert_in_range(ttl, 1, 60); /* auth/munge takes no longer one */
    munge_ctx_destroy(ctx);
    assert_int_equal(uid, geteuid());
    snprintf(text, sizeof(text), "%.*s", len, (char *)data);
    free(data);
    int n = snprintf(before, sizeof(before), "vdi-munge-1\ncampus\nPOST\n%s\n", target);
    assert_memory_equal(text, before, (size_t)n);
    snprintf(nonce, 33, "%s", text + n);
    assert_int_equal(strspn(nonce, "0123456789abcdef"), 32);
    assert_int_equal(text[n + 32], '\n');
    assert_memory_equal(text + n + 33, digest, 64);
    assert_string_equal(text + n + 97, "\n");
}

static void a_credential_holds_for_one_request(void **state)
{
    char first[33], second[33];
    if (access("/usr/sbin/munged", X_OK) < 0) {
        print_message("# munged is not installed\n");
        skip();
    }
    assert_int_equal(sign("/v1/jobs?me=true", ""), 0);
    payload("/v1/jobs?me=true", EMPTY_SHA256, first);
    assert_int_equal(sign("/v1/jobs", "abc"), 0);
    payload("/v1/jobs", ABC_SHA256, second);
    assert_string_not_equal(first, second);
}

static void what_does_not_fit_is_refused(void **state)
{
    static char target[9000];
    struct vdi_error err = {.code = 0};
    memset(target, 'x', sizeof(target) - 1);
    assert_int_equal(munge_sign("campus", "GET", target, "", 0, header, sizeof(header), &err),
                     -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_credential_holds_for_one_request),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
