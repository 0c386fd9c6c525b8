/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_act.c - the one next thing for each disk, from what is committed; what nodes say they have.
 *
 * Each is safe to do twice, and is done again after a restart, a failed commit or a node that
 * was away: nothing of it is written down before it has happened.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "codec/site_report.h"
#include "vdictld/disk_impl.h"
#include "vdictld/nodelink.h"
#include "vdictld/site.h"

#define RETRY_USEC (5 * USEC_PER_SEC)
#define TODO_MAX 500 /* in one go */

void disk_touch(struct disks *disks, struct disk_item *item)
{
    if (!item->is_todo)
        list_append(&disks->todo, &item->todo);
    item->is_todo = true;
    source_rearm(disks->soon, 0);
}

/* Looked at again after a while. */
static void wait_for_it(struct disks *disks, struct disk_item *item)
{
    if (!item->is_waiting && !disks->n_waiting++)
        source_rearm(disks->again, RETRY_USEC);
    item->is_waiting = true;
}

void disk_act_again(void *arg)
{
    struct disks *disks = arg;
    void *value;

    for (size_t i = 0; hash_next(disks->items, &i, &value);) {
        struct disk_item *item = value;

        if (item->is_waiting)
            disk_touch(disks, item);
        item->is_waiting = false;
    }
    disks->n_waiting = 0;
}

/* ---- one event ---- */

/* What comes back finds its disk by its id: it may be gone by then. */
struct doing {
    struct disks *disks;
    uint64_t id;
};

static struct doing *doing_new(struct disks *disks, struct disk_item *item)
{
    struct doing *d = calloc(1, sizeof(*d));

    if (d)
        *d = (struct doing){disks, item->id};
    return d;
}

static void committed(void *arg, int result, const struct vdi_error *err)
{
    _cleanup_(freep) struct doing *d = arg;
    struct disk_item *item = hash_get_u64(d->disks->items, d->id);

    if (!item)
        return;
    item->is_busy = false;
    if (result < 0)
        wait_for_it(d->disks, item);
    else
        disk_touch(d->disks, item);
}

static void commit(struct disks *disks, struct disk_item *item, enum disk_event_type type,
                   const char *reason)
{
    struct disk_event event = disks_event(disks->core, type, reason);
    struct doing *d = doing_new(disks, item);
    struct txn *txn = d ? txn_new(disks->core->events) : NULL;

    if (!txn || txn_add(txn, NOUN_DISK, item->id, NULL, &event, NULL) < 0) {
        txn_abort(txn);
        free(d);
        wait_for_it(disks, item);
        return;
    }
    item->is_busy = true;
    txn_commit(txn, committed, d);
}

/* ---- a volume is to go ---- */

static void removed(void *arg, int result, const char *body, const char *reason)
{
    _cleanup_(freep) struct doing *d = arg;
    struct disk_item *item = hash_get_u64(d->disks->items, d->id);

    if (!item || d->disks->core->stopping)
        return;
    item->is_busy = false;
    if (result >= 0) {
        commit(d->disks, item, DISK_EVENT_GONE, "");
        return;
    }
    item->n_asks++;
    if (result != -EBUSY && result != -ENOTCONN)
        log_warning("disk %" PRIu64 ": its volume could not be removed: %s", d->id,
                    str_is_empty(reason) ? strerror(-result) : reason);
    wait_for_it(d->disks, item);
}

static bool is_up(const struct node *node)
{
    return node && !node->removed && node->up;
}

/* Who can remove it: its node; of a shared one any that is there, another each time. */
static const char *remover(struct core *core, const struct disk *disk, unsigned n_asks)
{
    struct table *t = events_table(core->events, NOUN_NODE);
    size_t end = table_end(t);

    if (is_up(core_node(core, disk->node)) && (disk->where == DISK_NODE || !n_asks))
        return disk->node;
    for (size_t i = 0; disk->where == DISK_SHARED && i < end; i++) {
        const struct slot *slot = table_at(t, (i + n_asks) % end);
        const struct node *node = slot ? slot->pub : NULL;

        if (is_up(node))
            return node->name;
    }
    return NULL;
}

static void act_deleting(struct disks *disks, struct disk_item *item, const struct disk *disk)
{
    struct core *core = disks->core;
    const char *node = remover(core, disk, item->n_asks);
    char volume[DISK_VOLUME_MAX], body[128];
    struct doing *d;

    if (!*disk->node || (!core->links && site_nodes_always_up(core->site))) {
        commit(disks, item, DISK_EVENT_GONE, ""); /* nobody can have a volume of it */
        return;
    }
    d = node && core->links ? doing_new(disks, item) : NULL;
    if (!d) {
        wait_for_it(disks, item);
        return;
    }
    snprintf(body, sizeof(body), "{\"volume\":\"%s\",\"where\":\"%s\"}", disk_volume(disk, volume),
             disk_where_names[disk->where]);
    item->is_busy = true;
    if (nodelink_order(core->links, node, "discard", (struct vdi_instance_id){0}, body, removed,
                       d) >= 0)
        return;
    item->is_busy = false;
    free(d);
    wait_for_it(disks, item);
}

/* ---- by state ---- */

/* Its record may be lost where the store was damaged: then nothing is concluded from that. */
static bool is_gone(struct core *core, const struct instance *in)
{
    return in ? in->state == INSTANCE_GONE : !events_damaged(core->events);
}

static void act_leased(struct disks *disks, struct disk_item *item, const struct disk *disk)
{
    const struct instance *in = core_instance_staged(disks->core, disk->instance);

    if (disk->where == DISK_NODE && is_gone(disks->core, in))
        commit(disks, item, DISK_EVENT_RELEASE, "");
    else if (!disk->is_made && in && in->state >= INSTANCE_BUILDING &&
             in->state < INSTANCE_STOPPING)
        commit(disks, item, DISK_EVENT_MADE, "");
}

static void act_free(struct disks *disks, struct disk_item *item, const struct disk *disk)
{
    const struct job *job = core_job_staged(disks->core, disk->job);

    if (disk->persistence == DISK_DISCARD)
        commit(disks, item, DISK_EVENT_DELETE, "its instance ended");
    else if (disk->persistence == DISK_JOB &&
             (job ? job_state_is_end(job->state) : !events_damaged(disks->core->events)))
        commit(disks, item, DISK_EVENT_DELETE, "its job ended");
}

static void act(struct disks *disks, struct disk_item *item)
{
    const struct disk *staged = disks_get_staged(disks->core, item->id);
    const struct disk *disk = disks_get(disks->core, item->id);

    if (item->is_busy)
        return;
    if (staged != disk) {
        wait_for_it(disks, item); /* comes again when that is published, and if it fails */
        return;
    }
    if (!disk) {
        disk_item_drop(disks, item); /* it was not kept */
        return;
    }
    switch ((enum disk_state)disk->state) {
    case DISK_LEASED:
        act_leased(disks, item, disk);
        break;
    case DISK_FREE:
        act_free(disks, item, disk);
        break;
    case DISK_DELETING:
        act_deleting(disks, item, disk);
        break;
    default:
        break;
    }
}

void disk_act_todo(struct disks *disks)
{
    unsigned n = 0;

    list_for_each_safe (it, &disks->todo) {
        struct disk_item *item = list_entry(it, struct disk_item, todo);

        if (n++ == TODO_MAX) {
            source_rearm(disks->soon, 0);
            return;
        }
        list_remove(it);
        item->is_todo = false;
        act(disks, item);
    }
}

/* ---- what nodes say ---- */

void disk_report_free(struct disk_report *report)
{
    free(report->volumes);
    free(report);
}

bool disk_is_stranger(struct core *core, const struct inventory_volume *v)
{
    const struct disk *disk;
    char volume[DISK_VOLUME_MAX];
    uint64_t id;

    if (!disk_volume_parse(v->volume, &id))
        return true;
    disk = disks_get_staged(core, id);
    return !disks_is_live(disk) || !str_equal(disk_volume(disk, volume), v->volume);
}

bool disks_has_instance(const struct inventory *inv, uint64_t id, uint32_t generation)
{
    struct site_report said;

    for (size_t i = 0; i < inv->n; i++)
        if (inv->instances[i].id.id == id && inv->instances[i].id.generation == generation)
            return site_report_decode(inv->instances[i].report, &said, NULL) < 0 ||
                   said.state != SITE_STATE_GONE || !said.ended;
    return false;
}

/* The node does not have the instance any more: nobody writes the disk. By an inventory that was
 * asked for since the node is back: one from before may have crossed the order to start. */
static void release_lost(struct disks *disks, const char *node, const struct inventory *inv)
{
    void *value;

    for (size_t i = 0; hash_next(disks->items, &i, &value);) {
        struct disk_item *item = value;
        const struct disk *disk = disks_get_staged(disks->core, item->id);

        if (disk && !item->is_busy && disk->state == DISK_LEASED && disk->where == DISK_SHARED &&
            str_equal(disk->node, node) &&
            is_gone(disks->core, core_instance_staged(disks->core, disk->instance)) &&
            !disks_has_instance(inv, disk->instance, disk->generation))
            commit(disks, item, DISK_EVENT_RELEASE, "");
    }
}

static struct disk_report *report_get(struct disks *disks, const char *node)
{
    struct disk_report *report = hash_get(disks->reports, node);

    if (report)
        return report;
    report = calloc(1, sizeof(*report));
    if (!report)
        return NULL;
    str_copy(report->node, sizeof(report->node), node);
    if (hash_put(disks->reports, report->node, report) < 0) {
        free(report);
        return NULL;
    }
    return report;
}

void disks_inventory(struct core *core, const char *node, struct inventory *inv, bool is_fresh)
{
    struct disk_report *report = report_get(core->disks, node);
    size_t n_strangers = 0;

    if (is_fresh)
        release_lost(core->disks, node, inv);
    if (!report)
        return;
    free(report->volumes);
    report->volumes = TAKE_PTR(inv->volumes);
    report->n = inv->n_volumes;
    inv->n_volumes = 0;
    for (size_t i = 0; i < report->n; i++)
        n_strangers += disk_is_stranger(core, &report->volumes[i]);
    if (n_strangers && n_strangers != report->n_strangers)
        log_warning("node %s has %zu volumes of disks that nobody here knows: left alone; vdictl "
                    "disk list names them",
                    node, n_strangers);
    report->n_strangers = n_strangers;
}
