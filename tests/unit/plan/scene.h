/* SPDX-License-Identifier: Apache-2.0 */
/* scene.h - a cluster in which jobs of one QOS make room for another, for tests of the planner. */
#ifndef TEST_PLAN_SCENE_H
#define TEST_PLAN_SCENE_H

#include "world.h"

#define SAVE PLAN_SAVE_USEC

struct scene {
    struct world_config config;
    struct config_qos qos[3];
    struct config_node nodes[8];
    struct gpu_kind kind;
    char *preempts[1], *modes[1];
    struct planner *p;
    struct plan_action actions[16];
    size_t n;
};

/* Nodes of 4 cpus, and of two devices of up to 4 x-1q or 2 x-2q each. "first" makes "batch" go by
 * `mode`, at once but for 3 min that it is left alone. */
static inline void begin(struct scene *s, size_t n_nodes, const char *mode)
{
    size_t offer;

    memset(s, 0, sizeof(*s));
    s->p = planner_new(1);
    assert_non_null(s->p);
    world_config(&s->config, n_nodes);
    s->preempts[0] = (char *)"batch";
    s->modes[0] = (char *)mode;
    s->qos[0] = (struct config_qos){.name = (char *)"batch", .preempt_exempt_sec = 180};
    s->qos[1] = (struct config_qos){
        .name = (char *)"first", .preempts = {s->preempts, 1}, .preempt_modes = {s->modes, 1}};
    s->config.config.qos = s->qos;
    s->config.config.n_qos = 2;
    s->kind = (struct gpu_kind){
        .law = GPU_HOMOGENEOUS, .n_offers = 2, .framebuffer_mib = 4096, .capacity = 4};
    for (uint32_t i = 0; i < 2; i++)
        s->kind.offers[i] =
            (struct gpu_offer){.display = true, .size = i + 1, .instances = 4 / (i + 1)};
    strcpy(s->kind.offers[0].profile, "x-1q");
    strcpy(s->kind.offers[1].profile, "x-2q");
    assert_null(gpu_kind_settle(&s->kind, &offer));
    for (size_t i = 0; i < n_nodes; i++)
        s->nodes[i] = (struct config_node){.name = s->config.list[i], .kind = &s->kind};
    s->config.config.nodes = s->nodes;
    s->config.config.n_nodes = n_nodes;
    s->config.config.kinds = &s->kind;
    s->config.config.n_kinds = 1;
    assert_int_equal(planner_configure(s->p, &s->config.config), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node n = world_node(s->config.list[i], 4, 64000, 2);
        assert_int_equal(planner_put_node(s->p, &n), 0);
    }
}

static inline struct job_spec of_qos(const char *qos, uint32_t cpus, int64_t limit_min)
{
    struct job_spec spec = world_spec(cpus, 0, 0, limit_min);

    spec.qos = qos;
    return spec;
}

static inline struct job_spec of_gpu(const char *qos, const char *profile, int64_t limit_min)
{
    struct job_spec spec = world_spec(0, 0, 1, limit_min);

    spec.qos = qos;
    spec.profile = (char *)profile;
    return spec;
}

static inline int book(struct scene *s, struct job_spec seat, uint32_t seats, int64_t from_min,
                       int64_t to_min)
{
    struct plan_window window = {T0 + from_min * MIN, T0 + to_min * MIN};
    struct plan_class c = {
        .id = 1, .seat = &seat, .seats = seats, .windows = &window, .n_windows = 1};
    struct plan_shortage shortage;

    return planner_put_class(s->p, &c, T0, &shortage);
}

static inline void put(struct scene *s, uint64_t id, struct job_spec *spec)
{
    struct job job = world_job(id, spec);

    assert_int_equal(planner_put_job(s->p, &job), 0);
}

/* It runs since then. */
static inline void put_run(struct scene *s, uint64_t id, struct job_spec *spec, const char *node,
                           const char *gpus, int64_t since_min)
{
    struct job job = world_job(id, spec);

    world_run(&job, node, T0 + since_min * MIN);
    job.gpus_held = gpus;
    assert_int_equal(planner_put_job(s->p, &job), 0);
}

static inline void step(struct scene *s, int64_t now)
{
    bool more;

    s->n = planner_step(s->p, now, 0, s->actions, 16, &more);
    assert_false(more);
}

static inline const struct plan_action *action_of(const struct scene *s, uint64_t job)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->actions[i].job == job)
            return &s->actions[i];
    return NULL;
}

static inline int64_t start_of(struct scene *s, uint64_t id, int64_t now)
{
    struct plan_why why;

    assert_int_equal(planner_why(s->p, id, now, &why), 0);
    return why.start_usec;
}

#endif
