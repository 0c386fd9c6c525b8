/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - what a snapshot costs the loop, and how fast a restart reads it and the
 * events behind it.
 *
 *   bench/snapshot --store sqlite --dsn PATH [--jobs N] [--events N] [--plugins DIR]
 *
 * The store must be empty. Lines: the time to begin a snapshot, the longest stall of the
 * loop until it is written, the time of that; the load of the snapshot alone; the load
 * with so many events behind it.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "model/job.h"
#include "vdictld/event.h"
#include "vdictld/idem.h"

static struct vdi_store_ops ops;

struct bench {
    struct loop *loop;
    struct workers *worker, *snapshot_worker;
    struct events *events;
    struct idem *idem;
    void *store;
    const char *dsn;
    bool busy;
};

static void check(int r, const struct vdi_error *err, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "snapshot: %s: %s\n", what, err->detail);
    exit(2);
}

static void load_plugin(const char *dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/store/%s.so", dir, name);
    void *lib = dlopen(path, RTLD_NOW);
    const struct vdi_plugin *p = lib ? dlsym(lib, "vdi_plugin") : NULL;
    if (!p) {
        fprintf(stderr, "snapshot: %s\n", dlerror());
        exit(2);
    }
    memcpy(&ops, p->ops, p->ops_size < sizeof(ops) ? p->ops_size : sizeof(ops));
}

static void published(void *arg, const struct published *p)
{
    struct bench *b = arg;
    const struct job *job = p->now;

    if (!p->old)
        idem_put(b->idem, job->spec, job->id, p->time_usec);
}

static void collect_begin(void *arg)
{
    idem_collect_begin(((struct bench *)arg)->idem);
}

static int collect(void *arg, struct events_extra *ret)
{
    struct bench *b = arg;

    return idem_collect(b->idem, events_table(b->events, NOUN_JOB), ret);
}

static void restore(void *arg, const struct vdi_store_object *row)
{
    idem_restore(((struct bench *)arg)->idem, row);
}

/* Loads; tells how long that took, and how much of it was work of this process. */
static void start(struct bench *b)
{
    struct vdi_error err = {0};
    uint64_t epoch = 0;

    b->loop = loop_new();
    b->worker = workers_new(b->loop, "store", 1, 4096);
    b->snapshot_worker = workers_new(b->loop, "snapshot", 1, 1);
    b->idem = idem_new();
    b->events = events_new(b->loop, b->worker, b->snapshot_worker, &ops, published, b);
    events_set_extras(b->events, &(struct events_extras){collect_begin, collect, restore});
    check(ops.open(&b->store, NULL, NULL, b->dsn, &err), &err, "open");
    check(ops.schema(b->store, 0, &err), &err, "schema");
    check(ops.lease(b->store, "bench", time_now_usec(), 30000000, &epoch, &err), &err, "lease");
    int64_t begin = time_monotonic_usec();
    clock_t cpu = clock();
    check(events_load(b->events, b->store, epoch, &err), &err, "load");
    printf("load up to event %" PRIu64 ": %.2f s, %.2f s of CPU\n", events_seq(b->events),
           (double)(time_monotonic_usec() - begin) / 1e6, (double)(clock() - cpu) / CLOCKS_PER_SEC);
}

static void stop(struct bench *b)
{
    workers_free(b->snapshot_worker);
    workers_free(b->worker);
    ops.close(b->store);
    idem_free(b->idem);
    events_free(b->events);
    loop_free(b->loop);
}

static void done(void *arg, int result, const struct vdi_error *err)
{
    check(result, err, "the store");
    ((struct bench *)arg)->busy = false;
}

static void wait_done(struct bench *b)
{
    while (b->busy)
        loop_run_once(b->loop, true);
}

static void act(struct bench *b, uint64_t id, enum job_event_type type)
{
    struct job_event event = {.type = type, .time_usec = time_now_usec()};
    struct vdi_error err = {0};
    struct txn *txn = txn_new(b->events);

    str_copy(event.by, sizeof(event.by), "unix:anna");
    if (type == JOB_EVENT_SUBMIT) {
        char key[32];

        snprintf(key, sizeof(key), "request-%" PRIu64, id);
        event.spec = job_spec_new();
        job_spec_set(&event.spec->owner, "unix:anna");
        job_spec_set(&event.spec->name, "train");
        job_spec_set(&event.spec->template_name, "batch");
        job_spec_set(&event.spec->partition, "batch");
        job_spec_set(&event.spec->work_dir, "/scratch/train");
        job_spec_set_retry(event.spec, key, (const unsigned char[JOB_DIGEST_BYTES]){1});
        event.spec->cpus = 4;
    }
    check(txn_add(txn, NOUN_JOB, id, NULL, &event, &err), &err, "an event");
    job_event_done(&event);
    txn_commit(txn, NULL, NULL);
}

/* All that was committed is durable afterwards. */
static void barrier(struct bench *b)
{
    b->busy = true;
    txn_commit(txn_new(b->events), done, b);
    wait_done(b);
}

static void submit(struct bench *b, uint64_t n)
{
    for (uint64_t i = 1; i <= n; i++) {
        act(b, events_next_id(b->events, NOUN_JOB), JOB_EVENT_SUBMIT);
        if (i % 10000 == 0)
            barrier(b);
    }
    barrier(b);
}

static void hold_and_release(struct bench *b, uint64_t jobs, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        act(b, 1 + i / 2 % jobs, i % 2 ? JOB_EVENT_RELEASE : JOB_EVENT_HOLD);
        if (i % 10000 == 9999)
            barrier(b);
    }
    barrier(b);
}

/* `events` commits go on meanwhile, so that objects change that the snapshot holds. */
static void snapshot(struct bench *b, uint64_t jobs, uint64_t events)
{
    loop_longest_stall_usec(b->loop, true);
    int64_t begin = time_monotonic_usec();
    b->busy = true;
    if (events_snapshot(b->events, 0, done, b) < 0)
        exit(2);
    int64_t begun = time_monotonic_usec() - begin;
    for (uint64_t i = 0; i < events; i++) {
        act(b, 1 + i / 2 % jobs, i % 2 ? JOB_EVENT_RELEASE : JOB_EVENT_HOLD);
        loop_run_once(b->loop, false);
    }
    wait_done(b);
    int64_t took = time_monotonic_usec() - begin;
    printf("snapshot of %" PRIu64 " jobs beside %" PRIu64 " events: begun in %.2f ms, longest stall"
           " %.2f ms, written in %.2f s\n",
           jobs, events, (double)begun / 1e3, (double)loop_longest_stall_usec(b->loop, true) / 1e3,
           (double)took / 1e6);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"store", required_argument, NULL, 's'},   {"dsn", required_argument, NULL, 'd'},
        {"jobs", required_argument, NULL, 'j'},    {"events", required_argument, NULL, 'e'},
        {"plugins", required_argument, NULL, 'p'}, {0},
    };
    const char *plugins = "plugins.d", *store = "sqlite";
    uint64_t jobs = 100000, events = 100000;
    struct bench b = {0};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 's')
            store = optarg;
        else if (c == 'd')
            b.dsn = optarg;
        else if (c == 'p')
            plugins = optarg;
        else if (c == '?' || str_to_u64(optarg, 1, 10000000, c == 'j' ? &jobs : &events) < 0)
            return 2;
    }
    if (!b.dsn)
        return 2;
    load_plugin(plugins, store);
    start(&b);
    submit(&b, jobs);
    snapshot(&b, jobs, 0);
    snapshot(&b, jobs, 5000);
    stop(&b);
    start(&b); /* the snapshot and 5000 events */
    hold_and_release(&b, jobs, events);
    stop(&b);
    start(&b);
    stop(&b);
    return 0;
}
