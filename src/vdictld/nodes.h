/* SPDX-License-Identifier: Apache-2.0 */
/* nodes.h - bringing the nodes of vdi.conf into the events. */
#ifndef VDICTLD_NODES_H
#define VDICTLD_NODES_H

#include "vdictld/core.h"

/* Stages what makes the nodes those of the configuration; nothing when they are. */
int nodes_configure(struct core *core, struct txn *txn, const struct config *config,
                    struct vdi_error *err);

#endif
