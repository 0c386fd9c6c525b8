/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a byte buffer that grows up to a named limit.
 *
 * The content is always NUL-terminated (the NUL is not counted). A failed
 * append sets `failed` and leaves the content; callers may check once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len;
    size_t size;
    size_t max; /* 0: no limit but memory */
    bool failed;
};

#define BUF_INIT(limit) ((struct buf){.max = (limit)})

void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
int buf_reserve(struct buf *b, size_t more);
int buf_append(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Hands over the memory (never NULL unless failed); the buffer is empty afterwards. */
char *buf_take(struct buf *b, size_t *ret_len);

#endif
