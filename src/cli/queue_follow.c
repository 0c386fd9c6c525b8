/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue_follow.c - vdiqueue --follow and --why: what happens, and what does not yet.
 *
 * The stream is asked for again with Last-Event-ID when it breaks, so no
 * event is missed or shown twice.
 */
#include "cli/queue_follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/event_stream.h"

#define NAME "vdiqueue"
#define STREAM_TIMEOUT_SEC 3600
#define PAUSE_LAST_SEC 30

struct follow {
    const struct job_filter *filter;
    bool json;
    bool ended; /* the one job that was followed */
};

static bool is_wanted(const struct job_filter *filter, struct id id)
{
    for (size_t i = 0; i < filter->ids.n; i++) {
        struct id wanted = filter->ids.ids[i];
        if (wanted.job == id.job && (wanted.task < 0 || wanted.task == id.task))
            return true;
    }
    return filter->ids.n == 0;
}

static void print_member(struct buf *line, const struct value *data, const char *name)
{
    const struct value *value = value_get(data, name);
    bool is_number = !value_is_null(value) && !value_is_string(value);
    if (value_is_null(value) || str_equal(value_string(value, "-"), "") ||
        (is_number && value_int(value, 1) == 0))
        return;
    buf_printf(line, " %s=", name);
    if (value_is_string(value))
        buf_puts(line, value_string(value, ""));
    else
        value_write(value, 0, line);
}

static void print_event(const struct value *data, struct id id, const char *type)
{
    static const char *const members[] = {"state",       "node",   "final", "exit_code",
                                          "exit_signal", "reason", "by"};
    _cleanup_(buf_done) struct buf line = BUF_INIT(65536);
    char name[ID_TEXT];
    cell_time(&line, value_get_string(data, "time", ""));
    buf_printf(&line, " job %s %s", id_text(id, name), type);
    for (size_t i = 0; i < ELEMENTS(members); i++)
        print_member(&line, data, members[i]);
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < 32 || line.data[i] == 127)
            line.data[i] = '?';
    puts(line.data ? line.data : "");
}

static int event_take(void *arg, const char *event, const char *text)
{
    struct follow *follow = arg;
    _cleanup_(document_freep) struct document *document = NULL;
    if (str_equal(event, "reset"))
        fprintf(stderr, NAME ": some events are no longer kept and were left out\n");
    if (!str_equal(event, "job") || document_parse(text, strlen(text), &document, NULL) < 0)
        return 0;
    const struct value *data = document_root(document);
    struct id id = id_of(data);
    const char *type = value_get_string(data, "type", "event");
    if (!is_wanted(follow->filter, id))
        return 0;
    if (follow->json)
        puts(text);
    else
        print_event(data, id, type);
    follow->ended = follow->filter->ids.n == 1 && str_equal(type, "end") &&
                    follow->filter->ids.ids[0].task == id.task; /* not of a whole array */
    return fflush(stdout) < 0 || follow->ended ? -ECANCELED : 0;
}

static int stream_take(void *arg, const char *data, size_t len)
{
    return event_stream_feed(arg, data, len);
}

int queue_follow(struct client *client, const struct job_filter *filter, bool json)
{
    struct follow follow = {.filter = filter, .json = json};
    struct event_stream stream;
    struct vdi_error err = {.code = 0};
    char target[64] = "/v1/events", header[96];
    unsigned pause_sec = 1;
    int r = 0;
    event_stream_init(&stream, event_take, &follow);
    if (filter->ids.n == 1)
        snprintf(target, sizeof(target), "/v1/events?job=%" PRIu64, filter->ids.ids[0].job);
    while (!follow.ended) {
        char before[sizeof(stream.id)];
        str_copy(before, sizeof(before), stream.id);
        snprintf(header, sizeof(header), "Last-Event-ID: %s", stream.id);
        struct client_request request = {
            .method = "GET",
            .target = target,
            .header = *stream.id ? header : NULL,
            .timeout_sec = STREAM_TIMEOUT_SEC,
            .on_data = stream_take,
            .arg = &stream,
        };
        r = client_do(client, &request, NULL, &err);
        if (follow.ended || ferror(stdout) || (r < 0 && client_exit_code(r) != EXIT_UNREACHABLE))
            break;
        pause_sec = str_equal(before, stream.id) ? pause_sec * 2 : 1;
        sleep(pause_sec > PAUSE_LAST_SEC ? PAUSE_LAST_SEC : pause_sec);
        event_stream_restart(&stream);
    }
    event_stream_done(&stream);
    return follow.ended || r == 0 ? EXIT_OK : (int)client_fail(NAME, r, &err);
}

/* Slurm's sprio, for one job. */
static void print_factors(const struct value *why, struct buf *out)
{
    const struct value *factors = value_get(why, "factors");
    if (!value_count(factors))
        return;
    buf_printf(out, "  priority %" PRId64 ":\n    %-12s %12s %10s %14s\n",
               value_get_int(why, "priority", 0), "FACTOR", "VALUE", "WEIGHT", "PRODUCT");
    for (size_t i = 0; i < value_count(factors); i++) {
        const struct value *f = value_item(factors, i);
        buf_printf(out, "    %-12s %12.6g %10.0f %14.2f\n", value_get_string(f, "name", "?"),
                   value_get_real(f, "factor", 0), value_get_real(f, "weight", 0),
                   value_get_real(f, "product", 0));
    }
}

void queue_print_why(const struct value *why, struct buf *out)
{
    const char *start = value_get_string(why, "estimated_start_time", "");
    const char *node = value_get_string(why, "estimated_node", "");
    int64_t place = value_get_int(why, "place", 0);
    struct id id = id_of(why);
    char name[ID_TEXT];
    id.job = id.task < 0 ? (uint64_t)value_get_int(why, "job", 0) : id.job;
    buf_printf(out, "job %s:", id_text(id, name));
    if (place)
        buf_printf(out, " place %" PRId64 ",", place);
    if (*start) {
        buf_puts(out, " expected to start at ");
        cell_time(out, start);
        if (*node)
            buf_printf(out, " on %s", node);
    } else {
        buf_puts(out, " no start can be foretold");
    }
    buf_putc(out, '\n');
    print_factors(why, out);
    const struct value *blockers = value_get(why, "blockers");
    for (size_t i = 0; i < value_count(blockers); i++) {
        const struct value *b = value_item(blockers, i);
        buf_printf(out, "  %s: %s\n", value_get_string(b, "reason", "?"),
                   value_get_string(b, "text", ""));
    }
}
