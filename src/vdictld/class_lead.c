/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class_lead.c - how long seats take to be READY, and so how long ahead they are started.
 */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "model/boots.h"
#include "vdictld/class_impl.h"
#include "vdictld/life.h"

/* A guest that boots keeps about so many processors of its host busy. */
#define BOOT_CPUS 4
#define BOOTS_AT_ONCE 2 /* at least */
#define SECOND_LEAST_USEC (5 * USEC_PER_SEC)

/* Of a template: of its seats; before its first seat, how long its other instances took to
 * boot. */
struct template_boots {
    struct boots boots;
    bool of_seats;
    char name[];
};

void class_note_boot(struct core *core, const struct instance *in)
{
    struct hash *all = core->classes->boots;
    struct template_boots *boots = hash_get(all, in->template_name);
    /* More than that is a node that was away, not a boot. */
    int64_t most = life_boot_timeout(core, in->template_name) * USEC_PER_SEC;
    int64_t took;

    if (!in->class_id && ((boots && boots->of_seats) || !in->build_usec))
        return;
    if (!boots) {
        boots = calloc(1, sizeof(*boots) + strlen(in->template_name) + 1);
        if (!boots)
            return;
        memcpy(boots->name, in->template_name, strlen(in->template_name) + 1);
        if (hash_put(all, boots->name, boots) < 0) {
            free(boots);
            return;
        }
    }
    if (in->class_id && !boots->of_seats) {
        boots->of_seats = true;
        boots->boots.n = 0;
    }
    /* What others waited for before, an image, say, is fetched for a class ahead. */
    took = in->ready_usec - (in->class_id ? in->request_usec : in->build_usec);
    boots_add(&boots->boots, took < most ? took : most);
}

uint32_t class_boots_at_once(uint32_t cpus)
{
    return cpus / BOOT_CPUS > BOOTS_AT_ONCE ? cpus / BOOT_CPUS : BOOTS_AT_ONCE;
}

/* Of a profile that the template names, as many as fit on the node's GPUs. */
static uint32_t seats_by_gpus(const struct config_template *t, const struct config_node *node)
{
    const struct gpu_kind *kind = node->kind;
    const struct gpu_state empty = {0};
    uint32_t most = !kind || !kind->n_offers ? 1 : 0;

    for (size_t i = 0; kind && i < kind->n_offers; i++) {
        uint32_t n = gpu_count(kind, &empty, i);

        if ((!t->profiles.n || config_names_has(&t->profiles, kind->offers[i].profile)) && n > most)
            most = n;
    }
    return node->gpus * most / t->gpus;
}

/* Seats are put on few nodes, and on each a few boot at once: the rest waits for them. */
static uint32_t rounds(const struct config_template *t, const struct config_node *node,
                       uint32_t seats)
{
    uint32_t at_once = class_boots_at_once(node->cpus), fit = seats;

    if (t->vcpus && node->cpus / t->vcpus < fit)
        fit = node->cpus / t->vcpus;
    if (t->memory_mib && node->memory_mib / t->memory_mib < fit)
        fit = node->memory_mib / t->memory_mib;
    if (t->gpus && seats_by_gpus(t, node) < fit)
        fit = seats_by_gpus(t, node);
    return (fit + at_once - 1) / at_once;
}

static uint32_t most_rounds(const struct core *core, const struct class_spec *spec)
{
    const struct config_partition *p = *spec->partition
                                           ? config_partition(core->config, spec->partition)
                                           : config_default_partition(core->config);
    const struct config_template *t = config_template(core->config, spec->template_name);
    uint32_t most = 1;

    for (size_t i = 0; p && t && i < p->nodes.n; i++) {
        const struct config_node *node = config_node(core->config, p->nodes.names[i]);
        uint32_t n = node ? rounds(t, node, spec->seats) : 0;

        most = n > most ? n : most;
    }
    return most;
}

static bool preempts(const struct core *core, const char *qos)
{
    const struct config_qos *q = config_qos(core->config, qos);

    return q && q->preempts.n;
}

static const struct boots *boots_of(const struct core *core, const struct class_spec *spec)
{
    static const struct boots none;
    const struct template_boots *of = hash_get(core->classes->boots, spec->template_name);

    return of ? &of->boots : &none;
}

int64_t class_lead_usec(struct core *core, const struct class_spec *spec)
{
    const struct boots *boots = boots_of(core, spec);
    int64_t free_usec = preempts(core, spec->qos) ? class_free_usec(core, spec->qos) : -1;
    int64_t least = spec->lead_sec * USEC_PER_SEC, measured;

    measured = boots->n ? boots_lead_usec(boots, most_rounds(core, spec), free_usec) : 0;
    return measured > least ? measured : least;
}

int64_t class_second_usec(struct core *core, const struct class_spec *spec)
{
    int64_t slow = boots_slow_usec(boots_of(core, spec));

    if (!slow)
        slow = class_lead_usec(core, spec) / 3;
    return slow > SECOND_LEAST_USEC ? slow : SECOND_LEAST_USEC;
}
