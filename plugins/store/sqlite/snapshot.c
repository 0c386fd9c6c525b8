/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - the file format of snapshots.
 *
 * Head (40 bytes): "VDISNAP1", format, 0, seq, id_reserve, 0, crc of these. Then rows: length,
 * bytes. Then the end (16 bytes): 0xffffffff, count of rows, crc of all that is before.
 * Numbers are little endian. Written by write(2) through one buffer of our own.
 */
#include "plugins/store/sqlite/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD_SIZE 40u
#define END_SIZE 16u
#define END_MARK 0xffffffffu
#define BLOCK (256u << 10)

struct stream {
    int fd;
    uint32_t crc; /* of all bytes put or got so far */
    struct store_buf buf;
    size_t at; /* reading: next byte in buf */
};

static void stream_done(struct stream *f)
{
    store_closep(&f->fd);
    store_buf_done(&f->buf);
}

static int stream_flush(struct stream *f)
{
    for (size_t at = 0; at < f->buf.len;) {
        ssize_t n = write(f->fd, f->buf.data + at, f->buf.len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? store_errno() : -ENOSPC;
        at += (size_t)n;
    }
    f->buf.len = 0;
    return 0;
}

static int stream_put(struct stream *f, const void *data, size_t len)
{
    if (f->buf.len + len > BLOCK && f->buf.len) {
        int r = stream_flush(f);
        if (r < 0)
            return r;
    }
    if (store_buf_room(&f->buf, f->buf.len + len) < 0)
        return -ENOMEM;
    memcpy(f->buf.data + f->buf.len, data, len);
    f->buf.len += len;
    f->crc = store_crc(f->crc, data, len);
    return 0;
}

/* 0, -ENODATA at the end of the file, or its error. */
static int stream_get(struct stream *f, void *ret, size_t len)
{
    unsigned char *to = ret;

    if (store_buf_room(&f->buf, BLOCK) < 0)
        return -ENOMEM;
    for (size_t done = 0; done < len;) {
        if (f->at == f->buf.len) {
            ssize_t n = read(f->fd, f->buf.data, BLOCK);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return n < 0 ? store_errno() : -ENODATA;
            f->buf.len = (size_t)n;
            f->at = 0;
        }
        size_t n = f->buf.len - f->at < len - done ? f->buf.len - f->at : len - done;
        memcpy(to + done, f->buf.data + f->at, n);
        f->at += n;
        done += n;
    }
    f->crc = store_crc(f->crc, ret, len);
    return 0;
}

static int put_head(struct stream *f, const struct snapshot_head *head)
{
    unsigned char h[HEAD_SIZE] = "VDISNAP1";

    store_put32(h + 8, 1);
    store_put64(h + 16, head->seq);
    store_put64(h + 24, head->id_reserve);
    store_put32(h + 36, store_crc(0, h, 36));
    return stream_put(f, h, sizeof(h));
}

static int put_rows(struct stream *f, int (*next)(void *arg, struct vdi_store_object *ret_row),
                    void *arg, uint64_t *ret_rows)
{
    _cleanup_(store_buf_done) struct store_buf bytes = {0};
    struct vdi_store_object row = {0};
    unsigned char len[4];
    int r;

    for (*ret_rows = 0; (r = next(arg, &row)) > 0; ++*ret_rows) {
        r = store_row_pack(&bytes, &row);
        if (r < 0)
            return r;
        store_put32(len, (uint32_t)bytes.len);
        r = stream_put(f, len, sizeof(len));
        if (r == 0)
            r = stream_put(f, bytes.data, bytes.len);
        if (r < 0)
            return r;
        row = (struct vdi_store_object){0};
    }
    return r;
}

static int put_end(struct stream *f, uint64_t rows)
{
    unsigned char e[END_SIZE];

    store_put32(e, END_MARK);
    store_put64(e + 4, rows);
    int r = stream_put(f, e, 12);
    if (r < 0)
        return r;
    store_put32(e + 12, f->crc);
    r = stream_put(f, e + 12, 4);
    return r < 0 ? r : stream_flush(f);
}

int snapshot_file_write(int dirfd, const char *name, const struct snapshot_head *head,
                        int (*next)(void *arg, struct vdi_store_object *ret_row), void *arg)
{
    _cleanup_(stream_done) struct stream f = {.fd = -1};
    uint64_t rows = 0;

    if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
        return store_errno();
    f.fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f.fd < 0)
        return store_errno();
    int r = put_head(&f, head);
    if (r == 0)
        r = put_rows(&f, next, arg, &rows);
    if (r == 0)
        r = put_end(&f, rows);
    if (r == 0 && fsync(f.fd) < 0)
        r = store_errno();
    if (r < 0)
        (void)unlinkat(dirfd, name, 0);
    return r;
}

static int get_head(struct stream *f, struct snapshot_head *ret, const char **why)
{
    unsigned char h[HEAD_SIZE];
    int r = stream_get(f, h, sizeof(h));

    *why = "is cut short";
    if (r < 0)
        return r;
    *why = "checksum of its head differs";
    if (memcmp(h, "VDISNAP1", 8) != 0 || store_get32(h + 36) != store_crc(0, h, 36))
        return -EBADMSG;
    *why = "has a format of a newer release";
    if (store_get32(h + 8) != 1)
        return -EBADMSG;
    *ret = (struct snapshot_head){.seq = store_get64(h + 16), .id_reserve = store_get64(h + 24)};
    return 0;
}

/* 1 and a row's bytes, 0 at the end of rows. `left` is what the file can still hold. */
static int get_row(struct stream *f, struct store_buf *bytes, uint64_t *left)
{
    unsigned char len[4];
    int r = stream_get(f, len, sizeof(len));

    if (r < 0)
        return r;
    bytes->len = store_get32(len);
    if (bytes->len == END_MARK)
        return 0;
    if (bytes->len > STORE_ROW_MAX || bytes->len + 4 > *left)
        return -EBADMSG;
    *left -= bytes->len + 4;
    if (store_buf_room(bytes, bytes->len) < 0)
        return -ENOMEM;
    r = stream_get(f, bytes->data, bytes->len);
    return r < 0 ? r : 1;
}

/* Opens and reads the head. */
static int read_open(struct stream *f, int dirfd, const char *name, struct snapshot_head *head,
                     uint64_t *ret_left, const char **why)
{
    struct stat st;

    f->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        return store_errno();
    *ret_left = (uint64_t)st.st_size;
    return get_head(f, head, why);
}

static int check_rows(struct stream *f, uint64_t left, struct snapshot_head *head, const char **why)
{
    _cleanup_(store_buf_done) struct store_buf bytes = {0};
    struct vdi_store_object row;
    unsigned char e[8], crc[4];
    int r;

    *why = "is cut short";
    while ((r = get_row(f, &bytes, &left)) > 0) {
        if (store_row_unpack(bytes.data, bytes.len, &row) < 0) {
            *why = "has a damaged row";
            return -EBADMSG;
        }
        head->rows++;
    }
    if (r < 0 || (r = stream_get(f, e, sizeof(e))) < 0)
        return r;
    uint32_t sum = f->crc;
    if ((r = stream_get(f, crc, sizeof(crc))) < 0)
        return r;
    *why = "checksum differs";
    if (store_get32(crc) != sum || store_get64(e) != head->rows)
        return -EBADMSG;
    *why = "goes on after its end";
    return stream_get(f, e, 1) == -ENODATA ? 0 : -EBADMSG;
}

int snapshot_file_check(int dirfd, const char *name, struct snapshot_head *ret, const char **why)
{
    _cleanup_(stream_done) struct stream f = {.fd = -1};
    struct snapshot_head head = {0};
    uint64_t left = 0;

    *why = "can't be read";
    int r = read_open(&f, dirfd, name, &head, &left, why);
    if (r == 0)
        r = check_rows(&f, left, &head, why);
    if (r == 0)
        *ret = head;
    return r == -ENODATA || r == -EIO ? -EBADMSG : r;
}

int snapshot_file_read(int dirfd, const char *name,
                       int (*row)(void *arg, const struct vdi_store_object *row), void *arg)
{
    _cleanup_(stream_done) struct stream f = {.fd = -1};
    _cleanup_(store_buf_done) struct store_buf bytes = {0};
    struct vdi_store_object object;
    struct snapshot_head head;
    const char *why;
    uint64_t left = 0;
    int r = read_open(&f, dirfd, name, &head, &left, &why);

    while (r == 0 && (r = get_row(&f, &bytes, &left)) > 0) {
        r = store_row_unpack(bytes.data, bytes.len, &object);
        if (r == 0)
            r = row(arg, &object);
    }
    return r;
}
