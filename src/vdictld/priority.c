/* SPDX-License-Identifier: Apache-2.0 */
/*
 * priority.c - the priority plugin: its settings, the facts of a job, what it makes of them.
 */
#include "vdictld/priority_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/json.h"

#define DEFAULT_PLUGIN "fifo"

/* ---- the plugin ---- */

int priority_try(struct core *core, const struct config *config, struct priority_rule **ret,
                 struct vdi_error *err)
{
    struct priority *p = core->priority;
    struct priority_rule *rule = calloc(1, sizeof(*rule));
    struct vdi_setting_value *settings = NULL;
    size_t n = 0;
    int r = rule ? host_plugin_settings(p->plugin, config->priority.settings,
                                        config->priority.n_settings, &settings, &n, err)
                 : error_set(err, ENOMEM, "priority", "out of memory");

    if (r >= 0)
        r = p->ops.init(&rule->state, settings, n, &rule->wants, err);
    free(settings);
    if (r < 0)
        free(rule);
    else
        *ret = rule;
    return r;
}

void priority_rule_free(struct core *core, struct priority_rule *rule)
{
    if (rule && core->priority->ops.done)
        core->priority->ops.done(rule->state);
    free(rule);
}

/* What the jobs of this configuration are measured against. */
static void measure_cluster(struct priority *p)
{
    const struct config *c = p->core->config;
    struct vdi_priority_facts *all = &p->cluster;

    *all = (struct vdi_priority_facts){.cluster_nodes = (uint32_t)c->n_nodes};
    for (size_t i = 0; i < c->n_nodes; i++)
        all->cluster_cpus += c->nodes[i].cpus;
    for (size_t i = 0; i < c->n_partitions; i++)
        if (c->partitions[i].priority_job_factor > all->partition_factor_max)
            all->partition_factor_max = c->partitions[i].priority_job_factor;
    for (size_t i = 0; i < c->n_qos; i++)
        if (c->qos[i].priority > all->qos_priority_max)
            all->qos_priority_max = c->qos[i].priority;
    if (!all->cluster_nodes)
        all->cluster_nodes = 1;
    if (!all->cluster_cpus)
        all->cluster_cpus = 1;
}

const char *priority_plugin(const struct config *config)
{
    return config->priority.name ? config->priority.name : DEFAULT_PLUGIN;
}

struct priority *priority_new(struct core *core, struct vdi_error *err)
{
    struct priority *p = calloc(1, sizeof(*p));
    const struct config *c = core->config;
    int r;

    if (!p) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    p->core = core;
    core->priority = p;
    p->next = loop_timer(core->loop, -1, priority_run, p);
    r = p->next ? host_plugin_load(c->plugin_dir, VDI_PLUGIN_PRIORITY, priority_plugin(c), &p->ops,
                                   sizeof(p->ops), &p->plugin, err)
                : error_set(err, ENOMEM, "", "out of memory");
    if (r >= 0)
        r = priority_try(core, c, &p->rule, err);
    if (r < 0) {
        core->priority = NULL;
        priority_free(p);
        return NULL;
    }
    p->measured_usec = loop_now_usec(core->loop);
    p->known = !p->rule->wants.half_life_usec;
    measure_cluster(p);
    return p;
}

void priority_free(struct priority *p)
{
    if (!p)
        return;
    source_free(p->next);
    archive_query_free(p->page);
    share_tree_free(p->shares);
    share_tree_free(p->reading);
    if (p->rule)
        priority_rule_free(p->core, p->rule);
    host_plugin_unload(p->plugin);
    free(p);
}

void priority_begin(struct core *core)
{
    if (core->priority->rule->wants.period_usec)
        priority_read(core->priority);
}

void priority_take(struct core *core, struct priority_rule *rule)
{
    struct priority *p = core->priority;

    priority_rule_free(core, p->rule);
    p->rule = rule;
    measure_cluster(p);
    priority_begin(core);
}

/* ---- a job ---- */

static void facts_of(struct priority *p, const struct job *job, struct vdi_priority_facts *ret)
{
    const struct config *c = p->core->config;
    const struct job_spec *spec = job->spec;
    const struct config_partition *part = config_partition(c, spec->partition);
    const struct config_qos *qos = *spec->qos ? config_qos(c, spec->qos) : NULL;
    int64_t since = spec->begin_usec > job->submit_usec ? spec->begin_usec : job->submit_usec;

    *ret = p->cluster;
    ret->age_usec = p->measured_usec > since ? p->measured_usec - since : 0;
    ret->nodes = job_spec_nodes(spec);
    ret->cpus = spec->cpus * ret->nodes;
    ret->partition_factor = part ? part->priority_job_factor : 0;
    ret->qos_priority = qos ? qos->priority : 0;
    ret->nice = spec->nice;
    ret->given = job->priority;
    if (p->shares)
        (void)share_of(p->shares, spec->account, spec->owner, &ret->share, &ret->usage);
}

static void rank(struct priority *p, const struct job *job, struct vdi_priority *ret)
{
    struct vdi_priority_facts facts;

    *ret = (struct vdi_priority){.sum = 0};
    facts_of(p, job, &facts);
    p->ops.rank(p->rule->state, &facts, ret);
}

int64_t priority_half_life_usec(const struct core *core)
{
    return core->priority->rule->wants.half_life_usec;
}

bool priority_is_known(const struct core *core)
{
    return core->priority->known;
}

int32_t priority_of(struct core *core, const struct job *job)
{
    struct vdi_priority ranked;

    if (!job_is_waiting(job))
        return job->priority;
    rank(core->priority, job, &ranked);
    return ranked.sum;
}

static double number(double x)
{
    return isfinite(x) ? x : 0;
}

void priority_write(struct core *core, const struct job *job, struct buf *out)
{
    struct vdi_priority ranked;

    rank(core->priority, job, &ranked);
    buf_printf(out, ",\"priority\":%d,\"factors\":[", ranked.sum);
    for (uint32_t i = 0; i < ranked.n_rows && i < VDI_PRIORITY_ROWS_MAX; i++) {
        const struct vdi_priority_row *row = &ranked.rows[i];

        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(out, row->name);
        buf_printf(out, ",\"factor\":%.6f,\"weight\":%.0f,\"product\":%.3f}", number(row->factor),
                   number(row->weight), number(row->product));
    }
    buf_putc(out, ']');
}
