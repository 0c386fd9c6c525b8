/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tickets.c - the Kerberos ticket of an instance's owner, for what its guest mounts from a file
 * server: looked for before anything is made, handed to the guest, and looked at again.
 *
 * It is in memory alone, here and in the runner; a vdid that comes later has it read anew. Without
 * one a guest is not started, and none goes on without one that has never had it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/ccache.h"
#include "vdid/instance.h"

#define AGAIN_USEC (60 * USEC_PER_SEC) /* a renewed ticket is in the guest by then */

static bool has_remotes(const struct instance *in)
{
    return in->run && in->run->n_remotes;
}

static int start_read(struct instance *in, ccache_fn fn, struct vdi_error *err)
{
    return ccache_read_new(in->vdid->loop, in->vdid->config.ccache, &in->run->owner,
                           in->run->ticket, fn, in, &in->ticket_read, err);
}

static void end_read(struct instance *in)
{
    ccache_read_free(in->ticket_read);
    in->ticket_read = NULL;
}

/* ---- before anything is made ---- */

static void looked(void *arg, const uint8_t *data, size_t len, const char *why)
{
    struct instance *in = arg;
    struct vdi_error err = {0};

    end_read(in);
    in->busy = false;
    if (in->vdid->is_freed)
        return;
    if (!why) {
        in->has_ticket = true;
        instance_act(in);
        return;
    }
    error_set(&err, ENOKEY, "ticket", "%s", why);
    error_hint(&err, NULL, "get a ticket on the node with kinit, as the job's owner");
    instance_fail(in, &err);
}

bool instance_ticket_missing(struct instance *in)
{
    struct vdi_error err = {0};

    if (!has_remotes(in) || in->has_ticket)
        return false;
    in->busy = start_read(in, looked, &err) == 0;
    if (!in->busy)
        instance_fail(in, &err);
    return true;
}

/* ---- while there is a runner ---- */

/* It goes on with the ticket that it has; its user is told once. */
static void tell(struct instance *in, const char *why)
{
    char text[sizeof(in->ticket_why) + 32];

    if (str_equal(in->ticket_why, why))
        return;
    str_copy(in->ticket_why, sizeof(in->ticket_why), why);
    instance_problem(in, why);
    snprintf(text, sizeof(text), "Your files: %s", why);
    if (in->runner)
        runner_message(in->runner, text, NULL);
}

static void fail(struct instance *in, const char *why)
{
    struct vdi_error err = {0};

    log_warning("instance %" PRIu64 ".%" PRIu32 ": %s", in->rec.id, in->rec.generation, why);
    error_set(&err, ENOKEY, "ticket", "%s", why);
    instance_answer(in, 1u << VDID_BIND, -ENOKEY, &err);
    instance_end(in, true, why);
}

static void have_read(void *arg, const uint8_t *data, size_t len, const char *why)
{
    struct instance *in = arg;
    char text[sizeof(in->ticket_why)] = "";

    str_copy(text, sizeof(text), why ? why : "");
    end_read(in);
    if (in->vdid->is_freed || !in->runner)
        return;
    if (!why && runner_ticket(in->runner, data, len) < 0)
        str_copy(text, sizeof(text), "the Kerberos ticket can't be handed to the guest");
    source_rearm(in->ticket_timer, AGAIN_USEC);
    if (!*text)
        in->ticket_why[0] = '\0';
    else if (!in->is_heard && (in->rec.state == RECORD_BOOT || in->rec.state == RECORD_BIND))
        fail(in, text);
    else
        tell(in, text);
}

static void on_again(void *arg)
{
    struct instance *in = arg;
    struct vdi_error err = {0};

    if (in->ticket_read || !in->runner)
        return;
    if (start_read(in, have_read, &err) < 0) {
        log_warning("instance %" PRIu64 ": %s", in->rec.id, err.detail);
        source_rearm(in->ticket_timer, AGAIN_USEC);
    }
}

void instance_ticket_open(struct instance *in)
{
    if (!has_remotes(in) || in->rec.state < RECORD_BOOT || in->rec.state > RECORD_PAUSED ||
        in->ticket_timer)
        return;
    in->ticket_timer = loop_timer(in->vdid->loop, 0, on_again, in);
}

void instance_ticket_close(struct instance *in)
{
    source_free(in->ticket_timer);
    in->ticket_timer = NULL;
    end_read(in);
}
