/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_scene.c - the demo desktop: a clock, the job, a QR code, and what is typed.
 *
 * Laid out for 1280x800 and scaled to what there is. Every part is drawn whole, beginning with
 * what lies under it, so that parts can be drawn in any order and again.
 */
#include "guest/picture_scene.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "guest/picture_qr.h"

#define DESIGN_WIDTH 1280
#define DESIGN_HEIGHT 800

#define SKY_TOP 0xff0d1424
#define SKY_BOTTOM 0xff1d3157
#define PANEL_TOP 0xff2a4170
#define PANEL_BOTTOM 0xff243a66
#define WHITE 0xffffffff
#define SOFT 0xffa9bbdc
#define DIM 0xff7d92b9
#define TEAL 0xff2dd4bf
#define BLUE 0xff3b82f6
#define AMBER 0xfff5b942
#define INK 0xff15203a

/* Places in the design. */
static const struct rect clock_place = {52, 148, 652, 132}, date_place = {64, 290, 640, 40},
                         facts_place = {64, 372, 640, 208}, qr_place = {768, 128, 448, 452},
                         typed_place = {64, 616, 1152, 104}, message_place = {260, 26, 780, 64},
                         head_place = {260, 26, 960, 64}, waiting_place = {64, 420, 1152, 196};

static int px(const struct scene *s, int units)
{
    return units * s->scale / 1000;
}

static struct rect place(const struct scene *s, struct rect r)
{
    int x = s->left + px(s, r.x), y = s->top + px(s, r.y);

    return (struct rect){x, y, s->left + px(s, r.x + r.width) - x,
                         s->top + px(s, r.y + r.height) - y};
}

static void damage(struct scene *s, struct rect r)
{
    r = rect_cut(r, (struct rect){0, 0, s->canvas.width, s->canvas.height});
    if (s->n_damage == SCENE_DAMAGE_MAX) { /* more than anybody follows: all of it */
        s->damage[0] = (struct rect){0, 0, s->canvas.width, s->canvas.height};
        s->n_damage = 1;
    } else if (!rect_is_empty(r)) {
        s->damage[s->n_damage++] = r;
    }
}

static void draw_sky(struct scene *s, struct rect r)
{
    for (int y = r.y; y < r.y + r.height; y++)
        canvas_fill(&s->canvas, (struct rect){r.x, y, r.width, 1},
                    color_between(SKY_TOP, SKY_BOTTOM, y, s->canvas.height));
}

static struct text_style style(const struct scene *s, enum weight weight, int units, uint32_t color)
{
    return (struct text_style){weight, px(s, units), color, false};
}

/* At a place of the design. Returns the width in px. */
static int put_styled(struct scene *s, struct text_style t, int x, int y, int width_max,
                      const char *text)
{
    return text_draw(s->typeface, &t, &s->canvas, s->left + px(s, x), s->top + px(s, y),
                     px(s, width_max), text);
}

/* `units` is its size in the design. */
static int put_text(struct scene *s, enum weight weight, int units, uint32_t color, int x, int y,
                    int width_max, const char *text)
{
    return put_styled(s, style(s, weight, units, color), x, y, width_max, text);
}

/* Ends at x (`part` 1), or has its middle there (`part` 2). */
static void put_text_before(struct scene *s, struct text_style t, int part, int x, int y,
                            int width_max, const char *text)
{
    int width = text_width(s->typeface, &t, text), max = px(s, width_max);

    width = width < max ? width : max;
    text_draw(s->typeface, &t, &s->canvas, s->left + px(s, x) - width / part, s->top + px(s, y),
              max, text);
}

static void put_text_right(struct scene *s, int units, uint32_t color, int x, int y, int width_max,
                           const char *text)
{
    put_text_before(s, style(s, WEIGHT_REGULAR, units, color), 1, x, y, width_max, text);
}

/* ---- parts ---- */

static void draw_clock(struct scene *s, int64_t now_sec)
{
    struct rect r = place(s, clock_place), d = place(s, date_place);
    time_t at = (time_t)now_sec;
    struct text_style t = style(s, WEIGHT_BOLD, 132, WHITE);
    char text[64] = "";
    struct tm tm;

    draw_sky(s, r);
    draw_sky(s, d);
    if (!localtime_r(&at, &tm))
        return;
    strftime(text, sizeof(text), "%H:%M:%S", &tm);
    t.even_digits = true;
    put_styled(s, t, 58, 256, 640, text);
    strftime(text, sizeof(text), "%A, %e %B %Y  %Z", &tm);
    put_text(s, WEIGHT_REGULAR, 24, SOFT, 66, 316, 630, text);
    damage(s, r);
    damage(s, d);
}

static void put_fact(struct scene *s, int column, int row, const char *label, const char *value)
{
    int x = facts_place.x + 28 + column * 316, y = facts_place.y + 42 + row * 96;
    struct text_style t = style(s, WEIGHT_BOLD, 30, WHITE);

    put_text(s, WEIGHT_REGULAR, 17, DIM, x, y, 280, label);
    t.even_digits = strchr(value, ':');
    put_styled(s, t, x, y + 40, 280, *value ? value : "-");
}

static void draw_facts(struct scene *s, int64_t running_sec)
{
    struct rect r = place(s, facts_place);
    char job[192], running[32];

    snprintf(job, sizeof(job), "%s%s%s", s->facts.job, *s->facts.name ? "  " : "", s->facts.name);
    snprintf(running, sizeof(running), "%" PRId64 ":%02d:%02d", running_sec / 3600,
             (int)(running_sec / 60 % 60), (int)(running_sec % 60));
    draw_sky(s, r);
    canvas_round_rect(&s->canvas, r, px(s, 20), PANEL_TOP, PANEL_BOTTOM);
    put_fact(s, 0, 0, "Job", job);
    put_fact(s, 1, 0, "User", s->facts.user);
    put_fact(s, 0, 1, "Node", s->facts.node);
    put_fact(s, 1, 1, "Running for", running);
    damage(s, r);
}

static void draw_typed(struct scene *s)
{
    struct rect r = place(s, typed_place);
    int x = typed_place.x + 28, y = typed_place.y, width = 0;
    char text[96];

    draw_sky(s, r);
    canvas_round_rect(&s->canvas, r, px(s, 20), PANEL_TOP, PANEL_BOTTOM);
    if (*s->typed)
        width = put_text(s, WEIGHT_REGULAR, 32, WHITE, x, y + 64, 760, s->typed);
    else
        put_text(s, WEIGHT_REGULAR, 32, DIM, x + 14, y + 64, 760, "Type something, move the mouse");
    canvas_fill(
        &s->canvas,
        (struct rect){s->left + px(s, x + 4) + width, s->top + px(s, y + 34), px(s, 3), px(s, 38)},
        TEAL);
    snprintf(text, sizeof(text), "keys %" PRIu64 "   clicks %" PRIu64, s->n_keys, s->n_clicks);
    put_text_right(s, 20, SOFT, typed_place.x + typed_place.width - 28, y + 46, 300, text);
    snprintf(text, sizeof(text), "pointer %d, %d", s->pointer_x, s->pointer_y);
    put_text_right(s, 20, DIM, typed_place.x + typed_place.width - 28, y + 76, 300, text);
    damage(s, r);
}

static void draw_code(struct scene *s)
{
    struct rect r = place(s, qr_place);
    char text[QR_TEXT_MAX];

    snprintf(text, sizeof(text), "OSVDI job=%s nonce=%s", s->facts.job, s->facts.nonce);
    canvas_round_rect(&s->canvas, r, px(s, 28), WHITE, WHITE);
    r.height = px(s, 412);
    qr_draw(&s->canvas, r, text);
    put_text_before(s, style(s, WEIGHT_REGULAR, 19, INK), 2, qr_place.x + qr_place.width / 2,
                    qr_place.y + 422, qr_place.width - 64, text);
}

/* A screen on its stand, and the name. */
static void draw_sign(struct scene *s)
{
    canvas_round_rect(&s->canvas, place(s, (struct rect){64, 36, 52, 52}), px(s, 14), TEAL, BLUE);
    canvas_round_rect(&s->canvas, place(s, (struct rect){76, 48, 28, 20}), px(s, 3), WHITE, WHITE);
    canvas_fill(&s->canvas, place(s, (struct rect){87, 68, 6, 5}), WHITE);
    canvas_round_rect(&s->canvas, place(s, (struct rect){80, 73, 20, 4}), px(s, 2), WHITE, WHITE);
    put_text(s, WEIGHT_BOLD, 34, WHITE, 136, 74, 120, "OSVDI");
}

/* Beside the sign: what this is and where, or a message over it. */
static void draw_head(struct scene *s)
{
    struct rect r = place(s, head_place);

    draw_sky(s, r);
    put_text(s, WEIGHT_REGULAR, 20, DIM, 268, 73, 420, "GPU desktops from the queue");
    put_text_right(s, 20, SOFT, 1216, 73, 400, s->facts.cluster);
    if (*s->message) {
        canvas_round_rect(&s->canvas, place(s, message_place), px(s, 18), AMBER, AMBER);
        put_text(s, WEIGHT_BOLD, 24, INK, message_place.x + 28, message_place.y + 41,
                 message_place.width - 56, s->message);
    }
    damage(s, r);
}

static void draw_foot(struct scene *s)
{
    char text[160];

    snprintf(text, sizeof(text), "%d \xc3\x97 %d  %s", s->canvas.width, s->canvas.height,
             s->facts.device);
    put_text(s, WEIGHT_REGULAR, 17, DIM, 66, 764, 600, text);
    put_text_right(s, 17, DIM, 1214, 764, 500, "Ctrl+Alt+Q logs out");
}

/* ---- the whole ---- */

static bool is_word(const char *text, size_t max)
{
    return strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._:+/=-") ==
               strlen(text) &&
           strlen(text) <= max;
}

int scene_init(struct scene *s, int width_px, int height_px, struct typeface *typeface,
               const struct scene_facts *facts, struct vdi_error *err)
{
    int by_width = width_px * 1000 / DESIGN_WIDTH, by_height = height_px * 1000 / DESIGN_HEIGHT, r;

    *s = (struct scene){.typeface = typeface, .facts = *facts};
    if (width_px < DESIGN_WIDTH / 2 || height_px < DESIGN_HEIGHT / 2)
        return error_set(err, EINVAL, "size", "%dx%d is too small a picture; 640x400 is the least",
                         width_px, height_px);
    if (!is_word(facts->job, 20) || !is_word(facts->nonce, SCENE_NONCE_MAX))
        return error_set(err, EINVAL, "nonce",
                         "job and nonce are words of letters, digits and ._:+/=- (at most %d)",
                         SCENE_NONCE_MAX);
    r = canvas_init(&s->canvas, width_px, height_px);
    if (r < 0)
        return error_set(err, r, "size", "no picture of %dx%d: %s", width_px, height_px,
                         strerror(-r));
    s->scale = by_width < by_height ? by_width : by_height;
    s->left = (width_px - px(s, DESIGN_WIDTH)) / 2;
    s->top = (height_px - px(s, DESIGN_HEIGHT)) / 2;
    s->pointer_x = width_px / 2;
    s->pointer_y = height_px / 2;
    return 0;
}

void scene_done(struct scene *s)
{
    canvas_done(&s->canvas);
}

static void draw_waiting(struct scene *s)
{
    struct rect r = place(s, waiting_place);

    canvas_round_rect(&s->canvas, r, px(s, 20), PANEL_TOP, PANEL_BOTTOM);
    put_text(s, WEIGHT_BOLD, 44, WHITE, waiting_place.x + 44, waiting_place.y + 92, 1060,
             "This desktop is ready for its user");
    put_text(s, WEIGHT_REGULAR, 24, SOFT, waiting_place.x + 44, waiting_place.y + 146, 1060,
             "It opens by itself, without a login.");
    put_text_right(s, 20, DIM, waiting_place.x + waiting_place.width - 44, waiting_place.y + 146,
                   400, s->facts.node);
}

void scene_draw(struct scene *s, int64_t now_sec, int64_t running_sec)
{
    draw_sky(s, (struct rect){0, 0, s->canvas.width, s->canvas.height});
    draw_sign(s);
    draw_head(s);
    draw_clock(s, now_sec);
    if (s->facts.is_waiting) {
        draw_waiting(s);
    } else {
        draw_facts(s, running_sec);
        draw_code(s);
        draw_typed(s);
        draw_foot(s);
    }
    s->n_damage = 0;
    damage(s, (struct rect){0, 0, s->canvas.width, s->canvas.height});
}

void scene_tick(struct scene *s, int64_t now_sec, int64_t running_sec)
{
    draw_clock(s, now_sec);
    if (!s->facts.is_waiting)
        draw_facts(s, running_sec);
}

void scene_key(struct scene *s, char letter)
{
    size_t len = strlen(s->typed);

    s->n_keys++;
    if (letter == '\b' && len > 0) {
        s->typed[len - 1] = '\0';
    } else if (letter >= ' ' && letter <= '~') {
        if (len == SCENE_TYPED_MAX) /* the last are shown */
            memmove(s->typed, s->typed + 1, len--);
        s->typed[len] = letter;
        s->typed[len + 1] = '\0';
    }
    draw_typed(s);
}

void scene_pointer(struct scene *s, int x, int y)
{
    s->pointer_x = x;
    s->pointer_y = y;
    draw_typed(s);
}

void scene_click(struct scene *s)
{
    s->n_clicks++;
    draw_typed(s);
}

void scene_message(struct scene *s, const char *text)
{
    str_copy(s->message, sizeof(s->message), text);
    draw_head(s);
}
