/* SPDX-License-Identifier: Apache-2.0 */
/* picture_text.c - glyphs of FreeType, one after another, laid over a canvas. */
#include "guest/picture_text.h"

#include <errno.h>
#include <ft2build.h>
#include <limits.h>
#include <stdio.h>
#include FT_FREETYPE_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define TEXT_BYTES_MAX 1024 /* of one text; what is longer is cut */

struct typeface {
    FT_Library library;
    FT_Face faces[WEIGHT_COUNT];
};

static const char *const file_names[WEIGHT_COUNT] = {"regular.otf", "bold.otf"};

int typeface_new(const char *dir, struct typeface **ret, struct vdi_error *err)
{
    struct typeface *t = calloc(1, sizeof(*t));
    char path[PATH_MAX];

    if (!t || FT_Init_FreeType(&t->library)) {
        free(t);
        return error_set(err, ENOMEM, "font", "no memory for a font");
    }
    for (int i = 0; i < WEIGHT_COUNT; i++) {
        if (snprintf(path, sizeof(path), "%s/%s", dir, file_names[i]) < (int)sizeof(path) &&
            !FT_New_Face(t->library, path, 0, &t->faces[i]))
            continue;
        typeface_free(t);
        error_set(err, ENOENT, "font", "%s/%s is no font that can be read", dir, file_names[i]);
        error_hint(err, NULL, "name the directory of the fonts with --fonts");
        return -ENOENT;
    }
    *ret = t;
    return 0;
}

void typeface_free(struct typeface *t)
{
    if (!t)
        return;
    for (int i = 0; i < WEIGHT_COUNT; i++)
        if (t->faces[i])
            FT_Done_Face(t->faces[i]);
    FT_Done_FreeType(t->library);
    free(t);
}

static FT_Face face_of(struct typeface *t, const struct text_style *style)
{
    FT_Face face = t->faces[style->weight];

    FT_Set_Pixel_Sizes(face, 0, (FT_UInt)style->size_px);
    return face;
}

static int glyph_width(FT_Face face, uint32_t letter)
{
    if (FT_Load_Char(face, letter, FT_LOAD_TARGET_LIGHT))
        return 0;
    return (int)((face->glyph->advance.x + 32) / 64);
}

static int digit_width(FT_Face face)
{
    int width = 0, w;

    for (uint32_t d = '0'; d <= '9'; d++)
        width = (w = glyph_width(face, d)) > width ? w : width;
    return width;
}

static void glyph_draw(FT_Face face, struct canvas *c, int x, int y, uint32_t color)
{
    FT_GlyphSlot slot = face->glyph;
    const FT_Bitmap *b = &slot->bitmap;

    if (FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL) || b->pixel_mode != FT_PIXEL_MODE_GRAY)
        return;
    for (unsigned row = 0; row < b->rows; row++)
        for (unsigned i = 0; i < b->width; i++)
            canvas_blend(c, x + slot->bitmap_left + (int)i, y - slot->bitmap_top + (int)row, color,
                         b->buffer[(size_t)row * (size_t)b->pitch + i]);
}

static bool is_digit(uint32_t letter)
{
    return letter >= '0' && letter <= '9';
}

/* Of as much of the text as is no wider than width_max; ret_bytes says how much that is. */
static int walk(struct typeface *t, const struct text_style *style, struct canvas *c, int x, int y,
                int width_max, const char *text, size_t *ret_bytes)
{
    FT_Face face = face_of(t, style);
    size_t len = strnlen(text, TEXT_BYTES_MAX), at = 0;
    int width = 0, digits = style->even_digits ? digit_width(face) : 0;

    while (at < len) {
        uint32_t letter;
        unsigned n = str_utf8(text + at, len - at, &letter);
        int own = n ? glyph_width(face, letter) : 0;
        int advance = n && digits && is_digit(letter) ? digits : own;
        if (width + advance > width_max)
            break;
        if (n && c)
            glyph_draw(face, c, x + width + (advance - own) / 2, y, style->color);
        width += advance;
        at += n ? n : 1;
    }
    *ret_bytes = at;
    return width;
}

int text_width(struct typeface *t, const struct text_style *style, const char *text)
{
    size_t bytes;

    return walk(t, style, NULL, 0, 0, INT_MAX / 2, text, &bytes);
}

int text_draw(struct typeface *t, const struct text_style *style, struct canvas *c, int x, int y,
              int width_max, const char *text)
{
    int dots = text_width(t, style, "..."), width;
    size_t bytes;
    bool fits;

    walk(t, style, NULL, 0, 0, width_max, text, &bytes);
    fits = bytes == strnlen(text, TEXT_BYTES_MAX);
    width = walk(t, style, c, x, y, fits ? width_max : width_max - dots, text, &bytes);
    return fits ? width : width + walk(t, style, c, x + width, y, dots, "...", &bytes);
}
