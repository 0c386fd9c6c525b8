/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - vdictld: reads vdi.conf, loads the store, serves until told to stop.
 *
 * Stopping touches no instance: open commits are finished, a snapshot is
 * written, and the process ends.
 */
#include <config.h>

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/config.h"
#include "vdictld/arrays.h"
#include "vdictld/audit.h"
#include "vdictld/auth.h"
#include "vdictld/backup.h"
#include "vdictld/budget.h"
#include "vdictld/classes.h"
#include "vdictld/depend.h"
#include "vdictld/disks.h"
#include "vdictld/feed.h"
#include "vdictld/foresee.h"
#include "vdictld/grant.h"
#include "vdictld/handlers.h"
#include "vdictld/idem.h"
#include "vdictld/images.h"
#include "vdictld/job_index.h"
#include "vdictld/life.h"
#include "vdictld/nodelink.h"
#include "vdictld/minutes.h"
#include "vdictld/nodes.h"
#include "vdictld/notify.h"
#include "vdictld/priority.h"
#include "vdictld/queue.h"
#include "vdictld/quota.h"
#include "vdictld/reconfigure.h"
#include "vdictld/site.h"
#include "vdictld/sweep.h"

#define STORE_QUEUE 4096
#define CONFIG_WAIT_USEC 1000000 /* for the disk that vdi.conf is on, when it stops */
#define PKI_QUEUE 64
/* With what a connection has besides it is 32 KiB: more would be mapped, and 64 connections that
 * end together stall the loop for 40 ms of munmap(). */
#define HEADER_MAX 16384
#define ARRIVE_SEC 30

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"foreground", no_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {"ids-after", required_argument, NULL, 'i'},
    {"restore", required_argument, NULL, 'r'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void usage(FILE *f)
{
    fputs("usage: vdictld [--config FILE] [--restore BACKUP]\n"
          "The controller of OSVDI: holds jobs, plans them, serves the REST API.\n\n"
          "  -c, --config FILE   read FILE instead of " VDI_SYSCONFDIR "/vdi.conf\n"
          "  -f, --foreground    stay in the foreground (it always does)\n"
          "  -r, --restore FILE  fill the empty store from a backup (vdictl backup), and exit\n"
          "  -i, --ids-after N   restore: ids up to N were given out, as nodes or logs tell\n"
          "  -h, --help          print this and exit\n"
          "  -V, --version       print the version and exit\n\n"
          "SIGHUP reads the configuration again; SIGTERM stops; no instance notices either.\n",
          f);
}

static int read_config(struct core *core)
{
    struct buf findings = BUF_INIT(0);
    int r = config_read(core->config_path, &core->config, &findings);

    if (findings.len)
        fputs(findings.data, stderr);
    if (r < 0)
        fprintf(stderr, "vdictld: %s was not taken: %s\n", core->config_path, strerror(-r));
    buf_done(&findings);
    return r;
}

/* ---- what happens after a commit ---- */

static void published_job(struct core *core, const struct published *p)
{
    const struct job *old = p->old, *now = p->now;

    if (!old)
        job_index_add(core->mine, now);
    arrays_job(core, old, now);
    depend_job(core, old, now);
    quota_job(core, old, now);
    queue_job(core->queue, old, now);
    life_job(core, old, now);
    if (job_state_is_end(now->state))
        sweep_later(core, NOUN_JOB, now->id, NULL);
}

static void published(void *arg, const struct published *p)
{
    struct core *core = arg;

    switch (p->noun) {
    case NOUN_JOB:
        published_job(core, p);
        break;
    case NOUN_INSTANCE:
        life_instance(core, p->now);
        priority_instance(core, p->old, p->now);
        minutes_instance(core, p->old, p->now);
        if (((const struct instance *)p->now)->state == INSTANCE_GONE) {
            quota_instance_gone(core, p->now);
            sweep_later(core, NOUN_INSTANCE, p->id, NULL);
        }
        break;
    case NOUN_NODE:
        queue_node(core->queue, p->now);
        break;
    case NOUN_TOKEN:
        grant_token(core, p->now);
        break;
    case NOUN_IMAGE:
        images_published(core);
        break;
    case NOUN_NOTICE:
        notify_published(core, p->now);
        break;
    default:
        break;
    }
    disks_published(core->disks, p);
    classes_published(core->classes, p);
    feed_publish(core->feed, p);
}

static void collect_begin(void *arg)
{
    idem_collect_begin(((struct core *)arg)->idem);
}

static int collect(void *arg, struct events_extra *ret)
{
    struct core *core = arg;

    return idem_collect(core->idem, events_table(core->events, NOUN_JOB), ret);
}

static void restore(void *arg, const struct vdi_store_object *row)
{
    idem_restore(((struct core *)arg)->idem, row);
}

/* ---- start ---- */

static int store_plugin(const struct config *config, char *ret_kind, size_t size,
                        const char **ret_place, struct vdi_error *err)
{
    const char *colon = strchr(config->store, ':');

    if (!colon)
        return error_set(err, EINVAL, "store", "'%s' is not KIND:PLACE", config->store);
    snprintf(ret_kind, size, "%.*s", (int)(colon - config->store), config->store);
    *ret_place = colon + 1;
    return 0;
}

/* Before there is any thread: see host_plugin_try(). */
static int try_store_plugin(const struct config *c, struct vdi_error *err)
{
    const char *place;
    char kind[32];
    int r = store_plugin(c, kind, sizeof(kind), &place, err);

    return r < 0 ? r : host_plugin_try(c->plugin_dir, VDI_PLUGIN_STORE, kind, err);
}

static int try_plugins(const struct config *c, struct vdi_error *err)
{
    int r = try_store_plugin(c, err);

    if (r >= 0)
        r = host_plugin_try(c->plugin_dir, VDI_PLUGIN_SITE, c->site.name, err);
    for (size_t i = 0; i < c->n_auth && r >= 0; i++)
        r = host_plugin_try(c->plugin_dir, VDI_PLUGIN_AUTH, c->auth[i].name, err);
    return r < 0 ? r : host_plugin_try(c->plugin_dir, VDI_PLUGIN_PRIORITY, priority_plugin(c), err);
}

static int open_plugin(struct core *core, struct vdi_error *err)
{
    const char *place;
    char kind[32];
    int r = store_plugin(core->config, kind, sizeof(kind), &place, err);

    if (r < 0)
        return r;
    r = host_plugin_load(core->config->plugin_dir, VDI_PLUGIN_STORE, kind, &core->store_ops,
                         sizeof(core->store_ops), &core->store_plugin, err);
    if (r >= 0)
        r = core->store_ops.open(&core->store, NULL, &core_store_api, place, err);
    if (r >= 0)
        r = core->store_ops.schema(core->store, 0, err);
    return r;
}

static int open_store(struct core *core, struct vdi_error *err)
{
    uint64_t epoch;
    int r = open_plugin(core, err);

    if (r >= 0)
        r = core->store_ops.lease(core->store, core_holder(core), time_now_usec(), LEASE_TTL_USEC,
                                  &epoch, err);
    if (r >= 0)
        r = events_load(core->events, core->store, epoch, err);
    return r;
}

/* What is in memory after the load, told to those who keep their own view of it. */
static void tell_all(struct core *core)
{
    int64_t forgotten = loop_now_usec(core->loop) - IDEM_KEEP_USEC;
    struct table *jobs = events_table(core->events, NOUN_JOB);
    struct table *nodes = events_table(core->events, NOUN_NODE);
    struct table *instances = events_table(core->events, NOUN_INSTANCE);

    for (size_t i = 0; i < table_end(instances); i++) {
        const struct instance *in = table_at(instances, i) ? table_at(instances, i)->pub : NULL;

        if (in && in->state == INSTANCE_GONE)
            sweep_later(core, NOUN_INSTANCE, in->id, NULL);
    }
    for (size_t i = 0; i < table_end(nodes); i++)
        if (table_at(nodes, i))
            queue_node(core->queue, table_at(nodes, i)->pub);
    disks_load(core->disks);
    quota_configure(core); /* who runs counts before any is let in */
    for (size_t i = 0; i < table_end(jobs); i++) {
        const struct job *job = table_at(jobs, i) ? table_at(jobs, i)->pub : NULL;

        if (!job)
            continue;
        job_index_add(core->mine, job);
        arrays_job(core, NULL, job);
        if (job->spec->idempotency_key && job->submit_usec > forgotten &&
            (!job->array_id || job->array_id == job->id))
            idem_put(core->idem, job->spec, job->id, job->submit_usec);
        if (job_state_is_end(job->state)) {
            sweep_later(core, NOUN_JOB, job->id, NULL);
            continue;
        }
        queue_stage(core->queue, job->spec->owner);
        depend_job(core, NULL, job);
        queue_job(core->queue, NULL, job);
    }
}

static void configured(void *arg, int result, const struct vdi_error *err)
{
    if (result < 0)
        log_error("nodes and classes of vdi.conf could not be written down: %s", err->detail);
}

static int configure_nodes(struct core *core, struct vdi_error *err)
{
    struct txn *txn = txn_new(core->events);
    int r = txn ? nodes_configure(core, txn, core->config, err) : -ENOMEM;

    if (r >= 0)
        r = classes_add_config(core, txn, core->config, true, err);
    if (r < 0)
        txn_abort(txn);
    else
        txn_commit(txn, configured, core);
    return r;
}

static struct http_limits limits_of(const struct config *c)
{
    return (struct http_limits){
        .connections = c->max_connections,
        .connections_client = c->max_connections_client,
        .header_bytes = HEADER_MAX,
        .body_bytes = c->max_body_kib * 1024,
        .idle_sec = c->idle_timeout_sec,
        .arrive_sec = ARRIVE_SEC,
    };
}

void core_apply_limits(struct core *core)
{
    struct http_limits limits = limits_of(core->config);

    http_server_set_limits(core->http, &limits);
    log_set_level(log_level_from(core->config->log_level));
}

static int open_http(struct core *core, struct vdi_error *err)
{
    struct http_limits limits = limits_of(core->config);
    const struct config *c = core->config;

    core->http = http_server_new(core->loop, &limits, dispatch_http, core);
    if (!core->http)
        return error_set(err, ENOMEM, "", "out of memory");
    for (size_t i = 0; i < c->listen.n; i++) {
        int r = http_server_listen(core->http, c->listen.names[i], c->tls_cert, c->tls_key, err);

        if (r < 0)
            return r;
        log_info("listening on %s", c->listen.names[i]);
    }
    return 0;
}

static int make_parts(struct core *core, struct vdi_error *err)
{
    list_init(&core->grants);
    list_init(&core->outputs);
    core->loop = loop_new();
    core->store_worker = core->loop ? workers_new(core->loop, "store", 1, STORE_QUEUE) : NULL;
    core->snapshot_worker = core->loop ? workers_new(core->loop, "snapshot", 1, 1) : NULL;
    core->backup_worker = core->loop ? workers_new(core->loop, "backup", 1, 4) : NULL;
    core->pki_worker = core->loop ? workers_new(core->loop, "pki", 1, PKI_QUEUE) : NULL;
    core->config_worker = core->loop ? workers_new(core->loop, "config", 1, 1) : NULL;
    core->events = core->store_worker && core->snapshot_worker
                       ? events_new(core->loop, core->store_worker, core->snapshot_worker,
                                    &core->store_ops, published, core)
                       : NULL;
    core->arrays = arrays_new(core);
    core->budget = budget_new();
    core->denials = core->loop ? denials_new(core) : NULL;
    core->idem = idem_new();
    core->mine = job_index_new();
    core->depend = core->loop ? depend_new(core) : NULL;
    core->disks = core->loop ? disks_new(core) : NULL;
    core->classes = core->loop ? classes_new(core) : NULL;
    core->feed = core->loop ? feed_new(core) : NULL;
    core->queue = core->loop ? queue_new(core) : NULL;
    core->quota = core->loop ? quota_new(core) : NULL;
    core->foresee = core->loop ? foresee_new(core) : NULL;
    core->minutes = core->loop ? minutes_new(core) : NULL;
    core->life = life_new(core);
    core->sweep = core->loop ? sweep_new(core) : NULL;
    core->notify = core->loop ? notify_new(core) : NULL;
    if (!core->events || !core->pki_worker || !core->backup_worker || !core->config_worker ||
        !core->budget || !core->arrays || !core->classes || !core->denials || !core->depend ||
        !core->disks || !core->idem || !core->mine || !core->feed || !core->queue || !core->quota ||
        !core->foresee || !core->minutes || !core->life || !core->sweep || !core->notify)
        return error_set(err, ENOMEM, "", "out of memory");
    events_set_extras(core->events, &(struct events_extras){collect_begin, collect, restore});
    core->start_usec = loop_now_usec(core->loop);
    core->start_monotonic_usec = loop_monotonic_usec(core->loop);
    return 0;
}

static int start(struct core *core, struct vdi_error *err)
{
    int r = core_claim(core, err);

    if (r >= 0)
        r = try_plugins(core->config, err);
    if (r >= 0)
        r = make_parts(core, err);
    if (r >= 0)
        r = open_store(core, err);
    if (r < 0)
        return r;
    core->site = site_new(core, err);
    if (!core->site)
        return -err->code;
    core->links = nodelink_new(core, err);
    if (!core->links && err->code)
        return -err->code;
    core->images = images_new(core, err);
    if (!core->images)
        return -err->code;
    core->auth = auth_new(core, err);
    if (!core->auth)
        return -err->code;
    if (!priority_new(core, err))
        return -err->code;
    r = queue_configure(core->queue);
    if (r < 0)
        return error_set(err, -r, "", "the planner could not take the configuration");
    tell_all(core);
    priority_begin(core);
    minutes_configure(core);
    classes_load(core->classes);
    notify_recover(core);
    life_recover(core);
    disks_recover(core->disks);
    r = configure_nodes(core, err);
    return r < 0 ? r : open_http(core, err);
}

/* ---- stop ---- */

static void snapshot_written(void *arg, int result, const struct vdi_error *err)
{
    struct core *core = arg;

    if (result < 0)
        log_error("the snapshot was not written: %s; nothing is lost, the next start is slower",
                  err->detail);
    loop_stop(core->loop);
}

static void all_committed(void *arg, int result, const struct vdi_error *err)
{
    struct core *core = arg;

    audit_anchor(core, true);
    if (events_snapshot(core->events, sweep_trim_usec(core), snapshot_written, core) < 0)
        loop_stop(core->loop);
}

static void stop(void *arg, int signo)
{
    struct core *core = arg;
    struct txn *barrier;

    if (core->stopping)
        return;
    log_info("stopping on signal %d", signo);
    denials_flush(core->denials);
    core->stopping = true;
    barrier = txn_new(core->events);
    if (barrier)
        txn_commit(barrier, all_committed, core);
    else
        loop_stop(core->loop);
}

static void hangup(void *arg, int signo)
{
    reconfigure(arg, NULL, false);
}

static void core_done(struct core *core)
{
    core->stopping = true; /* also after a start that failed: nothing acts any more */
    /* Each of these may still answer calls, so the server goes last. What workers end with may
     * still speak to nodes and site. */
    auth_free(core->auth);
    notify_stop(core->notify);
    (void)workers_abandon(core->config_worker, CONFIG_WAIT_USEC);
    workers_free(core->pki_worker);
    workers_free(core->backup_worker);
    workers_free(core->snapshot_worker); /* what it ends with goes to the store's */
    workers_free(core->store_worker);
    images_free(core->images);
    core->images = NULL;
    nodelink_free(core->links);
    site_free(core->site);
    events_cancel(core->events);
    notify_free(core->notify);
    core->notify = NULL;
    http_server_free(core->http);
    if (core->store && core->store_ops.close)
        core->store_ops.close(core->store);
    sweep_free(core->sweep);
    life_free(core->life);
    disks_free(core->disks);
    depend_free(core->depend);
    classes_free(core->classes);
    arrays_free(core->arrays);
    queue_free(core->queue);
    priority_free(core->priority);
    foresee_free(core->foresee);
    quota_free(core->quota);
    minutes_free(core->minutes);
    feed_free(core->feed);
    job_index_free(core->mine);
    idem_free(core->idem);
    budget_free(core->budget);
    denials_free(core->denials);
    events_free(core->events);
    host_plugin_unload(core->store_plugin);
    loop_free(core->loop);
    config_free(core->config);
    if (core->claim_fd >= 0)
        close(core->claim_fd);
    free(core->holder);
    free(core->config_path);
}

static int serve(struct core *core)
{
    struct source *term = loop_signal(core->loop, SIGTERM, stop, core);
    struct source *intr = loop_signal(core->loop, SIGINT, stop, core);
    struct source *hup = loop_signal(core->loop, SIGHUP, hangup, core);
    int r;

    signal(SIGPIPE, SIG_IGN);
    log_info("cluster %s: serving", core->config->cluster);
    audit_anchor(core, true);
    r = loop_run(core->loop);
    source_free(term);
    source_free(intr);
    source_free(hup);
    return core->deposed ? -ESTALE : r;
}

/* What the process is to do. */
struct task {
    const char *restore; /* NULL: serve */
    uint64_t ids_after;
};

static int run_restore(struct core *core, const struct task *task, struct vdi_error *err)
{
    _cleanup_(backup_closep) struct backup_file *file = NULL;
    int r = core_claim(core, err);

    if (r >= 0)
        r = restore_open(core, task->restore, &file, err);
    if (r >= 0)
        r = try_store_plugin(core->config, err);
    if (r >= 0)
        r = open_plugin(core, err);
    return r < 0 ? r : restore_run(core, file, task->ids_after, err);
}

static int run(struct core *core, const struct task *task)
{
    struct vdi_error err = {0};
    char text[800];
    int r = read_config(core);

    if (r < 0)
        return EXIT_FAILURE;
    log_set_level(log_level_from(core->config->log_level));
    r = task->restore ? run_restore(core, task, &err) : start(core, &err);
    if (r < 0)
        fprintf(stderr, "vdictld: %s\n", error_text(&err, text, sizeof(text)));
    else if (!task->restore)
        r = serve(core);
    core_done(core);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void print_version(void)
{
    puts("vdictld " PACKAGE_VERSION);
}

int main(int argc, char **argv)
{
    struct core core = {.claim_fd = -1};
    struct task task = {0};
    const char *path = VDI_SYSCONFDIR "/vdi.conf";
    int c, code = -1;

    log_init("vdictld", VDI_LOG_INFO);
    while (code < 0 && (c = getopt_long(argc, argv, "c:fhi:r:V", options, NULL)) != -1) {
        if (c == 'c') {
            path = optarg;
        } else if (c == 'r') {
            task.restore = optarg;
        } else if (c == 'i' && str_to_u64(optarg, 1, INT64_MAX / 2, &task.ids_after) == 0) {
            continue;
        } else if (c == 'h' || c == 'V') {
            c == 'h' ? usage(stdout) : print_version();
            code = EXIT_SUCCESS;
        } else if (c != 'f') {
            usage(stderr);
            code = 2;
        }
    }
    if (code < 0 && task.ids_after && !task.restore) {
        usage(stderr);
        code = 2;
    }
    if (code >= 0)
        return code;
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
    core.config_path = strdup(path);
    return core.config_path ? run(&core, &task) : EXIT_FAILURE;
}
