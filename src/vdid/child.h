/* SPDX-License-Identifier: Apache-2.0 */
/* child.h - a helper program with a deadline: started, waited for on the loop, its words kept. */
#ifndef VDID_CHILD_H
#define VDID_CHILD_H

#include "loop/loop.h"
#include <vdi/types.h>

#define CHILD_OUTPUT_MAX 4096 /* bytes of output that are handed on */

struct child;

/*
 * Called once, on the loop. `status` is waitpid(2)'s, or -ETIMEDOUT (it was killed). `output`:
 * the first of what it said on stdout and stderr. The child is freed by whoever started it.
 */
typedef void (*child_fn)(void *arg, int status, const char *output);

/* argv[0] is looked up in PATH. Its stdin is empty. */
int child_start(struct loop *loop, const char *const *argv, int64_t deadline_usec, child_fn fn,
                void *arg, struct child **ret, struct vdi_error *err);
/* Its stdout is `out`, which stays the caller's; `output` is then what it said on stderr. */
int child_start_to(struct loop *loop, const char *const *argv, int out, int64_t deadline_usec,
                   child_fn fn, void *arg, struct child **ret, struct vdi_error *err);
/* Kills it if it still runs; fn is not called any more. Takes NULL. */
void child_free(struct child *c);

#endif
