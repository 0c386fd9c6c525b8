/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_client.c - the client against our server, and against servers that misbehave. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "http_fixture.h"
#include "wire/http_client.h"

static struct http_client *client_new(const char *url, const char *ca_file)
{
    struct http_client *client = NULL;
    struct vdi_error err = {0};
    assert_int_equal(http_client_new(url, ca_file, 3, &client, &err), 0);
    return client;
}

static void expect(struct http_client *client, const char *method, const char *target,
                   const char *body, const char *want)
{
    struct http_reply reply;
    struct vdi_error err = {0};
    int r = http_client_do(client, method, target, NULL, body, body ? strlen(body) : 0, NULL, NULL,
                           &reply, &err);
    if (r < 0)
        fail_msg("%s %s: %s", method, target, err.detail);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body.data, want);
    http_reply_done(&reply);
}

static void exchanges(struct http_client *client)
{
    expect(client, "GET", "/echo?a=1", NULL, "GET /echo a=1 body=0:\n");
    expect(client, "POST", "/later", "hello", "POST /later a=- body=5:hello\n");
    expect(client, "DELETE", "/x", NULL, "DELETE /x a=- body=0:\n");
}

static void speaks_over_all_three(void **state)
{
    struct fixture *f = fixture_new(NULL, true);
    char urls[3][128], ca[96];
    snprintf(ca, sizeof(ca), "%s/cert.pem", f->dir);
    snprintf(urls[0], 128, "unix:%s", f->unix_path);
    snprintf(urls[1], 128, "http://127.0.0.1:%u", f->port);
    snprintf(urls[2], 128, "https://127.0.0.1:%u/", f->tls_port);
    for (int i = 0; i < 3; i++) {
        struct http_client *client = client_new(urls[i], ca);
        exchanges(client);
        http_client_free(client);
    }
    assert_int_equal(fixture_stats(f).connections, 3); /* kept alive */
    fixture_free(f);
}

static void passes_headers_both_ways(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    char url[128];
    snprintf(url, sizeof(url), "unix:%s", f->unix_path);
    struct http_client *client = client_new(url, NULL);
    const char *headers[] = {"X-Sent: yes", NULL}, *split[] = {"X: a\r\nY: b", NULL};
    struct http_reply reply;
    struct vdi_error err;
    assert_int_equal(
        http_client_do(client, "GET", "/header", headers, NULL, 0, NULL, NULL, &reply, &err), 0);
    assert_int_equal(reply.status, 201);
    assert_string_equal(reply.location, "/v1/jobs/7");
    assert_string_equal(reply.content_type, "application/json");
    assert_string_equal(reply.body.data, "yes|/header\n");
    http_reply_done(&reply);
    assert_int_equal(http_client_do(client, "GET", "/", split, NULL, 0, NULL, NULL, &reply, &err),
                     -EINVAL);
    assert_int_equal(http_client_do(client, "GET", "/ x", NULL, NULL, 0, NULL, NULL, &reply, &err),
                     -EINVAL);
    http_client_free(client);
    fixture_free(f);
}

static void reads_the_refusal_of_a_large_body(void **state)
{
    struct fixture *f = fixture_new(NULL, true);
    char url[128], ca[96];
    _cleanup_(freep) char *body = calloc(1, 4 << 20);
    memset(body, 'x', 4 << 20);
    snprintf(ca, sizeof(ca), "%s/cert.pem", f->dir);
    for (int i = 0; i < 3; i++) {
        struct http_reply reply;
        struct vdi_error err = {0};
        if (i == 0)
            snprintf(url, sizeof(url), "unix:%s", f->unix_path);
        else
            snprintf(url, sizeof(url), "%s://127.0.0.1:%u", i == 1 ? "http" : "https",
                     i == 1 ? f->port : f->tls_port);
        struct http_client *client = client_new(url, ca);
        int r =
            http_client_do(client, "POST", "/echo", NULL, body, 4 << 20, NULL, NULL, &reply, &err);
        /* On TLS a reset may overtake the answer. */
        if (i < 2 || r == 0) {
            assert_int_equal(r, 0);
            assert_int_equal(reply.status, 413);
            assert_string_equal(reply.content_type, "application/problem+json");
            http_reply_done(&reply);
        }
        expect(client, "GET", "/echo", NULL, "GET /echo a=- body=0:\n"); /* on a new one */
        http_client_free(client);
    }
    fixture_free(f);
}

static int count_data(void *arg, const char *data, size_t len)
{
    *(size_t *)arg += len;
    return 0;
}

static int stop_at_once(void *arg, const char *data, size_t len)
{
    return -ECANCELED;
}

static void streams(void **state)
{
    struct fixture *f = fixture_new(NULL, true);
    char url[128], ca[96];
    size_t got = 0;
    struct http_reply reply;
    struct vdi_error err = {0};
    snprintf(ca, sizeof(ca), "%s/cert.pem", f->dir);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u", f->tls_port);
    struct http_client *client = client_new(url, ca);
    assert_int_equal(http_client_do(client, "GET", "/stream?n=100", NULL, NULL, 0, count_data, &got,
                                    &reply, &err),
                     0);
    assert_int_equal(got, 100 * SLICE);
    assert_int_equal(reply.body.len, 0);
    http_reply_done(&reply);
    exchanges(client);
    assert_int_equal(
        http_client_do(client, "GET", "/events", NULL, NULL, 0, stop_at_once, NULL, &reply, &err),
        -ECANCELED);
    for (int i = 0; i < 300 && f->closed < 2; i++)
        usleep(10000);
    assert_int_equal(f->closed, 2);
    http_client_free(client);
    fixture_free(f);
}

static void limits_what_it_buffers(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    char url[128];
    struct http_reply reply;
    struct vdi_error err = {0};
    snprintf(url, sizeof(url), "unix:%s", f->unix_path);
    struct http_client *client = client_new(url, NULL);
    assert_int_equal(
        http_client_do(client, "GET", "/stream?n=1025", NULL, NULL, 0, NULL, NULL, &reply, &err),
        -EFBIG);
    http_client_free(client);
    fixture_free(f);
}

static int refusal(const char *url, const char *ca, char *detail)
{
    struct http_client *client;
    struct http_reply reply;
    struct vdi_error err = {0};
    int r = http_client_new(url, ca, 1, &client, &err);
    if (r == 0) {
        r = http_client_do(client, "GET", "/echo", NULL, NULL, 0, NULL, NULL, &reply, &err);
        http_client_free(client);
        if (r == 0)
            http_reply_done(&reply);
    }
    strcpy(detail, err.detail);
    return r;
}

static void checks_certificates(void **state)
{
    struct fixture *f = fixture_new(NULL, true);
    char url[128], ca[96], detail[sizeof(((struct vdi_error *)0)->detail)];
    snprintf(ca, sizeof(ca), "%s/cert.pem", f->dir);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u", f->tls_port);
    assert_int_equal(refusal(url, ca, detail), 0);
    assert_int_equal(refusal(url, NULL, detail), -EKEYREJECTED); /* not in the system's store */
    snprintf(url, sizeof(url), "https://localhost:%u", f->tls_port);
    assert_int_equal(refusal(url, ca, detail), -EKEYREJECTED); /* not the name in it */
    assert_non_null(strstr(detail, "localhost"));
    snprintf(url, sizeof(url), "https://127.0.0.1:%u", f->port);
    assert_true(refusal(url, ca, detail) < 0); /* not TLS */
    fixture_free(f);
}

static void says_where_it_failed(void **state)
{
    char detail[sizeof(((struct vdi_error *)0)->detail)];
    assert_int_equal(refusal("unix:/no/such/socket", NULL, detail), -ENOENT);
    assert_non_null(strstr(detail, "unix:/no/such/socket"));
    assert_int_equal(refusal("http://127.0.0.1:1", NULL, detail), -ECONNREFUSED);
    assert_non_null(strstr(detail, "127.0.0.1:1"));
    assert_int_equal(refusal("http://192.0.2.1:80", NULL, detail), -EPERM);
    assert_int_equal(refusal("ftp://x", NULL, detail), -EINVAL);
    assert_int_equal(refusal("unix:relative", NULL, detail), -EINVAL);
    assert_int_equal(refusal("https://", NULL, detail), -EINVAL);
    assert_int_equal(refusal("https://h:0", NULL, detail), -EINVAL);
    assert_int_equal(refusal("https://h/path", NULL, detail), -EINVAL);
}

struct canned {
    int fd;
    const char *text;
    size_t len;
};

static void *serve_canned(void *arg)
{
    struct canned *c = arg;
    char request[4096];
    int fd = accept(c->fd, NULL, NULL);
    if (recv(fd, request, sizeof(request), 0) > 0)
        send(fd, c->text, c->len, MSG_NOSIGNAL);
    if (c->len == 0)
        recv(fd, request, sizeof(request), 0); /* says nothing until the client leaves */
    close(fd);
    return NULL;
}

static int against(const char *text, size_t len, char *detail)
{
    char url[64];
    pthread_t thread;
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t in_len = sizeof(in);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct canned c = {.fd = socket(AF_INET, SOCK_STREAM, 0), .text = text, .len = len};
    assert_int_equal(bind(c.fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(c.fd, 1), 0);
    assert_int_equal(getsockname(c.fd, (struct sockaddr *)&in, &in_len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(in.sin_port));
    assert_int_equal(pthread_create(&thread, NULL, serve_canned, &c), 0);
    int r = refusal(url, NULL, detail);
    pthread_join(thread, NULL);
    close(c.fd);
    return r;
}

static void survives_bad_servers(void **state)
{
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: x\r\n\r\n",
         0},
        {"HTTP/1.1 204\r\n\r\n", 0},
        {"SSH-2.0-x\r\n\r\n", -EPROTO},
        {"HTTP/1.1 20x OK\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no", -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\n", -ECONNRESET},
        {"", -ETIMEDOUT},
    };
    char detail[sizeof(((struct vdi_error *)0)->detail)];
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int r = against(rows[i].text, strlen(rows[i].text), detail);
        if (r != rows[i].want)
            fail_msg("%d, not %d (%s) for: %s", r, rows[i].want, detail, rows[i].text);
    }
    assert_int_equal(against("HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n", 27, detail), -EPROTO);
    _cleanup_(freep) char *endless = malloc(100000);
    memset(endless, 'x', 100000);
    memcpy(endless, "HTTP/1.1 200 OK\r\nX: ", 20);
    assert_int_equal(against(endless, 100000, detail), -EPROTO);
}

static void comes_back_after_a_restart(void **state)
{
    struct http_limits limits = {8, 8, 8192, 8192, 1, 1};
    struct fixture *f = fixture_new(&limits, false);
    char url[128];
    snprintf(url, sizeof(url), "unix:%s", f->unix_path);
    struct http_client *client = client_new(url, NULL);
    exchanges(client);
    sleep(3); /* the server has ended the idle connection */
    expect(client, "POST", "/echo", "again", "POST /echo a=- body=5:again\n");
    http_client_free(client);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_over_all_three),
        cmocka_unit_test(passes_headers_both_ways),
        cmocka_unit_test(reads_the_refusal_of_a_large_body),
        cmocka_unit_test(streams),
        cmocka_unit_test(limits_what_it_buffers),
        cmocka_unit_test(checks_certificates),
        cmocka_unit_test(says_where_it_failed),
        cmocka_unit_test(survives_bad_servers),
        cmocka_unit_test(comes_back_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
