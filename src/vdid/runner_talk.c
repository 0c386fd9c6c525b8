/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_talk.c - the host's half of the conversation with the guest runner.
 *
 * A session begins with the guest's hello, which may come at any time, and nothing but a request
 * for one is said before it. Nonsense ends the session and makes us ask again a second later: a
 * hostile guest costs a node no more than that.
 */
#include "vdid/runner_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/runner_output.h"

#define CODE_NOT_STARTED 126 /* as the guest says it */
#define SESSION_PROTOCOL 2   /* from here on a payload may have no script */
/* A guest with little to send gathers more until the ack comes: each costs both ends something. */
#define ACK_USEC (5 * USEC_PER_MSEC)

/* ---- sessions ---- */

void runner_greet(struct runner *r)
{
    r->in_session = false;
    r->greet_due = true;
    r->asked_usec = loop_monotonic_usec(r->loop);
    runner_clear_out(r);
    source_rearm(r->greets, -1);
    runner_kick(r);
}

void runner_end_session(struct runner *r, const char *why)
{
    log_warning("guest of instance %" PRIu64 ": the session is begun anew: %s", r->id.instance,
                why);
    r->in_session = false;
    source_rearm(r->greets, RUNNER_GREET_USEC);
}

void runner_problem(struct runner *r, const char *why)
{
    if (!r->problem_told && r->handler->problem)
        r->handler->problem(r->arg, why);
    r->problem_told = true;
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
    m.n_mounts = r->n_mounts;
    memcpy(m.mounts, r->mounts, sizeof(m.mounts));
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

/* The buffer has all the room it may ever need first: no other memory gets to see it. */
static void put_ticket(struct runner *r, struct buf *out)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_TICKET);

    if (buf_reserve(out, RUNNER_OUT_MAX - out->len) < 0) {
        out->failed = false;
        r->ticket_due = true; /* with what is said next */
        return;
    }
    r->is_out_secret = true;
    m.data = r->ticket; /* stays ours */
    m.data_len = r->ticket_len;
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
        r->n_unacked = 0;
        source_rearm(r->acks, -1);
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

static bool put_greet(struct runner *r, struct buf *out)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_GREET);

    runner_mark_write(out);
    put(r, &m, out);
    return true;
}

static bool put_plain(struct runner *r, struct buf *out)
{
    struct runner_message m = {0};

    if (!next_plain(r, &m))
        return false;
    put(r, &m, out);
    return true;
}

bool runner_fill(struct runner *r, struct buf *out)
{
    if (take_due(&r->greet_due))
        return put_greet(r, out);
    if (!r->in_session)
        return false;
    if (take_due(&r->welcome_due)) {
        put_welcome(r, out);
        return true;
    }
    if (r->ticket && take_due(&r->ticket_due)) {
        put_ticket(r, out);
        return !r->ticket_due;
    }
    if ((r->time_due || r->ack_due || r->ping_due) && put_plain(r, out))
        return true;
    if (runner_outbox_take(&r->outbox, out))
        return true;
    if (r->is_loading)
        put_part(r, out);
    else
        return false;
    return true;
}

/* ---- in ---- */

/* What the guest must be able to do and can't; NULL: nothing. */
static const char *lacking(const struct runner *r, uint32_t protocol)
{
    if (r->is_seat && protocol < RUNNER_PROTOCOL_SEATS)
        return "is too old for a seat that gets its owner later";
    for (uint32_t i = 0; i < r->n_mounts; i++)
        if (runner_mount_has_ticket(&r->mounts[i]) && protocol < RUNNER_PROTOCOL_TICKETS)
            return "is too old to mount from a file server with a ticket";
    if (r->n_mounts && protocol < RUNNER_PROTOCOL_MOUNTS) /* not without its owner's files */
        return "is too old to mount what the job's template names";
    return NULL;
}

static int take_hello(struct runner *r, const struct runner_message *m)
{
    uint32_t common = m->protocol_max < RUNNER_PROTOCOL_MAX ? m->protocol_max : RUNNER_PROTOCOL_MAX;
    char why[160];

    if (common < m->protocol_min || common < RUNNER_PROTOCOL_MIN) {
        snprintf(why, sizeof(why),
                 "the guest runner %s speaks protocol %u to %u, this vdid %u to %u", m->version,
                 m->protocol_min, m->protocol_max, RUNNER_PROTOCOL_MIN, RUNNER_PROTOCOL_MAX);
        runner_problem(r, why);
        r->in_session = false;
        return 0;
    }
    if (lacking(r, common)) {
        snprintf(why, sizeof(why), "the guest runner %s %s", m->version, lacking(r, common));
        runner_problem(r, why);
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
    str_copy(r->boot_id, sizeof(r->boot_id), m->boot_id);
    r->session = m->session;
    r->protocol = common;
    r->input_usec = 0;
    r->in_session = r->welcome_due = r->ticket_due = r->time_due = true;
    r->ack_due = r->ping_due = r->greet_due = r->is_loading = r->is_waiting = false;
    r->n_unacked = 0;
    source_rearm(r->acks, -1);
    source_rearm(r->greets, -1);
    runner_outbox_rewind(&r->outbox);
    runner_clear_out(r);
    return 0;
}

/* A guest that has no memory of the script it was given was restarted, and the script ended. */
static int lost(struct runner *r)
{
    r->exit_is_ours = true;
    r->exit = (struct runner_exit){.id = r->id, .started = true, .signal = SIGKILL};
    str_copy(r->exit.detail, sizeof(r->exit.detail),
             "the guest was restarted while the script ran");
    for (int i = 0; i < RUNNER_N_STREAMS; i++)
        r->exit.offsets[i] = r->spools[i].offset;
    return runner_keep_exit(r);
}

/* A session may begin anew in every boot, a script is begun once. */
int runner_hand_over(struct runner *r)
{
    if (!r->in_session || !r->is_waiting || r->has_exit || r->exit_work || r->start_work)
        return 0;
    if (r->is_session && r->protocol < SESSION_PROTOCOL)
        return 0;
    if (!r->is_session && !r->is_begun)
        return runner_keep_started(r);
    if (!r->is_session && !str_equal(r->started.boot_id, r->boot_id))
        return lost(r);
    r->loaded = 0;
    r->is_loading = true;
    runner_kick(r);
    return 0;
}

static int take_ready(struct runner *r, const struct runner_message *m)
{
    bool is_first = !r->was_ready;

    r->was_ready = true;
    r->is_begun = r->is_begun || m->started;
    r->is_waiting = r->payload && !m->started;
    if (is_first && r->handler->ready)
        r->handler->ready(r->arg, r->os, r->version);
    return runner_hand_over(r);
}

/* An older guest has less under way, and would wait. */
static void owe_ack(struct runner *r, size_t len)
{
    bool is_old = r->protocol < RUNNER_PROTOCOL_WINDOW;

    if (r->n_unacked == 0 && !is_old)
        source_rearm(r->acks, ACK_USEC);
    r->n_unacked += len;
    r->ack_due = r->ack_due || is_old || r->n_unacked >= RUNNER_ACK_BYTES;
}

static int write_run(struct runner *r, const struct runner_run *run)
{
    struct runner_spool *s = &r->spools[run->stream];
    bool was_dirty = runner_is_dirty(r);
    char why[160];
    int result = runner_spool_writev(s, run->offset, run->iov, run->n);

    if (result < 0) { /* not acknowledged: the script waits, and the guest sends it again */
        snprintf(why, sizeof(why), "output can't be written to disk: %s", strerror(-result));
        runner_problem(r, why);
        return result;
    }
    owe_ack(r, run->len);
    r->problem_told = false;
    if (!was_dirty && runner_is_dirty(r))
        source_rearm(r->syncs, RUNNER_SYNC_USEC);
    r->has_output = true;
    return 0;
}

/* It was not plain. */
static int take_other_output(struct runner *r, const struct runner_message *m)
{
    const struct runner_run run = {m->stream, 1, m->offset, m->data_len, {{m->data, m->data_len}}};

    return write_run(r, &run);
}

/* The guest has no place for the owner: a script that waits for it would wait for ever. */
static int take_failure(struct runner *r, const struct runner_message *m)
{
    if (!r->payload || r->has_exit || r->exit_work)
        return 0;
    r->exit_is_ours = true;
    r->exit = (struct runner_exit){.id = r->id, .code = CODE_NOT_STARTED};
    str_copy(r->exit.detail, sizeof(r->exit.detail), m->detail);
    return runner_keep_exit(r);
}

/* Nothing of ours is done there, and never will be. */
static int take_refusal(struct runner *r, const struct runner_message *m)
{
    if (r->handler->stage)
        r->handler->stage(r->arg, "failed", time_now_usec(), m->detail);
    return take_failure(r, m);
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
    return runner_keep_exit(r);
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
    r->is_begun = r->is_begun || str_equal(m->name, "session");
    if (r->handler->stage)
        r->handler->stage(r->arg, m->name, m->usec, m->detail);
    return str_equal(m->name, "failed") ? take_failure(r, m) : 0;
}

static int take_ack(struct runner *r, const struct runner_message *m)
{
    int result = runner_outbox_ack(&r->outbox, m->seq);

    if (result == 0 && r->handler->heard)
        r->handler->heard(r->arg, m->seq);
    return result;
}

static int take_input(struct runner *r, const struct runner_message *m)
{
    if (r->protocol < RUNNER_PROTOCOL_INPUT)
        return -EPROTO;
    r->input_usec = loop_monotonic_usec(r->loop);
    r->idle_sec = m->idle_sec;
    runner_look_input(r);
    return 0;
}

static int take_message(struct runner *r, const struct runner_message *m)
{
    switch (m->type) {
    case RUNNER_READY:
        return take_ready(r, m);
    case RUNNER_OUTPUT:
        return take_other_output(r, m);
    case RUNNER_STAGE:
    case RUNNER_EXIT:
        return take_numbered(r, m);
    case RUNNER_ACK:
        return take_ack(r, m);
    case RUNNER_REFUSE:
        return take_refusal(r, m);
    case RUNNER_INPUT:
        return take_input(r, m);
    case RUNNER_PONG:
        return 0;
    default:
        return -EPROTO;
    }
}

static void end_for(struct runner *r, uint32_t type, int result)
{
    char text[96];

    snprintf(text, sizeof(text), "'%s': %s", runner_type_names[type], strerror(-result));
    runner_end_session(r, text);
}

static void take_other_frame(struct runner *r, const char *json, size_t len)
{
    _cleanup_(runner_message_done) struct runner_message m;
    struct vdi_error err = {0};
    char text[640];
    int result = runner_decode(RUNNER_GUEST, json, len, &m, &err);

    if (result < 0) {
        runner_end_session(r, error_text(&err, text, sizeof(text)));
        return;
    }
    if (m.type != RUNNER_HELLO && !r->in_session)
        return; /* from before: what counts comes after the next hello */
    result = m.type == RUNNER_HELLO ? take_hello(r, &m) : take_message(r, &m);
    if (result < 0)
        end_for(r, m.type, result);
}

/* Before anything else is done: what comes after it may depend on it. */
static void end_run(struct runner *r)
{
    int result = r->run.n && r->in_session ? write_run(r, &r->run) : 0;

    r->run.n = 0;
    if (result < 0)
        end_for(r, RUNNER_OUTPUT, result);
}

static void add_to_run(struct runner *r, const struct runner_output *o)
{
    struct runner_run *run = &r->run;

    if (run->n == RUNNER_RUN_MAX ||
        (run->n && (run->stream != o->stream || run->offset + run->len != o->offset)))
        end_run(r);
    if (run->n == 0)
        *run = (struct runner_run){.stream = o->stream, .offset = o->offset};
    run->iov[run->n++] = (struct iovec){(uint8_t *)o->data, o->len};
    run->len += o->len;
}

static void take_frame(struct runner *r, const char *frame, size_t len)
{
    struct runner_output o;

    if (runner_output_read(frame, len, &o)) {
        add_to_run(r, &o);
        return;
    }
    end_run(r);
    take_other_frame(r, frame, len);
}

static void take_frames(struct runner *r)
{
    const char *json;
    size_t n;

    for (;;)
        switch (runner_reader_next(&r->reader, &json, &n)) {
        case RUNNER_NEXT_NONE:
            return;
        case RUNNER_NEXT_FRAME:
            take_frame(r, json, n);
            break;
        case RUNNER_NEXT_MARK: /* a hello follows */
            end_run(r);
            r->in_session = false;
            source_rearm(r->greets, RUNNER_GREET_USEC);
            break;
        case RUNNER_NEXT_GARBAGE:
            end_run(r);
            runner_end_session(r, "what came was no frame");
            break;
        }
}

void runner_take_bytes(struct runner *r)
{
    r->heard_usec = loop_monotonic_usec(r->loop);
    r->is_taking = true;
    take_frames(r);
    end_run(r);
    r->is_taking = false;
    if (r->has_output && r->handler->output)
        r->handler->output(r->arg);
    r->has_output = false;
    runner_kick(r);
}
