/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.h - one output stream of the script: what it wrote and the host has not got yet.
 *
 * At most RUNNER_WINDOW bytes are held. When they are not acknowledged the pipe is not read, and
 * the script waits in its write(2): nothing is ever dropped.
 */
#ifndef GUEST_CAPTURE_H
#define GUEST_CAPTURE_H

#include "codec/runner_codec.h"
#include "loop/loop.h"

struct capture {
    struct loop *loop;
    void (*changed)(void *arg); /* there is more to send, or it has ended */
    void *arg;
    int fd;
    struct source *source; /* NULL: not reading, the window is full */
    uint64_t base;         /* offset of data[0]: acknowledged up to here */
    size_t len, n_sent;
    int64_t left; /* after the script's end: bytes still to be read; -1: it runs */
    uint8_t *data;
};

void capture_init(struct capture *c, struct loop *loop, void (*changed)(void *arg), void *arg);
void capture_done(struct capture *c);
/* Takes the pipe's end. -ENOMEM */
int capture_start(struct capture *c, int fd);
/* The script has ended: what is in the pipe is the last that counts. */
void capture_end(struct capture *c);
bool capture_is_open(const struct capture *c);
/* The next unsent bytes, at most RUNNER_DATA_MAX; false: none, or few while others are under
 * way. */
bool capture_take(struct capture *c, struct runner_message *m);
/* Before a session: the host has so much, what it lacks is sent again. -EPROTO: more than there
 * is. */
int capture_resume(struct capture *c, uint64_t offset);
/* -EPROTO: more than was sent. */
int capture_ack(struct capture *c, uint64_t offset);
uint64_t capture_total(const struct capture *c);

#endif
