/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orders.c - from a submit to its start order on the node link, seen from outside.
 *
 * Usage: orders -s SOCKET -c VDID_CONF [-c VDID_CONF ...]
 *
 * Plays the nodes whose vdid.conf files are named (they are enrolled already): hello,
 * inventory, orders are done at once and their instances ready. Reads lines on standard
 * input: `run N BODY` submits N jobs, one after another, each after the order of the one
 * before, and prints one JSON object; the end of input ends it. Once all nodes are
 * connected it prints "connected".
 *
 * Both clocks are this process's: an order is late by what the controller takes, and by
 * two ways over sockets of this machine.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/document.h"
#include "codec/inventory.h"
#include "codec/node_config.h"
#include "loop/loop.h"
#include "vdid/session.h"

#define NODES_MAX 16
#define RUN_MAX 100000
#define PAUSE_USEC (5 * USEC_PER_MSEC) /* not one long burst: the controller is idle between */
#define PATIENCE_USEC (30 * USEC_PER_SEC)

struct node {
    struct bench *bench;
    struct node_config *config;
    struct session *session;
};

struct bench {
    struct loop *loop;
    struct source *connected, *again, *late, *input;
    struct node nodes[NODES_MAX];
    size_t n_nodes;
    int http;
    struct source *reply;
    const char *socket;
    char body[2048];
    unsigned runs; /* makes keys differ */
    unsigned n, begun, done;
    char answer[16384];
    size_t answer_len;
    bool acked, ordered;
    uint64_t acked_job, ordered_job;
    int64_t sent_usec, ack_usec, order_usec;
    double *ack_ms, *order_ms, *after_ack_ms;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "orders: %s: %s\n", what, why);
    exit(1);
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report_one(const char *name, double *ms, unsigned n)
{
    qsort(ms, n, sizeof(*ms), compare);
    printf(",\"%s_p50_ms\":%.2f,\"%s_p99_ms\":%.2f,\"%s_max_ms\":%.2f", name, ms[n / 2], name,
           ms[n * 99 / 100], name, ms[n - 1]);
}

static void finish(struct bench *b)
{
    printf("{\"jobs\":%u", b->n);
    report_one("ack", b->ack_ms, b->n);
    report_one("order", b->order_ms, b->n);
    report_one("order_after_ack", b->after_ack_ms, b->n);
    puts("}");
    fflush(stdout);
    free(b->ack_ms);
    free(b->order_ms);
    free(b->after_ack_ms);
    b->n = 0;
    source_rearm(b->late, -1);
}

/* ---- submits ---- */

static void submit(void *arg)
{
    struct bench *b = arg;
    char request[4096];
    int len = snprintf(request, sizeof(request),
                       "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nIdempotency-Key: o%d-%u-%u\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       (int)getpid(), b->runs, b->begun, strlen(b->body), b->body);

    b->begun++;
    b->acked = b->ordered = false;
    b->answer_len = 0;
    b->sent_usec = time_monotonic_usec();
    if (write(b->http, request, (size_t)len) != len)
        die("submit", strerror(errno));
    source_rearm(b->late, PATIENCE_USEC);
}

static void both_there(struct bench *b)
{
    if (!b->acked || !b->ordered)
        return;
    if (b->acked_job != b->ordered_job)
        die("order", "it is of another job than was submitted");
    b->ack_ms[b->done] = (double)(b->ack_usec - b->sent_usec) / 1e3;
    b->order_ms[b->done] = (double)(b->order_usec - b->sent_usec) / 1e3;
    b->after_ack_ms[b->done++] = (double)(b->order_usec - b->ack_usec) / 1e3;
    if (b->done == b->n)
        finish(b);
    else
        source_rearm(b->again, PAUSE_USEC);
}

static void on_reply(void *arg, int fd, unsigned events)
{
    struct bench *b = arg;
    const char *head, *id;
    ssize_t n = read(fd, b->answer + b->answer_len, sizeof(b->answer) - 1 - b->answer_len);

    if (n <= 0)
        die("submit", "the controller closed the connection");
    b->answer_len += (size_t)n;
    b->answer[b->answer_len] = '\0';
    head = strstr(b->answer, "\r\n\r\n");
    if (!head || b->answer[b->answer_len - 1] != '}')
        return;
    id = strstr(head, "\"id\":");
    if (strncmp(b->answer, "HTTP/1.1 201", 12) != 0 || !id)
        die("submit", b->answer);
    b->ack_usec = time_monotonic_usec();
    b->acked_job = strtoull(id + 5, NULL, 10);
    b->acked = true;
    both_there(b);
}

static void on_late(void *arg)
{
    die("order", "none came within 30 s of a submit");
}

static void run(struct bench *b, unsigned n, const char *body)
{
    if (b->n || !n || n > RUN_MAX || !str_copy(b->body, sizeof(b->body), body))
        die("run", "there is one already, or this one is too large");
    b->n = n;
    b->runs++;
    b->begun = b->done = 0;
    b->ack_ms = calloc(n, sizeof(double));
    b->order_ms = calloc(n, sizeof(double));
    b->after_ack_ms = calloc(n, sizeof(double));
    if (!b->ack_ms || !b->order_ms || !b->after_ack_ms)
        die("run", "no memory");
    submit(b);
}

static void on_input(void *arg, int fd, unsigned events)
{
    struct bench *b = arg;
    char line[4096];
    unsigned n;
    int at = 0;

    if (!fgets(line, sizeof(line), stdin)) {
        loop_stop(b->loop);
        return;
    }
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "run %u %n", &n, &at) != 1 || !at)
        die("not understood", line);
    run(b, n, line + at);
}

/* ---- nodes ---- */

static uint64_t job_of(const char *body)
{
    struct document *doc = NULL;
    uint64_t job = 0;

    if (document_parse(body, strlen(body), &doc, NULL) >= 0)
        job = (uint64_t)value_get_int(document_root(doc), "job", 0);
    document_free(doc);
    return job;
}

static void on_order(void *arg, const struct link_order *order)
{
    struct node *node = arg;
    struct bench *b = node->bench;
    struct vdi_instance_id id = {order->instance, order->generation};

    if (order->verb == LINK_VERB_START) {
        b->order_usec = time_monotonic_usec();
        b->ordered_job = job_of(order->body);
        b->ordered = true;
    }
    session_done(node->session, order->op, id, 0, "", NULL);
    if (order->verb == LINK_VERB_START) {
        session_state(node->session, id, "{\"state\":\"ready\"}");
        if (b->n)
            both_there(b);
    }
}

static void on_inventory(void *arg, struct buf *out)
{
    struct inventory inv = {.cpus = 60000, .memory_mib = 1 << 29, .disk_gib = 1000};

    inventory_encode(&inv, out);
}

static void wait_connected(void *arg)
{
    struct bench *b = arg;
    size_t n = 0;

    for (size_t i = 0; i < b->n_nodes; i++)
        n += session_is_connected(b->nodes[i].session);
    if (n < b->n_nodes) {
        source_rearm(b->connected, 20 * USEC_PER_MSEC);
        return;
    }
    puts("connected");
    fflush(stdout);
}

static void add_node(struct bench *b, const char *path)
{
    static const struct session_ops ops = {.order = on_order, .inventory = on_inventory};
    struct node *node = &b->nodes[b->n_nodes];
    struct buf findings = BUF_INIT(4096);
    struct session_config config;
    struct vdi_error err = {0};
    char epoch[256];

    if (b->n_nodes == NODES_MAX || node_config_read(path, &node->config, &findings) < 0)
        die(path, findings.data ? findings.data : "too many nodes");
    buf_done(&findings);
    snprintf(epoch, sizeof(epoch), "%.240s.epoch", path);
    config = (struct session_config){
        .controller = node->config->controller,
        .cluster = node->config->cluster,
        .node = node->config->node,
        .ca_file = node->config->ca_file,
        .cert_file = node->config->cert_file,
        .key_file = node->config->key_file,
        .epoch_file = epoch,
    };
    node->bench = b;
    if (session_new(b->loop, &config, &ops, node, &node->session, &err) < 0)
        die(path, err.detail);
    b->n_nodes++;
}

static int dial(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path) || fd < 0 ||
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        die(path, strerror(errno));
    return fd;
}

int main(int argc, char **argv)
{
    struct bench b = {.loop = loop_new()};
    int c;

    log_init("orders", VDI_LOG_WARNING);
    while ((c = getopt(argc, argv, "s:c:")) != -1) {
        if (c == 's')
            b.socket = optarg;
        else if (c == 'c')
            add_node(&b, optarg);
        else
            b.n_nodes = 0, optind = argc;
    }
    if (!b.socket || !b.n_nodes) {
        fputs("usage: orders -s SOCKET -c VDID_CONF [-c VDID_CONF ...]\n", stderr);
        return 2;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* a line that stdio has taken is not in the fd any more */
    b.http = dial(b.socket);
    b.reply = loop_fd(b.loop, b.http, LOOP_READ, on_reply, &b);
    b.input = loop_fd(b.loop, STDIN_FILENO, LOOP_READ, on_input, &b);
    b.connected = loop_timer(b.loop, 0, wait_connected, &b);
    b.again = loop_timer(b.loop, -1, submit, &b);
    b.late = loop_timer(b.loop, -1, on_late, &b);
    loop_run(b.loop);
    for (size_t i = 0; i < b.n_nodes; i++) {
        session_free(b.nodes[i].session);
        node_config_free(b.nodes[i].config);
    }
    source_free(b.reply);
    source_free(b.input);
    source_free(b.connected);
    source_free(b.again);
    source_free(b.late);
    close(b.http);
    loop_free(b.loop);
    return 0;
}
