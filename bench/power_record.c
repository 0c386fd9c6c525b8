/* SPDX-License-Identifier: Apache-2.0 */
/* power_record.c - libc's calls on files, carried out and noted (see power_record.h). */
#include "bench/power_record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define FDS 1024
#define NAMES 64

struct power_op *power_ops;
size_t power_n_ops;
int power_n_files;

static char watched[PATH_MAX];
static bool recording;
static struct {
    int file; /* 0: none of ours; -1: the directory */
} fds[FDS];
static struct {
    char name[64];
    int file;
} names[NAMES];

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "power: %s\n", what);
    abort();
}

static struct power_op *note(enum power_kind kind, int file)
{
    static size_t size;

    if (power_n_ops == size) {
        size = size ? 2 * size : 4096;
        power_ops = realloc(power_ops, size * sizeof(*power_ops));
        if (!power_ops)
            die("no memory");
    }
    power_ops[power_n_ops] = (struct power_op){.kind = kind, .file = file};
    return &power_ops[power_n_ops++];
}

void power_watch(const char *dir, bool record)
{
    snprintf(watched, sizeof(watched), "%s", dir ? dir : "");
    recording = record;
    memset(fds, 0, sizeof(fds));
    memset(names, 0, sizeof(names));
}

void power_ack(uint64_t events, uint64_t ids)
{
    struct power_op *op = note(POWER_ACK, 0);

    op->offset = events;
    op->len = ids;
}

/* The last part of a path in the watched directory, "" for itself, NULL: elsewhere. */
static const char *ours(int dirfd, const char *path)
{
    size_t len = strlen(watched);

    if (!len)
        return NULL;
    if (path[0] != '/')
        return dirfd >= 0 && dirfd < FDS && fds[dirfd].file == -1 ? path : NULL;
    if (strncmp(path, watched, len) != 0)
        return NULL;
    path += len;
    if (*path && *path != '/')
        return NULL;
    return path + strspn(path, "/");
}

static int slot_of(const char *name)
{
    for (int i = 0; i < NAMES; i++)
        if (strcmp(names[i].name, name) == 0)
            return i;
    return -1;
}

static int name_set(const char *name, int file)
{
    int i = slot_of(name);

    if (i < 0)
        i = slot_of("");
    if (i < 0 || strlen(name) >= sizeof(names[0].name))
        die("too many names");
    snprintf(names[i].name, sizeof(names[i].name), "%s", file ? name : "");
    names[i].file = file;
    return i;
}

static void opened(int fd, const char *name, int flags)
{
    if (fd >= FDS)
        die("too many files");
    if (!name[0]) {
        fds[fd].file = -1;
        return;
    }
    int i = slot_of(name);
    if (i < 0 || !names[i].file) {
        i = name_set(name, ++power_n_files);
        if (recording)
            snprintf(note(POWER_LINK, names[i].file)->name, 64, "%s", name);
    }
    fds[fd].file = names[i].file;
    if ((flags & O_TRUNC) && recording)
        note(POWER_TRUNCATE, names[i].file);
}

static int open_any(int dirfd, const char *path, int flags, mode_t mode)
{
    const char *name = ours(dirfd, path);
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);

    if (fd >= 0 && fd < FDS)
        fds[fd].file = 0;
    if (fd >= 0 && name)
        opened(fd, name, flags);
    return fd;
}

#define OPEN_MODE(flags)                                                                           \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }

EXPORT int open(const char *path, int flags, ...);
EXPORT int open64(const char *path, int flags, ...);
EXPORT int openat(int dirfd, const char *path, int flags, ...);
EXPORT int openat64(int dirfd, const char *path, int flags, ...);
EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t at);
EXPORT ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at);
EXPORT ssize_t write(int fd, const void *data, size_t len);
EXPORT int ftruncate(int fd, off_t len);
EXPORT int ftruncate64(int fd, off64_t len);
EXPORT int fsync(int fd);
EXPORT int fdatasync(int fd);
EXPORT int renameat(int fd1, const char *from, int fd2, const char *to);
EXPORT int rename(const char *from, const char *to);
EXPORT int unlinkat(int dirfd, const char *path, int flags);
EXPORT int unlink(const char *path);

int open(const char *path, int flags, ...)
{
    OPEN_MODE(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    OPEN_MODE(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    OPEN_MODE(flags)
    return open_any(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
    OPEN_MODE(flags)
    return open_any(dirfd, path, flags, mode);
}

static bool noted(int fd)
{
    return recording && fd >= 0 && fd < FDS && fds[fd].file > 0;
}

static ssize_t note_write(int fd, const void *data, ssize_t len, off_t at)
{
    if (len <= 0 || !noted(fd))
        return len;
    struct power_op *op = note(POWER_WRITE, fds[fd].file);
    op->offset = (uint64_t)at;
    op->len = (uint64_t)len;
    op->data = malloc((size_t)len);
    if (!op->data)
        die("no memory");
    memcpy(op->data, data, (size_t)len);
    return len;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return note_write(fd, data, syscall(SYS_pwrite64, fd, data, len, at), at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return note_write(fd, data, syscall(SYS_pwrite64, fd, data, len, at), at);
}

ssize_t write(int fd, const void *data, size_t len)
{
    off_t at = noted(fd) ? lseek(fd, 0, SEEK_CUR) : 0;

    return note_write(fd, data, syscall(SYS_write, fd, data, len), at);
}

int ftruncate(int fd, off_t len)
{
    int r = (int)syscall(SYS_ftruncate, fd, len);

    if (r == 0 && noted(fd))
        note(POWER_TRUNCATE, fds[fd].file)->offset = (uint64_t)len;
    return r;
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

int fsync(int fd)
{
    if (fd >= 0 && fd < FDS && fds[fd].file) {
        if (recording)
            note(fds[fd].file > 0 ? POWER_SYNC : POWER_SYNC_DIR, fds[fd].file);
        return 0;
    }
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    if (fd >= 0 && fd < FDS && fds[fd].file)
        return fsync(fd);
    return (int)syscall(SYS_fdatasync, fd);
}

int renameat(int fd1, const char *from, int fd2, const char *to)
{
    const char *a = ours(fd1, from), *b = ours(fd2, to);
    int r = (int)syscall(SYS_renameat, fd1, from, fd2, to);
    int i = r == 0 && a && b ? slot_of(a) : -1;

    if (i < 0)
        return r;
    int file = names[i].file;
    if (recording) {
        struct power_op *op = note(POWER_RENAME, file);
        snprintf(op->name, sizeof(op->name), "%s", a);
        snprintf(op->name2, sizeof(op->name2), "%s", b);
    }
    name_set(a, 0);
    name_set(b, file);
    return r;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    const char *name = ours(dirfd, path);
    int r = (int)syscall(SYS_unlinkat, dirfd, path, flags);
    int i = r == 0 && name ? slot_of(name) : -1;

    if (i < 0)
        return r;
    if (recording)
        snprintf(note(POWER_UNLINK, names[i].file)->name, 64, "%s", name);
    name_set(name, 0);
    return r;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}
