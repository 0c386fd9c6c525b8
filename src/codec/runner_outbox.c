/* SPDX-License-Identifier: Apache-2.0 */
/* runner_outbox.c - numbered frames on the guest runner's port: kept until acknowledged; pure. */
#include "codec/runner_outbox.h"

#include <errno.h>
#include <sys/random.h>

#include "base/str.h"

int runner_outbox_init(struct runner_outbox *o)
{
    unsigned char bytes[(RUNNER_SENDER_LEN - 1) / 2];

    *o = (struct runner_outbox){.first = 1};
    for (size_t i = 0; i < RUNNER_OUTBOX_MAX; i++)
        o->frames[i] = BUF_INIT(RUNNER_FRAME_MAX + 4);
    /* Not waited for: early in a guest's boot, and only two names in a row must differ. */
    if (getrandom(bytes, sizeof(bytes), GRND_INSECURE) != sizeof(bytes))
        return -errno;
    str_to_hex(bytes, sizeof(bytes), o->sender);
    return 0;
}

static struct buf *slot(struct runner_outbox *o, uint64_t seq)
{
    return &o->frames[seq % RUNNER_OUTBOX_MAX];
}

void runner_outbox_done(struct runner_outbox *o)
{
    for (size_t i = 0; i < RUNNER_OUTBOX_MAX; i++)
        buf_done(&o->frames[i]);
    o->n = o->n_sent = 0;
}

int runner_outbox_push(struct runner_outbox *o, struct runner_message *m, uint64_t *ret_seq)
{
    int r;

    if (o->n >= RUNNER_OUTBOX_MAX)
        return -ENOBUFS;
    m->seq = o->first + o->n;
    buf_done(slot(o, m->seq));
    r = runner_encode(m, slot(o, m->seq));
    if (r < 0)
        return r;
    o->n++;
    if (ret_seq)
        *ret_seq = m->seq;
    return 0;
}

bool runner_outbox_take(struct runner_outbox *o, struct buf *out)
{
    const struct buf *frame = slot(o, o->first + o->n_sent);

    if (o->n_sent >= o->n || buf_append(out, frame->data, frame->len) < 0)
        return false;
    o->n_sent++;
    return true;
}

void runner_outbox_rewind(struct runner_outbox *o)
{
    o->n_sent = 0;
}

int runner_outbox_ack(struct runner_outbox *o, uint64_t seq)
{
    if (seq >= o->first + o->n)
        return -EPROTO;
    while (o->n > 0 && o->first <= seq) {
        buf_done(slot(o, o->first++));
        o->n--;
        o->n_sent -= o->n_sent > 0;
    }
    return 0;
}

int runner_inbox_open(struct runner_inbox *in, const char *sender, uint64_t first)
{
    if (first == 0)
        return -EPROTO;
    if (str_equal(in->sender, sender))
        return first > in->last + 1 ? -EPROTO : 0;
    str_copy(in->sender, sizeof(in->sender), sender);
    in->last = first - 1;
    return 0;
}

int runner_inbox_accept(const struct runner_inbox *in, uint64_t seq)
{
    if (seq > in->last + 1)
        return -EPROTO;
    return seq == in->last + 1;
}
