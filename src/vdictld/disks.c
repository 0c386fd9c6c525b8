/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disks.c - whose disks there are, what a job's start takes of them, what the planner is told.
 *
 * An id is noted as soon as it is staged, so that two starts never make the same personal disk;
 * one that was not kept is not found in the table, and counts for nothing.
 */
#include "vdictld/disks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "vdictld/digest.h"
#include "vdictld/disk_impl.h"
#include "vdictld/foresee.h"
#include "vdictld/job_index.h"
#include "vdictld/queue.h"
#include "vdictld/sweep.h"

#define WALK_JOBS 1000 /* planned anew in one go after a reconfigure */

const struct disk *disks_get(struct core *core, uint64_t id)
{
    const struct slot *slot = table_slot(events_table(core->events, NOUN_DISK), id, NULL, false);

    return slot ? slot->pub : NULL;
}

const struct disk *disks_get_staged(struct core *core, uint64_t id)
{
    const struct slot *slot = table_slot(events_table(core->events, NOUN_DISK), id, NULL, false);

    return slot ? slot->staged : NULL;
}

bool disks_is_live(const struct disk *disk)
{
    return disk && disk->state != DISK_GONE;
}

struct disk_event disks_event(struct core *core, enum disk_event_type type, const char *reason)
{
    struct disk_event event = {.type = type, .time_usec = loop_now_usec(core->loop)};

    str_copy(event.reason, sizeof(event.reason), reason);
    return event;
}

/* ---- who has which ---- */

static struct disk_owner *owner_get(struct disks *disks, const char *name)
{
    struct disk_owner *o = hash_get(disks->owners, name);

    if (o)
        return o;
    o = calloc(1, sizeof(*o) + strlen(name) + 1);
    if (!o)
        return NULL;
    memcpy(o->name, name, strlen(name) + 1);
    list_init(&o->items);
    list_init(&o->dirty);
    if (hash_put(disks->owners, o->name, o) < 0) {
        free(o);
        return NULL;
    }
    return o;
}

static struct disk_item *item_get(struct disks *disks, uint64_t id, const char *owner)
{
    struct disk_item *item = hash_get_u64(disks->items, id);
    struct disk_owner *o = item ? NULL : owner_get(disks, owner);

    if (item || !o)
        return item;
    item = calloc(1, sizeof(*item));
    if (!item || hash_put_u64(disks->items, id, item) < 0) {
        free(item);
        return NULL;
    }
    item->id = id;
    item->owner = o;
    list_init(&item->todo);
    list_append(&o->items, &item->link);
    return item;
}

void disk_item_drop(struct disks *disks, struct disk_item *item)
{
    hash_remove_u64(disks->items, item->id);
    list_remove(&item->link);
    list_remove(&item->todo);
    disks->n_waiting -= item->is_waiting;
    free(item);
}

const struct disk *disks_next(struct core *core, const char *owner, uint64_t after)
{
    const struct disk_owner *o = hash_get(core->disks->owners, owner);

    if (!o)
        return NULL;
    list_for_each (it, &o->items) {
        const struct disk_item *item = list_entry(it, struct disk_item, link);
        const struct disk *disk = item->id > after ? disks_get_staged(core, item->id) : NULL;

        if (disk)
            return disk;
    }
    return NULL;
}

/* ---- what a job takes ---- */

/* The one it has already, or had: personal ones by template and name. Staged or published. */
static const struct disk *find(struct core *core, const struct job_spec *spec, uint64_t job,
                               const struct config_disk *d, bool staged)
{
    uint32_t persistence = disk_word(disk_persistence_names, d->persistence);
    const struct disk_owner *o = hash_get(core->disks->owners, spec->owner);

    if (persistence == DISK_DISCARD || !o)
        return NULL;
    list_for_each (it, &o->items) {
        const struct disk_item *item = list_entry(it, struct disk_item, link);
        const struct disk *disk = disks_get_staged(core, item->id);
        const struct disk *seen = staged || !disk ? disk : disks_get(core, item->id);

        if (seen && (seen->state == DISK_FREE || seen->state == DISK_LEASED) &&
            seen->persistence == persistence && str_equal(seen->name, d->name) &&
            (persistence == DISK_JOB ? seen->job == job
                                     : str_equal(seen->template_name, spec->template_name)))
            return seen;
    }
    return NULL;
}

struct sum {
    uint64_t n, gib;
};

/* What counts against a quota; with `lasting` only what no job's end frees. */
static struct sum count(struct core *core, const char *owner, bool lasting)
{
    const struct disk_owner *o = hash_get(core->disks->owners, owner);
    struct sum sum = {0};

    if (!o || (!core->config->disks_max && !core->config->disk_space_max_gib))
        return sum; /* nobody asks */
    list_for_each (it, &o->items) {
        const struct disk *disk =
            disks_get_staged(core, list_entry(it, struct disk_item, link)->id);

        if (!disk || !disks_is_live(disk) || (lasting && disk->persistence != DISK_PERSONAL))
            continue;
        sum.n++;
        sum.gib += disk->size_gib;
    }
    return sum;
}

static bool is_over(const struct config *c, struct sum sum, struct sum more)
{
    return more.n && ((c->disks_max && sum.n + more.n > c->disks_max) ||
                      (c->disk_space_max_gib && sum.gib + more.gib > c->disk_space_max_gib));
}

static int refuse_quota(const struct config *c, struct sum sum, struct sum more,
                        struct vdi_error *err)
{
    bool is_number = c->disks_max && sum.n + more.n > c->disks_max;
    char limit[48];

    if (is_number) {
        snprintf(limit, sizeof(limit), "%u disks", c->disks_max);
        error_set(err, EDQUOT, "disks_max",
                  "you have %" PRIu64 " disks, and the job would make %" PRIu64 " more", sum.n,
                  more.n);
    } else {
        snprintf(limit, sizeof(limit), "%u GiB", c->disk_space_max_gib);
        error_set(err, EDQUOT, "disk_space_max",
                  "your disks have %" PRIu64 " GiB, and the job would make %" PRIu64 " GiB more",
                  sum.gib, more.gib);
    }
    error_hint(err, limit, "vdictl disk list shows them, vdictl disk delete makes room");
    return -EDQUOT;
}

static struct sum missing(struct core *core, const struct config_template *t,
                          const struct job_spec *spec, uint64_t job)
{
    struct sum sum = {0};

    for (size_t i = 0; i < t->n_disks; i++) {
        if (find(core, spec, job, &t->disks[i], true))
            continue;
        sum.n++;
        sum.gib += t->disks[i].size_gib;
    }
    return sum;
}

int disks_check(struct core *core, const struct job_spec *spec, struct vdi_error *err)
{
    const struct config_template *t = config_template(core->config, spec->template_name);
    struct sum lasting, more;

    if (!t || !t->n_disks)
        return 0;
    lasting = count(core, spec->owner, true);
    more = missing(core, t, spec, 0);
    return is_over(core->config, lasting, more) ? refuse_quota(core->config, lasting, more, err)
                                                : 0;
}

static int add_create(struct core *core, struct txn *txn, const struct job *job,
                      const struct config_disk *d, uint64_t *ret, struct vdi_error *err)
{
    struct disk_event event = disks_event(core, DISK_EVENT_CREATE, "");
    struct disk_item *item;

    event.persistence = disk_word(disk_persistence_names, d->persistence);
    event.where = disk_word(disk_where_names, d->where);
    event.size_gib = d->size_gib;
    event.job = job->id;
    str_copy(event.name, sizeof(event.name), d->name);
    str_copy(event.owner, sizeof(event.owner), job->spec->owner);
    str_copy(event.template_name, sizeof(event.template_name), job->spec->template_name);
    if (digest_random_hex(DISK_TOKEN_CHARS / 2, event.token) < 0)
        return error_set(err, EIO, "", "the kernel gives no random bytes");
    *ret = events_next_id(core->events, NOUN_DISK);
    item = item_get(core->disks, *ret, job->spec->owner);
    if (!item)
        return error_set(err, ENOMEM, "", "out of memory");
    disk_touch(core->disks, item); /* dropped if it is not kept */
    return txn_add(txn, NOUN_DISK, *ret, NULL, &event, err);
}

int disks_add_alloc(struct core *core, struct txn *txn, const struct job *job, uint64_t instance,
                    uint32_t generation, const char *node, struct vdi_error *err)
{
    const struct config_template *t = config_template(core->config, job->spec->template_name);
    struct disk_event lease = disks_event(core, DISK_EVENT_LEASE, "");
    struct sum more;
    int r = 0;

    if (!t || !t->n_disks)
        return 0;
    more = missing(core, t, job->spec, job->id);
    if (is_over(core->config, count(core, job->spec->owner, false), more))
        return refuse_quota(core->config, count(core, job->spec->owner, false), more, err);
    lease.job = job->id;
    lease.instance = instance;
    lease.generation = generation;
    lease.epoch = events_epoch(core->events);
    str_copy(lease.node, sizeof(lease.node), node);
    for (size_t i = 0; r >= 0 && i < t->n_disks; i++) {
        const struct disk *has = find(core, job->spec, job->id, &t->disks[i], true);
        uint64_t id = has ? has->id : 0;

        if (!id)
            r = add_create(core, txn, job, &t->disks[i], &id, err);
        if (r >= 0)
            r = txn_add(txn, NOUN_DISK, id, NULL, &lease, err);
    }
    return r;
}

size_t disks_of(struct core *core, const struct instance *in, const struct disk **ret)
{
    const struct disk *disk = NULL;
    size_t n = 0;

    while (n < DISKS_MAX && (disk = disks_next(core, in->owner, disk ? disk->id : 0)))
        if (disk->state == DISK_LEASED && disk->instance == in->id &&
            disk->generation == in->generation)
            ret[n++] = disk;
    return n;
}

int disks_add_gone(struct core *core, struct txn *txn, const struct instance *in)
{
    struct disk_event event = disks_event(core, DISK_EVENT_RELEASE, "");
    const struct disk *all[DISKS_MAX];
    size_t n = disks_of(core, in, all);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = txn_add(txn, NOUN_DISK, all[i]->id, NULL, &event, NULL);
    return r;
}

void disks_write_fate(struct core *core, const struct config_disk *d, const struct job_spec *spec,
                      struct buf *out)
{
    const struct disk *has = find(core, spec, 0, d, false);
    uint32_t persistence = disk_word(disk_persistence_names, d->persistence);

    buf_printf(out, "disk '%s' (%u GiB at %s): ", d->name, has ? has->size_gib : d->size_gib,
               d->target);
    if (persistence == DISK_DISCARD)
        buf_puts(out, "what is on it is gone when the instance ends, also when the job is queued "
                      "again");
    else if (persistence == DISK_JOB)
        buf_puts(out, "kept until the job has ended, over requeues and saves; then it is gone");
    else if (has)
        buf_printf(out, "your personal disk %" PRIu64 "%s%s, kept until you delete it", has->id,
                   *has->node && has->where == DISK_NODE ? " on " : "",
                   has->where == DISK_NODE ? has->node : "");
    else
        buf_puts(out, "a personal disk, made at the start and kept until you delete it: vdictl "
                      "disk delete");
}

/* ---- the planner ---- */

/* Has it, rather than waits for it. */
static bool holds_node(const struct job *job)
{
    return job->state == JOB_CONFIGURING || job->state == JOB_RUNNING ||
           job->state == JOB_COMPLETING;
}

/* Goes from its node when the job that holds it ends. */
static bool goes_with(const struct disk *disk, const struct job *job)
{
    return disk->where == DISK_NODE && disk->persistence != DISK_PERSONAL &&
           disk->state == DISK_LEASED && job && job->instance == disk->instance && holds_node(job);
}

static uint32_t gib_that_goes(struct core *core, const struct job *job)
{
    const struct disk *disk = NULL;
    uint64_t gib = 0;

    while ((disk = disks_next(core, job->spec->owner, disk ? disk->id : 0))) {
        const struct disk *seen = disks_get(core, disk->id);

        if (seen && seen->job == job->id && goes_with(seen, job))
            gib += seen->size_gib;
    }
    return gib < UINT32_MAX ? (uint32_t)gib : UINT32_MAX;
}

/* One that is there: it is in use, or says where the job starts. */
static void plan_has(const struct disk *has, struct plan_terms *io)
{
    if (has->state == DISK_LEASED ||
        (has->where == DISK_NODE && *has->node && *io->node && !str_equal(io->node, has->node)))
        io->block = PLAN_DISK_BUSY;
    if (has->where == DISK_NODE && *has->node)
        str_copy(io->node, sizeof(io->node), has->node);
}

static void plan_waiting(struct core *core, const struct config_template *t, const struct job *job,
                         struct plan_terms *io)
{
    struct sum more = {0};
    uint64_t gib = 0;

    for (size_t i = 0; i < t->n_disks; i++) {
        const struct config_disk *d = &t->disks[i];
        const struct disk *has = find(core, job->spec, job->id, d, false);

        if (has) {
            plan_has(has, io);
            continue;
        }
        more.n++;
        more.gib += d->size_gib;
        if (disk_word(disk_where_names, d->where) == DISK_NODE)
            gib += d->size_gib;
    }
    io->gib = gib < UINT32_MAX ? (uint32_t)gib : UINT32_MAX;
    if (io->block == PLAN_DISK_FREE &&
        is_over(core->config, count(core, job->spec->owner, false), more))
        io->block = PLAN_DISK_QUOTA;
}

void disks_plan(struct core *core, const struct job *job, struct plan_terms *ret)
{
    const struct config_template *t;

    *ret = (struct plan_terms){.gib = 0};
    if (job->state == JOB_PENDING) {
        t = config_template(core->config, job->spec->template_name);
        if (t && t->n_disks)
            plan_waiting(core, t, job, ret);
    } else if (holds_node(job) && hash_get(core->disks->owners, job->spec->owner)) {
        ret->gib = gib_that_goes(core, job);
    }
}

void disks_explain(struct core *core, const struct job *job, struct plan_blocker *b)
{
    const struct config_template *t = config_template(core->config, job->spec->template_name);
    const struct disk *first = NULL;

    for (size_t i = 0; t && i < t->n_disks; i++) {
        const struct disk *has = find(core, job->spec, job->id, &t->disks[i], false);
        const struct job *holder = has ? core_job(core, has->job) : NULL;

        if (has && has->state == DISK_LEASED) {
            b->job = has->job == job->id ? 0 : has->job;
            b->until_usec = holder && holder != job ? job_limit_usec(holder) : 0;
            if (b->job)
                snprintf(b->subject, sizeof(b->subject), "disk %" PRIu64 " (%.40s)", has->id,
                         has->name);
            else
                snprintf(b->subject, sizeof(b->subject), "disk %" PRIu64 ", lost with %.30s",
                         has->id, has->node);
            return;
        }
        if (has && has->where == DISK_NODE && first && !str_equal(first->node, has->node))
            snprintf(b->subject, sizeof(b->subject),
                     "disks %" PRIu64 " and %" PRIu64 " are on different nodes", first->id,
                     has->id);
        if (has && has->where == DISK_NODE && *has->node)
            first = has;
    }
}

int64_t disks_foreseen_usec(struct core *core, const struct job *job)
{
    struct plan_terms terms;
    struct plan_blocker b = {.type = PLAN_BLOCK_DISK_BUSY};
    const struct job *holder;

    disks_plan(core, job, &terms);
    if (terms.block == PLAN_DISK_FREE)
        return 0;
    disks_explain(core, job, &b);
    holder = terms.block == PLAN_DISK_BUSY && b.job ? core_job(core, b.job) : NULL;
    return holder && !job_state_is_end(holder->state) ? foresee_end_usec(core, holder)
                                                      : FORESEE_NEVER;
}

static struct disk_store *store_get(struct disks *disks, const char *node)
{
    struct disk_store *s = hash_get(disks->stores, node);

    if (s)
        return s;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    str_copy(s->node, sizeof(s->node), node);
    if (hash_put(disks->stores, s->node, s) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

static void add_stored(struct disks *disks, const char *node, int64_t gib)
{
    struct disk_store *s = *node && gib ? store_get(disks, node) : NULL;

    if (!s)
        return;
    s->gib = (uint64_t)((int64_t)s->gib + gib);
    queue_stored(disks->core->queue, node, s->gib < UINT32_MAX ? (uint32_t)s->gib : UINT32_MAX);
}

/* What of it stays on its node, whoever's job ends there. */
static void recount(struct disks *disks, struct disk_item *item)
{
    const struct disk *disk = disks_get(disks->core, item->id);
    bool is_stored = disks_is_live(disk) && disk->where == DISK_NODE && *disk->node &&
                     !goes_with(disk, core_job(disks->core, disk->job));
    uint32_t gib = is_stored ? disk->size_gib : 0;

    if (gib == item->gib && (!gib || str_equal(item->node, disk->node)))
        return;
    add_stored(disks, item->node, -(int64_t)item->gib);
    item->gib = gib;
    str_copy(item->node, sizeof(item->node), gib ? disk->node : "");
    add_stored(disks, item->node, gib);
}

/* ---- what changed ---- */

static void mark_dirty(struct disks *disks, struct disk_owner *o)
{
    if (!o->is_dirty)
        list_append(&disks->dirty, &o->dirty);
    o->is_dirty = true;
    source_rearm(disks->soon, 0);
}

static bool has_disks(struct core *core, const struct job *job)
{
    const struct config_template *t = config_template(core->config, job->spec->template_name);

    return t && t->n_disks;
}

static void plan_owner(struct disks *disks, struct disk_owner *o)
{
    struct core *core = disks->core;
    uint64_t id = 0;

    while ((id = job_index_next(core->mine, o->name, id))) {
        const struct job *job = core_job(core, id);

        if (job && job->state == JOB_PENDING && str_equal(job->spec->owner, o->name) &&
            has_disks(core, job))
            queue_again(core->queue, job);
    }
}

static void plan_some(struct disks *disks)
{
    struct table *t = events_table(disks->core->events, NOUN_JOB);
    size_t i = table_after(t, disks->walk), n = 0;

    for (; i < table_end(t) && n < WALK_JOBS; i++, n++) {
        const struct slot *slot = table_at(t, i);
        const struct job *job = slot ? slot->pub : NULL;

        if (slot)
            disks->walk = slot->id;
        if (job && job->state == JOB_PENDING)
            queue_again(disks->core->queue, job);
    }
    if (i == table_end(t))
        disks->walk = UINT64_MAX;
    else
        source_rearm(disks->soon, 0);
}

static void on_soon(void *arg)
{
    struct disks *disks = arg;

    if (disks->core->stopping)
        return;
    list_for_each_safe (it, &disks->dirty) {
        struct disk_owner *o = list_entry(it, struct disk_owner, dirty);

        list_remove(it);
        o->is_dirty = false;
        plan_owner(disks, o);
    }
    if (disks->walk != UINT64_MAX)
        plan_some(disks);
    disk_act_todo(disks);
}

static void published_disk(struct disks *disks, const struct disk *disk)
{
    struct core *core = disks->core;
    struct disk_item *item = item_get(disks, disk->id, disk->owner);
    const struct job *job = core_job(core, disk->job);

    if (!item) {
        log_error("disk %" PRIu64 ": no memory; it is looked after from the next start on",
                  disk->id);
        return;
    }
    recount(disks, item);
    if (job && holds_node(job))
        queue_again(core->queue, job);
    mark_dirty(disks, item->owner);
    if (disk->state == DISK_GONE) {
        sweep_later(core, NOUN_DISK, disk->id, NULL);
        disk_item_drop(disks, item);
        return;
    }
    disk_touch(disks, item);
}

/* A job or an instance of that owner is another now. */
static void look_at(struct disks *disks, const char *owner, uint64_t job, uint64_t instance)
{
    struct disk_owner *o = hash_get(disks->owners, owner);

    if (!o)
        return;
    list_for_each (it, &o->items) {
        struct disk_item *item = list_entry(it, struct disk_item, link);
        const struct disk *disk = disks_get(disks->core, item->id);

        if (!disk || ((!job || disk->job != job) && (!instance || disk->instance != instance)))
            continue;
        recount(disks, item);
        disk_touch(disks, item);
    }
}

void disks_published(struct disks *disks, const struct published *p)
{
    if (p->noun == NOUN_DISK)
        published_disk(disks, p->now);
    else if (p->noun == NOUN_JOB)
        look_at(disks, ((const struct job *)p->now)->spec->owner, p->id, 0);
    else if (p->noun == NOUN_INSTANCE)
        look_at(disks, ((const struct instance *)p->now)->owner, 0, p->id);
}

void disks_configured(struct disks *disks)
{
    disks->walk = 0;
    source_rearm(disks->soon, 0);
}

/* ---- begin and end ---- */

void disks_load(struct disks *disks)
{
    struct table *t = events_table(disks->core->events, NOUN_DISK);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct disk *disk = slot ? slot->pub : NULL;
        struct disk_item *item;

        if (disk && disk->state == DISK_GONE)
            sweep_later(disks->core, NOUN_DISK, disk->id, NULL);
        item = disks_is_live(disk) ? item_get(disks, disk->id, disk->owner) : NULL;
        if (item)
            recount(disks, item);
    }
}

void disks_recover(struct disks *disks)
{
    void *item;

    for (size_t i = 0; hash_next(disks->items, &i, &item);)
        disk_touch(disks, item);
}

struct disks *disks_new(struct core *core)
{
    struct disks *disks = calloc(1, sizeof(*disks));

    if (!disks)
        return NULL;
    disks->core = core;
    disks->walk = UINT64_MAX;
    list_init(&disks->todo);
    list_init(&disks->dirty);
    disks->items = hash_new_u64();
    disks->owners = hash_new_str();
    disks->stores = hash_new_str();
    disks->reports = hash_new_str();
    disks->soon = loop_timer(core->loop, -1, on_soon, disks);
    disks->again = loop_timer(core->loop, -1, disk_act_again, disks);
    if (disks->items && disks->owners && disks->stores && disks->reports && disks->soon &&
        disks->again)
        return disks;
    disks_free(disks);
    return NULL;
}

static void free_all(struct hash *h, void (*free_one)(void *value))
{
    void *value;

    for (size_t i = 0; h && hash_next(h, &i, &value);)
        free_one(value);
    hash_free(h);
}

static void free_report(void *value)
{
    disk_report_free(value);
}

void disks_free(struct disks *disks)
{
    if (!disks)
        return;
    source_free(disks->soon);
    source_free(disks->again);
    free_all(disks->items, free);
    free_all(disks->owners, free);
    free_all(disks->stores, free);
    free_all(disks->reports, free_report);
    free(disks);
}
