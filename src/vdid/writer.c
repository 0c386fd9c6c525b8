/* SPDX-License-Identifier: Apache-2.0 */
/* writer.c - the child that writes a file as its owner: started, told of more, waited for. */
#include "vdid/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "vdid/writer_file.h"

#define WHY_MAX 256

struct writer {
    pid_t pid; /* 0: has ended */
    int pokes; /* -1: it was told to finish */
    int words; /* what it says of an error */
    struct source *end;
    writer_fn done;
    void *arg;
};

void writer_free(struct writer *w)
{
    if (!w)
        return;
    source_free(w->end);
    closep(&w->pokes);
    closep(&w->words);
    if (w->pid)
        waitpid(w->pid, NULL, WNOHANG); /* if it ends later, init or our end reaps it */
    free(w);
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct writer *w = arg;
    char why[WHY_MAX];
    ssize_t n = pread(w->words, why, sizeof(why) - 1, 0);

    why[n > 0 ? n : 0] = '\0';
    why[strcspn(why, "\n")] = '\0';
    w->pid = 0;
    if (status == 0)
        why[0] = '\0';
    else if (!*why)
        snprintf(why, sizeof(why), "the program that writes it ended with status %#x",
                 (unsigned)status);
    w->done(w->arg, why);
}

static void write_groups(const struct runner_owner *o, struct buf *out)
{
    for (uint32_t i = 0; i < o->n_groups; i++)
        buf_printf(out, "%s%u", i ? "," : "", o->groups[i].gid);
    buf_puts(out, "");
}

/* The files become descriptors 0, 2, 3, 4; all of ours are above those and close on exec. */
static int spawn(struct writer *w, const char *const *argv, const int *fds)
{
    static char *const environment[] = {NULL};
    static const int targets[] = {STDIN_FILENO, STDERR_FILENO, WRITER_SPOOL_FD, WRITER_STATE_FD};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    r = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; !r && i < ELEMENTS(targets); i++)
        r = posix_spawn_file_actions_adddup2(&files, fds[i], targets[i]);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!r)
        r = posix_spawn(&w->pid, argv[0], &files, &attr, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (r)
        w->pid = 0;
    return -r;
}

/* Out of the way of the child's descriptors. Takes fd. */
static int lift(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, WRITER_STATE_FD + 1);

    if (fd >= 0)
        close(fd);
    return high;
}

static int open_files(const struct writer_config *c, struct writer *w, int *fds)
{
    int pokes[2];

    if (pipe2(pokes, O_CLOEXEC) < 0)
        return -errno;
    fds[0] = lift(pokes[0]);
    w->pokes = lift(pokes[1]);
    w->words = lift(memfd_create("words", MFD_CLOEXEC));
    fds[1] = lift(w->words < 0 ? -1 : dup(w->words));
    fds[2] = lift(open(c->spool, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    fds[3] = lift(open(c->state, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    for (int i = 0; i < 4; i++)
        if (fds[i] < 0)
            return -errno;
    return w->pokes < 0 || fcntl(w->pokes, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start(struct loop *loop, const struct writer_config *c, struct writer *w)
{
    const struct runner_owner *o = c->owner;
    _cleanup_(buf_done) struct buf groups = BUF_INIT(4096);
    char uid[16], gid[16];
    const char *const argv[] = {
        c->program, uid,         gid,     NULL, c->truncate ? "truncate" : "append",
        c->path,    c->work_dir, o->home, NULL};
    const char *args[ELEMENTS(argv)];
    int fds[4] = {-1, -1, -1, -1};
    int r = open_files(c, w, fds);

    snprintf(uid, sizeof(uid), "%u", o->uid);
    snprintf(gid, sizeof(gid), "%u", o->gid);
    write_groups(o, &groups);
    memcpy(args, argv, sizeof(args));
    args[3] = groups.data;
    if (r == 0)
        r = groups.failed ? -ENOMEM : spawn(w, args, fds);
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        closep(&fds[i]);
    if (r < 0)
        return r;
    w->end = loop_child(loop, w->pid, on_end, w);
    return w->end ? 0 : -errno;
}

int writer_new(struct loop *loop, const struct writer_config *config, writer_fn done, void *arg,
               struct writer **ret, struct vdi_error *err)
{
    struct writer *w = calloc(1, sizeof(*w));
    int r = -ENOMEM;

    if (w) {
        *w = (struct writer){.pokes = -1, .words = -1, .done = done, .arg = arg};
        r = start(loop, config, w);
    }
    if (r < 0) {
        writer_free(w);
        return error_set(err, r, "output", "%s does not start: %s", config->program, strerror(-r));
    }
    *ret = w;
    return 0;
}

void writer_poke(struct writer *w)
{
    ssize_t n = w->pokes < 0 ? 0 : write(w->pokes, "", 1);

    (void)n; /* full: it has been told often enough; broken: its end is on its way to us */
}

void writer_finish(struct writer *w)
{
    closep(&w->pokes);
    w->pokes = -1;
}
