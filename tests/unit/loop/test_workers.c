/* SPDX-License-Identifier: Apache-2.0 */
/* test_workers.c - every item's `done` is called once, on the loop, dropped or not */
#include <loop/loop.h>

#include <base/time.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_ITEMS 2000

struct shared {
    struct loop *loop;
    struct workers *workers;
    pthread_t loop_thread;
    _Atomic int working, worked;
    _Atomic int most_at_once;
    int done, dropped, stop_at;
    int next_work, next_done; /* in order, with one thread */
    bool ordered;
    bool free_in_done;
    pthread_mutex_t gate; /* held by the test: work waits */
};

struct job {
    struct shared *shared;
    int number;
    bool was_worked, was_done;
};

static void work(void *arg)
{
    struct job *job = arg;
    struct shared *s = job->shared;
    int at_once = ++s->working;
    for (int most = s->most_at_once; at_once > most;)
        if (__atomic_compare_exchange_n((int *)&s->most_at_once, &most, at_once, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            break;
    pthread_mutex_lock(&s->gate);
    if (s->ordered && s->next_work++ != job->number)
        abort();
    pthread_mutex_unlock(&s->gate);
    job->was_worked = true;
    s->working--;
    s->worked++;
}

static void done(void *arg, bool dropped)
{
    struct job *job = arg;
    struct shared *s = job->shared;
    assert_true(pthread_equal(pthread_self(), s->loop_thread));
    assert_false(job->was_done);
    assert_true(job->was_worked == !dropped);
    job->was_done = true;
    if (s->ordered)
        assert_int_equal(s->next_done++, job->number);
    s->dropped += dropped;
    if (++s->done == s->stop_at)
        loop_stop(s->loop);
    if (s->free_in_done)
        workers_free(s->workers);
    if (dropped || s->free_in_done)
        assert_int_equal(workers_post(s->workers, work, done, job), -ESHUTDOWN);
}

static struct job *make(struct shared *s, unsigned n_threads, unsigned queue_max, int n)
{
    *s = (struct shared){.loop = s->loop, .loop_thread = pthread_self(), .stop_at = n};
    pthread_mutex_init(&s->gate, NULL);
    s->workers = workers_new(s->loop, "a-name-longer-than-15", n_threads, queue_max);
    assert_non_null(s->workers);
    struct job *jobs = calloc((size_t)n, sizeof(*jobs));
    for (int i = 0; i < n; i++)
        jobs[i] = (struct job){.shared = s, .number = i};
    return jobs;
}

static void all_are_done(void **state)
{
    for (unsigned n_threads = 1; n_threads <= 4; n_threads += 3) {
        struct shared s = {.loop = loop_new()};
        struct job *jobs = make(&s, n_threads, N_ITEMS, N_ITEMS);
        s.ordered = n_threads == 1;
        for (int i = 0; i < N_ITEMS; i++)
            assert_int_equal(workers_post(s.workers, work, done, &jobs[i]), 0);
        assert_int_equal(loop_run(s.loop), 0);
        assert_int_equal(s.done, N_ITEMS);
        assert_int_equal(s.worked, N_ITEMS);
        assert_int_equal(s.dropped, 0);
        assert_in_range(s.most_at_once, 1, n_threads);
        assert_int_equal(workers_queued(s.workers), 0);
        workers_free(s.workers);
        loop_free(s.loop);
        free(jobs);
    }
}

/* With the only thread at work, queue_max items may wait and the next is refused. */
static void queue_is_bounded_and_rest_is_dropped(void **state)
{
    struct shared s = {.loop = loop_new()};
    struct job *jobs = make(&s, 1, 3, 10);
    pthread_mutex_lock(&s.gate);
    assert_int_equal(workers_post(s.workers, work, done, &jobs[0]), 0);
    while (s.working == 0)
        sched_yield();
    for (int i = 1; i <= 3; i++)
        assert_int_equal(workers_post(s.workers, work, done, &jobs[i]), 0);
    assert_int_equal(workers_post(s.workers, work, done, &jobs[4]), -EBUSY);
    assert_int_equal(workers_queued(s.workers), 3);
    pthread_mutex_unlock(&s.gate);
    workers_free(s.workers);
    /* The thread may or may not have come to the later ones; none is forgotten. */
    assert_int_equal(s.done, 4);
    assert_int_equal(s.worked + s.dropped, 4);
    assert_true(jobs[0].was_worked);
    assert_false(jobs[4].was_done);
    workers_free(NULL);
    loop_free(s.loop);
    free(jobs);
}

static void nothing_runs_without_threads(void **state)
{
    struct shared s = {.loop = loop_new()};
    struct job *jobs = make(&s, 0, 5, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(workers_post(s.workers, work, done, &jobs[i]), 0);
    workers_free(s.workers);
    assert_int_equal(s.dropped, 5);
    assert_int_equal(s.worked, 0);
    loop_free(s.loop);
    free(jobs);
}

static void pool_may_be_freed_in_done(void **state)
{
    struct shared s = {.loop = loop_new()};
    struct job *jobs = make(&s, 2, 100, 100);
    s.free_in_done = true;
    for (int i = 0; i < 100; i++)
        assert_int_equal(workers_post(s.workers, work, done, &jobs[i]), 0);
    assert_int_equal(loop_run(s.loop), 0);
    assert_int_equal(s.done, 100);
    assert_int_equal(s.worked + s.dropped, 100);
    loop_free(s.loop);
    free(jobs);
}

/* ---- the virtual clock waits for work ---- */

static void work_slowly(void *arg)
{
    struct timespec ts = {.tv_nsec = 20000000};
    nanosleep(&ts, NULL);
}

static void note_time(void *arg, bool dropped)
{
    struct shared *s = arg;
    s->done++;
    assert_int_equal(loop_now_usec(s->loop), 1000);
}

static void stop_late(void *arg)
{
    struct shared *s = arg;
    assert_int_equal(s->done, 1);
    assert_int_equal(loop_now_usec(s->loop), 1000 + 5 * USEC_PER_SEC);
    loop_stop(s->loop);
}

static void virtual_clock_waits_for_work(void **state)
{
    struct shared s = {.loop = loop_new_virtual(1000)};
    s.workers = workers_new(s.loop, "slow", 1, 10);
    struct source *timer = loop_timer(s.loop, 5 * USEC_PER_SEC, stop_late, &s);
    assert_int_equal(workers_post(s.workers, work_slowly, note_time, &s), 0);
    assert_int_equal(loop_run(s.loop), 0);
    source_free(timer);
    workers_free(s.workers);
    loop_free(s.loop);
}

static void note_mask(void *arg)
{
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    *(bool *)arg = sigismember(&set, SIGTERM) && sigismember(&set, SIGCHLD);
}

/* A signal for the process must not end up in a worker, where the loop is not woken. */
static void workers_take_no_signals(void **state)
{
    struct loop *loop = loop_new();
    bool blocked = false;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    struct workers *w = workers_new(loop, "mask", 1, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    assert_int_equal(workers_post(w, note_mask, NULL, &blocked), 0);
    while (workers_queued(w) > 0)
        sched_yield();
    workers_free(w);
    assert_true(blocked);
    loop_free(loop);
}

/* Work that hangs is left to itself; what waited behind it is dropped, as always. */
static void what_hangs_is_abandoned(void **state)
{
    struct shared s = {.loop = loop_new()};
    struct job *jobs = make(&s, 1, 3, 10);
    pthread_mutex_lock(&s.gate);
    for (int i = 0; i < 2; i++)
        assert_int_equal(workers_post(s.workers, work, done, &jobs[i]), 0);
    while (s.working == 0)
        sched_yield();
    assert_int_equal(workers_abandon(s.workers, 1000), 1);
    assert_false(jobs[0].was_done);
    assert_true(jobs[1].was_done);
    assert_int_equal(s.dropped, 1);
    loop_free(s.loop);
    pthread_mutex_unlock(&s.gate); /* it comes back to nobody */
    while (s.worked == 0)
        sched_yield();
    assert_false(jobs[0].was_done);
    free(jobs);
}

static void nothing_that_ends_is_abandoned(void **state)
{
    struct shared s = {.loop = loop_new()};
    struct job *jobs = make(&s, 4, N_ITEMS, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(workers_post(s.workers, work, done, &jobs[i]), 0);
    assert_int_equal(workers_abandon(s.workers, 60 * USEC_PER_SEC), 0);
    assert_int_equal(s.done, 100);
    assert_int_equal(workers_abandon(NULL, 0), 0);
    loop_free(s.loop);
    free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_done),
        cmocka_unit_test(queue_is_bounded_and_rest_is_dropped),
        cmocka_unit_test(nothing_runs_without_threads),
        cmocka_unit_test(pool_may_be_freed_in_done),
        cmocka_unit_test(virtual_clock_waits_for_work),
        cmocka_unit_test(workers_take_no_signals),
        cmocka_unit_test(what_hangs_is_abandoned),
        cmocka_unit_test(nothing_that_ends_is_abandoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
