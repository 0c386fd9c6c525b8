/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c - a byte buffer that grows up to a named limit.
 *
 * Whenever data is set, data[len] is NUL and len < size. Once failed, nothing
 * more is appended, so that a text never misses its middle.
 */
#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

int buf_reserve(struct buf *b, size_t more)
{
    size_t max = b->max && b->max < SIZE_MAX / 2 ? b->max : SIZE_MAX / 2;
    if (more > max || b->len > max - more)
        return -ENOBUFS;
    size_t need = b->len + more + 1;
    if (need <= b->size)
        return 0;
    size_t size = b->size ? b->size : 64;
    while (size < need)
        size *= 2;
    char *data = realloc(b->data, size);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->size = size;
    b->data[b->len] = '\0';
    return 0;
}

/* Room for `more` bytes, or the buffer is failed from now on. */
static int make_room(struct buf *b, size_t more)
{
    int r = b->failed ? -ENOBUFS : buf_reserve(b, more);
    if (r < 0)
        b->failed = true;
    return r;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
    int r = make_room(b, len);
    if (r < 0)
        return r;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, format, ap);
    int r = len < 0 ? -EINVAL : make_room(b, (size_t)len);
    if (r == 0) {
        vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    } else
        b->failed = true;
    va_end(again);
    return r;
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int r = buf_vprintf(b, format, ap);
    va_end(ap);
    return r;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        if (b->data)
            b->data[0] = '\0';
        return;
    }
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (make_room(b, 0) < 0) {
        buf_done(b);
        return NULL;
    }
    char *data = b->data;
    if (ret_len)
        *ret_len = b->len;
    *b = BUF_INIT(b->max);
    return data;
}
