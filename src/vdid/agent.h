/* SPDX-License-Identifier: Apache-2.0 */
/* agent.h - the controller's orders done by vdid.h, and what happens here told to it. */
#ifndef VDID_AGENT_H
#define VDID_AGENT_H

#include "codec/node_config.h"
#include "loop/loop.h"

struct agent;

int agent_new(struct loop *loop, const struct node_config *config, struct agent **ret,
              struct vdi_error *err);
/* Ends no instance. */
void agent_free(struct agent *agent);

#endif
