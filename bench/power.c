/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power.c - power cuts under a store: is what it acknowledged there afterwards?
 *
 *   bench/power --cuts N [--store sqlite] [--no-fsync] [--seed S] [--plugins DIR]
 *
 * A writer appends, takes snapshots, trims, closes and opens again, while every call on
 * its files is noted. Each cut draws a moment, writes the files as a disk may hold them
 * then, opens the store there and compares. Last line: cuts=N acked=N lost=N, where a
 * cut counts as lost when an acknowledged batch is missing, differs, comes in part,
 * an id went down, or the store can't go on. Exit 1 if any is. With --no-fsync the disk
 * forgets that it was told to sync: that must lose, or this could not see a loss.
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vdi/plugin.h>

#include "base/crc32c.h"
#include "bench/power_disk.h"
#include "bench/power_record.h"

#define BATCHES 260
#define BODY_MAX 3000
#define SNAPSHOT_ROWS 12
#define ARCHIVE_KEYS 40

static struct vdi_store_ops ops;
static char scratch[PATH_MAX - 64], live[PATH_MAX - 32], after[PATH_MAX - 32], dsn[PATH_MAX];
static uint64_t batch_end[2 * BATCHES + 8]; /* last seq of each batch */
static size_t n_batches;

static uint32_t mix(uint64_t seq, uint32_t salt)
{
    uint64_t v[2] = {seq, salt};

    return crc32c(0, v, sizeof(v));
}

struct text {
    char key[24], body[BODY_MAX + 1];
};

static struct vdi_store_record record(uint64_t seq, struct text *t)
{
    size_t len = mix(seq, 1) % (seq % 17 ? 700 : BODY_MAX);

    snprintf(t->key, sizeof(t->key), "%u", 1 + mix(seq, 2) % 50);
    for (size_t i = 0; i < len; i++)
        t->body[i] = (char)('a' + (seq + i) % 26);
    return (struct vdi_store_record){.seq = seq,
                                     .time_usec = (int64_t)seq,
                                     .noun = "job",
                                     .key = t->key,
                                     .type = "submit",
                                     .version = 1,
                                     .crc = mix(seq, 3),
                                     .body = t->body,
                                     .body_len = len};
}

static struct vdi_store_object object(uint64_t i, uint64_t seq, struct text *t)
{
    size_t len = mix(seq + i, 4) % 500;

    snprintf(t->key, sizeof(t->key), "%llu", (unsigned long long)i);
    memset(t->body, (int)('A' + (seq + i) % 26), len);
    return (struct vdi_store_object){.seq = seq,
                                     .noun = "job",
                                     .key = t->key,
                                     .owner = "unix:ann",
                                     .state = "COMPLETED",
                                     .version = 1,
                                     .crc = mix(seq + i, 5),
                                     .body = t->body,
                                     .body_len = len};
}

static void check(int r, const struct vdi_error *err, const char *what)
{
    if (r == 0)
        return;
    fprintf(stderr, "power: %s: %s\n", what, err->detail);
    exit(2);
}

struct rows {
    uint64_t seq, at;
    struct text text;
};

static int next_row(void *arg, struct vdi_store_object *ret)
{
    struct rows *rows = arg;

    if (rows->at == SNAPSHOT_ROWS)
        return 0;
    *ret = object(++rows->at, rows->seq, &rows->text);
    return 1;
}

/* ---- the checker ------------------------------------------------------- */

struct found {
    uint64_t rows, next;
    char why[256];
};

static int wrong(struct found *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int wrong(struct found *f, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    if (!f->why[0])
        vsnprintf(f->why, sizeof(f->why), format, ap);
    va_end(ap);
    return -ECANCELED;
}

static int on_object(void *arg, const struct vdi_store_object *o)
{
    struct found *f = arg;
    struct text t;
    struct vdi_store_object want = object(++f->rows, o->seq, &t);

    f->next = o->seq + 1;
    if (o->crc != want.crc || o->body_len != want.body_len || strcmp(o->key, want.key) != 0 ||
        memcmp(o->body, want.body, want.body_len) != 0)
        return wrong(f, "row %llu of the snapshot differs", (unsigned long long)f->rows);
    return 0;
}

static int on_record(void *arg, const struct vdi_store_record *r)
{
    struct found *f = arg;
    struct text t;
    struct vdi_store_record want = record(r->seq, &t);

    if (r->seq != f->next)
        return wrong(f, "event %llu comes where %llu is due", (unsigned long long)r->seq,
                     (unsigned long long)f->next);
    f->next++;
    if (r->crc != want.crc || r->body_len != want.body_len || strcmp(r->key, want.key) != 0 ||
        memcmp(r->body, want.body, want.body_len) != 0)
        return wrong(f, "event %llu differs", (unsigned long long)r->seq);
    return 0;
}

static void on_damage(void *arg, const struct vdi_store_damage *d)
{
    wrong(arg, "damage: %s: %s", d->place, d->reason);
}

static bool is_batch_end(uint64_t seq)
{
    for (size_t i = 0; i < n_batches; i++)
        if (batch_end[i] == seq)
            return true;
    return seq == 0;
}

static int start(void **ret, struct found *f, struct vdi_store_summary *sum, uint64_t *epoch,
                 struct vdi_error *err)
{
    static int64_t now;
    struct vdi_store_loader loader = {f, on_object, on_record, on_damage};
    int r = ops.open(ret, NULL, NULL, dsn, err);

    *f = (struct found){.next = 1};
    if (r == 0)
        r = ops.schema(*ret, 0, err);
    if (r == 0)
        r = ops.lease(*ret, "power", now += 1000000, 1000000, epoch, err);
    return r < 0 ? r : ops.load(*ret, &loader, sum, err);
}

static int append(void *store, uint64_t epoch, uint64_t seq, size_t n, uint64_t ids,
                  struct vdi_error *err)
{
    struct text *t = calloc(n + 1, sizeof(*t));
    struct vdi_store_record *r = calloc(n + 1, sizeof(*r));

    if (!t || !r)
        exit(2);
    for (size_t i = 0; i < n; i++)
        r[i] = record(seq + i, &t[i]);
    struct vdi_store_object o = object(1 + seq % ARCHIVE_KEYS, seq, &t[n]);
    struct vdi_store_batch b = {.epoch = epoch,
                                .records = r,
                                .n_records = n,
                                .archive = &o,
                                .n_archive = seq % 3 == 0,
                                .id_reserve = ids};
    int result = ops.append(store, &b, err);
    free(t);
    free(r);
    return result;
}

struct archive {
    struct found *found;
    uint64_t seq[ARCHIVE_KEYS + 1]; /* of the batch that archived this key last */
    size_t left;
};

static int on_archived(void *arg, const struct vdi_store_object *o)
{
    struct archive *a = arg;
    uint64_t i = strtoull(o->key, NULL, 10);
    struct text t;
    struct vdi_store_object want = object(i, o->seq, &t);

    if (i > ARCHIVE_KEYS || o->seq != a->seq[i] || o->crc != want.crc ||
        o->body_len != want.body_len || memcmp(o->body, want.body, want.body_len) != 0)
        return wrong(a->found, "archived job %s differs", o->key);
    a->left--;
    return 0;
}

/* The archive is what all batches up to `last` put there. */
static void verify_archive(void *store, uint64_t last, struct found *f)
{
    struct vdi_store_query q = {.noun = "job", .limit = 10000};
    struct vdi_error err = {0};
    struct archive a = {.found = f};
    uint64_t first = 1;

    for (size_t i = 0; i < n_batches && batch_end[i] <= last; first = batch_end[i++] + 1)
        if (first % 3 == 0)
            a.seq[1 + first % ARCHIVE_KEYS] = first;
    for (int i = 1; i <= ARCHIVE_KEYS; i++)
        a.left += a.seq[i] != 0;
    if (ops.query_archive(store, &q, on_archived, &a, &err) < 0 || a.left)
        wrong(f, "%zu archived jobs are missing %s", a.left, err.detail);
}

/* The store on the disk after a cut, against what was acknowledged. */
static void verify(uint64_t acked, uint64_t ids, struct found *f)
{
    struct vdi_store_summary sum = {0};
    struct vdi_error err = {0};
    void *store = NULL;
    uint64_t epoch = 0;
    int r = start(&store, f, &sum, &epoch, &err);

    if (r < 0)
        wrong(f, "%s", err.detail);
    else if (sum.damaged || f->next != sum.last_seq + 1)
        wrong(f, "damaged, or it ends at %llu for %llu", (unsigned long long)f->next - 1,
              (unsigned long long)sum.last_seq);
    else if (sum.last_seq < acked)
        wrong(f, "events up to %llu were acknowledged, it ends at %llu", (unsigned long long)acked,
              (unsigned long long)sum.last_seq);
    else if (!is_batch_end(sum.last_seq))
        wrong(f, "a part of a batch is there, up to %llu", (unsigned long long)sum.last_seq);
    else if (sum.id_reserve < ids)
        wrong(f, "ids below %llu were reserved, now %llu", (unsigned long long)ids,
              (unsigned long long)sum.id_reserve);
    else if (sum.snapshot_seq && f->rows != SNAPSHOT_ROWS)
        wrong(f, "the snapshot has %llu rows", (unsigned long long)f->rows);
    if (!f->why[0])
        verify_archive(store, sum.last_seq, f);
    if (!f->why[0] && append(store, epoch, sum.last_seq + 1, 2, 0, &err) < 0)
        wrong(f, "it does not go on: %s", err.detail);
    ops.close(store);
}

/* ---- the writer -------------------------------------------------------- */

static void write_snapshot(void *store, uint64_t epoch, uint64_t seq)
{
    struct vdi_error err = {0};
    struct rows rows = {.seq = seq};

    check(ops.snapshot_write(store, epoch, seq, next_row, &rows, &err), &err, "snapshot");
    check(ops.trim(store, epoch, seq, INT64_MAX, &err), &err, "trim");
}

static void write_store(uint64_t *seed)
{
    struct vdi_store_summary sum;
    struct vdi_error err = {0};
    struct found f;
    uint64_t epoch, seq = 0, ids = 0;
    void *store;

    check(start(&store, &f, &sum, &epoch, &err), &err, "start");
    for (int i = 0; i < BATCHES; i++) {
        size_t n = 1 + power_draw(seed, power_draw(seed, 8) ? 12 : 150);
        if (seq + n > ids)
            ids = seq + n + 256;
        batch_end[n_batches++] = seq + n; /* may be there before it is acknowledged */
        check(append(store, epoch, seq + 1, n, ids, &err), &err, "append");
        seq += n;
        power_ack(seq, ids);
        if (i % 40 == 39)
            write_snapshot(store, epoch, seq - power_draw(seed, 2));
        if (i % 90 == 89) {
            ops.close(store);
            check(start(&store, &f, &sum, &epoch, &err), &err, "start again");
        }
    }
    ops.close(store);
}

/* ---- the rest ---------------------------------------------------------- */

static void load_plugin(const char *dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/store/%s.so", dir, name);
    void *lib = dlopen(path, RTLD_NOW);
    const struct vdi_plugin *p = lib ? dlsym(lib, "vdi_plugin") : NULL;
    if (!p) {
        fprintf(stderr, "power: %s\n", dlerror());
        exit(2);
    }
    memcpy(&ops, p->ops, p->ops_size < sizeof(ops) ? p->ops_size : sizeof(ops));
}

static void make_scratch(void)
{
    snprintf(scratch, sizeof(scratch), "%s/vdi-power-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(scratch)) {
        perror(scratch);
        exit(2);
    }
    snprintf(live, sizeof(live), "%s/live", scratch);
    snprintf(after, sizeof(after), "%s/after", scratch);
    if (mkdir(live, 0700) < 0 || mkdir(after, 0700) < 0) {
        perror(live);
        exit(2);
    }
}

static void remove_scratch(void)
{
    char command[PATH_MAX];

    power_watch(NULL, false);
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
    if (system(command) != 0)
        fprintf(stderr, "power: %s could not be removed\n", scratch);
}

static long cut(bool no_sync, uint64_t *seed, long *acked_batches, int number)
{
    size_t n = 1 + power_draw(seed, (uint32_t)power_n_ops);
    uint64_t acked = 0, ids = 0;
    struct found f = {0};

    for (size_t i = 0; i < n; i++) {
        if (power_ops[i].kind != POWER_ACK)
            continue;
        acked = power_ops[i].offset;
        ids = power_ops[i].len;
        ++*acked_batches;
    }
    power_watch(NULL, false);
    power_disk_write(after, n, no_sync, seed);
    power_watch(after, false);
    verify(acked, ids, &f);
    if (f.why[0])
        printf("cut %d after %zu of %zu calls: %s\n", number, n, power_n_ops, f.why);
    return f.why[0] != '\0';
}

static int usage(void)
{
    fprintf(stderr, "usage: power --cuts N [--store sqlite] [--no-fsync] [--seed S] "
                    "[--plugins DIR]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"cuts", required_argument, NULL, 'c'},    {"store", required_argument, NULL, 's'},
        {"no-fsync", no_argument, NULL, 'n'},      {"seed", required_argument, NULL, 'r'},
        {"plugins", required_argument, NULL, 'p'}, {0}};
    const char *store = "sqlite", *plugins = "plugins.d";
    bool no_sync = false;
    long cuts = 0, lost = 0, acked = 0;
    uint64_t seed = 1;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c')
            cuts = atol(optarg);
        else if (c == 's')
            store = optarg;
        else if (c == 'n')
            no_sync = true;
        else if (c == 'r')
            seed = strtoull(optarg, NULL, 10);
        else if (c == 'p')
            plugins = optarg;
        else
            return usage();
    }
    if (cuts < 1 || strcmp(store, "sqlite") != 0 || optind != argc)
        return usage();
    load_plugin(plugins, store);
    make_scratch();
    atexit(remove_scratch);
    snprintf(dsn, sizeof(dsn), "%s/vdi.db", live);
    power_watch(live, true);
    write_store(&seed);
    snprintf(dsn, sizeof(dsn), "%s/vdi.db", after);
    for (long i = 0; i < cuts; i++)
        lost += cut(no_sync, &seed, &acked, (int)i);
    printf("cuts=%ld acked=%ld lost=%ld\n", cuts, acked, lost);
    return lost ? 1 : 0;
}
