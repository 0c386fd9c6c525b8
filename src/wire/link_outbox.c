/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_outbox.c - at-least-once delivery, exactly once to the application; pure.
 *
 * The messages lie in a ring: number first + i is at (head + i) % size, n of them are kept,
 * and n_taken of these have been sent on this connection.
 */
#include "wire/link_outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/str.h"

struct message {
    size_t len;
    char data[];
};

struct link_outbox {
    struct message **ring;
    size_t size, head, n, n_taken;
    size_t max_messages, bytes, max_bytes;
    uint64_t first;
};

int link_stream_new(char ret[LINK_STREAM_LEN])
{
    unsigned char bytes[(LINK_STREAM_LEN - 1) / 2];
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return -errno;
    str_to_hex(bytes, sizeof(bytes), ret);
    return 0;
}

struct link_outbox *link_outbox_new(size_t max_messages, size_t max_bytes)
{
    struct link_outbox *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->max_messages = max_messages;
    o->max_bytes = max_bytes;
    o->first = 1;
    return o;
}

static struct message **slot(const struct link_outbox *o, size_t i)
{
    return &o->ring[(o->head + i) % o->size];
}

void link_outbox_free(struct link_outbox *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->n; i++)
        free(*slot(o, i));
    free(o->ring);
    free(o);
}

uint64_t link_outbox_first_seq(const struct link_outbox *o)
{
    return o->first;
}

uint64_t link_outbox_next_seq(const struct link_outbox *o)
{
    return o->first + o->n;
}

size_t link_outbox_count(const struct link_outbox *o)
{
    return o->n;
}

/* An idle link keeps no ring. */
static int grow(struct link_outbox *o)
{
    if (o->n < o->size)
        return 0;
    size_t size = o->size ? o->size * 2 : 8;
    struct message **ring = malloc(size * sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    for (size_t i = 0; i < o->n; i++)
        ring[i] = *slot(o, i);
    free(o->ring);
    o->ring = ring;
    o->size = size;
    o->head = 0;
    return 0;
}

int link_outbox_push(struct link_outbox *o, const void *data, size_t len)
{
    if (o->n >= o->max_messages || len > o->max_bytes || o->bytes > o->max_bytes - len)
        return -ENOBUFS;
    struct message *m = grow(o) < 0 ? NULL : malloc(sizeof(*m) + len);
    if (!m)
        return -ENOMEM;
    m->len = len;
    memcpy(m->data, data, len);
    *slot(o, o->n) = m;
    o->n++;
    o->bytes += len;
    return 0;
}

bool link_outbox_take(struct link_outbox *o, const void **ret_data, size_t *ret_len)
{
    if (o->n_taken >= o->n)
        return false;
    const struct message *m = *slot(o, o->n_taken++);
    *ret_data = m->data;
    *ret_len = m->len;
    return true;
}

void link_outbox_untake(struct link_outbox *o)
{
    if (o->n_taken > 0)
        o->n_taken--;
}

int link_outbox_ack(struct link_outbox *o, uint64_t seq)
{
    if (seq < o->first)
        return 0; /* an old one again */
    if (seq >= o->first + o->n)
        return -EPROTO;
    for (; o->first <= seq; o->first++) {
        struct message *m = *slot(o, 0);
        o->bytes -= m->len;
        free(m);
        o->head = (o->head + 1) % o->size;
        o->n--;
        if (o->n_taken > 0)
            o->n_taken--;
    }
    if (o->n == 0) {
        free(o->ring);
        o->ring = NULL;
        o->size = o->head = 0;
    }
    return 0;
}

void link_outbox_rewind(struct link_outbox *o)
{
    o->n_taken = 0;
}

int link_inbox_open(struct link_inbox *in, const char *stream, uint64_t first)
{
    if (strlen(stream) != LINK_STREAM_LEN - 1 || first == 0)
        return -EINVAL;
    if (!str_equal(in->stream, stream)) {
        str_copy(in->stream, sizeof(in->stream), stream);
        in->last = first - 1;
        return 0;
    }
    return first > in->last + 1 ? -EPROTO : 0;
}

int link_inbox_accept(struct link_inbox *in, uint64_t seq)
{
    if (seq <= in->last)
        return 0;
    if (seq != in->last + 1)
        return -EPROTO;
    in->last = seq;
    return 1;
}
