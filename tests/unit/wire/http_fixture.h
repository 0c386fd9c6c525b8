/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_fixture.h - a server in a thread of its own, and raw sockets to try it with.
 *
 * Its paths: /echo (what came), /later (the same, 20 ms later), /hold (until /release),
 * /stream?n= (n slices of 64 KiB), /events (one "hello", then open until the client goes),
 * /peer (uid of the other end), /header (an answer with headers).
 */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/http_server.h"

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct http_limits limits;
    struct source *stop, *apply;
    char dir[64];
    char unix_path[96];
    uint16_t port, tls_port;
    void *thread;
    struct http_request *held[16];
    unsigned n_held, n_later;
    atomic_uint seen, closed, ready, most_waiting;
    struct http_server_stats stats;
};

#define SLICE (64 * 1024)

struct fixture *fixture_new(const struct http_limits *limits, bool tls);
/* Stops the loop and frees the server, open requests included. */
void fixture_free(struct fixture *f);
/* Copies the server's counts, taken on its own thread. */
struct http_server_stats fixture_stats(struct fixture *f);

int raw_connect(const struct fixture *f, bool is_unix);
void raw_send(int fd, const char *text);
/* Reads until `n` times `end` was seen, the end, or 5 s; returns a static text. */
const char *raw_read(int fd, const char *end, unsigned n);
/* True when the server ends the connection within 5 s. */
bool raw_is_cut(int fd);

#endif
