/* SPDX-License-Identifier: Apache-2.0 */
/* test_connection.c - a connection file says what was answered, and nothing that was smuggled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/connection.h"

#define TICKET "\"provider\":\"qemu_spice\",\"password\":\"s3cret\""

/* The file for `json`, or NULL with err. */
static const char *vv(const char *json, const char *title, struct vdi_error *err)
{
    static char text[8192];
    struct buf out = BUF_INIT(0);
    struct connection c;
    _cleanup_(document_freep) struct document *document = NULL;
    *err = (struct vdi_error){.code = 0};
    assert_int_equal(document_parse(json, strlen(json), &document, NULL), 0);
    int r = connection_read(document_root(document), &c, err);
    assert_true(r == 0 || r == -EREMOTEIO);
    assert_true((r == 0) == (err->code == 0));
    if (r == 0)
        connection_write_vv(&c, title, false, &out);
    snprintf(text, sizeof(text), "%s", out.data ? out.data : "");
    buf_done(&out);
    return r == 0 ? text : NULL;
}

static void the_file_is_as_documented(void **state)
{
    struct vdi_error err;
    assert_string_equal(
        vv("{" TICKET ",\"host\":\"gpu01.example.org\",\"port\":5901}", "cad", &err),
        "[virt-viewer]\ntype=spice\nhost=gpu01.example.org\nport=5901\n"
        "password=s3cret\ntitle=cad\nfullscreen=0\ndelete-this-file=1\n");
    assert_string_equal(
        vv("{" TICKET ",\"host\":\"2001:db8::7\",\"port\":5901,\"tls_port\":5902,"
           "\"ca\":\"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n\","
           "\"host_subject\":\"O=x,CN=gpu01\",\"proxy\":\"http://gate.example.org:3128\","
           "\"expires\":\"2026-10-13T10:15:00Z\"}",
           " a\\b", &err),
        "[virt-viewer]\ntype=spice\nhost=2001:db8::7\ntls-port=5902\npassword=s3cret\n"
        "ca=-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n\n"
        "host-subject=O=x,CN=gpu01\nproxy=http://gate.example.org:3128\n"
        "title=\\sa\\\\b\nfullscreen=0\ndelete-this-file=1\n");
}

static void hosts_are_names_or_addresses(void **state)
{
    static const char *const good[] = {"gpu01", "a.b-c.example", "192.0.2.1", "::1", "2001:db8::1"};
    static const char *const bad[] = {
        "",    "-x",        "x-",     "a..b",      ".a",         "gpu 01", "a\nport=1",
        "a]",  "[::1]",     "a/b",    "$(reboot)", "a;b",        "a_b",    "a%b",
        "::g", "user@host", "host:1", "\xc3\xa4",  "a\\nport=1", "a.-b",   "a=b",
    };
    char label[80];
    for (size_t i = 0; i < ELEMENTS(good); i++)
        assert_true(connection_host_is_good(good[i]));
    for (size_t i = 0; i < ELEMENTS(bad); i++)
        if (connection_host_is_good(bad[i]))
            fail_msg("a good host? '%s'", bad[i]);
    memset(label, 'a', sizeof(label));
    label[63] = '\0';
    assert_true(connection_host_is_good(label));
    label[63] = 'a', label[64] = '\0';
    assert_false(connection_host_is_good(label));
}

/* Each is refused, the member named and its value not repeated. */
static void what_is_wrong_is_refused(void **state)
{
#define HERE "\"host\":\"h\",\"port\":1"
    static const struct {
        const char *json, *member;
    } rows[] = {
        {"[]", ""},
        {"{}", "provider"},
        {"{\"provider\":\"vnc\",\"password\":\"p\"," HERE "}", "provider"},
        {"{\"provider\":\"a\\nb\",\"password\":\"p\"," HERE "}", "provider"},
        {"{" TICKET "}", "host"},
        {"{" TICKET ",\"host\":7,\"port\":1}", "host"},
        {"{" TICKET ",\"host\":\"h\\n[ovirt]\\nhost=evil\",\"port\":1}", "host"},
        {"{" TICKET ",\"host\":\"h\"}", "port"},
        {"{" TICKET ",\"host\":\"h\",\"port\":0}", "port"},
        {"{" TICKET ",\"host\":\"h\",\"port\":65536}", "port"},
        {"{" TICKET ",\"host\":\"h\",\"port\":-1}", "port"},
        {"{" TICKET ",\"host\":\"h\",\"port\":\"5900\"}", "port"},
        {"{" TICKET ",\"host\":\"h\",\"port\":1,\"tls_port\":1e9}", "tls_port"},
        {"{" TICKET ",\"host\":\"h\",\"port\":4294967297}", "port"},
        {"{\"provider\":\"qemu_spice\"," HERE "}", "password"},
        {"{\"provider\":\"qemu_spice\",\"password\":\"\"," HERE "}", "password"},
        {"{\"provider\":\"qemu_spice\",\"password\":\"a\\nproxy=http://e:1\"," HERE "}",
         "password"},
        {"{\"provider\":\"qemu_spice\",\"password\":\"a\\rb\"," HERE "}", "password"},
        {"{\"provider\":\"qemu_spice\",\"password\":[1]," HERE "}", "password"},
        {"{" TICKET "," HERE ",\"ca\":\"x\"}", "ca"},
        {"{" TICKET "," HERE ",\"ca\":\"-----BEGIN CERTIFICATE-----\\n\\u0007\"}", "ca"},
        {"{" TICKET "," HERE ",\"host_subject\":\"CN=a\\n[x]\"}", "host_subject"},
        {"{" TICKET "," HERE ",\"proxy\":\"http://evil:1/\\nx\"}", "proxy"},
        {"{" TICKET "," HERE ",\"proxy\":\"http://u:p@evil:1\"}", "proxy"},
        {"{" TICKET "," HERE ",\"proxy\":\"http://[::1:1\"}", "proxy"},
        {"{" TICKET "," HERE ",\"proxy\":\"http://]:1\"}", "proxy"},
        {"{" TICKET "," HERE ",\"proxy\":\"http://:1\"}", "proxy"},
        {"{" TICKET "," HERE ",\"proxy\":\"http://h\"}", "proxy"},
        {"{" TICKET "," HERE ",\"proxy\":\"file:///etc/passwd\"}", "proxy"},
        {"{" TICKET "," HERE ",\"expires\":\"soon\"}", "expires"},
        {"{" TICKET "," HERE ",\"expires\":17}", "expires"},
    };
    struct vdi_error err;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (vv(rows[i].json, "t", &err))
            fail_msg("taken: %s", rows[i].json);
        assert_string_equal(err.field, rows[i].member);
        assert_null(strstr(err.detail, "evil"));
        assert_null(strchr(err.detail, '\n'));
    }
}

/* Whatever the texts are, the file has its lines and no more. */
static void no_text_becomes_a_line(void **state)
{
    struct vdi_error err;
    const char *text = vv("{" TICKET "," HERE ",\"host_subject\":\"[x] \\\\n#;=\"}",
                          "desk\nproxy=http://evil:1", &err);
    assert_non_null(text);
    assert_non_null(strstr(text, "\nhost-subject=[x] \\\\n#;=\n"));
    assert_non_null(strstr(text, "\ntitle=desktop\n"));
    assert_null(strstr(text, "evil"));
    text = vv("{" TICKET "," HERE ",\"proxy\":\"https://[2001:db8::1]:443\"}", "\xff", &err);
    assert_non_null(strstr(text, "\nproxy=https://[2001:db8::1]:443\n"));
    assert_non_null(strstr(text, "\ntitle=desktop\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_as_documented),
        cmocka_unit_test(hosts_are_names_or_addresses),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(no_text_becomes_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
