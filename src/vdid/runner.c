/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.c - the host's half of the guest runner: one instance's script, seen from the node.
 *
 * The end of the port: a socket that QEMU holds the other end of. That the guest is gone or
 * restarted is seen by its silence or its next hello alone.
 */
#include "vdid/runner_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#define RETRY_USEC (500 * USEC_PER_MSEC) /* of connect(2) */
#define TICK_USEC (10 * USEC_PER_SEC)
#define SILENCE_USEC (30 * USEC_PER_SEC) /* then it is asked for a hello */
#define INPUT_WORDS 6                    /* at once; then one a tick, whatever the guest says */
#define INPUT_FRESH_SEC (2 * RUNNER_INPUT_SEC + 30)
#define LEFT_MAX (8u << 20) /* what QEMU can have left in the socket, and much more */

void runner_clear_out(struct runner *r)
{
    if (r->is_out_secret)
        explicit_bzero(r->out.data, r->out.size);
    r->is_out_secret = false;
    buf_clear(&r->out);
}

static void on_greet(void *arg)
{
    runner_greet(arg);
}

/* ---- input ---- */

int64_t runner_idle_sec(const struct runner *r)
{
    int64_t since = (loop_monotonic_usec(r->loop) - r->input_usec) / USEC_PER_SEC;

    if (!r->in_session || !r->input_usec || (r->idle_sec && since > INPUT_FRESH_SEC))
        return -1;
    return r->idle_sec ? r->idle_sec + since : 0;
}

void runner_look_input(struct runner *r)
{
    int64_t idle_sec = runner_idle_sec(r);
    int is = (idle_sec > 0) - (idle_sec < 0);

    if (is == r->input_told || !r->input_words)
        return; /* the next tick sees it */
    r->input_told = is;
    r->input_words--;
    if (r->handler->input)
        r->handler->input(r->arg);
}

static void on_tick(void *arg)
{
    struct runner *r = arg;
    int64_t now = loop_monotonic_usec(r->loop);
    int64_t last = r->heard_usec > r->asked_usec ? r->heard_usec : r->asked_usec;

    if (r->reads && now - last > SILENCE_USEC)
        runner_greet(r);
    r->ping_due = r->in_session;
    if (r->input_words < INPUT_WORDS)
        r->input_words++;
    runner_look_input(r);
    runner_kick(r);
    source_rearm(r->ticks, TICK_USEC);
}

/* ---- the socket ---- */

static void go_down(struct runner *r)
{
    source_free(r->reads);
    source_free(r->writes);
    r->reads = r->writes = NULL;
    closep(&r->fd);
    r->fd = -1;
    r->in_session = r->is_deaf = false;
    runner_clear_out(r);
    runner_reader_done(&r->reader);
    source_rearm(r->greets, -1);
    source_rearm(r->acks, -1);
    source_rearm(r->connects, r->closed ? 0 : RETRY_USEC);
}

static bool is_over(ssize_t n)
{
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Into the place where its frames are read. False: nothing came. */
static bool receive(struct runner *r, ssize_t *ret_n)
{
    char *to = runner_reader_room(&r->reader, RUNNER_READ_MAX);
    ssize_t n = -1;

    errno = ENOMEM;
    if (to)
        n = recv(r->fd, to, RUNNER_READ_MAX, 0);
    *ret_n = n;
    if (n <= 0)
        return false;
    runner_reader_filled(&r->reader, (size_t)n);
    runner_take_bytes(r);
    return true;
}

static void on_readable(void *arg, int fd, unsigned events)
{
    ssize_t n;

    if (!receive(arg, &n) && is_over(n))
        go_down(arg);
}

static void on_writable(void *arg, int fd, unsigned events);

/* Whether there is more to be said. */
static void watch_writes(struct runner *r, bool more)
{
    if (more && !r->writes)
        r->writes = loop_fd(r->loop, r->fd, LOOP_WRITE, on_writable, r);
    if (more && !r->writes)
        go_down(r);
    if (more)
        return;
    source_free(r->writes);
    r->writes = NULL;
}

/* Nobody listens any more. What was said before that is still in the socket, and then its end. */
static void hear_out(struct runner *r)
{
    if (errno != EPIPE && errno != ECONNRESET) {
        go_down(r);
        return;
    }
    r->is_deaf = true;
    runner_clear_out(r);
    watch_writes(r, false);
}

/* Once: the loop has others to look after. */
static void flush(struct runner *r)
{
    while (r->out.len < RUNNER_FILL_MAX && runner_fill(r, &r->out))
        ;
    bool more = r->out.len >= RUNNER_FILL_MAX;
    ssize_t n = r->out.len ? send(r->fd, r->out.data, r->out.len, MSG_NOSIGNAL) : 1;
    if (is_over(n)) {
        hear_out(r);
        return;
    }
    if (n > 0)
        buf_consume(&r->out, (size_t)n);
    if (r->out.len == 0)
        runner_clear_out(r);
    watch_writes(r, more || r->out.len);
}

static void on_writable(void *arg, int fd, unsigned events)
{
    flush(arg);
}

/* Waiting until it can be written costs more than trying it. */
void runner_kick(struct runner *r)
{
    if (r->reads && !r->writes && !r->is_taking && !r->is_deaf)
        flush(r);
}

static void on_ack(void *arg)
{
    struct runner *r = arg;

    r->ack_due = r->in_session;
    runner_kick(r);
}

/* QEMU has ended: nothing more will come, and all that came must be on disk. */
static void end_if_kept(struct runner *r)
{
    if (runner_is_dirty(r))
        runner_keep_output(r);
    if (!runner_is_dirty(r) && !runner_is_keeping(r))
        r->closed(r->arg);
}

static void on_connect(void *arg)
{
    struct runner *r = arg;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (r->has_exit)
        runner_tell_exit(r);
    if (r->closed) {
        end_if_kept(r);
        return;
    }
    str_copy(addr.sun_path, sizeof(addr.sun_path), r->socket);
    r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd >= 0 && connect(r->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        r->reads = loop_fd(r->loop, r->fd, LOOP_READ, on_readable, r);
    if (!r->reads) {
        log_debug("%s: %s; it is tried again", r->socket, strerror(errno));
        go_down(r);
        return;
    }
    runner_greet(r);
}

void runner_close(struct runner *r, void (*closed)(void *arg))
{
    size_t left = LEFT_MAX;

    r->closed = closed;
    while (r->reads && left >= RUNNER_READ_MAX) {
        ssize_t n;

        if (receive(r, &n))
            left -= (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    go_down(r);
}

/* ---- orders ---- */

static int push(struct runner *r, struct runner_message *m, uint64_t *ret_seq)
{
    int result = runner_outbox_push(&r->outbox, m, ret_seq);

    runner_kick(r);
    return result;
}

int runner_signal(struct runner *r, int signo, uint64_t *ret_seq)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_SIGNAL);

    if (signo < 1 || signo > 64)
        return -EINVAL;
    m.signal = (uint32_t)signo;
    return push(r, &m, ret_seq);
}

int runner_message(struct runner *r, const char *text, uint64_t *ret_seq)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_MESSAGE);

    m.text = strndup(text, 4096); /* no more may be said; a cut character becomes '?' */
    int result = m.text ? push(r, &m, ret_seq) : -ENOMEM;
    runner_message_done(&m);
    return result;
}

int runner_shutdown(struct runner *r)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_SHUTDOWN);

    return push(r, &m, NULL);
}

void runner_time(struct runner *r)
{
    r->time_due = true;
    runner_kick(r);
}

static void wipe_ticket(struct runner *r)
{
    if (r->ticket)
        explicit_bzero(r->ticket, r->ticket_len);
    free(r->ticket);
    r->ticket = NULL;
    r->ticket_len = 0;
}

int runner_ticket(struct runner *r, const uint8_t *data, size_t len)
{
    uint8_t *copy;

    if (len == 0 || len > RUNNER_TICKET_MAX)
        return -EMSGSIZE;
    if (r->ticket && r->ticket_len == len && memcmp(r->ticket, data, len) == 0)
        return 0;
    copy = malloc(len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, data, len);
    wipe_ticket(r);
    r->ticket = copy;
    r->ticket_len = len;
    r->ticket_due = true;
    runner_kick(r);
    return 0;
}

bool runner_is_ready(const struct runner *r)
{
    return r->was_ready;
}

bool runner_is_running(const struct runner *r)
{
    return r->is_begun && !r->has_exit;
}

int64_t runner_silence_sec(const struct runner *r)
{
    return r->heard_usec ? (loop_monotonic_usec(r->loop) - r->heard_usec) / USEC_PER_SEC : -1;
}

uint64_t runner_output_bytes(const struct runner *r, unsigned stream)
{
    return r->spools[stream].offset;
}

/* ---- life ---- */

static char **copy_strings(char *const *strings)
{
    size_t n = 0;

    while (strings && strings[n])
        n++;
    char **copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(strings[i]);
        if (!copy[i]) {
            strings_free(copy);
            return NULL;
        }
    }
    return copy;
}

static int copy_config(struct runner *r, const struct runner_config *config, struct vdi_error *err)
{
    if (!str_copy(r->socket, sizeof(r->socket), config->socket) ||
        !str_copy(r->dir, sizeof(r->dir), config->dir))
        return error_set(err, ENAMETOOLONG, "", "the path of a socket or folder is too long: %s",
                         config->socket);
    if (config->payload && (!*config->payload || strlen(config->payload) > RUNNER_PAYLOAD_MAX))
        return error_set(err, EMSGSIZE, "payload",
                         "script, arguments and environment have %zu bytes",
                         strlen(config->payload));
    r->id = config->id;
    r->owner = config->owner;
    if (config->n_mounts > RUNNER_MOUNTS_MAX)
        return error_set(err, E2BIG, "mounts", "there are %u mounts", config->n_mounts);
    r->n_mounts = config->n_mounts;
    if (config->n_mounts)
        memcpy(r->mounts, config->mounts, config->n_mounts * sizeof(*r->mounts));
    r->is_session = config->is_session;
    r->merge = config->merge;
    r->is_seat = config->is_seat;
    r->env = copy_strings(config->env);
    r->payload = config->payload ? strdup(config->payload) : NULL;
    r->work_dir = strdup(config->work_dir ? config->work_dir : "");
    if (!r->env || !r->work_dir || (config->payload && !r->payload))
        return error_set(err, ENOMEM, "", "out of memory");
    return 0;
}

static void on_sync(void *arg)
{
    runner_keep_output(arg);
}

static int make_sources(struct runner *r, struct vdi_error *err)
{
    r->connects = loop_timer(r->loop, 0, on_connect, r);
    r->greets = loop_timer(r->loop, -1, on_greet, r);
    r->ticks = loop_timer(r->loop, TICK_USEC, on_tick, r);
    r->syncs = loop_timer(r->loop, -1, on_sync, r);
    r->acks = loop_timer(r->loop, -1, on_ack, r);
    if (!r->connects || !r->greets || !r->ticks || !r->syncs || !r->acks ||
        runner_outbox_init(&r->outbox) < 0)
        return error_set(err, ENOMEM, "", "out of memory");
    return 0;
}

struct runner *runner_new(struct loop *loop, struct workers *workers,
                          const struct runner_config *config, const struct runner_handler *handler,
                          void *arg, struct vdi_error *err)
{
    struct runner *r = calloc(1, sizeof(*r));

    if (!r) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    r->loop = loop;
    r->workers = workers;
    r->handler = handler;
    r->arg = arg;
    r->fd = r->spools[RUNNER_OUT].fd = r->spools[RUNNER_ERR].fd = -1;
    r->reader = RUNNER_READER_INIT;
    r->input_told = -1;
    r->input_words = INPUT_WORDS;
    r->out = BUF_INIT(RUNNER_OUT_MAX);
    if (copy_config(r, config, err) < 0 || runner_keep_init(r, config->output_max, err) < 0 ||
        make_sources(r, err) < 0) {
        runner_free(r);
        return NULL;
    }
    return r;
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    runner_keep_done(r);
    source_free(r->reads);
    source_free(r->writes);
    source_free(r->connects);
    source_free(r->greets);
    source_free(r->ticks);
    source_free(r->syncs);
    source_free(r->acks);
    closep(&r->fd);
    runner_reader_done(&r->reader);
    runner_outbox_done(&r->outbox);
    runner_clear_out(r);
    wipe_ticket(r);
    buf_done(&r->out);
    strings_free(r->env);
    free(r->payload);
    free(r->work_dir);
    free(r);
}
