/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_stream.h - server-sent events as they come (HTML Living Standard, 9.2).
 *
 * Pieces may be cut anywhere. One event is bounded; what is longer ends the stream.
 */
#ifndef CLI_EVENT_STREAM_H
#define CLI_EVENT_STREAM_H

#include "base/buf.h"

#define EVENT_MAX (1u << 20)

struct event_stream {
    struct buf line; /* not yet whole */
    struct buf data;
    char event[32];
    char id[64]; /* the last one seen: for Last-Event-ID */
    int (*each)(void *arg, const char *event, const char *data);
    void *arg;
};

void event_stream_init(struct event_stream *s,
                       int (*each)(void *arg, const char *event, const char *data), void *arg);
/* After a reconnect: drops what was cut off, keeps the id. */
void event_stream_restart(struct event_stream *s);
/* Negative: each() said so, or an event was too long. */
int event_stream_feed(struct event_stream *s, const char *data, size_t len);
void event_stream_done(struct event_stream *s);

#endif
