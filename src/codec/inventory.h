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

struct inventory {
    uint32_t cpus, memory_mib, disk_gib;
    char version[24];
    char out_of_service[128]; /* why it takes no work; "" it does */
    struct inventory_instance *instances;
    size_t n;
};

void inventory_encode(const struct inventory *inventory, struct buf *out);
/* To be freed with inventory_done(). -EINVAL, -E2BIG: *ret is not touched. */
int inventory_decode(const char *json, struct inventory *ret, struct vdi_error *err);
void inventory_done(struct inventory *inventory);

#endif
