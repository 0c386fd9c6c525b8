/* SPDX-License-Identifier: Apache-2.0 */
/* control_drain.c - vdictl drain --by: what it would touch, before it is done. */
#include "cli/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"

#define LINE "%-12s %-12s %-24s %-20s %-20s %s\n"

static void print_row(const char *node, const struct value *row)
{
    const char *what = value_get_string(row, "what", "");
    int64_t from_usec = value_usec(row, "from_time"), until_usec = value_usec(row, "until_time");
    _cleanup_(buf_done) struct buf name = BUF_INIT(0), from = BUF_INIT(0), until = BUF_INIT(0),
                                   more = BUF_INIT(0);

    if (str_equal(what, "job") || str_equal(what, "waiting"))
        buf_printf(&name, "%" PRId64, value_get_int(row, "job", 0));
    else
        cell_text(&name, value_get_string(row, "name", ""), "-");
    cell_usec(&from, from_usec);
    cell_usec(&until, until_usec);
    if (str_equal(what, "class"))
        buf_printf(&more, "%" PRId64 " seats", value_get_int(row, "seats", 0));
    else
        cell_text(&more,
                  value_get_string(row, str_equal(what, "reservation") ? "flags" : "owner", ""),
                  "");
    printf(LINE, node, what, name.data, str_equal(what, "job") && !from_usec ? "now" : from.data,
           until.data, more.data ? more.data : "");
}

static int print_node(struct control *c, const char *node, const char *by, bool *io_any,
                      struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    const struct value *root, *list;
    int64_t more;
    int r;

    buf_puts(&target, "/v1/nodes/");
    client_escape(&target, node);
    buf_puts(&target, "/forecast?by=");
    client_escape(&target, by);
    r = client_get(c->client, target.data, &document, err);
    if (r < 0)
        return r;
    root = document_root(document);
    list = value_get(root, "touched");
    for (size_t i = 0; i < value_count(list); i++) {
        if (!*io_any)
            printf(LINE, "NODE", "WHAT", "JOB, NAME", "FROM", "UNTIL", "WHO, HOW MANY");
        *io_any = true;
        print_row(node, value_item(list, i));
    }
    more = value_get_int(root, "more", 0);
    if (more)
        printf("%-12s and %" PRId64 " more\n", node, more);
    return 0;
}

int control_drain_forecast(struct control *c, const struct hostlist *nodes, struct vdi_error *err)
{
    int64_t by_usec = 0;
    bool any = false;
    char by[40];
    int r = 0;

    if (time_from_slurm(c->options.by, time_now_usec(), &by_usec) < 0) {
        error_set(err, EINVAL, "by", "--by=%.60s: not a point in time", c->options.by);
        error_hint(err, NULL, "write 16:00, 2026-10-13T10:15, now+2hours or tomorrow");
        return -EINVAL;
    }
    time_to_rfc3339(by_usec, by);
    for (size_t i = 0; i < nodes->n && r == 0; i++)
        r = print_node(c, nodes->names[i], by, &any, err);
    if (r == 0 && !any)
        puts("nothing is touched");
    return r;
}
