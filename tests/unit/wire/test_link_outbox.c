/* SPDX-License-Identifier: Apache-2.0 */
/* test_link_outbox.c - every message once and in order, whatever the connection does */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/link_outbox.h"

#define SCHEDULES 2000

static void test_order(void **state)
{
    struct link_outbox *o = link_outbox_new(10, 1000);
    const void *data;
    size_t len;
    assert_int_equal(link_outbox_first_seq(o), 1);
    assert_int_equal(link_outbox_next_seq(o), 1);
    assert_false(link_outbox_take(o, &data, &len));
    for (int i = 0; i < 3; i++)
        assert_int_equal(link_outbox_push(o, "abc", (size_t)i + 1), 0);
    assert_int_equal(link_outbox_next_seq(o), 4);
    for (size_t i = 0; i < 3; i++) {
        assert_true(link_outbox_take(o, &data, &len));
        assert_int_equal(len, i + 1);
    }
    assert_false(link_outbox_take(o, &data, &len));
    link_outbox_untake(o);
    assert_true(link_outbox_take(o, &data, &len));
    assert_int_equal(len, 3);
    assert_int_equal(link_outbox_ack(o, 4), -EPROTO);
    assert_int_equal(link_outbox_ack(o, 2), 0);
    assert_int_equal(link_outbox_ack(o, 1), 0); /* late: nothing */
    assert_int_equal(link_outbox_first_seq(o), 3);
    assert_int_equal(link_outbox_count(o), 1);
    link_outbox_rewind(o);
    assert_true(link_outbox_take(o, &data, &len));
    assert_int_equal(len, 3);
    assert_int_equal(link_outbox_ack(o, 3), 0);
    assert_int_equal(link_outbox_count(o), 0);
    assert_int_equal(link_outbox_next_seq(o), 4);
    link_outbox_free(o);
}

static void test_bounds(void **state)
{
    struct link_outbox *o = link_outbox_new(3, 10);
    assert_int_equal(link_outbox_push(o, "0123456789x", 11), -ENOBUFS);
    assert_int_equal(link_outbox_push(o, "01234567", 8), 0);
    assert_int_equal(link_outbox_push(o, "012", 3), -ENOBUFS);
    assert_int_equal(link_outbox_push(o, "", 0), 0);
    assert_int_equal(link_outbox_push(o, "01", 2), 0);
    assert_int_equal(link_outbox_push(o, "", 0), -ENOBUFS);
    assert_int_equal(link_outbox_ack(o, 1), 0);
    assert_int_equal(link_outbox_push(o, "01234567", 8), 0);
    link_outbox_free(o);
    link_outbox_free(NULL);
}

static void test_inbox(void **state)
{
    static const char one[] = "0123456789abcdef0123456789abcdef";
    static const char two[] = "0123456789abcdef0123456789abcde0";
    struct link_inbox in = {0};
    assert_int_equal(link_inbox_open(&in, "short", 1), -EINVAL);
    assert_int_equal(link_inbox_open(&in, one, 0), -EINVAL);
    assert_int_equal(link_inbox_open(&in, one, 5), 0); /* others had 1 to 4 */
    assert_int_equal(link_inbox_accept(&in, 4), 0);
    assert_int_equal(link_inbox_accept(&in, 5), 1);
    assert_int_equal(link_inbox_accept(&in, 5), 0);
    assert_int_equal(link_inbox_accept(&in, 7), -EPROTO);
    assert_int_equal(link_inbox_accept(&in, 6), 1);
    assert_int_equal(link_inbox_open(&in, one, 6), 0);
    assert_int_equal(link_inbox_accept(&in, 6), 0);
    assert_int_equal(link_inbox_open(&in, one, 8), -EPROTO); /* 7 is lost */
    assert_int_equal(link_inbox_open(&in, two, 1), 0);       /* the sender began anew */
    assert_int_equal(link_inbox_accept(&in, 1), 1);
}

static void test_streams_differ(void **state)
{
    char a[LINK_STREAM_LEN], b[LINK_STREAM_LEN];
    assert_int_equal(link_stream_new(a), 0);
    assert_int_equal(link_stream_new(b), 0);
    assert_int_equal(strlen(a), LINK_STREAM_LEN - 1);
    assert_string_not_equal(a, b);
}

/* ---- random schedules ---- */

#define WIRE_MAX 64

/* A connection: what is on its way, each way; a cut loses any of it from some point on. */
struct wire {
    uint64_t messages[WIRE_MAX], acks[WIRE_MAX];
    size_t n_messages, n_acks;
};

struct schedule {
    uint64_t lot;
    struct link_outbox *out;
    struct link_inbox in;
    struct wire wire;
    char stream[LINK_STREAM_LEN];
    uint64_t pushed, handed_on; /* to the application */
    uint64_t again;             /* handed on once more, to a receiver that had forgotten */
    bool forgets;
    unsigned cuts;
};

static unsigned draw(struct schedule *s, unsigned n)
{
    s->lot ^= s->lot << 13;
    s->lot ^= s->lot >> 7;
    s->lot ^= s->lot << 17;
    return (unsigned)((s->lot >> 11) % n);
}

static void reconnect(struct schedule *s)
{
    s->wire = (struct wire){0};
    s->cuts++;
    link_outbox_rewind(s->out);
    if (s->forgets && draw(s, 4) == 0)
        s->in = (struct link_inbox){0}; /* the receiver was restarted */
    assert_int_equal(link_inbox_open(&s->in, s->stream, link_outbox_first_seq(s->out)), 0);
    /* The hello's answer says what has come: often, but it may be lost as well. */
    if (draw(s, 2))
        assert_int_equal(link_outbox_ack(s->out, s->in.last), 0);
}

static void push_one(struct schedule *s)
{
    uint64_t seq = link_outbox_next_seq(s->out);
    if (link_outbox_push(s->out, &seq, sizeof(seq)) == 0)
        s->pushed++;
}

static void send_one(struct schedule *s)
{
    const void *data;
    size_t len;
    if (s->wire.n_messages == WIRE_MAX || !link_outbox_take(s->out, &data, &len))
        return;
    assert_int_equal(len, sizeof(uint64_t));
    if (draw(s, 16) == 0) {
        link_outbox_untake(s->out);
        return;
    }
    memcpy(&s->wire.messages[s->wire.n_messages++], data, len);
}

static void receive_one(struct schedule *s)
{
    if (s->wire.n_messages == 0)
        return;
    uint64_t seq = s->wire.messages[0];
    s->wire.n_messages--;
    memmove(s->wire.messages, s->wire.messages + 1, s->wire.n_messages * sizeof(seq));
    int r = link_inbox_accept(&s->in, seq);
    assert_true(r >= 0);
    if (r == 1 && s->forgets && seq <= s->handed_on)
        s->again++;
    else if (r == 1)
        assert_int_equal(seq, ++s->handed_on);
    if (s->wire.n_acks < WIRE_MAX && draw(s, 3))
        s->wire.acks[s->wire.n_acks++] = s->in.last;
}

static void receive_ack(struct schedule *s)
{
    if (s->wire.n_acks == 0)
        return;
    assert_int_equal(link_outbox_ack(s->out, s->wire.acks[0]), 0);
    s->wire.n_acks--;
    memmove(s->wire.acks, s->wire.acks + 1, s->wire.n_acks * sizeof(uint64_t));
}

static void step(struct schedule *s, unsigned cut_one_in)
{
    switch (draw(s, 4)) {
    case 0:
        push_one(s);
        break;
    case 1:
        send_one(s);
        break;
    case 2:
        receive_one(s);
        break;
    default:
        receive_ack(s);
    }
    if (draw(s, cut_one_in) == 0)
        reconnect(s);
}

static void run_schedule(uint64_t seed, bool forgets, unsigned *io_cuts, uint64_t *io_again)
{
    struct schedule s = {.lot = seed * UINT64_C(0x9e3779b97f4a7c15) + 1, .forgets = forgets};
    s.out = link_outbox_new(1 + draw(&s, 40), 100000);
    assert_int_equal(link_stream_new(s.stream), 0);
    reconnect(&s);
    unsigned cut_one_in = 2 + draw(&s, 200);
    for (unsigned i = 0; i < 600; i++)
        step(&s, cut_one_in);
    reconnect(&s); /* and now a connection that holds */
    while (link_outbox_count(s.out) > 0) {
        send_one(&s);
        receive_one(&s);
        s.wire.n_acks = 0;
        assert_int_equal(link_outbox_ack(s.out, s.in.last), 0);
    }
    assert_int_equal(s.handed_on, s.pushed);
    *io_cuts += s.cuts;
    *io_again += s.again;
    link_outbox_free(s.out);
}

static void test_exactly_once(void **state)
{
    unsigned cuts = 0;
    uint64_t again = 0;
    for (uint64_t seed = 1; seed <= SCHEDULES; seed++)
        run_schedule(seed, false, &cuts, &again);
    assert_true(cuts > SCHEDULES * 5);
    assert_int_equal(again, 0);
}

/* A receiver that forgets: at least once, in order, none left out. */
static void test_receiver_restarts(void **state)
{
    unsigned cuts = 0;
    uint64_t again = 0;
    for (uint64_t seed = 1; seed <= SCHEDULES; seed++)
        run_schedule(seed, true, &cuts, &again);
    assert_true(again > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_inbox),        cmocka_unit_test(test_streams_differ),
        cmocka_unit_test(test_exactly_once), cmocka_unit_test(test_receiver_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
