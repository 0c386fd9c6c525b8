/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order.c - orders for an instance that was started: each is completed here, once.
 *
 * One for an older generation is refused with -ESTALE, one for an instance that
 * is not there with -ENOENT.
 */
#include "plugins/site/fake/fake.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int refuse_with(struct fake *site, struct vdi_op *op, int code, struct vdi_instance_id id,
                       const char *why)
{
    struct vdi_error err;

    fake_error(&err, code, "instance", "instance %" PRIu64 ".%" PRIu32 " %s", id.id, id.generation,
               why);
    return fake_refuse(site, op, &err);
}

/* The instance an order is for, or NULL: then the op is completed. */
static struct fake_instance *meant(struct fake *site, struct vdi_instance_id id, struct vdi_op *op)
{
    struct fake_instance *in = fake_find(site, id.id);

    if (in && id.generation < in->id.generation)
        refuse_with(site, op, -ESTALE, id, "has been superseded");
    else if (!in || in->stopped || id.generation > in->id.generation)
        refuse_with(site, op, -ENOENT, id, "is not there");
    else
        return in;
    return NULL;
}

struct fake_instance *fake_meant_ready(struct fake *site, struct vdi_instance_id id,
                                       struct vdi_op *op)
{
    struct fake_instance *in = meant(site, id, op);
    enum fake_state state;

    if (!in)
        return NULL;
    state = fake_state_now(in);
    if (state == FAKE_READY || state == FAKE_EXITED)
        return in;
    if (state == FAKE_GONE)
        refuse_with(site, op, -ENOENT, id, "has ended");
    else
        refuse_with(site, op, -EAGAIN, id, state == FAKE_SAVED ? "is saved" : "is still booting");
    return NULL;
}

/* After a change: on disk, its timer set, answered. */
static int changed(struct fake_instance *in, struct vdi_op *op)
{
    struct vdi_error err;
    int r = fake_keep_write(in);

    fake_arm(in);
    if (r >= 0)
        return fake_answer(in->site, op);
    fake_error(&err, r, "state_dir", "instance %" PRIu64 " cannot be written: %s", in->id.id,
               strerror(-r));
    return fake_refuse(in->site, op, &err);
}

int fake_poll(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = meant(site, id, op);
    char json[160];

    if (in)
        site->api->complete(op, 0, fake_report(in, fake_state_now(in), json, sizeof(json)), NULL);
    return 0;
}

/* ---- while it runs ---- */

struct count {
    int64_t saved;
};

static void count_saved(const void *node, VISIT visit, void *closure)
{
    const struct fake_instance *in = *(struct fake_instance *const *)node;

    if ((visit == postorder || visit == leaf) && !in->stopped && in->saved)
        ((struct count *)closure)->saved++;
}

static bool has_room(const struct fake *site)
{
    struct count count = {0};

    twalk_r(site->instances, count_saved, &count);
    return !site->saves || count.saved < site->saves;
}

/* Both modes stop the clock of the instance. */
int fake_suspend(void *arg, struct vdi_instance_id id, const char *node, const char *mode,
                 struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = meant(site, id, op);

    if (!in)
        return 0;
    if (strcmp(mode, "save") != 0 && strcmp(mode, "pause") != 0)
        return refuse_with(site, op, -EINVAL, id, "can be suspended by save or pause alone");
    if (in->saved)
        return fake_answer(site, op);
    if (!fake_meant_ready(site, id, op))
        return 0;
    if (!has_room(site))
        return refuse_with(site, op, -ENOSPC, id, "cannot be saved: its node has no room for it");
    if (in->end_usec)
        in->left_usec = in->end_usec - site->api->now_usec(site->host);
    in->saved = true;
    return changed(in, op);
}

int fake_resume(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = meant(site, id, op);

    if (!in)
        return 0;
    if (!in->saved)
        return fake_meant_ready(site, id, op) ? fake_answer(site, op) : 0;
    if (site->resumes && site->resumed++ >= site->resumes)
        return refuse_with(site, op, -EIO, id, "cannot be resumed: its memory cannot be read");
    if (in->left_usec)
        in->end_usec = site->api->now_usec(site->host) + in->left_usec;
    in->left_usec = 0;
    in->saved = false;
    return changed(in, op);
}

/* Boots again and does again what it does; the host hears "ready" once more. */
int fake_reboot(void *arg, struct vdi_instance_id id, const char *node, struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = fake_meant_ready(site, id, op);

    if (!in)
        return 0;
    in->ready_usec = site->api->now_usec(site->host) + site->boot_usec;
    if (in->script.ends)
        in->end_usec = in->ready_usec + in->script.after_usec;
    in->told_ready = false;
    return changed(in, op);
}

/* What a script that traps nothing does on a signal; signal(7). */
static bool is_deadly(int signo)
{
    return signo != SIGCHLD && signo != SIGCONT && signo != SIGURG && signo != SIGWINCH &&
           signo != SIGSTOP && signo != SIGTSTP && signo != SIGTTIN && signo != SIGTTOU;
}

int fake_signal(void *arg, struct vdi_instance_id id, const char *node, int signo,
                struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in;

    if (signo < 1 || signo > 64)
        return refuse_with(site, op, -EINVAL, id, "takes signals 1 to 64");
    in = fake_meant_ready(site, id, op);
    if (!in)
        return 0;
    if (!in->batch || fake_state_now(in) == FAKE_EXITED)
        return refuse_with(site, op, -ESRCH, id, "runs no script");
    if (!is_deadly(signo))
        return fake_answer(site, op);
    in->script.crash = false;
    in->script.exit_code = 0;
    in->script.exit_signal = signo;
    in->end_usec = site->api->now_usec(site->host);
    if (signo == SIGTERM)
        in->end_usec += in->script.term_usec;
    return changed(in, op);
}

int fake_message(void *arg, struct vdi_instance_id id, const char *node, const char *text,
                 struct vdi_op *op)
{
    struct fake *site = arg;

    if (!fake_meant_ready(site, id, op))
        return 0;
    site->api->log(site->host, VDI_LOG_INFO, "instance %" PRIu64 ".%" PRIu32 " on %s shows: %s",
                   id.id, id.generation, node, text);
    return fake_answer(site, op);
}

int fake_capacity(void *arg, struct vdi_op *op)
{
    struct fake *site = arg;
    char json[120];

    snprintf(json, sizeof(json),
             "{\"fake\":true,\"instances\":%" PRIu64 ",\"started\":%" PRIu64 "}", site->n_live,
             site->n_started);
    site->api->complete(op, 0, json, NULL);
    return 0;
}
