/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site.c - the host side of a site plugin: its API, and operations with deadlines.
 *
 * complete() may come from any thread: it leaves its word in a list under a lock
 * and wakes the loop; everything else happens there.
 */
#include "vdictld/site.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/time.h"
#include "vdictld/life.h"
#include "vdictld/nodelink.h"

#define OP_DEADLINE_SEC 60
/* An account, mounts and a session in a guest that may be slow; vdid gives up before. */
#define BIND_DEADLINE_SEC 120
/* Somebody waits at a terminal, and can do without. */
#define OUTPUT_DEADLINE_SEC 15
#define LOG_DEADLINE_SEC 5
/* Memory by the gigabyte, to a disk and back. */
#define SAVE_DEADLINE_SEC 900

struct vdi_op {
    struct list link; /* in site->open, or in site->completed once the plugin spoke */
    struct vdi_host *host;
    struct source *deadline;
    unsigned deadline_sec;
    bool is_call;      /* a request waits for it: it is told when the site goes */
    site_done_fn done; /* NULL: the caller was told already (deadline) */
    void *arg;
    int result;
    char *json;
    struct vdi_error err;
    bool spoken; /* under the lock */
};

struct vdi_host {
    struct site *site;
};

struct vdi_watch {
    struct source *source;
    void (*on_fd)(void *arg, int fd, unsigned events);
    void (*on_time)(void *arg);
    void *arg;
};

struct site {
    struct core *core;
    struct vdi_host host;
    struct host_plugin *plugin;
    struct vdi_site_ops ops;
    void *state;
    struct workers *workers;
    struct source *wakeup;
    pthread_mutex_t lock;
    struct list completed; /* under the lock */
    struct list open;
    uint32_t n_open;
};

static struct site *host_site(struct vdi_host *host)
{
    return host->site;
}

/* ---- what plugins may call ---- */

static void host_log(struct vdi_host *host, enum vdi_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct vdi_host *host, enum vdi_log_level level, const char *format, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    log_write(level, "site %s: %s",
              host && host->site->plugin ? host_plugin_info(host->site->plugin)->name : "?", text);
}

static void watch_fd(void *arg, int fd, unsigned events)
{
    struct vdi_watch *w = arg;

    w->on_fd(w->arg, fd, events);
}

static void watch_time(void *arg)
{
    struct vdi_watch *w = arg;

    w->on_time(w->arg);
}

static struct vdi_watch *host_add_fd(struct vdi_host *host, int fd, unsigned events,
                                     void (*fn)(void *arg, int fd, unsigned events), void *arg)
{
    struct vdi_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->on_fd = fn;
    w->arg = arg;
    w->source = loop_fd(host_site(host)->core->loop, fd, events, watch_fd, w);
    return w;
}

static struct vdi_watch *host_timer(struct vdi_host *host, int64_t delay_usec,
                                    void (*fn)(void *arg), void *arg)
{
    struct vdi_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->on_time = fn;
    w->arg = arg;
    w->source = loop_timer(host_site(host)->core->loop, delay_usec, watch_time, w);
    return w;
}

static void host_unwatch(struct vdi_host *host, struct vdi_watch *w)
{
    if (!w)
        return;
    source_free(w->source);
    free(w);
}

struct host_work {
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void host_work_run(void *arg)
{
    struct host_work *w = arg;

    w->work(w->arg);
}

static void host_work_done(void *arg, bool dropped)
{
    struct host_work *w = arg;

    w->done(w->arg);
    free(w);
}

static int host_worker(struct vdi_host *host, void (*work)(void *arg), void (*done)(void *arg),
                       void *arg)
{
    struct host_work *w = malloc(sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    *w = (struct host_work){work, done, arg};
    r = workers_post(host_site(host)->workers, host_work_run, host_work_done, w);
    if (r < 0)
        free(w);
    return r;
}

static void host_complete(struct vdi_op *op, int result, const char *json,
                          const struct vdi_error *err)
{
    struct site *site = op->host->site;

    pthread_mutex_lock(&site->lock);
    if (op->spoken) {
        pthread_mutex_unlock(&site->lock);
        log_error("site: an operation was completed twice");
        return;
    }
    op->spoken = true;
    op->result = result;
    op->json = json ? strdup(json) : NULL;
    if (err)
        op->err = *err;
    list_remove(&op->link);
    list_append(&site->completed, &op->link);
    pthread_mutex_unlock(&site->lock);
    source_trigger(site->wakeup);
}

static void host_instance_event(struct vdi_host *host, struct vdi_instance_id id, const char *what,
                                const char *json)
{
    life_instance_event(host_site(host)->core, id, what, json ? json : "{}");
}

static int64_t host_now_usec(struct vdi_host *host)
{
    return loop_now_usec(host_site(host)->core->loop);
}

static void node_answered(void *arg, int result, const char *body, const char *reason)
{
    struct vdi_op *op = arg;
    struct vdi_error err = {0};

    if (result < 0)
        error_set(&err, -result, "node", "%s", reason && *reason ? reason : strerror(-result));
    host_complete(op, result, body, &err);
}

static int host_node_send(struct vdi_host *host, const char *node, const char *verb,
                          struct vdi_instance_id id, const char *body_json, struct vdi_op *op)
{
    struct nodelink *links = host_site(host)->core->links;

    if (!links)
        return -ENOTCONN; /* vdi.conf has no node_listen */
    return nodelink_order(links, node, verb, id, body_json, node_answered, op);
}

static const struct vdi_host_api host_api = {
    .size = sizeof(host_api),
    .log = host_log,
    .add_fd = host_add_fd,
    .timer = host_timer,
    .unwatch = host_unwatch,
    .worker = host_worker,
    .node_send = host_node_send,
    .complete = host_complete,
    .instance_event = host_instance_event,
    .now_usec = host_now_usec,
};

/* ---- operations ---- */

static void op_tell(struct vdi_op *op, int result, const char *json, const struct vdi_error *err)
{
    site_done_fn done = op->done;

    op->done = NULL;
    if (done)
        done(op->arg, result, json, err);
}

static void op_free(struct site *site, struct vdi_op *op)
{
    source_free(op->deadline);
    free(op->json);
    free(op);
    site->n_open--;
}

/* The plugin owns the op until it speaks: it only loses its listener here. */
static void op_late(void *arg)
{
    struct vdi_op *op = arg;
    struct vdi_error err = {0};

    error_set(&err, ETIMEDOUT, "site", "the site did not answer within %u s", op->deadline_sec);
    op_tell(op, -ETIMEDOUT, NULL, &err);
}

static void completed(void *arg)
{
    struct site *site = arg;
    struct list done = LIST_INIT(done);

    pthread_mutex_lock(&site->lock);
    list_for_each_safe (it, &site->completed) {
        list_remove(it);
        list_append(&done, it);
    }
    pthread_mutex_unlock(&site->lock);
    list_for_each_safe (it, &done) {
        struct vdi_op *op = list_entry(it, struct vdi_op, link);

        list_remove(it);
        op_tell(op, op->result, op->json, &op->err);
        op_free(site, op);
    }
}

static struct vdi_op *op_new(struct site *site, site_done_fn done, void *arg, bool is_call,
                             unsigned deadline_sec)
{
    struct vdi_op *op = calloc(1, sizeof(*op));

    if (!op)
        return NULL;
    op->host = &site->host;
    op->done = done;
    op->arg = arg;
    op->is_call = is_call;
    op->deadline_sec = deadline_sec;
    op->deadline = loop_timer(site->core->loop, deadline_sec * USEC_PER_SEC, op_late, op);
    pthread_mutex_lock(&site->lock);
    list_append(&site->open, &op->link);
    pthread_mutex_unlock(&site->lock);
    site->n_open++;
    return op;
}

/* An op that the plugin did not take (negative return) is completed for it. */
static void op_begun(struct vdi_op *op, int result)
{
    struct vdi_error err = {0};

    if (result >= 0)
        return;
    if (result == -ENOSYS) {
        error_set(&err, ENOSYS, "site", "the site of this cluster has nothing that could do that");
    } else if (result == -ENOTCONN) {
        error_set(&err, ENOTCONN, "node", "the node of this job is not connected now");
        error_hint(&err, NULL, "what runs there runs on; try again when the node is back");
    } else {
        error_set(&err, -result, "site", "the site cannot do that: %s", strerror(-result));
    }
    host_complete(op, result, NULL, &err);
}

#define SITE_OP_WITHIN(site, done, arg, is_call, sec, member, ...)                                 \
    do {                                                                                           \
        struct vdi_op *op = op_new(site, done, arg, is_call, sec);                                 \
        if (!op) {                                                                                 \
            struct vdi_error _err = {0};                                                           \
            error_set(&_err, ENOMEM, "", "out of memory");                                         \
            (done)(arg, -ENOMEM, NULL, &_err);                                                     \
            break;                                                                                 \
        }                                                                                          \
        op_begun(op, (site)->ops.member ? (site)->ops.member((site)->state, __VA_ARGS__, op)       \
                                        : -ENOSYS);                                                \
    } while (0)
#define SITE_OP(site, done, arg, ...)                                                              \
    SITE_OP_WITHIN(site, done, arg, false, OP_DEADLINE_SEC, __VA_ARGS__)
#define SITE_CALL(site, done, arg, ...)                                                            \
    SITE_OP_WITHIN(site, done, arg, true, OP_DEADLINE_SEC, __VA_ARGS__)

static struct vdi_instance_id id_of(const struct instance *in)
{
    return (struct vdi_instance_id){.id = in->id, .generation = in->generation};
}

void site_start(struct site *site, const struct vdi_instance_spec *spec, site_done_fn done,
                void *arg)
{
    SITE_OP(site, done, arg, start, spec);
}

void site_stop(struct site *site, const struct instance *in, uint32_t grace_sec, site_done_fn done,
               void *arg)
{
    SITE_OP(site, done, arg, stop, id_of(in), in->node, grace_sec);
}

void site_poll(struct site *site, const struct instance *in, site_done_fn done, void *arg)
{
    SITE_OP(site, done, arg, poll, id_of(in), in->node);
}

void site_bind(struct site *site, const struct instance *in, const char *bind_json,
               site_done_fn done, void *arg)
{
    SITE_OP_WITHIN(site, done, arg, false, BIND_DEADLINE_SEC, bind, id_of(in), in->node, bind_json);
}

void site_suspend(struct site *site, const struct instance *in, site_done_fn done, void *arg)
{
    SITE_OP_WITHIN(site, done, arg, true, SAVE_DEADLINE_SEC, suspend, id_of(in), in->node, "save");
}

void site_resume(struct site *site, const struct instance *in, site_done_fn done, void *arg)
{
    SITE_OP_WITHIN(site, done, arg, true, SAVE_DEADLINE_SEC, resume, id_of(in), in->node);
}

void site_signal(struct site *site, const struct instance *in, int signo, site_done_fn done,
                 void *arg)
{
    SITE_CALL(site, done, arg, signal, id_of(in), in->node, signo);
}

void site_message(struct site *site, const struct instance *in, const char *text, site_done_fn done,
                  void *arg)
{
    SITE_CALL(site, done, arg, message, id_of(in), in->node, text);
}

void site_connection(struct site *site, const struct instance *in, const char *request_json,
                     site_done_fn done, void *arg)
{
    SITE_CALL(site, done, arg, connection, id_of(in), in->node, request_json);
}

void site_output(struct site *site, const struct instance *in, const char *stream, uint64_t from,
                 uint32_t max, site_done_fn done, void *arg)
{
    SITE_OP_WITHIN(site, done, arg, true, OUTPUT_DEADLINE_SEC, output, id_of(in), in->node, stream,
                   from, max);
}

void site_log(struct site *site, const struct instance *in, site_done_fn done, void *arg)
{
    SITE_OP_WITHIN(site, done, arg, true, LOG_DEADLINE_SEC, log, id_of(in), in->node);
}

bool site_nodes_always_up(const struct site *site)
{
    return site->ops.flags & VDI_SITE_NODES_ALWAYS_UP;
}

uint32_t site_ops_open(const struct site *site)
{
    return site->n_open;
}

static int load(struct site *site, struct vdi_error *err)
{
    const struct config *config = site->core->config;
    struct vdi_setting_value *settings = NULL;
    size_t n = 0;
    int r;

    r = host_plugin_load(config->plugin_dir, VDI_PLUGIN_SITE, config->site.name, &site->ops,
                         sizeof(site->ops), &site->plugin, err);
    if (r >= 0)
        r = host_plugin_settings(site->plugin, config->site.settings, config->site.n_settings,
                                 &settings, &n, err);
    if (r >= 0)
        r = site->ops.init(&site->state, &site->host, &host_api, settings, n, err);
    free(settings);
    return r;
}

struct site *site_new(struct core *core, struct vdi_error *err)
{
    struct site *site = calloc(1, sizeof(*site));

    if (!site) {
        error_set(err, ENOMEM, "", "out of memory");
        return NULL;
    }
    site->core = core;
    site->host.site = site;
    list_init(&site->completed);
    list_init(&site->open);
    pthread_mutex_init(&site->lock, NULL);
    site->wakeup = loop_wakeup(core->loop, completed, site);
    site->workers = workers_new(core->loop, "site", 2, 4096);
    if (load(site, err) < 0) {
        site_free(site);
        return NULL;
    }
    return site;
}

static void ops_drop(struct site *site, struct list *ops)
{
    struct vdi_error err = {0};

    error_set(&err, ESHUTDOWN, "", "the controller is stopping");
    list_for_each_safe (it, ops) {
        struct vdi_op *op = list_entry(it, struct vdi_op, link);

        list_remove(it);
        if (op->is_call)
            op_tell(op, -ESHUTDOWN, NULL, &err);
        op_free(site, op);
    }
}

void site_free(struct site *site)
{
    if (!site)
        return;
    if (site->state && site->ops.done)
        site->ops.done(site->state);
    workers_free(site->workers);
    source_free(site->wakeup);
    ops_drop(site, &site->completed);
    ops_drop(site, &site->open);
    host_plugin_unload(site->plugin);
    pthread_mutex_destroy(&site->lock);
    free(site);
}
