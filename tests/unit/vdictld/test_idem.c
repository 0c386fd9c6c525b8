/* SPDX-License-Identifier: Apache-2.0 */
/* test_idem.c - retry keys: whose, how long, over a snapshot, and never one of an undone job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/job.h"
#include "vdictld/idem.h"

static void keys_belong_to_a_principal(void **state)
{
    struct idem *idem = idem_new();
    const char *digest = NULL;

    assert_int_equal(idem_put(idem, "unix:anna", "k1", "d1", 4, 10), 0);
    assert_int_equal(idem_find(idem, "unix:anna", "k1", &digest), 4);
    assert_string_equal(digest, "d1");
    assert_int_equal(idem_find(idem, "unix:ben", "k1", &digest), 0);
    assert_int_equal(idem_find(idem, "unix:anna", "k2", &digest), 0);
    idem_put(idem, "unix:anna", "k1", "d2", 5, 11); /* the first stays */
    assert_int_equal(idem_find(idem, "unix:anna", "k1", &digest), 4);
    idem_remove(idem, "unix:anna", "k1");
    assert_int_equal(idem_find(idem, "unix:anna", "k1", &digest), 0);
    idem_remove(idem, "unix:anna", "k1");
    idem_free(idem);
}

static void forgotten_after_a_day(void **state)
{
    struct idem *idem = idem_new();
    const char *digest;

    idem_put(idem, "unix:anna", "old", "d", 1, 1000);
    idem_put(idem, "unix:anna", "new", "d", 2, 2000);
    idem_expire(idem, 1000 + IDEM_KEEP_USEC - 1);
    assert_int_equal(idem_find(idem, "unix:anna", "old", &digest), 1);
    idem_expire(idem, 1000 + IDEM_KEEP_USEC);
    assert_int_equal(idem_find(idem, "unix:anna", "old", &digest), 0);
    assert_int_equal(idem_find(idem, "unix:anna", "new", &digest), 2);
    idem_free(idem);
}

static struct table *jobs_with(uint64_t published, uint64_t staged)
{
    struct table *t = table_new(&nouns[NOUN_JOB]);

    for (uint64_t id = 1; id <= staged; id++) {
        struct job *job = calloc(1, sizeof(*job));

        job->refs = 1;
        job->id = id;
        table_stage(t, table_slot(t, id, NULL, true), job);
        if (id <= published)
            table_publish(t, table_slot(t, id, NULL, true), job);
    }
    return t;
}

/* One row of a snapshot, put into `again`. */
static int collect_one(struct idem *idem, struct table *jobs, struct idem *again)
{
    struct events_extra x = {0};
    int r = idem_collect(idem, jobs, &x);

    if (r > 0) {
        struct vdi_store_object row = {
            .noun = x.noun,
            .key = x.key,
            .body = x.body,
            .body_len = strlen(x.body),
            .begin_usec = x.time_usec,
        };

        idem_restore(again, &row);
    }
    free(x.key);
    free(x.body);
    return r;
}

/*
 * A snapshot must not hold the key of a submit that is still on its way to the store: if
 * that is lost in a crash, the retry would be answered with a job that never was. Jobs that
 * are in it have their keys with them.
 */
static void a_snapshot_has_the_keys_of_jobs_that_are_gone(void **state)
{
    struct table *jobs = jobs_with(2, 3);
    struct idem *idem = idem_new(), *again = idem_new();
    const char *digest;
    int r, n = 0;

    idem_put(idem, "unix:anna", "here", "0123", 2, 1000);
    idem_put(idem, "unix:anna", "coming", "4567", 3, 1001);
    idem_put(idem, "unix:anna", "gone", "89ab", 900, 1002); /* out of memory long ago */
    idem_collect_begin(idem);
    while ((r = collect_one(idem, jobs, again)))
        n += r > 0;
    assert_int_equal(n, 1);
    assert_int_equal(idem_find(again, "unix:anna", "here", &digest), 0);
    assert_int_equal(idem_find(again, "unix:anna", "coming", &digest), 0);
    assert_int_equal(idem_find(again, "unix:anna", "gone", &digest), 900);
    assert_string_equal(digest, "89ab");
    idem_expire(again, 1002 + IDEM_KEEP_USEC); /* times came back too */
    assert_int_equal(idem_find(again, "unix:anna", "gone", &digest), 0);
    idem_free(idem);
    idem_free(again);
    table_free(jobs);
}

/* Keys come and go while a snapshot gathers them. */
static void keys_go_while_they_are_collected(void **state)
{
    struct table *jobs = jobs_with(2, 3);
    struct idem *idem = idem_new(), *again = idem_new();
    const char *digest;

    idem_put(idem, "unix:anna", "a", "01", 900, 1000);
    idem_put(idem, "unix:anna", "b", "02", 901, 1001);
    idem_put(idem, "unix:anna", "c", "03", 902, 1002);
    idem_collect_begin(idem);
    assert_int_equal(collect_one(idem, jobs, again), 1);
    idem_remove(idem, "unix:anna", "b"); /* the next */
    idem_remove(idem, "unix:anna", "a"); /* the last one given */
    assert_int_equal(collect_one(idem, jobs, again), 1);
    assert_int_equal(idem_find(again, "unix:anna", "b", &digest), 0);
    assert_int_equal(idem_find(again, "unix:anna", "c", &digest), 902);
    assert_int_equal(collect_one(idem, jobs, again), 0);
    idem_remove(idem, "unix:anna", "c");
    assert_int_equal(collect_one(idem, jobs, again), 0);
    idem_free(idem);
    idem_free(again);
    table_free(jobs);
}

static void other_rows_and_rubbish_are_left_alone(void **state)
{
    struct idem *idem = idem_new();
    const char *digest;
    struct vdi_store_object rows[] = {
        {.noun = "other", .key = "unix:anna\nk", .body = "d 1", .body_len = 3},
        {.noun = "retry_key", .key = "unix:anna\nk", .body = "", .body_len = 0},
        {.noun = "retry_key", .key = "unix:anna\nk", .body = "d", .body_len = 1},
        {.noun = "retry_key", .key = "unix:anna\nk", .body = "d 0", .body_len = 3},
        {.noun = "retry_key", .key = "unix:anna\nk", .body = "d x", .body_len = 3},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        idem_restore(idem, &rows[i]);
    assert_int_equal(idem_find(idem, "unix:anna", "k", &digest), 0);
    idem_free(idem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_belong_to_a_principal),
        cmocka_unit_test(forgotten_after_a_day),
        cmocka_unit_test(a_snapshot_has_the_keys_of_jobs_that_are_gone),
        cmocka_unit_test(keys_go_while_they_are_collected),
        cmocka_unit_test(other_rows_and_rubbish_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
