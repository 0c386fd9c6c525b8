/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_link.c - what a node may send: frames, and the messages in them.
 *
 * The first byte says in pieces of which size the rest arrives. However it is cut, the same
 * frames must come out; a message that is understood must be understood again, and mean the
 * same, when it is written. Enroll tokens are tried on the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "codec/link_codec.h"
#include "wire/link.h"
#include "wire/link_frame.h"
#include "wire/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct buf frames; /* each with its length before it */
    unsigned n;
};

static bool on_frame(void *arg, const void *data, size_t len)
{
    struct seen *seen = arg;
    seen->n++;
    if (link_frame_encode(data, len, &seen->frames) < 0)
        abort();
    return seen->n < 1000;
}

static int feed(const uint8_t *data, size_t size, size_t piece, struct seen *seen)
{
    struct link_decoder d = {0};
    size_t limit = LINK_HELLO_MAX;
    int r = 0;
    for (size_t at = 0; r == 0 && at < size && seen->n < 1000; at += piece)
        r = link_decoder_feed(&d, data + at, size - at < piece ? size - at : piece, &limit,
                              on_frame, seen);
    link_decoder_done(&d);
    return r;
}

static void try_frames(const uint8_t *data, size_t size, size_t piece)
{
    struct seen whole = {0}, pieces = {0};
    int a = feed(data, size, size + 1, &whole), b = feed(data, size, piece, &pieces);
    if (a != b || whole.n != pieces.n || whole.frames.len != pieces.frames.len)
        abort();
    if (whole.frames.len && (memcmp(whole.frames.data, pieces.frames.data, whole.frames.len) != 0 ||
                             memcmp(whole.frames.data, data, whole.frames.len) != 0))
        abort();
    buf_done(&whole.frames);
    buf_done(&pieces.frames);
}

static void try_message(const char *data, size_t size)
{
    struct link_message first, second;
    struct vdi_error err;
    struct buf one = BUF_INIT(0), two = BUF_INIT(0);
    if (link_message_decode(data, size, &first, &err) < 0)
        return;
    link_message_encode(&first, &one);
    if (link_message_decode(one.data, one.len, &second, &err) < 0)
        abort();
    link_message_encode(&second, &two);
    if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
        abort();
    link_message_done(&first);
    link_message_done(&second);
    buf_done(&one);
    buf_done(&two);
}

static void try_token(const char *data, size_t size)
{
    struct pki_token token;
    struct vdi_error err;
    char *text = strndup(data, size);
    if (text && pki_token_parse(text, &token, &err) == 0 && strlen(text) >= PKI_TOKEN_LEN)
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    try_frames(data + 1, size - 1, (size_t)data[0] % 17 + 1);
    try_message((const char *)data, size);
    try_token((const char *)data, size);
    return 0;
}
