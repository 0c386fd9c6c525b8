/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.c - events of an object, and the archive of ended objects by cursor.
 *
 * The text of a query is put together from constants and parameter numbers only.
 */
#include "plugins/store/pgsql/pgsql.h"

#include <string.h>

#define SQL_MAX 1024

/* Adds a piece with its parameter's number in place of %d. */
static void add(char *sql, const char *before, int number, const char *after)
{
    size_t at = strlen(sql);

    if (number)
        snprintf(sql + at, SQL_MAX - at, "%s$%d%s", before, number, after);
    else
        snprintf(sql + at, SQL_MAX - at, "%s%s", before, after);
}

struct event_row {
    int (*row)(void *arg, const struct vdi_store_record *record);
    void *arg;
};

static int on_event(void *ctx, const PGresult *res)
{
    struct event_row *e = ctx;
    struct vdi_store_record record;

    pg_get_record(res, &record);
    return e->row(e->arg, &record);
}

int query_events(void *store, const struct vdi_store_query *q,
                 int (*row)(void *arg, const struct vdi_store_record *record), void *arg,
                 struct vdi_error *err)
{
    struct event_row ctx = {row, arg};
    struct pg_params p = {0};
    char sql[SQL_MAX] = "SELECT " PG_EVENT_COLUMNS " FROM vdi.event WHERE";
    int r = store_query_check(q, false, err);

    if (r == 0)
        r = pg_ready(store, err);
    if (r < 0)
        return r;
    add(sql, " seq > ", pg_number(&p, (int64_t)q->after_seq), "");
    add(sql, " AND noun = ", pg_text(&p, q->noun), "");
    if (q->key)
        add(sql, " AND key = ", pg_text(&p, q->key), "");
    if (q->from_usec)
        add(sql, " AND time_usec >= ", pg_number(&p, q->from_usec), "");
    if (q->to_usec)
        add(sql, " AND time_usec < ", pg_number(&p, q->to_usec), "");
    add(sql, " ORDER BY seq LIMIT ", pg_number(&p, q->limit), "");
    return pg_each(store, sql, &p, on_event, &ctx, err);
}

struct object_row {
    int (*row)(void *arg, const struct vdi_store_object *object);
    void *arg;
};

static int on_object(void *ctx, const PGresult *res)
{
    struct object_row *o = ctx;
    struct vdi_store_object object;

    pg_get_object(res, &object);
    return o->row(o->arg, &object);
}

static void add_key(char *sql, struct pg_params *p, const char *before, const char *key)
{
    add(sql, before, pg_number(p, store_key_number(key)), "");
    add(sql, ", ", pg_text(p, key), ")");
}

static void add_states(char *sql, struct pg_params *p, const char *const *states)
{
    if (!states || !states[0])
        return;
    for (int i = 0; states[i]; i++)
        add(sql, i ? ", " : " AND state IN (", pg_text(p, states[i]), "");
    add(sql, ")", 0, "");
}

static void add_by_key(char *sql, struct pg_params *p, const struct vdi_store_query *q)
{
    if (q->from_usec)
        add(sql, " AND (end_usec = 0 OR end_usec > ", pg_number(p, q->from_usec), ")");
    if (q->after_key)
        add_key(sql, p, " AND (num, key) < (", q->after_key);
    add(sql, " ORDER BY num DESC, key DESC LIMIT ", pg_number(p, q->limit), "");
}

static void add_by_end(char *sql, struct pg_params *p, const struct vdi_store_query *q)
{
    if (q->after_key) {
        add(sql, " AND (end_usec, num, key) > (", pg_number(p, q->after_usec), "");
        add_key(sql, p, ", ", q->after_key);
    } else {
        add(sql, " AND end_usec > ", pg_number(p, q->from_usec), "");
    }
    if (q->ended_by_usec)
        add(sql, " AND end_usec <= ", pg_number(p, q->ended_by_usec), "");
    add(sql, " ORDER BY end_usec, num, key LIMIT ", pg_number(p, q->limit), "");
}

int query_archive(void *store, const struct vdi_store_query *q,
                  int (*row)(void *arg, const struct vdi_store_object *object), void *arg,
                  struct vdi_error *err)
{
    struct object_row ctx = {row, arg};
    struct pg_params p = {0};
    char sql[SQL_MAX] = "SELECT " PG_ARCHIVE_COLUMNS " FROM vdi.archive WHERE";
    int r = store_query_check(q, true, err);

    if (r == 0)
        r = pg_ready(store, err);
    if (r < 0)
        return r;
    add(sql, " noun = ", pg_text(&p, q->noun), "");
    if (q->key)
        add_key(sql, &p, " AND (num, key) = (", q->key);
    if (q->owner)
        add(sql, " AND owner = ", pg_text(&p, q->owner), "");
    add_states(sql, &p, q->states);
    if (q->to_usec)
        add(sql, " AND begin_usec < ", pg_number(&p, q->to_usec), "");
    if (q->by_end)
        add_by_end(sql, &p, q);
    else
        add_by_key(sql, &p, q);
    return pg_each(store, sql, &p, on_object, &ctx, err);
}
