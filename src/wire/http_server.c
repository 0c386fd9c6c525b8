/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server.c - the server, its limits and counts, and libmicrohttpd on our loop.
 *
 * MHD runs no thread and accepts nothing itself: its epoll fd is watched by the loop, and
 * whenever that is readable or MHD's own timeout is due, MHD_run does what there is to do.
 * All callbacks therefore come from inside MHD_run, on the loop's thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "wire/http_internal.h"

/* Room in a connection's memory for a piece of body and the answer's header; also what a
 * header may be over the limit and still get our answer instead of MHD's plain one. */
#define CONNECTION_ROOM (16 * 1024)

static const char tls_priorities[] =
    "PFS:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:"
    "+AES-128-GCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE";

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
                                    void (*fn)(void *arg, struct http_request *request), void *arg)
{
    struct http_server *server = calloc(1, sizeof(*server));
    if (!server)
        return NULL;
    server->loop = loop;
    server->limits = *limits;
    server->fn = fn;
    server->arg = arg;
    list_init(&server->listeners);
    list_init(&server->arriving);
    list_init(&server->resting);
    list_init(&server->suspended);
    server->deadline_at_usec = INT64_MAX;
    server->deadline_timer = loop_timer(loop, -1, http_conn_check_deadlines, server);
    server->clients = hash_new_u64();
    if (!server->deadline_timer || !server->clients) {
        http_server_free(server);
        return NULL;
    }
    return server;
}

void http_server_set_limits(struct http_server *server, const struct http_limits *limits)
{
    server->limits = *limits;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_stats(const struct http_server *server, struct http_server_stats *ret)
{
    *ret = server->stats;
}

/* MHD must not be stopped while connections are suspended. */
void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    server->stopping = true;
    list_for_each_safe (it, &server->suspended)
        http_request_resume(list_entry(it, struct http_request, link));
    list_for_each_safe (it, &server->listeners)
        http_listener_free(list_entry(it, struct http_listener, link));
    source_free(server->deadline_timer);
    hash_free(server->clients);
    free(server);
}

static void run(struct http_listener *listener)
{
    MHD_UNSIGNED_LONG_LONG timeout_msec;
    MHD_run(listener->daemon);
    if (MHD_get_timeout(listener->daemon, &timeout_msec) != MHD_YES)
        return;
    /* Timeouts mostly move away; the timer is moved only when one comes nearer. */
    int64_t now_usec = loop_monotonic_usec(listener->server->loop);
    int64_t at_usec = now_usec + (int64_t)timeout_msec * USEC_PER_MSEC;
    if (listener->run_at_usec == 0 || at_usec < listener->run_at_usec) {
        listener->run_at_usec = at_usec;
        source_rearm(listener->run_timer, at_usec - now_usec);
    }
}

static void on_ready(void *arg, int fd, unsigned events)
{
    run(arg);
}

static void on_timeout(void *arg)
{
    struct http_listener *listener = arg;
    listener->run_at_usec = 0;
    run(listener);
}

void http_listener_run(struct http_listener *listener)
{
    int64_t now_usec = loop_monotonic_usec(listener->server->loop);
    if (listener->run_at_usec != 0 && listener->run_at_usec <= now_usec)
        return;
    listener->run_at_usec = now_usec;
    source_rearm(listener->run_timer, 0);
}

/* Targets are taken apart by http_target.c alone; MHD leaves them as they came. */
static size_t leave_as_sent(void *cls, struct MHD_Connection *connection, char *s)
{
    return strlen(s);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format, va_list ap)
{
    struct buf line = BUF_INIT(1024);
    buf_vprintf(&line, format, ap);
    log_debug("http: %s", line.data ? line.data : format);
    buf_done(&line);
}

static struct MHD_Daemon *daemon_start(struct http_listener *listener, char *cert, char *key)
{
    const struct http_limits *limits = &listener->server->limits;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | (listener->tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        flags, 0, NULL, NULL, http_request_on_access, listener, MHD_OPTION_EXTERNAL_LOGGER, on_log,
        NULL, MHD_OPTION_ARRAY, listener->tls ? tls : tls + ELEMENTS(tls) - 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)limits->header_bytes + CONNECTION_ROOM,
        /* Ours is checked before MHD sees a connection, and can change. */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT32_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)listener->idle_sec, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
        http_request_on_line, listener, MHD_OPTION_UNESCAPE_CALLBACK, leave_as_sent, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, http_request_on_completed, listener,
        MHD_OPTION_NOTIFY_CONNECTION, http_conn_on_notify, listener, MHD_OPTION_END);
}

int http_listener_start(struct http_listener *listener, char *cert, char *key,
                        struct vdi_error *err)
{
    struct loop *loop = listener->server->loop;
    listener->idle_sec = listener->server->limits.idle_sec;
    listener->daemon = daemon_start(listener, cert, key);
    if (!listener->daemon) {
        error_set(err, EINVAL, "listen", "The HTTP server does not start%s.",
                  listener->tls ? " with this certificate and key" : "");
        if (listener->tls)
            error_hint(err, NULL, "Check that both are PEM files and belong together.");
        return -EINVAL;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    listener->run_timer = loop_timer(loop, -1, on_timeout, listener);
    if (info)
        listener->run_source = loop_fd(loop, info->epoll_fd, LOOP_READ, on_ready, listener);
    if (listener->fd >= 0)
        listener->accept_source =
            loop_fd(loop, listener->fd, LOOP_READ, http_conn_accept, listener);
    if (!listener->run_timer || !listener->run_source ||
        (listener->fd >= 0 && !listener->accept_source))
        return error_set(err, ENOMEM, "listen", "There is no memory for another listener.");
    return 0;
}

static void remove_socket(const struct http_listener *listener)
{
    struct stat st;
    if (lstat(listener->unix_path, &st) == 0 && st.st_dev == listener->unix_dev &&
        st.st_ino == listener->unix_ino)
        unlink(listener->unix_path);
}

void http_listener_free(struct http_listener *listener)
{
    if (!listener)
        return;
    source_free(listener->accept_source);
    source_free(listener->accept_again);
    source_free(listener->run_source);
    source_free(listener->run_timer);
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon);
    if (listener->unix_path)
        remove_socket(listener);
    if (listener->fd >= 0)
        close(listener->fd);
    list_remove(&listener->link);
    free(listener->unix_path);
    free(listener);
}
