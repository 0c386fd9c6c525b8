/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_outbox.h - at-least-once delivery, exactly once to the application; pure.
 *
 * A sender numbers its messages from 1 within its `stream` (a random name that lives as long
 * as the process) and keeps each until the other side has acknowledged it. After a reconnect
 * it says in its hello its stream and the first number it still has, and sends all of them
 * again; the receiver hands on the next number and drops what it has seen. A number that is
 * left out cannot happen on a TCP connection: it is an error, and the link is closed.
 *
 * What must survive the process is not kept here: orders follow from the controller's own
 * records, reports from what runs on the node, and both are made anew after a restart.
 */
#ifndef WIRE_LINK_OUTBOX_H
#define WIRE_LINK_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_STREAM_LEN 33 /* 128 bits in hex, and the NUL */

struct link_outbox;

int link_stream_new(char ret[LINK_STREAM_LEN]);

/* At most max_messages of max_bytes together. NULL: no memory. */
struct link_outbox *link_outbox_new(size_t max_messages, size_t max_bytes);
void link_outbox_free(struct link_outbox *o);
/* The number the next message gets: it goes into its text. */
uint64_t link_outbox_next_seq(const struct link_outbox *o);
/* The first number that is still kept, or the next one: for the hello. */
uint64_t link_outbox_first_seq(const struct link_outbox *o);
size_t link_outbox_count(const struct link_outbox *o);
/* Copies. -ENOBUFS: full; the peer is then behind by more than it may be. */
int link_outbox_push(struct link_outbox *o, const void *data, size_t len);
/* The next one to send on this connection, or false. Good until the next call. */
bool link_outbox_take(struct link_outbox *o, const void **ret_data, size_t *ret_len);
/* Take gave one that could not be sent: it is taken again. */
void link_outbox_untake(struct link_outbox *o);
/* The peer has all up to seq. -EPROTO: it was never sent. */
int link_outbox_ack(struct link_outbox *o, uint64_t seq);
/* A new connection: everything kept is to be sent again. */
void link_outbox_rewind(struct link_outbox *o);

struct link_inbox {
    char stream[LINK_STREAM_LEN];
    uint64_t last; /* number of the last message handed on: what is acknowledged */
};

/* From the peer's hello. A stream we do not know begins at `first`: it has been acknowledged
 * up to there by whoever was here before us. -EPROTO: messages of a known stream are lost. */
int link_inbox_open(struct link_inbox *in, const char *stream, uint64_t first);
/* 1: hand it on; 0: seen before; -EPROTO: one is missing before it. */
int link_inbox_accept(struct link_inbox *in, uint64_t seq);

#endif
