/* SPDX-License-Identifier: Apache-2.0 */
/* feed.c - a ring of recent events and the clients that follow it. */
#include "vdictld/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/field.h"
#include "vdictld/grant.h"
#include "vdictld/handlers.h"

#define PING_USEC (15 * USEC_PER_SEC)
#define SEND_MAX (64u << 10)

struct item {
    uint64_t seq;
    uint64_t job, array; /* 0: of none */
    char *owner;
    char *text; /* the whole event, ready to send */
    size_t len;
};

struct follower {
    struct list link;
    struct feed *feed;
    struct http_stream *stream;
    struct grant grant;
    uint64_t after; /* the last one sent */
    uint64_t job;   /* only this one, or its tasks; 0: all */
    bool sees_all;
    bool idle; /* has all there is: send at once */
    char who[CALL_WHO_MAX];
};

struct feed {
    struct core *core;
    struct item *ring[FEED_KEEP];
    uint64_t n; /* items ever put; the ring holds the last FEED_KEEP */
    struct list followers;
    uint32_t n_followers;
    struct source *ping;
};

static void ping(void *arg);

struct feed *feed_new(struct core *core)
{
    struct feed *feed = calloc(1, sizeof(*feed));

    if (!feed)
        return NULL;
    feed->core = core;
    list_init(&feed->followers);
    feed->ping = loop_timer(core->loop, PING_USEC, ping, feed);
    return feed;
}

static void item_free(struct item *item)
{
    if (!item)
        return;
    free(item->owner);
    free(item->text);
    free(item);
}

void feed_free(struct feed *feed)
{
    if (!feed)
        return;
    list_for_each_safe (it, &feed->followers) {
        struct follower *f = list_entry(it, struct follower, link);

        list_remove(it);
        grant_done(&f->grant);
        free(f);
    }
    for (size_t i = 0; i < FEED_KEEP; i++)
        item_free(feed->ring[i]);
    source_free(feed->ping);
    free(feed);
}

uint32_t feed_clients(const struct feed *feed)
{
    return feed->n_followers;
}

/* The first item, by index in the ring's life, whose seq is above `seq`. */
static uint64_t first_after(const struct feed *feed, uint64_t seq)
{
    uint64_t lo = feed->n > FEED_KEEP ? feed->n - FEED_KEEP : 0, hi = feed->n;

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;

        if (feed->ring[mid % FEED_KEEP]->seq <= seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool wants(const struct follower *f, const struct item *item)
{
    if (f->job && f->job != item->job && f->job != item->array)
        return false;
    return f->sees_all || str_equal(item->owner, f->who);
}

static const char reset[] = "event: reset\ndata: {}\n\n";

/* Is what comes after `seq` still in the ring? */
static bool reaches_back(const struct feed *feed, uint64_t seq)
{
    if (feed->n > FEED_KEEP)
        return seq >= feed->ring[feed->n % FEED_KEEP]->seq - 1;
    return feed->n && seq >= feed->ring[0]->seq - 1;
}

static void follow(void *arg)
{
    struct follower *f = arg;
    struct feed *feed = f->feed;
    struct buf out = BUF_INIT(0);
    uint64_t i;

    if (feed->n > FEED_KEEP && !reaches_back(feed, f->after)) { /* it read too slowly */
        buf_append(&out, reset, sizeof(reset) - 1);
        f->after = events_seq(feed->core->events);
    }
    for (i = first_after(feed, f->after); i < feed->n && out.len < SEND_MAX; i++) {
        const struct item *item = feed->ring[i % FEED_KEEP];

        f->after = item->seq;
        if (wants(f, item))
            buf_append(&out, item->text, item->len);
    }
    f->idle = !out.len;
    if (out.len)
        http_stream_send(f->stream, out.data, out.len);
    buf_done(&out);
}

static void closed(void *arg)
{
    struct follower *f = arg;

    list_remove(&f->link);
    f->feed->n_followers--;
    grant_done(&f->grant);
    free(f);
}

/* Its token was revoked or has ended: who may still follow comes again with another. */
static void over(void *arg)
{
    struct follower *f = arg;

    http_stream_end(f->stream);
}

/* A comment line now and then shows both sides that the other is there. */
static void ping(void *arg)
{
    struct feed *feed = arg;

    list_for_each (it, &feed->followers) {
        struct follower *f = list_entry(it, struct follower, link);

        if (f->idle && !http_stream_waiting(f->stream))
            http_stream_send(f->stream, ":\n\n", 3);
    }
    source_rearm(feed->ping, PING_USEC);
}

static void write_head(const char *type, int64_t time_usec, struct buf *out)
{
    char when[40];

    buf_printf(out, "\"type\":\"%s\",\"time\":\"%s\"", type, time_to_rfc3339(time_usec, when));
}

void feed_write_job(const struct feed_job *job, struct buf *out)
{
    write_head(job->type, job->time_usec, out);
    buf_printf(out, ",\"id\":%" PRIu64 ",\"state\":\"%s\",\"node\":", job->id, job->state);
    json_write_string(out, job->node);
    buf_puts(out, ",\"reason\":");
    json_write_string(out, job->reason);
    buf_printf(out, ",\"exit_code\":%d,\"exit_signal\":%d", job->exit_code, job->exit_signal);
    if (job->array_id)
        buf_printf(out, ",\"array_id\":%" PRIu64 ",\"array_task\":%u", job->array_id,
                   job->array_task);
}

static void write_data(const struct published *p, struct buf *out, struct item *item,
                       const char **ret_owner)
{
    buf_putc(out, '{');
    if (p->noun != NOUN_JOB)
        write_head(p->type, p->time_usec, out);
    if (p->noun == NOUN_JOB) {
        const struct job *job = p->now;

        item->job = job->id;
        item->array = job->array_id;
        *ret_owner = job->spec->owner;
        feed_write_job(&(struct feed_job){.type = p->type,
                                          .time_usec = p->time_usec,
                                          .id = job->id,
                                          .array_id = job->array_id,
                                          .array_task = job->array_task,
                                          .state = job_state_name(job->state),
                                          .node = job->node,
                                          .reason = job->reason,
                                          .exit_code = job->exit_code,
                                          .exit_signal = job->exit_signal},
                       out);
    } else if (p->noun == NOUN_INSTANCE) {
        const struct instance *in = p->now;

        item->job = in->job;
        *ret_owner = in->owner;
        buf_printf(out, ",\"id\":%" PRIu64 ",\"state\":\"%s\",\"job\":%" PRIu64, in->id,
                   instance_state_name(in->state), in->job);
    } else {
        const struct node *node = p->now;

        *ret_owner = ""; /* operators alone */
        buf_puts(out, ",\"name\":");
        json_write_string(out, node->name);
        buf_printf(out, ",\"up\":%s,\"drain\":%s", node->up ? "true" : "false",
                   node->drain ? "true" : "false");
    }
    buf_putc(out, '}');
}

static struct item *item_new(const struct published *p)
{
    struct item *item = calloc(1, sizeof(*item));
    struct buf text = BUF_INIT(0);
    const char *owner = "";

    if (!item)
        return NULL;
    item->seq = p->seq;
    buf_printf(&text, "id: %" PRIu64 "\nevent: %s\ndata: ", p->seq, nouns[p->noun].name);
    write_data(p, &text, item, &owner);
    buf_puts(&text, "\n\n");
    item->owner = strdup(owner);
    if (text.failed || !item->owner) {
        buf_done(&text);
        item_free(item);
        return NULL;
    }
    item->text = buf_take(&text, &item->len);
    return item;
}

void feed_publish(struct feed *feed, const struct published *p)
{
    struct item *item;

    if (p->noun != NOUN_JOB && p->noun != NOUN_INSTANCE && p->noun != NOUN_NODE)
        return;
    item = item_new(p);
    if (!item)
        return;
    item_free(feed->ring[feed->n % FEED_KEEP]);
    feed->ring[feed->n++ % FEED_KEEP] = item;
    list_for_each (it, &feed->followers) {
        struct follower *f = list_entry(it, struct follower, link);

        if (f->idle)
            follow(f);
    }
}

static struct follower *follower_new(struct call *call, uint64_t job, uint64_t after)
{
    struct follower *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->feed = call->core->feed;
    f->job = job;
    f->after = after;
    f->sees_all = call_is_operator(call);
    str_copy(f->who, sizeof(f->who), call->who_text);
    grant_init(&f->grant, call, over, f);
    return f;
}

void handle_events(struct call *call)
{
    struct feed *feed = call->core->feed;
    const char *last = http_request_header(call->http, "Last-Event-ID");
    uint64_t job, now = events_seq(call->core->events), after = now;
    struct follower *f;
    bool gap;

    if (!call_number(call, "job", 0, INT64_MAX, &job))
        return;
    if (last && str_to_u64(last, 0, INT64_MAX, &after) < 0) {
        call_refuse_with(call, EINVAL, "Last-Event-ID", "'%.40s' is no event id", last);
        return;
    }
    if (!grant_check(call))
        return;
    f = feed->n_followers < FEED_CLIENTS_MAX ? follower_new(call, job, after) : NULL;
    if (!f) {
        call_refuse_with(call, EBUSY, "", "%d clients follow events already", FEED_CLIENTS_MAX);
        return;
    }
    gap = last && (after > now || (after < now && !reaches_back(feed, after)));
    if (gap)
        f->after = now;
    call->core->replies[2]++;
    list_append(&feed->followers, &f->link);
    feed->n_followers++;
    http_request_add_header(call->http, "Cache-Control", "no-store");
    f->stream = http_request_stream(call->http, 200, "text/event-stream", follow, closed, f);
    free(call);
    if (!f->stream) {
        closed(f);
        return;
    }
    http_stream_send(f->stream, gap ? reset : ":\n\n", gap ? sizeof(reset) - 1 : 3);
}
