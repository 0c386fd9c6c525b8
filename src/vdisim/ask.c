/* SPDX-License-Identifier: Apache-2.0 */
/* ask.c - what the jobs of a trace ask for: a trace has totals of a job, nodes get shares. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "vdisim/run.h"

const struct config_partition *ask_partition(const struct world *w)
{
    return *w->options.partition ? config_partition(w->config, w->options.partition)
                                 : config_default_partition(w->config);
}

/* A share of one GPU. */
static bool is_fraction(const struct world *w, const struct trace_job *t)
{
    return w->options.share_mib && t->gpus > 0 && t->gpus < 1;
}

/* Of the framebuffer that a fraction is of. */
static uint32_t fraction_mib(const struct world *w, const struct trace_job *t)
{
    return (uint32_t)ceil(t->gpus * w->options.share_mib - 1e-6);
}

static uint32_t whole_gpus(const struct trace_job *t)
{
    return (uint32_t)ceil(t->gpus - 1e-9);
}

uint32_t ask_units(const struct world *w, const struct trace_job *t)
{
    switch (w->options.unit) {
    case WORLD_AS_TRACED:
        return is_fraction(w, t) ? fraction_mib(w, t) : whole_gpus(t) * w->gpu_units;
    case WORLD_GPUS:
        return whole_gpus(t);
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

/* The profile is named by the trace, or is as large as the fraction that it has. */
static bool fill_profile(const struct world *w, const struct trace_job *t, struct job_spec *spec)
{
    char wish[32];

    if (spec->gpus && is_offered(w->config, t->gpu_type))
        return job_spec_set(&spec->profile, t->gpu_type) == 0;
    if (!is_fraction(w, t))
        return true;
    snprintf(wish, sizeof(wish), GPU_WISH_SIZE "%u", fraction_mib(w, t));
    return job_spec_set(&spec->profile, wish) == 0;
}

static bool fill_names(const struct world *w, const struct trace_job *t, struct job_spec *spec)
{
    return job_spec_set(&spec->partition, ask_partition(w)->name) == 0 &&
           job_spec_set(&spec->owner, t->user) == 0 &&
           job_spec_set(&spec->account, t->group) == 0 &&
           job_spec_set(&spec->reservation, t->reservation) == 0;
}

bool ask_fill(const struct world *w, const struct trace_job *t, struct job_spec *spec)
{
    const struct world_options *o = &w->options;

    spec->kind = JOB_BATCH;
    spec->cpus = ask_units(w, t);
    if (o->unit == WORLD_AS_TRACED) {
        spec->nodes = t->nodes;
        spec->cpus = share(t->cpus, t->nodes);
        spec->memory_mib = share(t->memory_mib, t->nodes);
        spec->gpus = share(whole_gpus(t), t->nodes);
        if (!fill_profile(w, t, spec))
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

static bool has_size(const struct gpu_kind *kind, const char *least)
{
    uint64_t mib;
    bool any = false;

    if (str_to_u64(least, 0, UINT32_MAX, &mib) < 0)
        return false;
    for (size_t i = 0; i < kind->n_offers; i++)
        any |= kind->offers[i].framebuffer_mib >= mib;
    return any || (!kind->n_offers && kind->framebuffer_mib >= mib);
}

static bool offers(const struct config_node *n, const struct job_spec *spec)
{
    if (spec->gpus && spec->profile && str_starts_with(spec->profile, GPU_WISH_SIZE))
        return n->kind && has_size(n->kind, spec->profile + strlen(GPU_WISH_SIZE));
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
