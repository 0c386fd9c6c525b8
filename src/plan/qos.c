/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qos.c - whose jobs may be asked to go for whom.
 *
 * Kept: the first QOS is that of jobs that have none: it preempts nobody and nobody it. Each has a
 * twin, half the list further on, for its jobs that can't be saved: others preempt those as they do
 * the rest, in another mode or not at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"
#include "plan/pause.h"

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

/* "" and its twin. */
int qos_init(struct planner *p)
{
    struct config none = {0};

    return qos_configure(p, &none);
}

/* The first that frees GPUs; of who can't be saved the first that does without. False: there is
 * none. */
static bool mode_of(const struct config_qos *q, bool unsaved, enum plan_mode *ret)
{
    *ret = PLAN_REQUEUE;
    for (size_t i = 0; i < q->preempt_modes.n; i++)
        for (int mode = unsaved ? PLAN_REQUEUE : PLAN_SAVE; mode <= PLAN_CANCEL; mode++)
            if (!strcmp(q->preempt_modes.names[i], mode_names[mode])) {
                *ret = (enum plan_mode)mode;
                return true;
            }
    return !q->preempt_modes.n;
}

static uint64_t qos_bit(size_t qos)
{
    return UINT64_C(1) << qos % 64;
}

/* What the i-th of the configuration does to the k-th, and to its twin. */
static void add_victim(const struct config_qos *from, struct plan_qos *to, struct plan_qos *all,
                       size_t k, size_t n)
{
    enum plan_mode mode;

    to->preempts[k] = to->has_victims = all[k].is_victim = true;
    to->victims |= qos_bit(k) | qos_bit(k + n);
    all[k].is_lost |= to->mode != PLAN_SAVE;
    if (mode_of(from, true, &mode))
        to->preempts[k + n] = all[k + n].is_victim = all[k + n].is_lost = true;
}

static int copy(const struct config *c, size_t i, struct plan_qos *to, struct plan_qos *all,
                size_t n)
{
    const struct config_qos *from = &c->qos[i];

    to->preempts = calloc(2 * n, sizeof(bool));
    to->name = strdup(from->name);
    if (!to->preempts || !to->name)
        return -ENOMEM;
    mode_of(from, false, &to->mode);
    mode_of(from, true, &to->other);
    to->grace_usec = from->grace_sec * 1000000;
    to->exempt_usec = from->preempt_exempt_sec * 1000000;
    for (size_t k = 0; k < c->n_qos; k++)
        if (config_names_has(&from->preempts, c->qos[k].name))
            add_victim(from, to, all, k + 1, n);
    return 0;
}

static int none(struct plan_qos *to, size_t n)
{
    to->preempts = calloc(2 * n, sizeof(bool));
    to->name = strdup("");
    return to->preempts && to->name ? 0 : -ENOMEM;
}

int qos_configure(struct planner *p, const struct config *c)
{
    size_t n = c->n_qos + 1;
    struct plan_qos *qos = calloc(2 * n, sizeof(*qos));
    int r = qos ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < 2 * n; i++)
        r = i % n ? copy(c, i % n - 1, &qos[i], qos, n) : none(&qos[i], n);
    if (r < 0) {
        free_all(qos, 2 * n);
        return r;
    }
    qos_done(p);
    p->qos = qos;
    p->n_qos = 2 * n;
    for (size_t i = 0; i < p->n_nodes; i++) {
        node_pauses_done(&p->nodes[i]->pauses);
        p->nodes[i]->qos_is_known = false;
    }
    planner_mark(p, PLAN_RESHAPED); /* what shapes know of theirs is old */
    for (struct shape *shape = p->shapes.first; shape; shape = shape->next)
        if (shape->queued)
            pause_want(p, shape);
    return 0;
}

uint32_t qos_find(const struct planner *p, const char *name)
{
    for (size_t i = 1; name && i < p->n_qos / 2; i++)
        if (!strcmp(p->qos[i].name, name))
            return (uint32_t)i;
    return 0;
}

uint32_t qos_of(const struct planner *p, struct shape *shape)
{
    if (shape->qos_layout == p->layout)
        return shape->qos_index;
    shape->qos_index = qos_find(p, shape->qos) + (shape->unsaved ? (uint32_t)p->n_qos / 2 : 0);
    shape->qos_layout = p->layout;
    return shape->qos_index;
}

bool qos_preempts(const struct planner *p, uint32_t by, uint32_t whom)
{
    return p->qos[by].preempts[whom];
}

void qos_add_seen(const struct planner *p, struct plan_node *node, const struct entry *e)
{
    if (!node->jobs) {
        node->qos_seen = 0;
        node->qos_is_known = true;
    }
    node->qos_seen |= qos_bit(qos_of(p, e->shape));
}

bool qos_may_have_victims(const struct planner *p, uint32_t by, struct plan_node *node)
{
    if (!node->qos_is_known) {
        node->qos_seen = 0;
        for (const struct entry *e = node->jobs; e; e = e->next)
            node->qos_seen |= qos_bit(qos_of(p, e->shape));
        node->qos_is_known = true;
    }
    return node->qos_seen & p->qos[by].victims;
}

enum plan_mode qos_mode(const struct planner *p, uint32_t by, uint32_t whom)
{
    return whom < p->n_qos / 2 ? p->qos[by].mode : p->qos[by].other;
}

int64_t qos_free_usec(const struct planner *p, uint32_t by)
{
    return p->qos[by].grace_usec + p->save_usec;
}
