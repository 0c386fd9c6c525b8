/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_file.h - the writer's own half: from the spool to the owner's file, each byte once.
 *
 * What is noted of each piece once it is in the file: `offset`, the bytes of the spool that are
 * there, and `end`, the file's size then. After a kill between a write and its note the file is
 * longer than `end`; as much of that as is the spool's next bytes was ours. A file that is shorter
 * than `end` lost its last bytes in a power cut: they are written again. Both hold for a file that
 * nobody else appends to; to another, one piece may come twice after a kill.
 */
#ifndef VDID_WRITER_FILE_H
#define VDID_WRITER_FILE_H

#include <stdbool.h>
#include <stdint.h>

#define WRITER_SPOOL_FD 3 /* of the child */
#define WRITER_STATE_FD 4
#define WRITER_PIECE_MAX (64u << 10)

struct writer_file {
    int spool, state, out;
    uint64_t dev, ino, offset, end;
};

/* As the file's owner. `path` is relative to dir; a link at its end is not followed, and what is
 * no regular file is refused. Truncates only if nothing was written before. */
int writer_file_open(struct writer_file *f, int spool, int state, const char *dir, const char *path,
                     bool truncate);
/* All that is in the spool now. -EFBIG, -ENOSPC, -EDQUOT ... as write(2). */
int writer_file_copy(struct writer_file *f);
void writer_file_close(struct writer_file *f);

#endif
