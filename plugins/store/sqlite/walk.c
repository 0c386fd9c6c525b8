/* SPDX-License-Identifier: Apache-2.0 */
/* walk.c - reads a table that may be damaged from both of its ends. */
#include "plugins/store/sqlite/sqlite.h"

static sqlite3_stmt *walk_open(sqlite3 *db, const char *sql, int64_t from, int64_t upto)
{
    sqlite3_stmt *st = NULL;

    if (!db || sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return NULL;
    sqlite3_bind_int64(st, 1, from);
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

int walk_table(sqlite3 *db, const struct walk *w, int64_t from, int64_t upto,
               enum walk_end *ret_end)
{
    int64_t last = from - 1;
    int r = 0;
    sqlite3_stmt *st = walk_open(db, w->up, from, upto);
    bool whole = walk_up(st, w, &last, &r);

    sqlite3_finalize(st);
    *ret_end = WALK_WHOLE;
    if (whole)
        return r;
    st = walk_open(db, w->down, last + 1, upto);
    int64_t low = walk_down(st, w, last);
    sqlite3_finalize(st);
    *ret_end = low == INT64_MAX ? WALK_NO_TAIL : WALK_HOLE;
    if (low == INT64_MAX)
        return 0;
    /* Sought by itself: the row before it may be on the page that is damaged. */
    st = walk_open(db, w->up, low, upto);
    if (!walk_up(st, w, &last, &r))
        *ret_end = WALK_NO_TAIL;
    sqlite3_finalize(st);
    return r;
}
