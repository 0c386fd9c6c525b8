/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qos.c - whose jobs may be asked to go for whom.
 *
 * Kept: the first QOS is that of jobs that have none: it preempts nobody and nobody it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"

static const char *const mode_names[] = {
    [PLAN_SAVE] = "save", [PLAN_REQUEUE] = "requeue", [PLAN_CANCEL] = "cancel"};

const char *plan_mode_name(enum plan_mode mode)
{
    return mode <= PLAN_CANCEL ? mode_names[mode] : "none";
}

static void free_all(struct plan_qos *qos, size_t n)
{
    for (size_t i = 0; qos && i < n; i++) {
        free(qos[i].name);
        free(qos[i].preempts);
    }
    free(qos);
}

void qos_done(struct planner *p)
{
    free_all(p->qos, p->n_qos);
}

int qos_init(struct planner *p)
{
    p->qos = calloc(1, sizeof(*p->qos));
    if (!p->qos)
        return -ENOMEM;
    p->n_qos = 1;
    p->qos[0].name = strdup("");
    p->qos[0].preempts = calloc(1, sizeof(bool));
    return p->qos[0].name && p->qos[0].preempts ? 0 : -ENOMEM;
}

/* The first that frees GPUs. */
static enum plan_mode mode_of(const struct config_qos *q)
{
    for (size_t i = 0; i < q->preempt_modes.n; i++)
        for (int mode = PLAN_SAVE; mode <= PLAN_CANCEL; mode++)
            if (!strcmp(q->preempt_modes.names[i], mode_names[mode]))
                return (enum plan_mode)mode;
    return PLAN_REQUEUE;
}

static int copy(const struct config *c, size_t i, struct plan_qos *all)
{
    const struct config_qos *from = &c->qos[i];
    struct plan_qos *to = &all[i + 1];

    to->name = strdup(from->name);
    to->preempts = calloc(c->n_qos + 1, sizeof(bool));
    if (!to->name || !to->preempts)
        return -ENOMEM;
    to->mode = mode_of(from);
    to->grace_usec = from->grace_sec * 1000000;
    to->exempt_usec = from->preempt_exempt_sec * 1000000;
    for (size_t k = 0; k < c->n_qos; k++) {
        if (!config_names_has(&from->preempts, c->qos[k].name))
            continue;
        to->preempts[k + 1] = true;
        to->has_victims = true;
        all[k + 1].is_victim = true;
        all[k + 1].is_lost |= to->mode != PLAN_SAVE;
    }
    return 0;
}

int qos_configure(struct planner *p, const struct config *c)
{
    size_t n = c->n_qos + 1;
    struct plan_qos *qos = calloc(n, sizeof(*qos));
    int r = qos ? 0 : -ENOMEM;

    if (r == 0) {
        qos[0].name = strdup("");
        qos[0].preempts = calloc(n, sizeof(bool));
        r = qos[0].name && qos[0].preempts ? 0 : -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < c->n_qos; i++)
        r = copy(c, i, qos);
    if (r < 0) {
        free_all(qos, n);
        return r;
    }
    qos_done(p);
    p->qos = qos;
    p->n_qos = n;
    for (size_t i = 0; i < p->n_nodes; i++)
        node_pauses_done(&p->nodes[i]->pauses);
    planner_mark(p, PLAN_RESHAPED); /* what shapes know of theirs is old */
    return 0;
}

uint32_t qos_find(const struct planner *p, const char *name)
{
    for (size_t i = 1; name && i < p->n_qos; i++)
        if (!strcmp(p->qos[i].name, name))
            return (uint32_t)i;
    return 0;
}

uint32_t qos_of(const struct planner *p, struct shape *shape)
{
    if (shape->qos_layout == p->layout)
        return shape->qos_index;
    shape->qos_index = qos_find(p, shape->qos);
    shape->qos_layout = p->layout;
    return shape->qos_index;
}

bool qos_preempts(const struct planner *p, uint32_t by, uint32_t whom)
{
    return p->qos[by].preempts[whom];
}

int64_t qos_free_usec(const struct planner *p, uint32_t by)
{
    return p->qos[by].grace_usec + p->save_usec;
}
