/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.c - events of an object, and the archive of ended objects by cursor.
 *
 * The text of a query is put together from constants only; all values are bound.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <string.h>

#define SQL_MAX 32768 /* two tables, all states by themselves */

static void add(char *sql, const char *piece)
{
    size_t at = strlen(sql);

    snprintf(sql + at, SQL_MAX - at, "%s", piece);
}

static void bind_text(sqlite3_stmt *st, const char *name, const char *value)
{
    int i = sqlite3_bind_parameter_index(st, name);

    if (i)
        sqlite3_bind_text(st, i, value, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *st, const char *name, int64_t value)
{
    int i = sqlite3_bind_parameter_index(st, name);

    if (i)
        sqlite3_bind_int64(st, i, value);
}

/* Runs row() over what st gives; it ends with the first answer that is not 0. */
static int run(struct store *s, sqlite3_stmt *st, int (*row)(void *ctx, sqlite3_stmt *st),
               void *ctx, struct vdi_error *err)
{
    int rc, r = 0;

    while ((rc = sqlite3_step(st)) == SQLITE_ROW && r == 0)
        r = row(ctx, st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = db_fail(s, rc, "A query failed on", err);
    sqlite3_finalize(st);
    return r;
}

struct event_row {
    int (*row)(void *arg, const struct vdi_store_record *record);
    void *arg;
};

static int on_event(void *ctx, sqlite3_stmt *st)
{
    struct event_row *e = ctx;
    struct vdi_store_record record;

    db_column_record(st, &record);
    return e->row(e->arg, &record);
}

int query_events(void *store, const struct vdi_store_query *q,
                 int (*row)(void *arg, const struct vdi_store_record *record), void *arg,
                 struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    struct event_row ctx = {row, arg};
    char sql[SQL_MAX] = "SELECT " DB_EVENT_COLUMNS " FROM event WHERE seq > :after";
    sqlite3_stmt *st = NULL;
    int r = store_query_check(q, false, err);

    if (r == 0)
        r = db_need_ready(s, err);
    if (r < 0)
        return r;
    /* Without a key the log is read as it lies; the index would have to be sorted. */
    add(sql, q->key ? " AND noun = :noun AND key = :key" : " AND +noun = :noun");
    add(sql, q->from_usec ? " AND time_usec >= :from" : "");
    add(sql, q->to_usec ? " AND time_usec < :to" : "");
    add(sql, " ORDER BY seq LIMIT :limit");
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return db_fail(s, rc, "A query failed on", err);
    bind_number(st, ":after", (int64_t)q->after_seq);
    bind_text(st, ":noun", q->noun);
    bind_text(st, ":key", q->key);
    bind_number(st, ":from", q->from_usec);
    bind_number(st, ":to", q->to_usec);
    bind_number(st, ":limit", q->limit);
    return run(s, st, on_event, &ctx, err);
}

struct object_row {
    int (*row)(void *arg, const struct vdi_store_object *object);
    void *arg;
};

static int on_object(void *ctx, sqlite3_stmt *st)
{
    struct object_row *o = ctx;
    struct vdi_store_object object;

    db_column_object(st, &object);
    return o->row(o->arg, &object);
}

/* The plus keeps the query on the index of its order: a state is in half of the rows. */
static void add_states(char *sql, const char *const *states)
{
    char piece[40];

    for (int i = 0; states && states[i]; i++) {
        snprintf(piece, sizeof(piece), "%s:s%d", i ? ", " : " AND +state IN (", i);
        add(sql, piece);
    }
    add(sql, states && states[0] ? ")" : "");
}

static void bind_archive(sqlite3_stmt *st, const struct vdi_store_query *q)
{
    char name[16];

    bind_text(st, ":noun", q->noun);
    bind_text(st, ":key", q->key);
    bind_number(st, ":num", q->key ? store_key_number(q->key) : 0);
    bind_text(st, ":owner", q->owner);
    for (int i = 0; q->states && q->states[i]; i++) {
        snprintf(name, sizeof(name), ":s%d", i);
        bind_text(st, name, q->states[i]);
    }
    bind_number(st, ":from", q->from_usec);
    bind_number(st, ":to", q->to_usec);
    bind_text(st, ":after", q->after_key);
    bind_number(st, ":after_num", q->after_key ? store_key_number(q->after_key) : 0);
    bind_number(st, ":after_usec", q->after_usec);
    bind_number(st, ":by", q->ended_by_usec);
    bind_number(st, ":limit", q->limit);
}

/* What there is of one table; what still waits in vdi.db counts, not what is in both. */
static void add_arm(char *sql, const struct vdi_store_query *q, bool past, int state)
{
    char piece[48];

    add(sql, past ? " UNION ALL SELECT " DB_ARCHIVE_COLUMNS " FROM past.archive AS a"
                  : " UNION ALL SELECT " DB_ARCHIVE_COLUMNS " FROM main.archive AS a");
    add(sql, state >= 0 ? " INDEXED BY archive_state WHERE noun = :noun" : " WHERE noun = :noun");
    add(sql, q->key ? " AND num = :num AND key = :key" : "");
    add(sql, q->owner ? " AND owner = :owner" : "");
    if (state < 0)
        add_states(sql, q->states);
    snprintf(piece, sizeof(piece), " AND state = :s%d", state);
    add(sql, state >= 0 ? piece : "");
    add(sql, q->to_usec ? " AND begin_usec < :to" : "");
    if (!q->by_end) {
        add(sql, q->from_usec ? " AND (end_usec = 0 OR end_usec > :from)" : "");
        add(sql, q->after_key ? " AND (num, key) < (:after_num, :after)" : "");
    } else { /* One bound at the low side: of two, SQLite would take either for its index. */
        if (q->after_key)
            add(sql, " AND (end_usec, num, key) > (:after_usec, :after_num, :after)");
        else
            add(sql, " AND end_usec > :from"); /* 0, not bound otherwise: not those without */
        add(sql, q->ended_by_usec ? " AND end_usec <= :by" : "");
    }
    if (past)
        add(sql, " AND NOT EXISTS (SELECT 1 FROM main.archive AS m WHERE m.noun = a.noun"
                 " AND m.num = a.num AND m.key = a.key)");
}

/* A rare state of all owners is found by its index; each arm is in the order asked for, so that
 * SQLite merges them and reads no more than it gives. */
static void archive_sql(const struct store *s, const struct vdi_store_query *q, char *sql)
{
    bool by_state = !q->by_end && !q->owner && !q->key && q->states && q->states[0];

    for (int past = 0; past <= s->past.attached; past++)
        for (int i = by_state ? 0 : -1; i < 0 || (by_state && q->states[i]); i++) {
            add_arm(sql, q, past, i);
            if (!by_state)
                break;
        }
    add(sql, q->by_end ? " ORDER BY end_usec, num, key LIMIT :limit"
                       : " ORDER BY num DESC, key DESC LIMIT :limit");
}

int query_archive(void *store, const struct vdi_store_query *q,
                  int (*row)(void *arg, const struct vdi_store_object *object), void *arg,
                  struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    struct object_row ctx = {row, arg};
    char sql[SQL_MAX] = "";
    sqlite3_stmt *st = NULL;
    int r = store_query_check(q, true, err);

    if (r == 0)
        r = db_need_ready(s, err);
    if (r < 0)
        return r;
    archive_sql(s, q, sql);
    int rc = sqlite3_prepare_v2(s->db, sql + strlen(" UNION ALL "), -1, &st, NULL);
    if (rc != SQLITE_OK)
        return db_fail(s, rc, "A query failed on", err);
    bind_archive(st, q);
    r = run(s, st, on_object, &ctx, err);
    if (r == -EBADMSG)
        past_check_soon(s);
    return r;
}
