/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_scene.h - what the demo desktop shows, drawn into memory.
 *
 * Each function draws what changed and notes where (`damage`); showing it is somebody else's.
 */
#ifndef GUEST_PICTURE_SCENE_H
#define GUEST_PICTURE_SCENE_H

#include <vdi/types.h>

#include "guest/picture_canvas.h"
#include "guest/picture_text.h"

#define SCENE_TYPED_MAX 48 /* of the last typed characters */
#define SCENE_MESSAGE_MAX 512
#define SCENE_DAMAGE_MAX 8
#define SCENE_NONCE_MAX 64

/* Strings of the environment; "" for what is not known. */
struct scene_facts {
    const char *job, *name, *user, *cluster, *node, *nonce, *device;
    bool is_waiting; /* nobody's yet: a clock, and that it is ready */
};

struct scene {
    struct canvas canvas;
    struct typeface *typeface; /* borrowed */
    struct scene_facts facts;
    int scale;     /* of the design of 1280x800, in thousandths */
    int left, top; /* of the design on the canvas */
    char typed[SCENE_TYPED_MAX + 1];
    char message[SCENE_MESSAGE_MAX];
    uint64_t n_keys, n_clicks;
    int pointer_x, pointer_y;
    struct rect damage[SCENE_DAMAGE_MAX];
    int n_damage;
};

/* -EINVAL: a picture smaller than 640x400, or a job or nonce that is no plain word. */
int scene_init(struct scene *s, int width_px, int height_px, struct typeface *typeface,
               const struct scene_facts *facts, struct vdi_error *err);
void scene_done(struct scene *s);

void scene_draw(struct scene *s, int64_t now_sec, int64_t running_sec); /* all of it */
void scene_tick(struct scene *s, int64_t now_sec, int64_t running_sec); /* the clocks */
/* A character that was typed, '\b' for one that is taken back; 0 for a key that types nothing. */
void scene_key(struct scene *s, char letter);
void scene_pointer(struct scene *s, int x, int y);
void scene_click(struct scene *s);
/* "" takes it away. */
void scene_message(struct scene *s, const char *text);

#endif
