/* SPDX-License-Identifier: Apache-2.0 */
/* picture_screen.h - the display: a DRM device that is set to its own mode and drawn to. */
#ifndef GUEST_PICTURE_SCREEN_H
#define GUEST_PICTURE_SCREEN_H

#include <vdi/types.h>

#include "guest/picture_canvas.h"

struct screen {
    int fd;
    uint32_t framebuffer, connector, crtc;
    char device[32]; /* the driver's name */
    struct canvas frame;
    size_t bytes; /* of its mapping */
};

/* The first display under /dev/dri that has something connected, in the mode it prefers. */
int screen_open(struct screen *ret, struct vdi_error *err);
void screen_close(struct screen *s);
/* What was drawn into `frame` there is to be seen. */
void screen_flush(struct screen *s, struct rect r);

#endif
