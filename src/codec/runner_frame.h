/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_frame.h - frames on the guest runner's port, found again after any cut; pure.
 *
 * A frame is a big-endian length of four bytes and so many bytes of JSON, behind which may stand
 * a byte 0 and bytes without any 0xff (runner_raw.h). A virtio port is one
 * pipe that outlives both programs at its ends: either may go away in the middle of a frame and
 * the other need not notice. So whoever begins anew sends the mark first, eight bytes 0xff,
 * which stand nowhere in a whole frame (JSON is UTF-8, and a length is below 2^24). A reader
 * drops what it has of a frame when it meets the mark, and without one it begins with nothing.
 */
#ifndef CODEC_RUNNER_FRAME_H
#define CODEC_RUNNER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define RUNNER_FRAME_MAX (256u << 10) /* bytes in a frame */
#define RUNNER_MARK_LEN 8

struct runner_reader {
    struct buf in;
    size_t used;     /* bytes at the front that have been handed out */
    size_t scanned;  /* of the frame being read: known to hold no mark */
    unsigned run;    /* bytes 0xff in a row just seen, while lost */
    bool is_aligned; /* a mark was met, and nothing wrong since */
    bool after_mark; /* more of the mark may follow */
};

/* Memory that one reader takes at most: a frame, its length, and what was fed with its end. */
#define RUNNER_READER_INIT ((struct runner_reader){.in.max = 2 * RUNNER_FRAME_MAX + 4})
void runner_reader_done(struct runner_reader *r);
/* Where the next `len` bytes may be put, at most RUNNER_FRAME_MAX, after runner_reader_next() had
 * no more. NULL: out of memory. */
char *runner_reader_room(struct runner_reader *r, size_t len);
/* So many of them have been put there. */
void runner_reader_filled(struct runner_reader *r, size_t len);
/* The same for bytes that are elsewhere. At most RUNNER_FRAME_MAX; -ENOMEM */
int runner_reader_feed(struct runner_reader *r, const void *data, size_t len);

enum runner_next {
    RUNNER_NEXT_NONE,    /* more bytes are needed */
    RUNNER_NEXT_FRAME,   /* *ret_json, good until the reader is fed again */
    RUNNER_NEXT_MARK,    /* the other side begins anew */
    RUNNER_NEXT_GARBAGE, /* what came is no frame; nothing is handed out before a mark (which
                          * may be on its way, if it is what cut the frame) */
};
enum runner_next runner_reader_next(struct runner_reader *r, const char **ret_json,
                                    size_t *ret_len);

int runner_mark_write(struct buf *out);
/* For a writer: the place of the length, to be filled in when the JSON is whole. */
int runner_frame_begin(struct buf *out, size_t *ret_start);
/* -EMSGSIZE: over RUNNER_FRAME_MAX; -ENOMEM: the buffer failed. Both take the frame back. */
int runner_frame_end(struct buf *out, size_t start);

#endif
