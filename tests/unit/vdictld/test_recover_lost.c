/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_recover_lost.c - which jobs are held after damage: those about which an event may
 * be lost, all of them and no other.
 */
#include <inttypes.h>
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
#include "vdictld/record.h"

#define N_JOBS 12

/* 0, or what the state table says. */
static int act(struct memory_events *m, uint64_t id, enum job_event_type type)
{
    static int64_t now = INT64_C(1700000000000000);
    struct job_event event = {.type = type, .time_usec = ++now, .instance = id, .generation = 1};
    struct txn *txn = txn_new(m->events);

    if (type == JOB_EVENT_SUBMIT) {
        event.spec = job_spec_new();
        job_spec_set(&event.spec->owner, "unix:anna");
    }
    if (type == JOB_EVENT_END)
        event.final = JOB_CANCELLED;
    str_copy(event.node, sizeof(event.node), "n1");
    int r = txn_add(txn, NOUN_JOB, id, NULL, &event, NULL);
    job_event_done(&event);
    if (r < 0) {
        txn_abort(txn);
        return r;
    }
    memory_events_commit(m, txn, NULL);
    memory_events_wait(m);
    return 0;
}

static void submit(struct memory_events *m, unsigned n)
{
    while (n--)
        assert_int_equal(act(m, events_next_id(m->events, NOUN_JOB), JOB_EVENT_SUBMIT), 0);
}

static bool is_held(struct memory_events *m, uint64_t id)
{
    const struct job *job = memory_events_pub(m, NOUN_JOB, id, NULL);

    assert_non_null(job);
    assert_false(job->unknown && job_state_is_end(job->state));
    return job->unknown;
}

/* A snapshot that can't be read while the one before and the log give everything. */
static void nothing_lost_nothing_held(void **state)
{
    struct memory_events m;

    memory_events_new(&m);
    submit(&m, 3);
    assert_int_equal(act(&m, 2, JOB_EVENT_ALLOC), 0);
    memory_events_snapshot(&m);
    submit(&m, 1);
    m.store.tell_damage = true;
    memory_events_restart(&m);
    assert_true(events_damaged(m.events)); /* it is told all the same */
    for (uint64_t id = 1; id <= 4; id++)
        assert_false(is_held(&m, id));
    assert_true(events_next_id(m.events, NOUN_JOB) >= m.store.id_reserve);
    /* The next round writes a snapshot in place of the bad one. */
    assert_true(events_since_snapshot(m.events) == UINT64_MAX);
    memory_events_snapshot(&m);
    assert_int_equal(events_since_snapshot(m.events), 0);
    m.store.tell_damage = false;
    memory_events_restart(&m);
    assert_false(events_damaged(m.events));
    assert_int_equal(events_since_snapshot(m.events), 0);
    memory_events_done(&m);
}

/* Told damage of a snapshot must not make a whole log count as broken. */
static void an_event_that_does_not_fit(void **state)
{
    for (int told = 0; told < 2; told++) {
        struct memory_events m;
        struct vdi_store_record *r;

        memory_events_new(&m);
        submit(&m, 2);
        assert_int_equal(act(&m, 1, JOB_EVENT_ALLOC), 0);
        submit(&m, 1);
        r = &m.store.records[2];
        free((char *)r->type);
        r->type = strdup("start"); /* of a job that is pending */
        record_seal(r);
        m.store.tell_damage = told;
        memory_events_restart(&m);
        assert_true(events_damaged(m.events));
        assert_true(is_held(&m, 1));
        assert_true(is_held(&m, 2));
        assert_false(is_held(&m, 3));
        memory_events_done(&m);
    }
}

/* What fits behind the gap proves nothing about what is in it. */
static void an_event_behind_the_gap_that_fits(void **state)
{
    struct memory_events m;

    memory_events_new(&m);
    submit(&m, 2);
    assert_int_equal(act(&m, 2, JOB_EVENT_HOLD), 0);
    assert_int_equal(act(&m, 1, JOB_EVENT_ALLOC), 0);
    memory_store_flip(&m.store, 2);
    memory_events_restart(&m);
    assert_true(is_held(&m, 1));
    assert_true(is_held(&m, 2));
    memory_events_done(&m);
}

static void two_gaps(void **state)
{
    struct memory_events m;

    memory_events_new(&m);
    submit(&m, 5); /* 2 and 4 are lost */
    memory_store_flip(&m.store, 1);
    memory_store_flip(&m.store, 3);
    memory_events_restart(&m);
    assert_true(is_held(&m, 1));
    assert_null(memory_events_pub(&m, NOUN_JOB, 2, NULL));
    assert_true(is_held(&m, 3)); /* began behind the first, before the second */
    assert_null(memory_events_pub(&m, NOUN_JOB, 4, NULL));
    assert_false(is_held(&m, 5));
    memory_events_done(&m);
}

static void the_end_is_lost(void **state)
{
    struct memory_events m;

    memory_events_new(&m);
    submit(&m, 4);
    memory_store_flip(&m.store, 3);
    memory_events_restart(&m);
    for (uint64_t id = 1; id <= 3; id++)
        assert_true(is_held(&m, id));
    memory_events_done(&m);
}

/* Any history, any one event lost: held is what had begun and, as far as is known, not ended. */
static void any_event(void **state)
{
    static const enum job_event_type types[] = {
        JOB_EVENT_SUBMIT, JOB_EVENT_SUBMIT, JOB_EVENT_ALLOC,   JOB_EVENT_START,
        JOB_EVENT_HOLD,   JOB_EVENT_END,    JOB_EVENT_RELEASE,
    };
    size_t n_held = 0, n_whole = 0;

    for (unsigned seed = 1; seed <= 80; seed++) {
        struct memory_events m;
        uint64_t submitted[N_JOBS + 1] = {0}, n_jobs = 0, gap;

        srand(seed);
        memory_events_new(&m);
        for (int i = 0; i < 40; i++) {
            enum job_event_type type = types[(size_t)rand() % (sizeof(types) / sizeof(types[0]))];

            if (type == JOB_EVENT_SUBMIT && n_jobs < N_JOBS) {
                submit(&m, 1);
                submitted[++n_jobs] = m.last_seq;
            } else if (type != JOB_EVENT_SUBMIT && n_jobs) {
                act(&m, 1 + (uint64_t)rand() % n_jobs, type);
            }
        }
        gap = (uint64_t)rand() % m.store.n_records;
        memory_store_flip(&m.store, gap++); /* record i is event i + 1 */
        memory_events_restart(&m);
        for (uint64_t id = 1; id <= n_jobs; id++) {
            const struct job *job = memory_events_pub(&m, NOUN_JOB, id, NULL);

            assert_int_equal(!job, submitted[id] == gap);
            if (!job || job_state_is_end(job->state))
                continue;
            assert_int_equal(job->unknown, submitted[id] < gap);
            n_held += job->unknown;
            n_whole += !job->unknown;
        }
        memory_events_done(&m);
    }
    assert_true(n_held > 20 && n_whole > 20); /* the test tries both */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_lost_nothing_held),
        cmocka_unit_test(an_event_that_does_not_fit),
        cmocka_unit_test(an_event_behind_the_gap_that_fits),
        cmocka_unit_test(two_gaps),
        cmocka_unit_test(the_end_is_lost),
        cmocka_unit_test(any_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
