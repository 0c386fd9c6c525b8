/* SPDX-License-Identifier: Apache-2.0 */
/* inventory.h - what a node says of itself and of the instances on it. */
#ifndef CODEC_INVENTORY_H
#define CODEC_INVENTORY_H

#include "base/buf.h"
#include <vdi/types.h>

#define INVENTORY_MAX 4096 /* instances on a node */

struct inventory_instance {
    struct vdi_instance_id id;
    char *report; /* a site report (site_report.h), JSON; owned */
};

enum inventory_image_state { INVENTORY_CACHED, INVENTORY_FETCHING, INVENTORY_FAILED };
extern const char *const inventory_image_states[]; /* NULL-terminated */

/* A version of an image in the node's cache, or on its way there. */
struct inventory_image {
    char sha256[65];
    uint32_t state; /* enum inventory_image_state */
    uint64_t bytes, done_bytes;
    char reason[128]; /* failed */
};
#define INVENTORY_IMAGES_MAX 512

/* A file of a disk that the node has. */
struct inventory_volume {
    char volume[48];     /* model/disk.h */
    uint32_t where;      /* enum disk_where */
    uint64_t size_bytes; /* what it may grow to */
    uint64_t bytes;      /* what it takes */
};
#define INVENTORY_VOLUMES_MAX 4096

struct inventory {
    uint32_t cpus, memory_mib, disk_gib;
    char version[24];
    char out_of_service[128]; /* why it takes no work; "" it does */
    struct inventory_instance *instances;
    size_t n;
    struct inventory_image *images;
    size_t n_images;
    struct inventory_volume *volumes;
    size_t n_volumes;
};

void inventory_encode(const struct inventory *inventory, struct buf *out);
/* To be freed with inventory_done(). -EINVAL, -E2BIG: *ret is not touched. */
int inventory_decode(const char *json, struct inventory *ret, struct vdi_error *err);
void inventory_done(struct inventory *inventory);

#endif
