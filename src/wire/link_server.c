/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_server.c - the controller's side: takes connections in, within limits.
 *
 * What waits to be known is bounded in all and per address. At a bound of the whole the
 * listener rests and the kernel's backlog holds the rest: thousands of nodes that come back
 * at once are let in as fast as their handshakes are done, and none is turned away.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "wire/link_internal.h"

#define ACCEPTS_PER_ROUND 16
#define BACKLOG 4096
#define REST_USEC (50 * USEC_PER_MSEC)

struct link_server {
    struct link_hub hub;
    struct link_server_ops ops;
    void *arg;
    int fd;
    struct source *listener; /* NULL: resting */
    struct source *resume_timer;
};

DEFINE_FREEP(struct link_server, link_server_free)

/* ---- from the hub ---- */

static void on_known(void *owner, struct link_conn *conn)
{
    struct link_server *server = owner;
    if (conn->is_anonymous)
        return; /* it may enroll, with its first frame */
    conn->is_announced = true;
    server->ops.authenticated(server->arg, conn, conn->node);
}

static void on_frame(void *owner, struct link_conn *conn, const void *data, size_t len)
{
    struct link_server *server = owner;
    if (!conn->is_anonymous)
        server->ops.frame(server->arg, conn, data, len);
    else if (!conn->is_announced) {
        conn->is_announced = true;
        server->ops.enroll(server->arg, conn, data, len);
    } else
        link_conn_fail(conn, "it sent more than the one frame of an enrollment");
}

static void on_ended(void *owner, struct link_conn *conn, const char *reason)
{
    struct link_server *server = owner;
    if (conn->is_announced)
        server->ops.closed(server->arg, conn, reason);
    else
        log_info("node link from %s: %s", link_conn_address(conn), reason);
}

/* ---- listening ---- */

static void on_acceptable(void *arg, int fd, unsigned events);

static void listen_again(void *arg)
{
    struct link_server *server = arg;
    if (!server->listener)
        server->listener = loop_fd(server->hub.loop, server->fd, LOOP_READ, on_acceptable, server);
    if (!server->listener)
        source_rearm(server->resume_timer, REST_USEC);
}

static void rest(struct link_server *server)
{
    source_free(server->listener);
    server->listener = NULL;
    source_rearm(server->resume_timer, REST_USEC);
}

static bool is_full(const struct link_server *server)
{
    const struct link_hub *hub = &server->hub;
    if (hub->n_conns >= hub->limits.conns)
        log_warning("node link: %u connections are the limit; further ones wait", hub->n_conns);
    return hub->n_conns >= hub->limits.conns || hub->n_pending >= hub->limits.pending;
}

static unsigned count_near(struct link_hub *hub, const struct sockaddr *peer)
{
    unsigned n = 0;
    list_for_each (it, &hub->pending)
        n += link_address_is_near(&list_entry(it, struct link_conn, link)->peer.any, peer);
    return n;
}

static void take(struct link_server *server, int fd, const struct sockaddr *peer, socklen_t len)
{
    char text[LINK_ADDRESS_MAX];
    if (count_near(&server->hub, peer) >= server->hub.limits.pending_per_ip) {
        link_address_text(peer, text, sizeof(text));
        log_info("node link from %s: %u of its address are not yet known; turned away", text,
                 server->hub.limits.pending_per_ip);
        close(fd);
    } else if (!link_hub_add(&server->hub, fd, peer, len, false))
        close(fd);
}

static void on_acceptable(void *arg, int listener, unsigned events)
{
    struct link_server *server = arg;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        if (is_full(server)) {
            rest(server);
            return;
        }
        int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            take(server, fd, (struct sockaddr *)&peer, len);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            log_error("node link: no connection can be taken: %s", strerror(errno));
            rest(server);
            return;
        } else if (errno == EAGAIN)
            return;
    }
}

static int open_listener(const char *address, struct vdi_error *err)
{
    static const int on = 1;
    char host[LINK_HOST_MAX], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found;
    int r = link_address_split(address, host, port, err);
    if (r < 0)
        return r;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        error_set(err, EINVAL, "address", "\"%s\" is not a numeric address.", host);
        error_hint(err, NULL, "Write it as \"10.0.0.1:6820\" or \"[::]:6820\".");
        return -EINVAL;
    }
    _cleanup_(closep) int fd =
        socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    r = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0
            ? -errno
            : 0;
    freeaddrinfo(found);
    if (r < 0)
        return error_set(err, r, "address", "%s cannot be listened on: %s.", address, strerror(-r));
    return TAKE_FD(fd);
}

int link_server_new(struct loop *loop, struct link_tls *tls, const char *address,
                    const struct link_limits *limits, const struct link_server_ops *ops, void *arg,
                    struct link_server **ret, struct vdi_error *err)
{
    _cleanup_(link_server_freep) struct link_server *server = calloc(1, sizeof(*server));
    if (!server)
        return -ENOMEM;
    server->ops = *ops;
    server->arg = arg;
    server->fd = open_listener(address, err);
    if (server->fd < 0)
        return server->fd;
    int r = link_hub_init(&server->hub, loop, tls, limits, true, server);
    if (r < 0)
        return r;
    server->hub.known = on_known;
    server->hub.frame = on_frame;
    server->hub.ended = on_ended;
    link_tls_ask(tls, !ops->enroll);
    server->resume_timer = loop_timer(loop, -1, listen_again, server);
    if (!server->resume_timer)
        return -errno;
    listen_again(server);
    *ret = TAKE_PTR(server);
    return 0;
}

void link_server_free(struct link_server *server)
{
    if (!server)
        return;
    link_hub_done(&server->hub);
    source_free(server->listener);
    source_free(server->resume_timer);
    closep(&server->fd);
    free(server);
}

uint16_t link_server_port(const struct link_server *server)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(server->fd, &address.any, &len) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

unsigned link_server_conns(const struct link_server *server)
{
    return server->hub.n_conns;
}

void link_server_set_silence(struct link_server *server, int64_t usec)
{
    server->hub.limits.silent_usec = usec;
}

void link_server_recheck(struct link_server *server)
{
    link_hub_recheck(&server->hub);
}
