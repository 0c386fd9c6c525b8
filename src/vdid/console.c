/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.c - a guest's serial console as QEMU appends it to a file.
 *
 * The file is the guest's to fill: reads are bounded, and the file is cut in
 * place. QEMU holds it open with O_APPEND, so it goes on at the new end; what it
 * writes between our read and the cut is lost, a few bytes at most.
 */
#include "vdid/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK_BYTES 16384

static int open_console(const char *path, int flags, struct stat *st)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r;

    if (fd < 0)
        return -errno;
    r = fstat(fd, st) < 0 ? -errno : S_ISREG(st->st_mode) ? 0 : -EINVAL;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

/* `text` has room for the overlap before the chunk. */
static bool search(struct console *c, char *text, size_t n, const char *want)
{
    size_t len = strlen(want), keep;
    bool found;

    if (!len || len > CONSOLE_WANT_MAX)
        return false;
    memmove(text + c->n_overlap, text + CONSOLE_WANT_MAX, n);
    memcpy(text, c->overlap, c->n_overlap);
    n += c->n_overlap;
    found = memmem(text, n, want, len) != NULL;
    keep = n < len - 1 ? n : len - 1;
    memcpy(c->overlap, text + n - keep, keep);
    c->n_overlap = keep;
    return found;
}

int console_look(struct console *c, const char *path, const char *want, bool *io_first,
                 bool *io_found)
{
    struct stat st;
    _cleanup_(closep) int fd = open_console(path, O_RDONLY, &st);
    char text[CONSOLE_WANT_MAX + CHUNK_BYTES];

    if (fd < 0)
        return fd;
    if (st.st_size < c->pos)
        c->pos = 0; /* it was cut */
    for (int i = 0; i < CONSOLE_FILE_MAX / CHUNK_BYTES && !*io_found; i++) {
        ssize_t n = pread(fd, text + CONSOLE_WANT_MAX, CHUNK_BYTES, c->pos);

        if (n <= 0)
            return n < 0 ? -errno : 0;
        c->pos += n;
        *io_first = true;
        *io_found = search(c, text, (size_t)n, want);
    }
    return 0;
}

static int read_tail(int fd, off_t size, size_t max, struct buf *out)
{
    off_t at = size > (off_t)max ? size - (off_t)max : 0;
    char chunk[CHUNK_BYTES];

    while (max > 0) {
        ssize_t n = pread(fd, chunk, sizeof(chunk) < max ? sizeof(chunk) : max, at);

        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        if (buf_append(out, chunk, (size_t)n) < 0)
            return -ENOMEM;
        at += n;
        max -= (size_t)n;
    }
    return 0;
}

int console_tail(const char *path, size_t max, struct buf *out)
{
    struct stat st;
    _cleanup_(closep) int fd = open_console(path, O_RDONLY, &st);

    return fd < 0 ? fd : read_tail(fd, st.st_size, max, out);
}

int console_trim(const char *path, size_t max)
{
    struct stat st;
    _cleanup_(closep) int fd = open_console(path, O_RDWR | O_APPEND, &st);
    struct buf tail = BUF_INIT(CONSOLE_KEEP_BYTES + 1);
    int r;

    if (fd < 0 || (size_t)st.st_size <= max)
        return fd < 0 ? fd : 0;
    r = read_tail(fd, st.st_size, CONSOLE_KEEP_BYTES, &tail);
    if (r == 0 && (ftruncate(fd, 0) < 0 || write(fd, tail.data, tail.len) < 0))
        r = -errno;
    buf_done(&tail);
    return r;
}
