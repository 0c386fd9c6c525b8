/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_cross.c - what planning across the windows of classes costs: JOBS pending that take all
 * GPUs of 1 to 8 of NODES nodes, nine tenths of which are full, and CLASSES of SEATS seats, weekly
 * for 14 weeks, that save them.
 *
 *     make bench/bench_cross && bench/bench_cross 20 4000 100 1000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plan/planner.h"

#define T0 INT64_C(1700000000000000)
#define HOUR INT64_C(3600000000)
#define WEEKS 14
#define GPUS 4

static double cpu_sec(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct job_spec spec_of(const char *qos, uint32_t gpus, uint32_t nodes, int64_t limit_sec)
{
    return (struct job_spec){.partition = (char *)"main",
                             .constraint = (char *)"",
                             .nodelist = (char *)"",
                             .exclude = (char *)"",
                             .qos = qos,
                             .cpus = 1,
                             .gpus = gpus,
                             .nodes = nodes,
                             .time_limit_sec = limit_sec};
}

static void configure(struct planner *p, uint32_t n)
{
    char **names = calloc(n, sizeof(*names)), *victims[] = {(char *)"batch"};
    char *modes[] = {(char *)"save"};
    struct config_partition part = {
        .name = (char *)"main", .nodes = {names, n}, .up = true, .priority_tier = 1};
    struct config_qos qos[] = {
        {.name = (char *)"teaching", .preempts = {victims, 1}, .preempt_modes = {modes, 1}},
        {.name = (char *)"batch", .preempt_exempt_sec = 60}};
    struct config config = {.partitions = &part, .n_partitions = 1, .qos = qos, .n_qos = 2};

    for (uint32_t i = 0; i < n; i++) {
        struct node node = {.known = true, .up = true, .cpus = 64, .gpus = GPUS};

        snprintf(node.name, sizeof(node.name), "n%05u", i);
        names[i] = strdup(node.name);
        if (planner_put_node(p, &node) < 0)
            abort();
    }
    if (planner_configure(p, &config) < 0)
        abort();
    for (uint32_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static void fill(struct planner *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct job_spec spec = spec_of("batch", GPUS, 1, 3600 + i * UINT64_C(2654435761) % 200000);
        char node[64];
        struct job job = {.id = i + 1,
                          .spec = &spec,
                          .state = JOB_RUNNING,
                          .alloc_usec = T0,
                          .start_usec = T0,
                          .node = node,
                          .gpus_held = ":0,1,2,3"};

        snprintf(node, sizeof(node), "n%05u", i);
        if (planner_put_job(p, &job) < 0)
            abort();
    }
}

static uint32_t book(struct planner *p, uint32_t classes, uint32_t seats)
{
    struct job_spec seat = spec_of("teaching", 1, 1, 0);
    struct plan_window w[WEEKS];
    struct plan_shortage shortage;
    uint32_t n = 0;

    for (uint32_t i = 0; i < classes; i++) {
        struct plan_class c = {
            .id = i + 1, .seat = &seat, .seats = seats, .windows = w, .n_windows = WEEKS};

        for (int64_t k = 0; k < WEEKS; k++)
            w[k] = (struct plan_window){T0 + (k * 168 + 2 + i % 100) * HOUR,
                                        T0 + (k * 168 + 4 + i % 100) * HOUR};
        n += planner_put_class(p, &c, T0, &shortage) == 0;
    }
    return n;
}

static void put(struct planner *p, uint64_t id, uint32_t nodes, int64_t limit_sec, int32_t priority)
{
    struct job_spec spec = spec_of("batch", GPUS, nodes, limit_sec);
    struct job job = {.id = id,
                      .spec = &spec,
                      .state = JOB_PENDING,
                      .priority = priority,
                      .submit_usec = T0 + (int64_t)id};

    if (planner_put_job(p, &job) < 0)
        abort();
}

/* Slices of 2 ms until nothing is left; says how long all and the longest took. */
static void run(struct planner *p, int64_t now, const char *what)
{
    struct plan_action actions[16];
    double all = 0, longest = 0;
    size_t slices = 0, n = 1;
    bool more = true;

    for (; more || n; slices++) {
        double began = cpu_sec(), took;

        n = planner_step(p, now, 2000, actions, 16, &more);
        took = cpu_sec() - began;
        all += took;
        longest = took > longest ? took : longest;
    }
    printf("%-28s %8.2f ms in %zu slices, longest %.2f ms\n", what, all * 1e3, slices,
           longest * 1e3);
}

int main(int argc, char **argv)
{
    uint32_t jobs = argc > 1 ? (uint32_t)atoi(argv[1]) : 20;
    uint32_t nodes = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000;
    uint32_t classes = argc > 3 ? (uint32_t)atoi(argv[3]) : 100;
    uint32_t seats = argc > 4 ? (uint32_t)atoi(argv[4]) : 200;
    struct planner *p = planner_new(1);

    configure(p, nodes);
    fill(p, nodes / 10 * 9);
    printf("%-28s %8u of %u\n", "classes", book(p, classes, seats), classes);
    for (uint32_t i = 0; i < jobs; i++)
        put(p, 1000000 + i, 1 + i % 8, 3600 * (1 + i % 30), 0);
    run(p, T0, "first pass");
    for (uint32_t i = 0; i < 5; i++) {
        put(p, 2000000 + i, 3, 7200 + 60 * i, 9);
        planner_hurry(p);
        run(p, T0 + 1000 * (i + 1), "all planned anew");
    }
    planner_free(p);
    return 0;
}
