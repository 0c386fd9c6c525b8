/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - whole small files, and digests of large ones; for worker threads: all of it blocks. */
#include "vdid/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

#define CHUNK_BYTES (1u << 20)

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

int file_sync_dir(const char *dir)
{
    _cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int sync_parent(const char *path)
{
    char dir[PATH_MAX], *slash;

    str_copy(dir, sizeof(dir), path);
    slash = strrchr(dir, '/');
    if (!slash)
        return -EINVAL;
    *slash = '\0';
    return file_sync_dir(dir);
}

int file_replace(const char *path, const char *text, size_t len)
{
    char temporary[PATH_MAX];
    int fd, r;

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
        return -ENAMETOOLONG;
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, text, len);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temporary);
        return r;
    }
    return sync_parent(path);
}

int file_remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int r = 0;

    if (!d)
        return errno == ENOENT ? 0 : -errno;
    while (r == 0 && (entry = readdir(d))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (unlinkat(dirfd(d), entry->d_name, 0) < 0)
            r = errno == EISDIR ? -ENOTEMPTY : -errno;
    }
    closedir(d);
    if (r == 0 && rmdir(dir) < 0)
        r = -errno;
    return r;
}

int file_make_dir(const char *path)
{
    char part[PATH_MAX];

    if (path[0] != '/' || !str_copy(part, sizeof(part), path))
        return -EINVAL;
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(part, 0711) < 0 && errno != EEXIST)
            return -errno;
        if (!slash)
            return 0;
        *slash = '/';
    }
}

static int digest_all(EVP_MD_CTX *ctx, int fd, unsigned char *chunk)
{
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, chunk, CHUNK_BYTES, at)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
            return -EIO;
        at += n;
    }
    return 0;
}

int file_sha256(int fd, char *ret)
{
    _cleanup_(freep) unsigned char *chunk = malloc(CHUNK_BYTES);
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int r = -ENOMEM;

    if (chunk && ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1)
        r = digest_all(ctx, fd, chunk);
    if (r == 0 && EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        r = -EIO;
    EVP_MD_CTX_free(ctx);
    if (r == 0)
        str_to_hex(digest, 32, ret);
    return r;
}
