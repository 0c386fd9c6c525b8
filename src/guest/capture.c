/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.c - one output stream of the script: what it wrote and the host has not got yet.
 *
 * System calls are what output costs. So the pipe is watched only while nothing is under way; else
 * it is read when an ack comes, and has much by then, which one call reads and another one sends.
 * A slot has room for what stands before its bytes on the wire, so they are sent from where they
 * were read.
 */
#include "guest/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "codec/runner_codec.h"
#include "codec/runner_raw.h"

#define PIPE_BYTES (1u << 20) /* a script that writes much is stopped seldom */
#define SEND_MIN (32u << 10)  /* while something is under way; else whatever there is */
_Static_assert(CAPTURE_SLOTS *CAPTURE_SLOT_MAX >= 2 * RUNNER_ACK_BYTES, "the host waits with acks");

#define READ_SLOTS 3        /* filled by one read */
#define READ_MIN (4u << 10) /* a slot with less room is full */
#define LEND_MIN (4u << 10) /* less is copied, and its slot is filled further */

void capture_init(struct capture *c, struct loop *loop, void (*changed)(void *arg), void *arg)
{
    *c = (struct capture){.loop = loop, .changed = changed, .arg = arg, .fd = -1, .left = -1};
}

static void stop_watching(struct capture *c)
{
    source_free(c->source);
    c->source = NULL;
}

static void stop(struct capture *c)
{
    stop_watching(c);
    closep(&c->fd);
    c->fd = -1;
}

void capture_done(struct capture *c)
{
    stop(c);
    free(c->data);
    c->data = NULL;
    c->base = c->sent = c->total = 0;
    c->first = c->n = 0;
    c->is_drained = c->in_burst = false;
    c->left = -1;
}

/* ---- slots ---- */

static struct capture_slot *slot_at(struct capture *c, unsigned i)
{
    return &c->slots[(c->first + i) % CAPTURE_SLOTS];
}

static uint8_t *slot_data(const struct capture *c, const struct capture_slot *s)
{
    return c->data + (size_t)(s - c->slots) * CAPTURE_SLOT_BYTES + RUNNER_OUTPUT_HEAD_MAX;
}

static bool is_full(const struct capture_slot *s)
{
    return s->is_lent || CAPTURE_SLOT_MAX - s->len < READ_MIN;
}

static bool has_room(struct capture *c)
{
    return c->n < CAPTURE_SLOTS || !is_full(slot_at(c, c->n - 1));
}

/* Into which the next bytes go, the first with room and at most `max`; how many there are. */
static unsigned slots_to_fill(struct capture *c, struct iovec *iov, unsigned max)
{
    unsigned i = c->n && !is_full(slot_at(c, c->n - 1)) ? c->n - 1 : c->n, n = 0;

    for (; i < CAPTURE_SLOTS && n < max; i++, n++) {
        struct capture_slot *s = slot_at(c, i);
        if (i >= c->n)
            *s = (struct capture_slot){0};
        iov[n] = (struct iovec){slot_data(c, s) + s->len, CAPTURE_SLOT_MAX - s->len};
    }
    return n;
}

static void fill_slots(struct capture *c, size_t len)
{
    while (len > 0) {
        if (c->n == 0 || is_full(slot_at(c, c->n - 1)))
            slot_at(c, c->n++)->offset = c->total;
        struct capture_slot *s = slot_at(c, c->n - 1);
        size_t room = CAPTURE_SLOT_MAX - s->len, n = len < room ? len : room;
        s->len += n;
        c->total += n;
        len -= n;
    }
}

/* There are bytes to be sent. */
static struct capture_slot *slot_to_send(struct capture *c)
{
    struct capture_slot *s = slot_at(c, 0);

    for (unsigned i = 1; s->offset + s->len <= c->sent; i++)
        s = slot_at(c, i);
    return s;
}

/* ---- the pipe ---- */

static void on_readable(void *arg, int fd, unsigned events);

/* Without a source nothing would ever end it, so it ends. */
static void watch(struct capture *c)
{
    if (!c->source)
        c->source = loop_fd(c->loop, c->fd, LOOP_READ, on_readable, c);
    if (!c->source)
        stop(c);
}

/* Ends the pipe, waits for it or leaves it alone, as what was read demands. While something is
 * under way it is left alone: the ack will come, and until then it fills. */
static void settle(struct capture *c, bool at_end)
{
    if (at_end || c->left == 0)
        stop(c);
    else if (!has_room(c))
        stop_watching(c);
    else if (c->is_drained && c->sent == c->base && c->total == c->base)
        watch(c);
}

/* To `left` bytes; -1: there is no limit. How many fit. */
static size_t limit(struct iovec *iov, unsigned n, int64_t left)
{
    size_t all = 0;

    for (unsigned i = 0; i < n; i++) {
        if (left >= 0 && iov[i].iov_len > (uint64_t)left - all)
            iov[i].iov_len = (size_t)left - all;
        all += iov[i].iov_len;
    }
    return all;
}

/* There is room. */
static void read_some(struct capture *c)
{
    struct iovec iov[READ_SLOTS];
    unsigned n_iov = slots_to_fill(c, iov, READ_SLOTS);
    size_t room = limit(iov, n_iov, c->left);
    ssize_t n = room ? readv(c->fd, iov, (int)n_iov) : 0;
    bool is_none = n < 0 && (errno == EAGAIN || errno == EINTR);

    c->is_drained = n < (ssize_t)room;
    if (n > 0) {
        fill_slots(c, (size_t)n);
        c->left -= c->left > 0 ? n : 0;
    }
    settle(c, n <= 0 && !is_none);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    struct capture *c = arg;

    if (c->sent > c->base || !has_room(c)) {
        stop_watching(c);
        return;
    }
    read_some(c);
    c->changed(c->arg);
}

int capture_start(struct capture *c, int fd)
{
    c->fd = fd;
    c->left = -1;
    if (!c->data)
        c->data = malloc((size_t)CAPTURE_SLOTS * CAPTURE_SLOT_BYTES);
    if (!c->data || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return -ENOMEM;
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* at the limit of its user it stays as it is */
    watch(c);
    return c->fd >= 0 ? 0 : -ENOMEM;
}

void capture_end(struct capture *c)
{
    int n = 0;
    if (c->fd < 0)
        return;
    if (ioctl(c->fd, FIONREAD, &n) < 0)
        n = 0;
    c->left = n;
    settle(c, false);
}

bool capture_is_open(const struct capture *c)
{
    return c->fd >= 0;
}

/* ---- what is sent ---- */

/* The bytes stay where they are until they are acknowledged, and what is before them is either
 * room of the slot's own or acknowledged. */
static bool may_be_lent(const struct capture *c, const struct capture_slot *s,
                        const struct runner_output *o)
{
    return o->len >= LEND_MIN && (c->sent == s->offset || c->sent == c->base) &&
           runner_raw_is_plain(o->data, o->len);
}

static uint64_t unsent_of(const struct capture *c)
{
    return c->total - c->sent;
}

/* Nagle's rule: each message costs both ends as much as some KiB of output, so what is little
 * waits for the ack of what is under way. The end of a burst does not: it goes along, and tells
 * the host that there is no more to wait for. */
static bool may_be_sent(const struct capture *c)
{
    return unsent_of(c) &&
           (c->sent == c->base || unsent_of(c) >= SEND_MIN || c->in_burst || c->fd < 0);
}

bool capture_take(struct capture *c, uint32_t stream, enum capture_lending lending,
                  struct capture_piece *ret)
{
    bool was_open = c->fd >= 0;

    if (c->fd >= 0 && !c->source && !c->is_drained && unsent_of(c) < SEND_MIN && has_room(c))
        read_some(c);
    if (was_open && c->fd < 0)
        c->changed(c->arg);
    if (!may_be_sent(c)) {
        c->in_burst = false;
        return false;
    }
    struct capture_slot *s = slot_to_send(c);
    size_t at = (size_t)(c->sent - s->offset);
    uint8_t *data = slot_data(c, s) + at;
    *ret = (struct capture_piece){.output = {stream, c->sent, data, s->len - at}};
    bool is_lent = lending != CAPTURE_COPY && may_be_lent(c, s, &ret->output);
    if (lending == CAPTURE_LEND_ONLY && !is_lent)
        return false;
    if (is_lent) {
        s->is_lent = true;
        ret->head_len = runner_output_head(&ret->output, data);
    }
    c->sent += ret->output.len;
    c->in_burst = true;
    return true;
}

static void drop_to(struct capture *c, uint64_t offset)
{
    c->base = offset;
    c->is_drained = false;
    while (c->n && slot_at(c, 0)->offset + slot_at(c, 0)->len <= offset) {
        c->first = (c->first + 1) % CAPTURE_SLOTS;
        c->n--;
    }
}

int capture_resume(struct capture *c, uint64_t offset)
{
    if (c->total == 0 && c->fd < 0) /* nothing was ever read in this process */
        c->base = c->total = offset;
    if (offset > c->total)
        return -EPROTO;
    if (offset > c->base)
        drop_to(c, offset);
    c->sent = c->base;
    c->is_drained = false;
    return 0;
}

int capture_ack(struct capture *c, uint64_t offset)
{
    if (offset > c->sent)
        return -EPROTO;
    if (offset > c->base)
        drop_to(c, offset);
    return 0;
}

uint64_t capture_total(const struct capture *c)
{
    return c->total;
}
