/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_internal.h - between the files of the node link: a hub and its connections.
 *
 * A server is a hub of many connections, a client a hub of one. A connection is freed by
 * its hub's work and by nothing else, so a pointer to it is good for the whole callback.
 */
#ifndef WIRE_LINK_INTERNAL_H
#define WIRE_LINK_INTERNAL_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/list.h"
#include "loop/loop.h"
#include "wire/link.h"
#include "wire/link_frame.h"

enum link_state {
    LINK_CONNECTING, /* client: TCP */
    LINK_HANDSHAKE,  /* TLS */
    LINK_HELLO,      /* the peer is known, its hello is not yet accepted */
    LINK_ADMITTED,
    LINK_ENDING, /* the owner is told next, then it lingers or goes */
    LINK_LINGER, /* what is queued goes out, then we wait for the peer to close */
};

struct link_hub;

struct link_conn {
    struct list link; /* one of the hub's lists, by state; each in order of since_usec */
    struct list work; /* hub->work, or alone */
    struct link_hub *hub;
    SSL *ssl;
    int fd;
    enum link_state state;
    bool is_announced; /* the owner knows it */
    bool is_anonymous; /* server: has no certificate, may enroll */
    bool is_polite;    /* ENDING: what is queued still goes out */
    bool is_broken;    /* TLS is beyond use: no close_notify */
    bool is_shut;      /* our side is closed */
    bool is_blocked;   /* waiting for the socket to take more */
    bool is_behind;    /* has read its share of this round; more may be decoded already */
    struct source *readable, *writable;
    struct link_decoder rx;
    size_t rx_limit;
    struct buf tx;
    size_t tx_sent;
    int64_t since_usec; /* HELLO and before: its begin; ADMITTED: last heard; LINGER: its begin */
    int64_t heard_usec;
    void *data;
    char *reason; /* ENDING */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
    char node[LINK_NODE_MAX];
};

struct link_hub {
    struct loop *loop;
    struct link_tls *tls;
    struct link_limits limits;
    bool is_server;
    struct list pending, admitted, ending, lingering; /* of struct link_conn.link */
    unsigned n_pending, n_conns;
    struct list work;
    struct source *work_timer, *sweep_timer;
    int64_t round_usec;           /* when this round began for the hub; 0: not yet */
    int64_t handshake_spent_usec; /* in this round */
    void *owner;
    void (*known)(void *owner, struct link_conn *conn); /* LINK_HELLO has been reached */
    void (*frame)(void *owner, struct link_conn *conn, const void *data, size_t len);
    void (*admitted_fn)(void *owner, struct link_conn *conn);
    /* Of every connection that was announced or (client) attempted; it is freed after that. */
    void (*ended)(void *owner, struct link_conn *conn, const char *reason);
};

/* ---- link_tls.c ---- */

struct link_tls {
    SSL_CTX *ctx;
    bool is_server;
    char peer_name[128];
    struct pki_revoked *revoked;
    unsigned char pin[32]; /* enroll: the CA's fingerprint */
};

/* Server: clients are asked for a certificate, and refused without one if is_must. */
void link_tls_ask(struct link_tls *tls, bool is_must);
/* What verification says against the peer's certificate at this moment; NULL: nothing. */
const char *link_tls_objection(const struct link_tls *tls, SSL *ssl);
/* A session over fd, which stays the caller's. NULL: no memory. */
SSL *link_tls_session(struct link_tls *tls, int fd);
/* 1: the peer is who *ret says. 0: it has no certificate. -EKEYREJECTED: not one we accept. */
int link_tls_peer(const struct link_tls *tls, SSL *ssl, char *ret, size_t size);
/* Why the last call failed, in buf; empties OpenSSL's queue of errors. */
const char *link_tls_error(SSL *ssl, int saved_errno, char *buf, size_t size);

/* ---- link_bio.c ---- */

/* A socket as OpenSSL reads and writes it: no SIGPIPE, and no recv() that can only say
 * EAGAIN. NULL: no memory. */
BIO *link_bio_new(int fd);

/* ---- link_hub.c ---- */

int link_hub_init(struct link_hub *hub, struct loop *loop, struct link_tls *tls,
                  const struct link_limits *limits, bool is_server, void *owner);
void link_hub_done(struct link_hub *hub); /* frees its connections without a word */
/* Takes the fd. connecting: connect(2) is under way. NULL: no memory. */
struct link_conn *link_hub_add(struct link_hub *hub, int fd, const struct sockaddr *peer,
                               socklen_t peer_len, bool connecting);
/* To the list of its state. */
void link_hub_file(struct link_conn *conn);
/* The hub's work comes to it before the loop waits again. */
void link_hub_work(struct link_conn *conn);
/* False when this round has had its share: the sockets stay ready and come again. */
bool link_hub_has_time(struct link_hub *hub);
void link_hub_recheck(struct link_hub *hub);

/* ---- link_conn.c ---- */

void link_conn_start(struct link_conn *conn); /* arms its sources; may end it */
void link_conn_on_fd(void *arg, int fd, unsigned events);
void link_conn_read(struct link_conn *conn);
void link_conn_flush(struct link_conn *conn);
void link_conn_linger(struct link_conn *conn);
/* Ends it at once, with what is queued thrown away. */
void link_conn_fail(struct link_conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void link_conn_free(struct link_conn *conn);

/* ---- link_address.c ---- */

#define LINK_HOST_MAX 256
/* "host:port", "[v6]:port" into its parts. */
int link_address_split(const char *address, char *ret_host, char *ret_port, struct vdi_error *err);
void link_address_text(const struct sockaddr *address, char *buf, size_t size);
/* Of one address, or of one IPv6 /64. */
bool link_address_is_near(const struct sockaddr *a, const struct sockaddr *b);
/* TCP_NODELAY, keepalive, TCP_USER_TIMEOUT: a peer that is gone is noticed in 15 s. */
void link_socket_tune(int fd);

#endif
