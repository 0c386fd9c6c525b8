/* SPDX-License-Identifier: Apache-2.0 */
/* viewer.c - finding and running another program: the viewer, ssh. */
#include "cli/viewer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool search(const char *name, char *ret)
{
    const char *path = getenv("PATH");
    for (const char *p = str_is_empty(path) ? PATH_DEFAULT : path; *p; p += *p == ':') {
        size_t n = strcspn(p, ":");
        int len = snprintf(ret, PATH_MAX, "%.*s/%s", (int)n, p, name);
        if (*p == '/' && len < PATH_MAX && is_program(ret))
            return true;
        p += n;
    }
    return false;
}

int program_find(const char *name, const char *remedy, char ret[PATH_MAX], struct vdi_error *err)
{
    if (strchr(name, '/') ? is_program(name) && str_copy(ret, PATH_MAX, name)
                          : *name && search(name, ret))
        return 0;
    error_set(err, ENOEXEC, name, "there is no program %.200s here", name);
    error_hint(err, NULL, remedy);
    return -ENOEXEC;
}

static void become(char *const argv[], int out_fd)
{
    if (out_fd >= 0) {
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0)
            _exit(127);
    }
    execv(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Reads on past the limit, so that the program ends by itself. */
static int read_all(int fd, struct buf *out)
{
    char piece[4096];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_append(out, piece, (size_t)n);
    }
    explicit_bzero(piece, sizeof(piece));
    return out->failed ? -EFBIG : 0;
}

static int wait_end(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int program_run(char *const argv[], struct buf *out, int *ret_code, struct vdi_error *err)
{
    int ends[2] = {-1, -1}, r = 0;
    if (out && pipe2(ends, O_CLOEXEC) < 0)
        return error_set(err, errno, "", "no pipe: %s", strerror(errno)), -EIO;
    pid_t pid = fork();
    if (pid == 0)
        become(argv, ends[1]);
    closep(&ends[1]);
    if (pid < 0) {
        closep(&ends[0]);
        return error_set(err, errno, "", "no new process: %s", strerror(errno)), -EIO;
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGINT, &ignore, &old);
    if (out)
        r = read_all(ends[0], out);
    closep(&ends[0]);
    *ret_code = wait_end(pid);
    sigaction(SIGINT, &old, NULL);
    return r < 0 ? error_set(err, EFBIG, "", "%.100s says too much", argv[0]) : 0;
}
