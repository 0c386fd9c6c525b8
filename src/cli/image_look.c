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
    bool is_windows, has_disk_driver, has_port_driver; /* viostor, vioser */
};

/* Linux has virtio's drivers; Windows finds neither its disk nor the ports without. */
static void judge_windows(const struct contents *c, struct report *report)
{
    static const char remedy[] = "install virtio-win-guest-tools in the guest";

    report_note(report,
                "it is Windows, for which there is no guest runner: no scripts, no account, "
                "no mounts; a template says os = windows, login = prompt");
    if (c->has_disk_driver)
        report_ok(report, "virtio's disk driver (viostor) is inside");
    else
        report_note(report, "no virtio disk driver (viostor) inside: it will not boot here; %s",
                    remedy);
    if (!c->has_port_driver)
        report_note(report, "no virtio port driver (vioser) inside: its agent is not heard; %s",
                    remedy);
}

static void judge(const struct contents *c, const struct image_manifest *m, struct report *report)
{
    const char *text;
    enum image_ready ready = image_manifest_ready(m, &text);
    struct vdi_error err = {0};

    if (c->is_windows)
        judge_windows(c, report);
    else if (c->has_runner)
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
        *ret = (struct contents){.has_runner = has_line_ending(out.data, "sbin/vdi-runner"),
                                 .has_agent = has_line_ending(out.data, "bin/qemu-ga")};
    return r;
}

enum { RUNNER, AGENT, AGENT_TOO, WINDOWS, WINDOWS_AGENT, VIOSTOR, VIOSER, N_QUESTIONS };

static const char *const questions[N_QUESTIONS][2] = {
    [RUNNER] = {"is-file", "/usr/sbin/vdi-runner"},
    [AGENT] = {"is-file", "/usr/sbin/qemu-ga"},
    [AGENT_TOO] = {"is-file", "/usr/bin/qemu-ga"},
    [WINDOWS] = {"is-dir", "/Windows/System32"},
    [WINDOWS_AGENT] = {"is-file", "/Program Files/Qemu-ga/qemu-ga.exe"},
    [VIOSTOR] = {"is-file", "/Windows/System32/drivers/viostor.sys"},
    [VIOSER] = {"is-file", "/Windows/System32/drivers/vioser.sys"},
};

/* Each command prints "true" or "false" on a line. */
static bool read_answers(const char *text, bool ret[N_QUESTIONS])
{
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        size_t len = strcspn(text, "\n");

        ret[i] = len == 4 && !memcmp(text, "true", 4);
        if (!ret[i] && (len != 5 || memcmp(text, "false", 5)))
            return false;
        text += len + (text[len] == '\n');
    }
    return true;
}

static int look_into_disk(const char *path, struct contents *ret, struct vdi_error *err)
{
    const char *argv[6 + 3 * N_QUESTIONS + 1] = {"guestfish", "--ro", "--format=qcow2",
                                                 "-a",        path,   "-i"};
    _cleanup_(buf_done) struct buf out = BUF_INIT(4096);
    bool is[N_QUESTIONS];
    int code, r;

    for (size_t i = 0, n = 6; i < N_QUESTIONS; i++) {
        if (i)
            argv[n++] = ":";
        argv[n++] = questions[i][0];
        argv[n++] = questions[i][1];
    }
    r = tool_run(argv, "install libguestfs-tools", &out, &code, err);
    if (r < 0)
        return r;
    if (code != 0 || buf_putc(&out, '\0') < 0 || !read_answers(out.data, is))
        return error_set(err, EIO, "disk", "guestfish finds no system on it");
    *ret = (struct contents){.has_runner = is[RUNNER],
                             .has_agent = is[AGENT] || is[AGENT_TOO] || is[WINDOWS_AGENT],
                             .is_windows = is[WINDOWS],
                             .has_disk_driver = is[VIOSTOR],
                             .has_port_driver = is[VIOSER]};
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
