/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private_file.h - files with secrets: the caller's alone (0600) from their first moment.
 */
#ifndef CLI_PRIVATE_FILE_H
#define CLI_PRIVATE_FILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/buf.h"
#include <vdi/types.h>

/*
 * Writes a file that the caller names; -EIO if that fails. One that is there
 * already is refused (-EEXIST), or with `replace` replaced whole; a link is never followed.
 */
int private_file_write(const char *path, bool replace, const struct buf *text,
                       struct vdi_error *err);

/* A file that nobody named: in $XDG_RUNTIME_DIR, or in a directory made for it. */
struct private_file {
    char path[PATH_MAX];
    char dir[PATH_MAX]; /* to be removed, too; "" if it is not ours */
};

/* The name is NAME, random letters and SUFFIX. */
int private_file_make(const char *name, const char *suffix, const struct buf *text,
                      struct private_file *ret, struct vdi_error *err);
/* Whether or not somebody has removed it meanwhile. */
void private_file_remove(const struct private_file *file);

#endif
