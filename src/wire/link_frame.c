/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_frame.c - frames out of a byte stream, pure.
 *
 * Between calls: either header_len < 4 and body is empty, or body.len < size <= the limit.
 */
#include "wire/link_frame.h"

#include <errno.h>
#include <string.h>

#include "wire/link.h"

struct feed {
    struct link_decoder *d;
    const unsigned char *data;
    size_t len;
    const size_t *limit;
    bool (*frame)(void *arg, const void *data, size_t len);
    void *arg;
};

void link_decoder_done(struct link_decoder *d)
{
    buf_done(&d->body);
    *d = (struct link_decoder){0};
}

bool link_decoder_is_inside(const struct link_decoder *d)
{
    return d->header_len > 0;
}

static size_t take(struct feed *f, size_t want)
{
    size_t n = want < f->len ? want : f->len;
    f->data += n;
    f->len -= n;
    return n;
}

/* 1: the header is there and its length within the limit. */
static int take_header(struct feed *f)
{
    struct link_decoder *d = f->d;
    if (d->header_len == LINK_HEADER_LEN)
        return 1;
    const unsigned char *from = f->data;
    size_t n = take(f, LINK_HEADER_LEN - d->header_len);
    memcpy(d->header + d->header_len, from, n);
    d->header_len += (unsigned)n;
    if (d->header_len < LINK_HEADER_LEN)
        return 0;
    d->size = (size_t)d->header[0] << 24 | (size_t)d->header[1] << 16 | (size_t)d->header[2] << 8 |
              d->header[3];
    return d->size > *f->limit ? -EMSGSIZE : 1;
}

/* 1: go on; 0: no more data, or told to stop. */
static int take_body(struct feed *f)
{
    struct link_decoder *d = f->d;
    const unsigned char *from = f->data;
    size_t n = take(f, d->size - d->body.len);
    bool go_on;
    if (d->body.len == 0 && n == d->size) {
        d->header_len = 0;
        go_on = f->frame(f->arg, from, n);
    } else {
        if (buf_append(&d->body, from, n) < 0)
            return -ENOMEM;
        if (d->body.len < d->size)
            return 0;
        struct buf body = d->body;
        *d = (struct link_decoder){0};
        go_on = f->frame(f->arg, body.data, body.len);
        buf_done(&body);
    }
    return go_on;
}

int link_decoder_feed(struct link_decoder *d, const void *data, size_t len, const size_t *limit,
                      bool (*frame)(void *arg, const void *data, size_t len), void *arg)
{
    struct feed f = {.d = d, .data = data, .len = len, .limit = limit, .frame = frame, .arg = arg};
    while (f.len > 0) {
        int r = take_header(&f);
        if (r <= 0)
            return r;
        r = take_body(&f);
        if (r <= 0)
            return r;
    }
    return 0;
}

int link_frame_encode(const void *data, size_t len, struct buf *out)
{
    if (len > LINK_FRAME_MAX)
        return -EMSGSIZE;
    unsigned char header[LINK_HEADER_LEN] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16),
                                             (unsigned char)(len >> 8), (unsigned char)len};
    size_t before = out->len;
    int r = buf_append(out, header, sizeof(header));
    if (r == 0)
        r = buf_append(out, data, len);
    if (r < 0 && out->data) {
        out->len = before; /* a frame is in the queue whole or not at all */
        out->data[before] = '\0';
    }
    return r;
}

int link_negotiate(uint32_t my_min, uint32_t my_max, uint32_t peer_min, uint32_t peer_max,
                   uint32_t *ret)
{
    if (my_min > my_max || peer_min > peer_max)
        return -EINVAL;
    uint32_t version = my_max < peer_max ? my_max : peer_max;
    if (version < my_min || version < peer_min)
        return -EPROTONOSUPPORT;
    *ret = version;
    return 0;
}
