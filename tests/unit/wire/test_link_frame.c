/* SPDX-License-Identifier: Apache-2.0 */
/* test_link_frame.c - frames out of pieces of every size; versions */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/link.h"
#include "wire/link_frame.h"

#define LIMIT ((size_t)1000)

struct got {
    int frames, stop_after;
    size_t lens[64];
    size_t *limit, next_limit;
};

static char byte_of(int frame, size_t i)
{
    return (char)(frame * 31 + (int)i * 7);
}

static bool on_frame(void *arg, const void *data, size_t len)
{
    struct got *got = arg;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(((const char *)data)[i], byte_of(got->frames, i));
    got->lens[got->frames++] = len;
    if (got->limit)
        *got->limit = got->next_limit;
    return got->frames != got->stop_after;
}

static void add(struct buf *out, int frame, size_t len)
{
    char data[LIMIT + 1];
    for (size_t i = 0; i < len; i++)
        data[i] = byte_of(frame, i);
    assert_int_equal(link_frame_encode(data, len, out), 0);
}

static void test_pieces(void **state)
{
    static const size_t lens[] = {0, 1, 0, 0, 3, LIMIT, 2, LIMIT - 1, 0};
    enum { N = sizeof(lens) / sizeof(lens[0]) };
    struct buf stream = BUF_INIT(0);
    size_t limit = LIMIT;
    for (int i = 0; i < N; i++)
        add(&stream, i, lens[i]);
    for (size_t piece = 1; piece <= stream.len; piece++) {
        struct link_decoder d = {0};
        struct got got = {0};
        for (size_t at = 0; at < stream.len; at += piece) {
            size_t n = stream.len - at < piece ? stream.len - at : piece;
            assert_int_equal(link_decoder_feed(&d, stream.data + at, n, &limit, on_frame, &got), 0);
        }
        assert_int_equal(got.frames, N);
        for (int i = 0; i < N; i++)
            assert_int_equal(got.lens[i], lens[i]);
        assert_false(link_decoder_is_inside(&d));
        link_decoder_done(&d);
    }
    buf_done(&stream);
}

static void test_limit(void **state)
{
    struct buf stream = BUF_INIT(0);
    size_t limit = LIMIT;
    add(&stream, 0, LIMIT);
    add(&stream, 1, LIMIT + 1);
    struct link_decoder d = {0};
    struct got got = {0};
    /* Refused with its header: not a byte of the body is waited for. */
    size_t upto = LINK_HEADER_LEN + LIMIT + LINK_HEADER_LEN;
    assert_int_equal(link_decoder_feed(&d, stream.data, upto, &limit, on_frame, &got), -EMSGSIZE);
    assert_int_equal(got.frames, 1);
    assert_int_equal(d.size, LIMIT + 1);
    assert_int_equal(d.body.size, 0);
    link_decoder_done(&d);
    buf_done(&stream);
    static char large[LINK_FRAME_MAX + 1];
    assert_int_equal(link_frame_encode(large, sizeof(large), &stream), -EMSGSIZE);
    assert_int_equal(link_frame_encode(large, sizeof(large) - 1, &stream), 0);
    buf_done(&stream);
}

static void test_huge_header_takes_no_memory(void **state)
{
    static const unsigned char header[] = {0, 0x10, 0, 0, 'x'};
    struct link_decoder d = {0};
    struct got got = {0};
    size_t limit = LINK_FRAME_MAX;
    assert_int_equal(link_decoder_feed(&d, header, sizeof(header), &limit, on_frame, &got), 0);
    assert_true(d.body.size <= 256);
    assert_true(link_decoder_is_inside(&d));
    link_decoder_done(&d);
}

static void test_limit_changes(void **state)
{
    struct buf stream = BUF_INIT(0);
    size_t limit = 10;
    struct link_decoder d = {0};
    struct got got = {.limit = &limit, .next_limit = LIMIT};
    add(&stream, 0, 5);
    add(&stream, 1, LIMIT);
    assert_int_equal(link_decoder_feed(&d, stream.data, stream.len, &limit, on_frame, &got), 0);
    assert_int_equal(got.frames, 2);
    link_decoder_done(&d);
    buf_done(&stream);
}

static void test_stop(void **state)
{
    struct buf stream = BUF_INIT(0);
    size_t limit = LIMIT;
    struct link_decoder d = {0};
    struct got got = {.stop_after = 2};
    for (int i = 0; i < 4; i++)
        add(&stream, i, 9);
    assert_int_equal(link_decoder_feed(&d, stream.data, stream.len, &limit, on_frame, &got), 0);
    assert_int_equal(got.frames, 2);
    link_decoder_done(&d);
    buf_done(&stream);
}

static void test_full_queue(void **state)
{
    struct buf out = BUF_INIT(20);
    assert_int_equal(link_frame_encode("0123456789", 10, &out), 0);
    assert_true(link_frame_encode("0123456789", 10, &out) < 0);
    assert_int_equal(out.len, 14); /* no header without a body */
    buf_done(&out);
}

static void test_versions(void **state)
{
    uint32_t v = 0;
    assert_int_equal(link_negotiate(1, 1, 1, 1, &v), 0);
    assert_int_equal(v, 1);
    assert_int_equal(link_negotiate(2, 3, 1, 2, &v), 0); /* N and N-1 */
    assert_int_equal(v, 2);
    assert_int_equal(link_negotiate(1, 2, 2, 3, &v), 0);
    assert_int_equal(v, 2);
    assert_int_equal(link_negotiate(1, 9, 3, 5, &v), 0);
    assert_int_equal(v, 5);
    assert_int_equal(link_negotiate(3, 4, 1, 2, &v), -EPROTONOSUPPORT);
    assert_int_equal(link_negotiate(1, 2, 3, 4, &v), -EPROTONOSUPPORT);
    assert_int_equal(link_negotiate(1, 2, 2, 1, &v), -EINVAL);
    assert_int_equal(link_negotiate(0, UINT32_MAX, UINT32_MAX, UINT32_MAX, &v), 0);
    assert_int_equal(v, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_huge_header_takes_no_memory),
        cmocka_unit_test(test_limit_changes),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
