/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipe.c - libpq's pipeline mode: many statements, one round trip.
 *
 * Answers are taken in every PIPE_WINDOW statements, so that neither side waits for the
 * other with its buffers full.
 */
#include "plugins/store/pgsql/pgsql.h"

#include <errno.h>

#define PIPE_WINDOW 256

static void fail(struct pg_pipe *p, const PGresult *res)
{
    if (p->result == 0)
        p->result = pg_fail(p->s, res, "Nothing was written", p->err);
}

/* Takes in one statement's answer. */
static void take(struct pg_pipe *p)
{
    PGresult *res = PQgetResult(p->s->conn);

    p->pending--;
    if (!res) {
        fail(p, NULL);
        return;
    }
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_SYNC &&
        status != PGRES_PIPELINE_ABORTED)
        fail(p, res);
    p->synced |= status == PGRES_PIPELINE_SYNC;
    PQclear(res);
    if (status != PGRES_PIPELINE_SYNC)
        PQclear(PQgetResult(p->s->conn)); /* the NULL after each */
}

static void drain(struct pg_pipe *p)
{
    while (p->pending && !pg_lost(p->s))
        take(p);
    if (pg_lost(p->s))
        fail(p, NULL);
}

static int sent(struct pg_pipe *p, int ok)
{
    if (!ok) {
        fail(p, NULL);
        return p->result;
    }
    if (++p->pending >= PIPE_WINDOW) {
        if (PQsendFlushRequest(p->s->conn) && PQflush(p->s->conn) >= 0)
            drain(p);
        else
            fail(p, NULL);
    }
    return p->result;
}

void pipe_begin(struct pg_pipe *p, struct store *s, struct vdi_error *err)
{
    *p = (struct pg_pipe){.s = s, .err = err};
    if (!PQenterPipelineMode(s->conn))
        fail(p, NULL);
}

int pipe_prepared(struct pg_pipe *p, const char *name, const struct pg_params *a)
{
    if (p->result < 0)
        return p->result;
    return sent(p, PQsendQueryPrepared(p->s->conn, name, a->n, a->value, a->len, a->format, 1));
}

int pipe_sql(struct pg_pipe *p, const char *sql, const struct pg_params *a)
{
    static const struct pg_params none;

    if (p->result < 0)
        return p->result;
    if (!a)
        a = &none;
    return sent(p, PQsendQueryParams(p->s->conn, sql, a->n, NULL, a->value, a->len, a->format, 1));
}

int pipe_end(struct pg_pipe *p)
{
    if (!pg_lost(p->s) && PQpipelineSync(p->s->conn)) {
        p->pending++;
        drain(p);
    }
    if (!p->synced || (!pg_lost(p->s) && !PQexitPipelineMode(p->s->conn)))
        fail(p, NULL);
    return p->result;
}
