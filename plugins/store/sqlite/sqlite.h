/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.h - one open SQLite store, shared by the files of this plugin.
 *
 * Files, all in one directory that belongs to the controller:
 *   vdi.db, vdi.db-wal    events, lease, what ended last (SQLite, WAL, synchronous=FULL)
 *   vdi.db.archive[-wal]  what ended before (past.c)
 *   vdi.db.ids            ids.h
 *   vdi.db.snapshot[.1]   snapshot.h: the newest and the one before
 *   vdi.db.lock           flock()ed by the process that has the store open
 *   vdi.db[.archive].new  a rebuilt database that waits for its name (rebuild.c)
 *   vdi.db.damaged-*      kept for the operator, never read again
 *
 * A snapshot is written beside appends, the lease and queries: they hold `lock`, it
 * does so only while it looks at what they change. The snapshot slots are its own; the
 * other ops that look at them never run beside it.
 */
#ifndef SQLITE_SQLITE_H
#define SQLITE_SQLITE_H

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>

#include "plugins/store/record.h"
#include "plugins/store/sqlite/ids.h"
#include "plugins/store/sqlite/schema.h"
#include "plugins/store/sqlite/snapshot.h"

enum stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_EVENT,
    STMT_ARCHIVE,
    STMT_COUNT,
};

struct snapshot_slot {
    bool good;
    struct snapshot_head head;
};

/* The file of the archive, attached as `past`; under the store's lock. */
struct past {
    bool attached;
    char suspect[160]; /* why it is held for damaged; "": it is not */
    uint64_t moved;    /* rows that were put there, ever, as vdi.db has it */
    uint64_t there;    /* as it says itself: a power cut may leave it ahead of vdi.db */
    uint64_t waiting;  /* rows of vdi.db that are not there yet, about */
    bool told;         /* that rows can't be moved */
    int wal_pages;
    sqlite3_stmt *insert;
    /* past_check.c */
    pthread_t thread;
    bool started, stop;
    int64_t due_usec; /* of the next check, monotonic */
    pthread_cond_t wake;
};

struct store {
    pthread_mutex_t lock;
    struct vdi_host *host;
    const struct vdi_host_api *api;
    char path[PATH_MAX];
    const char *base; /* the last part of path: "vdi.db" */
    int dirfd, lockfd;
    sqlite3 *db; /* NULL: the file can't even be opened as a database */
    sqlite3_stmt *stmts[STMT_COUNT];
    int wal_pages;
    uint32_t version; /* of the schema in the file; 0: not known */
    bool ready;       /* the statements are prepared: it is the newest schema */
    bool loaded;
    char suspect[160]; /* why the database is held for damaged; "": it is not */
    bool ids_bad;      /* there was an ids file, nothing in it was readable */
    struct ids ids;
    struct snapshot_slot snapshot[2]; /* newest, the one before */
    struct past past;
    uint64_t last_seq;
    uint64_t epoch; /* held by this handle, 0: none */
    char holder[STORE_LABEL_MAX + 1];
};

static inline struct store *store_lock(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    return s;
}

static inline void store_unlockp(struct store **s)
{
    pthread_mutex_unlock(&(*s)->lock);
}
/* To the end of the block. */
#define STORE_LOCK(s)                                                                              \
    _cleanup_(store_unlockp) struct store *held __attribute__((unused)) = store_lock(s)

/* db.c */
extern const char *const db_sql[STMT_COUNT];
int db_connect(struct store *s); /* opens the file; 0, an SQLite code */
int db_prepare(struct store *s); /* WAL, FULL, statements; 0, an SQLite code */
void db_disconnect(struct store *s, bool checkpoint);
int db_run(struct store *s, enum stmt which); /* steps once, resets; 0, an SQLite code */
bool db_code_corrupt(int rc);
/* Fills err from the connection's last failure; returns the negative errno. */
int db_fail(struct store *s, int rc, const char *what, struct vdi_error *err);
int db_need_ready(struct store *s, struct vdi_error *err);
/* Pages in a WAL after which they are copied back to the database, by the append that
 * finds it so. bench/store: the longest append takes 4 ms with 250 pages, 11 with 1000, 25
 * with 4000; records a second are the same. */
#define DB_CHECKPOINT_PAGES 250
void db_checkpoint(struct store *s); /* of a WAL that has DB_CHECKPOINT_PAGES */
void db_column_record(sqlite3_stmt *st, struct vdi_store_record *ret);
void db_column_object(sqlite3_stmt *st, struct vdi_store_object *ret);
#define DB_EVENT_COLUMNS "seq, time_usec, noun, key, type, version, crc, body"
#define DB_EVENT_WALK WALK_SQL(DB_EVENT_COLUMNS, "event", "seq")
#define DB_ARCHIVE_WALK(table) WALK_SQL(DB_ARCHIVE_COLUMNS, table, "id")
#define DB_ARCHIVE_INSERT(table)                                                                   \
    "INSERT INTO " table "(" DB_ARCHIVE_MEMBERS ")"                                                \
    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) ON CONFLICT(noun, num, key) DO UPDATE SET"        \
    " seq = ?1, owner = ?4, state = ?5, begin_usec = ?6, end_usec = ?7, version = ?8,"             \
    " crc = ?9, body = ?10"
#define DB_ARCHIVE_MEMBERS                                                                         \
    "seq, noun, key, owner, state, begin_usec, end_usec, version, crc, body, num"
#define DB_ARCHIVE_COLUMNS DB_ARCHIVE_MEMBERS ", id"
int db_bind_record(sqlite3_stmt *st, const struct vdi_store_record *r);
int db_bind_object(sqlite3_stmt *st, const struct vdi_store_object *o);
const char *name_of(const struct store *s, const char *suffix, char ret[NAME_MAX + 1]);

/* lease.c */
int epoch_raise(void *store, uint64_t epoch, struct vdi_error *err);
int lease_take(void *store, const char *holder, int64_t now_usec, int64_t ttl_usec,
               uint64_t *ret_epoch, struct vdi_error *err);
int lease_check(struct store *s, uint64_t epoch, struct vdi_error *err);
int lease_copy(struct store *s, sqlite3 *to); /* an SQLite code */
void lease_release(struct store *s);

/* walk.c: reads the rows from..upto of a table (ids above INT64_MIN) upwards until an
 * error, then downwards from the end, and hands on what is readable upwards. row() says
 * 0, 1 (not to be believed) or a negative errno, which ends it and is returned. */
#define WALK_SQL(columns, table, id)                                                               \
    "SELECT " columns " FROM " table " WHERE " id " >= ?1 AND " id " <= ?2 ORDER BY " id
struct walk {
    const char *up, *down; /* WALK_SQL, " DESC" added for down */
    int id_column;
    int (*row)(void *arg, sqlite3_stmt *st);
    void *arg;
};
enum walk_end {
    WALK_WHOLE,
    WALK_HOLE,    /* something in between was not readable */
    WALK_NO_TAIL, /* nothing after the damage was, or there is nothing */
};
int walk_table(sqlite3 *db, const struct walk *w, int64_t from, int64_t upto,
               enum walk_end *ret_end);

/* rebuild.c */
struct rebuild_filter {
    /* After snapshot_seq only the rows that the load accepted; NULL: all. */
    const struct store_sequence *sequence;
    uint64_t snapshot_seq;
    uint64_t floor; /* seqs up to here are used, readable or not */
    uint64_t id_reserve;
};
int rebuild(struct store *s, const struct rebuild_filter *filter, struct vdi_error *err);
/* At open: gives a finished vdi.db.new (file: "") or vdi.db.archive.new (".archive") its name. */
int rebuild_resume(struct store *s, const char *file);
int rebuild_keep_aside(const struct store *s, const char *file);
bool rebuild_exists(const struct store *s, const char *suffix);
int rebuild_create(struct store *s, const char *name); /* an empty file; its fd */
/* Rows of a table of archived objects with these ids, as far as they can be read; an SQLite code
 * of the new database. */
int rebuild_copy_archive(struct store *s, sqlite3 *to, bool past, int64_t from, int64_t upto);

/* past.c */
#define PAST_SUFFIX ".archive"
#define PAST_SCHEMA 3 /* of vdi.db, from which on there is such a file */
extern const char past_tables[];
void past_attach(struct store *s); /* what is wrong with it goes into past.suspect */
void past_detach(struct store *s);
void past_forget(struct store *s); /* before the connection is closed */
void past_load(struct store *s, const struct vdi_store_loader *loader, bool *io_damaged);
void past_append(struct store *s, size_t n); /* n rows more wait in vdi.db */
void past_trim(struct store *s);             /* all that wait go there */
/* Puts all back into vdi.db, for a release that looks for it there. */
int past_recall(struct store *s, struct vdi_error *err);

/* Runs one statement with ?1 and ?2; an SQLite code. */
int past_exec(sqlite3 *db, const char *sql, int64_t first, int64_t second);

/* past_check.c, past_mend.c: in a thread of its own, under the lock for moments only. */
void past_check_start(struct store *s);
void past_check_soon(struct store *s); /* under the lock */
void past_check_stop(struct store *s);
bool past_nap(struct store *s, int64_t usec); /* gives the lock up meanwhile; true: stop */
int past_mend(struct store *s);

/* load.c, append.c, query.c */
int txn_begin(struct store *s, uint64_t epoch, struct vdi_error *err);
int txn_end(struct store *s, int rc, struct vdi_error *err); /* commits if rc is good so far */
int load(void *store, const struct vdi_store_loader *loader, struct vdi_store_summary *ret,
         struct vdi_error *err);
int append(void *store, const struct vdi_store_batch *batch, struct vdi_error *err);
int snapshot_write(void *store, uint64_t epoch, uint64_t seq,
                   int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg,
                   struct vdi_error *err);
int trim(void *store, uint64_t epoch, uint64_t seq, int64_t before_usec, struct vdi_error *err);
int query_events(void *store, const struct vdi_store_query *query,
                 int (*row)(void *arg, const struct vdi_store_record *record), void *arg,
                 struct vdi_error *err);
int query_archive(void *store, const struct vdi_store_query *query,
                  int (*row)(void *arg, const struct vdi_store_object *object), void *arg,
                  struct vdi_error *err);

#endif
