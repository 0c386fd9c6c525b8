/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_order.c - nodes are told to get a version: by POST /v1/images/{name}/prefetch, or for a
 * class that comes.
 *
 * A node answers when it has taken note, or why it can't; how far it is comes with its
 * inventory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hostlist.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/field.h"
#include "codec/request_input.h"
#include "vdictld/handlers.h"
#include "vdictld/images.h"
#include "vdictld/nodelink.h"

/* One request; each node's answer is a line of it. */
struct prefetch {
    struct call *call;
    unsigned n_open;
    bool is_first;
    struct buf body;
};

struct asked {
    struct prefetch *of;
    char node[64];
};

static void write_answer(struct prefetch *p, const char *node, int result, const char *reason)
{
    buf_puts(&p->body, p->is_first ? "{\"name\":" : ",{\"name\":");
    p->is_first = false;
    json_write_string(&p->body, node);
    buf_printf(&p->body, ",\"accepted\":%s,\"reason\":", result < 0 ? "false" : "true");
    json_write_string(&p->body,
                      result < 0 ? str_is_empty(reason) ? strerror(-result) : reason : "");
    buf_putc(&p->body, '}');
}

static void end(struct prefetch *p)
{
    if (--p->n_open)
        return;
    buf_puts(&p->body, "]}");
    call_reply_json(p->call, 200, &p->body);
    buf_done(&p->body);
    free(p);
}

static void answered(void *arg, int result, const char *body, const char *reason)
{
    struct asked *a = arg;

    write_answer(a->of, a->node, result, reason);
    end(a->of);
    free(a);
}

static void ask(struct prefetch *p, const char *node, const char *order)
{
    struct asked *a = calloc(1, sizeof(*a));
    int r = -ENOMEM;

    if (a) {
        a->of = p;
        str_copy(a->node, sizeof(a->node), node);
        r = nodelink_order(p->call->core->links, node, "prefetch", (struct vdi_instance_id){0},
                           order, answered, a);
    }
    if (r >= 0) {
        p->n_open++;
        return;
    }
    write_answer(p, node, r, r == -ENOTCONN ? "it is not connected" : NULL);
    free(a);
}

static void ask_all(struct prefetch *p, const char *order)
{
    struct table *t = events_table(p->call->core->events, NOUN_NODE);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct node *node = slot ? slot->pub : NULL;

        if (node && !node->removed && node->up)
            ask(p, node->name, order);
    }
}

static void said(void *arg, int result, const char *body, const char *reason)
{
    _cleanup_(freep) char *node = arg;

    if (result < 0)
        log_warning("node %s does not fetch an image ahead: %s", node,
                    str_is_empty(reason) ? strerror(-result) : reason);
}

void images_prefetch(struct core *core, const struct image *image, const char *node)
{
    _cleanup_(buf_done) struct buf order = BUF_INIT(IMAGE_ORDER_MAX);
    char *name = core->links ? strdup(node) : NULL;

    images_write_order(core, image, &order);
    if (!name || order.failed ||
        nodelink_order(core->links, node, "prefetch", (struct vdi_instance_id){0}, order.data, said,
                       name) < 0)
        free(name); /* it is not there: its start fetches what it needs */
}

static int read_nodes(struct call *call, const char *text, struct hostlist *ret,
                      struct vdi_error *err)
{
    if (!*text)
        return 0;
    if (hostlist_parse(text, 4096, ret) < 0) {
        error_set(err, EINVAL, "nodes", "'%.60s' is not a list of nodes", text);
        error_hint(err, "4096 nodes", "write it as gpu[01-16,20]");
        return -EINVAL;
    }
    for (size_t i = 0; i < ret->n; i++)
        if (!core_node(call->core, ret->names[i])) {
            error_set(err, ENOENT, "nodes", "there is no node '%.60s'", ret->names[i]);
            hostlist_done(ret);
            return -ENOENT;
        }
    return 0;
}

static void start(struct call *call, const struct image *image, const struct hostlist *nodes)
{
    struct prefetch *p = calloc(1, sizeof(*p));
    struct buf order = BUF_INIT(IMAGE_ORDER_MAX);

    if (p) {
        *p = (struct prefetch){.call = call, .n_open = 1, .is_first = true, .body = BUF_INIT(0)};
        buf_printf(&p->body, "{\"name\":\"%s\",\"sha256\":\"%s\",\"nodes\":[", image->name,
                   image->sha256);
    }
    images_write_order(call->core, image, &order);
    if (!p || order.failed) {
        call_refuse_with(call, ENOMEM, "", "out of memory");
        free(p);
    } else {
        if (!nodes->n)
            ask_all(p, order.data);
        for (size_t i = 0; i < nodes->n; i++)
            ask(p, nodes->names[i], order.data);
        end(p);
    }
    buf_done(&order);
}

void handle_image_prefetch(struct call *call)
{
    struct request_prefetch wish = {.nodes = ""};
    struct hostlist nodes = {.n = 0};
    const struct image *image = NULL;
    struct vdi_error err = {0};
    size_t len;
    const char *body = http_request_body(call->http, &len);
    int r =
        len ? fields_read(request_prefetch_fields, &wish, body, len, FIELD_SUBMIT, NULL, &err) : 0;

    if (r >= 0)
        r = images_find(call->core, call->match.params[0], wish.sha256, &image, &err);
    if (r >= 0 && !call->core->links)
        r = error_set(&err, EPROTO, "node_listen", "no nodes connect here: node_listen is empty");
    if (r >= 0)
        r = read_nodes(call, wish.nodes, &nodes, &err);
    if (r < 0)
        call_refuse(call, &err);
    else
        start(call, image, &nodes);
    hostlist_done(&nodes);
}
