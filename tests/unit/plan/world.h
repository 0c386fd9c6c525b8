/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - jobs, nodes and a configuration for the tests of the planner. */
#ifndef TEST_PLAN_WORLD_H
#define TEST_PLAN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/inner.h"

#define MIN INT64_C(60000000)
#define T0 (INT64_C(1000000) * MIN) /* a whole minute */

/* Texts of a spec in a test are literals: nothing of it is freed. */
static inline struct job_spec world_spec(uint32_t cpus, uint32_t memory_mib, uint32_t gpus,
                                         int64_t limit_min)
{
    return (struct job_spec){.partition = (char *)"main",
                             .constraint = (char *)"",
                             .nodelist = (char *)"",
                             .exclude = (char *)"",
                             .profile = (char *)"",
                             .cpus = cpus,
                             .memory_mib = memory_mib,
                             .gpus = gpus,
                             .time_limit_sec = limit_min * 60};
}

static inline struct job world_job(uint64_t id, struct job_spec *spec)
{
    return (struct job){.id = id,
                        .spec = spec,
                        .state = JOB_PENDING,
                        .submit_usec = T0 + (int64_t)id,
                        .node = "",
                        .reason = ""};
}

static inline void world_run(struct job *job, const char *node, int64_t now_usec)
{
    job->state = JOB_RUNNING;
    job->alloc_usec = job->start_usec = now_usec;
    job->node = node; /* a literal, or of the caller */
}

static inline struct node world_node(const char *name, uint32_t cpus, uint32_t memory_mib,
                                     uint32_t gpus)
{
    struct node n = {
        .known = true, .up = true, .cpus = cpus, .memory_mib = memory_mib, .gpus = gpus};
    snprintf(n.name, sizeof(n.name), "%s", name);
    return n;
}

/* Partitions "main" (tier 1) and "low" (tier 0) over n nodes n00, n01 ... */
struct world_config {
    char names[64][24];
    char *list[64];
    struct config_partition partitions[2];
    struct config config;
};

static inline void world_config(struct world_config *w, size_t n)
{
    memset(w, 0, sizeof(*w));
    for (size_t i = 0; i < n; i++) {
        snprintf(w->names[i], sizeof(w->names[i]), "n%02zu", i);
        w->list[i] = w->names[i];
    }
    for (int i = 0; i < 2; i++)
        w->partitions[i] = (struct config_partition){.name = (char *)(i ? "low" : "main"),
                                                     .nodes = {w->list, n},
                                                     .up = true,
                                                     .priority_tier = 1 - i};
    w->config.partitions = w->partitions;
    w->config.n_partitions = 2;
}

static inline const struct plan_blocker *world_blocker(const struct plan_why *why,
                                                       enum plan_blocker_type type)
{
    for (size_t i = 0; i < why->n_blockers; i++)
        if (why->blockers[i].type == type)
            return &why->blockers[i];
    return NULL;
}

#endif
