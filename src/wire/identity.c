/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.c - answers about principals: asked once, kept, and never waited for on the loop.
 *
 * There is at most one look-up per question, and who asks meanwhile joins it. A look-up
 * past its deadline answers all who joined; its thread is lost until NSS lets go of it. When
 * every thread is taken and none has come back for STUCK_USEC, new questions are refused
 * at once; kept answers are given all the same.
 */
#include "wire/identity.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"
#include "base/time.h"

#define STUCK_USEC USEC_PER_SEC
#define FREE_WAIT_USEC (250 * USEC_PER_MSEC)
#define KEY_MAX (VDI_REALM_MAX + VDI_NAME_MAX + 32)

/* One question, and its answer if there is one. Not freed while a look-up is pending. */
struct entry {
    struct list lru;
    char key[KEY_MAX];
    struct lookup *pending;
    int64_t fetched_usec; /* 0: no answer */
    int r;
    char name[VDI_NAME_MAX];
    uint32_t uid, gid, n_groups;
    char (*groups)[VDI_NAME_MAX];
    uint32_t *gids; /* as many */
    char *home;     /* NULL: none */
};

struct lookup {
    struct list link; /* by deadline, while not overdue */
    struct identity *id;
    struct entry *entry;
    identity_lookup_fn *lookup; /* its thread may outlive id */
    enum identity_what what;
    int64_t deadline_usec;
    bool is_overdue;
    int r;
    atomic_bool is_left;           /* by its thread or by identity_free: the second frees it */
    struct identity_answer answer; /* the worker's while it runs */
    struct list waiters;
};

struct waiter {
    struct list link;
    identity_done_fn *done;
    void *arg;
    struct vdi_principal asked;
};

struct identity {
    struct loop *loop;
    struct workers *workers;
    identity_lookup_fn *lookup;
    struct hash *entries;
    struct list lru;     /* least recently used first */
    struct list lookups; /* by deadline */
    struct source *deadline_timer;
    int64_t progress_usec; /* when a thread was last known to be free */
    struct identity_stats stats;
};

static void make_key(enum identity_what what, const struct vdi_principal *p, char key[KEY_MAX])
{
    if (what == IDENTITY_NAME)
        snprintf(key, KEY_MAX, "u%u %s", p->uid, p->realm);
    else if (what == IDENTITY_UID)
        snprintf(key, KEY_MAX, "n%s %s", p->realm, p->name);
    else if (what == IDENTITY_ACCOUNT)
        snprintf(key, KEY_MAX, "a%u %u %s", p->uid, p->gid, p->realm);
    else
        snprintf(key, KEY_MAX, "g%u %s %s", p->gid, p->realm, p->name);
}

static void entry_clear(struct entry *e)
{
    free(e->groups);
    free(e->gids);
    free(e->home);
    e->groups = NULL;
    e->gids = NULL;
    e->home = NULL;
}

static void entry_free(struct identity *id, struct entry *e)
{
    hash_remove(id->entries, e->key);
    list_remove(&e->lru);
    entry_clear(e);
    free(e);
}

/* The oldest that nobody waits for; those that are pending are bounded by themselves. */
static void make_room(struct identity *id)
{
    list_for_each_safe (it, &id->lru) {
        struct entry *e = list_entry(it, struct entry, lru);
        if (hash_count(id->entries) < IDENTITY_CACHE_MAX)
            return;
        if (!e->pending)
            entry_free(id, e);
    }
}

static struct entry *entry_get(struct identity *id, const char *key)
{
    struct entry *e = hash_get(id->entries, key);
    if (e) {
        list_remove(&e->lru);
        list_append(&id->lru, &e->lru);
        return e;
    }
    make_room(id);
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    str_copy(e->key, sizeof(e->key), key);
    if (hash_put(id->entries, e->key, e) < 0) {
        free(e);
        return NULL;
    }
    list_append(&id->lru, &e->lru);
    return e;
}

/* Without memory nothing is kept: the next who asks asks NSS. */
static void entry_keep(struct entry *e, int r, const struct identity_answer *a, int64_t now_usec)
{
    const struct vdi_principal *p = &a->who;
    struct entry fresh = {0};

    if (p->n_groups) {
        fresh.groups = malloc((size_t)p->n_groups * VDI_NAME_MAX);
        fresh.gids = malloc((size_t)p->n_groups * sizeof(*fresh.gids));
    }
    if (a->home[0])
        fresh.home = strdup(a->home);
    if ((p->n_groups && (!fresh.groups || !fresh.gids)) || (a->home[0] && !fresh.home)) {
        entry_clear(&fresh);
        return;
    }
    if (p->n_groups) {
        memcpy(fresh.groups, p->groups, (size_t)p->n_groups * VDI_NAME_MAX);
        memcpy(fresh.gids, a->gids, (size_t)p->n_groups * sizeof(*fresh.gids));
    }
    entry_clear(e);
    e->groups = fresh.groups;
    e->gids = fresh.gids;
    e->home = fresh.home;
    e->n_groups = p->n_groups;
    memcpy(e->name, p->name, sizeof(e->name));
    e->uid = p->uid;
    e->gid = p->gid;
    e->r = r;
    e->fetched_usec = now_usec;
}

static void give_kept(const struct entry *e, const struct vdi_principal *asked,
                      identity_done_fn *done, void *arg)
{
    struct identity_answer a = {.who = *asked};

    if (e->r != 0) {
        done(arg, e->r, NULL);
        return;
    }
    memcpy(a.who.name, e->name, sizeof(a.who.name));
    a.who.uid = e->uid;
    a.who.gid = e->gid;
    a.who.n_groups = e->n_groups;
    if (e->n_groups) {
        memcpy(a.who.groups, e->groups, (size_t)e->n_groups * VDI_NAME_MAX);
        memcpy(a.gids, e->gids, (size_t)e->n_groups * sizeof(*e->gids));
    }
    str_copy(a.home, sizeof(a.home), e->home ? e->home : "");
    done(arg, 0, &a);
}

static void answer_waiter(struct waiter *w, int r, const struct identity_answer *answer)
{
    struct identity_answer a;

    if (r == 0) { /* the realm and scope are each one's own */
        a = *answer;
        memcpy(a.who.realm, w->asked.realm, sizeof(a.who.realm));
        memcpy(a.who.scope, w->asked.scope, sizeof(a.who.scope));
    }
    w->done(w->arg, r, r == 0 ? &a : NULL);
    free(w);
}

/* Nobody can join any more: the look-up is overdue, or not its entry's pending one. */
static void answer_waiters(struct lookup *l, int r)
{
    while (!list_is_empty(&l->waiters)) {
        struct waiter *w = list_entry(l->waiters.next, struct waiter, link);
        list_remove(&w->link);
        answer_waiter(w, r, &l->answer);
    }
}

static void arm_timer(struct identity *id)
{
    if (list_is_empty(&id->lookups))
        return;
    struct lookup *first = list_entry(id->lookups.next, struct lookup, link);
    int64_t delay_usec = first->deadline_usec - loop_monotonic_usec(id->loop);
    source_rearm(id->deadline_timer, delay_usec > 0 ? delay_usec : 0);
}

/* The look-up may still write its answer: r is an error, so that nobody reads it. */
static void on_deadline(void *arg)
{
    struct identity *id = arg;
    int64_t now_usec = loop_monotonic_usec(id->loop);
    while (!list_is_empty(&id->lookups)) {
        struct lookup *l = list_entry(id->lookups.next, struct lookup, link);
        if (l->deadline_usec > now_usec)
            break;
        list_remove(&l->link);
        l->is_overdue = true;
        id->stats.timeouts++;
        answer_waiters(l, -ETIMEDOUT);
    }
    arm_timer(id);
}

static void run_lookup(void *arg)
{
    struct lookup *l = arg;
    l->r = l->lookup(l->what, &l->answer);
    if (atomic_exchange(&l->is_left, true))
        free(l);
}

static void on_looked_up(void *arg, bool dropped)
{
    struct lookup *l = arg;
    struct identity *id = l->id;
    struct entry *e = l->entry;
    int r = dropped ? -ECANCELED : l->r;
    int64_t now_usec = loop_monotonic_usec(id->loop);
    list_remove(&l->link);
    e->pending = NULL;
    id->stats.pending--;
    id->progress_usec = now_usec;
    if (r == 0 || r == -ENOENT)
        entry_keep(e, r, &l->answer, now_usec);
    if (e->fetched_usec == 0)
        entry_free(id, e);
    answer_waiters(l, r);
    free(l);
}

static bool is_stuck(const struct identity *id, int64_t now_usec)
{
    return id->stats.pending >= IDENTITY_THREADS && now_usec - id->progress_usec > STUCK_USEC;
}

static struct lookup *lookup_new(struct identity *id, struct entry *e, enum identity_what what,
                                 const struct vdi_principal *principal, int64_t now_usec)
{
    struct lookup *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->id = id;
    l->entry = e;
    l->lookup = id->lookup;
    l->what = what;
    l->answer.who = *principal;
    l->answer.who.n_groups = 0;
    l->deadline_usec = now_usec + IDENTITY_DEADLINE_SEC * USEC_PER_SEC;
    list_init(&l->link);
    list_init(&l->waiters);
    return l;
}

static int start_lookup(struct identity *id, struct entry *e, enum identity_what what,
                        const struct vdi_principal *principal, int64_t now_usec)
{
    if (is_stuck(id, now_usec))
        return -EBUSY;
    if (id->stats.pending < IDENTITY_THREADS)
        id->progress_usec = now_usec;
    struct lookup *l = lookup_new(id, e, what, principal, now_usec);
    if (!l)
        return -ENOMEM;
    int r = workers_post(id->workers, run_lookup, on_looked_up, l);
    if (r < 0) {
        free(l);
        return r;
    }
    e->pending = l;
    id->stats.pending++;
    id->stats.lookups++;
    list_append(&id->lookups, &l->link);
    if (id->lookups.next == &l->link)
        arm_timer(id);
    return 0;
}

static int join(struct lookup *l, const struct vdi_principal *principal, identity_done_fn *done,
                void *arg)
{
    if (l->is_overdue)
        return -ETIMEDOUT;
    struct waiter *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->done = done;
    w->arg = arg;
    w->asked = *principal;
    list_append(&l->waiters, &w->link);
    return 0;
}

void identity_get(struct identity *id, enum identity_what what,
                  const struct vdi_principal *principal, identity_done_fn *done, void *arg)
{
    char key[KEY_MAX];
    int64_t now_usec = loop_monotonic_usec(id->loop);
    make_key(what, principal, key);
    struct entry *e = entry_get(id, key);
    if (!e) {
        done(arg, -ENOMEM, NULL);
        return;
    }
    int64_t age_usec = e->fetched_usec ? now_usec - e->fetched_usec : INT64_MAX;
    int r = 0;
    if (age_usec >= IDENTITY_FRESH_SEC * USEC_PER_SEC && !e->pending)
        r = start_lookup(id, e, what, principal, now_usec);
    if (age_usec < IDENTITY_STALE_SEC * USEC_PER_SEC) {
        id->stats.hits++;
        give_kept(e, principal, done, arg);
        return;
    }
    if (r == 0)
        r = join(e->pending, principal, done, arg);
    if (r == 0)
        return;
    id->stats.refused++;
    if (e->fetched_usec == 0 && !e->pending)
        entry_free(id, e);
    done(arg, r, NULL);
}

struct identity *identity_new(struct loop *loop, identity_lookup_fn *lookup)
{
    struct identity *id = calloc(1, sizeof(*id));
    if (!id)
        return NULL;
    id->loop = loop;
    id->lookup = lookup ? lookup : identity_nss;
    list_init(&id->lru);
    list_init(&id->lookups);
    id->entries = hash_new_str();
    id->workers = workers_new(loop, "identity", IDENTITY_THREADS, IDENTITY_PENDING_MAX);
    id->deadline_timer = loop_timer(loop, -1, on_deadline, id);
    if (!id->entries || !id->workers || !id->deadline_timer) {
        identity_free(id);
        return NULL;
    }
    return id;
}

void identity_stats(const struct identity *id, struct identity_stats *ret)
{
    *ret = id->stats;
    ret->cached = (uint32_t)hash_count(id->entries);
}

/* Its thread hangs, and may still write the answer. */
static void forget(struct lookup *l)
{
    list_remove(&l->link);
    answer_waiters(l, -ECANCELED);
    if (atomic_exchange(&l->is_left, true))
        free(l);
}

void identity_free(struct identity *id)
{
    if (!id)
        return;
    workers_abandon(id->workers, FREE_WAIT_USEC);
    list_for_each_safe (it, &id->lru) {
        struct entry *e = list_entry(it, struct entry, lru);
        if (e->pending)
            forget(e->pending);
        entry_free(id, e);
    }
    source_free(id->deadline_timer);
    hash_free(id->entries);
    free(id);
}
