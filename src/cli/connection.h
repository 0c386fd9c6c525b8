/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection.h - what POST /v1/jobs/{id}/connection answers, checked, and virt-viewer's file of it.
 *
 * The answer is hostile until it is checked: a host is a name or an address,
 * a port is a port, no text has a control character. What is written is
 * escaped as GKeyFile reads it, so that no value becomes a line or a group.
 */
#ifndef CLI_CONNECTION_H
#define CLI_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/document.h"
#include <vdi/types.h>

struct connection {
    /* Borrowed from the document; NULL: not there. */
    const char *host, *password, *ca, *host_subject, *proxy;
    uint16_t port, tls_port; /* 0: none; one of the two is there */
    int64_t expires_usec;    /* of the password; 0: not said */
};

/* -EREMOTEIO with err naming the member that is wrong; its value is not repeated. */
int connection_read(const struct value *answer, struct connection *ret, struct vdi_error *err);
/* "gpu01.example.org", "192.0.2.7", "2001:db8::7" */
bool connection_host_is_good(const char *host);
/* Of this machine itself: useless to a viewer on another. */
bool connection_is_loopback(const struct connection *c);
/* A [virt-viewer] file, remote-viewer(1); `title` may be any text. */
void connection_write_vv(const struct connection *c, const char *title, bool fullscreen,
                         struct buf *out);

#endif
