/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_screen.c - kernel mode setting through libdrm, with one dumb buffer.
 *
 * Whoever opens the device first may set modes; there is nobody else in the demo image.
 */
#include "guest/picture_screen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define CARDS_MAX 8

static inline void resources_freep(drmModeRes **r)
{
    drmModeFreeResources(*r);
}

static inline void connector_freep(drmModeConnector **c)
{
    drmModeFreeConnector(*c);
}

/* A CRTC that the connector can be lit by. */
static int find_crtc(int fd, const drmModeRes *res, const drmModeConnector *c, uint32_t *ret)
{
    for (int i = 0; i < c->count_encoders; i++) {
        drmModeEncoder *e = drmModeGetEncoder(fd, c->encoders[i]);
        uint32_t possible = e ? e->possible_crtcs : 0;
        drmModeFreeEncoder(e);
        for (int k = 0; k < res->count_crtcs && k < 32; k++)
            if (possible & (1u << k)) {
                *ret = res->crtcs[k];
                return 0;
            }
    }
    return -ENODEV;
}

/* The mode that the connector prefers, and what lights it; -ENODEV: nothing is connected. */
static int connected_mode(struct screen *s, const drmModeRes *res, uint32_t id,
                          drmModeModeInfo *ret)
{
    _cleanup_(connector_freep) drmModeConnector *c = drmModeGetConnector(s->fd, id);

    if (!c || c->connection != DRM_MODE_CONNECTED || c->count_modes < 1)
        return -ENODEV;
    *ret = c->modes[0];
    for (int i = c->count_modes; i-- > 0;)
        if (c->modes[i].type & DRM_MODE_TYPE_PREFERRED)
            *ret = c->modes[i];
    s->connector = id;
    return find_crtc(s->fd, res, c, &s->crtc);
}

static int find_display(struct screen *s, drmModeModeInfo *ret)
{
    _cleanup_(resources_freep) drmModeRes *res = drmModeGetResources(s->fd);

    for (int i = 0; res && i < res->count_connectors; i++)
        if (connected_mode(s, res, res->connectors[i], ret) == 0)
            return 0;
    return -ENODEV;
}

static int map_frame(struct screen *s, const struct drm_mode_create_dumb *dumb)
{
    struct drm_mode_map_dumb map = {.handle = dumb->handle};
    void *p;

    if (drmIoctl(s->fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0)
        return -errno;
    p = mmap(NULL, dumb->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)map.offset);
    if (p == MAP_FAILED)
        return -errno;
    s->bytes = dumb->size;
    s->frame = (struct canvas){.pixels = p,
                               .width = (int)dumb->width,
                               .height = (int)dumb->height,
                               .stride_px = dumb->pitch / sizeof(uint32_t)};
    return 0;
}

static int light(struct screen *s, drmModeModeInfo *mode)
{
    struct drm_mode_create_dumb dumb = {
        .width = mode->hdisplay, .height = mode->vdisplay, .bpp = 32};
    int r;

    if (drmIoctl(s->fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) < 0)
        return -errno;
    r = drmModeAddFB(s->fd, dumb.width, dumb.height, 24, 32, dumb.pitch, dumb.handle,
                     &s->framebuffer);
    if (r == 0)
        r = map_frame(s, &dumb);
    return r ? r : drmModeSetCrtc(s->fd, s->crtc, s->framebuffer, 0, 0, &s->connector, 1, mode);
}

static void read_device(struct screen *s)
{
    drmVersion *v = drmGetVersion(s->fd);

    str_copy(s->device, sizeof(s->device), v && v->name ? v->name : "");
    drmFreeVersion(v);
}

static int open_card(struct screen *s, const char *path)
{
    drmModeModeInfo mode;
    int r;

    s->fd = open(path, O_RDWR | O_CLOEXEC);
    if (s->fd < 0)
        return -errno;
    read_device(s);
    r = find_display(s, &mode);
    if (r == 0)
        r = light(s, &mode);
    if (r < 0)
        screen_close(s);
    return r;
}

int screen_open(struct screen *ret, struct vdi_error *err)
{
    int r = -ENOENT, last;
    struct screen s;
    char path[32];

    for (int i = 0; i < CARDS_MAX; i++) {
        s = (struct screen){.fd = -1};
        snprintf(path, sizeof(path), "/dev/dri/card%d", i);
        last = open_card(&s, path);
        if (last == 0) {
            *ret = s;
            return 0;
        }
        if (last != -ENOENT)
            r = last;
    }
    error_set(err, r, "display", "there is no display to draw on: %s", strerror(-r));
    error_hint(err, NULL, "load its driver, and let the user read and write /dev/dri/card0");
    return r;
}

void screen_close(struct screen *s)
{
    if (s->frame.pixels)
        munmap(s->frame.pixels, s->bytes);
    closep(&s->fd); /* the kernel takes the framebuffer away, and the mode with it */
    *s = (struct screen){.fd = -1};
}

void screen_flush(struct screen *s, struct rect r)
{
    drmModeClip clip = {(uint16_t)r.x, (uint16_t)r.y, (uint16_t)(r.x + r.width),
                        (uint16_t)(r.y + r.height)};

    /* Drivers that scan out what is mapped do not know of it (-ENOSYS), and need not. */
    if (!rect_is_empty(r))
        drmModeDirtyFB(s->fd, s->framebuffer, &clip, 1);
}
