/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.h - HTTP/1.1 (RFC 9112) on a loop: libmicrohttpd with our limits.
 *
 * One http_request is one exchange. The handler is called when the whole body
 * is there; it answers then or later (the connection waits). Every request is
 * answered exactly once; one whose client went away may still be answered
 * (into nothing). Limits are checked before memory is taken: connections in
 * all and per client, header bytes, body bytes, idle seconds, and a deadline
 * for a request to arrive whole (slow loris).
 */
#ifndef WIRE_HTTP_SERVER_H
#define WIRE_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "loop/loop.h"
#include <vdi/types.h>

struct http_server;
struct http_request;

struct http_limits {
    uint32_t connections, connections_client;
    uint32_t header_bytes;
    uint32_t body_bytes;
    uint32_t idle_sec;
    uint32_t arrive_sec; /* first byte to last byte of a request */
};

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
                                    void (*fn)(void *arg, struct http_request *request), void *arg);
/* "unix:PATH" (mode 0666: SO_PEERCRED says who), "https:ADDR:PORT", "http:127.0.0.1:PORT"
 * (loopback only). cert and key: PEM files for https; a key that others can read is refused. */
int http_server_listen(struct http_server *server, const char *address, const char *cert_file,
                       const char *key_file, struct vdi_error *err);
/* The port of the last listen (for port 0). */
uint16_t http_server_port(const struct http_server *server);
/* Holds for connections from now on; of header_bytes only a lower value than at listen. */
void http_server_set_limits(struct http_server *server, const struct http_limits *limits);
/* Ends all connections; open streams get their `closed` callback, open requests must still
 * be answered (into nothing). Not from inside a callback of the server. Takes NULL. */
void http_server_free(struct http_server *server);

struct http_server_stats {
    uint64_t connections, requests, refused_connections, refused_requests;
    uint32_t open;
};
void http_server_stats(const struct http_server *server, struct http_server_stats *ret);

const char *http_request_method(const struct http_request *r);
const char *http_request_path(const struct http_request *r);   /* decoded, no query */
const char *http_request_target(const struct http_request *r); /* as sent: path and query */
const char *http_request_query(const struct http_request *r, const char *name); /* decoded; NULL */
/* Calls fn for every query parameter. */
void http_request_each_query(const struct http_request *r,
                             void (*fn)(void *arg, const char *name, const char *value), void *arg);
const char *http_request_header(const struct http_request *r, const char *name); /* NULL: none */
const char *http_request_body(const struct http_request *r, size_t *ret_len);    /* never NULL */
/* Who is at the other end of a unix socket (SO_PEERCRED); false on TCP. */
bool http_request_peer(const struct http_request *r, uint32_t *ret_uid, uint32_t *ret_gid);
bool http_request_is_secure(const struct http_request *r);      /* TLS, unix or loopback */
const char *http_request_address(const struct http_request *r); /* "127.0.0.1", "unix" */

/* Headers for the answer; copied. */
void http_request_add_header(struct http_request *r, const char *name, const char *value);
/* Answers and frees r. Takes the content out of `body` (may be NULL). */
void http_request_reply(struct http_request *r, unsigned status, const char *content_type,
                        struct buf *body);

/*
 * A long answer in pieces (a list in slices, server-sent events). After
 * http_request_stream, feed it with http_stream_send; when `ready` is called
 * the client has taken what was sent (send the next slice then); it is not called
 * before the first send. `closed` is called once, when the client is gone or after
 * http_stream_end or _abort, never inside a call of yours; the stream is gone then. NULL, with
 * no `closed` to come: the client is gone already or there is no memory; r is answered.
 */
struct http_stream;
struct http_stream *http_request_stream(struct http_request *r, unsigned status,
                                        const char *content_type, void (*ready)(void *arg),
                                        void (*closed)(void *arg), void *arg);
/* Copies. -ENOBUFS: over 8 MiB waiting. */
int http_stream_send(struct http_stream *s, const void *data, size_t len);
size_t http_stream_waiting(const struct http_stream *s);
void http_stream_end(struct http_stream *s);
/* Ends the connection without the end of the answer: the client sees that it was cut short. */
void http_stream_abort(struct http_stream *s);

#endif
