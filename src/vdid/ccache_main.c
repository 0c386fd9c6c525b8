/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ccache_main.c - vdi-ccache: reads the Kerberos credential cache of a job's owner, as that owner.
 *
 *     vdi-ccache UID GID GROUPS PATH
 *
 * Started by vdid. It gives up all it has of root before it opens anything, and writes what is in
 * the file to its stdout, which is memory of vdid's, whole or not at all. On an error it says one
 * line on stderr and ends with 1.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "vdid/become.h"
#include "vdid/ccache_file.h"

enum { ARG_UID = 1, ARG_GID, ARG_GROUPS, ARG_PATH, N_ARGS };

static int write_all(const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, data, len);

        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static uint8_t data[CCACHE_MAX];
    const struct rlimit none = {0, 0};
    struct vdi_error err = {0};
    size_t len = 0;
    int r;

    if (argc != N_ARGS) {
        fputs("vdi-ccache is started by vdid\n", stderr);
        return 2;
    }
    setrlimit(RLIMIT_CORE, &none);
    r = become_owner(argv[ARG_UID], argv[ARG_GID], argv[ARG_GROUPS]);
    if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
        r = -errno;
    if (r < 0)
        error_set(&err, r, "ticket", "to become the owner: %s", strerror(-r));
    else
        r = ccache_file_read(argv[ARG_PATH], time(NULL), data, &len, &err);
    if (r == 0)
        r = write_all(data, len);
    explicit_bzero(data, sizeof(data));
    if (r < 0)
        dprintf(STDERR_FILENO, "%s\n", *err.detail ? err.detail : strerror(-r));
    return r < 0;
}
