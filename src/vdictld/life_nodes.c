/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_nodes.c - a job on several nodes: what its instances must know of each other.
 *
 * They have consecutive ids from job->instance on. Each has a run of its own and goes its own way
 * (life.c), but for three points: all are READY before any is bound, all are BOUND before the job
 * runs, and all are GONE before it has ended. Whoever is last there takes the job on. They are
 * saved and restored together, by the run of the first (life_save.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "vdictld/life_impl.h"
#include "vdictld/site.h"

bool life_others_are(struct core *core, const struct job *job, uint64_t id, uint32_t states)
{
    for (uint32_t i = 0; i < job_spec_nodes(job->spec); i++) {
        const struct instance *in = core_instance_staged(core, job->instance + i);
        enum instance_state state = in ? in->state : INSTANCE_GONE;

        if (job->instance + i != id && !(states & 1u << state))
            return false;
    }
    return true;
}

void life_wake_others(struct core *core, const struct instance *in)
{
    const struct job *job = core_job_staged(core, in->job);

    if (!job || !job_has_instance(job, in->id))
        return;
    for (uint32_t i = 0; i < job_spec_nodes(job->spec); i++) {
        const struct instance *other = core_instance(core, job->instance + i);
        struct run *run = other ? life_run_known(core, other->id) : NULL;

        if (run && !run->busy && other->id != in->id && other->state == INSTANCE_READY)
            source_rearm(run->again, 0);
    }
}

bool life_others_go_on(struct run *run, const struct job *job)
{
    run->exited = true;
    for (uint32_t i = 0; i < job_spec_nodes(job->spec); i++) {
        const struct run *other = life_run_known(run->core, job->instance + i);

        if (!other || !other->exited)
            return true;
    }
    return false;
}

/* ---- the same order for all ---- */

struct orders {
    struct core *core;
    uint64_t first; /* the instances from there on */
    uint32_t n;
    uint32_t left; /* not answered yet */
    bool holds;    /* their runs are busy until then */
    site_done_fn done;
    void *arg;
    int result;
    struct vdi_error err;
};

static struct orders *orders_new(struct core *core, const struct job *job, site_done_fn done,
                                 void *arg)
{
    struct orders *o = calloc(1, sizeof(*o));

    if (o)
        *o = (struct orders){.core = core,
                             .first = job->instance,
                             .n = job_spec_nodes(job->spec),
                             .left = 1, /* until all are asked */
                             .done = done,
                             .arg = arg};
    return o;
}

static int hold(struct orders *o)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (!life_run(o->core, o->first + i))
            return -ENOMEM;
    for (uint32_t i = 0; i < o->n; i++)
        life_run(o->core, o->first + i)->busy++;
    o->holds = true;
    return 0;
}

static void answered(struct orders *o, int result, const struct vdi_error *err)
{
    if (result < 0 && o->result >= 0) {
        o->result = result;
        o->err = *err;
    }
    if (--o->left)
        return;
    for (uint32_t i = 0; o->holds && i < o->n; i++)
        life_run_known(o->core, o->first + i)->busy--;
    o->done(o->arg, o->result, NULL, &o->err);
    for (uint32_t i = 1; o->holds && i < o->n; i++) {
        struct run *run = life_run_known(o->core, o->first + i);

        if (run)
            life_act(run); /* of what came meanwhile */
    }
    free(o);
}

static void one_answered(void *arg, int result, const char *json, const struct vdi_error *err)
{
    answered(arg, result, err);
}

int life_order_all(struct core *core, const struct job *job, life_order_fn *order,
                   site_done_fn done, void *arg)
{
    struct orders *o = orders_new(core, job, done, arg);

    if (!o || hold(o) < 0) {
        free(o);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < o->n; i++) {
        const struct instance *in = core_instance_staged(core, o->first + i);

        if (!in)
            continue;
        o->left++;
        order(core->site, in, one_answered, o);
    }
    answered(o, 0, NULL);
    return 0;
}

int life_signal_all(struct core *core, const struct job *job, int signo, site_done_fn done,
                    void *arg)
{
    struct orders *o = orders_new(core, job, done, arg);

    if (!o)
        return -ENOMEM;
    for (uint32_t i = 0; i < o->n; i++) {
        const struct instance *in = core_instance(core, o->first + i);
        const struct run *run = life_run_known(core, o->first + i);

        if (!in || in->state == INSTANCE_GONE || (run && run->exited))
            continue;
        o->left++;
        site_signal(core->site, in, signo, one_answered, o);
    }
    answered(o, 0, NULL);
    return 0;
}
