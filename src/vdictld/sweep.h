/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep.h - what must happen now and then: ended objects leave memory, tokens
 * expire, retry keys are forgotten, the lease is renewed, snapshots are written.
 */
#ifndef VDICTLD_SWEEP_H
#define VDICTLD_SWEEP_H

#include "vdictld/core.h"

struct sweep;

struct sweep *sweep_new(struct core *core);
void sweep_free(struct sweep *sweep);
/* Events older than this may go: older than keep_events, and than the submit of every job that may
 * still start, for its script is there alone. */
int64_t sweep_trim_usec(struct core *core);
/* An ended object: it leaves memory after keep_done. */
void sweep_later(struct core *core, enum noun_id noun, uint64_t id, const char *key);

#endif
