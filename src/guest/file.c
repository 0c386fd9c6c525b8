/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - small files that are replaced whole, so that a crash leaves the old or the new one. */
#include "guest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

int file_write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_dir_of(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", path);
    _cleanup_(closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_new(const char *path, const struct buf *text, const struct stat *like)
{
    _cleanup_(closep) int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = file_write_all(fd, text->data, text->len);
    if (r < 0)
        return r;
    if ((geteuid() == 0 && fchown(fd, like->st_uid, like->st_gid) < 0) ||
        fchmod(fd, like->st_mode & 07777) < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

int file_replace(const char *path, const struct buf *text, const struct stat *like)
{
    char temp[PATH_MAX];
    if (text->failed)
        return -ENOMEM;
    if (snprintf(temp, sizeof(temp), "%s.vdi-new", path) >= (int)sizeof(temp))
        return -ENAMETOOLONG;
    int r = write_new(temp, text, like);
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temp);
        return r;
    }
    return sync_dir_of(path);
}
