/* SPDX-License-Identifier: Apache-2.0 */
/* test_dependency.c - the words of --dependency, and which facts meet which of them */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/time.h"
#include "model/dependency.h"

#define W DEPENDENCY_WAITS
#define M DEPENDENCY_MET
#define N DEPENDENCY_NEVER

static struct dependency parse(const char *text)
{
    struct dependency d = {.n = 0};
    struct vdi_error err = {0};

    assert_int_equal(dependency_parse(text, &d, &err), 0);
    return d;
}

static void is_clause(const struct dependency *d, size_t i, enum dependency_type type, uint64_t job,
                      uint32_t delay_min)
{
    assert_true(i < d->n);
    assert_int_equal(d->clauses[i].type, type);
    assert_int_equal(d->clauses[i].job, job);
    assert_int_equal(d->clauses[i].delay_min, delay_min);
}

static void words_are_read(void **state)
{
    struct dependency d = parse("");
    char name[40];

    assert_int_equal(d.n, 0);
    dependency_done(&d);
    d = parse("after:1:2+90,afterok:3:4,singleton");
    assert_int_equal(d.n, 5);
    assert_false(d.any);
    is_clause(&d, 0, DEPENDENCY_AFTER, 1, 0);
    is_clause(&d, 1, DEPENDENCY_AFTER, 2, 90);
    is_clause(&d, 2, DEPENDENCY_AFTEROK, 3, 0);
    is_clause(&d, 3, DEPENDENCY_AFTEROK, 4, 0);
    is_clause(&d, 4, DEPENDENCY_SINGLETON, 0, 0);
    dependency_done(&d);
    d = parse("after:12_4+7,afterok:12_0:13");
    is_clause(&d, 0, DEPENDENCY_AFTER, 12, 7);
    assert_true(d.clauses[0].has_task);
    assert_int_equal(d.clauses[0].task, 4);
    assert_true(d.clauses[1].has_task);
    assert_false(d.clauses[2].has_task);
    assert_string_equal(dependency_job_name(&d.clauses[0], name), "12_4");
    assert_string_equal(dependency_job_name(&d.clauses[2], name), "13");
    dependency_done(&d);
    d = parse("afternotok:9?afterany:9223372036854775807");
    assert_true(d.any);
    is_clause(&d, 0, DEPENDENCY_AFTERNOTOK, 9, 0);
    is_clause(&d, 1, DEPENDENCY_AFTERANY, INT64_MAX, 0);
    dependency_done(&d);
}

static void what_is_none_is_refused(void **state)
{
    static const char *const bad[] = {
        "1",
        "afterok",
        "afterok:",
        "afterok:0",
        "afterok:-1",
        "afterok:1:",
        "afterok:1,",
        ",afterok:1",
        "afterok:1,,",
        "afterok:1?afterok:2,singleton",
        "afterok:1+5",
        "after:1+",
        "after:1+soon",
        "after:1+999999",
        "after:1+-1",
        "singleton:1",
        "afterok:1_",
        "afterok:1_-1",
        "afterok:_1",
        "afterok:1_2_3",
        "aftercorr:1",
        "expand:1",
        "afterburstbuffer:1",
        "AFTEROK:1",
        "after ok:1",
        "afterok:1 ",
        "afterok:99999999999999999999",
        "before:1",
        "?",
    };
    struct dependency d;
    struct vdi_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int r = dependency_parse(bad[i], &d, &err);

        if (r != -EINVAL)
            print_error("'%s'\n", bad[i]);
        assert_int_equal(r, -EINVAL);
        assert_string_equal(err.field, "dependency");
        assert_true(*err.remedy);
    }
}

static void there_is_a_most(void **state)
{
    struct buf text = BUF_INIT(0);
    struct dependency d;
    struct vdi_error err;

    buf_puts(&text, "afterok");
    for (int i = 1; i <= DEPENDENCY_MAX; i++)
        buf_printf(&text, ":%d", i);
    d = parse(text.data);
    assert_int_equal(d.n, DEPENDENCY_MAX);
    dependency_done(&d);
    buf_puts(&text, ":1");
    assert_int_equal(dependency_parse(text.data, &d, &err), -ERANGE);
    assert_string_equal(err.limit, "256 conditions");
    buf_done(&text);
}

static enum dependency_state look(const char *text, const struct dependency_facts *facts,
                                  int64_t *due)
{
    struct dependency d = parse(text);
    enum dependency_state s = dependency_look(&d.clauses[0], facts, 1000 * USEC_PER_SEC, due);

    dependency_done(&d);
    return s;
}

static void facts_meet_conditions(void **state)
{
    static const struct dependency_facts waits = {0},
                                         runs = {.started = true, .start_usec = 900 * USEC_PER_SEC},
                                         part = {.failed = true},
                                         good = {true, true, false, 900 * USEC_PER_SEC},
                                         bad = {true, true, true, 900 * USEC_PER_SEC};
    static const struct {
        const char *text;
        enum dependency_state waits, runs, good, bad;
    } rows[] = {
        {"after:1", W, M, M, M},    {"after:1+1", W, M, M, M}, {"after:1+2", W, W, W, W},
        {"afterany:1", W, W, M, M}, {"afterok:1", W, W, M, N}, {"afternotok:1", W, W, N, M},
    };
    int64_t due;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(look(rows[i].text, &waits, &due), rows[i].waits);
        assert_int_equal(due, 0);
        assert_int_equal(look(rows[i].text, &runs, &due), rows[i].runs);
        assert_int_equal(look(rows[i].text, &good, &due), rows[i].good);
        assert_int_equal(look(rows[i].text, &bad, &due), rows[i].bad);
    }
    /* Of an array's tasks one has failed, and others have not started. */
    assert_int_equal(look("afterok:1", &part, &due), N);
    assert_int_equal(look("afternotok:1", &part, &due), W);
    assert_int_equal(look("afterany:1", &part, &due), W);
    assert_int_equal(look("after:1", &part, &due), W);
    look("after:1+2", &runs, &due);
    assert_int_equal(due, 1020 * USEC_PER_SEC);
}

static void conditions_are_joined(void **state)
{
    static const struct {
        enum dependency_state a, b, all, any;
    } rows[] = {
        {W, W, W, W}, {W, M, W, M}, {W, N, N, W}, {M, M, M, M}, {M, N, N, M}, {N, N, N, N},
    };
    struct dependency d = parse("afterok:1,afterok:2");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const enum dependency_state ab[] = {rows[i].a, rows[i].b}, ba[] = {rows[i].b, rows[i].a};

        d.any = false;
        assert_int_equal(dependency_join(&d, ab), rows[i].all);
        assert_int_equal(dependency_join(&d, ba), rows[i].all);
        d.any = true;
        assert_int_equal(dependency_join(&d, ab), rows[i].any);
        assert_int_equal(dependency_join(&d, ba), rows[i].any);
    }
    dependency_done(&d);
    d = parse("");
    assert_int_equal(dependency_join(&d, NULL), DEPENDENCY_MET);
    dependency_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_read),        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(there_is_a_most),       cmocka_unit_test(facts_meet_conditions),
        cmocka_unit_test(conditions_are_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
