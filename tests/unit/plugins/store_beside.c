/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_beside.c - what every store does while a snapshot is written, and what is left
 * when its process is killed in the middle of one.
 */
#include "tests/unit/plugins/store_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROWS 200
#define KILLS 50
#define KILL_SEQ_MAX 3000 /* then a fresh store */
#define BATCH 3

/* ---- beside ------------------------------------------------------------ */

struct snapshot {
    void *store;
    uint64_t epoch, seq;
    size_t at;
    sem_t begun, go_on; /* the writer stands still between the two, a row in its hands */
    struct content text;
    int result;
};

static int wait_for(sem_t *sem)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 60; /* only a store that waits for the snapshot gets there */
    return sem_timedwait(sem, &t) < 0 ? -errno : 0;
}

static int halting_row(void *arg, struct vdi_store_object *ret)
{
    struct snapshot *s = arg;

    content_done(&s->text);
    if (s->at == ROWS)
        return 0;
    if (s->at == ROWS / 2) {
        sem_post(&s->begun);
        int r = wait_for(&s->go_on);
        if (r < 0)
            return r;
    }
    *ret = content_object(++s->at, s->seq, &s->text);
    return 1;
}

static void *write_snapshot(void *arg)
{
    struct snapshot *s = arg;

    s->result = ops.snapshot_write(s->store, s->epoch, s->seq, halting_row, s, NULL);
    return NULL;
}

static int count_row(void *arg, const struct vdi_store_record *r)
{
    ++*(size_t *)arg;
    return 0;
}

static int count_object(void *arg, const struct vdi_store_object *o)
{
    ++*(size_t *)arg;
    return 0;
}

/* All that may run beside a snapshot; nothing of it may wait for the snapshot's end. */
static void use(void *store, uint64_t epoch, uint64_t seq)
{
    struct vdi_store_query q = {.noun = "job", .limit = 10000};
    uint64_t again = 0;
    size_t events = 0, objects = 0;

    assert_int_equal(store_append(store, epoch, seq, 5, seq + 100), 0);
    assert_int_equal(store_archive(store, epoch, seq + 5, seq), 0);
    assert_int_equal(ops.lease(store, "test", 1, 1000000000000000, &again, NULL), 0);
    assert_int_equal(again, epoch);
    assert_int_equal(ops.query_events(store, &q, count_row, &events, NULL), 0);
    assert_true(events >= 6);
    assert_int_equal(ops.query_archive(store, &q, count_object, &objects, NULL), 0);
    assert_true(objects >= 1);
}

void test_append_beside_snapshot(void **state)
{
    char dsn[512];
    uint64_t epoch, seq = 10;
    struct loaded l = {0};

    backend.fresh(dsn, sizeof(dsn));
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(store_append(store, epoch, 1, seq, 0), 0);
    for (int i = 0; i < 4; i++) {
        struct snapshot s = {.store = store, .epoch = epoch, .seq = seq};
        pthread_t thread;

        sem_init(&s.begun, 0, 0);
        sem_init(&s.go_on, 0, 0);
        assert_int_equal(pthread_create(&thread, NULL, write_snapshot, &s), 0);
        if (i == 0)
            use(store, epoch, seq + 1); /* wherever it is */
        assert_int_equal(wait_for(&s.begun), 0);
        if (i > 0)
            use(store, epoch, seq + 1);
        sem_post(&s.go_on);
        if (i % 2)
            use(store, epoch, seq + 7);
        seq += i % 2 ? 12 : 6;
        pthread_join(thread, NULL);
        content_done(&s.text);
        assert_int_equal(s.result, 0);
        assert_int_equal(ops.trim(store, epoch, s.seq, INT64_MAX, NULL), 0);
        uint64_t stands_for = s.seq;
        assert_int_equal(store_load(store, &l), 0);
        assert_whole(&l, stands_for + 1, seq);
        assert_int_equal(l.summary.snapshot_seq, stands_for);
        assert_int_equal(l.n_objects, ROWS);
    }
    ops.close(store);
}

/* Who no longer leads can't put a snapshot in place of the leader's, however late it notices. */
void test_snapshot_of_a_former_leader(void **state)
{
    char dsn[512];
    uint64_t epoch, next = 0;
    struct loaded l = {0};
    pthread_t thread;

    backend.fresh(dsn, sizeof(dsn));
    void *store = store_start(dsn, &epoch, &l);
    assert_int_equal(store_append(store, epoch, 1, 10, 0), 0);
    struct snapshot s = {.store = store, .epoch = epoch, .seq = 10};
    sem_init(&s.begun, 0, 0);
    sem_init(&s.go_on, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, write_snapshot, &s), 0);
    assert_int_equal(wait_for(&s.begun), 0);
    assert_int_equal(ops.lease(store, "another", 1000000000000000, 1000000, &next, NULL), 0);
    assert_true(next > epoch);
    sem_post(&s.go_on);
    pthread_join(thread, NULL);
    content_done(&s.text);
    assert_int_equal(s.result, -ESTALE);
    assert_int_equal(store_append(store, next, 11, 1, 0), 0);
    assert_int_equal(store_load(store, &l), 0);
    assert_whole(&l, 1, 11);
    assert_int_equal(l.summary.snapshot_seq, 0);
    ops.close(store);
}

/* ---- killed ------------------------------------------------------------ */

struct ack {
    uint64_t seq, id_reserve, snapshot_seq; /* durable */
    bool in_snapshot;
};

struct child {
    void *store;
    uint64_t epoch, seq;
    int done; /* the snapshot's thread has ended */
    int result;
};

static void *snapshot_thread(void *arg)
{
    struct child *c = arg;

    c->result = store_snapshot(c->store, c->epoch, c->seq, ROWS);
    __atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* Appends, snapshots beside that, trims; tells what is durable. Ends by being killed. */
static void child_run(const char *dsn, int fd)
{
    struct loaded l = {0};
    struct child c = {0};
    struct ack ack = {0};
    pthread_t thread;

    c.store = store_start(dsn, &c.epoch, &l);
    ack.seq = l.summary.last_seq;
    ack.snapshot_seq = l.summary.snapshot_seq;
    while (ack.seq < TEST_SEQ_MAX - 2 * BATCH) {
        if (!ack.in_snapshot && ack.seq) {
            c.seq = ack.seq;
            c.done = 0;
            if (pthread_create(&thread, NULL, snapshot_thread, &c) != 0)
                _exit(1);
            ack.in_snapshot = true;
        }
        if (store_append(c.store, c.epoch, ack.seq + 1, BATCH, ack.seq + 100) < 0)
            _exit(2);
        ack.id_reserve = ack.seq + 100;
        ack.seq += BATCH;
        if (__atomic_load_n(&c.done, __ATOMIC_ACQUIRE)) {
            pthread_join(thread, NULL);
            ack.in_snapshot = false;
            if (c.result < 0 || ops.trim(c.store, c.epoch, c.seq, INT64_MAX, NULL) < 0)
                _exit(3);
            ack.snapshot_seq = c.seq;
        }
        if (write(fd, &ack, sizeof(ack)) != sizeof(ack))
            _exit(4);
    }
    pause();
}

/* Runs a child and kills it after so many acks and a little; what it told last. */
static struct ack kill_one(const char *dsn, unsigned acks, useconds_t usec)
{
    struct ack ack = {0}, last = {0};
    int fds[2], status;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        child_run(dsn, fds[1]);
        _exit(5);
    }
    close(fds[1]);
    for (unsigned i = 0; i < acks && read(fds[0], &ack, sizeof(ack)) == sizeof(ack); i++)
        last = ack;
    usleep(usec);
    kill(pid, SIGKILL);
    while (read(fds[0], &ack, sizeof(ack)) == sizeof(ack))
        last = ack;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return last;
}

void test_killed_in_a_snapshot(void **state)
{
    char dsn[512];
    uint64_t epoch, last = KILL_SEQ_MAX;
    size_t in_snapshot = 0;

    srand(4711);
    for (int i = 0; i < KILLS; i++) {
        struct loaded l = {0};

        if (last >= KILL_SEQ_MAX)
            backend.fresh(dsn, sizeof(dsn));
        struct ack ack = kill_one(dsn, 1 + (unsigned)rand() % 40, (useconds_t)rand() % 3000);
        in_snapshot += ack.in_snapshot;
        void *store = store_start(dsn, &epoch, &l);
        last = l.summary.last_seq;
        assert_in_range(last, ack.seq, ack.seq + BATCH);
        assert_true(l.summary.id_reserve >= ack.id_reserve);
        assert_true(l.summary.snapshot_seq >= ack.snapshot_seq);
        assert_whole(&l, l.summary.snapshot_seq + 1, last);
        assert_int_equal(l.n_objects, l.summary.snapshot_seq ? ROWS : 0);
        assert_int_equal(store_append(store, epoch, last + 1, 1, 0), 0);
        last++;
        ops.close(store);
    }
    assert_true(in_snapshot > KILLS / 4); /* it did what its name says */
}
