/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_look.c - what an image has inside, where that can be seen without booting it.
 *
 * An initramfs is listed by cpio unless it is compressed; a disk is opened read-only by
 * guestfish, whose own small VM reads the file systems: nothing of the disk runs here.
 */
#include "cli/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define LIST_BYTES_MAX (16u << 20)

struct contents {
    bool has_runner, has_agent;
};

static void judge(const struct contents *c, const struct image_manifest *m, struct report *report)
{
    const char *text;
    enum image_ready ready = image_manifest_ready(m, &text);
    struct vdi_error err = {0};

    if (c->has_runner)
        report_ok(report, "the guest runner is inside");
    else
        report_note(report, "no guest runner inside: no scripts, no account, no session; see "
                            "EXAMPLES in vdi-image(1)");
    if (c->has_agent)
        report_ok(report, "the guest agent is inside");
    if (ready == IMAGE_READY_RUNNER && !c->has_runner)
        error_set(&err, ENOENT, "image", "image.json waits for a guest runner that is not inside");
    if (ready == IMAGE_READY_AGENT && !c->has_agent)
        error_set(&err, ENOENT, "image", "image.json waits for a guest agent that is not inside");
    error_hint(&err, NULL,
               ready == IMAGE_READY_RUNNER ? "install vdi-runner in the guest; see vdi-image(1)"
                                           : "install qemu-guest-agent in the guest");
    if (err.code)
        report_problem(report, &err);
}

/* "070701", the new portable format; the kernel's buffer-format.rst. */
static bool is_plain_cpio(const char *path)
{
    struct vdi_error err;
    struct stat st;
    _cleanup_(closep) int fd = image_file_open(path, &st, &err);
    char magic[6] = "";

    return fd >= 0 && read(fd, magic, 6) == 6 && !memcmp(magic, "070701", 6);
}

static bool has_line_ending(const char *text, const char *end)
{
    size_t len = strlen(end);

    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (n >= len && !memcmp(line + n - len, end, len))
            return true;
        line += n + (line[n] == '\n');
    }
    return false;
}

static int look_into_initrd(const char *path, struct contents *ret, struct vdi_error *err)
{
    char file[PATH_MAX + 8];
    const char *const argv[] = {"cpio", "--list", "--quiet", file, NULL};
    _cleanup_(buf_done) struct buf out = BUF_INIT(LIST_BYTES_MAX);
    int code, r;

    if (!is_plain_cpio(path))
        return error_set(err, ENOTSUP, "initrd", "it is compressed");
    snprintf(file, sizeof(file), "--file=%s", path);
    r = tool_run(argv, "install cpio", &out, &code, err);
    if (r == 0 && (code != 0 || buf_putc(&out, '\0') < 0))
        r = error_set(err, EIO, "initrd", "cpio cannot list it");
    if (r == 0)
        *ret = (struct contents){has_line_ending(out.data, "sbin/vdi-runner"),
                                 has_line_ending(out.data, "bin/qemu-ga")};
    return r;
}

/* Each command prints "true" or "false". */
static int look_into_disk(const char *path, struct contents *ret, struct vdi_error *err)
{
    const char *const argv[] = {"guestfish",
                                "--ro",
                                "--format=qcow2",
                                "-a",
                                path,
                                "-i",
                                "is-file",
                                "/usr/sbin/vdi-runner",
                                ":",
                                "is-file",
                                "/usr/sbin/qemu-ga",
                                ":",
                                "is-file",
                                "/usr/bin/qemu-ga",
                                NULL};
    _cleanup_(buf_done) struct buf out = BUF_INIT(4096);
    char a[8] = "", b[8] = "", c[8] = "";
    int code, r = tool_run(argv, "install libguestfs-tools", &out, &code, err);

    if (r < 0)
        return r;
    if (code != 0 || buf_putc(&out, '\0') < 0 || sscanf(out.data, "%7s %7s %7s", a, b, c) != 3)
        return error_set(err, EIO, "disk", "guestfish finds no system on it");
    *ret = (struct contents){str_equal(a, "true"), str_equal(b, "true") || str_equal(c, "true")};
    return 0;
}

void image_look(const char *dir, const struct image_manifest *m, struct report *report)
{
    struct vdi_error err = {0};
    struct contents inside = {0};
    char path[PATH_MAX];
    int r = path_join(path, dir, *m->disk ? m->disk : m->initrd, &err);

    if (r == 0 && *m->disk)
        r = look_into_disk(path, &inside, &err);
    else if (r == 0 && *m->initrd)
        r = look_into_initrd(path, &inside, &err);
    else if (r == 0)
        r = error_set(&err, ENOENT, "image", "it has neither disk nor initramfs");
    if (r < 0)
        report_note(report, "not looked inside: %s%s%s", err.detail, *err.remedy ? "; " : "",
                    err.remedy);
    else
        judge(&inside, m, report);
}
