/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_main.c - vdi-writer: puts a job's output into its owner's file, as that owner.
 *
 * Started by vdid, once per file. It gives up all it has of root before it opens anything, copies
 * what is in the spool whenever a byte comes on its stdin, and ends at the end of its stdin when
 * all is in the file and on disk. On an error it says one line and ends with 1.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vdid/become.h"
#include "vdid/writer_file.h"

enum { ARG_UID = 1, ARG_GID, ARG_GROUPS, ARG_MODE, ARG_PATH, ARG_DIR, ARG_HOME, N_ARGS };

static int fail(const char *what, int code)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what,
            code == -ELOOP    ? "is a symbolic link, or leads through one of the kernel's"
            : code == -EINVAL ? "is not a regular file"
                              : strerror(-code));
    return 1;
}

/* A writer of a vdid that was killed may be at work still: it goes first. */
static int wait_for_turn(void)
{
    while (flock(WRITER_SPOOL_FD, LOCK_EX) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int serve(struct writer_file *f)
{
    char pokes[4096];
    ssize_t n = 1;
    int r;

    for (;;) {
        r = writer_file_copy(f);
        if (r < 0 || n == 0)
            break;
        do
            n = read(STDIN_FILENO, pokes, sizeof(pokes));
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return -errno;
    }
    return r == 0 && fsync(f->out) < 0 ? -errno : r;
}

int main(int argc, char **argv)
{
    struct writer_file f;
    const char *path = argc == N_ARGS + 0 ? argv[ARG_PATH] : "";
    int r;

    if (argc != N_ARGS) {
        fputs("vdi-writer is started by vdid\n", stderr);
        return 2;
    }
    r = become_owner(argv[ARG_UID], argv[ARG_GID], argv[ARG_GROUPS]);
    if (r < 0)
        return fail("to become the owner", r);
    r = wait_for_turn();
    if (r == 0)
        r = writer_file_open(&f, WRITER_SPOOL_FD, WRITER_STATE_FD,
                             *argv[ARG_DIR] ? argv[ARG_DIR] : argv[ARG_HOME], path,
                             str_equal(argv[ARG_MODE], "truncate"));
    if (r == 0)
        r = serve(&f);
    return r < 0 ? fail(path, r) : 0;
}
