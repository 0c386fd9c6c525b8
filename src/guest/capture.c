/* SPDX-License-Identifier: Apache-2.0 */
/* capture.c - one output stream of the script: what it wrote and the host has not got yet. */
#include "guest/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"

#define PIPE_BYTES (256u << 10) /* a script that writes much is stopped seldom */
#define SEND_MIN (32u << 10)    /* while something is under way; else whatever there is */

void capture_init(struct capture *c, struct loop *loop, void (*changed)(void *arg), void *arg)
{
    *c = (struct capture){.loop = loop, .changed = changed, .arg = arg, .fd = -1, .left = -1};
}

static void stop(struct capture *c)
{
    source_free(c->source);
    c->source = NULL;
    closep(&c->fd);
    c->fd = -1;
}

void capture_done(struct capture *c)
{
    stop(c);
    free(c->data);
    c->data = NULL;
    c->len = c->n_sent = 0;
    c->base = 0;
    c->left = -1;
}

/* Pauses the pipe or ends it, as what was read demands. */
static void settle(struct capture *c, bool at_end)
{
    if (at_end || c->left == 0) {
        stop(c);
    } else if (c->len == RUNNER_WINDOW) {
        source_free(c->source);
        c->source = NULL;
    }
}

static void on_readable(void *arg, int fd, unsigned events)
{
    struct capture *c = arg;
    size_t room = RUNNER_WINDOW - c->len;
    if (c->left >= 0 && (uint64_t)c->left < room)
        room = (size_t)c->left;
    ssize_t n = room ? read(fd, c->data + c->len, room) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        c->len += (size_t)n;
        c->left -= c->left > 0 ? n : 0;
    }
    settle(c, n <= 0);
    c->changed(c->arg);
}

/* Reads as long as there is room. Without a source nothing would ever end it, so it ends. */
static void watch(struct capture *c)
{
    if (c->fd < 0 || c->source || c->len == RUNNER_WINDOW)
        return;
    c->source = loop_fd(c->loop, c->fd, LOOP_READ, on_readable, c);
    if (!c->source)
        stop(c);
}

int capture_start(struct capture *c, int fd)
{
    c->fd = fd;
    c->left = -1;
    if (!c->data)
        c->data = malloc(RUNNER_WINDOW);
    if (!c->data || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return -ENOMEM;
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* at the limit of its user it stays as it is */
    watch(c);
    return c->source ? 0 : -ENOMEM;
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

/* Nagle's rule: each message costs both ends as much as some KiB of output, so what is little
 * waits for the ack of what is under way. */
bool capture_take(struct capture *c, struct runner_message *m)
{
    size_t unsent = c->len - c->n_sent;

    if (!unsent || (c->n_sent && unsent < SEND_MIN && c->fd >= 0))
        return false;
    m->offset = c->base + c->n_sent;
    m->data = c->data + c->n_sent;
    m->data_len = unsent < RUNNER_DATA_MAX ? unsent : RUNNER_DATA_MAX;
    c->n_sent += m->data_len;
    return true;
}

static void drop_to(struct capture *c, uint64_t offset)
{
    size_t n = (size_t)(offset - c->base);
    if (n > 0)
        memmove(c->data, c->data + n, c->len - n);
    c->base = offset;
    c->len -= n;
    c->n_sent = c->n_sent > n ? c->n_sent - n : 0;
    watch(c);
}

int capture_resume(struct capture *c, uint64_t offset)
{
    if (c->base == 0 && c->len == 0 && c->fd < 0) /* nothing was ever read in this process */
        c->base = offset;
    if (offset > c->base + c->len)
        return -EPROTO;
    c->n_sent = 0;
    if (offset > c->base)
        drop_to(c, offset);
    return 0;
}

int capture_ack(struct capture *c, uint64_t offset)
{
    if (offset > c->base + c->n_sent)
        return -EPROTO;
    if (offset > c->base)
        drop_to(c, offset);
    return 0;
}

uint64_t capture_total(const struct capture *c)
{
    return c->base + c->len;
}
