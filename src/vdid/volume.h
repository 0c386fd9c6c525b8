/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume.h - the files of disks on this node: DIR/ID.TOKEN.img, raw, sparse, 0600. All blocks.
 *
 * A volume is made as DIR/ID.TOKEN.part-NODE, formatted there, and renamed when it is whole: what
 * has a volume's name is never formatted and never looked into.
 */
#ifndef VDID_VOLUME_H
#define VDID_VOLUME_H

#include <limits.h>
#include <stdbool.h>

#include "codec/inventory.h"
#include "model/disk.h"

struct volume_config {
    const char *dirs[2];    /* by enum disk_where; "": this node has none */
    const char *node;       /* whose parts are ours, in a directory that nodes share */
    uint64_t max_bytes;     /* of all volumes of the node's own directory; 0: no limit */
    uint64_t reserve_bytes; /* of the file system: left to others */
};

/* Where it is, or will be; ret has PATH_MAX bytes. */
void volume_path(const struct volume_config *c, enum disk_where where, const char *volume,
                 char *ret);
void volume_part_path(const struct volume_config *c, enum disk_where where, const char *volume,
                      char *ret);
/* 1: it is there; 0: not. -EBADMSG with err: something else is. */
int volume_look(const struct volume_config *c, enum disk_where where, const char *volume,
                struct vdi_error *err);
/* Makes the part, empty, if there is room for all of it. -ENOSPC with numbers, -ENODEV. */
int volume_begin(const struct volume_config *c, enum disk_where where, const char *volume,
                 uint64_t size_bytes, struct vdi_error *err);
/* Durable under its name. */
int volume_finish(const struct volume_config *c, enum disk_where where, const char *volume,
                  struct vdi_error *err);
/* 0 too when there was none. */
int volume_remove(const struct volume_config *c, enum disk_where where, const char *volume,
                  struct vdi_error *err);
/* Parts of this node that a crash left. */
void volume_clean(const struct volume_config *c);
/* At most INVENTORY_VOLUMES_MAX, by name; the caller frees *ret. */
size_t volume_list(const struct volume_config *c, struct inventory_volume **ret);

#endif
