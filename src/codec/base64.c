/* SPDX-License-Identifier: Apache-2.0 */
/* base64.c - RFC 4648 section 4, with padding, and no other spelling of the same bytes. */
#include "codec/base64.h"

#include <errno.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_write(const uint8_t *data, size_t len, struct buf *out)
{
    int r = buf_reserve(out, BASE64_LEN(len));

    if (r < 0) {
        out->failed = true;
        return r;
    }
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                     (left > 2 ? data[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '='};
        buf_append(out, four, 4);
    }
    return 0;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_read(const char *text, size_t len, uint8_t *ret, size_t *ret_len)
{
    size_t n = 0;

    if (len % 4)
        return -EINVAL;
    for (size_t i = 0; i < len; i += 4) {
        int pad = i + 4 < len || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
        int a = digit(text[i]), b = digit(text[i + 1]);
        int c = pad > 1 ? 0 : digit(text[i + 2]), d = pad > 0 ? 0 : digit(text[i + 3]);
        if (a < 0 || b < 0 || c < 0 || d < 0)
            return -EINVAL;
        uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        if (pad && v & ((1u << pad * 8) - 1))
            return -EINVAL;
        ret[n++] = (uint8_t)(v >> 16);
        if (pad < 2)
            ret[n++] = (uint8_t)(v >> 8);
        if (pad < 1)
            ret[n++] = (uint8_t)v;
    }
    *ret_len = n;
    return 0;
}
