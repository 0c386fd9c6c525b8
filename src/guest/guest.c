/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.c - the runner's half of the conversation: hello, welcome, numbered messages, resync.
 *
 * A session begins with a mark and a hello and holds until the next one. What the host says is
 * heeded only between the welcome that answers our last hello and the next mark; nonsense ends
 * the session, and a second later we say hello again. Nothing is lost by that: what was not
 * acknowledged is still here.
 */
#include "config.h"

#include "guest/guest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "guest/notice.h"

#define AGAIN_USEC USEC_PER_SEC
#define DEVICES_USEC (10 * USEC_PER_SEC) /* for what is plugged in while we run */

static void begin_session(struct guest *g)
{
    g->session++;
    g->is_welcome = false;
    g->hello_due = true;
    g->ready_due = g->ack_due = g->pong_due = g->refuse_due = g->input_due = false;
    source_rearm(g->again, -1);
    runner_outbox_rewind(&g->outbox);
    port_drop_unsent(g->port);
    port_kick(g->port);
}

/* Once a second at most, whatever the host sends. */
static void end_session(struct guest *g, const char *why)
{
    log_warning("the session is begun anew: %s", why);
    g->is_welcome = false;
    source_rearm(g->again, AGAIN_USEC);
}

static void on_again(void *arg)
{
    begin_session(arg);
}

static void on_up(void *arg)
{
    struct guest *g = arg;
    runner_reader_done(&g->reader);
    begin_session(g);
}

/* ---- out ---- */

static void put(struct guest *g, const struct runner_message *m, struct buf *out)
{
    int r = runner_encode(m, out);
    if (r < 0)
        log_error("a message '%s' can't be written: %s", runner_type_names[m->type], strerror(-r));
}

static void put_hello(struct guest *g, struct buf *out)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_HELLO);
    struct utsname name;

    m.protocol_min = RUNNER_PROTOCOL_MIN;
    m.protocol_max = RUNNER_PROTOCOL_MAX;
    m.session = g->session;
    m.first = g->outbox.first;
    if (uname(&name) == 0)
        snprintf(m.os, sizeof(m.os), "%.20s %.40s", name.sysname, name.release);
    str_copy(m.version, sizeof(m.version), PACKAGE_VERSION);
    str_copy(m.boot_id, sizeof(m.boot_id), g->boot_id);
    str_copy(m.sender, sizeof(m.sender), g->outbox.sender);
    runner_mark_write(out);
    put(g, &m, out);
}

static void put_piece(struct guest *g, const struct runner_output *o, struct buf *out)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_OUTPUT);

    m.stream = o->stream;
    m.offset = o->offset;
    m.data = (uint8_t *)o->data; /* stays the capture's */
    m.data_len = o->len;
    m.is_raw = g->is_raw;
    put(g, &m, out);
}

static bool put_output(struct guest *g, struct buf *out, struct iovec *loan)
{
    enum capture_lending lending = !g->is_raw ? CAPTURE_COPY
                                   : out      ? CAPTURE_LEND
                                              : CAPTURE_LEND_ONLY;
    struct capture_piece piece;

    for (uint32_t i = 0; i < RUNNER_N_STREAMS; i++) {
        if (!capture_take(&g->captures[i], i, lending, &piece))
            continue;
        if (!piece.head_len) {
            put_piece(g, &piece.output, out);
            return true;
        }
        if (!port_loans(g->port))
            g->n_lent = 0;
        g->lent[g->n_lent++] = (struct guest_loan){i, piece.output.offset};
        *loan = (struct iovec){(uint8_t *)piece.output.data - piece.head_len,
                               piece.head_len + piece.output.len};
        return true;
    }
    return false;
}

static bool take_due(bool *io_due)
{
    bool due = *io_due;
    *io_due = false;
    return due;
}

/* An older host knows no such message, and without a device there is nothing to say. */
static bool take_input_due(struct guest *g, struct runner_message *m)
{
    int64_t idle_sec = presence_idle_sec(g->presence);

    if (!take_due(&g->input_due) || g->protocol < RUNNER_PROTOCOL_INPUT || idle_sec < 0)
        return false;
    m->type = RUNNER_INPUT;
    m->idle_sec = idle_sec < RUNNER_INPUT_SEC_MAX ? (uint32_t)idle_sec : RUNNER_INPUT_SEC_MAX;
    return true;
}

static void put_refusal(struct guest *g, struct buf *out)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_REFUSE);

    snprintf(m.detail, sizeof(m.detail),
             "the guest is job %" PRIu64 "'s since it was booted, and takes no other",
             g->owned_by.job);
    put(g, &m, out);
}

/* The first of the plain messages that is due; false: none is. */
static bool put_due(struct guest *g, struct buf *out)
{
    struct runner_message m = {0};

    if (take_due(&g->ready_due)) {
        m.type = RUNNER_READY;
        m.started = g->was_started;
    } else if (take_due(&g->ack_due)) {
        m.type = RUNNER_ACK;
        m.seq = g->inbox.last;
    } else if (take_due(&g->pong_due)) {
        m.type = RUNNER_PONG;
        m.seq = g->pong_seq;
    } else if (!take_input_due(g, &m)) {
        return false;
    }
    put(g, &m, out);
    return true;
}

/* Output before the rest: the exit status comes after the last of it. */
static bool fill(void *arg, struct buf *out, struct iovec *loan)
{
    struct guest *g = arg;

    if (!out)
        return put_output(g, NULL, loan);
    if (take_due(&g->hello_due)) {
        put_hello(g, out);
        return true;
    }
    if (take_due(&g->refuse_due)) {
        put_refusal(g, out);
        return true;
    }
    if (!g->is_welcome)
        return false;
    if ((g->ready_due || g->ack_due || g->pong_due || g->input_due) && put_due(g, out))
        return true;
    return put_output(g, out, loan) || runner_outbox_take(&g->outbox, out);
}

void guest_stage(struct guest *g, const char *name, int64_t usec, const char *detail)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_STAGE);

    str_copy(m.name, sizeof(m.name), name);
    str_copy(m.detail, sizeof(m.detail), detail);
    m.usec = usec;
    if (runner_outbox_push(&g->outbox, &m, NULL) < 0)
        log_warning("stage '%s' is not reported: too much is unacknowledged", name);
    port_kick(g->port);
}

/* The kernel's start by today's clock, so that stages differ by what they took. */
static void report_boot(struct guest *g)
{
    struct timespec up;
    int64_t now = time_now_usec();

    clock_gettime(CLOCK_BOOTTIME, &up);
    guest_stage(g, "kernel", now - up.tv_sec * USEC_PER_SEC - up.tv_nsec / 1000, "");
    guest_stage(g, "runner", now, "");
}

/* ---- in ---- */

/* One owner a boot, ever: nothing is done for this one, and nothing is said of the other. */
static int refuse(struct guest *g, const struct runner_message *m)
{
    log_warning("the host has job %" PRIu64 " for this guest, which is job %" PRIu64 "'s",
                m->id.job, g->owned_by.job);
    g->is_welcome = false;
    source_rearm(g->again, -1);
    g->refuse_due = m->protocol >= RUNNER_PROTOCOL_SEATS;
    return 0;
}

/* A seat that was nobody's gets its owner: what was said so far still holds. */
static bool is_bind(const struct guest *g, const struct runner_id *id)
{
    const struct runner_id seat = {.instance = id->instance, .generation = id->generation};
    struct runner_id ours = g->id;

    ours.nonce[0] = '\0';
    return id->job && str_equal(g->id.nonce, id->nonce) && runner_id_equal(&ours, &seat);
}

/* A copy of a saved guest that was nobody's: what is kept and what is numbered is not this one's
 * business. It is told who we are from the beginning. */
static int forget_job(struct guest *g)
{
    log_warning("the host has another instance for this guest: it begins anew");
    guest_job_done(g);
    g->has_id = false;
    runner_outbox_done(&g->outbox);
    int r = runner_outbox_init(&g->outbox);
    report_boot(g);
    begin_session(g);
    return r;
}

static int take_welcome(struct guest *g, struct runner_message *m)
{
    if (m->session != g->session)
        return 0; /* the answer to an earlier hello */
    if (m->protocol < RUNNER_PROTOCOL_MIN || m->protocol > RUNNER_PROTOCOL_MAX)
        return -EPROTONOSUPPORT;
    if (g->is_owned && !runner_id_equal(&g->owned_by, &m->id))
        return refuse(g, m);
    if (runner_inbox_open(&g->inbox, m->sender, m->first) < 0) {
        log_warning("the host has lost messages of its own");
        g->inbox = (struct runner_inbox){0};
        runner_inbox_open(&g->inbox, m->sender, m->first);
    }
    bool is_same = g->has_id && runner_id_equal(&g->id, &m->id);
    if (g->has_id && !is_same && !is_bind(g, &m->id))
        return forget_job(g);
    if (!is_same) {
        g->is_ready = false;
        g->remote_next = 0;
        g->devices_usec = loop_monotonic_usec(g->loop) + DEVICES_USEC;
    }
    g->is_raw = m->protocol >= RUNNER_PROTOCOL_RAW;
    g->id = m->id;
    g->has_id = true;
    g->protocol = m->protocol;
    g->input_due = true;
    g->owner = m->owner;
    g->n_mounts = m->n_mounts;
    memcpy(g->mounts, m->mounts, sizeof(g->mounts));
    strings_free(g->env);
    g->env = TAKE_PTR(m->env);
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        if (capture_resume(&g->captures[i], m->offsets[i]) < 0)
            return -EPROTO;
    buf_done(&g->payload);
    if (!is_same || !g->is_ready)
        guest_job_adopt(g);
    source_rearm(g->again, -1);
    g->is_welcome = true;
    g->ready_due = g->is_ready;
    port_kick(g->port);
    return 0;
}

static int take_ack(struct guest *g, const struct runner_message *m)
{
    int r = runner_outbox_ack(&g->outbox, m->seq);

    for (unsigned i = g->n_lent - port_loans(g->port); i < g->n_lent && r == 0; i++)
        if (m->offsets[g->lent[i].stream] > g->lent[i].offset)
            r = -EPROTO; /* the port has not written it yet, and must find it where it is */
    for (int i = 0; i < RUNNER_N_STREAMS && r == 0; i++)
        r = capture_ack(&g->captures[i], m->offsets[i]);
    if (r == 0 && g->exit_seq && m->seq >= g->exit_seq)
        guest_job_acked(g);
    return r;
}

static int take_numbered(struct guest *g, const struct runner_message *m)
{
    int r = runner_inbox_accept(&g->inbox, m->seq);

    g->ack_due = true;
    if (r <= 0)
        return r;
    g->inbox.last++;
    if (m->type == RUNNER_SIGNAL)
        guest_job_signal(g, (int)m->signal);
    else if (m->type == RUNNER_MESSAGE)
        notice_message(g->options->message, m->text ? m->text : "");
    else
        notice_shutdown(g->options->shutdown);
    return 0;
}

static int take_message(struct guest *g, struct runner_message *m)
{
    switch (m->type) {
    case RUNNER_PART:
        return guest_job_part(g, m);
    case RUNNER_RUN:
        return guest_job_run(g, m);
    case RUNNER_SIGNAL:
    case RUNNER_MESSAGE:
    case RUNNER_SHUTDOWN:
        return take_numbered(g, m);
    case RUNNER_TIME:
        if (g->options->set_clock)
            notice_time(m->usec);
        return 0;
    case RUNNER_PING:
        g->pong_due = true;
        g->pong_seq = m->seq;
        return 0;
    case RUNNER_TICKET:
        guest_job_ticket(g, m);
        return 0;
    case RUNNER_ACK:
        return take_ack(g, m);
    default:
        return -EPROTO;
    }
}

static void take_frame(struct guest *g, const char *json, size_t len)
{
    _cleanup_(runner_message_done) struct runner_message m;
    struct vdi_error err = {0};
    char text[640];
    int r = runner_decode(RUNNER_HOST, json, len, &m, &err);

    if (r < 0)
        end_session(g, error_text(&err, text, sizeof(text)));
    else if (m.type == RUNNER_GREET)
        begin_session(g);
    else if (m.type == RUNNER_WELCOME || g->is_welcome) {
        r = m.type == RUNNER_WELCOME ? take_welcome(g, &m) : take_message(g, &m);
        if (r < 0) {
            snprintf(text, sizeof(text), "'%s' makes no sense here: %s", runner_type_names[m.type],
                     strerror(-r));
            end_session(g, text);
        }
    }
    port_kick(g->port);
}

static void on_data(void *arg, const void *data, size_t len)
{
    struct guest *g = arg;
    const char *json;
    size_t n;

    if (runner_reader_feed(&g->reader, data, len) < 0) {
        runner_reader_done(&g->reader);
        end_session(g, "out of memory");
        return;
    }
    for (;;)
        switch (runner_reader_next(&g->reader, &json, &n)) {
        case RUNNER_NEXT_NONE:
            return;
        case RUNNER_NEXT_FRAME:
            take_frame(g, json, n);
            break;
        case RUNNER_NEXT_MARK: /* a greeting or a welcome follows, or else our own hello */
            g->is_welcome = false;
            source_rearm(g->again, AGAIN_USEC);
            break;
        case RUNNER_NEXT_GARBAGE:
            end_session(g, "what came was no frame");
            break;
        }
}

/* ---- life ---- */

static void read_boot_id(char *ret, size_t size)
{
    _cleanup_(fclosep) FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!f || !fgets(ret, (int)size, f))
        ret[0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

static void on_presence(void *arg)
{
    struct guest *g = arg;

    g->input_due = g->is_welcome;
    port_kick(g->port);
}

static void on_devices(void *arg)
{
    struct guest *g = arg;

    if (g->has_id && !g->is_ready)
        guest_job_adopt(g);
}

struct guest *guest_new(struct loop *loop, const struct guest_options *options)
{
    static const struct port_handler handler = {on_up, on_data, fill};
    struct guest *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->loop = loop;
    g->options = options;
    g->reader = RUNNER_READER_INIT;
    g->payload = BUF_INIT(RUNNER_PAYLOAD_MAX);
    guest_job_init(g);
    read_boot_id(g->boot_id, sizeof(g->boot_id));
    g->again = loop_timer(loop, -1, on_again, g);
    g->port = port_new(loop, options->port, &handler, g);
    g->devices = loop_timer(loop, -1, on_devices, g);
    g->presence = presence_new(loop, options->input_dir, options->idle_after_sec * USEC_PER_SEC,
                               on_presence, g);
    guest_job_recall_owner(g);
    if (!g->again || !g->port || !g->devices || !g->presence ||
        runner_outbox_init(&g->outbox) < 0) {
        guest_free(g);
        return NULL;
    }
    report_boot(g);
    return g;
}

void guest_free(struct guest *g)
{
    if (!g)
        return;
    guest_job_done(g);
    waiting_end(&g->waiting);
    port_free(g->port);
    source_free(g->again);
    source_free(g->devices);
    presence_free(g->presence);
    runner_outbox_done(&g->outbox);
    runner_reader_done(&g->reader);
    buf_done(&g->payload);
    strings_free(g->env);
    free(g);
}
