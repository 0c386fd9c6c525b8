/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kinds.c - which kind of GPU each node has, as the configuration says.
 *
 * Kept: the first kind is that of nodes of which nothing is said; it takes every profile
 * as a whole device. What jobs hold is found again when kinds change.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"

struct named {
    uint32_t kind;
    char node[];
};

static void names_free(struct hash *names)
{
    void *value;

    for (size_t i = 0; names && hash_next(names, &i, &value);)
        free(value);
    hash_free(names);
}

int kinds_init(struct planner *p)
{
    p->kind_names = hash_new_str();
    p->kinds = calloc(1, sizeof(*p->kinds));
    if (!p->kinds || !p->kind_names)
        return -ENOMEM;
    p->kinds[0] = (struct gpu_kind){.law = GPU_WHOLE, .capacity = 1};
    p->n_kinds = 1;
    return 0;
}

void kinds_done(struct planner *p)
{
    names_free(p->kind_names);
    free(p->kinds);
}

uint32_t kinds_of(const struct planner *p, const char *node)
{
    const struct named *n = hash_get(p->kind_names, node);
    return n ? n->kind : 0;
}

static int add_name(struct hash *names, const struct config *config, const struct config_node *node)
{
    size_t len = strlen(node->name) + 1;
    struct named *n;

    if (!node->kind)
        return 0;
    n = malloc(sizeof(*n) + len);
    if (!n)
        return -ENOMEM;
    n->kind = (uint32_t)(node->kind - config->kinds) + 1;
    memcpy(n->node, node->name, len);
    if (hash_put(names, n->node, n) < 0) {
        free(n);
        return -ENOMEM;
    }
    return 0;
}

static void find_holds(struct planner *p, struct plan_node *node)
{
    for (uint32_t i = 0; i < node->gpus.n_all; i++)
        node->gpus.gpus[i] = (struct plan_gpu){0};
    for (struct entry *e = node->jobs; e; e = e->next) {
        if (!e->gpus)
            continue;
        place_find_offer(p, node, e->gpus);
        place_hold(p, node, e->gpus, 1);
    }
}

int kinds_configure(struct planner *p, const struct config *config)
{
    struct gpu_kind *kinds = calloc(config->n_kinds + 1, sizeof(*kinds));
    struct hash *names = hash_new_str();
    int r = kinds && names ? 0 : -ENOMEM;

    for (size_t i = 0; i < config->n_nodes && r == 0; i++)
        r = add_name(names, config, &config->nodes[i]);
    if (r < 0) {
        free(kinds);
        names_free(names);
        return r;
    }
    kinds[0] = p->kinds[0];
    if (config->n_kinds)
        memcpy(&kinds[1], config->kinds, config->n_kinds * sizeof(*kinds));
    kinds_done(p);
    p->kinds = kinds;
    p->n_kinds = config->n_kinds + 1;
    p->kind_names = names;
    planner_mark(p, PLAN_RESHAPED);
    for (size_t i = 0; i < p->n_nodes; i++) {
        p->nodes[i]->kind = kinds_of(p, p->nodes[i]->facts.name);
        plan_base_forget(p, p->nodes[i]);
        find_holds(p, p->nodes[i]);
    }
    seats_find_offers(p);
    return 0;
}
