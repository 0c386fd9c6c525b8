/* SPDX-License-Identifier: Apache-2.0 */
/* link_fixture.c - a CA in a scratch directory, a controller and nodes on one loop. */
#include "link_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define PATIENCE_USEC (20 * SEC)

static void must(int r, const struct vdi_error *err, const char *what)
{
    if (r >= 0)
        return;
    fail_msg("%s: %s: %s", what, strerror(-r), err->detail);
}

void scratch_path(const struct scratch *s, const char *name, char ret[96])
{
    int n = snprintf(ret, 96, "%s/%s", s->dir, name);
    assert_in_range(n, 1, 95);
}

void scratch_init(struct scratch *s)
{
    struct vdi_error err = {0};
    strcpy(s->dir, "/tmp/vdi-link-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    must(pki_init(s->dir, "test", time_now_usec() / SEC, &err), &err, "pki_init");
    scratch_path(s, "ca.crt", s->ca);
    scratch_path(s, "server.key", s->server_key);
    scratch_path(s, "server.crt", s->server_cert);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void scratch_done(struct scratch *s)
{
    nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void scratch_node(struct scratch *s, const char *name, unsigned days, int64_t now_sec)
{
    struct vdi_error err = {0};
    char file[80], path[96];
    _cleanup_(freep) char *csr = NULL;
    _cleanup_(freep) char *cert = NULL;
    snprintf(file, sizeof(file), "%s.key", name);
    scratch_path(s, file, path);
    must(pki_make_csr(path, name, &csr, &err), &err, "pki_make_csr");
    must(pki_issue_node(s->dir, name, csr, days, now_sec, &cert, &err), &err, "pki_issue_node");
    snprintf(file, sizeof(file), "%s.crt", name);
    scratch_path(s, file, path);
    _cleanup_(fclosep) FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(cert, f);
}

/* ---- what both sides do ---- */

static void saw_frame(struct side *side, struct link_conn *conn, const void *data, size_t len)
{
    side->frames++;
    side->last_len = len;
    side->bytes += len;
    size_t n = len < sizeof(side->last) - 1 ? len : sizeof(side->last) - 1;
    memcpy(side->last, data, n);
    side->last[n] = '\0';
    if (side->echo)
        link_conn_send(conn, data, len);
    if (side->close_after && side->frames >= side->close_after)
        link_conn_close(conn, "the test has had enough");
}

static void saw_closed(struct side *side, const char *reason)
{
    side->closed++;
    side->conn = NULL;
    str_copy(side->reason, sizeof(side->reason), reason);
}

static void server_authenticated(void *arg, struct link_conn *conn, const char *node)
{
    struct pair *p = arg;
    p->at_server.connected++;
    p->at_server.conn = conn;
    str_copy(p->at_server.node, sizeof(p->at_server.node), node);
}

static void server_frame(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct pair *p = arg;
    if (p->at_server.admit)
        link_conn_admit(conn);
    saw_frame(&p->at_server, conn, data, len);
}

static void server_closed(void *arg, struct link_conn *conn, const char *reason)
{
    struct pair *p = arg;
    saw_closed(&p->at_server, reason);
}

static void client_connected(void *arg, struct link_conn *conn)
{
    struct pair *p = arg;
    p->at_client.connected++;
    p->at_client.conn = conn;
    str_copy(p->at_client.node, sizeof(p->at_client.node), link_conn_node(conn));
    if (p->at_client.admit) {
        assert_int_equal(link_conn_send(conn, "hello", 5), 0);
        link_conn_admit(conn);
    }
}

static void client_frame(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct pair *p = arg;
    saw_frame(&p->at_client, conn, data, len);
}

static void client_closed(void *arg, struct link_conn *conn, const char *reason)
{
    struct pair *p = arg;
    saw_closed(&p->at_client, reason);
}

static void client_failed(void *arg, const char *reason, int64_t retry_usec)
{
    struct pair *p = arg;
    p->at_client.failed++;
    str_copy(p->at_client.reason, sizeof(p->at_client.reason), reason);
}

static void client_heartbeat(void *arg, struct link_conn *conn)
{
    struct pair *p = arg;
    p->at_client.heartbeats++;
    link_conn_send(conn, "beat", 4);
}

/* ---- the pair ---- */

struct link_tls *pair_tls(struct pair *p, const char *node, const char *peer_name)
{
    struct vdi_error err = {0};
    struct link_tls *tls = NULL;
    char file[80], key[96], cert[96];
    snprintf(file, sizeof(file), "%s.key", node);
    scratch_path(&p->scratch, file, key);
    snprintf(file, sizeof(file), "%s.crt", node);
    scratch_path(&p->scratch, file, cert);
    struct link_tls_config config = {
        .ca_file = p->scratch.ca, .cert_file = cert, .key_file = key, .peer_name = peer_name};
    must(link_tls_new_client(&config, &tls, &err), &err, "link_tls_new_client");
    return tls;
}

void pair_init(struct pair *p)
{
    struct vdi_error err = {0};
    signal(SIGPIPE, SIG_DFL); /* the link itself must not raise it */
    *p = (struct pair){.at_server.admit = true, .at_client.admit = true};
    p->loop = loop_new();
    assert_non_null(p->loop);
    scratch_init(&p->scratch);
    scratch_node(&p->scratch, "gpu01", 1, time_now_usec() / SEC);
    struct link_tls_config config = {.ca_file = p->scratch.ca,
                                     .cert_file = p->scratch.server_cert,
                                     .key_file = p->scratch.server_key};
    must(link_tls_new_server(&config, NULL, &p->server_tls, &err), &err, "link_tls_new_server");
    p->client_tls = pair_tls(p, "gpu01", "vdictld.test");
}

void pair_listen(struct pair *p)
{
    static const struct link_server_ops ops = {
        .authenticated = server_authenticated, .frame = server_frame, .closed = server_closed};
    struct vdi_error err = {0};
    const char *address = p->address[0] ? p->address : "127.0.0.1:0";
    must(link_server_new(p->loop, p->server_tls, address, &p->limits, &ops, p, &p->server, &err),
         &err, "link_server_new");
    snprintf(p->address, sizeof(p->address), "127.0.0.1:%u", link_server_port(p->server));
}

void pair_connect(struct pair *p, struct link_tls *tls)
{
    static const struct link_client_ops ops = {.connected = client_connected,
                                               .frame = client_frame,
                                               .closed = client_closed,
                                               .failed = client_failed,
                                               .heartbeat = client_heartbeat};
    struct vdi_error err = {0};
    struct link_client_config config = {.address = p->address,
                                        .limits = p->limits,
                                        .heartbeat_usec = 20 * MSEC,
                                        .retry_min_usec = 5 * MSEC,
                                        .retry_max_usec = 50 * MSEC};
    must(link_client_new(p->loop, tls, &config, &ops, p, &p->client, &err), &err,
         "link_client_new");
}

void pair_done(struct pair *p)
{
    link_client_free(p->client);
    link_server_free(p->server);
    link_tls_free(p->client_tls);
    link_tls_free(p->server_tls);
    loop_free(p->loop);
    scratch_done(&p->scratch);
}

static void nothing(void *arg)
{
}

void pair_rounds(struct pair *p, int64_t usec)
{
    int64_t end = time_monotonic_usec() + usec;
    while (time_monotonic_usec() < end) {
        struct source *timer = loop_timer(p->loop, 5 * MSEC, nothing, NULL);
        assert_int_equal(loop_run_once(p->loop, true), 0);
        source_free(timer);
    }
}

void pair_until(struct pair *p, const int *value, int n)
{
    int64_t end = time_monotonic_usec() + PATIENCE_USEC;
    while (*value < n) {
        struct source *timer = loop_timer(p->loop, 50 * MSEC, nothing, NULL);
        assert_int_equal(loop_run_once(p->loop, true), 0);
        source_free(timer);
        if (time_monotonic_usec() > end)
            fail_msg("waited in vain for %d (is %d); client: %s; server: %s", n, *value,
                     p->at_client.reason, p->at_server.reason);
    }
}

int pair_raw(struct pair *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(link_server_port(p->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}
