/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_collect.c - files that no version and no instance names leave the store, and retired
 * versions that nobody uses leave memory.
 *
 * Nothing is removed while a publication is under way, nor what is younger than a day: it may
 * be an upload that goes on tomorrow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/images.h"

#define ROUND_USEC (600 * USEC_PER_SEC)
#define YOUNG_SEC 86400

struct image_collect {
    struct core *core;
    struct source *timer;
    unsigned n_held;
    bool is_running;
};

struct round {
    struct image_collect *collect;
    char *dir;
    char (*keep)[65];
    size_t n;
    int64_t before_sec;
};

static bool is_used(struct core *core, const struct image *image)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);
    char ref[IMAGE_REF_MAX];

    snprintf(ref, sizeof(ref), "%s" IMAGE_DIGEST_WORD "%s", image->name, image->sha256);
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;

        if (in && in->state != INSTANCE_GONE && str_equal(in->image, ref))
            return true;
    }
    return false;
}

/* The last one of a name stays: the next version counts on from it. */
static bool is_last(struct table *t, const struct image *image)
{
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct image *other = slot ? slot->staged : NULL;

        if (other && str_equal(other->name, image->name) && other->version > image->version)
            return false;
    }
    return true;
}

static void add_parts(struct round *round, const struct image *image)
{
    struct image_manifest *m = calloc(1, sizeof(*m));
    struct image_part parts[IMAGE_PARTS_MAX];
    size_t n = 0;

    if (m &&
        image_manifest_read(image->manifest, strlen(image->manifest), image->key, m, NULL) == 0 &&
        image_manifest_parts(m, parts, &n, NULL) < 0)
        n = 0;
    for (size_t i = 0; i < n; i++)
        memcpy(round->keep[round->n++], parts[i].sha256, 65);
    free(m);
}

static int by_digest(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* False: no memory; then nothing may be removed. */
static bool fill(struct round *round)
{
    struct core *core = round->collect->core;
    struct table *t = events_table(core->events, NOUN_IMAGE);
    int64_t now = loop_now_usec(core->loop);
    int64_t keep_usec = core->config->keep_done_sec * USEC_PER_SEC;

    round->keep = calloc(table_count(t) * IMAGE_PARTS_MAX + 1, sizeof(*round->keep));
    round->dir = strdup(core->config->image_store);
    round->before_sec = now / USEC_PER_SEC - YOUNG_SEC;
    if (!round->keep || !round->dir)
        return false;
    for (size_t i = 0; i < table_end(t); i++) {
        struct slot *slot = table_at(t, i);
        const struct image *image = slot ? slot->staged : NULL;

        if (!image)
            continue;
        if (image->state == IMAGE_PUBLISHED || slot->pub != slot->staged || is_used(core, image))
            add_parts(round, image);
        else if (image->retire_usec + keep_usec < now && !is_last(t, image))
            table_remove(t, slot);
    }
    qsort(round->keep, round->n, sizeof(*round->keep), by_digest);
    return true;
}

static void work(void *arg)
{
    struct round *round = arg;

    image_store_collect(round->dir, round->keep, round->n, round->before_sec);
}

static void round_free(struct round *round)
{
    free(round->keep);
    free(round->dir);
    free(round);
}

static void done(void *arg, bool dropped)
{
    struct round *round = arg;

    round->collect->is_running = false;
    round_free(round);
}

static void on_time(void *arg)
{
    struct image_collect *collect = arg;
    struct round *round;

    source_rearm(collect->timer, ROUND_USEC);
    if (collect->n_held || collect->is_running || collect->core->stopping)
        return;
    round = calloc(1, sizeof(*round));
    if (!round)
        return;
    round->collect = collect;
    collect->is_running =
        fill(round) && workers_post(images_worker(collect->core->images), work, done, round) == 0;
    if (!collect->is_running)
        round_free(round);
}

struct image_collect *image_collect_new(struct core *core)
{
    struct image_collect *collect = calloc(1, sizeof(*collect));

    if (!collect)
        return NULL;
    collect->core = core;
    collect->timer = loop_timer(core->loop, ROUND_USEC, on_time, collect);
    return collect;
}

void image_collect_hold(struct image_collect *collect, int change)
{
    collect->n_held += (unsigned)change;
}

void image_collect_free(struct image_collect *collect)
{
    if (!collect)
        return;
    source_free(collect->timer);
    free(collect);
}
