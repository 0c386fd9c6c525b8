/* SPDX-License-Identifier: Apache-2.0 */
/* test_picture.c - the demo desktop in memory: shapes, parts that change, and what keys do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/picture_input.h"
#include "guest/picture_qr.h"
#include "guest/picture_scene.h"

#define FONTS "/usr/share/fonts/opentype/inter"
#define AT(c, x, y) ((c)->pixels[(size_t)(y) * (c)->stride_px + (size_t)(x)])

static uint64_t sum(const struct canvas *c, struct rect r)
{
    uint64_t h = 14695981039346656037u;

    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++)
            h = (h ^ AT(c, x, y)) * 1099511628211u;
    return h;
}

/* ---- canvas ---- */

static void shapes(void **state)
{
    struct canvas c;

    assert_int_equal(canvas_init(&c, 0, 10), -ERANGE);
    assert_int_equal(canvas_init(&c, 10, CANVAS_PX_MAX + 1), -ERANGE);
    assert_int_equal(canvas_init(&c, 40, 30), 0);
    /* What lies outside is cut off, wherever it lies: the sanitizer watches. */
    canvas_fill(&c, (struct rect){-5, -5, 10, 10}, 0xff112233);
    canvas_fill(&c, (struct rect){35, 25, 100, 100}, 0xff445566);
    canvas_fill(&c, (struct rect){100, 100, 5, 5}, 0xffffffff);
    canvas_round_rect(&c, (struct rect){-20, -20, 30, 30}, 8, 0xffffffff, 0xffffffff);
    canvas_ring(&c, 39, 29, 12, 3, 0xffffffff);
    canvas_ring(&c, -3, -3, 2, 9, 0xffffffff);
    canvas_fill(&c, (struct rect){0, 0, 40, 30}, 0xff000000);
    canvas_round_rect(&c, (struct rect){0, 0, 40, 30}, 10, 0xffffffff, 0xffffffff);
    assert_int_equal(AT(&c, 0, 0), 0xff000000);  /* a corner is round */
    assert_int_equal(AT(&c, 20, 0), 0xffffffff); /* an edge is not */
    assert_int_equal(AT(&c, 0, 15), 0xffffffff);
    assert_int_equal(AT(&c, 39, 29), 0xff000000);
    canvas_blend(&c, 20, 15, 0xff000000, 128);
    assert_in_range(AT(&c, 20, 15) & 0xff, 0x7c, 0x82);
    canvas_done(&c);
}

static void code(void **state)
{
    char text[QR_TEXT_MAX + 2];
    struct canvas c;
    int black = 0;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    canvas_init(&c, 300, 300);
    canvas_fill(&c, (struct rect){0, 0, 300, 300}, 0xffffffff);
    assert_int_equal(qr_draw(&c, (struct rect){0, 0, 300, 300}, ""), -EINVAL);
    assert_int_equal(qr_draw(&c, (struct rect){0, 0, 300, 300}, text), -EINVAL);
    assert_int_equal(qr_draw(&c, (struct rect){0, 0, 20, 20}, "OSVDI"), -EINVAL);
    assert_int_equal(qr_draw(&c, (struct rect){0, 0, 300, 300}, "OSVDI"), 0);
    for (int i = 0; i < 300 * 300; i++)
        black += c.pixels[i] == 0xff000000;
    assert_in_range(black, 300 * 300 / 8, 300 * 300 / 2);
    assert_int_equal(AT(&c, 10, 10), 0xffffffff); /* the quiet zone */
    canvas_done(&c);
}

/* ---- scene ---- */

struct fixture {
    char dir[32];
    struct typeface *typeface;
    struct scene scene;
};

static const struct scene_facts facts = {.job = "42",
                                         .name = "paraview",
                                         .user = "alice",
                                         .cluster = "campus",
                                         .node = "gpu01",
                                         .nonce = "n0nce",
                                         .device = "memory"};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct vdi_error err = {0};
    char path[64];

    *state = f;
    strcpy(f->dir, "/tmp/picture.XXXXXX");
    if (access(FONTS "/Inter-Medium.otf", R_OK) < 0 || !mkdtemp(f->dir))
        return 0;
    snprintf(path, sizeof(path), "%s/regular.otf", f->dir);
    assert_int_equal(symlink(FONTS "/Inter-Medium.otf", path), 0);
    assert_int_equal(typeface_new(f->dir, &f->typeface, &err), -ENOENT); /* one is missing */
    snprintf(path, sizeof(path), "%s/bold.otf", f->dir);
    assert_int_equal(symlink(FONTS "/Inter-SemiBold.otf", path), 0);
    assert_int_equal(typeface_new(f->dir, &f->typeface, &err), 0);
    assert_int_equal(scene_init(&f->scene, 1280, 800, f->typeface, &facts, &err), 0);
    scene_draw(&f->scene, 1000000, 0);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[64];

    scene_done(&f->scene);
    typeface_free(f->typeface);
    snprintf(path, sizeof(path), "%s/regular.otf", f->dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/bold.otf", f->dir);
    unlink(path);
    rmdir(f->dir);
    free(f);
    return 0;
}

static struct scene *scene_of(void **state)
{
    struct fixture *f = *state;

    if (!f->typeface) {
        print_message("SKIP: the package fonts-inter is not installed\n");
        skip();
    }
    return &f->scene;
}

static bool lies_in_damage(const struct scene *s, int x, int y)
{
    for (int i = 0; i < s->n_damage; i++) {
        struct rect r = s->damage[i];
        if (x >= r.x && y >= r.y && x < r.x + r.width && y < r.y + r.height)
            return true;
    }
    return false;
}

/* What changed, changed where the scene says, and something did. */
static void assert_told(const struct scene *s, const struct canvas *before)
{
    int changed = 0;

    for (int y = 0; y < s->canvas.height; y++)
        for (int x = 0; x < s->canvas.width; x++)
            if (AT(&s->canvas, x, y) != AT(before, x, y)) {
                changed++;
                assert_true(lies_in_damage(s, x, y));
            }
    assert_true(changed > 0);
}

/* Nobody's: a clock that goes on, and nothing that is somebody's. */
static void waiting(void **state)
{
    struct fixture *f = *state;
    struct scene s, *other = scene_of(state);
    struct scene_facts nobody = {"", "", "", "", "n1", "", "memory", true};
    struct rect code_place = {768, 128, 448, 292}, all = {0, 0, 1280, 800};
    struct vdi_error err = {0};
    uint64_t empty, first;

    assert_int_equal(scene_init(&s, 1280, 800, f->typeface, &nobody, &err), 0);
    scene_draw(&s, 1000000, 0);
    empty = sum(&s.canvas, code_place);
    first = sum(&s.canvas, all);
    assert_true(empty != sum(&other->canvas, code_place));
    s.n_damage = 0;
    scene_tick(&s, 1000001, 1);
    assert_true(first != sum(&s.canvas, all));
    assert_true(empty == sum(&s.canvas, code_place));
    scene_done(&s);
}

static void parts(void **state)
{
    struct scene *s = scene_of(state);
    struct rect all = {0, 0, 1280, 800};
    struct canvas before;
    uint64_t first = sum(&s->canvas, all);

    canvas_init(&before, 1280, 800);
    for (int i = 0; i < 5; i++) {
        canvas_copy(&before, &s->canvas, all);
        s->n_damage = 0;
        if (i == 0)
            scene_tick(s, 1000001, 1);
        else if (i == 1)
            scene_key(s, 'a');
        else if (i == 2)
            scene_pointer(s, 3, 4);
        else if (i == 3)
            scene_click(s);
        else
            scene_message(s, "5 minutes left");
        assert_told(s, &before);
    }
    assert_string_equal(s->typed, "a");
    scene_message(s, "");
    scene_key(s, '\b');
    s->n_keys = s->n_clicks = 0;
    scene_pointer(s, 640, 400);
    scene_tick(s, 1000000, 0);
    assert_int_equal(sum(&s->canvas, all), first); /* parts leave no trace */
    canvas_done(&before);
}

static void typed(void **state)
{
    struct scene *s = scene_of(state);

    for (int i = 0; i < 100; i++)
        scene_key(s, (char)('a' + i % 26));
    assert_int_equal(strlen(s->typed), SCENE_TYPED_MAX);
    assert_int_equal(s->typed[SCENE_TYPED_MAX - 1], 'a' + 99 % 26);
    for (int i = 0; i < 100; i++)
        scene_key(s, '\b');
    assert_string_equal(s->typed, "");
    scene_key(s, 0);
    scene_key(s, '\n');
    scene_key(s, '\x80');
    assert_string_equal(s->typed, "");
    assert_int_equal(s->n_keys, 203);
    for (int i = 0; i < 20; i++) /* more damage than is followed: all of it */
        scene_click(s);
    assert_true(lies_in_damage(s, 0, 0) && lies_in_damage(s, 1279, 799));
}

static void refused(void **state)
{
    char too_long[66] = "";
    const char *const nonces[] = {"a b", "a\nb", "\xc3\xa4", "'", "\"", too_long};
    struct scene_facts bad = facts;
    struct vdi_error err = {0};
    struct scene s;

    memset(too_long, 'n', sizeof(too_long) - 1);
    for (size_t i = 0; i < sizeof(nonces) / sizeof(nonces[0]); i++) {
        bad.nonce = nonces[i];
        assert_int_equal(scene_init(&s, 1280, 800, NULL, &bad, &err), -EINVAL);
    }
    bad = facts;
    bad.job = "1;2";
    assert_int_equal(scene_init(&s, 1280, 800, NULL, &bad, &err), -EINVAL);
    assert_int_equal(scene_init(&s, 639, 400, NULL, &facts, &err), -EINVAL);
    assert_int_equal(scene_init(&s, 100000, 800, NULL, &facts, &err), -ERANGE);
}

/* Names come from a user: long, foreign, and no UTF-8 at all. */
static void odd_names(void **state)
{
    static const int sizes[][2] = {{640, 400}, {1024, 768}, {1920, 1080}, {3840, 2160}};
    struct typeface *typeface = scene_of(state)->typeface;
    struct scene_facts odd = {.job = "18446744073709551615",
                              .name = "\xff\xfe broken \xf0\x9f\x92",
                              .user = "",
                              .nonce = "",
                              .device = "x"};
    struct vdi_error err = {0};
    char text[3000];
    struct scene s;

    memset(text, 'W', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    odd.node = odd.cluster = text;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(scene_init(&s, sizes[i][0], sizes[i][1], typeface, &odd, &err), 0);
        scene_draw(&s, INT64_MAX, INT64_MAX / 2);
        scene_message(&s, text);
        scene_done(&s);
    }
}

/* ---- input ---- */

struct heard {
    char letters[64];
    size_t n;
    int x, y, moves, clicks, quits;
};

static void on_key(void *arg, char letter)
{
    struct heard *h = arg;
    h->letters[h->n++] = letter ? letter : '?';
}

static void on_pointer(void *arg, int x, int y, bool was_clicked)
{
    struct heard *h = arg;
    h->x = x;
    h->y = y;
    h->moves++;
    h->clicks += was_clicked;
}

static void on_quit(void *arg)
{
    struct heard *h = arg;
    h->quits++;
}

static void event(struct input_device *d, unsigned type, unsigned code_, int value)
{
    struct input_event e = {.type = (uint16_t)type, .code = (uint16_t)code_, .value = value};
    input_take(d, &e);
}

static void press(struct input_device *d, unsigned key)
{
    event(d, EV_KEY, key, 1);
    event(d, EV_KEY, key, 0);
}

static void keys(void **state)
{
    static const struct input_handler handler = {on_key, on_pointer, on_quit};
    struct heard h = {0};
    struct input in = {.width = 1280, .height = 800, .handler = &handler, .arg = &h};
    struct input_device d = {.input = &in, .high = {32767, 32767}};

    press(&d, KEY_H);
    event(&d, EV_KEY, KEY_LEFTSHIFT, 1);
    press(&d, KEY_I);
    press(&d, KEY_1);
    event(&d, EV_KEY, KEY_LEFTSHIFT, 0);
    press(&d, KEY_SPACE);
    press(&d, KEY_SLASH);
    press(&d, KEY_F1);
    event(&d, EV_KEY, KEY_A, 1);
    event(&d, EV_KEY, KEY_A, 2); /* held */
    event(&d, EV_KEY, 0x2ff, 1);
    assert_string_equal(h.letters, "hI! /?aa?");
    press(&d, KEY_Q);
    event(&d, EV_KEY, KEY_RIGHTCTRL, 1);
    press(&d, KEY_Q);
    event(&d, EV_KEY, KEY_LEFTALT, 1);
    assert_int_equal(h.quits, 0);
    press(&d, KEY_Q);
    assert_int_equal(h.quits, 1);
    event(&d, EV_ABS, ABS_X, 32767);
    event(&d, EV_ABS, ABS_Y, 0);
    assert_int_equal(h.moves, 0);
    event(&d, EV_SYN, SYN_REPORT, 0);
    assert_true(h.x == 1279 && h.y == 0 && h.moves == 1 && h.clicks == 0);
    event(&d, EV_ABS, ABS_X, 1 << 30); /* not what the device announced */
    event(&d, EV_ABS, ABS_Y, INT32_MIN);
    event(&d, EV_REL, REL_X, -10);
    event(&d, EV_KEY, BTN_LEFT, 1);
    event(&d, EV_SYN, SYN_REPORT, 0);
    assert_true(h.x == 1269 && h.y == 0 && h.moves == 2 && h.clicks == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(code),
        cmocka_unit_test_setup_teardown(waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(parts, setup, teardown),
        cmocka_unit_test_setup_teardown(typed, setup, teardown),
        cmocka_unit_test(refused),
        cmocka_unit_test_setup_teardown(odd_names, setup, teardown),
        cmocka_unit_test(keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
