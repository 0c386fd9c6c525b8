/* SPDX-License-Identifier: Apache-2.0 */
/* test_runner_spool.c - a stream as a file: doubled pieces, holes, the limit, cut marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
