/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save.c - a guest's memory to a file of ours and back.
 *
 * Managed save is refused for transient domains; a file of ours also has a
 * digest. It is "save.part" until libvirt is done; "save" is removed only after
 * the guest runs again. Finishing can be done again after a crash at any point. Kept: a guest
 * whose memory cannot be kept runs on, and nothing of the attempt is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "vdid/file.h"
#include "vdid/instance.h"

/* libvirt writes "LibvirtQemudPart" first and this once all of it is there. */
#define SAVE_MAGIC "LibvirtQemudSave"

/* What a file has beyond the guest's memory: devices, the screen. */
#define SAVE_MORE_MIB 64

struct saving {
    struct instance *in;
    bool restore; /* compare, else compute */
    int result;
    char sha256[65];
};

static bool is_whole(const struct instance *in, const char *file)
{
    char path[PATH_MAX], magic[sizeof(SAVE_MAGIC)] = "";
    _cleanup_(closep) int fd = -1;

    instance_path(in, file, path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && read(fd, magic, sizeof(magic) - 1) == sizeof(magic) - 1 &&
           !memcmp(magic, SAVE_MAGIC, sizeof(magic) - 1);
}

/* The rename may be done already, and the record not written. */
bool instance_is_saved(const struct instance *in)
{
    return is_whole(in, "save.part") || is_whole(in, "save");
}

static void finish_work(void *arg)
{
    struct saving *s = arg;
    char part[PATH_MAX], path[PATH_MAX], dir[PATH_MAX];
    _cleanup_(closep) int fd = -1;

    instance_path(s->in, "save.part", part);
    instance_path(s->in, "save", path);
    instance_path(s->in, "", dir);
    if (!s->restore && rename(part, path) < 0 && errno != ENOENT)
        s->result = -errno;
    if (s->result < 0)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    s->result = fd < 0 ? -errno : file_sha256(fd, s->sha256);
    if (s->restore || s->result < 0)
        return;
    if (fchmod(fd, 0600) < 0 || fsync(fd) < 0)
        s->result = -errno;
    else
        s->result = file_sync_dir(dir);
}

static struct saving *saving_new(struct instance *in, bool restore)
{
    struct saving *s = calloc(1, sizeof(*s));

    if (s) {
        s->in = in;
        s->restore = restore;
    }
    return s;
}

/* All of it is in the file, which may not last: it is read back at once, without a digest. */
static void go_back(struct instance *in, const struct vdi_error *err)
{
    log_error("%s; it runs on", err->detail);
    instance_answer(in, 1u << VDID_SAVE, -err->code, err);
    in->rec.save_sha256[0] = '\0';
    in->rec.was_created = true;
    in->is_dead = false;
    instance_set(in, RECORD_RESTORE);
}

static void finished(void *arg, bool dropped)
{
    struct saving *s = arg;
    struct instance *in = s->in;
    struct vdi_error err = {0};
    int r = s->result;

    in->busy = false;
    memcpy(in->rec.save_sha256, s->sha256, sizeof(s->sha256));
    free(s);
    if (dropped || in->vdid->is_freed)
        return;
    in->rec.was_created = false;
    in->is_running = false;
    instance_unwatch(in);
    instance_run_drop(in);
    if (r < 0) {
        error_set(&err, r, "state_dir", "the memory of instance %" PRIu64 " cannot be kept: %s",
                  in->rec.id, strerror(-r));
        go_back(in, &err);
        return;
    }
    in->untold = true;
    instance_set(in, RECORD_SAVED);
}

void instance_finish_save(struct instance *in)
{
    struct saving *s = saving_new(in, false);

    if (!s || !instance_post(in, finish_work, finished, s))
        free(s);
}

/* What is free where the file would lie; -1: nobody knows. */
static int64_t free_mib(const struct instance *in)
{
    struct statvfs fs;

    if (statvfs(in->vdid->config.state_dir, &fs) < 0)
        return -1;
    return (int64_t)((uint64_t)fs.f_bavail * fs.f_frsize >> 20);
}

int instance_save_check(const struct instance *in, struct vdi_error *err)
{
    int64_t have = free_mib(in), need = (int64_t)in->rec.wish.memory_mib + SAVE_MORE_MIB;
    char limit[48];

    if (have < 0 || have >= need)
        return 0;
    error_set(err, ENOSPC, "state_dir",
              "node %s has no room for the memory of instance %" PRIu64 ": %" PRId64
              " MiB are free of the %" PRId64 " MiB it needs",
              in->vdid->config.node, in->rec.id, have, need);
    snprintf(limit, sizeof(limit), "%" PRId64 " MiB free", have);
    error_hint(err, limit, "cancel or resume what is suspended there, or go on and save your work");
    return -ENOSPC;
}

/* It was full while the memory was written, and by now another has given some back. */
static void was_full(const struct instance *in, struct vdi_error *err)
{
    error_set(err, ENOSPC, "state_dir",
              "the disk of node %s was full before the memory of instance %" PRIu64
              " was written; now %" PRId64 " MiB are free",
              in->vdid->config.node, in->rec.id, free_mib(in));
    error_hint(err, NULL, "try again, or go on and save your work");
}

/* libvirt has let the guest run on. Of a full disk it has no code, only the system's words, and
 * those in its own language: what is free counts first. */
static void not_saved(struct instance *in, int result, const struct vdi_error *err)
{
    struct vdi_error full = {0};
    char path[PATH_MAX];

    log_warning("instance %" PRIu64 ": %s", in->rec.id, err->detail);
    if (instance_save_check(in, &full) < 0 || strstr(err->detail, strerror(ENOSPC))) {
        if (!full.code)
            was_full(in, &full);
        err = &full;
        result = -full.code;
    }
    instance_path(in, "save.part", path);
    unlink(path);
    instance_answer(in, 1u << VDID_SAVE, result, err);
    instance_set(in, RECORD_READY);
}

static void saved(void *arg, int result, const struct virt_result *res, const struct vdi_error *err)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result == -ENOTCONN || result == -ENOENT) {
        vdid_recheck(in->vdid); /* it may be done all the same */
        return;
    }
    if (result == 0) {
        instance_finish_save(in);
        return;
    }
    not_saved(in, result, err);
}

void instance_save(struct instance *in)
{
    char path[PATH_MAX], name[DOMAIN_NAME_MAX];

    instance_path(in, "save", path);
    unlink(path); /* of an earlier time: it must not pass for this one */
    instance_path(in, "save.part", path);
    in->busy = virt_save(in->vdid->virt, instance_domain(in, name), path, saved, in) == 0;
}

/* ---- back ---- */

static void restored(void *arg, int result, const struct virt_result *res,
                     const struct vdi_error *err)
{
    struct instance *in = arg;
    char path[PATH_MAX];

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result == -ENOTCONN || result == -EBUSY) {
        vdid_recheck(in->vdid);
        return;
    }
    if (result < 0) { /* the file is still there: nothing is lost, it can be tried again */
        log_warning("instance %" PRIu64 ": %s", in->rec.id, err->detail);
        in->rec.was_created = false;
        instance_answer(in, 1u << VDID_RESUME, result, err);
        instance_set(in, RECORD_SAVED);
        return;
    }
    instance_path(in, "save", path);
    unlink(path);
    in->rec.save_sha256[0] = '\0';
    in->is_running = true;
    instance_answer(in, 1u << VDID_RESUME, 0, NULL);
    instance_set(in, RECORD_READY);
    instance_emit(in, "ready");
}

static void verified(void *arg, bool dropped)
{
    struct saving *s = arg;
    struct instance *in = s->in;
    char path[PATH_MAX], name[DOMAIN_NAME_MAX];
    struct vdi_error err = {0};
    int r = s->result;

    in->busy = false;
    if (r == 0 && in->rec.save_sha256[0] && strcmp(s->sha256, in->rec.save_sha256) != 0)
        r = -EUCLEAN;
    free(s);
    if (dropped || in->vdid->is_freed)
        return;
    if (r < 0) {
        error_set(&err, r, "save", "the saved memory of instance %" PRIu64 " is lost or damaged",
                  in->rec.id);
        in->rec.was_created = false;
        instance_answer(in, 1u << VDID_RESUME, r, &err);
        instance_set(in, RECORD_SAVED);
        return;
    }
    instance_path(in, "save", path);
    in->busy = virt_restore(in->vdid->virt, instance_domain(in, name), path, restored, in) == 0;
}

void instance_restore(struct instance *in)
{
    struct saving *s = saving_new(in, true);

    if (!s || !instance_post(in, finish_work, verified, s))
        free(s);
}
