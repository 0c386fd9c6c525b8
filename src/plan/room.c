/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room.c - how much longer a job may hold its node without delaying anybody's planned start.
 *
 * Backfill is conservative: every job in line has a reservation, and if what a job
 * holds beyond its end touches none of them, all of them stay possible as they are.
 */
#include <errno.h>
#include <string.h>

#include "plan/inner.h"

void planner_hurry(struct planner *p)
{
    if (p->dirt == PLAN_STALE)
        p->refresh_usec = p->now_usec;
}

bool planner_is_current(const struct planner *p)
{
    return p->dirt == PLAN_CLEAN && !p->next;
}

static bool lacks(const struct amount *free, const struct amount *need, enum plan_blocker_type *ret)
{
    if (need->gpus > free->gpus && need->gpus)
        *ret = PLAN_BLOCK_GPUS;
    else if (need->cpus > free->cpus && need->cpus)
        *ret = PLAN_BLOCK_CPUS;
    else if (need->memory_mib > free->memory_mib && need->memory_mib)
        *ret = PLAN_BLOCK_MEMORY;
    else if (need->disk_gib > free->disk_gib && need->disk_gib)
        *ret = PLAN_BLOCK_DISK;
    else
        return false;
    return true;
}

static uint64_t part(const struct amount *need, enum plan_blocker_type type)
{
    return type == PLAN_BLOCK_GPUS   ? (uint64_t)need->gpus
           : type == PLAN_BLOCK_CPUS ? (uint64_t)need->cpus
           : type == PLAN_BLOCK_DISK ? (uint64_t)need->disk_gib
                                     : (uint64_t)need->memory_mib;
}

/* Of those planned on the node at that time, the one that needs most of it. */
static void find_blocker(struct planner *p, const struct plan_node *n, int64_t at_usec,
                         enum plan_blocker_type type, struct plan_room *ret)
{
    const struct entry *found = NULL;

    for (struct entry *e = queue_first(&p->queue); e; e = queue_next(e)) {
        if (e->node != n || !e->time_usec || e->time_usec > at_usec ||
            e->time_usec + e->shape->span_usec <= at_usec || !part(&e->shape->need, type))
            continue;
        if (!found || part(&e->shape->need, type) > part(&found->shape->need, type))
            found = e;
    }
    ret->blocker.type = type;
    memcpy(ret->blocker.subject, n->facts.name, sizeof(ret->blocker.subject));
    if (!found)
        return;
    ret->blocker.job = found->id;
    ret->blocker.need = part(&found->shape->need, type);
    ret->blocker_start_usec = found->time_usec;
    if (found->shape->span_usec < PLAN_UNLIMITED_USEC)
        ret->blocker.until_usec = found->time_usec + found->shape->span_usec;
}

int planner_room(struct planner *p, uint64_t job, struct plan_room *ret)
{
    struct entry *e = hash_get_u64(p->jobs, job);
    const struct plan_node *n = e && e->place == ENTRY_ACTIVE ? e->node : NULL;
    enum plan_blocker_type type;
    int64_t end;

    if (!n)
        return -ENOENT;
    if (!planner_is_current(p))
        return -EAGAIN;
    *ret = (struct plan_room){.room_usec = INT64_MAX};
    if (n->pass != p->pass || !queue_first(&p->queue)) /* this pass has nothing there */
        return 0;
    if (n->line.closed) {
        ret->room_usec = 0;
        return 0;
    }
    end = plan_expected_end(p, e);
    for (size_t i = 0; i < n->line.n; i++) {
        const struct step *s = &n->line.steps[i];

        if ((i + 1 < n->line.n && n->line.steps[i + 1].from_usec <= end) ||
            !lacks(&s->free, &e->shape->need, &type))
            continue;
        ret->room_usec = s->from_usec > end ? s->from_usec - end : 0;
        find_blocker(p, n, s->from_usec > end ? s->from_usec : end, type, ret);
        return 0;
    }
    return 0;
}
