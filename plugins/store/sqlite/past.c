/* SPDX-License-Identifier: Apache-2.0 */
/*
 * past.c - the archive of ended objects, in a file of its own.
 *
 * A start must not read the archive, and damage there must not touch the log. So an ended
 * object is first a row of vdi.db, in the transaction that ends it, and moves to
 * vdi.db.archive later, with others: there it is inserted (or replaced) and synced before
 * it is deleted here. A power cut in between leaves it in both; the one in vdi.db counts,
 * and moves again. Both files keep how many rows were moved, ever: an archive that knows of
 * fewer has lost some.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <string.h>

#define MOVE_ROWS 250     /* in one transaction */
#define WAITING_MAX 1000  /* rows that wait before an append moves some */
#define TRIM_MOVES_MAX 40 /* moves that one trim makes: it holds up commits */

const char past_tables[] = SCHEMA_ARCHIVE SCHEMA_ARCHIVE_END
    "CREATE TABLE progress(one INTEGER PRIMARY KEY CHECK(one = 1), moved INTEGER NOT NULL) STRICT;"
    "INSERT INTO progress VALUES(1, 0);";

static void suspect(struct store *s, const char *why)
{
    snprintf(s->past.suspect, sizeof(s->past.suspect), "%s", why);
}

static int read_number(sqlite3 *db, const char *sql, uint64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW                       ? SQLITE_OK
           : rc == SQLITE_OK || rc == SQLITE_DONE ? SQLITE_CORRUPT
                                                  : rc;
}

int past_exec(sqlite3 *db, const char *sql, int64_t first, int64_t second)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(st, 1, first);
        sqlite3_bind_int64(st, 2, second);
        rc = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int attach(struct store *s)
{
    char path[PATH_MAX + 16];
    sqlite3_stmt *st = NULL;

    snprintf(path, sizeof(path), "%s" PAST_SUFFIX, s->path);
    int rc = sqlite3_prepare_v2(s->db, "ATTACH ?1 AS past", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void past_forget(struct store *s)
{
    sqlite3_finalize(s->past.insert);
    s->past.insert = NULL;
    s->past.attached = false;
    s->past.wal_pages = 0;
}

void past_detach(struct store *s)
{
    past_forget(s);
    (void)sqlite3_exec(s->db, "DETACH past", NULL, NULL, NULL);
}

void past_attach(struct store *s)
{
    struct past *p = &s->past;

    p->suspect[0] = '\0';
    p->there = 0;
    if (!rebuild_exists(s, PAST_SUFFIX))
        return;
    int rc = attach(s);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, "PRAGMA past.journal_mode = WAL; PRAGMA past.synchronous = FULL",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(s->db, DB_ARCHIVE_INSERT("past.archive"), -1,
                                SQLITE_PREPARE_PERSISTENT, &p->insert, NULL);
    p->attached = rc == SQLITE_OK;
    if (p->attached)
        rc = read_number(s->db, "SELECT moved FROM past.progress WHERE one = 1", &p->there);
    if (rc != SQLITE_OK)
        suspect(s, sqlite3_errmsg(s->db));
    if (!p->attached)
        past_detach(s);
}

/* ---- a new one ---- */

static int create(struct store *s)
{
    char path[PATH_MAX + 16], name[NAME_MAX + 1], wal[NAME_MAX + 1];
    sqlite3 *db = NULL;

    (void)unlinkat(s->dirfd, name_of(s, PAST_SUFFIX "-wal", wal), 0);
    _cleanup_(store_closep) int fd = rebuild_create(s, name_of(s, PAST_SUFFIX, name));
    if (fd < 0)
        return SQLITE_CANTOPEN;
    snprintf(path, sizeof(path), "%s" PAST_SUFFIX, s->path);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA synchronous = FULL; BEGIN", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, past_tables, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close_v2(db);
    if (rc == SQLITE_OK && fsync(s->dirfd) < 0)
        rc = SQLITE_IOERR;
    if (rc == SQLITE_OK)
        past_attach(s);
    return rc != SQLITE_OK || s->past.attached ? rc : SQLITE_CANTOPEN;
}

/* ---- moving ---- */

struct move {
    int64_t first, last; /* ids in vdi.db */
    uint64_t n;
};

static int put_there(struct store *s, struct move *m)
{
    sqlite3_stmt *st = NULL;
    struct vdi_store_object object;
    int rc = sqlite3_prepare_v2(
        s->db, "SELECT " DB_ARCHIVE_COLUMNS " FROM main.archive ORDER BY id LIMIT ?1", -1, &st,
        NULL);
    int there = SQLITE_OK;

    sqlite3_bind_int(st, 1, MOVE_ROWS);
    while (rc == SQLITE_OK && there == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        db_column_object(st, &object);
        m->last = sqlite3_column_int64(st, 11);
        if (!m->n++)
            m->first = m->last;
        db_bind_object(s->past.insert, &object);
        there = sqlite3_step(s->past.insert);
        there = there == SQLITE_DONE ? SQLITE_OK : there;
        sqlite3_reset(s->past.insert);
    }
    sqlite3_clear_bindings(s->past.insert);
    sqlite3_finalize(st);
    if (rc == SQLITE_DONE || rc == SQLITE_OK) {
        if (there == SQLITE_OK && m->n)
            there = past_exec(s->db, "UPDATE past.progress SET moved = ?1 WHERE one = ?2",
                              (int64_t)(s->past.moved + m->n), 1);
        rc = SQLITE_OK;
    }
    if (db_code_corrupt(there)) {
        suspect(s, sqlite3_errmsg(s->db));
        past_check_soon(s);
    }
    return rc != SQLITE_OK ? rc : there;
}

static int delete_here(struct store *s, const struct move *m)
{
    int rc =
        past_exec(s->db, "DELETE FROM main.archive WHERE id >= ?1 AND id <= ?2", m->first, m->last);

    return rc == SQLITE_OK ? meta_put_number(s->db, "moved", s->past.moved + m->n) : rc;
}

/* Rows that were moved: fewer than MOVE_ROWS when no more wait; or a negative errno. */
static int move_some(struct store *s, struct vdi_error *err)
{
    struct move m = {0};
    struct past *p = &s->past;
    int rc = p->attached ? SQLITE_OK : create(s);

    if (rc != SQLITE_OK)
        return db_fail(s, rc, "There can be no archive beside", err);
    int r = txn_begin(s, s->epoch, err);
    if (r == 0)
        r = txn_end(s, put_there(s, &m), err);
    if (r < 0 || !m.n)
        return r;
    p->there = p->moved + m.n;
    r = txn_begin(s, s->epoch, err);
    if (r == 0)
        r = txn_end(s, delete_here(s, &m), err);
    if (r < 0)
        return r;
    p->moved += m.n;
    p->waiting -= m.n < p->waiting ? m.n : p->waiting;
    if (m.n < MOVE_ROWS)
        p->waiting = 0;
    return (int)m.n;
}

static bool may_move(const struct store *s)
{
    return s->loaded && !s->past.suspect[0] && s->version >= PAST_SCHEMA;
}

/* Rows that can't be moved stay where they are, and are found there: it is told once. */
static bool moved(struct store *s)
{
    struct vdi_error err = {0};
    int r = move_some(s, &err);

    if (r < 0 && !s->past.told)
        store_log(s, VDI_LOG_ERROR, "nothing can be moved to the archive: %s", err.detail);
    s->past.told = r < 0;
    return r == MOVE_ROWS;
}

void past_append(struct store *s, size_t n)
{
    size_t moves = 1 + 2 * n / MOVE_ROWS; /* more than come: those of an old store, too */

    s->past.waiting += n;
    while (n && moves-- && s->past.waiting > WAITING_MAX && may_move(s) && moved(s))
        ;
}

void past_trim(struct store *s)
{
    for (int i = 0; i < TRIM_MOVES_MAX && may_move(s) && moved(s); i++)
        db_checkpoint(s);
}

/* ---- at start, and back ---- */

void past_load(struct store *s, const struct vdi_store_loader *loader, bool *io_damaged)
{
    struct past *p = &s->past;
    const char *why = NULL;

    if (!s->ready)
        return;
    if (p->suspect[0])
        why = p->suspect;
    else if (p->there < p->moved)
        why = p->attached ? "has lost rows" : "is missing";
    if (why && (p->moved || p->attached)) {
        store_damage(loader, why, "%s" PAST_SUFFIX, s->base);
        *io_damaged = true;
    }
    if (!p->attached && p->suspect[0]) { /* nothing in it can be read */
        int r = rebuild_keep_aside(s, PAST_SUFFIX);
        if (r == 0)
            p->suspect[0] = '\0';
        else
            store_log(s, VDI_LOG_ERROR, "%s" PAST_SUFFIX " can't be renamed: %s", s->path,
                      strerror(-r));
    }
    if (!p->suspect[0] && p->there != p->moved) {
        p->moved = p->there;
        (void)meta_put_number(s->db, "moved", p->moved); /* else it is told again */
    }
    if (read_number(s->db, "SELECT count(*) FROM (SELECT 1 FROM main.archive LIMIT 100000)",
                    &p->waiting) != SQLITE_OK)
        p->waiting = 0;
    past_check_start(s);
}

int past_recall(struct store *s, struct vdi_error *err)
{
    char name[NAME_MAX + 1];

    if (!s->past.attached)
        return 0;
    int rc = sqlite3_exec(s->db,
                          "BEGIN IMMEDIATE; INSERT OR IGNORE INTO main.archive(" DB_ARCHIVE_MEMBERS
                          ") SELECT " DB_ARCHIVE_MEMBERS " FROM past.archive",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = meta_put_number(s->db, "moved", 0);
    int r = txn_end(s, rc, err);
    if (r < 0)
        return r;
    s->past.moved = s->past.there = 0;
    past_detach(s);
    /* One that stays is no harm: each of its rows is also in vdi.db, which counts. */
    (void)unlinkat(s->dirfd, name_of(s, PAST_SUFFIX "-wal", name), 0);
    (void)unlinkat(s->dirfd, name_of(s, PAST_SUFFIX, name), 0);
    return 0;
}
