/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http.c - bytes of a connection into the HTTP server, through libmicrohttpd. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/http_internal.h"

#define ROUNDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_request *held[64];
static unsigned n_held;

static void see(void *arg, const char *name, const char *value)
{
    *(size_t *)arg += strlen(name) + strlen(value);
}

static void nothing(void *arg)
{
}

/* Looks at everything; then by path: a stream, an answer after the end, or one at once. */
static void on_request(void *arg, struct http_request *r)
{
    size_t sum = 0, len;
    struct buf out = BUF_INIT(0);
    http_request_each_query(r, see, &sum);
    buf_append(&out, http_request_body(r, &len), 0);
    buf_append(&out, http_request_body(r, &len), len);
    buf_puts(&out, http_request_path(r));
    buf_puts(&out, http_request_target(r));
    if (http_request_header(r, "Authorization"))
        buf_puts(&out, http_request_header(r, "Authorization"));
    if (http_request_path(r)[1] == 's') {
        struct http_stream *s = http_request_stream(r, 200, "text/plain", nothing, nothing, NULL);
        if (s && http_stream_send(s, out.data, out.len) == 0 && len)
            http_stream_end(s);
        buf_done(&out);
    } else if (http_request_path(r)[1] == 'h' && n_held < 64) {
        held[n_held++] = r;
        buf_done(&out);
    } else {
        http_request_reply(r, 200, "text/plain", &out);
    }
}

static void rounds(struct loop *loop, int fd)
{
    char answer[4096];
    for (int i = 0; i < ROUNDS; i++) {
        loop_run_once(loop, false);
        while (fd >= 0 && recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
            ;
    }
}

static void feed(struct http_listener *listener, const uint8_t *data, size_t size)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct loop *loop = listener->server->loop;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    if (http_conn_add(listener, fds[1], (struct sockaddr *)&addr, sizeof(sa_family_t)) < 0)
        abort();
    /* In two pieces, so that states between packets are met too. */
    for (int piece = 0; piece < 2; piece++) {
        size_t begin = piece ? size / 2 : 0, end = piece ? size : size / 2;
        if (send(fds[0], data + begin, end - begin, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
            errno != EAGAIN && errno != ECONNRESET)
            abort();
        rounds(loop, fds[0]);
    }
    close(fds[0]);
    rounds(loop, -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits limits = {.connections = 4,
                                              .connections_client = 4,
                                              .header_bytes = 2048,
                                              .body_bytes = 1024,
                                              .idle_sec = 10,
                                              .arrive_sec = 10};
    struct loop *loop = loop_new();
    struct http_server *server = http_server_new(loop, &limits, on_request, NULL);
    struct http_listener *listener = calloc(1, sizeof(*listener));
    if (!server || !listener)
        abort();
    list_init(&listener->link);
    listener->server = server;
    listener->fd = -1;
    if (http_listener_start(listener, NULL, NULL, NULL) < 0)
        abort();
    list_append(&server->listeners, &listener->link);
    feed(listener, data, size);
    while (n_held > 1)
        http_request_reply(held[--n_held], 200, NULL, NULL);
    rounds(loop, -1);
    http_server_free(server);
    while (n_held > 0) /* answered after the server has gone */
        http_request_reply(held[--n_held], 200, NULL, NULL);
    loop_free(loop);
    return 0;
}
