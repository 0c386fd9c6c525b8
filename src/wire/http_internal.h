/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_internal.h - what the files of the HTTP server share; nobody else includes it.
 *
 * http_server.c   the server, its limits and counts, libmicrohttpd on our loop
 * http_listen.c   addresses, sockets, key files; makes listeners
 * http_conn.c     accepted connections: who, how many, until when
 * http_request.c  one exchange: checks, body, the handler's view, the answer
 * http_target.c   the request target: path and query, decoded
 * http_stream.c   answers in pieces
 */
#ifndef WIRE_HTTP_INTERNAL_H
#define WIRE_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/list.h"
#include "wire/http_server.h"

#define HTTP_ADDRESS_MAX INET6_ADDRSTRLEN
#define HTTP_QUERY_MAX 64 /* parameters of one request */
/* Bodies are in memory until they are answered, also those of callers not known yet: of all
 * requests, and of one client's, at most as much as so many of the largest. */
#define HTTP_BODIES 64
#define HTTP_BODIES_CLIENT 16

struct http_server {
    struct loop *loop;
    struct http_limits limits;
    void (*fn)(void *arg, struct http_request *request);
    void *arg;
    struct list listeners;
    struct hash *clients;  /* struct http_peer by key */
    struct list arriving;  /* connections with a request on its way, by deadline */
    struct list resting;   /* connections between two requests, by deadline */
    struct list suspended; /* requests that wait for an answer or for more of it */
    struct source *deadline_timer;
    int64_t deadline_at_usec; /* when the timer is due; INT64_MAX: not armed */
    bool stopping;
    uint16_t port;
    uint64_t held; /* bytes of bodies */
    struct http_server_stats stats;
};

struct http_listener {
    struct list link;
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int fd;
    bool tls;
    char *unix_path; /* NULL on TCP */
    dev_t unix_dev;  /* of our socket, so that only ours is removed */
    ino_t unix_ino;
    uint32_t idle_sec; /* what the daemon was started with */
    struct source *accept_source, *accept_again, *run_source, *run_timer;
    int64_t run_at_usec;         /* when run_timer is due; 0: not armed */
    struct http_conn *accepting; /* handed to MHD, not yet taken */
};

/* All connections of one client: an IPv4 address, an IPv6 /64, or a uid. */
struct http_peer {
    uint64_t key;
    uint32_t open;
    uint64_t held; /* bytes of bodies */
};

/* One accepted connection, from accept to close. */
struct http_conn {
    struct list link; /* arriving, resting, or alone */
    int64_t deadline_usec;
    struct http_listener *listener;
    struct http_peer *peer;
    int fd; /* MHD's */
    bool is_unix;
    bool is_resting; /* between two requests */
    uint32_t uid, gid;
    char address[HTTP_ADDRESS_MAX];
};

struct http_pair {
    const char *name, *value;
};

/* A target taken apart; the strings live in one block with it. */
struct http_target {
    char *path;
    struct http_pair query[HTTP_QUERY_MAX];
    unsigned n_query;
};

enum http_phase {
    HTTP_HEAD,     /* request line seen */
    HTTP_BODY,     /* body on its way */
    HTTP_HANDLER,  /* the handler has it, and we are inside its call */
    HTTP_WAITING,  /* the handler has it; the connection is suspended */
    HTTP_ANSWERED, /* response is there */
};

struct http_request {
    struct list link; /* server->suspended, or alone */
    enum http_phase phase;
    struct http_server *server;        /* NULL: the server is gone */
    struct MHD_Connection *connection; /* NULL: the client is gone */
    const char *method;
    struct http_target *target; /* NULL until checked */
    struct buf body;
    uint64_t drained; /* body bytes thrown away because there were too many */
    bool is_crowded;  /* ... in all, not in this one */
    uint32_t body_limit;
    bool is_unix;
    uint32_t uid, gid;
    char address[HTTP_ADDRESS_MAX];
    struct http_pair *headers; /* for the answer */
    unsigned n_headers;
    unsigned status;
    struct MHD_Response *response;
    struct http_stream *stream;
    char raw_target[]; /* as sent */
};

/* http_server.c */
/* Lets MHD work soon. */
void http_listener_run(struct http_listener *listener);
int http_listener_start(struct http_listener *listener, char *cert, char *key,
                        struct vdi_error *err);
void http_listener_free(struct http_listener *listener); /* takes NULL */

/* http_conn.c */
void http_conn_accept(void *arg, int fd, unsigned events);
/* Takes fd as if it had been accepted. */
int http_conn_add(struct http_listener *listener, int fd, const struct sockaddr *addr,
                  socklen_t addr_len);
void http_conn_on_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode code);
struct http_conn *http_conn_of(struct MHD_Connection *connection);
void http_conn_request_begins(struct http_conn *conn);
void http_conn_request_arrived(struct http_conn *conn);
void http_conn_request_ends(struct http_conn *conn);
void http_conn_check_deadlines(void *arg);

/* http_request.c */
void *http_request_on_line(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *data, size_t *data_len, void **context);
void http_request_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                               enum MHD_RequestTerminationCode code);
/* Suspends or resumes the connection; also on the server's list. */
void http_request_suspend(struct http_request *r);
void http_request_resume(struct http_request *r);
/* The response is set: sends it, now or when MHD asks. */
void http_request_answered(struct http_request *r, unsigned status, const char *content_type);

/* http_target.c */
/* -EINVAL: a bad escape, a NUL, no absolute path; -E2BIG: too many parameters. */
int http_target_parse(const char *raw, struct http_target **ret);

/* http_stream.c */
void http_stream_closed(struct http_stream *s); /* calls `closed` and frees; takes NULL */

#endif
