/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_canvas.c - rectangles, rounded corners and rings, in whole numbers.
 *
 * An emulated CPU draws this: smooth edges are made from squared distances in sixteenths of a
 * pixel, without a square root, and only where an edge is.
 */
#include "guest/picture_canvas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool rect_is_empty(struct rect r)
{
    return r.width <= 0 || r.height <= 0;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

struct rect rect_cut(struct rect a, struct rect b)
{
    int x = most(a.x, b.x), y = most(a.y, b.y);

    return (struct rect){x, y, least(a.x + a.width, b.x + b.width) - x,
                         least(a.y + a.height, b.y + b.height) - y};
}

static struct rect whole(const struct canvas *c)
{
    return (struct rect){0, 0, c->width, c->height};
}

int canvas_init(struct canvas *c, int width_px, int height_px)
{
    if (width_px < 1 || height_px < 1 || width_px > CANVAS_PX_MAX || height_px > CANVAS_PX_MAX)
        return -ERANGE;
    c->pixels = calloc((size_t)width_px * (size_t)height_px, sizeof(*c->pixels));
    c->width = width_px;
    c->height = height_px;
    c->stride_px = (size_t)width_px;
    return c->pixels ? 0 : -ENOMEM;
}

void canvas_done(struct canvas *c)
{
    free(c->pixels);
    *c = (struct canvas){0};
}

static uint32_t *row_at(const struct canvas *c, int x, int y)
{
    return c->pixels + (size_t)y * c->stride_px + x;
}

void canvas_copy(struct canvas *to, const struct canvas *from, struct rect r)
{
    r = rect_cut(rect_cut(r, whole(to)), whole(from));
    for (int y = r.y; !rect_is_empty(r) && y < r.y + r.height; y++)
        memcpy(row_at(to, r.x, y), row_at(from, r.x, y), (size_t)r.width * sizeof(uint32_t));
}

void canvas_fill(struct canvas *c, struct rect r, uint32_t color)
{
    r = rect_cut(r, whole(c));
    for (int y = r.y; !rect_is_empty(r) && y < r.y + r.height; y++) {
        uint32_t *row = row_at(c, r.x, y);
        for (int i = 0; i < r.width; i++)
            row[i] = color;
    }
}

/* All three parts of a color at once, each with room above it. */
static uint32_t mix(uint32_t under, uint32_t over, unsigned alpha)
{
    uint32_t a = alpha + (alpha >> 7); /* 0 to 256 */
    uint32_t rb = (under & 0xff00ff) * (256 - a) + (over & 0xff00ff) * a;
    uint32_t g = (under & 0x00ff00) * (256 - a) + (over & 0x00ff00) * a;

    return 0xff000000 | ((rb >> 8) & 0xff00ff) | ((g >> 8) & 0x00ff00);
}

void canvas_blend(struct canvas *c, int x, int y, uint32_t color, unsigned alpha)
{
    if (x < 0 || y < 0 || x >= c->width || y >= c->height || !alpha)
        return;
    uint32_t *p = row_at(c, x, y);
    *p = alpha >= 255 ? color : mix(*p, color, alpha);
}

uint32_t color_between(uint32_t a, uint32_t b, int part, int all)
{
    return mix(a, b, all > 0 ? (unsigned)(part * 255 / all) : 0);
}

/*
 * How much of a pixel at (dx, dy) from the middle lies within the radius, 0 to 255. Both are in
 * sixteenths. (r^2 - d^2) / 2r is the distance from the edge, near the edge.
 */
static unsigned cover(int64_t dx, int64_t dy, int64_t radius)
{
    int64_t depth;

    if (radius <= 0)
        return 0;
    depth = (radius * radius - dx * dx - dy * dy) / (2 * radius) + 8;
    return depth <= 0 ? 0 : depth >= 16 ? 255 : (unsigned)(depth * 255 / 16);
}

/* Of a rounded rectangle: 255 but near a corner. */
static unsigned corner_cover(struct rect r, int radius, int x, int y)
{
    int dx = most(most(r.x + radius - x, x - (r.x + r.width - 1 - radius)), 0);
    int dy = most(most(r.y + radius - y, y - (r.y + r.height - 1 - radius)), 0);

    return dx && dy ? cover(dx * 16, dy * 16, radius * 16) : 255;
}

void canvas_round_rect(struct canvas *c, struct rect r, int radius, uint32_t top, uint32_t bottom)
{
    radius = least(radius, least(r.width, r.height) / 2);
    for (int y = r.y; y < r.y + r.height; y++) {
        uint32_t color = color_between(top, bottom, y - r.y, r.height - 1);
        if (y >= r.y + radius && y < r.y + r.height - radius) {
            canvas_fill(c, (struct rect){r.x, y, r.width, 1}, color);
            continue;
        }
        canvas_fill(c, (struct rect){r.x + radius, y, r.width - 2 * radius, 1}, color);
        for (int i = 0; i < radius; i++) {
            int left = r.x + i, right = r.x + r.width - 1 - i;
            canvas_blend(c, left, y, color, corner_cover(r, radius, left, y));
            canvas_blend(c, right, y, color, corner_cover(r, radius, right, y));
        }
    }
}

void canvas_ring(struct canvas *c, int x, int y, int radius, int thick, uint32_t color)
{
    for (int dy = -radius - 1; dy <= radius + 1; dy++)
        for (int dx = -radius - 1; dx <= radius + 1; dx++) {
            unsigned in = cover(dx * 16, dy * 16, radius * 16);
            unsigned hole = cover(dx * 16, dy * 16, (radius - thick) * 16);
            canvas_blend(c, x + dx, y + dy, color, in > hole ? in - hole : 0);
        }
}
