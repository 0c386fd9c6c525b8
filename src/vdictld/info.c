/* SPDX-License-Identifier: Apache-2.0 */
/* info.c - what there is: ping, partitions, QOS, templates, diag, metrics. */
#include <config.h>

#include <inttypes.h>

#include "base/cleanup.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "vdictld/classes.h"
#include "vdictld/feed.h"
#include "vdictld/gpu_wish.h"
#include "vdictld/handlers.h"
#include "vdictld/notify.h"
#include "vdictld/queue.h"
#include "vdictld/site.h"

void handle_ping(struct call *call)
{
    struct buf body = BUF_INIT(0);
    char when[40];

    buf_puts(&body, "{\"cluster\":");
    json_write_string(&body, call->core->config->cluster);
    buf_printf(&body, ",\"version\":\"" PACKAGE_VERSION "\",\"api\":1,\"time\":\"%s\"}",
               time_to_rfc3339(loop_now_usec(call->core->loop), when));
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

static void write_names(const char *name, const struct config_names *names, struct buf *out)
{
    buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < names->n; i++) {
        if (i)
            buf_putc(out, ',');
        json_write_string(out, names->names[i]);
    }
    buf_putc(out, ']');
}

static void write_partition(struct core *core, const struct config_partition *p, struct buf *out)
{
    _cleanup_(freep) char *nodes = hostlist_fold((const char *const *)p->nodes.names, p->nodes.n);
    uint64_t cpus = 0, cpus_used = 0, gpus = 0, gpus_used = 0, jobs = 0;

    for (size_t i = 0; i < p->nodes.n; i++) {
        const struct node *node = core_node(core, p->nodes.names[i]);
        struct plan_usage used = {0};

        if (!node)
            continue;
        queue_usage(core->queue, node->name, &used);
        cpus += node->cpus;
        gpus += node->gpus;
        cpus_used += used.cpus;
        gpus_used += used.gpus;
        jobs += used.jobs;
    }
    buf_puts(out, "{\"name\":");
    json_write_string(out, p->name);
    buf_puts(out, ",\"nodes\":");
    json_write_string(out, nodes ? nodes : "");
    buf_printf(out,
               ",\"default\":%s,\"up\":%s,\"max_time_sec\":%" PRId64
               ",\"default_time_sec\":%" PRId64 ",\"priority_tier\":%d",
               p->is_default ? "true" : "false", p->up ? "true" : "false", p->max_time_sec,
               p->default_time_sec, p->priority_tier);
    buf_printf(out,
               ",\"cpus\":%" PRIu64 ",\"cpus_used\":%" PRIu64 ",\"gpus\":%" PRIu64
               ",\"gpus_used\":%" PRIu64 ",\"jobs\":%" PRIu64 "}",
               cpus, cpus_used, gpus, gpus_used, jobs);
}

void handle_partitions(struct call *call)
{
    const struct config *c = call->core->config;
    struct buf body = BUF_INIT(0);

    buf_puts(&body, "{\"partitions\":[");
    for (size_t i = 0; i < c->n_partitions; i++) {
        if (i)
            buf_putc(&body, ',');
        write_partition(call->core, &c->partitions[i], &body);
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_qos(struct call *call)
{
    const struct config *c = call->core->config;
    struct buf body = BUF_INIT(0);

    buf_puts(&body, "{\"qos\":[");
    for (size_t i = 0; i < c->n_qos; i++) {
        buf_puts(&body, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(&body, c->qos[i].name);
        buf_printf(&body, ",\"priority\":%d}", c->qos[i].priority);
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

/* In the partition where it has the most room. */
static uint32_t template_free(struct core *core, const struct config_template *t)
{
    char wish[GPU_WISH_TEXT];
    struct job_spec spec = {.kind = JOB_INTERACTIVE,
                            .constraint = "",
                            .licences = "",
                            .nodelist = "",
                            .exclude = "",
                            .profile = wish,
                            .cpus = t->vcpus,
                            .memory_mib = t->memory_mib,
                            .gpus = t->gpus,
                            .encode_mpix = config_template_encode(t)};
    uint32_t most = 0;

    gpu_wish_of_template(t, 0, wish, sizeof(wish));
    for (size_t i = 0; i < core->config->n_partitions; i++) {
        spec.partition = core->config->partitions[i].name;
        uint32_t n = queue_free_now(core->queue, &spec);

        most = n > most ? n : most;
    }
    return most;
}

/* Where in the guest, and not from where: that is the nodes' business. */
static void write_mounts(const struct config_template *t, struct buf *out)
{
    buf_puts(out, ",\"mounts\":[");
    for (size_t i = 0; i < t->n_mounts; i++) {
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(out, t->mounts[i].name);
        buf_puts(out, ",\"target\":");
        json_write_string(out, t->mounts[i].target);
        buf_printf(out, ",\"type\":\"%s\",\"mode\":\"%s\"}", t->mounts[i].type, t->mounts[i].mode);
    }
    buf_printf(out, "],\"can_save\":%s", config_template_can_save(t) ? "true" : "false");
}

static void write_disks(const struct config_template *t, struct buf *out)
{
    buf_puts(out, ",\"disks\":[");
    for (size_t i = 0; i < t->n_disks; i++) {
        const struct config_disk *d = &t->disks[i];

        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(out, d->name);
        buf_puts(out, ",\"target\":");
        json_write_string(out, d->target);
        buf_printf(out, ",\"size_gib\":%u,\"persistence\":\"%s\",\"where\":\"%s\"}", d->size_gib,
                   d->persistence, d->where);
    }
    buf_putc(out, ']');
}

void handle_templates(struct call *call)
{
    const struct config *c = call->core->config;
    struct buf body = BUF_INIT(0);
    bool first = true;

    buf_puts(&body, "{\"templates\":[");
    for (size_t i = 0; i < c->n_templates; i++) {
        const struct config_template *t = &c->templates[i];

        if (!call_in_groups(call, &t->groups) && !call_is_operator(call))
            continue;
        buf_puts(&body, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        json_write_string(&body, t->name);
        buf_puts(&body, ",\"image\":");
        json_write_string(&body, t->image);
        buf_puts(&body, ",\"resolution\":");
        json_write_string(&body, t->resolution);
        buf_printf(&body, ",\"vcpus\":%u,\"memory_mib\":%u,\"gpus\":%u,\"free_now\":%u", t->vcpus,
                   t->memory_mib, t->gpus, template_free(call->core, t));
        write_names("profiles", &t->profiles, &body);
        write_mounts(t, &body);
        write_disks(t, &body);
        buf_putc(&body, '}');
    }
    buf_puts(&body, "]}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

/* One gauge or counter: its name in /v1/diag and /metrics, its kind, its value. */
struct figure {
    const char *name, *kind, *help;
    double value;
};

#define FIGURES_MAX 40

static size_t job_figures(struct core *core, struct figure *f)
{
    static const struct {
        enum job_state state;
        const char *name;
    } counted[] = {
        {JOB_PENDING, "jobs_pending"},       {JOB_CONFIGURING, "jobs_configuring"},
        {JOB_RUNNING, "jobs_running"},       {JOB_SUSPENDED, "jobs_suspended"},
        {JOB_COMPLETING, "jobs_completing"},
    };

    for (size_t i = 0; i < ELEMENTS(counted); i++)
        f[i] = (struct figure){counted[i].name, "gauge", "jobs in this state",
                               queue_jobs_in(core->queue, counted[i].state)};
    return ELEMENTS(counted);
}

static size_t figures(struct core *core, struct figure *f)
{
    struct events_stats ev;
    struct http_server_stats http;
    struct queue_stats plan;
    size_t n = job_figures(core, f);

    events_stats(core->events, &ev);
    http_server_stats(core->http, &http);
    queue_stats(core->queue, &plan);
    f[n++] = (struct figure){"events_seq", "counter", "last committed event",
                             (double)events_seq(core->events)};
    f[n++] = (struct figure){"commits", "counter", "group commits", (double)ev.commits};
    f[n++] = (struct figure){"commit_transactions", "counter", "transactions committed",
                             (double)ev.transactions};
    f[n++] =
        (struct figure){"commit_failures", "counter", "commits that failed", (double)ev.failures};
    f[n++] = (struct figure){"commit_waiting", "gauge", "transactions not durable yet", ev.waiting};
    f[n++] = (struct figure){"commit_longest_seconds", "gauge", "since the last look",
                             (double)ev.longest_commit_usec / 1e6};
    f[n++] = (struct figure){"store_error", "gauge", "errno of the last commit; 0: it worked",
                             ev.last_error};
    f[n++] = (struct figure){"store_damaged", "gauge", "1 when damage was met at start",
                             events_damaged(core->events)};
    f[n++] = (struct figure){"store_rows_damaged", "counter",
                             "rows left out of answers: their checksum differs",
                             (double)core->archive_damaged};
    f[n++] = (struct figure){"http_connections", "counter", "connections taken",
                             (double)http.connections};
    f[n++] = (struct figure){"http_connections_open", "gauge", "connections now", http.open};
    f[n++] = (struct figure){"http_connections_refused", "counter", "over a limit",
                             (double)http.refused_connections};
    f[n++] = (struct figure){"http_requests", "counter", "requests taken", (double)http.requests};
    for (size_t i = 2; i < 6; i++)
        f[n++] = (struct figure){i == 2   ? "replies_2xx"
                                 : i == 3 ? "replies_3xx"
                                 : i == 4 ? "replies_4xx"
                                          : "replies_5xx",
                                 "counter", "answers", (double)core->replies[i]};
    f[n++] = (struct figure){"planner_steps", "counter", "slices planned", (double)plan.steps};
    f[n++] = (struct figure){"planner_starts", "counter", "starts decided", (double)plan.starts};
    f[n++] = (struct figure){"planner_cpu_seconds", "counter", "processor time spent",
                             (double)plan.cpu_usec / 1e6};
    f[n++] = (struct figure){"planner_longest_step_seconds", "gauge", "since the last look",
                             (double)plan.longest_step_usec / 1e6};
    f[n++] = (struct figure){"site_operations_open", "gauge", "operations under way",
                             site_ops_open(core->site)};
    f[n++] = (struct figure){"event_followers", "gauge", "clients of /v1/events",
                             feed_clients(core->feed)};
    f[n++] = (struct figure){"notices_waiting", "gauge", "mails and webhooks that are owed",
                             notify_waiting(core->notify)};
    f[n++] = (struct figure){"notices_given_up", "counter", "never sent",
                             (double)notify_given_up(core->notify)};
    f[n++] = (struct figure){"loop_longest_stall_seconds", "gauge", "since the last look",
                             (double)loop_longest_stall_usec(core->loop, true) / 1e6};
    f[n++] = (struct figure){"uptime_seconds", "gauge", "since the start",
                             (double)(loop_now_usec(core->loop) - core->start_usec) / 1e6};
    return n;
}

void handle_diag(struct call *call)
{
    struct figure f[FIGURES_MAX];
    size_t n = figures(call->core, f);
    struct buf body = BUF_INIT(0);

    for (size_t i = 0; i < n; i++)
        buf_printf(&body, "%s\"%s\":%.9g", i ? "," : "{", f[i].name, f[i].value);
    buf_putc(&body, '}');
    call_reply_json(call, 200, &body);
    buf_done(&body);
}

void handle_metrics(struct call *call)
{
    struct figure f[FIGURES_MAX];
    size_t n = figures(call->core, f);
    struct buf body = BUF_INIT(0);

    for (size_t i = 0; i < n; i++) {
        bool counter = str_equal(f[i].kind, "counter");

        buf_printf(&body, "# TYPE vdi_%s %s\n# HELP vdi_%s %s\nvdi_%s%s %.9g\n", f[i].name,
                   f[i].kind, f[i].name, f[i].help, f[i].name, counter ? "_total" : "", f[i].value);
    }
    classes_write_metrics(call->core, &body);
    buf_puts(&body, "# EOF\n");
    call_reply(call, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", &body);
    buf_done(&body);
}
