/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_client.c - the node's side: one connection, again and again.
 *
 * An attempt resolves the name anew and tries its addresses one after the other. Between
 * attempts lies a delay that doubles from retry_min to retry_max, of which the half is drawn
 * by lot: nodes that lost the controller together do not come back together. Only an admitted
 * connection sets it back: a controller that refuses us is not asked faster.
 */
#include <errno.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "wire/link_internal.h"

struct link_client {
    struct link_hub hub;
    struct link_client_ops ops;
    void *arg;
    char host[LINK_HOST_MAX], port[8];
    int64_t heartbeat_usec, retry_min_usec, retry_max_usec, retry_usec;
    struct source *retry_timer, *heartbeat_timer;
    struct evdns_base *dns; /* of this attempt */
    struct evdns_getaddrinfo_request *lookup;
    struct evutil_addrinfo *found; /* of this attempt; from getaddrinfo or evdns */
    struct evutil_addrinfo *next;  /* to be tried */
    struct link_conn *conn;
};

DEFINE_FREEP(struct link_client, link_client_free)

static void try_next(struct link_client *client, const char *why);

/* ---- attempts ---- */

static void forget_addresses(struct link_client *client)
{
    if (client->found)
        evutil_freeaddrinfo(client->found);
    client->found = client->next = NULL;
}

/* Between half of the delay and all of it. */
static int64_t draw_delay(struct link_client *client)
{
    uint32_t lot = 0;
    if (getrandom(&lot, sizeof(lot), GRND_NONBLOCK) < 0)
        lot = (uint32_t)time_monotonic_usec();
    int64_t half = client->retry_usec / 2;
    return half + half * (int64_t)(lot % 1024) / 1024;
}

static void retry_later(struct link_client *client, const char *why, bool tell)
{
    int64_t delay_usec = draw_delay(client);
    client->retry_usec *= 2;
    if (client->retry_usec > client->retry_max_usec)
        client->retry_usec = client->retry_max_usec;
    forget_addresses(client);
    source_rearm(client->retry_timer, delay_usec);
    if (tell && client->ops.failed)
        client->ops.failed(client->arg, why, delay_usec);
}

static int open_socket(const struct evutil_addrinfo *to, bool *ret_connecting)
{
    _cleanup_(closep) int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, to->ai_addr, (socklen_t)to->ai_addrlen);
    if (r < 0 && errno != EINPROGRESS)
        return -errno;
    *ret_connecting = r < 0;
    return TAKE_FD(fd);
}

static void try_next(struct link_client *client, const char *why)
{
    bool connecting = false;
    while (client->next) {
        const struct evutil_addrinfo *to = client->next;
        client->next = to->ai_next;
        int fd = open_socket(to, &connecting);
        if (fd < 0) {
            why = strerror(-fd);
            continue;
        }
        client->conn =
            link_hub_add(&client->hub, fd, to->ai_addr, (socklen_t)to->ai_addrlen, connecting);
        if (client->conn)
            return;
        close(fd);
        why = "no memory";
    }
    retry_later(client, why, true);
}

static void on_found(int error, struct evutil_addrinfo *found, void *arg)
{
    struct link_client *client = arg;
    if (error == EVUTIL_EAI_CANCEL)
        return; /* the client may be gone */
    client->lookup = NULL;
    loop_mark(client->hub.loop);
    client->found = client->next = found;
    try_next(client, error ? evutil_gai_strerror(error) : "the name has no address");
}

static void forget_lookup(struct link_client *client)
{
    if (client->lookup)
        evdns_getaddrinfo_cancel(client->lookup);
    client->lookup = NULL;
    if (client->dns)
        evdns_base_free(client->dns, 0);
    client->dns = NULL;
}

/* /etc/resolv.conf and /etc/hosts are read anew: the network may be another by now. */
static void look_up(struct link_client *client, const struct evutil_addrinfo *hints)
{
    client->dns = evdns_base_new(loop_base(client->hub.loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!client->dns) {
        retry_later(client, "no memory", true);
        return;
    }
    (void)evdns_base_resolv_conf_parse(client->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
    /* The answer may come before this returns. */
    struct evdns_getaddrinfo_request *lookup =
        evdns_getaddrinfo(client->dns, client->host, client->port, hints, on_found, client);
    client->lookup = lookup;
}

static void attempt(void *arg)
{
    struct link_client *client = arg;
    struct evutil_addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                    .ai_protocol = IPPROTO_TCP,
                                    .ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV};
    forget_lookup(client);
    if (evutil_getaddrinfo(client->host, client->port, &hints, &client->found) == 0) {
        client->next = client->found;
        try_next(client, "no address");
        return;
    }
    hints.ai_flags = EVUTIL_AI_ADDRCONFIG;
    look_up(client, &hints);
}

/* ---- from the hub ---- */

static void on_known(void *owner, struct link_conn *conn)
{
    struct link_client *client = owner;
    if (conn->is_anonymous) {
        link_conn_fail(conn, "it has no certificate");
        return;
    }
    conn->is_announced = true;
    client->ops.connected(client->arg, conn);
}

static void on_frame(void *owner, struct link_conn *conn, const void *data, size_t len)
{
    struct link_client *client = owner;
    client->ops.frame(client->arg, conn, data, len);
}

static void on_admitted(void *owner, struct link_conn *conn)
{
    struct link_client *client = owner;
    client->retry_usec = client->retry_min_usec;
    forget_addresses(client);
    if (client->ops.heartbeat)
        source_rearm(client->heartbeat_timer, client->heartbeat_usec);
}

static void on_ended(void *owner, struct link_conn *conn, const char *reason)
{
    struct link_client *client = owner;
    client->conn = NULL;
    source_rearm(client->heartbeat_timer, -1);
    if (!conn->is_announced) {
        try_next(client, reason);
        return;
    }
    retry_later(client, reason, false);
    client->ops.closed(client->arg, conn, reason);
}

static void on_heartbeat(void *arg)
{
    struct link_client *client = arg;
    source_rearm(client->heartbeat_timer, client->heartbeat_usec);
    client->ops.heartbeat(client->arg, client->conn);
}

void link_client_set_silence(struct link_client *client, int64_t usec)
{
    client->hub.limits.silent_usec = usec;
}

void link_client_set_heartbeat(struct link_client *client, int64_t usec)
{
    client->heartbeat_usec = usec;
    if (client->ops.heartbeat && client->conn && client->conn->state == LINK_ADMITTED)
        source_rearm(client->heartbeat_timer, usec);
}

int link_client_new(struct loop *loop, struct link_tls *tls,
                    const struct link_client_config *config, const struct link_client_ops *ops,
                    void *arg, struct link_client **ret, struct vdi_error *err)
{
    _cleanup_(link_client_freep) struct link_client *client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->ops = *ops;
    client->arg = arg;
    client->heartbeat_usec = config->heartbeat_usec ? config->heartbeat_usec : 5 * USEC_PER_SEC;
    client->retry_min_usec = config->retry_min_usec ? config->retry_min_usec : 200 * USEC_PER_MSEC;
    client->retry_max_usec = config->retry_max_usec ? config->retry_max_usec : 10 * USEC_PER_SEC;
    client->retry_usec = client->retry_min_usec;
    int r = link_address_split(config->address, client->host, client->port, err);
    if (r < 0)
        return r;
    r = link_hub_init(&client->hub, loop, tls, &config->limits, false, client);
    if (r < 0)
        return r;
    client->hub.known = on_known;
    client->hub.frame = on_frame;
    client->hub.admitted_fn = on_admitted;
    client->hub.ended = on_ended;
    client->retry_timer = loop_timer(loop, 0, attempt, client);
    client->heartbeat_timer = loop_timer(loop, -1, on_heartbeat, client);
    if (!client->retry_timer || !client->heartbeat_timer)
        return -errno;
    *ret = TAKE_PTR(client);
    return 0;
}

void link_client_free(struct link_client *client)
{
    if (!client)
        return;
    forget_lookup(client);
    link_hub_done(&client->hub);
    source_free(client->retry_timer);
    source_free(client->heartbeat_timer);
    forget_addresses(client);
    free(client);
}
