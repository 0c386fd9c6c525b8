/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_conn.c - one connection: TLS over a non-blocking socket, frames in, a queue out.
 *
 * States only go forward (enum link_state). A round reads at most READ_SHARE of one
 * connection, so that nobody starves; what OpenSSL holds back then is asked for again by the
 * hub's work, because the socket may have nothing more to tell. Handshakes cost much: all of
 * a server's together get HANDSHAKE_SHARE_USEC a round, and the loop stays awake for the rest.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/time.h"
#include "wire/link_internal.h"
#include "wire/link_outbox.h"

#define READ_PIECE ((size_t)16 * 1024)
#define READ_SHARE ((size_t)64 * 1024)
#define HANDSHAKE_SHARE_USEC (3 * USEC_PER_MSEC)

/* ---- ends ---- */

static void end(struct link_conn *conn, bool is_polite, char *reason)
{
    conn->reason = reason;
    conn->is_polite = is_polite;
    if (conn->state <= LINK_HELLO)
        conn->hub->n_pending--;
    conn->state = LINK_ENDING;
    link_hub_file(conn);
    link_hub_work(conn);
}

void link_conn_fail(struct link_conn *conn, const char *format, ...)
{
    va_list ap;
    char *reason = NULL;
    if (conn->state >= LINK_ENDING)
        return;
    va_start(ap, format);
    if (vasprintf(&reason, format, ap) < 0)
        reason = NULL;
    va_end(ap);
    end(conn, false, reason);
}

void link_conn_close(struct link_conn *conn, const char *reason)
{
    if (conn->state >= LINK_ENDING)
        return;
    end(conn, conn->state >= LINK_HELLO, strdup(reason));
}

/* An OpenSSL call gave n <= 0. True: it only waits. */
static bool only_waits(struct link_conn *conn, int n)
{
    int saved_errno = errno;
    char why[160];
    int error = SSL_get_error(conn->ssl, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    conn->is_broken = error != SSL_ERROR_ZERO_RETURN;
    if (error == SSL_ERROR_ZERO_RETURN)
        saved_errno = 0;
    link_tls_error(conn->ssl, error == SSL_ERROR_SYSCALL ? saved_errno : 0, why, sizeof(why));
    link_conn_fail(conn, "%s%s", why,
                   link_decoder_is_inside(&conn->rx) ? ", in the middle of a frame" : "");
    return false;
}

void link_conn_free(struct link_conn *conn)
{
    list_remove(&conn->link);
    list_remove(&conn->work);
    conn->hub->n_conns--;
    if (conn->state <= LINK_HELLO)
        conn->hub->n_pending--;
    if (conn->ssl && !conn->is_shut && !conn->is_broken && SSL_is_init_finished(conn->ssl))
        SSL_shutdown(conn->ssl);
    ERR_clear_error();
    source_free(conn->readable);
    source_free(conn->writable);
    SSL_free(conn->ssl);
    closep(&conn->fd);
    link_decoder_done(&conn->rx);
    buf_done(&conn->tx);
    free(conn->reason);
    free(conn);
}

/* ---- out ---- */

static void block(struct link_conn *conn)
{
    conn->is_blocked = true;
    if (!conn->writable)
        conn->writable = loop_fd(conn->hub->loop, conn->fd, LOOP_WRITE, link_conn_on_fd, conn);
    if (!conn->writable)
        link_conn_fail(conn, "no memory");
}

static void unblock(struct link_conn *conn)
{
    conn->is_blocked = false;
    source_free(conn->writable);
    conn->writable = NULL;
}

/* Our side is done: says so and waits for the other side to close, so that what we sent last
 * is not overtaken by a reset. */
static void shut(struct link_conn *conn)
{
    if (conn->is_shut)
        return;
    conn->is_shut = true;
    if (!conn->is_broken)
        SSL_shutdown(conn->ssl);
    ERR_clear_error();
    shutdown(conn->fd, SHUT_WR);
}

void link_conn_flush(struct link_conn *conn)
{
    if (conn->state < LINK_HELLO || conn->state == LINK_ENDING || conn->is_shut)
        return;
    while (conn->tx_sent < conn->tx.len) {
        size_t len = conn->tx.len - conn->tx_sent;
        ERR_clear_error();
        errno = 0;
        int n = SSL_write(conn->ssl, conn->tx.data + conn->tx_sent,
                          len > READ_SHARE ? (int)READ_SHARE : (int)len);
        if (n <= 0) {
            if (only_waits(conn, n))
                block(conn);
            return;
        }
        conn->tx_sent += (size_t)n;
    }
    buf_done(&conn->tx);
    conn->tx_sent = 0;
    unblock(conn);
    if (conn->state == LINK_LINGER)
        shut(conn);
}

int link_conn_send(struct link_conn *conn, const void *data, size_t len)
{
    if (conn->state < LINK_HELLO || conn->state >= LINK_ENDING)
        return -ENOTCONN;
    if (conn->state < LINK_ADMITTED && len > LINK_HELLO_MAX)
        return -EMSGSIZE;
    if (conn->tx.len + LINK_HEADER_LEN + len > LINK_QUEUE_MAX) {
        buf_consume(&conn->tx, conn->tx_sent);
        conn->tx_sent = 0;
    }
    int r = link_frame_encode(data, len, &conn->tx);
    if (r == -EMSGSIZE)
        return r;
    if (r < 0) {
        link_conn_fail(conn, "it does not take what is sent: %zu bytes are waiting",
                       link_conn_queued(conn));
        return r;
    }
    link_hub_work(conn);
    return 0;
}

void link_conn_send_waiting(struct link_conn *conn, struct link_outbox *outbox)
{
    const void *data;
    size_t len;
    while (conn && link_conn_queued(conn) < LINK_QUEUE_MAX / 2 &&
           link_outbox_take(outbox, &data, &len)) {
        if (link_conn_send(conn, data, len) < 0) {
            link_outbox_untake(outbox);
            return;
        }
    }
}

void link_conn_linger(struct link_conn *conn)
{
    conn->state = LINK_LINGER;
    conn->is_behind = false;
    conn->since_usec = loop_monotonic_usec(conn->hub->loop);
    link_hub_file(conn);
    link_conn_flush(conn);
}

/* What still comes is thrown away; the end of it is the end of the connection. */
static void drain(struct link_conn *conn)
{
    char piece[4096];
    ssize_t n = recv(conn->fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        link_conn_free(conn);
}

/* ---- in ---- */

static bool on_frame(void *arg, const void *data, size_t len)
{
    struct link_conn *conn = arg;
    conn->hub->frame(conn->hub->owner, conn, data, len);
    return conn->state < LINK_ENDING;
}

static void heard(struct link_conn *conn)
{
    conn->heard_usec = loop_monotonic_usec(conn->hub->loop);
    if (conn->state != LINK_ADMITTED)
        return;
    conn->since_usec = conn->heard_usec;
    link_hub_file(conn);
}

void link_conn_read(struct link_conn *conn)
{
    char piece[READ_PIECE];
    conn->is_behind = false;
    for (size_t got = 0; got < READ_SHARE;) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_read(conn->ssl, piece, sizeof(piece));
        if (n <= 0) {
            (void)only_waits(conn, n);
            return;
        }
        got += (size_t)n;
        heard(conn);
        int r = link_decoder_feed(&conn->rx, piece, (size_t)n, &conn->rx_limit, on_frame, conn);
        if (r == -EMSGSIZE)
            link_conn_fail(conn, "a frame of %zu bytes: the limit is %zu", conn->rx.size,
                           conn->rx_limit);
        else if (r < 0)
            link_conn_fail(conn, "no memory");
        if (conn->state >= LINK_ENDING)
            return;
    }
    conn->is_behind = true;
    link_hub_work(conn);
}

/* ---- the way to LINK_HELLO ---- */

static void handshake_done(struct link_conn *conn)
{
    int r = link_tls_peer(conn->hub->tls, conn->ssl, conn->node, sizeof(conn->node));
    if (r < 0) {
        const char *why = link_tls_objection(conn->hub->tls, conn->ssl);
        link_conn_fail(conn, "%s", why ? why : "the certificate is not accepted");
        return;
    }
    conn->is_anonymous = r == 0;
    conn->state = LINK_HELLO;
    unblock(conn);
    conn->hub->known(conn->hub->owner, conn);
}

static void handshake(struct link_conn *conn)
{
    struct link_hub *hub = conn->hub;
    int64_t begin = loop_monotonic_usec(hub->loop);
    if (hub->handshake_spent_usec > HANDSHAKE_SHARE_USEC)
        return;
    ERR_clear_error();
    errno = 0;
    int n = SSL_do_handshake(conn->ssl);
    if (n == 1)
        handshake_done(conn);
    else if (only_waits(conn, n)) {
        if (SSL_want_write(conn->ssl))
            block(conn);
        else if (conn->is_blocked)
            unblock(conn);
    }
    hub->handshake_spent_usec += 1 + loop_monotonic_usec(hub->loop) - begin;
}

static void tcp_connected(struct link_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        link_conn_fail(conn, "%s", strerror(error));
        return;
    }
    conn->state = LINK_HANDSHAKE;
    unblock(conn);
    link_conn_start(conn);
}

void link_conn_start(struct link_conn *conn)
{
    if (conn->state == LINK_CONNECTING) {
        block(conn);
        return;
    }
    link_socket_tune(conn->fd);
    conn->ssl = link_tls_session(conn->hub->tls, conn->fd);
    conn->readable = loop_fd(conn->hub->loop, conn->fd, LOOP_READ, link_conn_on_fd, conn);
    if (!conn->ssl || !conn->readable)
        link_conn_fail(conn, "no memory");
    else if (!conn->hub->is_server)
        handshake(conn);
}

void link_conn_on_fd(void *arg, int fd, unsigned events)
{
    struct link_conn *conn = arg;
    if (!link_hub_has_time(conn->hub))
        return;
    switch (conn->state) {
    case LINK_CONNECTING:
        tcp_connected(conn);
        break;
    case LINK_HANDSHAKE:
        handshake(conn);
        if (conn->state == LINK_HELLO)
            link_conn_read(conn); /* the hello may have come along with the last of TLS */
        break;
    case LINK_HELLO:
    case LINK_ADMITTED:
        if (events & LOOP_READ)
            link_conn_read(conn);
        if ((events & LOOP_WRITE) && conn->state < LINK_ENDING)
            link_conn_flush(conn);
        break;
    case LINK_ENDING:
        break; /* its work comes in this round */
    case LINK_LINGER:
        if (events & LOOP_WRITE)
            link_conn_flush(conn);
        if (events & LOOP_READ)
            drain(conn);
        break;
    }
}

/* ---- what the owner asks and says ---- */

void link_conn_admit(struct link_conn *conn)
{
    if (conn->state != LINK_HELLO || conn->is_anonymous)
        return;
    conn->hub->n_pending--;
    conn->state = LINK_ADMITTED;
    conn->rx_limit = LINK_FRAME_MAX;
    heard(conn);
    if (conn->hub->admitted_fn)
        conn->hub->admitted_fn(conn->hub->owner, conn);
}

const char *link_conn_node(const struct link_conn *conn)
{
    return conn->node;
}

const char *link_conn_address(const struct link_conn *conn)
{
    static __thread char text[LINK_ADDRESS_MAX];
    link_address_text(&conn->peer.any, text, sizeof(text));
    return text;
}

int64_t link_conn_silent_usec(const struct link_conn *conn)
{
    return loop_monotonic_usec(conn->hub->loop) - conn->heard_usec;
}

size_t link_conn_queued(const struct link_conn *conn)
{
    return conn->tx.len - conn->tx_sent;
}

void link_conn_set_data(struct link_conn *conn, void *data)
{
    conn->data = data;
}

void *link_conn_data(const struct link_conn *conn)
{
    return conn->data;
}
