/* SPDX-License-Identifier: Apache-2.0 */
/* test_job_file.c - -o and -e: sbatch's symbols, and those that are none */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/job_file.h"

static const char *named(const char *pattern, const char *work_dir, char *ret, size_t size)
{
    struct job_spec spec = {.owner = "unix:ada",
                            .name = "../night run",
                            .work_dir = (char *)work_dir,
                            .output = (char *)pattern};
    struct job job = {.id = 42, .spec = &spec, .node = "gpu01.example.org"};
    struct buf out = BUF_INIT(0);

    job_file_name(&job, 0, pattern, &out);
    assert_false(out.failed);
    strncpy(ret, out.data ? out.data : "", size - 1);
    ret[size - 1] = '\0';
    buf_done(&out);
    return ret;
}

static void symbols_are_filled_in(void **state)
{
    static const struct {
        const char *pattern, *want;
    } rows[] = {
        {"", ""},
        {"plain", "/srv/ada/plain"},
        {"/tmp/%j.out", "/tmp/42.out"},
        {"/%A-%6j-%2n", "/42-000042-00"},
        {"/%u/%x@%N", "/ada/.._night run@gpu01"},
        {"/%%j%%", "/%j%"},
        {"/\\%j", "/%j"},
        {"/%99999999999999999999j", "/0000000042"},
    };
    char got[128];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(named(rows[i].pattern, "/srv/ada", got, sizeof(got)), rows[i].want);
    assert_string_equal(named("x%j", "", got, sizeof(got)), "x42");
}

static void a_task_has_two_numbers(void **state)
{
    struct job_spec spec = {.owner = "unix:ada", .name = "n", .work_dir = ""};
    struct job job = {.id = 45, .array_id = 42, .array_task = 7, .spec = &spec, .node = "n1"};
    struct buf out = BUF_INIT(0);
    struct vdi_error err;

    job_file_name(&job, 0, "/%A_%a.%j-%3a", &out);
    assert_string_equal(out.data, "/42_7.45-007");
    buf_done(&out);
    assert_int_equal(job_file_check("output", "%A_%a", true, &err), 0);
    assert_true(job_file_check("output", "%A_%a", false, &err) < 0);
    assert_non_null(strstr(err.remedy, "--array"));
}

/* Two can't append to one file. */
static void each_node_has_its_file(void **state)
{
    static const struct {
        const char *pattern, *first, *third;
    } rows[] = {
        {"%j.out", "/42.out", "/42.out.2"},
        {"%n/%2n", "/0/00", "/2/02"},
        {"x-%N", "/x-n3", "/x-n3"},
        {"\\%n", "/%n", "/%n.2"},
        {"%%n", "/%n", "/%n.2"},
        {"", "", ""},
    };
    struct job_spec spec = {.owner = "unix:ada", .name = "n", .work_dir = "", .nodes = 3};
    struct job job = {.id = 42, .spec = &spec, .node = "n3"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (uint32_t node_id = 0; node_id < 3; node_id += 2) {
            const char *want = node_id ? rows[i].third : rows[i].first;
            struct buf out = BUF_INIT(0), pattern = BUF_INIT(0);

            buf_printf(&pattern, "%s%s", *rows[i].pattern ? "/" : "", rows[i].pattern);
            job_file_name(&job, node_id, pattern.data ? pattern.data : "", &out);
            assert_string_equal(out.data ? out.data : "", want);
            buf_done(&pattern);
            buf_done(&out);
        }
}

static void what_is_no_symbol_is_refused(void **state)
{
    static const char *const bad[] = {"%b", "a%", "%12", "%j.%t", "%-3j", "%J"};
    struct vdi_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(job_file_check("output", bad[i], true, &err) < 0);
        assert_string_equal(err.field, "output");
        assert_string_equal(err.limit, JOB_FILE_SYMBOLS);
    }
    job_file_check("error", "%j.%t.err", true, &err);
    assert_string_equal(err.detail, "'%t' in '%j.%t.err' is no symbol of a file name here");
    assert_int_equal(job_file_check("output", "", true, &err), 0);
    assert_int_equal(job_file_check("output", "%j%A%u%x%N%n%%%03j", true, &err), 0);
    assert_int_equal(job_file_check("output", "\\%q", true, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_are_filled_in),
        cmocka_unit_test(a_task_has_two_numbers),
        cmocka_unit_test(each_node_has_its_file),
        cmocka_unit_test(what_is_no_symbol_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
