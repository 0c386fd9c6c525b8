/* SPDX-License-Identifier: Apache-2.0 */
/* waiting.c - what a seat shows until it is somebody's. */
#include "guest/waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define NOBODY 65534

static bool become_nobody(void)
{
    return geteuid() != 0 ||
           (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static _Noreturn void child_main(const char *program, char *const *env, pid_t runner)
{
    char *const argv[] = {(char *)(uintptr_t)program, NULL};
    int null = open("/dev/null", O_RDWR);
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    clearenv();
    for (char *const *e = env; e && *e; e++)
        putenv(*e);
    setenv("PATH", "/usr/bin:/bin", 1);
    /* A change of ids takes the death signal away: it comes after. */
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && become_nobody() && chdir("/") == 0 &&
        prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == runner)
        execv(program, argv);
    _exit(127);
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct waiting *w = arg;

    log_warning("the program that is shown until there is an owner has ended (status %#x)", status);
    source_free(w->child);
    *w = (struct waiting){0};
}

void waiting_begin(struct waiting *w, struct loop *loop, const char *program, char *const *env)
{
    pid_t runner = getpid();

    if (w->pid || access(program, X_OK) < 0)
        return;
    w->pid = fork();
    if (w->pid == 0)
        child_main(program, env, runner);
    w->child = w->pid > 0 ? loop_child(loop, w->pid, on_end, w) : NULL;
    if (w->child)
        return;
    log_warning("%s can't be started: %s", program, strerror(errno));
    waiting_end(w);
}

void waiting_end(struct waiting *w)
{
    source_free(w->child);
    if (w->pid > 0) {
        kill(-w->pid, SIGKILL);
        kill(w->pid, SIGKILL); /* before its setsid() there is no such group */
        waitpid(w->pid, NULL, 0);
    }
    *w = (struct waiting){0};
}
