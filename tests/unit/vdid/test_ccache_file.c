/* SPDX-License-Identifier: Apache-2.0 */
/* test_ccache_file.c - which files are a Kerberos ticket of their owner, and which are refused. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "vdid/ccache_file.h"

#define NOW 1000000

static char dir[64];

static void number(struct buf *out, uint32_t n, int bytes)
{
    while (bytes--)
        buf_putc(out, (char)(n >> 8 * bytes));
}

static void data(struct buf *out, const char *text)
{
    number(out, (uint32_t)strlen(text), 4);
    buf_puts(out, text);
}

static void principal(struct buf *out, const char *first)
{
    number(out, 1, 4);
    number(out, 2, 4);
    data(out, "EXAMPLE.ORG");
    data(out, first);
    data(out, "EXAMPLE.ORG");
}

static void credential(struct buf *out, int version, const char *server, uint32_t end_sec)
{
    principal(out, "anna");
    principal(out, server);
    number(out, 18, version == 3 ? 4 : 2);
    data(out, "0123456789abcdef0123456789abcdef");
    number(out, NOW - 10, 4);
    number(out, NOW - 10, 4);
    number(out, end_sec, 4);
    number(out, end_sec, 4);
    number(out, 0, 1);
    number(out, 0x40e10000, 4);
    number(out, 1, 4); /* an address */
    number(out, 2, 2);
    data(out, "1234");
    number(out, 0, 4);
    data(out, "the ticket");
    data(out, "");
}

static void begin(struct buf *out, int version)
{
    number(out, 0x0500 + (uint32_t)version, 2);
    if (version == 4) {
        number(out, 12, 2);
        number(out, 1, 2);
        number(out, 8, 2);
        number(out, 0, 4);
        number(out, 0, 4);
    }
    principal(out, "anna");
}

static void good_ones(void **state)
{
    for (int version = 3; version <= 4; version++) {
        struct buf b = BUF_INIT(0);
        int64_t end = 0;

        begin(&b, version);
        credential(&b, version, "krbtgt", NOW + 50);
        credential(&b, version, "nfs", NOW + 999);
        credential(&b, version, "krbtgt", NOW + 100);
        assert_int_equal(ccache_end((uint8_t *)b.data, b.len, &end), 0);
        assert_int_equal(end, NOW + 100);
        buf_done(&b);
    }
}

/* Behind a whole credential it may end; anywhere else it is cut off, and read no further. */
static void cut_ones(void **state)
{
    struct buf b = BUF_INIT(0);
    int64_t end;
    size_t head, whole;

    begin(&b, 4);
    head = b.len;
    credential(&b, 4, "krbtgt", NOW + 50);
    whole = b.len;
    for (size_t len = 0; len <= whole; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* what is read behind it is noticed */

        memcpy(exact, b.data, len);
        assert_int_equal(ccache_end(exact, len, &end), len == whole  ? 0
                                                       : len == head ? -ENOKEY
                                                                     : -EBADMSG);
        free(exact);
    }
    for (size_t i = 0; i < whole; i++) { /* any length in it may lie */
        uint8_t old = (uint8_t)b.data[i];

        b.data[i] = (char)0xff;
        ccache_end((uint8_t *)b.data, whole, &end);
        b.data[i] = (char)old;
    }
    b.data[1] = 2;
    assert_int_equal(ccache_end((uint8_t *)b.data, whole, &end), -EBADMSG);
    buf_done(&b);
}

static const char *put(const char *name, const struct buf *b, size_t len, mode_t mode)
{
    static char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, b->data, len), len);
    fchmod(fd, mode);
    close(fd);
    return path;
}

static void files(void **state)
{
    static uint8_t got[CCACHE_MAX];
    struct buf b = BUF_INIT(0), zeros = BUF_INIT(0);
    struct vdi_error err = {0};
    char link[128];
    size_t len = 0;

    begin(&b, 4);
    credential(&b, 4, "krbtgt", NOW + 50);
    assert_int_equal(ccache_file_read(put("t", &b, b.len, 0600), NOW, got, &len, NULL), 0);
    assert_int_equal(len, b.len);
    assert_memory_equal(got, b.data, len);
    assert_int_equal(ccache_file_read(put("t", &b, b.len, 0600), NOW + 51, got, &len, &err),
                     -EKEYEXPIRED);
    assert_non_null(strstr(err.detail, "expired at 1970-01-12T13:47:30Z"));
    assert_non_null(strstr(err.detail, "kinit"));
    assert_int_equal(ccache_file_read(put("t", &b, b.len, 0640), NOW, got, &len, &err), -EPERM);
    assert_int_equal(ccache_file_read(put("t", &b, b.len - 1, 0600), NOW, got, &len, &err),
                     -EBADMSG);
    snprintf(link, sizeof(link), "%s/link", dir);
    assert_int_equal(symlink("t", link), 0);
    assert_int_equal(ccache_file_read(link, NOW, got, &len, &err), -ELOOP);
    unlink(link);
    assert_int_equal(ccache_file_read(link, NOW, got, &len, &err), -ENOENT);
    assert_int_equal(mkfifo(link, 0600), 0);
    assert_int_equal(ccache_file_read(link, NOW, got, &len, &err), -EINVAL); /* and doesn't wait */
    for (size_t i = 0; i <= CCACHE_MAX; i++)
        buf_putc(&zeros, 0);
    assert_int_equal(ccache_file_read(put("t", &zeros, zeros.len, 0600), NOW, got, &len, &err),
                     -EFBIG);
    assert_int_equal(ccache_file_read("/etc/passwd", NOW, got, &len, &err), -EPERM);
    buf_done(&b);
    buf_done(&zeros);
}

static int make(void **state)
{
    strcpy(dir, "/tmp/vdid-ccache.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int clear(void **state)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(cut_ones),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, make, clear);
}
