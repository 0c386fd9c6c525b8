/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_fill.c - a store with a year of ended jobs and their instances.
 *
 *   bench/history_fill --store sqlite --dsn PATH [--jobs N] [--users N] [--plugins DIR]
 *
 * Job i is of user i % users, ends i / jobs of a year after 2025-01-01 and ran for 4 hours
 * at most. Rows go to the archive alone, as those of jobs whose events were trimmed long ago.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "base/word.h"
#include "codec/job_codec.h"
#include "codec/noun_codec.h"
#include "vdictld/record.h"

#define BEGIN_USEC (INT64_C(1735689600) * USEC_PER_SEC) /* 2025-01-01 UTC */
#define YEAR_USEC (365 * 86400 * USEC_PER_SEC)
#define BATCH 2000

static struct vdi_store_ops ops;

struct row {
    char key[24], owner[40];
    struct buf body;
};

static void check(int r, const struct vdi_error *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "history_fill: %s\n", err->detail);
    exit(2);
}

static void load_plugin(const char *dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/store/%s.so", dir, name);
    void *lib = dlopen(path, RTLD_NOW);
    const struct vdi_plugin *p = lib ? dlsym(lib, "vdi_plugin") : NULL;
    if (!p) {
        fprintf(stderr, "history_fill: %s\n", dlerror());
        exit(2);
    }
    memcpy(&ops, p->ops, p->ops_size < sizeof(ops) ? p->ops_size : sizeof(ops));
}

/* Both rows of job i. */
static void make(uint64_t i, uint64_t jobs, uint64_t users, struct row *r,
                 struct vdi_store_object *o)
{
    int64_t end = BEGIN_USEC + (int64_t)((double)i / (double)jobs * (double)YEAR_USEC);
    int64_t start = end - (int64_t)(600 + i * 7919 % 13800) * USEC_PER_SEC;
    struct job job = {.refs = 1, .id = i, .state = i % 10 ? JOB_COMPLETED : JOB_FAILED};
    struct instance in = {.refs = 1, .id = i, .state = INSTANCE_GONE, .job = i};

    for (int k = 0; k < 2; k++) {
        snprintf(r[k].key, sizeof(r[k].key), "%" PRIu64, i);
        snprintf(r[k].owner, sizeof(r[k].owner), "unix:user%" PRIu64, i % users);
        buf_clear(&r[k].body);
    }
    job.spec = job_spec_new();
    job_spec_set(&job.spec->owner, r[0].owner);
    job_spec_set(&job.spec->name, "train");
    job_spec_set(&job.spec->template_name, "batch");
    job_spec_set(&job.spec->partition, "main");
    job_spec_set(&job.spec->account, i % 3 ? "physics" : "chemistry");
    job_spec_set(&job.spec->work_dir, "/home/user/project/run");
    job.spec->kind = JOB_BATCH;
    job.spec->cpus = in.vcpus = 4;
    job.spec->memory_mib = in.memory_mib = 8192;
    job.spec->gpus = in.gpus = 1;
    job.spec->time_limit_sec = 14400;
    job.instance = i;
    job.generation = in.generation = 1;
    job.submit_usec = start - 120 * USEC_PER_SEC;
    job.alloc_usec = in.request_usec = start - 40 * USEC_PER_SEC;
    job.start_usec = in.ready_usec = start;
    job.end_usec = in.gone_usec = in.state_usec = end;
    job.node = word_get("n1");
    job.reason = word_get("");
    str_copy(in.owner, sizeof(in.owner), r[1].owner);
    str_copy(in.node, sizeof(in.node), "n1");
    str_copy(in.template_name, sizeof(in.template_name), "batch");
    str_copy(in.profile, sizeof(in.profile), "nvidia-a40-4q");
    str_copy(in.account, sizeof(in.account), job.spec->account);
    str_copy(in.partition, sizeof(in.partition), "main");
    job_snapshot_encode(&job, &r[0].body);
    instance_snapshot_encode(&in, &r[1].body);
    o[0] = (struct vdi_store_object){.noun = "job",
                                     .state = job_state_name(job.state),
                                     .begin_usec = job.submit_usec,
                                     .version = JOB_EVENT_VERSION};
    o[1] = (struct vdi_store_object){.noun = "instance",
                                     .state = "GONE",
                                     .begin_usec = in.request_usec,
                                     .version = INSTANCE_EVENT_VERSION};
    for (int k = 0; k < 2; k++) {
        o[k].seq = 1;
        o[k].key = r[k].key;
        o[k].owner = r[k].owner;
        o[k].end_usec = end;
        o[k].body = r[k].body.data;
        o[k].body_len = r[k].body.len;
        object_seal(&o[k]);
    }
    job_spec_unref(job.spec);
    word_unref(job.node);
    word_unref(job.reason);
}

static int on_object(void *arg, const struct vdi_store_object *object)
{
    return 0;
}

static int on_record(void *arg, const struct vdi_store_record *record)
{
    return 0;
}

/* A store is loaded before it takes anything. */
static void load(void *store)
{
    const struct vdi_store_loader loader = {.object = on_object, .record = on_record};
    struct vdi_store_summary summary;
    struct vdi_error err = {0};

    check(ops.load(store, &loader, &summary, &err), &err);
}

static void fill(void *store, uint64_t epoch, uint64_t jobs, uint64_t users)
{
    static struct row rows[2 * BATCH];
    static struct vdi_store_object objects[2 * BATCH];
    struct vdi_error err = {0};

    for (uint64_t i = 1; i <= jobs;) {
        size_t n = 0;

        for (; n < BATCH && i <= jobs; n++, i++)
            make(i, jobs, users, &rows[2 * n], &objects[2 * n]);
        struct vdi_store_batch batch = {
            .epoch = epoch, .archive = objects, .n_archive = 2 * n, .id_reserve = jobs + 1};
        check(ops.append(store, &batch, &err), &err);
    }
    for (size_t i = 0; i < 2 * BATCH; i++)
        buf_done(&rows[i].body);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"store", required_argument, NULL, 's'},   {"dsn", required_argument, NULL, 'd'},
        {"jobs", required_argument, NULL, 'j'},    {"users", required_argument, NULL, 'u'},
        {"plugins", required_argument, NULL, 'p'}, {0}};
    const char *name = NULL, *dsn = NULL, *plugins = "plugins.d";
    uint64_t jobs = 1000000, users = 100, epoch;
    struct vdi_error err = {0};
    void *store;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 's')
            name = optarg;
        else if (c == 'd')
            dsn = optarg;
        else if (c == 'p')
            plugins = optarg;
        else if (c == '?' || str_to_u64(optarg, 1, 100000000, c == 'j' ? &jobs : &users) < 0)
            name = dsn = NULL;
    }
    if (!name || !dsn) {
        fprintf(stderr, "usage: history_fill --store NAME --dsn DSN [--jobs N] [--users N] "
                        "[--plugins DIR]\n");
        return 2;
    }
    load_plugin(plugins, name);
    check(ops.open(&store, NULL, NULL, dsn, &err), &err);
    check(ops.schema(store, 0, &err), &err);
    check(ops.lease(store, "bench", time_now_usec(), 60000000, &epoch, &err), &err);
    load(store);
    fill(store, epoch, jobs, users);
    ops.close(store);
    return 0;
}
