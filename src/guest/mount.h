/* SPDX-License-Identifier: Apache-2.0 */
/* mount.h - what the host lends this guest: file systems that are there before the script is. */
#ifndef GUEST_MOUNT_H
#define GUEST_MOUNT_H

#include "codec/runner_codec.h"

/*
 * Makes the targets and mounts each, in their order; what is mounted there already stays. `root`
 * is "/". -EINVAL: no target of ours; -EBUSY: something else is mounted there; mount(2)'s errors.
 * -EINPROGRESS: *ret_next is next, and is for remote.c; err is untouched.
 */
int mount_all(const char *root, const struct runner_mount *mounts, uint32_t n, uint32_t *ret_next,
              struct vdi_error *err);
/* Whether mountinfo (proc(5)) has it: 1; something else is there: -EBUSY; nothing: 0. */
int mount_find(const char *mountinfo, const struct runner_mount *m, const char *source);

#endif
