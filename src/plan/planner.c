/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planner.c - what the planner is told: jobs, nodes, partitions, and what each change asks for.
 *
 * Kept: a node's `used` is the sum of the entries in its list; an entry is in
 * the queue, in the list of a node, or in neither, as `place` says; nothing is
 * decided here: pass.c plans, and a change only marks how soon it must.
 */
#include "plan/planner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "plan/inner.h"
#include "plan/pause.h"

struct planner *planner_new(uint64_t seed)
{
    struct planner *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->jobs = hash_new_u64();
    p->node_names = hash_new_str();
    p->victims = hash_new_u64();
    p->queue.seed = seed;
    p->boot_usec = PLAN_BOOT_USEC;
    p->save_usec = PLAN_SAVE_USEC;
    p->encode_per_cpu = CONFIG_ENCODE_PER_CPU;
    p->dirt = PLAN_RESHAPED;
    p->layout = 1;
    indexes_init(&p->indexes);
    if (shapes_init(&p->shapes) < 0 || kinds_init(p) < 0 || seats_init(&p->seats) < 0 ||
        closures_init(&p->closures) < 0 || qos_init(p) < 0 || !p->jobs || !p->node_names ||
        !p->victims) {
        planner_free(p);
        return NULL;
    }
    return p;
}

static void partitions_free(struct plan_partition *partitions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < partitions[i].n_nodes; j++)
            free(partitions[i].nodes[j]);
        free(partitions[i].nodes);
        free(partitions[i].name);
    }
    free(partitions);
}

void planner_set_boot(struct planner *p, int64_t boot_usec)
{
    p->boot_usec = boot_usec;
}

void planner_set_save(struct planner *p, int64_t save_usec)
{
    p->save_usec = save_usec;
}

void planner_forget_estimate(struct entry *e)
{
    e->node = NULL;
    e->time_usec = 0;
    if (e->shape->nodes == 1)
        return;
    free(e->planned);
    e->planned = NULL;
}

static void entry_free(struct entry *e)
{
    struct held held = planner_held_by(e);

    if (e->place == ENTRY_QUEUED)
        planner_forget_estimate(e);
    planner_held_done(&held);
    free(e);
}

void planner_free(struct planner *p)
{
    void *value;

    if (!p)
        return;
    seats_done(p); /* first: a seat that goes looks at the jobs of its node */
    for (size_t i = 0; p->jobs && hash_next(p->jobs, &i, &value);)
        entry_free(value);
    hash_free(p->jobs);
    closures_done(p);
    for (size_t i = 0; i < p->n_nodes; i++) {
        plan_lines_done(&p->nodes[i]->base);
        plan_lines_done(&p->nodes[i]->lines);
        place_done(&p->nodes[i]->gpus);
        node_pauses_done(&p->nodes[i]->pauses);
        free(p->nodes[i]->images);
        free(p->nodes[i]);
    }
    free(p->nodes);
    free(p->warm_until_usec);
    hash_free(p->node_names);
    hash_free(p->victims);
    kinds_done(p);
    qos_done(p);
    licences_done(p);
    free(p->pauses.at);
    partitions_free(p->partitions, p->n_partitions);
    shapes_done(p);
    wake_done(&p->wake);
    free(p);
}

/* ---- what a change asks for --------------------------------------------- */

void planner_mark(struct planner *p, enum plan_dirt dirt)
{
    if (dirt == PLAN_RESHAPED)
        p->layout++;
    if (dirt >= PLAN_STALE && p->dirt == PLAN_CLEAN)
        p->refresh_usec = p->now_usec + PLAN_REFRESH_JOB_USEC * (int64_t)queue_count(&p->queue);
    if (dirt > p->dirt)
        p->dirt = dirt;
}

/* Something that was planned is gone, or holds another node: what waits for want of
 * place in line alone may start now. */
void planner_mark_moved(struct planner *p)
{
    planner_mark(p, p->blocked_open ? PLAN_HOPEFUL : PLAN_STALE);
}

/* The node has more room than before. */
static void mark_gain(struct planner *p, const struct plan_node *node)
{
    bool hopeful = false;

    if (p->dirt == PLAN_RESHAPED)
        return; /* nothing known of shapes holds any more */
    for (struct shape *shape = p->shapes.first; shape; shape = shape->next) {
        if (!shape_fits(p, shape, node))
            continue;
        shape->full = false;
        hopeful |= shape->queued > 0;
    }
    planner_mark(p, hopeful ? PLAN_HOPEFUL : PLAN_STALE);
}

/* ---- the line ----------------------------------------------------------- */

void planner_enqueue(struct planner *p, struct entry *e)
{
    e->place = ENTRY_QUEUED;
    e->node = NULL;
    e->planned = NULL;
    e->time_usec = 0;
    queue_insert(&p->queue, e);
    e->shape->queued++;
    pause_want(p, e->shape);
    bool passed = p->begun && entry_compare(e, &p->last) < 0;
    if (passed)
        p->harmed = true;
    else if (!p->next || entry_compare(e, p->next) < 0)
        p->next = e;
    if (p->dirt < PLAN_HOPEFUL && passed)
        planner_mark(p, e->late || shape_is_full(p, e->shape) ? PLAN_STALE : PLAN_HOPEFUL);
}

void planner_dequeue(struct planner *p, struct entry *e)
{
    if (e == p->next)
        p->next = queue_next(e);
    queue_remove(&p->queue, e);
    e->shape->queued--;
    planner_forget_estimate(e);
    e->place = ENTRY_ASIDE;
}

static void leave_line(struct planner *p, struct entry *e)
{
    bool planned = p->begun && entry_compare(e, &p->last) <= 0;
    planner_dequeue(p, e);
    if (planned)
        planner_mark_moved(p);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* Puts a pending entry, which is in neither queue nor list, where it belongs now. */
void planner_settle_pending(struct planner *p, struct entry *e)
{
    e->place = ENTRY_ASIDE;
    e->tier = e->shape->pool->tier;
    e->late = e->begin_usec > p->now_usec;
    if (!e->held_user && !e->held_admin && !e->unknown && !e->disk_block && e->shape->pool->up)
        planner_enqueue(p, e);
    wake_set(&p->wake, e, earlier(e->late ? e->begin_usec : 0, e->deadline_usec));
}

/* ---- what holds a node -------------------------------------------------- */

/* All nodes of it have more room than before. */
static void mark_gains(struct planner *p, const struct held *held)
{
    if (held->node)
        mark_gain(p, held->node);
    for (const struct entry *part = held->parts; part; part = part->part)
        mark_gain(p, part->node);
}

void planner_release(struct planner *p, struct entry *e)
{
    struct held held = planner_take_off(p, e);

    mark_gains(p, &held);
    planner_held_done(&held);
}

/* ---- nodes -------------------------------------------------------------- */

static int compare_nodes(const void *a, const void *b)
{
    return strcmp((*(struct plan_node *const *)a)->facts.name,
                  (*(struct plan_node *const *)b)->facts.name);
}

void planner_sort_nodes(struct planner *p)
{
    if (p->nodes_sorted)
        return;
    if (p->n_nodes)
        qsort(p->nodes, p->n_nodes, sizeof(struct plan_node *), compare_nodes);
    for (uint32_t i = 0; i < p->n_nodes; i++)
        p->nodes[i]->index = i;
    plan_bases_changed(p);
    p->nodes_sorted = true;
}

static int nodes_reserve(struct planner *p)
{
    size_t size = p->nodes_size ? 2 * p->nodes_size : 16;
    struct plan_node **nodes;
    int64_t *warm;

    if (p->n_nodes < p->nodes_size)
        return 0;
    warm = realloc(p->warm_until_usec, size * sizeof(*warm));
    if (!warm)
        return -ENOMEM;
    p->warm_until_usec = warm;
    nodes = realloc(p->nodes, size * sizeof(struct plan_node *));
    if (!nodes)
        return -ENOMEM;
    p->nodes = nodes;
    p->nodes_size = size;
    return 0;
}

struct plan_node *planner_node_get(struct planner *p, const char *name)
{
    struct plan_node *node = hash_get(p->node_names, name);

    if (node)
        return node;
    node = calloc(1, sizeof(*node));
    if (!node || nodes_reserve(p) < 0) {
        free(node);
        return NULL;
    }
    str_copy(node->facts.name, sizeof(node->facts.name), name);
    node->kind = kinds_of(p, name);
    if (hash_put(p->node_names, node->facts.name, node) < 0) {
        free(node);
        return NULL;
    }
    p->nodes[p->n_nodes++] = node;
    p->nodes_sorted = false;
    planner_mark(p, PLAN_RESHAPED);
    return node;
}

/* Starts given out for a node that no longer takes any go back in line. */
static void drop_tentative(struct planner *p, struct plan_node *node)
{
    for (struct entry *e = node->jobs; e;) {
        struct entry *head = e->head ? e->head : e;

        e = e->next;
        if (head->place != ENTRY_TENTATIVE)
            continue;
        while (e && (e == head || e->head == head))
            e = e->next; /* a part of the same job goes with it */
        planner_release(p, head);
        planner_settle_pending(p, head);
    }
}

static bool is_reshaped(const struct node *a, const struct node *b)
{
    return a->cpus != b->cpus || a->memory_mib != b->memory_mib || a->gpus != b->gpus ||
           a->disk_gib != b->disk_gib || a->encode_mpix != b->encode_mpix ||
           a->software_encoder != b->software_encoder || strcmp(a->features, b->features) != 0;
}

int planner_put_node(struct planner *p, const struct node *facts)
{
    struct plan_node *node = planner_node_get(p, facts->name);
    if (!node)
        return -ENOMEM;

    uint32_t n_gpus = facts->gpus < GPU_PLACES_MAX ? facts->gpus : GPU_PLACES_MAX;
    if (place_set_gpus(&node->gpus, n_gpus) < 0)
        return -ENOMEM;
    bool was_in_service = plan_node_in_service(node);
    bool reshaped = !node->defined || is_reshaped(&node->facts, facts);
    /* The table's key is the name inside `facts`: equal bytes are written over it. */
    plan_base_forget(p, node);
    node->facts = *facts;
    if (node->gpus.n != n_gpus)
        node_pauses_forget(&node->pauses);
    node->gpus.n = n_gpus;
    node->defined = true;
    if (reshaped)
        planner_mark(p, PLAN_RESHAPED);
    if (plan_node_in_service(node) && !was_in_service)
        mark_gain(p, node);
    if (!plan_node_in_service(node) && was_in_service) {
        drop_tentative(p, node);
        p->harmed = true;
        planner_mark_moved(p);
    }
    return 0;
}

int planner_put_stored(struct planner *p, const char *name, uint32_t gib)
{
    struct plan_node *node = planner_node_get(p, name);
    int32_t now = gib > PLAN_DISK_UNCOUNTED_GIB ? PLAN_DISK_UNCOUNTED_GIB : (int32_t)gib, was;

    if (!node)
        return -ENOMEM;
    was = node->stored_gib;
    node->stored_gib = now;
    plan_base_forget(p, node);
    if (now < was)
        mark_gain(p, node);
    p->harmed |= now > was;
    if (now != was)
        planner_mark_moved(p);
    return 0;
}

void planner_remove_node(struct planner *p, const char *name)
{
    struct plan_node *node = hash_get(p->node_names, name);
    if (!node || !node->defined)
        return;
    node->defined = false;
    plan_base_forget(p, node);
    drop_tentative(p, node);
    planner_mark(p, PLAN_RESHAPED);
}

static int compare_images(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Who could start now has been given out, so no plan is another by it. */
int planner_set_images(struct planner *p, const char *name, const uint32_t *images, size_t n)
{
    struct plan_node *node = planner_node_get(p, name);
    uint32_t *own = n ? calloc(n, sizeof(*own)) : NULL;

    if (!node || (n && !own)) {
        free(own);
        return -ENOMEM;
    }
    if (n)
        memcpy(own, images, n * sizeof(*own));
    if (n)
        qsort(own, n, sizeof(*own), compare_images);
    free(node->images);
    node->images = own;
    node->n_images = n;
    return 0;
}

bool plan_node_has_image(const struct plan_node *n, uint32_t image)
{
    return image && n->n_images &&
           bsearch(&image, n->images, n->n_images, sizeof(image), compare_images);
}

bool planner_node_usage(const struct planner *p, const char *name, struct plan_usage *ret)
{
    const struct plan_node *node = hash_get(p->node_names, name);
    if (!node || (!node->defined && !node->jobs))
        return false;
    *ret = (struct plan_usage){.cpus = node->facts.software_encoder
                                           ? ((uint32_t)node->used.work_mcpu + 999) / 1000
                                           : (uint32_t)node->used.cpus,
                               .memory_mib = (uint32_t)node->used.memory_mib,
                               .jobs = node->n_jobs};
    for (uint32_t i = 0; i < node->gpus.n_all; i++) {
        const struct plan_gpu *gpu = &node->gpus.gpus[i];
        ret->gpus += gpu->n_foreign || gpu->now.used || gpu->now.slots;
    }
    return true;
}

/* ---- jobs --------------------------------------------------------------- */

/* For so long it is there at least from when its start was written down. A second is not taken off
 * one: it would be overdue at its start, and be expected until the next minute. */
static int64_t sure_usec(int64_t span_usec)
{
    return span_usec > PLAN_LAG_USEC ? span_usec - PLAN_LAG_USEC : span_usec;
}

static int64_t end_of(const struct planner *p, const struct job *job)
{
    int64_t limit = job_limit_usec(job);
    if (job->state == JOB_COMPLETING)
        return 0; /* overdue: as soon as its node says so */
    if (job->state == JOB_SUSPENDED)
        return job->restore_usec + sure_usec(plan_span(p, job));
    if (limit)
        return limit;
    if (job->state == JOB_CONFIGURING)
        return job->alloc_usec + sure_usec(plan_span(p, job));
    return job->alloc_usec + PLAN_UNLIMITED_USEC - PLAN_LAG_USEC;
}

/* Both are about the job's first start: who is to be resumed has begun long ago. */
static int64_t begin_of(const struct job *job)
{
    return job->state == JOB_PENDING ? job->spec->begin_usec : 0;
}

static int64_t deadline_of(const struct job *job)
{
    return job->state == JOB_PENDING ? job->spec->deadline_usec : 0;
}

/* Says nothing new about a job that is pending, or holds the same as before? */
static bool is_unchanged(const struct planner *p, const struct entry *e, const struct job *job,
                         enum plan_disk_block block, const struct shape *shape)
{
    if (e->shape != shape)
        return false;
    if (!job_is_waiting(job))
        return e->place == ENTRY_ACTIVE && e->time_usec == end_of(p, job);
    return (e->place == ENTRY_QUEUED || e->place == ENTRY_ASIDE) && e->priority == job->priority &&
           e->submit_usec == job->submit_usec && e->begin_usec == begin_of(job) &&
           e->deadline_usec == deadline_of(job) && e->held_user == job->held_by_user &&
           e->held_admin == job->held_by_admin && e->unknown == job->unknown &&
           e->disk_block == block;
}

/* Returns what it held. */
static struct held detach(struct planner *p, struct entry *e)
{
    struct held held = {0};

    if (e->place == ENTRY_QUEUED)
        leave_line(p, e);
    else if (entry_holds(e))
        held = planner_take_off(p, e);
    e->place = ENTRY_ASIDE;
    return held;
}

/* Takes over what it holds. */
static void attach(struct planner *p, struct entry *e, const struct job *job, struct held held)
{
    e->priority = job->priority;
    e->submit_usec = job->submit_usec;
    e->begin_usec = begin_of(job);
    e->deadline_usec = deadline_of(job);
    e->held_user = job->held_by_user;
    e->held_admin = job->held_by_admin;
    e->unknown = job->unknown;
    e->is_idle = e->is_idle && !job_is_waiting(job);
    if (job_is_waiting(job))
        planner_settle_pending(p, e);
    else
        planner_hold(p, e, held, ENTRY_ACTIVE, end_of(p, job));
}

/* Does what a shape leaves suffice for the other? */
static bool covers(const struct shape *a, const struct shape *b)
{
    return a == b || (amount_covers(&a->need, &b->need) && !b->gpus);
}

/* Takes over the reference to `shape`, and what is held. */
static void change(struct planner *p, struct entry *e, const struct job *job, struct shape *shape,
                   struct held held)
{
    struct shape *was = e->shape;
    int64_t was_until_usec = e->time_usec;
    int64_t since = entry_holds(e) ? e->begin_usec : was ? p->now_usec : 0;
    if (job_is_waiting(job))
        victims_forget_job(p, e);
    struct held had = detach(p, e);
    bool is_same = planner_held_is_equal(&had, &held);

    e->shape = shape;
    if (shape != was) {
        demand_count(p, shape, 1);
        demand_count(p, was, -1);
    }
    attach(p, e, job, held);
    if (entry_holds(e))
        e->begin_usec = since;
    if (had.node && (!is_same || !covers(shape, was)))
        mark_gains(p, &had);
    if (held.node && (!is_same || !covers(was, shape) || e->time_usec > was_until_usec))
        p->harmed = true;
    if (had.node || held.node)
        planner_mark_moved(p);
    booking_check(p, e);
    planner_held_done(&had);
    shape_unref(p, was);
}

static struct entry *entry_new(struct planner *p, uint64_t id)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->id = id;
    if (wake_reserve(&p->wake, hash_count(p->jobs) + 1) < 0 || hash_put_u64(p->jobs, id, e) < 0) {
        free(e);
        return NULL;
    }
    return e;
}

/* Takes over the reference to `shape`. */
static int put(struct planner *p, const struct job *job, const struct plan_terms *terms,
               struct shape *shape, const struct plan_place *places, uint32_t n)
{
    enum plan_disk_block block = terms ? terms->block : PLAN_DISK_FREE;
    struct entry *e = hash_get_u64(p->jobs, job->id);
    struct held held = {0}, was = {0};
    int r = planner_find_held(p, e, shape, places, n, &held);

    if (r == 0 && !e && !(e = entry_new(p, job->id)))
        r = -ENOMEM;
    if (r == 0) {
        was = planner_held_by(e);
        e->image = terms ? terms->image : 0;
    }
    if (r < 0 || (is_unchanged(p, e, job, block, shape) && planner_held_is_equal(&was, &held))) {
        planner_held_done(&held);
        shape_unref(p, shape);
        return r;
    }
    e->disk_block = (uint8_t)block; /* looked at when it is settled, in here */
    change(p, e, job, shape, held);
    return 0;
}

void planner_set_idle(struct planner *p, uint64_t job, bool is_idle)
{
    struct entry *e = hash_get_u64(p->jobs, job);

    if (e)
        e->is_idle = is_idle && e->place == ENTRY_ACTIVE;
}

bool planner_priority(const struct planner *p, uint64_t id, int32_t *ret)
{
    const struct entry *e = hash_get_u64(p->jobs, id);

    if (e)
        *ret = e->priority;
    return e;
}

int planner_put_job(struct planner *p, const struct job *job)
{
    return planner_put_job_with(p, job, NULL);
}

int planner_put_job_with(struct planner *p, const struct job *job, const struct plan_terms *terms)
{
    struct plan_place place = {.node = ""};

    if (job->state == JOB_PENDING || !*job->node)
        return planner_put_job_on(p, job, terms, NULL, 0);
    str_copy(place.node, sizeof(place.node), job->node);
    str_copy(place.gpus_held, sizeof(place.gpus_held), job->gpus_held ? job->gpus_held : "");
    return planner_put_job_on(p, job, terms, &place, 1);
}

/* The nodes as a hostlist. NULL: no memory. */
static char *name_nodes(const struct plan_place *places, uint32_t n)
{
    struct buf out = BUF_INIT(0);

    for (uint32_t i = 0; i < n; i++)
        buf_printf(&out, "%s%s", i ? "," : "", places[i].node);
    return buf_take(&out, NULL);
}

int planner_put_job_on(struct planner *p, const struct job *job, const struct plan_terms *terms,
                       const struct plan_place *places, uint32_t n)
{
    bool is_saved = job->state == JOB_SUSPENDED && !job->wake_usec;
    _cleanup_(freep) char *saved_on = NULL;

    if (n > JOB_NODES_MAX || job->spec->nodes > JOB_NODES_MAX)
        return -EINVAL;
    if (is_saved || (job->state != JOB_PENDING && !job_state_is_active(job->state))) {
        planner_remove_job(p, job->id);
        return 0;
    }
    if (job->state == JOB_SUSPENDED && !(saved_on = name_nodes(places, n)))
        return -ENOMEM;
    struct shape *shape = shape_get(p, job, terms, saved_on);
    return shape ? put(p, job, terms, shape, places, job_is_waiting(job) ? 0 : n) : -ENOMEM;
}

void planner_remove_job(struct planner *p, uint64_t id)
{
    struct entry *e = hash_remove_u64(p->jobs, id);
    if (!e)
        return;
    victims_forget_job(p, e);
    booking_drop(p, id);
    struct held had = detach(p, e);
    mark_gains(p, &had);
    if (had.node)
        planner_mark_moved(p);
    planner_held_done(&had);
    wake_set(&p->wake, e, 0);
    demand_count(p, e->shape, -1);
    shape_unref(p, e->shape);
    free(e);
}

/* ---- configuration ------------------------------------------------------ */

struct plan_partition *planner_partition(const struct planner *p, const char *name)
{
    for (size_t i = 0; i < p->n_partitions; i++)
        if (strcmp(p->partitions[i].name, name) == 0)
            return &p->partitions[i];
    return NULL;
}

static int copy_partition(struct plan_partition *part, const struct config_partition *from)
{
    part->name = strdup(from->name);
    part->up = from->up;
    part->tier = from->priority_tier;
    part->nodes = calloc(from->nodes.n + 1, sizeof(*part->nodes));
    if (!part->name || !part->nodes)
        return -ENOMEM;
    for (size_t i = 0; i < from->nodes.n; i++) {
        part->nodes[i] = strdup(from->nodes.names[i]);
        if (!part->nodes[i])
            return -ENOMEM;
        part->n_nodes++;
    }
    return 0;
}

/* Jobs whose partition opened, closed or has another tier stand elsewhere in line. */
static void resettle(struct planner *p)
{
    void *value;
    for (size_t i = 0; hash_next(p->jobs, &i, &value);) {
        struct entry *e = value;
        const struct pool *pool = e->shape->pool;
        bool queued = e->place == ENTRY_QUEUED;

        if ((!queued && e->place != ENTRY_ASIDE) || (queued == pool->up && e->tier == pool->tier))
            continue;
        detach(p, e);
        planner_settle_pending(p, e);
        booking_check(p, e);
    }
}

int planner_configure(struct planner *p, const struct config *config)
{
    struct plan_partition *partitions = calloc(config->n_partitions + 1, sizeof(*partitions));
    void *value;

    if (!partitions)
        return -ENOMEM;
    for (size_t i = 0; i < config->n_partitions; i++) {
        if (copy_partition(&partitions[i], &config->partitions[i]) < 0) {
            partitions_free(partitions, i + 1);
            return -ENOMEM;
        }
    }
    if (qos_configure(p, config) < 0 || kinds_configure(p, config) < 0 ||
        licences_configure(p, config) < 0) {
        partitions_free(partitions, config->n_partitions);
        return -ENOMEM;
    }
    partitions_free(p->partitions, p->n_partitions);
    p->partitions = partitions;
    p->n_partitions = config->n_partitions;
    /* What was counted with another value would not add up. */
    if (config->encode_per_cpu && !p->shapes.first)
        p->encode_per_cpu = config->encode_per_cpu;
    planner_mark(p, PLAN_RESHAPED);
    for (size_t i = 0; hash_next(p->shapes.pools, &i, &value);)
        pool_configure(p, value);
    resettle(p);
    return 0;
}
