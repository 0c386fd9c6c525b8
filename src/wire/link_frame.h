/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_frame.h - frames out of a byte stream, pure.
 *
 * The length is checked against the limit before a byte is kept, and memory grows with what
 * has really come, so that four bytes cannot make anyone set a megabyte aside. A frame that
 * arrives whole is handed on without a copy.
 */
#ifndef WIRE_LINK_FRAME_H
#define WIRE_LINK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define LINK_HEADER_LEN 4

struct link_decoder {
    unsigned char header[LINK_HEADER_LEN];
    unsigned header_len;
    size_t size;     /* of the frame begun, once header_len is LINK_HEADER_LEN */
    struct buf body; /* what has come of it */
};

void link_decoder_done(struct link_decoder *d);
/* `frame` may change *limit (it holds from the next frame on) and returns false to stop:
 * the rest of the data is then dropped. -EMSGSIZE: a frame over the limit; -ENOMEM. */
int link_decoder_feed(struct link_decoder *d, const void *data, size_t len, const size_t *limit,
                      bool (*frame)(void *arg, const void *data, size_t len), void *arg);
/* Inside a frame: the peer that ends here ended too early. */
bool link_decoder_is_inside(const struct link_decoder *d);
/* Header and body into out. */
int link_frame_encode(const void *data, size_t len, struct buf *out);

#endif
