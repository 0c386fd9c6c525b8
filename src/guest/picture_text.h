/* SPDX-License-Identifier: Apache-2.0 */
/* picture_text.h - text in a typeface of a file, by FreeType. */
#ifndef GUEST_PICTURE_TEXT_H
#define GUEST_PICTURE_TEXT_H

#include <vdi/types.h>

#include "guest/picture_canvas.h"

enum weight { WEIGHT_REGULAR, WEIGHT_BOLD, WEIGHT_COUNT };

struct typeface;

/* `dir` holds regular.otf and bold.otf. */
int typeface_new(const char *dir, struct typeface **ret, struct vdi_error *err);
void typeface_free(struct typeface *t);

struct text_style {
    enum weight weight;
    int size_px;
    uint32_t color;
    bool even_digits; /* digits as wide as the widest: a clock does not tremble */
};

/* UTF-8; what is no UTF-8 is left out. Both return the width in px. */
int text_width(struct typeface *t, const struct text_style *style, const char *text);
/* `x` is where it begins, `y` its base line. Stops, with "...", before it is wider than
 * `width_max` px. */
int text_draw(struct typeface *t, const struct text_style *style, struct canvas *c, int x, int y,
              int width_max, const char *text);

#endif
