/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - the guest's end of the virtio port (or a socket, or a tty): bytes in, bytes pulled out.
 *
 * It is opened, and opened again, until it is freed; the far end may come and go.
 */
#ifndef GUEST_PORT_H
#define GUEST_PORT_H

#include <sys/uio.h>

#include "base/buf.h"
#include "loop/loop.h"

#define PORT_LOANS_MAX 3

struct port;

struct port_handler {
    void (*up)(void *arg);                                 /* somebody is there, perhaps anew */
    void (*data)(void *arg, const void *data, size_t len); /* at most 64 KiB */
    /* Appends one frame, or lends one: bytes that stay where and what they are until they are
     * written, after those in `out`. `out` NULL: only lends. False: nothing to say. */
    bool (*fill)(void *arg, struct buf *out, struct iovec *loan);
};

/* path NULL: the port RUNNER_PORT_NAME, wherever the kernel has put it. Takes until it is there. */
struct port *port_new(struct loop *loop, const char *path, const struct port_handler *handler,
                      void *arg);
void port_free(struct port *p);
/* There is something to say. Calls fill(), unless called from a handler. */
void port_kick(struct port *p);
/* What was not written yet is forgotten, and what was lent is given back. */
void port_drop_unsent(struct port *p);
unsigned port_loans(const struct port *p); /* that are not written yet */

#endif
