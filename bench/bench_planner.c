/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_planner.c - what planning costs: JOBS pending on NODES nodes, FULL of them, KINDS of
 * request, SEATS of classes of 30 that are booked on their GPUs over four weeks.
 *
 *     make bench/bench_planner && bench/bench_planner 100000 10000 20 36000
 *     bench/bench_planner JOBS NODES KINDS SEATS FULL     (default: all are full)
 *
 * KINDS may be a file instead: a line for each job of a trace, "cpus memory_mib gpus limit_s", from
 * which jobs are drawn; what no node has is cut to what one has. From a trace of shared/traces:
 *
 *     xz -dc openb-2023.csv.xz | awk -F, 'NR > 1 {print $5, $6, int($7 + .99), $2 * 2}' > kinds
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plan/planner.h"

#define T0 INT64_C(1700000000000000)

static double cpu_sec(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fill_spec(struct job_spec *s, uint32_t kind)
{
    *s = (struct job_spec){.partition = (char *)"main",
                           .constraint = (char *)"",
                           .nodelist = (char *)"",
                           .exclude = (char *)"",
                           .cpus = 1 + kind % 8,
                           .memory_mib = 1024,
                           .gpus = kind / 8 % 3,
                           .time_limit_sec = 3600 * (1 + kind / 24 % 24)};
}

/* What one node has. */
#define CPUS 16
#define MEMORY_MIB 65536
#define GPUS 4

static struct kind {
    uint32_t cpus, memory_mib, gpus, limit_sec;
} * drawn;
static uint32_t n_drawn;

static void read_kinds(const char *path)
{
    FILE *f = fopen(path, "r");
    double cpus, memory, gpus, limit;

    if (!f) {
        perror(path);
        exit(1);
    }
    while (fscanf(f, "%lf %lf %lf %lf", &cpus, &memory, &gpus, &limit) == 4) {
        drawn = realloc(drawn, (n_drawn + 1) * sizeof(*drawn));
        if (!drawn)
            abort();
        drawn[n_drawn++] = (struct kind){(uint32_t)(cpus < 1      ? 1
                                                    : cpus > CPUS ? CPUS
                                                                  : cpus),
                                         (uint32_t)(memory > MEMORY_MIB ? MEMORY_MIB : memory),
                                         (uint32_t)(gpus > GPUS ? GPUS : gpus),
                                         (uint32_t)(limit < 60 ? 60 : limit)};
    }
    fclose(f);
}

/* A pending job's request, as if by lot. */
static void draw_spec(struct job_spec *s, uint32_t i, uint32_t kinds)
{
    uint32_t lot = (uint32_t)((i * UINT64_C(2654435761) >> 8) % (n_drawn ? n_drawn : kinds));

    fill_spec(s, lot);
    if (!n_drawn)
        return;
    s->cpus = drawn[lot].cpus;
    s->memory_mib = drawn[lot].memory_mib;
    s->gpus = drawn[lot].gpus;
    s->time_limit_sec = drawn[lot].limit_sec;
}

static void put(struct planner *p, uint64_t id, struct job_spec *spec, int32_t priority,
                const char *node)
{
    struct job job = {.id = id,
                      .spec = spec,
                      .state = JOB_PENDING,
                      .priority = priority,
                      .submit_usec = T0 + (int64_t)id};
    if (node) {
        job.state = JOB_RUNNING;
        job.alloc_usec = job.start_usec = T0 + (int64_t)(id % 977) * 1000000;
        job.node = node;
    }
    if (planner_put_job(p, &job) < 0)
        abort();
}

static void make_nodes(struct planner *p, uint32_t n)
{
    char **names = calloc(n, sizeof(*names));
    struct config_partition part = {
        .name = (char *)"main", .nodes = {names, n}, .up = true, .priority_tier = 1};
    static struct gpu_kind kind = {
        .law = GPU_HOMOGENEOUS,
        .n_offers = 2,
        .offers = {{.profile = "x-4q", .display = true}, {.profile = "x-16q", .display = true}}};
    struct config_node *nodes = calloc(n, sizeof(*nodes));
    struct config config = {.partitions = &part,
                            .n_partitions = 1,
                            .nodes = nodes,
                            .n_nodes = n,
                            .kinds = &kind,
                            .n_kinds = 1};
    size_t offer;

    gpu_kind_settle(&kind, &offer);

    for (uint32_t i = 0; i < n; i++) {
        struct node node = {
            .known = true, .up = true, .cpus = CPUS, .memory_mib = MEMORY_MIB, .gpus = GPUS};
        snprintf(node.name, sizeof(node.name), "n%05u", i);
        names[i] = strdup(node.name);
        nodes[i] = (struct config_node){.name = names[i], .kind = &kind};
        planner_put_node(p, &node);
    }
    planner_configure(p, &config);
    for (uint32_t i = 0; i < n; i++)
        free(names[i]);
    free(nodes);
    free(names);
}

/* Slices of 5 ms until nothing is left; says how long all and the longest took. */
static void run(struct planner *p, int64_t now, const char *what)
{
    static struct plan_action actions[1000];
    double all = 0, longest = 0;
    size_t slices = 0, n = 0;
    bool more = true;

    for (; more; slices++) {
        double began = cpu_sec(), took;
        n += planner_step(p, now, 5000, actions, 1000, &more);
        took = cpu_sec() - began;
        all += took;
        if (took > longest)
            longest = took;
    }
    printf("%-28s %8.2f ms in %zu slices, longest %.2f ms, %zu actions\n", what, all * 1e3, slices,
           longest * 1e3, n);
}

/* Classes of 30 seats of a quarter of a GPU, on weekdays of four weeks from tomorrow. */
static void book(struct planner *p, uint32_t seats)
{
    struct job_spec spec = {.partition = (char *)"main",
                            .constraint = (char *)"",
                            .nodelist = (char *)"",
                            .exclude = (char *)"",
                            .profile = (char *)"x-4q",
                            .cpus = 2,
                            .gpus = 1};
    double began = cpu_sec();
    uint32_t n = 0;

    for (uint32_t i = 0; n < seats; i++, n += 30) {
        int64_t day = 1 + i % 20 / 5 * 7 + i % 5, hour = 8 + i / 20 % 10;
        struct plan_window w = {.from_usec = T0 + (day * 24 + hour) * 3600 * INT64_C(1000000)};
        struct plan_class c = {
            .id = i + 1, .seat = &spec, .seats = 30, .windows = &w, .n_windows = 1};
        struct plan_shortage shortage;

        w.to_usec = w.from_usec + 5400 * INT64_C(1000000);
        if (planner_put_class(p, &c, T0, &shortage) < 0)
            abort();
    }
    if (n)
        printf("%-28s %8.2f ms for %u seats in %u classes\n", "booking", (cpu_sec() - began) * 1e3,
               n, n / 30);
}

/* A short class of one seat, far ahead: all is to be planned anew, and one node is another. */
static void plan_anew(struct planner *p)
{
    struct plan_window w = {.from_usec = T0 + 1000000 * INT64_C(1000000)};
    struct job_spec spec;
    struct plan_class c = {
        .id = 1u << 30, .seat = &spec, .seats = 1, .windows = &w, .n_windows = 1};
    struct plan_shortage shortage;

    fill_spec(&spec, 0);
    w.to_usec = w.from_usec + 1000000;
    if (planner_put_class(p, &c, T0, &shortage) < 0)
        abort();
}

int main(int argc, char **argv)
{
    uint32_t jobs = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;
    uint32_t nodes = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000;
    uint32_t kinds = argc > 3 ? (uint32_t)atoi(argv[3]) : 20;
    uint32_t seats = argc > 4 ? (uint32_t)atoi(argv[4]) : 0;
    uint32_t n_full = argc > 5 ? (uint32_t)atoi(argv[5]) : nodes;
    struct planner *p = planner_new(1);
    struct job_spec full, spec;
    int64_t now = T0 + 1000 * INT64_C(1000000);
    char node[64];

    if (argc > 3 && !kinds)
        read_kinds(argv[3]);
    make_nodes(p, nodes);
    fill_spec(&full, 0);
    full.cpus = CPUS;
    full.gpus = GPUS;
    full.time_limit_sec = 7200;
    for (uint32_t i = 0; i < n_full; i++) {
        snprintf(node, sizeof(node), "n%05u", i);
        put(p, i + 1, &full, 0, node);
    }
    book(p, seats);
    size_t before = mallinfo2().uordblks;
    double began = cpu_sec();
    for (uint32_t i = 0; i < jobs; i++) {
        draw_spec(&spec, i, kinds);
        put(p, 1000000 + i, &spec, (int32_t)(i % 7), NULL);
    }
    printf("%-28s %8.2f us a job\n", "put", (cpu_sec() - began) * 1e6 / jobs);
    run(p, now, "first pass");
    printf("%-28s %8.0f bytes a pending job\n", "memory",
           (double)(mallinfo2().uordblks - before) / jobs);
    fill_spec(&spec, 0);
    began = cpu_sec();
    bool more;
    for (uint32_t i = 0; i < 1000; i++) {
        put(p, 5000000 + i, &spec, -1, NULL);
        planner_step(p, now, 5000, NULL, 0, &more);
        struct plan_action a;
        planner_step(p, now, 5000, &a, 1, &more);
    }
    printf("%-28s %8.2f us a job\n", "put + step at the tail", (cpu_sec() - began) * 1e3);
    began = cpu_sec();
    for (uint32_t i = 0; i < 1000; i++) {
        struct plan_action a;
        put(p, 6000000 + i, &spec, 9, NULL);
        planner_step(p, now, 5000, &a, 1, &more);
    }
    printf("%-28s %8.2f us a job\n", "put + step at the head", (cpu_sec() - began) * 1e3);
    began = cpu_sec();
    planner_remove_job(p, 17);
    struct plan_action a[16];
    size_t n = planner_step(p, now, 0, a, 1, &more);
    printf("%-28s %8.2f us to the first start (%zu)\n", "a job ended", (cpu_sec() - began) * 1e6,
           n);
    run(p, now, "the rest of that pass");
    plan_anew(p);
    run(p, now, "all planned anew");
    struct plan_why why;
    began = cpu_sec();
    planner_why(p, 1000000 + jobs / 2, now, &why);
    printf("%-28s %8.2f us\n", "why", (cpu_sec() - began) * 1e6);
    planner_free(p);
    return 0;
}
