/* SPDX-License-Identifier: Apache-2.0 */
/* console.h - a guest's serial console as QEMU appends it to a file: watched, cut, kept. */
#ifndef VDID_CONSOLE_H
#define VDID_CONSOLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

#define CONSOLE_KEEP_BYTES (64 * 1024)
#define CONSOLE_FILE_MAX (1024 * 1024) /* then all but what is kept is cut off */
#define CONSOLE_WANT_MAX 128

/* Looks for a fixed text in what is new; nothing but position and overlap is held. */
struct console {
    off_t pos;
    size_t n_overlap;
    char overlap[CONSOLE_WANT_MAX];
};

/* What came since the last look. *io_first, *io_found only ever become true; want "": never found.
 * At most 1 MiB is read at a look. */
int console_look(struct console *c, const char *path, const char *want, bool *io_first,
                 bool *io_found);
/* The last max bytes. -ENOENT. */
int console_tail(const char *path, size_t max, struct buf *out);
/* Cuts a file that has grown over CONSOLE_FILE_MAX down to its tail, in place (QEMU appends). */
int console_trim(const char *path, size_t max);

#endif
