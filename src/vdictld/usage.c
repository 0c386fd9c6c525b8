/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage.c - GET /v1/usage: what instances held, summed up by whom and by period.
 *
 * As history.c: the archive of instances first, then what is in memory alone. Each step is
 * a page of the archive or a slice of the table; between them the loop and the store do
 * other work. doc/design/usage.md says why no sums are kept.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/noun_codec.h"
#include "model/usage.h"
#include "vdictld/archive.h"
#include "vdictld/handlers.h"
#include "vdictld/job_filter.h"

#define PAGE 500
#define SLICE_ROWS 1000 /* of the table, and of the answer */
#define SLICE_USEC 2000
#define PAGE_LOOKS 8 /* rows between two looks at the clock */
#define BY_DEFAULT ((1u << USAGE_OWNER) | (1u << USAGE_ACCOUNT) | (1u << USAGE_PROFILE))

struct usage_call {
    struct core *core;
    struct call *call; /* until the answer begins */
    struct http_stream *stream;
    struct source *again;
    struct usage *usage;
    struct archive_walk walk;
    struct archive_query *page; /* of the archive, being summed up; NULL: none */
    size_t page_at;             /* its next row */
    unsigned by;
    int64_t cuts[USAGE_CUTS_MAX];
    size_t n_cuts;
    char owner[CALL_WHO_MAX]; /* "": anyone's */
    char account[64], partition[64], qos[64];
    uint64_t after; /* the last instance looked at in memory */
    size_t written;
    struct vdi_error err;
};

static void usage_call_free(struct usage_call *u)
{
    source_free(u->again);
    archive_query_free(u->page);
    usage_free(u->usage);
    free(u);
}

static void refuse(struct usage_call *u)
{
    call_refuse(u->call, &u->err);
    usage_call_free(u);
}

static bool is_word(const char *want, const char *is)
{
    return !*want || !strcmp(want, is);
}

static int add(struct usage_call *u, const struct instance *in)
{
    char limit[32];
    int r;

    if (!is_word(u->owner, in->owner) || !is_word(u->account, in->account) ||
        !is_word(u->partition, in->partition) || !is_word(u->qos, in->qos))
        return 0;
    r = usage_add(u->usage, in, u->walk.now_usec);
    if (r == -E2BIG) {
        error_set(&u->err, E2BIG, "by", "there are too many sums for one answer");
        snprintf(limit, sizeof(limit), "%d sums", USAGE_GROUPS_MAX);
        error_hint(&u->err, limit, "ask for a shorter time, longer periods, or by fewer members");
    } else if (r < 0) {
        error_set(&u->err, -r, "", "out of memory");
    }
    return r;
}

/* ---- the answer ---- */

static void write_sum(const struct usage_call *u, const struct usage_sum *s, struct buf *out)
{
    char since[40], until[40];

    if (u->cuts[s->period])
        buf_printf(out, "{\"since\":\"%s\"", time_to_rfc3339(u->cuts[s->period], since));
    else
        buf_puts(out, "{\"since\":null");
    buf_printf(out, ",\"until\":\"%s\"", time_to_rfc3339(u->cuts[s->period + 1], until));
    for (int by = 0; by < USAGE_N_BY; by++) {
        if (!s->by[by])
            continue;
        buf_printf(out, ",\"%s\":", usage_by_names[by]);
        json_write_string(out, s->by[by]);
    }
    buf_printf(out, ",\"instances\":%" PRIu64 ",\"held_seconds\":%" PRIu64, s->instances,
               s->held_msec / 1000);
    buf_printf(out, ",\"gpu_seconds\":%" PRIu64 ",\"cpu_seconds\":%" PRIu64, s->gpu_msec / 1000,
               s->cpu_msec / 1000);
    buf_printf(out, ",\"memory_mib_seconds\":%" PRIu64 ",\"framebuffer_mib_seconds\":%" PRIu64,
               s->memory_mib_msec / 1000, s->framebuffer_mib_msec / 1000);
    buf_printf(out, ",\"gpu_seconds_unsized\":%" PRIu64 "}", s->gpu_unsized_msec / 1000);
}

static void answer_ready(void *arg)
{
    struct usage_call *u = arg;
    struct buf out = BUF_INIT(0);
    size_t until = u->written + SLICE_ROWS;

    for (; u->written < until && u->written < usage_count(u->usage); u->written++) {
        if (u->written)
            buf_putc(&out, ',');
        write_sum(u, usage_at(u->usage, u->written), &out);
    }
    if (u->written == usage_count(u->usage)) {
        buf_puts(&out, "]}");
        http_stream_send(u->stream, out.data, out.len);
        http_stream_end(u->stream);
    } else {
        http_stream_send(u->stream, out.data, out.len);
    }
    buf_done(&out);
}

static void answer_closed(void *arg)
{
    usage_call_free(arg);
}

static void answer(struct usage_call *u)
{
    struct call *call = u->call;

    u->call = NULL;
    u->core->replies[2]++;
    u->stream =
        http_request_stream(call->http, 200, "application/json", answer_ready, answer_closed, u);
    free(call);
    if (u->stream)
        http_stream_send(u->stream, "{\"usage\":[", 10);
    else
        usage_call_free(u);
}

/* ---- summing up ---- */

/* A slice of what is in memory: it is not gone, or has been since the archive was read. */
static void live_slice(struct usage_call *u)
{
    struct table *t = events_table(u->core->events, NOUN_INSTANCE);
    size_t at = table_after(t, u->after);

    for (size_t n = 0; at < table_end(t); at++) {
        const struct slot *slot = table_at(t, at);
        const struct instance *in = slot ? slot->pub : NULL;

        if (n++ == SLICE_ROWS) {
            source_rearm(u->again, 0);
            return;
        }
        if (!slot)
            continue;
        u->after = slot->id;
        if (!in || (in->gone_usec && archive_walk_met(&u->walk, in->gone_usec, in->id)))
            continue;
        if (add(u, in) < 0) {
            refuse(u);
            return;
        }
    }
    answer(u);
}

static void ask(struct usage_call *u);

static int add_row(struct usage_call *u, const struct archive_row *row)
{
    struct instance *in = NULL;
    uint64_t id;
    int r = 0;

    if (str_to_u64(row->key, 1, INT64_MAX, &id) == 0 &&
        instance_snapshot_decode(id, row->version, row->body, row->body_len, &in, NULL) >= 0)
        r = add(u, in);
    instance_unref(in);
    return r;
}

/* A slice of the page that came last; with its end, the walk goes on. */
static void page_slice(struct usage_call *u)
{
    int64_t until = loop_monotonic_usec(u->core->loop) + SLICE_USEC;

    while (u->page_at < u->page->n_rows) {
        if (add_row(u, &u->page->rows[u->page_at++]) < 0) {
            refuse(u);
            return;
        }
        if (u->page_at % PAGE_LOOKS == 0 && loop_monotonic_usec(u->core->loop) > until) {
            source_rearm(u->again, 0);
            return;
        }
    }
    bool more = archive_walk_next(&u->walk, u->page);
    archive_query_free(TAKE_PTR(u->page));
    if (more)
        ask(u);
    else
        live_slice(u);
}

static void rows(void *arg, const struct archive_query *q)
{
    struct usage_call *u = arg;

    u->err = q->err;
    if (q->result < 0) {
        refuse(u);
        return;
    }
    u->page = archive_keep(q);
    u->page_at = 0;
    page_slice(u);
}

static void next_slice(void *arg)
{
    struct usage_call *u = arg;

    if (u->page)
        page_slice(u);
    else
        live_slice(u);
}

static void ask(struct usage_call *u)
{
    struct archive_query q = {.done = rows, .arg = u};

    if (archive_walk_ask(u->core, &u->walk, &q) >= 0)
        return;
    error_set(&u->err, EBUSY, "", "the store is busy");
    refuse(u);
}

/* ---- what was asked for ---- */

static const char *query(const struct call *call, const char *name)
{
    const char *value = http_request_query(call->http, name);

    return value ? value : "";
}

static int parse_by(const char *text, unsigned *ret, struct vdi_error *err)
{
    unsigned by = 0;

    while (*text) {
        size_t len = strcspn(text, ",");
        int i = 0;

        while (i < USAGE_N_BY &&
               (strlen(usage_by_names[i]) != len || memcmp(usage_by_names[i], text, len) != 0))
            i++;
        if (i == USAGE_N_BY) {
            error_set(err, EINVAL, "by", "nothing is summed by '%.*s'", (int)(len < 40 ? len : 40),
                      text);
            error_hint(err, NULL, "owner, account, partition, qos, template, profile");
            return -EINVAL;
        }
        by |= 1u << i;
        text += len + (text[len] == ',');
    }
    if (by)
        *ret = by;
    return 0;
}

static int refuse_cuts(const char *text, struct vdi_error *err)
{
    char limit[32];

    error_set(err, EINVAL, "cuts", "'%.40s' are not times that go up", text);
    snprintf(limit, sizeof(limit), "2 to %d times", USAGE_CUTS_MAX);
    error_hint(err, limit, "write seconds since 1970: 1790805600,1793484000");
    return -EINVAL;
}

/* Seconds since 1970, which go up. */
static int parse_cuts(struct usage_call *u, const char *text, struct vdi_error *err)
{
    const char *p = text;

    for (u->n_cuts = 0; *p;) {
        size_t len = strcspn(p, ",");
        char word[24];
        uint64_t sec;

        str_copy(word, sizeof(word), "");
        if (len < sizeof(word))
            snprintf(word, sizeof(word), "%.*s", (int)len, p);
        if (u->n_cuts == USAGE_CUTS_MAX || str_to_u64(word, 0, INT64_MAX / USEC_PER_SEC, &sec) < 0)
            return refuse_cuts(text, err);
        u->cuts[u->n_cuts] = (int64_t)sec * USEC_PER_SEC;
        if (u->n_cuts && u->cuts[u->n_cuts] <= u->cuts[u->n_cuts - 1])
            return refuse_cuts(text, err);
        u->n_cuts++;
        p += len + (p[len] == ',');
    }
    return u->n_cuts < 2 ? refuse_cuts(text, err) : 0;
}

static int parse_time(struct call *call, struct usage_call *u, struct vdi_error *err)
{
    const char *cuts = query(call, "cuts");
    int r;

    if (*cuts && (*query(call, "since") || *query(call, "until")))
        return error_set(err, EINVAL, "cuts", "the first and the last of 'cuts' are the time");
    if (*cuts)
        return parse_cuts(u, cuts, err);
    u->cuts[1] = loop_now_usec(call->core->loop);
    u->n_cuts = 2;
    r = job_filter_time(call, "since", &u->cuts[0], err);
    if (r >= 0)
        r = job_filter_time(call, "until", &u->cuts[1], err);
    if (r >= 0 && u->cuts[0] >= u->cuts[1])
        r = error_set(err, EINVAL, "until", "'until' must be after 'since'");
    return r;
}

static int parse(struct call *call, struct usage_call *u, struct vdi_error *err)
{
    const char *user = query(call, "user");
    int r = parse_by(query(call, "by"), &u->by, err);

    if (r >= 0)
        r = parse_time(call, u, err);
    if (r < 0)
        return r;
    if (*user && !strchr(user, ':'))
        snprintf(u->owner, sizeof(u->owner), "unix:%.90s", user);
    else
        str_copy(u->owner, sizeof(u->owner), user);
    if (str_equal(query(call, "me"), "true"))
        str_copy(u->owner, sizeof(u->owner), call->who_text);
    if (!call_is_operator(call) && *u->owner && strcmp(u->owner, call->who_text) != 0)
        return error_set(err, EPERM, "user", "only an operator sees what others used");
    if (!call_is_operator(call))
        str_copy(u->owner, sizeof(u->owner), call->who_text);
    str_copy(u->account, sizeof(u->account), query(call, "account"));
    str_copy(u->partition, sizeof(u->partition), query(call, "partition"));
    str_copy(u->qos, sizeof(u->qos), query(call, "qos"));
    u->walk = (struct archive_walk){.noun = "instance",
                                    .from_usec = u->cuts[0],
                                    .to_usec = u->cuts[u->n_cuts - 1],
                                    .now_usec = loop_now_usec(call->core->loop),
                                    .page = PAGE};
    str_copy(u->walk.owner, sizeof(u->walk.owner), u->owner);
    archive_walk_begin(&u->walk);
    u->usage = usage_new(u->cuts, u->n_cuts, u->by);
    return u->usage ? 0 : error_set(err, ENOMEM, "", "out of memory");
}

void handle_usage(struct call *call)
{
    struct usage_call *u = calloc(1, sizeof(*u));

    if (!u) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    u->core = call->core;
    u->call = call;
    u->by = BY_DEFAULT;
    u->again = loop_timer(call->core->loop, -1, next_slice, u);
    if (parse(call, u, &u->err) < 0)
        refuse(u);
    else
        ask(u);
}
