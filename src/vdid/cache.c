/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c - which versions of images are on this node, and which are wanted. */
#include "vdid/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/image_manifest.h"
#include "vdid/cache_impl.h"
#include "vdid/fetch.h"
#include "vdid/file.h"

#define DIGEST_WORD "@sha256:"
#define ENTRIES_MAX INVENTORY_IMAGES_MAX
#define PART ".part"

void cache_path(const struct cache *cache, const char *sha256, const char *suffix, char *ret)
{
    snprintf(ret, PATH_MAX, "%s/%.64s%s", cache->config.dir, sha256, suffix);
}

void cache_digest_of(const char *image, char *ret)
{
    const char *at = strstr(image, DIGEST_WORD);
    const char *hex = at ? at + sizeof(DIGEST_WORD) - 1 : "";

    ret[0] = '\0';
    if (strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64)
        memcpy(ret, hex, 65);
}

/* ---- entries ---- */

struct entry *cache_find(struct cache *cache, const char *sha256)
{
    list_for_each (it, &cache->entries) {
        struct entry *e = list_entry(it, struct entry, link);

        if (str_equal(e->sha256, sha256))
            return e;
    }
    return NULL;
}

void cache_drop(struct entry *entry)
{
    list_remove(&entry->link);
    free(entry->manifest);
    free(entry->source);
    free(entry);
}

static struct entry *add(struct cache *cache, const char *sha256)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    memcpy(e->sha256, sha256, 65);
    list_append(&cache->entries, &e->link);
    return e;
}

bool cache_take(struct cache *cache, const char *sha256)
{
    struct entry *e = cache_find(cache, sha256);
    char path[PATH_MAX];

    if (!e || e->state != ENTRY_CACHED)
        return false;
    e->used_usec = loop_now_usec(cache->loop);
    /* So that the order is known after a restart, too. */
    cache_path(cache, sha256, "", path);
    utimensat(AT_FDCWD, path, NULL, 0);
    return true;
}

const char *cache_progress(struct cache *cache, const char *sha256, char *buf)
{
    struct entry *e = cache_find(cache, sha256);

    buf[0] = '\0';
    if (!e || (e->state != ENTRY_QUEUED && e->state != ENTRY_RUNNING))
        return buf;
    if (e == cache->running)
        cache_look(cache);
    snprintf(buf, 64, "%" PRIu64 " %% of %" PRIu64 " MiB%s",
             e->bytes ? e->done_bytes * 100 / e->bytes : 0, (e->bytes + (1u << 20) - 1) >> 20,
             e->state == ENTRY_QUEUED ? ", waits for its turn" : "");
    return buf;
}

size_t cache_list(struct cache *cache, struct inventory_image **ret)
{
    struct inventory_image *all = calloc(ENTRIES_MAX, sizeof(*all));
    size_t n = 0;

    cache_look(cache);
    list_for_each (it, &cache->entries) {
        const struct entry *e = list_entry(it, struct entry, link);

        if (!all || n == ENTRIES_MAX || (e->state == ENTRY_PART && !e->has_failed))
            continue;
        memcpy(all[n].sha256, e->sha256, sizeof(e->sha256));
        all[n].state = e->state == ENTRY_CACHED ? INVENTORY_CACHED
                       : e->state == ENTRY_PART ? INVENTORY_FAILED
                                                : INVENTORY_FETCHING;
        all[n].bytes = e->bytes;
        all[n].done_bytes = e->state == ENTRY_CACHED ? e->bytes : e->done_bytes;
        str_copy(all[n].reason, sizeof(all[n].reason), e->state == ENTRY_PART ? e->reason : "");
        n++;
    }
    *ret = all;
    return n;
}

const char *cache_dir(const struct cache *cache)
{
    return cache->config.dir;
}

/* ---- wishes ---- */

static bool is_manifest_of(const char *manifest, const char *sha256)
{
    unsigned char digest[32];
    char hex[65];

    if (EVP_Digest(manifest, strlen(manifest), digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    str_to_hex(digest, sizeof(digest), hex);
    return str_equal(hex, sha256);
}

static int sum_of(const struct cache_wish *wish, const char *sha256, uint64_t *ret,
                  struct vdi_error *err)
{
    _cleanup_(freep) struct image_manifest *m = calloc(1, sizeof(*m));
    struct image_part parts[IMAGE_PARTS_MAX];
    size_t n = 0;
    int r;

    if (!m)
        return error_set(err, ENOMEM, "node", "the node is out of memory");
    if (!*sha256 || !wish->manifest || !is_manifest_of(wish->manifest, sha256))
        return error_set(err, EINVAL, "image", "what came with %.80s is not its manifest",
                         wish->ref);
    r = image_manifest_read(wish->manifest, strlen(wish->manifest), wish->ref, m, err);
    if (r >= 0)
        r = image_manifest_parts(m, parts, &n, err);
    *ret = 0;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (parts[i].bytes > INT64_MAX / IMAGE_PARTS_MAX)
            return error_set(err, EINVAL, "image", "%.80s is too large", wish->ref);
        *ret += parts[i].bytes;
    }
    return r;
}

/* The link's own address, with the port of the files. */
static int set_hosts(struct cache *cache, struct entry *e, const struct cache_wish *wish,
                     struct vdi_error *err)
{
    const char *controller = cache->config.controller, *colon = strrchr(controller, ':');

    if (!colon || (!wish->port && !*wish->source)) {
        error_set(err, EPROTO, "image", "the controller gives no images to nodes");
        error_hint(err, NULL, "write image_listen into vdi.conf");
        return -EPROTO;
    }
    snprintf(e->host, sizeof(e->host), "vdictld.%.63s:%u", cache->config.cluster, wish->port);
    snprintf(e->connect, sizeof(e->connect), "vdictld.%.63s:%u:%.*s:%u", cache->config.cluster,
             wish->port, (int)(colon - controller), controller, wish->port);
    return 0;
}

static int too_large(const struct cache *cache, const struct cache_wish *wish, uint64_t bytes,
                     struct vdi_error *err)
{
    char limit[32];

    error_set(err, ENOSPC, "image_cache_mib", "%.64s has %" PRIu64 " MiB", wish->ref, bytes >> 20);
    snprintf(limit, sizeof(limit), "%" PRIu64 " MiB", cache->config.limit_bytes >> 20);
    error_hint(err, limit, "raise image_cache_mib in vdid.conf of the node");
    return -ENOSPC;
}

int cache_want(struct cache *cache, const struct cache_wish *wish, bool for_start,
               struct vdi_error *err)
{
    char sha256[65];
    struct entry *e;
    uint64_t bytes = 0;
    int r;

    cache_digest_of(wish->ref, sha256);
    e = cache_find(cache, sha256);
    if (e && e->state == ENTRY_CACHED)
        return 0;
    if (e && e->state != ENTRY_PART) {
        e->for_start |= for_start;
        cache_pump(cache);
        return 1;
    }
    r = sum_of(wish, sha256, &bytes, err);
    if (r < 0)
        return r;
    if (cache->config.limit_bytes && bytes > cache->config.limit_bytes)
        return too_large(cache, wish, bytes, err);
    e = e ? e : add(cache, sha256);
    if (!e)
        return error_set(err, ENOMEM, "node", "the node is out of memory");
    r = set_hosts(cache, e, wish, err);
    if (r < 0)
        return r;
    free(e->manifest);
    free(e->source);
    e->manifest = strdup(wish->manifest);
    e->source = strdup(wish->source);
    if (!e->manifest || !e->source)
        return error_set(err, ENOMEM, "node", "the node is out of memory");
    e->state = ENTRY_QUEUED;
    e->is_new = true;
    e->has_failed = false;
    e->for_start = for_start;
    e->bytes = bytes;
    e->order = ++cache->n_queued;
    cache->ops.changed(cache->arg); /* before the answer: an old failure no longer counts */
    cache_pump(cache);
    return 1;
}

/* ---- begin and end ---- */

static int scan(struct cache *cache, struct vdi_error *err)
{
    struct dirent **names = NULL;
    int n, r = file_make_dir(cache->config.dir);

    if (r < 0)
        return error_set(err, r, "image_cache", "%s cannot be made: %s", cache->config.dir,
                         strerror(-r));
    n = scandir(cache->config.dir, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        bool is_part = strlen(name) > 64 && str_equal(name + 64, PART);
        char sha256[65], path[PATH_MAX];
        struct stat st;
        struct entry *e;

        str_copy(sha256, sizeof(sha256), name);
        if (strspn(name, "0123456789abcdef") == 64 && (is_part || !name[64]) &&
            !cache_find(cache, sha256)) {
            cache_path(cache, name, is_part ? PART : "", path);
            e = lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? add(cache, sha256) : NULL;
            if (e) {
                e->state = is_part ? ENTRY_PART : ENTRY_CACHED;
                e->bytes = e->done_bytes = cache_bytes_in(path);
                e->used_usec = st.st_mtim.tv_sec * USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
            }
        }
        free(names[i]);
    }
    free(names);
    return 0;
}

static int copy_config(struct cache *cache, const struct cache_config *c)
{
    const char **members[] = {&cache->config.dir,       &cache->config.controller,
                              &cache->config.cluster,   &cache->config.ca_file,
                              &cache->config.cert_file, &cache->config.key_file,
                              &cache->config.program,   &cache->config.state_dir};

    cache->config = *c;
    for (size_t i = 0; i < ELEMENTS(members); i++) {
        cache->strings[i] = strdup(*members[i] ? *members[i] : "");
        if (!cache->strings[i])
            return -ENOMEM;
        *members[i] = cache->strings[i];
    }
    return 0;
}

int cache_new(struct loop *loop, struct workers *disk, const struct cache_config *config,
              const struct cache_ops *ops, void *arg, struct cache **ret, struct vdi_error *err)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    int r;

    if (!cache)
        return error_set(err, ENOMEM, "node", "no memory");
    cache->loop = loop;
    cache->disk = disk;
    cache->ops = *ops;
    cache->arg = arg;
    list_init(&cache->entries);
    r = copy_config(cache, config);
    if (r < 0)
        error_set(err, ENOMEM, "node", "no memory");
    else if (strlen(config->dir) >= CACHE_PATH_MAX)
        r = error_set(err, EINVAL, "image_cache", "its path is too long");
    else
        r = scan(cache, err);
    if (r < 0)
        cache_free(cache);
    else
        *ret = cache;
    return r;
}

void cache_stop(struct cache *cache)
{
    if (!cache)
        return;
    cache->is_stopped = true;
    child_free(cache->child);
    cache->child = NULL;
    source_free(cache->look);
    cache->look = NULL;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    cache_stop(cache);
    list_for_each_safe (it, &cache->entries)
        cache_drop(list_entry(it, struct entry, link));
    for (size_t i = 0; i < ELEMENTS(cache->strings); i++)
        free(cache->strings[i]);
    free(cache);
}
