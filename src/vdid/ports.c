/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.c - the TCP ports of this node's sessions.
 *
 * Taken in turn, so that a port that was just given back is the last to be given
 * out: a client that still holds the old one does not meet a stranger's desktop.
 */
#include "vdid/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"

struct ports {
    uint16_t min, max;
    uint32_t next; /* offset from min */
    bool taken[];
};

struct ports *ports_new(uint16_t min, uint16_t max)
{
    size_t n = (size_t)(max - min) + 1;
    struct ports *p = calloc(1, sizeof(*p) + n * sizeof(p->taken[0]));

    if (p) {
        p->min = min;
        p->max = max;
    }
    return p;
}

void ports_free(struct ports *p)
{
    free(p);
}

bool ports_reserve(struct ports *p, uint16_t port)
{
    if (port < p->min || port > p->max || p->taken[port - p->min])
        return false;
    p->taken[port - p->min] = true;
    /* libvirt may have it for a moment still when its instance is gone: it is not the next. */
    p->next = ((uint32_t)(port - p->min) + 1) % ((uint32_t)(p->max - p->min) + 1);
    return true;
}

static socklen_t make_address(const char *address, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
        return 0;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof(*v6);
}

/* SO_REUSEADDR as QEMU has it: a listener is in the way, connections that ended are not. */
bool port_is_free(const char *address, uint16_t port)
{
    struct sockaddr_storage to;
    socklen_t len = make_address(address, port, &to);
    _cleanup_(closep) int fd = len ? socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    int one = 1;

    return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
           bind(fd, (struct sockaddr *)&to, len) == 0 && listen(fd, 1) == 0;
}

int ports_take(struct ports *p, const char *address, uint16_t *ret, struct vdi_error *err)
{
    uint32_t n = (uint32_t)(p->max - p->min) + 1;
    char limit[32];

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (p->next + i) % n;

        if (p->taken[at] || !port_is_free(address, (uint16_t)(p->min + at)))
            continue;
        p->taken[at] = true;
        p->next = (at + 1) % n;
        *ret = (uint16_t)(p->min + at);
        return 0;
    }
    error_set(err, EADDRINUSE, "ports", "no port is free at %s", address);
    snprintf(limit, sizeof(limit), "%u to %u", p->min, p->max);
    error_hint(err, limit, "give vdid a larger range, or look at who listens there");
    return -EADDRINUSE;
}

void ports_release(struct ports *p, uint16_t port)
{
    if (port >= p->min && port <= p->max)
        p->taken[port - p->min] = false;
}
