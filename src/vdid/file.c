/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - directories of files, and digests of large ones; for worker threads: all blocks. */
#include "vdid/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

#define CHUNK_BYTES (1u << 20)

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
