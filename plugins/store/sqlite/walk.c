/* SPDX-License-Identifier: Apache-2.0 */
/* walk.c - reads a table that may be damaged from both of its ends. */
#include "plugins/store/sqlite/sqlite.h"

#define WALK_SQL_MAX 256

static sqlite3_stmt *walk_open(sqlite3 *db, const struct walk *w, const char *order, int64_t after,
                               int64_t upto)
{
    char sql[WALK_SQL_MAX];
    sqlite3_stmt *st = NULL;

    snprintf(sql, sizeof(sql), "SELECT %s FROM %s WHERE %s > ?1 AND %s <= ?2 ORDER BY %s %s",
             w->columns, w->table, w->id, w->id, w->id, order);
    if (!db || sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return NULL;
    sqlite3_bind_int64(st, 1, after);
    sqlite3_bind_int64(st, 2, upto);
    return st;
}

/* True when the table's end was reached, or row() ended it; *ret is what it said. */
static bool walk_up(sqlite3_stmt *st, const struct walk *w, int64_t *last, int *ret)
{
    int rc = SQLITE_CORRUPT;

    while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        *ret = w->row(w->arg, st);
        if (*ret < 0)
            return true;
        if (*ret == 0)
            *last = sqlite3_column_int64(st, w->id_column);
    }
    *ret = 0;
    return rc == SQLITE_DONE;
}

/* The lowest row after `last` from which all is readable to the end; INT64_MAX: none. */
static int64_t walk_down(sqlite3_stmt *st, const struct walk *w, int64_t last)
{
    int64_t low = INT64_MAX;

    while (st && sqlite3_step(st) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(st, w->id_column);
        if (id >= low || id <= last)
            break;
        low = id;
    }
    return low;
}

int walk_table(sqlite3 *db, const struct walk *w, int64_t after, int64_t upto,
               enum walk_end *ret_end)
{
    int64_t last = after;
    int r = 0;
    sqlite3_stmt *st = walk_open(db, w, "ASC", after, upto);
    bool whole = walk_up(st, w, &last, &r);

    sqlite3_finalize(st);
    *ret_end = WALK_WHOLE;
    if (whole)
        return r;
    st = walk_open(db, w, "DESC", last, upto);
    int64_t low = walk_down(st, w, last);
    sqlite3_finalize(st);
    *ret_end = low == INT64_MAX ? WALK_NO_TAIL : WALK_HOLE;
    if (low == INT64_MAX)
        return 0;
    st = walk_open(db, w, "ASC", low - 1, upto);
    if (!walk_up(st, w, &last, &r))
        *ret_end = WALK_NO_TAIL;
    sqlite3_finalize(st);
    return r;
}
