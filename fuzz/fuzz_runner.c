/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_runner.c - bytes on the guest runner's port, in pieces, decoded as either side's. What is
 * taken is written, read again and written: the two texts are the same. The payload decoder gets
 * each text, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/runner_codec.h"
#include "codec/runner_output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(enum runner_side side, const struct runner_message *m)
{
    struct buf one = BUF_INIT(0), two = BUF_INIT(0);
    struct runner_message again;

    /* Escapes may make a text longer than the one that was read. */
    if (runner_encode(m, &one) == 0) {
        if (runner_decode(side, one.data + 4, one.len - 4, &again, NULL) < 0 ||
            runner_encode(&again, &two) < 0 || one.len != two.len ||
            memcmp(one.data, two.data, one.len) != 0)
            abort();
        runner_message_done(&again);
    }
    buf_done(&one);
    buf_done(&two);
}

/* The short way to read a piece of output takes nothing that the long one does not take so. */
static void check_output(const char *frame, size_t len)
{
    struct runner_output o;
    struct runner_message m;

    if (!runner_output_read(frame, len, &o))
        return;
    if (runner_decode(RUNNER_GUEST, frame, len, &m, NULL) < 0 || m.type != RUNNER_OUTPUT ||
        !m.is_raw || m.stream != o.stream || m.offset != o.offset || m.data_len != o.len ||
        memcmp(m.data, o.data, o.len) != 0)
        abort();
    runner_message_done(&m);
}

static void take(const char *json, size_t len)
{
    struct runner_payload payload;

    check_output(json, len);
    for (enum runner_side side = RUNNER_HOST; side <= RUNNER_GUEST; side++) {
        struct runner_message m;
        if (runner_decode(side, json, len, &m, NULL) < 0)
            continue;
        check_again(side, &m);
        runner_message_done(&m);
    }
    if (runner_payload_decode(json, len, &payload, NULL) == 0)
        runner_payload_done(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct runner_reader reader = RUNNER_READER_INIT;
    size_t piece = size % 7 ? size / 3 + 1 : 1;

    for (size_t i = 0; i < size; i += piece) {
        const char *json;
        size_t len, n = size - i < piece ? size - i : piece;
        enum runner_next next;

        if (n > RUNNER_FRAME_MAX || runner_reader_feed(&reader, data + i, n) < 0)
            break;
        while ((next = runner_reader_next(&reader, &json, &len)) != RUNNER_NEXT_NONE)
            if (next == RUNNER_NEXT_FRAME)
                take(json, len);
    }
    runner_reader_done(&reader);
    take((const char *)data, size);
    return 0;
}
