/* SPDX-License-Identifier: Apache-2.0 */
/* test_trace.c - workloads read from files: both formats, what is not said, what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vdisim/trace.h"

static char dir[] = "/tmp/vdi-trace.XXXXXX";

static const char *file(const char *name, const char *text)
{
    static char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void test_csv(void **state)
{
    struct trace t;
    const struct trace_job *j;

    assert_int_equal(
        trace_read(file("a.csv", "class,submit_s,duration_s,extra,gpus,origin_id,user\n"
                                 "batch,5,60,x,0.46,\"a,\"\"b\"\"\",u1\r\n"
                                 "interactive,7,1,,,,\n"),
                   &t, NULL),
        0);
    assert_int_equal(t.n, 2);
    j = &t.jobs[0];
    assert_int_equal(j->submit_sec, 5);
    assert_int_equal(j->duration_sec, 60);
    assert_int_equal(j->walltime_sec, 0);
    assert_int_equal(j->nodes, 1);
    assert_true(j->gpus > 0.459 && j->gpus < 0.461);
    assert_string_equal(j->id, "a,\"b\"");
    assert_string_equal(j->user, "u1");
    assert_string_equal(j->gpu_type, "");
    assert_string_equal(t.jobs[1].kind, "interactive");
    assert_string_equal(t.jobs[1].id, "");
    trace_done(&t);
}

static void test_swf(void **state)
{
    struct trace t;

    assert_int_equal(
        trace_read(file("a.swf", "; Version: 2.2\n\n"
                                 "  1 0 3 97225 56 -1 -1 -1 210000 -1 1 7 2 -1 1 -1 -1 -1\n"
                                 "2 10 0 5 8 -1 -1 16 -1 -1 1 -1 -1 -1 1 -1 -1 -1"),
                   &t, NULL),
        0);
    assert_int_equal(t.n, 2);
    assert_int_equal(t.jobs[0].cpus, 56);
    assert_int_equal(t.jobs[0].walltime_sec, 210000);
    assert_int_equal(t.jobs[0].duration_sec, 97225);
    assert_string_equal(t.jobs[0].id, "1");
    assert_string_equal(t.jobs[0].user, "7");
    assert_int_equal(t.jobs[1].cpus, 16);
    assert_int_equal(t.jobs[1].walltime_sec, 0);
    trace_done(&t);
}

static void refused(const char *name, const char *text, const char *says)
{
    struct vdi_error err = {0};
    struct trace t;

    assert_true(trace_read(file(name, text), &t, &err) < 0);
    if (!strstr(err.detail, says))
        fail_msg("'%s' does not say '%s'", err.detail, says);
}

static void test_wrong(void **state)
{
    struct vdi_error err = {0};
    struct trace t;

    refused("b.csv", "", "b.csv is empty");
    refused("b.csv", "submit_s,gpus\n1,2\n", "does not name submit_s and duration_s");
    refused("b.csv", "submit_s,duration_s\n1,2\nx,3\n", "b.csv:3: 'x' is no number for submit_s");
    refused("b.csv", "submit_s,duration_s\n1,1e300\n", "1e300");
    refused("b.csv", "submit_s,duration_s\n1,nan\n", "nan");
    refused("b.csv", "submit_s,duration_s,gpus\n1,2,12345678901\n", "gpus");
    refused("b.swf", "1 2 3 four 5\n", "b.swf:1: 'four' is not a number");
    refused("b.csv.xz", "no xz", "no whole xz file");
    assert_true(trace_read("/nonexistent/t.csv", &t, &err) < 0);
}

static int begin(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
    static const char *const names[] = {"a.csv", "a.swf", "b.csv", "b.swf", "b.csv.xz"};
    char path[256];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_swf),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
