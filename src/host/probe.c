/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - trying something in a child, so that a crash or a hang is only a sentence.
 *
 * The child never returns from here, runs no atexit function and leaves no core.
 * The parent always reaps it.
 */
#include "host/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"

struct answer {
    int code;
    struct vdi_error err;
};

_Static_assert(sizeof(struct answer) <= 4096, "an answer is one atomic write to a pipe");

static _Noreturn void child(int fd, int (*fn)(void *arg, struct vdi_error *err), void *arg)
{
    struct answer answer = {0};
    sigset_t none;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    answer.code = fn(arg, &answer.err);
    _exit(write(fd, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
}

/* 1: there is something to read, or the end; 0: the deadline passed. */
static int wait_readable(int fd, int64_t until_usec)
{
    for (;;) {
        int64_t left = until_usec - time_monotonic_usec();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0)
            return 0;
        int n = poll(&p, 1, (int)(left / USEC_PER_MSEC) + 1);
        if (n > 0)
            return 1;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return 0;
    }
    return status;
}

static int no_answer(const char *what, pid_t pid, struct vdi_error *err)
{
    int status = reap(pid);
    if (WIFSIGNALED(status))
        error_set(err, EIO, "plugin", "%s crashed while it was loaded: %s", what,
                  strsignal(WTERMSIG(status)));
    else
        error_set(err, EIO, "plugin", "%s ended its process while it was loaded", what);
    error_hint(err, NULL, "reinstall the plugin, or tell those who made it");
    return -EIO;
}

static int too_late(const char *what, pid_t pid, int64_t deadline_usec, struct vdi_error *err)
{
    kill(pid, SIGKILL);
    reap(pid);
    error_set(err, ETIMEDOUT, "plugin", "%s was not loaded after %.1f seconds", what,
              (double)deadline_usec / USEC_PER_SEC);
    error_hint(err, NULL, "reinstall the plugin, or tell those who made it");
    return -ETIMEDOUT;
}

int probe_run(const char *what, int64_t deadline_usec, int (*fn)(void *arg, struct vdi_error *err),
              void *arg, struct vdi_error *err)
{
    int fds[2];
    struct answer answer;
    int64_t until = time_monotonic_usec() + deadline_usec;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set(err, errno, "plugin", "no pipe to try %s: %s", what, strerror(errno));
    _cleanup_(closep) int rfd = fds[0];
    _cleanup_(closep) int wfd = fds[1];
    pid_t pid = fork();
    if (pid < 0)
        return error_set(err, errno, "plugin", "no child to try %s: %s", what, strerror(errno));
    if (pid == 0)
        child(wfd, fn, arg);
    close(TAKE_FD(wfd));
    int r = wait_readable(rfd, until);
    if (r <= 0)
        return too_late(what, pid, deadline_usec, err);
    if (read(rfd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
        return no_answer(what, pid, err);
    kill(pid, SIGKILL); /* it has nothing more to say; exit functions of the plugin stay out */
    reap(pid);
    if (answer.code < 0 && err)
        *err = answer.err;
    return answer.code;
}
