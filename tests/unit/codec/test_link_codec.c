/* SPDX-License-Identifier: Apache-2.0 */
/* test_link_codec.c - every message there and back; what is refused, and in which words */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "codec/link_codec.h"

#define STREAM "0123456789abcdef0123456789abcdef"
#define HELLO                                                                                      \
    "\"type\":\"hello\",\"node\":\"gpu01\",\"boot_id\":\"b\",\"version\":\"1\",\"time\":null,"     \
    "\"stream\":\"" STREAM "\",\"first\":1"
#define ORDER "\"type\":\"order\",\"seq\":1,\"op\":2,\"epoch\":3,\"verb\":\"stop\""

static int decode(const char *json, struct link_message *ret, struct vdi_error *err)
{
    *err = (struct vdi_error){0};
    return link_message_decode(json, strlen(json), ret, err);
}

static struct link_message there_and_back(const struct link_message *m, const char *want)
{
    struct buf out = BUF_INIT(0), again = BUF_INIT(0);
    struct link_message back;
    struct vdi_error err = {0};
    link_message_encode(m, &out);
    assert_false(out.failed);
    assert_string_equal(out.data, want);
    if (link_message_decode(out.data, out.len, &back, &err) < 0)
        fail_msg("%s: %s", out.data, err.detail);
    link_message_encode(&back, &again);
    assert_string_equal(again.data, out.data);
    buf_done(&out);
    buf_done(&again);
    return back;
}

static void test_hello(void **state)
{
    struct link_message m = {.type = LINK_TYPE_HELLO,
                             .hello = {.protocol_min = 1,
                                       .protocol_max = 2,
                                       .node = "gpu01",
                                       .boot_id = "b-1",
                                       .version = "0.1.0",
                                       .epoch_seen = 7,
                                       .time_usec = INT64_C(1000000),
                                       .stream = STREAM,
                                       .first = 4}};
    struct link_message back = there_and_back(
        &m, "{\"type\":\"hello\",\"protocol\":{\"min\":1,\"max\":2},\"node\":\"gpu01\","
            "\"boot_id\":\"b-1\",\"version\":\"0.1.0\",\"epoch_seen\":7,"
            "\"time\":\"1970-01-01T00:00:01Z\",\"stream\":\"" STREAM
            "\",\"first\":4,\"peer_stream\":\"\",\"received\":0}");
    assert_memory_equal(&back.hello, &m.hello, sizeof(m.hello));
}

/* What is freed of one message is text of another: each is full of it. */
static void test_done_frees_its_own(void **state)
{
    for (int type = 0; type < LINK_N_TYPES; type++) {
        struct link_message m;

        memset(&m, '#', sizeof(m));
        m.type = (enum link_type)type;
        if (type == LINK_TYPE_ORDER)
            m.order.body = strdup("{}");
        else if (type == LINK_TYPE_REPORT)
            m.report.body = strdup("{}");
        else if (type == LINK_TYPE_ENROLL)
            m.enroll.csr = m.enroll.spice_csr = NULL;
        else if (type == LINK_TYPE_ENROLLED)
            m.enrolled.cert = m.enrolled.ca = m.enrolled.spice_cert = NULL;
        link_message_done(&m);
        assert_int_equal(m.type, 0);
    }
}

/* Of a hello from the future everything unknown is passed over. */
static void test_hello_of_a_newer_peer(void **state)
{
    struct link_message m;
    struct vdi_error err;
    assert_int_equal(decode("{" HELLO ",\"protocol\":{\"min\":8,\"max\":9,\"beta\":[]},"
                            "\"colour\":{\"deep\":[1]}}",
                            &m, &err),
                     0);
    assert_int_equal(m.hello.protocol_min, 8);
    assert_int_equal(m.hello.protocol_max, 9);
    assert_string_equal(m.hello.node, "gpu01");
    link_message_done(&m);
}

static void test_others(void **state)
{
    struct link_message m = {.type = LINK_TYPE_WELCOME,
                             .welcome = {.protocol = 1,
                                         .epoch = 3,
                                         .heartbeat_sec = 5,
                                         .silence_sec = 15,
                                         .stream = STREAM,
                                         .first = 1}};
    there_and_back(&m, "{\"type\":\"welcome\",\"protocol\":1,\"epoch\":3,\"heartbeat_sec\":5,"
                       "\"silence_sec\":15,\"time\":null,\"stream\":\"" STREAM
                       "\",\"first\":1,\"received\":0}");
    m = (struct link_message){.type = LINK_TYPE_BYE, .bye.reason = "too \"old\""};
    there_and_back(&m, "{\"type\":\"bye\",\"reason\":\"too \\\"old\\\"\"}");
    m = (struct link_message){.type = LINK_TYPE_HEARTBEAT,
                              .heartbeat = {.time_usec = 1500000, .received = 9}};
    there_and_back(&m, "{\"type\":\"heartbeat\",\"time\":\"1970-01-01T00:00:01.500000Z\","
                       "\"received\":9}");
    m = (struct link_message){.type = LINK_TYPE_ACK, .ack.seq = 12};
    there_and_back(&m, "{\"type\":\"ack\",\"seq\":12}");
}

static void test_orders(void **state)
{
    char body[] = "{\"a\":[1,{\"b\":\"\\\"}\"}]}";
    struct link_message m = {.type = LINK_TYPE_ORDER,
                             .order = {.seq = 1,
                                       .op = 2,
                                       .epoch = 3,
                                       .instance = 4,
                                       .generation = 5,
                                       .verb = LINK_VERB_SUSPEND,
                                       .body = body}};
    struct link_message back = there_and_back(
        &m, "{\"type\":\"order\",\"seq\":1,\"op\":2,\"epoch\":3,\"instance\":4,"
            "\"generation\":5,\"verb\":\"suspend\",\"body\":{\"a\":[1,{\"b\":\"\\\"}\"}]}}");
    assert_string_equal(back.order.body, body);
    link_message_done(&back);
    assert_null(back.order.body);
    m = (struct link_message){.type = LINK_TYPE_REPORT,
                              .report = {.seq = 1, .epoch = 3, .kind = LINK_REPORT_STATE}};
    back = there_and_back(&m, "{\"type\":\"report\",\"seq\":1,\"epoch\":3,\"kind\":\"state\","
                              "\"body\":{}}");
    link_message_done(&back);
    for (int verb = 0; verb < LINK_N_VERBS; verb++)
        assert_true(*link_verb_name((enum link_verb)verb));
}

static void test_enroll(void **state)
{
    char csr[] = "-----BEGIN\nx\n";
    struct link_message m = {.type = LINK_TYPE_ENROLL, .enroll = {.token = "t", .csr = csr}};
    struct link_message back =
        there_and_back(&m, "{\"type\":\"enroll\",\"token\":\"t\",\"csr\":\"-----BEGIN\\nx\\n\"}");
    link_message_done(&back);
    m.enroll.spice_csr = csr;
    back = there_and_back(&m, "{\"type\":\"enroll\",\"token\":\"t\",\"csr\":\"-----BEGIN\\nx\\n\","
                              "\"spice_csr\":\"-----BEGIN\\nx\\n\"}");
    assert_string_equal(back.enroll.spice_csr, csr);
    link_message_done(&back);
    m = (struct link_message){.type = LINK_TYPE_ENROLLED, .enrolled = {.cert = csr, .ca = csr}};
    back = there_and_back(&m, "{\"type\":\"enrolled\",\"cert\":\"-----BEGIN\\nx\\n\","
                              "\"ca\":\"-----BEGIN\\nx\\n\"}");
    link_message_done(&back);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *json, *field;
    } bad[] = {
        {"", "body"},
        {"[]", "body"},
        {"{}", "type"},
        {"{\"type\":7}", "type"},
        {"{\"type\":\"HELLO\"}", "type"},
        {"{\"type\":\"ack\",\"type\":\"ack\",\"seq\":1}", "body"},
        {"{\"type\":\"ack\"}", "seq"},
        {"{\"type\":\"ack\",\"seq\":-1}", "seq"},
        {"{\"type\":\"ack\",\"seq\":1.5}", "seq"},
        {"{\"type\":\"ack\",\"seq\":99999999999999999999}", "body"},
        {"{\"type\":\"ack\",\"seq\":1,\"more\":1}", "more"},
        {"{\"type\":\"ack\",\"seq\":1} x", "body"},
        {"{" HELLO "}", "protocol"},
        {"{" HELLO ",\"protocol\":1}", "protocol"},
        {"{" HELLO ",\"protocol\":{\"min\":1}}", "max"},
        {"{\"type\":\"hello\",\"protocol\":{\"min\":1,\"max\":1}}", "node"},
        {"{" ORDER "}", "body"},
        {"{" ORDER ",\"body\":[]}", "body"},
        {"{" ORDER ",\"body\":{},\"body\":{}}", "body"},
        {"{\"type\":\"order\",\"seq\":0,\"op\":2,\"epoch\":3,\"verb\":\"stop\",\"body\":{}}",
         "seq"},
        {"{\"type\":\"order\",\"seq\":1,\"op\":2,\"epoch\":3,\"verb\":\"explode\",\"body\":{}}",
         "verb"},
        {"{\"type\":\"enroll\",\"token\":\"t\",\"csr\":\"\"}", "csr"},
        {"{\"type\":\"enroll\",\"token\":\"t\\u0000\",\"csr\":\"c\"}", "body"},
        {"{\"type\":\"bye\",\"reason\":\"\\u001b[2J\"}", "reason"},
    };
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        struct link_message m = {.type = LINK_N_TYPES};
        struct vdi_error err;
        if (decode(bad[i].json, &m, &err) >= 0)
            fail_msg("taken: %s", bad[i].json);
        if (!str_equal(err.field, bad[i].field))
            fail_msg("%s: names '%s': %s", bad[i].json, err.field, err.detail);
        assert_int_equal(m.type, LINK_N_TYPES); /* untouched */
    }
}

static void test_too_long(void **state)
{
    struct vdi_error err;
    struct link_message m;
    struct buf json = BUF_INIT(0);
    buf_puts(&json, "{\"type\":\"enroll\",\"token\":\"t\",\"csr\":\"");
    for (int i = 0; i <= 16 * 1024; i++)
        buf_putc(&json, 'A');
    buf_puts(&json, "\"}");
    assert_int_equal(decode(json.data, &m, &err), -EINVAL);
    assert_string_equal(err.field, "csr");
    buf_done(&json);
}

static void test_depth(void **state)
{
    for (int depth = LINK_DEPTH_MAX - 2; depth <= LINK_DEPTH_MAX + 2; depth++) {
        struct vdi_error err;
        struct link_message m;
        struct buf json = BUF_INIT(0);
        buf_puts(&json, "{" ORDER ",\"body\":{\"text\":\"[[[[\\\"[[[[{{{{\",\"a\":");
        for (int i = 2; i < depth; i++)
            buf_putc(&json, '[');
        for (int i = 2; i < depth; i++)
            buf_putc(&json, ']');
        buf_puts(&json, "}}");
        int r = decode(json.data, &m, &err);
        assert_int_equal(r, depth <= LINK_DEPTH_MAX ? 0 : -EINVAL);
        if (r == 0)
            link_message_done(&m);
        buf_done(&json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_done_frees_its_own),
        cmocka_unit_test(test_hello_of_a_newer_peer),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_enroll),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
