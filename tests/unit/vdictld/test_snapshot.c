/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_snapshot.c - a snapshot stands for one instant, whatever is committed, and leaves
 * memory, while it is gathered.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "memory_store.h"
#include "model/job.h"

static void act(struct memory_events *m, uint64_t id, enum job_event_type type)
{
    static int64_t now = INT64_C(1700000000000000);
    struct job_event event = {.type = type, .time_usec = ++now};
    struct txn *txn = txn_new(m->events);

    if (type == JOB_EVENT_SUBMIT) {
        event.spec = job_spec_new();
        job_spec_set(&event.spec->owner, "unix:anna");
    }
    if (type == JOB_EVENT_END)
        event.final = JOB_CANCELLED;
    assert_int_equal(txn_add(txn, NOUN_JOB, id, NULL, &event, NULL), 0);
    job_event_done(&event);
    memory_events_commit(m, txn, NULL);
}

/* As the sweep does it with keep_done = 0. */
static void forget_ended(struct memory_events *m)
{
    struct table *t = events_table(m->events, NOUN_JOB);

    for (size_t i = 0; i < table_end(t); i++) {
        struct slot *slot = table_at(t, i);
        const struct job *job = slot && slot->pub == slot->staged ? slot->pub : NULL;

        if (job && job_state_is_end(job->state))
            table_remove(t, slot);
    }
}

static void written(void *arg, int result, const struct vdi_error *err)
{
    assert_int_equal(result, 0);
    *(bool *)arg = true;
}

static char *picture(struct memory_events *m)
{
    struct table *t = events_table(m->events, NOUN_JOB);
    struct buf out = BUF_INIT(0);

    for (size_t i = 0; i < table_end(t); i++) {
        const struct slot *slot = table_at(t, i);
        const struct job *job = slot ? slot->pub : NULL;

        if (job && !job_state_is_end(job->state))
            buf_printf(&out, "%" PRIu64 " %" PRIu64 " %d %d\n", job->id, job->seq, job->state,
                       job->held_by_user);
    }
    buf_printf(&out, "%" PRIu64 "\n", events_seq(m->events));
    return buf_take(&out, NULL);
}

static bool has_row(const struct memory_store *s, uint64_t id)
{
    char key[24];

    snprintf(key, sizeof(key), "%" PRIu64, id);
    for (size_t i = 0; i < s->n_rows; i++)
        if (!strcmp(s->rows[i].noun, "job") && !strcmp(s->rows[i].key, key))
            return true;
    return false;
}

static void one_instant(void **state)
{
    struct memory_events m;
    size_t late = 0;

    srand(3);
    memory_events_new(&m);
    for (int i = 0; i < 300; i++)
        act(&m, events_next_id(m.events, NOUN_JOB), JOB_EVENT_SUBMIT);
    memory_events_wait(&m);
    for (uint64_t round = 0; round < 60; round++) {
        uint64_t ends = 1 + 3 * round, held = ends + 1, fresh;
        bool done = false;

        if (rand() % 2) /* the batch is on its way before the instant, or after it */
            assert_int_equal(events_snapshot(m.events, 0, written, &done), 0);
        act(&m, ends, JOB_EVENT_END);
        act(&m, held, JOB_EVENT_HOLD);
        act(&m, fresh = events_next_id(m.events, NOUN_JOB), JOB_EVENT_SUBMIT);
        loop_run_once(m.loop, false);
        if (events_snapshot(m.events, 0, written, &done) == 0)
            assert_int_equal(events_snapshot(m.events, 0, written, &done), -EBUSY);
        while (!done || m.n_pending) {
            loop_run_once(m.loop, true);
            forget_ended(&m);
        }
        late += m.store.snapshot_seq < events_seq(m.events);
        for (size_t i = 0; i < m.store.n_rows; i++)
            assert_in_range(m.store.rows[i].seq, 0, m.store.snapshot_seq);
        if (m.store.snapshot_seq < m.last_seq - 2) { /* before all three */
            assert_true(has_row(&m.store, ends));
            assert_true(has_row(&m.store, held));
            assert_false(has_row(&m.store, fresh));
        }
        char *was = picture(&m);
        memory_events_restart(&m);
        assert_false(events_damaged(m.events));
        char *is = picture(&m);
        assert_string_equal(is, was);
        free(was);
        free(is);
    }
    assert_true(late > 5); /* some had events behind their instant */
    memory_events_done(&m);
}

/* The core ends while a snapshot is being gathered, written or given back. */
static void cut_off(void **state)
{
    for (int rounds = 0; rounds < 12; rounds++) {
        struct memory_events m;
        bool done = false;

        memory_events_new(&m);
        for (int i = 0; i < 100; i++)
            act(&m, events_next_id(m.events, NOUN_JOB), JOB_EVENT_SUBMIT);
        memory_events_wait(&m);
        assert_int_equal(events_snapshot(m.events, 0, written, &done), 0);
        for (int i = 0; i < rounds; i++)
            loop_run_once(m.loop, false);
        memory_events_restart(&m);
        assert_int_equal(table_count(events_table(m.events, NOUN_JOB)), 100);
        memory_events_done(&m);
    }
}

/* Slots move in the table while the walk stands in it. */
static void many_leave_meanwhile(void **state)
{
    struct memory_events m;
    bool done = false;
    const uint64_t n = 10000, left = 100;

    memory_events_new(&m);
    for (uint64_t id = 1; id <= n; id++) {
        act(&m, events_next_id(m.events, NOUN_JOB), JOB_EVENT_SUBMIT);
        if (id % 5000 == 0)
            memory_events_wait(&m);
    }
    for (uint64_t id = 1; id <= n - left; id++) {
        act(&m, id, JOB_EVENT_END);
        if (id % 5000 == 0)
            memory_events_wait(&m);
    }
    memory_events_wait(&m);
    assert_int_equal(events_snapshot(m.events, 0, written, &done), 0);
    loop_run_once(m.loop, true);
    forget_ended(&m);
    while (!done)
        loop_run_once(m.loop, true);
    /* None that is still there was passed over, and none was taken twice. */
    bool *has = calloc(n + 1, sizeof(*has));
    for (size_t i = 0; i < m.store.n_rows; i++) {
        uint64_t id = strtoull(m.store.rows[i].key, NULL, 10);

        assert_true(id <= n && (!id || !has[id]));
        has[id] = true;
    }
    struct table *t = events_table(m.events, NOUN_JOB);
    for (size_t i = 0; i < table_end(t); i++)
        assert_true(!table_at(t, i) || has[table_at(t, i)->id]);
    free(has);
    memory_events_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_instant),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(many_leave_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
