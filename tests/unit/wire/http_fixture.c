/* SPDX-License-Identifier: Apache-2.0 */
/* http_fixture.c - a server in a thread of its own, and raw sockets to try it with. */
#include "http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

struct later {
    struct fixture *fixture;
    struct http_request *request;
    struct source *timer;
};

struct feed {
    struct fixture *fixture;
    struct http_stream *stream;
    unsigned left;
};

static void echo(struct http_request *r)
{
    struct buf out = BUF_INIT(0);
    size_t len;
    const char *body = http_request_body(r, &len);
    const char *a = http_request_query(r, "a");
    buf_printf(&out, "%s %s a=%s body=%zu:", http_request_method(r), http_request_path(r),
               a ? a : "-", len);
    buf_append(&out, body, len);
    buf_puts(&out, "\n");
    http_request_reply(r, 200, "text/plain", &out);
}

static void on_later(void *arg)
{
    struct later *later = arg;
    echo(later->request);
    later->fixture->n_later--;
    source_free(later->timer);
    free(later);
}

static void feed_more(void *arg)
{
    static char slice[SLICE];
    struct feed *feed = arg;
    feed->fixture->ready++;
    if (feed->left == 0) {
        http_stream_end(feed->stream);
        return;
    }
    memset(slice, 'a' + (int)(feed->left % 26), sizeof(slice));
    feed->left--;
    if (http_stream_send(feed->stream, slice, sizeof(slice)) < 0)
        abort();
    unsigned waiting = (unsigned)http_stream_waiting(feed->stream);
    if (waiting > feed->fixture->most_waiting)
        feed->fixture->most_waiting = waiting;
}

static void feed_closed(void *arg)
{
    struct feed *feed = arg;
    feed->fixture->closed++;
    free(feed);
}

static void start_stream(struct fixture *f, struct http_request *r, bool events)
{
    uint64_t n = 1;
    const char *text = http_request_query(r, "n");
    if (text && str_to_u64(text, 0, 100000, &n) < 0)
        abort();
    struct feed *feed = calloc(1, sizeof(*feed));
    feed->fixture = f;
    feed->left = (unsigned)n;
    feed->stream = http_request_stream(r, 200, events ? "text/event-stream" : "text/plain",
                                       events ? NULL : feed_more, feed_closed, feed);
    if (events)
        http_stream_send(feed->stream, "data: hello\n\n", 13);
    else
        feed_more(feed);
}

static void on_request(void *arg, struct http_request *r)
{
    struct fixture *f = arg;
    const char *path = http_request_path(r);
    f->seen++;
    if (str_equal(path, "/later")) {
        struct later *later = malloc(sizeof(*later));
        later->fixture = f;
        later->request = r;
        f->n_later++;
        later->timer = loop_timer(f->loop, 20000, on_later, later);
    } else if (str_equal(path, "/hold")) {
        f->held[f->n_held++] = r;
    } else if (str_equal(path, "/release")) {
        while (f->n_held > 0)
            echo(f->held[--f->n_held]);
        echo(r);
    } else if (str_equal(path, "/stream") || str_equal(path, "/events")) {
        start_stream(f, r, str_equal(path, "/events"));
    } else if (str_equal(path, "/peer")) {
        uint32_t uid = 0, gid = 0;
        struct buf out = BUF_INIT(0);
        if (http_request_peer(r, &uid, &gid))
            buf_printf(&out, "uid=%u gid=%u %s\n", uid, gid, http_request_address(r));
        else
            buf_printf(&out, "nobody %s\n", http_request_address(r));
        http_request_reply(r, 200, "text/plain", &out);
    } else if (str_equal(path, "/header")) {
        struct buf out = BUF_INIT(0);
        const char *sent = http_request_header(r, "x-sent");
        http_request_add_header(r, "Location", "/v1/jobs/7");
        http_request_add_header(r, "X-Split", "a\r\nX-Evil: b");
        buf_printf(&out, "%s|%s\n", sent ? sent : "-", http_request_target(r));
        http_request_reply(r, 201, "application/json", &out);
    } else {
        echo(r);
    }
}

static void on_stop(void *arg)
{
    struct fixture *f = arg;
    loop_stop(f->loop);
}

static void *thread_main(void *arg)
{
    struct fixture *f = arg;
    loop_run(f->loop);
    while (f->n_later > 0)
        loop_run_once(f->loop, true);
    http_server_stats(f->server, &f->stats);
    http_server_free(f->server);
    for (unsigned i = 0; i < f->n_held; i++) /* answered into nothing */
        http_request_reply(f->held[i], 200, NULL, NULL);
    source_free(f->stop);
    loop_free(f->loop);
    return NULL;
}

static void check(int r, const struct vdi_error *err)
{
    char text[512];
    if (r < 0) {
        fprintf(stderr, "fixture: %s\n", error_text(err, text, sizeof(text)));
        abort();
    }
}

static void listen_tls(struct fixture *f)
{
    struct vdi_error err;
    char command[512], cert[96], key[96], address[] = "https:127.0.0.1:0";
    snprintf(cert, sizeof(cert), "%s/cert.pem", f->dir);
    snprintf(key, sizeof(key), "%s/key.pem", f->dir);
    snprintf(command, sizeof(command),
             "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-keyout %s -out %s -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1 "
             "2>/dev/null",
             key, cert);
    if (system(command) != 0)
        abort();
    check(http_server_listen(f->server, address, cert, key, &err), &err);
    f->tls_port = http_server_port(f->server);
}

struct fixture *fixture_new(const struct http_limits *limits, bool tls)
{
    static const struct http_limits usual = {.connections = 64,
                                             .connections_client = 32,
                                             .header_bytes = 16 * 1024,
                                             .body_bytes = 256 * 1024,
                                             .idle_sec = 30,
                                             .arrive_sec = 30};
    struct vdi_error err = {0};
    char address[128];
    struct fixture *f = calloc(1, sizeof(*f));
    f->limits = limits ? *limits : usual;
    strcpy(f->dir, "/tmp/vdi-http-XXXXXX");
    if (!mkdtemp(f->dir))
        abort();
    snprintf(f->unix_path, sizeof(f->unix_path), "%s/http.sock", f->dir);
    f->loop = loop_new();
    f->server = http_server_new(f->loop, &f->limits, on_request, f);
    f->stop = loop_wakeup(f->loop, on_stop, f);
    snprintf(address, sizeof(address), "unix:%s", f->unix_path);
    check(http_server_listen(f->server, address, NULL, NULL, &err), &err);
    check(http_server_listen(f->server, "http:127.0.0.1:0", NULL, NULL, &err), &err);
    f->port = http_server_port(f->server);
    if (tls)
        listen_tls(f);
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, f) != 0)
        abort();
    f->thread = (void *)thread;
    return f;
}

static void join(struct fixture *f)
{
    if (!f->thread)
        return;
    source_trigger(f->stop);
    pthread_join((pthread_t)f->thread, NULL);
    f->thread = NULL;
}

struct http_server_stats fixture_stats(struct fixture *f)
{
    join(f);
    return f->stats;
}

void fixture_free(struct fixture *f)
{
    char command[128];
    join(f);
    if (access(f->unix_path, F_OK) == 0) {
        fprintf(stderr, "fixture: the server left its socket behind\n");
        abort();
    }
    snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    if (system(command) != 0)
        abort();
    free(f);
}

int raw_connect(const struct fixture *f, bool is_unix)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    str_copy(un.sun_path, sizeof(un.sun_path), f->unix_path);
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = is_unix ? connect(fd, (struct sockaddr *)&un, sizeof(un))
                    : connect(fd, (struct sockaddr *)&in, sizeof(in));
    if (r < 0)
        abort();
    return fd;
}

void raw_send(int fd, const char *text)
{
    size_t len = strlen(text);
    if (send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        perror("# send");
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    while ((text = strstr(text, what))) {
        n++;
        text += strlen(what);
    }
    return n;
}

static ssize_t read_some(int fd, char *data, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 5000) <= 0)
        return -ETIMEDOUT;
    ssize_t n = recv(fd, data, size, 0);
    return n < 0 ? -errno : n;
}

const char *raw_read(int fd, const char *end, unsigned n)
{
    static char text[256 * 1024];
    size_t len = 0;
    text[0] = '\0';
    while (len < sizeof(text) - 1 && (!end || count(text, end) < n)) {
        ssize_t got = read_some(fd, text + len, sizeof(text) - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = '\0';
    }
    return text;
}

bool raw_is_cut(int fd)
{
    char data[4096];
    ssize_t n;
    while ((n = read_some(fd, data, sizeof(data))) > 0)
        ;
    return n == 0 || n == -ECONNRESET;
}
