/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pgsql.c - the store in PostgreSQL, for several controllers: opening, the lease, closing.
 *
 * The lease's clock is the caller's; the holder's name must be one controller's alone:
 * who comes back under the name of the holder is taken for its next life.
 */
#include "plugins/store/pgsql/pgsql.h"

#include <errno.h>
#include <string.h>

static void store_close(void *store)
{
    struct store *s = store;
    struct pg_params p = {0};

    if (!s)
        return;
    pg_number(&p, (int64_t)s->epoch);
    if (s->epoch && !pg_lost(s)) /* the next need not wait; it runs out anyway */
        (void)pg_run(s, "UPDATE vdi.head SET expires_usec = 0 WHERE epoch = $1", &p, NULL, NULL);
    PQfinish(s->conn);
    store_close(s->snapshots); /* holds no lease */
    free(s->dsn);
    free(s);
}

static void store_closepp(struct store **s)
{
    store_close(*s);
}

static int store_open(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                      const char *dsn, struct vdi_error *err)
{
    _cleanup_(store_closepp) struct store *s = calloc(1, sizeof(*s));
    char release[PG_RELEASE_MAX];

    if (!s || !(s->dsn = strdup(dsn)))
        return store_fail(err, ENOMEM, "store", "There is no memory.");
    s->host = host;
    s->api = api;
    int r = pg_connect(s, err);
    if (r == 0)
        r = schema_version(s, &s->version, release, err);
    if (r < 0)
        return r;
    if (s->version > schema_n_steps)
        return store_too_new(err, s->version, (uint32_t)schema_n_steps, release);
    if (s->version == 0)
        r = schema_migrate(s, (uint32_t)schema_n_steps, err);
    if (r == 0 && s->version == schema_n_steps)
        r = pg_prepare(s, err);
    if (r < 0)
        return r;
    *ret = s;
    s = NULL;
    return 0;
}

static int store_schema(void *store, uint32_t version, struct vdi_error *err)
{
    struct store *s = store;
    uint32_t to = version ? version : (uint32_t)schema_n_steps;
    bool prepared = s->version == schema_n_steps;
    int r = pg_ready(s, err);

    if (r < 0 || to == s->version)
        return r;
    r = schema_migrate(s, to, err);
    return r == 0 && !prepared && to == schema_n_steps ? pg_prepare(s, err) : r;
}

/* ---- lease ------------------------------------------------------------- */

static int busy(const char *holder, uint64_t epoch, int64_t left_usec, struct vdi_error *err)
{
    char limit[64];

    store_fail(err, EBUSY, "lease", "%s leads with epoch %llu.", holder, (unsigned long long)epoch);
    snprintf(limit, sizeof(limit), "%lld s left", (long long)((left_usec + 999999) / 1000000));
    store_hint(err, limit, "Wait for the lease to run out, or stop its holder.");
    return -EBUSY;
}

static int lease_decide(struct store *s, const char *holder, int64_t now_usec, uint64_t *ret_epoch,
                        struct vdi_error *err)
{
    _cleanup_(pg_clearp) PGresult *res = NULL;
    int r =
        pg_run(s, "SELECT epoch, expires_usec, holder FROM vdi.head FOR UPDATE", NULL, &res, err);

    if (r < 0)
        return r;
    uint64_t epoch = (uint64_t)pg_get_number(res, 0);
    int64_t left_usec = pg_get_number(res, 1) - now_usec;
    const char *leader = pg_get_text(res, 2);
    if (left_usec > 0 && strcmp(leader, holder) != 0)
        return busy(leader, epoch, left_usec, err);
    bool renewed = s->epoch && s->epoch == epoch && strcmp(s->holder, holder) == 0;
    *ret_epoch = renewed ? epoch : epoch + 1;
    return 0;
}

static int store_lease(void *store, const char *holder, int64_t now_usec, int64_t ttl_usec,
                       uint64_t *ret_epoch, struct vdi_error *err)
{
    struct store *s = store;
    struct pg_params p = {0};
    uint64_t epoch = 0;

    if (!holder || !holder[0] || strlen(holder) > STORE_LABEL_MAX || ttl_usec <= 0)
        return store_fail(err, EINVAL, "lease", "A lease needs a holder and a time.");
    int r = pg_ready(s, err);
    if (r == 0)
        r = pg_run(s, "BEGIN", NULL, NULL, err);
    if (r < 0)
        return r;
    r = lease_decide(s, holder, now_usec, &epoch, err);
    pg_number(&p, (int64_t)epoch);
    pg_text(&p, holder);
    pg_number(&p, now_usec + ttl_usec);
    if (r == 0)
        r = pg_run(s, "UPDATE vdi.head SET epoch = $1, holder = $2, expires_usec = $3", &p, NULL,
                   err);
    r = pg_end(s, r, err);
    if (r < 0)
        return r;
    s->epoch = epoch;
    snprintf(s->holder, sizeof(s->holder), "%s", holder);
    *ret_epoch = epoch;
    return 0;
}

static int epoch_raise(void *store, uint64_t epoch, struct vdi_error *err)
{
    struct pg_params p = {0};
    int r = epoch > INT64_MAX ? store_fail(err, ERANGE, "epoch", "The epoch is out of range.")
                              : pg_ready(store, err);

    pg_number(&p, (int64_t)epoch);
    return r < 0 ? r
                 : pg_run(store, "UPDATE vdi.head SET epoch = greatest(epoch, $1)", &p, NULL, err);
}

static const struct vdi_store_ops OPS = {
    .open = store_open,
    .schema = store_schema,
    .lease = store_lease,
    .load = load,
    .append = append,
    .snapshot_write = snapshot_write,
    .trim = trim,
    .query_events = query_events,
    .query_archive = query_archive,
    .close = store_close,
    .epoch_raise = epoch_raise,
};

__attribute__((visibility("default"))) const struct vdi_plugin vdi_plugin = {
    .abi = VDI_PLUGIN_ABI,
    .kind = VDI_PLUGIN_STORE,
    .name = "pgsql",
    .title = "events in PostgreSQL (several controllers)",
    .ops = &OPS,
    .ops_size = sizeof(OPS),
};
