/* SPDX-License-Identifier: Apache-2.0 */
/* image_file.c - an image's files, opened and judged; and the tools that are run on them. */
#include "cli/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/viewer.h"

int path_join(char ret[PATH_MAX], const char *dir, const char *name, struct vdi_error *err)
{
    if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
        return 0;
    return error_set(err, ENAMETOOLONG, "path", "the path of %.100s is too long", name);
}

int image_file_open(const char *path, struct stat *ret_st, struct vdi_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r;

    if (fd < 0 || fstat(fd, ret_st) < 0) {
        r = -errno;
        error_set(err, r, "image", "%s cannot be read: %s", path,
                  r == -ELOOP ? "it is a link" : strerror(-r));
    } else {
        r = image_file_check(ret_st, geteuid(), path, err);
    }
    if (r < 0)
        closep(&fd);
    return r < 0 ? r : fd;
}

static int read_text(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while (len < size && (n = read(fd, text + len, size - len)) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
    }
    return len < size ? (int)len : -EFBIG;
}

int image_manifest_load(const char *dir, struct image_manifest *ret, struct vdi_error *err)
{
    char path[PATH_MAX], text[IMAGE_MANIFEST_MAX + 1];
    _cleanup_(closep) int fd = -1;
    struct stat st;
    int n = path_join(path, dir, "image.json", err);

    if (n < 0)
        return n;
    fd = image_file_open(path, &st, err);
    if (fd < 0)
        return fd;
    n = read_text(fd, text, sizeof(text));
    if (n < 0)
        return error_set(err, n, "image", "%s cannot be read: %s", path, strerror(-n));
    return image_manifest_read(text, (size_t)n, path, ret, err);
}

int image_qcow2_load(const char *path, struct qcow2_header *ret, struct vdi_error *err)
{
    unsigned char bytes[QCOW2_HEADER_BYTES];
    struct stat st;
    _cleanup_(closep) int fd = image_file_open(path, &st, err);
    ssize_t n = fd < 0 ? 0 : pread(fd, bytes, sizeof(bytes), 0);

    return fd < 0 ? fd : qcow2_header_check(bytes, n < 0 ? 0 : (size_t)n, path, ret, err);
}

const char *size_text(uint64_t bytes, char *buf)
{
    double mib = (double)bytes / (1 << 20);

    if (mib < 1024)
        snprintf(buf, 32, "%.0f MiB", mib);
    else
        snprintf(buf, 32, "%.1f GiB", mib / 1024);
    return buf;
}

int tool_run(const char *const argv[], const char *remedy, struct buf *out, int *ret_code,
             struct vdi_error *err)
{
    char path[PATH_MAX], *args[64] = {path};
    int r = program_find(argv[0], remedy, path, err);

    for (size_t i = 1; argv[i] && i < ELEMENTS(args) - 1; i++)
        memcpy(&args[i], &argv[i], sizeof(args[i]));
    return r < 0 ? r : program_run(args, out, ret_code, err);
}

int image_file_sha256(const char *path, char *ret, struct vdi_error *err)
{
    const char *const argv[] = {"sha256sum", "--binary", "--", path, NULL};
    _cleanup_(buf_done) struct buf out = BUF_INIT(PATH_MAX + 128);
    const char *hex;
    int code, r = tool_run(argv, "install coreutils", &out, &code, err);

    if (r < 0)
        return r;
    hex = out.data ? out.data : "";
    hex += *hex == '\\'; /* so it begins when the name has a backslash */
    if (code != 0 || strspn(hex, "0123456789abcdef") != 64)
        return error_set(err, EIO, "image", "the digest of %s cannot be computed", path), -EIO;
    memcpy(ret, hex, 64);
    ret[64] = '\0';
    return 0;
}

void image_dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (!str_equal(entry->d_name, ".") && !str_equal(entry->d_name, ".."))
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}
