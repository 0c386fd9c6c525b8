/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_nodes.c - a job on several nodes: what its instances must know of each other.
 *
 * They have consecutive ids from job->instance on. Each has a run of its own and goes its own way
 * (life.c), but for three points: all are READY before any is bound, all are BOUND before the job
 * runs, and all are GONE before it has ended. Whoever is last there takes the job on.
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

/* ---- a signal for all scripts ---- */

struct signalling {
    site_done_fn done;
    void *arg;
    uint32_t left; /* not answered yet */
    int result;
    struct vdi_error err;
};

static void answered(struct signalling *s, int result, const struct vdi_error *err)
{
    if (result < 0 && s->result >= 0) {
        s->result = result;
        s->err = *err;
    }
    if (--s->left)
        return;
    s->done(s->arg, s->result, NULL, &s->err);
    free(s);
}

static void signalled(void *arg, int result, const char *json, const struct vdi_error *err)
{
    answered(arg, result, err);
}

int life_signal_all(struct core *core, const struct job *job, int signo, site_done_fn done,
                    void *arg)
{
    struct signalling *s = calloc(1, sizeof(*s));
    const uint64_t first = job->instance;
    const uint32_t n = job_spec_nodes(job->spec);

    if (!s)
        return -ENOMEM;
    *s = (struct signalling){.done = done, .arg = arg, .left = 1};
    for (uint32_t i = 0; i < n; i++) {
        const struct instance *in = core_instance(core, first + i);
        const struct run *run = life_run_known(core, first + i);

        if (!in || in->state == INSTANCE_GONE || (run && run->exited))
            continue;
        s->left++;
        site_signal(core->site, in, signo, signalled, s);
    }
    answered(s, 0, NULL); /* all were asked */
    return 0;
}
