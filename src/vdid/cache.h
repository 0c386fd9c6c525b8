/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - published images on this node: DIR/DIGEST, and DIR/DIGEST.part on its way.
 *
 * One version is fetched at a time, by a child; what a start waits for comes before what is
 * only prefetched. Before a fetch the versions used longest ago make room, never one that is
 * in use or waited for. All of it is found again after a restart.
 */
#ifndef VDID_CACHE_H
#define VDID_CACHE_H

#include "base/buf.h"
#include "codec/inventory.h"
#include "loop/loop.h"
#include <vdi/types.h>

struct cache;

struct cache_config { /* strings are copied */
    const char *dir;
    const char *state_dir; /* where digests are recorded */
    const char *controller,
        *cluster; /* "host:port" of its node link; "" none: nothing is fetched */
    const char *ca_file, *cert_file, *key_file;
    const char *program;  /* vdi-fetch */
    uint64_t limit_bytes; /* of all versions; 0: what the file system has */
    uint64_t rate;        /* bytes a second; 0: any */
};

struct cache_ops {
    /* A fetch has ended: 0, or -errno with err. */
    void (*ended)(void *arg, const char *sha256, int result, const struct vdi_error *err);
    /* Whether an instance of the node boots, or is to boot, it. */
    bool (*in_use)(void *arg, const char *sha256);
    /* What cache_list() says is another. */
    void (*changed)(void *arg);
};

/* What the controller says of a version. */
struct cache_wish {
    char ref[160]; /* "NAME@sha256:HEX" */
    char source[1024];
    uint32_t port;  /* of the controller's file server */
    char *manifest; /* borrowed or owned by the caller */
};

/* On `disk`, one thread, files are written and removed. Blocks while it looks what is there. */
int cache_new(struct loop *loop, struct workers *disk, const struct cache_config *config,
              const struct cache_ops *ops, void *arg, struct cache **ret, struct vdi_error *err);
/* Before the workers are freed: the child ends; cache_free() after them. Both take NULL. */
void cache_stop(struct cache *cache);
void cache_free(struct cache *cache);

/* The digest in "NAME@sha256:HEX"; "": it is an image of the node itself. ret has 65 bytes. */
void cache_digest_of(const char *image, char *ret);
/* Whether it is there, whole; that is a use of it. */
bool cache_take(struct cache *cache, const char *sha256);
/* 0: it is there; 1: it is being fetched, or waits for its turn; -EINVAL, -ENOSPC. */
int cache_want(struct cache *cache, const struct cache_wish *wish, bool for_start,
               struct vdi_error *err);
/* "45 % of 1.2 GiB"; "" if it is not being fetched. buf of 64. */
const char *cache_progress(struct cache *cache, const char *sha256, char *buf);
/* What is there and on its way; the caller frees *ret. */
size_t cache_list(struct cache *cache, struct inventory_image **ret);
const char *cache_dir(const struct cache *cache);

#endif
