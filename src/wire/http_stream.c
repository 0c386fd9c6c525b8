/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_stream.c - answers in pieces, at the pace of who reads them.
 *
 * MHD pulls; when there is nothing to pull the connection is suspended, and MHD does not
 * look at it: a watch for the peer's end (EPOLLRDHUP) sees clients that go away meanwhile.
 * `closed` is called exactly once, from MHD's notice of the request's end.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "wire/http_internal.h"

#define STREAM_WAITING_MAX (8 * 1024 * 1024)
#define STREAM_BLOCK (32 * 1024)

struct http_stream {
    struct http_request *request;
    struct buf data;
    size_t sent; /* bytes of data that are already taken */
    bool suspended, fed, ended, gone;
    struct event *gone_event;
    void (*ready)(void *arg);
    void (*closed)(void *arg);
    void *arg;
};

static void stream_resume(struct http_stream *s)
{
    if (!s->suspended)
        return;
    s->suspended = false;
    http_request_resume(s->request);
}

static void on_gone(evutil_socket_t fd, short what, void *arg)
{
    struct http_stream *s = arg;
    s->gone = true;
    stream_resume(s);
}

size_t http_stream_waiting(const struct http_stream *s)
{
    return s->data.len - s->sent;
}

static ssize_t take(struct http_stream *s, char *block, size_t max)
{
    size_t n = http_stream_waiting(s);
    if (n > max)
        n = max;
    memcpy(block, s->data.data + s->sent, n);
    s->sent += n;
    if (s->sent == s->data.len) {
        buf_clear(&s->data);
        s->sent = 0;
    }
    return (ssize_t)n;
}

/* MHD wants the next block: all before it is in the socket. */
static ssize_t on_pull(void *cls, uint64_t pos, char *block, size_t max)
{
    struct http_stream *s = cls;
    if (s->gone || s->request->server->stopping)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (http_stream_waiting(s) == 0 && s->fed && !s->ended) {
        s->fed = false;
        if (s->ready)
            s->ready(s->arg);
        if (s->gone)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (http_stream_waiting(s) > 0)
        return take(s, block, max);
    if (s->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    s->suspended = true;
    http_request_suspend(s->request);
    return 0;
}

void http_stream_closed(struct http_stream *s)
{
    if (!s)
        return;
    if (s->gone_event)
        event_free(s->gone_event);
    buf_done(&s->data);
    if (s->closed)
        s->closed(s->arg);
    free(s);
}

static int stream_watch(struct http_stream *s)
{
    struct http_request *r = s->request;
    s->gone_event = event_new(loop_base(r->server->loop), http_conn_of(r->connection)->fd,
                              EV_CLOSED, on_gone, s);
    return s->gone_event && event_add(s->gone_event, NULL) == 0 ? 0 : -ENOMEM;
}

struct http_stream *http_request_stream(struct http_request *r, unsigned status,
                                        const char *content_type, void (*ready)(void *arg),
                                        void (*closed)(void *arg), void *arg)
{
    struct http_stream *s = r->connection ? calloc(1, sizeof(*s)) : NULL;
    if (s) {
        s->request = r;
        s->ready = ready;
        s->closed = closed;
        s->arg = arg;
        s->data = BUF_INIT(0);
        r->response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_pull, s, NULL);
    }
    if (!s || !r->response || stream_watch(s) < 0) {
        if (s && s->gone_event)
            event_free(s->gone_event);
        free(s);
        if (r->response)
            MHD_destroy_response(TAKE_PTR(r->response));
        http_request_reply(r, 503, NULL, NULL);
        return NULL;
    }
    r->stream = s;
    http_request_answered(r, status, content_type);
    return s;
}

int http_stream_send(struct http_stream *s, const void *data, size_t len)
{
    if (s->gone || s->ended)
        return -EPIPE;
    if (http_stream_waiting(s) + len > STREAM_WAITING_MAX)
        return -ENOBUFS;
    if (s->sent > s->data.len / 2) {
        buf_consume(&s->data, s->sent);
        s->sent = 0;
    }
    int r = buf_append(&s->data, data, len);
    if (r < 0) {
        s->data.failed = false; /* this piece is refused, those before it still go */
        return r;
    }
    s->fed = true;
    stream_resume(s);
    return 0;
}

void http_stream_end(struct http_stream *s)
{
    s->ended = true;
    stream_resume(s);
}

void http_stream_abort(struct http_stream *s)
{
    s->gone = true;
    stream_resume(s);
}
