/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind.c - a seat that is ready becomes its owner's: disks and mounts, then account and session.
 *
 * Whose it is is durable, in the record, before anything of theirs is made; from then on it is
 * nobody else's, whatever becomes of the bind. Every step looks what is there already, so that
 * after a crash of vdid it is begun again from the first one: libvirt says what is plugged in, the
 * guest what it has begun. A bind that fails ends the instance.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/domain_xml.h"
#include "vdid/instance.h"

#define BIND_USEC (90 * USEC_PER_SEC)  /* less than the controller waits */
#define AGAIN_USEC (30 * USEC_PER_SEC) /* at least, for a vdid that was away meanwhile */

/* ---- its end ---- */

static void on_late(void *arg)
{
    struct instance *in = arg;
    struct vdi_error err = {0};
    char reason[sizeof(in->rec.reason)];

    if (in->rec.state != RECORD_BIND)
        return;
    snprintf(reason, sizeof(reason), "not its owner's after %d s; last stage: %s",
             (int)(BIND_USEC / USEC_PER_SEC), record_stage(&in->rec));
    log_warning("instance %" PRIu64 ".%" PRIu32 ": %s", in->rec.id, in->rec.generation, reason);
    error_set(&err, ETIME, "bind", "the seat is %s", reason);
    instance_answer(in, 1u << VDID_BIND, -ETIME, &err);
    instance_end(in, true, reason);
}

static void begin_patience(struct instance *in)
{
    int64_t left = in->rec.bind_usec + BIND_USEC - loop_now_usec(in->vdid->loop);

    if (in->bind_timer)
        return;
    left = left < AGAIN_USEC ? AGAIN_USEC : left > BIND_USEC ? BIND_USEC : left;
    in->bind_timer = loop_timer(in->vdid->loop, left, on_late, in);
}

void instance_bind_done(struct instance *in)
{
    source_free(in->bind_timer);
    in->bind_timer = NULL;
}

static bool is_personal(const struct instance *in)
{
    return in->is_heard && (!in->run->payload || in->has_begun || in->has_exit);
}

static void finish(struct instance *in)
{
    instance_bind_done(in);
    in->rec.bound_usec = loop_now_usec(in->vdid->loop);
    instance_emit_stage(in, "bound");
    instance_set(in, RECORD_READY);
    instance_shares_watch(in);
    instance_answer(in, 1u << VDID_BIND, 0, NULL);
    if (in->rec.exited)
        instance_emit(in, "exited"); /* it was quicker */
}

/* ---- what is plugged in ---- */

static void look(struct instance *in);

/* Its guest hears of its owner when all of it is there. */
static void plugged(struct instance *in)
{
    struct vdi_error err = {0};

    in->is_plugged = true;
    if (!in->rec.devices_usec) {
        in->rec.devices_usec = loop_now_usec(in->vdid->loop);
        instance_emit_stage(in, "devices");
    }
    instance_run_drop(in);
    instance_run_open(in);
    if (in->runner)
        return;
    error_set(&err, EIO, "guest", "the port to the guest can't be used");
    instance_fail(in, &err);
}

/* libvirt is away: the list that it gives when it is back begins it again. */
static bool is_away(struct instance *in, int result)
{
    if (result == -ENOTCONN)
        vdid_recheck(in->vdid);
    return result == -ENOTCONN;
}

static void attached(void *arg, int result, const struct virt_result *res,
                     const struct vdi_error *err)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed || is_away(in, result))
        return;
    if (result < 0) { /* the answer to an earlier one may have been lost: it counts what is there */
        in->why = *err;
        in->is_plug_lost = true;
        look(in);
        return;
    }
    if (in->n_plugged_disks < in->run->n_disks)
        in->n_plugged_disks++;
    else
        in->n_plugged_shares++;
    instance_plug(in);
}

static int make_device(const struct instance *in, char **ret, struct vdi_error *err)
{
    char path[PATH_MAX];

    if (in->n_plugged_disks < in->run->n_disks) {
        instance_disk_path(in, in->n_plugged_disks, path);
        return domain_xml_disk(path, in->n_plugged_disks, ret, err);
    }
    instance_share_socket(in, in->n_plugged_shares, path);
    return domain_xml_share(path, in->n_plugged_shares, ret, err);
}

static void attach(struct instance *in)
{
    _cleanup_(freep) char *xml = NULL;
    char name[DOMAIN_NAME_MAX];
    struct vdi_error err = {0};
    int r = make_device(in, &xml, &err);

    if (r == 0)
        r = virt_attach(in->vdid->virt, instance_domain(in, name), xml, attached, in);
    in->busy = r == 0;
    if (r < 0 && !err.code)
        error_set(&err, r, "node", "the node is out of memory");
    if (r < 0)
        instance_fail(in, &err);
}

/* Disks first, then one share after the other: its server, and the device. */
void instance_plug(struct instance *in)
{
    if (in->stop)
        instance_act(in);
    else if (in->n_plugged_disks < in->run->n_disks || in->n_plugged_shares < in->n_shared)
        attach(in);
    else if (in->n_plugged_shares < in->run->n_shares)
        instance_share(in);
    else
        plugged(in);
}

/* Servers of a vdid before us that QEMU never came to. */
static void clean_work(void *arg)
{
    const struct instance *in = arg;

    instance_shares_end(in, in->n_plugged_shares);
}

static void cleaned(void *arg, bool dropped)
{
    struct instance *in = arg;

    in->busy = false;
    if (!dropped && !in->vdid->is_freed)
        instance_disks(in);
}

static void looked(void *arg, int result, const struct virt_result *res,
                   const struct vdi_error *err)
{
    struct instance *in = arg;
    struct vdi_error why = in->why;
    bool is_lost;

    in->busy = false;
    if (in->vdid->is_freed || is_away(in, result))
        return;
    is_lost = result == 0 && in->is_plug_lost &&
              res->n_disks + res->n_shares == in->n_plugged_disks + in->n_plugged_shares;
    if (result < 0 || is_lost) {
        instance_fail(in, is_lost ? &why : err);
        return;
    }
    in->is_plug_lost = false;
    in->n_plugged_disks = res->n_disks;
    in->n_plugged_shares = in->n_shared = res->n_shares;
    instance_shares_forget(in, in->n_plugged_shares);
    instance_post(in, clean_work, cleaned, in);
}

static void look(struct instance *in)
{
    char name[DOMAIN_NAME_MAX];

    in->busy = virt_plugged(in->vdid->virt, instance_domain(in, name), looked, in) == 0;
}

void instance_bind(struct instance *in)
{
    begin_patience(in);
    instance_watch(in); /* QEMU's process; and the guest, if all is plugged in */
    if (in->is_plugged && is_personal(in))
        finish(in);
    else if (!in->is_plugged && virt_is_up(in->vdid->virt))
        look(in);
}

/* ---- the order ---- */

static void refuse(const struct instance *in, vdid_fn fn, void *arg, int code, const char *format,
                   ...) __attribute__((format(printf, 5, 6)));

static void refuse(const struct instance *in, vdid_fn fn, void *arg, int code, const char *format,
                   ...)
{
    struct vdi_error err = {0};
    char text[120];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    error_set(&err, code, "instance", "instance %" PRIu64 ".%" PRIu32 " %s", in->rec.id,
              in->rec.generation, text);
    fn(arg, -code, NULL, &err);
}

static int read_owner(const struct instance *in, const struct vdid_order *o, struct run_wish **ret,
                      struct vdi_error *err)
{
    int r = vdid_read_run(in->vdid, o, in->rec.nonce, ret, err);

    if (r == 0 && (!*ret || (*ret)->is_seat || !o->wish.job))
        r = error_set(err, EINVAL, "job", "a seat is bound to a job, and none is named");
    if (r == 0 && ((*ret)->n_shares > in->rec.seat_mounts || (*ret)->n_disks > in->rec.seat_disks))
        r = error_set(err, E2BIG, "seat",
                      "the seat has places for %" PRIu32 " mounts and %" PRIu32
                      " disks, and not for %" PRIu32 " and %" PRIu32,
                      in->rec.seat_mounts, in->rec.seat_disks, (*ret)->n_shares, (*ret)->n_disks);
    return r == 0 ? vdid_disks_check(in->vdid, in->rec.id, *ret, err) : r;
}

static void begin(struct instance *in, const struct vdid_order *o, struct run_wish *run)
{
    instance_take_run(in, run);
    in->rec.wish.job = o->wish.job;
    str_copy(in->rec.wish.owner, sizeof(in->rec.wish.owner), o->wish.owner);
    in->rec.is_interactive = run->is_interactive;
    in->rec.bind_usec = loop_now_usec(in->vdid->loop);
    in->rec.account_usec = in->rec.script_usec = in->rec.devices_usec = 0; /* the owner's */
    in->is_heard = in->has_begun = in->is_plugged = in->is_plug_lost = false;
    instance_emit_stage(in, "bind");
    instance_set(in, RECORD_BIND);
}

/* To another job it is never given; to its own it was, or is about to be. */
static bool is_taken(struct instance *in, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    uint64_t job = in->rec.wish.job;

    if (!in->rec.is_seat)
        refuse(in, fn, arg, EEXIST, "was started for job %" PRIu64 " and is no seat", job);
    else if (job && job != o->wish.job)
        refuse(in, fn, arg, EEXIST, "is job %" PRIu64 "'s, and stays it", job);
    else if (job && in->rec.state != RECORD_BIND)
        fn(arg, 0, NULL, NULL);
    else if (job && instance_wait(in, VDID_BIND, fn, arg) < 0)
        refuse(in, fn, arg, EBUSY, "has too many orders waiting");
    return job || !in->rec.is_seat;
}

void vdid_bind(struct instance *in, const struct vdid_order *o, vdid_fn fn, void *arg)
{
    struct run_wish *run = NULL;
    struct vdi_error err = {0};

    if (is_taken(in, o, fn, arg))
        return;
    if (in->rec.state != RECORD_READY) {
        refuse(in, fn, arg, EAGAIN, "is not ready");
    } else if (in->busy) {
        if (instance_park(in, o, fn, arg) < 0)
            refuse(in, fn, arg, EBUSY, "has too many orders waiting");
    } else if (read_owner(in, o, &run, &err) < 0) {
        run_wish_free(run);
        fn(arg, -err.code, NULL, &err);
    } else if (instance_wait(in, VDID_BIND, fn, arg) < 0) {
        run_wish_free(run);
        refuse(in, fn, arg, EBUSY, "has too many orders waiting");
    } else {
        begin(in, o, run);
    }
}
