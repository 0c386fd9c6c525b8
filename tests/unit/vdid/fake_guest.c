/* SPDX-License-Identifier: Apache-2.0 */
/* fake_guest.c - a guest runner in the test: says what it is told to, and keeps its numbers. */
#include "fake_guest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"

/* To nobody, if the other end has just hung up. */
static void send_all(struct fake_guest *g, const struct buf *text)
{
    ssize_t n = g->fd < 0 ? -1 : send(g->fd, text->data, text->len, MSG_NOSIGNAL);

    assert_true(g->fd < 0 || n == (ssize_t)text->len || errno == EPIPE || errno == ECONNRESET);
}

static void say(struct fake_guest *g, const struct runner_message *m)
{
    struct buf text = BUF_INIT(0);

    if (m->type == RUNNER_HELLO)
        runner_mark_write(&text);
    assert_int_equal(runner_encode(m, &text), 0);
    send_all(g, &text);
    buf_done(&text);
}

static void say_numbered(struct fake_guest *g)
{
    struct buf text = BUF_INIT(0);

    while (g->is_welcome && runner_outbox_take(&g->outbox, &text))
        ;
    if (text.len)
        send_all(g, &text);
    buf_done(&text);
}

static void push(struct fake_guest *g, struct runner_message *m)
{
    assert_int_equal(runner_outbox_push(&g->outbox, m, NULL), 0);
    say_numbered(g);
}

void fake_guest_stage(struct fake_guest *g, const char *name, const char *detail)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_STAGE);

    m.usec = 1000000;
    str_copy(m.name, sizeof(m.name), name);
    str_copy(m.detail, sizeof(m.detail), detail);
    push(g, &m);
}

/* From there on. */
static void say_output(struct fake_guest *g, uint64_t offset)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_OUTPUT);

    m.offset = offset;
    m.data = (uint8_t *)g->out.data + offset;
    m.data_len = g->out.len - offset;
    if (m.data_len && g->is_welcome)
        say(g, &m);
}

void fake_guest_output(struct fake_guest *g, const char *text)
{
    buf_puts(&g->out, text);
    say_output(g, g->out.len - strlen(text));
}

void fake_guest_exit(struct fake_guest *g, int code)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_EXIT);

    m.started = true;
    m.exit_code = code;
    m.offsets[RUNNER_OUT] = g->out.len;
    push(g, &m);
}

void fake_guest_input(struct fake_guest *g, uint32_t idle_sec)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_INPUT);

    m.idle_sec = idle_sec;
    say(g, &m);
}

static void hello(struct fake_guest *g)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_HELLO);

    m.protocol_min = RUNNER_PROTOCOL_MIN;
    m.protocol_max = RUNNER_PROTOCOL_MAX;
    m.session = ++g->session;
    m.first = g->outbox.first;
    str_copy(m.sender, sizeof(m.sender), g->outbox.sender);
    str_copy(m.os, sizeof(m.os), "Fake 1");
    str_copy(m.version, sizeof(m.version), "0");
    str_copy(m.boot_id, sizeof(m.boot_id), "boot-1");
    g->is_welcome = false;
    runner_outbox_rewind(&g->outbox);
    say(g, &m);
}

static void take_welcome(struct fake_guest *g, struct runner_message *m)
{
    struct runner_message ready = RUNNER_MESSAGE_INIT(RUNNER_READY);

    if (m->session != g->session)
        return;
    runner_message_done(&g->welcome);
    g->welcome = *m;
    *m = RUNNER_MESSAGE_INIT(m->type);
    runner_inbox_open(&g->inbox, g->welcome.sender, g->welcome.first);
    buf_clear(&g->payload);
    g->is_welcome = true;
    ready.started = g->is_begun;
    if (!g->never_ready)
        say(g, &ready);
    if (!g->never_ready && g->outbox.first == 1 && g->outbox.n == 0)
        fake_guest_stage(g, "ready", "");
    say_output(g, g->welcome.offsets[RUNNER_OUT]);
    say_numbered(g);
}

static void take_numbered(struct fake_guest *g, const struct runner_message *m)
{
    struct runner_message ack = RUNNER_MESSAGE_INIT(RUNNER_ACK);

    if (runner_inbox_accept(&g->inbox, m->seq) > 0) {
        g->inbox.last++;
        g->n_signals += m->type == RUNNER_SIGNAL;
        g->n_messages += m->type == RUNNER_MESSAGE;
        g->n_shutdowns += m->type == RUNNER_SHUTDOWN;
        if (m->type == RUNNER_SIGNAL)
            g->last_signal = m->signal;
    }
    ack.seq = g->inbox.last;
    say(g, &ack);
}

static void take(struct fake_guest *g, struct runner_message *m)
{
    if (m->type == RUNNER_GREET) {
        hello(g);
    } else if (m->type == RUNNER_WELCOME) {
        take_welcome(g, m);
    } else if (m->type == RUNNER_PART) {
        buf_append(&g->payload, m->data, m->data_len);
    } else if (m->type == RUNNER_RUN) {
        g->n_run++;
        g->is_begun = true;
        if (g->runs_as)
            fake_guest_stage(g, g->runs_as, "");
    } else if (m->type == RUNNER_ACK) {
        runner_outbox_ack(&g->outbox, m->seq);
    } else if (m->type == RUNNER_TIME) {
        g->n_times++;
    } else if (m->type == RUNNER_TICKET) {
        g->n_tickets++;
        snprintf(g->ticket, sizeof(g->ticket), "%.*s", (int)m->data_len, (char *)m->data);
    } else if (m->type != RUNNER_PING) {
        take_numbered(g, m);
    }
}

static void hang_up(struct fake_guest *g)
{
    source_free(g->reads);
    g->reads = NULL;
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
    g->is_welcome = false;
    runner_reader_done(&g->reader);
    g->reader = RUNNER_READER_INIT;
}

static void on_bytes(void *arg, int fd, unsigned events)
{
    struct fake_guest *g = arg;
    char bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    const char *json;
    size_t len;

    if (n <= 0) {
        hang_up(g);
        return;
    }
    runner_reader_feed(&g->reader, bytes, (size_t)n);
    for (enum runner_next next;
         (next = runner_reader_next(&g->reader, &json, &len)) != RUNNER_NEXT_NONE;) {
        struct runner_message m;

        if (next != RUNNER_NEXT_FRAME)
            continue;
        assert_true(runner_decode(RUNNER_HOST, json, len, &m, NULL) >= 0);
        take(g, &m);
        runner_message_done(&m);
    }
}

static void on_accept(void *arg, int fd, unsigned events)
{
    struct fake_guest *g = arg;
    int next = accept(fd, NULL, NULL);

    hang_up(g);
    g->fd = next;
    g->reads = loop_fd(g->loop, g->fd, LOOP_READ, on_bytes, g);
}

void fake_guest_init(struct fake_guest *g, struct loop *loop, const char *socket_path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    *g = (struct fake_guest){.loop = loop, .fd = -1, .reader = RUNNER_READER_INIT};
    assert_int_equal(runner_outbox_init(&g->outbox), 0);
    assert_true(str_copy(addr.sun_path, sizeof(addr.sun_path), socket_path));
    unlink(socket_path);
    g->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(g->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(g->listener, 4), 0);
    g->accepts = loop_fd(loop, g->listener, LOOP_READ, on_accept, g);
}

void fake_guest_done(struct fake_guest *g)
{
    if (!g->loop)
        return;
    hang_up(g);
    source_free(g->accepts);
    close(g->listener);
    runner_reader_done(&g->reader);
    runner_outbox_done(&g->outbox);
    runner_message_done(&g->welcome);
    buf_done(&g->payload);
    buf_done(&g->out);
    *g = (struct fake_guest){.fd = -1};
}
