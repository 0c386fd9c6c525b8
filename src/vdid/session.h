/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - vdid's end of the node link: hello, orders in, reports out.
 *
 * Reports are kept until the controller has them, also over a reconnect. What must
 * survive this process is not kept here: after a restart the inventory says it anew.
 */
#ifndef VDID_SESSION_H
#define VDID_SESSION_H

#include "base/buf.h"
#include "codec/link_codec.h"
#include "loop/loop.h"
#include <vdi/types.h>

struct session;

struct session_config {
    const char *controller; /* "host:port" */
    const char *cluster;
    const char *node;
    const char *ca_file, *cert_file, *key_file;
    const char *epoch_file; /* where the highest epoch seen is kept */
};

struct session_ops {
    /* An order that is new and of no older epoch. Its answer is session_done(), once. */
    void (*order)(void *arg, const struct link_order *order);
    /* Writes the inventory (codec/inventory.h). */
    void (*inventory)(void *arg, struct buf *out);
};

int session_new(struct loop *loop, const struct session_config *config,
                const struct session_ops *ops, void *arg, struct session **ret,
                struct vdi_error *err);
void session_free(struct session *s);
bool session_is_connected(const struct session *s);
/* The order `op` is finished: code 0 or a positive errno; body may be NULL. */
void session_done(struct session *s, uint64_t op, struct vdi_instance_id id, int code,
                  const char *reason, const char *body_json);
/* Tells the whole inventory anew. */
void session_inventory(struct session *s);
/* An instance changed by itself: a site report with its `state`. */
void session_state(struct session *s, struct vdi_instance_id id, const char *report_json);

#endif
