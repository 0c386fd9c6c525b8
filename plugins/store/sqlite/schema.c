/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - versions of the SQLite store's tables.
 *
 * The version is kept twice: in `meta` with a checksum (believed first) and in the
 * file's header as user_version, so that one flipped bit neither makes an old store
 * look new nor hides a new one.
 */
#include "plugins/store/sqlite/schema.h"

#include <errno.h>
#include <string.h>

static const char META_TABLE[] =
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL,"
    " crc INTEGER NOT NULL)";

const struct schema_step schema_steps[] = {
    {
        .version = 1,
        .release = "0.1.0",
        .up = "CREATE TABLE event(seq INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL,"
              " noun TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL,"
              " version INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
              "CREATE INDEX event_object ON event(noun, key);" SCHEMA_ARCHIVE
              "CREATE INDEX archive_end ON archive(noun, end_usec);",
        .down = "DROP TABLE event; DROP TABLE archive;",
    },
    {
        .version = 2,
        .release = "0.1.0",
        .up = "DROP INDEX archive_end;" SCHEMA_ARCHIVE_END,
        .down = "DROP INDEX archive_owner_end; DROP INDEX archive_end;"
                "CREATE INDEX archive_end ON archive(noun, end_usec);",
    },
    {
        /* The archive goes to vdi.db.archive bit by bit (past.c); down: past_recall(). */
        .version = 3,
        .release = "0.1.0",
        .up = "",
        .down = "",
    },
};
const size_t schema_n_steps = sizeof(schema_steps) / sizeof(schema_steps[0]);

static uint32_t meta_crc(const char *name, const char *value)
{
    return store_crc(store_crc(0, name, strlen(name) + 1), value, strlen(value));
}

int meta_get(sqlite3 *db, const char *name, char *ret_value)
{
    sqlite3_stmt *st = NULL;
    int r = -ENOENT;

    if (sqlite3_prepare_v2(db, "SELECT value, crc FROM meta WHERE name = ?1", -1, &st, NULL) !=
        SQLITE_OK)
        return -EBADMSG;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const char *value = (const char *)sqlite3_column_text(st, 0);
        if (!value || strlen(value) >= SCHEMA_META_MAX ||
            meta_crc(name, value) != (uint32_t)sqlite3_column_int64(st, 1)) {
            r = -EBADMSG;
        } else {
            snprintf(ret_value, SCHEMA_META_MAX, "%s", value);
            r = 0;
        }
    } else if (rc != SQLITE_DONE) {
        r = -EBADMSG;
    }
    sqlite3_finalize(st);
    return r;
}

int meta_put(sqlite3 *db, const char *name, const char *value)
{
    sqlite3_stmt *st = NULL;
    int rc =
        sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO meta VALUES(?1, ?2, ?3)", -1, &st, NULL);

    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, value, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 3, meta_crc(name, value));
    rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int meta_get_number(sqlite3 *db, const char *name, uint64_t *ret)
{
    char value[SCHEMA_META_MAX], *end;
    int r = meta_get(db, name, value);

    if (r < 0)
        return r;
    errno = 0;
    uint64_t n = strtoull(value, &end, 10);
    if (errno || end == value || *end)
        return -EBADMSG;
    *ret = n;
    return 0;
}

int meta_put_number(sqlite3 *db, const char *name, uint64_t n)
{
    char value[24];

    snprintf(value, sizeof(value), "%llu", (unsigned long long)n);
    return meta_put(db, name, value);
}

static int step_run(sqlite3 *db, const struct schema_step *steps, size_t n_steps, uint32_t from,
                    uint32_t to)
{
    char pragma[64];
    int rc = sqlite3_exec(db, META_TABLE, NULL, NULL, NULL);

    for (uint32_t v = from; v < to && rc == SQLITE_OK; v++)
        rc = sqlite3_exec(db, steps[v].up, NULL, NULL, NULL);
    for (uint32_t v = from; v > to && rc == SQLITE_OK; v--)
        rc = sqlite3_exec(db, steps[v - 1].down, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = meta_put_number(db, "version", to);
    if (rc == SQLITE_OK)
        rc = meta_put(db, "release", steps[to - 1].release);
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %u", to);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, pragma, NULL, NULL, NULL);
    return rc;
}

int schema_migrate(sqlite3 *db, const struct schema_step *steps, size_t n_steps, uint32_t from,
                   uint32_t to, struct vdi_error *err)
{
    if (to < 1 || to > n_steps || from > n_steps) {
        store_fail(err, EINVAL, "schema", "There is no way from schema %u to schema %u.", from, to);
        store_hint(err, NULL, "Use the release that wrote the store.");
        return -EINVAL;
    }
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = step_run(db, steps, n_steps, from, to);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    store_fail(err, rc == SQLITE_FULL ? ENOSPC : EIO, "schema", "Schema %u to %u failed: %s.", from,
               to, sqlite3_errmsg(db));
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc == SQLITE_FULL ? -ENOSPC : -EIO;
}

/* One number from the database, as PRAGMA and count() give them. */
static int query_number(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : -EBADMSG;
}

int schema_version(sqlite3 *db, uint32_t *ret_version, char *ret_release)
{
    int64_t tables, header;
    uint64_t version;

    if (query_number(db, "SELECT count(*) FROM sqlite_schema", &tables) < 0 ||
        query_number(db, "PRAGMA user_version", &header) < 0)
        return -EBADMSG;
    *ret_version = 0;
    if (tables == 0)
        return 0;
    int r = meta_get_number(db, "version", &version);
    if (r == 0 && version > 0 && version <= UINT32_MAX) {
        *ret_version = (uint32_t)version;
        if (meta_get(db, "release", ret_release) < 0)
            snprintf(ret_release, SCHEMA_META_MAX, "(unknown)");
        return 0;
    }
    /* Damaged: the header says at least whether this may be touched at all. */
    *ret_version = header > 0 && header <= UINT32_MAX ? (uint32_t)header : 0;
    snprintf(ret_release, SCHEMA_META_MAX, "(unknown)");
    return *ret_version > schema_n_steps ? 0 : -EBADMSG;
}
