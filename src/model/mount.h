/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.h - a mount of a template: its kind, its paths with %u, %U, %g, %G, and what they mean for
 * an owner.
 *
 * Pure. What a name of an account could do to a path ("..", a slash) is refused here, once; and a
 * comma in the source of a file server, which mount(8)'s helpers would take for the next option.
 */
#ifndef MODEL_MOUNT_H
#define MODEL_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

#define MOUNT_PATH_MAX 256 /* with its NUL, before and after */
#define MOUNTS_MAX 16      /* of one template */

enum mount_type { MOUNT_VIRTIOFS, MOUNT_NFS_KRB5, MOUNT_SMB, MOUNT_9P, MOUNT_N_TYPES };
extern const char *const mount_type_names[];     /* NULL-terminated, as templates write them */
extern const char *const mount_security_names[]; /* "krb5", "krb5i", "krb5p" */
/* Mounted by the guest from a file server, with a Kerberos ticket of the owner. */
bool mount_type_has_ticket(const char *type);

struct mount_owner {
    const char *name, *group; /* group "": its name is not known */
    uint32_t uid, gid;
};

/* -EINVAL, -ENAMETOOLONG: err says what of it is no path of a mount. */
int mount_path_check(const char *path, struct vdi_error *err);
/* The path for that owner; ret has MOUNT_PATH_MAX bytes. */
int mount_path_expand(const char *path, const struct mount_owner *owner, char *ret,
                      struct vdi_error *err);

/* A source: a directory (virtiofs), SERVER:/PATH (nfs-krb5), or //SERVER/SHARE[/PATH] (smb). */
int mount_source_check(const char *source, struct vdi_error *err);
/* And that it is of that type. */
int mount_source_check_type(const char *source, const char *type, struct vdi_error *err);
int mount_source_expand(const char *source, const struct mount_owner *owner, char *ret,
                        struct vdi_error *err);
/* One of mount_security_names; "" is as good as none. */
int mount_security_check(const char *word, struct vdi_error *err);
/* The path of a credential cache of type FILE; "". */
int mount_ticket_check(const char *path, struct vdi_error *err);

#endif
