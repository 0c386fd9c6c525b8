/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why.c - what keeps a job from starting: every blocker, with numbers, the binding one first.
 *
 * Kept: it changes nothing but pools and the order of nodes, which are caches.
 * What ends by itself last comes first; what never does comes before that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "plan/inner.h"

const char *plan_blocker_name(enum plan_blocker_type type)
{
    static const char *const names[PLAN_N_BLOCKERS] = {
        [PLAN_BLOCK_HELD_USER] = "JobHeldUser",
        [PLAN_BLOCK_HELD_ADMIN] = "JobHeldAdmin",
        [PLAN_BLOCK_UNKNOWN] = "RecordDamaged",
        [PLAN_BLOCK_DEPENDENCY] = "Dependency",
        [PLAN_BLOCK_DEPENDENCY_NEVER] = "DependencyNeverSatisfied",
        [PLAN_BLOCK_LIMIT] = "Limit",
        [PLAN_BLOCK_ARRAY] = "JobArrayTaskLimit",
        [PLAN_BLOCK_BEGIN] = "BeginTime",
        [PLAN_BLOCK_PARTITION] = "PartitionDown",
        [PLAN_BLOCK_NO_NODE] = "BadConstraints",
        [PLAN_BLOCK_NODES_OUT] = "ReqNodeNotAvail",
        [PLAN_BLOCK_DISK_NODE] = "DiskNode",
        [PLAN_BLOCK_DISK_BUSY] = "DiskBusy",
        [PLAN_BLOCK_DISK_QUOTA] = "DiskQuota",
        [PLAN_BLOCK_CLASS] = "Reservation",
        [PLAN_BLOCK_RESERVATION] = "Reservation",
        [PLAN_BLOCK_PRIORITY] = "Priority",
        [PLAN_BLOCK_CPUS] = "Resources",
        [PLAN_BLOCK_MEMORY] = "Resources",
        [PLAN_BLOCK_GPUS] = "Resources",
        [PLAN_BLOCK_DISK] = "Resources",
        [PLAN_BLOCK_ENCODE] = "Resources",
        [PLAN_BLOCK_WORK] = "Resources",
    };
    return type < PLAN_N_BLOCKERS ? names[type] : "None";
}

enum resource { CPUS, MEMORY, GPUS, DISK, ENCODE, WORK, N_RESOURCES };

static const enum plan_blocker_type resource_blocker[N_RESOURCES] = {
    PLAN_BLOCK_CPUS, PLAN_BLOCK_MEMORY, PLAN_BLOCK_GPUS,
    PLAN_BLOCK_DISK, PLAN_BLOCK_ENCODE, PLAN_BLOCK_WORK};
static const char *const resource_name[N_RESOURCES] = {
    "cpus", "memory", "gpus", "disk", "encode", "thousandths of a cpu, encoding among them"};

static int64_t part_of(const struct amount *a, enum resource r)
{
    return r == CPUS     ? a->cpus
           : r == MEMORY ? a->memory_mib
           : r == DISK   ? a->disk_gib
           : r == ENCODE ? a->encode_mpix
           : r == WORK   ? a->work_mcpu
                         : 0;
}

static int64_t need_of(const struct shape *shape, enum resource r)
{
    return r == GPUS ? shape->gpus : part_of(&shape->need, r);
}

static int64_t free_of(struct planner *p, struct shape *shape, const struct plan_node *n,
                       enum resource r)
{
    struct amount free = plan_node_free(n);
    int64_t have = r == GPUS ? place_free_gpus(p, shape, n) : part_of(&free, r);

    return have > 0 ? have : 0;
}

/* What the node has of it when it is empty. */
static int64_t most_of(struct planner *p, struct shape *shape, const struct plan_node *n,
                       enum resource r)
{
    struct amount all = plan_node_capacity(n);

    if (r == GPUS)
        return wish_offers(p, shape->wish, n->kind).n ? n->gpus.n : 0;
    return part_of(&all, r);
}

/* When the node will have enough of one resource, were there no line. */
static int64_t earliest_of(struct planner *p, struct shape *shape, const struct plan_node *n,
                           const struct plan_lines *lines, enum resource r)
{
    struct amount only = {.cpus = r == CPUS ? shape->need.cpus : 0,
                          .memory_mib = r == MEMORY ? shape->need.memory_mib : 0,
                          .disk_gib = r == DISK ? shape->need.disk_gib : 0,
                          .encode_mpix = r == ENCODE ? shape->need.encode_mpix : 0,
                          .work_mcpu = r == WORK ? shape->need.work_mcpu : 0};
    uint8_t offer;

    if (r == GPUS)
        return place_gpus_earliest(p, shape, n, lines, p->now_usec, &offer);
    return timeline_earliest(&lines->amount, p->now_usec, shape->span_usec, &only);
}

/* The lowest values that nodes have, as many as the job asks for nodes. */
struct lowest {
    uint32_t want, n;
    int64_t value[JOB_NODES_MAX];
    const struct plan_node *node[JOB_NODES_MAX];
};

static void lowest_add(struct lowest *l, int64_t value, const struct plan_node *node)
{
    uint32_t k = l->n < l->want ? l->n++ : l->want - 1;

    if (l->n == l->want && k == l->want - 1 && l->node[k] && value >= l->value[k])
        return;
    for (; k > 0 && l->value[k - 1] > value; k--) {
        l->value[k] = l->value[k - 1];
        l->node[k] = l->node[k - 1];
    }
    l->value[k] = value;
    l->node[k] = node;
}

/* What the last of the nodes has that the job needs; `none` where there are too few. */
static int64_t lowest_last(const struct lowest *l, int64_t none)
{
    return l->n < l->want ? none : l->value[l->want - 1];
}

/* What the nodes of the pool say about one job. */
struct survey {
    size_t n_allowed, n_possible, n_serving; /* in the pool; large enough; those in service */
    size_t n_fits, n_open;                   /* have room now; are not closed for it */
    size_t n_both;
    struct lowest opens, fit_opens; /* when those open that are closed; of these with room now */
    bool fits;                      /* as many as it needs */
    int64_t alone_usec;             /* when as many will, were there no line */
    const struct plan_node *alone;  /* of these the first without room now, if any */
    const struct seat_window *own;  /* that is kept for the job; NULL: none */
    struct plan_lines without;      /* of a node, without what is kept for it */
    struct {
        int64_t most, free; /* the largest node; on as many in service as it needs */
        int64_t until_usec; /* when the need is free on as many */
        const struct plan_node *node;
        struct lowest owing, until; /* free with its sign turned; when it is free */
    } of[N_RESOURCES];
};

/* What is kept for the job is in nobody's way but others'. NULL: no memory. */
static const struct plan_lines *lines_of(struct planner *p, struct survey *s, struct plan_node *n)
{
    const struct plan_lines *lines = plan_base_lines(p, n);

    for (uint32_t i = 0; lines && s->own && i < s->own->n; i++) {
        if (s->own->seats[i].node != n)
            continue;
        if (plan_lines_copy(&s->without, lines, n->gpus.n_all) < 0 ||
            seat_give(p, &s->own->seats[i], &s->without) < 0)
            return NULL;
        return &s->without;
    }
    return lines;
}

/* When the future stops being worth a number. */
static int64_t shown(int64_t usec, int64_t now_usec)
{
    return usec - now_usec < PLAN_UNLIMITED_USEC / 2 ? usec : 0;
}

static void survey_serving(struct planner *p, struct shape *shape, struct plan_node *n,
                           struct survey *s)
{
    const struct plan_lines *lines = lines_of(p, s, n);

    if (!lines)
        return;
    for (enum resource r = CPUS; r < N_RESOURCES; r++) {
        int64_t t = earliest_of(p, shape, n, lines, r);

        lowest_add(&s->of[r].owing, -free_of(p, shape, n, r), n);
        if (t < TIMELINE_NEVER)
            lowest_add(&s->of[r].until, t, n);
    }
}

static int64_t earliest_alone(struct planner *p, struct shape *shape, struct plan_node *n,
                              const struct plan_lines *lines, int64_t from_usec)
{
    uint8_t offer;
    int64_t end;

    return pause_is_for(p, shape) && pause_is_for_node(p, shape, n)
               ? pause_earliest(p, shape, n, lines, from_usec, &end, &offer)
               : place_earliest(p, shape, n, lines, from_usec, &offer);
}

/* When as many nodes as it needs have room for it at once, were there no line. */
static void survey_alone(struct planner *p, struct shape *shape, struct survey *s)
{
    struct lowest l = {.n = 0};
    int64_t from = p->now_usec;

    do {
        l = (struct lowest){.want = shape->nodes};
        for (size_t i = 0; i < p->n_nodes; i++) {
            struct plan_node *n = p->nodes[i];
            bool may = plan_node_in_service(n) && shape_is_possible(p, shape, n);
            const struct plan_lines *lines = may ? lines_of(p, s, n) : NULL;
            int64_t t = lines ? earliest_alone(p, shape, n, lines, from) : TIMELINE_NEVER;

            if (t < TIMELINE_NEVER)
                lowest_add(&l, t, n);
        }
        from = lowest_last(&l, TIMELINE_NEVER);
    } while (from < TIMELINE_NEVER && l.value[0] < from);
    s->alone_usec = from;
    s->alone = from < TIMELINE_NEVER ? l.node[0] : NULL;
    for (uint32_t i = l.n; s->alone && i > 0; i--)
        if (!shape_fits(p, shape, l.node[i - 1]))
            s->alone = l.node[i - 1];
}

static void survey_closures(struct planner *p, struct shape *shape, struct plan_node *n,
                            struct survey *s)
{
    int64_t opens = closure_earliest(n, shape, p->now_usec, shape->span_usec);
    bool fits = shape_fits(p, shape, n), is_open = opens <= p->now_usec;

    s->n_fits += fits;
    s->n_open += is_open;
    s->n_both += fits && is_open;
    if (!is_open)
        lowest_add(&s->opens, opens, n);
    if (!is_open && fits)
        lowest_add(&s->fit_opens, opens, n);
}

static void survey_nodes(struct planner *p, const struct entry *e, struct survey *s)
{
    struct shape *shape = e->shape;

    *s = (struct survey){.alone_usec = TIMELINE_NEVER, .own = booking_of(p, e->id)};
    s->opens.want = s->fit_opens.want = shape->nodes;
    for (enum resource r = CPUS; r < N_RESOURCES; r++)
        s->of[r].owing.want = s->of[r].until.want = shape->nodes;
    planner_sort_nodes(p);
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct plan_node *n = p->nodes[i];

        if (!pool_has(p, shape->pool, n))
            continue;
        s->n_allowed++;
        for (enum resource r = CPUS; r < N_RESOURCES; r++) {
            int64_t most = most_of(p, shape, n, r);
            s->of[r].most = most > s->of[r].most ? most : s->of[r].most;
        }
        if (!shape_is_possible(p, shape, n))
            continue;
        s->n_possible++;
        if (!plan_node_in_service(n))
            continue;
        s->n_serving++;
        survey_closures(p, shape, n, s);
        survey_serving(p, shape, n, s);
    }
    s->fits = s->n_fits >= shape->nodes;
    survey_alone(p, shape, s);
    for (enum resource r = CPUS; r < N_RESOURCES; r++) {
        s->of[r].free = -lowest_last(&s->of[r].owing, 0);
        s->of[r].until_usec = lowest_last(&s->of[r].until, TIMELINE_NEVER);
        if (s->of[r].until_usec < TIMELINE_NEVER)
            s->of[r].node = s->of[r].until.node[shape->nodes - 1];
    }
    plan_lines_done(&s->without);
}

static struct plan_blocker *add(struct plan_why *why, enum plan_blocker_type type)
{
    struct plan_blocker *b = &why->blockers[why->n_blockers++];
    *b = (struct plan_blocker){.type = type};
    return b;
}

/* No node could ever hold it: what is too much, or which wish no node meets. */
static void add_no_node(struct plan_why *why, const struct shape *shape, const struct survey *s)
{
    const struct pool *pool = shape->pool;
    bool named = s->n_possible > 0;

    if (named) {
        struct plan_blocker *b = add(why, PLAN_BLOCK_NO_NODE);
        b->need = shape->nodes;
        b->free = s->n_possible;
        str_copy(b->subject, sizeof(b->subject), "nodes");
    }
    for (enum resource r = CPUS; s->n_allowed && r < N_RESOURCES; r++) {
        if (need_of(shape, r) <= s->of[r].most)
            continue;
        struct plan_blocker *b = add(why, PLAN_BLOCK_NO_NODE);
        b->need = (uint64_t)need_of(shape, r);
        b->free = (uint64_t)s->of[r].most;
        str_copy(b->subject, sizeof(b->subject), resource_name[r]);
        named = true;
    }
    if (named)
        return;
    struct plan_blocker *b = add(why, PLAN_BLOCK_NO_NODE);
    if (s->n_allowed)
        str_copy(b->subject, sizeof(b->subject), "cpus, memory and gpus on one node");
    else if (*pool->pin)
        snprintf(b->subject, sizeof(b->subject), "%s, where its disk is", pool->pin);
    else if (*pool->constraint || *pool->nodelist || *pool->exclude)
        snprintf(b->subject, sizeof(b->subject), "%s",
                 *pool->constraint ? pool->constraint
                 : *pool->nodelist ? pool->nodelist
                                   : pool->exclude);
    else
        str_copy(b->subject, sizeof(b->subject), pool->partition);
}

static void add_nodes_out(struct planner *p, struct plan_why *why, struct shape *shape,
                          const struct survey *s)
{
    struct plan_blocker *b =
        add(why, *shape->pool->pin ? PLAN_BLOCK_DISK_NODE : PLAN_BLOCK_NODES_OUT);
    _cleanup_(freep) const char **names = calloc(s->n_possible, sizeof(*names));
    size_t n = 0;

    b->count = s->n_possible;
    if (!names)
        return;
    for (size_t i = 0; i < p->n_nodes && n < s->n_possible; i++)
        if (shape_is_possible(p, shape, p->nodes[i]))
            names[n++] = p->nodes[i]->facts.name;
    _cleanup_(freep) char *folded = hostlist_fold(names, n);
    if (folded && strlen(folded) < sizeof(b->subject))
        str_copy(b->subject, sizeof(b->subject), folded);
}

/* When it ends, or leaves to make room. */
static int64_t leaves_usec(struct planner *p, const struct entry *e, const struct survey *s)
{
    int64_t end = plan_expected_end(p, e);
    const struct pause *pause = s->own ? pause_next(p, e, end) : NULL;

    return pause && pause->free_usec > p->now_usec ? pause->free_usec : end;
}

/* Of the jobs on the node that have some of it, the last one that must end for `until`. */
static uint64_t holder(struct planner *p, const struct plan_node *n, enum resource r,
                       int64_t until_usec, const struct survey *s)
{
    const struct entry *found = NULL;
    int64_t found_end = 0;

    for (const struct entry *e = n->jobs; e; e = e->next) {
        int64_t end = leaves_usec(p, e, s);
        if (end > until_usec || !need_of(e->shape, r))
            continue;
        if (!found || end > found_end || (end == found_end && e->id < found->id)) {
            found = e;
            found_end = end;
        }
    }
    return found ? found->id : 0;
}

static void add_resource(struct planner *p, struct plan_why *why, const struct shape *shape,
                         enum resource r, const struct plan_node *n, int64_t free,
                         int64_t until_usec, const struct survey *s)
{
    struct plan_blocker *b = add(why, resource_blocker[r]);
    b->need = (uint64_t)need_of(shape, r);
    b->free = free > 0 ? (uint64_t)free : 0;
    if (!n)
        return;
    b->until_usec = shown(until_usec, p->now_usec);
    b->job = holder(p, n, r, until_usec, s);
    str_copy(b->subject, sizeof(b->subject), n->facts.name);
}

/* Is the next window there that of a job, which others make room for? */
static bool is_booked_next(const struct planner *p, const struct plan_node *n)
{
    const struct seat_window *next = NULL;

    for (const struct seat *s = n->seats; s; s = s->next)
        if (s->window->to_usec > p->now_usec && (!next || s->window->from_usec < next->from_usec))
            next = s->window;
    return next && seat_is_booked(next);
}

/* A node has room, and what is free of it is a class's, or a job's, before the job could end. */
static void add_class(const struct planner *p, struct plan_why *why, const struct survey *s)
{
    struct plan_blocker *b = add(why, PLAN_BLOCK_CLASS);

    b->until_usec = shown(s->alone_usec, p->now_usec);
    b->count = is_booked_next(p, s->alone);
    str_copy(b->subject, sizeof(b->subject), s->alone->facts.name);
}

/* Too few nodes are open for it, or too few of those with room are: the one with which there are
 * enough. */
static void add_closure(const struct planner *p, struct plan_why *why, const struct shape *shape,
                        const struct survey *s)
{
    bool of_fits = s->fits;
    const struct lowest *l = of_fits ? &s->fit_opens : &s->opens;
    size_t missing = shape->nodes - (of_fits ? s->n_both : s->n_open);
    const struct plan_node *n = l->node[missing - 1];
    struct plan_blocker *b = add(why, PLAN_BLOCK_RESERVATION);
    const struct plan_window *w;
    const struct closure *against =
        closure_against(n, shape, p->now_usec, p->now_usec + shape->span_usec, &w);

    if (l->value[missing - 1] < TIMELINE_NEVER)
        b->until_usec = shown(l->value[missing - 1], p->now_usec);
    str_copy(b->subject, sizeof(b->subject), n->facts.name);
    str_copy(b->reservation, sizeof(b->reservation),
             against ? against->name : shape->pool->reservation);
}

/* Every resource that no node has enough of; if each is somewhere but never all together,
 * what the node that will have them first lacks. */
static void add_resources(struct planner *p, struct plan_why *why, struct shape *shape,
                          const struct survey *s)
{
    size_t before = why->n_blockers;

    if ((s->fits ? s->n_both : s->n_open) < shape->nodes)
        add_closure(p, why, shape, s);
    else if (s->fits && s->alone_usec > p->now_usec && s->alone)
        add_class(p, why, s);
    if (s->fits)
        return;
    before = why->n_blockers;
    for (enum resource r = CPUS; r < N_RESOURCES; r++)
        if (need_of(shape, r) > s->of[r].free)
            add_resource(p, why, shape, r, s->of[r].node, s->of[r].free, s->of[r].until_usec, s);
    if (why->n_blockers > before || !s->alone)
        return;
    for (enum resource r = CPUS; r < N_RESOURCES; r++) {
        int64_t free = free_of(p, shape, s->alone, r);

        if (need_of(shape, r) > free)
            add_resource(p, why, shape, r, s->alone, free, s->alone_usec, s);
    }
}

static void add_of_job(const struct entry *e, int64_t now_usec, struct plan_why *why)
{
    const struct pool *pool = e->shape->pool;

    if (e->held_user)
        add(why, PLAN_BLOCK_HELD_USER);
    if (e->held_admin)
        add(why, PLAN_BLOCK_HELD_ADMIN);
    if (e->unknown)
        add(why, PLAN_BLOCK_UNKNOWN);
    if (e->disk_block == PLAN_DISK_BUSY || e->disk_block == PLAN_DISK_QUOTA)
        add(why, e->disk_block == PLAN_DISK_BUSY ? PLAN_BLOCK_DISK_BUSY : PLAN_BLOCK_DISK_QUOTA);
    if (!pool->up)
        str_copy(add(why, PLAN_BLOCK_PARTITION)->subject, sizeof(why->blockers[0].subject),
                 pool->partition);
    if (e->begin_usec > now_usec)
        add(why, PLAN_BLOCK_BEGIN)->until_usec = e->begin_usec;
}

/* The line holds it up beyond what running jobs do. */
static bool waits_in_line(const struct entry *e, const struct plan_why *why, const struct survey *s)
{
    if (e->place != ENTRY_QUEUED || e->late || why->place < 2 || s->n_serving < e->shape->nodes)
        return false;
    return s->fits || !e->time_usec || e->time_usec > s->alone_usec;
}

/* Held, damaged, closed and impossible end by nobody's waiting: they keep their place. */
static bool ends_by_itself(const struct plan_blocker *b)
{
    return b->type == PLAN_BLOCK_BEGIN || b->type >= PLAN_BLOCK_CLASS;
}

static bool binds_before(const struct plan_blocker *a, const struct plan_blocker *b)
{
    if (ends_by_itself(a) != ends_by_itself(b))
        return !ends_by_itself(a);
    if (!ends_by_itself(a))
        return false;
    return a->until_usec != b->until_usec &&
           (!a->until_usec || (b->until_usec && a->until_usec > b->until_usec));
}

static void sort_blockers(struct plan_why *why)
{
    for (size_t i = 1; i < why->n_blockers; i++) {
        struct plan_blocker b = why->blockers[i];
        size_t j = i;
        for (; j > 0 && binds_before(&b, &why->blockers[j - 1]); j--)
            why->blockers[j] = why->blockers[j - 1];
        why->blockers[j] = b;
    }
}

/* All its nodes, where they fit into the text; else the first. */
static void name_nodes(const struct entry *e, char *ret, size_t size)
{
    const char *names[JOB_NODES_MAX] = {e->node->facts.name};
    uint32_t n = 1;

    if (e->place == ENTRY_TENTATIVE) {
        for (const struct entry *part = e->part; part; part = part->part)
            names[n++] = part->node->facts.name;
    } else if (e->shape->nodes > 1 && e->planned) {
        for (; n < e->shape->nodes; n++)
            names[n] = e->planned[n]->facts.name;
    }
    _cleanup_(freep) char *folded = n > 1 ? hostlist_fold(names, n) : NULL;
    str_copy(ret, size, folded && strlen(folded) < size ? folded : names[0]);
}

static void set_estimate(const struct entry *e, int64_t now_usec, struct plan_why *why)
{
    int64_t start = e->place == ENTRY_TENTATIVE ? now_usec : e->time_usec;

    if (e->place == ENTRY_QUEUED)
        why->place = queue_rank(e);
    if (!e->node)
        return;
    if (start < now_usec)
        start = now_usec;
    why->start_usec = shown(start, now_usec);
    if (why->start_usec)
        name_nodes(e, why->node, sizeof(why->node));
}

int64_t planner_start_usec(const struct planner *p, uint64_t job, int64_t now_usec)
{
    const struct entry *e = hash_get_u64(p->jobs, job);

    if (!e || !e->node || e->place == ENTRY_ACTIVE)
        return 0;
    return e->place == ENTRY_TENTATIVE || e->time_usec < now_usec ? now_usec
                                                                  : shown(e->time_usec, now_usec);
}

static int64_t probe(struct planner *p, struct entry *e, int64_t from_usec)
{
    struct candidate best[JOB_NODES_MAX];
    int64_t at = TIMELINE_NEVER;

    if (shape_best(p, e->shape, 0, from_usec, best))
        at = shape_start_usec(p, e->shape, best, from_usec);
    shape_trim(p, e->shape);
    return shown(at, p->now_usec);
}

int64_t planner_probe(struct planner *p, uint64_t job, int64_t not_before_usec, int64_t now_usec)
{
    struct entry *e = hash_get_u64(p->jobs, job);
    int64_t step_usec = p->now_usec, at;

    if (!e || e->place != ENTRY_ASIDE || !e->shape->pool->up)
        return 0;
    if (!p->pass || p->next || p->dirt == PLAN_RESHAPED)
        return -EAGAIN;
    p->now_usec = now_usec;
    at = probe(p, e, not_before_usec > now_usec ? not_before_usec : now_usec);
    p->now_usec = step_usec;
    return at;
}

static bool is_planned_on(const struct entry *e, const char *node)
{
    if (e->place != ENTRY_QUEUED || !e->node)
        return false;
    for (uint32_t i = 1; e->shape->nodes > 1 && e->planned && i < e->shape->nodes; i++)
        if (str_equal(e->planned[i]->facts.name, node))
            return true;
    return str_equal(e->node->facts.name, node);
}

bool planner_planned_on(const struct planner *p, uint64_t job, const char *node, int64_t now_usec,
                        int64_t *ret_start_usec)
{
    const struct entry *e = hash_get_u64(p->jobs, job);

    if (!e || !is_planned_on(e, node))
        return false;
    *ret_start_usec = shown(e->time_usec < now_usec ? now_usec : e->time_usec, now_usec);
    return true;
}

int planner_why(struct planner *p, uint64_t job, int64_t now_usec, struct plan_why *ret)
{
    struct entry *e = hash_get_u64(p->jobs, job);
    struct survey s;

    if (!e || e->place == ENTRY_ACTIVE)
        return -ENOENT;
    *ret = (struct plan_why){0};
    set_estimate(e, now_usec, ret);
    if (e->place == ENTRY_TENTATIVE)
        return 0;
    add_of_job(e, now_usec, ret);
    if (!e->shape->pool->exists)
        return 0;
    survey_nodes(p, e, &s);
    if (s.n_possible < e->shape->nodes)
        add_no_node(ret, e->shape, &s);
    else if (s.n_serving < e->shape->nodes)
        add_nodes_out(p, ret, e->shape, &s);
    else
        add_resources(p, ret, e->shape, &s);
    if (waits_in_line(e, ret, &s)) {
        struct plan_blocker *b = add(ret, PLAN_BLOCK_PRIORITY);
        b->count = ret->place - 1;
        b->until_usec = ret->start_usec;
    }
    if (!ret->n_blockers && e->place == ENTRY_QUEUED && s.n_serving && pause_is_for(p, e->shape))
        add(ret, PLAN_BLOCK_CLASS)->until_usec = ret->start_usec; /* one of them is too near */
    if (!ret->n_blockers && e->place == ENTRY_QUEUED && s.n_serving &&
        *e->shape->pool->reservation) { /* what is left of its windows is others' */
        struct plan_blocker *b = add(ret, PLAN_BLOCK_RESERVATION);
        b->until_usec = ret->start_usec;
        str_copy(b->reservation, sizeof(b->reservation), e->shape->pool->reservation);
    }
    sort_blockers(ret);
    return 0;
}
