/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acks.c - durable acknowledgements a second over many connections.
 *
 * Each connection to the controller's unix socket submits a job, waits for the
 * answer, submits the next: a closed loop, as that many impatient clients are.
 * Prints one JSON object. A job that was not answered with 201 counts as failed.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX 16384

struct client {
    int fd;
    char reply[REPLY_MAX];
    size_t len;
    double sent;
};

struct run {
    const char *path, *body;
    unsigned n_clients;
    uint64_t jobs, begun, acked, failed;
    double *latency_ms;
    int epoll;
};

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int dial(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
        return -1;
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool submit(struct run *run, struct client *c)
{
    char request[4096];
    int n = snprintf(request, sizeof(request),
                     "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nIdempotency-Key: b%d-%" PRIu64
                     "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     (int)getpid(), run->begun, strlen(run->body), run->body);

    run->begun++;
    c->len = 0;
    c->sent = now();
    return write(c->fd, request, (size_t)n) == n;
}

/* 1: a whole answer is there; 0: more to come; -1: the connection is gone. */
static int receive(struct client *c)
{
    ssize_t n = read(c->fd, c->reply + c->len, sizeof(c->reply) - 1 - c->len);
    const char *head, *length;

    if (n <= 0)
        return -1;
    c->len += (size_t)n;
    c->reply[c->len] = '\0';
    head = strstr(c->reply, "\r\n\r\n");
    length = strcasestr(c->reply, "content-length:");
    if (!head || !length)
        return 0;
    return c->len >= (size_t)(head + 4 - c->reply) + strtoul(length + 15, NULL, 10);
}

static bool answered(struct run *run, struct client *c)
{
    if (!strncmp(c->reply, "HTTP/1.1 201", 12))
        run->latency_ms[run->acked++] = (now() - c->sent) * 1e3;
    else if (!run->failed++)
        fprintf(stderr, "acks: %.300s\n", c->reply);
    return run->begun >= run->jobs || submit(run, c);
}

static int run_all(struct run *run, struct client *clients)
{
    struct epoll_event events[64];

    while (run->acked + run->failed < run->jobs) {
        int n = epoll_wait(run->epoll, events, 64, 30000);

        if (n <= 0)
            return -ETIMEDOUT;
        for (int i = 0; i < n; i++) {
            struct client *c = &clients[events[i].data.u32];
            int r = receive(c);

            if (r < 0 || (r > 0 && !answered(run, c)))
                return -ECONNRESET;
        }
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report(struct run *run, double took)
{
    size_t n = run->acked;

    qsort(run->latency_ms, n, sizeof(double), compare);
    printf("{\"clients\":%u,\"acked\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"seconds\":%.3f,\"acks_per_s\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
           run->n_clients, run->acked, run->failed, took, (double)n / took,
           n ? run->latency_ms[n / 2] : 0, n ? run->latency_ms[n * 99 / 100] : 0);
}

static int begin(struct run *run, struct client *clients)
{
    for (unsigned i = 0; i < run->n_clients; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};

        clients[i].fd = dial(run->path);
        if (clients[i].fd < 0 || epoll_ctl(run->epoll, EPOLL_CTL_ADD, clients[i].fd, &e) < 0)
            return -errno;
    }
    for (unsigned i = 0; i < run->n_clients && run->begun < run->jobs; i++)
        if (!submit(run, &clients[i]))
            return -errno;
    return 0;
}

int main(int argc, char **argv)
{
    struct run run = {.n_clients = 64, .jobs = 20000, .body = "{\"template\":\"desk\"}"};
    struct client *clients;
    double start;
    int c, r;

    while ((c = getopt(argc, argv, "s:c:n:b:")) != -1) {
        if (c == 's')
            run.path = optarg;
        else if (c == 'c')
            run.n_clients = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'n')
            run.jobs = strtoull(optarg, NULL, 10);
        else if (c == 'b')
            run.body = optarg;
        else
            return 2;
    }
    if (!run.path || !run.n_clients || strlen(run.body) > 3000) {
        fputs("usage: acks -s SOCKET [-c CLIENTS] [-n JOBS] [-b BODY]\n", stderr);
        return 2;
    }
    clients = calloc(run.n_clients, sizeof(*clients));
    run.latency_ms = calloc(run.jobs, sizeof(double));
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || !run.latency_ms || run.epoll < 0)
        return 1;
    start = now();
    r = begin(&run, clients);
    if (r >= 0)
        r = run_all(&run, clients);
    report(&run, now() - start);
    for (unsigned i = 0; i < run.n_clients; i++)
        close(clients[i].fd);
    free(clients);
    free(run.latency_ms);
    if (r < 0)
        fprintf(stderr, "acks: %s\n", strerror(-r));
    return r < 0 || run.failed;
}
