/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebuild.c - a new database from what is good in a damaged one.
 *
 * The new file is built as vdi.db.rebuild, synced, and named vdi.db.new: from then on
 * it is the truth, and open() finishes what a power cut interrupts. The damaged file
 * (with its WAL, which must go first: a WAL never meets another database) is kept as
 * vdi.db.damaged-TIME.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct copy {
    sqlite3 *to;
    sqlite3_stmt *insert;
    const struct store_sequence *sequence;
    uint64_t last;
    int rc; /* SQLite code of the new database */
};

static int copy_insert(struct copy *c)
{
    c->rc = sqlite3_step(c->insert);
    sqlite3_reset(c->insert);
    if (c->rc == SQLITE_DONE)
        c->rc = SQLITE_OK;
    if ((c->rc & 0xff) == SQLITE_CONSTRAINT) { /* no such row can have been written */
        c->rc = SQLITE_OK;
        return 1;
    }
    return c->rc == SQLITE_OK ? 0 : -EIO;
}

static int copy_event(void *arg, sqlite3_stmt *st)
{
    struct copy *c = arg;
    struct vdi_store_record record;

    db_column_record(st, &record);
    if (record.seq <= c->last ||
        (c->sequence && !store_sequence_accepted(c->sequence, record.seq, record.crc)))
        return 1;
    db_bind_record(c->insert, &record);
    int r = copy_insert(c);
    if (r == 0)
        c->last = record.seq;
    return r;
}

static int copy_object(void *arg, sqlite3_stmt *st)
{
    struct copy *c = arg;
    struct vdi_store_object object;

    db_column_object(st, &object);
    db_bind_object(c->insert, &object);
    return copy_insert(c);
}

static int copy_table(struct copy *c, sqlite3 *from, struct walk w, enum stmt insert,
                      int64_t from_id, int64_t upto)
{
    enum walk_end end;

    c->rc = sqlite3_prepare_v2(c->to, db_sql[insert], -1, &c->insert, NULL);
    w.arg = c;
    if (c->rc == SQLITE_OK)
        (void)walk_table(from, &w, from_id, upto, &end);
    sqlite3_finalize(c->insert);
    c->insert = NULL;
    return c->rc;
}

static const struct walk EVENTS = {
    .up = DB_EVENT_WALK, .down = DB_EVENT_WALK " DESC", .id_column = 0, .row = copy_event};
/* By whether it is of the archive's own file. */
static const struct walk ARCHIVE[] = {{.up = DB_ARCHIVE_WALK("main.archive"),
                                       .down = DB_ARCHIVE_WALK("main.archive") " DESC",
                                       .id_column = 11,
                                       .row = copy_object},
                                      {.up = DB_ARCHIVE_WALK("past.archive"),
                                       .down = DB_ARCHIVE_WALK("past.archive") " DESC",
                                       .id_column = 11,
                                       .row = copy_object}};

int rebuild_copy_archive(struct store *s, sqlite3 *to, bool past, int64_t from, int64_t upto)
{
    struct copy c = {.to = to};

    return copy_table(&c, s->db, ARCHIVE[past], STMT_ARCHIVE, from, upto);
}

static int fill(struct store *s, sqlite3 *to, const struct rebuild_filter *filter)
{
    struct copy c = {.to = to};
    int64_t snapshot = (int64_t)filter->snapshot_seq;
    int rc = sqlite3_exec(to, "BEGIN", NULL, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = copy_table(&c, s->db, EVENTS, STMT_EVENT, 1, snapshot);
    c.sequence = filter->sequence;
    /* As the load walked, so that it finds the same. */
    if (rc == SQLITE_OK)
        rc = copy_table(&c, s->db, EVENTS, STMT_EVENT, snapshot + 1, INT64_MAX);
    if (rc == SQLITE_OK)
        rc = rebuild_copy_archive(s, to, false, INT64_MIN + 1, INT64_MAX);
    if (rc == SQLITE_OK)
        rc = meta_put_number(to, "moved", s->past.moved);
    if (rc == SQLITE_OK)
        rc = meta_put_number(to, "floor", filter->floor);
    if (rc == SQLITE_OK)
        rc = meta_put_number(to, "id_reserve", filter->id_reserve);
    if (rc == SQLITE_OK)
        rc = lease_copy(s, to);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(to, "COMMIT", NULL, NULL, NULL);
    return rc;
}

static int build(struct store *s, const char *name, const struct rebuild_filter *filter,
                 struct vdi_error *err)
{
    char path[PATH_MAX + 16];
    sqlite3 *to = NULL;

    snprintf(path, sizeof(path), "%s.rebuild", s->path);
    /* No journal: a build that is interrupted is thrown away, not repaired. */
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
                          NULL);
    int r = rc == SQLITE_OK
                ? schema_migrate(to, schema_steps, schema_n_steps, 0, (uint32_t)schema_n_steps, err)
                : 0;
    if (rc == SQLITE_OK && r == 0)
        rc = fill(s, to, filter);
    if (rc != SQLITE_OK) {
        r = rc == SQLITE_FULL ? -ENOSPC : -EIO;
        store_fail(err, r, "store", "A new database in place of the damaged %s failed: %s.",
                   s->path, sqlite3_errmsg(to));
    }
    sqlite3_close_v2(to);
    return r;
}

bool rebuild_exists(const struct store *s, const char *suffix)
{
    char name[NAME_MAX + 1];

    return faccessat(s->dirfd, name_of(s, suffix, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int keep_aside(const struct store *s, const char *suffix, long long when)
{
    char from[NAME_MAX + 1], to[NAME_MAX + 1], add[128];

    if (!rebuild_exists(s, suffix))
        return 0;
    snprintf(add, sizeof(add), ".damaged-%lld%s", when, suffix);
    if (renameat(s->dirfd, name_of(s, suffix, from), s->dirfd, name_of(s, add, to)) < 0 ||
        fsync(s->dirfd) < 0)
        return -errno;
    return 0;
}

static const char *joined(const char *file, const char *add, char ret[64])
{
    snprintf(ret, 64, "%s%s", file, add);
    return ret;
}

int rebuild_keep_aside(const struct store *s, const char *file)
{
    static const char *const parts[] = {"-wal", "-journal", ""};
    char suffix[64], add[64];
    long long when = (long long)time(NULL);
    int r = 0;

    do
        snprintf(add, sizeof(add), ".damaged-%lld%s", when++, file);
    while (rebuild_exists(s, add));
    for (int i = 0; i < 3 && r == 0; i++)
        r = keep_aside(s, joined(file, parts[i], suffix), when - 1);
    return r;
}

int rebuild_resume(struct store *s, const char *file)
{
    char from[NAME_MAX + 1], to[NAME_MAX + 1], suffix[64];

    if (!rebuild_exists(s, joined(file, ".new", suffix)))
        return 0;
    int r = rebuild_keep_aside(s, file);
    if (r == 0 &&
        (renameat(s->dirfd, name_of(s, suffix, from), s->dirfd, name_of(s, file, to)) < 0 ||
         fsync(s->dirfd) < 0))
        r = -errno;
    return r;
}

int rebuild_create(struct store *s, const char *name)
{
    (void)unlinkat(s->dirfd, name, 0);
    int fd = openat(s->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

int rebuild(struct store *s, const struct rebuild_filter *filter, struct vdi_error *err)
{
    char name[NAME_MAX + 1], final[NAME_MAX + 1];
    _cleanup_(store_closep) int fd = rebuild_create(s, name_of(s, ".rebuild", name));

    if (fd < 0)
        return store_fail(err, fd, "store", "%s.rebuild can't be made: %s.", s->path,
                          strerror(-fd));
    int r = build(s, name, filter, err);
    if (r < 0) {
        (void)unlinkat(s->dirfd, name, 0);
        return r;
    }
    if (fsync(fd) < 0 || renameat(s->dirfd, name, s->dirfd, name_of(s, ".new", final)) < 0 ||
        fsync(s->dirfd) < 0)
        return store_fail(err, errno, "store", "%s.new can't be made: %s.", s->path,
                          strerror(errno));
    db_disconnect(s, false);
    r = rebuild_resume(s, "");
    if (r < 0)
        return store_fail(err, r, "store", "%s can't be replaced: %s.", s->path, strerror(-r));
    int rc = db_connect(s);
    if (rc == SQLITE_OK)
        rc = db_prepare(s);
    if (rc != SQLITE_OK)
        return db_fail(s, rc, "The new database can't be opened,", err);
    s->version = (uint32_t)schema_n_steps;
    s->suspect[0] = '\0';
    store_log(s, VDI_LOG_ERROR, "%s was damaged: a new one holds what was good, the old is kept",
              s->path);
    return 0;
}
