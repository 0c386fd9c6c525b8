/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - directories of files, and digests of large ones; small files: base/file.h. */
#ifndef VDID_FILE_H
#define VDID_FILE_H

#include "base/file.h"

/* The directory and all files in it; directories in it make it -ENOTEMPTY. 0 if it is not there. */
int file_remove_dir(const char *dir);
/* Directory and what leads to it below an existing parent, mode 0711. */
int file_make_dir(const char *path);
/* SHA-256 in hex of what fd holds; ret has 65 bytes. */
int file_sha256(int fd, char *ret);

#endif
