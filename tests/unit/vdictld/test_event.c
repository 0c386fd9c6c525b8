/* SPDX-License-Identifier: Apache-2.0 */
/* test_event.c - group commit: staged and published, failures undone, ids never given twice. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "memory_store.h"
#include "model/job.h"

static int add_submit(struct txn *txn, uint64_t id, struct vdi_error *err)
{
    struct job_event event = {.type = JOB_EVENT_SUBMIT, .time_usec = (int64_t)id * 1000};
    int r;

    event.spec = job_spec_new();
    job_spec_set(&event.spec->owner, "unix:anna");
    job_spec_set(&event.spec->template_name, "desk");
    r = txn_add(txn, NOUN_JOB, id, NULL, &event, err);
    job_event_done(&event);
    return r;
}

static int add_event(struct txn *txn, uint64_t id, enum job_event_type type, enum job_state final)
{
    struct job_event event = {.type = type, .time_usec = 5000000, .final = final, .instance = 1};

    return txn_add(txn, NOUN_JOB, id, NULL, &event, NULL);
}

static uint64_t submit(struct memory_events *m, int *ret_result)
{
    struct txn *txn = txn_new(m->events);
    uint64_t id = events_next_id(m->events, NOUN_JOB);

    assert_int_equal(add_submit(txn, id, NULL), 0);
    memory_events_commit(m, txn, ret_result);
    return id;
}

static void act(struct memory_events *m, uint64_t id, enum job_event_type type,
                enum job_state final, int *ret_result)
{
    struct txn *txn = txn_new(m->events);

    assert_int_equal(add_event(txn, id, type, final), 0);
    memory_events_commit(m, txn, ret_result);
}

static const struct job *pub(struct memory_events *m, uint64_t id)
{
    return memory_events_pub(m, NOUN_JOB, id, NULL);
}

static const struct job *staged(struct memory_events *m, uint64_t id)
{
    return memory_events_staged(m, NOUN_JOB, id, NULL);
}

static void visible_only_once_durable(void **state)
{
    struct memory_events m;
    int result = 1;
    uint64_t id;

    memory_events_new(&m);
    id = submit(&m, &result);
    assert_non_null(staged(&m, id));
    assert_null(pub(&m, id));
    assert_int_equal(events_seq(m.events), 0);
    memory_events_wait(&m);
    assert_int_equal(result, 0);
    assert_ptr_equal(pub(&m, id), staged(&m, id));
    assert_int_equal(events_seq(m.events), 1);
    act(&m, id, JOB_EVENT_HOLD, 0, NULL);
    assert_true(staged(&m, id)->held_by_user);
    assert_false(pub(&m, id)->held_by_user);
    memory_events_wait(&m);
    assert_true(pub(&m, id)->held_by_user);
    memory_events_done(&m);
}

static void many_share_a_commit(void **state)
{
    enum { N = 1000 };
    struct memory_events m;
    struct events_stats stats;
    static int results[N];

    memory_events_new(&m);
    m.store.slow_usec = 1000;
    for (int i = 0; i < N; i++)
        submit(&m, &results[i]);
    events_stats(m.events, &stats);
    assert_int_equal(stats.waiting, N);
    memory_events_wait(&m);
    events_stats(m.events, &stats);
    assert_int_equal(stats.transactions, N);
    assert_int_equal(stats.records, N);
    assert_int_equal(stats.commits, m.store.appends);
    assert_true(stats.commits <= N / 100);
    assert_int_equal(stats.waiting, 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(results[i], 0);
    assert_false(m.disorder);
    assert_int_equal(m.n_published, N);
    memory_events_done(&m);
}

/*
 * The first commit fails while a second one gathers on top of it: new jobs, events on the
 * new jobs, and events on a job that was there. Everything is as before, and goes on.
 */
static void fail_with(int code)
{
    struct memory_events m;
    int results[5] = {1, 1, 1, 1, 1};
    uint64_t old, first, second, third;

    memory_events_new(&m);
    old = submit(&m, NULL);
    memory_events_wait(&m);
    m.store.fail_append = 2;
    m.store.fail_code = code;
    m.store.slow_usec = 20000;
    first = submit(&m, &results[0]);
    act(&m, old, JOB_EVENT_HOLD, 0, &results[1]);
    while (m.store.appends < 1 || table_count(events_table(m.events, NOUN_JOB)) < 2)
        loop_run_once(m.loop, false);
    loop_run_once(m.loop, false); /* the batch is with the store now */
    second = submit(&m, &results[2]);
    act(&m, first, JOB_EVENT_HOLD, 0, &results[3]);
    act(&m, old, JOB_EVENT_RELEASE, 0, &results[4]);
    memory_events_wait(&m);
    for (int i = 0; i < 5; i++)
        assert_int_equal(results[i], -code);
    assert_null(staged(&m, first));
    assert_null(staged(&m, second));
    assert_int_equal(table_count(events_table(m.events, NOUN_JOB)), 1);
    assert_ptr_equal(pub(&m, old), staged(&m, old));
    assert_false(pub(&m, old)->held_by_user);
    assert_int_equal(m.n_published, 1);
    assert_int_equal(events_seq(m.events), 1);
    third = submit(&m, &results[0]); /* the service resumes */
    memory_events_wait(&m);
    assert_int_equal(results[0], 0);
    assert_true(third > second && second > first && first > old);
    assert_int_equal(events_seq(m.events), 2);
    assert_false(m.disorder);
    memory_events_restart(&m);
    assert_non_null(pub(&m, old));
    assert_non_null(pub(&m, third));
    assert_null(staged(&m, first));
    assert_true(events_next_id(m.events, NOUN_JOB) > third);
    memory_events_done(&m);
}

static void a_failed_commit_undoes_everything(void **state)
{
    fail_with(ENOSPC);
    fail_with(EIO);
    fail_with(EROFS);
}

/* More than one batch waits when the first fails: none of it may be left. */
static void failure_with_a_long_queue(void **state)
{
    struct memory_events m;
    static int results[700];
    size_t failed = 0;

    memory_events_new(&m);
    m.store.fail_append = 1;
    m.store.fail_code = ENOSPC;
    for (int i = 0; i < 700; i++)
        submit(&m, &results[i]);
    memory_events_wait(&m);
    for (int i = 0; i < 700; i++)
        failed += results[i] == -ENOSPC;
    assert_int_equal(failed, 700);
    assert_int_equal(m.store.n_records, 0);
    assert_int_equal(table_count(events_table(m.events, NOUN_JOB)), 0);
    memory_events_done(&m);
}

static void abort_goes_back_step_by_step(void **state)
{
    struct memory_events m;
    struct txn *txn;
    uint64_t old, new_id;
    const struct job *before;

    memory_events_new(&m);
    old = submit(&m, NULL);
    memory_events_wait(&m);
    act(&m, old, JOB_EVENT_HOLD, 0, NULL); /* staged, not yet durable */
    before = staged(&m, old);
    txn = txn_new(m.events);
    new_id = events_next_id(m.events, NOUN_JOB);
    assert_int_equal(add_event(txn, old, JOB_EVENT_RELEASE, 0), 0);
    assert_int_equal(add_event(txn, old, JOB_EVENT_ALLOC, 0), 0);
    assert_int_equal(add_submit(txn, new_id, NULL), 0);
    assert_int_equal(add_event(txn, new_id, JOB_EVENT_HOLD, 0), 0);
    assert_int_equal(add_event(txn, new_id, JOB_EVENT_START, 0), -EPROTO); /* and it lives on */
    assert_int_equal(staged(&m, old)->state, JOB_CONFIGURING);
    txn_abort(txn);
    assert_ptr_equal(staged(&m, old), before);
    assert_null(staged(&m, new_id));
    txn_abort(NULL);
    memory_events_wait(&m);
    assert_true(pub(&m, old)->held_by_user);
    assert_int_equal(m.store.n_records, 2);
    memory_events_done(&m);
}

static void an_empty_one_waits_for_all_before(void **state)
{
    struct memory_events m;
    int before = 1, barrier = 1;

    memory_events_new(&m);
    memory_events_commit(&m, txn_new(m.events), &barrier); /* nothing to wait for */
    memory_events_wait(&m);
    assert_int_equal(barrier, 0);
    m.store.slow_usec = 5000;
    submit(&m, &before);
    loop_run_once(m.loop, false);
    barrier = 1;
    memory_events_commit(&m, txn_new(m.events), &barrier);
    while (barrier == 1)
        loop_run_once(m.loop, true);
    assert_int_equal(before, 0);
    /* Behind a failure it fails: the retry of a lost submit must not be told "done". */
    m.store.fail_all = true;
    m.store.fail_code = ENOSPC;
    before = barrier = 1;
    submit(&m, &before);
    loop_run_once(m.loop, false);
    memory_events_commit(&m, txn_new(m.events), &barrier);
    memory_events_wait(&m);
    assert_int_equal(before, -ENOSPC);
    assert_int_equal(barrier, -ENOSPC);
    memory_events_done(&m);
}

struct order {
    struct memory_events *m;
    uint64_t id;
    bool right, called;
};

static void look(void *arg, int result, const struct vdi_error *err)
{
    struct order *o = arg;

    o->called = true;
    o->right = pub(o->m, o->id) != NULL && o->m->last_seq >= 1;
}

static void published_before_answered(void **state)
{
    struct memory_events m;
    struct order order = {.m = &m};
    struct txn *txn;

    memory_events_new(&m);
    txn = txn_new(m.events);
    order.id = events_next_id(m.events, NOUN_JOB);
    add_submit(txn, order.id, NULL);
    txn_commit(txn, look, &order);
    while (!order.called)
        loop_run_once(m.loop, true);
    assert_true(order.right);
    memory_events_done(&m);
}

static void an_end_goes_to_the_archive(void **state)
{
    struct memory_events m;
    uint64_t id;

    memory_events_new(&m);
    id = submit(&m, NULL);
    act(&m, id, JOB_EVENT_END, JOB_CANCELLED, NULL);
    memory_events_wait(&m);
    assert_int_equal(m.store.n_archive, 1);
    assert_string_equal(m.store.archive[0].noun, "job");
    assert_string_equal(m.store.archive[0].key, "1");
    assert_string_equal(m.store.archive[0].owner, "unix:anna");
    assert_string_equal(m.store.archive[0].state, "CANCELLED");
    assert_int_equal(m.store.archive[0].seq, 2);
    assert_true(m.store.archive[0].end_usec > 0);
    memory_events_done(&m);
}

/* Every record was numbered without a gap and its reserve is above every id given out. */
static void numbered_without_gaps(void **state)
{
    struct memory_events m;
    uint64_t last = 0;

    memory_events_new(&m);
    m.store.fail_append = 2;
    m.store.fail_code = EIO;
    for (int i = 0; i < 40; i++) {
        last = submit(&m, NULL);
        if (i % 3 == 0)
            memory_events_wait(&m);
    }
    memory_events_wait(&m);
    for (size_t i = 0; i < m.store.n_records; i++)
        assert_int_equal(m.store.records[i].seq, i + 1);
    assert_true(m.store.id_reserve > last);
    memory_events_done(&m);
}

/* Dropped at the end of the process: told so, undone, nothing leaks. */
static void stopped_with_commits_under_way(void **state)
{
    struct memory_events m;
    static int results[4] = {1, 1, 1, 1};

    memory_events_new(&m);
    m.store.slow_usec = 10000;
    for (int i = 0; i < 4; i++) {
        submit(&m, &results[i]);
        loop_run_once(m.loop, false);
    }
    memory_events_restart(&m);
    for (int i = 0; i < 4; i++)
        assert_true(results[i] <= 1); /* durable and answered, refused, or never answered */
    for (size_t i = 0; i < m.store.n_records; i++)
        assert_non_null(pub(&m, i + 1));
    memory_events_done(&m);
}

static void an_event_too_large_is_named(void **state)
{
    struct memory_events m;
    struct job_event event = {.type = JOB_EVENT_SUBMIT};
    struct vdi_error err = {0};
    struct txn *txn;

    memory_events_new(&m);
    event.spec = job_spec_new();
    event.payload = malloc((9u << 20) + 1);
    memset(event.payload, ' ', 9u << 20);
    event.payload[9u << 20] = '\0';
    txn = txn_new(m.events);
    assert_int_equal(txn_add(txn, NOUN_JOB, 1, NULL, &event, &err), -EFBIG);
    assert_true(*err.limit);
    txn_abort(txn);
    job_event_done(&event);
    memory_events_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(visible_only_once_durable),
        cmocka_unit_test(many_share_a_commit),
        cmocka_unit_test(a_failed_commit_undoes_everything),
        cmocka_unit_test(failure_with_a_long_queue),
        cmocka_unit_test(abort_goes_back_step_by_step),
        cmocka_unit_test(an_empty_one_waits_for_all_before),
        cmocka_unit_test(published_before_answered),
        cmocka_unit_test(an_end_goes_to_the_archive),
        cmocka_unit_test(numbered_without_gaps),
        cmocka_unit_test(stopped_with_commits_under_way),
        cmocka_unit_test(an_event_too_large_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
