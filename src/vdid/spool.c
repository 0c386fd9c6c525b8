/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.c - the output of what has ended: kept for a while, and not more than so much in all.
 *
 * STATE_DIR/spool/ID.GENERATION/ outlives its instance. Its own time of change is when the
 * instance ended. What runs counts, and is never removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/file.h"
#include "vdid/instance.h"

#define COLLECT_USEC (60 * USEC_PER_SEC)
#define FRESH_SEC 120 /* may have begun since the list of what runs was made */
#define SPOOLS_MAX (1u << 20)

struct collecting {
    char dir[PATH_MAX];
    struct vdi_instance_id *live;
    size_t n_live;
    int64_t now_sec, keep_sec;
    uint64_t keep_bytes;
};

struct kept {
    char name[40];
    int64_t ended_sec;
    uint64_t bytes;
};

struct kept_list {
    struct kept *items;
    size_t n, size;
};

static bool is_live(const struct collecting *c, const char *name)
{
    for (size_t i = 0; i < c->n_live; i++) {
        char own[40];

        snprintf(own, sizeof(own), "%" PRIu64 ".%" PRIu32, c->live[i].id, c->live[i].generation);
        if (str_equal(own, name))
            return true;
    }
    return false;
}

static uint64_t count_bytes(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    uint64_t bytes = 0;
    struct stat st;

    while (d && (entry = readdir(d)))
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_size;
    if (d)
        closedir(d);
    return bytes;
}

static void drop(const struct collecting *c, const char *name)
{
    char path[PATH_MAX];
    int r = snprintf(path, sizeof(path), "%s/%s", c->dir, name) < (int)sizeof(path)
                ? file_remove_dir(path)
                : -ENAMETOOLONG;

    if (r < 0)
        log_warning("%s/%s cannot be removed: %s", c->dir, name, strerror(-r));
}

static bool add(struct kept_list *l, const struct kept *k)
{
    if (l->n == l->size) {
        size_t size = l->size ? l->size * 2 : 64;
        struct kept *more = size > SPOOLS_MAX ? NULL : realloc(l->items, size * sizeof(*more));

        if (!more)
            return false;
        l->items = more;
        l->size = size;
    }
    l->items[l->n++] = *k;
    return true;
}

/* Removes what is too old; the rest that has ended goes into the list. Returns all that is left. */
static uint64_t look_at(const struct collecting *c, const char *name, struct kept_list *l)
{
    struct kept k = {0};
    char path[PATH_MAX];
    struct stat st;

    if (!str_copy(k.name, sizeof(k.name), name) ||
        snprintf(path, sizeof(path), "%s/%s", c->dir, name) >= (int)sizeof(path) ||
        lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    k.ended_sec = st.st_mtim.tv_sec;
    k.bytes = count_bytes(path);
    if (is_live(c, name) || c->now_sec - k.ended_sec < FRESH_SEC)
        return k.bytes;
    if (c->now_sec - k.ended_sec >= c->keep_sec) {
        drop(c, name);
        return 0;
    }
    add(l, &k);
    return k.bytes;
}

static int by_end(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    return (x->ended_sec > y->ended_sec) - (x->ended_sec < y->ended_sec);
}

static void collect_work(void *arg)
{
    struct collecting *c = arg;
    struct kept_list l = {0};
    struct dirent *entry;
    uint64_t total = 0;
    DIR *d = opendir(c->dir);

    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.')
            total += look_at(c, entry->d_name, &l);
    if (d)
        closedir(d);
    if (l.n)
        qsort(l.items, l.n, sizeof(*l.items), by_end);
    for (size_t i = 0; i < l.n && total > c->keep_bytes; i++) {
        drop(c, l.items[i].name);
        total -= l.items[i].bytes;
    }
    free(l.items);
}

static void collected(void *arg, bool dropped)
{
    struct collecting *c = arg;

    free(c->live);
    free(c);
}

static void fill_live(const struct vdid *v, struct collecting *c)
{
    void *value;

    for (size_t i = 0; hash_next(v->instances, &i, &value);) {
        const struct instance *in = value;

        if (in->rec.state != RECORD_GONE)
            c->live[c->n_live++] = (struct vdi_instance_id){in->rec.id, in->rec.generation};
    }
}

void vdid_collect(struct vdid *v)
{
    int64_t now = loop_monotonic_usec(v->loop);
    struct collecting *c;

    if (v->collected_usec && now - v->collected_usec < COLLECT_USEC)
        return;
    v->collected_usec = now;
    c = calloc(1, sizeof(*c));
    if (c)
        c->live = calloc(hash_count(v->instances) + 1, sizeof(*c->live));
    if (!c || !c->live) {
        free(c);
        return;
    }
    snprintf(c->dir, sizeof(c->dir), "%s/spool", v->config.state_dir);
    c->now_sec = loop_now_usec(v->loop) / USEC_PER_SEC;
    c->keep_sec = v->config.output_keep_sec;
    c->keep_bytes = (uint64_t)v->config.output_keep_mib << 20;
    fill_live(v, c);
    if (workers_post(v->disk, collect_work, collected, c) < 0)
        collected(c, true);
}
