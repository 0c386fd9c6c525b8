/* SPDX-License-Identifier: Apache-2.0 */
/* test_str.c - numbers, sizes, durations and texts, and what is refused */
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

#define SAME(call, value, r)                                                                       \
    do {                                                                                           \
        if ((call) != (r))                                                                         \
            fail_msg("%s is not %s", #call, #r);                                                   \
        if ((r) == 0)                                                                              \
            assert_true(v == (value));                                                             \
        else                                                                                       \
            assert_true(v == 42); /* ret is written on success only */                             \
        v = 42;                                                                                    \
    } while (0)

static void copies(void **state)
{
    char b[4];
    assert_true(str_copy(b, sizeof(b), "abc"));
    assert_string_equal(b, "abc");
    assert_false(str_copy(b, sizeof(b), "abcd"));
    assert_string_equal(b, "abc");
    assert_false(str_copy(b, sizeof(b), "ab\xc3\xbc")); /* no half of a letter */
    assert_string_equal(b, "ab");
    assert_false(str_copy(b, sizeof(b), "\xf0\x9f\x98\x80"));
    assert_string_equal(b, "");
    assert_false(str_copy(b, 0, "x"));
    assert_true(str_copy(b, 1, ""));
    assert_true(str_equal(NULL, ""));
    assert_false(str_equal("a", NULL));
    assert_true(str_starts_with("abc", ""));
    assert_false(str_starts_with("ab", "abc"));
    char *s = str_printf("%d-%s", 5, "x");
    assert_string_equal(s, "5-x");
    free(s);
}

static void unsigned_numbers(void **state)
{
    uint64_t v = 42;
    SAME(str_to_u64("0", 0, 10, &v), 0u, 0);
    SAME(str_to_u64("007", 0, 10, &v), 7u, 0);
    SAME(str_to_u64("18446744073709551615", 0, UINT64_MAX, &v), UINT64_MAX, 0);
    SAME(str_to_u64("18446744073709551616", 0, UINT64_MAX, &v), 0u, -ERANGE);
    SAME(str_to_u64("99999999999999999999999", 0, UINT64_MAX, &v), 0u, -ERANGE);
    SAME(str_to_u64("99999999999999999999999x", 0, UINT64_MAX, &v), 0u, -EINVAL);
    SAME(str_to_u64("11", 0, 10, &v), 0u, -ERANGE);
    SAME(str_to_u64("1", 2, 10, &v), 0u, -ERANGE);
    static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x10", "1.0", "1e3", "a", "-"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        SAME(str_to_u64(bad[i], 0, UINT64_MAX, &v), 0u, -EINVAL);
}

static void signed_numbers(void **state)
{
    int64_t v = 42;
    SAME(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), INT64_MIN, 0);
    SAME(str_to_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v), INT64_MAX, 0);
    SAME(str_to_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v), 0, -ERANGE);
    SAME(str_to_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v), 0, -ERANGE);
    SAME(str_to_i64("-5", -4, 4, &v), 0, -ERANGE);
    SAME(str_to_i64("-0", 0, 4, &v), 0, 0);
    SAME(str_to_i64("--5", INT64_MIN, INT64_MAX, &v), 0, -EINVAL);
    SAME(str_to_i64("-", INT64_MIN, INT64_MAX, &v), 0, -EINVAL);
    SAME(str_to_i64("", INT64_MIN, INT64_MAX, &v), 0, -EINVAL);
}

static void sizes(void **state)
{
    uint64_t v = 42;
    SAME(str_to_mib("4096", UINT64_MAX, &v), 4096u, 0);
    SAME(str_to_mib("16G", UINT64_MAX, &v), 16384u, 0);
    SAME(str_to_mib("16g", UINT64_MAX, &v), 16384u, 0);
    SAME(str_to_mib("512M", 512, &v), 512u, 0);
    SAME(str_to_mib("513M", 512, &v), 0u, -ERANGE);
    SAME(str_to_mib("2T", UINT64_MAX, &v), 2u << 20, 0);
    SAME(str_to_mib("1K", UINT64_MAX, &v), 1u, 0);
    SAME(str_to_mib("1025K", UINT64_MAX, &v), 2u, 0);
    SAME(str_to_mib("18446744073709551615K", UINT64_MAX, &v), UINT64_C(1) << 54, 0);
    SAME(str_to_mib("18446744073709551615G", UINT64_MAX, &v), 0u, -ERANGE);
    SAME(str_to_mib("18014398509481984G", UINT64_MAX, &v), 0u, -ERANGE);
    SAME(str_to_mib("99999999999999999999G", UINT64_MAX, &v), 0u, -ERANGE);
    static const char *const bad[] = {"", "G", "16GB", "16 G", "-1", "1.5G", "16X", "16G ", "1\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        SAME(str_to_mib(bad[i], UINT64_MAX, &v), 0u, -EINVAL);
}

static void durations(void **state)
{
    int64_t v = 42;
    SAME(str_to_duration_sec("90", 60, &v), 5400, 0);
    SAME(str_to_duration_sec("90", 1, &v), 90, 0);
    SAME(str_to_duration_sec("0", 1, &v), 0, 0);
    SAME(str_to_duration_sec("90s", 60, &v), 90, 0);
    SAME(str_to_duration_sec("15m", 1, &v), 900, 0);
    SAME(str_to_duration_sec("4h", 60, &v), 14400, 0);
    SAME(str_to_duration_sec("2d", 60, &v), 172800, 0);
    SAME(str_to_duration_sec("2:30", 1, &v), 150, 0);
    SAME(str_to_duration_sec("1:02:03", 1, &v), 3723, 0);
    SAME(str_to_duration_sec("1-2", 1, &v), 93600, 0);
    SAME(str_to_duration_sec("1-2:3", 1, &v), 93780, 0);
    SAME(str_to_duration_sec("1-02:03:04", 1, &v), 93784, 0);
    SAME(str_to_duration_sec("0-48:00", 1, &v), 172800, 0); /* Slurm takes it, too */
    SAME(str_to_duration_sec("100:00", 1, &v), 6000, 0);
    SAME(str_to_duration_sec("10000000000", 1, &v), INT64_C(10000000000), 0);
    static const char *const over[] = {"10000000001s",    "200000000m",   "99999999999999999999",
                                       "9999999999d",     "9999999999-0", "9999999999:0:0",
                                       "115740-99999999", "10000000000h"};
    for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++)
        SAME(str_to_duration_sec(over[i], 60, &v), 0, -ERANGE);
    static const char *const bad[] = {"",      "-1",   "-5:00", " 5",   "5 ",       "5x",   "5mm",
                                      "m",     "1:",   ":1",    "1::2", "1:2:3:4",  "1-",   "1-2-3",
                                      "1-2h",  "1:2h", "1--2",  "1:-2", "1-:2",     "1-2:", "1.5h",
                                      "1h30m", "+5",   "5\n",   "0x5",  "1-2:3:4:5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        SAME(str_to_duration_sec(bad[i], 60, &v), 0, -EINVAL);
}

static void durations_come_back(void **state)
{
    static const struct {
        int64_t sec;
        const char *text;
    } rows[] = {
        {0, "0:00"},           {5, "0:05"},         {3599, "59:59"},
        {3600, "1:00:00"},     {86399, "23:59:59"}, {86400, "1-00:00:00"},
        {93784, "1-02:03:04"}, {-1, "INVALID"},     {INT64_MAX, "106751991167300-15:30:07"}};
    char buf[32];
    int64_t v;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(str_from_duration_sec(rows[i].sec, buf), rows[i].text);
    for (int64_t sec = 0; sec < 400000; sec += 997) {
        assert_int_equal(str_to_duration_sec(str_from_duration_sec(sec, buf), 60, &v), 0);
        assert_int_equal(v, sec);
    }
}

static void names(void **state)
{
    assert_true(str_is_name("a40-4q_v1.0", 64));
    assert_true(str_is_name("_x", 2));
    assert_false(str_is_name("abc", 2));
    static const char *const bad[] = {"",    ".",   "..",  ".a",       "-a",
                                      "a b", "a/b", "a\n", "\xc3\xa9", "a%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(str_is_name(bad[i], 64));
}

static bool text(const char *s, bool lines)
{
    return str_is_text(s, strlen(s), lines);
}

static void texts(void **state)
{
    assert_true(text("", false));
    assert_true(text("Grüße, 日本, \xf0\x9f\x96\xa5", false));
    assert_true(text("a\n\tb", true));
    assert_true(text("\xf4\x8f\xbf\xbf", false));
    assert_false(text("a\nb", false));
    assert_false(text("a\tb", false));
    assert_false(text("a\rb", true));
    assert_false(str_is_text("a\0b", 3, true));
    static const char *const bad[] = {
        "\xc1\x81",
        "\xe0\x81\x81",
        "\xf0\x80\x81\x81",
        "\x1b[0m",
        "\x7f",
        "\xc2\x85",
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xc3",
        "\xe2\x82",
        "\xc3(",
        "\xff",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (text(bad[i], true))
            fail_msg("row %zu passed", i);
}

static void secrets_and_hex(void **state)
{
    assert_true(str_equal_secret("abc", 3, "abc", 3));
    assert_true(str_equal_secret("", 0, "", 0));
    assert_false(str_equal_secret("abc", 3, "abd", 3));
    assert_false(str_equal_secret("abc", 3, "ab", 2));
    assert_false(str_equal_secret("a\0b", 3, "a\0c", 3));
    char hex[7];
    str_to_hex("\x00\xff\x1a", 3, hex);
    assert_string_equal(hex, "00ff1a");
    str_to_hex("", 0, hex);
    assert_string_equal(hex, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),          cmocka_unit_test(unsigned_numbers),
        cmocka_unit_test(signed_numbers),  cmocka_unit_test(sizes),
        cmocka_unit_test(durations),       cmocka_unit_test(durations_come_back),
        cmocka_unit_test(names),           cmocka_unit_test(texts),
        cmocka_unit_test(secrets_and_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
