/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodelink.h - the controller's end of the node links: who is there, orders out, reports in.
 *
 * A node's silence is not its death: after node_down_after it is DOWN and its jobs are
 * unreachable, after node_fail_after (or a new boot id) they are lost. A node that comes
 * back is told to stop what no longer counts before anything new is placed on it.
 */
#ifndef VDICTLD_NODELINK_H
#define VDICTLD_NODELINK_H

#include "vdictld/core.h"

struct nodelink;

/* NULL with err->code 0: vdi.conf has no node_listen. */
struct nodelink *nodelink_new(struct core *core, struct vdi_error *err);
void nodelink_free(struct nodelink *links);
/*
 * Sends an order; it reaches the node once, also over a reconnect. `done` is called with
 * the node's answer, unless the link's buffers are full (-EBUSY) or the node was never
 * seen (-ENOTCONN): then at once by return value. `verb` is one of link_codec.h.
 */
int nodelink_order(struct nodelink *links, const char *node, const char *verb,
                   struct vdi_instance_id id, const char *body_json,
                   void (*done)(void *arg, int result, const char *body, const char *reason),
                   void *arg);
/* Asks a node for its inventory, soon: what the last one told was not kept. Links may be NULL. */
void nodelink_ask(struct nodelink *links, const char *node);
/* A new vdi.conf is in force: who is no longer in it loses its link, as does, soon after, who
 * has a certificate that was revoked meanwhile; the controller's own pair is read again. Takes
 * NULL. */
void nodelink_configured(struct nodelink *links);
uint32_t nodelink_connected(const struct nodelink *links);
/* For so long nothing was heard of the node; 0: it is connected. links may be NULL. */
int64_t nodelink_silent_usec(const struct nodelink *links, const char *node);

#endif
