/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h - the tables of the SQLite store, their versions, and the table of facts `meta`. */
#ifndef SQLITE_SCHEMA_H
#define SQLITE_SCHEMA_H

#include <sqlite3.h>

#include "plugins/store/record.h"

#define SCHEMA_META_MAX 512

/* The archive's table and indexes, here and in a file of its own (past.c). `num` is the key as a
 * number (-1: it is none), so that job 1000 comes after job 999. */
#define SCHEMA_ARCHIVE                                                                             \
    "CREATE TABLE archive(id INTEGER PRIMARY KEY, noun TEXT NOT NULL,"                             \
    " num INTEGER NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,"          \
    " begin_usec INTEGER NOT NULL, end_usec INTEGER NOT NULL, seq INTEGER NOT NULL,"               \
    " version INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"                 \
    "CREATE UNIQUE INDEX archive_key ON archive(noun, num, key);"                                  \
    "CREATE INDEX archive_owner ON archive(noun, owner, num, key);"                                \
    "CREATE INDEX archive_state ON archive(noun, state, num, key);"
/* History and usage: by end, of one owner or of all, without a sort and without looking at rows
 * of another time. */
#define SCHEMA_ARCHIVE_END                                                                         \
    "CREATE INDEX archive_end ON archive(noun, end_usec, num, key, begin_usec);"                   \
    "CREATE INDEX archive_owner_end ON archive(noun, owner, end_usec, num, key, begin_usec);"

/* A version of the schema: what brings it, and what takes it back to the one before. */
struct schema_step {
    uint32_t version;
    const char *release; /* the first that knows it */
    const char *up;
    const char *down;
};

extern const struct schema_step schema_steps[]; /* by version, from 1 */
extern const size_t schema_n_steps;

/* Goes from one version to another in one transaction. */
int schema_migrate(sqlite3 *db, const struct schema_step *steps, size_t n_steps, uint32_t from,
                   uint32_t to, struct vdi_error *err);
/* The store's version (0: empty) and the release it needs (SCHEMA_META_MAX bytes).
 * -EBADMSG when the file can't be read as a store. */
int schema_version(sqlite3 *db, uint32_t *ret_version, char *ret_release);

/* A fact with its checksum: -ENOENT, or -EBADMSG when it is damaged. The layout of
 * `meta` is the same in every version, so that old releases can read a new store's. */
int meta_get(sqlite3 *db, const char *name, char *ret_value);
int meta_put(sqlite3 *db, const char *name, const char *value); /* 0 or an SQLite code */
int meta_get_number(sqlite3 *db, const char *name, uint64_t *ret);
int meta_put_number(sqlite3 *db, const char *name, uint64_t value);

#endif
