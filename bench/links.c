/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links.c - what node links cost the controller: many links with heartbeats, measured.
 *
 * Usage: links [-n LINKS] [-t SECONDS] [-h HEARTBEAT_SECONDS]
 *
 * A server in this process, the nodes in a child: LINKS connections over loopback with mutual
 * TLS, each of which sends a heartbeat every so often, which the server decodes and answers,
 * all with the code that the daemons use. Prints the time until all links are up, the
 * server's CPU as percent of one core while nothing but heartbeats happens, memory per link
 * and the longest stall of its loop; exits 1 if links were lost while it measured.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/link_codec.h"
#include "loop/loop.h"
#include "wire/link.h"
#include "wire/pki.h"

#define WARM_UP_USEC (3 * USEC_PER_SEC)
#define ALL_UP_PATIENCE_USEC (180 * USEC_PER_SEC)
#define STREAM "00000000000000000000000000000000"

static const char *const files[] = {"ca.key", "ca.crt", "server.key", "server.crt",
                                    "issued", "n.key",  "n.crt"};

struct bench {
    unsigned links, seconds, heartbeat_sec;
    char dir[32];
    struct loop *loop;
    struct link_server *server;
    struct source *timer;
    unsigned up, lost;
    uint64_t heartbeats;
    int64_t begin_usec;
    pid_t child;
};

static void die(const char *what, int r, const struct vdi_error *err)
{
    fprintf(stderr, "links: %s: %s %s\n", what, strerror(r < 0 ? -r : r), err ? err->detail : "");
    exit(2);
}

static const char *path(const struct bench *b, const char *name, char *buf, size_t size)
{
    snprintf(buf, size, "%s/%s", b->dir, name);
    return buf;
}

static void make_trust(struct bench *b)
{
    struct vdi_error err = {0};
    char key[64], cert[64];
    _cleanup_(freep) char *csr = NULL;
    _cleanup_(freep) char *pem = NULL;
    int64_t now = time_now_usec() / USEC_PER_SEC;
    str_copy(b->dir, sizeof(b->dir), "/tmp/vdi-links-XXXXXX");
    if (!mkdtemp(b->dir))
        die("mkdtemp", errno, NULL);
    int r = pki_init(b->dir, "bench", now, &err);
    if (r == 0)
        r = pki_make_csr(path(b, "n.key", key, sizeof(key)), "n", &csr, &err);
    if (r == 0)
        r = pki_issue_node(b->dir, "n", csr, 1, now, &pem, &err);
    if (r < 0)
        die("CA", r, &err);
    _cleanup_(fclosep) FILE *f = fopen(path(b, "n.crt", cert, sizeof(cert)), "we");
    if (!f || fputs(pem, f) < 0)
        die("n.crt", errno, NULL);
}

static void forget_trust(const struct bench *b)
{
    char name[64];
    for (size_t i = 0; i < ELEMENTS(files); i++)
        unlink(path(b, files[i], name, sizeof(name)));
    rmdir(b->dir);
}

static void raise_files(unsigned links)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= links + 100)
        return;
    limit.rlim_cur = links + 100;
    if (limit.rlim_max < limit.rlim_cur)
        limit.rlim_max = limit.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("RLIMIT_NOFILE", errno, NULL);
}

static void send_message(struct link_conn *conn, const struct link_message *m)
{
    struct buf out = BUF_INIT(0);
    link_message_encode(m, &out);
    link_conn_send(conn, out.data, out.len);
    buf_done(&out);
}

/* ---- nodes, in the child ---- */

static void node_connected(void *arg, struct link_conn *conn)
{
    struct link_message m = {.type = LINK_TYPE_HELLO,
                             .hello = {.protocol_min = LINK_PROTOCOL_MIN,
                                       .protocol_max = LINK_PROTOCOL_MAX,
                                       .node = "n",
                                       .boot_id = STREAM,
                                       .version = "bench",
                                       .time_usec = time_now_usec(),
                                       .stream = STREAM,
                                       .first = 1}};
    send_message(conn, &m);
}

static void node_frame(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct link_message m;
    if (link_message_decode(data, len, &m, NULL) < 0)
        die("the server's frame is not understood", EPROTO, NULL);
    if (m.type == LINK_TYPE_WELCOME)
        link_conn_admit(conn);
    link_message_done(&m);
}

static void node_closed(void *arg, struct link_conn *conn, const char *reason)
{
    log_warning("link lost: %s", reason);
}

static void node_heartbeat(void *arg, struct link_conn *conn)
{
    struct link_message m = {.type = LINK_TYPE_HEARTBEAT,
                             .heartbeat = {.time_usec = time_now_usec(), .received = 12}};
    memset(m.heartbeat.inventory, 'a', 64);
    send_message(conn, &m);
}

/* Started at `pace` a second, so that their heartbeats are spread as in life. */
struct nodes {
    struct bench *b;
    struct loop *loop;
    struct link_tls *tls;
    struct source *timer;
    struct link_client_config config;
    struct link_client **clients;
    unsigned started;
};

static void start_some(void *arg)
{
    static const struct link_client_ops ops = {.connected = node_connected,
                                               .frame = node_frame,
                                               .closed = node_closed,
                                               .heartbeat = node_heartbeat};
    struct nodes *n = arg;
    struct vdi_error err = {0};
    for (int i = 0; i < 8 && n->started < n->b->links; i++, n->started++) {
        int r =
            link_client_new(n->loop, n->tls, &n->config, &ops, NULL, &n->clients[n->started], &err);
        if (r < 0)
            die("client", r, &err);
    }
    source_rearm(n->timer, n->started < n->b->links ? 2 * USEC_PER_MSEC : -1);
}

static void run_nodes(struct bench *b, uint16_t port)
{
    struct vdi_error err = {0};
    char ca[64], cert[64], key[64], address[32];
    struct nodes n = {.b = b, .loop = loop_new()};
    struct link_tls_config config = {.ca_file = path(b, "ca.crt", ca, sizeof(ca)),
                                     .cert_file = path(b, "n.crt", cert, sizeof(cert)),
                                     .key_file = path(b, "n.key", key, sizeof(key)),
                                     .peer_name = "vdictld.bench"};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    int r = link_tls_new_client(&config, &n.tls, &err);
    if (r < 0)
        die("TLS", r, &err);
    int64_t beat_usec = b->heartbeat_sec * USEC_PER_SEC;
    n.config = (struct link_client_config){
        .address = address,
        .heartbeat_usec = beat_usec,
        .limits = {.handshake_usec = ALL_UP_PATIENCE_USEC, .silent_usec = 3 * beat_usec}};
    n.clients = calloc(b->links, sizeof(struct link_client *));
    n.timer = n.clients ? loop_timer(n.loop, 0, start_some, &n) : NULL;
    if (!n.timer)
        die("nodes", ENOMEM, NULL);
    loop_run(n.loop);
}

/* ---- the server ---- */

static void server_authenticated(void *arg, struct link_conn *conn, const char *node)
{
}

static void server_frame(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct bench *b = arg;
    struct link_message m, answer = {.type = LINK_TYPE_HEARTBEAT};
    if (link_message_decode(data, len, &m, NULL) < 0) {
        link_conn_close(conn, "not understood");
        return;
    }
    if (m.type == LINK_TYPE_HELLO) {
        answer = (struct link_message){.type = LINK_TYPE_WELCOME,
                                       .welcome = {.protocol = 1,
                                                   .heartbeat_sec = b->heartbeat_sec,
                                                   .silence_sec = 3 * b->heartbeat_sec,
                                                   .stream = STREAM,
                                                   .first = 1}};
        link_conn_admit(conn);
        b->up++;
    } else
        b->heartbeats++;
    answer.heartbeat.time_usec = time_now_usec();
    send_message(conn, &answer);
    link_message_done(&m);
}

static void server_closed(void *arg, struct link_conn *conn, const char *reason)
{
    struct bench *b = arg;
    b->up--;
    b->lost++;
    log_warning("link lost: %s", reason);
}

static void on_time(void *arg)
{
    struct bench *b = arg;
    if (b->up < b->links && time_monotonic_usec() - b->begin_usec < ALL_UP_PATIENCE_USEC)
        source_rearm(b->timer, 10 * USEC_PER_MSEC);
    else
        loop_stop(b->loop);
}

static void run_for(struct bench *b, int64_t usec)
{
    source_rearm(b->timer, usec);
    loop_run(b->loop);
}

static int64_t cpu_usec(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

static uint64_t rss_bytes(void)
{
    unsigned long size = 0, resident = 0;
    _cleanup_(fclosep) FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
        return 0;
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int measure(struct bench *b)
{
    uint64_t before = rss_bytes();
    int64_t cpu = cpu_usec();
    b->begin_usec = time_monotonic_usec();
    run_for(b, 0);
    printf("links=%u of %u up in %.1f s, %.2f ms of server CPU each, longest stall %.1f ms\n",
           b->up, b->links, (double)(time_monotonic_usec() - b->begin_usec) / 1e6,
           (double)(cpu_usec() - cpu) / 1e3 / b->links,
           (double)loop_longest_stall_usec(b->loop, true) / 1e3);
    run_for(b, WARM_UP_USEC);
    b->heartbeats = 0;
    b->lost = 0;
    loop_longest_stall_usec(b->loop, true);
    cpu = cpu_usec();
    int64_t begin = time_monotonic_usec();
    run_for(b, b->seconds * USEC_PER_SEC);
    double wall = (double)(time_monotonic_usec() - begin), used = (double)(cpu_usec() - cpu);
    printf("heartbeats=%" PRIu64 " in %.1f s: server CPU %.2f %% of a core, %.1f us each, "
           "longest stall %.1f ms\n",
           b->heartbeats, wall / 1e6, 100 * used / wall,
           used / (double)(b->heartbeats ? b->heartbeats : 1),
           (double)loop_longest_stall_usec(b->loop, true) / 1e3);
    printf("memory: %.1f KiB of RSS per link, %.1f MiB in all; lost=%u\n",
           (double)(rss_bytes() - before) / 1024 / b->links, (double)rss_bytes() / 1048576,
           b->lost);
    return b->lost > 0 || b->up < b->links;
}

static void start_server(struct bench *b)
{
    static const struct link_server_ops ops = {
        .authenticated = server_authenticated, .frame = server_frame, .closed = server_closed};
    struct vdi_error err = {0};
    char ca[64], cert[64], key[64];
    struct link_tls *tls = NULL;
    struct link_limits limits = {.conns = b->links + 10,
                                 .pending_per_ip = b->links, /* all of one address here */
                                 .handshake_usec = ALL_UP_PATIENCE_USEC,
                                 .silent_usec = 3 * b->heartbeat_sec * USEC_PER_SEC};
    struct link_tls_config config = {.ca_file = path(b, "ca.crt", ca, sizeof(ca)),
                                     .cert_file = path(b, "server.crt", cert, sizeof(cert)),
                                     .key_file = path(b, "server.key", key, sizeof(key))};
    int r = link_tls_new_server(&config, NULL, &tls, &err);
    b->loop = loop_new();
    if (r == 0)
        r = link_server_new(b->loop, tls, "127.0.0.1:0", &limits, &ops, b, &b->server, &err);
    if (r < 0)
        die("server", r, &err);
    b->timer = loop_timer(b->loop, -1, on_time, b);
}

/* The child before the server: an epoll instance is shared over a fork. */
static void start_nodes(struct bench *b)
{
    uint16_t port;
    int pipe_fds[2];
    if (pipe(pipe_fds) < 0 || (b->child = fork()) < 0)
        die("fork", errno, NULL);
    if (b->child == 0) {
        if (read(pipe_fds[0], &port, sizeof(port)) != sizeof(port))
            _exit(2);
        run_nodes(b, port);
        _exit(0);
    }
    start_server(b);
    port = link_server_port(b->server);
    if (write(pipe_fds[1], &port, sizeof(port)) != sizeof(port))
        die("pipe", errno, NULL);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static unsigned number(const char *text, unsigned max)
{
    uint64_t n;
    if (str_to_u64(text, 1, max, &n) < 0) {
        fprintf(stderr, "usage: links [-n LINKS] [-t SECONDS] [-h HEARTBEAT_SECONDS]\n");
        exit(2);
    }
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    struct bench b = {.links = 10000, .seconds = 30, .heartbeat_sec = 5};
    int option;
    while ((option = getopt(argc, argv, "n:t:h:")) != -1) {
        if (option == 'n')
            b.links = number(optarg, 25000);
        else if (option == 't')
            b.seconds = number(optarg, 3600);
        else
            b.heartbeat_sec = number(option == 'h' ? optarg : "", 60);
    }
    log_init("links", VDI_LOG_WARNING);
    raise_files(b.links);
    make_trust(&b);
    start_nodes(&b);
    int r = measure(&b);
    kill(b.child, SIGKILL);
    waitpid(b.child, NULL, 0);
    forget_trust(&b);
    return r;
}
