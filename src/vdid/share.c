/* SPDX-License-Identifier: Apache-2.0 */
/* share.c - the server of a shared directory: its socket, its start, its end. */
#include "vdid/share.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "vdid/file.h"

#define WHY_MAX 256
#define NOTE_MAX 64
#define STAT_MAX 4096

struct share {
    pid_t pid;
    int status, words; /* -1: closed */
    struct source *reads, *end;
    bool is_started;
    char why[WHY_MAX];
    share_fn started, ended;
    void *arg;
};

const char *share_find_server(void)
{
    static const char *const paths[] = {"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd",
                                        "/usr/lib/virtiofsd"};

    for (size_t i = 0; i < ELEMENTS(paths); i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

void share_free(struct share *s)
{
    if (!s)
        return;
    source_free(s->reads);
    source_free(s->end);
    closep(&s->status);
    closep(&s->words);
    free(s);
}

/* ---- which process it is ---- */

/* Field 22 of proc(5)'s stat: with it a number is one process for ever. */
static uint64_t start_ticks(pid_t pid)
{
    struct buf text = BUF_INIT(STAT_MAX);
    char path[64];
    uint64_t ticks = 0;
    const char *p;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    p = file_read(path, &text) == 0 ? strrchr(text.data, ')') : NULL;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p || sscanf(p, " %" SCNu64, &ticks) != 1)
        ticks = 0;
    buf_done(&text);
    return ticks;
}

static pid_t read_note(const char *note)
{
    struct buf text = BUF_INIT(NOTE_MAX);
    uint64_t ticks = 0;
    int pid = 0;

    if (file_read(note, &text) < 0 || sscanf(text.data, "%d %" SCNu64, &pid, &ticks) != 2 ||
        pid <= 1 || ticks == 0 || start_ticks(pid) != ticks)
        pid = 0;
    buf_done(&text);
    return pid;
}

void share_end(const char *note)
{
    pid_t pid = read_note(note);

    if (pid)
        kill(pid, SIGKILL);
    unlink(note);
}

/* ---- its end ---- */

static void read_words(struct share *s)
{
    char text[WHY_MAX];
    ssize_t n = s->words < 0 ? 0 : read(s->words, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    str_copy(s->why, sizeof(s->why), *text ? text : "its server (virtiofsd) has ended");
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct share *s = arg;

    if (!s->is_started)
        return; /* the status says why */
    read_words(s);
    s->ended(s->arg, s->why);
}

/* ---- its start ---- */

static void on_status(void *arg, int fd, unsigned events)
{
    struct share *s = arg;
    char text[WHY_MAX];
    ssize_t n = read(fd, text, sizeof(text) - 1);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    str_copy(s->why, sizeof(s->why), text);
    source_free(s->reads);
    s->reads = NULL;
    s->is_started = !*text;
    s->started(s->arg, s->why);
}

static int lift(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SHARE_NOTE_FD + 1);

    if (fd >= 0)
        close(fd);
    return high;
}

/* In a directory of ours: nobody can put another in its place. */
static int make_socket(const struct share_config *c)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd;

    if (!str_copy(addr.sun_path, sizeof(addr.sun_path), c->socket))
        return -ENAMETOOLONG;
    fd = lift(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return -errno;
    unlink(c->socket);
    /* Before anybody can listen to it: the mode is that of the inode that bind(2) makes. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        chmod(c->socket, 0600) < 0 || lchown(c->socket, c->uid, c->gid) < 0 || listen(fd, 1) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

static int make_pipe(int *ret_here, int *ret_there)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    *ret_here = lift(fds[0]);
    *ret_there = lift(fds[1]);
    return *ret_here < 0 || *ret_there < 0 ? -errno : 0;
}

/* fds become SHARE_..._FD and stderr. */
static int spawn(struct share *s, const char *const *argv, const int *fds)
{
    static char *const environment[] = {NULL};
    static const int targets[] = {STDERR_FILENO, SHARE_STATUS_FD, SHARE_SOCKET_FD, SHARE_NOTE_FD};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!r)
        r = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; !r && i < ELEMENTS(targets); i++)
        r = posix_spawn_file_actions_adddup2(&files, fds[i], targets[i]);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!r)
        r = posix_spawn(&s->pid, argv[0], &files, &attr, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return -r;
}

static int open_files(struct share *s, const struct share_config *c, int *fds)
{
    int r = make_pipe(&s->words, &fds[0]);

    if (r == 0)
        r = make_pipe(&s->status, &fds[1]);
    if (r == 0)
        r = fds[2] = make_socket(c);
    if (r < 0)
        return r;
    fds[3] = lift(open(c->note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    return fds[3] < 0 ? -errno : 0;
}

static int start(struct loop *loop, struct share *s, const struct share_config *c)
{
    const struct runner_owner *o = c->owner;
    _cleanup_(buf_done) struct buf groups = BUF_INIT(4096);
    char uid[16], gid[16];
    int fds[4] = {-1, -1, -1, -1};
    int r = open_files(s, c, fds);

    snprintf(uid, sizeof(uid), "%u", o->uid);
    snprintf(gid, sizeof(gid), "%u", o->gid);
    buf_puts(&groups, "");
    for (uint32_t i = 0; i < o->n_groups; i++)
        buf_printf(&groups, "%s%u", i ? "," : "", o->groups[i].gid);
    const char *const argv[] = {c->program, uid,       gid, groups.data, c->read_only ? "ro" : "rw",
                                c->source,  c->server, NULL};
    if (r == 0)
        r = groups.failed ? -ENOMEM : spawn(s, argv, fds);
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        closep(&fds[i]);
    if (r < 0)
        return r;
    s->reads = loop_fd(loop, s->status, LOOP_READ, on_status, s);
    s->end = loop_child(loop, s->pid, on_end, s);
    if (s->reads && s->end)
        return 0;
    kill(s->pid, SIGKILL);
    if (!s->end)
        waitpid(s->pid, NULL, 0);
    return -ENOMEM;
}

static struct share *make(share_fn started, share_fn ended, void *arg)
{
    struct share *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->status = s->words = -1;
    s->started = started;
    s->ended = ended;
    s->arg = arg;
    return s;
}

int share_new(struct loop *loop, const struct share_config *config, share_fn started,
              share_fn ended, void *arg, struct share **ret, struct vdi_error *err)
{
    struct share *s = make(started, ended, arg);
    int r = s ? start(loop, s, config) : -ENOMEM;

    if (r < 0) {
        share_free(s);
        error_set(err, r, "mounts", "%s can't be started: %s", config->program, strerror(-r));
        return r;
    }
    *ret = s;
    return 0;
}

int share_watch(struct loop *loop, const char *note, share_fn ended, void *arg, struct share **ret)
{
    pid_t pid = read_note(note);
    struct share *s = pid ? make(NULL, ended, arg) : NULL;

    if (!s)
        return pid ? -ENOMEM : -ENOENT;
    s->pid = pid;
    s->is_started = true;
    s->end = loop_child(loop, pid, on_end, s);
    if (!s->end) {
        share_free(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}
