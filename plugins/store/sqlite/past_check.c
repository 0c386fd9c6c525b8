/* SPDX-License-Identifier: Apache-2.0 */
/*
 * past_check.c - looks all of the archive over, beside the serving store.
 *
 * A start does not read the archive; a thread does, after it and once a day, a few rows at a
 * time with longer naps between. (At a low priority it would keep the lock for longer.) Each
 * row must be readable, come in order, and be in every index; each entry of the index of keys
 * must have its row. What is damaged is told and mended (past_mend.c). The content of a row is
 * the host's to check, when read.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define SLICE_ROWS 50
#define NAP_USEC 5000
#define NAPS 4 /* times as long as a slice took */
#define EVERY_USEC (86400LL * 1000000)
#define MEND_AGAIN_USEC (600LL * 1000000)

static int64_t monotonic_usec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static bool wait_until(struct store *s, int64_t until_usec)
{
    struct timespec ts = {.tv_sec = until_usec / 1000000, .tv_nsec = until_usec % 1000000 * 1000};

    if (!s->past.stop)
        (void)pthread_cond_timedwait(&s->past.wake, &s->lock, &ts);
    return s->past.stop;
}

bool past_nap(struct store *s, int64_t usec)
{
    int64_t until = monotonic_usec() + usec;

    while (monotonic_usec() < until && !s->past.stop)
        (void)wait_until(s, until);
    return s->past.stop;
}

/* ---- one row ---- */

static const char *const in_indexes[] = {
    "SELECT 1 FROM past.archive INDEXED BY archive_key WHERE noun = ?1 AND num = ?2 AND key = ?3"
    " AND id = ?8",
    "SELECT 1 FROM past.archive INDEXED BY archive_owner WHERE noun = ?1 AND num = ?2 AND key = ?3"
    " AND owner = ?4 AND id = ?8",
    "SELECT 1 FROM past.archive INDEXED BY archive_state WHERE noun = ?1 AND num = ?2 AND key = ?3"
    " AND state = ?5 AND id = ?8",
    "SELECT 1 FROM past.archive INDEXED BY archive_end WHERE noun = ?1 AND num = ?2 AND key = ?3"
    " AND end_usec = ?6 AND begin_usec = ?7 AND id = ?8",
    "SELECT 1 FROM past.archive INDEXED BY archive_owner_end WHERE noun = ?1 AND num = ?2 AND"
    " key = ?3 AND owner = ?4 AND end_usec = ?6 AND begin_usec = ?7 AND id = ?8",
};
#define N_INDEXES (sizeof(in_indexes) / sizeof(in_indexes[0]))
/* In the order of the parameters above. */
#define ROW_SQL                                                                                    \
    "SELECT noun, num, key, owner, state, end_usec, begin_usec, id, body FROM past.archive"        \
    " WHERE id > ?1 ORDER BY id LIMIT ?2"
#define KEY_SQL                                                                                    \
    "SELECT noun, num, key, id FROM past.archive INDEXED BY archive_key"                           \
    " WHERE (noun, num, key) > (?1, ?2, ?3) ORDER BY noun, num, key LIMIT ?4"
#define OF_KEY_SQL "SELECT 1 FROM past.archive WHERE id = ?1 AND +key = ?2"

enum { ROWS, KEYS, OF_KEY, INDEXES, N_STMTS = INDEXES + N_INDEXES };

struct check {
    struct store *s;
    sqlite3_stmt *st[N_STMTS];
    int64_t id; /* the last row */
    char noun[STORE_LABEL_MAX + 1], key[STORE_LABEL_MAX + 1];
    int64_t num;
    uint64_t n;
    char why[160]; /* it is damaged */
};

static void damaged(struct check *c, const char *what, int64_t id)
{
    snprintf(c->why, sizeof(c->why), "%s row %lld", what, (long long)id);
}

/* Whether it finds a row; it must not fail. */
static bool finds(struct check *c, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    return rc == SQLITE_ROW;
}

static void check_row(struct check *c, sqlite3_stmt *row)
{
    int64_t id = sqlite3_column_int64(row, 7);

    if (id <= c->id)
        damaged(c, "out of order: ", id);
    for (size_t i = 0; i < N_INDEXES && !c->why[0]; i++) {
        sqlite3_stmt *st = c->st[INDEXES + i];

        for (int k = 0; k < 8; k++)
            if (sqlite3_bind_parameter_count(st) > k)
                sqlite3_bind_value(st, k + 1, sqlite3_column_value(row, k));
        if (!finds(c, st))
            damaged(c, "an index lacks ", id);
        sqlite3_clear_bindings(st);
    }
    c->id = id;
    c->n++;
}

static void check_key(struct check *c, sqlite3_stmt *row)
{
    sqlite3_bind_value(c->st[OF_KEY], 1, sqlite3_column_value(row, 3));
    sqlite3_bind_value(c->st[OF_KEY], 2, sqlite3_column_value(row, 2));
    if (!finds(c, c->st[OF_KEY]))
        damaged(c, "an index has what is no ", sqlite3_column_int64(row, 3));
    sqlite3_clear_bindings(c->st[OF_KEY]);
    snprintf(c->noun, sizeof(c->noun), "%s", (const char *)sqlite3_column_text(row, 0));
    snprintf(c->key, sizeof(c->key), "%s", (const char *)sqlite3_column_text(row, 2));
    c->num = sqlite3_column_int64(row, 1);
}

/* ---- slices ---- */

static int prepare(struct check *c)
{
    static const char *const sql[] = {ROW_SQL, KEY_SQL, OF_KEY_SQL};
    int rc = SQLITE_OK;

    for (int i = 0; i < (int)N_STMTS && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v2(c->s->db, i < INDEXES ? sql[i] : in_indexes[i - INDEXES], -1,
                                &c->st[i], NULL);
    return rc;
}

/* True: there may be more. */
static bool slice(struct check *c, int which)
{
    sqlite3_stmt *st;
    int rc = prepare(c), n = 0;

    if (rc == SQLITE_OK && which == ROWS) {
        sqlite3_bind_int64(c->st[ROWS], 1, c->id);
        sqlite3_bind_int(c->st[ROWS], 2, SLICE_ROWS);
    } else if (rc == SQLITE_OK) {
        sqlite3_bind_text(c->st[KEYS], 1, c->noun, -1, SQLITE_STATIC);
        sqlite3_bind_int64(c->st[KEYS], 2, c->num);
        sqlite3_bind_text(c->st[KEYS], 3, c->key, -1, SQLITE_STATIC);
        sqlite3_bind_int(c->st[KEYS], 4, SLICE_ROWS);
    }
    st = c->st[which];
    while (rc == SQLITE_OK && !c->why[0] && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        n++;
        if (which == ROWS)
            check_row(c, st);
        else
            check_key(c, st);
    }
    if (db_code_corrupt(rc) && !c->why[0])
        snprintf(c->why, sizeof(c->why), "%s", sqlite3_errmsg(c->s->db));
    for (int i = 0; i < (int)N_STMTS; i++) {
        sqlite3_finalize(c->st[i]);
        c->st[i] = NULL;
    }
    return !c->why[0] && n == SLICE_ROWS;
}

/* False: it could not be finished. */
static bool check_all(struct store *s)
{
    struct check c = {.s = s, .id = INT64_MIN, .num = INT64_MIN};

    for (int which = ROWS; which <= KEYS && !c.why[0]; which++) {
        int64_t begin = monotonic_usec();

        while (s->past.attached && !s->past.suspect[0] && slice(&c, which)) {
            int64_t took = monotonic_usec() - begin;

            if (past_nap(s, took * NAPS > NAP_USEC ? took * NAPS : NAP_USEC))
                return false;
            begin = monotonic_usec();
        }
    }
    if (c.why[0]) {
        snprintf(s->past.suspect, sizeof(s->past.suspect), "%s", c.why);
        store_log(s, VDI_LOG_ERROR, "%s" PAST_SUFFIX " is damaged: %s", s->path, c.why);
    } else {
        store_log(s, VDI_LOG_DEBUG, "%s" PAST_SUFFIX ": all %llu rows were looked over", s->path,
                  (unsigned long long)c.n);
    }
    return true;
}

/* ---- the thread ---- */

static void mend(struct store *s)
{
    int r = past_mend(s);

    if (r == -EINTR)
        return;
    if (r < 0)
        store_log(s, VDI_LOG_ERROR, "%s" PAST_SUFFIX " is damaged and can't be mended now: %s",
                  s->path, strerror(-r));
    s->past.due_usec = monotonic_usec() + (r < 0 ? MEND_AGAIN_USEC : EVERY_USEC);
}

static void *guard(void *arg)
{
    struct store *s = arg;
    struct past *p = &s->past;

    STORE_LOCK(s);
    while (!p->stop) {
        if (monotonic_usec() < p->due_usec) {
            (void)wait_until(s, p->due_usec);
        } else if (!p->attached) {
            p->due_usec = monotonic_usec() + EVERY_USEC;
        } else if (p->suspect[0]) {
            mend(s);
        } else if (check_all(s) && !p->suspect[0]) {
            p->due_usec = monotonic_usec() + EVERY_USEC;
        }
    }
    return NULL;
}

void past_check_soon(struct store *s)
{
    s->past.due_usec = 0;
    if (s->past.started)
        pthread_cond_signal(&s->past.wake);
}

void past_check_start(struct store *s)
{
    struct past *p = &s->past;
    pthread_condattr_t attr;
    sigset_t all, before;

    if (p->started)
        return;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attr);
    pthread_condattr_destroy(&attr);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->stop = false;
    int r = pthread_create(&p->thread, NULL, guard, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    p->started = r == 0;
    if (r != 0) {
        pthread_cond_destroy(&p->wake);
        store_log(s, VDI_LOG_WARNING, "the archive can't be looked over: %s", strerror(r));
    }
}

void past_check_stop(struct store *s)
{
    struct past *p = &s->past;

    if (!p->started)
        return;
    pthread_mutex_lock(&s->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->wake);
    p->started = false;
}
