/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - how fast a store takes batches, and how fast it is read again.
 *
 *   bench/store --store sqlite --dsn PATH [--batches N] [--batch N] [--body BYTES]
 *               [--plugins DIR]
 *
 * One line: records a second, and the latency of an append (p50, p99, longest); then
 * one line of the load.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vdi/plugin.h>

#define BATCH_MAX 10000

static struct vdi_store_ops ops;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int r, const struct vdi_error *err)
{
    if (r == 0)
        return;
    fprintf(stderr, "store: %s\n", err->detail);
    exit(2);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int on_object(void *arg, const struct vdi_store_object *object)
{
    return 0;
}

static int on_record(void *arg, const struct vdi_store_record *record)
{
    ++*(size_t *)arg;
    return 0;
}

static void load_plugin(const char *dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/store/%s.so", dir, name);
    void *lib = dlopen(path, RTLD_NOW);
    const struct vdi_plugin *p = lib ? dlsym(lib, "vdi_plugin") : NULL;
    if (!p) {
        fprintf(stderr, "store: %s\n", dlerror());
        exit(2);
    }
    memcpy(&ops, p->ops, p->ops_size < sizeof(ops) ? p->ops_size : sizeof(ops));
}

static uint64_t load(void *store, size_t *ret_n)
{
    struct vdi_store_loader loader = {ret_n, on_object, on_record, NULL};
    struct vdi_store_summary sum;
    struct vdi_error err = {0};

    *ret_n = 0;
    check(ops.load(store, &loader, &sum, &err), &err);
    return sum.last_seq;
}

static uint64_t start(void **ret, const char *dsn)
{
    struct vdi_error err = {0};
    uint64_t epoch;

    check(ops.open(ret, NULL, NULL, dsn, &err), &err);
    check(ops.schema(*ret, 0, &err), &err);
    check(ops.lease(*ret, "bench", time(NULL) * 1000000, 60000000, &epoch, &err), &err);
    return epoch;
}

static void append_all(void *store, uint64_t epoch, uint64_t seq, long batches, long batch,
                       size_t body_len)
{
    static struct vdi_store_record r[BATCH_MAX];
    static char key[BATCH_MAX][24];
    struct vdi_error err = {0};
    char *body = malloc(body_len + 1);
    double *took = calloc((size_t)batches, sizeof(*took));

    if (!body || !took)
        exit(2);
    memset(body, 'b', body_len);
    double begin = now();
    for (long i = 0; i < batches; i++) {
        for (long k = 0; k < batch; k++) {
            snprintf(key[k], sizeof(key[k]), "%llu", (unsigned long long)++seq);
            r[k] = (struct vdi_store_record){.seq = seq,
                                             .time_usec = (int64_t)seq,
                                             .noun = "job",
                                             .key = key[k],
                                             .type = "submit",
                                             .version = 1,
                                             .body = body,
                                             .body_len = body_len};
        }
        struct vdi_store_batch b = {.epoch = epoch, .records = r, .n_records = (size_t)batch};
        double t = now();
        check(ops.append(store, &b, &err), &err);
        took[i] = now() - t;
    }
    double all = now() - begin;
    qsort(took, (size_t)batches, sizeof(*took), by_value);
    printf("append: %ld x %ld of %zu B: %.0f records/s, p50 %.2f ms, p99 %.2f ms, max %.2f ms\n",
           batches, batch, body_len, (double)(batches * batch) / all, took[batches / 2] * 1e3,
           took[batches * 99 / 100] * 1e3, took[batches - 1] * 1e3);
    free(body);
    free(took);
}

static int usage(void)
{
    fprintf(stderr, "usage: store --store NAME --dsn DSN [--batches N] [--batch N] "
                    "[--body BYTES] [--plugins DIR]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"store", required_argument, NULL, 's'},
                                            {"dsn", required_argument, NULL, 'd'},
                                            {"batches", required_argument, NULL, 'n'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {"body", required_argument, NULL, 'l'},
                                            {"plugins", required_argument, NULL, 'p'},
                                            {0}};
    const char *name = NULL, *dsn = NULL, *plugins = "plugins.d";
    long batches = 1000, batch = 64, body = 600;
    void *store;
    size_t n;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 's':
            name = optarg;
            break;
        case 'd':
            dsn = optarg;
            break;
        case 'n':
            batches = atol(optarg);
            break;
        case 'b':
            batch = atol(optarg);
            break;
        case 'l':
            body = atol(optarg);
            break;
        case 'p':
            plugins = optarg;
            break;
        default:
            return usage();
        }
    }
    if (!name || !dsn || batches < 1 || batch < 1 || batch > BATCH_MAX || body < 0)
        return usage();
    load_plugin(plugins, name);
    uint64_t epoch = start(&store, dsn);
    append_all(store, epoch, load(store, &n), batches, batch, (size_t)body);
    ops.close(store);
    start(&store, dsn);
    double t = now();
    load(store, &n);
    printf("load: %zu events in %.0f ms\n", n, (now() - t) * 1e3);
    ops.close(store);
    return 0;
}
