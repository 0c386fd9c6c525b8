/* SPDX-License-Identifier: Apache-2.0 */
/* test_image_manifest.c - image.json and qcow2 headers: what is taken, and what is refused why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "codec/image_manifest.h"

static int read_text(const char *json, struct image_manifest *m, struct vdi_error *err)
{
    *err = (struct vdi_error){0};
    return image_manifest_read(json, strlen(json), "image.json", m, err);
}

static void whole(void **state)
{
    struct image_manifest m;
    struct vdi_error err;
    const char *text;

    assert_int_equal(
        read_text("{\"kernel\":\"vmlinux\",\"initrd\":\"initrd\",\"cmdline\":\"quiet\","
                  "\"ready\":\"console:UP\",\"video\":\"bochs\","
                  "\"firmware\":\"uefi\"}",
                  &m, &err),
        0);
    assert_string_equal(image_manifest_main(&m), "vmlinux");
    assert_int_equal(image_manifest_ready(&m, &text), IMAGE_READY_CONSOLE);
    assert_string_equal(text, "UP");
    assert_string_equal(image_video_names[m.video], "bochs");
    assert_string_equal(image_firmware_names[m.firmware], "uefi");
    assert_int_equal(read_text("{\"disk\":\"d.qcow2\"}", &m, &err), 0);
    assert_string_equal(image_manifest_main(&m), "d.qcow2");
    assert_int_equal(image_manifest_ready(&m, &text), IMAGE_READY_AGENT);
    assert_int_equal(m.firmware, 0);
    assert_int_equal(read_text("{\"disk\":\"d\",\"ready\":\"runner\"}", &m, &err), 0);
    assert_int_equal(image_manifest_ready(&m, &text), IMAGE_READY_RUNNER);
    assert_string_equal(text, "");
}

static void refused(void **state)
{
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"", ""},
        {"[]", ""},
        {"{\"disk\":1}", "disk"},
        {"{\"disc\":\"d\"}", "disc"},
        {"{\"disk\":\"d\",\"disk\":\"e\"}", ""},
        {"{\"disk\":\"../d\"}", "plain file name"},
        {"{\"kernel\":\"/boot/k\"}", "plain file name"},
        {"{\"kernel\":\"k\",\"initrd\":\".i\"}", "plain file name"},
        {"{\"ready\":\"agent\"}", "neither disk nor kernel"},
        {"{\"disk\":\"d\",\"ready\":\"console:\"}", "ready is"},
        {"{\"disk\":\"d\",\"ready\":\"soon\"}", "ready is"},
        {"{\"disk\":\"d\",\"sha256\":\"ABC\"}", "64 hex"},
        {"{\"disk\":\"d\",\"video\":\"cga\"}", "video"},
        {"{\"disk\":\"d\",\"firmware\":\"coreboot\"}", "firmware"},
    };
    struct image_manifest m;
    struct vdi_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(read_text(cases[i].json, &m, &err) < 0);
        assert_true(strstr(err.detail, cases[i].why) || strstr(err.field, cases[i].why));
    }
}

static void written(void **state)
{
    struct image_manifest m = {.disk = "disk.qcow2", .ready = "runner", .video = 2}, again;
    struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX);
    struct vdi_error err;

    memset(m.sha256, 'a', 64);
    image_manifest_write(&m, &text);
    assert_int_equal(image_manifest_read(text.data, text.len, "x", &again, &err), 0);
    assert_memory_equal(&m, &again, sizeof(m));
    assert_null(strstr(text.data, "kernel"));
    buf_done(&text);
}

static void put(unsigned char *at, uint64_t value, int bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (unsigned char)value;
        value >>= 8;
    }
}

/* Offsets are those of docs/interop/qcow2.txt. */
static void header(unsigned char *h)
{
    memset(h, 0, QCOW2_HEADER_BYTES);
    put(h, 0x514649fb, 4);
    put(h + 4, 3, 4);
    put(h + 24, 1 << 20, 8);
    put(h + 60, 2, 4);
}

static int check(const unsigned char *h, struct qcow2_header *ret, struct vdi_error *err)
{
    *err = (struct vdi_error){0};
    return qcow2_header_check(h, QCOW2_HEADER_BYTES, "d", ret, err);
}

static void qcow2(void **state)
{
    static const struct {
        int at, bytes;
        uint64_t value;
        int code;
        const char *why;
    } cases[] = {
        {0, 4, 0x12345678, -EUCLEAN, "not a qcow2"}, {4, 4, 1, -EUCLEAN, "not a qcow2"},
        {4, 4, 4, -EUCLEAN, "not a qcow2"},          {8, 8, 104, -EINVAL, "backing file"},
        {72, 8, 4, -EINVAL, "another file"},         {72, 8, 2, -EUCLEAN, "corrupt"},
        {72, 8, 1, -EUCLEAN, "not closed"},          {32, 4, 2, -EINVAL, "encrypted"},
    };
    unsigned char h[QCOW2_HEADER_BYTES];
    struct qcow2_header got;
    struct vdi_error err;

    header(h);
    assert_int_equal(check(h, &got, &err), 0);
    assert_int_equal(got.virtual_bytes, 1 << 20);
    assert_int_equal(got.n_snapshots, 2);
    assert_int_equal(qcow2_header_check(h, 71, "d", &got, &err), -EUCLEAN);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        header(h);
        put(h + cases[i].at, cases[i].value, cases[i].bytes);
        assert_int_equal(check(h, &got, &err), cases[i].code);
        assert_non_null(strstr(err.detail, cases[i].why));
    }
    header(h); /* version 2 has no features: what lies there is something else */
    put(h + 4, 2, 4);
    put(h + 72, 7, 8);
    assert_int_equal(check(h, &got, &err), 0);
}

static void files(void **state)
{
    struct stat st = {.st_mode = S_IFREG | 0644, .st_size = 1, .st_uid = 0};
    struct vdi_error err;

    assert_int_equal(image_file_check(&st, 1000, "f", &err), 0);
    st.st_uid = 1000;
    assert_int_equal(image_file_check(&st, 1000, "f", &err), 0);
    assert_int_equal(image_file_check(&st, 0, "f", &err), -EPERM);
    st.st_mode = S_IFREG | 0664;
    assert_int_equal(image_file_check(&st, 1000, "f", &err), -EPERM);
    st.st_mode = S_IFREG | 0646;
    assert_int_equal(image_file_check(&st, 1000, "f", &err), -EPERM);
    st.st_mode = S_IFIFO | 0644;
    assert_int_equal(image_file_check(&st, 1000, "f", &err), -EINVAL);
    st = (struct stat){.st_mode = S_IFREG | 0644};
    assert_int_equal(image_file_check(&st, 1000, "f", &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole), cmocka_unit_test(refused), cmocka_unit_test(written),
        cmocka_unit_test(qcow2), cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
