/* SPDX-License-Identifier: Apache-2.0 */
/* node.c - nodes and what each event makes of them; pure like job.c. */
#include "model/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char *const events[NODE_N_EVENTS] = {
    "define", "up", "down", "drain", "resume", "fail", "remove",
};

const char *node_event_name(enum node_event_type type)
{
    return (unsigned)type < NODE_N_EVENTS ? events[type] : "none";
}

int node_event_from(const char *name)
{
    for (int i = 0; i < NODE_N_EVENTS; i++)
        if (!strcmp(name, events[i]))
            return i;
    return -1;
}

struct node *node_ref(struct node *node)
{
    node->refs++;
    return node;
}

void node_unref(struct node *node)
{
    if (node && !--node->refs)
        free(node);
}

static void set_reason(struct node *node, const struct node_event *event)
{
    str_copy(node->reason, sizeof(node->reason), event->reason);
    str_copy(node->reason_by, sizeof(node->reason_by), event->by);
    node->reason_usec = event->reason[0] ? event->time_usec : 0;
}

static void apply_define(struct node *node, const struct node_event *event)
{
    node->cpus = event->cpus;
    node->memory_mib = event->memory_mib;
    node->disk_gib = event->disk_gib;
    node->encode_mpix = event->encode_mpix;
    node->software_encoder = event->software_encoder;
    node->gpus = event->gpus;
    str_copy(node->gpu_type, sizeof(node->gpu_type), event->gpu_type);
    str_copy(node->features, sizeof(node->features), event->features);
}

static void apply_up(struct node *node, const struct node_event *event)
{
    node->found_cpus = event->cpus;
    node->found_memory_mib = event->memory_mib;
    str_copy(node->boot_id, sizeof(node->boot_id), event->boot_id);
    str_copy(node->version, sizeof(node->version), event->version);
    node->state_usec = event->time_usec;
    node->known = node->up = true;
    node->failed = false;
    if (!node->drain)
        set_reason(node, event);
}

static void apply_down(struct node *node, const struct node_event *event)
{
    node->known = true;
    node->up = false;
    node->failed = event->type == NODE_EVENT_FAIL;
    node->state_usec = event->time_usec;
    if (!node->drain)
        set_reason(node, event);
}

static void apply_members(struct node *node, const struct node_event *event)
{
    switch (event->type) {
    case NODE_EVENT_DEFINE:
        apply_define(node, event);
        break;
    case NODE_EVENT_UP:
        apply_up(node, event);
        break;
    case NODE_EVENT_DOWN:
    case NODE_EVENT_FAIL:
        apply_down(node, event);
        break;
    case NODE_EVENT_DRAIN:
        node->drain = true;
        set_reason(node, event);
        break;
    case NODE_EVENT_RESUME:
        node->drain = false;
        set_reason(node, event);
        break;
    case NODE_EVENT_REMOVE:
        node->removed = true;
        node->up = false;
        break;
    case NODE_N_EVENTS:
        break;
    }
}

int node_apply(const struct node *old, const char *name, const struct node_event *event,
               struct node **ret, struct vdi_error *err)
{
    struct node *node;

    if ((unsigned)event->type >= NODE_N_EVENTS)
        return error_set(err, EPROTO, "type", "node event %u is not known", (unsigned)event->type);
    if (!old && event->type != NODE_EVENT_DEFINE)
        return error_set(err, ENOENT, "node", "there is no node '%s'", name);
    if (event->type == NODE_EVENT_RESUME && !old->drain)
        return error_set(err, EPROTO, "state", "node '%s' is not drained", name);
    if ((event->type == NODE_EVENT_DRAIN || event->type == NODE_EVENT_DOWN) && !event->reason[0])
        return error_set(err, EINVAL, "reason", "a node is not taken out without a reason");
    node = calloc(1, sizeof(*node));
    if (!node)
        return error_set(err, ENOMEM, "", "out of memory");
    if (old)
        *node = *old;
    node->refs = 1;
    str_copy(node->name, sizeof(node->name), name);
    if (event->type == NODE_EVENT_DEFINE)
        node->removed = false;
    apply_members(node, event);
    *ret = node;
    return 0;
}

bool node_has_feature(const struct node *node, const char *feature, size_t len)
{
    for (const char *p = node->features; *p;) {
        size_t n = strcspn(p, ",");

        if (n == len && !memcmp(p, feature, len))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

const char *node_state_name(const struct node *node, uint32_t cpus_used, uint32_t gpus_used,
                            uint32_t instances)
{
    if (!node->known)
        return "UNKNOWN";
    if (!node->up)
        return "DOWN";
    if (node->drain)
        return instances ? "DRAINING" : "DRAINED";
    if (!instances)
        return "IDLE";
    if (cpus_used >= node->cpus || (node->gpus && gpus_used >= node->gpus))
        return "ALLOCATED";
    return "MIXED";
}
