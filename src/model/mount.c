/* SPDX-License-Identifier: Apache-2.0 */
/* mount.c - paths of mounts: which there may be, and what stands for the owner in them. */
#include "model/mount.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

/* Neither a space nor a backslash: such a path is read back from /proc/self/mountinfo as is. */
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+@,="
#define LETTERS "uUgG%"

static int refuse(const char *path, const char *why, const char *remedy, struct vdi_error *err)
{
    error_set(err, EINVAL, NULL, "\"%.120s\" %s", path, why);
    error_hint(err, NULL, remedy);
    return -EINVAL;
}

/* No "", "." and ".." between slashes: the path is what it looks like. */
static bool is_straight(const char *path)
{
    const char *part = path + 1;

    if (path[0] != '/' || !path[1])
        return false;
    for (;;) {
        size_t len = strcspn(part, "/");

        if (len == 0 || (len <= 2 && strspn(part, ".") >= len))
            return false;
        if (!part[len])
            return true;
        part += len + 1;
    }
}

int mount_path_check(const char *path, struct vdi_error *err)
{
    if (strlen(path) >= MOUNT_PATH_MAX) {
        error_set(err, ENAMETOOLONG, NULL, "the path has %zu bytes", strlen(path));
        error_hint(err, "255 bytes", "choose a shorter one");
        return -ENAMETOOLONG;
    }
    if (!is_straight(path))
        return refuse(path, "is not an absolute path without \"..\"", "write it as in \"/home/%u\"",
                      err);
    for (const char *p = path; *p; p++) {
        if (*p == '%' && (!p[1] || !strchr(LETTERS, *++p)))
            return refuse(path, "has a % that means nothing",
                          "%u is the owner's name, %U the uid, %g the group, %G the gid, %% a %",
                          err);
        if (*p != '%' && !strchr(PLAIN, *p))
            return refuse(path, "has a character that a mount's path may not have",
                          "use letters, digits and / . _ - + @ , =", err);
    }
    return 0;
}

/* As a part of a path it must not lead elsewhere. */
static int put_name(struct buf *out, const char *what, const char *name, struct vdi_error *err)
{
    if (!str_is_name(name, VDI_NAME_MAX - 1))
        return error_set(err, EINVAL, what, "the owner's %s '%.60s' can't be part of a path", what,
                         name);
    return buf_puts(out, name);
}

static int put_letter(struct buf *out, char letter, const struct mount_owner *o,
                      struct vdi_error *err)
{
    switch (letter) {
    case 'u':
        return put_name(out, "name", o->name, err);
    case 'g':
        return put_name(out, "group", o->group, err);
    case 'U':
        return buf_printf(out, "%" PRIu32, o->uid);
    case 'G':
        return buf_printf(out, "%" PRIu32, o->gid);
    default:
        return buf_putc(out, letter);
    }
}

int mount_path_expand(const char *path, const struct mount_owner *owner, char *ret,
                      struct vdi_error *err)
{
    struct buf text = BUF_INIT(MOUNT_PATH_MAX);
    int r = mount_path_check(path, err);

    for (const char *p = path; r >= 0 && *p; p++)
        r = *p == '%' ? put_letter(&text, *++p, owner, err) : buf_putc(&text, *p);
    if (r >= 0 && !str_copy(ret, MOUNT_PATH_MAX, text.data ? text.data : ""))
        r = -ENAMETOOLONG;
    if (r < 0 && (!err || !err->code))
        error_set(err, ENAMETOOLONG, NULL, "\"%.120s\" is too long for this owner", path);
    buf_done(&text);
    return r < 0 ? r : 0;
}
