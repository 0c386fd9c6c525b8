/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.c - equal requests are one shape; where it may run is its pool.
 *
 * Kept: a shape lives as long as an entry has it, a pool as long as a shape;
 * a pool's bits are of the layout that it names.
 */
#include "plan/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/word.h"
#include "plan/inner.h"

int shapes_init(struct shapes *s)
{
    s->pools = hash_new_str();
    s->shapes = hash_new_str();
    s->wishes = hash_new_str();
    s->demands = hash_new_str();
    return s->pools && s->shapes && s->wishes && s->demands ? 0 : -1;
}

static void pool_free(struct pool *pool)
{
    free(pool->key);
    free(pool->text);
    free(pool->bits);
    free(pool);
}

static void shape_free(struct planner *p, struct shape *shape)
{
    word_unref(shape->qos);
    word_unref(shape->licences);
    demand_unref(p, shape->demand);
    wish_unref(p, shape->wish);
    free(shape->key);
    free(shape->heap);
    free(shape);
}

void shapes_done(struct planner *p)
{
    struct shapes *s = &p->shapes;
    void *value;
    indexes_done(p);
    for (size_t i = 0; s->shapes && hash_next(s->shapes, &i, &value);)
        shape_free(p, value);
    for (size_t i = 0; s->pools && hash_next(s->pools, &i, &value);)
        pool_free(value);
    hash_free(s->shapes);
    hash_free(s->pools);
    hash_free(s->wishes);
    hash_free(s->demands);
}

void pool_configure(const struct planner *p, struct pool *pool)
{
    const struct plan_partition *part = planner_partition(p, pool->partition);
    pool->exists = part != NULL;
    pool->up = part && part->up;
    pool->tier = part ? part->tier : 0;
}

/* What decides where a job may run. */
struct where {
    const char *partition, *constraint, *nodelist, *exclude, *pin, *reservation, *drawn;
    bool is_bound;
};

/* The memory of a saved job lies on its nodes, whatever it once asked for. Where its reservation
 * (or class) is over it comes back as any other. */
static struct where where_of(const struct job *job, const struct plan_terms *terms,
                             const char *saved_on)
{
    const struct job_spec *spec = job->spec;
    const char *reservation = spec->reservation ? spec->reservation : "";
    const char *drawn = terms && terms->drawn && !*reservation ? terms->drawn : "";

    if (job->state == JOB_SUSPENDED)
        return (struct where){spec->partition, "", saved_on, "", "", reservation, drawn, false};
    return (struct where){spec->partition,
                          spec->constraint,
                          spec->nodelist,
                          spec->exclude,
                          terms ? terms->node : "",
                          reservation,
                          drawn,
                          *reservation && job->state == JOB_PENDING};
}

/* The texts after another, each with its end; `key` joins them by a byte no text has. */
static int pool_set_texts(struct pool *pool, const struct where *where)
{
    const char *texts[] = {where->partition, where->constraint,  where->nodelist, where->exclude,
                           where->pin,       where->reservation, where->drawn};
    const char **members[] = {&pool->partition, &pool->constraint,  &pool->nodelist, &pool->exclude,
                              &pool->pin,       &pool->reservation, &pool->drawn};
    size_t size = 0;
    char *end;

    for (size_t i = 0; i < ELEMENTS(texts); i++)
        size += strlen(texts[i]) + 1;
    end = pool->text = malloc(size);
    if (!end)
        return -1;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        size_t len = strlen(texts[i]) + 1;
        *members[i] = memcpy(end, texts[i], len);
        end += len;
    }
    return 0;
}

static char *pool_key(const struct where *where)
{
    return str_printf("%s\n%s\n%s\n%s\n%s\n%s\n%s\n%d", where->partition, where->constraint,
                      where->nodelist, where->exclude, where->pin, where->reservation, where->drawn,
                      where->is_bound);
}

static struct pool *pool_get(struct planner *p, const struct where *where)
{
    _cleanup_(freep) char *key = pool_key(where);
    struct pool *pool = key ? hash_get(p->shapes.pools, key) : NULL;

    if (pool || !key)
        return pool;
    pool = calloc(1, sizeof(*pool));
    if (!pool)
        return NULL;
    pool->key = TAKE_PTR(key);
    pool->number = ++p->shapes.next_pool;
    pool->is_bound = where->is_bound;
    if (pool_set_texts(pool, where) < 0 || hash_put(p->shapes.pools, pool->key, pool) < 0) {
        pool_free(pool);
        return NULL;
    }
    pool_configure(p, pool);
    return pool;
}

static void pool_drop_unused(struct planner *p, struct pool *pool)
{
    if (pool->refs)
        return;
    hash_remove(p->shapes.pools, pool->key);
    pool_free(pool);
}

void pool_unref(struct planner *p, struct pool *pool)
{
    pool->refs--;
    pool_drop_unused(p, pool);
}

/* What is left of a saved job's limit, in whole minutes: few lengths make few shapes. */
static int64_t left_sec(const struct job *job)
{
    int64_t left = job_left_usec(job);

    return left == INT64_MAX ? 0 : (left / 60000000 + 1) * 60;
}

int64_t plan_span(const struct planner *p, const struct job *job)
{
    int64_t limit = job->state == JOB_SUSPENDED ? left_sec(job) : job->spec->time_limit_sec;
    if (limit <= 0 || limit >= PLAN_UNLIMITED_USEC / 1000000)
        return PLAN_UNLIMITED_USEC;
    return limit * 1000000 + p->boot_usec;
}

/* The memory of a saved job knows the profile that it ran with. */
static void gpu_wish(const struct job *job, char *ret, size_t size)
{
    size_t len = job->gpus_held ? strcspn(job->gpus_held, ":") : 0;

    ret[0] = '\0';
    if (!job->spec->gpus)
        return;
    if (job->state == JOB_SUSPENDED && len && len < size)
        str_copy(ret, len + 1, job->gpus_held);
    else if (job->spec->profile)
        str_copy(ret, size, job->spec->profile);
}

/* What it takes of a node whose processors encode. */
static int32_t work_of(const struct planner *p, const struct job_spec *spec)
{
    uint64_t work =
        (uint64_t)spec->cpus * 1000 +
        ((uint64_t)spec->encode_mpix * 1000 + p->encode_per_cpu - 1) / p->encode_per_cpu;

    return work < INT32_MAX / 4 ? (int32_t)work : INT32_MAX / 4;
}

static struct shape *shape_new(struct planner *p, struct pool *pool, const struct job *job,
                               uint32_t disk_gib, bool unsaved, const char *key)
{
    const struct job_spec *spec = job->spec;
    char wish[GPU_WISH_TEXT];
    struct shape *shape = calloc(1, sizeof(*shape));
    int r;

    if (!shape)
        return NULL;
    gpu_wish(job, wish, sizeof(wish));
    shape->key = strdup(key);
    shape->wish = wish_get(p, wish, spec->gpus && spec->kind == JOB_INTERACTIVE);
    if (word_set(&shape->qos, spec->qos ? spec->qos : "") < 0 ||
        word_set(&shape->licences, spec->licences ? spec->licences : "") < 0 || !shape->key ||
        !shape->wish || hash_put(p->shapes.shapes, shape->key, shape) < 0) {
        shape_free(p, shape);
        return NULL;
    }
    shape->pool = pool;
    pool->refs++;
    shape->need = (struct amount){.cpus = (int32_t)spec->cpus,
                                  .memory_mib = (int32_t)spec->memory_mib,
                                  .disk_gib = (int32_t)disk_gib,
                                  .encode_mpix = (int32_t)spec->encode_mpix,
                                  .work_mcpu = work_of(p, spec)};
    shape->nodes = job_spec_nodes(spec);
    shape->gpus = spec->gpus;
    shape->unsaved = unsaved;
    shape->span_usec = plan_span(p, job);
    shape->demand = demand_get(p, shape, &r);
    if (r < 0) {
        hash_remove(p->shapes.shapes, shape->key);
        pool->refs--;
        shape_free(p, shape);
        return NULL;
    }
    shape->next = p->shapes.first;
    if (shape->next)
        shape->next->prev = shape;
    p->shapes.first = shape;
    return shape;
}

/* The least time that a job that has not started accepts; 0: what it asks for. */
static int64_t least_sec(const struct job *job)
{
    const struct job_spec *spec = job->spec;
    bool is_less = !spec->time_limit_sec || spec->time_min_sec < spec->time_limit_sec;

    return job->state == JOB_PENDING && is_less ? spec->time_min_sec : 0;
}

static char *shape_key(const struct planner *p, const struct pool *pool, const struct job *job,
                       uint32_t disk_gib, bool unsaved)
{
    const struct job_spec *spec = job->spec;
    char wish[GPU_WISH_TEXT];

    gpu_wish(job, wish, sizeof(wish));
    return str_printf("%llu %u %u %u %u %u %u %lld %lld %d %d %s\n%s\n%s",
                      (unsigned long long)pool->number, job_spec_nodes(spec), spec->cpus,
                      spec->memory_mib, spec->gpus, disk_gib, spec->encode_mpix,
                      (long long)plan_span(p, job), (long long)least_sec(job),
                      spec->gpus && spec->kind == JOB_INTERACTIVE, unsaved, wish,
                      spec->qos ? spec->qos : "", spec->licences ? spec->licences : "");
}

/* The shape of the same job, were it to ask for the least that it accepts. */
static struct shape *brief_get(struct planner *p, const struct job *job,
                               const struct plan_terms *terms)
{
    struct job_spec spec = *job->spec;
    struct job brief = *job;

    brief.spec = &spec;
    spec.time_limit_sec = spec.time_min_sec;
    spec.time_min_sec = 0;
    return shape_get(p, &brief, terms, NULL);
}

struct shape *shape_get(struct planner *p, const struct job *job, const struct plan_terms *terms,
                        const char *saved_on)
{
    const struct where where = where_of(job, terms, saved_on);
    uint32_t gib = !terms                                 ? 0
                   : terms->gib > PLAN_DISK_UNCOUNTED_GIB ? PLAN_DISK_UNCOUNTED_GIB
                                                          : terms->gib;
    bool unsaved = terms && terms->unsaved;
    struct pool *pool = pool_get(p, &where);
    _cleanup_(freep) char *key = pool ? shape_key(p, pool, job, gib, unsaved) : NULL;
    struct shape *shape = key ? hash_get(p->shapes.shapes, key) : NULL;

    if (!pool)
        return NULL;
    if (!shape && key)
        shape = shape_new(p, pool, job, gib, unsaved, key);
    if (!shape) {
        pool_drop_unused(p, pool);
        return NULL;
    }
    shape->refs++;
    if (!least_sec(job) || shape->brief || (shape->brief = brief_get(p, job, terms)))
        return shape;
    shape_unref(p, shape);
    return NULL;
}

struct shape *shape_ref(struct shape *shape)
{
    shape->refs++;
    return shape;
}

void shape_unref(struct planner *p, struct shape *shape)
{
    if (!shape || --shape->refs)
        return;
    if (shape->next)
        shape->next->prev = shape->prev;
    if (shape->prev)
        shape->prev->next = shape->next;
    else
        p->shapes.first = shape->next;
    shape_unref(p, shape->brief);
    p->shapes.n_candidates -= shape->n_heap;
    hash_remove(p->shapes.shapes, shape->key);
    pool_unref(p, shape->pool);
    shape_free(p, shape);
}

/* Every feature of "a&b" is one of the node's. */
static bool has_features(const struct node *node, const char *constraint)
{
    while (*constraint) {
        size_t len = strcspn(constraint, "&");
        if (len && !node_has_feature(node, constraint, len))
            return false;
        constraint += len + (constraint[len] == '&');
    }
    return true;
}

static void bit_set(uint64_t *bits, uint32_t i, bool on)
{
    if (on)
        bits[i / 64] |= UINT64_C(1) << (i % 64);
    else
        bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static bool bit_get(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

/* The nodes of a hostlist as bits. A text that is no hostlist names none. */
static void mark_hosts(struct planner *p, const char *text, uint64_t *bits)
{
    struct hostlist hosts = {0};
    if (hostlist_parse(text, HOSTLIST_MAX, &hosts) < 0)
        return;
    for (size_t i = 0; i < hosts.n; i++) {
        const struct plan_node *n = hash_get(p->node_names, hosts.names[i]);
        if (n)
            bit_set(bits, n->index, true);
    }
    hostlist_done(&hosts);
}

static void pool_fill(struct planner *p, struct pool *pool, const uint64_t *wanted,
                      const uint64_t *unwanted)
{
    const struct plan_partition *part = planner_partition(p, pool->partition);

    for (size_t i = 0; part && i < part->n_nodes; i++) {
        const struct plan_node *n = hash_get(p->node_names, part->nodes[i]);
        if (n && n->defined && (!*pool->nodelist || bit_get(wanted, n->index)) &&
            (!*pool->pin || str_equal(pool->pin, n->facts.name)) && !bit_get(unwanted, n->index) &&
            has_features(&n->facts, pool->constraint))
            bit_set(pool->bits, n->index, true);
    }
}

/* Without memory for it the pool stays empty, and the next question tries again. */
static void pool_refresh(struct planner *p, struct pool *pool)
{
    size_t words = p->n_nodes / 64 + 1;
    _cleanup_(freep) uint64_t *wanted = calloc(words, sizeof(*wanted));
    _cleanup_(freep) uint64_t *unwanted = calloc(words, sizeof(*unwanted));

    free(pool->bits);
    pool->bits = calloc(words, sizeof(*pool->bits));
    pool->n_words = pool->bits ? words : 0;
    if (!pool->bits || !wanted || !unwanted)
        return;
    if (*pool->nodelist)
        mark_hosts(p, pool->nodelist, wanted);
    if (*pool->exclude)
        mark_hosts(p, pool->exclude, unwanted);
    pool_fill(p, pool, wanted, unwanted);
    pool->layout = p->layout;
}

bool pool_has(struct planner *p, struct pool *pool, const struct plan_node *node)
{
    planner_sort_nodes(p);
    if (pool->layout != p->layout)
        pool_refresh(p, pool);
    return node->index / 64 < pool->n_words && bit_get(pool->bits, node->index);
}

bool shape_is_possible(struct planner *p, struct shape *shape, const struct plan_node *node)
{
    return pool_has(p, shape->pool, node) && place_is_possible(p, shape, node);
}

bool shape_fits(struct planner *p, struct shape *shape, const struct plan_node *node)
{
    return plan_node_in_service(node) && shape_is_possible(p, shape, node) &&
           place_fits(p, shape, node);
}

bool shape_is_full(struct planner *p, struct shape *shape)
{
    uint32_t n = 0;

    if (shape->full && shape->full_layout == p->layout)
        return true;
    shape->full = false;
    if (shape->nodes == 1 && shape->roomy < p->n_nodes &&
        shape_fits(p, shape, p->nodes[shape->roomy]))
        return false;
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        if (shape_fits(p, shape, p->nodes[i]) && ++n == shape->nodes) {
            shape->roomy = i;
            return false;
        }
    }
    shape->full = true;
    shape->full_layout = p->layout;
    return true;
}
