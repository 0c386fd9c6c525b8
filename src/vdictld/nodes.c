/* SPDX-License-Identifier: Apache-2.0 */
/* nodes.c - nodes and instances in the API, and the nodes of vdi.conf as events. */
#include "vdictld/nodes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/noun_codec.h"
#include "codec/request_input.h"
#include "vdictld/classes.h"
#include "vdictld/handlers.h"
#include "vdictld/nodelink.h"
#include "vdictld/queue.h"
#include "vdictld/silence.h"
#include "vdictld/site.h"

static void write_partitions(struct core *core, const char *node, struct buf *out)
{
    bool first = true;

    buf_puts(out, ",\"partitions\":[");
    for (size_t i = 0; i < core->config->n_partitions; i++) {
        const struct config_partition *p = &core->config->partitions[i];

        if (!config_names_has(&p->nodes, node))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        json_write_string(out, p->name);
    }
    buf_putc(out, ']');
}

static void write_node(struct core *core, const struct node *node, struct buf *out)
{
    const char *state, *reserved = classes_node_state(core, node->name);
    struct plan_usage used = {0};
    bool first = true;

    queue_usage(core->queue, node->name, &used);
    state = node_state_name(node, used.cpus, used.gpus, used.jobs);
    if (reserved &&
        (str_equal(state, "IDLE") || (str_equal(reserved, "MAINT") && node->up && !node->drain)))
        state = reserved;
    buf_putc(out, '{');
    fields_write(node_fields, node, FIELD_SHOW, out, &first);
    buf_printf(out,
               ",\"state\":\"%s\",\"cpus_used\":%u,\"memory_mib_used\":%u,"
               "\"gpus_used\":%u,\"jobs\":%u",
               state, used.cpus, used.memory_mib, used.gpus, used.jobs);
    write_partitions(core, node->name, out);
    buf_putc(out, '}');
}

void handle_node_list(struct call *call)
{
    struct table *t = events_table(call->core->events, NOUN_NODE);
    struct buf body = BUF_INIT(0);
    bool first = true;

    buf_puts(&body, "{\"nodes\":[");
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct node *node = slot ? slot->pub : NULL;

        if (!node || node->removed)
            continue;
        if (!first)
            buf_putc(&body, ',');
        first = false;
        write_node(call->core, node, &body);
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

static const struct node *call_node(struct call *call)
{
    const struct node *node = core_node(call->core, call->match.params[0]);

    if (node && !node->removed)
        return node;
    call_refuse_with(call, ENOENT, "name", "there is no node '%s'", call->match.params[0]);
    return NULL;
}

static void reply_node(struct call *call, const struct node *node)
{
    struct buf body = BUF_INIT(0);

    write_node(call->core, node, &body);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_node_show(struct call *call)
{
    const struct node *node = call_node(call);

    if (node)
        reply_node(call, node);
}

static void node_updated(void *arg, int result, const struct vdi_error *err)
{
    struct call *call = arg;
    const struct node *node = core_node(call->core, call->match.params[0]);

    if (result < 0)
        call_refuse(call, err);
    else if (node)
        reply_node(call, node);
    else
        call_refuse_with(call, ENOENT, "name", "the node was removed meanwhile");
}

static struct node_event up_event(struct core *core, const struct config_node *n)
{
    return (struct node_event){
        .type = NODE_EVENT_UP,
        .time_usec = loop_now_usec(core->loop),
        .cpus = n->cpus,
        .memory_mib = n->memory_mib,
    };
}

/*
 * Ends a drain, and a down that was somebody's word. Where nodes have no vdid that is all; a
 * node that is connected is asked what it has, and its answer brings it up.
 */
static int add_resume(struct call *call, struct txn *txn, const struct node_event *event,
                      struct vdi_error *err)
{
    struct core *core = call->core;
    const char *name = call->match.params[0];
    const struct node *node = core_node_staged(core, name);
    const struct config_node *n = config_node(core->config, name);
    int r = 0;

    if (!node || node->up || !node->known)
        return txn_add(txn, NOUN_NODE, 0, name, event, err);
    if (node->drain)
        r = txn_add(txn, NOUN_NODE, 0, name, event, err);
    if (r >= 0 && site_nodes_always_up(core->site) && n) {
        struct node_event up = up_event(core, n);

        return txn_add(txn, NOUN_NODE, 0, name, &up, err);
    }
    if (r >= 0 && !node->drain && nodelink_silent_usec(core->links, name)) {
        silence_explain(core, name, err);
        err->code = EPROTO;
        return -EPROTO;
    }
    if (r >= 0)
        nodelink_ask(core->links, name);
    return r;
}

void handle_node_update(struct call *call)
{
    static const enum node_event_type types[] = {
        [NODE_ASK_DRAIN] = NODE_EVENT_DRAIN,
        [NODE_ASK_RESUME] = NODE_EVENT_RESUME,
        [NODE_ASK_DOWN] = NODE_EVENT_DOWN,
    };
    struct request_node ask = {0};
    struct node_event event = {.time_usec = loop_now_usec(call->core->loop)};
    struct vdi_error err = {0};
    struct txn *txn = NULL;
    size_t len;
    const char *body = http_request_body(call->http, &len);
    int r;

    if (!call_node(call))
        return;
    r = fields_read(request_node_fields, &ask, body, len, FIELD_SUBMIT, NULL, &err);
    if (r >= 0 && !(txn = txn_new(call->core->events)))
        r = error_set(&err, ENOMEM, "", "out of memory");
    if (r >= 0) {
        event.type = types[ask.state];
        str_copy(event.reason, sizeof(event.reason), ask.reason);
        str_copy(event.by, sizeof(event.by), call->who_text);
        r = ask.state == NODE_ASK_RESUME
                ? add_resume(call, txn, &event, &err)
                : txn_add(txn, NOUN_NODE, 0, call->match.params[0], &event, &err);
    }
    if (r < 0) {
        txn_abort(txn);
        call_refuse(call, &err);
        return;
    }
    call_commit(call, txn, 200, node_updated, call);
}

/* ---- vdi.conf's nodes ---- */

static struct node_event define_event(struct core *core, const struct config_node *n)
{
    struct node_event event = {
        .type = NODE_EVENT_DEFINE,
        .time_usec = loop_now_usec(core->loop),
        .cpus = n->cpus,
        .memory_mib = n->memory_mib,
        .disk_gib = n->disk_gib,
        .encode_mpix = n->encode_mpix,
        .software_encoder = config_node_is_software(n),
        .gpus = n->gpus,
    };

    str_copy(event.gpu_type, sizeof(event.gpu_type), n->gpu_type);
    str_copy(event.features, sizeof(event.features), n->features);
    str_copy(event.by, sizeof(event.by), CORE_SELF);
    return event;
}

static bool is_defined(const struct node *node, const struct config_node *n)
{
    return node && !node->removed && node->cpus == n->cpus && node->memory_mib == n->memory_mib &&
           node->disk_gib == n->disk_gib && node->encode_mpix == n->encode_mpix &&
           node->software_encoder == config_node_is_software(n) && node->gpus == n->gpus &&
           str_equal(node->gpu_type, n->gpu_type) && str_equal(node->features, n->features);
}

static int add_node(struct core *core, struct txn *txn, const struct config_node *n,
                    struct vdi_error *err)
{
    const struct node *node = core_node_staged(core, n->name);
    struct node_event event = define_event(core, n);
    bool is_fresh = !node || node->removed || !node->known; /* nobody took it down */
    int r = 0;

    if (!is_defined(node, n))
        r = txn_add(txn, NOUN_NODE, 0, n->name, &event, err);
    if (r < 0 || !site_nodes_always_up(core->site) || !is_fresh)
        return r;
    event = up_event(core, n);
    return txn_add(txn, NOUN_NODE, 0, n->name, &event, err);
}

int nodes_configure(struct core *core, struct txn *txn, const struct config *config,
                    struct vdi_error *err)
{
    struct table *t = events_table(core->events, NOUN_NODE);
    struct node_event remove = {
        .type = NODE_EVENT_REMOVE,
        .time_usec = loop_now_usec(core->loop),
        .by = CORE_SELF,
    };

    for (size_t i = 0; i < config->n_nodes; i++) {
        int r = add_node(core, txn, &config->nodes[i], err);

        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct node *node = slot ? slot->staged : NULL;

        if (node && !node->removed && !config_node(config, node->name)) {
            int r = txn_add(txn, NOUN_NODE, 0, node->name, &remove, err);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* ---- instances ---- */

static void write_instance(const struct instance *in, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(instance_fields, in, FIELD_SHOW, out, &first);
    buf_putc(out, '}');
}

void handle_instance_list(struct call *call)
{
    struct table *t = events_table(call->core->events, NOUN_INSTANCE);
    struct buf body = BUF_INIT(0);
    uint64_t after, limit, n = 0, last = 0;
    size_t i;

    if (!call_number(call, "after", 0, INT64_MAX, &after) ||
        !call_number(call, "limit", 1000, 1000, &limit))
        return;
    buf_puts(&body, "{\"instances\":[");
    for (i = table_after(t, after); i < table_end(t) && n < limit; i++) {
        const struct slot *slot = table_at(t, i);
        const struct instance *in = slot ? slot->pub : NULL;

        if (!in || !call_sees(call, in->owner))
            continue;
        if (n++)
            buf_putc(&body, ',');
        write_instance(in, &body);
        last = in->id;
    }
    if (i < table_end(t))
        buf_printf(&body, "],\"next\":\"%" PRIu64 "\"}", last);
    else
        buf_puts(&body, "],\"next\":null}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_instance_show(struct call *call)
{
    const struct instance *in = NULL;
    struct buf body = BUF_INIT(0);
    uint64_t id;

    if (str_to_u64(call->match.params[0], 1, INT64_MAX, &id) == 0)
        in = core_instance(call->core, id);
    if (!in || !call_sees(call, in->owner)) {
        call_refuse_with(call, ENOENT, "id", "there is no instance %s", call->match.params[0]);
        return;
    }
    write_instance(in, &body);
    call_reply_json(call, 200, &body);
    buf_done(&body);
}
