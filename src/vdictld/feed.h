/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed.h - /v1/events: what happens, as server-sent events (WHATWG HTML, 9.2).
 *
 * The last FEED_KEEP events are kept in memory, so a client that comes back with
 * Last-Event-ID misses nothing unless it was away longer; then it gets `event:
 * reset` and reads the lists anew. A client that does not read is cut off.
 */
#ifndef VDICTLD_FEED_H
#define VDICTLD_FEED_H

#include "vdictld/core.h"

#define FEED_KEEP 20000
#define FEED_CLIENTS_MAX 1000

/* What is said of an event of a job: members of an object, without its braces. */
struct feed_job {
    const char *type;
    int64_t time_usec;
    uint64_t id;
    uint64_t array_id; /* 0: it is in none */
    uint32_t array_task;
    const char *state, *node, *reason;
    int32_t exit_code, exit_signal;
};
void feed_write_job(const struct feed_job *job, struct buf *out);

struct feed *feed_new(struct core *core);
void feed_free(struct feed *feed);
void feed_publish(struct feed *feed, const struct published *p);
uint32_t feed_clients(const struct feed *feed);

#endif
