/* SPDX-License-Identifier: Apache-2.0 */
/* class_list.c - classes page by page, and the cells in which their dates are shown. */
#include "cli/class_list.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "base/zone.h"
#include "cli/cells.h"

static int page(struct client *client, const char *base, const char *after, struct document **ret,
                struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(256);

    buf_puts(&target, base);
    client_query(&target, "after", after);
    return client_get(client, target.data, ret, err);
}

int class_list(struct client *client, const char *base, const char *member,
               int (*each)(void *arg, const struct value *class, struct vdi_error *err), void *arg,
               struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf after = BUF_INIT(64);
    bool is_last = false;
    int r = 0;

    while (r == 0 && !is_last) {
        _cleanup_(document_freep) struct document *document = NULL;
        const struct value *root, *list;

        r = page(client, base, after.data, &document, err);
        if (r < 0)
            return r;
        root = document_root(document);
        list = value_get(root, member);
        if (!value_is_list(list))
            return error_set(err, EREMOTEIO, "", "the controller's answer has no list of %s",
                             member);
        for (size_t i = 0; r == 0 && i < value_count(list); i++)
            r = each(arg, value_item(list, i), err);
        is_last = value_is_null(value_get(root, "next"));
        buf_clear(&after);
        buf_puts(&after, value_get_string(root, "next", ""));
    }
    return r;
}

int class_occurrences(struct client *client, const char *base, const char *name,
                      struct document **ret, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);

    buf_printf(&target, "%s/", base);
    client_escape(&target, name);
    buf_puts(&target, "/occurrences");
    return client_get(client, target.data, ret, err);
}

/* ---- cells ---- */

/* False: this machine does not know the zone, and *ret is UTC. */
static bool local_time(int64_t usec, const char *name, struct tm *ret)
{
    _cleanup_(zone_freep) struct zone *zone = NULL;
    bool is_known = zone_open(name, &zone) == 0;
    int64_t utc_sec = usec / USEC_PER_SEC;
    time_t sec = (time_t)(is_known ? zone_to_local(zone, utc_sec) : utc_sec);

    if (!gmtime_r(&sec, ret))
        *ret = (struct tm){.tm_mday = 1};
    return is_known;
}

void cell_class_time(struct buf *out, int64_t usec, const char *zone)
{
    bool is_known;
    struct tm tm;
    char text[48];

    if (!usec) {
        buf_putc(out, '-');
        return;
    }
    is_known = local_time(usec, zone, &tm);
    strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M", &tm);
    buf_printf(out, "%s%s", text, is_known ? "" : " UTC");
}

void cell_class_end(struct buf *out, int64_t usec, int64_t since_usec, const char *zone)
{
    struct tm since, until;
    char text[16];

    local_time(since_usec, zone, &since);
    local_time(usec, zone, &until);
    if (!usec || since.tm_yday != until.tm_yday || since.tm_year != until.tm_year) {
        cell_class_time(out, usec, zone);
        return;
    }
    strftime(text, sizeof(text), "%H:%M", &until);
    buf_puts(out, text);
}

void cell_class_ready(struct buf *out, const struct value *o)
{
    int64_t ready = value_get_int(o, "ready", -1);

    if (ready >= 0)
        buf_printf(out, "%" PRId64 "/%" PRId64, ready, value_get_int(o, "seats", 0));
    else
        buf_putc(out, '-');
}

/* Bits of "counted" say which were counted. */
void cell_class_counts(struct buf *out, const struct value *o)
{
    static const char *const moments[] = {"ready_early", "ready_on_time", "ready_late"};
    int64_t counted = value_get_int(o, "counted", 0);

    for (int i = 0; i < 3; i++) {
        buf_puts(out, i ? "," : "");
        if (counted & (INT64_C(1) << i))
            buf_printf(out, "%" PRId64, value_get_int(o, moments[i], 0));
        else
            buf_putc(out, '-');
    }
}

void cell_class_slowest(struct buf *out, const struct value *o)
{
    int64_t usec = value_get_int(o, "slowest_usec", 0);
    const char *stage = value_get_string(o, "slow_stage", "");

    if (usec)
        buf_printf(out, "%" PRId64 "s%s%s", (usec + USEC_PER_SEC - 1) / USEC_PER_SEC,
                   *stage ? " " : "", stage);
    else
        buf_putc(out, '-');
}
