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
/* And no comma where helpers of mount(8) see it, and no %; the $ of a share that is not listed. */
static const char served[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+@=$";
#define HOST "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"
#define LETTERS "uUgG%"

const char *const mount_type_names[] = {"virtiofs", "nfs-krb5", "smb", "9p", NULL};
const char *const mount_security_names[] = {"krb5", "krb5i", "krb5p", NULL};

bool mount_type_has_ticket(const char *type)
{
    return str_equal(type, mount_type_names[MOUNT_NFS_KRB5]) ||
           str_equal(type, mount_type_names[MOUNT_SMB]);
}

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

static int check_path(const char *path, const char *plain, struct vdi_error *err)
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
        if (*p == '%' && (!p[1] || !strchr(plain == served ? "uUgG" : LETTERS, *++p)))
            return refuse(path, "has a % that means nothing",
                          "%u is the owner's name, %U the uid, %g the group, %G the gid, %% a %",
                          err);
        if (*p != '%' && !strchr(plain, *p))
            return refuse(path, "has a character that a mount's path may not have",
                          plain == served ? "use letters, digits and / . _ - + @ = $"
                                          : "use letters, digits and / . _ - + @ , =",
                          err);
    }
    return 0;
}

int mount_path_check(const char *path, struct vdi_error *err)
{
    return check_path(path, PLAIN, err);
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

static int expand(const char *path, const struct mount_owner *owner, char *ret,
                  struct vdi_error *err)
{
    struct buf text = BUF_INIT(MOUNT_PATH_MAX);
    int r = 0;

    for (const char *p = path; r >= 0 && *p; p++)
        r = *p == '%' ? put_letter(&text, *++p, owner, err) : buf_putc(&text, *p);
    if (r >= 0 && !str_copy(ret, MOUNT_PATH_MAX, text.data ? text.data : ""))
        r = -ENAMETOOLONG;
    if (r < 0 && (!err || !err->code))
        error_set(err, ENAMETOOLONG, NULL, "\"%.120s\" is too long for this owner", path);
    buf_done(&text);
    return r < 0 ? r : 0;
}

int mount_path_expand(const char *path, const struct mount_owner *owner, char *ret,
                      struct vdi_error *err)
{
    int r = mount_path_check(path, err);

    return r < 0 ? r : expand(path, owner, ret, err);
}

/* ---- sources ---- */

/* By its form; *ret_path: what follows the server. */
static enum mount_type source_type(const char *source, const char **ret_path)
{
    size_t host = strspn(source, HOST);

    *ret_path = source;
    if (source[0] == '/' && source[1] == '/') {
        *ret_path = source + 2 + strspn(source + 2, HOST);
        return MOUNT_SMB;
    }
    if (source[host] != ':')
        return MOUNT_VIRTIOFS;
    *ret_path = source + host + 1;
    return MOUNT_NFS_KRB5;
}

/* A name, as the server's principal has it: nfs/HOST, cifs/HOST. */
static bool is_host(const char *host, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((host[i] == '.' || host[i] == '-') &&
            (i == 0 || i == len - 1 || host[i - 1] == '.' || host[i + 1] == '.'))
            return false;
    return len > 0 && len <= 253;
}

int mount_source_check(const char *source, struct vdi_error *err)
{
    const char *path;
    enum mount_type type = source_type(source, &path);
    size_t skip = type == MOUNT_SMB ? 2 : 0;

    if (strlen(source) >= MOUNT_PATH_MAX || type == MOUNT_VIRTIOFS)
        return mount_path_check(source, err);
    if (!is_host(source + skip, (size_t)(path - source) - skip - (type == MOUNT_NFS_KRB5)))
        return refuse(source, "begins with no name of a server",
                      "write its full name in DNS, as Kerberos knows it", err);
    return check_path(path, served, err);
}

int mount_source_check_type(const char *source, const char *type, struct vdi_error *err)
{
    static const char *const forms[] = {
        [MOUNT_VIRTIOFS] = "write a directory of the node, as in \"/home/%u\"",
        [MOUNT_NFS_KRB5] = "write it as in \"files.example.org:/home/%u\"",
        [MOUNT_SMB] = "write it as in \"//files.example.org/home/%u\""};
    const char *path;
    enum mount_type is = source_type(source, &path), wanted = MOUNT_VIRTIOFS;
    char why[64];

    for (enum mount_type i = 0; i < MOUNT_9P; i++)
        if (str_equal(type, mount_type_names[i]))
            wanted = i;
    if (is == wanted)
        return mount_source_check(source, err);
    snprintf(why, sizeof(why), "is no source of type %.20s", mount_type_names[wanted]);
    return refuse(source, why, forms[wanted], err);
}

int mount_source_expand(const char *source, const struct mount_owner *owner, char *ret,
                        struct vdi_error *err)
{
    int r = mount_source_check(source, err);

    return r < 0 ? r : expand(source, owner, ret, err);
}

int mount_security_check(const char *word, struct vdi_error *err)
{
    for (size_t i = 0; mount_security_names[i]; i++)
        if (!*word || str_equal(word, mount_security_names[i]))
            return 0;
    return refuse(word, "is no kind of security", "write krb5, krb5i or krb5p", err);
}

int mount_ticket_check(const char *path, struct vdi_error *err)
{
    size_t word = strcspn(path, ":/");

    if (!*path)
        return 0;
    if (word && path[word] == ':')
        return refuse(path, "names the kind of a credential cache",
                      "write the path of one of type FILE alone, as in \"/tmp/krb5cc_%U\"; KCM, "
                      "KEYRING and DIR can't be handed to a guest",
                      err);
    return mount_path_check(path, err);
}
