/* SPDX-License-Identifier: Apache-2.0 */
/* test_capture.c - a pipe that is read only as far as it is acknowledged; filtered environments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "guest/capture.h"
#include "guest/environment.h"

static void changed(void *arg)
{
    ++*(int *)arg;
}

static void start(struct loop *loop, struct capture *c, int *changes, int *ret_fd)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    capture_init(c, loop, changed, changes);
    assert_int_equal(capture_start(c, fds[0]), 0);
    *ret_fd = fds[1];
}

/* Writes what fits and lets the capture read it, until neither moves. */
static size_t pour(struct loop *loop, int fd)
{
    static char bytes[4096];
    size_t total = 0;

    for (int idle = 0; idle < 3;) {
        ssize_t n = write(fd, bytes, sizeof(bytes));
        total += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_run_once(loop, false);
    }
    return total;
}

static void waits_for_acks(void **state)
{
    struct loop *loop = loop_new();
    struct capture c;
    struct runner_message m = {0};
    int changes = 0, fd;

    start(loop, &c, &changes, &fd);
    size_t poured = pour(loop, fd);
    assert_int_equal(c.len, RUNNER_WINDOW);
    assert_null(c.source);
    for (size_t sent = 0; sent < RUNNER_WINDOW; sent += RUNNER_DATA_MAX) {
        assert_true(capture_take(&c, &m));
        assert_int_equal(m.offset, sent);
        assert_int_equal(m.data_len, RUNNER_DATA_MAX);
    }
    assert_false(capture_take(&c, &m));
    assert_int_equal(capture_ack(&c, RUNNER_WINDOW + 1), -EPROTO);
    assert_int_equal(capture_ack(&c, 100), 0);
    poured += pour(loop, fd);
    assert_int_equal(c.len, RUNNER_WINDOW);
    assert_int_equal(c.base, 100);
    assert_false(capture_take(&c, &m)); /* so few wait while the others are under way */
    assert_int_equal(capture_ack(&c, RUNNER_WINDOW), 0);
    assert_true(capture_take(&c, &m));
    assert_int_equal(m.offset, RUNNER_WINDOW);
    assert_int_equal(m.data_len, 100);
    assert_int_equal(capture_ack(&c, 50), 0); /* an old one */
    assert_int_equal(c.base, RUNNER_WINDOW);
    /* A new session: the host has ten of them. */
    assert_int_equal(capture_resume(&c, RUNNER_WINDOW + 101), -EPROTO);
    assert_int_equal(capture_resume(&c, RUNNER_WINDOW + 10), 0);
    assert_true(capture_take(&c, &m));
    assert_int_equal(m.offset, RUNNER_WINDOW + 10);
    assert_int_equal(m.data_len, 90);
    capture_done(&c);
    close(fd);
    loop_free(loop);
    assert_true(poured > RUNNER_WINDOW);
}

/* The writer lives on in the background: what was in the pipe counts, and no more. */
static void ends_with_the_script(void **state)
{
    struct loop *loop = loop_new();
    struct capture c;
    int changes = 0, fd;

    start(loop, &c, &changes, &fd);
    pour(loop, fd);
    uint64_t total = capture_total(&c), in_pipe;
    capture_end(&c);
    in_pipe = (uint64_t)c.left;
    assert_true(in_pipe > 0 && capture_is_open(&c));
    for (int i = 0; i < 200 && capture_is_open(&c); i++) {
        struct runner_message m = {0};
        ssize_t n = write(fd, "more", 4);
        (void)n;
        while (capture_take(&c, &m))
            ;
        assert_int_equal(capture_ack(&c, c.base + c.n_sent), 0);
        loop_run_once(loop, false);
    }
    assert_false(capture_is_open(&c));
    assert_int_equal(capture_total(&c), total + in_pipe);
    capture_done(&c);
    close(fd);
    loop_free(loop);
}

static void environments(void **state)
{
    static const char *const refused[] = {"LD_PRELOAD=x",
                                          "LD_=x",
                                          "BASH_ENV=x",
                                          "ENV=x",
                                          "IFS=x",
                                          "BASH_FUNC_ls=x",
                                          "VDI_JOB_ID=x",
                                          "HOME=x",
                                          "USER=x",
                                          "GLIBC_TUNABLES=x",
                                          "NAME",
                                          "=x",
                                          ""};
    static const char *const taken[] = {"LDAP=x", "ENVIRONMENT=x", "A=", "PATH=/x", "TERM=x=y"};
    static char *const ours[] = {"VDI_JOB_ID=7", "PATH=/never", NULL};
    static char *const users[] = {"IFS=x", "A=b", NULL};
    struct runner_owner owner = {.name = "anna", .home = "/h"};
    struct buf all = BUF_INIT(0);

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_false(environment_may_pass(refused[i]));
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        assert_true(environment_may_pass(taken[i]));
    char **env = environment_new(&owner, ours, users);
    for (char **e = env; *e; e++)
        buf_printf(&all, "%s;", *e);
    assert_string_equal(all.data,
                        "HOME=/h;USER=anna;LOGNAME=anna;SHELL=/bin/sh;"
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin;"
                        "VDI_JOB_ID=7;A=b;");
    strings_free(env);
    buf_done(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_acks),
        cmocka_unit_test(ends_with_the_script),
        cmocka_unit_test(environments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
