/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_output.h - a piece of output as most of them are: nothing in it is escaped; pure.
 *
 * On the wire it is what runner_codec.h writes and reads for a raw RUNNER_OUTPUT, byte for byte.
 * Here its bytes are not copied: they are sent from where they were read, and written from where
 * they arrived.
 */
#ifndef CODEC_RUNNER_OUTPUT_H
#define CODEC_RUNNER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNNER_OUTPUT_HEAD_MAX 96

struct runner_output {
    uint32_t stream; /* RUNNER_OUT or RUNNER_ERR */
    uint64_t offset;
    const uint8_t *data; /* nobody's own */
    size_t len;          /* at most RUNNER_DATA_MAX */
};

/* Writes all that stands before its bytes in a frame so that it ends at `end`, and says how long
 * that is: never over RUNNER_OUTPUT_HEAD_MAX, which must be there. The bytes must be plain
 * (runner_raw.h). */
size_t runner_output_head(const struct runner_output *o, uint8_t *end);
/* From the content of a guest's frame. False: it is something else, or has escaped bytes, or is
 * wrong, and runner_decode() knows which. */
bool runner_output_read(const char *frame, size_t len, struct runner_output *ret);

#endif
