/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot.c - a picture of a replay, as SVG.
 *
 * Two panels over one axis of days: units in use against all there are, and jobs that wait. What
 * nodes have that reservations close hangs from the top of the first, behind what is in use.
 * A column of the picture shows the highest value of its span, so no peak is lost.
 */
#include "vdisim/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1000
#define HEIGHT 200 /* of a panel */
#define LEFT 70
#define TOP 40
#define GAP 60
#define TICKS 4

struct panel {
    const char *title, *colour;
    double max;
    int top;
    double column[WIDTH];
};

enum value { BUSY, CLOSED, WAITING };

static double value_of(const struct world_sample *s, enum value what)
{
    return what == BUSY ? (double)s->busy : what == CLOSED ? (double)s->closed : (double)s->waiting;
}

static size_t column_of(const struct world *w, int64_t usec)
{
    double span = (double)(w->end_usec - w->begin_usec);
    double x = span > 0 ? (double)(usec - w->begin_usec) / span * WIDTH : 0;

    return x < 0 ? 0 : x >= WIDTH ? WIDTH - 1 : (size_t)x;
}

/* The highest value in each column; a sample holds until the next. */
static void fill(const struct world *w, enum value what, struct panel *p)
{
    for (size_t i = 0; i < w->n_samples; i++) {
        const struct world_sample *s = &w->samples[i];
        int64_t until = i + 1 < w->n_samples ? w->samples[i + 1].at_usec : s->at_usec;
        double value = value_of(s, what);

        for (size_t x = column_of(w, s->at_usec); x <= column_of(w, until); x++)
            p->column[x] = fmax(p->column[x], value);
        p->max = fmax(p->max, value);
    }
}

/* The next of 1, 2, 5, 10, 20 ... that is not below. */
static double round_up(double x)
{
    double unit = pow(10, floor(log10(fmax(x, 1))));

    return x <= unit ? unit : x <= 2 * unit ? 2 * unit : x <= 5 * unit ? 5 * unit : 10 * unit;
}

static void write_axis(const struct panel *p, struct buf *out)
{
    buf_printf(out, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>\n", LEFT, p->top - 10,
               p->title);
    for (int i = 0; i <= TICKS; i++) {
        int y = p->top + HEIGHT - i * HEIGHT / TICKS;

        buf_printf(out,
                   "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>"
                   "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%g</text>\n",
                   LEFT, LEFT + WIDTH, y, y, LEFT - 8, y + 4, p->max * i / TICKS);
    }
}

static void write_area(const struct panel *p, struct buf *out)
{
    buf_printf(out, "<path fill=\"%s\" d=\"M%d %d", p->colour, LEFT, p->top + HEIGHT);
    for (int x = 0; x < WIDTH; x++)
        buf_printf(out, "L%d %.1f", LEFT + x, p->top + HEIGHT * (1 - p->column[x] / p->max));
    buf_printf(out, "L%d %dZ\"/>\n", LEFT + WIDTH - 1, p->top + HEIGHT);
}

/* From the top of the panel down. */
static void write_closed(const struct panel *p, struct buf *out)
{
    buf_printf(out, "<path class=\"closed\" fill=\"#ccc\" d=\"M%d %d", LEFT, p->top);
    for (int x = 0; x < WIDTH; x++)
        buf_printf(out, "L%d %.1f", LEFT + x, p->top + HEIGHT * p->column[x] / p->max);
    buf_printf(out, "L%d %dZ\"/>\n", LEFT + WIDTH - 1, p->top);
}

static void write_days(const struct world *w, int y, struct buf *out)
{
    double days = (double)(w->end_usec - w->begin_usec) / 86400e6;
    double step = round_up(days / 12);

    for (double d = 0; d <= days; d += step)
        buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
                   LEFT + d / fmax(days, 1e-9) * WIDTH, y, d);
    buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">days</text>\n",
               LEFT + WIDTH / 2, y + 20);
}

void plot_write(const struct world *w, struct buf *out)
{
    struct panel use = {.title = "units in use", .colour = "#3a7ca5", .top = TOP};
    struct panel queue = {.title = "jobs waiting", .colour = "#d1603d", .top = TOP + HEIGHT + GAP};
    struct panel closed = {.top = TOP};
    int height = TOP + 2 * HEIGHT + GAP + 50;

    if (w->reservations)
        use.title = "units in use; grey: closed by reservations";
    fill(w, BUSY, &use);
    fill(w, CLOSED, &closed);
    fill(w, WAITING, &queue);
    use.max = w->capacity ? (double)w->capacity : fmax(use.max, 1);
    closed.max = use.max;
    queue.max = round_up(queue.max);
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
               "font-family=\"sans-serif\" font-size=\"13\">\n"
               "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
               LEFT + WIDTH + 30, height);
    write_axis(&use, out);
    if (w->reservations)
        write_closed(&closed, out);
    write_area(&use, out);
    write_axis(&queue, out);
    write_area(&queue, out);
    write_days(w, TOP + 2 * HEIGHT + GAP + 20, out);
    buf_puts(out, "</svg>\n");
}
