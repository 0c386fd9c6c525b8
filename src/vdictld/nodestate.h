/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodestate.h - what a node's word, silence, return and death mean for it and its jobs
 * (DESIGN 7: link loss is not death).
 */
#ifndef VDICTLD_NODESTATE_H
#define VDICTLD_NODESTATE_H

#include "vdictld/core.h"

/* Another boot than the one known: whatever ran there is gone. */
void nodestate_boot(struct core *core, const char *node, const char *boot_id);
/*
 * The node's list of what it is and runs. What runs there and no longer counts is given to
 * `stop`; what should run there and does not is lost; then the node is up, unless there was
 * something to stop: it is when a later list has nothing of the kind.
 */
/* is_fresh: it was asked for on this link. */
int nodestate_inventory(struct core *core, const char *node, const char *boot_id, const char *json,
                        bool is_fresh, void (*stop)(void *arg, struct vdi_instance_id id),
                        void *arg, struct vdi_error *err);
/* Nothing was heard of it for so long (0: it is connected). */
void nodestate_silent(struct core *core, const struct node *node, int64_t silent_usec);
void nodestate_drain(struct core *core, const char *node, const char *reason);

#endif
