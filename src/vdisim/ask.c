/* SPDX-License-Identifier: Apache-2.0 */
/* ask.c - what the jobs of a trace ask for: a trace has totals of a job, nodes get shares. */
#include <math.h>
#include <string.h>

#include "vdisim/run.h"

const struct config_partition *ask_partition(const struct world *w)
{
    return *w->options.partition ? config_partition(w->config, w->options.partition)
                                 : config_default_partition(w->config);
}

uint32_t ask_units(const struct world_options *o, const struct trace_job *t)
{
    switch (o->unit) {
    case WORLD_GPUS:
    case WORLD_AS_TRACED:
        return (uint32_t)ceil(t->gpus - 1e-9);
    case WORLD_CPUS:
        return t->cpus;
    default:
        return t->nodes;
    }
}

/* A type of the trace that is a profile here is asked for; any other name is of another machine. */
static bool is_offered(const struct config *c, const char *profile)
{
    for (size_t i = 0; i < c->n_kinds; i++)
        if (c->kinds[i].n_offers && gpu_find_offer(&c->kinds[i], profile) >= 0)
            return true;
    return false;
}

/* Of a total, what each node has to give. */
static uint32_t share(uint32_t all, uint32_t nodes)
{
    return all / nodes + (all % nodes > 0);
}

static bool fill_names(const struct world *w, const struct trace_job *t, struct job_spec *spec)
{
    return job_spec_set(&spec->partition, ask_partition(w)->name) == 0 &&
           job_spec_set(&spec->owner, t->user) == 0 && job_spec_set(&spec->account, t->group) == 0;
}

bool ask_fill(const struct world *w, const struct trace_job *t, struct job_spec *spec)
{
    const struct world_options *o = &w->options;
    uint32_t units = ask_units(o, t);

    spec->kind = JOB_BATCH;
    spec->cpus = units;
    if (o->unit == WORLD_AS_TRACED) {
        spec->nodes = t->nodes;
        spec->cpus = share(t->cpus, t->nodes);
        spec->memory_mib = share(t->memory_mib, t->nodes);
        spec->gpus = share(units, t->nodes);
        if (units && is_offered(w->config, t->gpu_type) &&
            job_spec_set(&spec->profile, t->gpu_type) < 0)
            return false;
    }
    spec->requeue = true;
    spec->time_limit_sec = t->walltime_sec;
    if (!t->walltime_sec)
        spec->time_limit_sec = (int64_t)fmax(1, ceil((double)t->duration_sec * o->factor));
    for (size_t i = 0; i < o->n_qos; i++)
        if (spec->time_limit_sec <= o->qos[i].max_sec)
            return job_spec_set(&spec->qos, o->qos[i].name) == 0 && fill_names(w, t, spec);
    return fill_names(w, t, spec);
}

static bool offers(const struct config_node *n, const struct job_spec *spec)
{
    return !spec->gpus || !*spec->profile || !n->kind ||
           gpu_find_offer(n->kind, spec->profile) >= 0;
}

bool ask_is_possible(const struct world *w, const struct job_spec *spec)
{
    const struct config_partition *p = ask_partition(w);
    uint32_t left = job_spec_nodes(spec);

    if (left > JOB_NODES_MAX)
        return false;
    for (size_t i = 0; i < p->nodes.n && left; i++) {
        const struct config_node *n = config_node(w->config, p->nodes.names[i]);

        left -= n && n->cpus >= spec->cpus && n->memory_mib >= spec->memory_mib &&
                n->gpus >= spec->gpus && offers(n, spec);
    }
    return !left;
}
