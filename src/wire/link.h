/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - the node link: frames over mutual TLS between vdid (which opens it) and vdictld.
 *
 * A frame is a length (4 bytes, big-endian) and so many bytes, which are opaque here. The
 * first frames are the hello and its answer: until link_conn_admit() a frame has at most
 * LINK_HELLO_MAX bytes and the whole must be done within the handshake deadline.
 *
 * Everything runs on the loop and nothing blocks. `closed` is called exactly once for each
 * connection that was announced (`authenticated`, `connected`), never from inside a call
 * into this interface; the connection is gone when it returns. Only freeing the server or
 * the client ends connections without it.
 */
#ifndef WIRE_LINK_H
#define WIRE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdi/types.h>

struct loop;
struct link_conn;
struct link_outbox;
struct link_server;
struct link_client;
struct link_tls;
struct pki_revoked;

#define LINK_HELLO_MAX ((size_t)64 * 1024)
#define LINK_FRAME_MAX ((size_t)1024 * 1024)
#define LINK_QUEUE_MAX ((size_t)4 * 1024 * 1024) /* bytes waiting to be sent */
#define LINK_NODE_MAX 64                         /* a node's name with its NUL */
#define LINK_ADDRESS_MAX 64

/* ---- trust ---- */

struct link_tls_config {
    const char *ca_file;
    const char *cert_file, *key_file; /* our own; the key must be nobody else's to read */
    const char *peer_name;            /* client: the name in the controller's certificate */
};

/* The controller's side: asks for a node's certificate (clientAuth, CN = node name).
 * `revoked` (may be NULL) is taken. */
int link_tls_new_server(const struct link_tls_config *config, struct pki_revoked *revoked,
                        struct link_tls **ret, struct vdi_error *err);
/* The node's side: the controller's certificate must carry serverAuth and peer_name. */
int link_tls_new_client(const struct link_tls_config *config, struct link_tls **ret,
                        struct vdi_error *err);
/* A node that has no certificate yet: trusts the CA with this SHA-256 (64 hex digits). */
int link_tls_new_enroll(const char *ca_fingerprint, struct link_tls **ret, struct vdi_error *err);
/* Reads key and certificate anew (they were renewed); for connections from here on. */
int link_tls_reload(struct link_tls *tls, const struct link_tls_config *config,
                    struct vdi_error *err);
/* Takes `revoked`. For connections already there: link_server_recheck(). */
void link_tls_set_revoked(struct link_tls *tls, struct pki_revoked *revoked);
/* After the servers and clients that use it. */
void link_tls_free(struct link_tls *tls);

/* The highest version that both speak; -EPROTONOSUPPORT: there is none; -EINVAL: min > max. */
int link_negotiate(uint32_t my_min, uint32_t my_max, uint32_t peer_min, uint32_t peer_max,
                   uint32_t *ret);

/* ---- one connection, of either side ---- */

/* Copies the frame into the queue. -EMSGSIZE: over the limit. -ENOBUFS: the queue is full,
 * and the connection will be closed for it. -ENOTCONN: it is closing already. */
int link_conn_send(struct link_conn *conn, const void *data, size_t len);
/* Sends what of the outbox was not sent on this connection yet, as far as the queue is not half
 * full: more than it holds may be kept for a peer that comes back. To be called again whenever
 * the peer has acknowledged something. Takes NULL for conn. */
void link_conn_send_waiting(struct link_conn *conn, struct link_outbox *outbox);
/* What is queued still goes out (for at most a second); no more frames come in. */
void link_conn_close(struct link_conn *conn, const char *reason);
/* The hello was good: no deadline from here on, frames up to LINK_FRAME_MAX. */
void link_conn_admit(struct link_conn *conn);
const char *link_conn_node(const struct link_conn *conn);    /* client: the controller's name */
const char *link_conn_address(const struct link_conn *conn); /* "10.0.0.7:41234" */
int64_t link_conn_silent_usec(const struct link_conn *conn); /* since the last byte came in */
size_t link_conn_queued(const struct link_conn *conn);
void link_conn_set_data(struct link_conn *conn, void *data);
void *link_conn_data(const struct link_conn *conn);

/* 0 in a member: the default. */
struct link_limits {
    int64_t handshake_usec;  /* accept or connect to link_conn_admit(): 10 s */
    int64_t silent_usec;     /* an admitted connection without a byte is closed: 15 s */
    unsigned conns;          /* in all: 16384 */
    unsigned pending;        /* not admitted: 1024 */
    unsigned pending_per_ip; /* of one address (IPv6: of one /64): 16 */
};

/* ---- the controller ---- */

struct link_server_ops {
    /* TLS is done and this is the node. Its hello comes as the first frame. A second
     * connection of the same node is only reported: which one stays is the caller's. */
    void (*authenticated)(void *arg, struct link_conn *conn, const char *node);
    void (*frame)(void *arg, struct link_conn *conn, const void *data, size_t len);
    void (*closed)(void *arg, struct link_conn *conn, const char *reason);
    /* [NULL: a certificate is a must] One frame from a peer without a certificate. The
     * connection stays until it is answered and closed, or its deadline passes; `closed`
     * is called for it if it was not closed by the caller. */
    void (*enroll)(void *arg, struct link_conn *conn, const void *data, size_t len);
};

/* address: "10.0.0.1:6820", "[::]:6820"; numeric. tls stays the caller's. limits may be NULL. */
int link_server_new(struct loop *loop, struct link_tls *tls, const char *address,
                    const struct link_limits *limits, const struct link_server_ops *ops, void *arg,
                    struct link_server **ret, struct vdi_error *err);
void link_server_free(struct link_server *server);
uint16_t link_server_port(const struct link_server *server);
unsigned link_server_conns(const struct link_server *server);
/* Closes connections whose certificate has expired or is revoked by now. */
void link_server_recheck(struct link_server *server);
/* link_limits.silent_usec from now on, also for connections that are there. */
void link_server_set_silence(struct link_server *server, int64_t usec);

/* ---- the node ---- */

struct link_client_ops {
    /* TLS is done and this is the controller: send the hello. The controller may still
     * refuse our certificate, which is then the reason that `closed` is given. */
    void (*connected)(void *arg, struct link_conn *conn);
    void (*frame)(void *arg, struct link_conn *conn, const void *data, size_t len);
    void (*closed)(void *arg, struct link_conn *conn, const char *reason);
    /* [may be NULL] An attempt came to nothing; the next is in retry_usec. */
    void (*failed)(void *arg, const char *reason, int64_t retry_usec);
    /* [may be NULL] Every heartbeat_usec on an admitted connection. */
    void (*heartbeat)(void *arg, struct link_conn *conn);
};

struct link_client_config {
    const char *address; /* "host:port"; names by /etc/hosts and DNS */
    struct link_limits limits;
    int64_t heartbeat_usec; /* 0: 5 s */
    int64_t retry_min_usec; /* 0: 0.2 s */
    int64_t retry_max_usec; /* 0: 10 s */
};

/* Connects, and again after every loss, until it is freed. The first attempt is made on the
 * loop's next round. tls stays the caller's; what config points to is copied. */
int link_client_new(struct loop *loop, struct link_tls *tls,
                    const struct link_client_config *config, const struct link_client_ops *ops,
                    void *arg, struct link_client **ret, struct vdi_error *err);
void link_client_free(struct link_client *client);
void link_client_set_heartbeat(struct link_client *client, int64_t usec);
void link_client_set_silence(struct link_client *client, int64_t usec);

#endif
