/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_canvas.h - a picture in memory, and the shapes that are drawn into it.
 *
 * Pixels are 0xffRRGGBB, as DRM's XRGB8888. What lies outside the canvas is cut off.
 */
#ifndef GUEST_PICTURE_CANVAS_H
#define GUEST_PICTURE_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CANVAS_PX_MAX 8192 /* of either side */

struct rect {
    int x, y, width, height; /* px; empty without width or height */
};

struct canvas {
    uint32_t *pixels;
    int width, height;
    size_t stride_px; /* from one row to the next */
};

bool rect_is_empty(struct rect r);
struct rect rect_cut(struct rect a, struct rect b); /* what both have */

/* -ERANGE: a side over CANVAS_PX_MAX; -ENOMEM. */
int canvas_init(struct canvas *c, int width_px, int height_px);
void canvas_done(struct canvas *c);
/* The same place of both. */
void canvas_copy(struct canvas *to, const struct canvas *from, struct rect r);

void canvas_fill(struct canvas *c, struct rect r, uint32_t color);
/* Lays `alpha` (0 to 255) of the color over one pixel. */
void canvas_blend(struct canvas *c, int x, int y, uint32_t color, unsigned alpha);
/* Corners of `radius` px, smooth; the color runs from `top` to `bottom`. */
void canvas_round_rect(struct canvas *c, struct rect r, int radius, uint32_t top, uint32_t bottom);
/* A ring of `thick` px, smooth; as thick as its radius, it is a disc. */
void canvas_ring(struct canvas *c, int x, int y, int radius, int thick, uint32_t color);
/* The color that is `part` of `whole` from `a` to `b`. */
uint32_t color_between(uint32_t a, uint32_t b, int part, int whole);

#endif
