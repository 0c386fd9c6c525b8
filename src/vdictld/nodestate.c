/* SPDX-License-Identifier: Apache-2.0 */
/* nodestate.c - nodes going, coming back and dying, and their jobs with them. */
#include "vdictld/nodestate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/inventory.h"
#include "codec/site_report.h"
#include "vdictld/disks.h"
#include "vdictld/images.h"
#include "vdictld/life.h"
#include "vdictld/nodelink.h"
#include "wire/link.h"

static struct node_event node_event(struct core *core, enum node_event_type type,
                                    const char *reason)
{
    struct node_event event = {.type = type, .time_usec = loop_now_usec(core->loop)};

    str_copy(event.by, sizeof(event.by), CORE_SELF);
    str_copy(event.reason, sizeof(event.reason), reason);
    return event;
}

/* Is it there, with all its other nodes up when it is to be reachable? */
static bool is_meant(struct core *core, const struct job *job, const char *name, bool unreachable)
{
    bool is_there = false, are_up = true;

    if (job_spec_nodes(job->spec) == 1)
        return str_equal(job->node, name);
    for (uint32_t i = 0; i < job_spec_nodes(job->spec); i++) {
        const struct instance *in = core_instance_staged(core, job->instance + i);
        const struct node *node = in ? core_node_staged(core, in->node) : NULL;

        if (!in)
            continue;
        is_there |= str_equal(in->node, name);
        are_up &= str_equal(in->node, name) || (node && node->up);
    }
    return is_there && (unreachable || are_up);
}

/* UNREACHABLE or REACHABLE for every job of the node that is not so yet. */
static int add_jobs(struct core *core, struct txn *txn, const char *node, bool unreachable,
                    const char *reason)
{
    struct table *t = events_table(core->events, NOUN_JOB);
    struct job_event event = core_job_event(
        core, unreachable ? JOB_EVENT_UNREACHABLE : JOB_EVENT_REACHABLE, CORE_SELF, reason);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct job *job = slot ? slot->staged : NULL;
        int r;

        if (!job || !job_state_is_active(job->state) || job->unreachable == unreachable ||
            !is_meant(core, job, node, unreachable))
            continue;
        r = core_add_job(txn, job->id, &event, NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

static void commit(struct txn *txn, int r, const char *node)
{
    if (r >= 0) {
        txn_commit(txn, NULL, NULL); /* if it fails the next round finds the same again */
        return;
    }
    log_error("node %s: its state could not be written down", node);
    txn_abort(txn);
}

static void change(struct core *core, const char *node, enum node_event_type type,
                   const char *reason)
{
    struct node_event event = node_event(core, type, reason);
    struct txn *txn = txn_new(core->events);
    int r = txn ? txn_add(txn, NOUN_NODE, 0, node, &event, NULL) : -ENOMEM;

    if (r >= 0 && type == NODE_EVENT_DOWN)
        r = add_jobs(core, txn, node, true, reason);
    commit(txn, r, node);
}

void nodestate_drain(struct core *core, const char *node, const char *reason)
{
    change(core, node, NODE_EVENT_DRAIN, reason);
}

/* Every live instance there is lost; their jobs come back if they may. What is saved outlives a
 * boot, and nobody's patience with a silent node is its end. */
static void abandon_all(struct core *core, const char *node, const char *reason)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;

        if (in && in->state != INSTANCE_GONE && in->state != INSTANCE_SAVED &&
            str_equal(in->node, node))
            life_abandon(core, in, reason);
    }
}

void nodestate_boot(struct core *core, const char *name, const char *boot_id)
{
    const struct node *node = core_node_staged(core, name);

    if (!node || !node->boot_id[0] || str_equal(node->boot_id, boot_id))
        return;
    log_warning("node %s has booted anew: what ran there is lost", name);
    abandon_all(core, name, "its node rebooted");
}

void nodestate_silent(struct core *core, const struct node *node, int64_t silent_usec)
{
    const struct config *c = core->config;
    char reason[96];

    if (!node->known || !silent_usec)
        return;
    if (node->up && silent_usec >= c->node_down_after_sec * USEC_PER_SEC) {
        snprintf(reason, sizeof(reason), "silent for %" PRId64 " s", silent_usec / USEC_PER_SEC);
        log_warning("node %s is down: %s", node->name, reason);
        change(core, node->name, NODE_EVENT_DOWN, reason);
    } else if (!node->up && !node->failed && silent_usec >= c->node_fail_after_sec * USEC_PER_SEC) {
        log_warning("node %s is given up: silent for %" PRId64 " s", node->name,
                    silent_usec / USEC_PER_SEC);
        change(core, node->name, NODE_EVENT_FAIL, "silent for longer than node_fail_after");
        abandon_all(core, node->name, "its node is silent for longer than node_fail_after");
    }
}

/* ---- return ---- */

static bool inventory_has(const struct inventory *inv, const struct instance *in)
{
    for (size_t i = 0; i < inv->n; i++)
        if (inv->instances[i].id.id == in->id && inv->instances[i].id.generation == in->generation)
            return true;
    return false;
}

/* Behind damage a record that is missing may only have been lost: nothing that runs is hurt. */
static bool stop_stranger(struct core *core, const char *node, struct vdi_instance_id id,
                          void (*stop)(void *arg, struct vdi_instance_id id), void *arg)
{
    if (!core_instance_staged(core, id.id) && events_damaged(core->events)) {
        log_warning("node %s has instance %" PRIu64 ".%u, whose record may have been lost: left "
                    "alone; an operator decides",
                    node, id.id, id.generation);
        return false;
    }
    stop(arg, id);
    return true;
}

static bool is_gone(const char *report)
{
    struct site_report said;

    return site_report_decode(report, &said, NULL) >= 0 && said.state == SITE_STATE_GONE;
}

/* True when something runs there that has to be stopped first. */
static bool stop_strangers(struct core *core, const char *node, const struct inventory *inv,
                           void (*stop)(void *arg, struct vdi_instance_id id), void *arg)
{
    bool any = false;

    for (size_t i = 0; i < inv->n; i++) {
        const struct inventory_instance *it = &inv->instances[i];
        const struct instance *in = core_instance_staged(core, it->id.id);

        if (in && in->state != INSTANCE_GONE && in->generation == it->id.generation &&
            str_equal(in->node, node))
            life_instance_report(core, it->id, it->report);
        else if (!is_gone(it->report))
            any |= stop_stranger(core, node, it->id, stop, arg);
    }
    return any;
}

static void find_lost(struct core *core, const char *node, const struct inventory *inv)
{
    struct table *t = events_table(core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->staged : NULL;

        /* What was only just ordered, or is being stopped, is looked after by its own order. */
        if (!in || !str_equal(in->node, node) || in->state < INSTANCE_BUILDING ||
            in->state >= INSTANCE_STOPPING || inventory_has(inv, in))
            continue;
        life_abandon(core, in, "its node no longer has it");
    }
}

struct kept {
    struct core *core;
    char name[LINK_NODE_MAX];
};

/* Nobody else finds out: the node is there, so no round looks at it. */
static void inventory_kept(void *arg, int result, const struct vdi_error *err)
{
    struct kept *kept = arg;

    if (result < 0 && !kept->core->stopping)
        nodelink_ask(kept->core->links, kept->name);
    free(kept);
}

static void commit_inventory(struct core *core, struct txn *txn, int r, const char *name)
{
    struct kept *kept = r < 0 ? NULL : calloc(1, sizeof(*kept));

    if (!kept) {
        log_error("node %s: its state could not be written down", name);
        txn_abort(txn);
        nodelink_ask(core->links, name);
        return;
    }
    kept->core = core;
    str_copy(kept->name, sizeof(kept->name), name);
    txn_commit(txn, inventory_kept, kept);
}

int nodestate_inventory(struct core *core, const char *name, const char *boot_id, const char *json,
                        bool is_fresh, void (*stop)(void *arg, struct vdi_instance_id id),
                        void *arg, struct vdi_error *err)
{
    struct node_event event;
    struct inventory inv;
    struct txn *txn;
    bool strangers;
    int r = inventory_decode(json, &inv, err);

    if (r < 0)
        return r;
    strangers = stop_strangers(core, name, &inv, stop, arg);
    find_lost(core, name, &inv);
    /* A node that says it can't serve is down by its own word until it says otherwise. */
    event = node_event(core, inv.out_of_service[0] ? NODE_EVENT_DOWN : NODE_EVENT_UP,
                       inv.out_of_service);
    event.cpus = inv.cpus;
    event.memory_mib = inv.memory_mib;
    str_copy(event.boot_id, sizeof(event.boot_id), boot_id);
    str_copy(event.version, sizeof(event.version), inv.version);
    txn = txn_new(core->events);
    r = txn ? 0 : -ENOMEM;
    if (r >= 0 && (!strangers || event.type == NODE_EVENT_DOWN))
        r = txn_add(txn, NOUN_NODE, 0, name, &event, err);
    if (r >= 0)
        r = add_jobs(core, txn, name, false, "");
    commit_inventory(core, txn, r, name);
    images_node(core, name, &inv);
    disks_inventory(core, name, &inv, is_fresh);
    inventory_done(&inv);
    return r;
}
