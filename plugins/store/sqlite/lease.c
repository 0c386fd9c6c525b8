/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.c - who leads, as one checked row of `meta`: "epoch expires holder".
 *
 * The store is open in one process at a time (vdi.db.lock), so a lease that was taken
 * through another handle is one whose holder is gone: it is not waited for. The epoch
 * is raised in vdi.db.ids first: a destroyed database does not take it down again.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <string.h>

struct lease {
    uint64_t epoch;
    int64_t expires_usec;
    char holder[STORE_LABEL_MAX + 1];
};

/* 0, -ENOENT (never taken), -EBADMSG */
static int lease_read(sqlite3 *db, struct lease *ret)
{
    char value[SCHEMA_META_MAX];
    unsigned long long epoch;
    long long expires;
    int at = 0, r = meta_get(db, "lease", value);

    *ret = (struct lease){0};
    if (r < 0)
        return r;
    if (sscanf(value, "%llu %lld %n", &epoch, &expires, &at) != 2 || at == 0)
        return -EBADMSG;
    ret->epoch = epoch;
    ret->expires_usec = expires;
    snprintf(ret->holder, sizeof(ret->holder), "%s", value + at);
    return 0;
}

static int lease_write(sqlite3 *db, const struct lease *lease)
{
    char value[SCHEMA_META_MAX];

    snprintf(value, sizeof(value), "%llu %lld %s", (unsigned long long)lease->epoch,
             (long long)lease->expires_usec, lease->holder);
    return meta_put(db, "lease", value);
}

static int busy(const struct lease *lease, int64_t now_usec, struct vdi_error *err)
{
    char limit[64];

    store_fail(err, EBUSY, "lease", "%s leads with epoch %llu.", lease->holder,
               (unsigned long long)lease->epoch);
    snprintf(limit, sizeof(limit), "%lld s left",
             (long long)((lease->expires_usec - now_usec + 999999) / 1000000));
    store_hint(err, limit, "Wait for the lease to run out, or stop its holder.");
    return -EBUSY;
}

int lease_take(void *store, const char *holder, int64_t now_usec, int64_t ttl_usec,
               uint64_t *ret_epoch, struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    struct lease now = {0};
    bool known = s->db && lease_read(s->db, &now) == 0;

    if (!holder || !holder[0] || strlen(holder) > STORE_LABEL_MAX || ttl_usec <= 0)
        return store_fail(err, EINVAL, "lease", "A lease needs a holder and a time.");
    if (known && s->epoch && now.epoch == s->epoch && now.expires_usec > now_usec &&
        strcmp(now.holder, holder) != 0)
        return busy(&now, now_usec, err);
    bool renewed = s->epoch && strcmp(s->holder, holder) == 0;
    struct lease next = {.epoch = s->epoch, .expires_usec = now_usec + ttl_usec};
    snprintf(next.holder, sizeof(next.holder), "%s", holder);
    if (!renewed) {
        next.epoch = 1 + (now.epoch > s->ids.epoch ? now.epoch : s->ids.epoch);
        int r = ids_raise(&s->ids, 0, next.epoch);
        if (r < 0)
            return store_fail(err, r, "lease", "%s.ids can't be written: %s.", s->path,
                              strerror(-r));
    }
    /* Of a damaged database load() makes a new one, and writes the lease there. */
    int rc = s->db && !s->suspect[0] ? lease_write(s->db, &next) : SQLITE_OK;
    if (db_code_corrupt(rc))
        snprintf(s->suspect, sizeof(s->suspect), "%s", sqlite3_errmsg(s->db));
    else if (rc != SQLITE_OK)
        return db_fail(s, rc, "The lease can't be written to", err);
    s->epoch = next.epoch;
    snprintf(s->holder, sizeof(s->holder), "%s", holder);
    *ret_epoch = next.epoch;
    return 0;
}

int epoch_raise(void *store, uint64_t epoch, struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    int r = epoch > INT64_MAX ? -ERANGE : ids_raise(&s->ids, 0, epoch);

    return r < 0
               ? store_fail(err, r, "epoch", "%s.ids can't be written: %s.", s->path, strerror(-r))
               : 0;
}

int lease_check(struct store *s, uint64_t epoch, struct vdi_error *err)
{
    struct lease now;
    int r = lease_read(s->db, &now);

    if (r == -EBADMSG) {
        /* Damaged under a running store; vdi.db.ids knows the epoch as well. */
        now.epoch = s->ids.epoch;
    }
    return epoch && epoch == now.epoch ? 0 : store_stale(err, epoch, now.epoch);
}

int lease_copy(struct store *s, sqlite3 *to)
{
    struct lease lease = {.epoch = s->epoch ? s->epoch : s->ids.epoch};

    if (!lease.epoch)
        return SQLITE_OK;
    snprintf(lease.holder, sizeof(lease.holder), "%s", s->holder);
    return lease_write(to, &lease);
}

void lease_release(struct store *s)
{
    struct lease now;

    if (!s->epoch || !s->ready || lease_read(s->db, &now) < 0 || now.epoch != s->epoch)
        return;
    now.expires_usec = 0;
    (void)lease_write(s->db, &now); /* it runs out anyway */
}
