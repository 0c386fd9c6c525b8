/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append.c - what changes the store: batches, snapshots, trims.
 *
 * Every transaction calls vdi.guard(), which locks vdi.head and checks the epoch: first of
 * all, but for a snapshot's, which must not hold up batches and calls it last.
 * A batch whose answer is lost is looked for, and sent once more if it is not there;
 * when even that ends without an answer it is held for failed, and undone before
 * anything else is done (pg_ready).
 */
#include "plugins/store/pgsql/pgsql.h"

#include <errno.h>
#include <string.h>

#define TRIM_SLICE 5000 /* events deleted in one transaction */

static void send_head(struct pg_pipe *pipe, const struct vdi_store_batch *b)
{
    struct pg_params p = {0};

    pg_number(&p, b->epoch > INT64_MAX ? 0 : (int64_t)b->epoch);
    pipe_sql(pipe, "BEGIN", NULL);
    pipe_sql(pipe, "SELECT vdi.guard($1)", &p);
    p.n = 0;
    if (b->n_records) {
        pg_number(&p, (int64_t)b->records[0].seq);
        pg_number(&p, (int64_t)b->records[b->n_records - 1].seq);
        pg_number(&p, (int64_t)b->id_reserve);
        pipe_sql(pipe, "SELECT vdi.extend($1, $2, $3)", &p);
    } else {
        pg_number(&p, (int64_t)b->id_reserve);
        pipe_sql(pipe, "UPDATE vdi.head SET id_reserve = greatest(id_reserve, $1)", &p);
    }
}

static int append_once(struct store *s, const struct vdi_store_batch *b, struct vdi_error *err)
{
    struct pg_params p;
    struct pg_pipe pipe;
    int r = 0;

    pipe_begin(&pipe, s, err);
    send_head(&pipe, b);
    for (size_t i = 0; i < b->n_records && r == 0; i++) {
        pg_record(&p, &b->records[i]);
        r = pipe_prepared(&pipe, "event", &p);
    }
    for (size_t i = 0; i < b->n_archive && r == 0; i++) {
        pg_object(&p, &b->archive[i]);
        r = pipe_prepared(&pipe, "archive", &p);
    }
    pipe_sql(&pipe, "COMMIT", NULL);
    r = pipe_end(&pipe);
    return r < 0 ? pg_end(s, r, err) : 0;
}

int append(void *store, const struct vdi_store_batch *b, struct vdi_error *err)
{
    struct store *s = store;
    uint64_t first = b->n_records ? b->records[0].seq : 1;
    int r = pg_lost(s) || s->doubt.set ? pg_ready(s, err) : 0;

    if (r == 0)
        r = store_batch_check(b, first - 1, err);
    if (r < 0)
        return r;
    s->doubt =
        (struct pg_doubt){.epoch = b->epoch, .first = first, .last = first - 1 + b->n_records};
    r = append_once(s, b, err);
    if (r == 0 || !pg_lost(s))
        return r;
    s->doubt.set = b->n_records > 0;
    int found = pg_resolve(s, err);
    if (found >= 0)
        s->doubt.set = false;
    if (found)
        return found > 0 ? 0 : r;
    r = append_once(s, b, err);
    s->doubt.set = r < 0 && pg_lost(s) && b->n_records;
    return r;
}

/* ---- snapshots --------------------------------------------------------- */

struct writing {
    int64_t generation, rows, id_reserve;
    uint32_t crc;
    struct store_buf buf;
};

/* The connection for snapshots, in order. */
static int snapshot_connection(struct store *s, struct vdi_error *err)
{
    struct store *own = s->snapshots;

    if (!own) {
        own = calloc(1, sizeof(*own));
        if (!own || !(own->dsn = strdup(s->dsn))) {
            free(own);
            return store_fail(err, ENOMEM, "store", "There is no memory.");
        }
        own->host = s->host;
        own->api = s->api;
        s->snapshots = own;
    }
    own->version = s->version;
    return pg_ready(own, err);
}

/* Makes room: what is bad goes, and of the others all but the newest. */
static int forget_old(struct store *s, const int64_t bad[2], struct vdi_error *err)
{
    struct pg_params p = {0};

    pg_number(&p, bad[0]);
    pg_number(&p, bad[1]);
    int r = pg_run(s,
                   "DELETE FROM vdi.snapshot WHERE generation IN ($1, $2) OR generation NOT IN"
                   " (SELECT generation FROM vdi.snapshot WHERE generation NOT IN ($1, $2)"
                   "  ORDER BY generation DESC LIMIT 1)",
                   &p, NULL, err);
    return r < 0 ? r
                 : pg_run(s,
                          "DELETE FROM vdi.snapshot_row r WHERE NOT EXISTS"
                          " (SELECT FROM vdi.snapshot WHERE generation = r.generation)",
                          NULL, NULL, err);
}

/* A generation that nobody else uses, when a snapshot may stand for events up to seq. */
static int snapshot_begin(struct store *s, const int64_t bad[2], uint64_t epoch, uint64_t seq,
                          struct writing *ret, struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    struct pg_params p = {0};

    pg_number(&p, bad[0]);
    pg_number(&p, bad[1]);
    int r =
        pg_run(s,
               "SELECT last_seq, id_reserve, epoch, coalesce((SELECT max(seq) FROM vdi.snapshot"
               " WHERE generation NOT IN ($1, $2)), 0), nextval('vdi.generation') FROM vdi.head",
               &p, &res, err);
    if (r < 0)
        return r;
    if (epoch == 0 || epoch != (uint64_t)pg_get_number(res, 2)) /* told before much is written */
        return store_stale(err, epoch, (uint64_t)pg_get_number(res, 2));
    if (seq > (uint64_t)pg_get_number(res, 0) || seq < (uint64_t)pg_get_number(res, 3))
        return store_fail(err, EINVAL, "seq", "No snapshot can stand for events up to %llu.",
                          (unsigned long long)seq);
    ret->id_reserve = pg_get_number(res, 1);
    ret->generation = pg_get_number(res, 4);
    return 0;
}

static int write_rows(struct store *s, struct writing *w,
                      int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg,
                      struct vdi_error *err)
{
    struct vdi_store_object row = {0};
    struct pg_pipe pipe;
    struct pg_params p;
    int r = 0, more;

    pipe_begin(&pipe, s, err);
    while (r == 0 && (more = next(arg, &row)) != 0) {
        r = more < 0 ? more : store_row_pack(&w->buf, &row);
        if (r < 0) {
            store_fail(err, r, "snapshot", "A row could not be made: %s.", strerror(-r));
            break;
        }
        w->crc = store_crc(w->crc, w->buf.data, w->buf.len);
        p.n = 0;
        pg_number(&p, w->generation);
        pg_number(&p, ++w->rows);
        pg_bytes(&p, w->buf.data, w->buf.len);
        r = pipe_prepared(&pipe, "row", &p);
        row = (struct vdi_store_object){0};
    }
    int ended = pipe_end(&pipe);
    return r < 0 ? r : ended;
}

/* Batches wait from here to the commit. */
static int snapshot_end(struct store *s, const struct writing *w, uint64_t epoch, uint64_t seq,
                        struct vdi_error *err)
{
    struct pg_params p = {0};
    int r = pg_guard(s, epoch, err);

    if (r < 0)
        return r;
    pg_number(&p, w->generation);
    pg_number(&p, (int64_t)seq);
    pg_number(&p, w->id_reserve);
    pg_number(&p, w->rows);
    pg_number(&p, w->crc);
    return pg_run(s, "INSERT INTO vdi.snapshot VALUES($1, $2, $3, $4, $5)", &p, NULL, err);
}

int snapshot_write(void *store, uint64_t epoch, uint64_t seq,
                   int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg,
                   struct vdi_error *err)
{
    struct store *s = store;
    struct writing w = {0};
    int r = snapshot_connection(s, err);

    if (r == 0)
        r = pg_run(s->snapshots, "BEGIN", NULL, NULL, err);
    if (r < 0)
        return r;
    r = snapshot_begin(s->snapshots, s->bad, epoch, seq, &w, err);
    if (r == 0)
        r = forget_old(s->snapshots, s->bad, err);
    if (r == 0)
        r = write_rows(s->snapshots, &w, next, arg, err);
    if (r == 0)
        r = snapshot_end(s->snapshots, &w, epoch, seq, err);
    store_buf_done(&w.buf);
    r = pg_end(s->snapshots, r, err);
    if (r == 0)
        memset(s->bad, 0, sizeof(s->bad));
    return r;
}

/* Deletes one slice; *ret_more: there may be another. */
static int trim_slice(struct store *s, uint64_t seq, int64_t before_usec, bool *ret_more,
                      struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    struct pg_params p = {0};

    pg_number(&p, seq > INT64_MAX ? INT64_MAX : (int64_t)seq);
    pg_number(&p, before_usec);
    pg_number(&p, TRIM_SLICE);
    pg_number(&p, s->bad[0]);
    pg_number(&p, s->bad[1]);
    /* Up to the older of the two good snapshots, and to the first that is young enough. */
    int r =
        pg_run(s,
               "WITH good AS (SELECT seq FROM vdi.snapshot WHERE generation NOT IN ($4, $5)"
               "  ORDER BY generation DESC LIMIT 2),"
               " part AS (SELECT seq, time_usec FROM vdi.event ORDER BY seq LIMIT $3),"
               " upto AS (SELECT least($1, (SELECT min(seq) + 1 FROM good),"
               "  (SELECT min(seq) FROM part WHERE time_usec >= $2),"
               "  (SELECT max(seq) + 1 FROM part)) AS seq WHERE (SELECT count(*) FROM good) = 2)"
               " DELETE FROM vdi.event e USING upto WHERE e.seq < upto.seq",
               &p, &res, err);
    *ret_more = r == 0 && strtol(PQcmdTuples(res), NULL, 10) == TRIM_SLICE;
    return r;
}

int trim(void *store, uint64_t epoch, uint64_t seq, int64_t before_usec, struct vdi_error *err)
{
    bool more = true;
    int r = pg_ready(store, err);

    while (r == 0 && more) {
        r = pg_begin(store, epoch, err);
        if (r == 0)
            r = trim_slice(store, seq, before_usec, &more, err);
        r = pg_end(store, r, err);
    }
    return r;
}
