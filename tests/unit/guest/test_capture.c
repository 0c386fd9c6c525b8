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
#include "codec/runner_codec.h"
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

/* Writes what fits and lets the capture read it, until neither moves. A byte says where it is. */
static size_t pour(struct loop *loop, int fd, size_t from)
{
    static uint8_t bytes[4096];
    size_t total = from;

    for (int idle = 0; idle < 3;) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)((total + i) % 251);
        ssize_t n = write(fd, bytes, sizeof(bytes));
        total += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_run_once(loop, false);
    }
    return total;
}

static void check_piece(const struct capture_piece *p, uint64_t offset, size_t len)
{
    struct runner_output read;
    const char *frame = (const char *)p->output.data - p->head_len + 4;

    assert_int_equal(p->output.offset, offset);
    assert_int_equal(p->output.len, len);
    for (size_t i = 0; i < len; i++)
        if (p->output.data[i] != (offset + i) % 251)
            fail_msg("byte %zu of the piece at %lu is %u", i, offset, p->output.data[i]);
    if (!p->head_len)
        return;
    assert_true(runner_output_read(frame, p->head_len - 4 + len, &read));
    assert_ptr_equal(read.data, p->output.data);
    assert_int_equal(read.offset, offset);
    assert_int_equal(read.stream, RUNNER_ERR);
}

#define WINDOW ((size_t)CAPTURE_SLOTS * CAPTURE_SLOT_MAX)

static void waits_for_acks(void **state)
{
    struct loop *loop = loop_new();
    struct capture c;
    struct capture_piece p;
    int changes = 0, fd;

    start(loop, &c, &changes, &fd);
    size_t poured = pour(loop, fd, 0);
    assert_true(poured > c.total && c.total > WINDOW - 8192 * CAPTURE_SLOTS);
    assert_true(c.total <= WINDOW);
    size_t in_memory = c.total, sent = 0;
    assert_true(capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p)); /* sent from where it is */
    assert_true(p.head_len && p.output.len > CAPTURE_SLOT_MAX - 8192);
    check_piece(&p, 0, p.output.len);
    while (sent += p.output.len, capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p))
        check_piece(&p, sent, p.output.len);
    assert_int_equal(sent, c.total);
    assert_true(sent >= in_memory);
    assert_int_equal(capture_ack(&c, sent + 1), -EPROTO);
    pour(loop, fd, poured);
    assert_null(c.source); /* while so much is under way the pipe is left alone */
    assert_int_equal(c.total, sent);
    capture_done(&c);
    close(fd);
    loop_free(loop);
}

/* What is little waits while something is under way. */
static void gathers(void **state)
{
    struct loop *loop = loop_new();
    struct capture c;
    struct capture_piece p;
    int changes = 0, fd;

    start(loop, &c, &changes, &fd);
    assert_int_equal(write(fd, "\0\1\2", 3), 3);
    loop_run_once(loop, false);
    assert_true(changes > 0 && capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p));
    assert_int_equal(p.head_len, 0); /* too little to be lent */
    check_piece(&p, 0, 3);
    assert_false(capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p));
    assert_int_equal(write(fd, "\3\4", 2), 2);
    loop_run_once(loop, false);
    assert_int_equal(write(fd, "\5", 1), 1);
    loop_run_once(loop, false);
    assert_false(capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p));
    assert_int_equal(capture_ack(&c, 3), 0);
    assert_true(capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p));
    check_piece(&p, 3, 3);
    assert_int_equal(capture_ack(&c, 2), 0); /* an old one */
    assert_int_equal(c.base, 3);
    /* A new session: the host has one of them more. */
    assert_int_equal(capture_resume(&c, 7), -EPROTO);
    assert_int_equal(capture_resume(&c, 4), 0);
    assert_true(capture_take(&c, RUNNER_ERR, CAPTURE_COPY, &p));
    check_piece(&p, 4, 2);
    assert_int_equal(capture_ack(&c, 6), 0);
    assert_false(capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p));
    assert_non_null(c.source); /* nothing is under way, nothing is in the pipe: it is watched */
    assert_int_equal(write(fd, "\6", 1), 1);
    loop_run_once(loop, false);
    assert_true(capture_take(&c, RUNNER_ERR, CAPTURE_LEND, &p));
    check_piece(&p, 6, 1);
    capture_done(&c);
    close(fd);
    loop_free(loop);
}

/* Acks and new sessions at any byte: what is sent again is what was read, also behind a head that
 * stands in the middle of a slot. */
static void sent_again(void **state)
{
    struct loop *loop = loop_new();
    struct capture c;
    struct capture_piece p;
    int changes = 0, fd;
    size_t poured = 0;
    unsigned lent = 0, copied = 0;

    start(loop, &c, &changes, &fd);
    srand(1);
    for (int round = 0; round < 300; round++) {
        poured = pour(loop, fd, poured);
        enum capture_lending lending = rand() % 3;
        for (int i = rand() % 12; i > 0 && capture_take(&c, RUNNER_ERR, lending, &p); i--) {
            check_piece(&p, c.sent - p.output.len, p.output.len);
            assert_true(lending != CAPTURE_LEND_ONLY || p.head_len);
            lent += p.head_len > 0;
            copied += p.head_len == 0;
        }
        uint64_t to = c.base + (uint64_t)rand() % (c.sent - c.base + 1);
        assert_int_equal(round % 3 ? capture_ack(&c, to) : capture_resume(&c, to), 0);
        assert_int_equal(c.base, to);
        assert_true(c.total - c.base <= (size_t)CAPTURE_SLOTS * CAPTURE_SLOT_MAX);
    }
    assert_true(lent > 20 && copied > 20 && c.base > 4 * WINDOW);
    capture_done(&c);
    close(fd);
    loop_free(loop);
}

/* The mark's byte and the one that escapes it are never lent. */
static void lends_what_is_plain(void **state)
{
    struct loop *loop = loop_new();
    struct capture c;
    struct capture_piece p;
    int changes = 0, fd;
    static uint8_t bytes[8192];

    for (int byte = 0xfd; byte <= 0xff; byte++) {
        start(loop, &c, &changes, &fd);
        bytes[5000] = (uint8_t)byte;
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        loop_run_once(loop, false);
        if (byte > 0xfd)
            assert_false(capture_take(&c, RUNNER_OUT, CAPTURE_LEND_ONLY, &p));
        assert_true(capture_take(&c, RUNNER_OUT, CAPTURE_LEND, &p));
        assert_int_equal(p.output.len, sizeof(bytes));
        assert_int_equal(p.head_len > 0, byte == 0xfd);
        capture_done(&c);
        close(fd);
    }
    loop_free(loop);
}

/* The writer lives on in the background: what was in the pipe counts, and no more. */
static void ends_with_the_script(void **state)
{
    struct loop *loop = loop_new();
    struct capture c;
    int changes = 0, fd;

    start(loop, &c, &changes, &fd);
    pour(loop, fd, 0);
    uint64_t total = capture_total(&c), in_pipe;
    capture_end(&c);
    in_pipe = (uint64_t)c.left;
    assert_true(in_pipe > 0 && capture_is_open(&c));
    for (int i = 0; i < 200 && capture_is_open(&c); i++) {
        struct capture_piece p;
        ssize_t n = write(fd, "more", 4);
        (void)n;
        while (capture_take(&c, RUNNER_OUT, CAPTURE_LEND, &p))
            ;
        assert_int_equal(capture_ack(&c, c.sent), 0);
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
        cmocka_unit_test(waits_for_acks),       cmocka_unit_test(gathers),
        cmocka_unit_test(sent_again),           cmocka_unit_test(lends_what_is_plain),
        cmocka_unit_test(ends_with_the_script), cmocka_unit_test(environments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
