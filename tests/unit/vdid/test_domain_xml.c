/* SPDX-License-Identifier: Apache-2.0 */
/* test_domain_xml.c - XML of domains against golden files; hostile text is inert or refused */
#include "vdid/domain_xml.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN_MAX 65536

static struct domain_spec plain(void)
{
    return (struct domain_spec){
        .id = {7, 2},
        .prefix = "vdi",
        .uuid = "01234567-89ab-4cde-8f01-23456789abcd",
        .accel = DOMAIN_ACCEL_TCG,
        .tcg_cache_mib = 32,
        .vcpus = 2,
        .memory_mib = 1024,
        .kernel = "/images/demo/vmlinuz",
        .initrd = "/images/demo/initrd",
        .cmdline = "console=ttyS0",
        .console_log = "/state/instances/7.2/console.log",
        .job_socket = "/state/instances/7.2/job.sock",
        .graphics = {"127.0.0.1", 41000, 0, "de"},
        .width_px = 2560,
        .height_px = 1440,
    };
}

static struct domain_spec windows(void)
{
    struct domain_spec s = plain();

    s.kernel = s.initrd = s.cmdline = NULL;
    s.accel = DOMAIN_ACCEL_KVM;
    s.os = DOMAIN_WINDOWS;
    s.firmware = DOMAIN_UEFI_SECURE;
    s.tpm = true;
    s.overlay = "/state/instances/7.2/overlay.qcow2";
    s.base = "/images/win/disk.qcow2";
    s.nvram = "/state/instances/7.2/nvram.fd";
    s.timezone = "Europe/Berlin";
    s.bridge = "virbr0";
    s.video = DOMAIN_VIDEO_QXL;
    s.graphics.tls_port = 41001;
    return s;
}

static char *make(const struct domain_spec *s)
{
    struct vdi_error err = {0};
    char *xml = NULL;
    int r = domain_xml(s, &xml, &err);

    if (r < 0)
        fail_msg("%s: %s", err.field, err.detail);
    return xml;
}

/* The text of what an XPath finds first; NULL: nothing. The caller frees. */
static char *at(const char *xml, const char *path)
{
    xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), "d.xml", NULL, XML_PARSE_NONET);
    xmlXPathContextPtr ctx = xmlXPathNewContext(doc);
    xmlXPathObjectPtr found = xmlXPathEvalExpression((const xmlChar *)path, ctx);
    char *text = NULL;

    assert_non_null(doc);
    if (found && found->nodesetval && found->nodesetval->nodeNr)
        text = (char *)xmlNodeGetContent(found->nodesetval->nodeTab[0]);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(ctx);
    xmlFreeDoc(doc);
    return text;
}

static void assert_at(const char *xml, const char *path, const char *want)
{
    char *text = at(xml, path);

    if (!text || strcmp(text, want) != 0)
        fail_msg("%s is %s, not %s", path, text ? text : "not there", want);
    xmlFree(text);
}

/* ---- golden files ---- */

/* The lock is random: it is blanked where it stands. */
static void blank_lock(char *xml)
{
    char *lock = strstr(xml, "passwd=\"");

    assert_non_null(lock);
    lock += strlen("passwd=\"");
    assert_int_equal(strcspn(lock, "\""), 32);
    memset(lock, '*', 32);
}

static void compare(const struct domain_spec *s, const char *name)
{
    char path[512], golden[GOLDEN_MAX], *xml = make(s);
    size_t n;
    FILE *f;

    blank_lock(xml);
    snprintf(path, sizeof(path), "%s/tests/data/domain/%s", getenv("top_srcdir"), name);
    if (getenv("GOLDEN_WRITE")) {
        f = fopen(path, "w");
        assert_non_null(f);
        fputs(xml, f);
        fclose(f);
    }
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(golden, 1, sizeof(golden) - 1, f);
    fclose(f);
    golden[n] = '\0';
    assert_string_equal(xml, golden);
    free(xml);
}

static void test_golden(void **state)
{
    struct domain_spec s = plain();

    compare(&s, "linux-direct.xml");
    s = windows();
    compare(&s, "windows-secure.xml");
    s.os = DOMAIN_LINUX;
    s.firmware = DOMAIN_UEFI;
    s.tpm = false;
    s.accel = DOMAIN_ACCEL_TCG;
    s.bridge = NULL;
    compare(&s, "linux-uefi.xml");
    s = plain();
    s.share_sockets[s.n_shares++] = "/var/lib/vdi/node/instances/5.1/share-0.sock";
    s.share_sockets[s.n_shares++] = "/var/lib/vdi/node/instances/5.1/share-1.sock";
    compare(&s, "linux-shares.xml");
    s = plain();
    s.disks[s.n_disks++] = "/var/lib/vdi/node/disks/7.0011223344556677.img";
    s.disks[s.n_disks++] = "/shared/8.0011223344556677.img";
    compare(&s, "linux-disks.xml");
    s = plain();
    s.n_spare = 2;
    s.is_memory_shared = true;
    compare(&s, "linux-seat.xml");
}

/* What is plugged in later is what would have been there from the start. */
static void test_devices_that_come_later(void **state)
{
    struct domain_spec s = plain();
    struct vdi_error err = {0};
    char *xml = NULL, *whole;

    s.disks[s.n_disks++] = "/disks/7.img";
    s.share_sockets[s.n_shares++] = "/state/share-0.sock";
    whole = make(&s);
    assert_int_equal(domain_xml_disk("/disks/7.img", 0, &xml, &err), 0);
    assert_at(xml, "/disk/source/@file", "/disks/7.img");
    assert_at(xml, "/disk/driver/@type", "raw");
    assert_at(xml, "/disk/serial", "vdi-disk-0");
    assert_at(whole, "//disk[serial]/target/@dev", "vdb");
    assert_at(xml, "/disk/target/@dev", "vdb");
    free(xml);
    assert_int_equal(domain_xml_share("/state/share-0.sock", 0, &xml, &err), 0);
    assert_at(xml, "/filesystem/driver/@type", "virtiofs");
    assert_at(xml, "/filesystem/source/@socket", "/state/share-0.sock");
    assert_at(whole, "//filesystem/target/@dir", "vdi-0");
    assert_at(xml, "/filesystem/target/@dir", "vdi-0");
    free(xml);
    free(whole);
    xml = NULL;
    assert_int_equal(domain_xml_disk("", 0, &xml, &err), -EINVAL);
    assert_int_equal(domain_xml_disk("nbd://host/disk", 0, &xml, &err), -EINVAL);
    assert_int_equal(domain_xml_share("/a/../b", 0, &xml, &err), -EINVAL);
    assert_null(xml);
}

/* libvirt's own schema, where it is installed. */
static void test_schema(void **state)
{
    static const char *const names[] = {"linux-direct.xml", "windows-secure.xml", "linux-uefi.xml",
                                        "linux-shares.xml", "linux-disks.xml",    "linux-seat.xml"};
    char command[1024];

    if (access("/usr/share/libvirt/schemas/domain.rng", R_OK) < 0 ||
        access("/usr/bin/xmllint", X_OK) < 0)
        skip();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(command, sizeof(command),
                 "xmllint --noout --relaxng /usr/share/libvirt/schemas/domain.rng "
                 "'%s/tests/data/domain/%s' >/dev/null 2>&1",
                 getenv("top_srcdir"), names[i]);
        if (system(command) != 0)
            fail_msg("%s is not what libvirt's schema wants", names[i]);
    }
}

/* ---- hostile text ---- */

static const char *const hostile[] = {
    "]]>",           "\"/><evil/>",
    "'/><evil a='",  "</cmdline><evil/>",
    "<!--",          "&evil;",
    "&#0;",          "%s%n",
    "<![CDATA[x]]>", "<!DOCTYPE a [<!ENTITY evil SYSTEM \"file:///etc/passwd\">]>",
};

static void test_markup_is_inert(void **state)
{
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        struct domain_spec s = plain();
        char path[256], *xml;

        snprintf(path, sizeof(path), "/images/%s/vmlinuz", hostile[i]);
        if (strchr(hostile[i], '/'))
            snprintf(path, sizeof(path), "/images/x%s", hostile[i]);
        s.cmdline = hostile[i];
        s.kernel = path;
        s.console_log = path;
        xml = make(&s);
        assert_at(xml, "/domain/os/cmdline", hostile[i]);
        assert_at(xml, "/domain/os/kernel", path);
        assert_at(xml, "/domain/devices/serial/source/@path", path);
        assert_null(at(xml, "//evil"));
        free(xml);
    }
}

static void refused(const struct domain_spec *s, const char *field)
{
    struct vdi_error err = {0};
    char *xml = NULL;

    if (domain_xml(s, &xml, &err) >= 0)
        fail_msg("%s was taken:\n%s", field, xml);
    assert_null(xml);
    assert_string_equal(err.field, field);
}

#define REFUSED(member, value, field)                                                              \
    do {                                                                                           \
        struct domain_spec s = plain();                                                            \
        s.member = (value);                                                                        \
        refused(&s, field);                                                                        \
    } while (0)

static void test_refusals(void **state)
{
    char path[200];

    REFUSED(kernel, "vmlinuz", "kernel");
    REFUSED(kernel, "/images/../etc/shadow", "kernel");
    REFUSED(kernel, "/images/..", "kernel");
    REFUSED(initrd, "/images/a\nb", "initrd");
    REFUSED(overlay, "/a/\x01", "overlay");
    REFUSED(base, "json:{\"driver\":\"nbd\"}", "base");
    REFUSED(base, "nbd://host/disk", "base");
    REFUSED(cmdline, "a\nb", "cmdline");
    REFUSED(cmdline, "\xff\xfe", "cmdline");
    REFUSED(prefix, "../x", "prefix");
    REFUSED(prefix, "a<b", "prefix");
    REFUSED(prefix, "", "prefix");
    REFUSED(uuid, "01234567-89ab-4cde-8f01-23456789abcd'", "uuid");
    REFUSED(timezone, "Europe/Berlin\"", "timezone");
    REFUSED(bridge, "br0; reboot", "bridge");
    REFUSED(graphics.address, "localhost", "spice_address");
    REFUSED(graphics.address, "127.0.0.1,password=x", "spice_address");
    REFUSED(graphics.keymap, "de,x", "keyboard");
    REFUSED(vcpus, 0, "vcpus");
    REFUSED(vcpus, DOMAIN_VCPUS_MAX + 1, "vcpus");
    REFUSED(memory_mib, 0, "memory_mib");
    REFUSED(width_px, 20000, "resolution");
    REFUSED(firmware, DOMAIN_UEFI, "firmware");
    REFUSED(kernel, NULL, "image");
    REFUSED(n_spare, DOMAIN_SHARES_MAX + DOMAIN_DISKS_MAX + 1, "seat");
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    REFUSED(job_socket, path, "job_socket");
}

/* ---- locks and tickets ---- */

static void test_every_lock_is_another_and_expired(void **state)
{
    struct domain_spec s = plain();
    char *a = make(&s), *b = make(&s);

    assert_string_not_equal(a, b);
    assert_at(a, "//graphics/@passwdValidTo", "1970-01-01T00:00:00");
    blank_lock(a);
    blank_lock(b);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void test_ticket(void **state)
{
    struct domain_spec s = plain();
    struct vdi_error err = {0};
    char *xml = NULL;

    assert_int_equal(domain_xml_ticket(&s.graphics, "abcDEF0123456789", 1893456000, &xml, &err), 0);
    assert_at(xml, "/graphics/@passwd", "abcDEF0123456789");
    assert_at(xml, "/graphics/@passwdValidTo", "2030-01-01T00:00:00");
    assert_at(xml, "/graphics/@port", "41000");
    assert_at(xml, "/graphics/listen/@address", "127.0.0.1");
    free(xml);
    xml = NULL;
    assert_int_equal(domain_xml_ticket(&s.graphics, "short", 1893456000, &xml, &err), -EINVAL);
    assert_int_equal(domain_xml_ticket(&s.graphics, "abcDEF0123456789'/>", 1, &xml, &err), -EINVAL);
    assert_null(xml);
}

/* ---- names ---- */

static void test_names(void **state)
{
    static const char *const others[] = {
        "vdi-7",
        "vdi-7-",
        "vdi--7-2",
        "vdi-07-2",
        "vdi-7-2-1",
        "vdi-7-02",
        "xvdi-7-2",
        "vdi-7-2 ",
        "vdi-a-b",
        "vdi_7_2",
        "",
        "vdi-0-1",
        "vdi-7-4294967296",
        "vdi-18446744073709551616-1",
    };
    struct vdi_instance_id id = {UINT64_MAX, UINT32_MAX}, back = {0};
    char name[DOMAIN_NAME_MAX];

    assert_true(domain_name_parse("vdi", domain_name("vdi", id, name), &back));
    assert_true(back.id == id.id && back.generation == id.generation);
    assert_string_equal(domain_name("vdi", (struct vdi_instance_id){7, 2}, name), "vdi-7-2");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (domain_name_parse("vdi", others[i], &back))
            fail_msg("'%s' is none of ours", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),   cmocka_unit_test(test_devices_that_come_later),
        cmocka_unit_test(test_schema),   cmocka_unit_test(test_markup_is_inert),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_every_lock_is_another_and_expired),
        cmocka_unit_test(test_ticket),   cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
