/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_prepare.c - vdi-image prepare: from somebody's qcow2 to an image that nodes take.
 *
 * Everything is made in a hidden directory beside the others, synced, and then renamed: an
 * image is there whole or not at all, and one that is there is never replaced.
 */
#include "cli/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/viewer.h"

#define GUESTFS_REMEDY                                                                             \
    "install libguestfs-tools, or leave --runner out and install it from inside the guest"

struct preparing {
    const struct image_options *options;
    const char *name;
    char source[PATH_MAX]; /* with a slash in it */
    char temporary[PATH_MAX], disk[PATH_MAX], out[PATH_MAX];
    struct image_manifest manifest;
};

static int refuse(struct vdi_error *err, const char *remedy)
{
    error_hint(err, NULL, remedy);
    return -EREMOTEIO;
}

static int enum_from(const char *const *names, const char *option, const char *value, uint32_t *ret,
                     struct vdi_error *err)
{
    for (uint32_t i = 0; names[i]; i++)
        if (str_equal(names[i], value)) {
            *ret = i;
            return 0;
        }
    return error_set(err, EINVAL, option, "--%s=%.40s: no such word; see --help", option, value);
}

/* What is wrong is said before anything is copied. */
static int check_request(struct preparing *p, const char *file, struct vdi_error *err)
{
    const struct image_options *o = p->options;
    const char *ready = o->ready ? o->ready : o->runner ? "runner" : "agent";
    char tool[PATH_MAX];
    int r;

    if (!o->name || !str_is_name(o->name, IMAGE_NAME_MAX)) {
        error_set(err, EINVAL, "name", "prepare needs --name=NAME: letters, digits and ._-");
        return -EINVAL;
    }
    p->name = o->name;
    if (!str_copy(p->manifest.ready, sizeof(p->manifest.ready), ready))
        return error_set(err, EINVAL, "ready", "--ready has more than %d bytes", IMAGE_FILE_MAX);
    if (!image_ready_is_word(ready))
        return error_set(err, EINVAL, "ready", "--ready=%.40s: it is agent, runner or console:TEXT",
                         ready);
    r = enum_from(image_video_names, "video", o->video ? o->video : "vga", &p->manifest.video, err);
    if (r == 0)
        r = enum_from(image_firmware_names, "firmware", o->firmware ? o->firmware : "template",
                      &p->manifest.firmware, err);
    if (r == 0 &&
        snprintf(p->source, PATH_MAX, "%s%s", strchr(file, '/') ? "" : "./", file) >= PATH_MAX)
        r = error_set(err, ENAMETOOLONG, "file", "its path is too long");
    if (r == 0 && o->runner && program_find("virt-customize", GUESTFS_REMEDY, tool, err) < 0)
        r = -EREMOTEIO;
    if (r == 0)
        r = path_join(p->out, o->dir, o->name, err);
    if (r == 0 && access(p->out, F_OK) == 0) {
        error_set(err, EEXIST, "name", "there is an image '%s' already", o->name);
        return refuse(err, "images never change: take another name");
    }
    return r;
}

/* The copy is only ours: who else may write the source does not matter, but where it leads does. */
static int check_source(struct preparing *p, struct vdi_error *err)
{
    unsigned char bytes[QCOW2_HEADER_BYTES];
    struct qcow2_header header;
    _cleanup_(closep) int fd = open(p->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? 0 : pread(fd, bytes, sizeof(bytes), 0);
    int r;

    if (fd < 0 || n < 0) {
        r = -errno;
        error_set(err, r, "file", "%s cannot be read: %s", p->source, strerror(errno));
        return r == -ENOENT || r == -EACCES ? r : -EREMOTEIO;
    }
    r = qcow2_header_check(bytes, (size_t)n, p->source, &header, err);
    if (r == 0)
        return 0;
    if (strstr(err->detail, "backing file"))
        return p->options->flatten
                   ? 0
                   : refuse(err, "if you trust it and the files it names, add --flatten");
    return refuse(err, "vdi-image check says what to do about it");
}

static int run_tool(const char *const argv[], const char *remedy, const char *what,
                    struct vdi_error *err)
{
    int code, r = tool_run(argv, remedy, NULL, &code, err);

    if (r < 0 || code == 0)
        return r;
    error_set(err, EIO, what, "%s: %s ended with exit code %d", what, argv[0], code);
    return -EREMOTEIO;
}

static int copy_disk(struct preparing *p, struct vdi_error *err)
{
    const char *const argv[] = {
        "qemu-img", "convert", isatty(STDOUT_FILENO) ? "-p" : "-q", "-f", "qcow2",   "-O",
        "qcow2",    "-o",      "compat=1.1,lazy_refcounts=off",     "--", p->source, p->disk,
        NULL};

    return run_tool(argv, "install qemu-utils", "the disk can't be copied", err);
}

static int add_runner(struct preparing *p, struct vdi_error *err)
{
    const struct image_options *o = p->options;
    char runner[PATH_MAX], upload[2][PATH_MAX + 64];
    const char *const argv[] = {"virt-customize",
                                "--format",
                                "qcow2",
                                "-a",
                                p->disk,
                                "--upload",
                                upload[0],
                                "--chmod",
                                "0755:/usr/sbin/vdi-runner",
                                "--upload",
                                upload[1],
                                "--run-command",
                                "systemctl enable vdi-runner.service",
                                NULL};
    int r = path_join(runner, o->programs ? o->programs : VDI_SBINDIR, "vdi-runner", err);

    if (r < 0)
        return r;
    if (access(runner, R_OK) < 0) {
        error_set(err, ENOENT, "runner", "there is no program %s", runner);
        return refuse(err, "--programs says where vdi-runner is");
    }
    snprintf(upload[0], sizeof(upload[0]), "%s:/usr/sbin/vdi-runner", runner);
    snprintf(upload[1], sizeof(upload[1]),
             "%s/vdi-runner.service:/etc/systemd/system/"
             "vdi-runner.service",
             VDI_GUESTDIR);
    return run_tool(argv, GUESTFS_REMEDY, "the runner can't be installed in the disk", err);
}

static int sync_path(const char *path)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_manifest(struct preparing *p, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX);
    char path[PATH_MAX];
    int r = path_join(path, p->temporary, "image.json", err);
    _cleanup_(fclosep) FILE *f = r < 0 ? NULL : fopen(path, "wxe");

    if (r < 0)
        return r;
    image_manifest_write(&p->manifest, &text);
    if (!f || text.failed || fwrite(text.data, 1, text.len, f) != text.len || fflush(f) ||
        fchmod(fileno(f), 0644) < 0 || fsync(fileno(f)) < 0)
        return error_set(err, errno, "dir", "%s can't be written: %s", path, strerror(errno)),
               -EREMOTEIO;
    return 0;
}

static int publish(struct preparing *p, struct vdi_error *err)
{
    int r = chmod(p->disk, 0644) < 0 || chmod(p->temporary, 0755) < 0 ? -errno : 0;

    if (r == 0)
        r = sync_path(p->disk);
    if (r == 0)
        r = sync_path(p->temporary);
    if (r == 0 && renameat2(AT_FDCWD, p->temporary, AT_FDCWD, p->out, RENAME_NOREPLACE) < 0)
        r = -errno;
    if (r < 0)
        return error_set(err, r, "dir", "%s can't be published: %s", p->out, strerror(-r)),
               -EREMOTEIO;
    p->temporary[0] = '\0';
    sync_path(p->options->dir);
    return 0;
}

static int make(struct preparing *p, struct vdi_error *err)
{
    int r;

    snprintf(p->temporary, sizeof(p->temporary), "%s/.%s.XXXXXX", p->options->dir, p->name);
    if (!mkdtemp(p->temporary)) {
        p->temporary[0] = '\0';
        error_set(err, errno, "dir", "nothing can be put into %s: %s", p->options->dir,
                  strerror(errno));
        return errno == EACCES ? -EACCES
                               : refuse(err, "make the directory, or name another with --dir");
    }
    r = path_join(p->disk, p->temporary, "disk.qcow2", err);
    if (r == 0)
        r = copy_disk(p, err);
    if (r == 0 && p->options->runner)
        r = add_runner(p, err);
    if (r == 0)
        r = image_file_sha256(p->disk, p->manifest.sha256, err);
    str_copy(p->manifest.disk, sizeof(p->manifest.disk), "disk.qcow2");
    if (r == 0)
        r = write_manifest(p, err);
    return r < 0 ? r : publish(p, err);
}

static void say_next(const struct preparing *p)
{
    printf("%s: SHA-256 %s\n", p->out, p->manifest.sha256);
    printf("A template uses it with  image = \"%s\"%s\n", p->name,
           p->manifest.firmware ? "" : "  and the firmware it was installed with");
    if (!p->options->runner)
        printf("The runner is not installed by this. In the guest, as root, before it is "
               "prepared:\n"
               "  install -m 755 vdi-runner /usr/sbin/\n"
               "  install -m 644 vdi-runner.service /etc/systemd/system/\n"
               "  systemctl enable vdi-runner.service\n"
               "  apt-get install qemu-guest-agent\n"
               "(%s/vdi-runner, %s/vdi-runner.service)\n",
               VDI_SBINDIR, VDI_GUESTDIR);
}

int image_prepare(const struct image_options *o, const char *file, struct vdi_error *err)
{
    struct preparing p = {.options = o};
    int r = check_request(&p, file, err);

    if (r == 0)
        r = check_source(&p, err);
    if (r == 0)
        r = make(&p, err);
    if (p.temporary[0])
        image_dir_remove(p.temporary);
    if (r == 0)
        say_next(&p);
    return r;
}
