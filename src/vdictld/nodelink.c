/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodelink.c - sessions with the nodes.
 *
 * struct peer is a node as the link knows it; it outlives connections, so orders that were
 * not acknowledged are sent again. A connection becomes the peer's when its hello was good.
 */
#include "vdictld/nodelink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/job_codec.h"
#include "codec/link_codec.h"
#include "vdictld/enroll.h"
#include "vdictld/life.h"
#include "vdictld/nodestate.h"
#include "wire/link.h"
#include "wire/link_outbox.h"
#include "wire/pki.h"

#define ORDERS_MAX 4096
#define ORDER_BYTES_MAX (8u << 20)
/* What a job was submitted with always fits the order that starts it, with all else in it. */
_Static_assert(JOB_PAYLOAD_MAX + (128u << 10) <= LINK_FRAME_MAX, "an order takes a payload");
#define SKEW_WARN_USEC (2 * USEC_PER_SEC)
#define SKEW_DRAIN_USEC (30 * USEC_PER_SEC)
#define ROUND_USEC USEC_PER_SEC
/* Who sent an order has given up long before; a node that takes orders and never answers must
 * not fill our memory. */
#define ORDER_USEC (180 * USEC_PER_SEC)

struct order {
    struct list link; /* oldest first */
    int64_t sent_usec;
    uint64_t op;
    struct peer *peer;
    void (*done)(void *arg, int result, const char *body, const char *reason);
    void *arg;
};

struct peer {
    struct nodelink *links;
    struct link_conn *conn; /* admitted; NULL: silent */
    struct link_outbox *outbox;
    struct link_inbox inbox;
    char boot_id[40];
    int64_t heard_usec; /* monotonic */
    uint64_t hello_op;  /* the first inventory that was asked for on this link */
    bool ask;           /* its inventory in the next round: it is another now, or was not kept */
    char name[LINK_NODE_MAX];
};

struct nodelink {
    struct core *core;
    struct link_tls *tls;
    struct link_server *server;
    struct hash *peers;
    struct hash *orders; /* by op */
    struct list by_age;
    uint64_t next_op;
    char stream[LINK_STREAM_LEN];
    struct source *round;
    int64_t silence_sec; /* what the nodes were welcomed with */
    uint32_t n_connected;
};

static struct peer *peer_get(struct nodelink *links, const char *name)
{
    struct peer *p = hash_get(links->peers, name);

    if (p)
        return p;
    p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->links = links;
    str_copy(p->name, sizeof(p->name), name);
    p->heard_usec = loop_monotonic_usec(links->core->loop);
    p->outbox = link_outbox_new(ORDERS_MAX, ORDER_BYTES_MAX);
    if (!p->outbox || hash_put(links->peers, p->name, p) < 0) {
        link_outbox_free(p->outbox);
        free(p);
        return NULL;
    }
    return p;
}

static int send_message(struct link_conn *conn, const struct link_message *m)
{
    struct buf text = BUF_INIT(LINK_FRAME_MAX);
    int r;

    link_message_encode(m, &text);
    r = text.failed ? -EMSGSIZE : link_conn_send(conn, text.data, text.len);
    buf_done(&text);
    return r;
}

static void send_bye(struct link_conn *conn, const char *reason)
{
    struct link_message bye = {.type = LINK_TYPE_BYE};

    str_copy(bye.bye.reason, sizeof(bye.bye.reason), reason);
    send_message(conn, &bye);
    link_conn_close(conn, reason);
}

static void send_waiting(struct peer *p)
{
    link_conn_send_waiting(p->conn, p->outbox);
}

/* ---- orders ---- */

static int verb_from(const char *name)
{
    for (int i = 0; i < LINK_N_VERBS; i++)
        if (!strcmp(link_verb_name((enum link_verb)i), name))
            return i;
    return -1;
}

static int push_order(struct peer *p, uint64_t op, int verb, struct vdi_instance_id id,
                      const char *body_json)
{
    struct link_message m = {.type = LINK_TYPE_ORDER};
    struct buf text = BUF_INIT(LINK_FRAME_MAX);
    int r;

    m.order = (struct link_order){
        .seq = link_outbox_next_seq(p->outbox),
        .op = op,
        .epoch = events_epoch(p->links->core->events),
        .instance = id.id,
        .generation = id.generation,
        .verb = (uint32_t)verb,
        .body = (char *)body_json,
    };
    link_message_encode(&m, &text);
    r = text.failed ? -EMSGSIZE : link_outbox_push(p->outbox, text.data, text.len);
    buf_done(&text);
    if (r >= 0)
        send_waiting(p);
    return r;
}

int nodelink_order(struct nodelink *links, const char *node, const char *verb,
                   struct vdi_instance_id id, const char *body_json,
                   void (*done)(void *arg, int result, const char *body, const char *reason),
                   void *arg)
{
    struct peer *p = hash_get(links->peers, node);
    int v = verb_from(verb);
    struct order *order;
    int r;

    if (v < 0)
        return -EINVAL;
    if (!p || !p->conn)
        return -ENOTCONN;
    order = calloc(1, sizeof(*order));
    if (!order)
        return -ENOMEM;
    *order = (struct order){
        .sent_usec = loop_monotonic_usec(links->core->loop),
        .op = ++links->next_op,
        .peer = p,
        .done = done,
        .arg = arg,
    };
    r = hash_put_u64(links->orders, order->op, order);
    if (r >= 0)
        r = push_order(p, order->op, v, id, body_json);
    if (r == -ENOBUFS)
        r = -EBUSY; /* the node is behind: what waits for it may come again */
    if (r < 0) {
        hash_remove_u64(links->orders, order->op);
        free(order);
    } else {
        list_append(&links->by_age, &order->link);
    }
    return r;
}

static void order_end(struct nodelink *links, struct order *order, int result, const char *body,
                      const char *reason)
{
    hash_remove_u64(links->orders, order->op);
    list_remove(&order->link);
    if (order->done)
        order->done(order->arg, result, body, reason);
    free(order);
}

static void end_unanswered(struct nodelink *links)
{
    int64_t before = loop_monotonic_usec(links->core->loop) - ORDER_USEC;

    while (!list_is_empty(&links->by_age)) {
        struct order *order = list_entry(links->by_age.next, struct order, link);

        if (order->sent_usec > before)
            return;
        order_end(links, order, -ETIMEDOUT, NULL, "the node never answered");
    }
}

static void order_done(struct nodelink *links, const struct peer *p, const struct link_report *r)
{
    struct order *order = hash_get_u64(links->orders, r->op);

    if (!order || order->peer != p)
        return; /* of an earlier process of ours, or not this node's to answer */
    order_end(links, order, -r->code, r->body, r->reason);
}

/* ---- reports ---- */

static void instance_report(struct peer *p, const struct link_report *r)
{
    const struct instance *in = core_instance_staged(p->links->core, r->instance);
    struct vdi_instance_id id = {.id = r->instance, .generation = r->generation};

    /* Node N speaks only of instances placed on N. */
    if (!in || strcmp(in->node, p->name) != 0) {
        log_warning("node %s reports of instance %" PRIu64 ", which is not on it", p->name,
                    r->instance);
        return;
    }
    life_instance_report(p->links->core, id, r->body ? r->body : "{}");
}

/* Whether it succeeded is seen in the inventory that the next round asks for. */
static void superseded_stopped(void *arg, int result, const char *body, const char *reason)
{
    struct peer *p = arg;

    p->ask = true;
}

static void stop_superseded(void *arg, struct vdi_instance_id id)
{
    struct peer *p = arg;

    log_warning("node %s still has instance %" PRIu64 ".%u, which no longer counts: stopping it",
                p->name, id.id, id.generation);
    if (nodelink_order(p->links, p->name, "stop", id, "{\"grace_sec\":0}", superseded_stopped, p) <
        0)
        p->ask = true;
}

static void ask_inventory(struct peer *p)
{
    p->ask = false;
    push_order(p, ++p->links->next_op, LINK_VERB_INVENTORY, (struct vdi_instance_id){0}, "{}");
}

void nodelink_ask(struct nodelink *links, const char *node)
{
    struct peer *p = links ? hash_get(links->peers, node) : NULL;

    if (p)
        p->ask = true;
}

static void inventory(struct peer *p, const struct link_report *r)
{
    struct vdi_error err = {0};

    bool is_fresh = r->op && r->op >= p->hello_op;

    if (nodestate_inventory(p->links->core, p->name, p->boot_id, r->body ? r->body : "{}", is_fresh,
                            stop_superseded, p, &err) < 0)
        log_warning("node %s: its inventory was not taken: %s", p->name, err.detail);
}

static void take_report(struct peer *p, const struct link_report *r)
{
    struct link_message ack = {.type = LINK_TYPE_ACK};
    int fresh = link_inbox_accept(&p->inbox, r->seq);

    if (fresh < 0) {
        send_bye(p->conn, "a report is missing before this one");
        return;
    }
    ack.ack.seq = p->inbox.last;
    send_message(p->conn, &ack);
    if (!fresh)
        return;
    if (r->kind == LINK_REPORT_DONE)
        order_done(p->links, p, r);
    else if (r->kind == LINK_REPORT_STATE)
        instance_report(p, r);
    else if (r->kind == LINK_REPORT_INVENTORY)
        inventory(p, r);
}

/* ---- hello ---- */

static void check_clock(struct peer *p, int64_t node_usec)
{
    struct core *core = p->links->core;
    int64_t skew = node_usec - loop_now_usec(core->loop);
    const struct node *node = core_node_staged(core, p->name);
    char reason[120];

    if (skew < 0)
        skew = -skew;
    if (skew <= SKEW_WARN_USEC)
        return;
    snprintf(reason, sizeof(reason), "its clock is off by %" PRId64 " s", skew / USEC_PER_SEC);
    log_warning("node %s: %s", p->name, reason);
    if (skew > SKEW_DRAIN_USEC && node && !node->drain)
        nodestate_drain(core, p->name, reason);
}

/* Why this hello is refused, or NULL. */
static const char *hello_refused(struct nodelink *links, struct link_conn *conn,
                                 const struct link_hello *h, uint32_t *ret_protocol)
{
    const struct node *node = core_node_staged(links->core, link_conn_node(conn));

    if (strcmp(h->node, link_conn_node(conn)) != 0)
        return "the hello names another node than the certificate";
    if (!node || node->removed)
        return "this node is not in vdi.conf";
    if (link_negotiate(LINK_PROTOCOL_MIN, LINK_PROTOCOL_MAX, h->protocol_min, h->protocol_max,
                       ret_protocol) < 0)
        return "no common version of the protocol; update the older side";
    if (h->epoch_seen > events_epoch(links->core->events))
        return "the node has seen a newer controller";
    return NULL;
}

static int open_streams(struct peer *p, const struct link_hello *h)
{
    int r = link_inbox_open(&p->inbox, h->stream, h->first);

    if (r < 0) /* what it lost can't be had again: begin anew with its inventory */
        p->inbox = (struct link_inbox){.last = h->first - 1};
    str_copy(p->inbox.stream, sizeof(p->inbox.stream), h->stream);
    if (!strcmp(h->peer_stream, p->links->stream) && link_outbox_ack(p->outbox, h->received) < 0)
        return -EPROTO;
    link_outbox_rewind(p->outbox);
    return 0;
}

/* Three may be lost before the silence counts. */
static uint32_t heartbeat_sec(const struct config *c)
{
    return c->node_down_after_sec > 3 ? (uint32_t)c->node_down_after_sec / 3 : 1;
}

static int send_welcome(struct peer *p, uint32_t protocol)
{
    struct core *core = p->links->core;
    struct link_message m = {.type = LINK_TYPE_WELCOME};

    m.welcome = (struct link_welcome){
        .protocol = protocol,
        .epoch = events_epoch(core->events),
        .heartbeat_sec = heartbeat_sec(core->config),
        .silence_sec = (uint32_t)core->config->node_down_after_sec,
        .time_usec = loop_now_usec(core->loop),
        .first = link_outbox_first_seq(p->outbox),
        .received = p->inbox.last,
    };
    str_copy(m.welcome.stream, sizeof(m.welcome.stream), p->links->stream);
    return send_message(p->conn, &m);
}

static void take_hello(struct nodelink *links, struct link_conn *conn, const struct link_hello *h)
{
    struct peer *p = peer_get(links, link_conn_node(conn));
    uint32_t protocol = 0;
    const char *refused = p ? hello_refused(links, conn, h, &protocol) : "out of memory";

    if (refused) {
        log_warning("node %s refused: %s", link_conn_node(conn), refused);
        send_bye(conn, refused);
        return;
    }
    if (p->conn) {
        log_warning("node %s connects a second time (%s): the new connection counts", p->name,
                    strcmp(p->boot_id, h->boot_id) ? "after a boot" : "same boot");
        link_conn_set_data(p->conn, NULL);
        send_bye(p->conn, "replaced by a newer connection");
        links->n_connected--;
    }
    p->conn = conn;
    links->n_connected++;
    link_conn_set_data(conn, p);
    str_copy(p->boot_id, sizeof(p->boot_id), h->boot_id);
    p->heard_usec = loop_monotonic_usec(links->core->loop);
    if (open_streams(p, h) < 0 || send_welcome(p, protocol) < 0) {
        send_bye(conn, "the streams of messages do not fit");
        return;
    }
    link_conn_admit(conn);
    log_info("node %s is connected from %s, vdid %s", p->name, link_conn_address(conn), h->version);
    check_clock(p, h->time_usec);
    nodestate_boot(links->core, p->name, h->boot_id);
    p->hello_op = links->next_op + 1;
    ask_inventory(p);
    send_waiting(p);
}

/* ---- frames ---- */

static void take_heartbeat(struct peer *p, const struct link_heartbeat *beat)
{
    struct link_message answer = {.type = LINK_TYPE_HEARTBEAT};

    link_outbox_ack(p->outbox, beat->received);
    answer.heartbeat.time_usec = loop_now_usec(p->links->core->loop);
    answer.heartbeat.epoch = events_epoch(p->links->core->events);
    answer.heartbeat.received = p->inbox.last;
    send_message(p->conn, &answer);
    send_waiting(p);
}

static void take_message(struct nodelink *links, struct link_conn *conn,
                         const struct link_message *m)
{
    struct peer *p = link_conn_data(conn);

    if (!p) {
        if (m->type == LINK_TYPE_HELLO)
            take_hello(links, conn, &m->hello);
        else
            send_bye(conn, "the first message must be a hello");
        return;
    }
    p->heard_usec = loop_monotonic_usec(links->core->loop);
    switch (m->type) {
    case LINK_TYPE_HEARTBEAT:
        take_heartbeat(p, &m->heartbeat);
        break;
    case LINK_TYPE_REPORT:
        take_report(p, &m->report);
        break;
    case LINK_TYPE_ACK:
        link_outbox_ack(p->outbox, m->ack.seq);
        send_waiting(p);
        break;
    case LINK_TYPE_BYE:
        log_info("node %s says bye: %s", p->name, m->bye.reason);
        break;
    default:
        send_bye(conn, "a node does not send that");
    }
}

static void on_frame(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct nodelink *links = arg;
    struct link_message m;
    struct vdi_error err = {0};

    loop_mark(links->core->loop);
    if (link_message_decode(data, len, &m, &err) < 0) {
        log_warning("node %s: a message was not understood: %s", link_conn_node(conn), err.detail);
        send_bye(conn, err.detail);
        return;
    }
    take_message(links, conn, &m);
    link_message_done(&m);
}

static void on_authenticated(void *arg, struct link_conn *conn, const char *node)
{
    link_conn_set_data(conn, NULL); /* nobody's until its hello was good */
}

static void on_closed(void *arg, struct link_conn *conn, const char *reason)
{
    struct nodelink *links = arg;
    struct peer *p = NULL;

    if (*link_conn_node(conn))
        p = link_conn_data(conn);
    else
        enroll_closed(conn);
    if (!p || p->conn != conn)
        return;
    log_warning("node %s: the link is gone: %s", p->name, reason);
    p->conn = NULL;
    links->n_connected--;
}

static void on_enroll(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct nodelink *links = arg;

    enroll_begin(links->core, conn, data, len);
}

/* ---- silence ---- */

int64_t nodelink_silent_usec(const struct nodelink *links, const char *node)
{
    const struct peer *p = links ? hash_get(links->peers, node) : NULL;
    int64_t since = p ? p->heard_usec : links ? links->core->start_monotonic_usec : 0;

    if (!links || (p && p->conn))
        return 0;
    return loop_monotonic_usec(links->core->loop) - since;
}

static void round_of(void *arg)
{
    struct nodelink *links = arg;
    struct table *t = events_table(links->core->events, NOUN_NODE);
    void *peer;

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct node *node = slot ? slot->pub : NULL;

        /* What still ran on a node that was taken out of vdi.conf is given up in the end, too. */
        if (node && !(node->removed && node->failed) && slot->pub == slot->staged)
            nodestate_silent(links->core, node, nodelink_silent_usec(links, node->name));
    }
    end_unanswered(links);
    for (size_t i = 0; hash_next(links->peers, &i, &peer);)
        if (((struct peer *)peer)->ask && ((struct peer *)peer)->conn)
            ask_inventory(peer);
    source_rearm(links->round, ROUND_USEC);
}

uint32_t nodelink_connected(const struct nodelink *links)
{
    return links->n_connected;
}

/* ---- who is no longer trusted ---- */

/* The controller's own certificate and key. */
struct own_files {
    char *ca, *cert, *key;
    struct link_tls_config config;
};

static void own_files_done(struct own_files *f)
{
    free(f->ca);
    free(f->cert);
    free(f->key);
}

static int own_files(const char *dir, struct own_files *ret)
{
    *ret = (struct own_files){
        .ca = str_printf("%s/ca.crt", dir),
        .cert = str_printf("%s/server.crt", dir),
        .key = str_printf("%s/server.key", dir),
    };
    ret->config =
        (struct link_tls_config){.ca_file = ret->ca, .cert_file = ret->cert, .key_file = ret->key};
    if (ret->ca && ret->cert && ret->key)
        return 0;
    own_files_done(ret);
    return -ENOMEM;
}

struct reload {
    struct nodelink *links;
    char *dir;
    struct pki_revoked *revoked;
    int result;
    struct vdi_error err;
};

static void reload_work(void *arg)
{
    struct reload *l = arg;

    l->result = pki_revoked_load(l->dir, &l->revoked, &l->err);
}

static void reload_done(void *arg, bool dropped)
{
    struct reload *l = arg;

    if (!dropped && l->result < 0)
        log_error("node links: the revoked certificates stay what they were: %s", l->err.detail);
    if (dropped || l->result < 0) {
        pki_revoked_free(l->revoked);
    } else {
        link_tls_set_revoked(l->links->tls, l->revoked);
        link_server_recheck(l->links->server);
    }
    free(l->dir);
    free(l);
}

static void reload_revoked(struct nodelink *links)
{
    struct reload *l = calloc(1, sizeof(*l));

    if (l) {
        l->links = links;
        l->dir = strdup(links->core->config->pki_dir);
    }
    if (!l || !l->dir || workers_post(links->core->pki_worker, reload_work, reload_done, l) < 0) {
        log_error("node links: the revoked certificates stay what they were");
        if (l)
            free(l->dir);
        free(l);
    }
}

static void reload_own(struct nodelink *links)
{
    struct vdi_error err = {0};
    struct own_files files;

    if (own_files(links->core->config->pki_dir, &files) < 0)
        return;
    if (link_tls_reload(links->tls, &files.config, &err) < 0)
        log_error("node links: the controller's certificate stays what it was: %s", err.detail);
    own_files_done(&files);
}

void nodelink_configured(struct nodelink *links)
{
    int64_t silence_sec = links ? links->core->config->node_down_after_sec : 0;
    void *value;

    if (!links)
        return;
    for (size_t i = 0; hash_next(links->peers, &i, &value);) {
        const struct peer *p = value;
        const struct node *node = core_node(links->core, p->name);

        if (p->conn && (!node || node->removed))
            send_bye(p->conn, "this node is no longer in vdi.conf");
        else if (p->conn && links->silence_sec != silence_sec)
            send_bye(p->conn, "node_down_after has changed: connect again");
    }
    links->silence_sec = silence_sec;
    link_server_set_silence(links->server, silence_sec * USEC_PER_SEC);
    reload_own(links);
    reload_revoked(links);
}

/* ---- begin and end ---- */

static int open_tls(struct nodelink *links, struct vdi_error *err)
{
    const char *dir = links->core->config->pki_dir;
    struct pki_revoked *revoked = NULL;
    struct own_files files;
    int r = own_files(dir, &files);

    if (r < 0)
        return error_set(err, ENOMEM, "", "out of memory");
    r = pki_revoked_load(dir, &revoked, err);
    if (r >= 0)
        r = link_tls_new_server(&files.config, revoked, &links->tls, err);
    own_files_done(&files);
    return r;
}

static int open_server(struct nodelink *links, struct vdi_error *err)
{
    static const struct link_server_ops ops = {
        .authenticated = on_authenticated,
        .frame = on_frame,
        .closed = on_closed,
        .enroll = on_enroll,
    };
    const struct config *c = links->core->config;
    struct link_limits limits = {.silent_usec = c->node_down_after_sec * USEC_PER_SEC};
    int r = link_stream_new(links->stream);

    links->silence_sec = c->node_down_after_sec;
    if (r < 0)
        return error_set(err, -r, "", "the kernel gives no random bytes");
    r = open_tls(links, err);
    if (r < 0)
        return r;
    return link_server_new(links->core->loop, links->tls, c->node_listen, &limits, &ops, links,
                           &links->server, err);
}

struct nodelink *nodelink_new(struct core *core, struct vdi_error *err)
{
    struct nodelink *links;

    err->code = 0;
    if (!*core->config->node_listen)
        return NULL;
    links = calloc(1, sizeof(*links));
    if (!links) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    links->core = core;
    list_init(&links->by_age);
    links->peers = hash_new_str();
    links->orders = hash_new_u64();
    links->round = loop_timer(core->loop, ROUND_USEC, round_of, links);
    if (!links->peers || !links->orders || !links->round)
        error_set(err, ENOMEM, "", "out of memory");
    else if (open_server(links, err) >= 0)
        return links;
    nodelink_free(links);
    return NULL;
}

void nodelink_free(struct nodelink *links)
{
    void *value;

    if (!links)
        return;
    link_server_free(links->server);
    link_tls_free(links->tls);
    for (size_t i = 0; links->peers && hash_next(links->peers, &i, &value);) {
        struct peer *p = value;

        link_outbox_free(p->outbox);
        free(p);
    }
    for (size_t i = 0; links->orders && hash_next(links->orders, &i, &value);)
        free(value);
    hash_free(links->peers);
    hash_free(links->orders);
    source_free(links->round);
    free(links);
}
