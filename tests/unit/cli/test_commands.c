/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_commands.c - the built commands against a scripted controller: what they
 * send, print and end with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "scripted.h"

static const struct scripted_answer answers[] = {
    {"GET", "/v1/ping", 200, "{\"cluster\":\"test\",\"version\":\"0.1\",\"api\":1}"},
    {"POST", "/v1/jobs?test_only=true", 200,
     "{\"estimated_start_time\":null,\"blockers\":[{\"reason\":\"Resources\",\"text\":\"needs 4 "
     "gpus; at most 1 free\"}]}"},
    {"DELETE", "/v1/jobs/404", 404,
     "{\"title\":\"Not Found\",\"detail\":\"no such job: 404\",\"remedy\":\"vdiqueue --me lists "
     "yours\"}"},
    {"DELETE", "/v1/jobs/403", 403, "{\"detail\":\"you may not end it\"}"},
    {"DELETE", "/v1/jobs/409", 409,
     "{\"detail\":\"job 409 has ended\",\"field\":\"state\",\"limit\":\"once\","
     "\"remedy\":\"do nothing\"}"},
    {"DELETE", "/v1/jobs/500", 500, "<html>\xff"},
    {"DELETE", "/v1/jobs/17", 202, "{\"id\":17}"},
    {"DELETE", "/v1/jobs/18", 202, "{\"id\":18}"},
    {"DELETE", "/v1/jobs/17?signal=10", 202, "{\"id\":17}"},
    {"GET", "/v1/jobs?limit=1000&fields=id,array_id,array_task&me=true&state=PENDING,RUNNING", 200,
     "{\"jobs\":[{\"id\":17},{\"id\":18}],\"next\":null}"},
    {"GET", "/v1/jobs?limit=1000&fields=id,array_id,array_task,owner,array,state&user=alice", 200,
     "{\"jobs\":[{\"id\":2,\"owner\":\"unix:alice\"}],\"next\":\"c1\"}"},
    {"GET",
     "/v1/jobs?limit=1000&fields=id,array_id,array_task,owner,array,state&user=alice&after=c1", 200,
     "{\"jobs\":[{\"id\":10,\"owner\":\"unix:alice\"}],\"next\":null}"},
    {"GET", "/v1/jobs?limit=1000&fields=id,array_id,array_task,array,state,owner,node,node_list",
     200,
     "{\"jobs\":[{\"id\":1,\"owner\":\"unix:alice\",\"node\":\"gpu01\"},"
     "{\"id\":2,\"owner\":\"unix:bob\",\"node\":\"gpu02\"},"
     "{\"id\":3,\"owner\":\"unix:eve\",\"node\":\"gpu01\"},"
     "{\"id\":4,\"owner\":\"unix:bob\",\"node\":\"gpu09\"}],\"next\":null}"},
    {"GET", "/v1/jobs/21?fields=id,state,final,node,exit_code,exit_signal,restarts,reason", 200,
     "{\"id\":21,\"state\":\"FAILED\",\"exit_code\":7,\"exit_signal\":0}"},
    {"GET", "/v1/jobs/22?fields=id,state,final,node,exit_code,exit_signal,restarts,reason", 200,
     "{\"id\":22,\"state\":\"FAILED\",\"exit_code\":0,\"exit_signal\":9}"},
    {"GET", "/v1/jobs?limit=1000&fields=id,state&state=PENDING", 200,
     "{\"jobs\":[{\"id\":5,\"state\":\"PENDING\"}],\"next\":null}"},
    {"GET", "/v1/jobs/5/why", 200,
     "{\"job\":5,\"place\":3,\"estimated_start_time\":\"2026-10-13T12:00:00Z\","
     "\"estimated_node\":\"gpu01\",\"blockers\":[{\"reason\":\"Priority\",\"text\":\"2 jobs are "
     "before it\"}]}"},
    {"GET", "/v1/partitions", 200,
     "{\"partitions\":[{\"name\":\"desktops\",\"default\":true,\"up\":true,\"max_time_sec\":43200}"
     "]}"},
    {"GET", "/v1/nodes", 200,
     "{\"nodes\":[{\"name\":\"gpu01\",\"state\":\"IDLE\",\"cpus\":64,\"cpus_used\":0,"
     "\"partitions\":[\"desktops\"]},{\"name\":\"gpu02\",\"state\":\"IDLE\",\"cpus\":64,"
     "\"cpus_used\":0,\"partitions\":[\"desktops\"]},{\"name\":\"gpu03\",\"state\":\"DRAINED\","
     "\"reason\":\"fan\",\"reason_by\":\"unix:root\",\"cpus\":64,\"partitions\":[\"desktops\"]}"
     "]}"},
    {"PATCH", "/v1/jobs/17", 200, "{\"id\":17}"},
    {"PATCH", "/v1/nodes/gpu01", 200, "{}"},
    {"PATCH", "/v1/nodes/gpu02", 200, "{}"},
    {"POST", "/v1/jobs/17/resume", 200, "{}"},
    {"POST", "/v1/jobs/17/extend", 200, "{}"},
    {"POST", "/v1/tokens", 201, "{\"token\":\"sEcReT\",\"id\":\"t1\"}"},
    {NULL},
};

/* Submits: the name of the job says what becomes of it. */
static unsigned submit(const struct http_request *r, struct buf *out)
{
    size_t len;
    const char *body = http_request_body(r, &len);
    buf_printf(out, "{\"id\":%d,\"kind\":\"batch\"}", strstr(body, "\"signalled\"") ? 22 : 21);
    return 201;
}

static void every_failure_has_its_exit_code(void **state)
{
    assert_string_equal(scripted_run("vdicancel 17", 0), "");
    assert_string_equal(scripted_run("vdicancel 409", 1),
                        "vdicancel: job 409 has ended (limit: once); do nothing\n");
    scripted_run("vdicancel 500", 1);
    scripted_run("vdicancel --no-such 17", 2);
    scripted_run("vdicancel", 2);
    assert_string_equal(scripted_run("vdicancel 404", 3),
                        "vdicancel: no such job: 404; vdiqueue --me lists yours\n");
    scripted_run("vdicancel 403", 4);
    scripted_run("vdisubmit --test-only --wrap true", 6);
    char command[256];
    snprintf(command, sizeof(command), "vdicancel 17");
    setenv("VDI_URL", "unix:/nonexistent/socket", 1);
    scripted_run(command, 5);
    setenv("VDI_URL", scripted_url, 1);
}

static void wait_returns_the_jobs_own_code(void **state)
{
    assert_string_equal(scripted_run("vdisubmit --parsable --wait --wrap true", 7), "21\n");
    scripted_run("vdisubmit --parsable --wait -J signalled --wrap true", 128 + 9);
}

static void submit_sends_one_key_and_prints_the_id(void **state)
{
    assert_string_equal(scripted_run("vdisubmit --wrap true", 0), "Submitted batch job 21\n");
    char first[40], second[40];
    assert_int_equal(sscanf(scripted_requests(), "POST /v1/jobs %32s", first), 1);
    scripted_run("vdisubmit --wrap true", 0);
    assert_int_equal(sscanf(scripted_requests(), "POST /v1/jobs %32s", second), 1);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    assert_string_not_equal(first, second);
    scripted_run("vdisubmit --idempotency-key=mine --wrap true", 0);
    assert_true(str_starts_with(scripted_requests(), "POST /v1/jobs mine {"));
}

static void line_beats_environment_beats_script(void **state)
{
    char path[96], command[256];
    snprintf(path, sizeof(path), "%s/job.sh", scripted_dir);
    FILE *f = fopen(path, "w");
    fputs("#!/bin/sh\n#VDI -p script -q script -A script\n#SBATCH --mem=1G\n", f);
    fclose(f);
    snprintf(command, sizeof(command), "vdisubmit --export=NONE -p line %s a 'b c'", path);
    setenv("VDISUBMIT_PARTITION", "environment", 1);
    setenv("VDISUBMIT_QOS", "environment", 1);
    char *said = scripted_run(command, 0);
    assert_non_null(strstr(said, "1 #SBATCH lines were not read"));
    unsetenv("VDISUBMIT_PARTITION");
    unsetenv("VDISUBMIT_QOS");
    assert_non_null(strstr(scripted_requests(), "\"partition\":\"line\",\"qos\":\"environment\","
                                                "\"account\":\"script\""));
    assert_non_null(strstr(scripted_requests(), "\"args\":[\"a\",\"b c\"]"));
    assert_null(strstr(scripted_requests(), "memory_mib"));
    setenv("VDISUBMIT_NO_SUCH", "x", 1);
    scripted_run(command, 2);
    unsetenv("VDISUBMIT_NO_SUCH");
    assert_string_equal(scripted_requests(), "");
}

static void nothing_refused_is_ever_sent(void **state)
{
    assert_non_null(strstr(scripted_run("vdisubmit --prefer=a40 --wrap true", 2), "--constraint"));
    scripted_run("vdisubmit --desktop cad --wrap true", 2);
    scripted_run("vdisubmit --desktop cad script", 2);
    scripted_run("vdisubmit /nonexistent", 2);
    scripted_run("vdisubmit", 2);
    assert_string_equal(scripted_requests(), "");
}

static void the_queue_goes_through_its_pages(void **state)
{
    assert_string_equal(scripted_run("vdiqueue -u alice -o '%.4i %u'", 0),
                        "JOBI USER\n   2 alice\n  10 alice\n");
    assert_string_equal(scripted_run("vdiqueue -h -u alice -S -i -o '%i %u'", 0),
                        "10 alice\n2 alice\n");
    assert_string_equal(scripted_run("vdiqueue -h -u alice,bob -w gpu[01-02] -o %i", 0), "1\n2\n");
    scripted_run("vdiqueue -o %~", 2);
    scripted_run("vdiqueue --follow -u alice", 2);
    scripted_run("vdiqueue -t NOSUCH", 2);
}

static void why_names_every_blocker(void **state)
{
    assert_string_equal(scripted_run("vdiqueue --why", 0),
                        "job 5: place 3, expected to start at 2026-10-13T12:00:00 on gpu01\n"
                        "  Priority: 2 jobs are before it\n");
}

static void cancel_by_filter_ends_what_was_listed(void **state)
{
    scripted_run("vdicancel --me -t PD,R", 0);
    assert_non_null(strstr(scripted_requests(), "DELETE /v1/jobs/17 \nDELETE /v1/jobs/18 \n"));
    scripted_run("vdicancel -s USR1 17", 0);
    assert_non_null(strstr(scripted_requests(), "DELETE /v1/jobs/17?signal=10"));
    scripted_run("vdicancel 17-18,404", 3);
    scripted_run("vdicancel -Q 17-18,404", 0);
    scripted_run("vdicancel -i 17", 0); /* no answer is a no */
    assert_string_equal(scripted_requests(), "");
    scripted_run("vdicancel 1-9999999999", 2);
    scripted_run("vdicancel 18-17", 2);
}

static void nodes_that_look_alike_are_one_line(void **state)
{
    assert_string_equal(scripted_run("vdiinfo", 0),
                        "PARTITION AVAIL TIMELIMIT  NODES  STATE  NODELIST\n"
                        "desktops* up    12:00:00   2      idle   gpu[01-02]\n"
                        "desktops* up    12:00:00   1      drain  gpu03\n");
    assert_string_equal(scripted_run("vdiinfo -h -o '%C %N'", 0), "0/128/64/192 gpu[01-03]\n");
    assert_string_equal(scripted_run("vdiinfo -h -N -o '%N %t' -n gpu[02-03]", 0),
                        "gpu02 idle\ngpu03 drain\n");
    assert_string_equal(scripted_run("vdiinfo -h -R -o '%E %u %N'", 0), "fan root gpu03\n");
}

static void job_and_node_verbs_are_never_mixed_up(void **state)
{
    scripted_run("vdictl resume 17", 0);
    assert_string_equal(scripted_requests(), "POST /v1/jobs/17/resume \n");
    assert_non_null(strstr(scripted_run("vdictl resume gpu01", 2), "vdictl node resume gpu01"));
    scripted_run("vdictl drain gpu01", 2);
    scripted_run("vdictl drain gpu[01-02] --reason 'new \"fan\"'", 0);
#define DRAIN " {\"state\":\"drain\",\"reason\":\"new \\\"fan\\\"\"}\n"
    assert_string_equal(scripted_requests(),
                        "PATCH /v1/nodes/gpu01" DRAIN "PATCH /v1/nodes/gpu02" DRAIN);
    scripted_run("vdictl node resume gpu01", 0);
    scripted_run("vdictl resume node gpu01", 0);
    scripted_run("vdictl hold", 2);
    scripted_run("vdictl hold 17 --reason x", 2);
    scripted_run("vdictl fly", 2);
}

static void update_takes_people_s_words(void **state)
{
    scripted_run("vdictl update job 17 time_limit=4h memory=2G begin=2026-10-13T12:00:00Z name=x=y "
                 "requeue=no",
                 0);
    assert_string_equal(scripted_requests(),
                        "PATCH /v1/jobs/17 {\"time_limit_sec\":14400,"
                        "\"memory_mib\":2048,\"begin_time\":\"2026-10-13T12:00:00Z\","
                        "\"name\":\"x=y\",\"requeue\":false}\n");
    scripted_run("vdictl update job 17 uid=0", 2);
    scripted_run("vdictl update job 17 nosuch=1", 2);
    scripted_run("vdictl update job 17 cpus=many", 2);
    scripted_run("vdictl update job x cpus=1", 2);
    scripted_run("vdictl extend 17 +30m", 0);
    assert_string_equal(scripted_requests(), "POST /v1/jobs/17/extend {\"seconds\":1800}\n");
    scripted_run("vdictl extend 17 30m", 2);
}

static void tokens_are_the_owners_alone(void **state)
{
    char path[96], command[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/token", scripted_dir);
    snprintf(command, sizeof(command), "vdictl token issue -o %s", path);
    assert_string_equal(scripted_run(command, 0), "");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    setenv("VDI_TOKEN_FILE", path, 1);
    setenv("VDI_URL", "http://127.0.0.1:9", 1);
    scripted_run("vdictl ping", 5); /* discard: nobody there */
    chmod(path, 0644);
    assert_non_null(strstr(scripted_run("vdictl ping", 4), "chmod 600"));
    unsetenv("VDI_TOKEN_FILE");
    setenv("VDI_URL", scripted_url, 1);
}

static int setup(void **state)
{
    return scripted_start(answers, submit);
}

static int teardown(void **state)
{
    return scripted_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_has_its_exit_code),
        cmocka_unit_test(wait_returns_the_jobs_own_code),
        cmocka_unit_test(submit_sends_one_key_and_prints_the_id),
        cmocka_unit_test(line_beats_environment_beats_script),
        cmocka_unit_test(nothing_refused_is_ever_sent),
        cmocka_unit_test(the_queue_goes_through_its_pages),
        cmocka_unit_test(why_names_every_blocker),
        cmocka_unit_test(cancel_by_filter_ends_what_was_listed),
        cmocka_unit_test(nodes_that_look_alike_are_one_line),
        cmocka_unit_test(job_and_node_verbs_are_never_mixed_up),
        cmocka_unit_test(update_takes_people_s_words),
        cmocka_unit_test(tokens_are_the_owners_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
