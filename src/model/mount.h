/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.h - a mount of a template: its paths with %u, %U, %g, %G, and what they mean for an owner.
 *
 * Pure. What a name of an account could do to a path ("..", a slash) is refused here, once.
 */
#ifndef MODEL_MOUNT_H
#define MODEL_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

#define MOUNT_PATH_MAX 256 /* with its NUL, before and after */
#define MOUNTS_MAX 16      /* of one template */

struct mount_owner {
    const char *name, *group; /* group "": its name is not known */
    uint32_t uid, gid;
};

/* -EINVAL, -ENAMETOOLONG: err says what of it is no path of a mount. */
int mount_path_check(const char *path, struct vdi_error *err);
/* The path for that owner; ret has MOUNT_PATH_MAX bytes. */
int mount_path_expand(const char *path, const struct mount_owner *owner, char *ret,
                      struct vdi_error *err);

#endif
