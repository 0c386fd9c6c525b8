/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote.h - a directory of a file server, mounted with the owner's ticket by mount(8)'s helpers.
 */
#ifndef GUEST_REMOTE_H
#define GUEST_REMOTE_H

#include "codec/runner_codec.h"
#include "loop/loop.h"

struct remote;

/* Once, on the loop; err->code 0: the helper says that it is mounted. The remote may be freed. */
typedef void (*remote_fn)(void *arg, const struct vdi_error *err);

#define REMOTE_OPTIONS_MAX 160
/* What the helper is told of it, behind -o. */
void remote_options(const struct runner_mount *m, const struct runner_owner *owner,
                    char ret[REMOTE_OPTIONS_MAX]);
/* `helpers` has mount.nfs and mount.cifs: "/sbin". The target's directory is there. -ENOENT: the
 * image has no such helper. */
int remote_start(struct loop *loop, const char *helpers, const struct runner_mount *m,
                 const struct runner_owner *owner, remote_fn fn, void *arg, struct remote **ret,
                 struct vdi_error *err);
void remote_free(struct remote *r); /* ends the helper; takes NULL */
/* What is in use goes on until it is not. */
void remote_unmount(const struct runner_mount *m);

#endif
