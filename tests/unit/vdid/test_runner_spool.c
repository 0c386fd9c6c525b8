/* SPDX-License-Identifier: Apache-2.0 */
/* test_runner_spool.c - a stream as a file: doubled pieces, holes, the limit, cut marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vdid/runner_spool.h"

static char path[] = "/tmp/vdi-spool.XXXXXX";
#define MARK "\n[output truncated after 10 bytes]\n"

static void is_file(const char *text, size_t len)
{
    char got[4096];
    FILE *f = fopen(path, "re");
    size_t n = fread(got, 1, sizeof(got), f);

    fclose(f);
    assert_int_equal(n, len);
    assert_memory_equal(got, text, len);
}

static void reopen(struct runner_spool *s, uint64_t max)
{
    runner_spool_close(s);
    assert_int_equal(runner_spool_open(s, path, max), 0);
}

static int setup(void **state)
{
    return truncate(path, 0);
}

static void pieces(void **state)
{
    struct runner_spool s = {.fd = -1};

    reopen(&s, 1000);
    assert_int_equal(runner_spool_write(&s, 0, "abc", 3), 0);
    assert_int_equal(runner_spool_write(&s, 0, "abc", 3), 0);
    assert_int_equal(runner_spool_write(&s, 1, "bcde", 4), 0);
    reopen(&s, 1000);
    assert_int_equal(s.offset, 5);
    assert_int_equal(runner_spool_write(&s, 7, "x", 1), 0); /* two bytes are lost */
    is_file("abcde\0\0x", 8);
    runner_spool_close(&s);
}

/* Many at once are what they are one by one: new ones, doubled ones, over the limit. */
static void many_pieces(void **state)
{
    struct runner_spool s = {.fd = -1};
    struct iovec iov[] = {{"abc", 3}, {"", 0}, {"defg", 4}, {"h", 1}};

    reopen(&s, 10);
    assert_int_equal(runner_spool_writev(&s, 0, iov, 2), 0);
    assert_int_equal(s.offset, 3);
    assert_true(s.is_dirty);
    assert_int_equal(runner_spool_writev(&s, 0, iov, 4), 0);
    assert_int_equal(s.offset, 8);
    is_file("abcdefgh", 8);
    assert_int_equal(runner_spool_writev(&s, 8, &iov[3], 1), 0);
    is_file("abcdefghh", 9);
    assert_int_equal(runner_spool_writev(&s, 9, iov, 4), 0);
    assert_int_equal(s.offset, 17);
    is_file("abcdefghha" MARK, 10 + sizeof(MARK) - 1);
    assert_int_equal(runner_spool_writev(&s, 17, iov, 4), 0);
    assert_int_equal(s.offset, 25);
    is_file("abcdefghha" MARK, 10 + sizeof(MARK) - 1);
    runner_spool_close(&s);
}

/* It ends exactly at the limit: nothing was cut. */
static void to_the_limit(void **state)
{
    struct runner_spool s = {.fd = -1};
    struct iovec iov[] = {{"abcdef", 6}, {"ghij", 4}};

    reopen(&s, 10);
    assert_int_equal(runner_spool_writev(&s, 0, iov, 2), 0);
    assert_false(s.is_cut);
    is_file("abcdefghij", 10);
    runner_spool_close(&s);
}

/* A disk that takes only some of it: the guest is told of no more than that, and says it again. */
static void full_in_the_middle(void **state)
{
    struct runner_spool s = {.fd = -1};
    struct iovec iov[] = {{"abc", 3}, {"defg", 4}};
    struct rlimit old, small;

    reopen(&s, 1000);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 5;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(runner_spool_writev(&s, 0, iov, 2), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(s.offset <= 3);
    assert_int_equal(runner_spool_writev(&s, 0, iov, 2), 0);
    is_file("abcdefg", 7);
    runner_spool_close(&s);
}

/* Whatever the pieces and wherever it is opened anew. */
static void limit(void **state)
{
    static const char all[] = "0123456789abcdefghij";

    for (size_t piece = 1; piece <= 20; piece++)
        for (size_t again = 0; again <= 20; again++) {
            struct runner_spool s = {.fd = -1};

            assert_int_equal(truncate(path, 0), 0);
            reopen(&s, 10);
            for (size_t i = 0; i < 20; i += piece) {
                if (i == again)
                    reopen(&s, 10);
                assert_int_equal(
                    runner_spool_write(&s, i, all + i, 20 - i < piece ? 20 - i : piece), 0);
            }
            assert_int_equal(s.offset, 20);
            is_file("0123456789" MARK, 10 + strlen(MARK));
            runner_spool_close(&s);
        }
}

static void exactly_the_limit(void **state)
{
    struct runner_spool s = {.fd = -1};

    reopen(&s, 10);
    assert_int_equal(runner_spool_write(&s, 0, "0123456789", 10), 0);
    is_file("0123456789", 10);
    reopen(&s, 10);
    assert_int_equal(s.offset, 10);
    assert_int_equal(runner_spool_write(&s, UINT32_MAX, "z", 1), 0);
    is_file("0123456789" MARK, 10 + strlen(MARK));
    for (size_t len = 11; len < 10 + strlen(MARK); len++) {
        assert_int_equal(truncate(path, (off_t)len), 0);
        reopen(&s, 10);
        is_file("0123456789" MARK, 10 + strlen(MARK));
    }
    runner_spool_close(&s);
}

static void refuses(void **state)
{
    struct runner_spool s = {.fd = -1};

    assert_int_equal(runner_spool_open(&s, "/dev/null", 10), -EINVAL);
    assert_int_equal(runner_spool_open(&s, "/dev/full", 10), -EINVAL);
    assert_int_equal(runner_spool_open(&s, "/no/such", 10), -ENOENT);
}

/* Nothing counts as taken that is not in the file. */
static void full_disk(void **state)
{
    struct runner_spool s = {.fd = -1};

    reopen(&s, 10);
    runner_spool_close(&s);
    s.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    assert_int_equal(runner_spool_write(&s, 0, "abc", 3), -ENOSPC);
    assert_int_equal(s.offset, 0);
    runner_spool_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pieces, setup),
        cmocka_unit_test_setup(many_pieces, setup),
        cmocka_unit_test_setup(to_the_limit, setup),
        cmocka_unit_test_setup(full_in_the_middle, setup),
        cmocka_unit_test_setup(limit, setup),
        cmocka_unit_test_setup(exactly_the_limit, setup),
        cmocka_unit_test(refuses),
        cmocka_unit_test_setup(full_disk, setup),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 99;
    close(fd);
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return r;
}
