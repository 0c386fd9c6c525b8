/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c - what the runner must still know after it, or the guest, has died: three small files. */
#include "guest/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_BYTES_MAX 8192
#define STARTED "started.json"
#define EXIT "exit.json"
#define OWNER "owner.json"
#define SCRIPT "script"

static void path_of(const char *dir, const char *name, char *ret)
{
    snprintf(ret, PATH_MAX, "%s/%s", dir, name);
}

int keep_init(const char *dir)
{
    struct stat st;
    /* Others may pass through it, to the script that is theirs, but not look around. */
    if (mkdir(dir, 0711) < 0 && errno != EEXIST)
        return -errno;
    if (lstat(dir, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() ? 0 : -EPERM;
}

static int replace(const char *dir, const char *name, const struct buf *text)
{
    const struct stat ours = {.st_mode = 0600, .st_uid = geteuid(), .st_gid = getegid()};
    char path[PATH_MAX];
    path_of(dir, name, path);
    return text->failed ? -ENOMEM : file_replace_like(path, text->data, text->len, &ours);
}

static int load(const char *dir, const char *name, struct buf *out)
{
    char path[PATH_MAX];
    path_of(dir, name, path);
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = buf_reserve(out, FILE_BYTES_MAX);
    if (r < 0)
        return r;
    ssize_t n = read(fd, out->data, FILE_BYTES_MAX);
    if (n < 0)
        return -errno;
    out->len = (size_t)n;
    return 0;
}

static int keep_as(const char *dir, const char *name, const struct runner_started *started)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(FILE_BYTES_MAX);
    runner_started_write(started, &text);
    return replace(dir, name, &text);
}

int keep_started(const char *dir, const struct runner_started *started)
{
    return keep_as(dir, STARTED, started);
}

int keep_owner(const char *dir, const struct runner_started *owner)
{
    return keep_as(dir, OWNER, owner);
}

int keep_exit(const char *dir, const struct runner_exit *exit)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(FILE_BYTES_MAX);
    runner_exit_write(exit, &text);
    return replace(dir, EXIT, &text);
}

static int load_as(const char *dir, const char *name, struct runner_started *ret)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(FILE_BYTES_MAX);
    int r = load(dir, name, &text);
    return r < 0 ? r : runner_started_read(text.data, text.len, ret, NULL);
}

int keep_load_started(const char *dir, struct runner_started *ret)
{
    return load_as(dir, STARTED, ret);
}

int keep_load_owner(const char *dir, struct runner_started *ret)
{
    return load_as(dir, OWNER, ret);
}

int keep_load_exit(const char *dir, struct runner_exit *ret)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(FILE_BYTES_MAX);
    int r = load(dir, EXIT, &text);
    return r < 0 ? r : runner_exit_read(text.data, text.len, ret, NULL);
}

static void drop(const char *dir, const char *name)
{
    char path[PATH_MAX];
    path_of(dir, name, path);
    if (unlink(path) < 0 && errno != ENOENT)
        log_warning("%s can't be removed: %s", path, strerror(errno));
}

void keep_drop_exit(const char *dir)
{
    drop(dir, EXIT);
}

void keep_drop_all(const char *dir)
{
    drop(dir, EXIT);
    drop(dir, SCRIPT);
    drop(dir, STARTED);
}

int keep_script(const char *dir, const struct runner_owner *owner, const char *text, char *ret_path)
{
    path_of(dir, SCRIPT, ret_path);
    drop(dir, SCRIPT);
    _cleanup_(closep) int fd =
        open(ret_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
    if (fd < 0)
        return -errno;
    int r = file_write_all(fd, text, strlen(text));
    if (r == 0 &&
        ((geteuid() == 0 && fchown(fd, owner->uid, owner->gid) < 0) || fchmod(fd, 0500) < 0))
        r = -errno;
    return r;
}

void keep_drop_script(const char *dir)
{
    drop(dir, SCRIPT);
}
