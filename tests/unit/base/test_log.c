/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - a line is one line, whatever is in the text */
#include <base/log.h>
#include <base/str.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

static char got[65536];

/* What fn writes to stderr, in `got`. */
static void capture(void (*fn)(void))
{
    int fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    fn();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    size_t len = 0;
    ssize_t n;
    while ((n = read(fds[0], got + len, sizeof(got) - 1 - len)) > 0)
        len += (size_t)n;
    close(fds[0]);
    got[len] = '\0';
}

static unsigned count_lines(void)
{
    unsigned n = 0;
    for (const char *p = got; (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

static void write_hostile(void)
{
    log_write(VDI_LOG_WARNING, "%s",
              "job \"a\nERROR forged\r\t\x1b[2J\x7f\\ \xc3\xa9 \xc2\x9b \xff \xe2\x80");
}

static void text_is_escaped(void **state)
{
    log_init("vditest", VDI_LOG_INFO);
    errno = ENXIO;
    capture(write_hostile);
    assert_int_equal(count_lines(), 1);
    char *text = strstr(got, " WARNING vditest: ");
    assert_non_null(text);
    assert_int_equal(text - got, strlen("2026-10-13T10:15:00.000Z"));
    assert_int_equal(got[10], 'T');
    assert_int_equal(text[-1], 'Z');
    assert_string_equal(text + 18, "job \"a\\nERROR forged\\x0d\\t\\x1b[2J\\x7f\\\\ \xc3\xa9 "
                                   "\\xc2\\x9b \\xff \\xe2\\x80\n");
}

static void write_long(void)
{
    char text[10000];
    memset(text, 1, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    errno = ENXIO;
    log_write(VDI_LOG_ERROR, "%s", text);
    assert_int_equal(errno, ENXIO);
}

static void a_long_text_is_cut(void **state)
{
    capture(write_long);
    assert_int_equal(count_lines(), 1);
    assert_true(strlen(got) < 20000);
    assert_true(str_starts_with(got + strlen(got) - 5, "\\x01\n"));
}

static void write_levels(void)
{
    log_debug("not %d", 1);
    log_info("yes %d", 2);
    log_set_level(VDI_LOG_ERROR);
    log_info("not %d", 3);
    log_warning("not %d", 4);
    log_error("yes %d", 5);
    log_set_level(VDI_LOG_DEBUG);
    log_debug("yes %d", 6);
}

static void levels(void **state)
{
    log_set_level(VDI_LOG_INFO);
    capture(write_levels);
    assert_int_equal(count_lines(), 3);
    assert_null(strstr(got, "not"));
    assert_non_null(strstr(got, " DEBUG vditest: yes 6\n"));
    assert_int_equal(log_get_level(), VDI_LOG_DEBUG);
}

static void a_call_site_is_limited(void **state)
{
    struct log_rate rate = {0};
    unsigned dropped = 7, passed = 0;
    for (int i = 0; i < 50; i++)
        passed += (unsigned)log_rate_ok(&rate, &dropped);
    assert_in_range(passed, 20, 40); /* 40: a new second began in between */
    assert_int_equal(passed + rate.dropped + dropped, 50);
    /* A window that is over lets through again and tells what it kept back. */
    unsigned kept_back = rate.dropped;
    rate.window_usec -= 2000000;
    assert_true(log_rate_ok(&rate, &dropped));
    assert_int_equal(dropped, kept_back);
    assert_int_equal(rate.dropped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(levels),
        cmocka_unit_test(a_call_site_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
