/* SPDX-License-Identifier: Apache-2.0 */
/* runner_spool.c - one output stream of a script, as a file of the node, up to a limit. */
#include "vdid/runner_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"

static int write_at(int fd, const char *data, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static int put_cut(struct runner_spool *s)
{
    char text[80];
    int len =
        snprintf(text, sizeof(text), "\n[output truncated after %" PRIu64 " bytes]\n", s->max);
    int r = write_at(s->fd, text, (size_t)len, s->max);

    s->is_cut = r == 0;
    return r;
}

int runner_spool_open(struct runner_spool *s, const char *path, uint64_t max)
{
    struct stat st;
    _cleanup_(closep) int fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    *s = (struct runner_spool){.fd = TAKE_FD(fd), .max = max, .offset = (uint64_t)st.st_size};
    if (s->offset <= max)
        return 0;
    s->offset = max;
    int r = put_cut(s); /* it may have been cut short itself */
    if (r < 0)
        runner_spool_close(s);
    return r;
}

void runner_spool_close(struct runner_spool *s)
{
    closep(&s->fd);
    s->fd = -1;
}

int runner_spool_write(struct runner_spool *s, uint64_t offset, const void *data, size_t len)
{
    const char *p = data;
    uint64_t end = offset + len;
    int r = 0;

    if (end <= s->offset)
        return 0;
    if (offset < s->offset) {
        p += s->offset - offset;
        offset = s->offset;
    } else if (offset > s->offset && offset < s->max) {
        log_warning("a guest has lost %" PRIu64 " bytes of output", offset - s->offset);
    }
    if (offset < s->max)
        r = write_at(s->fd, p, (size_t)((end < s->max ? end : s->max) - offset), offset);
    if (r == 0 && end > s->max && !s->is_cut)
        r = put_cut(s);
    if (r < 0)
        return r;
    s->is_dirty = s->is_dirty || offset < s->max;
    s->offset = end;
    return 0;
}

/* What is new and below the limit, in one call; false: not all of it could be. */
static bool write_at_once(struct runner_spool *s, uint64_t offset, const struct iovec *iov,
                          unsigned n)
{
    size_t len = 0;

    for (unsigned i = 0; i < n; i++)
        len += iov[i].iov_len;
    if (offset != s->offset || offset > s->max || len > s->max - offset ||
        pwritev(s->fd, iov, (int)n, (off_t)offset) != (ssize_t)len)
        return false;
    s->is_dirty = true;
    s->offset = offset + len;
    return true;
}

int runner_spool_writev(struct runner_spool *s, uint64_t offset, const struct iovec *iov,
                        unsigned n)
{
    int r = 0;

    if (write_at_once(s, offset, iov, n))
        return 0;
    for (unsigned i = 0; i < n && r == 0; offset += iov[i++].iov_len)
        r = runner_spool_write(s, offset, iov[i].iov_base, iov[i].iov_len);
    return r;
}
