/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - whole small files: read within a limit, replaced so that a crash leaves old or new.
 *
 * A link is never followed: it could lead where only we may write.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

int file_read(const char *path, struct buf *out)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    ssize_t n = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if (out->max && (uint64_t)st.st_size > out->max)
        return -EFBIG;
    do {
        char chunk[4096];

        n = read(fd, chunk, sizeof(chunk));
        if (n > 0 && buf_append(out, chunk, (size_t)n) < 0)
            return -EFBIG;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0)
        return -errno;
    return buf_append(out, "", 0); /* an empty file is "", not NULL */
}

int file_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_sync_dir(const char *dir)
{
    _cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_parent(const char *path)
{
    char dir[PATH_MAX], *slash;

    str_copy(dir, sizeof(dir), path);
    slash = strrchr(dir, '/');
    if (!slash)
        return file_sync_dir(".");
    slash[slash == dir] = '\0'; /* "/" is its own */
    return file_sync_dir(dir);
}

/* like NULL: what open() made of it. */
static int write_new(const char *path, const void *data, size_t len, const struct stat *like)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r;

    if (fd < 0)
        return -errno;
    r = file_write_all(fd, data, len);
    if (r == 0 && like &&
        ((geteuid() == 0 && fchown(fd, like->st_uid, like->st_gid) < 0) ||
         fchmod(fd, like->st_mode & 07777) < 0))
        r = -errno;
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int file_replace_like(const char *path, const void *data, size_t len, const struct stat *like)
{
    char temporary[PATH_MAX];
    int r;

    if (snprintf(temporary, sizeof(temporary), "%s.vdi-new", path) >= (int)sizeof(temporary))
        return -ENAMETOOLONG;
    r = write_new(temporary, data, len, like);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temporary);
        return r;
    }
    return sync_parent(path);
}

int file_replace(const char *path, const void *data, size_t len)
{
    return file_replace_like(path, data, len, NULL);
}
