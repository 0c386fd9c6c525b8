/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.c - the embedded store: opening, the schema, closing.
 *
 * A store of a newer schema is looked at and left as it was, byte for byte. A file
 * that can't be read as a store is not an error yet: load() tells the damage and goes
 * on with what is good.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static void store_close(void *store)
{
    struct store *s = store;

    if (!s)
        return;
    past_check_stop(s);
    lease_release(s);
    db_disconnect(s, s->ready && s->loaded && !s->suspect[0]);
    ids_close(&s->ids);
    store_closep(&s->dirfd);
    store_closep(&s->lockfd);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void store_closepp(struct store **s)
{
    store_close(*s);
}

static int open_directory(struct store *s, const char *dsn, struct vdi_error *err)
{
    char dir[PATH_MAX];
    struct stat st;

    if (dsn[0] != '/' || strlen(dsn) >= sizeof(s->path))
        return store_fail(err, EINVAL, "store", "\"%.200s\" is not an absolute path.", dsn);
    snprintf(s->path, sizeof(s->path), "%s", dsn);
    s->base = strrchr(s->path, '/') + 1;
    if (!s->base[0] || strlen(s->base) > NAME_MAX - 64)
        return store_fail(err, EINVAL, "store", "\"%.200s\" does not name a file.", dsn);
    snprintf(dir, sizeof(dir), "%.*s", (int)(s->base - s->path), s->path);
    s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0 || fstat(s->dirfd, &st) < 0) {
        store_fail(err, errno, "store", "The directory %.200s can't be opened: %s.", dir,
                   strerror(errno));
        store_hint(err, NULL, "Make it, owned by the controller's user, mode 0700.");
        return err ? -err->code : -ENOENT;
    }
    if (st.st_mode & S_IWOTH) {
        store_fail(err, EPERM, "store", "Everybody may write to the directory %.200s.", dir);
        store_hint(err, NULL, "chmod o-w it, and give it to the controller's user.");
        return -EPERM;
    }
    return 0;
}

static int take_lock(struct store *s, struct vdi_error *err)
{
    char name[NAME_MAX + 1], pid[32] = "";

    s->lockfd = openat(s->dirfd, name_of(s, ".lock", name),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lockfd < 0) {
        int r = -errno;
        return store_fail(err, r, "store", "%s.lock can't be opened: %s.", s->path, strerror(-r));
    }
    if (flock(s->lockfd, LOCK_EX | LOCK_NB) < 0) {
        if (pread(s->lockfd, pid, sizeof(pid) - 1, 0) < 0)
            pid[0] = '\0';
        pid[strspn(pid, "0123456789")] = '\0';
        store_fail(err, EBUSY, "store", "%s is open in process %s.", s->path, pid[0] ? pid : "?");
        store_hint(err, NULL, "Stop the other controller; several of them need store = pgsql.");
        return -EBUSY;
    }
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(s->lockfd, 0) < 0 || pwrite(s->lockfd, pid, (size_t)n, 0) < 0)
        store_log(s, VDI_LOG_WARNING, "%s.lock can't be written: %s", s->path, strerror(errno));
    return 0;
}

/* The database file with safe modes; *ret_empty when there was none or nothing in it. */
static int open_file(struct store *s, bool *ret_empty, struct vdi_error *err)
{
    struct stat st;
    _cleanup_(store_closep) int fd =
        openat(s->dirfd, s->base, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;
        return store_fail(err, r, "store", "%s can't be opened: %s.", s->path, strerror(-r));
    }
    if (!S_ISREG(st.st_mode))
        return store_fail(err, EINVAL, "store", "%s is not a plain file.", s->path);
    if ((st.st_mode & 077) && fchmod(fd, 0600) < 0)
        return store_fail(err, EPERM, "store", "%s is open to others and can't be closed to them.",
                          s->path);
    *ret_empty = st.st_size == 0;
    return 0;
}

static void suspect(struct store *s, const char *why)
{
    snprintf(s->suspect, sizeof(s->suspect), "%s", why);
}

static int create(struct store *s, struct vdi_error *err)
{
    int rc = sqlite3_exec(s->db, "PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL", NULL, NULL,
                          NULL);

    if (rc != SQLITE_OK)
        return db_fail(s, rc, "There can be no new store in", err);
    int r = schema_migrate(s->db, schema_steps, schema_n_steps, 0, (uint32_t)schema_n_steps, err);
    if (r < 0)
        return r;
    /* The version must stand in the file itself, where a release that only looks reads it. */
    rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        return db_fail(s, rc, "There can be no new store in", err);
    if (fsync(s->dirfd) < 0)
        return store_fail(err, errno, "store", "%s can't be synced: %s.", s->path, strerror(errno));
    s->version = (uint32_t)schema_n_steps;
    return 0;
}

/* Leaves no trace of a look: SQLite makes an empty WAL when there is none. */
static int refuse(struct store *s, const char *release, bool had_wal, struct vdi_error *err)
{
    char name[NAME_MAX + 1];

    db_disconnect(s, false);
    if (!had_wal)
        (void)unlinkat(s->dirfd, name_of(s, "-wal", name), 0);
    return store_too_new(err, s->version, (uint32_t)schema_n_steps, release);
}

/* Connects, finds the version, makes a new store where none was. */
static int open_database(struct store *s, bool existed, struct vdi_error *err)
{
    char release[SCHEMA_META_MAX] = "";
    bool had_wal = rebuild_exists(s, "-wal"), empty = false;
    int r = open_file(s, &empty, err);

    if (r < 0)
        return r;
    if (empty && existed) { /* SQLite would take it, and a WAL beside it, for nothing */
        suspect(s, "is missing or empty");
        return 0;
    }
    int rc = db_connect(s);
    if (rc == SQLITE_OK && schema_version(s->db, &s->version, release) < 0)
        rc = sqlite3_errcode(s->db) == SQLITE_BUSY ? SQLITE_BUSY : SQLITE_CORRUPT;
    if (rc == SQLITE_OK && s->version > schema_n_steps)
        return refuse(s, release, had_wal, err);
    if (rc == SQLITE_OK && s->version == 0) {
        if (!existed)
            return create(s, err);
        rc = SQLITE_CORRUPT;
    }
    if (db_code_corrupt(rc))
        suspect(s, "can't be read as a store");
    else if (rc != SQLITE_OK)
        return db_fail(s, rc, "A connection failed to", err);
    return 0;
}

static int open_ids(struct store *s, struct vdi_error *err)
{
    char name[NAME_MAX + 1], lease[SCHEMA_META_MAX];
    int r = ids_open(&s->ids, s->dirfd, name_of(s, ".ids", name));

    if (r == 0)
        return 0;
    if (r != -ENOENT && r != -EBADMSG)
        return store_fail(err, r, "store", "%s.ids can't be opened: %s.", s->path, strerror(-r));
    /* New, or unreadable: what the database knows goes into a new one. */
    s->ids_bad = r == -EBADMSG;
    s->ids.counter = 1;
    if (s->db && meta_get_number(s->db, "id_reserve", &s->ids.id_reserve) < 0)
        s->ids.id_reserve = 0;
    if (s->db && meta_get(s->db, "lease", lease) == 0)
        s->ids.epoch = strtoull(lease, NULL, 10);
    r = ids_create(&s->ids, s->dirfd, name);
    return r < 0 ? store_fail(err, r, "store", "%s.ids can't be made: %s.", s->path, strerror(-r))
                 : 0;
}

static int prepare(struct store *s, struct vdi_error *err)
{
    if (s->suspect[0] || s->version != schema_n_steps)
        return 0;
    int rc = db_prepare(s);
    if (db_code_corrupt(rc) || rc == SQLITE_READONLY || rc == SQLITE_ABORT)
        suspect(s, rc == SQLITE_ABORT ? "is not in WAL mode" : sqlite3_errmsg(s->db));
    else if (rc != SQLITE_OK)
        return db_fail(s, rc, "Nothing can be prepared in", err);
    return 0;
}

static int store_open(void **ret, struct vdi_host *host, const struct vdi_host_api *api,
                      const char *dsn, struct vdi_error *err)
{
    _cleanup_(store_closepp) struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return store_fail(err, ENOMEM, "store", "There is no memory.");
    pthread_mutex_init(&s->lock, NULL);
    s->host = host;
    s->api = api;
    s->dirfd = s->lockfd = s->ids.fd = -1;
    int r = open_directory(s, dsn, err);
    if (r == 0)
        r = take_lock(s, err);
    if (r < 0)
        return r;
    r = rebuild_resume(s, "");
    if (r == 0)
        r = rebuild_resume(s, PAST_SUFFIX);
    if (r < 0)
        return store_fail(err, r, "store", "%s.new can't replace it: %s.", s->path, strerror(-r));
    r = open_database(s,
                      rebuild_exists(s, ".ids") || rebuild_exists(s, ".snapshot") ||
                          rebuild_exists(s, ".snapshot.1"),
                      err);
    if (r == 0)
        r = open_ids(s, err);
    if (r == 0)
        r = prepare(s, err);
    if (r < 0)
        return r;
    *ret = s;
    s = NULL;
    return 0;
}

static int store_schema(void *store, uint32_t version, struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    uint32_t to = version ? version : (uint32_t)schema_n_steps;

    if (to > schema_n_steps)
        return store_fail(err, EINVAL, "schema", "This release knows schemas up to %zu, not %u.",
                          schema_n_steps, to);
    if (s->suspect[0] || s->version == to) /* of a damaged one load() makes a new one */
        return 0;
    int r = to < PAST_SCHEMA ? past_recall(s, err) : 0;
    if (r < 0)
        return r;
    db_disconnect(s, false);
    int rc = db_connect(s);
    if (rc != SQLITE_OK)
        return db_fail(s, rc, "A connection failed to", err);
    r = schema_migrate(s->db, schema_steps, schema_n_steps, s->version, to, err);
    if (r < 0)
        return r;
    s->version = to;
    rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? prepare(s, err) : db_fail(s, rc, "No checkpoint of", err);
}

static const struct vdi_store_ops OPS = {
    .open = store_open,
    .schema = store_schema,
    .lease = lease_take,
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
    .name = "sqlite",
    .title = "events in an SQLite file (embedded, one controller)",
    .ops = &OPS,
    .ops_size = sizeof(OPS),
};
