/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one line per happening, to stderr or a file, rate-limited per call site.
 *
 * A line is "TIME LEVEL program: text"; text is escaped, so nothing a user
 * sends can forge a line. Secrets are never passed here.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <vdi/plugin.h>

void log_init(const char *program, enum vdi_log_level level);
void log_set_level(enum vdi_log_level level);
enum vdi_log_level log_get_level(void);
/* "error", "warning", "info", "debug"; anything else: info. */
enum vdi_log_level log_level_from(const char *name);
void log_write(enum vdi_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* At most 20 lines a second from one call site; what was left out is counted and said. */
struct log_rate {
    int64_t window_usec;
    unsigned n, dropped;
};
int log_rate_ok(struct log_rate *rate, unsigned *ret_dropped);

#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_rate _rate;                                                              \
        unsigned _dropped = 0;                                                                     \
        if (log_get_level() >= (level) && log_rate_ok(&_rate, &_dropped)) {                        \
            if (_dropped)                                                                          \
                log_write(level, "(%u lines like the next one left out)", _dropped);               \
            log_write(level, __VA_ARGS__);                                                         \
        }                                                                                          \
    } while (0)
#define log_error(...) log_at(VDI_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(VDI_LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_at(VDI_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(VDI_LOG_DEBUG, __VA_ARGS__)

#endif
