/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h - the tables of the SQLite store, their versions, and the table of facts `meta`. */
#ifndef SQLITE_SCHEMA_H
#define SQLITE_SCHEMA_H

#include <sqlite3.h>

#include "plugins/store/record.h"

#define SCHEMA_META_MAX 512

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
