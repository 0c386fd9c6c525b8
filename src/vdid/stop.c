/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop.c - the end of an instance: the script is asked, then the guest, then nobody.
 *
 * While there is grace: SIGTERM to the script through the guest runner, a shutdown through it,
 * one through ACPI. Then, or when QEMU is gone by itself: what it said last goes to disk, and
 * the files of the instance go. Grace goes on after a restart of vdid.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "vdid/instance.h"

#define GRACE_MAX_USEC (3600 * USEC_PER_SEC)
#define HELLO_USEC (2 * USEC_PER_SEC)   /* for a runner that answered before vdid was restarted */
#define SCRIPT_USEC (60 * USEC_PER_SEC) /* at most; half of the grace that is left, if less */
#define RUNNER_USEC (10 * USEC_PER_SEC)

enum { ASK_NOTHING, ASK_HELLO, ASK_SCRIPT, ASK_RUNNER, ASK_ACPI };

static void again(void *arg)
{
    instance_act(arg);
}

static void arm(struct instance *in, int64_t delay_usec)
{
    source_free(in->timer);
    in->timer = loop_timer(in->vdid->loop, delay_usec, again, in);
}

static void destroyed(void *arg, int result, const struct virt_result *res,
                      const struct vdi_error *err)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result < 0 && !in->is_dead) {
        log_warning("instance %" PRIu64 ": %s", in->rec.id, err->detail);
        arm(in, USEC_PER_SEC);
        return;
    }
    in->rec.was_created = false;
    in->is_running = false;
    instance_act(in);
}

static void asked(void *arg, int result, const struct virt_result *res, const struct vdi_error *err)
{
    struct instance *in = arg;

    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (result < 0)
        in->rec.grace_usec = 0;
    instance_act(in);
}

/* One step further; false: there is no runner to be asked, or it was. */
static bool ask_runner(struct instance *in, int64_t now, int64_t left)
{
    int64_t patience = left / 2;
    int r = 0;

    instance_run_open(in);
    if (!in->runner || in->asked >= ASK_RUNNER)
        return false;
    if (in->asked < ASK_HELLO && !runner_is_ready(in->runner) && in->rec.account_usec) {
        in->asked = ASK_HELLO;
        patience = patience < HELLO_USEC ? patience : HELLO_USEC;
    } else if (!runner_is_ready(in->runner)) {
        return false;
    } else if (in->asked < ASK_SCRIPT && runner_is_running(in->runner)) {
        in->asked = ASK_SCRIPT;
        r = runner_signal(in->runner, SIGTERM, NULL);
        patience = patience < SCRIPT_USEC ? patience : SCRIPT_USEC;
    } else {
        in->asked = ASK_RUNNER;
        r = runner_shutdown(in->runner);
        patience = patience < RUNNER_USEC ? patience : RUNNER_USEC;
    }
    in->asked_usec = now + (r < 0 ? 0 : patience);
    return true;
}

/* What was asked for last has been done, or nobody did it in time. */
static bool is_answered(const struct instance *in, int64_t now)
{
    if (now >= in->asked_usec)
        return true;
    return (in->asked == ASK_HELLO && runner_is_ready(in->runner)) ||
           (in->asked == ASK_SCRIPT && !runner_is_running(in->runner));
}

/* The guest has its time. */
static void ask(struct instance *in, int64_t left)
{
    int64_t now = loop_monotonic_usec(in->vdid->loop);
    char name[DOMAIN_NAME_MAX];

    if (in->asked < ASK_ACPI && is_answered(in, now) && !ask_runner(in, now, left)) {
        in->asked = ASK_ACPI;
        in->busy = virt_shutdown(in->vdid->virt, instance_domain(in, name), asked, in) == 0;
        if (in->busy)
            return;
    }
    if (in->asked != ASK_ACPI && in->asked_usec - now < left)
        left = in->asked_usec - now > 0 ? in->asked_usec - now : 0;
    arm(in, left);
}

static int64_t grace_left(struct instance *in)
{
    int64_t left = in->rec.grace_usec ? in->rec.grace_usec - loop_now_usec(in->vdid->loop) : 0;

    return left > GRACE_MAX_USEC ? GRACE_MAX_USEC : left; /* the clock was set */
}

void instance_stop(struct instance *in)
{
    char name[DOMAIN_NAME_MAX];
    int64_t left = grace_left(in);

    if (!in->rec.was_created || in->is_dead) {
        in->rec.was_created = false;
        if (!instance_run_is_closing(in))
            instance_clean(in);
        return;
    }
    if (!virt_is_up(in->vdid->virt))
        return; /* `up` acts again; a pidfd that ends says is_running = false */
    if (left > 0 && in->is_running) {
        ask(in, left);
        return;
    }
    in->busy = virt_destroy(in->vdid->virt, instance_domain(in, name), destroyed, in) == 0;
    if (!in->busy)
        arm(in, USEC_PER_SEC);
}
