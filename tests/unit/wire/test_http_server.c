/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_server.c - the server against raw bytes: what is served, and what is refused. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/time.h"
#include "http_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static const struct http_limits tight = {.connections = 6,
                                         .connections_client = 4,
                                         .header_bytes = 4 * 1024,
                                         .body_bytes = 1000,
                                         .idle_sec = 1,
                                         .arrive_sec = 1};

static void wait_for(atomic_uint *value, unsigned at_least)
{
    for (int i = 0; i < 500 && *value < at_least; i++)
        usleep(10000);
    assert_true(*value >= at_least);
}

static void expect(int fd, const char *request, const char *end, const char *want)
{
    raw_send(fd, request);
    const char *text = raw_read(fd, end, 1);
    if (!strstr(text, want))
        print_message("want: %s\ngot: %s\n", want, text);
    assert_non_null(strstr(text, want));
}

/* On a fresh connection: the status, as a problem document, and then the end. */
static void expect_refused(struct fixture *f, const char *request, const char *status)
{
    char want[32];
    int fd = raw_connect(f, false);
    snprintf(want, sizeof(want), "HTTP/1.1 %s ", status);
    raw_send(fd, request);
    const char *text = raw_read(fd, NULL, 0);
    if (!str_starts_with(text, want))
        print_message("want: %s\ngot: %s\nfor: %.200s\n", want, text, request);
    assert_true(str_starts_with(text, want));
    assert_non_null(strstr(text, "application/problem+json"));
    assert_non_null(strstr(text, "\"detail\":\""));
    close(fd);
}

static void serves_both_families(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        int fd = raw_connect(f, is_unix);
        expect(fd, GET("/echo?a=1%202+3&b"), "body=0:\n", "GET /echo a=1 2 3 body=0:");
        expect(fd, "POST /l%41ter HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "hello\n",
               "POST /lAter a=- body=5:hello");
        expect(fd, "PATCH /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "hi\n",
               "PATCH /later a=- body=2:hi");
        expect(fd, "DELETE /x HTTP/1.1\r\nHost: x\r\n\r\n", "body=0:\n", "DELETE /x");
        close(fd);
    }
    struct http_server_stats stats = fixture_stats(f);
    assert_int_equal(stats.requests, 8);
    assert_int_equal(stats.connections, 2);
    assert_int_equal(stats.refused_requests, 0);
    fixture_free(f);
}

static void tells_who_is_there(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    char want[64];
    snprintf(want, sizeof(want), "uid=%u gid=%u unix\n", getuid(), getgid());
    int fd = raw_connect(f, true);
    expect(fd, GET("/peer"), "unix\n", want);
    close(fd);
    fd = raw_connect(f, false);
    expect(fd, GET("/peer"), "127.0.0.1\n", "nobody 127.0.0.1");
    close(fd);
    fixture_free(f);
}

static void passes_headers_but_no_split_ones(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    int fd = raw_connect(f, true);
    raw_send(fd, "GET /header?q=%2F HTTP/1.1\r\nHost: x\r\nX-Sent: yes\r\n\r\n");
    const char *text = raw_read(fd, "%2F\n", 1);
    assert_non_null(strstr(text, "HTTP/1.1 201 "));
    assert_non_null(strstr(text, "Location: /v1/jobs/7\r\n"));
    assert_non_null(strstr(text, "yes|/header?q=%2F\n"));
    assert_null(strstr(text, "X-Evil"));
    close(fd);
    fixture_free(f);
}

static void answers_pipelined_requests_in_order(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    int fd = raw_connect(f, false);
    raw_send(fd, GET("/later?a=1") GET("/echo?a=2") GET("/later?a=3") GET("/echo?a=4"));
    const char *text = raw_read(fd, "body=0:\n", 4);
    const char *at = text;
    for (int i = 1; i <= 4; i++) {
        char want[16];
        snprintf(want, sizeof(want), " a=%d ", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    close(fd);
    fixture_free(f);
}

static void takes_chunked_bodies(void **state)
{
    struct fixture *f = fixture_new(&tight, false);
    int fd = raw_connect(f, false);
    expect(fd,
           "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
           "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n",
           "world\n", "body=11:hello world");
    close(fd);
    fixture_free(f);
}

static void continues_when_asked(void **state)
{
    struct fixture *f = fixture_new(&tight, false);
    int fd = raw_connect(f, false);
    expect(fd,
           "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
           "\r\n\r\n", "HTTP/1.1 100 ");
    expect(fd, "abc", "abc\n", "body=3:abc");
    close(fd);
    /* One that is too large is told so instead. */
    expect_refused(f,
                   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n"
                   "Expect: 100-continue\r\n\r\n",
                   "413");
    fixture_free(f);
}

static void refuses_large_bodies_before_they_come(void **state)
{
    struct fixture *f = fixture_new(&tight, false);
    expect_refused(f, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", "413");
    expect_refused(f, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999\r\n\r\n",
                   "413");
    char request[4096] = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "3e9\r\n";
    size_t len = strlen(request);
    memset(request + len, 'x', 1001);
    strcpy(request + len + 1001, "\r\n0\r\n\r\n");
    expect_refused(f, request, "413");
    assert_int_equal(f->seen, 0);
    assert_int_equal(fixture_stats(f).refused_requests, 3);
    fixture_free(f);
}

/* One client's bodies that are not whole take no more than their share; it is theirs again. */
static void bounds_bodies_of_all_requests(void **state)
{
    struct http_limits limits = tight;
    limits.connections = limits.connections_client = 32;
    limits.arrive_sec = 30;
    struct fixture *f = fixture_new(&limits, false);
    char body[1000 + 1];
    int fd[16];
    memset(body, 'x', 1000);
    body[1000] = '\0';
    for (int i = 0; i < 16; i++) {
        fd[i] = raw_connect(f, false);
        raw_send(fd[i], "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        raw_send(fd[i], body + 1);
    }
    const char *small = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        "Content-Length: 17\r\n\r\n0123456789abcdefg";
    bool refused = false;
    for (int i = 0; i < 500 && !refused; i++) { /* until all of them are there */
        int one = raw_connect(f, false);
        raw_send(one, small);
        refused = strstr(raw_read(one, NULL, 0), " 503 ") != NULL;
        close(one);
        if (!refused)
            usleep(10000);
    }
    assert_true(refused);
    int other = raw_connect(f, true);
    expect(other, small, NULL, " 200 ");
    close(other);
    for (int i = 0; i < 16; i++) {
        raw_send(fd[i], "y");
        assert_non_null(strstr(raw_read(fd[i], "body=1000:", 1), " 200 "));
        close(fd[i]);
    }
    other = raw_connect(f, false);
    expect(other, small, NULL, " 200 ");
    close(other);
    fixture_free(f);
}

static void cuts_chunked_bodies_without_end(void **state)
{
    struct fixture *f = fixture_new(&tight, false);
    char chunk[600];
    int fd = raw_connect(f, false);
    raw_send(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    memset(chunk, 'x', sizeof(chunk));
    memcpy(chunk, "200\r\n", 5);
    strcpy(chunk + 5 + 512, "\r\n");
    for (int i = 0; i < 8; i++)
        raw_send(fd, chunk);
    assert_true(raw_is_cut(fd));
    assert_int_equal(f->seen, 0);
    close(fd);
    fixture_free(f);
}

static void refuses_malformed_requests(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    expect_refused(f, GET("/a%00b"), "400");
    expect_refused(f, GET("/a%zz"), "400");
    expect_refused(f, GET("/a%4"), "400");
    expect_refused(f, GET("/a?x=%"), "400");
    expect_refused(f, GET("/a?x=%00"), "400");
    expect_refused(f, GET("a"), "400");
    expect_refused(f, "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", "501");
    expect_refused(f, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "501");
    expect_refused(f, "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400");
    expect_refused(
        f, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "400");
    expect_refused(f,
                   "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   "400");
    expect_refused(f, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501");
    char many[1024] = "GET /a?";
    for (int i = 0; i < 65; i++)
        strcat(many, "a=1&");
    strcat(many, " HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_refused(f, many, "400");
    assert_int_equal(f->seen, 0);
    fixture_free(f);
}

/* What MHD refuses by itself: any 4xx or the end will do, but no handler sees it. */
static void survives_garbage(void **state)
{
    static const char *const garbage[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n : x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "\x16\x03\x01\x02\x01\x01",
    };
    struct fixture *f = fixture_new(&tight, false); /* arrive_sec ends what MHD waits on */
    for (size_t i = 0; i < ELEMENTS(garbage); i++) {
        int fd = raw_connect(f, i % 2);
        raw_send(fd, garbage[i]);
        shutdown(fd, SHUT_WR);
        if (!raw_is_cut(fd))
            fail_msg("still open after: %s", garbage[i]);
        if (f->seen > 0)
            fail_msg("handled: %s", garbage[i]);
        close(fd);
    }
    int fd = raw_connect(f, false);
    assert_int_equal(send(fd, "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", 30, 0), 30);
    assert_true(raw_is_cut(fd));
    close(fd);
    assert_int_equal(f->seen, 0);
    fd = raw_connect(f, false);
    expect(fd, GET("/echo"), "body=0:\n", "200");
    close(fd);
    fixture_free(f);
}

static void refuses_large_headers(void **state)
{
    struct fixture *f = fixture_new(&tight, false);
    char request[64 * 1024];
    for (size_t size = 5000; size < 60000; size *= 10) {
        char *at = stpcpy(request, "GET /echo HTTP/1.1\r\nHost: x\r\nX-Long: ");
        memset(at, 'x', size);
        strcpy(at + size, "\r\n\r\n");
        int fd = raw_connect(f, false);
        raw_send(fd, request);
        const char *text = raw_read(fd, NULL, 0);
        /* Far too long ones are MHD's to refuse; a reset may then overtake its answer. */
        assert_true(strstr(text, " 431 ") || (size > 5000 && !*text));
        close(fd);
    }
    assert_int_equal(f->seen, 0);
    fixture_free(f);
}

static void cuts_slow_requests(void **state)
{
    struct fixture *f = fixture_new(&tight, false);
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n";
    for (int in_body = 0; in_body < 2; in_body++) {
        int fd = raw_connect(f, in_body);
        if (in_body)
            raw_send(fd, request);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        size_t at = 0;
        while (at < 50 && poll(&p, 1, 100) == 0) /* never idle for a second */
            send(fd, in_body ? "x" : &request[at], 1, MSG_NOSIGNAL), at++;
        assert_true(at < 50);
        assert_true(raw_is_cut(fd));
        close(fd);
    }
    /* And one that trickles on a connection that has been used before. */
    int fd = raw_connect(f, false);
    expect(fd, GET("/echo"), "body=0:\n", "200");
    raw_send(fd, request);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = 0;
    while (n < 50 && poll(&p, 1, 100) == 0)
        send(fd, "x", 1, MSG_NOSIGNAL), n++;
    assert_true(n < 50);
    close(fd);
    assert_int_equal(f->seen, 1);
    fixture_free(f);
}

static void ends_idle_connections(void **state)
{
    struct fixture *f = fixture_new(&tight, false);
    int fd = raw_connect(f, true);
    expect(fd, GET("/echo"), "body=0:\n", "200");
    assert_true(raw_is_cut(fd));
    close(fd);
    assert_int_equal(fixture_stats(f).open, 0);
    fixture_free(f);
}

static void limits_connections(void **state)
{
    struct http_limits limits = tight;
    limits.idle_sec = limits.arrive_sec = 30;
    struct fixture *f = fixture_new(&limits, false);
    int tcp[4], un[2];
    for (int i = 0; i < 4; i++) {
        tcp[i] = raw_connect(f, false);
        expect(tcp[i], GET("/echo"), "body=0:\n", "200");
    }
    int over = raw_connect(f, false); /* this client's fifth */
    assert_true(raw_is_cut(over));
    close(over);
    for (int i = 0; i < 2; i++) { /* another client still gets in */
        un[i] = raw_connect(f, true);
        expect(un[i], GET("/echo"), "body=0:\n", "200");
    }
    over = raw_connect(f, true); /* the seventh of all */
    assert_true(raw_is_cut(over));
    close(over);
    close(tcp[0]);
    bool served = false;
    for (int i = 0; i < 100 && !served; i++) { /* room again */
        tcp[0] = raw_connect(f, false);
        raw_send(tcp[0], GET("/echo"));
        served = strstr(raw_read(tcp[0], "body=0:\n", 1), " 200 ") != NULL;
        if (!served) {
            close(tcp[0]);
            usleep(20000);
        }
    }
    assert_true(served);
    for (int i = 0; i < 4; i++)
        close(tcp[i]);
    close(un[0]);
    close(un[1]);
    assert_true(fixture_stats(f).refused_connections >= 2);
    fixture_free(f);
}

static void streams_at_the_readers_pace(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    static char data[SLICE];
    int fd = raw_connect(f, true);
    size_t got = 0;
    ssize_t n;
    raw_send(fd, "GET /stream?n=400 HTTP/1.0\r\nHost: x\r\n\r\n");
    usleep(300000); /* nobody reads */
    assert_true(f->ready < 100);
    while ((n = recv(fd, data, sizeof(data), 0)) > 0)
        got += (size_t)n;
    assert_true(got > 400 * (size_t)SLICE);
    assert_true(got < 401 * (size_t)SLICE);
    assert_true(f->most_waiting <= SLICE);
    wait_for(&f->closed, 1);
    close(fd);
    /* Chunked, and the connection goes on. */
    fd = raw_connect(f, false);
    raw_send(fd, GET("/stream?n=2") GET("/echo?a=after"));
    const char *text = raw_read(fd, "a=after body", 1);
    assert_non_null(strcasestr(text, "Transfer-Encoding: chunked"));
    assert_non_null(strstr(text, "0\r\n\r\nHTTP/1.1 200"));
    close(fd);
    wait_for(&f->closed, 2);
    assert_int_equal(f->closed, 2);
    fixture_free(f);
}

static void notices_clients_that_leave_a_stream(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    for (unsigned i = 0; i < 4; i++) {
        int fd = raw_connect(f, i % 2);
        bool events = i < 2;
        raw_send(fd, events ? GET("/events") : GET("/stream?n=400"));
        raw_read(fd, events ? "data: hello\n\n" : "aaaa", 1);
        assert_int_equal(f->closed, i);
        close(fd);
        wait_for(&f->closed, i + 1);
    }
    assert_int_equal(f->closed, 4);
    fixture_free(f);
}

static void answers_into_nothing(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    for (unsigned i = 0; i < 6; i++) {
        int fd = raw_connect(f, i % 2);
        raw_send(fd, i < 3 ? GET("/hold") : GET("/later"));
        wait_for(&f->seen, i + 1);
        close(fd);
    }
    int fd = raw_connect(f, true);
    expect(fd, GET("/release"), "body=0:\n", "GET /release");
    close(fd);
    fixture_free(f);
}

static void ends_with_requests_open(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    int held = raw_connect(f, true), events = raw_connect(f, false), half = raw_connect(f, false);
    raw_send(held, GET("/hold"));
    raw_send(events, GET("/events"));
    raw_send(half, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    wait_for(&f->seen, 2);
    fixture_stats(f);
    assert_int_equal(f->closed, 1);
    assert_true(raw_is_cut(held));
    assert_true(raw_is_cut(events));
    assert_true(raw_is_cut(half));
    close(held);
    close(events);
    close(half);
    fixture_free(f);
}

static int try_listen(const char *address, const char *cert, const char *key, char *detail)
{
    struct vdi_error err = {0};
    struct loop *loop = loop_new();
    struct http_server *server = http_server_new(loop, &tight, NULL, NULL);
    int r = http_server_listen(server, address, cert, key, &err);
    strcpy(detail, err.detail);
    http_server_free(server);
    loop_free(loop);
    return r;
}

static void refuses_unsafe_addresses(void **state)
{
    char detail[sizeof(((struct vdi_error *)0)->detail)];
    assert_int_equal(try_listen("http:0.0.0.0:0", NULL, NULL, detail), -EPERM);
    assert_non_null(strstr(detail, "in the clear"));
    assert_int_equal(try_listen("http:[::]:0", NULL, NULL, detail), -EPERM);
    assert_int_equal(try_listen("http:localhost:0", NULL, NULL, detail), -EINVAL);
    assert_int_equal(try_listen("http:127.0.0.1", NULL, NULL, detail), -EINVAL);
    assert_int_equal(try_listen("http:127.0.0.1:70000", NULL, NULL, detail), -EINVAL);
    assert_int_equal(try_listen("ftp:127.0.0.1:0", NULL, NULL, detail), -EINVAL);
    assert_int_equal(try_listen("https:127.0.0.1:0", NULL, NULL, detail), -EINVAL);
    assert_int_equal(try_listen("unix:relative", NULL, NULL, detail), -EINVAL);
    assert_int_equal(try_listen("unix:/no/such/directory/s", NULL, NULL, detail), -ENOENT);
    assert_int_equal(try_listen("http:127.0.0.1:0", NULL, NULL, detail), 0);
    char long_path[200] = "unix:/";
    memset(long_path + 6, 'x', 150);
    assert_int_equal(try_listen(long_path, NULL, NULL, detail), -EINVAL);
}

static void refuses_keys_that_others_can_read(void **state)
{
    struct fixture *f = fixture_new(NULL, true);
    char cert[128], key[128], detail[sizeof(((struct vdi_error *)0)->detail)];
    snprintf(cert, sizeof(cert), "%s/cert.pem", f->dir);
    snprintf(key, sizeof(key), "%s/key.pem", f->dir);
    assert_int_equal(try_listen("https:127.0.0.1:0", cert, key, detail), 0);
    assert_int_equal(chmod(key, 0640), 0);
    assert_int_equal(try_listen("https:127.0.0.1:0", cert, key, detail), -EPERM);
    assert_non_null(strstr(detail, "0640"));
    assert_int_equal(chmod(key, 0600), 0);
    assert_int_equal(try_listen("https:127.0.0.1:0", key, cert, detail), -EINVAL);
    assert_int_equal(try_listen("https:127.0.0.1:0", cert, "/dev/null", detail), -EINVAL);
    fixture_free(f);
}

static void keeps_sockets_that_are_in_use(void **state)
{
    struct fixture *f = fixture_new(NULL, false);
    char address[128], detail[sizeof(((struct vdi_error *)0)->detail)];
    struct stat st;
    assert_int_equal(stat(f->unix_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    snprintf(address, sizeof(address), "unix:%s", f->unix_path);
    assert_int_equal(try_listen(address, NULL, NULL, detail), -EADDRINUSE);
    int fd = raw_connect(f, true);
    expect(fd, GET("/echo"), "body=0:\n", "200");
    close(fd);
    /* A socket that its server left behind is replaced; a file is not. */
    struct sockaddr_un stale = {.sun_family = AF_UNIX};
    snprintf(stale.sun_path, sizeof(stale.sun_path), "%s/stale", f->dir);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&stale, sizeof(stale)), 0);
    close(fd);
    snprintf(address, sizeof(address), "unix:%s", stale.sun_path);
    assert_int_equal(try_listen(address, NULL, NULL, detail), 0);
    FILE *file = fopen(stale.sun_path, "w");
    fclose(file);
    assert_int_equal(try_listen(address, NULL, NULL, detail), -EEXIST);
    assert_int_equal(access(stale.sun_path, F_OK), 0);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_both_families),
        cmocka_unit_test(tells_who_is_there),
        cmocka_unit_test(passes_headers_but_no_split_ones),
        cmocka_unit_test(answers_pipelined_requests_in_order),
        cmocka_unit_test(takes_chunked_bodies),
        cmocka_unit_test(continues_when_asked),
        cmocka_unit_test(refuses_large_bodies_before_they_come),
        cmocka_unit_test(bounds_bodies_of_all_requests),
        cmocka_unit_test(cuts_chunked_bodies_without_end),
        cmocka_unit_test(refuses_malformed_requests),
        cmocka_unit_test(survives_garbage),
        cmocka_unit_test(refuses_large_headers),
        cmocka_unit_test(cuts_slow_requests),
        cmocka_unit_test(ends_idle_connections),
        cmocka_unit_test(limits_connections),
        cmocka_unit_test(streams_at_the_readers_pace),
        cmocka_unit_test(notices_clients_that_leave_a_stream),
        cmocka_unit_test(answers_into_nothing),
        cmocka_unit_test(ends_with_requests_open),
        cmocka_unit_test(refuses_unsafe_addresses),
        cmocka_unit_test(refuses_keys_that_others_can_read),
        cmocka_unit_test(keeps_sockets_that_are_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
