/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disks.h - the disks of jobs and users: which a job takes, and what becomes of them.
 *
 * disks.c       whose there are, what a job's start takes, what the planner is told
 * disk_act.c    the one next thing for each disk, from what is committed
 * disk_calls.c  the requests about disks
 *
 * A disk is found by its owner: nobody has many.
 */
#ifndef VDICTLD_DISKS_H
#define VDICTLD_DISKS_H

#include "codec/inventory.h"
#include "model/disk.h"
#include "vdictld/core.h"

struct disks;

struct disks *disks_new(struct core *core);
void disks_free(struct disks *disks); /* takes NULL */
/* After a load, before the planner is told of jobs; then disks_recover() when it has been. */
void disks_load(struct disks *disks);
void disks_recover(struct disks *disks);
/* A committed change; all nouns. */
void disks_published(struct disks *disks, const struct published *p);
/* A new vdi.conf is in force: templates may have other disks. */
void disks_configured(struct disks *disks);

const struct disk *disks_get(struct core *core, uint64_t id);
const struct disk *disks_get_staged(struct core *core, uint64_t id);
/* The owner's disks, in the order of ids: the first above `after`, staged; NULL: there is none. */
const struct disk *disks_next(struct core *core, const char *owner, uint64_t after);
/* Whether it has a volume, or is to get one. */
bool disks_is_live(const struct disk *disk);

/* ---- a job's start ---- */

/* What the planner is told of the job's disks; all else of *ret is empty. */
void disks_plan(struct core *core, const struct job *job, struct plan_terms *ret);
/* Says more of a blocker PLAN_BLOCK_DISK_BUSY. */
void disks_explain(struct core *core, const struct job *job, struct plan_blocker *b);
/* When those that are in use are expected to be free. 0: they are. FORESEE_NEVER: nobody knows. */
int64_t disks_foreseen_usec(struct core *core, const struct job *job);
/* 0, or -EDQUOT with err: they could not be had although all its owner's jobs ended. */
int disks_check(struct core *core, const struct job_spec *spec, struct vdi_error *err);
/* Creates and leases in the transaction that allocates the job. -EBUSY, -EDQUOT, -EPROTO: it
 * can't start there now. */
int disks_add_alloc(struct core *core, struct txn *txn, const struct job *job, uint64_t instance,
                    uint32_t generation, const char *node, struct vdi_error *err);
/* Those leased to the instance; at most DISKS_MAX. */
size_t disks_of(struct core *core, const struct instance *in, const struct disk **ret);
/* What becomes of a disk at the end of its job, in words, and what it is. */
void disks_write_fate(struct core *core, const struct config_disk *d, const struct job_spec *spec,
                      struct buf *out);

/* ---- ends ---- */

/* The site says that the instance is gone: shared disks are free in the same transaction. */
int disks_add_gone(struct core *core, struct txn *txn, const struct instance *in);
/* A node told what runs there and what volumes it has. */
/* is_fresh: it was asked for on this link. */
void disks_inventory(struct core *core, const char *node, struct inventory *inv, bool is_fresh);
bool disks_has_instance(const struct inventory *inv, uint64_t id, uint32_t generation);
/* An event of a disk, begun with now. */
struct disk_event disks_event(struct core *core, enum disk_event_type type, const char *reason);

#endif
