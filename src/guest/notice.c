/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice.c - what the host wants besides scripts: tell the user, set the clock, switch off.
 *
 * Programs are started twice removed, so that nobody has to wait for them. A text goes through a
 * pipe that holds all of it (4 KiB): writing it cannot block.
 */
#include "guest/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"

#define SKEW_MIN_USEC (500 * USEC_PER_MSEC)
#define DEADLINE_SEC 60 /* a program that hangs is ended by its own alarm */

static _Noreturn void grandchild_main(const char *program, int in)
{
    sigset_t none;
    char *const argv[] = {(char *)(uintptr_t)program, NULL};

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    alarm(DEADLINE_SEC);
    if (dup2(in, STDIN_FILENO) >= 0)
        execv(program, argv);
    _exit(127);
}

static void run_program(const char *program, int in)
{
    pid_t pid = fork();

    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            grandchild_main(program, in);
        _exit(pid < 0);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) < 0)
        log_warning("%s can't be started: %s", program, strerror(errno));
}

static void to_console(const char *text)
{
    _cleanup_(closep) int fd = open("/dev/console", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    if (n < 0)
        log_warning("nobody could be told: %s", text);
}

void notice_message(const char *hook, const char *text)
{
    static const char *const walls[] = {"/usr/bin/wall", "/bin/wall"};
    const char *program = access(hook, X_OK) == 0 ? hook : NULL;
    int pipe_fds[2];

    for (size_t i = 0; i < ELEMENTS(walls) && !program; i++)
        program = access(walls[i], X_OK) == 0 ? walls[i] : NULL;
    if (!program || pipe2(pipe_fds, O_CLOEXEC) < 0) {
        to_console(text);
        return;
    }
    if (write(pipe_fds[1], text, strlen(text)) < 0)
        log_warning("a message could not be handed to %s: %s", program, strerror(errno));
    close(pipe_fds[1]);
    run_program(program, pipe_fds[0]);
    close(pipe_fds[0]);
}

void notice_shutdown(const char *program)
{
    _cleanup_(closep) int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

    log_info("the host asks for a shutdown");
    run_program(program, in);
}

void notice_time(int64_t usec)
{
    int64_t skew = usec - time_now_usec();
    struct timespec now = {.tv_sec = (time_t)(usec / USEC_PER_SEC),
                           .tv_nsec = usec % USEC_PER_SEC * 1000};

    if (skew < SKEW_MIN_USEC && skew > -SKEW_MIN_USEC)
        return;
    if (clock_settime(CLOCK_REALTIME, &now) < 0)
        log_warning("the clock can't be set: %s", strerror(errno));
    else
        log_info("the clock was off by %lld ms", (long long)(-skew / USEC_PER_MSEC));
}
