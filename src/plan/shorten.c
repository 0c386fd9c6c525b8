/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shorten.c - who accepts less time than he asked for starts in a gap (sbatch's --time-min).
 *
 * Kept: a job is shortened only if it starts now by that and would not otherwise, or would not
 * be over by its deadline; it gets all that the gap has, in whole minutes, and never less than
 * it accepts. A gap is what the reservations before it in line leave, so it delays nobody; it ends
 * where a closure of the node begins, and for who is in a window of his own where that ends.
 */
#include "plan/inner.h"

#define MINUTE_USEC INT64_C(60000000)

/* Until when it must be over, by its deadline; TIMELINE_NEVER. */
static int64_t latest_end(const struct entry *e)
{
    return e->deadline_usec ? e->deadline_usec + e->shape->brief->span_usec : TIMELINE_NEVER;
}

/* When it would start there in full. Candidates of who may pause tell his end. */
static int64_t start_of(struct planner *p, struct shape *shape, const struct candidate *best,
                        int64_t from_usec)
{
    struct plan_node *node = p->nodes[best->node];
    const struct plan_lines *lines = plan_lines_now(p, node);
    int64_t end;
    uint8_t offer;

    if (!lines || shape->nodes > 1 || !pause_is_for(p, shape) || !pause_is_for_node(p, shape, node))
        return best->earliest_usec;
    return pause_earliest(p, shape, node, lines, from_usec, &end, &offer);
}

bool shorten_best(struct planner *p, const struct entry *e, const struct candidate *full,
                  struct candidate *ret)
{
    struct shape *brief = e->shape->brief;

    if (!brief || e->late || (brief->nodes > 1 && pause_is_for(p, brief)))
        return false;
    if (full && start_of(p, e->shape, full, p->now_usec) <= p->now_usec &&
        p->now_usec + e->shape->span_usec <= latest_end(e))
        return false;
    return shape_best(p, brief, e->image, p->now_usec, ret) && ret->earliest_usec <= p->now_usec;
}

/* The least of what all its nodes have. */
static int64_t room_of_all(struct planner *p, const struct entry *e, struct plan_node *const *nodes,
                           struct gpu_hold *const *gpus, int64_t from_usec)
{
    int64_t end = plan_sooner(p->now_usec + e->shape->span_usec, latest_end(e));

    for (uint32_t i = 0; i < e->shape->nodes; i++) {
        struct entry there = {.shape = e->shape, .gpus = gpus[i]};
        const char *closure;

        end = plan_sooner(end, room_until(p, nodes[i], &nodes[i]->lines, &there, from_usec));
        end = plan_sooner(end, closure_until(nodes[i], e->shape, p->now_usec, from_usec, &closure));
    }
    return end;
}

int64_t shorten_extend(struct planner *p, const struct entry *e, struct plan_node *const *nodes,
                       struct gpu_hold *const *gpus, int *ret_r)
{
    int64_t least = p->now_usec + e->shape->brief->span_usec;
    int64_t end = room_of_all(p, e, nodes, gpus, least), begin = p->now_usec + p->boot_usec;

    *ret_r = 0;
    if (end < p->now_usec + e->shape->span_usec)
        end = begin + (end - begin) / MINUTE_USEC * MINUTE_USEC;
    if (end <= least)
        return least;
    for (uint32_t i = 0; i < e->shape->nodes; i++) {
        struct entry there = {.shape = e->shape, .gpus = gpus[i]};
        int r =
            plan_change_place(&p->kinds[nodes[i]->kind], &there, least, end, -1, &nodes[i]->lines);

        *ret_r = r < 0 ? r : *ret_r;
    }
    return end;
}
