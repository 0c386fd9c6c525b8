/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.c - mounts what the host lends: directories by virtiofs, a disk by its serial number.
 * A file server's directories, which take their time, are left to remote.c.
 *
 * A runner that was restarted finds its mounts in /proc/self/mountinfo and leaves them. Devices
 * and set-uid programs of what is mounted count for nothing in the guest.
 */
#include "guest/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define MOUNTINFO_MAX (1u << 20)

static int make_dirs(const char *path)
{
    char part[512];

    if (!str_copy(part, sizeof(part), path))
        return -ENAMETOOLONG;
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
        if (!slash)
            return 0;
        *slash = '/';
    }
}

static bool is_target(const char *path)
{
    size_t len = strlen(path);

    return path[0] == '/' && path[1] && !strstr(path, "/../") && !strstr(path, "//") &&
           !(len >= 3 && str_equal(path + len - 3, "/..")) && str_is_text(path, len, false);
}

/* ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS [TAGS...] - TYPE SOURCE SUPER; the last one counts. */
int mount_find(const char *mountinfo, const struct runner_mount *m, const char *source)
{
    int found = 0;

    for (const char *line = mountinfo; *line; line += strcspn(line, "\n"), line += *line != '\0') {
        char target[256], from[256], text[1024];
        const char *dash;

        str_copy(text, strcspn(line, "\n") < sizeof(text) ? strcspn(line, "\n") + 1 : 1, line);
        dash = strstr(text, " - ");
        if (sscanf(text, "%*s %*s %*s %*s %255s", target) != 1 || !str_equal(target, m->target))
            continue;
        found =
            dash && sscanf(dash, " - %*s %255s", from) == 1 && str_equal(from, source) ? 1 : -EBUSY;
    }
    return found;
}

static int read_mountinfo(struct buf *out)
{
    _cleanup_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
    char piece[4096];

    if (!f)
        return -errno;
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        if (buf_append(out, piece, n) < 0)
            return -EFBIG;
    return ferror(f) ? -EIO : buf_puts(out, "");
}

/* The disk whose serial number that is, without udev: /dev/vdX. */
static int find_disk(const char *serial, char *ret, size_t size)
{
    DIR *d = opendir("/sys/block");
    int r = d ? -ENODEV : -errno;

    for (struct dirent *e; r == -ENODEV && (e = readdir(d));) {
        char path[300], text[64] = "";
        _cleanup_(fclosep) FILE *f = NULL;

        snprintf(path, sizeof(path), "/sys/block/%s/serial", e->d_name);
        f = fopen(path, "re");
        if (!f || !fgets(text, sizeof(text), f))
            continue;
        text[strcspn(text, "\n")] = '\0';
        if (str_equal(text, serial))
            r = snprintf(ret, size, "/dev/%s", e->d_name) < (int)size ? 0 : -ENAMETOOLONG;
    }
    if (d)
        closedir(d);
    return r;
}

static int fail(const struct runner_mount *m, int code, struct vdi_error *err)
{
    bool is_disk = m->type == RUNNER_DISK;

    if (code == -ENODEV)
        error_set(err, code, "mounts", "%s: the guest has no %s for it", m->target,
                  is_disk ? "disk or no ext4" : "virtiofs");
    else if (code == -EBUSY)
        error_set(err, code, "mounts", "%s: something else is mounted there", m->target);
    else
        error_set(err, code, "mounts", "%s can't be mounted: %s", m->target, strerror(-code));
    if (code == -ENODEV)
        error_hint(err, NULL, "the image needs the kernel's modules: see vdi-runner(8)");
    return code;
}

static int mount_one(const char *root, const struct runner_mount *m, struct vdi_error *err)
{
    _cleanup_(buf_done) struct buf info = BUF_INIT(MOUNTINFO_MAX);
    unsigned long flags = MS_NODEV | MS_NOSUID | (m->read_only ? MS_RDONLY : 0);
    char path[320], source[256];
    bool is_remote = runner_mount_has_ticket(m);
    int r = is_target(m->target) ? 0 : -EINVAL;

    if (r == 0 && m->type == RUNNER_DISK)
        r = find_disk(m->tag, source, sizeof(source));
    else if (r == 0)
        r = str_copy(source, sizeof(source), is_remote ? m->source : m->tag) ? 0 : -EINVAL;
    if (r == 0)
        r = read_mountinfo(&info);
    if (r == 0)
        r = mount_find(info.data, m, source);
    if (r == 1)
        return 0;
    snprintf(path, sizeof(path), "%s%s", str_equal(root, "/") ? "" : root, m->target);
    if (r == 0)
        r = make_dirs(path);
    if (r == 0 && is_remote)
        return -EINPROGRESS;
    if (r == 0 &&
        mount(source, path, m->type == RUNNER_DISK ? "ext4" : "virtiofs", flags, NULL) < 0)
        r = errno == EINVAL && m->type == RUNNER_VIRTIOFS ? -ENODEV : -errno; /* no such tag */
    return r < 0 ? fail(m, r, err) : 0;
}

int mount_all(const char *root, const struct runner_mount *mounts, uint32_t n, uint32_t *ret_next,
              struct vdi_error *err)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < n; i++) {
        *ret_next = i;
        r = mount_one(root, &mounts[i], err);
    }
    return r;
}
