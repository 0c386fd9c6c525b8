/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images.h - published images: their versions, their files, and which nodes have them.
 *
 * images.c       which version a name means; what nodes told; begin and end
 * image_calls.c  the requests about versions
 * image_store.c  the files: IMAGE_STORE/blobs/SHA256, and SHA256.part while it is uploaded
 * image_blobs.c  the requests about files
 * image_order.c  nodes are told to get a version
 *
 * A version is current if it is published and was selected last. Whatever reads or writes
 * files does so on one worker, in the order it was asked.
 */
#ifndef VDICTLD_IMAGES_H
#define VDICTLD_IMAGES_H

#include "codec/image_manifest.h"
#include "codec/inventory.h"
#include "model/image.h"
#include "vdictld/core.h"

struct images;

#define IMAGE_ORDER_MAX (64u << 10) /* bytes of what a node is told */
#define IMAGE_VERSIONS_MAX 2048     /* published and kept in memory */

/* Opens image_listen. NULL with err. */
struct images *images_new(struct core *core, struct vdi_error *err);
void images_free(struct images *images); /* takes NULL; after the http server is quiet */
/* A new vdi.conf, or revocations. Takes NULL. */
void images_configured(struct images *images);
struct workers *images_worker(struct images *images);
/* Port of the file server; 0: none. */
uint16_t images_port(const struct images *images);

/* ---- versions ---- */

/* Staged objects. The current one of a name, or NULL. */
const struct image *images_current(struct core *core, const char *name);
/* By digest or how it begins: -ENOENT, -ENOTUNIQ. "": the current one. */
int images_find(struct core *core, const char *name, const char *sha256, const struct image **ret,
                struct vdi_error *err);
/* The one that was current before the current one; NULL: there is none. */
const struct image *images_previous(struct core *core, const char *name);
/*
 * What an instance that begins now is to boot, for what a template says. ret gets
 * "NAME@sha256:HEX", or "" when it is an image of the node. -ENOENT, -EPROTO: it can't be had.
 */
int images_resolve(struct core *core, const char *wanted, char ret[IMAGE_REF_MAX],
                   struct vdi_error *err);
/*
 * The number by which the planner knows what images_resolve() would give, without a word on whether
 * it can be had; 0: none. A job that waits has that of when the planner was told of it last.
 */
uint32_t images_number(struct core *core, const char *wanted);
/* A version is published, selected or retired: names may mean others. */
void images_published(struct core *core);
/* Of "NAME@sha256:HEX"; NULL: it is none, or not known. */
const struct image *images_of_ref(struct core *core, const char *ref);

/* ---- nodes ---- */

/* What a node said it has; takes the list out of the inventory. */
void images_node(struct core *core, const char *node, struct inventory *inv);
/* ,"nodes":[{"name","state","done_bytes","reason"},...] of a version. */
void images_write_nodes(struct core *core, const char *sha256, struct buf *out);
/* {"ref","manifest","source","port"}: what a node needs to get a version. */
void images_write_order(struct core *core, const struct image *image, struct buf *out);

/* The node gets it ahead of an instance; what it can't is told in the log. image_order.c */
void images_prefetch(struct core *core, const struct image *image, const char *node);

/* ---- files; image_store.c; all but the last block ---- */

struct image_part_state {
    uint64_t bytes;
    bool complete;
};
int image_store_look(const char *dir, const char *sha256, struct image_part_state *ret,
                     struct vdi_error *err);
/* Appends; -EBADFD (409): it is not so long, ret says how long. */
int image_store_append(const char *dir, const char *sha256, uint64_t from, const void *data,
                       size_t len, struct image_part_state *ret, struct vdi_error *err);
/* Proves and publishes a part; 0 too when that was done before. */
int image_store_seal(const char *dir, const struct image_part *part, struct vdi_error *err);
/* Removes what is not in `keep` (sorted) and was last written before `before_sec`. */
void image_store_collect(const char *dir, char (*keep)[65], size_t n, int64_t before_sec);

/* What is not needed goes, now and then. image_collect.c */
struct image_collect;
struct image_collect *image_collect_new(struct core *core);
void image_collect_free(struct image_collect *collect); /* takes NULL */
/* A publication is under way (+1) or no more (-1): nothing is removed meanwhile. */
void image_collect_hold(struct image_collect *collect, int change);
struct image_collect *images_collect(struct images *images);

#endif
