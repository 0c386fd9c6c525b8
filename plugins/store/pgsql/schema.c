/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - versions of the tables in PostgreSQL.
 *
 * SQLSTATE VD001: the epoch does not lead; VD002: the seqs do not follow.
 * vdi.meta is the same in every version: old releases read a new store's version there.
 */
#include "plugins/store/pgsql/pgsql.h"

#include <errno.h>

const struct schema_step schema_steps[] = {
    {
        .version = 1,
        .release = "0.1.0",
        .up = "CREATE TABLE vdi.head(one boolean PRIMARY KEY DEFAULT true CHECK(one),"
              " epoch bigint NOT NULL, holder text NOT NULL, expires_usec bigint NOT NULL,"
              " last_seq bigint NOT NULL, id_reserve bigint NOT NULL);"
              "INSERT INTO vdi.head VALUES(true, 0, '', 0, 0, 0);"
              "CREATE TABLE vdi.event(seq bigint PRIMARY KEY, time_usec bigint NOT NULL,"
              " noun text COLLATE \"C\" NOT NULL, key text COLLATE \"C\" NOT NULL,"
              " type text NOT NULL, version bigint NOT NULL, crc bigint NOT NULL,"
              " body bytea NOT NULL);"
              "CREATE INDEX event_object ON vdi.event(noun, key, seq);"
              "CREATE TABLE vdi.archive(noun text COLLATE \"C\", num bigint,"
              " key text COLLATE \"C\", owner text COLLATE \"C\" NOT NULL,"
              " state text COLLATE \"C\" NOT NULL, begin_usec bigint NOT NULL,"
              " end_usec bigint NOT NULL, seq bigint NOT NULL, version bigint NOT NULL,"
              " crc bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY(noun, num, key));"
              "CREATE INDEX archive_owner ON vdi.archive(noun, owner, num, key);"
              "CREATE INDEX archive_state ON vdi.archive(noun, state, num, key);"
              "CREATE INDEX archive_end ON vdi.archive(noun, end_usec);"
              "CREATE TABLE vdi.snapshot(generation bigint PRIMARY KEY, seq bigint NOT NULL,"
              " id_reserve bigint NOT NULL, n_rows bigint NOT NULL, crc bigint NOT NULL);"
              "CREATE TABLE vdi.snapshot_row(generation bigint, n bigint, row bytea NOT NULL,"
              " PRIMARY KEY(generation, n));"
              "CREATE SEQUENCE vdi.generation;"
              "CREATE FUNCTION vdi.guard(bigint) RETURNS bigint LANGUAGE plpgsql AS $f$"
              " DECLARE h vdi.head; BEGIN"
              "  SELECT * INTO STRICT h FROM vdi.head FOR UPDATE;"
              "  IF h.epoch <> $1 OR $1 = 0 THEN"
              "   RAISE EXCEPTION USING ERRCODE = 'VD001', MESSAGE ="
              "    'Epoch ' || $1 || ' does not lead: the lease has epoch ' || h.epoch || '.';"
              "  END IF; RETURN h.last_seq; END $f$;"
              "CREATE FUNCTION vdi.extend(first bigint, last bigint, ids bigint) RETURNS void"
              " LANGUAGE plpgsql AS $f$ BEGIN"
              "  UPDATE vdi.head SET last_seq = $2, id_reserve = greatest(id_reserve, $3)"
              "   WHERE last_seq = $1 - 1;"
              "  IF NOT FOUND THEN"
              "   RAISE EXCEPTION USING ERRCODE = 'VD002', MESSAGE ="
              "    'Event ' || $1 || ' does not follow the last one.';"
              "  END IF; END $f$;",
        .down = "DROP FUNCTION vdi.extend; DROP FUNCTION vdi.guard;"
                " DROP SEQUENCE vdi.generation; DROP TABLE vdi.snapshot_row, vdi.snapshot,"
                " vdi.archive, vdi.event, vdi.head;",
    },
    {
        /* History and usage: by end, of one owner or of all, without a sort and without
         * looking at rows of another time. */
        .version = 2,
        .release = "0.1.0",
        .up = "DROP INDEX vdi.archive_end;"
              "CREATE INDEX archive_end ON vdi.archive(noun, end_usec, num, key, begin_usec);"
              "CREATE INDEX archive_owner_end ON"
              " vdi.archive(noun, owner, end_usec, num, key, begin_usec);",
        .down = "DROP INDEX vdi.archive_owner_end; DROP INDEX vdi.archive_end;"
                "CREATE INDEX archive_end ON vdi.archive(noun, end_usec);",
    },
};
const size_t schema_n_steps = sizeof(schema_steps) / sizeof(schema_steps[0]);

int schema_version(struct store *s, uint32_t *ret, char *ret_release, struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    int r = pg_run(s, "SELECT to_regclass('vdi.meta') IS NOT NULL", NULL, &res, err);

    *ret = 0;
    snprintf(ret_release, PG_RELEASE_MAX, "(unknown)");
    if (r < 0 || !PQgetvalue(res, 0, 0)[0])
        return r;
    PQclear(res);
    res = NULL;
    r = pg_run(s,
               "SELECT v.value::bigint, r.value FROM vdi.meta v LEFT JOIN vdi.meta r"
               " ON r.name = 'release' WHERE v.name = 'version'",
               NULL, &res, err);
    if (r < 0)
        return r;
    if (PQntuples(res) != 1)
        return store_fail(err, EBADMSG, "store", "The store's table of facts has no version.");
    int64_t version = pg_get_number(res, 0);
    *ret = version > 0 && version <= UINT32_MAX ? (uint32_t)version : UINT32_MAX;
    if (!PQgetisnull(res, 0, 1))
        snprintf(ret_release, PG_RELEASE_MAX, "%s", PQgetvalue(res, 0, 1));
    return 0;
}

static int put_fact(struct store *s, const char *name, const char *value, struct vdi_error *err)
{
    struct pg_params p = {0};

    pg_text(&p, name);
    pg_text(&p, value);
    return pg_run(s,
                  "INSERT INTO vdi.meta VALUES($1, $2) ON CONFLICT(name) DO UPDATE SET value = $2",
                  &p, NULL, err);
}

static int simple(struct store *s, const char *sql, struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = PQexec(s->conn, sql);

    return PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK
               ? 0
               : pg_fail(s, res, "The schema can't be changed", err);
}

static int migrate(struct store *s, uint32_t to, struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    char number[24];
    uint32_t v;
    /* Two controllers that start at once must not both make the tables. */
    int r = simple(s, "SELECT pg_advisory_xact_lock(7758953)", err);

    if (r == 0)
        r = simple(s,
                   "CREATE SCHEMA IF NOT EXISTS vdi; CREATE TABLE IF NOT EXISTS vdi.meta("
                   "name text PRIMARY KEY, value text NOT NULL)",
                   err);
    if (r == 0)
        r = pg_run(
            s, "SELECT coalesce((SELECT value::bigint FROM vdi.meta WHERE name = 'version'), 0)",
            NULL, &res, err);
    if (r < 0)
        return r;
    s->version = (uint32_t)pg_get_number(res, 0); /* as it is under the lock */
    if (s->version > schema_n_steps)
        return store_too_new(err, s->version, (uint32_t)schema_n_steps, "(unknown)");
    for (v = s->version; v < to && r == 0; v++)
        r = simple(s, schema_steps[v].up, err);
    for (v = s->version; v > to && r == 0; v--)
        r = simple(s, schema_steps[v - 1].down, err);
    snprintf(number, sizeof(number), "%u", to);
    if (r == 0)
        r = put_fact(s, "version", number, err);
    return r < 0 ? r : put_fact(s, "release", schema_steps[to - 1].release, err);
}

int schema_migrate(struct store *s, uint32_t to, struct vdi_error *err)
{
    if (to < 1 || to > schema_n_steps)
        return store_fail(err, EINVAL, "schema", "This release knows schemas up to %zu, not %u.",
                          schema_n_steps, to);
    int r = simple(s, "BEGIN", err);
    if (r == 0)
        r = pg_end(s, migrate(s, to, err), err);
    if (r == 0)
        s->version = to;
    return r;
}
