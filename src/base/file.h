/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - whole small files: read within a limit, replaced so that a crash leaves old or new. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/buf.h"

/* -EFBIG: over out->max; -ELOOP: a link; -EINVAL: no regular file. All of these block. */
int file_read(const char *path, struct buf *out);
int file_write_all(int fd, const void *data, size_t len);
/* Mode 0600, durable when it returns: PATH.vdi-new, fsync, rename, fsync of the directory. */
int file_replace(const char *path, const void *data, size_t len);
/* The same; mode, and as root the owner, are those of `like`. */
int file_replace_like(const char *path, const void *data, size_t len, const struct stat *like);
int file_sync_dir(const char *dir);

#endif
