/* SPDX-License-Identifier: Apache-2.0 */
/* test_sweep.c - the lease is renewed while it is ours, and its loss ends the controller. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/time.h"
#include "memory_store.h"
#include "vdictld/idem.h"
#include "vdictld/sweep.h"

#define OURS 7u /* the epoch of the lease with which we began */

static struct world {
    struct core core;
    struct config config;
    struct memory_store store;
    struct source *end;
    bool ended;                /* by the clock: nobody stopped the loop before */
    int renewals, answer_from; /* the renewal from which on the store answers so */
    int result;
    uint64_t epoch;
} w;

static int lease(void *store, const char *holder, int64_t now_usec, int64_t ttl_usec,
                 uint64_t *ret_epoch, struct vdi_error *err)
{
    bool now = ++w.renewals >= w.answer_from;

    if (now && w.result < 0)
        return error_set(err, -w.result, "lease", "told to fail");
    *ret_epoch = now ? w.epoch : OURS;
    return 0;
}

static void published(void *arg, const struct published *p)
{
}

static void time_is_up(void *arg)
{
    w.ended = true;
    loop_stop(w.core.loop);
}

/* Ten minutes, in which the store answers the third renewal and all later ones so. */
static void run(int result, uint64_t epoch)
{
    struct vdi_error err = {0};

    memset(&w, 0, sizeof(w));
    w.answer_from = 3;
    w.result = result;
    w.epoch = epoch;
    w.core.config = &w.config;
    w.core.holder = "test";
    w.core.store_ops = memory_store_ops;
    w.core.store_ops.lease = lease;
    w.core.loop = loop_new_virtual(INT64_C(1000000) * USEC_PER_SEC);
    w.core.store_worker = workers_new(w.core.loop, "store", 1, 16);
    w.core.snapshot_worker = workers_new(w.core.loop, "snapshot", 1, 1);
    w.core.events = events_new(w.core.loop, w.core.store_worker, w.core.snapshot_worker,
                               &w.core.store_ops, published, &w.core);
    assert_int_equal(events_load(w.core.events, &w.store, OURS, &err), 0);
    w.core.idem = idem_new();
    w.core.sweep = sweep_new(&w.core);
    w.end = loop_timer(w.core.loop, 600 * USEC_PER_SEC, time_is_up, NULL);
    loop_run(w.core.loop);
    source_free(w.end);
    workers_free(w.core.snapshot_worker);
    workers_free(w.core.store_worker);
    sweep_free(w.core.sweep);
    idem_free(w.core.idem);
    events_free(w.core.events);
    loop_free(w.core.loop);
    memory_store_done(&w.store);
}

static void renewed_while_it_is_ours(void **state)
{
    run(0, OURS);
    assert_true(w.ended);
    assert_false(w.core.deposed);
    assert_true(w.renewals > 50);
}

/* The database may come back: what can't be written is refused until then. */
static void an_error_is_tried_again(void **state)
{
    run(-EIO, 0);
    assert_true(w.ended);
    assert_true(w.renewals > 50);
}

static void ends_when_another_leads(void **state)
{
    run(-EBUSY, 0);
    assert_false(w.ended);
    assert_true(w.core.deposed && w.core.stopping);
    assert_int_equal(w.renewals, 3);
}

/* Ours had run out, another led and is gone: the lease is given, with a new epoch. */
static void ends_when_another_has_led(void **state)
{
    run(0, OURS + 2);
    assert_false(w.ended);
    assert_true(w.core.deposed && w.core.stopping);
    assert_int_equal(w.renewals, 3);
}

static void submit(uint64_t id, int64_t time_usec, uint32_t script_bytes)
{
    struct job_event event = {.type = JOB_EVENT_SUBMIT, .time_usec = time_usec};
    struct txn *txn = txn_new(w.core.events);

    event.spec = job_spec_new();
    event.spec->script_bytes = script_bytes;
    assert_int_equal(txn_add(txn, NOUN_JOB, id, NULL, &event, NULL), 0);
    job_event_done(&event);
    txn_commit(txn, NULL, NULL);
}

/* A script is in its submit event alone: that stays until its job has ended. */
static void scripts_of_waiting_jobs_stay(void **state)
{
    const int64_t now = INT64_C(100000000) * USEC_PER_SEC, day = INT64_C(86400) * USEC_PER_SEC;
    struct job_event end = {.type = JOB_EVENT_END, .time_usec = now, .final = JOB_CANCELLED};
    struct vdi_error err = {0};
    struct txn *txn;

    memset(&w, 0, sizeof(w));
    w.config.keep_events_sec = 30 * 86400;
    w.core.config = &w.config;
    w.core.store_ops = memory_store_ops;
    w.core.loop = loop_new_virtual(now);
    w.core.store_worker = workers_new(w.core.loop, "store", 1, 16);
    w.core.snapshot_worker = workers_new(w.core.loop, "snapshot", 1, 1);
    w.core.events = events_new(w.core.loop, w.core.store_worker, w.core.snapshot_worker,
                               &w.core.store_ops, published, &w.core);
    assert_int_equal(events_load(w.core.events, &w.store, OURS, &err), 0);
    assert_int_equal(sweep_trim_usec(&w.core), now - 30 * day);
    submit(1, now - 90 * day, 0);
    submit(2, now - 60 * day, 100);
    submit(3, now - 10 * day, 100);
    assert_int_equal(sweep_trim_usec(&w.core), now - 60 * day);
    txn = txn_new(w.core.events);
    assert_int_equal(txn_add(txn, NOUN_JOB, 2, NULL, &end, NULL), 0);
    assert_int_equal(sweep_trim_usec(&w.core), now - 30 * day);
    txn_abort(txn);
    workers_free(w.core.snapshot_worker);
    workers_free(w.core.store_worker);
    events_free(w.core.events);
    loop_free(w.core.loop);
    memory_store_done(&w.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_of_waiting_jobs_stay), cmocka_unit_test(renewed_while_it_is_ours),
        cmocka_unit_test(an_error_is_tried_again),      cmocka_unit_test(ends_when_another_leads),
        cmocka_unit_test(ends_when_another_has_led),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
