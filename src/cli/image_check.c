/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_check.c - vdi-image check: everything a node would refuse, all of it at once.
 *
 * qemu-img is given a file only after its header was read here: one that leads to other files
 * of this machine is not opened by it.
 */
#include "cli/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/client.h"
#include "codec/disk_boot.h"

static void add_remedy(struct vdi_error *err)
{
    const char *remedy = NULL;

    if (err->remedy[0])
        return;
    if (strstr(err->detail, "backing file"))
        remedy = "vdi-image prepare --flatten makes one of both";
    else if (strstr(err->detail, "in another file"))
        remedy = "qemu-img convert -O qcow2 makes one file of it";
    else if (strstr(err->detail, "not closed properly"))
        remedy = "shut its guest down; then qemu-img check -r all";
    else if (strstr(err->detail, "corrupt"))
        remedy = "qemu-img check -r all tries to mend it; a backup is better";
    else if (strstr(err->detail, "encrypted"))
        remedy = "qemu-img convert it to one that is not; the node's disk may be encrypted";
    else if (strstr(err->detail, "not a qcow2 file"))
        remedy = "qemu-img convert -O qcow2 makes one";
    else if (strstr(err->detail, "it is a link"))
        remedy = "put the file itself there";
    error_hint(err, NULL, remedy);
}

static void problem(struct report *report, struct vdi_error *err)
{
    add_remedy(err);
    report_problem(report, err);
}

/* qemu-img(1): 0 nothing found, 2 damage, 3 only leaked clusters, which harm nobody. */
static void check_structure(const char *path, struct report *report)
{
    const char *const argv[] = {"qemu-img", "check", "-q", "-f", "qcow2", "--", path, NULL};
    _cleanup_(buf_done) struct buf out = BUF_INIT(65536);
    struct vdi_error err = {0};
    int code, r = tool_run(argv, "install qemu-utils", &out, &code, &err);

    if (r < 0) {
        report_note(report, "its structure was not checked: %s", err.detail);
    } else if (code == 0 || code == 3) {
        report_ok(report, "its structure is whole%s",
                  code ? "; some clusters are used by nothing (qemu-img check -r leaks)" : "");
    } else {
        error_set(&err, EUCLEAN, "image", "%s is damaged: qemu-img check ends with %d", path, code);
        error_hint(&err, NULL, "qemu-img check -r all tries to mend it; a backup is better");
        report_problem(report, &err);
    }
}

/* The first sectors of the guest's disk, by qemu-img, which writes to files alone. */
static int read_boot(const char *path, struct disk_boot *ret, struct vdi_error *err)
{
    char to[PATH_MAX], in[PATH_MAX + 8], out[PATH_MAX + 8], bytes[DISK_BOOT_BYTES];
    const char *const argv[] = {"qemu-img", "dd",       "-f", "qcow2", "-O", "raw",
                                "bs=512",   "count=34", in,   out,     NULL};
    const char *tmp = getenv("TMPDIR");
    int fd, code, r;
    ssize_t n;

    snprintf(to, sizeof(to), "%.3000s/vdi-image.XXXXXX", str_is_empty(tmp) ? "/tmp" : tmp);
    fd = mkostemp(to, O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "disk", "no temporary file: %s", strerror(errno));
    snprintf(in, sizeof(in), "if=%s", path);
    snprintf(out, sizeof(out), "of=%s", to);
    r = tool_run(argv, "install qemu-utils", NULL, &code, err);
    close(fd);
    fd = r < 0 || code ? -1 : open(to, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    if (r == 0 && n < 0)
        r = error_set(err, EIO, "disk", "its first sectors can't be read");
    if (r == 0)
        *ret = disk_boot_read(bytes, (size_t)n);
    closep(&fd);
    unlink(to);
    return r;
}

/* A node refuses none of it: the guest's firmware would find nothing, and say so on its screen. */
static void check_boot(const char *path, uint32_t firmware, struct report *report)
{
    const char *wanted = image_firmware_names[firmware];
    bool by_bios = str_equal(wanted, "bios"), by_uefi = str_starts_with(wanted, "uefi");
    struct vdi_error err = {0};
    struct disk_boot b;

    if (read_boot(path, &b, &err) < 0)
        report_note(report, "what it boots by was not looked at: %s", err.detail);
    else if (!b.has_table)
        report_note(report, "it has no partition table: no firmware boots it");
    else if (by_uefi && !b.uefi)
        report_note(report,
                    "no EFI system partition, but firmware %s in image.json: it will not "
                    "boot; publish it with --firmware=bios, or install it under UEFI",
                    wanted);
    else if (by_bios && !b.bios)
        report_note(report, "nothing on it boots by BIOS, but firmware bios in image.json: it will "
                            "not boot; publish it with --firmware=uefi");
    else if (b.bios || b.uefi)
        report_ok(report, "it boots by %s%s%s%s", b.bios ? "BIOS" : "",
                  b.bios && b.uefi ? " and " : "", b.uefi ? "UEFI" : "",
                  by_bios || by_uefi || (b.bios && b.uefi) ? ""
                  : b.uefi                                 ? "; templates must say firmware = uefi"
                           : "; templates must not say firmware = uefi");
    else
        report_note(report, "neither BIOS nor UEFI finds something to boot on it");
}

static void check_disk(const char *path, const struct image_manifest *m, struct report *report)
{
    struct vdi_error err = {0};
    struct qcow2_header h;
    struct stat st;
    char size[32], file[32];

    if (image_qcow2_load(path, &h, &err) < 0) {
        problem(report, &err);
        return;
    }
    if (h.virtual_bytes == 0 || h.virtual_bytes % 512) {
        error_set(&err, EINVAL, "image", "%s: a disk of %" PRIu64 " bytes", path, h.virtual_bytes);
        error_hint(&err, NULL, "qemu-img resize it to whole sectors");
        report_problem(report, &err);
        return;
    }
    report_ok(report, "a qcow2 disk of %s that stands alone, a file of %s",
              size_text(h.virtual_bytes, size),
              size_text(stat(path, &st) == 0 ? (uint64_t)st.st_size : 0, file));
    if (h.n_snapshots)
        report_note(report, "it has %u snapshots inside, which only cost space", h.n_snapshots);
    check_structure(path, report);
    if (!*m->kernel)
        check_boot(path, m->firmware, report);
}

static void check_plain(const char *path, const char *member, struct report *report)
{
    struct vdi_error err = {0};
    char size[32];
    struct stat st;
    int fd = image_file_open(path, &st, &err);

    if (fd < 0) {
        if (fd == -ENOENT)
            error_hint(&err, NULL, "put it there, or take it out of image.json");
        problem(report, &err);
        return;
    }
    close(fd);
    report_ok(report, "%s: %s, %s", member, path, size_text((uint64_t)st.st_size, size));
}

static void check_digest(const char *dir, const struct image_manifest *m, struct report *report)
{
    struct vdi_error err = {0};
    char path[PATH_MAX], sha256[65];
    int r = path_join(path, dir, image_manifest_main(m), &err);

    if (r == 0)
        r = image_file_sha256(path, sha256, &err);
    if (r == 0 && *m->sha256 && !str_equal(m->sha256, sha256)) {
        r = error_set(&err, EUCLEAN, "image", "%s: its SHA-256 is %s, image.json says %s", path,
                      sha256, m->sha256);
        error_hint(&err, NULL, "put the right file back, or publish this one under a new name");
    }
    if (r < 0)
        report_problem(report, &err);
    else if (*m->sha256)
        report_ok(report, "SHA-256 %.12s..., as image.json says", sha256);
    else
        report_note(report, "image.json has no sha256 (%s); a node records it at first use",
                    sha256);
}

static void check_dir(const char *dir, struct report *report)
{
    struct vdi_error err = {0};
    struct stat st;

    if (lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
        (st.st_uid == 0 || st.st_uid == geteuid()))
        return;
    error_set(&err, EPERM, "image", "%s is a link, or others can write it", dir);
    error_hint(&err, NULL, "make it a directory of root, and chmod go-w it");
    report_problem(report, &err);
}

static void check_members(const char *dir, const struct image_manifest *m, struct report *report)
{
    const struct {
        const char *member, *name;
    } files[] = {{"kernel", m->kernel}, {"initrd", m->initrd}, {"disk", m->disk}};
    struct vdi_error err = {0};
    char path[PATH_MAX];

    for (size_t i = 0; i < ELEMENTS(files); i++) {
        if (!*files[i].name)
            continue;
        if (path_join(path, dir, files[i].name, &err) < 0)
            report_problem(report, &err);
        else if (str_equal(files[i].member, "disk"))
            check_disk(path, m, report);
        else
            check_plain(path, files[i].member, report);
    }
}

static const char *const ready_words[] = {"the guest agent answers", "the guest runner is there",
                                          "its console says a text"};

static void check_image(const char *dir, struct image_manifest *m, struct report *report)
{
    struct vdi_error err = {0};
    const char *text;

    check_dir(dir, report);
    if (image_manifest_load(dir, m, &err) < 0) {
        problem(report, &err);
        return;
    }
    report_ok(report, "image.json: video %s, firmware %s; ready when %s",
              image_video_names[m->video], image_firmware_names[m->firmware],
              ready_words[image_manifest_ready(m, &text)]);
    check_members(dir, m, report);
    if (report->n_problems == 0)
        check_digest(dir, m, report);
}

/* A file that is not an image yet: as if image.json named it. */
static int check_file(const char *path, char *ret_dir, struct image_manifest *m,
                      struct report *report, struct vdi_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    if (!str_copy(m->disk, sizeof(m->disk), name))
        return error_set(err, ENAMETOOLONG, "file", "the name of %.100s... is too long", name);
    snprintf(ret_dir, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (slash == path)
        str_copy(ret_dir, PATH_MAX, "/");
    check_disk(path, m, report);
    return 0;
}

int image_find(const struct image_options *o, const char *what, char ret[PATH_MAX],
               struct stat *ret_st, struct vdi_error *err)
{
    int r = 0;

    /* Never without a slash: "nbd:host" is no file for QEMU. */
    if (strchr(what, '/'))
        r = str_copy(ret, PATH_MAX, what) ? 0 : -ENAMETOOLONG;
    else if (stat(what, ret_st) == 0 && S_ISREG(ret_st->st_mode))
        r = path_join(ret, ".", what, err);
    else if (str_is_name(what, IMAGE_NAME_MAX))
        r = path_join(ret, o->dir, what, err);
    else
        return error_set(err, EINVAL, "image", "'%.80s' is neither an image nor a file", what);
    if (r == 0 && stat(ret, ret_st) == 0)
        return 0;
    error_set(err, ENOENT, "image", "there is no image or file %.200s", ret);
    error_hint(err, NULL, "vdi-image list shows the images; --dir says where they are");
    return -ENOENT;
}

int image_check(const struct image_options *o, const char *what, struct vdi_error *err)
{
    char path[PATH_MAX] = "", dir[PATH_MAX];
    struct image_manifest m = {0};
    struct report report = {0};
    struct stat st;
    int r = image_find(o, what, path, &st, err);

    if (r < 0)
        return r;
    printf("%s\n", path);
    fflush(stdout);
    str_copy(dir, sizeof(dir), path);
    if (S_ISDIR(st.st_mode))
        check_image(dir, &m, &report);
    else
        r = check_file(path, dir, &m, &report, err);
    if (r == 0 && report.n_problems == 0)
        image_look(dir, &m, &report);
    if (r == 0 && report.n_problems == 0 && o->boot)
        r = image_boot(o, dir, &m, &report, err);
    else if (o->boot && r == 0)
        report_note(&report, "not booted, because of the above");
    return r < 0 ? r : report.n_problems ? EXIT_REFUSED : EXIT_OK;
}
