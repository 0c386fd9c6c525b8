/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_list.c - GET /v1/jobs: a page written in slices.
 *
 * A slice is what fits in SLICE_BYTES and SLICE_USEC; between slices the loop
 * does other work, and the cursor is the id of the last job, so jobs may come
 * and go meanwhile. Of one owner, or with ids given, only those jobs are looked
 * at. With ended states the archive follows, newest job first.
 * Which ended jobs are listed from memory and which from the archive is settled
 * once, by their end (split_usec, in the cursor): one that leaves memory between
 * two pages is neither listed twice nor left out.
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
#include "vdictld/queue.h"

#define SLICE_BYTES (128u << 10)
#define SLICE_USEC 2000
#define SLICE_LOOKS 64 /* jobs between two looks at the clock */
#define PAGE_LOOKS 8   /* rows, which are decoded first */
#define LIMIT_MAX 1000000
#define ARCHIVE_PAGE 500

static void job_list_ready(void *arg);

struct job_list {
    struct core *core;
    struct http_stream *stream;
    struct source *again; /* the next slice, after the loop's other work */
    struct job_filter filter;
    struct job_doc_columns columns;
    bool operator_sees;
    char who[CALL_WHO_MAX];
    uint64_t after, limit, n;
    int64_t split_usec; /* ended from here on: listed from memory */
    bool first;
    bool in_archive, asking, gone;
    char archive_after[64];
    struct archive_query *page; /* of the archive, being written; NULL: none */
    size_t page_at;             /* its next row */
};

static void list_free(struct job_list *l)
{
    source_free(l->again);
    archive_query_free(l->page);
    job_filter_done(&l->filter);
    free(l);
}

static bool filter_job(const struct job_list *l, const struct job *job)
{
    if (!l->operator_sees && strcmp(l->who, job->spec->owner) != 0)
        return false;
    return job_filter_takes(&l->filter, job);
}

static void write_one(struct job_list *l, const struct job *job, struct buf *out)
{
    if (!l->first)
        buf_putc(out, ',');
    l->first = false;
    job_doc_write(l->core, job, &l->columns, out);
    l->n++;
}

static void finish(struct job_list *l, struct buf *out, const char *next)
{
    buf_puts(out, "],\"next\":");
    if (next)
        json_write_string(out, next);
    else
        buf_puts(out, "null");
    buf_putc(out, '}');
    http_stream_send(l->stream, out->data, out->len);
    http_stream_end(l->stream);
}

/* "ID", or with the archive to follow "SPLIT.ID", then "aSPLIT.ID" in the archive. */
static void memory_cursor(const struct job_list *l, char *ret, size_t size)
{
    if (l->filter.archive)
        snprintf(ret, size, "%" PRId64 ".%" PRIu64, l->split_usec, l->after);
    else
        snprintf(ret, size, "%" PRIu64, l->after);
}

static void archive_cursor(const struct job_list *l, char *ret, size_t size)
{
    snprintf(ret, size, "a%" PRId64 ".%s", l->split_usec, l->archive_after);
}

static void write_row(struct job_list *l, const struct archive_row *row, struct buf *out)
{
    struct job *job = NULL;
    uint64_t id = 0;

    str_copy(l->archive_after, sizeof(l->archive_after), row->key);
    if (str_to_u64(row->key, 1, INT64_MAX, &id) < 0 ||
        job_snapshot_decode(id, row->version, row->body, row->body_len, &job, NULL) < 0)
        return;
    if (job->end_usec < l->split_usec && filter_job(l, job))
        write_one(l, job, out);
    job_unref(job);
}

/* A slice of the page that came last; then the next page, or the end. */
static void page_slice(struct job_list *l)
{
    int64_t until = loop_monotonic_usec(l->core->loop) + SLICE_USEC;
    struct buf out = BUF_INIT(0);
    char cursor[100];

    while (l->page_at < l->page->n_rows && l->n < l->limit) {
        write_row(l, &l->page->rows[l->page_at++], &out);
        if (l->page_at % PAGE_LOOKS == 0 && loop_monotonic_usec(l->core->loop) > until)
            break;
    }
    bool page_ends = l->page_at >= l->page->n_rows;
    bool last = page_ends && l->page->n_seen < ARCHIVE_PAGE;
    if (page_ends && l->n < l->limit) {
        /* Also past those that were left out. */
        str_copy(l->archive_after, sizeof(l->archive_after), l->page->last_key);
        archive_query_free(TAKE_PTR(l->page));
    }
    if (last || l->n >= l->limit) {
        archive_cursor(l, cursor, sizeof(cursor));
        finish(l, &out, l->n >= l->limit ? cursor : NULL);
    } else if (out.len) {
        http_stream_send(l->stream, out.data, out.len); /* `ready` goes on */
    } else {
        source_rearm(l->again, 0);
    }
    buf_done(&out);
}

static void archive_rows(void *arg, const struct archive_query *q)
{
    struct job_list *l = arg;

    l->asking = false;
    if (l->gone) {
        list_free(l);
    } else if (q->result < 0) {
        http_stream_abort(l->stream); /* the client sees that its list was cut short */
    } else {
        l->page = archive_keep(q);
        l->page_at = 0;
        page_slice(l);
    }
}

static void ask_archive(struct job_list *l)
{
    struct archive_query q = {
        .noun = "job",
        .limit = ARCHIVE_PAGE,
        .done = archive_rows,
        .arg = l,
    };

    if (!l->operator_sees)
        str_copy(q.owner, sizeof(q.owner), l->who);
    str_copy(q.after_key, sizeof(q.after_key), l->archive_after);
    job_filter_end_states(&l->filter, q.states);
    l->asking = true;
    if (archive_ask(l->core, &q) < 0) {
        l->asking = false;
        http_stream_abort(l->stream);
    }
}

static bool is_of_memory(const struct job_list *l, const struct job *job)
{
    return !job_state_is_end(job->state) || job->end_usec >= l->split_usec;
}

/* Whose jobs alone can be in the list; "": anyone's. */
static const char *only_of(const struct job_list *l)
{
    if (!job_index_is_whole(l->core->mine))
        return "";
    return *l->filter.owner || l->operator_sees ? l->filter.owner : l->who;
}

/* The next job that may be in the list, above `after`; *io_at: where it is among all. */
static const struct slot *next_slot(const struct job_list *l, uint64_t after, size_t *io_at)
{
    struct table *t = events_table(l->core->events, NOUN_JOB);
    const char *owner = only_of(l);
    const struct slot *slot = NULL;

    while (!slot && (l->filter.n_ids || *owner)) {
        after = l->filter.n_ids ? job_filter_next_id(&l->filter, after)
                                : job_index_next(l->core->mine, owner, after);
        if (!after)
            return NULL;
        slot = table_slot(t, after, NULL, false);
    }
    while (!slot && *io_at < table_end(t))
        slot = table_at(t, (*io_at)++);
    return slot;
}

/* One slice of the live jobs; true when there are more. */
static bool slice(struct job_list *l, struct buf *out)
{
    int64_t until = loop_monotonic_usec(l->core->loop) + SLICE_USEC;
    size_t at = table_after(events_table(l->core->events, NOUN_JOB), l->after);
    const struct slot *slot;

    for (unsigned looks = 1; (slot = next_slot(l, l->after, &at)); looks++) {
        if (l->n >= l->limit || out->len >= SLICE_BYTES)
            return true;
        if (looks % SLICE_LOOKS == 0 && loop_monotonic_usec(l->core->loop) > until)
            return true;
        l->after = slot->id;
        if (slot->pub && is_of_memory(l, slot->pub) && filter_job(l, slot->pub))
            write_one(l, slot->pub, out);
    }
    return false;
}

static void job_list_ready(void *arg)
{
    struct job_list *l = arg;
    struct buf out = BUF_INIT(0);
    char cursor[100] = "";
    bool more;

    if (l->asking)
        return;
    if (l->page) {
        page_slice(l);
        return;
    }
    if (l->in_archive) {
        ask_archive(l);
        return;
    }
    more = slice(l, &out);
    if (more && l->n < l->limit) {
        if (out.len)
            http_stream_send(l->stream, out.data, out.len);
        else
            source_rearm(l->again, 0); /* nothing matched in this slice */
    } else if (!more && l->filter.archive && l->n < l->limit) {
        l->in_archive = true;
        if (out.len)
            http_stream_send(l->stream, out.data, out.len);
        else
            ask_archive(l);
    } else {
        if (more)
            memory_cursor(l, cursor, sizeof(cursor));
        else if (l->filter.archive)
            archive_cursor(l, cursor, sizeof(cursor));
        finish(l, &out, *cursor ? cursor : NULL);
    }
    buf_done(&out);
}

static void job_list_closed(void *arg)
{
    struct job_list *l = arg;

    l->gone = true;
    if (!l->asking)
        list_free(l);
}

/* ---- what was asked for ---- */

static const char *query(const struct call *call, const char *name)
{
    const char *value = http_request_query(call->http, name);

    return value ? value : "";
}

static int parse_after(struct call *call, struct job_list *l, struct vdi_error *err)
{
    const char *after = query(call, "after");
    const char *dot = strchr(after, '.');
    char split[24] = "";
    uint64_t usec;

    /* So long after the start of the list, what it takes from memory is still there. */
    l->split_usec = loop_now_usec(l->core->loop) - l->core->config->keep_done_sec * 500000;
    l->in_archive = *after == 'a';
    if (dot) {
        snprintf(split, sizeof(split), "%.*s", (int)(dot - after - l->in_archive),
                 after + l->in_archive);
        if (str_to_u64(split, 0, INT64_MAX, &usec) < 0)
            return error_set(err, EINVAL, "after", "'%.40s' is no cursor", after);
        l->split_usec = (int64_t)usec;
        after = dot + 1;
    }
    if (l->in_archive && dot)
        str_copy(l->archive_after, sizeof(l->archive_after), after);
    else if (l->in_archive || (*after && str_to_u64(after, 0, INT64_MAX, &l->after) < 0))
        return error_set(err, EINVAL, "after", "'%.40s' is no cursor", after);
    return 0;
}

static struct job_list *list_new(struct call *call, struct vdi_error *err)
{
    struct job_list *l = calloc(1, sizeof(*l));
    int r;

    if (!l) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    l->core = call->core;
    l->again = loop_timer(call->core->loop, -1, job_list_ready, l);
    l->first = true;
    l->operator_sees = call_is_operator(call) || call->core->config->visible_all;
    str_copy(l->who, sizeof(l->who), call->who_text);
    r = job_filter_parse(call, &l->filter, err);
    if (r >= 0)
        r = parse_after(call, l, err);
    if (r >= 0)
        r = job_doc_columns(query(call, "fields"), str_equal(query(call, "estimates"), "true"),
                            &l->columns, err);
    if (r < 0) {
        list_free(l);
        return NULL;
    }
    return l;
}

void handle_job_list(struct call *call)
{
    struct vdi_error err = {0};
    struct job_list *l;
    uint64_t limit;

    if (!call_number(call, "limit", LIMIT_MAX, LIMIT_MAX, &limit))
        return;
    l = list_new(call, &err);
    if (!l) {
        call_refuse(call, &err);
        return;
    }
    l->limit = limit ? limit : 1;
    call->core->replies[2]++;
    l->stream = http_request_stream(call->http, 200, "application/json", job_list_ready,
                                    job_list_closed, l);
    free(call);
    if (!l->stream) {
        list_free(l);
        return;
    }
    http_stream_send(l->stream, "{\"jobs\":[", 9);
}
