/* SPDX-License-Identifier: Apache-2.0 */
/* info_gpu.c - vdiinfo --gpus: what each GPU holds at a time, what is free, when it changes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cells.h"
#include "cli/info.h"

#define LINE "%-14s %3s %-9s %-22s %4s %-20s %-28s %s\n"
#define LINE_CHANGES "%-14s %3s %-9s %-22s %4s %-20s %s\n"
#define FIELDS "node,gpu,state,at,profile,used,by,class,profiles,changes,more_changes"

/* Seats of one profile that are free, over all GPUs. */
struct sum {
    char profile[64];
    int64_t free, gpus;
};

struct gpu_listing {
    const struct info_gpus *ask;
    int64_t now_usec, at_usec; /* at: as the controller says; 0: no row came */
    size_t n;
    struct sum *sums; /* as they came */
    size_t n_sums;
};

/* ---- cells ---- */

/* "10:10" today, "2026-12-01 10:10" on another day. */
static void cell_short_time(struct buf *out, int64_t usec, int64_t now_usec)
{
    time_t sec = (time_t)(usec / USEC_PER_SEC), now_sec = (time_t)(now_usec / USEC_PER_SEC);
    struct tm tm = {.tm_mday = 1}, now = {.tm_mday = 1};
    char text[32];

    localtime_r(&sec, &tm);
    localtime_r(&now_sec, &now);
    bool is_today = tm.tm_yday == now.tm_yday && tm.tm_year == now.tm_year;
    strftime(text, sizeof(text), is_today ? "%H:%M" : "%Y-%m-%d %H:%M", &tm);
    buf_puts(out, text);
}

/* "class cad1-lab", "a class" of others, "job", "pending job"; nothing if nobody has it. */
static void cell_by(struct buf *out, const struct value *row)
{
    const char *by = value_get_string(row, "by", ""), *name = value_get_string(row, "class", "");

    if (str_equal(by, "class"))
        buf_printf(out, *name ? "class %s" : "a class", name);
    else
        buf_printf(out, str_equal(by, "pending") ? "%s job" : "%s", by);
}

static void cell_free(struct buf *out, const struct value *row)
{
    const struct value *list = value_get(row, "profiles");

    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *p = value_item(list, i);
        int64_t n = value_get_int(p, "free", 0);

        if (n)
            buf_printf(out, "%s%s:%" PRId64, out->len ? "," : "",
                       value_get_string(p, "profile", ""), n);
    }
    if (!out->len)
        buf_putc(out, '-');
}

/* "10:10 -> nvidia-a40-4q (class cad1-lab)" */
static void cell_change(struct buf *out, const struct value *change, int64_t now_usec)
{
    _cleanup_(buf_done) struct buf by = BUF_INIT(256);

    cell_short_time(out, value_usec(change, "at"), now_usec);
    buf_puts(out, " -> ");
    cell_text(out, value_get_string(change, "profile", ""), "empty");
    cell_by(&by, change);
    if (by.len)
        buf_printf(out, " (%s)", by.data);
}

/* ---- rows ---- */

static struct sum *sum_of(struct gpu_listing *l, const char *profile)
{
    struct sum *grown;

    for (size_t i = 0; i < l->n_sums; i++)
        if (str_equal(l->sums[i].profile, profile))
            return &l->sums[i];
    grown = reallocarray(l->sums, l->n_sums + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    l->sums = grown;
    grown[l->n_sums] = (struct sum){.free = 0};
    str_copy(grown[l->n_sums].profile, sizeof(grown->profile), profile);
    return &grown[l->n_sums++];
}

static int add_sums(struct gpu_listing *l, const struct value *row)
{
    const struct value *list = value_get(row, "profiles");

    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *p = value_item(list, i);
        struct sum *sum = sum_of(l, value_get_string(p, "profile", ""));
        int64_t n = value_get_int(p, "free", 0);

        if (!sum)
            return -ENOMEM;
        sum->free += n;
        sum->gpus += n > 0;
    }
    return 0;
}

static void print_changes(const struct gpu_listing *l, const struct value *row)
{
    const struct value *list = value_get(row, "changes");

    for (size_t i = 0; i < value_count(list); i++) {
        _cleanup_(buf_done) struct buf text = BUF_INIT(1 << 14);

        cell_change(&text, value_item(list, i), l->now_usec);
        printf("    %s\n", text.data ? text.data : "");
    }
    if (value_get_bool(row, "more_changes", false))
        puts("    ... and later ones: ask with a later --at");
}

static void print_row(const struct gpu_listing *l, const struct value *row)
{
    _cleanup_(buf_done) struct buf by = BUF_INIT(256), free_now = BUF_INIT(1 << 14);
    _cleanup_(buf_done) struct buf state = BUF_INIT(64), change = BUF_INIT(1 << 14);
    const struct value *changes = value_get(row, "changes");
    const char *profile = value_get_string(row, "profile", "");
    char gpu[24], used[24];

    snprintf(gpu, sizeof(gpu), "%" PRId64, value_get_int(row, "gpu", 0));
    snprintf(used, sizeof(used), "%" PRId64, value_get_int(row, "used", 0));
    for (const char *p = value_get_string(row, "state", ""); *p; p++)
        buf_putc(&state, (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
    cell_by(&by, row);
    cell_free(&free_now, row);
    if (value_count(changes))
        cell_change(&change, value_item(changes, 0), l->now_usec);
    printf(l->ask->changes ? LINE_CHANGES : LINE, value_get_string(row, "node", ""), gpu,
           state.len ? state.data : "-", *profile ? profile : "empty", used, by.len ? by.data : "-",
           free_now.data ? free_now.data : "-", change.len ? change.data : "-");
    if (l->ask->changes)
        print_changes(l, row);
}

static int take_row(struct gpu_listing *l, const struct value *row)
{
    if (l->ask->json) {
        _cleanup_(buf_done) struct buf text = BUF_INIT(0);

        value_write(row, 2, &text);
        printf("%s%s", l->n++ ? ",\n" : "", text.data ? text.data : "");
        return 0;
    }
    l->n++;
    if (!l->at_usec)
        l->at_usec = value_usec(row, "at");
    print_row(l, row);
    return add_sums(l, row);
}

static void print_sums(const struct gpu_listing *l)
{
    _cleanup_(buf_done) struct buf at = BUF_INIT(64), length = BUF_INIT(64);

    if (!l->n_sums)
        return;
    cell_usec(&at, l->at_usec);
    if (l->ask->for_sec)
        cell_length(&length, l->ask->for_sec);
    printf("\nFree at %s%s%s, each profile as if no other were taken:\n", at.data,
           length.len ? " for " : "", length.len ? length.data : "");
    for (size_t i = 0; i < l->n_sums; i++)
        printf("  %-22s %6" PRId64 " on %" PRId64 " GPU%s\n", l->sums[i].profile, l->sums[i].free,
               l->sums[i].gpus, l->sums[i].gpus == 1 ? "" : "s");
}

/* ---- the question ---- */

static int make_target(const struct info_gpus *ask, int64_t now_usec, struct buf *out,
                       struct vdi_error *err)
{
    int64_t at_usec = 0;
    char text[40];

    buf_printf(out, "/v1/gpus?changes=%d", ask->json || ask->changes ? 64 : 1);
    if (ask->at && time_from_slurm(ask->at, now_usec, &at_usec) < 0) {
        error_set(err, EINVAL, "at", "--at=%.60s: not a point in time", ask->at);
        error_hint(err, NULL, "write 16:00, 2026-10-13T10:15, now+2hours or tomorrow");
        return -EINVAL;
    }
    client_query(out, "at", at_usec ? time_to_rfc3339(at_usec, text) : "");
    if (ask->for_sec > 0)
        buf_printf(out, "&for_sec=%" PRId64, ask->for_sec);
    client_query(out, "node", ask->nodes);
    client_query(out, "fields", ask->json ? "" : FIELDS);
    return 0;
}

static void print_head(const struct info_gpus *ask)
{
    if (ask->json)
        puts("{\"gpus\": [");
    else if (!ask->noheader)
        printf(ask->changes ? LINE_CHANGES : LINE, "NODE", "GPU", "STATE", "PROFILE", "USED", "BY",
               "FREE", "NEXT");
}

static int take_page(struct client *client, struct gpu_listing *l, const struct buf *target,
                     struct buf *io_after, struct vdi_error *err)
{
    _cleanup_(document_freep) struct document *document = NULL;
    _cleanup_(buf_done) struct buf whole = BUF_INIT(1 << 20);
    const struct value *list;
    const char *next;
    int r;

    buf_append(&whole, target->data, target->len);
    client_query(&whole, "after", io_after->data);
    r = client_get(client, whole.data, &document, err);
    if (r < 0)
        return r;
    list = value_get(document_root(document), "gpus");
    if (!value_is_list(list))
        return error_set(err, EREMOTEIO, "", "the controller's answer has no list of GPUs");
    if (!io_after->len)
        print_head(l->ask);
    for (size_t i = 0; r == 0 && i < value_count(list); i++)
        r = take_row(l, value_item(list, i));
    next = value_get_string(document_root(document), "next", "");
    if (*next && str_equal(next, io_after->data))
        return error_set(err, EREMOTEIO, "", "the controller's pages do not end");
    buf_clear(io_after);
    buf_puts(io_after, next);
    return r < 0 ? error_set(err, -r, "", "no memory for the list of GPUs") : 0;
}

int info_gpus(struct client *client, const struct info_gpus *ask, struct vdi_error *err)
{
    struct gpu_listing l = {.ask = ask, .now_usec = time_now_usec()};
    _cleanup_(buf_done) struct buf target = BUF_INIT(1 << 20), after = BUF_INIT(1 << 12);
    int r = make_target(ask, l.now_usec, &target, err);

    if (r == 0)
        r = take_page(client, &l, &target, &after, err);
    while (r == 0 && after.len)
        r = take_page(client, &l, &target, &after, err);
    if (r == 0 && ask->json)
        puts("]}");
    else if (r == 0)
        print_sums(&l);
    free(l.sums);
    return r;
}
