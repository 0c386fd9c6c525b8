/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_fetch.c - one fetch after the other: room is made, the child runs, what came is recorded.
 *
 * What is to be removed leaves the list of what is there before its files go, on the same
 * thread that writes the next wish: who wants it meanwhile has it fetched again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/cache_impl.h"
#include "vdid/fetch.h"
#include "vdid/file.h"
#include "vdid/image.h"

#define LOOK_USEC (5 * USEC_PER_SEC)
#define FETCH_USEC (7 * 86400 * USEC_PER_SEC) /* it ends by itself when nothing comes */
#define FREE_MIN ((uint64_t)64 << 20)
#define PART ".part"
#define EVICT_MAX 64

static void ended(struct cache *cache, struct entry *e, int result, const struct vdi_error *err)
{
    char sha256[65];

    memcpy(sha256, e->sha256, sizeof(sha256));
    cache->running = NULL;
    e->state = result < 0 ? ENTRY_PART : ENTRY_CACHED;
    e->has_failed = result < 0;
    e->for_start = false;
    e->used_usec = loop_now_usec(cache->loop);
    if (result < 0) {
        str_copy(e->reason, sizeof(e->reason), err->detail);
        log_warning("image %.12s...: %s", sha256, err->detail);
    } else {
        e->done_bytes = e->bytes;
        log_info("image %.12s... is here, %" PRIu64 " MiB", sha256, e->bytes >> 20);
    }
    cache->ops.ended(cache->arg, sha256, result, err);
    cache->ops.changed(cache->arg);
    cache_pump(cache);
}

/* ---- how far it is ---- */

uint64_t cache_bytes_in(const char *dir)
{
    static const char *const ours[] = {FETCH_MANIFEST_FILE, FETCH_SOURCE_FILE};
    DIR *d = opendir(dir);
    struct dirent *entry;
    struct stat st;
    uint64_t sum = 0;

    while (d && (entry = readdir(d)))
        if (!str_equal(entry->d_name, ours[0]) && !str_equal(entry->d_name, ours[1]) &&
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    if (d)
        closedir(d);
    return sum;
}

void cache_look(struct cache *cache)
{
    char path[PATH_MAX];

    if (!cache->running || !cache->child)
        return;
    cache_path(cache, cache->running->sha256, PART, path);
    cache->running->done_bytes = cache_bytes_in(path);
}

static void look(void *arg)
{
    struct cache *cache = arg;

    if (cache->running)
        cache->ops.changed(cache->arg);
    source_rearm(cache->look, cache->running ? LOOK_USEC : -1);
}

/* ---- after the child ---- */

struct recording {
    struct cache *cache;
    struct entry *entry;
    char ref[160];
    struct image image;
    int result;
    struct vdi_error err;
};

/* What vdi-fetch has proven need not be hashed again by the first start. */
static void record_work(void *arg)
{
    struct recording *rec = arg;
    struct cache *cache = rec->cache;

    rec->result = image_load_proven(cache->config.dir, rec->entry->sha256, &rec->image, &rec->err);
    if (rec->result >= 0)
        rec->result = image_record(cache->config.state_dir, &rec->image, &rec->err);
}

static void recorded(void *arg, bool dropped)
{
    struct recording *rec = arg;

    if (!dropped && !rec->cache->is_stopped)
        ended(rec->cache, rec->entry, rec->result, &rec->err);
    free(rec);
}

static void record(struct cache *cache, struct entry *e)
{
    struct recording *rec = calloc(1, sizeof(*rec));
    struct vdi_error err = {0};

    if (rec) {
        rec->cache = cache;
        rec->entry = e;
    }
    if (rec && workers_post(cache->disk, record_work, recorded, rec) == 0)
        return;
    free(rec);
    error_set(&err, ENOMEM, "node", "the node is out of memory");
    ended(cache, e, -ENOMEM, &err);
}

static void child_ended(void *arg, int status, const char *output)
{
    static const int codes[] = {
        [FETCH_FAILED] = EIO, [FETCH_CORRUPT] = EUCLEAN, [FETCH_FULL] = ENOSPC};
    struct cache *cache = arg;
    struct entry *e = cache->running;
    struct vdi_error err = {0};
    char line[120];
    int code = EIO;

    str_copy(line, sizeof(line), output);
    line[strcspn(line, "\n")] = '\0';
    child_free(cache->child);
    cache->child = NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == FETCH_OK) {
        record(cache, e);
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) < (int)ELEMENTS(codes))
        code = codes[WEXITSTATUS(status)];
    error_set(&err, code, "image", "%s", *line ? line : FETCH_PROGRAM " ended without a word");
    ended(cache, e, -code, &err);
}

static int spawn(struct cache *cache, struct entry *e, struct vdi_error *err)
{
    const struct cache_config *c = &cache->config;
    char part[PATH_MAX], final[PATH_MAX], rate[24];
    const char *const argv[] = {c->program, part,       final,        e->host,     e->connect,
                                rate,       c->ca_file, c->cert_file, c->key_file, NULL};

    cache_path(cache, e->sha256, PART, part);
    cache_path(cache, e->sha256, "", final);
    snprintf(rate, sizeof(rate), "%" PRIu64, c->rate);
    return child_start(cache->loop, argv, FETCH_USEC, child_ended, cache, &cache->child, err);
}

/* ---- before the child ---- */

struct beginning {
    struct cache *cache;
    struct entry *entry;
    char (*evicted)[65];
    size_t n_evicted;
    bool was_part[EVICT_MAX];
    char *manifest, *source;
    uint64_t missing;
    int result;
    struct vdi_error err;
};

static int write_wish(struct beginning *b, const char *dir)
{
    char path[PATH_MAX + 16];
    int r = file_make_dir(dir);

    snprintf(path, sizeof(path), "%s/" FETCH_MANIFEST_FILE, dir);
    if (r >= 0)
        r = file_replace(path, b->manifest, strlen(b->manifest));
    snprintf(path, sizeof(path), "%s/" FETCH_SOURCE_FILE, dir);
    if (r >= 0)
        r = file_replace(path, b->source, strlen(b->source));
    return r;
}

static void begin_work(void *arg)
{
    struct beginning *b = arg;
    struct statvfs fs;
    char path[PATH_MAX];
    int r;

    for (size_t i = 0; i < b->n_evicted; i++) {
        cache_path(b->cache, b->evicted[i], b->was_part[i] ? PART : "", path);
        r = file_remove_dir(path);
        if (r < 0)
            log_warning("%s cannot be removed: %s", path, strerror(-r));
    }
    if (b->result < 0)
        return;
    if (statvfs(b->cache->config.dir, &fs) == 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize < b->missing + FREE_MIN) {
        b->result = error_set(&b->err, ENOSPC, "image_cache",
                              "%s has no room for %" PRIu64 " MiB of an image",
                              b->cache->config.dir, b->missing >> 20);
        error_hint(&b->err, NULL, "make room there, or lower image_cache_mib");
        return;
    }
    cache_path(b->cache, b->entry->sha256, PART, path);
    r = write_wish(b, path);
    if (r < 0)
        b->result =
            error_set(&b->err, r, "image_cache", "%s cannot be written: %s", path, strerror(-r));
}

static void beginning_free(struct beginning *b)
{
    free(b->evicted);
    free(b->manifest);
    free(b->source);
    free(b);
}

static void begun(void *arg, bool dropped)
{
    struct beginning *b = arg;
    struct cache *cache = b->cache;
    struct entry *e = b->entry;
    struct vdi_error err = b->err;
    int r = b->result;

    beginning_free(b);
    if (dropped || cache->is_stopped)
        return;
    if (r >= 0) {
        e->is_new = false;
        r = spawn(cache, e, &err);
    }
    if (r < 0) {
        ended(cache, e, r, &err);
        return;
    }
    if (!cache->look)
        cache->look = loop_timer(cache->loop, LOOK_USEC, look, cache);
    else
        source_rearm(cache->look, LOOK_USEC);
    cache->ops.changed(cache->arg);
}

/* The one used longest ago that nobody needs; NULL: there is none. */
static struct entry *oldest(struct cache *cache)
{
    struct entry *found = NULL;

    list_for_each (it, &cache->entries) {
        struct entry *e = list_entry(it, struct entry, link);

        if ((e->state == ENTRY_CACHED || e->state == ENTRY_PART) && e != cache->running &&
            !cache->ops.in_use(cache->arg, e->sha256) &&
            (!found || e->used_usec < found->used_usec))
            found = e;
    }
    return found;
}

static uint64_t sum_but(const struct cache *cache, const struct entry *but)
{
    uint64_t sum = 0;

    list_for_each (it, &cache->entries) {
        const struct entry *e = list_entry(it, struct entry, link);

        if (e != but)
            sum += e->state == ENTRY_QUEUED ? e->done_bytes : e->bytes;
    }
    return sum;
}

static int no_room(const struct cache *cache, const struct entry *e, struct vdi_error *err)
{
    char limit[32];

    error_set(err, ENOSPC, "image_cache_mib",
              "the node's image cache is full: %" PRIu64 " MiB are in use, %" PRIu64
              " MiB are needed",
              sum_but(cache, e) >> 20, e->bytes >> 20);
    snprintf(limit, sizeof(limit), "%" PRIu64 " MiB", cache->config.limit_bytes >> 20);
    error_hint(err, limit, "raise image_cache_mib in vdid.conf, or end what uses other images");
    return -ENOSPC;
}

static int make_room(struct cache *cache, struct entry *e, struct beginning *b,
                     struct vdi_error *err)
{
    uint64_t limit = cache->config.limit_bytes;
    struct entry *old;

    b->evicted = calloc(EVICT_MAX, sizeof(*b->evicted));
    if (!b->evicted)
        return error_set(err, ENOMEM, "node", "the node is out of memory");
    while (limit && sum_but(cache, e) + e->bytes > limit) {
        old = b->n_evicted < EVICT_MAX ? oldest(cache) : NULL;
        if (!old)
            return no_room(cache, e, err);
        log_info("image %.12s... makes room", old->sha256);
        b->was_part[b->n_evicted] = old->state == ENTRY_PART;
        memcpy(b->evicted[b->n_evicted++], old->sha256, sizeof(old->sha256));
        cache_drop(old);
    }
    return 0;
}

static void begin(struct cache *cache, struct entry *e)
{
    struct beginning *b = calloc(1, sizeof(*b));
    struct vdi_error err = {0};
    int r = b ? 0 : error_set(&err, ENOMEM, "node", "the node is out of memory");

    cache->running = e;
    e->state = ENTRY_RUNNING;
    if (r >= 0) {
        b->cache = cache;
        b->entry = e;
        b->manifest = strdup(e->manifest);
        b->source = strdup(e->source);
        b->missing = e->bytes > e->done_bytes ? e->bytes - e->done_bytes : 0;
        r = b->manifest && b->source ? make_room(cache, e, b, &err)
                                     : error_set(&err, ENOMEM, "node", "out of memory");
    }
    /* What was decided to go goes, also if it was not enough. */
    if (b && r < 0)
        b->result = r, b->err = err;
    if (b && workers_post(cache->disk, begin_work, begun, b) == 0)
        return;
    if (r >= 0)
        r = error_set(&err, EBUSY, "node", "too much is waiting for the disk");
    if (b)
        beginning_free(b);
    ended(cache, e, r, &err);
}

static struct entry *next(struct cache *cache)
{
    struct entry *found = NULL;

    list_for_each (it, &cache->entries) {
        struct entry *e = list_entry(it, struct entry, link);

        if (e->state == ENTRY_QUEUED &&
            (!found || e->for_start > found->for_start ||
             (e->for_start == found->for_start && e->order < found->order)))
            found = e;
    }
    return found;
}

/* A start does not wait for a prefetch, which goes on later from where it is. */
static void give_way(struct cache *cache, const struct entry *first)
{
    struct entry *e = cache->running;

    if (!e || !cache->child || e->for_start || !first->for_start)
        return;
    cache_look(cache);
    child_free(cache->child);
    cache->child = NULL;
    e->state = ENTRY_QUEUED;
    cache->running = NULL;
}

void cache_pump(struct cache *cache)
{
    struct entry *first = next(cache);

    if (!first || cache->is_stopped)
        return;
    give_way(cache, first);
    if (!cache->running)
        begin(cache, first);
}
