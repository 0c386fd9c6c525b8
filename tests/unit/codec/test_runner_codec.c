/* SPDX-License-Identifier: Apache-2.0 */
/* test_runner_codec.c - frames found after any cut, messages there and back, limits, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/runner_outbox.h"
#include "codec/runner_output.h"
#include "codec/runner_raw.h"

/* ---- frames ---- */

static void put_frame(struct buf *out, const char *json)
{
    size_t start;

    runner_frame_begin(out, &start);
    buf_puts(out, json);
    assert_int_equal(runner_frame_end(out, start), 0);
}

/* Fed in pieces of `piece` bytes: "M" for a mark, "G" for garbage, the text of each frame. */
static void read_all(const struct buf *in, size_t piece, struct buf *out)
{
    struct runner_reader reader = RUNNER_READER_INIT;

    for (size_t i = 0; i < in->len; i += piece) {
        size_t n = in->len - i < piece ? in->len - i : piece, len;
        enum runner_next next;
        const char *json;

        assert_int_equal(runner_reader_feed(&reader, in->data + i, n), 0);
        while ((next = runner_reader_next(&reader, &json, &len)) != RUNNER_NEXT_NONE) {
            if (next == RUNNER_NEXT_FRAME)
                buf_append(out, json, len);
            else
                buf_putc(out, next == RUNNER_NEXT_MARK ? 'M' : 'G');
        }
    }
    runner_reader_done(&reader);
}

static void pieces_change_nothing(void **state)
{
    struct buf in = BUF_INIT(0), out = BUF_INIT(0);

    runner_mark_write(&in);
    put_frame(&in, "{\"a\":1}");
    put_frame(&in, "{}");
    runner_mark_write(&in);
    put_frame(&in, "{\"b\":2}");
    for (size_t piece = 1; piece <= in.len; piece++) {
        buf_clear(&out);
        read_all(&in, piece, &out);
        assert_string_equal(out.data, "M{\"a\":1}{}M{\"b\":2}");
    }
    buf_done(&in);
    buf_done(&out);
}

/* A frame of any length cut at any place, and a mark behind it: what follows is read. Also with
 * lengths whose bytes look like the mark's. */
static void cuts_lose_one_frame(void **state)
{
    static const size_t lengths[] = {2, 255, 0xff00, 0xffff, 0x1ffff, RUNNER_FRAME_MAX};

    for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
        struct buf frame = BUF_INIT(0);
        size_t start;

        runner_frame_begin(&frame, &start);
        for (size_t i = 0; i < lengths[k]; i++)
            buf_putc(&frame, '0');
        assert_int_equal(runner_frame_end(&frame, start), 0);
        for (size_t cut = 0; cut < frame.len; cut += cut < 300 ? 1 : 9973) {
            struct buf in = BUF_INIT(0), out = BUF_INIT(0);

            runner_mark_write(&in);
            buf_append(&in, frame.data, cut);
            runner_mark_write(&in);
            put_frame(&in, "{}");
            read_all(&in, 4096, &out);
            buf_puts(&out, "");
            const char *after = strrchr(out.data, 'M');
            assert_string_equal(after, "M{}");
            assert_true(strchr(out.data, '0') == NULL);
            buf_done(&in);
            buf_done(&out);
        }
        buf_done(&frame);
    }
}

static void nothing_before_a_mark(void **state)
{
    struct buf in = BUF_INIT(0), out = BUF_INIT(0);

    buf_puts(&in, "l of an old frame\"}");
    put_frame(&in, "{}");
    runner_mark_write(&in);
    put_frame(&in, "{\"new\":1}");
    read_all(&in, 7, &out);
    assert_string_equal(out.data, "M{\"new\":1}");
    buf_done(&in);
    buf_done(&out);
}

static void limits_of_frames(void **state)
{
    static const unsigned char bad[][4] = {
        {0, 4, 0, 1}, {0, 0, 0, 0}, {1, 0, 0, 0}, {'{', '}', 1, 1}};
    struct buf in = BUF_INIT(0), out = BUF_INIT(0), big = BUF_INIT(0);
    size_t start;

    for (size_t i = 0; i < 4; i++) {
        buf_clear(&in);
        buf_clear(&out);
        runner_mark_write(&in);
        buf_append(&in, bad[i], 4);
        put_frame(&in, "{}");
        read_all(&in, 3, &out);
        assert_string_equal(out.data, "MG");
    }
    runner_frame_begin(&big, &start);
    buf_reserve(&big, RUNNER_FRAME_MAX + 1);
    memset(big.data + 4, ' ', RUNNER_FRAME_MAX + 1);
    big.len += RUNNER_FRAME_MAX + 1;
    assert_int_equal(runner_frame_end(&big, start), -EMSGSIZE);
    assert_int_equal(big.len, 0);
    buf_done(&in);
    buf_done(&out);
    buf_done(&big);
}

/* ---- messages ---- */

static enum runner_side side_of(uint32_t type)
{
    switch (type) {
    case RUNNER_HELLO:
    case RUNNER_READY:
    case RUNNER_PONG:
    case RUNNER_INPUT:
    case RUNNER_STAGE:
    case RUNNER_OUTPUT:
    case RUNNER_EXIT:
    case RUNNER_ACK:
    case RUNNER_REFUSE:
        return RUNNER_GUEST;
    default:
        return RUNNER_HOST;
    }
}

static void fill_message(struct runner_message *m, uint32_t type)
{
    static char *env[] = {"VDI_A=b=c", "VDI_E=", NULL};
    static uint8_t data[] = {0, 255, 10, 13, 0};

    *m = RUNNER_MESSAGE_INIT(type);
    m->seq = INT64_MAX;
    m->session = 5;
    m->protocol_min = 1;
    m->protocol_max = 3;
    m->protocol = 1;
    str_copy(m->os, sizeof(m->os), "Linux 6.1 \"x\"");
    str_copy(m->sender, sizeof(m->sender), "0123456789abcdef0123456789abcdef");
    m->first = 1;
    m->id = (struct runner_id){.job = 1, .instance = 2, .generation = UINT32_MAX, .nonce = "n"};
    str_copy(m->owner.name, sizeof(m->owner.name), "anna");
    str_copy(m->owner.home, sizeof(m->owner.home), "/srv/anna");
    m->owner.uid = UINT32_MAX - 1;
    m->owner.n_groups = 2;
    str_copy(m->owner.groups[1].name, 64, "cad1");
    m->owner.groups[1].gid = 77;
    m->env = env;
    m->offsets[RUNNER_OUT] = 1;
    m->offsets[RUNNER_ERR] = INT64_MAX;
    m->started = m->merge = true;
    m->offset = 3;
    m->total = 8;
    m->data = data;
    m->data_len = sizeof(data);
    m->work_dir = "/a b";
    m->text = "Grüße\n\t5 min";
    m->signal = 64;
    m->stream = RUNNER_ERR;
    str_copy(m->name, sizeof(m->name), "kernel");
    m->usec = 12345;
    m->exit_code = 255;
    m->exit_signal = 9;
    m->idle_sec = 90;
}

static void there_and_back(void **state)
{
    for (uint32_t type = 0; type < RUNNER_N_TYPES; type++) {
        struct buf first = BUF_INIT(0), again = BUF_INIT(0);
        struct runner_message m, read;
        struct vdi_error err = {0};

        fill_message(&m, type);
        assert_int_equal(runner_encode(&m, &first), 0);
        if (runner_decode(side_of(type), first.data + 4, first.len - 4, &read, &err) < 0)
            fail_msg("%s: %s: %s", runner_type_names[type], err.field, err.detail);
        assert_int_equal(runner_encode(&read, &again), 0);
        assert_int_equal(first.len, again.len);
        assert_memory_equal(first.data, again.data, first.len);
        /* From the other side it is nothing. */
        runner_message_done(&read);
        if (type != RUNNER_ACK)
            assert_int_equal(
                runner_decode(side_of(type) == RUNNER_HOST ? RUNNER_GUEST : RUNNER_HOST,
                              first.data + 4, first.len - 4, &read, &err),
                -EPROTO);
        runner_message_done(&read);
        buf_done(&first);
        buf_done(&again);
    }
}

/* Every member of every message: without it, and with another one, it is refused. */
static void strictly(void **state)
{
    for (uint32_t type = 0; type < RUNNER_N_TYPES; type++) {
        struct buf text = BUF_INIT(0);
        struct runner_message m, read;

        fill_message(&m, type);
        runner_encode(&m, &text);
        text.data[text.len - 1] = '\0'; /* the closing brace */
        char *more = str_printf("%s,\"another\":1}", text.data + 4);
        assert_true(runner_decode(side_of(type), more, strlen(more), &read, NULL) < 0);
        runner_message_done(&read);
        free(more);
        if (type != RUNNER_GREET) {
            char *less = str_printf("{\"type\":\"%s\"}", runner_type_names[type]);
            assert_true(runner_decode(side_of(type), less, strlen(less), &read, NULL) < 0);
            free(less);
        }
        buf_done(&text);
    }
}

static void wrong_messages(void **state)
{
    static const char *const from_guest[] = {
        "",
        "[]",
        "{",
        "null",
        "{\"type\":5}",
        "{\"type\":\"\"}",
        "{\"type\":\"none\"}",
        "{\"type\":\"pong\",\"seq\":-1}",
        "{\"type\":\"pong\",\"seq\":1.0}",
        "{\"type\":\"pong\",\"seq\":9223372036854775808}",
        "{\"type\":\"pong\",\"seq\":1,\"seq\":1}",
        "{\"type\":\"ready\",\"started\":1}",
        "{\"type\":\"stage\",\"seq\":1,\"name\":\"a\\u001bb\",\"usec\":1,\"detail\":\"\"}",
        "{\"type\":\"stage\",\"seq\":1,\"name\":\"0123456789012345678901234567890123456789\","
        "\"usec\":1,\"detail\":\"\"}",
        "{\"type\":\"output\",\"stream\":\"in\",\"offset\":0,\"data\":\"\"}",
        "{\"type\":\"output\",\"stream\":\"out\",\"offset\":0,\"data\":\"AAA\"}",
        "{\"type\":\"output\",\"stream\":\"out\",\"offset\":0,\"data\":\"AB==\"}",
        "{\"type\":\"output\",\"stream\":\"out\",\"offset\":0,\"data\":\"A===\"}",
        "{\"type\":\"output\",\"stream\":\"out\",\"offset\":0,\"data\":\"AA==AAAA\"}",
        "{\"type\":\"output\",\"stream\":\"out\",\"offset\":9223372036854775807,\"data\":\"AAAA\"}",
        "{\"type\":\"exit\",\"seq\":1,\"started\":true,\"code\":256,\"signal\":0,"
        "\"out\":0,\"err\":0,\"detail\":\"\"}",
    };
    static const char *const from_host[] = {
        "{\"type\":\"signal\",\"seq\":1,\"signal\":0}",
        "{\"type\":\"signal\",\"seq\":1,\"signal\":65}",
        "{\"type\":\"part\",\"offset\":3,\"total\":5,\"data\":\"AAAA\"}",
        "{\"type\":\"part\",\"offset\":0,\"total\":999999999,\"data\":\"AAAA\"}",
        "{\"type\":\"run\",\"total\":1,\"work_dir\":\"/a\\nb\",\"merge\":true}",
        "{\"type\":\"message\",\"seq\":1,\"text\":\"\\u001b[2J\"}",
    };
    struct runner_message m;

    for (size_t i = 0; i < sizeof(from_guest) / sizeof(from_guest[0]); i++)
        if (runner_decode(RUNNER_GUEST, from_guest[i], strlen(from_guest[i]), &m, NULL) >= 0)
            fail_msg("taken: %s", from_guest[i]);
    for (size_t i = 0; i < sizeof(from_host) / sizeof(from_host[0]); i++)
        if (runner_decode(RUNNER_HOST, from_host[i], strlen(from_host[i]), &m, NULL) >= 0)
            fail_msg("taken: %s", from_host[i]);
}

static void data_has_a_limit(void **state)
{
    static uint8_t data[RUNNER_DATA_MAX + 1];

    for (size_t len = RUNNER_DATA_MAX; len <= RUNNER_DATA_MAX + 1; len++) {
        struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_OUTPUT), read;
        struct buf text = BUF_INIT(0);

        m.data = data;
        m.data_len = len;
        assert_int_equal(runner_encode(&m, &text), 0);
        assert_int_equal(runner_decode(RUNNER_GUEST, text.data + 4, text.len - 4, &read, NULL) >= 0,
                         len <= RUNNER_DATA_MAX);
        runner_message_done(&read);
        buf_done(&text);
    }
}

/* Every byte, runs of the two that are escaped, the longest there is: whole, and without a mark. */
static void raw_output(void **state)
{
    static uint8_t data[RUNNER_DATA_MAX + 1];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i < 512 ? i : i < 1024 ? 0xff : i < 1536 ? 0xfe : i * 7919 >> 5);
    for (size_t len = 0; len <= sizeof(data); len += len < 2000 ? 1 : sizeof(data) - 2001) {
        struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_OUTPUT), read;
        struct buf text = BUF_INIT(0);
        int r;

        m.data = data;
        m.data_len = len;
        m.offset = 77;
        m.stream = RUNNER_ERR;
        m.is_raw = true;
        assert_int_equal(runner_encode(&m, &text), 0);
        assert_null(memchr(text.data + 4, 0xff, text.len - 4));
        r = runner_decode(RUNNER_GUEST, text.data + 4, text.len - 4, &read, NULL);
        assert_int_equal(r, len <= RUNNER_DATA_MAX ? 0 : -EINVAL);
        if (r == 0) {
            assert_true(read.is_raw && read.offset == 77 && read.stream == RUNNER_ERR);
            assert_int_equal(read.data_len, len);
            assert_memory_equal(read.data, data, len);
        }
        runner_message_done(&read);
        buf_done(&text);
    }
    memset(data, 0xff, sizeof(data)); /* twice as long, and within a frame */
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_OUTPUT);
    struct buf text = BUF_INIT(0);
    m.data = data;
    m.data_len = RUNNER_DATA_MAX;
    m.is_raw = true;
    assert_int_equal(runner_encode(&m, &text), 0);
    buf_done(&text);
}

static void raw_that_is_none(void **state)
{
#define OUTPUT "{\"type\":\"output\",\"stream\":\"out\",\"offset\":0"
    static const struct {
        const char *text;
        size_t len;
        int result;
    } cases[] = {
#define CASE(t, r) {t, sizeof(t) - 1, r}
        CASE(OUTPUT "}\0a\xfe\1\xfe\0", 0),
        CASE(OUTPUT "}\0", 0),
        CASE(OUTPUT "}\0a\xfe", -EINVAL),
        CASE(OUTPUT "}\0\xfe\2", -EINVAL),
        CASE(OUTPUT "}", -EINVAL),
        CASE(OUTPUT ",\"data\":\"\"}\0a", -EINVAL),
        CASE("{\"type\":\"pong\",\"seq\":1}\0", -EPROTO),
        CASE("\0abc", -EINVAL),
#undef CASE
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct runner_message m;

        assert_int_equal(runner_decode(RUNNER_GUEST, cases[i].text, cases[i].len, &m, NULL),
                         cases[i].result);
        runner_message_done(&m);
    }
#undef OUTPUT
}

/* The short way there and the long one say the same, and so do the two back. */
static void output_as_it_is(void **state)
{
    static const uint64_t offsets[] = {
        0, 9, 10, 12345678901234, INT64_MAX - RUNNER_DATA_MAX, INT64_MAX - 3};
    static uint8_t place[RUNNER_OUTPUT_HEAD_MAX + RUNNER_DATA_MAX];
    static const size_t lens[] = {0, 1, 3, 1000, RUNNER_DATA_MAX};
    uint8_t *data = place + RUNNER_OUTPUT_HEAD_MAX;

    for (size_t i = 0; i < RUNNER_DATA_MAX; i++)
        data[i] = (uint8_t)(i % 0xfe);
    for (size_t k = 0; k < sizeof(offsets) / sizeof(offsets[0]) * 2; k++)
        for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
            struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_OUTPUT);
            struct runner_output o = {k % 2, offsets[k / 2], data, lens[l]}, read;
            struct buf text = BUF_INIT(0);
            size_t head = runner_output_head(&o, data);

            m.stream = o.stream;
            m.offset = o.offset;
            m.data = data;
            m.data_len = o.len;
            m.is_raw = true;
            assert_int_equal(runner_encode(&m, &text), 0);
            assert_int_equal(text.len, head + o.len);
            assert_memory_equal(text.data, data - head, text.len);
            bool is_good = o.offset + o.len <= INT64_MAX;
            assert_int_equal(
                runner_decode(RUNNER_GUEST, text.data + 4, text.len - 4, &m, NULL) == 0, is_good);
            runner_message_done(&m);
            /* What counts up to the last few offsets is left to the long way. */
            if (o.offset < INT64_MAX / 10) {
                assert_true(runner_output_read(text.data + 4, text.len - 4, &read));
                assert_int_equal(read.stream, o.stream);
                assert_int_equal(read.offset, o.offset);
                assert_int_equal(read.len, o.len);
                assert_ptr_equal(read.data, text.data + head);
            }
            buf_done(&text);
        }
}

static void output_that_is_not(void **state)
{
#define OUTPUT "{\"type\":\"output\",\"stream\":\"out\",\"offset\":"
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
#define CASE(t) {t, sizeof(t) - 1}
        CASE(""),
        CASE(OUTPUT),
        CASE(OUTPUT "1"),
        CASE(OUTPUT "1}"),
        CASE(OUTPUT "}\0a"),
        CASE(OUTPUT "01}\0a"),
        CASE(OUTPUT "-1}\0a"),
        CASE(OUTPUT "1 }\0a"),
        CASE(OUTPUT "99999999999999999999}\0a"),
        CASE(OUTPUT "18446744073709551616}\0a"),
        CASE(OUTPUT "9223372036854775807}\0a"),
        CASE(OUTPUT "1}\0a\xfe\1"),
        CASE(OUTPUT "1}\0\xff"),
        CASE(OUTPUT "1,\"data\":\"\"}"),
        CASE("{\"type\":\"output\",\"stream\":\"log\",\"offset\":1}\0a"),
        CASE("{\"type\":\"output\",\"offset\":1,\"stream\":\"out\"}\0a"),
        CASE("{\"type\":\"pong\",\"seq\":1}"),
#undef CASE
    };
    static char big[RUNNER_DATA_MAX + 100];
    struct runner_output o;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_false(runner_output_read(cases[i].text, cases[i].len, &o));
    memcpy(big, OUTPUT "1}", sizeof(OUTPUT "1}"));
    assert_true(runner_output_read(big, sizeof(OUTPUT "1}") + RUNNER_DATA_MAX, &o));
    assert_false(runner_output_read(big, sizeof(OUTPUT "1}") + RUNNER_DATA_MAX + 1, &o));
#undef OUTPUT
}

static void tickets_and_their_mounts(void **state)
{
    struct buf text = BUF_INIT(0);
    struct runner_message m, read;
    uint8_t secret[] = "a\0ticket";

    fill_message(&m, RUNNER_WELCOME);
    m.n_mounts = 1;
    m.mounts[0] = (struct runner_mount){
        .type = RUNNER_NFS_KRB5, .security = RUNNER_KRB5P, .target = "/h", .source = "n:/h"};
    assert_int_equal(runner_encode(&m, &text), 0);
    assert_int_equal(runner_decode(RUNNER_HOST, text.data + 4, text.len - 4, &read, NULL), 0);
    assert_string_equal(read.mounts[0].source, "n:/h");
    assert_int_equal(read.mounts[0].security, RUNNER_KRB5P);
    runner_message_done(&read);
    static const char *const bad[] = {"", "/h", "//n/h", "n:/h,sec=sys", "n:/h o"};
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        buf_clear(&text);
        str_copy(m.mounts[0].source, sizeof(m.mounts[0].source), bad[i]);
        runner_encode(&m, &text);
        assert_true(runner_decode(RUNNER_HOST, text.data + 4, text.len - 4, &read, NULL) < 0);
    }
    buf_clear(&text);
    m = RUNNER_MESSAGE_INIT(RUNNER_TICKET);
    m.data = secret;
    m.data_len = sizeof(secret);
    assert_int_equal(runner_encode(&m, &text), 0);
    assert_true(runner_decode(RUNNER_GUEST, text.data + 4, text.len - 4, &read, NULL) < 0);
    assert_int_equal(runner_decode(RUNNER_HOST, text.data + 4, text.len - 4, &read, NULL), 0);
    assert_int_equal(read.data_len, sizeof(secret));
    assert_memory_equal(read.data, secret, sizeof(secret));
    runner_message_done(&read);
    buf_done(&text);
}

static void groups_and_env_have_limits(void **state)
{
    struct buf text = BUF_INIT(0);
    struct runner_message m, read;
    char *env[RUNNER_ENV_MAX + 2] = {NULL};

    fill_message(&m, RUNNER_WELCOME);
    m.env = env;
    for (int i = 0; i <= RUNNER_ENV_MAX; i++)
        env[i] = str_printf("VDI_%d=x", i);
    runner_encode(&m, &text);
    assert_int_equal(runner_decode(RUNNER_HOST, text.data + 4, text.len - 4, &read, NULL), -E2BIG);
    for (int i = 0; i <= RUNNER_ENV_MAX; i++)
        free(env[i]);
    buf_clear(&text);
    buf_puts(&text,
             "{\"type\":\"welcome\",\"owner\":{\"name\":\"a\",\"uid\":1,\"gid\":1,\"home\":\"/\","
             "\"groups\":[");
    for (int i = 0; i <= RUNNER_GROUPS_MAX; i++)
        buf_printf(&text, "%s{\"name\":\"g\",\"gid\":%d}", i ? "," : "", i);
    buf_puts(&text, "]}}");
    assert_int_equal(runner_decode(RUNNER_HOST, text.data, text.len, &read, NULL), -E2BIG);
    buf_done(&text);
}

static void payloads(void **state)
{
    static const char good[] = "{\"script\":\"#!/bin/sh\\n\\u001b\",\"args\":[\"a\",\"\"],"
                               "\"environment\":{\"A\":\"b\\nc\"}}";
    static const char session[] = "{\"environment\":{\"A\":\"b\"}}";
    static const char *const bad[] = {
        "[]",
        "{\"script\":null}",
        "{\"script\":\"echo\"}",
        "{\"script\":5}",
        "{\"script\":\"#!/bin/sh\\n\",\"more\":1}",
        "{\"script\":\"#!/bin/sh\\n\",\"args\":\"a\"}",
        "{\"script\":\"#!/bin/sh\\n\",\"args\":[1]}",
        "{\"script\":\"#!/bin/sh\\n\",\"environment\":{\"A=B\":\"c\"}}",
        "{\"script\":\"#!/bin/sh\\n\",\"environment\":{\"1A\":\"c\"}}",
        "{\"script\":\"#!/bin/sh\\n\",\"environment\":{\"A\":1}}",
    };
    struct runner_payload p;

    assert_int_equal(runner_payload_decode(good, strlen(good), &p, NULL), 0);
    assert_string_equal(p.script, "#!/bin/sh\n\033");
    assert_string_equal(p.args[1], "");
    assert_null(p.args[2]);
    assert_string_equal(p.environment[0], "A=b\nc");
    runner_payload_done(&p);
    assert_int_equal(runner_payload_decode(session, strlen(session), &p, NULL), 0);
    assert_null(p.script); /* a session */
    assert_string_equal(p.environment[0], "A=b");
    runner_payload_done(&p);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (runner_payload_decode(bad[i], strlen(bad[i]), &p, NULL) >= 0)
            fail_msg("taken: %s", bad[i]);
}

static void what_is_kept(void **state)
{
    struct runner_exit e = {.id = {1, 2, 3, "n"}, .started = true, .code = 7, .offsets = {5, 6}};
    struct runner_started s = {.id = {1, 2, 3, "n"}, .boot_id = "b", .pid = 9, .start_ticks = 10};
    struct runner_exit e2;
    struct runner_started s2;
    struct buf text = BUF_INIT(0);

    runner_exit_write(&e, &text);
    assert_int_equal(runner_exit_read(text.data, text.len, &e2, NULL), 0);
    assert_true(runner_id_equal(&e.id, &e2.id) && e2.code == 7 && e2.offsets[1] == 6);
    assert_true(runner_exit_read(text.data, text.len - 1, &e2, NULL) < 0);
    buf_clear(&text);
    runner_started_write(&s, &text);
    assert_int_equal(runner_started_read(text.data, text.len, &s2, NULL), 0);
    assert_true(runner_id_equal(&s.id, &s2.id) && s2.pid == 9 && s2.start_ticks == 10);
    assert_false(s2.is_session);
    s.is_session = true;
    buf_clear(&text);
    runner_started_write(&s, &text);
    assert_int_equal(runner_started_read(text.data, text.len, &s2, NULL), 0);
    assert_true(s2.is_session);
    buf_done(&text);
}

/* ---- numbers ---- */

static int push_ping(struct runner_outbox *o)
{
    struct runner_message m = RUNNER_MESSAGE_INIT(RUNNER_SHUTDOWN);

    return runner_outbox_push(o, &m, NULL);
}

static unsigned take_all(struct runner_outbox *o)
{
    struct buf out = BUF_INIT(0);
    unsigned n = 0;

    while (runner_outbox_take(o, &out))
        n++;
    buf_done(&out);
    return n;
}

static void numbered(void **state)
{
    struct runner_outbox o;

    assert_int_equal(runner_outbox_init(&o), 0);
    assert_int_equal(runner_outbox_ack(&o, 0), 0);
    assert_int_equal(runner_outbox_ack(&o, 1), -EPROTO);
    for (int i = 0; i < RUNNER_OUTBOX_MAX; i++)
        assert_int_equal(push_ping(&o), 0);
    assert_int_equal(push_ping(&o), -ENOBUFS);
    assert_int_equal(take_all(&o), RUNNER_OUTBOX_MAX);
    assert_int_equal(take_all(&o), 0);
    assert_int_equal(runner_outbox_ack(&o, 10), 0);
    assert_int_equal(runner_outbox_ack(&o, 3), 0); /* an old one says nothing new */
    assert_int_equal(o.first, 11);
    runner_outbox_rewind(&o);
    assert_int_equal(take_all(&o), RUNNER_OUTBOX_MAX - 10);
    assert_int_equal(push_ping(&o), 0);
    assert_int_equal(take_all(&o), 1);
    assert_int_equal(runner_outbox_ack(&o, RUNNER_OUTBOX_MAX + 2), -EPROTO);
    runner_outbox_done(&o);
}

static void received_once(void **state)
{
    struct runner_inbox in = {0};

    assert_int_equal(runner_inbox_open(&in, "a", 0), -EPROTO);
    assert_int_equal(runner_inbox_open(&in, "a", 1), 0);
    assert_int_equal(runner_inbox_accept(&in, 2), -EPROTO);
    assert_int_equal(runner_inbox_accept(&in, 1), 1);
    in.last++;
    assert_int_equal(runner_inbox_accept(&in, 1), 0);
    assert_int_equal(runner_inbox_open(&in, "a", 3), -EPROTO);
    assert_int_equal(runner_inbox_open(&in, "a", 1), 0);
    assert_int_equal(in.last, 1);
    assert_int_equal(runner_inbox_open(&in, "b", 5), 0);
    assert_int_equal(runner_inbox_accept(&in, 5), 1);
}

static void base64_vectors(void **state)
{
    static const char *const rfc4648[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < 7; i++) {
        struct buf out = BUF_INIT(0);
        uint8_t bytes[16];
        size_t len;

        base64_write((const uint8_t *)rfc4648[i][0], strlen(rfc4648[i][0]), &out);
        buf_puts(&out, "");
        assert_string_equal(out.data, rfc4648[i][1]);
        assert_int_equal(base64_read(out.data, out.len, bytes, &len), 0);
        assert_int_equal(len, strlen(rfc4648[i][0]));
        assert_memory_equal(bytes, rfc4648[i][0], len);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_change_nothing),
        cmocka_unit_test(cuts_lose_one_frame),
        cmocka_unit_test(nothing_before_a_mark),
        cmocka_unit_test(limits_of_frames),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(strictly),
        cmocka_unit_test(wrong_messages),
        cmocka_unit_test(data_has_a_limit),
        cmocka_unit_test(raw_output),
        cmocka_unit_test(raw_that_is_none),
        cmocka_unit_test(output_as_it_is),
        cmocka_unit_test(output_that_is_not),
        cmocka_unit_test(tickets_and_their_mounts),
        cmocka_unit_test(groups_and_env_have_limits),
        cmocka_unit_test(payloads),
        cmocka_unit_test(what_is_kept),
        cmocka_unit_test(numbered),
        cmocka_unit_test(received_once),
        cmocka_unit_test(base64_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
