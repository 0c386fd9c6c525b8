/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.c - GET /v1/backup: all that the controller knows, as a stream (codec/backup.h).
 *
 * It stands for one instant: what is live is gathered as for a snapshot, and of the archive
 * those rows count that were in it then. Work is done in pieces at the reader's pace, on a
 * worker of its own and on the store's between commits, so that nobody waits for it.
 * A reader that gets no end has no backup.
 */
#include "vdictld/backup.h"

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/backup.h"
#include "vdictld/grant.h"
#include "vdictld/handlers.h"
#include "vdictld/record.h"

#define PIECE_BYTES (256u << 10) /* made at a time; a row may be longer */
#define PAGE_ROWS 200            /* of the archive: the store's worker is held for so many */

enum stage { STAGE_OBJECTS, STAGE_ARCHIVE, STAGE_END, STAGE_SENT };

struct backup {
    struct core *core;
    struct call *call;          /* until the answer has begun */
    struct http_stream *stream; /* then; NULL: the reader is gone */
    struct grant grant;
    bool granted;
    struct snapshot *rows;
    struct backup_sum *sum;
    enum stage stage;
    int noun; /* whose archive is read */
    char after_key[256];
    uint32_t n_page; /* rows of the page that was read last */
    bool busy;       /* a worker has it */
    uint64_t seq, n_objects, n_archive, n_bad;
    struct buf piece;
    size_t sent;
    int result;
    struct vdi_error err;
};

static void backup_free(struct backup *b)
{
    if (b->core->backup == b)
        b->core->backup = NULL;
    if (b->granted)
        grant_done(&b->grant);
    events_give_back(b->rows);
    backup_sum_free(b->sum);
    buf_done(&b->piece);
    free(b);
}

/* ---- pieces, on workers ---- */

static void objects_work(void *arg)
{
    struct backup *b = arg;
    struct vdi_store_object row;
    int r = 1;

    while (r > 0 && b->piece.len < PIECE_BYTES) {
        r = snapshot_next(b->rows, &row);
        if (r > 0 && backup_write_row(BACKUP_OBJECT, &row, &b->piece) < 0)
            r = -EFBIG;
        b->n_objects += r > 0;
    }
    if (r == 0)
        b->stage = STAGE_ARCHIVE;
    b->result = r < 0 ? r : 0;
}

/* What has ended since the instant is in the backup as it was then: live. */
static int take_row(void *arg, const struct vdi_store_object *row)
{
    struct backup *b = arg;

    b->n_page++;
    str_copy(b->after_key, sizeof(b->after_key), row->key);
    if (!object_is_good(row)) {
        b->n_bad++;
    } else if (row->seq <= b->seq) {
        if (backup_write_row(BACKUP_ARCHIVE, row, &b->piece) < 0)
            return -EFBIG;
        b->n_archive++;
    }
    return b->piece.len >= PIECE_BYTES; /* 1 ends the page early */
}

static void archive_work(void *arg)
{
    struct backup *b = arg;
    const struct vdi_store_ops *ops = &b->core->store_ops;
    struct vdi_store_query query = {
        .noun = nouns[b->noun].name,
        .after_key = b->after_key[0] ? b->after_key : NULL,
        .limit = PAGE_ROWS,
    };

    b->n_page = 0;
    b->result = ops->query_archive(b->core->store, &query, take_row, b, &b->err);
    if (b->result || b->n_page == PAGE_ROWS)
        return; /* there may be more of it */
    b->after_key[0] = '\0';
    if (++b->noun == NOUN_N)
        b->stage = STAGE_END;
}

/* ---- the stream, on the loop ---- */

static void go_on(void *arg);

static void worked(void *arg, bool dropped)
{
    struct backup *b = arg;

    b->busy = false;
    if (dropped)
        b->result = -ESHUTDOWN;
    if (!b->stream) {
        backup_free(b);
        return;
    }
    if (b->result < 0) {
        log_error("backup: cut short: %s", b->err.code ? b->err.detail : strerror(-b->result));
        http_stream_abort(b->stream);
        return;
    }
    backup_sum_add(b->sum, b->piece.data ? b->piece.data : "", b->piece.len);
    go_on(b);
}

static void work(struct backup *b)
{
    bool objects = b->stage == STAGE_OBJECTS;
    int r;

    buf_clear(&b->piece);
    b->sent = 0;
    r = workers_post(objects ? b->core->backup_worker : b->core->store_worker,
                     objects ? objects_work : archive_work, worked, b);
    b->busy = r >= 0;
    if (r < 0)
        http_stream_abort(b->stream);
}

static void write_end(struct backup *b)
{
    buf_clear(&b->piece);
    b->sent = 0;
    backup_write_end(b->sum, b->n_objects, b->n_archive, &b->piece);
    b->stage = STAGE_SENT;
    b->core->backup = NULL; /* the reader is about to know that it is over */
    if (b->n_bad)
        log_error("backup: %" PRIu64 " damaged rows of the archive are not in it", b->n_bad);
    log_info("backup: %" PRIu64 " objects and %" PRIu64
             " rows of the archive, up to event %" PRIu64,
             b->n_objects, b->n_archive, b->seq);
}

/* The reader has taken what was sent, or there is something new to send. */
static void go_on(void *arg)
{
    struct backup *b = arg;
    size_t left = b->piece.len - b->sent, n = left < PIECE_BYTES ? left : PIECE_BYTES;

    if (b->busy)
        return;
    if (n) {
        b->sent += n;
        if (http_stream_send(b->stream, b->piece.data + b->sent - n, n) < 0)
            http_stream_abort(b->stream);
    } else if (b->stage == STAGE_END) {
        write_end(b);
        go_on(b);
    } else if (b->stage == STAGE_SENT) {
        http_stream_end(b->stream);
    } else {
        work(b);
    }
}

static void closed(void *arg)
{
    struct backup *b = arg;

    b->stream = NULL;
    if (!b->busy)
        backup_free(b);
}

static void over(void *arg)
{
    struct backup *b = arg;

    if (b->stream)
        http_stream_abort(b->stream);
}

static void begin(struct backup *b)
{
    struct core *core = b->core;
    struct backup_head head = {
        .version = PACKAGE_VERSION,
        .time_usec = loop_now_usec(core->loop),
        .seq = b->seq,
        .epoch = events_epoch(core->events),
        .id_reserve = events_id_reserve(core->events),
    };
    struct call *call = b->call;

    str_copy(head.cluster, sizeof(head.cluster), core->config->cluster);
    backup_write_head(&head, &b->piece);
    backup_sum_add(b->sum, b->piece.data, b->piece.len);
    b->call = NULL;
    grant_init(&b->grant, call, over, b);
    b->granted = true;
    core->replies[2]++;
    http_request_add_header(call->http, "Cache-Control", "no-store");
    b->stream = http_request_stream(call->http, 200, "application/octet-stream", go_on, closed, b);
    free(call);
    if (b->stream)
        go_on(b);
    else
        backup_free(b);
}

static void refuse(struct backup *b, int code, const char *why)
{
    call_refuse_with(b->call, code, "", "%s", why);
    backup_free(b);
}

static void gathered(void *arg, int result, struct snapshot *rows)
{
    struct backup *b = arg;

    b->rows = rows;
    if (result < 0) {
        refuse(b, -result, "what there is could not be gathered");
        return;
    }
    b->seq = snapshot_seq(rows);
    begin(b);
}

static void recorded(void *arg, int result, const struct vdi_error *err)
{
    struct backup *b = arg;
    int r = result;

    if (result < 0) {
        call_refuse(b->call, err);
        backup_free(b);
        return;
    }
    r = events_gather(b->core->events, gathered, b);
    if (r < 0)
        refuse(b, -r, "a snapshot is being gathered: try again");
}

void handle_backup(struct call *call)
{
    struct core *core = call->core;
    struct backup *b;
    struct txn *txn;

    if (core->backup) {
        call_refuse_with(call, EBUSY, "", "a backup is being taken already");
        return;
    }
    if (!grant_check(call))
        return;
    b = calloc(1, sizeof(*b));
    txn = txn_new(core->events);
    if (b)
        b->sum = backup_sum_new();
    if (!b || !b->sum || !txn) {
        txn_abort(txn);
        if (b)
            backup_sum_free(b->sum);
        free(b);
        call_refuse_with(call, ENOMEM, "", "out of memory");
        return;
    }
    b->core = core;
    b->call = call;
    b->piece = BUF_INIT(0);
    core->backup = b;
    call->watched = "backup"; /* it has everybody's scripts */
    call_commit(call, txn, 200, recorded, b);
}
