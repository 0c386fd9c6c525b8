/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append.c - what changes the store while it serves: batches, snapshots, trims.
 *
 * A batch is one transaction and so one sync of the WAL. The epoch is checked inside
 * of it. What fails is rolled back; a database that turns out to be damaged under the
 * running controller is rebuilt once and the batch tried again.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <string.h>

#define TRIM_SLICE 5000 /* events deleted in one transaction */

int txn_begin(struct store *s, uint64_t epoch, struct vdi_error *err)
{
    int rc = db_run(s, STMT_BEGIN);

    if (rc != SQLITE_OK)
        return db_fail(s, rc, "Nothing can be written to", err);
    int r = lease_check(s, epoch, err);
    if (r < 0)
        (void)db_run(s, STMT_ROLLBACK);
    return r;
}

int txn_end(struct store *s, int rc, struct vdi_error *err)
{
    if (rc == SQLITE_OK)
        rc = db_run(s, STMT_COMMIT);
    if (rc == SQLITE_OK)
        return 0;
    int r = db_fail(s, rc, "Nothing was written to", err);
    if (!sqlite3_get_autocommit(s->db))
        (void)db_run(s, STMT_ROLLBACK);
    return r;
}

static int append_rows(struct store *s, const struct vdi_store_batch *batch)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < batch->n_records && rc == SQLITE_OK; i++) {
        db_bind_record(s->stmts[STMT_EVENT], &batch->records[i]);
        rc = db_run(s, STMT_EVENT);
    }
    for (size_t i = 0; i < batch->n_archive && rc == SQLITE_OK; i++) {
        db_bind_object(s->stmts[STMT_ARCHIVE], &batch->archive[i]);
        rc = db_run(s, STMT_ARCHIVE);
    }
    /* The strings are the caller's: no statement keeps a pointer to them. */
    sqlite3_clear_bindings(s->stmts[STMT_EVENT]);
    sqlite3_clear_bindings(s->stmts[STMT_ARCHIVE]);
    return rc;
}

static int append_once(struct store *s, const struct vdi_store_batch *batch, bool grows,
                       struct vdi_error *err)
{
    int r = txn_begin(s, batch->epoch, err);

    if (r < 0)
        return r;
    int rc = append_rows(s, batch);
    if (rc == SQLITE_OK && grows)
        rc = meta_put_number(s->db, "id_reserve", s->ids.id_reserve);
    return txn_end(s, rc, err);
}

static int append_repair(struct store *s, const struct vdi_store_batch *batch, bool grows,
                         struct vdi_error *err)
{
    struct rebuild_filter filter = {.floor = s->last_seq, .id_reserve = s->ids.id_reserve};
    int r = rebuild(s, &filter, err);

    return r < 0 ? r : append_once(s, batch, grows, err);
}

int append(void *store, const struct vdi_store_batch *batch, struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    int r = db_need_ready(s, err);

    if (r < 0)
        return r;
    if (!s->loaded)
        return store_fail(err, EINVAL, "store", "%s must be loaded before it is appended to.",
                          s->path);
    if (batch->epoch != s->epoch || !s->epoch) /* told before a host's seqs are judged */
        return store_stale(err, batch->epoch, s->ids.epoch);
    r = store_batch_check(batch, s->last_seq, err);
    if (r < 0)
        return r;
    bool grows = batch->id_reserve > s->ids.id_reserve;
    r = grows ? ids_raise(&s->ids, batch->id_reserve, 0) : 0;
    if (r < 0)
        return store_fail(err, r, "store", "%s.ids can't be written: %s.", s->path, strerror(-r));
    r = append_once(s, batch, grows, err);
    if (r == -EBADMSG)
        r = append_repair(s, batch, grows, err);
    if (r < 0)
        return r;
    s->last_seq += batch->n_records;
    if (batch->n_records)
        ids_acked(&s->ids, s->last_seq);
    past_append(s, batch->n_archive);
    db_checkpoint(s);
    return 0;
}

static int snapshot_fail(const char *name, int code, struct vdi_error *err)
{
    return store_fail(err, code, "store", "%s can't be written: %s.", name, strerror(-code));
}

/* All that a snapshot needs of what other ops change. */
static int snapshot_begin(struct store *s, uint64_t epoch, uint64_t seq, struct snapshot_head *ret,
                          struct vdi_error *err)
{
    STORE_LOCK(s);
    int r = db_need_ready(s, err);

    if (r == 0)
        r = lease_check(s, epoch, err);
    if (r < 0)
        return r;
    if (!s->loaded || seq > s->last_seq || (s->snapshot[0].good && seq < s->snapshot[0].head.seq))
        return store_fail(err, EINVAL, "seq", "No snapshot can stand for events up to %llu.",
                          (unsigned long long)seq);
    *ret = (struct snapshot_head){.seq = seq, .id_reserve = s->ids.id_reserve};
    return 0;
}

/* The written file takes its place, if its writer still leads. */
static int snapshot_end(struct store *s, uint64_t epoch, const struct snapshot_head *head,
                        const char *tmp, struct vdi_error *err)
{
    STORE_LOCK(s);
    char now[NAME_MAX + 1], before[NAME_MAX + 1];
    int r = db_need_ready(s, err);

    if (r == 0)
        r = lease_check(s, epoch, err);
    if (r < 0) {
        (void)unlinkat(s->dirfd, tmp, 0);
        return r;
    }
    name_of(s, ".snapshot", now);
    name_of(s, ".snapshot.1", before);
    /* Either rename may be the one that a power cut keeps: both orders leave a good one. */
    if (s->snapshot[0].good && renameat(s->dirfd, now, s->dirfd, before) < 0)
        return snapshot_fail(tmp, store_errno(), err);
    if (s->snapshot[0].good)
        s->snapshot[1] = s->snapshot[0];
    s->snapshot[0].good = false;
    if (renameat(s->dirfd, tmp, s->dirfd, now) < 0)
        return snapshot_fail(tmp, store_errno(), err);
    s->snapshot[0] = (struct snapshot_slot){.good = true, .head = *head};
    return 0;
}

int snapshot_write(void *store, uint64_t epoch, uint64_t seq,
                   int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg,
                   struct vdi_error *err)
{
    struct store *s = store;
    char tmp[NAME_MAX + 1];
    struct snapshot_head head;
    int r = snapshot_begin(s, epoch, seq, &head, err);

    if (r < 0)
        return r;
    r = snapshot_file_write(s->dirfd, name_of(s, ".snapshot.tmp", tmp), &head, next, arg);
    if (r < 0)
        return snapshot_fail(tmp, r, err);
    r = snapshot_end(s, epoch, &head, tmp, err);
    if (r == 0 && fsync(s->dirfd) < 0) {
        s->snapshot[0].good = false; /* its name may not be kept */
        r = snapshot_fail(tmp, store_errno(), err);
    }
    return r;
}

/* The last event of the next slice that may go; 0: none. */
static int trim_slice(struct store *s, uint64_t limit, int64_t before_usec, uint64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, "SELECT seq, time_usec FROM event ORDER BY seq LIMIT ?1", -1,
                                &st, NULL);

    *ret = 0;
    sqlite3_bind_int(st, 1, TRIM_SLICE);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);
        if (seq >= limit || sqlite3_column_int64(st, 1) >= before_usec)
            break;
        *ret = seq;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int trim_delete(struct store *s, uint64_t upto)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, "DELETE FROM event WHERE seq <= ?1", -1, &st, NULL);

    sqlite3_bind_int64(st, 1, (sqlite3_int64)upto);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int trim(void *store, uint64_t epoch, uint64_t seq, int64_t before_usec, struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    uint64_t upto = 1;
    int r = db_need_ready(s, err);

    if (r == 0)
        r = lease_check(s, epoch, err);
    if (r < 0)
        return r;
    past_trim(s);
    /* Without two good snapshots the whole log is what a damaged one falls back to. */
    if (!s->snapshot[0].good || !s->snapshot[1].good)
        return 0;
    uint64_t limit = s->snapshot[1].head.seq + 1;
    if (seq < limit)
        limit = seq;
    while (r == 0 && upto) {
        r = txn_begin(s, epoch, err);
        if (r < 0)
            break;
        int rc = trim_slice(s, limit, before_usec, &upto);
        if (rc == SQLITE_OK && upto)
            rc = trim_delete(s, upto);
        r = txn_end(s, rc, err);
        if (r == 0)
            db_checkpoint(s);
    }
    return r;
}
