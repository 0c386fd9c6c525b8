/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_input.c - evdev: what keys type (US layout), and where the pointer is.
 *
 * A movement is told once per report of the device (SYN_REPORT), whatever it was made of.
 */
#include "guest/picture_input.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"

#define NODES_MAX 64 /* /dev/input/event0 and on */

static const char plain[] = "\0\033"
                            "1234567890-=\b\tqwertyuiop[]\n\0"
                            "asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033"
                              "!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0"
                              "ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

/* The tables follow the numbers of the keys, which follow a keyboard's rows. */
_Static_assert(KEY_1 == 2 && KEY_Q == 16 && KEY_A == 30 && KEY_Z == 44 && KEY_SPACE == 57,
               "linux/input-event-codes.h");
_Static_assert(sizeof(plain) == KEY_SPACE + 2 && sizeof(shifted) == sizeof(plain), "a row is off");

static void hold(unsigned *io, unsigned bit, bool is_down)
{
    *io = is_down ? *io | bit : *io & ~bit;
}

/* True: it was a key that is held to change others. */
static bool take_modifier(struct input *in, unsigned code, bool is_down)
{
    switch (code) {
    case KEY_LEFTSHIFT:
    case KEY_RIGHTSHIFT:
        hold(&in->shift, code == KEY_LEFTSHIFT ? 1 : 2, is_down);
        return true;
    case KEY_LEFTCTRL:
    case KEY_RIGHTCTRL:
        hold(&in->control, code == KEY_LEFTCTRL ? 1 : 2, is_down);
        return true;
    case KEY_LEFTALT:
    case KEY_RIGHTALT:
        hold(&in->alt, code == KEY_LEFTALT ? 1 : 2, is_down);
        return true;
    default:
        return false;
    }
}

static void take_key(struct input *in, unsigned code, int32_t value)
{
    char letter = 0;

    if (code >= BTN_MOUSE && code < BTN_JOYSTICK) {
        in->was_clicked = in->was_clicked || value == 1;
        return;
    }
    if (take_modifier(in, code, value != 0) || value == 0)
        return;
    if (in->control && in->alt && code == KEY_Q) {
        in->handler->quit(in->arg);
        return;
    }
    if (code < sizeof(plain) - 1 && !in->control && !in->alt)
        letter = in->shift ? shifted[code] : plain[code];
    in->handler->key(in->arg, letter);
}

static void move_to(int *io, int64_t to, int size)
{
    *io = to < 0 ? 0 : to >= size ? size - 1 : (int)to;
}

static void take_axis(struct input_device *d, unsigned axis, int32_t value)
{
    struct input *in = d->input;
    int64_t span = (int64_t)d->high[axis] - d->low[axis], at = (int64_t)value - d->low[axis];
    int size = axis ? in->height : in->width;

    if (span <= 0)
        return;
    move_to(axis ? &in->y : &in->x, at * (size - 1) / span, size);
    in->was_moved = true;
}

static void take_step(struct input *in, unsigned axis, int32_t value)
{
    if (axis)
        move_to(&in->y, (int64_t)in->y + value, in->height);
    else
        move_to(&in->x, (int64_t)in->x + value, in->width);
    in->was_moved = true;
}

void input_take(struct input_device *d, const struct input_event *e)
{
    struct input *in = d->input;

    if (e->type == EV_KEY) {
        take_key(in, e->code, e->value);
    } else if (e->type == EV_ABS && (e->code == ABS_X || e->code == ABS_Y)) {
        take_axis(d, e->code == ABS_Y, e->value);
    } else if (e->type == EV_REL && (e->code == REL_X || e->code == REL_Y)) {
        take_step(in, e->code == REL_Y, e->value);
    } else if (e->type == EV_SYN && e->code == SYN_REPORT && (in->was_moved || in->was_clicked)) {
        bool was_clicked = in->was_clicked;
        in->was_moved = in->was_clicked = false;
        in->handler->pointer(in->arg, in->x, in->y, was_clicked);
    }
}

static void close_device(struct input_device *d)
{
    source_free(d->source);
    closep(&d->fd);
    d->source = NULL;
    d->fd = -1;
}

static void on_events(void *arg, int fd, unsigned events)
{
    struct input_device *d = arg;
    struct input_event got[64];
    ssize_t n = read(fd, got, sizeof(got));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* it was taken away */
        close_device(d);
        return;
    }
    for (size_t i = 0; i < (size_t)n / sizeof(got[0]); i++)
        input_take(d, &got[i]);
}

static void read_range(struct input_device *d, unsigned axis)
{
    struct input_absinfo info;

    if (ioctl(d->fd, EVIOCGABS(axis ? ABS_Y : ABS_X), &info) < 0 || info.maximum <= info.minimum)
        return;
    d->low[axis] = info.minimum;
    d->high[axis] = info.maximum;
}

void input_open(struct input *in, struct loop *loop, int width_px, int height_px,
                const struct input_handler *handler, void *arg)
{
    char path[40];

    *in = (struct input){.width = width_px, .height = height_px, .handler = handler, .arg = arg};
    in->x = width_px / 2;
    in->y = height_px / 2;
    for (int i = 0; i < NODES_MAX && in->n_devices < INPUT_DEVICES_MAX; i++) {
        struct input_device *d = &in->devices[in->n_devices];
        snprintf(path, sizeof(path), "/dev/input/event%d", i);
        d->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (d->fd < 0)
            continue;
        d->input = in;
        read_range(d, 0);
        read_range(d, 1);
        d->source = loop_fd(loop, d->fd, LOOP_READ, on_events, d);
        if (d->source)
            in->n_devices++;
        else
            closep(&d->fd);
    }
}

void input_close(struct input *in)
{
    for (int i = 0; i < in->n_devices; i++)
        close_device(&in->devices[i]);
    in->n_devices = 0;
}
