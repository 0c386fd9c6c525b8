/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.c - the connection to the database file.
 *
 * The connection holds the file exclusively: there is no shared memory file, and no
 * other process reads or writes beside us. It never checkpoints when it is closed
 * unless asked to, so that a file we refuse or find damaged stays as it was.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <string.h>

const char *const db_sql[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_EVENT] = "INSERT INTO event(" DB_EVENT_COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [STMT_ARCHIVE] = DB_ARCHIVE_INSERT("archive"),
};

const char *name_of(const struct store *s, const char *suffix, char ret[NAME_MAX + 1])
{
    snprintf(ret, NAME_MAX + 1, "%s%s", s->base, suffix);
    return ret;
}

bool db_code_corrupt(int rc)
{
    rc &= 0xff;
    return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_MISMATCH ||
           rc == SQLITE_FORMAT || rc == SQLITE_ERROR;
}

/* What the system said last to the WAL's writes, or else to the database file's;
 * sqlite3_system_errno() does not have it when a step fails. */
static int system_errno(sqlite3 *db)
{
    sqlite3_file *wal = NULL;
    int code = 0;

    if (!db)
        return errno;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK && wal &&
        wal->pMethods)
        (void)wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &code);
    if (!code)
        sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &code);
    return code ? code : sqlite3_system_errno(db);
}

static int errno_of(sqlite3 *db, int rc)
{
    int sys = system_errno(db);

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_READONLY:
        return EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
            return ENOSPC;
        return sys == EROFS ? EROFS : EIO;
    default:
        return db_code_corrupt(rc) ? EBADMSG : EIO;
    }
}

int db_fail(struct store *s, int rc, const char *what, struct vdi_error *err)
{
    int code = errno_of(s->db, rc);

    store_fail(err, code, "store", "%s %s: %s.", what, s->path,
               s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
    if (code == ENOSPC)
        store_hint(err, NULL, "Free space on its file system; nothing was lost.");
    else if (code == EROFS)
        store_hint(err, NULL, "Mount its file system writable; nothing was lost.");
    return -code;
}

int db_need_ready(struct store *s, struct vdi_error *err)
{
    if (s->ready)
        return 0;
    if (s->suspect[0])
        return store_fail(err, EBADMSG, "store", "%s is damaged (%s) and not yet loaded.", s->path,
                          s->suspect);
    store_fail(err, EPROTO, "store", "%s has schema %u, this release works with %zu.", s->path,
               s->version, schema_n_steps);
    store_hint(err, NULL, "Bring the schema up first.");
    return -EPROTO;
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct store *s = arg;

    *(strcmp(name, "main") == 0 ? &s->wal_pages : &s->past.wal_pages) = pages;
    return SQLITE_OK;
}

int db_connect(struct store *s)
{
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(s->db, 1);
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_wal_autocheckpoint(s->db, 0);
        sqlite3_wal_hook(s->db, on_wal, s);
        rc = sqlite3_exec(s->db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON",
                          NULL, NULL, NULL);
    }
    return rc;
}

static int on_mode(void *arg, int n, char **values, char **names)
{
    return n != 1 || !values[0] || strcmp(values[0], "wal") != 0;
}

int db_prepare(struct store *s)
{
    int rc = sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", on_mode, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    for (int i = 0; i < STMT_COUNT && rc == SQLITE_OK; i++)
        rc =
            sqlite3_prepare_v3(s->db, db_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[i], NULL);
    if (rc == SQLITE_OK && sqlite3_db_readonly(s->db, "main"))
        rc = SQLITE_READONLY;
    s->ready = rc == SQLITE_OK;
    if (s->ready)
        past_attach(s);
    return rc;
}

void db_disconnect(struct store *s, bool checkpoint)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        sqlite3_finalize(s->stmts[i]);
        s->stmts[i] = NULL;
    }
    if (s->db) {
        past_forget(s);
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, checkpoint ? 0 : 1, NULL);
        sqlite3_close_v2(s->db);
    }
    s->db = NULL;
    s->ready = false;
    s->wal_pages = 0;
}

int db_run(struct store *s, enum stmt which)
{
    sqlite3_stmt *st = s->stmts[which];
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void checkpoint(struct store *s, const char *schema, int *io_pages)
{
    if (*io_pages < DB_CHECKPOINT_PAGES)
        return;
    int rc = sqlite3_wal_checkpoint_v2(s->db, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        store_log(s, VDI_LOG_WARNING, "%s: no checkpoint: %s", s->path, sqlite3_errmsg(s->db));
    *io_pages = 0;
}

void db_checkpoint(struct store *s)
{
    checkpoint(s, "main", &s->wal_pages);
    if (s->past.attached)
        checkpoint(s, "past", &s->past.wal_pages);
}

static const char *column_text(sqlite3_stmt *st, int i)
{
    const char *text = (const char *)sqlite3_column_text(st, i);

    return text ? text : "";
}

static const char *column_body(sqlite3_stmt *st, int i, size_t *ret_len)
{
    const char *body = sqlite3_column_blob(st, i);

    *ret_len = body ? (size_t)sqlite3_column_bytes(st, i) : 0;
    return body ? body : "";
}

void db_column_record(sqlite3_stmt *st, struct vdi_store_record *ret)
{
    *ret = (struct vdi_store_record){
        .seq = (uint64_t)sqlite3_column_int64(st, 0),
        .time_usec = sqlite3_column_int64(st, 1),
        .noun = column_text(st, 2),
        .key = column_text(st, 3),
        .type = column_text(st, 4),
        .version = (uint32_t)sqlite3_column_int64(st, 5),
        .crc = (uint32_t)sqlite3_column_int64(st, 6),
    };
    ret->body = column_body(st, 7, &ret->body_len);
}

void db_column_object(sqlite3_stmt *st, struct vdi_store_object *ret)
{
    *ret = (struct vdi_store_object){
        .seq = (uint64_t)sqlite3_column_int64(st, 0),
        .noun = column_text(st, 1),
        .key = column_text(st, 2),
        .owner = column_text(st, 3),
        .state = column_text(st, 4),
        .begin_usec = sqlite3_column_int64(st, 5),
        .end_usec = sqlite3_column_int64(st, 6),
        .version = (uint32_t)sqlite3_column_int64(st, 7),
        .crc = (uint32_t)sqlite3_column_int64(st, 8),
    };
    ret->body = column_body(st, 9, &ret->body_len);
}

int db_bind_record(sqlite3_stmt *st, const struct vdi_store_record *r)
{
    sqlite3_bind_int64(st, 1, (sqlite3_int64)r->seq);
    sqlite3_bind_int64(st, 2, r->time_usec);
    sqlite3_bind_text(st, 3, r->noun, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 4, r->key, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 5, r->type, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 6, r->version);
    sqlite3_bind_int64(st, 7, r->crc);
    return sqlite3_bind_blob(st, 8, r->body_len ? r->body : "", (int)r->body_len, SQLITE_STATIC);
}

int db_bind_object(sqlite3_stmt *st, const struct vdi_store_object *o)
{
    sqlite3_bind_int64(st, 1, (sqlite3_int64)o->seq);
    sqlite3_bind_text(st, 2, o->noun, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, o->key, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 4, o->owner, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 5, o->state, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 6, o->begin_usec);
    sqlite3_bind_int64(st, 7, o->end_usec);
    sqlite3_bind_int64(st, 8, o->version);
    sqlite3_bind_int64(st, 9, o->crc);
    sqlite3_bind_blob(st, 10, o->body_len ? o->body : "", (int)o->body_len, SQLITE_STATIC);
    return sqlite3_bind_int64(st, 11, store_key_number(o->key));
}
