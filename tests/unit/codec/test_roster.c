/* SPDX-License-Identifier: Apache-2.0 */
/* test_roster.c - a roster: what is a name, what is refused in which line, what is no file. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "codec/roster.h"

static struct roster *take(const char *text)
{
    struct roster *r = NULL;
    struct vdi_error err = {0};
    unsigned line;

    if (roster_parse(text, strlen(text), &r, &line, &err) < 0)
        fail_msg("line %u: %s", line, err.detail);
    return r;
}

static void names_and_comments(void **state)
{
    struct roster *r = take("\xef\xbb\xbf# CAD 1\n\n alice\t# first\r\nkeystone:bob \n  \t\r\n"
                            "unix:carol\nAD\\dave\n\xc3\xa9lise\nx#y\nalice\nk:d:eve");

    assert_int_equal(roster_count(r), 7);
    assert_true(roster_has(r, "unix", "alice"));
    assert_true(roster_has(r, "unix", "carol"));
    assert_true(roster_has(r, "unix", "AD\\dave"));
    assert_true(roster_has(r, "unix", "\xc3\xa9lise"));
    assert_true(roster_has(r, "unix", "x#y"));
    assert_true(roster_has(r, "keystone", "bob"));
    assert_true(roster_has(r, "k:d", "eve"));
    assert_false(roster_has(r, "unix", "bob"));
    assert_false(roster_has(r, "keystone", "alice"));
    assert_false(roster_has(r, "unix", "CAD"));
    assert_false(roster_has(r, "unix", ""));
    roster_free(r);
}

static void the_same_names_are_the_same_list(void **state)
{
    struct roster *a = take("x\ny\n"), *b = take("# other\ny\nx\nx\n"), *c = take("x\nz\n");
    struct roster *none = take("# nobody any more\n");

    assert_true(roster_equal(a, b));
    assert_false(roster_equal(a, c));
    assert_false(roster_equal(a, none));
    assert_int_equal(roster_count(none), 0);
    roster_free(a);
    roster_free(b);
    roster_free(c);
    roster_free(none);
}

static void refuse(const char *text, size_t len, unsigned at, const char *words)
{
    struct roster *r = NULL;
    struct vdi_error err = {0};
    unsigned line = 99;

    assert_true(roster_parse(text, len, &r, &line, &err) < 0);
    assert_null(r);
    if (line != at || !strstr(err.detail, words) || !*err.remedy)
        fail_msg("line %u: %s; %s", line, err.detail, err.remedy);
}

static void hostile_lines(void **state)
{
    static char text[ROSTER_BYTES_MAX + 2];
    const struct {
        const char *text;
        unsigned line;
        const char *words;
    } wrong[] = {
        {"", 0, "empty"},
        {"alice bob\n", 1, "more than one name"},
        {"alice\nbob,carol\n", 2, "','"},
        {"alice;\n", 1, "';'"},
        {"\n\n:alice\n", 3, "half a name"},
        {"keystone:\n", 1, "half a name"},
        {"a\x01z\n", 1, "not text"},
        {"a\x1b[2Jz\n", 1, "not text"},
        {"\xff\xfe"
         "a\n",
         1, "not text"},
        {"a\xc3\n", 1, "not text"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse(wrong[i].text, strlen(wrong[i].text), wrong[i].line, wrong[i].words);
    refuse("alice\0bob\n", 10, 1, "not text");
    memset(text, 'a', sizeof(text));
    refuse(text, 64, 1, "name is too long");
    text[10] = ':';
    refuse(text, 96, 1, "name is too long");
    refuse(text, ROSTER_LINE_MAX + 1, 1, "line is too long");
    refuse(text, sizeof(text), 0, "too large");
    text[10] = '\n';
    text[74 + 1] = '\n';
    refuse(text, 76, 2, "name is too long");
}

static void only_so_many_names(void **state)
{
    struct buf text = BUF_INIT(0);
    struct roster *r = NULL;
    struct vdi_error err;
    unsigned line;

    for (unsigned i = 0; i < ROSTER_NAMES_MAX; i++)
        buf_printf(&text, "u%u\n", i);
    assert_int_equal(roster_parse(text.data, text.len, &r, &line, &err), 0);
    assert_int_equal(roster_count(r), ROSTER_NAMES_MAX);
    roster_free(r);
    buf_puts(&text, "u0\none more\n");
    text.len -= strlen(" more\n");
    refuse(text.data, text.len, ROSTER_NAMES_MAX + 2, "too many names");
    buf_done(&text);
}

/* Whatever bytes there are: a list, or a line that is wrong. ASan looks on. */
static void any_bytes(void **state)
{
    static const char bytes[] = "ab:# \t\r\n\n\n,\0\xc3\xa4\xff;\\|";
    uint32_t x = 2463534242u;
    unsigned taken = 0;

    for (unsigned i = 0; i < 20000; i++) {
        char text[64];
        size_t len = i % sizeof(text);
        struct roster *r = NULL;
        struct vdi_error err;
        unsigned line;

        for (size_t k = 0; k < len; k++) {
            x ^= x << 13, x ^= x >> 17, x ^= x << 5;
            text[k] = bytes[x % (sizeof(bytes) - 1)];
        }
        if (roster_parse(text, len, &r, &line, &err) == 0)
            taken++;
        roster_free(r);
    }
    assert_true(taken > 0);
}

/* ---- files ---- */

static int look(const char *path, const struct roster_mark *known, struct roster_mark *mark,
                struct roster **ret, struct vdi_error *err)
{
    unsigned line;

    *ret = NULL;
    *err = (struct vdi_error){0};
    return roster_read(path, known, mark, ret, &line, err);
}

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fchmod(fileno(f), mode);
    fclose(f);
}

static void files(void **state)
{
    char dir[] = "/tmp/roster-XXXXXX", path[64], other[64];
    struct roster_mark mark, again;
    struct vdi_error err;
    struct roster *r;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/list", dir);
    snprintf(other, sizeof(other), "%s/other", dir);
    assert_int_equal(look(path, NULL, &mark, &r, &err), -ENOENT);
    put(path, "alice\n", 0644);
    assert_int_equal(look(path, NULL, &mark, &r, &err), 0);
    assert_true(roster_has(r, "unix", "alice"));
    roster_free(r);
    assert_int_equal(look(path, &mark, &again, &r, &err), 1);
    assert_null(r);
    put(other, "carol\n", 0644); /* of the same size, and another file */
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(look(path, &mark, &again, &r, &err), 0);
    assert_true(roster_has(r, "unix", "carol"));
    roster_free(r);
    put(path, "a b\n", 0644);
    assert_int_equal(look(path, &mark, &again, &r, &err), -EINVAL);
    assert_int_equal(look(path, &again, &mark, &r, &err), 1); /* it was told */
    chmod(path, 0646);
    assert_int_equal(look(path, &mark, &again, &r, &err), -EINVAL);
    assert_string_equal(err.detail, "anyone can write to it");
    unlink(path);
    assert_int_equal(mkfifo(path, 0644), 0); /* nobody writes to it: an open must not wait */
    assert_int_equal(look(path, NULL, &mark, &r, &err), -EINVAL);
    assert_int_equal(look("/dev/zero", NULL, &mark, &r, &err), -EINVAL);
    assert_int_equal(look(dir, NULL, &mark, &r, &err), -EINVAL);
    unlink(path);
    put(path, "", 0600);
    assert_int_equal(truncate(path, INT64_C(1) << 40), 0); /* a hole: no memory is taken for it */
    assert_int_equal(look(path, NULL, &mark, &r, &err), -EFBIG);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_comments), cmocka_unit_test(the_same_names_are_the_same_list),
        cmocka_unit_test(hostile_lines),      cmocka_unit_test(only_so_many_names),
        cmocka_unit_test(any_bytes),          cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
