/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_output.c - a piece of output as most of them are: nothing in it is escaped; pure.
 *
 * Only the one way in which runner_encode() writes such a message is taken; the tests and the
 * fuzzer hold the two to each other.
 */
#include "codec/runner_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/runner_codec.h"
#include "codec/runner_raw.h"

#define LENGTH_BYTES 4
#define BEGIN "{\"type\":\"output\",\"stream\":\""
#define MIDDLE "\",\"offset\":"
#define END "}" /* and a NUL */
#define NAME_LEN 3

size_t runner_output_head(const struct runner_output *o, uint8_t *end)
{
    char text[RUNNER_OUTPUT_HEAD_MAX];
    size_t n = (size_t)snprintf(text, sizeof(text), BEGIN "%s" MIDDLE "%" PRIu64 END,
                                runner_stream_names[o->stream], o->offset) +
               1;
    size_t len = n + o->len;
    const uint8_t length[LENGTH_BYTES] = {0, (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                                          (uint8_t)len};

    memcpy(end - n, text, n);
    memcpy(end - n - LENGTH_BYTES, length, LENGTH_BYTES);
    return n + LENGTH_BYTES;
}

static bool pass(const char **p, const char *end, const char *text, size_t len)
{
    if ((size_t)(end - *p) < len || memcmp(*p, text, len) != 0)
        return false;
    *p += len;
    return true;
}

static bool pass_stream(const char **p, const char *end, uint32_t *ret)
{
    for (uint32_t i = 0; i < RUNNER_N_STREAMS; i++)
        if (pass(p, end, runner_stream_names[i], NAME_LEN)) {
            *ret = i;
            return true;
        }
    return false;
}

/* As JSON has them: no 0 in front. */
static bool pass_number(const char **p, const char *end, uint64_t *ret)
{
    const char *begin = *p;
    uint64_t value = 0;

    while (*p < end && **p >= '0' && **p <= '9') {
        if (value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*(*p)++ - '0');
    }
    *ret = value;
    return *p > begin && (*begin != '0' || *p == begin + 1);
}

bool runner_output_read(const char *frame, size_t len, struct runner_output *ret)
{
    const char *p = frame, *end = frame + len;
    struct runner_output o;

    if (!pass(&p, end, BEGIN, sizeof(BEGIN) - 1) || !pass_stream(&p, end, &o.stream) ||
        !pass(&p, end, MIDDLE, sizeof(MIDDLE) - 1) || !pass_number(&p, end, &o.offset) ||
        !pass(&p, end, END, sizeof(END)))
        return false;
    o.data = (const uint8_t *)p;
    o.len = (size_t)(end - p);
    if (o.len > RUNNER_DATA_MAX || o.offset > INT64_MAX - o.len ||
        !runner_raw_is_plain(o.data, o.len))
        return false;
    *ret = o;
    return true;
}
