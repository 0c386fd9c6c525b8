/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - whole small files: read within a limit, replaced so that a crash leaves old or new. */
#ifndef VDID_FILE_H
#define VDID_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/* -EFBIG: over out->max; -ELOOP: a link; -EINVAL: no regular file. All block. */
int file_read(const char *path, struct buf *out);
/* Mode 0600, durable when it returns: temporary file, fsync, rename, fsync of the directory. */
int file_replace(const char *path, const char *text, size_t len);
int file_sync_dir(const char *dir);
/* The directory and all files in it; directories in it make it -ENOTEMPTY. 0 if it is not there. */
int file_remove_dir(const char *dir);
/* Directory and what leads to it below an existing parent, mode 0711. */
int file_make_dir(const char *path);
/* SHA-256 in hex of what fd holds; ret has 65 bytes. */
int file_sha256(int fd, char *ret);

#endif
