/* SPDX-License-Identifier: Apache-2.0 */
/* picture.c - screenshots, PNG (ISO/IEC 15948) and PPM (netpbm's P6), row by row. */
#include "vdid/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "vdid/file.h"

#define SIDE_FIRST 1024 /* pixels of the longer side of a copy; halved until it fits */
#define SIDE_LEAST 64
#define SPOT_PX 64 /* a cursor of text and a pointer are no larger */

struct reading {
    FILE *file;
    struct picture picture;
    uint32_t step; /* of the copy */
    uint8_t *row;
    uint8_t first[3];
    bool has_spot;
    struct {
        uint32_t left, right, top, bottom;
    } spot; /* what has another colour than the first pixel lies in there */
};

void picture_done(struct picture *p)
{
    free(p->rgb);
    *p = (struct picture){0};
}

/* ---- rows ---- */

static int begin(struct reading *r, uint32_t width, uint32_t height, uint32_t side_max)
{
    struct picture *p = &r->picture;
    uint32_t side = width > height ? width : height;

    if (!width || !height || side > PICTURE_SIDE_MAX)
        return -EBADMSG;
    *p = (struct picture){.width_px = width, .height_px = height, .is_blank = true};
    r->row = malloc((size_t)width * 3);
    if (!r->row)
        return -ENOMEM;
    if (!side_max)
        return 0;
    r->step = (side + side_max - 1) / side_max;
    p->rgb_width = (width + r->step - 1) / r->step;
    p->rgb_height = (height + r->step - 1) / r->step;
    p->rgb = malloc((size_t)p->rgb_width * p->rgb_height * 3);
    return p->rgb ? 0 : -ENOMEM;
}

/* A screen without anything on it may blink, and has a pointer; a line of text is wider. */
static void take_spot(struct reading *r, uint32_t x, uint32_t y)
{
    struct picture *p = &r->picture;

    if (!r->has_spot) {
        r->spot.left = r->spot.right = x;
        r->spot.top = y;
    }
    r->has_spot = true;
    r->spot.left = x < r->spot.left ? x : r->spot.left;
    r->spot.right = x > r->spot.right ? x : r->spot.right;
    r->spot.bottom = y;
    uint32_t width = r->spot.right - r->spot.left + 1, height = r->spot.bottom - r->spot.top + 1;
    p->is_blank = width <= SPOT_PX && height <= SPOT_PX && 2 * width < p->width_px &&
                  2 * height < p->height_px;
}

static void take_row(struct reading *r, uint32_t y)
{
    struct picture *p = &r->picture;
    const uint8_t *row = r->row;

    if (y == 0)
        memcpy(r->first, row, 3);
    for (uint32_t x = 0; p->is_blank && x < p->width_px; x++)
        if (memcmp(row + (size_t)x * 3, r->first, 3) != 0)
            take_spot(r, x, y);
    if (!p->rgb || y % r->step)
        return;
    uint8_t *to = p->rgb + (size_t)(y / r->step) * p->rgb_width * 3;
    for (uint32_t x = 0; x < p->rgb_width; x++)
        memcpy(to + (size_t)x * 3, row + (size_t)x * r->step * 3, 3);
}

/* ---- PPM ---- */

static int read_ppm(struct reading *r, uint32_t side_max)
{
    unsigned width, height, max;
    int result;

    /* The one white space behind the maximum is eaten by hand: what follows may look like more. */
    if (fscanf(r->file, "P6 %5u %5u %3u", &width, &height, &max) != 3 || max != 255 ||
        fgetc(r->file) == EOF)
        return -EBADMSG;
    result = begin(r, width, height, side_max);
    for (uint32_t y = 0; result == 0 && y < height; y++) {
        if (fread(r->row, 3, width, r->file) != width)
            result = -EBADMSG;
        else
            take_row(r, y);
    }
    return result;
}

/* ---- PNG ---- */

static void no_word(png_structp png, png_const_charp text)
{
}

/* Any error of libpng's jumps to its caller. */
static _Noreturn void on_png_error(png_structp png, png_const_charp text)
{
    png_longjmp(png, 1);
}

static void want_rgb(png_structp png, png_infop info)
{
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
    png_read_update_info(png, info);
}

static int read_rows(struct reading *r, png_structp png, png_infop info, uint32_t side_max)
{
    volatile int result = -EBADMSG;

    if (setjmp(png_jmpbuf(png)))
        return result;
    png_init_io(png, r->file);
    png_set_user_limits(png, PICTURE_SIDE_MAX, PICTURE_SIDE_MAX);
    png_read_info(png, info);
    if (png_get_interlace_type(png, info) != PNG_INTERLACE_NONE)
        return -EBADMSG;
    want_rgb(png, info);
    result =
        png_get_rowbytes(png, info) == (size_t)png_get_image_width(png, info) * 3
            ? begin(r, png_get_image_width(png, info), png_get_image_height(png, info), side_max)
            : -EBADMSG;
    if (result < 0)
        return result;
    result = -EBADMSG;
    for (uint32_t y = 0; y < r->picture.height_px; y++) {
        png_read_row(png, r->row, NULL);
        take_row(r, y);
    }
    return 0;
}

static int read_png(struct reading *r, uint32_t side_max)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_png_error, no_word);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int result = info ? read_rows(r, png, info, side_max) : -ENOMEM;

    png_destroy_read_struct(&png, &info, NULL);
    return result;
}

int picture_read(const char *path, uint32_t side_max, struct picture *ret)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct reading r = {.file = fd < 0 ? NULL : fdopen(fd, "rb")};
    int c, result = r.file ? 0 : -errno;

    if (result < 0)
        return result;
    fd = -1; /* the file's */
    c = getc(r.file);
    ungetc(c, r.file);
    result = c == 'P' ? read_ppm(&r, side_max) : read_png(&r, side_max);
    fclose(r.file);
    free(r.row);
    if (result < 0)
        picture_done(&r.picture);
    else
        *ret = r.picture;
    return result;
}

/* ---- writing ---- */

static void put_bytes(png_structp png, png_bytep data, size_t len)
{
    if (buf_append(png_get_io_ptr(png), data, len) < 0)
        png_longjmp(png, 1);
}

static void flush_nothing(png_structp png)
{
}

static int write_rows(const struct picture *p, png_structp png, png_infop info, struct buf *out)
{
    if (setjmp(png_jmpbuf(png)))
        return out->failed ? -E2BIG : -ENOMEM;
    png_set_write_fn(png, out, put_bytes, flush_nothing);
    png_set_IHDR(png, info, p->rgb_width, p->rgb_height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t y = 0; y < p->rgb_height; y++)
        png_write_row(png, p->rgb + (size_t)y * p->rgb_width * 3);
    png_write_end(png, info);
    return 0;
}

int picture_write(const struct picture *p, struct buf *out)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_png_error, no_word);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int result = info ? write_rows(p, png, info, out) : -ENOMEM;

    png_destroy_write_struct(&png, &info);
    return result;
}

int picture_fit(const char *path, size_t max, struct buf *out)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return -errno;
    out->max = max;
    if ((uint64_t)st.st_size <= max)
        return file_read(path, out);
    for (uint32_t side = SIDE_FIRST; side >= SIDE_LEAST; side /= 2) {
        struct picture p = {0};
        int r = picture_read(path, side, &p);

        if (r < 0)
            return r;
        buf_done(out);
        *out = BUF_INIT(max);
        r = picture_write(&p, out);
        picture_done(&p);
        if (r != -E2BIG)
            return r;
    }
    return -E2BIG;
}
