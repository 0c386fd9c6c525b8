/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - one line per happening, to stderr, in one write(2).
 *
 * Usable from every thread; errno is left alone. What is not printable UTF-8
 * is written as \n, \t or \xNN, and a backslash as two, so the line can be
 * read back and never breaks.
 */
#include "base/log.h"

#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 4096 /* bytes of one text before escaping; the rest is cut */
#define RATE_MAX 20   /* lines a second from one call site */

static char log_program[32] = "vdi";
static _Atomic int log_level = VDI_LOG_INFO;

void log_init(const char *program, enum vdi_log_level level)
{
    str_copy(log_program, sizeof(log_program), program);
    log_set_level(level);
}

void log_set_level(enum vdi_log_level level)
{
    atomic_store(&log_level, (int)level);
}

enum vdi_log_level log_get_level(void)
{
    return (enum vdi_log_level)atomic_load_explicit(&log_level, memory_order_relaxed);
}

static const char *level_name(enum vdi_log_level level)
{
    switch (level) {
    case VDI_LOG_ERROR:
        return "ERROR";
    case VDI_LOG_WARNING:
        return "WARNING";
    case VDI_LOG_INFO:
        return "INFO";
    case VDI_LOG_DEBUG:
        return "DEBUG";
    }
    return "INFO";
}

/* Writes at most 4 bytes for each byte of text, and a newline. */
static size_t escape(char *to, const char *text, size_t len)
{
    char *start = to;
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        unsigned n = str_utf8(text + i, len - i, &c);
        if (n > 0 && c >= 0x20 && (c < 0x7f || c >= 0xa0) && c != '\\') {
            memcpy(to, text + i, n);
            to += n;
            i += n;
            continue;
        }
        unsigned char byte = (unsigned char)text[i++];
        if (byte == '\n' || byte == '\t' || byte == '\\') {
            *to++ = '\\';
            *to++ = byte == '\n' ? 'n' : byte == '\t' ? 't' : '\\';
        } else {
            *to++ = '\\';
            *to++ = 'x';
            str_to_hex(&byte, 1, to);
            to += 2;
        }
    }
    *to++ = '\n';
    return (size_t)(to - start);
}

void log_write(enum vdi_log_level level, const char *format, ...)
{
    int saved_errno = errno;
    char text[TEXT_MAX], line[TEXT_MAX * 4 + 128];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;

    int64_t now = time_now_usec();
    time_t sec = (time_t)(now / USEC_PER_SEC);
    struct tm tm;
    gmtime_r(&sec, &tm);
    size_t used = strftime(line, 64, "%Y-%m-%dT%H:%M:%S", &tm);
    used += (size_t)snprintf(line + used, 96,
                             ".%03dZ %s %s: ", (int)(now % USEC_PER_SEC / USEC_PER_MSEC),
                             level_name(level), log_program);
    used += escape(line + used, text, len);
    /* There is no one to tell when stderr is gone. */
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
    errno = saved_errno;
}

int log_rate_ok(struct log_rate *rate, unsigned *ret_dropped)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int64_t now = time_monotonic_usec();
    pthread_mutex_lock(&lock);
    *ret_dropped = 0;
    if (rate->n == 0 || now - rate->window_usec >= USEC_PER_SEC) {
        *ret_dropped = rate->dropped;
        *rate = (struct log_rate){.window_usec = now};
    }
    int ok = rate->n < RATE_MAX;
    if (ok)
        rate->n++;
    else
        rate->dropped++;
    pthread_mutex_unlock(&lock);
    return ok;
}

enum vdi_log_level log_level_from(const char *name)
{
    static const enum vdi_log_level levels[] = {VDI_LOG_ERROR, VDI_LOG_WARNING, VDI_LOG_DEBUG};
    static const char *const names[] = {"error", "warning", "debug"};

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (!strcmp(name, names[i]))
            return levels[i];
    return VDI_LOG_INFO;
}
