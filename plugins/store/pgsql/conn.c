/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c - the connection, statements on it, and what became of a commit whose answer
 * was lost.
 *
 * A lost connection says nothing about the last commit. The server process that had it
 * is ended first (else it might commit later), then vdi.head is looked at: its last
 * seq, under the same epoch, is the batch's or it is not.
 */
#include "plugins/store/pgsql/pgsql.h"

#include <errno.h>
#include <string.h>

#define END_BACKEND_MSEC 10000 /* how long the server may take to end a process */

/* ---- parameters and columns -------------------------------------------- */

static int param(struct pg_params *p, const char *value, size_t len, int format)
{
    p->value[p->n] = value;
    p->len[p->n] = (int)len;
    p->format[p->n] = format;
    return ++p->n;
}

int pg_number(struct pg_params *p, int64_t value)
{
    snprintf(p->number[p->n], sizeof(p->number[0]), "%lld", (long long)value);
    return param(p, p->number[p->n], 0, 0);
}

int pg_text(struct pg_params *p, const char *value)
{
    return param(p, value, 0, 0);
}

void pg_bytes(struct pg_params *p, const void *data, size_t len)
{
    param(p, len ? data : "", len, 1);
}

void pg_record(struct pg_params *p, const struct vdi_store_record *r)
{
    p->n = 0;
    pg_number(p, (int64_t)r->seq);
    pg_number(p, r->time_usec);
    pg_text(p, r->noun);
    pg_text(p, r->key);
    pg_text(p, r->type);
    pg_number(p, r->version);
    pg_number(p, r->crc);
    pg_bytes(p, r->body, r->body_len);
}

void pg_object(struct pg_params *p, const struct vdi_store_object *o)
{
    p->n = 0;
    pg_number(p, (int64_t)o->seq);
    pg_text(p, o->noun);
    pg_text(p, o->key);
    pg_text(p, o->owner);
    pg_text(p, o->state);
    pg_number(p, o->begin_usec);
    pg_number(p, o->end_usec);
    pg_number(p, o->version);
    pg_number(p, o->crc);
    pg_bytes(p, o->body, o->body_len);
    pg_number(p, store_key_number(o->key));
}

int64_t pg_get_number(const PGresult *res, int column)
{
    const unsigned char *p = (const unsigned char *)PQgetvalue(res, 0, column);
    uint64_t n = 0;

    for (int i = 0, len = PQgetlength(res, 0, column); i < len; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

const char *pg_get_text(const PGresult *res, int column)
{
    return PQgetvalue(res, 0, column);
}

void pg_get_record(const PGresult *res, struct vdi_store_record *ret)
{
    *ret = (struct vdi_store_record){
        .seq = (uint64_t)pg_get_number(res, 0),
        .time_usec = pg_get_number(res, 1),
        .noun = pg_get_text(res, 2),
        .key = pg_get_text(res, 3),
        .type = pg_get_text(res, 4),
        .version = (uint32_t)pg_get_number(res, 5),
        .crc = (uint32_t)pg_get_number(res, 6),
        .body = pg_get_text(res, 7),
        .body_len = (size_t)PQgetlength(res, 0, 7),
    };
}

void pg_get_object(const PGresult *res, struct vdi_store_object *ret)
{
    *ret = (struct vdi_store_object){
        .seq = (uint64_t)pg_get_number(res, 0),
        .noun = pg_get_text(res, 1),
        .key = pg_get_text(res, 2),
        .owner = pg_get_text(res, 3),
        .state = pg_get_text(res, 4),
        .begin_usec = pg_get_number(res, 5),
        .end_usec = pg_get_number(res, 6),
        .version = (uint32_t)pg_get_number(res, 7),
        .crc = (uint32_t)pg_get_number(res, 8),
        .body = pg_get_text(res, 9),
        .body_len = (size_t)PQgetlength(res, 0, 9),
    };
}

/* ---- errors ------------------------------------------------------------ */

static bool good(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

bool pg_lost(const struct store *s)
{
    return s->broken || !s->conn || PQstatus(s->conn) != CONNECTION_OK;
}

static int errno_of(const char *state)
{
    static const struct {
        const char *state; /* or the beginning of it: a class */
        int code;
    } codes[] = {
        {"VD001", ESTALE}, {"VD002", EINVAL}, {"53100", ENOSPC},  {"25006", EROFS},
        {"42501", EACCES}, {"28", EACCES},    {"22", EINVAL},     {"40", EAGAIN},
        {"55P03", EAGAIN}, {"57014", EAGAIN}, {"XX001", EBADMSG}, {"XX002", EBADMSG},
    };

    for (size_t i = 0; state && i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strncmp(state, codes[i].state, strlen(codes[i].state)) == 0)
            return codes[i].code;
    return EIO;
}

static void one_line(char *text)
{
    text[strcspn(text, "\n")] = '\0';
}

int pg_fail(struct store *s, const PGresult *res, const char *what, struct vdi_error *err)
{
    const char *message = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *severity = res ? PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    int code = errno_of(state);
    char line[256];

    /* The server ends the session on FATAL; without a state libpq itself has failed. */
    if (!state || (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)))
        s->broken = true;

    snprintf(line, sizeof(line), "%s", message ? message : PQerrorMessage(s->conn));
    one_line(line);
    if (code == ESTALE || (code == EINVAL && strncmp(line, "Event ", 6) == 0))
        return store_fail(err, code, code == ESTALE ? "epoch" : "seq", "%s", line);
    store_fail(err, code, "store", "%s: %s.", what, line);
    if (code == ENOSPC)
        store_hint(err, NULL, "Free space on the database server; nothing was lost.");
    else if (code == EACCES)
        store_hint(err, NULL, "See vdi-store-pgsql(5) for the role that the store needs.");
    return -code;
}

/* ---- connecting -------------------------------------------------------- */

static int one_setting(struct store *s, const char *sql, char *ret, size_t size,
                       struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    int r = pg_run(s, sql, NULL, &res, err);

    if (r == 0)
        snprintf(ret, size, "%s", PQntuples(res) ? pg_get_text(res, 0) : "");
    return r;
}

static void on_notice(void *arg, const char *message)
{
    struct store *s = arg;
    char line[256];

    snprintf(line, sizeof(line), "%s", message);
    one_line(line);
    store_log(s, VDI_LOG_DEBUG, "database: %s", line);
}

static int session(struct store *s, struct vdi_error *err)
{
    char value[64];
    int r = one_setting(s, "SELECT pg_backend_pid()::text", s->backend_pid, sizeof(s->backend_pid),
                        err);

    if (r == 0)
        r = one_setting(s,
                        "SELECT backend_start::text FROM pg_stat_activity"
                        " WHERE pid = pg_backend_pid()",
                        s->backend_start, sizeof(s->backend_start), err);
    if (r == 0)
        r = one_setting(s, "SHOW synchronous_commit", value, sizeof(value), err);
    if (r == 0 && (strcmp(value, "off") == 0 || strcmp(value, "local") == 0))
        r = pg_run(s, "SET synchronous_commit = on", NULL, NULL, err);
    if (r == 0)
        r = one_setting(s, "SHOW fsync", value, sizeof(value), err);
    if (r == 0 && strcmp(value, "off") == 0)
        store_log(s, VDI_LOG_WARNING,
                  "the database server runs with fsync = off: "
                  "a power cut can lose what was acknowledged");
    return r;
}

int pg_prepare(struct store *s, struct vdi_error *err)
{
    static const char *const statement[][2] = {
        {"event", "INSERT INTO vdi.event(" PG_EVENT_COLUMNS ") VALUES($1,$2,$3,$4,$5,$6,$7,$8)"},
        {"archive", "INSERT INTO vdi.archive(" PG_ARCHIVE_COLUMNS ") VALUES($1,$2,$3,$4,$5,$6,$7,"
                    "$8,$9,$10,$11) ON CONFLICT(noun, num, key) DO UPDATE SET seq = $1, owner = $4,"
                    " state = $5, begin_usec = $6, end_usec = $7, version = $8, crc = $9,"
                    " body = $10"},
        {"row", "INSERT INTO vdi.snapshot_row(generation, n, row) VALUES($1, $2, $3)"},
    };
    int r = pg_run(s, "DEALLOCATE ALL", NULL, NULL, err); /* of before a change of the schema */

    for (size_t i = 0; r == 0 && i < sizeof(statement) / sizeof(statement[0]); i++) {
        _cleanup_(pg_clearp) PGresult *res =
            PQprepare(s->conn, statement[i][0], statement[i][1], 0, NULL);
        if (!good(res))
            return pg_fail(s, res, "A statement can't be prepared", err);
    }
    return r;
}

int pg_connect(struct store *s, struct vdi_error *err)
{
    /* A server that vanished without a word (power, network) is noticed in half a minute, not in
     * hours: until then no commit is answered. `store` may say otherwise. */
    const char *names[] = {"connect_timeout",
                           "application_name",
                           "keepalives_idle",
                           "keepalives_interval",
                           "keepalives_count",
                           "tcp_user_timeout",
                           "dbname",
                           "client_encoding",
                           NULL};
    const char *values[] = {"10", "vdictld", "10", "5", "3", "25000", s->dsn, "UTF8", NULL};
    char line[256];

    PQfinish(s->conn);
    s->broken = false;
    s->conn = PQconnectdbParams(names, values, 1);
    if (pg_lost(s)) {
        snprintf(line, sizeof(line), "%s", s->conn ? PQerrorMessage(s->conn) : "no memory");
        one_line(line);
        store_fail(err, EIO, "store", "No connection to the database: %s.", line);
        store_hint(err, NULL, "See that the server runs and that `store` leads to it.");
        return -EIO;
    }
    PQsetNoticeProcessor(s->conn, on_notice, s);
    if (PQserverVersion(s->conn) < 140000)
        return store_fail(err, EPROTO, "store", "The database server has version %d, 14 is needed.",
                          PQserverVersion(s->conn) / 10000);
    int r = session(s, err);
    return r == 0 && s->version == schema_n_steps ? pg_prepare(s, err) : r;
}

/* ---- doubt ------------------------------------------------------------- */

/* The process of the former connection is gone when this returns 0. */
static int end_backend(struct store *s, const char *pid, const char *start, struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    struct pg_params p = {0};

    pg_text(&p, pid);
    pg_text(&p, start);
    pg_number(&p, END_BACKEND_MSEC);
    int r = pg_run(s,
                   "SELECT pg_terminate_backend(pid, $3::bigint)::int::bigint FROM pg_stat_activity"
                   " WHERE pid = $1::int AND backend_start::text = $2",
                   &p, &res, err);
    if (r == 0 && PQntuples(res) == 1 && !pg_get_number(res, 0))
        return store_fail(err, EAGAIN, "store", "The database still holds the last connection.");
    return r;
}

/* Under the lock of vdi.head: 1, the batch is committed; 0: it is not. */
static int find_batch(struct store *s, const struct pg_doubt *d, struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    int r = pg_run(s, "SELECT epoch, last_seq FROM vdi.head FOR UPDATE", NULL, &res, err);

    if (r < 0)
        return r;
    return d->last >= d->first && (uint64_t)pg_get_number(res, 0) == d->epoch &&
           (uint64_t)pg_get_number(res, 1) == d->last;
}

int pg_resolve(struct store *s, struct vdi_error *err)
{
    char pid[24], start[64];

    memcpy(pid, s->backend_pid, sizeof(pid));
    memcpy(start, s->backend_start, sizeof(start));
    int r = pg_connect(s, err);
    if (r == 0)
        r = end_backend(s, pid, start, err);
    if (r == 0)
        return find_batch(s, &s->doubt, err);
    /* The next try must still know which process it was. */
    memcpy(s->backend_pid, pid, sizeof(pid));
    memcpy(s->backend_start, start, sizeof(start));
    PQfinish(s->conn);
    s->conn = NULL;
    return r;
}

/* The host was told that this batch failed: so it has. */
static int undo(struct store *s, struct vdi_error *err)
{
    struct pg_params p = {0};
    int r = pg_begin(s, s->doubt.epoch, err);

    pg_number(&p, (int64_t)s->doubt.first);
    if (r == 0)
        r = pg_run(s, "DELETE FROM vdi.event WHERE seq >= $1", &p, NULL, err);
    if (r == 0)
        r = pg_run(s, "DELETE FROM vdi.archive WHERE seq >= $1", &p, NULL, err);
    if (r == 0)
        r = pg_run(s, "UPDATE vdi.head SET last_seq = $1 - 1", &p, NULL, err);
    return pg_end(s, r, err);
}

int pg_ready(struct store *s, struct vdi_error *err)
{
    int r = pg_lost(s) ? -EIO : pg_run(s, "", NULL, NULL, NULL);

    if (r == 0 && !s->doubt.set)
        return 0;
    if (!s->doubt.set)
        return pg_connect(s, err);
    r = pg_resolve(s, err);
    if (r > 0)
        r = undo(s, err);
    if (r == 0)
        s->doubt.set = false;
    return r;
}

/* ---- statements -------------------------------------------------------- */

int pg_run(struct store *s, const char *sql, const struct pg_params *p, PGresult **ret,
           struct vdi_error *err)
{
    static const struct pg_params none;

    if (!p)
        p = &none;
    _cleanup_(pg_clearp) PGresult *res =
        PQexecParams(s->conn, sql, p->n, NULL, p->value, p->len, p->format, 1);
    if (!good(res))
        return pg_fail(s, res, "The database refused a statement", err);
    if (ret) {
        *ret = res;
        res = NULL;
    }
    return 0;
}

int pg_each(struct store *s, const char *sql, const struct pg_params *p,
            int (*row)(void *ctx, const PGresult *res), void *ctx, struct vdi_error *err)
{
    PGresult *res;
    bool ended = false;
    int r = 0;

    if (!PQsendQueryParams(s->conn, sql, p->n, NULL, p->value, p->len, p->format, 1) ||
        !PQsetSingleRowMode(s->conn))
        return pg_fail(s, NULL, "A query failed", err);
    while ((res = PQgetResult(s->conn))) {
        if (r == 0 && PQresultStatus(res) == PGRES_SINGLE_TUPLE)
            r = row(ctx, res);
        else if (r == 0 && PQresultStatus(res) != PGRES_TUPLES_OK)
            r = pg_fail(s, res, "A query failed", err);
        ended |= PQresultStatus(res) == PGRES_TUPLES_OK;
        PQclear(res);
    }
    return r == 0 && !ended ? pg_fail(s, NULL, "A query has no end", err) : r;
}

int pg_guard(struct store *s, uint64_t epoch, struct vdi_error *err)
{
    struct pg_params p = {0};

    pg_number(&p, epoch > INT64_MAX ? 0 : (int64_t)epoch);
    return pg_run(s, "SELECT vdi.guard($1)", &p, NULL, err);
}

int pg_begin(struct store *s, uint64_t epoch, struct vdi_error *err)
{
    int r = pg_run(s, "BEGIN", NULL, NULL, err);

    return r < 0 ? r : pg_guard(s, epoch, err);
}

int pg_end(struct store *s, int r, struct vdi_error *err)
{
    if (r == 0)
        return pg_run(s, "COMMIT", NULL, NULL, err);
    if (!pg_lost(s) && PQtransactionStatus(s->conn) != PQTRANS_IDLE)
        (void)pg_run(s, "ROLLBACK", NULL, NULL, NULL);
    return r;
}
