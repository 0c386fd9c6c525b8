/* SPDX-License-Identifier: Apache-2.0 */
/* cache_impl.h - between cache.c (what is wanted and there) and cache_fetch.c (getting it). */
#ifndef VDID_CACHE_IMPL_H
#define VDID_CACHE_IMPL_H

#include <limits.h>

#include "base/list.h"
#include "vdid/cache.h"
#include "vdid/child.h"

#define CACHE_PATH_MAX (PATH_MAX / 2)

enum entry_state {
    ENTRY_PART,    /* some of it may be there; nobody waits for it */
    ENTRY_QUEUED,  /* to be fetched */
    ENTRY_RUNNING, /* room is made, then the child runs */
    ENTRY_CACHED,
};

struct entry {
    struct list link; /* all, in the order they came */
    char sha256[65];
    enum entry_state state;
    bool for_start, is_new; /* is_new: its wish is not written down yet */
    bool has_failed;
    uint64_t bytes;      /* of its files; of a part that was found, what is there */
    uint64_t done_bytes; /* as last looked */
    uint64_t order;      /* when it was queued, as a number */
    int64_t used_usec;
    char reason[128]; /* has_failed */
    char *manifest, *source;
    char host[320], connect[400];
};

struct cache {
    struct loop *loop;
    struct workers *disk;
    struct cache_config config;
    char *strings[8];
    struct cache_ops ops;
    void *arg;
    struct list entries;
    uint64_t n_queued;
    struct entry *running;
    struct child *child;
    struct source *look; /* how far is it? */
    bool is_stopped;
};

struct entry *cache_find(struct cache *cache, const char *sha256);
void cache_drop(struct entry *entry);
void cache_path(const struct cache *cache, const char *sha256, const char *suffix, char *ret);
/* Begins the fetch that comes first, if none runs. cache_fetch.c */
void cache_pump(struct cache *cache);
/* Of an image's files in the directory, whole or not; not of what vdid adds to them. */
uint64_t cache_bytes_in(const char *dir);
/* What the fetch under way has by now. */
void cache_look(struct cache *cache);

#endif
