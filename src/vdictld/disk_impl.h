/* SPDX-License-Identifier: Apache-2.0 */
/* disk_impl.h - what the files of disks share; nobody else includes it. */
#ifndef VDICTLD_DISK_IMPL_H
#define VDICTLD_DISK_IMPL_H

#include "base/hash.h"
#include "vdictld/disks.h"

/* Who has disks, or had some; few enough to stay. */
struct disk_owner {
    struct list items; /* by id */
    struct list dirty; /* its pending jobs are to be planned anew */
    bool is_dirty;
    char name[];
};

struct disk_item {
    uint64_t id;
    struct disk_owner *owner;
    struct list link;
    struct list todo; /* something is to be done next */
    bool is_todo, is_waiting;
    bool is_busy;    /* a transaction or an order of ours is under way */
    unsigned n_asks; /* orders that failed */
    /* What of it the planner counts as stored, and where. */
    char node[64];
    uint32_t gib;
};

/* What planner_put_stored() was told of a node. */
struct disk_store {
    char node[64];
    uint64_t gib;
};

/* What a node said it has. */
struct disk_report {
    char node[64];
    struct inventory_volume *volumes;
    size_t n, n_strangers;
};

struct disks {
    struct core *core;
    struct hash *items;   /* by id */
    struct hash *owners;  /* by name */
    struct hash *stores;  /* by node */
    struct hash *reports; /* by node */
    struct list todo, dirty;
    struct source *soon;  /* what is in the lists */
    struct source *again; /* what waits */
    uint64_t walk;        /* jobs above are to be planned anew; UINT64_MAX: none */
    unsigned n_waiting;
};

/* disks.c */
void disk_item_drop(struct disks *disks, struct disk_item *item);
/* disk_act.c */
/* Looks at it soon. */
void disk_touch(struct disks *disks, struct disk_item *item);
void disk_act_todo(struct disks *disks);
void disk_act_again(void *arg);
void disk_report_free(struct disk_report *report);
/* Is it a volume that no disk we know has? */
bool disk_is_stranger(struct core *core, const struct inventory_volume *v);

#endif
