/* SPDX-License-Identifier: Apache-2.0 */
/* test_world.c - drawn times, timers, and small clusters whose replay is known by hand. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/config.h"
#include "vdisim/plot.h"
#include "vdisim/report.h"
#include "vdisim/timer.h"
#include "vdisim/world.h"

#define N 20000

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void test_draw(void **state)
{
    static int64_t t[N];
    struct draw_time time;
    struct draw a, b;

    assert_int_equal(draw_time_parse("45:180", &time, NULL), 0);
    draw_seed(&a, 7);
    draw_seed(&b, 7);
    for (int i = 0; i < N; i++) {
        t[i] = draw_usec(&a, &time);
        assert_int_equal(t[i], draw_usec(&b, &time));
    }
    qsort(t, N, sizeof(*t), compare);
    assert_in_range(t[N / 2], 43000000, 47000000);
    assert_in_range(t[N / 100 * 99], 165000000, 195000000);
    assert_int_equal(draw_time_parse("3", &time, NULL), 0);
    assert_int_equal(draw_usec(&a, &time), 3000000);
    assert_true(draw_time_parse("", &time, NULL) < 0);
    assert_true(draw_time_parse("9:3", &time, NULL) < 0);
    assert_true(draw_time_parse("3s", &time, NULL) < 0);
    assert_true(draw_time_parse("-1", &time, NULL) < 0);
}

static void test_timers(void **state)
{
    struct timers t = {0};
    int64_t last = -1;

    srand(3);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(timers_add(&t, (struct timer){rand() % 50, (uint32_t)(rand() % 3), i}), 0);
    for (size_t i = 0; i < 1000; i++) {
        struct timer x = timers_take(&t);
        int64_t key = (x.at_usec * 3 + x.kind) * 1000 + (int64_t)x.id;

        assert_true(key > last);
        last = key;
    }
    assert_null(timers_first(&t));
    timers_done(&t);
}

/* ---- worlds ---- */

#define JOB(submit, run, limit, units)                                                             \
    {                                                                                              \
        submit, run, limit, 1, units, 0, 0, (char *)"j", (char *)"u", (char *)"g",                 \
            (char *)"batch", (char *)"", (char *)""                                                \
    }

static struct config *cluster(const char *text)
{
    struct buf findings = BUF_INIT(4096);
    struct config *c = NULL;

    if (config_read_text("test", text, strlen(text), &c, &findings) < 0)
        fail_msg("%s", findings.data);
    buf_done(&findings);
    return c;
}

static struct config *pool(void)
{
    return cluster("site \"fake\" { }\nnode \"p\" { cpus = 4 memory = \"64M\" }\n"
                   "partition \"p\" { nodes = \"p\" default = true }\n");
}

static const struct world_options by_cpus = {
    .unit = WORLD_CPUS, .partition = "", .kind = "", .class_qos = "", .factor = 1, .seed = 1};

static void starts_at(const struct world *w, size_t n, const int64_t *sec)
{
    int64_t zero = w->jobs[0].submit_usec;

    assert_int_equal(w->n_jobs, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal((w->jobs[i].start_usec - zero) / 1000000, sec[i]);
}

/* A 2x10, B 4x10 waits for A, C 2x8 fits beside A, D 2x5 waits for B, and is not before it. */
static void test_backfill(void **state)
{
    struct trace_job jobs[] = {JOB(0, 10, 10, 2), JOB(1, 10, 10, 4), JOB(2, 8, 8, 2),
                               JOB(3, 5, 5, 2), JOB(4, 5, 5, 5)};
    const struct trace t = {.jobs = jobs, .n = 5};
    struct config *c = pool();
    struct world w;

    assert_int_equal(world_run(c, &t, NULL, &by_cpus, &w, NULL), 0);
    starts_at(&w, 4, (const int64_t[]){0, 10, 2, 20});
    assert_int_equal(w.left_out, 1);
    assert_int_equal(w.capacity, 4);
    world_done(&w);
    config_free(c);
}

/* A limit cuts a run; ends count before arrivals of the same instant. */
static void test_limit(void **state)
{
    struct trace_job jobs[] = {JOB(0, 50, 20, 4), JOB(20, 5, 5, 4)};
    const struct trace t = {.jobs = jobs, .n = 2};
    struct config *c = pool();
    struct report r;
    struct world w;

    assert_int_equal(world_run(c, &t, NULL, &by_cpus, &w, NULL), 0);
    starts_at(&w, 2, (const int64_t[]){0, 20});
    assert_int_equal(w.jobs[0].job->state, JOB_TIMEOUT);
    assert_int_equal(w.jobs[1].job->state, JOB_COMPLETED);
    assert_int_equal(report_make(&w, &r), 0);
    assert_true(r.mean_wait_sec == 0 && r.utilisation > 0.999 && r.utilisation < 1.001);
    world_done(&w);
    config_free(c);
}

/* Boots take time and fail; every job ends all the same, and the same seed is the same run. */
static void test_boots(void **state)
{
    struct trace_job jobs[200];
    const struct trace t = {.jobs = jobs, .n = 200};
    struct world_options o = by_cpus;
    struct config *c = pool();
    struct buf a = BUF_INIT(0), b = BUF_INIT(0);
    struct world w;

    for (int i = 0; i < 200; i++)
        jobs[i] = (struct trace_job)JOB(i, 5 + i % 7, 30, 1 + (uint32_t)i % 4);
    o.boot = (struct draw_time){2, 9};
    o.fail = 0.2;
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(world_run(c, &t, NULL, &o, &w, NULL), 0);
        assert_true(w.failed_starts > 10);
        assert_int_equal(w.starts, 200 + w.failed_starts);
        for (int i = 0; i < 200; i++) {
            assert_int_equal(w.jobs[i].job->state, JOB_COMPLETED);
            assert_true(w.jobs[i].start_usec > w.jobs[i].submit_usec);
        }
        report_write_starts(&w, turn ? &b : &a);
        world_done(&w);
    }
    assert_string_equal(a.data, b.data);
    buf_done(&a);
    buf_done(&b);
    config_free(c);
}

static void test_refused(void **state)
{
    struct trace_job jobs[] = {JOB(0, 1, 1, 5)};
    const struct trace t = {.jobs = jobs, .n = 1};
    struct world_options o = by_cpus;
    struct vdi_error err = {0};
    struct config *c = pool();
    struct world w;

    assert_int_equal(world_run(c, &t, NULL, &o, &w, &err), -EINVAL);
    assert_non_null(strstr(err.detail, "none of its 1 jobs can run"));
    o.partition = "other";
    assert_int_equal(world_run(c, &t, NULL, &o, &w, &err), -EINVAL);
    assert_non_null(strstr(err.detail, "no partition 'other'"));
    config_free(c);
}

static void test_traced(void **state)
{
    struct trace_job jobs[] = {JOB(0, 10, 10, 1), JOB(0, 10, 10, 1), JOB(0, 10, 10, 1)};
    const struct trace t = {.jobs = jobs, .n = 3};
    struct world_options o = by_cpus;
    struct config *c = cluster("site \"fake\" { }\n"
                               "node \"n[1-2]\" { cpus = 8 memory = \"4G\" gpu \"T4\" { } }\n"
                               "partition \"p\" { nodes = \"n[1-2]\" default = true }\n");
    struct buf svg = BUF_INIT(0);
    struct world w;

    for (int i = 0; i < 3; i++)
        jobs[i].gpus = 1;
    jobs[2].memory_mib = 4000;
    o.unit = WORLD_AS_TRACED;
    assert_int_equal(world_run(c, &t, NULL, &o, &w, NULL), 0);
    starts_at(&w, 3, (const int64_t[]){0, 0, 10});
    assert_int_equal(w.capacity, 2);
    plot_write(&w, &svg);
    assert_false(svg.failed);
    assert_non_null(strstr(svg.data, "</svg>"));
    buf_done(&svg);
    world_done(&w);
    config_free(c);
}

/* Totals of a job are shared out over its nodes; it has all of them at once or waits. */
static void test_wide(void **state)
{
    struct trace_job jobs[] = {JOB(0, 10, 10, 1), JOB(1, 10, 10, 4), JOB(2, 5, 5, 1),
                               JOB(3, 5, 5, 1)};
    const struct trace t = {.jobs = jobs, .n = 4};
    struct world_options o = by_cpus;
    struct config *c = cluster("site \"fake\" { }\n"
                               "node \"n[1-2]\" { cpus = 8 memory = \"4G\"\n"
                               "gpu \"T4\" { count = 2 } }\n"
                               "partition \"p\" { nodes = \"n[1-2]\" default = true }\n");
    struct buf starts = BUF_INIT(0);
    struct world w;

    for (int i = 0; i < 4; i++)
        jobs[i].gpus = 1;
    jobs[1].gpus = 4;
    jobs[1].nodes = 2;
    jobs[3].gpus = 3;
    jobs[3].nodes = 3;
    o.unit = WORLD_AS_TRACED;
    assert_int_equal(world_run(c, &t, NULL, &o, &w, NULL), 0);
    starts_at(&w, 3, (const int64_t[]){0, 10, 2});
    assert_int_equal(w.left_out, 1); /* there are no three nodes */
    report_write_starts(&w, &starts);
    assert_string_equal(starts.data, "origin_id,submit_s,start_s,end_s,node,units,gpus,from_s,how\n"
                                     "j,2,2,7,n1,1,:1,2,completed\n"
                                     "j,0,0,10,n1,1,:0,0,completed\n"
                                     "j,1,10,20,n1;n2,4,\":0,1;:0,1\",10,completed\n");
    buf_done(&starts);
    world_done(&w);
    config_free(c);
}

/* Fractions of a GPU are profiles of it, side by side; and who may not wait is turned away. */
static void test_shares(void **state)
{
    struct trace_job jobs[] = {JOB(0, 10, 10, 1), JOB(1, 10, 10, 1), JOB(2, 5, 5, 1),
                               JOB(3, 20, 20, 1)};
    const struct trace t = {.jobs = jobs, .n = 4};
    struct world_options o = by_cpus;
    struct config *c = cluster("site \"fake\" { }\nprofile \"s\" { framebuffer = \"300M\" }\n"
                               "profile \"m\" { framebuffer = \"500M\" }\n"
                               "profile \"l\" { framebuffer = \"1000M\" }\n"
                               "node \"n1\" { cpus = 8 memory = \"4G\" gpu \"X\" { law = pool\n"
                               "framebuffer = \"1000M\" profiles = {\"s\", \"m\", \"l\"} } }\n"
                               "partition \"p\" { nodes = \"n1\" default = true }\n");
    struct report r;
    struct world w;

    jobs[0].gpus = 0.5;
    jobs[1].gpus = 0.45;
    jobs[2].gpus = 0.3;
    jobs[3].gpus = 1;
    o.unit = WORLD_AS_TRACED;
    o.share_mib = 1000;
    assert_int_equal(world_run(c, &t, NULL, &o, &w, NULL), 0);
    starts_at(&w, 4, (const int64_t[]){0, 1, 10, 15});
    assert_int_equal(w.capacity, 1000);
    assert_int_equal(report_make(&w, &r), 0);
    assert_true(fabs(r.gpu_hours * 3600 - (5 + 4.5 + 1.5 + 20)) < 0.001);
    assert_true(fabs(r.utilisation - 31.0 / 35) < 0.001);
    world_done(&w);
    o.no_wait = true;
    assert_int_equal(world_run(c, &t, NULL, &o, &w, NULL), 0);
    assert_int_equal(report_make(&w, &r), 0);
    assert_int_equal(r.turned_away, 2);
    assert_true(w.jobs[2].turned_away && w.jobs[3].turned_away && r.longest_wait_sec == 0);
    assert_true(fabs(r.gpu_hours * 3600 - (5 + 4.5)) < 0.001);
    world_done(&w);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draw),     cmocka_unit_test(test_timers),
        cmocka_unit_test(test_backfill), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_boots),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_traced),   cmocka_unit_test(test_wide),
        cmocka_unit_test(test_shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
