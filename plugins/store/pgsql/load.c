/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - the newest good snapshot, then every later event, in one view of the tables.
 *
 * Nothing is changed: damaged rows stay where they are, as evidence, until a snapshot
 * stands for them and a trim takes them; they are told at each load before that.
 */
#include "plugins/store/pgsql/pgsql.h"

#include <errno.h>
#include <string.h>

struct loading {
    struct store *s;
    const struct vdi_store_loader *loader;
    struct store_sequence sequence;
    int64_t generation[2]; /* newest first */
    uint64_t seq[2], rows[2];
    uint32_t crc[2];
    int n_snapshots;
    uint64_t snapshot_seq, id_reserve, last_seq;
    bool damaged, lost;
};

static int load_head(struct loading *l, struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    int r = pg_run(l->s, "SELECT last_seq, id_reserve FROM vdi.head", NULL, &res, err);

    if (r < 0)
        return r;
    if (PQntuples(res) != 1)
        return store_fail(err, EBADMSG, "store", "The store's head row is gone.");
    l->last_seq = (uint64_t)pg_get_number(res, 0);
    l->id_reserve = (uint64_t)pg_get_number(res, 1);
    return 0;
}

static int on_snapshot(void *ctx, const PGresult *res)
{
    struct loading *l = ctx;
    int i = l->n_snapshots++;
    uint64_t id_reserve = (uint64_t)pg_get_number(res, 2);

    l->generation[i] = pg_get_number(res, 0);
    l->seq[i] = (uint64_t)pg_get_number(res, 1);
    l->rows[i] = (uint64_t)pg_get_number(res, 3);
    l->crc[i] = (uint32_t)pg_get_number(res, 4);
    if (id_reserve > l->id_reserve)
        l->id_reserve = id_reserve;
    if (l->seq[i] > l->last_seq)
        l->last_seq = l->seq[i];
    return 0;
}

struct checking {
    uint64_t rows;
    uint32_t crc;
    const char *why;
};

static int check_row(void *ctx, const PGresult *res)
{
    struct checking *c = ctx;
    const unsigned char *data = (const unsigned char *)PQgetvalue(res, 0, 0);
    size_t len = (size_t)PQgetlength(res, 0, 0);
    struct vdi_store_object row;

    c->rows++;
    c->crc = store_crc(c->crc, data, len);
    if (store_row_unpack(data, len, &row) < 0)
        c->why = "has a damaged row";
    return 0;
}

#define ROWS_SQL "SELECT row FROM vdi.snapshot_row WHERE generation = $1 ORDER BY n"

/* 1: it may be used; 0: it is damaged, which is told. */
static int check_snapshot(struct loading *l, int i, struct vdi_error *err)
{
    struct checking c = {0};
    struct pg_params p = {0};

    pg_number(&p, l->generation[i]);
    int r = pg_each(l->s, ROWS_SQL, &p, check_row, &c, err);
    if (r < 0)
        return r;
    if (!c.why && c.rows != l->rows[i])
        c.why = "does not have all of its rows";
    if (!c.why && c.crc != l->crc[i])
        c.why = "checksum differs";
    if (!c.why)
        return 1;
    store_damage(l->loader, c.why, "snapshot of event %llu", (unsigned long long)l->seq[i]);
    l->s->bad[i] = l->generation[i];
    l->damaged = true;
    return 0;
}

static int on_object(void *ctx, const PGresult *res)
{
    struct loading *l = ctx;
    struct vdi_store_object row;
    int r = store_row_unpack((const unsigned char *)PQgetvalue(res, 0, 0),
                             (size_t)PQgetlength(res, 0, 0), &row);

    if (r == 0)
        r = l->loader->object(l->loader->arg, &row);
    if (r != -EBADMSG)
        return r < 0 ? r : 0;
    store_damage(l->loader, "checksum differs", "%s %s in the snapshot of event %llu", row.noun,
                 row.key, (unsigned long long)l->snapshot_seq);
    l->damaged = l->lost = true;
    return 0;
}

static int load_snapshot(struct loading *l, struct vdi_error *err)
{
    struct pg_params p = {0};
    int use = -1;
    int r = pg_each(l->s,
                    "SELECT generation, seq, id_reserve, n_rows, crc FROM vdi.snapshot"
                    " ORDER BY generation DESC LIMIT 2",
                    &p, on_snapshot, l, err);

    for (int i = 0; i < l->n_snapshots && r >= 0; i++) {
        r = check_snapshot(l, i, err);
        if (r > 0 && use < 0)
            use = i;
    }
    if (r < 0 || use < 0)
        return r < 0 ? r : 0;
    l->snapshot_seq = l->seq[use];
    pg_number(&p, l->generation[use]);
    return pg_each(l->s, ROWS_SQL, &p, on_object, l, err);
}

static int on_record(void *ctx, const PGresult *res)
{
    struct loading *l = ctx;
    struct vdi_store_record record;

    pg_get_record(res, &record);
    int r = store_sequence_feed(&l->sequence, &record);
    return r < 0 ? r : 0;
}

static int load_events(struct loading *l, struct vdi_error *err)
{
    struct pg_params p = {0};

    l->sequence = (struct store_sequence){.loader = l->loader, .next = l->snapshot_seq + 1};
    pg_number(&p, (int64_t)l->snapshot_seq);
    int r = pg_each(l->s, "SELECT " PG_EVENT_COLUMNS " FROM vdi.event WHERE seq > $1 ORDER BY seq",
                    &p, on_record, l, err);
    if (r < 0)
        return r;
    if (l->sequence.next - 1 > l->last_seq)
        l->last_seq = l->sequence.next - 1;
    store_sequence_end(&l->sequence, l->last_seq);
    l->damaged |= l->sequence.damaged;
    l->lost |= l->sequence.damaged;
    return 0;
}

int load(void *store, const struct vdi_store_loader *loader, struct vdi_store_summary *ret,
         struct vdi_error *err)
{
    struct store *s = store;
    struct loading l = {.s = s, .loader = loader};
    int r = pg_ready(s, err);

    if (r == 0)
        r = pg_run(s, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, NULL, err);
    if (r < 0)
        return r;
    memset(s->bad, 0, sizeof(s->bad));
    r = load_head(&l, err);
    if (r == 0)
        r = load_snapshot(&l, err);
    if (r == 0)
        r = load_events(&l, err);
    store_sequence_done(&l.sequence);
    r = pg_end(s, r, err);
    if (r < 0)
        return r;
    *ret = (struct vdi_store_summary){.snapshot_seq = l.snapshot_seq,
                                      .last_seq = l.last_seq,
                                      .id_reserve = l.id_reserve,
                                      .damaged = l.damaged,
                                      .lost = l.lost};
    return 0;
}
