/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - small files that are replaced whole, so that a crash leaves the old or the new one. */
#ifndef GUEST_FILE_H
#define GUEST_FILE_H

#include <sys/stat.h>

#include "base/buf.h"

int file_write_all(int fd, const char *data, size_t len);
/* Mode, and as root the owner, are those of `like`. Durable when it returns. */
int file_replace(const char *path, const struct buf *text, const struct stat *like);

#endif
