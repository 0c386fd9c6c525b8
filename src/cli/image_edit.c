/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_edit.c - vdi-image edit: a VM of the current version that may write, and what it leaves.
 *
 * Works where the store is (on the controller). The guest writes into an overlay; only when it
 * has shut down by itself is that made a disk of its own and published. Its serial console is
 * this terminal, its screen a SPICE server on a socket that nobody else can reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/image.h"
#include "cli/viewer.h"
#include "cli/wait.h"

#define QEMU "qemu-system-x86_64"
#define ARGS_MAX 64
#define QMP_LINE_MAX 65536
#define CONNECT_TRIES 100
#define OVMF_CODE "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define OVMF_VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"

extern char **environ;

struct editing {
    const struct image_options *options;
    const char *name;
    struct image_manifest manifest;
    char dir[PATH_MAX]; /* "": none yet */
    char *args[ARGS_MAX];
    size_t n_args;
    bool has_shut_down;
};

/* ---- the current version ---- */

static const struct value *current_of(const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (value_get_bool(value_item(list, i), "current", false))
            return value_item(list, i);
    return NULL;
}

static int load_current(struct editing *e, struct vdi_error *err)
{
    _cleanup_(client_freep) struct client *client = NULL;
    _cleanup_(document_freep) struct document *doc = NULL;
    _cleanup_(buf_done) struct buf target = BUF_INIT(4096);
    const char *manifest;
    int r = client_new(&client, err);

    buf_puts(&target, "/v1/images/");
    client_escape(&target, e->name);
    if (r == 0)
        r = client_get(client, target.data, &doc, err);
    if (r < 0)
        return r;
    manifest =
        value_get_string(current_of(value_get(document_root(doc), "images")), "manifest", "");
    if (!*manifest) {
        error_set(err, ENOENT, "name", "image '%.64s' has no current version", e->name);
        error_hint(err, NULL, "vdi-image list shows what there is");
        return -ENOENT;
    }
    r = image_manifest_read(manifest, strlen(manifest), e->name, &e->manifest, err);
    if (r == 0 && !*e->manifest.disk) {
        error_set(err, ENOTSUP, "image", "image '%.64s' has no disk: nothing in it can be changed",
                  e->name);
        error_hint(err, NULL, "make it anew by its recipe, and publish that");
        return -EREMOTEIO;
    }
    return r;
}

static int blob_path(const struct editing *e, const char *sha256, char ret[PATH_MAX],
                     struct vdi_error *err)
{
    if (snprintf(ret, PATH_MAX, "%s/blobs/%s", e->options->store, sha256) >= PATH_MAX)
        return error_set(err, ENAMETOOLONG, "store", "its path is too long");
    if (access(ret, R_OK) == 0)
        return 0;
    error_set(err, errno, "store", "%s: %s", ret, strerror(errno));
    error_hint(err, NULL,
               "edit where vdictld runs, as its user or root; --store is its "
               "image_store; of a version with a --source the disk is not there");
    return -EREMOTEIO;
}

/* ---- QEMU's arguments ---- */

static int arg(struct editing *e, char *text)
{
    if (!text || e->n_args == ARGS_MAX - 1) {
        free(text);
        return -ENOMEM;
    }
    e->args[e->n_args++] = text;
    return 0;
}

static int args(struct editing *e, const char *const *words, size_t n)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = arg(e, strdup(words[i]));
    return r;
}

static int args_firmware(struct editing *e, struct vdi_error *err)
{
    static const char *const pflash[] = {
        "-drive", "if=pflash,format=raw,readonly=on,file=" OVMF_CODE, "-drive",
        "if=pflash,format=raw,snapshot=on,file=" OVMF_VARS};
    const char *firmware = image_firmware_names[e->manifest.firmware];

    if (!str_starts_with(firmware, "uefi"))
        return 0;
    if (access(OVMF_CODE, R_OK) == 0)
        return args(e, pflash, ELEMENTS(pflash));
    error_set(err, ENOENT, "firmware", "there is no UEFI firmware here");
    error_hint(err, NULL, "install ovmf");
    return -EREMOTEIO;
}

static int args_kernel(struct editing *e, struct vdi_error *err)
{
    const struct image_manifest *m = &e->manifest;
    char path[PATH_MAX];
    int r;

    if (!*m->kernel)
        return 0;
    r = blob_path(e, m->kernel_sha256, path, err);
    if (r == 0)
        r = args(e, (const char *const[]){"-kernel", path, "-append", m->cmdline}, 4);
    if (r == 0 && *m->initrd)
        r = blob_path(e, m->initrd_sha256, path, err);
    return r == 0 && *m->initrd ? args(e, (const char *const[]){"-initrd", path}, 2) : r;
}

static int make_args(struct editing *e, struct vdi_error *err)
{
    static const char *const fixed[] = {
        "-machine",
        "q35",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-nodefaults",
        "-display",
        "none",
        "-nic",
        "user,model=virtio-net-pci",
        "-device",
        "virtio-tablet-pci",
        "-device",
        "virtio-serial-pci",
        "-device",
        "virtio-rng-pci",
        "-chardev",
        "stdio,id=console,signal=off",
        "-serial",
        "chardev:console",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"};
    static const char *const accels[] = {"-accel", "kvm", "-accel", "tcg"};
    const char *accel = e->options->accel ? e->options->accel : "auto";
    int r = arg(e, strdup(QEMU));

    if (r == 0) /* QEMU takes the first that it can have */
        r = str_equal(accel, "auto") ? args(e, accels, ELEMENTS(accels))
                                     : args(e, (const char *const[]){"-accel", accel}, 2);
    if (r == 0)
        r = args(e, fixed, ELEMENTS(fixed));
    if (r == 0)
        r = args(e, (const char *const[]){"-vga", e->manifest.video == 3 ? "none" : "std"}, 2);
    if (r == 0 && e->manifest.video == 3)
        r = args(e, (const char *const[]){"-device", "bochs-display"}, 2);
    if (r == 0)
        r = arg(e, strdup("-m"));
    if (r == 0)
        r = arg(e, str_printf("%u", e->options->memory_mib));
    if (r == 0)
        r = arg(e, strdup("-drive"));
    if (r == 0)
        r = arg(e,
                str_printf("if=virtio,format=qcow2,discard=unmap,file=%s/overlay.qcow2", e->dir));
    if (r == 0)
        r = arg(e, strdup("-qmp"));
    if (r == 0)
        r = arg(e, str_printf("unix:%s/qmp,server=on,wait=off", e->dir));
    if (r == 0)
        r = arg(e, strdup("-spice"));
    if (r == 0)
        r = arg(e, str_printf("unix=on,addr=%s/screen,disable-ticketing=on", e->dir));
    if (r == 0)
        r = args_firmware(e, err);
    if (r == 0)
        r = args_kernel(e, err);
    return r == -ENOMEM ? error_set(err, ENOMEM, "", "no memory") : r;
}

/* ---- its life ---- */

static int connect_qmp(const struct editing *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    snprintf(to.sun_path, sizeof(to.sun_path), "%.90s/qmp", e->dir);
    for (int i = 0; i < CONNECT_TRIES; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
            return fd;
        closep(&fd);
        sleep_msec(100);
    }
    return -ECONNREFUSED;
}

static bool is_guest_shutdown(const char *line)
{
    _cleanup_(document_freep) struct document *doc = NULL;
    const struct value *root;

    if (document_parse(line, strlen(line), &doc, NULL) < 0)
        return false;
    root = document_root(doc);
    return str_equal(value_get_string(root, "event", ""), "SHUTDOWN") &&
           str_equal(value_get_string(value_get(root, "data"), "reason", ""), "guest-shutdown");
}

/* To the end of QEMU. Whether it was the guest that ended it, is in an event. */
static void follow(struct editing *e, int fd)
{
    static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
    _cleanup_(fclosep) FILE *f = fdopen(fd, "r+");
    char *line = malloc(QMP_LINE_MAX);

    if (!f)
        close(fd);
    if (f && line && file_write_all(fd, hello, sizeof(hello) - 1) == 0)
        while (fgets(line, QMP_LINE_MAX, f))
            e->has_shut_down |= is_guest_shutdown(line);
    free(line);
}

static int run_vm(struct editing *e, struct vdi_error *err)
{
    char path[PATH_MAX];
    int fd, status, r = program_find(QEMU, "install qemu-system-x86", path, err);
    pid_t pid;

    if (r < 0)
        return r;
    r = posix_spawn(&pid, path, NULL, NULL, e->args, environ);
    if (r)
        return error_set(err, r, "qemu", "%s does not start: %s", path, strerror(r));
    fprintf(stderr,
            "Its screen: remote-viewer spice+unix://%s/screen\n"
            "Shut the guest down when it is as it should be; then it is published.\n",
            e->dir);
    fd = connect_qmp(e);
    if (fd >= 0)
        follow(e, fd);
    else
        kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && e->has_shut_down)
        return 0;
    error_set(err, EINTR, "guest", "the guest did not shut down by itself: nothing is published");
    error_hint(err, NULL, "shut it down from inside, so that its file systems are clean");
    return -EREMOTEIO;
}

/* ---- before and after ---- */

static int run_img(const char *const argv[], const char *what, struct vdi_error *err)
{
    int code, r = tool_run(argv, "install qemu-utils", NULL, &code, err);

    if (r < 0 || code == 0)
        return r;
    error_set(err, EIO, what, "%s: %s ended with exit code %d", what, argv[0], code);
    return -EREMOTEIO;
}

static int make_overlay(struct editing *e, struct vdi_error *err)
{
    const char *tmp = getenv("TMPDIR");
    char base[PATH_MAX], full[PATH_MAX], overlay[PATH_MAX];
    int r = blob_path(e, e->manifest.sha256, base, err);

    if (r < 0)
        return r;
    if (!realpath(base, full))
        return error_set(err, errno, "store", "%s: %s", base, strerror(errno)), -EREMOTEIO;
    snprintf(e->dir, sizeof(e->dir), "%.60s/vdi-edit.XXXXXX", tmp && *tmp ? tmp : "/var/tmp");
    if (!mkdtemp(e->dir)) {
        e->dir[0] = '\0';
        return error_set(err, errno, "TMPDIR", "no temporary directory: %s", strerror(errno)),
               -EREMOTEIO;
    }
    r = path_join(overlay, e->dir, "overlay.qcow2", err);
    return r < 0 ? r
                 : run_img((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", "-F",
                                                 "qcow2", "-b", full, overlay, NULL},
                           "the overlay can't be made", err);
}

static int copy_blob(const struct editing *e, const char *name, const char *sha256,
                     const char *to_dir, struct vdi_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    int r = blob_path(e, sha256, from, err);

    if (r == 0)
        r = path_join(to, to_dir, name, err);
    return r < 0 ? r : run_img((const char *const[]){"cp", "--", from, to, NULL}, "copy", err);
}

/* A directory like any other image's. */
static int make_image(struct editing *e, char dir[PATH_MAX], struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX);
    struct image_manifest m = e->manifest;
    char overlay[PATH_MAX], disk[PATH_MAX], json[PATH_MAX];
    int r = path_join(dir, e->dir, "image", err);

    if (r == 0 && mkdir(dir, 0700) < 0)
        r = error_set(err, errno, "TMPDIR", "%s: %s", dir, strerror(errno));
    if (r == 0)
        r = path_join(overlay, e->dir, "overlay.qcow2", err);
    if (r == 0)
        r = path_join(disk, dir, m.disk, err);
    if (r == 0)
        r = run_img((const char *const[]){"qemu-img", "convert", "-q", "-f", "qcow2", "-O", "qcow2",
                                          overlay, disk, NULL},
                    "the disk can't be written", err);
    if (r == 0 && *m.kernel)
        r = copy_blob(e, m.kernel, m.kernel_sha256, dir, err);
    if (r == 0 && *m.initrd)
        r = copy_blob(e, m.initrd, m.initrd_sha256, dir, err);
    m.sha256[0] = '\0';
    m.disk_bytes = m.virtual_bytes = 0;
    image_manifest_write(&m, &text);
    if (r == 0)
        r = path_join(json, dir, "image.json", err);
    if (r == 0 && file_replace(json, text.data, text.len) < 0)
        r = error_set(err, EIO, "TMPDIR", "%s can't be written", json);
    return r;
}

int image_edit(const struct image_options *o, const char *name, struct vdi_error *err)
{
    _cleanup_(freep) struct editing *e = calloc(1, sizeof(*e));
    char dir[PATH_MAX] = "";
    int r = e ? 0 : error_set(err, ENOMEM, "", "no memory");

    if (r == 0) {
        e->options = o;
        e->name = name;
        r = load_current(e, err);
    }
    if (r == 0)
        r = make_overlay(e, err);
    if (r == 0)
        r = make_args(e, err);
    if (r == 0)
        r = run_vm(e, err);
    if (r == 0)
        r = make_image(e, dir, err);
    if (r == 0)
        r = image_publish_dir(o, dir, name, err);
    if (*dir)
        image_dir_remove(dir);
    if (e && *e->dir)
        image_dir_remove(e->dir);
    for (size_t i = 0; e && i < e->n_args; i++)
        free(e->args[i]);
    return r;
}
