/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind.c - a fake seat becomes a job's: after bind_ms its script begins, or the bind fails.
 *
 * Whose it is stands in state_dir before the time runs, so that a restart knows it. An order that
 * is waited for is the site's until its timer; those of a site that goes are never answered.
 */
#include "plugins/site/fake/fake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_wait {
    LIST_ENTRY(fake_wait) link;
    struct fake *site;
    struct vdi_instance_id id;
    struct vdi_op *op;
    struct vdi_watch *timer;
};

static void wait_free(struct fake_wait *w)
{
    LIST_REMOVE(w, link);
    w->site->api->unwatch(w->site->host, w->timer);
    free(w);
}

void fake_bind_done(struct fake *site)
{
    for (struct fake_wait *w = LIST_FIRST(&site->waits), *next; w; w = next) {
        next = LIST_NEXT(w, link);
        wait_free(w);
    }
}

/* Its time has come: by now it may have been stopped. */
static void over(void *arg)
{
    struct fake_wait *w = arg;
    struct fake *site = w->site;
    struct vdi_instance_id id = w->id;
    struct vdi_op *op = w->op;
    struct fake_instance *in = fake_find(site, id.id);
    struct vdi_error err;

    wait_free(w);
    if (!in || in->stopped || in->id.generation != id.generation) {
        fake_error(&err, -ENOENT, "instance", "instance %" PRIu64 ".%" PRIu32 " was stopped", id.id,
                   id.generation);
        fake_refuse(site, op, &err);
    } else if (fake_fails(in->id.id + 1, site->fail_bind)) {
        fake_error(&err, -EIO, "fail_bind",
                   "instance %" PRIu64 " is one of the %" PRId64 " %% whose bind fails", id.id,
                   site->fail_bind);
        fake_refuse(site, op, &err);
    } else {
        fake_answer(site, op);
    }
}

static int wait_for(struct fake_instance *in, struct vdi_op *op)
{
    struct fake *site = in->site;
    int64_t now = site->api->now_usec(site->host);
    struct fake_wait *w = malloc(sizeof(*w));

    if (!w)
        return -ENOMEM;
    *w = (struct fake_wait){.site = site, .id = in->id, .op = op};
    w->timer =
        site->api->timer(site->host, in->bound_usec > now ? in->bound_usec - now : 0, over, w);
    if (!w->timer) {
        free(w);
        return -ENOMEM;
    }
    LIST_INSERT_HEAD(&site->waits, w, link);
    return 0;
}

/* Takes the script. On disk before its time runs. */
static int become(struct fake_instance *in, struct fake_spec *what)
{
    struct fake *site = in->site;
    struct fake_instance bound = *in;
    int r;

    bound.job = what->job;
    bound.batch = what->batch;
    bound.script = what->script;
    bound.bound_usec = site->api->now_usec(site->host) + site->bind_usec;
    if (bound.script.ends)
        bound.end_usec = bound.bound_usec + bound.script.after_usec;
    r = fake_keep_write_output(&bound);
    if (r >= 0)
        r = fake_keep_write(&bound);
    if (r < 0) {
        fake_output_free(&what->script);
        return r;
    }
    fake_output_free(&in->script);
    *in = bound;
    fake_arm(in);
    return 0;
}

static int refuse_other(struct fake_instance *in, uint64_t job, struct vdi_op *op)
{
    struct vdi_error err;

    fake_error(&err, -EEXIST, "job",
               "instance %" PRIu64 ".%" PRIu32 " is job %" PRIu64 "'s, and not job %" PRIu64 "'s",
               in->id.id, in->id.generation, in->job, job);
    return fake_refuse(in->site, op, &err);
}

int fake_bind(void *arg, struct vdi_instance_id id, const char *node, const char *bind_json,
              struct vdi_op *op)
{
    struct fake *site = arg;
    struct fake_instance *in = fake_meant_ready(site, id, op);
    struct fake_spec what = {0};
    struct vdi_error err;
    int r;

    if (!in)
        return 0;
    r = fake_spec_read(bind_json, site->run_usec, &what, &err);
    if (r >= 0 && (!what.job || what.script.noboot))
        r = fake_error(&err, -EINVAL, "job", "a seat that has booted is bound to a job with an id");
    if (r < 0 || in->job || !in->is_seat) {
        fake_output_free(&what.script);
        if (r < 0)
            return fake_refuse(site, op, &err);
        return in->is_seat && in->job == what.job ? wait_for(in, op)
                                                  : refuse_other(in, what.job, op);
    }
    r = become(in, &what);
    return r < 0 ? r : wait_for(in, op);
}
