/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c - the files of disks on this node; for worker threads: all blocks. */
#include "vdid/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "vdid/file.h"

#define SUFFIX ".img"
#define BLOCK_BYTES 512 /* of st_blocks */

static const char *const keys[] = {"disk_dir", "disk_shared_dir"}; /* by enum disk_where */

void volume_path(const struct volume_config *c, enum disk_where where, const char *volume,
                 char *ret)
{
    snprintf(ret, PATH_MAX, "%.2000s/%.64s" SUFFIX, c->dirs[where], volume);
}

void volume_part_path(const struct volume_config *c, enum disk_where where, const char *volume,
                      char *ret)
{
    snprintf(ret, PATH_MAX, "%.2000s/%.64s.part-%.64s", c->dirs[where], volume, c->node);
}

static int failed(int code, enum disk_where where, const char *what, const char *path,
                  struct vdi_error *err)
{
    return error_set(err, -code, keys[where], "%.80s %s: %s", path, what, strerror(-code));
}

int volume_look(const struct volume_config *c, enum disk_where where, const char *volume,
                struct vdi_error *err)
{
    char path[PATH_MAX];
    struct stat st;

    if (!*c->dirs[where]) {
        error_set(err, ENODEV, keys[where], "this node has no directory for shared disks");
        error_hint(err, NULL, "write disk_shared_dir into vdid.conf of every node");
        return -ENODEV;
    }
    volume_path(c, where, volume, path);
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : failed(-errno, where, "can't be looked at", path, err);
    if (!S_ISREG(st.st_mode) || !st.st_size)
        return error_set(err, EBADMSG, keys[where], "%.80s is no volume", path);
    return 1;
}

/* ---- what is there ---- */

/* Of "ID.TOKEN.img" the name of the volume; ret has DISK_VOLUME_MAX bytes. */
static bool volume_of(const char *file, char *ret)
{
    size_t len = strlen(file), end = sizeof(SUFFIX) - 1;
    uint64_t id;

    if (len <= end || len - end >= DISK_VOLUME_MAX || !str_equal(file + len - end, SUFFIX))
        return false;
    memcpy(ret, file, len - end);
    ret[len - end] = '\0';
    return disk_volume_parse(ret, &id);
}

static size_t list_dir(const char *dir, enum disk_where where, struct inventory_volume *ret,
                       size_t max)
{
    DIR *d = *dir ? opendir(dir) : NULL;
    size_t n = 0;

    for (struct dirent *e; d && n < max && (e = readdir(d));) {
        struct inventory_volume v = {.where = where};
        struct stat st;

        if (!volume_of(e->d_name, v.volume) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        v.size_bytes = (uint64_t)st.st_size;
        v.bytes = (uint64_t)st.st_blocks * BLOCK_BYTES;
        ret[n++] = v;
    }
    if (d)
        closedir(d);
    return n;
}

static int by_name(const void *a, const void *b)
{
    const struct inventory_volume *x = a, *y = b;

    return x->where != y->where ? (int)x->where - (int)y->where : strcmp(x->volume, y->volume);
}

size_t volume_list(const struct volume_config *c, struct inventory_volume **ret)
{
    struct inventory_volume *all = calloc(INVENTORY_VOLUMES_MAX, sizeof(*all));
    size_t n = 0;

    for (uint32_t where = DISK_NODE; all && where <= DISK_SHARED; where++)
        n += list_dir(c->dirs[where], (enum disk_where)where, all + n, INVENTORY_VOLUMES_MAX - n);
    if (n)
        qsort(all, n, sizeof(*all), by_name);
    *ret = all;
    return n;
}

void volume_clean(const struct volume_config *c)
{
    char mark[80];

    snprintf(mark, sizeof(mark), ".part-%.64s", c->node);
    for (uint32_t where = DISK_NODE; where <= DISK_SHARED; where++) {
        DIR *d = *c->dirs[where] ? opendir(c->dirs[where]) : NULL;

        for (struct dirent *e; d && (e = readdir(d));) {
            size_t len = strlen(e->d_name);

            if (len > strlen(mark) && str_equal(e->d_name + len - strlen(mark), mark) &&
                unlinkat(dirfd(d), e->d_name, 0) < 0)
                log_warning("%s/%s can't be removed: %s", c->dirs[where], e->d_name,
                            strerror(errno));
        }
        if (d)
            closedir(d);
    }
}

/* ---- room ---- */

static unsigned long long gib(uint64_t bytes)
{
    return (unsigned long long)(bytes >> 30);
}

/* What there is and what it may still grow to; what is being made counts as well. */
static void sum_up(const char *dir, uint64_t *ret_size, uint64_t *ret_promised)
{
    DIR *d = opendir(dir);

    *ret_size = *ret_promised = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        uint64_t size, bytes;
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        size = (uint64_t)st.st_size;
        bytes = (uint64_t)st.st_blocks * BLOCK_BYTES;
        *ret_size += size;
        *ret_promised += size > bytes ? size - bytes : 0;
    }
    if (d)
        closedir(d);
}

static int check_room(const struct volume_config *c, enum disk_where where, uint64_t size,
                      struct vdi_error *err)
{
    const char *dir = c->dirs[where];
    uint64_t all, promised, free_bytes;
    struct statvfs fs;
    char limit[48];

    if (statvfs(dir, &fs) < 0)
        return failed(-errno, where, "can't be used", dir, err);
    free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    sum_up(dir, &all, &promised);
    if (where == DISK_NODE && c->max_bytes && all + size > c->max_bytes) {
        snprintf(limit, sizeof(limit), "%llu GiB", gib(c->max_bytes));
        error_set(err, ENOSPC, "disk_max_gib", "%llu GiB are wanted, %llu GiB are disks already",
                  gib(size), gib(all));
        error_hint(err, limit, "raise disk_max_gib in vdid.conf, or delete disks");
        return -ENOSPC;
    }
    if (free_bytes >= promised + c->reserve_bytes + size)
        return 0;
    error_set(err, ENOSPC, keys[where],
              "%llu GiB are wanted; %llu GiB are free, %llu of them promised to disks", gib(size),
              gib(free_bytes), gib(promised));
    error_hint(err, NULL, "make room there, or delete disks");
    return -ENOSPC;
}

/* ---- making and removing ---- */

int volume_begin(const struct volume_config *c, enum disk_where where, const char *volume,
                 uint64_t size_bytes, struct vdi_error *err)
{
    _cleanup_(closep) int fd = -1;
    char path[PATH_MAX];
    int r = where == DISK_NODE ? file_make_dir(c->dirs[where]) : 0;

    if (r < 0)
        return failed(r, where, "can't be made", c->dirs[where], err);
    volume_part_path(c, where, volume, path);
    unlink(path); /* of an attempt that a crash cut off */
    r = check_room(c, where, size_bytes, err);
    if (r < 0)
        return r;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0)
        return 0;
    r = failed(-errno, where, "can't be made", path, err);
    unlink(path);
    return r;
}

int volume_finish(const struct volume_config *c, enum disk_where where, const char *volume,
                  struct vdi_error *err)
{
    char part[PATH_MAX], path[PATH_MAX];
    _cleanup_(closep) int fd = -1;

    volume_part_path(c, where, volume, part);
    volume_path(c, where, volume, path);
    fd = open(part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    /* Not over one that is there: it would be somebody's. */
    if (fd < 0 || fsync(fd) < 0 || link(part, path) < 0 || unlink(part) < 0)
        return failed(-errno, where, "can't be made durable", part, err);
    if (file_sync_dir(c->dirs[where]) < 0)
        return failed(-errno, where, "can't be made durable", path, err);
    return 0;
}

int volume_remove(const struct volume_config *c, enum disk_where where, const char *volume,
                  struct vdi_error *err)
{
    char path[PATH_MAX];
    int r = volume_look(c, where, volume, err);

    if (r < 0)
        return r;
    volume_part_path(c, where, volume, path);
    unlink(path);
    volume_path(c, where, volume, path);
    if (r > 0 && unlink(path) < 0 && errno != ENOENT)
        return failed(-errno, where, "can't be removed", path, err);
    r = file_sync_dir(c->dirs[where]);
    return r == 0 || r == -ENOENT ? 0
                                  : failed(r, where, "can't be made durable", c->dirs[where], err);
}
