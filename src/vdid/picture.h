/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture.h - a screenshot in a file, PNG or PPM: whether it shows anything, and a smaller copy.
 *
 * Read row by row: a guest's screen of any size takes the memory of two rows and the copy. All
 * block.
 */
#ifndef VDID_PICTURE_H
#define VDID_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define PICTURE_SIDE_MAX 16384 /* pixels */

struct picture {
    uint32_t width_px, height_px;
    bool is_blank;                  /* one colour, or a cursor or a pointer on it */
    uint32_t rgb_width, rgb_height; /* of the copy: every n-th pixel of every n-th row */
    uint8_t *rgb;                   /* owned; NULL: none was asked for */
};

/* side_max: of the copy, in pixels; 0: none. -EBADMSG: neither PNG nor PPM, or damaged. */
int picture_read(const char *path, uint32_t side_max, struct picture *ret);
void picture_done(struct picture *p);
/* The copy as PNG. -ENOMEM, -E2BIG: over out->max. */
int picture_write(const struct picture *p, struct buf *out);
/* The file as PNG or PPM of at most max bytes: itself, or as large a copy as fits. */
int picture_fit(const char *path, size_t max, struct buf *out);

#endif
