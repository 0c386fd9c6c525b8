/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - GET /v1/history: jobs of any time, in the order of their ends.
 *
 * First the archive, where a job is from the commit of its end on; then, from memory, what
 * has not ended and what ended after the last row of the archive was read. Ends are committed
 * and read on one thread, so that no job is missing and none is there twice. Named jobs are
 * looked up one by one. A page of the archive is asked for when the client has taken the
 * one before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "vdictld/archive.h"
#include "vdictld/handlers.h"
#include "vdictld/job_doc.h"
#include "vdictld/job_filter.h"
#include "vdictld/job_index.h"

#define PAGE 300
#define SLICE_BYTES (128u << 10)
#define SLICE_USEC 2000
#define SLICE_LOOKS 64 /* jobs between two looks at the clock */
#define PAGE_LOOKS 8   /* rows, which are decoded first */
#define LIMIT_MAX 1000000

enum stage { STAGE_ARCHIVE, STAGE_LIVE, STAGE_IDS };

struct history {
    struct core *core;
    struct http_stream *stream;
    struct source *again;
    struct job_filter filter;
    struct job_doc_columns columns;
    bool all_sees; /* an operator, who named no user */
    char owner[CALL_WHO_MAX];
    enum stage stage;
    struct archive_walk walk;
    struct archive_query *page; /* of the archive, being written; NULL: none */
    size_t page_at;             /* its next row */
    uint64_t after, limit, n;   /* after: the last id of the stages behind the archive */
    uint64_t asked; /* STAGE_IDS: the job whose record is on its way, only to learn its array */
    bool learning;
    bool first, asking, gone;
};

static void history_ready(void *arg);

static void history_free(struct history *h)
{
    source_free(h->again);
    archive_query_free(h->page);
    job_filter_done(&h->filter);
    free(h);
}

static bool takes(const struct history *h, const struct job *job)
{
    return (h->all_sees || !strcmp(h->owner, job->spec->owner)) &&
           job_filter_takes(&h->filter, job);
}

static void write_one(struct history *h, const struct job *job, struct buf *out)
{
    if (!h->first)
        buf_putc(out, ',');
    h->first = false;
    job_doc_write(h->core, job, &h->columns, out);
    h->n++;
}

/* ---- sending ---- */

static void write_cursor(const struct history *h, struct buf *out)
{
    switch (h->stage) {
    case STAGE_ARCHIVE:
        buf_printf(out, "\"a%" PRId64 ".%s\"", h->walk.after_usec, h->walk.after_key);
        break;
    case STAGE_LIVE: /* the archive's end goes along: it says what is new in memory */
        buf_printf(out, "\"l%" PRIu64 ".%" PRId64 ".%s\"", h->after, h->walk.after_usec,
                   h->walk.after_key);
        break;
    case STAGE_IDS:
        buf_printf(out, "\"i%" PRIu64 "\"", h->after);
        break;
    }
}

static void finish(struct history *h, bool more, struct buf *out)
{
    buf_puts(out, "],\"next\":");
    if (more)
        write_cursor(h, out);
    else
        buf_puts(out, "null");
    buf_putc(out, '}');
    http_stream_send(h->stream, out->data, out->len);
    http_stream_end(h->stream);
}

/* What there is, or if there is nothing on with it. */
static void go_on(struct history *h, struct buf *out)
{
    if (h->n >= h->limit)
        finish(h, true, out);
    else if (out->len)
        http_stream_send(h->stream, out->data, out->len); /* `ready` goes on */
    else
        source_rearm(h->again, 0);
}

/* The client sees that its list was cut short. */
static void give_up(struct history *h)
{
    http_stream_abort(h->stream);
}

/* ---- the archive ---- */

static struct job *decode(const struct archive_row *row)
{
    struct job *job = NULL;
    uint64_t id;

    if (str_to_u64(row->key, 1, INT64_MAX, &id) < 0 ||
        job_snapshot_decode(id, row->version, row->body, row->body_len, &job, NULL) < 0)
        return NULL;
    return job;
}

/* The limit falls within a page: the next one begins after the last that was written. */
static void cut(struct history *h, const struct job *last)
{
    h->walk.after_usec = last->end_usec;
    snprintf(h->walk.after_key, sizeof(h->walk.after_key), "%" PRIu64, last->id);
}

/* A slice of the page that came last; with its end, the walk goes on. */
static void page_slice(struct history *h)
{
    int64_t until = loop_monotonic_usec(h->core->loop) + SLICE_USEC;
    struct buf out = BUF_INIT(0);
    bool is_cut = false;

    while (h->page_at < h->page->n_rows && !is_cut) {
        struct job *job = decode(&h->page->rows[h->page_at++]);

        if (job && takes(h, job)) {
            write_one(h, job, &out);
            is_cut = h->n >= h->limit;
            if (is_cut)
                cut(h, job);
        }
        if (job)
            job_unref(job);
        if (h->page_at % PAGE_LOOKS == 0 && loop_monotonic_usec(h->core->loop) > until)
            break;
    }
    if (is_cut || h->page_at >= h->page->n_rows) {
        if (!is_cut && !archive_walk_next(&h->walk, h->page))
            h->stage = STAGE_LIVE;
        archive_query_free(TAKE_PTR(h->page));
    }
    go_on(h, &out);
    buf_done(&out);
}

static void archive_rows(void *arg, const struct archive_query *q)
{
    struct history *h = arg;

    h->asking = false;
    if (h->gone) {
        history_free(h);
    } else if (q->result < 0) {
        give_up(h);
    } else {
        h->page = archive_keep(q);
        h->page_at = 0;
        page_slice(h);
    }
}

static void ask_archive(struct history *h)
{
    struct archive_query q = {.done = archive_rows, .arg = h};

    job_filter_end_states(&h->filter, q.states);
    h->asking = true;
    if (archive_walk_ask(h->core, &h->walk, &q) < 0) {
        h->asking = false;
        give_up(h);
    }
}

/* ---- what is in memory alone ---- */

static bool is_new(const struct history *h, const struct job *job)
{
    return !job_state_is_end(job->state) || !archive_walk_met(&h->walk, job->end_usec, job->id);
}

static const struct slot *next_slot(const struct history *h, size_t *io_at)
{
    struct table *t = events_table(h->core->events, NOUN_JOB);

    if (!h->all_sees && job_index_is_whole(h->core->mine)) {
        uint64_t id = job_index_next(h->core->mine, h->owner, h->after);

        return id ? table_slot(t, id, NULL, false) : NULL;
    }
    while (*io_at < table_end(t)) {
        const struct slot *slot = table_at(t, (*io_at)++);

        if (slot)
            return slot;
    }
    return NULL;
}

static void live_slice(struct history *h)
{
    int64_t until = loop_monotonic_usec(h->core->loop) + SLICE_USEC;
    size_t at = table_after(events_table(h->core->events, NOUN_JOB), h->after);
    struct buf out = BUF_INIT(0);
    const struct slot *slot = NULL;

    for (unsigned looks = 1; h->n < h->limit && (slot = next_slot(h, &at)); looks++) {
        h->after = slot->id;
        if (slot->pub && is_new(h, slot->pub) && takes(h, slot->pub))
            write_one(h, slot->pub, &out);
        if (out.len >= SLICE_BYTES ||
            (looks % SLICE_LOOKS == 0 && loop_monotonic_usec(h->core->loop) > until))
            break;
    }
    if (slot || h->n >= h->limit)
        go_on(h, &out);
    else
        finish(h, false, &out);
    buf_done(&out);
}

/* ---- named jobs ---- */

static void next_named(struct history *h, struct buf *out);

static void found_named(void *arg, const struct archive_query *q)
{
    struct history *h = arg;
    struct buf out = BUF_INIT(0);
    struct job *job = q->result >= 0 && q->n_rows ? decode(&q->rows[0]) : NULL;

    h->asking = false;
    if (h->gone) {
        history_free(h);
    } else if (q->result < 0) {
        give_up(h);
    } else {
        if (job)
            job_filter_learn(&h->filter, job);
        if (job && !h->learning && takes(h, job))
            write_one(h, job, &out);
        if (!job)
            job_filter_forget(&h->filter, h->asked);
        next_named(h, &out);
    }
    if (job)
        job_unref(job);
    buf_done(&out);
}

static void ask_named(struct history *h, uint64_t id, bool learning)
{
    struct archive_query q = {.noun = "job", .limit = 1, .done = found_named, .arg = h};

    snprintf(q.key, sizeof(q.key), "%" PRIu64, id);
    h->asked = id;
    h->learning = learning;
    h->asking = true;
    if (archive_ask(h->core, &q) >= 0)
        return;
    h->asking = false;
    give_up(h);
}

/* Those in memory at once, up to one that has left it. */
static void next_named(struct history *h, struct buf *out)
{
    const struct job *job;
    uint64_t id = job_filter_unknown(&h->filter, h->after);

    if (id && out->len) {
        go_on(h, out);
        return;
    }
    if (id) { /* on a later page: which are its tasks? */
        ask_named(h, id, true);
        return;
    }
    while (h->n < h->limit && out->len < SLICE_BYTES &&
           (id = job_filter_next_id(&h->filter, h->after))) {
        job = core_job(h->core, id);
        if (!job && out->len)
            break; /* sent first */
        h->after = id;
        if (job)
            job_filter_learn(&h->filter, job);
        if (job && takes(h, job)) {
            write_one(h, job, out);
        } else if (!job) {
            ask_named(h, id, false);
            return;
        }
    }
    if (out->len || job_filter_next_id(&h->filter, h->after))
        go_on(h, out);
    else
        finish(h, false, out);
}

static void history_ready(void *arg)
{
    struct history *h = arg;
    struct buf out = BUF_INIT(0);

    if (h->asking)
        return;
    if (h->page)
        page_slice(h);
    else if (h->stage == STAGE_ARCHIVE)
        ask_archive(h);
    else if (h->stage == STAGE_LIVE)
        live_slice(h);
    else
        next_named(h, &out);
    buf_done(&out);
}

static void history_closed(void *arg)
{
    struct history *h = arg;

    h->gone = true;
    if (!h->asking)
        history_free(h);
}

/* ---- what was asked for ---- */

/* "a USEC.KEY", "l ID.USEC.KEY", "i ID" without the blank, as written above. */
static int parse_after(struct history *h, const char *after, struct vdi_error *err)
{
    char stage = *after, text[100], *rest = text, *usec = NULL;
    uint64_t n = 0;
    bool good = strlen(after) < sizeof(text) && strchr("ali", stage);

    if (!stage)
        return 0;
    str_copy(text, sizeof(text), good ? after + 1 : "");
    if (stage == 'l' || stage == 'i') {
        usec = strsep(&rest, ".");
        good = good && str_to_u64(usec, 0, INT64_MAX, &h->after) >= 0;
    }
    if (stage == 'l' || stage == 'a') {
        usec = rest ? strsep(&rest, ".") : NULL;
        good = good && usec && rest && str_to_u64(usec, 0, INT64_MAX, &n) >= 0;
        h->walk.after_usec = (int64_t)n;
        str_copy(h->walk.after_key, sizeof(h->walk.after_key), rest ? rest : "");
    }
    if (!good || (stage == 'i') != (h->filter.n_ids > 0))
        return error_set(err, EINVAL, "after", "'%.40s' is no cursor", after);
    h->stage = stage == 'a' ? STAGE_ARCHIVE : stage == 'l' ? STAGE_LIVE : STAGE_IDS;
    return 0;
}

/* A name without a realm is one of unix, so that it is an index's key. */
static void set_owner(struct call *call, struct history *h)
{
    struct job_filter *f = &h->filter;

    if (*f->owner && !strchr(f->owner, ':')) {
        char name[sizeof(f->owner)];

        str_copy(name, sizeof(name), f->owner);
        snprintf(f->owner, sizeof(f->owner), "unix:%.*s", (int)sizeof(name) - 6, name);
    }
    h->all_sees = call_is_operator(call) && !*f->owner;
    /* Others' names find nothing in what is one's own. */
    str_copy(h->owner, sizeof(h->owner),
             call_is_operator(call) && *f->owner ? f->owner : call->who_text);
}

static int parse(struct call *call, struct history *h, struct vdi_error *err)
{
    const char *fields = http_request_query(call->http, "fields");
    const char *after = http_request_query(call->http, "after");
    struct job_filter *f = &h->filter;
    int r = job_filter_parse(call, f, err);

    if (r < 0)
        return r;
    if (!f->states)
        f->all = f->archive = true;
    set_owner(call, h);
    h->stage = f->n_ids ? STAGE_IDS : f->archive ? STAGE_ARCHIVE : STAGE_LIVE;
    h->walk = (struct archive_walk){.noun = "job",
                                    .from_usec = f->since_usec,
                                    .to_usec = f->until_usec,
                                    .now_usec = loop_now_usec(call->core->loop),
                                    .page = PAGE};
    if (!h->all_sees)
        str_copy(h->walk.owner, sizeof(h->walk.owner), h->owner);
    r = parse_after(h, after ? after : "", err);
    archive_walk_begin(&h->walk);
    return r < 0 ? r : job_doc_columns(fields ? fields : "", false, &h->columns, err);
}

void handle_history(struct call *call)
{
    struct vdi_error err = {0};
    struct history *h;
    uint64_t limit;

    if (!call_number(call, "limit", LIMIT_MAX, LIMIT_MAX, &limit))
        return;
    h = calloc(1, sizeof(*h));
    if (!h) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    h->core = call->core;
    h->first = true;
    h->limit = limit ? limit : 1;
    h->again = loop_timer(call->core->loop, -1, history_ready, h);
    if (parse(call, h, &err) < 0) {
        history_free(h);
        call_refuse(call, &err);
        return;
    }
    call->core->replies[2]++;
    h->stream =
        http_request_stream(call->http, 200, "application/json", history_ready, history_closed, h);
    free(call);
    if (!h->stream) {
        history_free(h);
        return;
    }
    http_stream_send(h->stream, "{\"jobs\":[", 9);
}
