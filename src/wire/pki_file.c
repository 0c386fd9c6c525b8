/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki_file.c - the files of the CA's directory: private, locked, synced.
 *
 * Links are not followed, what is read must be a plain file, and a private one must belong
 * to us or root and be closed to everyone else.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "wire/pki_internal.h"

#define OTHERS 077

static int check_private(const struct stat *st, const char *path, struct vdi_error *err)
{
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        error_set(err, EPERM, path, "%s belongs to uid %u.", path, (unsigned)st->st_uid);
        error_hint(err, NULL, "It must belong to the user of this program, or to root.");
        return -EPERM;
    }
    if (st->st_mode & OTHERS) {
        error_set(err, EPERM, path, "%s has mode %04o: others may use it.", path,
                  (unsigned)st->st_mode & 07777);
        error_hint(err, S_ISDIR(st->st_mode) ? "mode 0700" : "mode 0600",
                   "Take it as known to others and make a new one, or chmod it if it is not.");
        return -EPERM;
    }
    return 0;
}

int pki_dir_open(const char *dir, int *ret_fd, struct vdi_error *err)
{
    struct stat st;
    _cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;
        error_set(err, r, dir, "%s cannot be opened: %s.", dir, strerror(-r));
        if (r == -ENOENT)
            error_hint(err, NULL, "Make it with: vdictl pki init");
        return r;
    }
    int r = check_private(&st, dir, err);
    if (r < 0)
        return r;
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return error_set(err, errno, dir, "%s cannot be locked: %s.", dir, strerror(errno));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int pki_dir_make(const char *dir, int *ret_fd, struct vdi_error *err)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_set(err, errno, dir, "%s cannot be made: %s.", dir, strerror(errno));
    return pki_dir_open(dir, ret_fd, err);
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int say(struct vdi_error *err, int r, const char *name)
{
    error_set(err, r, name, "%s cannot be written: %s.", name, strerror(-r));
    if (r == -EEXIST)
        error_hint(err, NULL, "Nothing is overwritten: move it away first if it is to go.");
    return r;
}

int pki_file_create(int dir_fd, const char *name, const void *data, size_t len,
                    struct vdi_error *err)
{
    _cleanup_(closep) int fd =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return say(err, -errno, name);
    int r = fchmod(fd, 0600) < 0 ? -errno : write_all(fd, data, len);
    if (r == 0 && dir_fd != AT_FDCWD && fsync(dir_fd) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(dir_fd, name, 0);
        return say(err, r, name);
    }
    return 0;
}

int pki_file_replace(int dir_fd, const char *name, const void *data, size_t len,
                     struct vdi_error *err)
{
    char fresh[64];
    snprintf(fresh, sizeof(fresh), ".%s.new", name);
    unlinkat(dir_fd, fresh, 0); /* of one who died here; we hold the lock */
    int r = pki_file_create(dir_fd, fresh, data, len, err);
    if (r < 0)
        return r;
    if (renameat(dir_fd, fresh, dir_fd, name) < 0 || fsync(dir_fd) < 0)
        return say(err, -errno, name);
    return 0;
}

int pki_file_append(int dir_fd, const char *name, const char *line, struct vdi_error *err)
{
    _cleanup_(closep) int fd = openat(dir_fd, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return pki_file_create(dir_fd, name, line, strlen(line), err);
    if (fd < 0)
        return say(err, -errno, name);
    int r = write_all(fd, line, strlen(line));
    return r < 0 ? say(err, r, name) : 0;
}

static int read_all(int fd, size_t max, struct buf *ret)
{
    *ret = BUF_INIT(max);
    for (;;) {
        char piece[4096];
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        int r = n < 0 ? -errno : buf_append(ret, piece, (size_t)n);
        OPENSSL_cleanse(piece, sizeof(piece));
        if (r < 0 || n == 0)
            return r;
    }
}

int pki_file_read(int dir_fd, const char *path, size_t max, bool is_private, struct buf *ret,
                  struct vdi_error *err)
{
    struct stat st;
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (is_private ? O_NOFOLLOW : 0);
    _cleanup_(closep) int fd = openat(dir_fd, path, flags);
    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, errno, path, "%s cannot be read: %s.", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, EINVAL, path, "%s is not a file.", path);
    int r = is_private ? check_private(&st, path, err) : 0;
    if (r < 0)
        return r;
    r = read_all(fd, max, ret);
    if (r < 0) {
        buf_done(ret);
        error_set(err, r, path, "%s cannot be read: %s.", path, strerror(-r));
    }
    return r;
}
