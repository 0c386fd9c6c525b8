/* SPDX-License-Identifier: Apache-2.0 */
/* event_stream.c - server-sent events as they come (HTML Living Standard, 9.2). */
#include "cli/event_stream.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

void event_stream_init(struct event_stream *s,
                       int (*each)(void *arg, const char *event, const char *data), void *arg)
{
    *s = (struct event_stream){
        .line = BUF_INIT(EVENT_MAX), .data = BUF_INIT(EVENT_MAX), .each = each, .arg = arg};
}

void event_stream_restart(struct event_stream *s)
{
    buf_clear(&s->line);
    buf_clear(&s->data);
    s->event[0] = '\0';
}

void event_stream_done(struct event_stream *s)
{
    buf_done(&s->line);
    buf_done(&s->data);
}

static int dispatch(struct event_stream *s)
{
    int r = 0;
    if (s->data.len)
        r = s->each(s->arg, *s->event ? s->event : "message", s->data.data);
    buf_clear(&s->data);
    s->event[0] = '\0';
    return r;
}

static int line_take(struct event_stream *s, const char *line)
{
    if (!*line)
        return dispatch(s);
    size_t n = strcspn(line, ":");
    const char *value = line + n + (line[n] == ':');
    value += *value == ' ';
    if (n == 4 && memcmp(line, "data", 4) == 0) {
        if (s->data.len)
            buf_putc(&s->data, '\n');
        buf_puts(&s->data, value);
    } else if (n == 5 && memcmp(line, "event", 5) == 0) {
        str_copy(s->event, sizeof(s->event), value);
    } else if (n == 2 && memcmp(line, "id", 2) == 0) {
        str_copy(s->id, sizeof(s->id), value);
    }
    return s->data.failed ? -EMSGSIZE : 0;
}

int event_stream_feed(struct event_stream *s, const char *data, size_t len)
{
    while (len) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;
        if (buf_append(&s->line, data, n) < 0)
            return -EMSGSIZE;
        data += n + (end != NULL);
        len -= n + (end != NULL);
        if (!end)
            break;
        if (s->line.len && s->line.data[s->line.len - 1] == '\r')
            s->line.data[--s->line.len] = '\0';
        int r = line_take(s, s->line.data ? s->line.data : "");
        buf_clear(&s->line);
        if (r < 0)
            return r;
    }
    return 0;
}
