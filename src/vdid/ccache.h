/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ccache.h - the Kerberos credential cache of a job's owner: a child that is the owner reads it.
 *
 * vdid itself, which may read more than the owner, never opens the file. What was read is in
 * memory alone, and wiped.
 */
#ifndef VDID_CCACHE_H
#define VDID_CCACHE_H

#include "codec/runner_codec.h"
#include "loop/loop.h"

struct ccache_read;

/* Once, on the loop; `data` is wiped afterwards. `why`: in words, where there is no ticket; else
 * NULL. May free the reading. */
typedef void (*ccache_fn)(void *arg, const uint8_t *data, size_t len, const char *why);

/* `program` is vdi-ccache. */
int ccache_read_new(struct loop *loop, const char *program, const struct runner_owner *owner,
                    const char *path, ccache_fn fn, void *arg, struct ccache_read **ret,
                    struct vdi_error *err);
void ccache_read_free(struct ccache_read *c); /* takes NULL */

#endif
