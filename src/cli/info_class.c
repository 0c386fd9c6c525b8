/* SPDX-License-Identifier: Apache-2.0 */
/* info_class.c - vdiinfo --classes: when one's classes are, and how the one that is goes. */
#include "cli/info.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/class_list.h"

#define ROW "%-20s %6s %-20s %-20s %-16s %-9s %8s %10s %8s %s\n"
/* Seats are started so long before at most: what is later has no record. */
#define OPEN_USEC (INT64_C(2) * 86400 * USEC_PER_SEC)

struct listing {
    struct client *client;
    bool json;
    size_t n;
    struct buf open; /* --json: the occurrences that have a record */
};

static bool is_open(const struct value *o)
{
    const char *state = value_get_string(o, "state", "");

    return str_equal(state, "OPEN") || str_equal(state, "RELEASED");
}

/* The one that is, or whose seats are being started; NULL: none. It is the document's. */
static int open_of(const struct listing *l, const struct value *class, struct document **ret_owner,
                   const struct value **ret, struct vdi_error *err)
{
    int64_t next_usec = value_usec(class, "next_begin_time");
    const struct value *list;
    int r;

    *ret = NULL;
    if (!next_usec || next_usec - time_now_usec() > OPEN_USEC)
        return 0;
    r = class_occurrences(l->client, "/v1/classes", value_get_string(class, "name", ""), ret_owner,
                          err);
    if (r == -ENOENT) /* deleted since */
        return 0;
    list = value_get(document_root(*ret_owner), "occurrences");
    for (size_t i = 0; r == 0 && !*ret && i < value_count(list); i++)
        if (is_open(value_item(list, i)))
            *ret = value_item(list, i);
    return r;
}

static void print_json(struct listing *l, const struct value *class, const struct value *open)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);

    value_write(class, 2, &text);
    printf("%s%s", l->n ? ",\n" : "", text.data ? text.data : "");
    if (!open)
        return;
    buf_puts(&l->open, l->open.len ? ",\n" : "");
    value_write(open, 2, &l->open);
}

static void print_row(const struct value *class, const struct value *open)
{
    _cleanup_(buf_done) struct buf begin = BUF_INIT(64), end = BUF_INIT(64), ready = BUF_INIT(64);
    _cleanup_(buf_done) struct buf slowest = BUF_INIT(128), counts = BUF_INIT(64);
    const char *zone = value_get_string(class, "zone", "UTC");
    int64_t begin_usec = value_usec(open ? open : class, open ? "begin_time" : "next_begin_time");
    int64_t end_usec = value_usec(open ? open : class, open ? "end_time" : "next_end_time");
    char seats[24], claimed[24] = "-";

    snprintf(seats, sizeof(seats), "%" PRId64, value_get_int(class, "seats", 0));
    if (open)
        snprintf(claimed, sizeof(claimed), "%" PRId64, value_get_int(open, "claimed", 0));
    cell_class_time(&begin, begin_usec, zone);
    cell_class_end(&end, end_usec, begin_usec, zone);
    cell_class_ready(&ready, open);
    cell_class_counts(&counts, open);
    cell_class_slowest(&slowest, open);
    printf(ROW, value_get_string(class, "name", ""), seats, begin.data, end.data, zone,
           open         ? value_get_string(open, "state", "")
           : begin_usec ? "BOOKED"
                        : "OVER",
           ready.data, counts.data, claimed, slowest.data);
}

/* What is wrong stands below its class: it is a sentence. */
static int print_class(void *arg, const struct value *class, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *owner = NULL;
    const char *alarm = value_get_string(class, "alarm", "");
    struct listing *l = arg;
    const struct value *open;
    int r = open_of(l, class, &owner, &open, err);

    if (r < 0)
        return r;
    if (l->json)
        print_json(l, class, open);
    else
        print_row(class, open);
    if (!l->json && *alarm)
        printf("  ALARM: %s\n", alarm);
    l->n++;
    return 0;
}

int info_classes(struct client *client, bool json, bool noheader, struct vdi_error *err)
{
    struct listing l = {.client = client, .json = json, .open = BUF_INIT(0)};
    int r;

    if (json)
        puts("{\"classes\": [");
    else if (!noheader)
        printf(ROW, "CLASS", "SEATS", "NEXT", "UNTIL", "ZONE", "STATE", "READY", "-5m,0,+2m",
               "CLAIMED", "SLOWEST");
    r = class_list(client, "/v1/classes", "classes", print_class, &l, err);
    if (json)
        printf("],\n\"occurrences\": [%s]}\n", l.open.len ? l.open.data : "");
    buf_done(&l.open);
    return r;
}
