/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shares.c - the directories of one instance: their servers, one after the other, before QEMU has
 * them.
 *
 * QEMU connects once to each; a server ends when QEMU does. What is left of one that QEMU never
 * came to is ended with the instance's files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/instance.h"
#include "vdid/share.h"

#define AGAIN_USEC USEC_PER_SEC
#define END_USEC USEC_PER_SEC /* QEMU's end is seen by then, if that was it */

static void share_path(const struct instance *in, uint32_t i, const char *what, char *ret)
{
    char name[32];

    snprintf(name, sizeof(name), "share-%u.%s", i, what);
    instance_path(in, name, ret);
}

void instance_share_socket(const struct instance *in, uint32_t i, char *ret)
{
    share_path(in, i, "sock", ret);
}

static void fail(struct instance *in, const char *why)
{
    struct vdi_error err = {0};

    error_set(&err, EIO, "mounts", "mount '%s': %s", in->run->shares[in->n_shared].name, why);
    error_hint(&err, NULL, "the owner must be able to enter it on the node");
    instance_fail(in, &err);
}

/* ---- while it runs ---- */

static void look_again(void *arg)
{
    struct instance *in = arg;

    source_free(in->share_timer);
    in->share_timer = NULL;
    if (in->is_running && !in->is_dead && in->rec.state >= RECORD_BOOT &&
        in->rec.state <= RECORD_PAUSED)
        instance_problem(in, in->share_why);
}

static void ended(void *arg, const char *why)
{
    struct instance *in = arg;

    snprintf(in->share_why, sizeof(in->share_why), "a mount is gone: %.120s", why);
    if (!in->share_timer)
        in->share_timer = loop_timer(in->vdid->loop, END_USEC, look_again, in);
}

void instance_shares_watch(struct instance *in)
{
    char note[PATH_MAX];

    for (uint32_t i = 0; in->run && i < in->run->n_shares; i++) {
        share_path(in, i, "pid", note);
        if (!in->shares[i] &&
            share_watch(in->vdid->loop, note, ended, in, &in->shares[i]) == -ENOENT)
            ended(in, "its server (virtiofsd) has ended");
    }
}

/* ---- before it runs ---- */

static void start_next(struct instance *in);

static void started(void *arg, const char *why)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (*why) {
        fail(in, why);
        return;
    }
    in->n_shared++;
    if (in->rec.state == RECORD_BIND)
        instance_plug(in);
    else
        start_next(in);
}

static void start_next(struct instance *in)
{
    const struct run_share *of = &in->run->shares[in->n_shared];
    char socket[PATH_MAX], note[PATH_MAX];
    struct share_config config = {
        .program = in->vdid->config.share,
        .server = *in->vdid->config.virtiofsd ? in->vdid->config.virtiofsd : share_find_server(),
        .owner = &in->run->owner,
        .source = of->source,
        .read_only = of->read_only,
        .socket = socket,
        .note = note,
        .uid = in->qemu_uid,
        .gid = in->qemu_gid,
    };
    struct vdi_error err = {0};

    if (in->stop && in->rec.state == RECORD_BIND) {
        instance_act(in);
        return;
    }
    if (in->n_shared == in->run->n_shares || in->stop) {
        instance_shared(in);
        return;
    }
    share_path(in, in->n_shared, "sock", socket);
    share_path(in, in->n_shared, "pid", note);
    if (!config.server) {
        error_set(&err, ENOENT, "mounts", "this node has no virtiofsd");
        error_hint(&err, NULL, "install it, or name it in vdid.conf (virtiofsd)");
    } else {
        share_free(in->shares[in->n_shared]);
        in->shares[in->n_shared] = NULL;
        share_new(in->vdid->loop, &config, started, ended, in, &in->shares[in->n_shared], &err);
    }
    in->busy = !err.code;
    if (err.code)
        instance_fail(in, &err);
}

static void again(void *arg)
{
    instance_act(arg);
}

static void ids_known(void *arg, int result, const struct virt_result *res,
                      const struct vdi_error *err)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result == -ENOTCONN) { /* all of PREPARE is done anew, until libvirt is back */
        source_free(in->timer);
        in->timer = loop_timer(in->vdid->loop, AGAIN_USEC, again, in);
        return;
    }
    if (result < 0) {
        instance_fail(in, err);
        return;
    }
    in->qemu_uid = res->uid;
    in->qemu_gid = res->gid;
    start_next(in);
}

void instance_share(struct instance *in)
{
    struct vdi_error err = {0};

    in->n_shared = in->rec.state == RECORD_BIND ? in->n_plugged_shares : 0;
    if (!in->run || !in->run->n_shares) {
        instance_shared(in);
        return;
    }
    in->busy = virt_ids(in->vdid->virt, ids_known, in) == 0;
    if (!in->busy) {
        error_set(&err, ENOMEM, "node", "the node is out of memory");
        instance_fail(in, &err);
    }
}

void instance_shares_end(const struct instance *in, uint32_t from)
{
    char path[PATH_MAX];

    for (uint32_t i = from; i < RUN_SHARES_MAX; i++) {
        share_path(in, i, "pid", path);
        share_end(path);
        share_path(in, i, "sock", path);
        unlink(path);
    }
}

void instance_shares_forget(struct instance *in, uint32_t from)
{
    for (uint32_t i = from; i < RUN_SHARES_MAX; i++) {
        share_free(in->shares[i]);
        in->shares[i] = NULL;
    }
}

void instance_shares_done(struct instance *in)
{
    instance_shares_forget(in, 0);
    source_free(in->share_timer);
    in->share_timer = NULL;
}
