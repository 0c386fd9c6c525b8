/* SPDX-License-Identifier: Apache-2.0 */
/* runner_raw.c - bytes of any kind inside a frame of the runner's port; pure. */
#include "codec/runner_raw.h"

#include <errno.h>
#include <string.h>

#define MARK 0xff
#define ESCAPE 0xfe
#define N_ESCAPED 2 /* ESCAPE and MARK, as ESCAPE 0 and ESCAPE 1 */

static const uint8_t *find(const uint8_t *p, const uint8_t *end, int byte)
{
    const uint8_t *found = memchr(p, byte, (size_t)(end - p));

    return found ? found : end;
}

bool runner_raw_is_plain(const uint8_t *data, size_t len)
{
    return len == 0 || (!memchr(data, MARK, len) && !memchr(data, ESCAPE, len));
}

/* Whole stretches at a time: most output has neither byte, and memchr() is quick. */
void runner_raw_write(const uint8_t *data, size_t len, struct buf *out)
{
    const uint8_t *end = data + len, *mark = data ? find(data, end, MARK) : end;
    const uint8_t *escape = data ? find(data, end, ESCAPE) : end;

    while (data < end) {
        const uint8_t *next = mark < escape ? mark : escape;

        buf_append(out, data, (size_t)(next - data));
        if (next == end)
            return;
        buf_append(out, *next == MARK ? "\xfe\1" : "\xfe\0", 2);
        data = next + 1;
        if (next == mark)
            mark = find(data, end, MARK);
        else
            escape = find(data, end, ESCAPE);
    }
}

int64_t runner_raw_read(const char *text, size_t len, uint8_t *ret)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + len;
    uint8_t *to = ret;

    while (p < end) {
        const uint8_t *next = find(p, end, ESCAPE);

        memcpy(to, p, (size_t)(next - p));
        to += next - p;
        if (next == end)
            break;
        if (next + 1 == end || next[1] >= N_ESCAPED)
            return -EINVAL;
        *to++ = (uint8_t)(ESCAPE + next[1]);
        p = next + 2;
    }
    return to - ret;
}
