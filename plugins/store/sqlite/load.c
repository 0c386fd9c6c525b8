/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - reads everything once: the newest good snapshot, then every later event.
 *
 * What can't be read is told place by place, never guessed. Seqs that are lost stay
 * used: the gap they leave is told at every load until a snapshot stands for it. A
 * database with new damage is replaced by one that holds what was good.
 */
#include "plugins/store/sqlite/sqlite.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define CHECK_MESSAGES 8 /* of PRAGMA quick_check, told one by one */

struct loading {
    struct store *s;
    const struct vdi_store_loader *loader;
    struct store_sequence sequence;
    uint64_t snapshot_seq;
    uint64_t id_reserve;
    uint64_t floor;
    enum walk_end end;
    bool damaged;
    bool object_lost; /* a row of the snapshot that was used */
};

static void lift(uint64_t *to, uint64_t value)
{
    if (value > *to)
        *to = value;
}

static int check_snapshot(struct loading *l, int i)
{
    struct store *s = l->s;
    char name[NAME_MAX + 1], aside[NAME_MAX + 1], suffix[64];
    const char *why;

    name_of(s, i ? ".snapshot.1" : ".snapshot", name);
    int r = snapshot_file_check(s->dirfd, name, &s->snapshot[i].head, &why);
    s->snapshot[i].good = r == 0;
    if (r == 0)
        lift(&l->id_reserve, s->snapshot[i].head.id_reserve);
    if (r != -EBADMSG)
        return r == -ENOENT ? 0 : r;
    store_damage(l->loader, why, "%s", name);
    l->damaged = true;
    /* Out of the way, so that it never takes the place of the one that is good. */
    snprintf(suffix, sizeof(suffix), ".damaged-%lld.snapshot%s", (long long)time(NULL),
             i ? ".1" : "");
    return renameat(s->dirfd, name, s->dirfd, name_of(s, suffix, aside)) < 0 ? -errno : 0;
}

static int on_object(void *arg, const struct vdi_store_object *object)
{
    struct loading *l = arg;
    int r = l->loader->object(l->loader->arg, object);

    if (r != -EBADMSG)
        return r < 0 ? r : 0;
    store_damage(l->loader, "checksum differs", "%s %s in the snapshot of event %llu", object->noun,
                 object->key, (unsigned long long)l->snapshot_seq);
    l->damaged = l->object_lost = true;
    return 0;
}

static int load_snapshot(struct loading *l, struct vdi_error *err)
{
    struct store *s = l->s;
    char name[NAME_MAX + 1];
    int r = check_snapshot(l, 0);

    if (r == 0)
        r = check_snapshot(l, 1);
    if (r == 0 && (s->snapshot[0].good || s->snapshot[1].good)) {
        int i = s->snapshot[0].good ? 0 : 1;
        l->snapshot_seq = s->snapshot[i].head.seq;
        r = snapshot_file_read(s->dirfd, name_of(s, i ? ".snapshot.1" : ".snapshot", name),
                               on_object, l);
    }
    return r < 0 ? store_fail(err, r, "store", "The snapshot of %s can't be loaded: %s.", s->path,
                              strerror(-r))
                 : 0;
}

/* A row of quick_check is one or more lines; a heading names the database. */
static int on_check(void *arg, int n, char **values, char **names)
{
    struct loading *l = arg;
    char *rest = NULL;

    if (n != 1 || !values[0] || strcmp(values[0], "ok") == 0)
        return 0;
    for (char *line = strtok_r(values[0], "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "***", 3) == 0)
            continue;
        store_damage(l->loader, line, "%s", l->s->base);
        if (!l->s->suspect[0])
            snprintf(l->s->suspect, sizeof(l->s->suspect), "%s", line);
    }
    if (!l->s->suspect[0])
        snprintf(l->s->suspect, sizeof(l->s->suspect), "does not pass its check");
    return 0;
}

static void check_database(struct loading *l)
{
    struct store *s = l->s;
    char sql[64];

    if (s->suspect[0]) {
        store_damage(l->loader, s->suspect, "%s", s->base);
    } else {
        snprintf(sql, sizeof(sql), "PRAGMA main.quick_check(%d)", CHECK_MESSAGES);
        if (sqlite3_exec(s->db, sql, on_check, l, NULL) != SQLITE_OK && !s->suspect[0]) {
            snprintf(s->suspect, sizeof(s->suspect), "%s", sqlite3_errmsg(s->db));
            store_damage(l->loader, s->suspect, "%s", s->base);
        }
    }
}

static void load_meta(struct loading *l)
{
    struct store *s = l->s;
    uint64_t n;

    lift(&l->id_reserve, s->ids.id_reserve);
    if (s->ids_bad) {
        store_damage(l->loader, "checksum differs", "%s.ids", s->base);
        l->damaged = true;
    }
    if (!s->db)
        return;
    if (meta_get_number(s->db, "moved", &n) == 0)
        s->past.moved = n;
    int r = meta_get_number(s->db, "id_reserve", &n);
    if (r == 0)
        lift(&l->id_reserve, n);
    int f = meta_get_number(s->db, "floor", &n);
    if (f == 0)
        l->floor = n;
    if ((r == -EBADMSG || f == -EBADMSG) && !s->suspect[0]) {
        snprintf(s->suspect, sizeof(s->suspect), "a fact's checksum differs");
        store_damage(l->loader, s->suspect, "table meta of %s", s->base);
    }
}

static int on_event(void *arg, sqlite3_stmt *st)
{
    struct loading *l = arg;
    struct vdi_store_record record;

    db_column_record(st, &record);
    return store_sequence_feed(&l->sequence, &record);
}

static int load_events(struct loading *l, uint64_t *ret_last)
{
    struct store *s = l->s;
    struct walk w = {.up = DB_EVENT_WALK,
                     .down = DB_EVENT_WALK " DESC",
                     .id_column = 0,
                     .row = on_event,
                     .arg = l};
    uint64_t last = s->ids.acked;

    l->sequence = (struct store_sequence){.loader = l->loader, .next = l->snapshot_seq + 1};
    int r = walk_table(s->db, &w, (int64_t)l->snapshot_seq + 1, INT64_MAX, &l->end);
    if (r < 0)
        return r;
    lift(&last, l->floor);
    for (int i = 0; i < 2; i++)
        if (s->snapshot[i].good)
            lift(&last, s->snapshot[i].head.seq);
    /* Where the end is not known to have been read, one seq is held for lost: that
     * gap tells of the damage at the next load too. */
    if (l->end == WALK_NO_TAIL && s->ids.acked != l->sequence.next - 1)
        lift(&last, l->sequence.next);
    lift(&last, l->sequence.next - 1);
    store_sequence_end(&l->sequence, last);
    *ret_last = last;
    return 0;
}

static bool is_new_damage(const struct loading *l)
{
    return l->s->suspect[0] || l->end != WALK_WHOLE || l->sequence.n_rejected ||
           l->sequence.gap_end > l->floor;
}

/* A damaged database may have lost its end without a trace: only the mark vouches for it. */
static bool may_lack_events(const struct loading *l)
{
    return l->sequence.damaged || l->end != WALK_WHOLE || l->object_lost ||
           (l->s->suspect[0] && l->s->ids.acked != l->sequence.next - 1);
}

/* The facts that outlive the database, with all that the load has found. */
static int load_ids(struct loading *l, uint64_t last, struct vdi_error *err)
{
    struct store *s = l->s;
    int r = ids_raise(&s->ids, l->id_reserve, 0);

    if (r < 0)
        return store_fail(err, r, "store", "%s.ids can't be written: %s.", s->path, strerror(-r));
    if (s->ids.acked != last)
        ids_acked(&s->ids, last);
    s->ids_bad = false;
    return 0;
}

int load(void *store, const struct vdi_store_loader *loader, struct vdi_store_summary *ret,
         struct vdi_error *err)
{
    struct store *s = store;
    STORE_LOCK(s);
    struct loading l = {.s = s, .loader = loader};
    uint64_t last = 0;
    int r = s->suspect[0] ? 0 : db_need_ready(s, err);

    if (r == 0)
        r = load_snapshot(&l, err);
    if (r < 0)
        return r;
    check_database(&l);
    load_meta(&l);
    r = load_events(&l, &last);
    if (r < 0)
        store_fail(err, r, "load", "The load was stopped: %s.", strerror(-r));
    l.damaged |= l.sequence.damaged || s->suspect[0];
    bool lost = may_lack_events(&l);
    if (r == 0 && is_new_damage(&l)) {
        struct rebuild_filter filter = {.sequence = &l.sequence,
                                        .snapshot_seq = l.snapshot_seq,
                                        .floor = last,
                                        .id_reserve = l.id_reserve};
        r = rebuild(s, &filter, err);
    }
    if (r == 0)
        r = load_ids(&l, last, err);
    store_sequence_done(&l.sequence);
    if (r < 0)
        return r;
    past_load(s, loader, &l.damaged);
    s->last_seq = last;
    s->loaded = true;
    *ret = (struct vdi_store_summary){.snapshot_seq = l.snapshot_seq,
                                      .last_seq = last,
                                      .id_reserve = l.id_reserve,
                                      .damaged = l.damaged,
                                      .lost = lost};
    return 0;
}
