/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.c - the host's half of the guest runner: one instance's script, seen from the node.
 *
 * A session begins with the guest's hello, which may come at any time, and nothing but a request
 * for one is said before it. Nonsense ends the session and makes us ask again a second later: a
 * hostile guest costs a node no more than that. QEMU holds the other end of the socket; that the
 * guest is gone or restarted is seen by its silence or its next hello alone.
 */
#include "vdid/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/runner_outbox.h"
#include "vdid/file.h"
#include "vdid/runner_spool.h"

#define RETRY_USEC (500 * USEC_PER_MSEC) /* of connect(2) */
#define GREET_USEC USEC_PER_SEC
#define TICK_USEC (10 * USEC_PER_SEC)
#define SILENCE_USEC (30 * USEC_PER_SEC) /* then it is asked for a hello */
#define SYNC_USEC USEC_PER_SEC
#define READ_MAX (64u << 10)
#define FILL_MAX (128u << 10)
#define EXIT_BYTES_MAX 4096
#define CODE_NOT_STARTED 126 /* as the guest says it */

/* Work for a worker thread. It outlives the runner, and then comes back to nobody. */
struct sync_work {
    struct runner *runner;
    int fds[RUNNER_N_STREAMS];
    char path[PATH_MAX]; /* "": only fds */
    struct buf text;
    int result;
};

struct runner {
    struct loop *loop;
    struct workers *workers;
    const struct runner_handler *handler;
    void *arg;

    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)], dir[PATH_MAX - 32];
    struct runner_id id;
    struct runner_owner owner;
    char **env;
    char *payload, *work_dir;
    bool merge;

    int fd;
    struct source *reads, *writes, *connects, *greets, *ticks, *syncs;
    struct runner_reader reader;
    struct buf out;
    int64_t heard_usec, asked_usec; /* monotonic; 0: never */

    bool in_session;
    bool greet_due, welcome_due, time_due, ack_due, ping_due;
    bool is_loading; /* the payload goes out: payload[loaded] is next */
    size_t loaded;
    uint32_t protocol;
    uint64_t session, n_pings;
    struct runner_outbox outbox;
    struct runner_inbox inbox;
    char os[64], version[32];
    bool was_ready, problem_told;

    struct runner_spool spools[RUNNER_N_STREAMS];
    struct sync_work *sync, *exit_work; /* under way */
    bool has_exit, exit_told, exit_is_ours;
    struct runner_exit exit;
    struct runner_inbox exit_inbox; /* as it was when the exit status came */
    char in[READ_MAX];
};

/* ---- what blocks ---- */

static void sync_do(void *arg)
{
    struct sync_work *w = arg;

    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        if (w->fds[i] >= 0 && fdatasync(w->fds[i]) < 0)
            w->result = -errno;
    if (w->path[0] && w->result == 0)
        w->result = file_replace(w->path, w->text.data, w->text.len);
}

static void sync_work_free(struct sync_work *w)
{
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        closep(&w->fds[i]);
    buf_done(&w->text);
    free(w);
}

static void exit_is_kept(struct runner *r, int result);

static void sync_done(void *arg, bool dropped)
{
    struct sync_work *w = arg;
    struct runner *r = w->runner;
    int result = dropped ? -ECANCELED : w->result;

    if (r && r->exit_work == w) {
        r->exit_work = NULL;
        exit_is_kept(r, result);
    } else if (r) {
        r->sync = NULL;
        if (result < 0)
            log_error("output in %s can't be made durable: %s", r->dir, strerror(-result));
    }
    sync_work_free(w);
}

static struct sync_work *sync_post(struct runner *r, const struct runner_exit *exit)
{
    struct sync_work *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->runner = r;
    w->text = BUF_INIT(EXIT_BYTES_MAX);
    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        w->fds[i] = r->spools[i].is_dirty ? dup(r->spools[i].fd) : -1;
        r->spools[i].is_dirty = false;
    }
    if (exit) {
        snprintf(w->path, sizeof(w->path), "%s/" RUNNER_EXIT_FILE, r->dir);
        runner_exit_write(exit, &w->text);
    }
    if (workers_post(r->workers, sync_do, sync_done, w) < 0) {
        for (int i = 0; i < RUNNER_N_STREAMS; i++)
            r->spools[i].is_dirty = r->spools[i].is_dirty || w->fds[i] >= 0;
        sync_work_free(w);
        return NULL;
    }
    return w;
}

static bool is_dirty(const struct runner *r)
{
    return r->spools[RUNNER_OUT].is_dirty || r->spools[RUNNER_ERR].is_dirty;
}

static void on_sync(void *arg)
{
    struct runner *r = arg;

    if (!r->sync)
        r->sync = sync_post(r, NULL);
    if (is_dirty(r))
        source_rearm(r->syncs, SYNC_USEC);
}

/* ---- sessions ---- */

static void on_writable(void *arg, int fd, unsigned events);

static void kick(struct runner *r)
{
    if (r->reads && !r->writes)
        r->writes = loop_fd(r->loop, r->fd, LOOP_WRITE, on_writable, r);
}

static void greet(struct runner *r)
{
    r->in_session = false;
    r->greet_due = true;
    r->asked_usec = loop_monotonic_usec(r->loop);
    buf_clear(&r->out);
    source_rearm(r->greets, -1);
    kick(r);
}

static void on_greet(void *arg)
{
    greet(arg);
}

static void end_session(struct runner *r, const char *why)
{
    log_warning("guest of instance %" PRIu64 ": the session is begun anew: %s", r->id.instance,
                why);
    r->in_session = false;
    source_rearm(r->greets, GREET_USEC);
}

static void problem(struct runner *r, const char *why)
{
    if (!r->problem_told && r->handler->problem)
        r->handler->problem(r->arg, why);
    r->problem_told = true;
}

static void tell_exit(struct runner *r)
{
    if (r->exit_told)
        return;
    r->exit_told = true;
    if (r->handler->exited)
        r->handler->exited(r->arg, &r->exit);
}

static void on_tick(void *arg)
{
    struct runner *r = arg;
    int64_t now = loop_monotonic_usec(r->loop);
    int64_t last = r->heard_usec > r->asked_usec ? r->heard_usec : r->asked_usec;

    if (r->reads && now - last > SILENCE_USEC)
        greet(r);
    r->ping_due = r->in_session;
    kick(r);
    source_rearm(r->ticks, TICK_USEC);
}

/* ---- out ---- */

static void put(struct runner *r, const struct runner_message *m, struct buf *out)
{
    int result = runner_encode(m, out);

    if (result < 0)
        log_error("a message '%s' to the guest can't be written: %s", runner_type_names[m->type],
                  strerror(-result));
}

static void put_welcome(struct runner *r, struct buf *out)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_WELCOME);

    m.protocol = r->protocol;
    m.session = r->session;
    m.first = r->outbox.first;
    str_copy(m.sender, sizeof(m.sender), r->outbox.sender);
    m.id = r->id;
    m.owner = r->owner;
    m.env = r->env; /* stays ours */
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        m.offsets[i] = r->spools[i].offset;
    runner_mark_write(out);
    put(r, &m, out);
}

static void put_part(struct runner *r, struct buf *out)
{
    struct runner_message m = {0};
    size_t total = strlen(r->payload), n = total - r->loaded;

    m.total = total;
    if (n == 0) {
        m.type = RUNNER_RUN;
        m.work_dir = r->work_dir;
        m.merge = r->merge;
        r->is_loading = false;
    } else {
        m.type = RUNNER_PART;
        m.offset = r->loaded;
        m.data_len = n < RUNNER_DATA_MAX ? n : RUNNER_DATA_MAX;
        m.data = (uint8_t *)r->payload + r->loaded;
        r->loaded += m.data_len;
    }
    put(r, &m, out);
}

static bool take_due(bool *io_due)
{
    bool due = *io_due;

    *io_due = false;
    return due;
}

/* The first of the plain messages that is due; false: none. */
static bool next_plain(struct runner *r, struct runner_message *m)
{
    if (take_due(&r->time_due)) {
        m->type = RUNNER_TIME;
        m->usec = time_now_usec();
    } else if (take_due(&r->ack_due)) {
        m->type = RUNNER_ACK;
        m->seq = r->inbox.last;
        for (int i = 0; i < RUNNER_N_STREAMS; i++)
            m->offsets[i] = r->spools[i].offset;
    } else if (take_due(&r->ping_due)) {
        m->type = RUNNER_PING;
        m->seq = ++r->n_pings;
    } else {
        return false;
    }
    return true;
}

/* Appends one frame; false: there is nothing to say. */
static bool fill(struct runner *r, struct buf *out)
{
    struct runner_message m = {0};

    if (take_due(&r->greet_due)) {
        m.type = RUNNER_GREET;
        runner_mark_write(out);
        put(r, &m, out);
        return true;
    }
    if (!r->in_session)
        return false;
    if (take_due(&r->welcome_due)) {
        put_welcome(r, out);
        return true;
    }
    if (next_plain(r, &m)) {
        put(r, &m, out);
        return true;
    }
    if (runner_outbox_take(&r->outbox, out))
        return true;
    if (r->is_loading)
        put_part(r, out);
    else
        return false;
    return true;
}

/* ---- in ---- */

static int take_hello(struct runner *r, const struct runner_message *m)
{
    uint32_t common = m->protocol_max < RUNNER_PROTOCOL_MAX ? m->protocol_max : RUNNER_PROTOCOL_MAX;
    char why[160];

    if (common < m->protocol_min || common < RUNNER_PROTOCOL_MIN) {
        snprintf(why, sizeof(why),
                 "the guest runner %s speaks protocol %u to %u, this vdid %u to %u", m->version,
                 m->protocol_min, m->protocol_max, RUNNER_PROTOCOL_MIN, RUNNER_PROTOCOL_MAX);
        problem(r, why);
        r->in_session = false;
        return 0;
    }
    if (runner_inbox_open(&r->inbox, m->sender, m->first) < 0) {
        log_warning("guest of instance %" PRIu64 ": it has lost messages", r->id.instance);
        r->inbox = (struct runner_inbox){0};
        if (runner_inbox_open(&r->inbox, m->sender, m->first) < 0)
            return -EPROTO;
    }
    str_copy(r->os, sizeof(r->os), m->os);
    str_copy(r->version, sizeof(r->version), m->version);
    r->session = m->session;
    r->protocol = common;
    r->in_session = r->welcome_due = r->time_due = true;
    r->ack_due = r->ping_due = r->greet_due = r->is_loading = false;
    source_rearm(r->greets, -1);
    runner_outbox_rewind(&r->outbox);
    buf_clear(&r->out);
    return 0;
}

static int take_ready(struct runner *r, const struct runner_message *m)
{
    r->loaded = 0;
    r->is_loading = r->payload && !m->started && !r->has_exit && !r->exit_work;
    if (!r->was_ready && r->handler->ready)
        r->handler->ready(r->arg, r->os, r->version);
    r->was_ready = true;
    return 0;
}

static int take_output(struct runner *r, const struct runner_message *m)
{
    struct runner_spool *s = &r->spools[m->stream];
    bool was_dirty = is_dirty(r);
    char why[160];
    int result = runner_spool_write(s, m->offset, m->data, m->data_len);

    if (result < 0) { /* not acknowledged: the script waits, and the guest sends it again */
        snprintf(why, sizeof(why), "output can't be written to disk: %s", strerror(-result));
        problem(r, why);
        return result;
    }
    r->ack_due = true;
    r->problem_told = false;
    if (!was_dirty && is_dirty(r))
        source_rearm(r->syncs, SYNC_USEC);
    return 0;
}

static int keep_exit(struct runner *r)
{
    r->exit_inbox = r->inbox;
    r->exit_work = sync_post(r, &r->exit);
    return r->exit_work ? 0 : -EBUSY;
}

/* The guest has no place for the owner: a script that waits for it would wait for ever. */
static int take_failure(struct runner *r, const struct runner_message *m)
{
    if (!r->payload || r->has_exit || r->exit_work)
        return 0;
    r->exit_is_ours = true;
    r->exit = (struct runner_exit){.id = r->id, .code = CODE_NOT_STARTED};
    str_copy(r->exit.detail, sizeof(r->exit.detail), m->detail);
    return keep_exit(r);
}

static int take_exit(struct runner *r, const struct runner_message *m)
{
    if (r->has_exit) {
        r->inbox.last++;
        return 0;
    }
    if (r->exit_work)
        return 0;
    r->exit = (struct runner_exit){
        .id = r->id, .started = m->started, .code = m->exit_code, .signal = m->exit_signal};
    str_copy(r->exit.detail, sizeof(r->exit.detail), m->detail);
    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        r->exit.offsets[i] = m->offsets[i];
        if (m->offsets[i] != r->spools[i].offset)
            log_warning("instance %" PRIu64 ": %" PRIu64 " bytes of %s, and %" PRIu64 " came",
                        r->id.instance, m->offsets[i], runner_stream_names[i], r->spools[i].offset);
    }
    return keep_exit(r);
}

/* On disk: now the guest may forget it. */
static void exit_is_kept(struct runner *r, int result)
{
    char why[160];

    if (result < 0) {
        snprintf(why, sizeof(why), "the exit status can't be written to disk: %s",
                 strerror(-result));
        problem(r, why);
        end_session(r, why);
        return;
    }
    r->has_exit = true;
    if (!r->exit_is_ours && str_equal(r->inbox.sender, r->exit_inbox.sender) &&
        r->inbox.last == r->exit_inbox.last) {
        r->inbox.last++;
        r->ack_due = true;
        kick(r);
    } else if (!r->exit_is_ours && r->reads) {
        greet(r); /* another runner there meanwhile: it says it again, and is told we have it */
    }
    tell_exit(r);
}

static int take_numbered(struct runner *r, const struct runner_message *m)
{
    int result = runner_inbox_accept(&r->inbox, m->seq);

    r->ack_due = true;
    if (result <= 0)
        return result;
    if (m->type == RUNNER_EXIT)
        return take_exit(r, m);
    r->inbox.last++;
    if (r->handler->stage)
        r->handler->stage(r->arg, m->name, m->usec, m->detail);
    return str_equal(m->name, "failed") ? take_failure(r, m) : 0;
}

static int take_message(struct runner *r, const struct runner_message *m)
{
    switch (m->type) {
    case RUNNER_READY:
        return take_ready(r, m);
    case RUNNER_OUTPUT:
        return take_output(r, m);
    case RUNNER_STAGE:
    case RUNNER_EXIT:
        return take_numbered(r, m);
    case RUNNER_ACK:
        return runner_outbox_ack(&r->outbox, m->seq);
    case RUNNER_PONG:
        return 0;
    default:
        return -EPROTO;
    }
}

static void take_frame(struct runner *r, const char *json, size_t len)
{
    _cleanup_(runner_message_done) struct runner_message m;
    struct vdi_error err = {0};
    char text[640];
    int result = runner_decode(RUNNER_GUEST, json, len, &m, &err);

    if (result < 0) {
        end_session(r, error_text(&err, text, sizeof(text)));
        return;
    }
    if (m.type != RUNNER_HELLO && !r->in_session)
        return; /* from before: what counts comes after the next hello */
    result = m.type == RUNNER_HELLO ? take_hello(r, &m) : take_message(r, &m);
    if (result < 0) {
        snprintf(text, sizeof(text), "'%s': %s", runner_type_names[m.type], strerror(-result));
        end_session(r, text);
    }
    kick(r);
}

static void take_bytes(struct runner *r, const void *data, size_t len)
{
    const char *json;
    size_t n;

    r->heard_usec = loop_monotonic_usec(r->loop);
    if (runner_reader_feed(&r->reader, data, len) < 0) {
        runner_reader_done(&r->reader);
        end_session(r, "out of memory");
        return;
    }
    for (;;)
        switch (runner_reader_next(&r->reader, &json, &n)) {
        case RUNNER_NEXT_NONE:
            return;
        case RUNNER_NEXT_FRAME:
            take_frame(r, json, n);
            break;
        case RUNNER_NEXT_MARK: /* a hello follows */
            r->in_session = false;
            source_rearm(r->greets, GREET_USEC);
            break;
        case RUNNER_NEXT_GARBAGE:
            end_session(r, "what came was no frame");
            break;
        }
}

/* ---- the socket ---- */

static void go_down(struct runner *r)
{
    source_free(r->reads);
    source_free(r->writes);
    r->reads = r->writes = NULL;
    closep(&r->fd);
    r->fd = -1;
    r->in_session = false;
    buf_clear(&r->out);
    runner_reader_done(&r->reader);
    source_rearm(r->greets, -1);
    source_rearm(r->connects, RETRY_USEC);
}

static bool is_over(ssize_t n)
{
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    struct runner *r = arg;
    ssize_t n = recv(fd, r->in, sizeof(r->in), 0);

    if (n > 0)
        take_bytes(r, r->in, (size_t)n);
    else if (is_over(n))
        go_down(r);
}

static void on_writable(void *arg, int fd, unsigned events)
{
    struct runner *r = arg;

    while (r->out.len < FILL_MAX && fill(r, &r->out))
        ;
    if (r->out.len == 0) {
        source_free(r->writes);
        r->writes = NULL;
        return;
    }
    ssize_t n = send(fd, r->out.data, r->out.len, MSG_NOSIGNAL);
    if (n > 0)
        buf_consume(&r->out, (size_t)n);
    else if (is_over(n))
        go_down(r);
}

static void on_connect(void *arg)
{
    struct runner *r = arg;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (r->has_exit)
        tell_exit(r);
    str_copy(addr.sun_path, sizeof(addr.sun_path), r->socket);
    r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd >= 0 && connect(r->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        r->reads = loop_fd(r->loop, r->fd, LOOP_READ, on_readable, r);
    if (!r->reads) {
        log_debug("%s: %s; it is tried again", r->socket, strerror(errno));
        go_down(r);
        return;
    }
    greet(r);
}

/* ---- orders ---- */

static int push(struct runner *r, struct runner_message *m)
{
    int result = runner_outbox_push(&r->outbox, m, NULL);

    kick(r);
    return result;
}

int runner_signal(struct runner *r, int signo)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_SIGNAL);

    if (signo < 1 || signo > 64)
        return -EINVAL;
    m.signal = (uint32_t)signo;
    return push(r, &m);
}

int runner_message(struct runner *r, const char *text)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_MESSAGE);

    m.text = strndup(text, 4096); /* no more may be said; a cut character becomes '?' */
    int result = m.text ? push(r, &m) : -ENOMEM;
    runner_message_done(&m);
    return result;
}

int runner_shutdown(struct runner *r)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_SHUTDOWN);

    return push(r, &m);
}

void runner_time(struct runner *r)
{
    r->time_due = true;
    kick(r);
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

static int load_exit(struct runner *r, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(EXIT_BYTES_MAX);
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/" RUNNER_EXIT_FILE, r->dir);
    int result = file_read(path, &text);
    if (result == -ENOENT)
        return 0;
    if (result < 0)
        return error_set(err, result, "", "%s can't be read: %s", path, strerror(-result));
    result = runner_exit_read(text.data, text.len, &r->exit, err);
    r->has_exit = result == 0;
    return result;
}

static int open_spools(struct runner *r, uint64_t max, struct vdi_error *err)
{
    static const char *const names[] = {RUNNER_OUTPUT_FILE, RUNNER_ERROR_FILE};
    char path[PATH_MAX];

    for (int i = 0; i < RUNNER_N_STREAMS; i++) {
        snprintf(path, sizeof(path), "%s/%s", r->dir, names[i]);
        int result = runner_spool_open(&r->spools[i], path, max);
        if (result < 0)
            return error_set(err, result, "", "%s can't be opened: %s", path, strerror(-result));
    }
    return 0;
}

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
    r->merge = config->merge;
    r->env = copy_strings(config->env);
    r->payload = config->payload ? strdup(config->payload) : NULL;
    r->work_dir = strdup(config->work_dir ? config->work_dir : "");
    if (!r->env || !r->work_dir || (config->payload && !r->payload))
        return error_set(err, ENOMEM, "", "out of memory");
    return 0;
}

static int make_sources(struct runner *r, struct vdi_error *err)
{
    r->connects = loop_timer(r->loop, 0, on_connect, r);
    r->greets = loop_timer(r->loop, -1, on_greet, r);
    r->ticks = loop_timer(r->loop, TICK_USEC, on_tick, r);
    r->syncs = loop_timer(r->loop, -1, on_sync, r);
    if (!r->connects || !r->greets || !r->ticks || !r->syncs || runner_outbox_init(&r->outbox) < 0)
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
    r->out = BUF_INIT(FILL_MAX + 2 * RUNNER_FRAME_MAX);
    if (copy_config(r, config, err) < 0 || open_spools(r, config->output_max, err) < 0 ||
        load_exit(r, err) < 0 || make_sources(r, err) < 0) {
        runner_free(r);
        return NULL;
    }
    return r;
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    if (r->sync)
        r->sync->runner = NULL;
    if (r->exit_work)
        r->exit_work->runner = NULL;
    source_free(r->reads);
    source_free(r->writes);
    source_free(r->connects);
    source_free(r->greets);
    source_free(r->ticks);
    source_free(r->syncs);
    closep(&r->fd);
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        runner_spool_close(&r->spools[i]);
    runner_reader_done(&r->reader);
    runner_outbox_done(&r->outbox);
    buf_done(&r->out);
    strings_free(r->env);
    free(r->payload);
    free(r->work_dir);
    free(r);
}
