/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - trying something in a child, so that a crash or a hang is only a sentence. */
#ifndef HOST_PROBE_H
#define HOST_PROBE_H

#include <vdi/types.h>

/*
 * Runs fn(arg) in a forked child and returns what it returned, with its error. A child
 * that crashes or ends itself: -EIO; one that is not done after deadline_usec is killed:
 * -ETIMEDOUT. Blocks for that long at most. `what` names it in sentences.
 */
int probe_run(const char *what, int64_t deadline_usec, int (*fn)(void *arg, struct vdi_error *err),
              void *arg, struct vdi_error *err);

#endif
