/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held.c - what jobs hold: a node and GPUs of it, or several.
 *
 * Kept: a job on several nodes is one entry, in the list of the first, and a part in the list of
 * each further one; a node's `used` and its GPUs are the sum of what is in its list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/inner.h"

static void part_free(struct entry *part)
{
    place_hold_free(part->gpus);
    free(part);
}

void planner_held_done(struct held *held)
{
    place_hold_free(held->gpus);
    for (struct entry *part = held->parts, *next; part; part = next) {
        next = part->part;
        part_free(part);
    }
    *held = (struct held){0};
}

int planner_held_make(struct plan_node *const *nodes, struct gpu_hold *const *gpus, uint32_t n,
                      struct held *ret)
{
    struct held held = {.node = n ? nodes[0] : NULL};

    for (uint32_t i = n; i > 1; i--) {
        struct entry *part = calloc(1, sizeof(*part));

        if (!part) {
            planner_held_done(&held);
            return -ENOMEM;
        }
        part->node = nodes[i - 1];
        part->part = held.parts;
        held.parts = part;
    }
    held.gpus = n ? gpus[0] : NULL;
    n = 0;
    for (struct entry *part = held.parts; part; part = part->part)
        part->gpus = gpus[++n];
    *ret = held;
    return 0;
}

struct held planner_held_by(const struct entry *e)
{
    if (!entry_holds(e))
        return (struct held){0};
    return (struct held){.node = e->node, .gpus = e->gpus, .parts = e->part};
}

/* Puts the job, or a part of it, on its node. */
static void hold_node(const struct planner *p, struct entry *e)
{
    struct plan_node *node = e->node;

    plan_base_forget(p, node);
    place_hold(p, node, e->gpus, 1);
    qos_add_seen(p, node, e);
    e->next = node->jobs;
    node->jobs = e;
    node->n_jobs++;
    amount_add(&node->used, &e->shape->need, 1);
}

void planner_hold(struct planner *p, struct entry *e, struct held held, enum entry_place place,
                  int64_t end_usec)
{
    if (place == ENTRY_TENTATIVE && e->place != ENTRY_TENTATIVE)
        e->begin_usec = p->now_usec;
    e->place = (uint8_t)place;
    e->node = held.node;
    e->time_usec = end_usec < TIMELINE_NEVER ? end_usec : TIMELINE_NEVER - 1;
    e->late = false;
    e->gpus = held.gpus;
    e->part = held.parts;
    e->head = NULL;
    licences_hold(p, e);
    if (held.node)
        hold_node(p, e);
    for (struct entry *part = held.parts; part; part = part->part) {
        part->head = e;
        part->id = e->id;
        part->shape = e->shape;
        part->place = e->place;
        part->time_usec = e->time_usec;
        hold_node(p, part);
    }
    wake_set(&p->wake, e,
             place == ENTRY_TENTATIVE ? p->now_usec + PLAN_RETRY_USEC : plan_next_look(p, e));
}

static void leave_node(const struct planner *p, struct entry *e)
{
    struct plan_node *node = e->node;
    struct entry **link;

    plan_base_forget(p, node);
    place_hold(p, node, e->gpus, -1);
    for (link = &node->jobs; *link != e; link = &(*link)->next)
        ;
    *link = e->next;
    node->n_jobs--;
    node->qos_is_known = false;
    amount_add(&node->used, &e->shape->need, -1);
}

struct held planner_take_off(struct planner *p, struct entry *e)
{
    struct held held = planner_held_by(e);

    licences_leave(p, e);
    if (held.node)
        leave_node(p, e);
    for (struct entry *part = held.parts; part; part = part->part)
        leave_node(p, part);
    e->place = ENTRY_ASIDE;
    e->node = NULL;
    e->next = NULL;
    e->gpus = NULL;
    e->part = NULL;
    return held;
}

/* The job's own entry or that part of it which is on the node; NULL: none. */
static struct entry *part_on(struct entry *e, const struct plan_node *node)
{
    if (!e || !entry_holds(e))
        return NULL;
    while (e && e->node != node)
        e = e->part;
    return e;
}

/* What the record says it holds there; where it says nothing, what was held there already. */
static int find_gpus(struct planner *p, struct entry *e, struct shape *shape,
                     struct plan_node *node, const char *held, struct gpu_hold **ret)
{
    struct entry *part = part_on(e, node);
    struct gpu_hold *was = part ? part->gpus : NULL;
    int r;

    if (was && !*held && was->n == shape->gpus) {
        *ret = place_hold_copy(was);
        return *ret ? 0 : -ENOMEM;
    }
    if (was)
        place_hold(p, node, was, -1); /* its own places are free for it */
    r = place_of_record(p, shape, node, held, ret);
    if (was)
        place_hold(p, node, was, 1);
    return r;
}

int planner_find_held(struct planner *p, struct entry *e, struct shape *shape,
                      const struct plan_place *places, uint32_t n, struct held *ret)
{
    struct plan_node *nodes[JOB_NODES_MAX];
    struct gpu_hold *gpus[JOB_NODES_MAX];
    uint32_t found = 0;
    int r = 0;

    for (; found < n && r == 0; found += r == 0) {
        nodes[found] = planner_node_get(p, places[found].node);
        r = nodes[found]
                ? find_gpus(p, e, shape, nodes[found], places[found].gpus_held, &gpus[found])
                : -ENOMEM;
    }
    if (r == 0)
        r = planner_held_make(nodes, gpus, n, ret);
    for (uint32_t i = 0; r < 0 && i < found; i++)
        place_hold_free(gpus[i]);
    return r;
}

static bool is_same_hold(const struct gpu_hold *a, const struct gpu_hold *b)
{
    if (!a || !b)
        return a == b;
    return a->offer == b->offer && a->n == b->n &&
           !memcmp(a->places, b->places, a->n * sizeof(*a->places));
}

bool planner_held_is_equal(const struct held *a, const struct held *b)
{
    const struct entry *x = a->parts, *y = b->parts;

    if (a->node != b->node || !is_same_hold(a->gpus, b->gpus))
        return false;
    for (; x && y && x->node == y->node && is_same_hold(x->gpus, y->gpus); y = y->part)
        x = x->part;
    return !x && !y;
}

void planner_each_place(const struct planner *p, uint64_t job, plan_place_fn *fn, void *arg)
{
    const struct entry *e = hash_get_u64(p->jobs, job);

    if (!e || !entry_holds(e) || !e->node)
        return;
    for (const struct entry *part = e; part; part = part->part) {
        struct plan_place place = {.node = ""};

        memcpy(place.node, part->node->facts.name, sizeof(place.node));
        if (part->gpus)
            gpu_held_format(part->gpus->profile, part->gpus->places, part->gpus->n,
                            gpu_has_slots(&p->kinds[part->node->kind]), place.gpus_held,
                            sizeof(place.gpus_held));
        fn(arg, &place);
    }
}
