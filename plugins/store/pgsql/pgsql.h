/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pgsql.h - one controller's connection to a PostgreSQL store.
 *
 * All tables are in the schema `vdi`. One row, vdi.head, is locked by every
 * transaction that writes: it holds the lease and its epoch, the last seq and the id
 * reserve, so that two controllers can't both write, whatever they believe.
 *
 * A snapshot is written beside the other ops, so it has a connection of its own, which
 * is a struct store of its own; of the first it uses only what never changes beside it.
 */
#ifndef PGSQL_PGSQL_H
#define PGSQL_PGSQL_H

#include <libpq-fe.h>

#include "plugins/store/record.h"

#define PG_PARAMS_MAX (STORE_STATES_MAX + 12)
#define PG_RELEASE_MAX 64

/* A batch whose commit was not answered, and which the host holds for failed. */
struct pg_doubt {
    bool set;
    uint64_t epoch, first, last; /* seqs; last < first: it had no events */
};

struct store {
    struct vdi_host *host;
    const struct vdi_host_api *api;
    char *dsn; /* may hold a password: never shown */
    PGconn *conn;
    bool broken; /* libpq may still hold a connection for good that the server has ended */
    char backend_pid[24], backend_start[64]; /* of the server process, to end it */
    uint32_t version;                        /* of the schema, 0: none */
    struct pg_doubt doubt;
    uint64_t epoch; /* held by this handle */
    char holder[STORE_LABEL_MAX + 1];
    int64_t bad[2];          /* generations of snapshots that the load found damaged, 0: none */
    struct store *snapshots; /* the second connection; NULL: not made yet */
};

/* Parameters of a statement; strings and bytes are borrowed. */
struct pg_params {
    int n;
    const char *value[PG_PARAMS_MAX];
    int len[PG_PARAMS_MAX], format[PG_PARAMS_MAX];
    char number[PG_PARAMS_MAX][24];
};
int pg_number(struct pg_params *p, int64_t value); /* both return the parameter's place, from 1 */
int pg_text(struct pg_params *p, const char *value);
void pg_bytes(struct pg_params *p, const void *data, size_t len);
void pg_record(struct pg_params *p, const struct vdi_store_record *r);
void pg_object(struct pg_params *p, const struct vdi_store_object *o);

/* Columns of a binary result. */
int64_t pg_get_number(const PGresult *res, int column);
const char *pg_get_text(const PGresult *res, int column);
#define PG_EVENT_COLUMNS "seq, time_usec, noun, key, type, version, crc, body"
#define PG_ARCHIVE_COLUMNS                                                                         \
    "seq, noun, key, owner, state, begin_usec, end_usec, version, crc, body, num"
void pg_get_record(const PGresult *res, struct vdi_store_record *ret);
void pg_get_object(const PGresult *res, struct vdi_store_object *ret);

/* conn.c */
static inline void pg_clearp(PGresult **res)
{
    PQclear(*res);
}
int pg_connect(struct store *s, struct vdi_error *err);
int pg_prepare(struct store *s, struct vdi_error *err); /* needs the newest schema */
/* A connection that answers, with no doubt left, and the newest schema. */
int pg_ready(struct store *s, struct vdi_error *err);
bool pg_lost(const struct store *s);
/* After a reconnection: ends the server process that may still hold the batch, then finds
 * out. Returns 1 when it is committed, 0 when it is not, and never will be. */
int pg_resolve(struct store *s, struct vdi_error *err);
int pg_fail(struct store *s, const PGresult *res, const char *what, struct vdi_error *err);
/* One statement; *ret (may be NULL) is cleared by the caller. */
int pg_run(struct store *s, const char *sql, const struct pg_params *p, PGresult **ret,
           struct vdi_error *err);
/* Row by row; what row() says first (not 0) ends it and is returned. */
int pg_each(struct store *s, const char *sql, const struct pg_params *p,
            int (*row)(void *ctx, const PGresult *res), void *ctx, struct vdi_error *err);
int pg_guard(struct store *s, uint64_t epoch, struct vdi_error *err); /* locks, checks the epoch */
int pg_begin(struct store *s, uint64_t epoch, struct vdi_error *err); /* a transaction, guarded */
/* Commits, or rolls back when r is an error; returns r or the commit's error. */
int pg_end(struct store *s, int r, struct vdi_error *err);

/* pipe.c: statements sent without waiting for each. The first error ends all that follow. */
struct pg_pipe {
    struct store *s;
    struct vdi_error *err;
    int pending; /* answers to come */
    int result;  /* of the first that failed */
    bool synced; /* the server answered the end: without it nothing is known */
};
void pipe_begin(struct pg_pipe *p, struct store *s, struct vdi_error *err);
int pipe_prepared(struct pg_pipe *p, const char *name, const struct pg_params *params);
int pipe_sql(struct pg_pipe *p, const char *sql, const struct pg_params *params);
int pipe_end(struct pg_pipe *p); /* waits for all; the first error */

/* schema.c */
struct schema_step {
    uint32_t version;
    const char *release, *up, *down;
};
extern const struct schema_step schema_steps[];
extern const size_t schema_n_steps;
int schema_version(struct store *s, uint32_t *ret, char *ret_release, struct vdi_error *err);
int schema_migrate(struct store *s, uint32_t to, struct vdi_error *err);

/* append.c, load.c, query.c */
int append(void *store, const struct vdi_store_batch *batch, struct vdi_error *err);
int snapshot_write(void *store, uint64_t epoch, uint64_t seq,
                   int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg,
                   struct vdi_error *err);
int trim(void *store, uint64_t epoch, uint64_t seq, int64_t before_usec, struct vdi_error *err);
int load(void *store, const struct vdi_store_loader *loader, struct vdi_store_summary *ret,
         struct vdi_error *err);
int query_events(void *store, const struct vdi_store_query *query,
                 int (*row)(void *arg, const struct vdi_store_record *record), void *arg,
                 struct vdi_error *err);
int query_archive(void *store, const struct vdi_store_query *query,
                  int (*row)(void *arg, const struct vdi_store_object *object), void *arg,
                  struct vdi_error *err);

#endif
