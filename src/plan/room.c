/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room.c - how much longer a job may hold its node without delaying anybody's planned start.
 *
 * Backfill is conservative: every job in line has a reservation, and if what a job
 * holds beyond its end touches none of them, all of them stay possible as they are.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
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
    if (need->cpus > free->cpus && need->cpus)
        *ret = PLAN_BLOCK_CPUS;
    else if (need->memory_mib > free->memory_mib && need->memory_mib)
        *ret = PLAN_BLOCK_MEMORY;
    else if (need->disk_gib > free->disk_gib && need->disk_gib)
        *ret = PLAN_BLOCK_DISK;
    else if (need->encode_mpix > free->encode_mpix && need->encode_mpix)
        *ret = PLAN_BLOCK_ENCODE;
    else if (need->work_mcpu > free->work_mcpu && need->work_mcpu)
        *ret = PLAN_BLOCK_WORK;
    else
        return false;
    return true;
}

static uint64_t part(const struct shape *shape, enum plan_blocker_type type)
{
    return type == PLAN_BLOCK_GPUS     ? shape->gpus
           : type == PLAN_BLOCK_CPUS   ? (uint64_t)shape->need.cpus
           : type == PLAN_BLOCK_DISK   ? (uint64_t)shape->need.disk_gib
           : type == PLAN_BLOCK_ENCODE ? (uint64_t)shape->need.encode_mpix
           : type == PLAN_BLOCK_WORK   ? (uint64_t)shape->need.work_mcpu
                                       : (uint64_t)shape->need.memory_mib;
}

static bool is_planned_on(const struct entry *e, const struct plan_node *n)
{
    bool is = e->node == n;

    for (uint32_t i = 0; !is && e->shape->nodes > 1 && e->planned && i < e->shape->nodes; i++)
        is = e->planned[i] == n;
    return is;
}

/* Of those planned on the node at that time, the one that needs most of it. */
static void find_blocker(struct planner *p, const struct plan_node *n, int64_t at_usec,
                         enum plan_blocker_type type, struct plan_room *ret)
{
    const struct entry *found = NULL;

    for (struct entry *e = queue_first(&p->queue); e; e = queue_next(e)) {
        if (!is_planned_on(e, n) || !e->time_usec || e->time_usec > at_usec ||
            e->time_usec + e->shape->span_usec <= at_usec || !part(e->shape, type))
            continue;
        if (!found || part(e->shape, type) > part(found->shape, type))
            found = e;
    }
    ret->blocker.type = PLAN_BLOCK_CLASS; /* unless it is a job's */
    memcpy(ret->blocker.subject, n->facts.name, sizeof(ret->blocker.subject));
    if (!found)
        return;
    ret->blocker.type = type;
    ret->blocker.job = found->id;
    ret->blocker.need = part(found->shape, type);
    ret->blocker_start_usec = found->time_usec;
    if (found->shape->span_usec < PLAN_UNLIMITED_USEC)
        ret->blocker.until_usec = found->time_usec + found->shape->span_usec;
}

/* The first step from `end` on that has no room for what the job holds; NEVER. */
static int64_t line_conflict(const struct plan_lines *lines, const struct entry *e,
                             int64_t end_usec, enum plan_blocker_type *ret)
{
    const struct steps *steps = &lines->amount.steps;

    for (size_t i = steps_at(steps, sizeof(struct step), end_usec); i < steps->n; i++)
        if (lacks(&timeline_step(&lines->amount, i)->free, &e->shape->need, ret))
            return timeline_step(&lines->amount, i)->from_usec;
    return TIMELINE_NEVER;
}

static int64_t gpu_conflict(const struct planner *p, const struct plan_node *n,
                            const struct plan_lines *lines, const struct entry *e, int64_t end_usec)
{
    int64_t first = TIMELINE_NEVER;

    for (uint8_t g = 0; e->gpus && e->gpus->offer != HOLD_FOREIGN && g < e->gpus->n; g++) {
        const struct gpu_place *place = &e->gpus->places[g];
        const struct gpuline *line = &lines->gpus[place->gpu];
        size_t i = steps_at(&line->steps, sizeof(struct gpustep), end_usec);

        for (; i < line->steps.n; i++) {
            const struct gpustep *s = gpuline_step(line, i);

            if (gpu_fit(&p->kinds[n->kind], &s->state, e->gpus->offer) >> place->slot & 1)
                continue;
            first = s->from_usec < first ? s->from_usec : first;
            break;
        }
    }
    return first;
}

int64_t room_until(const struct planner *p, const struct plan_node *n,
                   const struct plan_lines *lines, const struct entry *e, int64_t from_usec)
{
    enum plan_blocker_type type;
    int64_t at = line_conflict(lines, e, from_usec, &type);
    int64_t gpu_at = gpu_conflict(p, n, lines, e, from_usec);

    return at < gpu_at ? at : gpu_at;
}

/* The same for what the job, or the part of it, has on its node; closed lines have no room. */
static void room_on(struct planner *p, const struct entry *e, int64_t end_usec,
                    struct plan_room *ret)
{
    struct plan_node *n = e->node;
    enum plan_blocker_type type = PLAN_BLOCK_GPUS;
    const struct plan_lines *lines;
    const char *closure = NULL;
    int64_t at, gpu_at, closed_at;

    *ret = (struct plan_room){.room_usec = INT64_MAX};
    /* Where this pass has nothing there may be seats of classes still. */
    lines = n->pass != p->pass || !queue_first(&p->queue) ? plan_base_lines(p, n) : &n->lines;
    if (!lines || lines->amount.closed) {
        ret->room_usec = 0;
        return;
    }
    at = line_conflict(lines, e, end_usec, &type);
    gpu_at = gpu_conflict(p, n, lines, e, end_usec);
    if (gpu_at < at) {
        at = gpu_at;
        type = PLAN_BLOCK_GPUS;
    }
    closed_at = closure_until(n, e->shape, p->now_usec, end_usec, &closure);
    if (closure && closed_at <= at) {
        *ret = (struct plan_room){.room_usec = closed_at - end_usec,
                                  .blocker.type = PLAN_BLOCK_RESERVATION,
                                  .blocker_start_usec = closed_at};
        memcpy(ret->blocker.subject, n->facts.name, sizeof(ret->blocker.subject));
        str_copy(ret->blocker.reservation, sizeof(ret->blocker.reservation), closure);
        return;
    }
    if (at >= TIMELINE_NEVER)
        return;
    ret->room_usec = at > end_usec ? at - end_usec : 0;
    find_blocker(p, n, at > end_usec ? at : end_usec, type, ret);
}

int planner_room(struct planner *p, uint64_t job, struct plan_room *ret)
{
    struct entry *e = hash_get_u64(p->jobs, job);
    int64_t end;

    if (!e || e->place != ENTRY_ACTIVE || !e->node)
        return -ENOENT;
    if (!planner_is_current(p))
        return -EAGAIN;
    end = plan_expected_end(p, e);
    room_on(p, e, end, ret);
    for (const struct entry *part = e->part; part; part = part->part) {
        struct plan_room there;

        room_on(p, part, end, &there);
        if (there.room_usec < ret->room_usec)
            *ret = there;
    }
    return 0;
}
