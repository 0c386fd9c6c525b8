/* SPDX-License-Identifier: Apache-2.0 */
/*
 * past_mend.c - a new archive from what is good in a damaged one.
 *
 * It is built beside the serving store, from a few rows at a time, while none is moved: what
 * ends meanwhile waits in vdi.db. Then it takes its name as a rebuilt vdi.db does (rebuild.c).
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_ROWS 200 /* in one go, under the lock */
#define NAP_USEC 20000
#define ROW_BYTES_MIN 50 /* what a row takes up in the file, at least */

/* No row can have a higher id, whatever a damaged file says. */
static int64_t highest_id(const struct store *s)
{
    const struct past *p = &s->past;
    uint64_t most = p->there > p->moved ? p->there : p->moved;
    char name[NAME_MAX + 1];
    struct stat st;

    if (fstatat(s->dirfd, name_of(s, PAST_SUFFIX, name), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        most > (uint64_t)st.st_size / ROW_BYTES_MIN)
        most = (uint64_t)st.st_size / ROW_BYTES_MIN;
    return (int64_t)most;
}

static int copy_rows(struct store *s, sqlite3 *to, int64_t highest)
{
    int rc = SQLITE_OK;

    for (int64_t from = 1; from <= highest && rc == SQLITE_OK; from += COPY_ROWS) {
        rc = rebuild_copy_archive(s, to, true, from, from + COPY_ROWS - 1);
        if (past_nap(s, NAP_USEC) || !s->past.attached)
            rc = SQLITE_INTERRUPT;
    }
    return rc;
}

static int fill(struct store *s, sqlite3 *to, uint64_t *ret_rows)
{
    int64_t highest = highest_id(s);
    int rc = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", NULL,
                          NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(to, past_tables, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = copy_rows(s, to, highest);
    *ret_rows = (uint64_t)sqlite3_total_changes64(to) - 1; /* the row of `progress` */
    if (rc == SQLITE_OK)
        rc = past_exec(to, "UPDATE progress SET moved = ?1 WHERE one = ?2", (int64_t)s->past.moved,
                       1);
    return rc == SQLITE_OK ? sqlite3_exec(to, "COMMIT", NULL, NULL, NULL) : rc;
}

/* 0 or a negative errno; -EINTR: the store is being closed. */
static int build(struct store *s, const char *name, uint64_t *ret_rows)
{
    char path[PATH_MAX + 32];
    sqlite3 *to = NULL;
    _cleanup_(store_closep) int fd = rebuild_create(s, name);

    if (fd < 0)
        return fd;
    snprintf(path, sizeof(path), "%s" PAST_SUFFIX ".rebuild", s->path);
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = fill(s, to, ret_rows);
    sqlite3_close_v2(to);
    if (rc != SQLITE_OK)
        return rc == SQLITE_FULL ? -ENOSPC : rc == SQLITE_INTERRUPT ? -EINTR : -EIO;
    return fsync(fd) < 0 ? -errno : 0;
}

int past_mend(struct store *s)
{
    char name[NAME_MAX + 1], new[NAME_MAX + 1];
    uint64_t rows = 0;
    int r = build(s, name_of(s, PAST_SUFFIX ".rebuild", name), &rows);

    if (r == 0 && (renameat(s->dirfd, name, s->dirfd, name_of(s, PAST_SUFFIX ".new", new)) < 0 ||
                   fsync(s->dirfd) < 0))
        r = -errno;
    if (r < 0) {
        (void)unlinkat(s->dirfd, name, 0);
        return r;
    }
    past_detach(s);
    r = rebuild_resume(s, PAST_SUFFIX);
    past_attach(s);
    if (r == 0)
        store_log(s, VDI_LOG_ERROR,
                  "%s" PAST_SUFFIX " was damaged: a new one holds the %llu rows of %llu that were "
                  "good, the old is kept",
                  s->path, (unsigned long long)rows, (unsigned long long)s->past.moved);
    return r;
}
