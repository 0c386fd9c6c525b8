/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private_file.c - files with secrets: the caller's alone (0600) from their first moment.
 *
 * Every file is new (O_EXCL), so that a name that another user could guess or
 * prepare never leads elsewhere.
 */
#include "cli/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

static int fill(int fd, const struct buf *text)
{
    for (size_t done = 0; done < text->len;) {
        ssize_t n = write(fd, text->data + done, text->len - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

/* One errno, so that a directory that is not there is no job that is not there. */
static int fail(const char *path, int code, struct vdi_error *err)
{
    return error_set(err, EIO, "output", "%.200s: %s", path, strerror(code));
}

static int write_new(const char *path, const struct buf *text, struct vdi_error *err)
{
    _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        error_set(err, EEXIST, "output", "%.200s is there already", path);
        error_hint(err, NULL, "name another file, or replace it with --force");
        return -EEXIST;
    }
    if (fd < 0)
        return fail(path, errno, err);
    int r = fill(fd, text);
    if (r < 0) {
        unlink(path);
        return fail(path, -r, err);
    }
    return 0;
}

int private_file_write(const char *path, bool replace, const struct buf *text,
                       struct vdi_error *err)
{
    if (text->failed)
        return error_set(err, ENOMEM, "output", "no memory");
    if (!replace)
        return write_new(path, text, err);
    _cleanup_(freep) char *next = str_printf("%s.XXXXXX", path);
    _cleanup_(closep) int fd = next ? mkostemp(next, O_CLOEXEC) : -1; /* 0600 */
    if (fd < 0)
        return fail(path, next ? errno : ENOMEM, err);
    int r = fill(fd, text);
    if (r == 0 && rename(next, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(next);
        return fail(path, -r, err);
    }
    return 0;
}

/* pam_systemd's promise (0700, the user's), which nobody keeps for a su without a login. */
static bool is_private(const char *dir)
{
    struct stat st;
    return !str_is_empty(dir) && *dir == '/' && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && !(st.st_mode & 077);
}

int private_file_make(const char *name, const char *suffix, const struct buf *text,
                      struct private_file *ret, struct vdi_error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
    ret->dir[0] = '\0';
    if (!is_private(runtime)) {
        snprintf(ret->dir, sizeof(ret->dir), "%s/vdi-XXXXXX",
                 !str_is_empty(tmp) && *tmp == '/' ? tmp : "/tmp");
        if (!mkdtemp(ret->dir)) {
            int r = fail(ret->dir, errno, err);
            ret->dir[0] = '\0';
            return r;
        }
        runtime = ret->dir;
    }
    int n = snprintf(ret->path, sizeof(ret->path), "%s/%s-XXXXXX%s", runtime, name, suffix);
    if (n < 0 || (size_t)n >= sizeof(ret->path))
        return fail(runtime, ENAMETOOLONG, err);
    _cleanup_(closep) int fd = mkostemps(ret->path, (int)strlen(suffix), O_CLOEXEC); /* 0600 */
    int r = fd < 0 ? -errno : text->failed ? -ENOMEM : fill(fd, text);
    if (r < 0) {
        private_file_remove(ret);
        return fail(ret->path, -r, err);
    }
    return 0;
}

void private_file_remove(const struct private_file *file)
{
    unlink(file->path);
    if (*file->dir)
        rmdir(file->dir);
}
