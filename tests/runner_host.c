/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_host.c - the host's half of the guest runner as a program, for tests.
 *
 * Usage: runner_host SOCKET DIR OUTPUT_MAX UID GID HOME WORK_DIR PAYLOAD NONCE merge|apart OWNER
 * JOB [MOUNT...] (PAYLOAD: a file; "-": nothing is run. JOB 0: a seat. MOUNT: "smb SOURCE TARGET" or
 * "nfs-krb5 SOURCE TARGET"). Reads orders on stdin, one a line: "signal N", "message TEXT",
 * "ticket FILE", "shutdown", "time", "quit". Prints what happens, one line each.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "vdid/file.h"
#include "vdid/runner.h"

struct program {
    struct loop *loop;
    struct runner *runner;
    struct buf in;
};

static void on_ready(void *arg, const char *os, const char *version)
{
    printf("ready %s\n", version);
}

static void on_stage(void *arg, const char *name, int64_t usec, const char *detail)
{
    printf("stage %s %d %s\n", name, usec > 0, detail);
}

static void on_exited(void *arg, const struct runner_exit *e)
{
    printf("exited %d %d %d %" PRIu64 " %" PRIu64 " %s\n", e->started, e->code, e->signal,
           e->offsets[RUNNER_OUT], e->offsets[RUNNER_ERR], e->detail);
}

static void on_problem(void *arg, const char *why)
{
    printf("problem %s\n", why);
}

static void on_input(void *arg)
{
    const struct program *p = arg;
    int64_t sec = runner_idle_sec(p->runner);

    printf("input %s\n", sec > 0 ? "idle" : sec < 0 ? "unknown" : "active");
}

static const struct runner_handler handler = {
    on_ready, on_stage, on_exited, on_problem, NULL, NULL, on_input,
};

static void hand_ticket(struct program *p, const char *path)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(RUNNER_TICKET_MAX);

    if (file_read(path, &text) < 0 ||
        runner_ticket(p->runner, (const uint8_t *)text.data, text.len) < 0)
        printf("problem no ticket\n");
}

static void obey(struct program *p, const char *line)
{
    if (str_starts_with(line, "signal "))
        runner_signal(p->runner, (int)strtol(line + 7, NULL, 10), NULL);
    else if (str_starts_with(line, "message "))
        runner_message(p->runner, line + 8, NULL);
    else if (str_starts_with(line, "ticket "))
        hand_ticket(p, line + 7);
    else if (str_equal(line, "shutdown"))
        runner_shutdown(p->runner);
    else if (str_equal(line, "time"))
        runner_time(p->runner);
    else
        loop_stop(p->loop);
}

static void on_line(void *arg, int fd, unsigned events)
{
    struct program *p = arg;
    char piece[4096], *end;
    ssize_t n = read(fd, piece, sizeof(piece));

    if (n <= 0) {
        loop_stop(p->loop);
        return;
    }
    buf_append(&p->in, piece, (size_t)n);
    while (p->in.len && (end = memchr(p->in.data, '\n', p->in.len))) {
        *end = '\0';
        obey(p, p->in.data);
        buf_consume(&p->in, (size_t)(end - p->in.data) + 1);
    }
}

static int read_config(char **argv, struct runner_config *c, struct buf *payload)
{
    static char *const env[] = {"VDI_JOB_ID=7",
                                "VDI_JOB_NAME=count",
                                "VDI_INSTANCE=3",
                                "VDI_NODE=gpu01",
                                "VDI_CLUSTER=test",
                                "LD_PRELOAD=/never",
                                NULL};

    *c = (struct runner_config){
        .socket = argv[1], .dir = argv[2], .env = env, .merge = str_equal(argv[10], "merge")};
    c->id = (struct runner_id){.instance = 3, .generation = 1};
    c->id.job = strtoull(argv[12], NULL, 10);
    c->is_seat = c->id.job == 0;
    str_copy(c->id.nonce, sizeof(c->id.nonce), argv[9]);
    c->output_max = strtoull(argv[3], NULL, 10);
    str_copy(c->owner.name, sizeof(c->owner.name), str_equal(argv[4], "0") ? "root" : argv[11]);
    c->owner.uid = (uint32_t)strtoul(argv[4], NULL, 10);
    c->owner.gid = (uint32_t)strtoul(argv[5], NULL, 10);
    str_copy(c->owner.home, sizeof(c->owner.home), argv[6]);
    c->work_dir = argv[7];
    if (str_equal(argv[8], "-"))
        return 0;
    c->payload = file_read(argv[8], payload) < 0 ? NULL : payload->data;
    c->is_session = c->payload && !strstr(c->payload, "\"script\"");
    return c->payload ? 0 : -ENOENT;
}

static bool read_mount(const char *text, struct runner_mount *m)
{
    char type[16];

    *m = (struct runner_mount){.security = RUNNER_KRB5P};
    m->type = str_starts_with(text, "smb") ? RUNNER_SMB : RUNNER_NFS_KRB5;
    return sscanf(text, "%15s %255s %255s", type, m->source, m->target) == 3;
}

int main(int argc, char **argv)
{
    struct runner_mount mounts[RUNNER_MOUNTS_MAX];
    struct runner_config config;
    struct vdi_error err = {0};
    _cleanup_(buf_done) struct buf payload = BUF_INIT(RUNNER_PAYLOAD_MAX + 1);
    struct program p = {.loop = loop_new(), .in = BUF_INIT(65536)};

    if (argc < 13 || argc > 13 + RUNNER_MOUNTS_MAX || read_config(argv, &config, &payload) < 0)
        return 2;
    config.mounts = mounts;
    for (int i = 13; i < argc; i++)
        if (!read_mount(argv[i], &mounts[config.n_mounts++]))
            return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    log_init("runner_host", VDI_LOG_WARNING);
    struct workers *workers = workers_new(p.loop, "sync", 1, 64);
    p.runner = runner_new(p.loop, workers, &config, &handler, &p, &err);
    if (!p.runner) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    struct source *in = loop_fd(p.loop, STDIN_FILENO, LOOP_READ, on_line, &p);
    int r = loop_run(p.loop);
    source_free(in);
    runner_free(p.runner);
    workers_free(workers);
    loop_free(p.loop);
    buf_done(&p.in);
    return r < 0;
}
