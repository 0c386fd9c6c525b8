/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.h - one output stream of the script: what it wrote and the host has not got yet.
 *
 * At most CAPTURE_SLOTS reads are held. When they are not acknowledged the pipe is not read, and
 * the script waits in its write(2): nothing is ever dropped.
 */
#ifndef GUEST_CAPTURE_H
#define GUEST_CAPTURE_H

#include "codec/runner_output.h"
#include "loop/loop.h"

#define CAPTURE_SLOTS 8
/* A virtio port takes 32 KiB of a write(2): head and bytes of a piece are two of them. */
#define CAPTURE_SLOT_BYTES (64u << 10)
#define CAPTURE_SLOT_MAX (CAPTURE_SLOT_BYTES - RUNNER_OUTPUT_HEAD_MAX)

/* Memory of the stream that is filled by reads, one behind the other, and then sent. */
struct capture_slot {
    uint64_t offset;
    size_t len;
    bool is_lent; /* sent from where it is: what comes next goes into another */
};

struct capture {
    struct loop *loop;
    void (*changed)(void *arg); /* there is more to send, or it has ended */
    void *arg;
    int fd;
    struct source *source; /* NULL: the pipe is read when something is to be sent */
    bool is_drained;       /* it had less than there was room for, and no ack came since */
    bool in_burst;         /* what is sent follows something that was sent just now */
    uint64_t base;         /* acknowledged up to here, */
    uint64_t sent, total;  /* sent up to here, read up to here */
    unsigned first, n;     /* slots in use; the first begins at base or before */
    struct capture_slot slots[CAPTURE_SLOTS];
    int64_t left; /* after the script's end: bytes still to be read; -1: it runs */
    uint8_t *data;
};

/* What is sent next. */
struct capture_piece {
    struct runner_output output;
    /* What stands before its bytes in a frame stands before them here: together `head` and these
     * can be written as they are, until they are acknowledged. 0: they must be copied. */
    size_t head_len;
};

enum capture_lending { CAPTURE_COPY, CAPTURE_LEND, CAPTURE_LEND_ONLY };

void capture_init(struct capture *c, struct loop *loop, void (*changed)(void *arg), void *arg);
void capture_done(struct capture *c);
/* Takes the pipe's end. -ENOMEM */
int capture_start(struct capture *c, int fd);
/* The script has ended: what is in the pipe is the last that counts. */
void capture_end(struct capture *c);
bool capture_is_open(const struct capture *c);
/* The next unsent bytes, at most RUNNER_DATA_MAX; false: none, or few while others are under
 * way, or none that can be lent. May read more of the pipe, and so may call changed(). */
bool capture_take(struct capture *c, uint32_t stream, enum capture_lending lending,
                  struct capture_piece *ret);
/* Before a session: the host has so much, what it lacks is sent again. -EPROTO: more than there
 * is. */
int capture_resume(struct capture *c, uint64_t offset);
/* -EPROTO: more than was sent. */
int capture_ack(struct capture *c, uint64_t offset);
uint64_t capture_total(const struct capture *c);

#endif
