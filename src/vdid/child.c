/* SPDX-License-Identifier: Apache-2.0 */
/* child.c - a helper program with a deadline; its output goes to a file that has no name. */
#include "vdid/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

extern char **environ;

struct child {
    pid_t pid; /* 0: has ended */
    int output;
    struct source *end, *deadline;
    bool is_late;
    child_fn fn;
    void *arg;
};

void child_free(struct child *c)
{
    if (!c)
        return;
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    source_free(c->end);
    source_free(c->deadline);
    closep(&c->output);
    free(c);
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct child *c = arg;
    char text[CHILD_OUTPUT_MAX];
    ssize_t n = pread(c->output, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    c->pid = 0;
    source_rearm(c->deadline, -1);
    c->fn(c->arg, c->is_late ? -ETIMEDOUT : status, text);
}

static void on_deadline(void *arg)
{
    struct child *c = arg;

    c->is_late = true;
    kill(c->pid, SIGKILL);
}

static int spawn(struct child *c, const char *const *argv, int out)
{
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
        r = posix_spawn_file_actions_adddup2(&files, out < 0 ? c->output : out, 1);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&files, c->output, 2);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!r)
        r = posix_spawnp(&c->pid, argv[0], &files, &attr, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (r)
        c->pid = 0;
    return -r;
}

int child_start_to(struct loop *loop, const char *const *argv, int out, int64_t deadline_usec,
                   child_fn fn, void *arg, struct child **ret, struct vdi_error *err)
{
    struct child *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return error_set(err, ENOMEM, argv[0], "no memory");
    c->fn = fn;
    c->arg = arg;
    c->output = memfd_create("output", MFD_CLOEXEC);
    r = c->output < 0 ? -errno : spawn(c, argv, out);
    if (r == 0) {
        c->end = loop_child(loop, c->pid, on_end, c);
        c->deadline = c->end ? loop_timer(loop, deadline_usec, on_deadline, c) : NULL;
        r = c->deadline ? 0 : -errno;
    }
    if (r < 0) {
        child_free(c);
        return error_set(err, r, argv[0], "%s does not start: %s", argv[0], strerror(-r));
    }
    *ret = c;
    return 0;
}

int child_start(struct loop *loop, const char *const *argv, int64_t deadline_usec, child_fn fn,
                void *arg, struct child **ret, struct vdi_error *err)
{
    return child_start_to(loop, argv, -1, deadline_usec, fn, arg, ret, err);
}
