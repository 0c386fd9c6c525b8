/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_backup.c - vdictl backup FILE: a whole, checked, durable file, or none.
 */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/backup.h"

#define TIMEOUT_SEC 600 /* without a byte */

static int take(void *arg, const char *data, size_t len)
{
    return fwrite(data, 1, len, arg) == len ? 0 : errno ? -errno : -EIO;
}

static int receive(struct control *c, FILE *f, struct vdi_error *err)
{
    struct client_request request = {.method = "GET",
                                     .target = "/v1/backup",
                                     .timeout_sec = TIMEOUT_SEC,
                                     .on_data = take,
                                     .arg = f};
    int r = client_do(c->client, &request, NULL, err);

    if (r == 0 && (fflush(f) != 0 || (f != stdout && fsync(fileno(f)) < 0)))
        r = error_set(err, EIO, "", "the backup can't be written: %s", strerror(errno));
    return r;
}

static int fail(const char *path, int code, struct vdi_error *err)
{
    return error_set(err, EIO, "", "%.200s: %s", path, strerror(code));
}

/* What was written is read again, before it takes the place of what is there. */
static int finish(const char *next, const char *path, struct vdi_error *err)
{
    _cleanup_(backup_closep) struct backup_file *file = NULL;
    _cleanup_(freep) char *dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    char when[40];
    int r = backup_open(next, &file, err);

    if (r < 0)
        return r == -EBADMSG ? -EIO : r;
    if (rename(next, path) < 0)
        return fail(path, errno, err);
    if (slash)
        slash[slash == dir] = '\0';
    r = file_sync_dir(slash ? dir : ".");
    if (r < 0)
        return fail(path, -r, err);
    printf("%s: cluster %s at %s, event %" PRIu64 ": %" PRIu64 " live objects, %" PRIu64
           " rows of the archive\n",
           path, backup_head(file)->cluster, time_to_rfc3339(backup_head(file)->time_usec, when),
           backup_head(file)->seq, backup_count(file, BACKUP_OBJECT),
           backup_count(file, BACKUP_ARCHIVE));
    return 0;
}

int control_backup(struct control *c, const struct verb *verb, struct vdi_error *err)
{
    const char *path = c->words[0];
    _cleanup_(freep) char *next = str_printf("%s.XXXXXX", path);
    int fd, r;
    FILE *f;

    if (str_equal(path, "-"))
        return receive(c, stdout, err);
    fd = next ? mkostemp(next, O_CLOEXEC) : -1; /* 0600 */
    if (fd < 0)
        return fail(path, next ? errno : ENOMEM, err);
    f = fdopen(fd, "w");
    if (f) {
        r = receive(c, f, err);
        fclose(f);
    } else {
        r = fail(next, errno, err);
        close(fd);
    }
    if (r == 0)
        r = finish(next, path, err);
    if (r < 0)
        unlink(next);
    return r;
}
