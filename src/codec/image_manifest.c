/* SPDX-License-Identifier: Apache-2.0 */
/* image_manifest.c - image.json's fields; qcow2's header as far as an image is judged by it. */
#include "codec/image_manifest.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/field.h"

#define CONSOLE_WORD "console:"
#define SKIP (FIELD_SUBMIT | FIELD_SKIP_EMPTY)

const char *const image_video_names[] = {"vga", "qxl", "virtio", "bochs", NULL};
const char *const image_firmware_names[] = {"template", "bios", "uefi", "uefi-secure", NULL};

#define M(m) offsetof(struct image_manifest, m), sizeof(((struct image_manifest *)0)->m)

static const struct field manifest_fields[] = {
    {"kernel", FIELD_FIXED, M(kernel), SKIP, 0, 0, NULL, "file to boot directly"},
    {"initrd", FIELD_FIXED, M(initrd), SKIP, 0, 0, NULL, "its initramfs"},
    {"cmdline", FIELD_FIXED, M(cmdline), SKIP, 0, 0, NULL, "its command line"},
    {"disk", FIELD_FIXED, M(disk), SKIP, 0, 0, NULL, "qcow2 file, never written"},
    {"sha256", FIELD_FIXED, M(sha256), SKIP, 0, 0, NULL, "of the disk, or the kernel"},
    {"ready", FIELD_FIXED, M(ready), SKIP, 0, 0, NULL, "agent, runner or console:TEXT"},
    {"video", FIELD_ENUM, M(video), SKIP, 0, 0, image_video_names, "display device"},
    {"firmware", FIELD_ENUM, M(firmware), SKIP, 0, 0, image_firmware_names, "what it boots by"},
    {"kernel_sha256", FIELD_FIXED, M(kernel_sha256), SKIP, 0, 0, NULL, "of the kernel"},
    {"initrd_sha256", FIELD_FIXED, M(initrd_sha256), SKIP, 0, 0, NULL, "of the initramfs"},
    {"disk_bytes", FIELD_U64, M(disk_bytes), SKIP, 0, INT64_MAX, NULL, "size of the disk's file"},
    {"kernel_bytes", FIELD_U64, M(kernel_bytes), SKIP, 0, INT64_MAX, NULL, "of the kernel"},
    {"initrd_bytes", FIELD_U64, M(initrd_bytes), SKIP, 0, INT64_MAX, NULL, "of the initramfs"},
    {"virtual_bytes", FIELD_U64, M(virtual_bytes), SKIP, 0, INT64_MAX, NULL, "the guest's disk"},
    {.type = FIELD_END},
};

const char *image_manifest_main(const struct image_manifest *m)
{
    return *m->disk ? m->disk : m->kernel;
}

enum image_ready image_manifest_ready(const struct image_manifest *m, const char **ret_text)
{
    *ret_text = "";
    if (str_equal(m->ready, "runner"))
        return IMAGE_READY_RUNNER;
    if (!str_starts_with(m->ready, CONSOLE_WORD))
        return IMAGE_READY_AGENT;
    *ret_text = m->ready + sizeof(CONSOLE_WORD) - 1;
    return IMAGE_READY_CONSOLE;
}

bool image_ready_is_word(const char *ready)
{
    return !*ready || str_equal(ready, "agent") || str_equal(ready, "runner") ||
           (str_starts_with(ready, CONSOLE_WORD) && ready[sizeof(CONSOLE_WORD) - 1]);
}

static bool is_digest(const char *hex)
{
    return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

static int check_name(const char *path, const char *member, const char *name, struct vdi_error *err)
{
    if (!*name || str_is_name(name, IMAGE_FILE_MAX))
        return 0;
    return error_set(err, EINVAL, "image", "%s: %s is no plain file name: '%.60s'", path, member,
                     name);
}

int image_manifest_parts(const struct image_manifest *m, struct image_part *ret, size_t *ret_n,
                         struct vdi_error *err)
{
    const struct image_part all[IMAGE_PARTS_MAX] = {
        {m->disk, m->sha256, m->disk_bytes, true},
        {m->kernel, *m->disk ? m->kernel_sha256 : m->sha256, m->kernel_bytes, false},
        {m->initrd, m->initrd_sha256, m->initrd_bytes, false},
    };
    size_t n = 0;

    for (size_t i = 0; i < IMAGE_PARTS_MAX; i++) {
        if (!*all[i].name)
            continue;
        for (size_t k = 0; k < n; k++)
            if (str_equal(ret[k].name, all[i].name))
                return error_set(err, EINVAL, "manifest", "two parts are the file %.60s",
                                 all[i].name);
        if (!is_digest(all[i].sha256) || !all[i].bytes)
            return error_set(err, EINVAL, "manifest", "%.60s is without size or SHA-256",
                             all[i].name);
        ret[n++] = all[i];
    }
    *ret_n = n;
    return 0;
}

static int check(const struct image_manifest *m, const char *path, struct vdi_error *err)
{
    int r = check_name(path, "disk", m->disk, err);

    if (r == 0)
        r = check_name(path, "kernel", m->kernel, err);
    if (r == 0)
        r = check_name(path, "initrd", m->initrd, err);
    if (r < 0)
        return r;
    if (!*m->disk && !*m->kernel)
        return error_set(err, EINVAL, "image", "%s names neither disk nor kernel", path);
    if (*m->sha256 && !is_digest(m->sha256))
        return error_set(err, EINVAL, "image", "%s: sha256 is not 64 hex digits", path);
    if (!image_ready_is_word(m->ready))
        return error_set(err, EINVAL, "image", "%s: ready is agent, runner or console:TEXT", path);
    return 0;
}

/* Says which file it is about. */
static int is_wrong(const char *path, int r, struct vdi_error *err)
{
    char detail[sizeof(err->detail)];

    str_copy(detail, sizeof(detail), err ? err->detail : "");
    return error_set(err, r, "image", "%s: %s", path, detail);
}

int image_manifest_read(const char *json, size_t len, const char *path, struct image_manifest *ret,
                        struct vdi_error *err)
{
    struct image_manifest m = {0};
    int r = fields_read(manifest_fields, &m, json, len, FIELD_SUBMIT, NULL, err);

    if (r < 0)
        return is_wrong(path, r, err);
    r = check(&m, path, err);
    if (r == 0)
        *ret = m;
    return r;
}

void image_manifest_write(const struct image_manifest *m, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(manifest_fields, m, FIELD_SUBMIT, out, &first);
    buf_puts(out, "}\n");
}

int image_file_check(const struct stat *st, uid_t uid, const char *path, struct vdi_error *err)
{
    if (!S_ISREG(st->st_mode) || st->st_size == 0)
        return error_set(err, EINVAL, "image", "%s is not a regular file with something in it",
                         path);
    if (!(st->st_mode & (S_IWGRP | S_IWOTH)) && (st->st_uid == 0 || st->st_uid == uid))
        return 0;
    error_set(err, EPERM, "image", "%s can be written by others (owner %u, mode %03o)", path,
              (unsigned)st->st_uid, (unsigned)st->st_mode & 0777);
    error_hint(err, NULL, "chown root and chmod go-w it");
    return -EPERM;
}

/* docs/interop/qcow2.txt of QEMU: big endian; incompatible features since version 3. */
struct header {
    uint32_t magic, version;
    uint64_t backing_offset;
    uint32_t backing_size, cluster_bits;
    uint64_t size;
    uint32_t crypt, l1_size;
    uint64_t l1_offset, refcount_offset;
    uint32_t refcount_clusters, n_snapshots;
    uint64_t snapshots_offset, incompatible;
};

enum { FEATURE_DIRTY = 1, FEATURE_CORRUPT = 2, FEATURE_DATA_FILE = 4 };

int qcow2_header_check(const void *bytes, size_t len, const char *path, struct qcow2_header *ret,
                       struct vdi_error *err)
{
    struct header h = {0};
    uint64_t features;

    memcpy(&h, bytes, len < sizeof(h) ? len : sizeof(h));
    if (len < sizeof(h) || be32toh(h.magic) != 0x514649fbu || be32toh(h.version) < 2 ||
        be32toh(h.version) > 3)
        return error_set(err, EUCLEAN, "image", "%s is not a qcow2 file", path);
    features = be32toh(h.version) == 3 ? be64toh(h.incompatible) : 0;
    ret->virtual_bytes = be64toh(h.size);
    ret->n_snapshots = be32toh(h.n_snapshots);
    if (h.backing_offset)
        return error_set(err, EINVAL, "image", "%s has a backing file; an image stands alone",
                         path);
    if (features & FEATURE_DATA_FILE)
        return error_set(err, EINVAL, "image", "%s keeps its data in another file", path);
    if (features & (FEATURE_DIRTY | FEATURE_CORRUPT))
        return error_set(err, EUCLEAN, "image", "%s is marked %s", path,
                         features & FEATURE_CORRUPT ? "corrupt" : "as not closed properly");
    if (h.crypt)
        return error_set(err, EINVAL, "image", "%s is encrypted", path);
    return 0;
}
