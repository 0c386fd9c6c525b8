/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enroll.c - enrolling a node: the token for it, and its redemption, both on a worker.
 *
 * It is not the store's: whoever reaches the port may ask, and commits must not wait for that.
 */
#include "vdictld/enroll.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/link_codec.h"
#include "vdictld/handlers.h"
#include "wire/link.h"
#include "wire/pki.h"

struct enroll {
    struct link_conn *conn; /* NULL: gone meanwhile */
    char *dir;
    char token[PKI_TOKEN_LEN];
    char *csr, *spice_csr;
    char name[PKI_NAME_MAX + 1];
    char *cert, *ca, *spice_cert;
    int result;
    struct vdi_error err;
};

static void enroll_free(struct enroll *e)
{
    explicit_bzero(e->token, sizeof(e->token));
    free(e->dir);
    free(e->csr);
    free(e->spice_csr);
    free(e->cert);
    free(e->ca);
    free(e->spice_cert);
    free(e);
}

static int read_ca(struct enroll *e)
{
    _cleanup_(freep) char *path = str_printf("%s/ca.crt", e->dir);
    X509 *cert = NULL;
    int r = path ? pki_read_cert(path, &cert, &e->err) : -ENOMEM;

    if (r < 0)
        return r;
    e->ca = pki_cert_to_pem(cert);
    X509_free(cert);
    return e->ca ? 0 : error_set(&e->err, ENOMEM, "", "out of memory");
}

static void enroll_work(void *arg)
{
    struct enroll *e = arg;
    int64_t now = time_now_usec() / USEC_PER_SEC;

    e->result = pki_token_redeem(e->dir, e->token, now, e->name, &e->err);
    if (e->result >= 0)
        e->result = pki_issue_node(e->dir, e->name, e->csr, PKI_NODE_DAYS, now, &e->cert, &e->err);
    if (e->result >= 0 && !str_is_empty(e->spice_csr))
        e->result = pki_issue_spice(e->dir, e->name, e->spice_csr, PKI_NODE_DAYS, now,
                                    &e->spice_cert, &e->err);
    if (e->result >= 0)
        e->result = read_ca(e);
}

static void answer(struct enroll *e)
{
    struct link_message m = {.type = LINK_TYPE_ENROLLED};
    struct buf text = BUF_INIT(LINK_FRAME_MAX);

    if (e->result < 0) {
        m.type = LINK_TYPE_BYE;
        str_copy(m.bye.reason, sizeof(m.bye.reason), e->err.detail);
    } else {
        m.enrolled.cert = e->cert;
        m.enrolled.ca = e->ca;
        m.enrolled.spice_cert = e->spice_cert;
    }
    link_message_encode(&m, &text);
    if (!text.failed)
        link_conn_send(e->conn, text.data, text.len);
    buf_done(&text);
    link_conn_close(e->conn, e->result < 0 ? "not enrolled" : "enrolled");
}

static void enroll_done(void *arg, bool dropped)
{
    struct enroll *e = arg;

    if (dropped)
        e->result = error_set(&e->err, ESHUTDOWN, "", "the controller is stopping");
    if (e->result < 0)
        log_warning("an enrolment was refused: %s", e->err.detail);
    else
        log_info("node %s is enrolled", e->name);
    if (e->conn) {
        link_conn_set_data(e->conn, NULL);
        answer(e);
    }
    enroll_free(e);
}

void enroll_closed(struct link_conn *conn)
{
    struct enroll *e = link_conn_data(conn);

    if (e)
        e->conn = NULL;
}

void enroll_begin(struct core *core, struct link_conn *conn, const void *data, size_t len)
{
    struct enroll *e = calloc(1, sizeof(*e));
    struct link_message m;
    struct vdi_error err = {0};

    if (!e || link_message_decode(data, len, &m, &err) < 0) {
        link_conn_close(conn, "the message was not understood");
        free(e);
        return;
    }
    if (m.type == LINK_TYPE_ENROLL) {
        str_copy(e->token, sizeof(e->token), m.enroll.token);
        e->csr = TAKE_PTR(m.enroll.csr);
        e->spice_csr = TAKE_PTR(m.enroll.spice_csr);
        e->dir = strdup(core->config->pki_dir);
    }
    link_message_done(&m);
    e->conn = conn;
    if (!e->csr || !e->dir || workers_post(core->pki_worker, enroll_work, enroll_done, e) < 0) {
        link_conn_close(conn, "not an enrolment, or too many of them");
        enroll_free(e);
        return;
    }
    link_conn_set_data(conn, e);
}

/* ---- the token: POST /v1/nodes/{name}/enroll ---- */

struct ticket {
    struct call *call;
    char *dir;
    char name[PKI_NAME_MAX + 1];
    char token[PKI_TOKEN_LEN];
    int result;
    struct vdi_error err;
};

static void ticket_work(void *arg)
{
    struct ticket *t = arg;

    t->result = pki_token_new(t->dir, t->name, PKI_TOKEN_TTL_MAX_SEC,
                              time_now_usec() / USEC_PER_SEC, t->token, &t->err);
}

static void ticket_done(void *arg, bool dropped)
{
    struct ticket *t = arg;
    struct buf body = BUF_INIT(0);

    if (dropped)
        t->result = error_set(&t->err, ESHUTDOWN, "", "the controller is stopping");
    if (t->result < 0) {
        call_refuse(t->call, &t->err);
    } else {
        buf_printf(&body, "{\"token\":\"%s\",\"expires_sec\":%d}", t->token,
                   (int)PKI_TOKEN_TTL_MAX_SEC);
        call_reply_json(t->call, 201, &body);
    }
    explicit_bzero(t->token, sizeof(t->token));
    buf_done(&body);
    free(t->dir);
    free(t);
}

void handle_node_enroll(struct call *call)
{
    const struct node *node = core_node(call->core, call->match.params[0]);
    struct ticket *t;

    if (!node || node->removed) {
        call_refuse_with(call, ENOENT, "name", "there is no node '%s' in vdi.conf",
                         call->match.params[0]);
        return;
    }
    t = calloc(1, sizeof(*t));
    if (t) {
        t->call = call;
        t->dir = strdup(call->core->config->pki_dir);
        str_copy(t->name, sizeof(t->name), node->name);
    }
    if (!t || !t->dir || workers_post(call->core->pki_worker, ticket_work, ticket_done, t) < 0) {
        call_refuse_with(call, EBUSY, "", "no memory, or the worker is busy");
        if (t)
            free(t->dir);
        free(t);
    }
}
