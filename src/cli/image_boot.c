/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_boot.c - vdi-image check --boot: a guest of the image, until it is ready or time is up.
 *
 * QEMU emulates, writes to a file that has no name (snapshot=on), has no network and its seccomp
 * filter, and is killed at the end. What the guest says is taken for hostile.
 */
#include "cli/image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/viewer.h"
#include "codec/runner_codec.h"
#include "loop/loop.h"

#define QEMU "qemu-system-x86_64"
#define ARGS_MAX 64
#define LOOK_USEC (200 * USEC_PER_MSEC)
#define CONSOLE_TAIL 2048
#define AGENT_BYTES_MAX 65536
#define OVMF_CODE "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define OVMF_VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"
#define OVMF_SECURE_CODE "/usr/share/OVMF/OVMF_CODE_4M.ms.fd"
#define OVMF_SECURE_VARS "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"

extern char **environ;

struct boot {
    struct loop *loop;
    const struct image_manifest *manifest;
    enum image_ready wants;
    const char *console_text;
    char dir[64]; /* sockets and console, for a short time */
    char text[12][PATH_MAX + 128];
    size_t n_texts;
    const char *argv[ARGS_MAX];
    size_t n_args;
    pid_t pid; /* 0: has ended */
    int job_fd, agent_fd;
    struct source *end, *deadline, *look, *job, *agent, *interrupt;
    struct runner_reader reader;
    size_t agent_bytes;
    int64_t started_usec;
    char what[160]; /* what told that it is ready; "" not yet */
    const char *why_not;
};

/* ---- QEMU's arguments ---- */

static void arg(struct boot *b, const char *word)
{
    if (b->n_args < ARGS_MAX - 1)
        b->argv[b->n_args++] = word;
}

/* OPTION BEFORE+PATH+AFTER; a comma in a path is doubled, as QEMU wants it. */
static void arg_path(struct boot *b, const char *option, const char *before, const char *path,
                     const char *after)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(sizeof(b->text[0]));
    bool in_list = strchr(before, '=') || *after;

    buf_puts(&text, before);
    for (const char *p = path; *p; p++) {
        if (*p == ',' && in_list)
            buf_putc(&text, ',');
        buf_putc(&text, *p);
    }
    buf_puts(&text, after);
    arg(b, option);
    if (!text.failed && b->n_texts < ELEMENTS(b->text) &&
        str_copy(b->text[b->n_texts], sizeof(b->text[0]), text.data))
        arg(b, b->text[b->n_texts++]);
    else
        arg(b, "");
}

static const char *in_dir(const struct boot *b, const char *name, char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s/%s", b->dir, name);
    return ret;
}

static void arg_port(struct boot *b, const char *id, const char *file, const char *device)
{
    char path[PATH_MAX], before[64];

    snprintf(before, sizeof(before), "socket,id=%s,server=on,wait=off,path=", id);
    arg_path(b, "-chardev", before, in_dir(b, file, path), "");
    arg(b, "-device");
    arg(b, device);
}

/* With Secure Boot: Microsoft's keys are in the variables, and only the firmware writes those. */
static int args_firmware(struct boot *b, bool secure, struct vdi_error *err)
{
    const char *code = secure ? OVMF_SECURE_CODE : OVMF_CODE;
    const char *vars = secure ? OVMF_SECURE_VARS : OVMF_VARS;

    if (access(code, R_OK) < 0 || access(vars, R_OK) < 0) {
        error_set(err, ENOENT, "firmware", "there is no UEFI firmware %s here", code);
        error_hint(err, NULL, "install ovmf");
        return -ENOENT;
    }
    if (secure) {
        arg(b, "-global");
        arg(b, "driver=cfi.pflash01,property=secure,value=on");
    }
    arg_path(b, "-drive", "if=pflash,format=raw,readonly=on,file=", code, "");
    arg_path(b, "-drive", "if=pflash,format=raw,snapshot=on,file=", vars, "");
    return 0;
}

static int args_image(struct boot *b, const char *dir, struct vdi_error *err)
{
    const struct image_manifest *m = b->manifest;
    char path[PATH_MAX];
    int r = 0;

    if (*m->disk && (r = path_join(path, dir, m->disk, err)) == 0)
        arg_path(b, "-drive", "if=virtio,format=qcow2,snapshot=on,file=", path, "");
    if (r == 0 && *m->kernel && (r = path_join(path, dir, m->kernel, err)) == 0)
        arg_path(b, "-kernel", "", path, "");
    if (r == 0 && *m->initrd && (r = path_join(path, dir, m->initrd, err)) == 0)
        arg_path(b, "-initrd", "", path, "");
    if (r == 0 && *m->kernel) {
        arg(b, "-append");
        arg(b, m->cmdline);
    }
    return r;
}

static int make_args(struct boot *b, const struct image_options *o, const char *dir,
                     struct vdi_error *err)
{
    static const char *const fixed[] = {
        "-accel",      "tcg",
        "-cpu",        "max",
        "-nodefaults", "-no-reboot",
        "-display",    "none",
        "-nic",        "none",
        "-device",     "virtio-serial-pci",
        "-sandbox",    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"};
    const char *firmware = image_firmware_names[b->manifest->firmware];
    bool secure = str_equal(firmware, "uefi-secure");
    char path[PATH_MAX];
    int r = 0;

    arg(b, QEMU);
    arg(b, "-machine");
    arg(b, secure ? "q35,usb=off,smm=on" : "q35,usb=off");
    for (size_t i = 0; i < ELEMENTS(fixed); i++)
        arg(b, fixed[i]);
    snprintf(b->text[b->n_texts], sizeof(b->text[0]), "%u", o->memory_mib);
    arg(b, "-m");
    arg(b, b->text[b->n_texts++]);
    arg(b, "-vga");
    arg(b, b->manifest->video == 3 ? "none" : "std");
    if (b->manifest->video == 3) {
        arg(b, "-device");
        arg(b, "bochs-display");
    }
    arg_path(b, "-serial", "file:", in_dir(b, "console", path), "");
    arg_port(b, "job", "job.sock", "virtserialport,chardev=job,name=" RUNNER_PORT_NAME);
    arg_port(b, "agent", "agent.sock", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0");
    if (str_starts_with(firmware, "uefi"))
        r = args_firmware(b, secure, err);
    return r < 0 ? r : args_image(b, dir, err);
}

/* ---- what it says ---- */

static double seconds(const struct boot *b)
{
    return (double)(loop_monotonic_usec(b->loop) - b->started_usec) / USEC_PER_SEC;
}

static void is_ready(struct boot *b)
{
    loop_stop(b->loop);
}

static void take_hello(struct boot *b, const char *json, size_t len)
{
    _cleanup_(runner_message_done) struct runner_message m;
    struct vdi_error err = {0};

    if (b->wants != IMAGE_READY_RUNNER || runner_decode(RUNNER_GUEST, json, len, &m, &err) < 0 ||
        m.type != RUNNER_HELLO)
        return;
    snprintf(b->what, sizeof(b->what), "the runner %s on %s said hello", m.version, m.os);
    is_ready(b);
}

static void on_job(void *p, int fd, unsigned events)
{
    struct boot *b = p;
    char piece[4096];
    const char *json;
    size_t len;
    ssize_t n = read(fd, piece, sizeof(piece));
    enum runner_next next = RUNNER_NEXT_MARK;

    if (n <= 0 || runner_reader_feed(&b->reader, piece, (size_t)n) < 0) {
        source_free(b->job);
        b->job = NULL;
        return;
    }
    while (next != RUNNER_NEXT_NONE) {
        next = runner_reader_next(&b->reader, &json, &len);
        if (next == RUNNER_NEXT_FRAME)
            take_hello(b, json, len);
    }
}

/* The only thing it was asked is to answer. */
static void on_agent(void *p, int fd, unsigned events)
{
    struct boot *b = p;
    char piece[1024];
    ssize_t n = read(fd, piece, sizeof(piece));

    b->agent_bytes += n > 0 ? (size_t)n : 0;
    if (n <= 0 || b->agent_bytes > AGENT_BYTES_MAX) {
        source_free(b->agent);
        b->agent = NULL;
    } else if (b->wants == IMAGE_READY_AGENT && memmem(piece, (size_t)n, "\"return\"", 8)) {
        snprintf(b->what, sizeof(b->what), "the guest agent answered");
        is_ready(b);
    }
}

/* The console's end; a text that is looked for may lie anywhere in it. */
static void read_console(const struct boot *b, struct buf *out)
{
    char path[PATH_MAX], piece[4096];
    _cleanup_(closep) int fd = open(in_dir(b, "console", path), O_RDONLY | O_CLOEXEC);
    ssize_t n;

    while (fd >= 0 && (n = read(fd, piece, sizeof(piece))) > 0)
        if (buf_append(out, piece, (size_t)n) < 0)
            return;
}

static void look_at_console(struct boot *b)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(1 << 20);

    if (b->wants != IMAGE_READY_CONSOLE)
        return;
    read_console(b, &text);
    if (text.len && memmem(text.data, text.len, b->console_text, strlen(b->console_text))) {
        snprintf(b->what, sizeof(b->what), "its console said '%.80s'", b->console_text);
        is_ready(b);
    }
}

/* -1: QEMU has not made it yet. */
static int connect_to(const struct boot *b, const char *file)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", b->dir, file);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void on_look(void *p)
{
    static const char ping[] = "{\"execute\":\"guest-ping\"}\n";
    struct boot *b = p;

    source_rearm(b->look, LOOK_USEC);
    if (b->job_fd < 0 && (b->job_fd = connect_to(b, "job.sock")) >= 0)
        b->job = loop_fd(b->loop, b->job_fd, LOOP_READ, on_job, b);
    if (b->agent_fd < 0 && (b->agent_fd = connect_to(b, "agent.sock")) >= 0) {
        b->agent = loop_fd(b->loop, b->agent_fd, LOOP_READ, on_agent, b);
        /* It waits in the port until an agent opens it. */
        if (send(b->agent_fd, ping, sizeof(ping) - 1, MSG_NOSIGNAL) < 0)
            b->why_not = "its agent's port takes nothing";
    }
    look_at_console(b);
}

/* ---- its life ---- */

static void on_end(void *p, pid_t pid, int status)
{
    struct boot *b = p;

    b->pid = 0;
    b->why_not = "QEMU ended";
    look_at_console(b);
    loop_stop(b->loop);
}

static void on_deadline(void *p)
{
    struct boot *b = p;

    b->why_not = "time is up";
    loop_stop(b->loop);
}

static void on_interrupt(void *p, int signo)
{
    struct boot *b = p;

    b->why_not = "interrupted";
    loop_stop(b->loop);
}

static int start(struct boot *b, struct vdi_error *err)
{
    char path[PATH_MAX], log[PATH_MAX];
    posix_spawn_file_actions_t files;
    int r = program_find(QEMU, "install qemu-system-x86", path, err);

    if (r < 0)
        return r;
    in_dir(b, "qemu.log", log);
    posix_spawn_file_actions_init(&files);
    r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (r == 0)
        r = posix_spawn(&b->pid, path, &files, NULL, (char *const *)b->argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (r)
        b->pid = 0;
    return r ? error_set(err, r, "qemu", "%s does not start: %s", path, strerror(r)) : 0;
}

static int run(struct boot *b, uint32_t timeout_sec, struct vdi_error *err)
{
    int r = start(b, err);

    if (r < 0)
        return r;
    b->started_usec = loop_monotonic_usec(b->loop);
    b->end = loop_child(b->loop, b->pid, on_end, b);
    b->deadline = loop_timer(b->loop, (int64_t)timeout_sec * USEC_PER_SEC, on_deadline, b);
    b->look = loop_timer(b->loop, 0, on_look, b);
    b->interrupt = loop_signal(b->loop, SIGINT, on_interrupt, b);
    if (!b->end || !b->deadline || !b->look || !b->interrupt)
        return error_set(err, ENOMEM, "qemu", "no memory");
    return loop_run(b->loop);
}

static void finish(struct boot *b)
{
    struct source *sources[] = {b->end, b->deadline, b->look, b->job, b->agent, b->interrupt};

    for (size_t i = 0; i < ELEMENTS(sources); i++)
        source_free(sources[i]);
    if (b->pid > 0) {
        kill(b->pid, SIGKILL);
        waitpid(b->pid, NULL, 0);
    }
    closep(&b->job_fd);
    closep(&b->agent_fd);
    runner_reader_done(&b->reader);
    image_dir_remove(b->dir);
    loop_free(b->loop);
}

static const char *tail(const char *text, size_t len, size_t max)
{
    return text + (len > max ? len - max : 0);
}

static void tell(struct boot *b, struct report *report)
{
    _cleanup_(buf_done) struct buf console = BUF_INIT(1 << 20);
    struct vdi_error err = {0};

    if (*b->what) {
        report_ok(report, "it boots: %s after %.1f s", b->what, seconds(b));
        return;
    }
    read_console(b, &console);
    error_set(&err, ETIMEDOUT, "boot", "not ready after %.1f s: %s", seconds(b), b->why_not);
    error_hint(&err, NULL,
               console.len ? "what its console said last follows"
                           : "its serial console (ttyS0) said nothing");
    report_problem(report, &err);
    if (console.len && buf_putc(&console, '\0') == 0)
        for (const char *p = tail(console.data, console.len - 1, CONSOLE_TAIL); *p; p++)
            putchar((unsigned char)*p >= 32 || *p == '\n' ? *p : ' ');
}

int image_boot(const struct image_options *o, const char *dir, const struct image_manifest *m,
               struct report *report, struct vdi_error *err)
{
    struct boot *b = calloc(1, sizeof(*b));
    int r = 0;

    if (!b || !(b->loop = loop_new())) {
        free(b);
        return error_set(err, ENOMEM, "boot", "no memory");
    }
    b->manifest = m;
    b->wants = image_manifest_ready(m, &b->console_text);
    b->job_fd = b->agent_fd = -1;
    b->reader = RUNNER_READER_INIT;
    str_copy(b->dir, sizeof(b->dir), "/tmp/vdi-image.XXXXXX"); /* short: it holds sockets */
    if (!mkdtemp(b->dir))
        r = error_set(err, errno, "boot", "no temporary directory: %s", strerror(errno));
    if (r == 0)
        r = make_args(b, o, dir, err);
    if (r == 0)
        r = run(b, o->timeout_sec, err);
    if (r == 0)
        tell(b, report);
    finish(b);
    free(b);
    return r;
}
