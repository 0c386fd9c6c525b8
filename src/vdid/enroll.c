/* SPDX-License-Identifier: Apache-2.0 */
/* enroll.c - one exchange with the controller, then two files. */
#include "vdid/enroll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/link_codec.h"
#include "loop/loop.h"
#include "vdid/spice_tls.h"
#include "wire/link.h"
#include "wire/pki.h"

#define DEADLINE_USEC (30 * USEC_PER_SEC)

struct enrolment {
    struct loop *loop;
    const char *token;
    char *csr, *spice_csr;
    char *cert, *ca, *spice_cert;
    int result;
    struct vdi_error *err;
};

static void stop(struct enrolment *e, int result)
{
    e->result = result;
    loop_stop(e->loop);
}

static void on_connected(void *arg, struct link_conn *conn)
{
    struct enrolment *e = arg;
    struct link_message m = {.type = LINK_TYPE_ENROLL};
    struct buf text = BUF_INIT(LINK_HELLO_MAX);

    str_copy(m.enroll.token, sizeof(m.enroll.token), e->token);
    m.enroll.csr = e->csr;
    m.enroll.spice_csr = e->spice_csr;
    link_message_encode(&m, &text);
    if (text.failed || link_conn_send(conn, text.data, text.len) < 0)
        stop(e, error_set(e->err, EIO, "controller", "the token could not be sent"));
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_done(&text);
}

static void on_frame(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct enrolment *e = arg;
    struct link_message m;

    if (link_message_decode(data, len, &m, e->err) < 0) {
        stop(e, -EPROTO);
        return;
    }
    if (m.type == LINK_TYPE_ENROLLED) {
        e->cert = TAKE_PTR(m.enrolled.cert);
        e->ca = TAKE_PTR(m.enrolled.ca);
        e->spice_cert = TAKE_PTR(m.enrolled.spice_cert);
        stop(e, 0);
    } else if (m.type == LINK_TYPE_BYE) {
        stop(e, error_set(e->err, EKEYREJECTED, "token", "the controller says: %s", m.bye.reason));
    }
    link_message_done(&m);
}

static void on_closed(void *arg, struct link_conn *conn, const char *reason)
{
    struct enrolment *e = arg;

    if (!e->cert)
        stop(e, error_set(e->err, ECONNRESET, "controller", "the link is gone: %s", reason));
}

static void on_failed(void *arg, const char *reason, int64_t retry_usec)
{
    struct enrolment *e = arg;

    stop(e, error_set(e->err, ECONNREFUSED, "controller", "it can't be reached: %s", reason));
}

static void on_deadline(void *arg)
{
    struct enrolment *e = arg;

    stop(e, error_set(e->err, ETIMEDOUT, "controller", "no answer within 30 s"));
}

static int exchange(struct enrolment *e, const struct node_config *config,
                    const struct pki_token *token)
{
    static const struct link_client_ops ops = {
        .connected = on_connected,
        .frame = on_frame,
        .closed = on_closed,
        .failed = on_failed,
    };
    struct link_client_config link = {.address = config->controller};
    struct source *deadline = loop_timer(e->loop, DEADLINE_USEC, on_deadline, e);
    struct link_client *client = NULL;
    struct link_tls *tls = NULL;
    int r = link_tls_new_enroll(token->ca_fingerprint, &tls, e->err);

    if (r >= 0)
        r = link_client_new(e->loop, tls, &link, &ops, e, &client, e->err);
    if (r >= 0) {
        e->result = -ECANCELED;
        loop_run(e->loop);
        r = e->result;
    }
    link_client_free(client);
    link_tls_free(tls);
    source_free(deadline);
    return r;
}

static int write_file(const char *path, const char *text, struct vdi_error *err)
{
    int r = file_replace(path, text, strlen(text));

    return r < 0 ? error_set(err, r, path, "it could not be written: %s", strerror(-r)) : 0;
}

static int install_spice(const struct enrolment *e, const struct node_config *config,
                         struct vdi_error *err)
{
    if (str_is_empty(e->spice_cert))
        return error_set(err, EPROTO, "spice_tls", "the controller gave no certificate for SPICE");
    return spice_tls_install(config->spice_tls_dir, e->spice_cert, e->ca, err);
}

int enroll(const struct node_config *config, const char *text, struct vdi_error *err)
{
    struct enrolment e = {.token = text, .err = err};
    struct pki_token token;
    int r = pki_token_parse(text, &token, err);

    if (r >= 0 && strcmp(token.name, config->node) != 0)
        r = error_set(err, EINVAL, "token", "it is for node '%s', and this one is '%s'", token.name,
                      config->node);
    if (r >= 0)
        r = pki_make_csr(config->key_file, config->node, &e.csr, err);
    if (r >= 0 && node_config_has_tls(config))
        r = spice_tls_request(config->spice_tls_dir, config->node, &e.spice_csr, err);
    if (r >= 0 && !(e.loop = loop_new()))
        r = error_set(err, ENOMEM, "", "out of memory");
    if (r >= 0)
        r = exchange(&e, config, &token);
    if (r >= 0)
        r = write_file(config->ca_file, e.ca, err);
    if (r >= 0)
        r = write_file(config->cert_file, e.cert, err);
    if (r >= 0 && e.spice_csr)
        r = install_spice(&e, config, err);
    loop_free(e.loop);
    free(e.csr);
    free(e.spice_csr);
    free(e.cert);
    free(e.ca);
    free(e.spice_cert);
    explicit_bzero(&token, sizeof(token));
    return r;
}
