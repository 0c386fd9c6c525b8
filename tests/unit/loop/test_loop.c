/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop.c - every kind of source, on the real and on the virtual clock */
#include <loop/loop.h>

#include <base/time.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SEC USEC_PER_SEC

/* What the callbacks share. */
struct seen {
    struct loop *loop;
    struct source *source, *other;
    int n, stop_at;
    int value;
    int64_t usec;
};

static void count(void *arg)
{
    struct seen *seen = arg;
    seen->usec = loop_now_usec(seen->loop);
    if (++seen->n == seen->stop_at)
        loop_stop(seen->loop);
}

/* ---- timers ---- */

#define N_TIMERS 20000

struct many {
    struct loop *loop;
    struct source *timers[N_TIMERS];
    int64_t delay[N_TIMERS];
    int64_t last_usec;
    int fired;
};

struct one {
    struct many *many;
    int i;
};

static void fire_one(void *arg)
{
    struct one *one = arg;
    struct many *m = one->many;
    int64_t now = loop_now_usec(m->loop);
    assert_true(now >= m->last_usec);
    assert_int_equal(now, 1000 + m->delay[one->i]);
    m->last_usec = now;
    m->fired++;
}

/* All at their exact virtual instant and in order; freed and unarmed ones not at all. */
static void virtual_timers_in_order(void **state)
{
    struct many *m = calloc(1, sizeof(*m));
    struct one *ones = calloc(N_TIMERS, sizeof(*ones));
    int64_t begin = time_monotonic_usec();
    uint32_t rng = 7;
    int expected = 0;
    m->loop = loop_new_virtual(1000);
    assert_int_equal(loop_now_usec(m->loop), 1000);
    for (int i = 0; i < N_TIMERS; i++) {
        rng = rng * 1664525u + 1013904223u;
        m->delay[i] = (int64_t)(rng >> 8) * 1000 % (86400 * SEC);
        ones[i] = (struct one){m, i};
        m->timers[i] = loop_timer(m->loop, i % 5 ? m->delay[i] : -1, fire_one, &ones[i]);
        assert_non_null(m->timers[i]);
    }
    for (int i = 0; i < N_TIMERS; i++) {
        if (i % 5 == 1)
            source_rearm(m->timers[i], -1);
        else if (i % 5 == 2) {
            source_free(m->timers[i]);
            m->timers[i] = NULL;
        } else if (i % 5 == 3)
            source_rearm(m->timers[i], m->delay[i] /= 2);
        expected += i % 5 >= 3;
    }
    assert_int_equal(loop_run(m->loop), -EDEADLK);
    assert_int_equal(m->fired, expected);
    /* The virtual hours were not slept through. */
    assert_true(time_monotonic_usec() - begin < (loop_now_usec(m->loop) - 1000) / 100);
    for (int i = 0; i < N_TIMERS; i++)
        source_free(m->timers[i]);
    loop_free(m->loop);
    free(ones);
    free(m);
}

static char trace[64];

static void trace_char(void *arg)
{
    strncat(trace, arg, 1);
}

static void equal_deadlines_keep_their_order(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    struct source *s[5];
    trace[0] = '\0';
    for (int i = 0; i < 5; i++)
        s[i] = loop_timer(loop, 10, trace_char, (char *)"abcde" + i);
    source_rearm(s[1], 10);
    assert_int_equal(loop_run(loop), -EDEADLK);
    assert_string_equal(trace, "acdeb");
    for (int i = 0; i < 5; i++)
        source_free(s[i]);
    loop_free(loop);
}

static void rearm_self(void *arg)
{
    struct seen *seen = arg;
    count(seen);
    source_rearm(seen->source, seen->value);
}

static void on_readable_stop(void *arg, int fd, unsigned events)
{
    struct seen *seen = arg;
    assert_int_equal(events, LOOP_READ);
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
    seen->value = c;
    loop_stop(seen->loop);
}

/* A timer that is always due must not keep the fds from being looked at. */
static void busy_timer_starves_nobody(void **state)
{
    for (int is_virtual = 0; is_virtual < 2; is_virtual++) {
        struct loop *loop = is_virtual ? loop_new_virtual(0) : loop_new();
        struct seen timer = {.loop = loop}, reader = {.loop = loop};
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        timer.source = loop_timer(loop, 0, rearm_self, &timer);
        struct source *s = loop_fd(loop, fds[0], LOOP_READ, on_readable_stop, &reader);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(reader.value, 'x');
        assert_true(timer.n < 100);
        source_free(s);
        source_free(timer.source);
        loop_free(loop);
        close(fds[0]);
        close(fds[1]);
    }
}

static void virtual_clock_jumps_only_when_idle(void **state)
{
    struct loop *loop = loop_new_virtual(5 * SEC);
    struct seen timer = {.loop = loop, .value = 60 * SEC, .stop_at = 3};
    timer.source = loop_timer(loop, 3600 * SEC, rearm_self, &timer);
    assert_int_equal(loop_run_once(loop, false), 0);
    assert_int_equal(loop_now_usec(loop), 5 * SEC);
    assert_int_equal(timer.n, 0);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(timer.n, 3);
    assert_int_equal(loop_now_usec(loop), 5 * SEC + 3600 * SEC + 120 * SEC);
    assert_int_equal(loop_monotonic_usec(loop), loop_now_usec(loop));
    /* A delay beyond the end of time waits for ever rather than wrapping around. */
    source_rearm(timer.source, INT64_MAX);
    struct seen soon = {.loop = loop, .stop_at = 1};
    struct source *s = loop_timer(loop, 1, count, &soon);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(soon.n, 1);
    assert_int_equal(timer.n, 3);
    source_free(s);
    source_free(timer.source);
    loop_free(loop);
}

static void real_timers_are_not_early(void **state)
{
    struct loop *loop = loop_new();
    struct seen late = {.loop = loop, .stop_at = 1}, never = {.loop = loop}, early = {.loop = loop};
    int64_t begin = loop_monotonic_usec(loop);
    struct source *a = loop_timer(loop, 30000, count, &late);
    struct source *b = loop_timer(loop, 10000, count, &early);
    struct source *c = loop_timer(loop, 20000, count, &never);
    source_rearm(c, -1);
    assert_int_equal(loop_run(loop), 0);
    assert_true(loop_monotonic_usec(loop) - begin >= 30000);
    assert_int_equal(early.n, 1);
    assert_int_equal(never.n, 0);
    /* Fired once; armed again with an earlier deadline than the timerfd knows of. */
    source_rearm(a, 3600 * SEC);
    assert_int_equal(loop_run_once(loop, false), 0);
    late.stop_at = 2;
    source_rearm(a, 0);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(late.n, 2);
    source_free(a);
    source_free(b);
    source_free(c);
    loop_free(loop);
}

static void free_self(void *arg)
{
    struct seen *seen = arg;
    source_free(seen->source);
    source_free(seen->source); /* twice in its own callback does no harm */
    source_rearm(seen->source, 0);
    source_free(seen->other);
    count(seen);
}

static void timer_frees_itself_and_another(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    struct seen seen = {.loop = loop}, other = {.loop = loop};
    seen.source = loop_timer(loop, 10, free_self, &seen);
    seen.other = loop_timer(loop, 10, count, &other);
    assert_int_equal(loop_run(loop), -EDEADLK);
    assert_int_equal(seen.n, 1);
    assert_int_equal(other.n, 0);
    source_free(NULL);
    loop_free(loop);
    loop_free(NULL);
}

/* ---- fds ---- */

static void on_fd_free_both(void *arg, int fd, unsigned events)
{
    struct seen *seen = arg;
    seen->n++;
    source_free(seen->source);
    source_free(seen->other);
}

/* Both are ready in the same round; whichever comes first frees the other as well. */
static void fd_frees_itself_and_a_ready_one(void **state)
{
    struct loop *loop = loop_new();
    int a[2], b[2];
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    struct seen seen = {.loop = loop};
    seen.source = loop_fd(loop, a[0], LOOP_READ, on_fd_free_both, &seen);
    seen.other = loop_fd(loop, b[0], LOOP_READ, on_fd_free_both, &seen);
    for (int i = 0; i < 5; i++)
        assert_int_equal(loop_run_once(loop, false), 0);
    assert_int_equal(seen.n, 1);
    loop_free(loop);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void on_events(void *arg, int fd, unsigned events)
{
    *(unsigned *)arg |= events;
}

static void read_and_write_are_told_apart(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    int fds[2];
    unsigned got = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct source *s = loop_fd(loop, fds[0], LOOP_READ | LOOP_WRITE, on_events, &got);
    loop_run_once(loop, false);
    assert_int_equal(got, LOOP_WRITE);
    assert_int_equal(write(fds[1], "x", 1), 1);
    loop_run_once(loop, false);
    assert_int_equal(got, LOOP_READ | LOOP_WRITE);
    source_free(s);
    got = 0;
    s = loop_fd(loop, fds[0], LOOP_READ, on_events, &got);
    loop_run_once(loop, false);
    assert_int_equal(got, LOOP_READ);
    source_free(s);
    /* A closed descriptor is refused, not waited for. */
    close(fds[0]);
    errno = 0;
    assert_null(loop_fd(loop, fds[0], LOOP_READ, on_events, &got));
    assert_int_equal(errno, EBADF);
    close(fds[1]);
    loop_free(loop);
}

/* ---- signals, children ---- */

static void on_signal(void *arg, int signo)
{
    struct seen *seen = arg;
    seen->value = signo;
    seen->n++;
    loop_stop(seen->loop);
}

static void signals(void **state)
{
    struct loop *loop = loop_new();
    struct seen seen = {.loop = loop};
    struct source *s = loop_signal(loop, SIGUSR1, on_signal, &seen);
    struct source *t = loop_signal(loop, SIGHUP, on_signal, &seen);
    assert_non_null(s);
    assert_non_null(t);
    for (int i = 1; i <= 3; i++) {
        kill(getpid(), i == 2 ? SIGHUP : SIGUSR1);
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(seen.value, i == 2 ? SIGHUP : SIGUSR1);
        assert_int_equal(seen.n, i);
    }
    source_free(s);
    source_free(t);
    loop_free(loop);
}

static void on_child(void *arg, pid_t pid, int status)
{
    struct seen *seen = arg;
    seen->n++;
    seen->value = status;
    loop_stop(seen->loop);
}

/* A child that waits until the write end of `hold` is closed, then ends as asked. */
static pid_t spawn(const int hold[2], int signo, int code)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char c;
    close(hold[1]);
    while (read(hold[0], &c, 1) < 0)
        ;
    if (signo) {
        signal(signo, SIG_DFL);
        raise(signo);
    }
    _exit(code);
}

static void children(void **state)
{
    static const struct {
        int signo, code;
        bool ended_before;
    } rows[] = {
        {0, 0, false}, {0, 7, false}, {SIGKILL, 0, false}, {0, 255, true}, {SIGTERM, 0, true}};
    struct loop *loop = loop_new();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seen seen = {.loop = loop};
        int hold[2];
        assert_int_equal(pipe(hold), 0);
        pid_t pid = spawn(hold, rows[i].signo, rows[i].code);
        assert_true(pid > 0);
        close(hold[0]);
        if (rows[i].ended_before) {
            siginfo_t info;
            close(hold[1]);
            assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        }
        struct source *s = loop_child(loop, pid, on_child, &seen);
        assert_non_null(s);
        if (!rows[i].ended_before) {
            assert_int_equal(loop_run_once(loop, false), 0);
            assert_int_equal(seen.n, 0);
            close(hold[1]);
        }
        assert_int_equal(loop_run(loop), 0);
        if (rows[i].signo) {
            assert_true(WIFSIGNALED(seen.value));
            assert_int_equal(WTERMSIG(seen.value), rows[i].signo);
        } else {
            assert_true(WIFEXITED(seen.value));
            assert_int_equal(WEXITSTATUS(seen.value), rows[i].code);
        }
        assert_int_equal(loop_run_once(loop, false), 0);
        assert_int_equal(seen.n, 1);
        /* It was reaped: no such process is left. */
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
        assert_null(loop_child(loop, pid, on_child, &seen));
        assert_int_equal(errno, ESRCH);
        source_free(s);
    }
    loop_free(loop);
}

/* A process that is another's child: its end is seen, its status is not ours to know. */
static void a_grandchild_is_told_with_minus_one(void **state)
{
    struct loop *loop = loop_new();
    struct seen seen = {.loop = loop};
    int hold[2], name[2], parent_hold[2];
    pid_t pid;
    assert_int_equal(pipe(hold), 0);
    assert_int_equal(pipe(name), 0);
    assert_int_equal(pipe(parent_hold), 0);
    pid_t child = fork();
    if (child == 0) {
        close(parent_hold[1]);
        pid = spawn(hold, 0, 3);
        close(hold[0]);
        close(hold[1]);
        char c;
        bool told = write(name[1], &pid, sizeof(pid)) == sizeof(pid);
        told = read(parent_hold[0], &c, 1) == 0 && told;
        _exit(!told);
    }
    assert_int_equal(read(name[0], &pid, sizeof(pid)), sizeof(pid));
    struct source *s = loop_child(loop, pid, on_child, &seen);
    assert_non_null(s);
    close(hold[0]);
    close(hold[1]);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(seen.value, -1);
    assert_int_equal(seen.n, 1);
    source_free(s);
    close(parent_hold[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(parent_hold[0]);
    close(name[0]);
    close(name[1]);
    loop_free(loop);
}

/* ---- wakeups ---- */

struct threads {
    struct loop *loop;
    struct source *wakeup;
    _Atomic long posted;
    long seen, calls;
};

#define N_THREADS 4
#define N_POSTS 20000

static void *trigger_often(void *arg)
{
    struct threads *t = arg;
    for (int i = 0; i < N_POSTS; i++) {
        t->posted++;
        source_trigger(t->wakeup);
    }
    return NULL;
}

static void on_wakeup(void *arg)
{
    struct threads *t = arg;
    t->calls++;
    t->seen = t->posted;
    if (t->seen == (long)N_THREADS * N_POSTS)
        loop_stop(t->loop);
}

/* Whatever the interleaving, after the last trigger there is one more call. */
static void no_wakeup_is_lost(void **state)
{
    for (int is_virtual = 0; is_virtual < 2; is_virtual++) {
        struct threads t = {.loop = is_virtual ? loop_new_virtual(0) : loop_new()};
        pthread_t thread[N_THREADS];
        t.wakeup = loop_wakeup(t.loop, on_wakeup, &t);
        assert_non_null(t.wakeup);
        for (int i = 0; i < N_THREADS; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, trigger_often, &t), 0);
        assert_int_equal(loop_run(t.loop), 0);
        for (int i = 0; i < N_THREADS; i++)
            pthread_join(thread[i], NULL);
        assert_in_range(t.calls, 1, (long)N_THREADS * N_POSTS);
        source_free(t.wakeup);
        loop_free(t.loop);
    }
}

static void wakeups_are_coalesced(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    struct seen seen = {.loop = loop};
    struct source *s = loop_wakeup(loop, count, &seen);
    for (int i = 0; i < 1000; i++)
        source_trigger(s);
    for (int i = 0; i < 3; i++)
        loop_run_once(loop, false);
    assert_int_equal(seen.n, 1);
    source_trigger(s);
    loop_run_once(loop, false);
    assert_int_equal(seen.n, 2);
    source_free(s);
    loop_free(loop);
}

static void trigger_again(void *arg)
{
    struct seen *seen = arg;
    if (++seen->n < 3)
        source_trigger(seen->source);
}

/* A trigger that comes while the callback runs is a call of its own. */
static void trigger_during_callback_counts(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    struct seen seen = {.loop = loop};
    seen.source = loop_wakeup(loop, trigger_again, &seen);
    source_trigger(seen.source);
    for (int i = 0; i < 6; i++)
        loop_run_once(loop, false);
    assert_int_equal(seen.n, 3);
    source_free(seen.source);
    loop_free(loop);
}

static void wakeup_frees_itself(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    struct seen seen = {.loop = loop};
    seen.source = loop_wakeup(loop, free_self, &seen);
    source_trigger(seen.source);
    loop_run_once(loop, false);
    assert_int_equal(seen.n, 1);
    assert_int_equal(loop_run_once(loop, true), -EDEADLK);
    loop_free(loop);
}

/* ---- the loop itself ---- */

static void be_slow(void *arg)
{
    usleep(20000);
}

static void stall_is_measured(void **state)
{
    struct loop *loop = loop_new();
    assert_int_equal(loop_longest_stall_usec(loop, false), 0);
    struct source *s = loop_timer(loop, 0, be_slow, NULL);
    struct seen wait = {.loop = loop, .stop_at = 1};
    struct source *t = loop_timer(loop, 60000, count, &wait);
    assert_int_equal(loop_run(loop), 0);
    assert_true(loop_longest_stall_usec(loop, false) >= 20000);
    assert_true(loop_longest_stall_usec(loop, true) >= 20000);
    assert_int_equal(loop_longest_stall_usec(loop, false), 0);
    source_free(s);
    source_free(t);
    loop_free(loop);
}

static bool waited_without_stall(void)
{
    struct loop *loop = loop_new();
    struct seen wait = {.loop = loop, .stop_at = 1};
    int64_t begin = time_monotonic_usec();
    struct source *t = loop_timer(loop, 100000, count, &wait);
    assert_int_equal(loop_run(loop), 0);
    int64_t slept = time_monotonic_usec() - begin;
    bool ret = loop_longest_stall_usec(loop, true) < slept / 2;
    source_free(t);
    loop_free(loop);
    return ret;
}

/* Waiting is no stall: of 100 ms, all slept, nearly nothing may be counted. On a busy machine
 * the loop itself may have to wait for its turn, but not each time. */
static void waiting_is_no_stall(void **state)
{
    bool good = false;
    for (int i = 0; i < 50 && !good; i++)
        good = waited_without_stall();
    assert_true(good);
}

static void stop_before_run_counts(void **state)
{
    struct loop *loop = loop_new();
    loop_stop(loop);
    assert_int_equal(loop_run(loop), 0);
    struct seen seen = {.loop = loop, .stop_at = 1};
    struct source *s = loop_timer(loop, 0, count, &seen);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(seen.n, 1);
    source_free(s);
    loop_free(loop);
}

static void sources_may_outlive_the_loop(void **state)
{
    struct loop *loop = loop_new();
    struct seen seen = {.loop = loop};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct source *s[] = {
        loop_timer(loop, 0, count, &seen),
        loop_wakeup(loop, count, &seen),
        loop_fd(loop, fds[0], LOOP_READ, on_readable_stop, &seen),
        loop_signal(loop, SIGUSR2, on_signal, &seen),
    };
    loop_free(loop);
    source_trigger(s[1]);
    source_rearm(s[0], 5);
    for (size_t i = 0; i < sizeof(s) / sizeof(s[0]); i++)
        source_free(s[i]);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual_timers_in_order),
        cmocka_unit_test(equal_deadlines_keep_their_order),
        cmocka_unit_test(busy_timer_starves_nobody),
        cmocka_unit_test(virtual_clock_jumps_only_when_idle),
        cmocka_unit_test(real_timers_are_not_early),
        cmocka_unit_test(timer_frees_itself_and_another),
        cmocka_unit_test(fd_frees_itself_and_a_ready_one),
        cmocka_unit_test(read_and_write_are_told_apart),
        cmocka_unit_test(signals),
        cmocka_unit_test(children),
        cmocka_unit_test(a_grandchild_is_told_with_minus_one),
        cmocka_unit_test(no_wakeup_is_lost),
        cmocka_unit_test(wakeups_are_coalesced),
        cmocka_unit_test(trigger_during_callback_counts),
        cmocka_unit_test(wakeup_frees_itself),
        cmocka_unit_test(stall_is_measured),
        cmocka_unit_test(waiting_is_no_stall),
        cmocka_unit_test(stop_before_run_counts),
        cmocka_unit_test(sources_may_outlive_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
