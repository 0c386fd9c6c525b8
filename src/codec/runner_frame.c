/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_frame.c - frames on the guest runner's port, found again after any cut; pure.
 *
 * A mark may be met anywhere: in place of a length, behind the half of one, in the middle of
 * a text. Half a length eats at most two bytes of the mark before its own number is wrong or a
 * text begins with 0xff, so a run of MARK_MIN is proof enough, and no valid frame holds one.
 */
#include "codec/runner_frame.h"

#include <errno.h>
#include <string.h>

#define HEADER_LEN 4
#define MARK_BYTE 0xff
#define MARK_MIN 4 /* a length such as 00 00 ff ff and a cut-off text have two at most */

void runner_reader_done(struct runner_reader *r)
{
    buf_done(&r->in);
    *r = RUNNER_READER_INIT;
}

/* What is left of a frame is moved only when there is no room behind it. */
char *runner_reader_room(struct runner_reader *r, size_t len)
{
    if (r->used == r->in.len || r->in.size - r->in.len <= len) {
        buf_consume(&r->in, r->used);
        r->used = 0;
    }
    return buf_reserve(&r->in, len) < 0 ? NULL : r->in.data + r->in.len;
}

void runner_reader_filled(struct runner_reader *r, size_t len)
{
    r->in.len += len;
    r->in.data[r->in.len] = '\0';
}

int runner_reader_feed(struct runner_reader *r, const void *data, size_t len)
{
    char *to = runner_reader_room(r, len);

    if (!to)
        return -ENOMEM;
    if (len)
        memcpy(to, data, len);
    runner_reader_filled(r, len);
    return 0;
}

static enum runner_next lose(struct runner_reader *r)
{
    r->is_aligned = false;
    r->after_mark = false;
    r->run = 0;
    r->scanned = 0;
    return RUNNER_NEXT_GARBAGE;
}

/* True when a mark was met; all before it is gone. */
static bool find_mark(struct runner_reader *r)
{
    const unsigned char *p = (const unsigned char *)r->in.data;

    while (r->used < r->in.len) {
        r->run = p[r->used++] == MARK_BYTE ? r->run + 1 : 0;
        if (r->run == MARK_MIN) {
            r->is_aligned = r->after_mark = true;
            return true;
        }
    }
    return false;
}

static void skip_rest_of_mark(struct runner_reader *r)
{
    const unsigned char *p = (const unsigned char *)r->in.data;

    while (r->after_mark && r->used < r->in.len && p[r->used] == MARK_BYTE)
        r->used++;
    if (r->used < r->in.len)
        r->after_mark = false;
}

/* In place of a length: the beginning of a mark, and no more yet. */
static bool may_be_mark(const unsigned char *p, size_t len)
{
    size_t n = 0;

    while (n < len && p[n] == MARK_BYTE)
        n++;
    return n > 0 && n == len && n < MARK_MIN;
}

/* Of an aligned reader. */
static enum runner_next next_frame(struct runner_reader *r, const char **ret_json, size_t *ret_len)
{
    const unsigned char *p;
    size_t have, len, n;

    skip_rest_of_mark(r);
    p = (const unsigned char *)r->in.data + r->used;
    have = r->in.len - r->used;
    if (may_be_mark(p, have))
        return RUNNER_NEXT_NONE;
    if (have > 0 && p[0] != 0)
        return lose(r);
    if (have < HEADER_LEN)
        return RUNNER_NEXT_NONE;
    len = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (len == 0 || len > RUNNER_FRAME_MAX)
        return lose(r);
    n = have - HEADER_LEN < len ? have - HEADER_LEN : len;
    if (memchr(p + HEADER_LEN + r->scanned, MARK_BYTE, n - r->scanned))
        return lose(r);
    r->scanned = n;
    if (n < len)
        return RUNNER_NEXT_NONE;
    r->scanned = 0;
    r->used += HEADER_LEN + len;
    *ret_json = (const char *)p + HEADER_LEN;
    *ret_len = len;
    return RUNNER_NEXT_FRAME;
}

enum runner_next runner_reader_next(struct runner_reader *r, const char **ret_json, size_t *ret_len)
{
    enum runner_next next = RUNNER_NEXT_NONE;

    if (r->is_aligned)
        next = next_frame(r, ret_json, ret_len);
    if (r->is_aligned)
        return next;
    return find_mark(r) ? RUNNER_NEXT_MARK : next;
}

int runner_mark_write(struct buf *out)
{
    unsigned char mark[RUNNER_MARK_LEN];

    memset(mark, MARK_BYTE, sizeof(mark));
    return buf_append(out, mark, sizeof(mark));
}

int runner_frame_begin(struct buf *out, size_t *ret_start)
{
    *ret_start = out->len;
    return buf_append(out, "\0\0\0", HEADER_LEN);
}

int runner_frame_end(struct buf *out, size_t start)
{
    size_t len = out->len - start - HEADER_LEN;
    int r = out->failed ? -ENOMEM : len > RUNNER_FRAME_MAX ? -EMSGSIZE : 0;

    if (r < 0) {
        out->len = start;
        out->failed = false;
        return r;
    }
    out->data[start + 1] = (char)(len >> 16);
    out->data[start + 2] = (char)(len >> 8);
    out->data[start + 3] = (char)len;
    return 0;
}
