/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_conn.c - accepted connections: who they are, how many, until when.
 *
 * A connection is counted from accept to close, in all and per client, and one over a limit
 * is closed before anything is read from it. A request has arrive_sec from its line (on a
 * new connection: from accept) to its last byte, and between two requests idle_sec more;
 * then the socket is shut down, whatever trickles in. Both lists are in order of deadline.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "wire/http_internal.h"

#define ACCEPT_AT_ONCE 64
#define ACCEPT_AGAIN_USEC (100 * USEC_PER_MSEC)
#define KEY_UID (UINT64_C(1) << 40)
#define KEY_IPV4 (UINT64_C(1) << 41)

/* IPv6 clients own a /64, so that is what counts as one; global ones are far above KEY_*. */
static uint64_t peer_key(const struct http_conn *conn, const struct sockaddr *addr)
{
    if (conn->is_unix)
        return KEY_UID | conn->uid;
    if (addr->sa_family == AF_INET)
        return KEY_IPV4 | ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr);
    const struct in6_addr *a = &((const struct sockaddr_in6 *)addr)->sin6_addr;
    uint64_t key = 0;
    bool mapped = IN6_IS_ADDR_V4MAPPED(a);
    for (int i = mapped ? 12 : 0; i < (mapped ? 16 : 8); i++)
        key = key << 8 | a->s6_addr[i];
    return mapped ? KEY_IPV4 | key : key;
}

static int identify(struct http_conn *conn, const struct sockaddr *addr)
{
    if (addr->sa_family == AF_UNIX) {
        struct ucred cred;
        socklen_t len = sizeof(cred);
        if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
            return -errno;
        conn->is_unix = true;
        conn->uid = cred.uid;
        conn->gid = cred.gid;
        str_copy(conn->address, sizeof(conn->address), "unix");
        return 0;
    }
    const void *raw = addr->sa_family == AF_INET
                          ? (const void *)&((const struct sockaddr_in *)addr)->sin_addr
                          : (const void *)&((const struct sockaddr_in6 *)addr)->sin6_addr;
    if (!inet_ntop(addr->sa_family, raw, conn->address, sizeof(conn->address)))
        return -errno;
    /* A client that lost its power is noticed although an event stream says nothing. */
    int on = 1;
    setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    return 0;
}

static struct http_peer *peer_get(struct http_server *server, uint64_t key)
{
    struct http_peer *peer = hash_get_u64(server->clients, key);
    if (peer)
        return peer;
    _cleanup_(freep) struct http_peer *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return NULL;
    fresh->key = key;
    if (hash_put_u64(server->clients, key, fresh) < 0)
        return NULL;
    return TAKE_PTR(fresh);
}

static void peer_put(struct http_server *server, struct http_peer *peer)
{
    if (peer->open > 0)
        return;
    hash_remove_u64(server->clients, peer->key);
    free(peer);
}

static int count_in(struct http_conn *conn, const struct sockaddr *addr)
{
    struct http_server *server = conn->listener->server;
    if (server->stats.open >= server->limits.connections)
        return -EBUSY;
    struct http_peer *peer = peer_get(server, peer_key(conn, addr));
    if (!peer)
        return -ENOMEM;
    if (peer->open >= server->limits.connections_client) {
        peer_put(server, peer);
        return -EBUSY;
    }
    conn->peer = peer;
    peer->open++;
    server->stats.open++;
    server->stats.connections++;
    return 0;
}

static void conn_free(struct http_conn *conn)
{
    struct http_server *server = conn->listener->server;
    if (conn->peer) {
        conn->peer->open--;
        server->stats.open--;
        peer_put(server, conn->peer);
    }
    list_remove(&conn->link);
    free(conn);
}

static void arm_timer(struct http_server *server, int64_t deadline_usec, int64_t now_usec)
{
    server->deadline_at_usec = deadline_usec;
    if (deadline_usec != INT64_MAX)
        source_rearm(server->deadline_timer, deadline_usec - now_usec);
}

static void set_deadline(struct http_conn *conn, struct list *list, uint32_t sec)
{
    struct http_server *server = conn->listener->server;
    int64_t now_usec = loop_monotonic_usec(server->loop);
    conn->deadline_usec = now_usec + sec * USEC_PER_SEC;
    list_remove(&conn->link);
    list_append(list, &conn->link);
    if (conn->deadline_usec < server->deadline_at_usec)
        arm_timer(server, conn->deadline_usec, now_usec);
}

static int64_t cut_overdue(struct list *list, int64_t now_usec)
{
    list_for_each_safe (it, list) {
        struct http_conn *conn = list_entry(it, struct http_conn, link);
        if (conn->deadline_usec > now_usec)
            return conn->deadline_usec;
        list_remove(&conn->link);
        log_debug("http: %s: request not whole in time, connection cut", conn->address);
        shutdown(conn->fd, SHUT_RDWR); /* MHD sees the end and closes */
    }
    return INT64_MAX;
}

void http_conn_check_deadlines(void *arg)
{
    struct http_server *server = arg;
    int64_t now_usec = loop_monotonic_usec(server->loop);
    int64_t next_usec = cut_overdue(&server->arriving, now_usec);
    int64_t resting_usec = cut_overdue(&server->resting, now_usec);
    arm_timer(server, resting_usec < next_usec ? resting_usec : next_usec, now_usec);
}

/* The first request's time runs since accept. */
void http_conn_request_begins(struct http_conn *conn)
{
    struct http_server *server = conn->listener->server;
    if (conn->is_resting)
        set_deadline(conn, &server->arriving, server->limits.arrive_sec);
    conn->is_resting = false;
}

void http_conn_request_arrived(struct http_conn *conn)
{
    list_remove(&conn->link);
}

void http_conn_request_ends(struct http_conn *conn)
{
    struct http_server *server = conn->listener->server;
    conn->is_resting = true;
    set_deadline(conn, &server->resting, server->limits.idle_sec + server->limits.arrive_sec);
}

struct http_conn *http_conn_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

void http_conn_on_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode code)
{
    struct http_listener *listener = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_conn *conn = TAKE_PTR(listener->accepting);
        *socket_context = conn;
        if (listener->server->limits.idle_sec != listener->idle_sec)
            MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                      listener->server->limits.idle_sec);
    } else {
        conn_free(*socket_context);
        *socket_context = NULL;
    }
}

int http_conn_add(struct http_listener *listener, int fd, const struct sockaddr *addr,
                  socklen_t addr_len)
{
    struct http_server *server = listener->server;
    struct http_conn *conn = calloc(1, sizeof(*conn));
    int r = conn ? 0 : -ENOMEM;
    if (conn) {
        list_init(&conn->link);
        conn->listener = listener;
        conn->fd = fd;
        r = identify(conn, addr);
        if (r == 0)
            r = count_in(conn, addr);
    }
    if (r < 0) {
        server->stats.refused_connections++;
        if (conn)
            conn_free(conn);
        close(fd);
        return r;
    }
    set_deadline(conn, &server->arriving, server->limits.arrive_sec);
    listener->accepting = conn;
    if (MHD_add_connection(listener->daemon, fd, addr, addr_len) != MHD_YES) {
        /* MHD has closed fd, and told us so if it had taken the connection. */
        struct http_conn *left = TAKE_PTR(listener->accepting);
        if (left)
            conn_free(left);
        server->stats.refused_connections++;
        return -ECONNABORTED;
    }
    http_listener_run(listener);
    return 0;
}

static void accept_again(void *arg)
{
    struct http_listener *listener = arg;
    listener->accept_source =
        loop_fd(listener->server->loop, listener->fd, LOOP_READ, http_conn_accept, listener);
    if (!listener->accept_source)
        source_rearm(listener->accept_again, ACCEPT_AGAIN_USEC);
}

/* Out of descriptors or memory: looking away for a while beats spinning. */
static void accept_pause(struct http_listener *listener)
{
    log_warning("http: cannot accept: %s", strerror(errno));
    source_free(TAKE_PTR(listener->accept_source));
    if (!listener->accept_again)
        listener->accept_again =
            loop_timer(listener->server->loop, ACCEPT_AGAIN_USEC, accept_again, listener);
    else
        source_rearm(listener->accept_again, ACCEPT_AGAIN_USEC);
}

void http_conn_accept(void *arg, int fd, unsigned events)
{
    struct http_listener *listener = arg;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(addr);
        int conn_fd = accept4(fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (conn_fd >= 0)
            http_conn_add(listener, conn_fd, (struct sockaddr *)&addr, len);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            return accept_pause(listener);
        else if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}
