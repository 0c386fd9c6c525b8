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

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Each byte of the digest is `digest`. */
static int keep(struct idem *idem, const char *owner, const char *key, int digest, uint64_t job,
                int64_t time_usec)
{
    struct job_spec *spec = job_spec_new();
    unsigned char bytes[JOB_DIGEST_BYTES];
    int r;

    memset(bytes, digest, sizeof(bytes));
    job_spec_set(&spec->owner, owner);
    job_spec_set_retry(spec, key, bytes);
    r = idem_put(idem, spec, job, time_usec);
    job_spec_unref(spec);
    return r;
}

static void keys_belong_to_a_principal(void **state)
{
    struct idem *idem = idem_new();
    const unsigned char *digest = NULL;

    assert_int_equal(keep(idem, "unix:anna", "k1", 1, 4, 10), 0);
    assert_int_equal(idem_find(idem, "unix:anna", "k1", &digest), 4);
    assert_int_equal(digest[0], 1);
    assert_int_equal(idem_find(idem, "unix:ben", "k1", &digest), 0);
    assert_int_equal(idem_find(idem, "unix:anna", "k2", &digest), 0);
    keep(idem, "unix:anna", "k1", 2, 5, 11); /* the first stays */
    assert_int_equal(idem_find(idem, "unix:anna", "k1", &digest), 4);
    idem_remove(idem, "unix:anna", "k1");
    assert_int_equal(idem_find(idem, "unix:anna", "k1", &digest), 0);
    idem_remove(idem, "unix:anna", "k1");
    idem_free(idem);
}

static void forgotten_after_a_day(void **state)
{
    struct idem *idem = idem_new();
    const unsigned char *digest;

    keep(idem, "unix:anna", "old", 1, 1, 1000);
    keep(idem, "unix:anna", "new", 1, 2, 2000);
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
    const unsigned char *digest;
    int r, n = 0;

    keep(idem, "unix:anna", "here", 1, 2, 1000);
    keep(idem, "unix:anna", "coming", 2, 3, 1001);
    keep(idem, "unix:anna", "gone", 3, 900, 1002); /* out of memory long ago */
    idem_collect_begin(idem);
    while ((r = collect_one(idem, jobs, again)))
        n += r > 0;
    assert_int_equal(n, 1);
    assert_int_equal(idem_find(again, "unix:anna", "here", &digest), 0);
    assert_int_equal(idem_find(again, "unix:anna", "coming", &digest), 0);
    assert_int_equal(idem_find(again, "unix:anna", "gone", &digest), 900);
    assert_int_equal(digest[0], 3);
    assert_int_equal(digest[JOB_DIGEST_BYTES - 1], 3);
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
    const unsigned char *digest;

    keep(idem, "unix:anna", "a", 1, 900, 1000);
    keep(idem, "unix:anna", "b", 2, 901, 1001);
    keep(idem, "unix:anna", "c", 3, 902, 1002);
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

/* Nothing changes but where owner, key and digest are. */
static void a_key_outlives_its_job(void **state)
{
    struct table *jobs = jobs_with(0, 0);
    struct idem *idem = idem_new(), *again = idem_new();
    struct job *job = calloc(1, sizeof(*job));
    const unsigned char *digest = NULL;

    job->refs = 1;
    job->id = 7;
    job->spec = job_spec_new();
    job_spec_set(&job->spec->owner, "unix:anna");
    job_spec_set_retry(job->spec, "k", (const unsigned char[JOB_DIGEST_BYTES]){4});
    keep(idem, "unix:anna", "before", 1, 6, 10);
    assert_int_equal(idem_put(idem, job->spec, 7, 11), 0);
    keep(idem, "unix:anna", "after", 2, 8, 12);
    idem_collect_begin(idem);
    assert_int_equal(collect_one(idem, jobs, again), 1); /* "before"; "k" is the next */
    idem_outlive(idem, job);
    assert_int_equal(job->spec->refs, 1);
    idem_outlive(idem, job); /* again: nothing */
    job_unref(job);
    assert_int_equal(idem_find(idem, "unix:anna", "k", &digest), 7);
    assert_int_equal(digest[0], 4);
    assert_int_equal(digest[1], 0);
    assert_int_equal(collect_one(idem, jobs, again), 1);
    assert_int_equal(idem_find(again, "unix:anna", "k", &digest), 7);
    assert_int_equal(digest[0], 4);
    idem_expire(idem, 11 + IDEM_KEEP_USEC); /* in its turn */
    assert_int_equal(idem_find(idem, "unix:anna", "k", &digest), 0);
    assert_int_equal(idem_find(idem, "unix:anna", "after", &digest), 8);
    idem_free(idem);
    idem_free(again);
    table_free(jobs);
}

static void other_rows_and_rubbish_are_left_alone(void **state)
{
    struct idem *idem = idem_new();
    const unsigned char *digest;
    struct vdi_store_object rows[] = {
        {.noun = "other", .key = "unix:anna\nk", .body = DIGEST " 1", .body_len = 66},
        {.noun = "retry_key", .key = "k", .body = DIGEST " 1", .body_len = 66},
        {.noun = "retry_key", .key = "unix:anna\nk", .body = DIGEST " 0", .body_len = 66},
        {.noun = "retry_key", .key = "unix:anna\nk", .body = "d 1", .body_len = 3},
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
        cmocka_unit_test(a_key_outlives_its_job),
        cmocka_unit_test(other_rows_and_rubbish_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
