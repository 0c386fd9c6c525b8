/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket.c - the owner's Kerberos ticket in the guest, where rpc.gssd and cifs.upcall look for it.
 *
 * Both look for a regular file /tmp/krb5cc_UID of that user, and libkrb5 does by default. /tmp may
 * be on a disk, which the node keeps: so the file is one of a tmpfs, mounted over an empty one
 * there. What is new is written into the same file, under the lock that libkrb5 takes.
 */
#include "guest/ticket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define OPTIONS "mode=0700,size=1m"

static void path_in(const char *dir, uint32_t uid, char *ret)
{
    snprintf(ret, PATH_MAX, "%s/krb5cc_%u", dir, uid);
}

/* Whether something is mounted there. */
static bool is_mounted(const char *path, const char *above)
{
    struct stat st, up;

    return lstat(path, &st) == 0 && stat(above, &up) == 0 && st.st_dev != up.st_dev;
}

/* Never in the guest's swap, where the kernel can promise that (Linux 6.4). */
static int make_dir(const char *dir)
{
    const unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC;
    char above[PATH_MAX];

    snprintf(above, sizeof(above), "%s/..", dir);
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (is_mounted(dir, above) || mount("vdi-ticket", dir, "tmpfs", flags, OPTIONS ",noswap") == 0)
        return 0;
    return mount("vdi-ticket", dir, "tmpfs", flags, OPTIONS) < 0 ? -errno : 0;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, data + done, len - done, (off_t)done);

        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return ftruncate(fd, (off_t)len) < 0 ? -errno : 0;
}

static int put_file(const char *path, uint32_t uid, uint32_t gid, const uint8_t *data, size_t len)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    _cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || fchmod(fd, 0600) < 0 || fchown(fd, uid, gid) < 0)
        return -errno;
    /* Without waiting: its owner may hold a lock for ever, and would read half of it at most. */
    fcntl(fd, F_OFD_SETLK, &lock);
    return write_all(fd, data, len);
}

/* Over a regular file that is there, or an empty one; never through a link. */
static int show_file(const char *path, const char *dir, const char *seen)
{
    char target[64];
    _cleanup_(closep) int fd = -1;
    struct stat st;

    if (is_mounted(seen, dir))
        return 0;
    fd = open(seen, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno != EEXIST)
        return -errno;
    closep(&fd);
    fd = open(seen, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EEXIST;
    snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
    return mount(path, target, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int put_one(const struct ticket_place *place, uint32_t uid, uint32_t gid,
                   const uint8_t *data, size_t len)
{
    char path[PATH_MAX], seen[PATH_MAX];
    int r;

    path_in(place->dir, uid, path);
    path_in(place->seen, uid, seen);
    r = put_file(path, uid, gid, data, len);
    return r < 0 ? r : show_file(path, place->seen, seen);
}

int ticket_put(const struct ticket_place *place, const struct runner_owner *owner, bool for_root,
               const uint8_t *data, size_t len, struct vdi_error *err)
{
    int r = make_dir(place->dir);

    if (r == 0)
        r = put_one(place, owner->uid, owner->gid, data, len);
    if (r == 0 && for_root && owner->uid)
        r = put_one(place, 0, 0, data, len);
    if (r < 0)
        error_set(err, r, "ticket", "the Kerberos ticket can't be put into %s: %s", place->dir,
                  strerror(-r));
    return r;
}

static void drop_one(const struct ticket_place *place, uint32_t uid)
{
    char path[PATH_MAX], seen[PATH_MAX];
    static const uint8_t zeros[RUNNER_TICKET_MAX];
    struct stat st;
    int fd;

    path_in(place->dir, uid, path);
    path_in(place->seen, uid, seen);
    if (lstat(path, &st) < 0)
        return;
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) { /* whoever has it open has nothing either */
        write_all(fd, zeros, sizeof(zeros));
        if (ftruncate(fd, 0) < 0)
            write_all(fd, zeros, 0);
        close(fd);
    }
    if (is_mounted(seen, place->seen))
        umount2(seen, MNT_DETACH | UMOUNT_NOFOLLOW);
    if (lstat(seen, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
        unlink(seen);
    unlink(path);
}

void ticket_drop(const struct ticket_place *place, const struct runner_owner *owner)
{
    drop_one(place, owner->uid);
    drop_one(place, 0);
    umount2(place->dir, MNT_DETACH | UMOUNT_NOFOLLOW);
    rmdir(place->dir);
}
