/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - one lasting conversation with the controller over changing connections. */
#include <config.h>

#include "vdid/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "wire/link.h"
#include "wire/link_outbox.h"
#include "wire/pki.h"

#define REPORTS_MAX 65536
#define REPORT_BYTES_MAX (64u << 20)

struct session {
    struct loop *loop;
    struct session_ops ops;
    void *arg;
    struct link_tls *tls;
    struct link_client *client;
    struct link_conn *conn; /* welcomed; NULL: not now */
    struct link_outbox *outbox;
    struct link_inbox inbox;
    char stream[LINK_STREAM_LEN];
    char node[64];
    char boot_id[40];
    char *epoch_file;
    uint64_t epoch;
};

/* ---- the epoch, kept so that an older controller stays refused after our restart ---- */

static void epoch_load(struct session *s)
{
    _cleanup_(fclosep) FILE *f = fopen(s->epoch_file, "re");
    char text[24] = "";

    if (f && fgets(text, sizeof(text), f)) {
        text[strcspn(text, "\n")] = '\0';
        if (str_to_u64(text, 0, INT64_MAX, &s->epoch) < 0)
            log_warning("%s holds no epoch: beginning with none", s->epoch_file);
    }
}

static void epoch_see(struct session *s, uint64_t epoch)
{
    char text[24];
    int r;

    if (epoch <= s->epoch)
        return;
    s->epoch = epoch;
    r = file_replace(s->epoch_file, text,
                     (size_t)snprintf(text, sizeof(text), "%" PRIu64 "\n", epoch));
    if (r < 0)
        log_warning("%s: the epoch could not be kept: %s", s->epoch_file, strerror(-r));
}

/* ---- sending ---- */

static void send_message(struct link_conn *conn, const struct link_message *m)
{
    struct buf text = BUF_INIT(LINK_FRAME_MAX);

    link_message_encode(m, &text);
    if (!text.failed)
        link_conn_send(conn, text.data, text.len);
    buf_done(&text);
}

static void send_waiting(struct session *s)
{
    link_conn_send_waiting(s->conn, s->outbox);
}

static void report(struct session *s, struct link_report *r)
{
    struct link_message m = {.type = LINK_TYPE_REPORT};
    struct buf text = BUF_INIT(LINK_FRAME_MAX);

    r->seq = link_outbox_next_seq(s->outbox);
    r->epoch = s->epoch;
    m.report = *r;
    link_message_encode(&m, &text);
    if (text.failed || link_outbox_push(s->outbox, text.data, text.len) < 0)
        log_error("a report of instance %" PRIu64 " was too much to keep: the inventory will "
                  "have to say it",
                  r->instance);
    buf_done(&text);
    send_waiting(s);
}

void session_done(struct session *s, uint64_t op, struct vdi_instance_id id, int code,
                  const char *reason, const char *body_json)
{
    struct link_report r = {
        .op = op,
        .instance = id.id,
        .generation = id.generation,
        .kind = LINK_REPORT_DONE,
        .code = code,
        .body = (char *)body_json,
    };

    if (!op)
        return; /* nobody waits for it */
    str_copy(r.reason, sizeof(r.reason), reason ? reason : "");
    report(s, &r);
}

void session_state(struct session *s, struct vdi_instance_id id, const char *report_json)
{
    struct link_report r = {
        .instance = id.id,
        .generation = id.generation,
        .kind = LINK_REPORT_STATE,
        .body = (char *)report_json,
    };

    report(s, &r);
}

static void send_inventory(struct session *s, uint64_t op)
{
    struct buf body = BUF_INIT(LINK_FRAME_MAX);
    struct link_report r = {.op = op, .kind = LINK_REPORT_INVENTORY};

    s->ops.inventory(s->arg, &body);
    r.body = body.data;
    if (!body.failed)
        report(s, &r);
    buf_done(&body);
}

void session_inventory(struct session *s)
{
    if (s->conn)
        send_inventory(s, 0);
}

static void on_connected(void *arg, struct link_conn *conn)
{
    struct session *s = arg;
    struct link_message m = {.type = LINK_TYPE_HELLO};

    m.hello = (struct link_hello){
        .protocol_min = LINK_PROTOCOL_MIN,
        .protocol_max = LINK_PROTOCOL_MAX,
        .epoch_seen = s->epoch,
        .time_usec = loop_now_usec(s->loop),
        .first = link_outbox_first_seq(s->outbox),
        .received = s->inbox.last,
    };
    str_copy(m.hello.node, sizeof(m.hello.node), s->node);
    str_copy(m.hello.boot_id, sizeof(m.hello.boot_id), s->boot_id);
    str_copy(m.hello.version, sizeof(m.hello.version), PACKAGE_VERSION);
    str_copy(m.hello.stream, sizeof(m.hello.stream), s->stream);
    str_copy(m.hello.peer_stream, sizeof(m.hello.peer_stream), s->inbox.stream);
    send_message(conn, &m);
}

/* ---- receiving ---- */

static void take_welcome(struct session *s, struct link_conn *conn, const struct link_welcome *w)
{
    if (w->epoch < s->epoch) {
        log_error("the controller's epoch %" PRIu64 " is older than %" PRIu64 ": refused", w->epoch,
                  s->epoch);
        link_conn_close(conn, "an older epoch");
        return;
    }
    epoch_see(s, w->epoch);
    if (link_inbox_open(&s->inbox, w->stream, w->first) < 0) {
        s->inbox = (struct link_inbox){.last = w->first - 1};
        str_copy(s->inbox.stream, sizeof(s->inbox.stream), w->stream);
    }
    link_outbox_ack(s->outbox, w->received);
    link_outbox_rewind(s->outbox);
    link_conn_admit(conn);
    link_client_set_heartbeat(s->client, (int64_t)w->heartbeat_sec * USEC_PER_SEC);
    link_client_set_silence(s->client, (int64_t)w->silence_sec * USEC_PER_SEC);
    s->conn = conn;
    log_info("connected to the controller, epoch %" PRIu64, w->epoch);
    send_waiting(s);
}

static void take_order(struct session *s, struct link_conn *conn, const struct link_order *o)
{
    struct link_message ack = {.type = LINK_TYPE_ACK};
    int fresh = link_inbox_accept(&s->inbox, o->seq);

    if (fresh < 0) {
        link_conn_close(conn, "an order is missing before this one");
        return;
    }
    ack.ack.seq = s->inbox.last;
    send_message(conn, &ack);
    if (!fresh)
        return;
    if (o->epoch < s->epoch) {
        session_done(s, o->op, (struct vdi_instance_id){o->instance, o->generation}, ESTALE,
                     "the order is of an older controller", NULL);
    } else if (o->verb == LINK_VERB_INVENTORY) {
        send_inventory(s, o->op);
    } else {
        epoch_see(s, o->epoch);
        s->ops.order(s->arg, o);
    }
}

static void take_ack(struct session *s, uint64_t seq)
{
    link_outbox_ack(s->outbox, seq);
    send_waiting(s);
}

static void take_message(struct session *s, struct link_conn *conn, const struct link_message *m)
{
    if (m->type == LINK_TYPE_BYE)
        log_warning("the controller says: %s", m->bye.reason);
    else if (m->type == LINK_TYPE_WELCOME && !s->conn)
        take_welcome(s, conn, &m->welcome);
    else if (!s->conn)
        link_conn_close(conn, "no welcome");
    else if (m->type == LINK_TYPE_ORDER)
        take_order(s, conn, &m->order);
    else if (m->type == LINK_TYPE_ACK)
        take_ack(s, m->ack.seq);
    else if (m->type == LINK_TYPE_HEARTBEAT)
        take_ack(s, m->heartbeat.received);
    else
        link_conn_close(conn, "a controller does not send that");
}

static void on_frame(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct session *s = arg;
    struct link_message m;
    struct vdi_error err = {0};

    loop_mark(s->loop);
    if (link_message_decode(data, len, &m, &err) < 0) {
        log_warning("a message was not understood: %s", err.detail);
        link_conn_close(conn, "a message was not understood");
        return;
    }
    take_message(s, conn, &m);
    link_message_done(&m);
}

static void on_closed(void *arg, struct link_conn *conn, const char *reason)
{
    struct session *s = arg;

    log_warning("the link is gone: %s; instances run on", reason);
    if (s->conn == conn)
        s->conn = NULL;
}

static void on_failed(void *arg, const char *reason, int64_t retry_usec)
{
    log_warning("the controller can't be reached: %s; again in %" PRId64 " ms", reason,
                retry_usec / USEC_PER_MSEC);
}

static void on_heartbeat(void *arg, struct link_conn *conn)
{
    struct session *s = arg;
    struct link_message m = {.type = LINK_TYPE_HEARTBEAT};

    m.heartbeat.time_usec = loop_now_usec(s->loop);
    m.heartbeat.epoch = s->epoch;
    m.heartbeat.received = s->inbox.last;
    send_message(conn, &m);
}

/* ---- begin and end ---- */

static int read_boot_id(struct session *s, struct vdi_error *err)
{
    _cleanup_(fclosep) FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!f || !fgets(s->boot_id, sizeof(s->boot_id), f))
        return error_set(err, EIO, "boot_id", "the kernel's boot id can't be read");
    s->boot_id[strcspn(s->boot_id, "\n")] = '\0';
    return 0;
}

static int open_link(struct session *s, const struct session_config *c, struct vdi_error *err)
{
    static const struct link_client_ops ops = {
        .connected = on_connected,
        .frame = on_frame,
        .closed = on_closed,
        .failed = on_failed,
        .heartbeat = on_heartbeat,
    };
    struct link_client_config link = {.address = c->controller};
    struct link_tls_config tls = {
        .ca_file = c->ca_file,
        .cert_file = c->cert_file,
        .key_file = c->key_file,
    };
    char peer[80];
    int r;

    tls.peer_name = pki_controller_name(c->cluster, peer, sizeof(peer));
    r = link_tls_new_client(&tls, &s->tls, err);
    return r < 0 ? r : link_client_new(s->loop, s->tls, &link, &ops, s, &s->client, err);
}

int session_new(struct loop *loop, const struct session_config *config,
                const struct session_ops *ops, void *arg, struct session **ret,
                struct vdi_error *err)
{
    struct session *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return error_set(err, ENOMEM, "", "out of memory");
    s->loop = loop;
    s->ops = *ops;
    s->arg = arg;
    s->outbox = link_outbox_new(REPORTS_MAX, REPORT_BYTES_MAX);
    s->epoch_file = strdup(config->epoch_file);
    str_copy(s->node, sizeof(s->node), config->node);
    r = s->outbox && s->epoch_file ? link_stream_new(s->stream) : -ENOMEM;
    if (r < 0)
        error_set(err, -r, "", "no memory, or no random bytes");
    if (r >= 0)
        r = read_boot_id(s, err);
    if (r >= 0) {
        epoch_load(s);
        r = open_link(s, config, err);
    }
    if (r < 0)
        session_free(s);
    else
        *ret = s;
    return r;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    link_client_free(s->client);
    link_tls_free(s->tls);
    link_outbox_free(s->outbox);
    free(s->epoch_file);
    free(s);
}

bool session_is_connected(const struct session *s)
{
    return s->conn != NULL;
}
