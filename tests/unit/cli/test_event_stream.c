/* SPDX-License-Identifier: Apache-2.0 */
/* test_event_stream.c - server-sent events, cut at every place they can be cut at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "cli/event_stream.h"

static const char text[] = ": hello\n\nid: 7\nevent: job\ndata: {\"a\":1}\n\n"
                           "id: 8\r\ndata:one\r\ndata: two\r\n\r\nevent: node\n\nid: 9\nda";

static int take(void *arg, const char *event, const char *data)
{
    buf_printf(arg, "%s=%s;", event, data);
    return 0;
}

static int refuse(void *arg, const char *event, const char *data)
{
    return -ECANCELED;
}

static void cuts_change_nothing(void **state)
{
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        struct buf seen = BUF_INIT(0);
        struct event_stream s;
        event_stream_init(&s, take, &seen);
        assert_int_equal(event_stream_feed(&s, text, cut), 0);
        assert_int_equal(event_stream_feed(&s, text + cut, sizeof(text) - 1 - cut), 0);
        assert_string_equal(seen.data, "job={\"a\":1};message=one\ntwo;");
        assert_string_equal(s.id, "9");
        event_stream_restart(&s);
        assert_int_equal(event_stream_feed(&s, "data: x\n\n", 9), 0);
        assert_string_equal(seen.data, "job={\"a\":1};message=one\ntwo;message=x;");
        event_stream_done(&s);
        buf_done(&seen);
    }
}

static void an_endless_event_ends_the_stream(void **state)
{
    static char piece[65536];
    struct buf seen = BUF_INIT(0);
    struct event_stream s;
    int r = 0;
    memset(piece, 'x', sizeof(piece));
    event_stream_init(&s, take, &seen);
    for (size_t i = 0; r == 0 && i < 2 * EVENT_MAX / sizeof(piece); i++)
        r = event_stream_feed(&s, piece, sizeof(piece));
    assert_int_equal(r, -EMSGSIZE);
    event_stream_done(&s);
}

static void the_reader_can_end_it(void **state)
{
    struct event_stream s;
    event_stream_init(&s, refuse, NULL);
    assert_int_equal(event_stream_feed(&s, "data: x\n\n", 9), -ECANCELED);
    event_stream_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_change_nothing),
        cmocka_unit_test(an_endless_event_ends_the_stream),
        cmocka_unit_test(the_reader_can_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
