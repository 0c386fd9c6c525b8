/* SPDX-License-Identifier: Apache-2.0 */
/* test_link.c - the node link over loopback: trust, frames, limits, losses */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "link_fixture.h"
#include "wire/link_outbox.h"

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    pair_init(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    pair_done(*state);
    free(*state);
    return 0;
}

static void meet(struct pair *p)
{
    pair_listen(p);
    pair_connect(p, p->client_tls);
    pair_until(p, &p->at_server.frames, 1);
}

/* ---- it works ---- */

static void test_hello(void **state)
{
    struct pair *p = *state;
    p->at_server.echo = true;
    meet(p);
    assert_string_equal(p->at_server.node, "gpu01");
    assert_string_equal(p->at_client.node, "vdictld.test");
    assert_string_equal(p->at_server.last, "hello");
    pair_until(p, &p->at_client.frames, 1);
    assert_string_equal(p->at_client.last, "hello");
    assert_int_equal(p->at_client.connected, 1);
    assert_int_equal(p->at_server.closed, 0);
}

static void test_heartbeats(void **state)
{
    struct pair *p = *state;
    p->limits.silent_usec = SEC;
    p->at_server.echo = true;
    meet(p);
    pair_until(p, &p->at_client.heartbeats, 20);
    pair_until(p, &p->at_client.frames, 21);
    assert_string_equal(p->at_client.last, "beat");
    assert_true(link_conn_silent_usec(p->at_server.conn) < SEC);
    assert_int_equal(p->at_client.closed, 0);
}

/* ---- frames ---- */

static void exchange(struct pair *p, size_t len)
{
    char *data = malloc(len + 1);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + i % 23);
    int before = p->at_client.frames;
    assert_int_equal(link_conn_send(p->at_server.conn, data, len), 0);
    pair_until(p, &p->at_client.frames, before + 1);
    assert_int_equal(p->at_client.last_len, len);
    size_t n = len < 255 ? len : 255;
    assert_memory_equal(p->at_client.last, data, n);
    free(data);
}

static void test_frame_sizes(void **state)
{
    struct pair *p = *state;
    meet(p);
    exchange(p, 0);
    exchange(p, 1);
    exchange(p, 0);
    for (size_t len = 16000; len < 16800; len += 97) /* about a TLS record */
        exchange(p, len);
    exchange(p, LINK_FRAME_MAX);
    char *data = calloc(1, LINK_FRAME_MAX + 1);
    assert_int_equal(link_conn_send(p->at_server.conn, data, LINK_FRAME_MAX + 1), -EMSGSIZE);
    free(data);
    exchange(p, 3);
    assert_int_equal(p->at_client.closed, 0);
}

/* Of a peer that keeps to no limit: pieces by hand on our side's decoder are in test_frame. */
static void test_large_before_admit(void **state)
{
    struct pair *p = *state;
    static char data[LINK_HELLO_MAX + 1];
    p->at_server.admit = false;
    meet(p);
    assert_int_equal(link_conn_send(p->at_client.conn, data, LINK_HELLO_MAX), 0);
    pair_until(p, &p->at_server.frames, 2);
    assert_int_equal(link_conn_send(p->at_client.conn, data, LINK_HELLO_MAX + 1), 0);
    pair_until(p, &p->at_server.closed, 1);
    assert_non_null(strstr(p->at_server.reason, "65537 bytes: the limit is 65536"));
    pair_until(p, &p->at_client.closed, 1);
}

/* ---- trust ---- */

static void refused(struct pair *p, const char *why_at_server, const char *why_at_client)
{
    int before = p->at_client.closed + p->at_client.failed;
    int64_t end = time_monotonic_usec() + 10 * SEC;
    while (p->at_client.closed + p->at_client.failed == before && time_monotonic_usec() < end)
        pair_rounds(p, 10 * MSEC);
    assert_int_equal(p->at_server.frames, 0);
    assert_int_equal(p->at_server.connected, 0);
    if (!strstr(p->at_client.reason, why_at_client))
        fail_msg("the client heard: %s", p->at_client.reason);
}

static void test_wrong_ca(void **state)
{
    struct pair *p = *state;
    struct scratch other;
    struct vdi_error err;
    struct link_tls *tls = NULL;
    char key[96], cert[96];
    scratch_init(&other);
    scratch_node(&other, "gpu01", 1, time_now_usec() / SEC);
    scratch_path(&other, "gpu01.key", key);
    scratch_path(&other, "gpu01.crt", cert);
    pair_listen(p);
    /* Its own CA does not know the controller. */
    struct link_tls_config config = {
        .ca_file = other.ca, .cert_file = cert, .key_file = key, .peer_name = "vdictld.test"};
    assert_int_equal(link_tls_new_client(&config, &tls, &err), 0);
    pair_connect(p, tls);
    refused(p, "", "not accepted");
    link_client_free(p->client);
    link_tls_free(tls);
    /* It takes our controller, but the controller does not take it. */
    config.ca_file = p->scratch.ca;
    assert_int_equal(link_tls_new_client(&config, &tls, &err), 0);
    pair_connect(p, tls);
    refused(p, "", "alert");
    link_client_free(p->client);
    p->client = NULL;
    link_tls_free(tls);
    scratch_done(&other);
}

static void connect_as(struct pair *p, const char *node, const char *peer, const char *why)
{
    struct link_tls *tls = pair_tls(p, node, peer);
    pair_listen(p);
    pair_connect(p, tls);
    refused(p, "", why);
    link_client_free(p->client);
    p->client = NULL;
    link_tls_free(tls);
}

static void test_expired(void **state)
{
    struct pair *p = *state;
    scratch_node(&p->scratch, "old", 1, time_now_usec() / SEC - 3 * 86400);
    connect_as(p, "old", "vdictld.test", "certificate expired");
}

static void test_not_yet(void **state)
{
    struct pair *p = *state;
    scratch_node(&p->scratch, "early", 1, time_now_usec() / SEC + 86400);
    connect_as(p, "early", "vdictld.test", "alert");
}

static void test_wrong_name(void **state)
{
    connect_as(*state, "gpu01", "vdictld.elsewhere", "not accepted");
}

static void test_node_as_controller(void **state)
{
    struct pair *p = *state;
    struct vdi_error err;
    char key[96], cert[96];
    /* A node's certificate with the controller's name is still none of a controller. */
    scratch_node(&p->scratch, "vdictld.test", 1, time_now_usec() / SEC);
    scratch_path(&p->scratch, "vdictld.test.key", key);
    scratch_path(&p->scratch, "vdictld.test.crt", cert);
    struct link_tls_config config = {.ca_file = p->scratch.ca, .cert_file = cert, .key_file = key};
    link_tls_free(p->server_tls);
    assert_int_equal(link_tls_new_server(&config, NULL, &p->server_tls, &err), 0);
    connect_as(p, "gpu01", "vdictld.test", "not accepted");
}

static void test_controller_as_node(void **state)
{
    connect_as(*state, "server", "vdictld.test", "alert");
}

static void test_revoked(void **state)
{
    struct pair *p = *state;
    struct vdi_error err;
    struct pki_revoked *revoked = NULL;
    unsigned n;
    meet(p);
    assert_int_equal(pki_revoke_node(p->scratch.dir, "gpu01", &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(pki_revoked_load(p->scratch.dir, &revoked, &err), 0);
    link_tls_set_revoked(p->server_tls, revoked);
    assert_int_equal(p->at_server.closed, 0);
    link_server_recheck(p->server);
    assert_int_equal(p->at_server.closed, 0); /* not from inside the call */
    pair_until(p, &p->at_server.closed, 1);
    assert_string_equal(p->at_server.reason, "its certificate is revoked");
    /* It comes again and again, and is not let in. */
    int frames = p->at_server.frames, closed = p->at_client.closed;
    pair_until(p, &p->at_client.closed, closed + 3);
    assert_int_equal(p->at_server.connected, 1);
    assert_int_equal(p->at_server.frames, frames);
    assert_non_null(strstr(p->at_client.reason, "certificate revoked"));
}

static void test_no_certificate(void **state)
{
    struct pair *p = *state;
    struct vdi_error err;
    struct pki_cert_info info;
    struct link_tls *tls = NULL;
    X509 *ca = NULL;
    assert_int_equal(pki_read_cert(p->scratch.ca, &ca, &err), 0);
    assert_int_equal(pki_cert_info(ca, &info), 0);
    X509_free(ca);
    assert_int_equal(link_tls_new_enroll(info.fingerprint, &tls, &err), 0);
    pair_listen(p); /* without `enroll` */
    pair_connect(p, tls);
    refused(p, "", "alert");
    link_client_free(p->client);
    p->client = NULL;
    link_tls_free(tls);
}

/* The controller's certificate is renewed while nodes are there. */
static void test_reload(void **state)
{
    struct pair *p = *state;
    struct vdi_error err;
    struct link_tls_config config = {.cert_file = p->scratch.server_cert,
                                     .key_file = p->scratch.server_key};
    meet(p);
    assert_int_equal(pki_renew_server(p->scratch.dir, "test", time_now_usec() / SEC, &err), 0);
    assert_int_equal(link_tls_reload(p->server_tls, &config, &err), 0);
    config.key_file = p->scratch.ca; /* nothing that could be a key */
    assert_true(link_tls_reload(p->server_tls, &config, &err) < 0);
    exchange(p, 10); /* those there stay */
    link_conn_close(p->at_server.conn, "come again");
    pair_until(p, &p->at_server.connected, 2);
    exchange(p, 11);
    assert_int_equal(p->at_client.connected, 2);
}

/* ---- those that are no nodes ---- */

static bool raw_is_closed(struct pair *p, int fd, int64_t patience_usec)
{
    char sink[4096];
    int64_t end = time_monotonic_usec() + patience_usec;
    while (time_monotonic_usec() < end) {
        pair_rounds(p, 5 * MSEC);
        ssize_t n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return true;
    }
    return false;
}

static void test_garbage(void **state)
{
    struct pair *p = *state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff",
                                        "\0\0\0\5hello", "\xff\xff\xff\xff\xff\xff\xff\xff"};
    static const size_t lens[] = {27, 5, 9, 8};
    p->limits.handshake_usec = 300 * MSEC;
    pair_listen(p);
    for (size_t i = 0; i < 4; i++) {
        int fd = pair_raw(p);
        assert_int_equal(send(fd, texts[i], lens[i], 0), lens[i]);
        assert_true(raw_is_closed(p, fd, 5 * SEC));
        close(fd);
    }
    assert_int_equal(link_server_conns(p->server), 0);
    pair_connect(p, p->client_tls); /* and nodes still get in */
    pair_until(p, &p->at_server.frames, 1);
}

static void test_half_open(void **state)
{
    struct pair *p = *state;
    p->limits.handshake_usec = 200 * MSEC;
    pair_listen(p);
    int fd = pair_raw(p);
    pair_rounds(p, 50 * MSEC);
    assert_int_equal(link_server_conns(p->server), 1);
    assert_true(raw_is_closed(p, fd, 5 * SEC));
    assert_int_equal(link_server_conns(p->server), 0);
    close(fd);
}

/* TLS is done, but no hello that the owner would admit. */
static void test_no_hello(void **state)
{
    struct pair *p = *state;
    p->limits.handshake_usec = 200 * MSEC;
    p->at_server.admit = false;
    meet(p);
    pair_until(p, &p->at_server.closed, 1);
    assert_non_null(strstr(p->at_server.reason, "the hello took longer"));
}

static void test_silence(void **state)
{
    struct pair *p = *state;
    p->limits.silent_usec = 200 * MSEC;
    meet(p);
    /* Heartbeats come every 20 ms, but nothing answers the node. */
    pair_until(p, &p->at_client.closed, 1);
    assert_non_null(strstr(p->at_client.reason, "silent for 200 ms"));
}

static void test_many_of_one_address(void **state)
{
    struct pair *p = *state;
    int fds[8];
    p->limits.pending_per_ip = 4;
    p->limits.handshake_usec = 400 * MSEC;
    pair_listen(p);
    for (int i = 0; i < 8; i++)
        fds[i] = pair_raw(p);
    pair_rounds(p, 100 * MSEC);
    assert_int_equal(link_server_conns(p->server), 4);
    for (int i = 0; i < 8; i++)
        assert_true(raw_is_closed(p, fds[i], 5 * SEC));
    for (int i = 0; i < 8; i++)
        close(fds[i]);
}

/* At the limit the rest waits, and is served when there is room. */
static void test_pending_limit(void **state)
{
    struct pair *p = *state;
    int fds[6];
    p->limits.pending = 3;
    p->limits.handshake_usec = 300 * MSEC;
    pair_listen(p);
    for (int i = 0; i < 6; i++)
        fds[i] = pair_raw(p);
    pair_rounds(p, 100 * MSEC);
    assert_int_equal(link_server_conns(p->server), 3);
    pair_connect(p, p->client_tls);
    pair_until(p, &p->at_server.frames, 1);
    for (int i = 0; i < 6; i++)
        close(fds[i]);
}

/* ---- floods and losses ---- */

static void test_queue_limit(void **state)
{
    struct pair *p = *state;
    static char data[LINK_FRAME_MAX];
    int r = 0, sent = 0;
    meet(p);
    /* Nobody turns the loop, so nothing is taken off the queue. */
    while (sent < 100 && (r = link_conn_send(p->at_server.conn, data, sizeof(data))) == 0)
        sent++;
    assert_int_equal(r, -ENOBUFS);
    assert_int_equal(sent, LINK_QUEUE_MAX / sizeof(data) - 1); /* headers count too */
    assert_int_equal(p->at_server.closed, 0);
    assert_int_equal(link_conn_send(p->at_server.conn, data, 1), -ENOTCONN);
    pair_until(p, &p->at_server.closed, 1);
    assert_non_null(strstr(p->at_server.reason, "does not take what is sent"));
    pair_until(p, &p->at_server.connected, 2);
}

/* A peer that comes back may have more waiting for it than the queue holds. */
static void test_backlog(void **state)
{
    enum { N = 12 };
    struct pair *p = *state;
    static char data[LINK_FRAME_MAX];
    struct link_outbox *outbox = link_outbox_new(N, sizeof(data) * N);
    int64_t end = time_monotonic_usec() + 60 * SEC;

    meet(p);
    p->at_client.frames = 0;
    for (int i = 0; i < N; i++)
        assert_int_equal(link_outbox_push(outbox, data, sizeof(data)), 0);
    link_conn_send_waiting(NULL, outbox);
    link_conn_send_waiting(p->at_server.conn, outbox);
    while (p->at_client.frames < N && p->at_server.closed == 0 && time_monotonic_usec() < end) {
        pair_rounds(p, 5 * MSEC);
        assert_int_equal(link_outbox_ack(outbox, (uint64_t)p->at_client.frames), 0);
        link_conn_send_waiting(p->at_server.conn, outbox);
    }
    assert_int_equal(p->at_client.frames, N);
    assert_int_equal(link_outbox_count(outbox), 0);
    assert_int_equal(p->at_server.closed, 0);
    link_outbox_free(outbox);
}

/* Much more than the sockets hold, in both directions at once. */
static void test_flood(void **state)
{
    struct pair *p = *state;
    static char data[60000];
    meet(p);
    size_t want = 0;
    p->at_server.echo = true;
    p->at_client.bytes = 0;
    for (int i = 0; i < 60; i++) {
        assert_int_equal(link_conn_send(p->at_client.conn, data, sizeof(data)), 0);
        want += sizeof(data);
    }
    int64_t end = time_monotonic_usec() + 20 * SEC;
    while (p->at_client.bytes < want && time_monotonic_usec() < end)
        pair_rounds(p, 5 * MSEC);
    assert_true(p->at_client.bytes >= want);
    assert_true(link_conn_queued(p->at_client.conn) < 100); /* a heartbeat at most */
    assert_int_equal(p->at_client.closed, 0);
}

/* What is sent before a polite close arrives, however much the peer was sending meanwhile. */
static void test_polite_close(void **state)
{
    struct pair *p = *state;
    static char data[50000];
    meet(p);
    for (int i = 0; i < 40; i++)
        assert_int_equal(link_conn_send(p->at_client.conn, data, sizeof(data)), 0);
    assert_int_equal(link_conn_send(p->at_server.conn, "you are too old", 15), 0);
    link_conn_close(p->at_server.conn, "too old");
    assert_int_equal(link_conn_send(p->at_server.conn, "more", 4), -ENOTCONN);
    pair_until(p, &p->at_client.closed, 1);
    assert_string_equal(p->at_client.last, "you are too old");
    assert_int_equal(p->at_server.closed, 1);
    assert_string_equal(p->at_server.reason, "too old");
}

static void test_close_inside_frame(void **state)
{
    struct pair *p = *state;
    p->at_server.close_after = 1;
    pair_listen(p);
    pair_connect(p, p->client_tls);
    pair_until(p, &p->at_server.closed, 3);
    assert_int_equal(p->at_server.frames, p->at_server.closed);
    assert_int_equal(p->at_server.connected, p->at_server.closed);
}

static void test_reconnect(void **state)
{
    struct pair *p = *state;
    meet(p);
    link_server_free(p->server);
    p->server = NULL;
    pair_until(p, &p->at_client.closed, 1);
    pair_until(p, &p->at_client.failed, 2); /* nobody listens */
    assert_non_null(strstr(p->at_client.reason, "refused"));
    pair_listen(p); /* on the same port */
    pair_until(p, &p->at_server.connected, 2);
    pair_until(p, &p->at_server.frames, 2);
    assert_int_equal(p->at_client.connected, 2);
}

static void test_free_at_any_time(void **state)
{
    struct pair *p = *state;
    pair_listen(p);
    for (int rounds = 0; rounds < 12; rounds++) {
        pair_connect(p, p->client_tls);
        for (int i = 0; i < rounds; i++)
            assert_int_equal(loop_run_once(p->loop, true), 0);
        link_client_free(p->client);
        p->client = NULL;
    }
    pair_rounds(p, 50 * MSEC);
    assert_int_equal(link_server_conns(p->server), 0);
}

static void test_bad_addresses(void **state)
{
    struct pair *p = *state;
    static const char *const bad[] = {"",        "host",      ":1", "::1:2",
                                      "h:65536", "name:6820", "h:", "127.0.0.1:-1"};
    static const struct link_server_ops ops = {0};
    struct vdi_error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct link_server *server = NULL;
        err = (struct vdi_error){0};
        assert_true(link_server_new(p->loop, p->server_tls, bad[i], NULL, &ops, p, &server, &err) <
                    0);
        assert_string_equal(err.field, "address");
    }
}

static void test_lookup(void **state)
{
    struct pair *p = *state;
    pair_listen(p);
    snprintf(p->address, sizeof(p->address), "localhost:%u", link_server_port(p->server));
    pair_connect(p, p->client_tls); /* by /etc/hosts; [::1] refuses, 127.0.0.1 answers */
    pair_until(p, &p->at_server.frames, 1);
}

/* A lookup is under way when its client goes. */
static void test_lookup_cut(void **state)
{
    struct pair *p = *state;
    for (int rounds = 0; rounds < 4; rounds++) {
        snprintf(p->address, sizeof(p->address), "nowhere.invalid:1");
        pair_connect(p, p->client_tls);
        for (int i = 0; i < rounds; i++)
            assert_int_equal(loop_run_once(p->loop, true), 0);
        link_client_free(p->client);
        p->client = NULL;
        pair_rounds(p, 30 * MSEC);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_hello),
        TEST(test_heartbeats),
        TEST(test_frame_sizes),
        TEST(test_large_before_admit),
        TEST(test_wrong_ca),
        TEST(test_expired),
        TEST(test_not_yet),
        TEST(test_wrong_name),
        TEST(test_node_as_controller),
        TEST(test_controller_as_node),
        TEST(test_revoked),
        TEST(test_no_certificate),
        TEST(test_reload),
        TEST(test_garbage),
        TEST(test_half_open),
        TEST(test_no_hello),
        TEST(test_silence),
        TEST(test_many_of_one_address),
        TEST(test_pending_limit),
        TEST(test_queue_limit),
        TEST(test_backlog),
        TEST(test_flood),
        TEST(test_polite_close),
        TEST(test_close_inside_frame),
        TEST(test_reconnect),
        TEST(test_free_at_any_time),
        TEST(test_bad_addresses),
        TEST(test_lookup),
        TEST(test_lookup_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
