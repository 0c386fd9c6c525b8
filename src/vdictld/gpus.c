/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpus.c - GET /v1/gpus: what each GPU holds at a time, and when it changes profile after that.
 *
 * Kept: a page is what is made in PAGE_USEC, all GPUs of one node at least; so the loop is not
 * held up, however many nodes there are. A class is named to those who see it, a job to nobody.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/gpu_codec.h"
#include "vdictld/classes.h"
#include "vdictld/handlers.h"
#include "vdictld/job_filter.h"
#include "vdictld/queue.h"

#define PAGE_USEC 5000
#define PAGE_BYTES (1u << 20)
#define PAGE_NODES 1000
#define NODES_MAX 10000 /* that may be named */
#define CHANGES_INITIAL 8
#define DAYS_MAX 366 /* classes are booked so far ahead */
#define DAY_SEC 86400
/* Clocks differ, and a request takes its time: what is past by less is now. */
#define NOW_USEC (INT64_C(60) * USEC_PER_SEC)

struct gpu_list {
    struct call *call;
    struct plan_forecast_ask ask;
    struct hostlist named; /* sorted; none: all nodes */
    uint64_t columns, limit;
    struct gpu_row row;
    struct buf profile, profiles, changes; /* of the row */
    struct buf body;
    bool first;
};

static void list_done(struct gpu_list *l)
{
    hostlist_done(&l->named);
    buf_done(&l->profile);
    buf_done(&l->profiles);
    buf_done(&l->changes);
    buf_done(&l->body);
}

/* ---- one GPU ---- */

static const char *profile_name(const struct gpu_kind *kind, size_t offer)
{
    return kind->n_offers ? kind->offers[offer].profile : GPU_WISH_WHOLE;
}

static void add_name(const char *name, struct buf *out)
{
    buf_puts(out, out->len ? "," : "");
    buf_puts(out, name);
}

static const char *write_profile(const struct gpu_kind *kind, const struct plan_content *content,
                                 struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < GPU_OFFERS_MAX; i++)
        if (content->profiles >> i & 1)
            add_name(profile_name(kind, i), out);
    if (content->foreign)
        add_name(*content->foreign ? content->foreign : GPU_WISH_WHOLE, out);
    if (content->reserved)
        add_name("reserved", out);
    return out->len ? out->data : "";
}

/* The class of the instance that is a job's, or has the place of a seat. 0: it is of none. */
static uint64_t class_of_job(struct core *core, uint64_t id)
{
    const struct job *job = id < QUEUE_SEAT_ID ? core_job(core, id) : NULL;
    uint64_t instance = id >= QUEUE_SEAT_ID ? id - QUEUE_SEAT_ID : job ? job->instance : 0;
    const struct instance *in = instance ? core_instance(core, instance) : NULL;

    return in ? in->class_id : 0;
}

static const char *by_of(const struct call *call, const struct plan_content *content,
                         const char **ret_class)
{
    uint64_t class_id = content->by == PLAN_BY_CLASS ? classes_of_plan(content->id)
                        : content->by == PLAN_BY_JOB ? class_of_job(call->core, content->id)
                                                     : 0;

    *ret_class = class_id ? classes_name_for(call, class_id) : "";
    if (class_id)
        return "class";
    return content->by == PLAN_BY_JOB ? "job" : content->by == PLAN_BY_RESERVATION ? "pending" : "";
}

static void write_profiles(const struct plan_forecast *f, struct buf *out)
{
    buf_clear(out);
    buf_putc(out, '[');
    for (size_t i = 0; i == 0 || i < f->kind->n_offers; i++) {
        buf_puts(out, i ? ",{\"profile\":" : "{\"profile\":");
        json_write_string(out, profile_name(f->kind, i));
        buf_printf(out, ",\"used\":%u,\"free\":%u}", f->content.used[i], f->free[i]);
    }
    buf_putc(out, ']');
}

static void write_changes(struct gpu_list *l, const struct plan_forecast *f, struct buf *out)
{
    char text[40];
    const char *class_name;

    buf_clear(out);
    buf_putc(out, '[');
    for (size_t i = 0; i < f->n_changes; i++) {
        const struct plan_content *c = &f->changes[i];

        buf_printf(out, "%s{\"at\":\"%s\",\"profile\":", i ? "," : "",
                   time_to_rfc3339(c->from_usec, text));
        json_write_string(out, write_profile(f->kind, c, &l->profile));
        buf_printf(out, ",\"by\":\"%s\",\"class\":", by_of(l->call, c, &class_name));
        json_write_string(out, class_name);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void write_gpu(void *arg, const struct plan_forecast *f)
{
    struct gpu_list *l = arg;
    struct gpu_row *row = &l->row;

    write_profiles(f, &l->profiles);
    write_changes(l, f, &l->changes);
    row->gpu = f->gpu;
    row->law = f->kind->law;
    row->by = by_of(l->call, &f->content, &row->class_name);
    row->profile = write_profile(f->kind, &f->content, &l->profile); /* after the changes' */
    row->profiles = l->profiles.data;
    row->changes = l->changes.data;
    row->more_changes = f->more;
    row->used = f->content.foreign != NULL;
    for (size_t i = 0; i < GPU_OFFERS_MAX; i++)
        row->used += f->content.used[i];
    if (!l->first)
        buf_putc(&l->body, ',');
    l->first = false;
    gpu_write(row, l->columns, &l->body);
}

static int write_node(struct gpu_list *l, const struct node *node)
{
    struct core *core = l->call->core;
    struct plan_usage used = {0};

    queue_usage(core->queue, node->name, &used);
    l->row = (struct gpu_row){.at_usec = l->ask.at_usec};
    memcpy(l->row.node, node->name, sizeof(l->row.node));
    memcpy(l->row.model, node->gpu_type, sizeof(l->row.model));
    memcpy(l->row.reason, node->reason, sizeof(l->row.reason));
    str_copy(l->row.state, sizeof(l->row.state),
             node_state_name(node, used.cpus, used.gpus, used.jobs));
    return queue_forecast(core->queue, node->name, &l->ask, write_gpu, l);
}

/* ---- a page ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *next_node(const struct gpu_list *l, const char *after)
{
    size_t low = 0, high = l->named.n;

    if (!l->named.n)
        return queue_next_node(l->call->core->queue, after);
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(l->named.names[mid], after) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->named.n ? l->named.names[low] : NULL;
}

static void reply(struct gpu_list *l, const char *after)
{
    struct loop *loop = l->call->core->loop;
    int64_t until = loop_monotonic_usec(loop) + PAGE_USEC;
    const char *name, *last = after;
    uint64_t n = 0;
    int r = 0;

    l->first = true;
    buf_puts(&l->body, "{\"gpus\":[");
    for (; (name = next_node(l, last)); last = name) {
        const struct node *node = core_node(l->call->core, name);

        if (n && (n >= l->limit || l->body.len >= PAGE_BYTES || loop_monotonic_usec(loop) > until))
            break;
        if (node && !node->removed)
            r = write_node(l, node);
        if (r == -ENOMEM || l->body.failed)
            break;
        n++;
    }
    if (r == -ENOMEM) {
        call_refuse_with(l->call, ENOMEM, "", "out of memory");
        return;
    }
    buf_puts(&l->body, "],\"next\":");
    if (name)
        json_write_string(&l->body, last);
    else
        buf_puts(&l->body, "null");
    buf_putc(&l->body, '}');
    call_reply_json(l->call, 200, &l->body);
}

/* ---- what was asked for ---- */

static const char *query(const struct call *call, const char *name)
{
    const char *value = http_request_query(call->http, name);

    return value ? value : "";
}

static int read_at(struct call *call, int64_t *ret, struct vdi_error *err)
{
    int64_t now = loop_now_usec(call->core->loop), at = now;
    int r = job_filter_time(call, "at", &at, err);
    char limit[64];

    if (r < 0)
        return r;
    if (at < now - NOW_USEC) {
        error_set(err, ERANGE, "at", "'%.40s' is past", query(call, "at"));
        error_hint(err, time_to_rfc3339(now - now % USEC_PER_SEC, limit),
                   "name a time to come, or none for now; /v1/history tells of the past");
        return -ERANGE;
    }
    if (at > now + DAYS_MAX * DAY_SEC * USEC_PER_SEC) {
        snprintf(limit, sizeof(limit), "%d days from now", DAYS_MAX);
        error_set(err, ERANGE, "at", "nothing is planned for '%.40s' yet", query(call, "at"));
        error_hint(err, limit, "name an earlier time");
        return -ERANGE;
    }
    *ret = at > now ? at : now;
    return 0;
}

static int read_nodes(struct gpu_list *l, struct vdi_error *err)
{
    const char *text = query(l->call, "node");
    int r = *text ? hostlist_parse(text, NODES_MAX, &l->named) : 0;
    char limit[32];

    if (r < 0) {
        snprintf(limit, sizeof(limit), "%d nodes", NODES_MAX);
        error_set(err, EINVAL, "node", "'%.80s' is no list of nodes", text);
        error_hint(err, limit, "write gpu01 or gpu[01-16,20]");
        return -EINVAL;
    }
    for (size_t i = 0; i < l->named.n; i++) {
        const struct node *node = core_node(l->call->core, l->named.names[i]);

        if (node && !node->removed)
            continue;
        error_set(err, ENOENT, "node", "there is no node '%.64s'", l->named.names[i]);
        error_hint(err, NULL, "vdiinfo -N lists them");
        return -ENOENT;
    }
    if (l->named.n)
        qsort(l->named.names, l->named.n, sizeof(*l->named.names), compare_names);
    return 0;
}

void handle_gpu_list(struct call *call)
{
    struct gpu_list l = {.call = call};
    struct vdi_error err = {0};
    uint64_t for_sec, changes;

    if (!call_number(call, "for_sec", 0, (uint64_t)DAYS_MAX * DAY_SEC, &for_sec) ||
        !call_number(call, "changes", CHANGES_INITIAL, PLAN_CHANGES_MAX, &changes) ||
        !call_number(call, "limit", PAGE_NODES, PAGE_NODES, &l.limit))
        return;
    l.ask.span_usec = (int64_t)for_sec * USEC_PER_SEC;
    l.ask.changes = (size_t)changes;
    if (read_at(call, &l.ask.at_usec, &err) < 0 ||
        gpu_columns_parse(query(call, "fields"), &l.columns, &err) < 0 || read_nodes(&l, &err) < 0)
        call_refuse(call, &err);
    else
        reply(&l, query(call, "after"));
    list_done(&l);
}
