/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_hub.c - the connections of one side: their lists, deadlines and deferred work.
 *
 * Every list is in order of since_usec, so deadlines are found at its head and a heartbeat
 * costs one move to the tail: there is no timer per connection. What must not happen inside
 * a caller's call (telling of an end, freeing) is done by the work timer, which fires in the
 * same round of the loop; flushing there lets the frames of a round leave together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "wire/link_internal.h"

#define LINGER_USEC USEC_PER_SEC
/* Reading of a round; what it brings about is written on top of that. */
#define ROUND_SHARE_USEC (5 * USEC_PER_MSEC)
#define SWEEP_MIN_USEC (10 * USEC_PER_MSEC)

static void on_work(void *arg);
static void on_sweep(void *arg);

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void set_limits(struct link_limits *to, const struct link_limits *from)
{
    static const struct link_limits defaults;
    const struct link_limits *l = from ? from : &defaults;
    to->handshake_usec = or_default(l->handshake_usec, 10 * USEC_PER_SEC);
    to->silent_usec = or_default(l->silent_usec, 15 * USEC_PER_SEC);
    to->conns = l->conns ? l->conns : 16384;
    to->pending = l->pending ? l->pending : 1024;
    to->pending_per_ip = l->pending_per_ip ? l->pending_per_ip : 16;
}

/* A deadline is met within an eighth of it, and within a second. */
static int64_t sweep_period_usec(const struct link_limits *limits)
{
    int64_t usec =
        limits->handshake_usec < limits->silent_usec ? limits->handshake_usec : limits->silent_usec;
    usec /= 8;
    if (usec < SWEEP_MIN_USEC)
        return SWEEP_MIN_USEC;
    return usec > USEC_PER_SEC ? USEC_PER_SEC : usec;
}

int link_hub_init(struct link_hub *hub, struct loop *loop, struct link_tls *tls,
                  const struct link_limits *limits, bool is_server, void *owner)
{
    hub->loop = loop;
    hub->tls = tls;
    hub->is_server = is_server;
    hub->owner = owner;
    set_limits(&hub->limits, limits);
    list_init(&hub->pending);
    list_init(&hub->admitted);
    list_init(&hub->ending);
    list_init(&hub->lingering);
    list_init(&hub->work);
    hub->work_timer = loop_timer(loop, -1, on_work, hub);
    hub->sweep_timer = loop_timer(loop, -1, on_sweep, hub);
    return hub->work_timer && hub->sweep_timer ? 0 : -errno;
}

static void free_list(struct list *list)
{
    list_for_each_safe (it, list)
        link_conn_free(list_entry(it, struct link_conn, link));
}

void link_hub_done(struct link_hub *hub)
{
    if (!hub->loop)
        return;
    free_list(&hub->pending);
    free_list(&hub->admitted);
    free_list(&hub->ending);
    free_list(&hub->lingering);
    source_free(hub->work_timer);
    source_free(hub->sweep_timer);
}

static bool is_pending(const struct link_conn *conn)
{
    return conn->state <= LINK_HELLO;
}

void link_hub_file(struct link_conn *conn)
{
    struct link_hub *hub = conn->hub;
    struct list *list = is_pending(conn)               ? &hub->pending
                        : conn->state == LINK_ADMITTED ? &hub->admitted
                        : conn->state == LINK_ENDING   ? &hub->ending
                                                       : &hub->lingering;
    list_remove(&conn->link);
    list_append(list, &conn->link);
}

struct link_conn *link_hub_add(struct link_hub *hub, int fd, const struct sockaddr *peer,
                               socklen_t peer_len, bool connecting)
{
    struct link_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return NULL;
    list_init(&conn->link);
    list_init(&conn->work);
    conn->hub = hub;
    conn->fd = fd;
    conn->state = connecting ? LINK_CONNECTING : LINK_HANDSHAKE;
    conn->rx_limit = LINK_HELLO_MAX;
    conn->tx = BUF_INIT(LINK_QUEUE_MAX);
    conn->since_usec = conn->heard_usec = loop_monotonic_usec(hub->loop);
    memcpy(&conn->peer, peer, peer_len < sizeof(conn->peer) ? peer_len : sizeof(conn->peer));
    hub->n_conns++;
    hub->n_pending++;
    link_hub_file(conn);
    if (hub->n_conns == 1)
        source_rearm(hub->sweep_timer, sweep_period_usec(&hub->limits));
    link_conn_start(conn);
    return conn;
}

void link_hub_work(struct link_conn *conn)
{
    struct link_hub *hub = conn->hub;
    if (!list_is_empty(&conn->work))
        return;
    if (list_is_empty(&hub->work))
        source_rearm(hub->work_timer, 0);
    list_append(&hub->work, &conn->work);
}

bool link_hub_has_time(struct link_hub *hub)
{
    int64_t now = loop_monotonic_usec(hub->loop);
    if (hub->round_usec == 0) {
        hub->round_usec = now;
        source_rearm(hub->work_timer, 0); /* ends the round */
    }
    return now - hub->round_usec < ROUND_SHARE_USEC;
}

static void end_conn(struct link_conn *conn)
{
    struct link_hub *hub = conn->hub;
    hub->ended(hub->owner, conn, conn->reason ? conn->reason : "no memory");
    if (conn->is_polite)
        link_conn_linger(conn);
    else
        link_conn_free(conn);
}

static void work_conn(struct link_conn *conn)
{
    if (conn->state == LINK_ENDING) {
        end_conn(conn);
        return;
    }
    if (conn->is_behind)
        link_conn_read(conn);
    if (!conn->is_blocked)
        link_conn_flush(conn);
}

/* Only what is there now: what the work itself brings about waits for the next round. */
static void on_work(void *arg)
{
    struct link_hub *hub = arg;
    struct list now = LIST_INIT(now);
    hub->round_usec = hub->handshake_spent_usec = 0;
    while (!list_is_empty(&hub->work)) {
        struct list *it = hub->work.next;
        list_remove(it);
        list_append(&now, it);
    }
    while (!list_is_empty(&now)) {
        struct list *it = now.next;
        list_remove(it);
        work_conn(list_entry(it, struct link_conn, work));
    }
}

/* ---- deadlines ---- */

static struct link_conn *overdue(struct list *list, int64_t before_usec)
{
    if (list_is_empty(list))
        return NULL;
    struct link_conn *conn = list_entry(list->next, struct link_conn, link);
    return conn->since_usec < before_usec ? conn : NULL;
}

static void on_sweep(void *arg)
{
    struct link_hub *hub = arg;
    int64_t now = loop_monotonic_usec(hub->loop);
    struct link_conn *conn;
    while ((conn = overdue(&hub->pending, now - hub->limits.handshake_usec)))
        link_conn_fail(conn, "the %s took longer than %lld ms",
                       conn->state == LINK_CONNECTING  ? "connection"
                       : conn->state == LINK_HANDSHAKE ? "TLS handshake"
                                                       : "hello",
                       (long long)(hub->limits.handshake_usec / USEC_PER_MSEC));
    while ((conn = overdue(&hub->admitted, now - hub->limits.silent_usec)))
        link_conn_fail(conn, "it was silent for %lld ms",
                       (long long)(hub->limits.silent_usec / USEC_PER_MSEC));
    while ((conn = overdue(&hub->lingering, now - LINGER_USEC)))
        link_conn_free(conn);
    if (hub->n_conns > 0)
        source_rearm(hub->sweep_timer, sweep_period_usec(&hub->limits));
}

static void recheck_list(struct link_hub *hub, struct list *list)
{
    list_for_each_safe (it, list) {
        struct link_conn *conn = list_entry(it, struct link_conn, link);
        const char *why = conn->ssl ? link_tls_objection(hub->tls, conn->ssl) : NULL;
        if (why)
            link_conn_fail(conn, "%s", why);
    }
}

void link_hub_recheck(struct link_hub *hub)
{
    recheck_list(hub, &hub->pending);
    recheck_list(hub, &hub->admitted);
}
