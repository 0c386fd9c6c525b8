/* SPDX-License-Identifier: Apache-2.0 */
/* writer_file.c - from the spool to the owner's file, each byte once, whatever is killed. */
#include "vdid/writer_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NOTE_MAX 128

/* ---- the note ---- */

static bool read_note(struct writer_file *f)
{
    char text[NOTE_MAX + 1] = "";

    return pread(f->state, text, NOTE_MAX, 0) > 0 &&
           sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &f->offset, &f->end,
                  &f->dev, &f->ino) == 4;
}

/* Always of one length: a note is there whole, or the one before it. */
static int write_note(const struct writer_file *f)
{
    char text[NOTE_MAX];
    int n = snprintf(text, sizeof(text),
                     "%020" PRIu64 " %020" PRIu64 " %020" PRIu64 " %020" PRIu64 "\n", f->offset,
                     f->end, f->dev, f->ino);

    return pwrite(f->state, text, (size_t)n, 0) == n ? 0 : -EIO;
}

/* ---- opening ---- */

static int open_at(int dir, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

static int open_out(const char *dir, const char *path)
{
    const uint64_t flags = O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    _cleanup_(closep) int at =
        path[0] == '/' ? -1 : open_at(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
    int fd;

    if (path[0] != '/' && at < 0)
        return at;
    fd = open_at(path[0] == '/' ? AT_FDCWD : at, path, O_RDWR | flags, 0600);
    if (fd == -EACCES) /* what can't be read can still be appended to */
        fd = open_at(path[0] == '/' ? AT_FDCWD : at, path, O_WRONLY | flags, 0600);
    return fd;
}

/* How many of the bytes behind f->end are the next ones of the spool. */
static size_t count_ours(const struct writer_file *f, uint64_t size)
{
    char ours[4096], theirs[4096];
    uint64_t left = size - f->end, done = 0;

    if (left > WRITER_PIECE_MAX)
        left = WRITER_PIECE_MAX;
    while (done < left) {
        size_t n = left - done < sizeof(ours) ? (size_t)(left - done) : sizeof(ours), same = 0;
        ssize_t a = pread(f->spool, ours, n, (off_t)(f->offset + done));
        ssize_t b = pread(f->out, theirs, n, (off_t)(f->end + done));

        while (a > 0 && b > 0 && same < (size_t)a && same < (size_t)b && ours[same] == theirs[same])
            same++;
        done += same;
        if (same < n)
            break;
    }
    return (size_t)done;
}

static void go_on(struct writer_file *f, const struct stat *st)
{
    uint64_t size = (uint64_t)st->st_size;

    if (f->dev != st->st_dev || f->ino != st->st_ino) {
        f->end = size; /* another file by now: what comes next goes there */
    } else if (size < f->end) {
        uint64_t lost = f->end - size;

        f->offset -= lost < f->offset ? lost : f->offset;
        f->end = size;
    } else {
        f->offset += count_ours(f, size);
        f->end = size;
    }
}

int writer_file_open(struct writer_file *f, int spool, int state, const char *dir, const char *path,
                     bool truncate)
{
    struct stat st;
    bool is_old;
    int r;

    *f = (struct writer_file){.spool = spool, .state = state, .out = open_out(dir, path)};
    if (f->out < 0)
        return f->out;
    is_old = read_note(f);
    r = fstat(f->out, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (r == 0 && !is_old && truncate)
        r = ftruncate(f->out, 0) < 0 || fstat(f->out, &st) < 0 ? -errno : 0;
    if (r < 0) {
        writer_file_close(f);
        return r;
    }
    if (is_old)
        go_on(f, &st);
    else
        f->end = (uint64_t)st.st_size;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    return write_note(f);
}

void writer_file_close(struct writer_file *f)
{
    closep(&f->out);
    f->out = -1;
}

/* ---- copying ---- */

static int append(const struct writer_file *f, const char *data, size_t len, size_t *ret_done)
{
    *ret_done = 0;
    while (*ret_done < len) {
        ssize_t n = write(f->out, data + *ret_done, len - *ret_done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        *ret_done += (size_t)n;
    }
    return 0;
}

int writer_file_copy(struct writer_file *f)
{
    static char piece[WRITER_PIECE_MAX];
    ssize_t n;

    while ((n = pread(f->spool, piece, sizeof(piece), (off_t)f->offset)) > 0) {
        struct stat st;
        size_t done;
        int r = append(f, piece, (size_t)n, &done), noted;

        if (fstat(f->out, &st) < 0)
            return -errno;
        f->offset += done;
        f->end = (uint64_t)st.st_size;
        noted = write_note(f);
        if (r < 0 || noted < 0)
            return r < 0 ? r : noted;
    }
    return n < 0 ? -errno : 0;
}
