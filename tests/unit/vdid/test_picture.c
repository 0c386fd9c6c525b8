/* SPDX-License-Identifier: Apache-2.0 */
/* test_picture.c - pictures are blank or not, fit, and are refused when they are damaged. */
#include "vdid/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vdid/file.h"

#define WIDTH 300
#define HEIGHT 200

static char path[] = "/tmp/vdid-picture.XXXXXX";

static void put(const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static char *pixels(struct buf *ppm)
{
    return ppm->data + ppm->len - (size_t)WIDTH * HEIGHT * 3;
}

/* kind 0: one colour; 1: noise; 2: a pointer's size differs; 3: a line of text's; 4: a column's. */
static void put_ppm(int kind)
{
    struct buf text = BUF_INIT(0);
    unsigned random = 1;

    buf_printf(&text, "P6\n%d %d\n255\n", WIDTH, HEIGHT);
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++) {
        random = random * 1103515245 + 12345;
        buf_putc(&text, kind == 1 ? (char)(random >> 16) : '\n');
    }
    for (int i = 0; kind == 2 && i < 60 * 60; i++)
        pixels(&text)[((100 + i / 60) * WIDTH + 20 + i % 60) * 3] = ' ';
    for (int i = 0; kind == 3 && i < 65; i += 4)
        pixels(&text)[(10 * WIDTH + 20 + i) * 3] = ' ';
    for (int i = 0; kind == 4 && i < 65; i++)
        pixels(&text)[((10 + i) * WIDTH) * 3] = ' ';
    put(text.data, text.len);
    buf_done(&text);
}

static void make_png(struct buf *out)
{
    struct picture p = {0};

    assert_int_equal(picture_read(path, 1000, &p), 0);
    assert_int_equal(picture_write(&p, out), 0);
    picture_done(&p);
}

static void looks(bool is_blank)
{
    struct picture p = {0};

    assert_int_equal(picture_read(path, 0, &p), 0);
    assert_int_equal(p.width_px, WIDTH);
    assert_int_equal(p.height_px, HEIGHT);
    assert_int_equal(p.is_blank, is_blank);
    assert_null(p.rgb);
    picture_done(&p);
}

static void blank_or_not(void **state)
{
    for (int kind = 0; kind < 5; kind++) {
        struct buf png = BUF_INIT(0);

        put_ppm(kind);
        looks(kind == 0 || kind == 2);
        make_png(&png);
        put(png.data, png.len);
        looks(kind == 0 || kind == 2);
        buf_done(&png);
    }
}

static void copies(void **state)
{
    struct picture p = {0};

    put_ppm(1);
    assert_int_equal(picture_read(path, 100, &p), 0);
    assert_int_equal(p.rgb_width, 100);
    assert_int_equal(p.rgb_height, 67);
    picture_done(&p);
}

static void fits(void **state)
{
    struct buf out = BUF_INIT(0);

    put_ppm(1);
    assert_int_equal(picture_fit(path, 200000, &out), 0); /* the file itself */
    assert_memory_equal(out.data, "P6\n", 3);
    buf_done(&out);
    out = BUF_INIT(0);
    assert_int_equal(picture_fit(path, 50000, &out), 0);
    assert_true(out.len <= 50000);
    assert_memory_equal(out.data, "\x89PNG", 4);
    buf_done(&out);
    out = BUF_INIT(0);
    assert_int_equal(picture_fit(path, 100, &out), -E2BIG);
    buf_done(&out);
    unlink("/tmp/vdid-no-such-picture");
    assert_int_equal(picture_fit("/tmp/vdid-no-such-picture", 100, &out), -ENOENT);
}

static void refused(void **state)
{
    static const char *const bad[] = {"",
                                      "P",
                                      "P5\n2 2\n255\n1234",
                                      "P6\n0 2\n255\n",
                                      "P6\n2 2\n255\n1234",
                                      "P6\n99999 1\n255\n",
                                      "P6\n2 2\n65535\n",
                                      "not a picture at all"};
    struct buf png = BUF_INIT(0);
    struct picture p = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(bad[i], strlen(bad[i]));
        assert_int_equal(picture_read(path, 10, &p), -EBADMSG);
    }
    put_ppm(1);
    make_png(&png);
    for (size_t n = 0; n < png.len; n += 1 + png.len / 50) {
        put(png.data, n);
        assert_true(picture_read(path, 10, &p) < 0);
    }
    for (size_t i = 0; i < png.len; i += 1 + png.len / 50) {
        png.data[i] ^= 0x40;
        put(png.data, png.len);
        if (picture_read(path, 10, &p) == 0)
            picture_done(&p);
        png.data[i] ^= 0x40;
    }
    buf_done(&png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blank_or_not),
        cmocka_unit_test(copies),
        cmocka_unit_test(fits),
        cmocka_unit_test(refused),
    };
    int fd = mkstemp(path), r;

    close(fd);
    r = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return r;
}
