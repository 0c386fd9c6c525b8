/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_outbox.h - numbered frames on the guest runner's port: kept until acknowledged; pure.
 *
 * As on the node link: a sender numbers from 1 under a name that lives as long as its process,
 * keeps each message until it is acknowledged, and on a new session says the name and the first
 * number it still has, and sends again from there. The receiver hands on the next one and drops
 * what it has seen.
 */
#ifndef CODEC_RUNNER_OUTBOX_H
#define CODEC_RUNNER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/runner_codec.h"

#define RUNNER_OUTBOX_MAX 64 /* messages */

struct runner_outbox {
    char sender[RUNNER_SENDER_LEN];
    uint64_t first; /* number of the oldest that is kept, or of the next one */
    unsigned n, n_sent;
    struct buf frames[RUNNER_OUTBOX_MAX]; /* that of number i is at i % RUNNER_OUTBOX_MAX */
};

int runner_outbox_init(struct runner_outbox *o);
void runner_outbox_done(struct runner_outbox *o);
/* Numbers it (m->seq) and keeps its frame. -ENOBUFS: full. *ret_seq may be NULL. */
int runner_outbox_push(struct runner_outbox *o, struct runner_message *m, uint64_t *ret_seq);
/* Appends the next unsent frame; false: there is none. */
bool runner_outbox_take(struct runner_outbox *o, struct buf *out);
void runner_outbox_rewind(struct runner_outbox *o);
/* -EPROTO: it was never given out. */
int runner_outbox_ack(struct runner_outbox *o, uint64_t seq);

struct runner_inbox {
    char sender[RUNNER_SENDER_LEN];
    uint64_t last; /* number of the last one handed on */
};

/* From the hello or the welcome. -EPROTO: messages of a sender we know are lost. */
int runner_inbox_open(struct runner_inbox *in, const char *sender, uint64_t first);
/* 1: hand it on, and count it (last++) once that is done; 0: seen before; -EPROTO: one is
 * missing before it. */
int runner_inbox_accept(const struct runner_inbox *in, uint64_t seq);

#endif
