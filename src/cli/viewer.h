/* SPDX-License-Identifier: Apache-2.0 */
/* viewer.h - finding and running another program: the viewer, ssh. */
#ifndef CLI_VIEWER_H
#define CLI_VIEWER_H

#include <limits.h>
#include <stddef.h>

#include "base/buf.h"
#include <vdi/types.h>

/*
 * The file of a program: as it is if it has a slash, else from the absolute
 * directories of PATH (never from where the caller happens to be). -ENOEXEC
 * with err if there is none; `remedy` says what to do then.
 */
int program_find(const char *name, const char *remedy, char ret[PATH_MAX], struct vdi_error *err);

/*
 * Runs argv (argv[0] is its file) and waits. Ctrl-C is the program's, not ours.
 * With `out`, what it prints comes there, up to the buffer's limit (-EFBIG), and it has
 * no input. *ret_code: its exit code, 128+n if a signal ended it.
 */
int program_run(char *const argv[], struct buf *out, int *ret_code, struct vdi_error *err);

#endif
