/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_input.h - keyboards, mice and tablets: the kernel's event devices, as keys and places.
 */
#ifndef GUEST_PICTURE_INPUT_H
#define GUEST_PICTURE_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/picture_canvas.h"
#include "loop/loop.h"

#define INPUT_DEVICES_MAX 16

struct input_handler {
    void (*key)(void *arg, char letter); /* went down; 0: it types nothing. US layout */
    void (*pointer)(void *arg, int x, int y, bool was_clicked);
    void (*quit)(void *arg); /* Ctrl+Alt+Q */
};

struct input {
    struct input_device {
        struct input *input;
        struct source *source;
        int fd;
        int32_t low[2], high[2]; /* of a tablet's axes; equal: it has none */
    } devices[INPUT_DEVICES_MAX];
    int n_devices;
    int width, height; /* of the picture, px */
    int x, y;
    bool was_moved, was_clicked;
    unsigned shift, control, alt; /* bit 0: the left one is down; bit 1: the right one */
    const struct input_handler *handler;
    void *arg;
};

/* Takes up all devices that can be read now; none is no error. */
void input_open(struct input *in, struct loop *loop, int width_px, int height_px,
                const struct input_handler *handler, void *arg);
void input_close(struct input *in);

struct input_event;
/* One event of a device, as if it had been read: for tests too. */
void input_take(struct input_device *d, const struct input_event *e);

#endif
