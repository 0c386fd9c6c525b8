/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_link.c - one blocking connection of the HTTP client: unix, TCP, or TLS.
 *
 * A plain http: URL is taken for loopback only: it would carry credentials in the clear.
 */
#include "wire/http_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

struct http_link {
    int fd;
    unsigned timeout_sec;
    struct http_tls *tls; /* NULL: plain */
};

DEFINE_FREEP(struct http_link, http_link_free)

static bool is_loopback_name(const char *host)
{
    return str_starts_with(host, "127.") || str_equal(host, "::1") || str_equal(host, "localhost");
}

static int bad_url(const char *url, struct vdi_error *err)
{
    error_set(err, EINVAL, "url", "\"%s\" is not a controller's URL.", url);
    error_hint(err, NULL, "write unix:/path, https://host:port or http://127.0.0.1:port");
    return -EINVAL;
}

/* "HOST[:PORT][/]" */
static int parse_authority(const char *text, struct http_place *place)
{
    bool bracket = text[0] == '[';
    const char *begin = text + bracket;
    size_t len = strcspn(begin, bracket ? "]" : ":/");
    const char *rest = begin + len;
    if (bracket && *rest++ != ']')
        return -EINVAL;
    if (len == 0 || len >= sizeof(place->host))
        return -EINVAL;
    memcpy(place->host, begin, len);
    place->host[len] = '\0';
    str_copy(place->port, sizeof(place->port), place->is_tls ? "443" : "80");
    if (*rest == ':') {
        size_t digits = strcspn(++rest, "/");
        uint64_t port;
        if (digits == 0 || digits >= sizeof(place->port))
            return -EINVAL;
        memcpy(place->port, rest, digits);
        place->port[digits] = '\0';
        rest += digits;
        if (str_to_u64(place->port, 1, UINT16_MAX, &port) < 0)
            return -EINVAL;
    }
    return *rest == '\0' || str_equal(rest, "/") ? 0 : -EINVAL;
}

int http_place_parse(const char *url, struct http_place *ret, struct vdi_error *err)
{
    struct http_place place = {0};
    if (str_starts_with(url, "unix:")) {
        place.is_unix = true;
        if (url[5] != '/' || strlen(url + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path))
            return bad_url(url, err);
        str_copy(place.host, sizeof(place.host), url + 5);
        *ret = place;
        return 0;
    }
    place.is_tls = str_starts_with(url, "https://");
    if (!place.is_tls && !str_starts_with(url, "http://"))
        return bad_url(url, err);
    if (parse_authority(strstr(url, "//") + 2, &place) < 0 || !str_is_text(url, strlen(url), false))
        return bad_url(url, err);
    if (!place.is_tls && !is_loopback_name(place.host)) {
        error_set(err, EPERM, "url", "\"%s\" would carry credentials in the clear.", url);
        error_hint(err, "plain HTTP: loopback only", "use https://");
        return -EPERM;
    }
    *ret = place;
    return 0;
}

int http_link_wait(int fd, short events, unsigned timeout_sec, struct vdi_error *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do
        n = poll(&p, 1, (int)timeout_sec * 1000);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return 0;
    if (n < 0)
        return error_set(err, errno, "url", "Waiting for the controller: %s.", strerror(errno));
    return error_set(err, ETIMEDOUT, "url", "The controller said nothing for %u s.", timeout_sec);
}

/* A connected, non-blocking fd. */
static int connect_address(const struct sockaddr *addr, socklen_t len, unsigned timeout_sec)
{
    _cleanup_(closep) int fd =
        socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, addr, len) == 0)
        return TAKE_FD(fd);
    /* EAGAIN: a unix socket's backlog is full; then only blocking waits for room. */
    if (errno != EINPROGRESS)
        return errno == EAGAIN ? -ECONNREFUSED : -errno;
    int error = 0;
    socklen_t error_len = sizeof(error);
    int r = http_link_wait(fd, POLLOUT, timeout_sec, NULL);
    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0 || error)
        return -(error ? error : errno);
    return TAKE_FD(fd);
}

static int connect_unix(const char *path, unsigned timeout_sec)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    str_copy(addr.sun_path, sizeof(addr.sun_path), path);
    return connect_address((struct sockaddr *)&addr, sizeof(addr), timeout_sec);
}

static int connect_tcp(const struct http_place *place, unsigned timeout_sec, struct vdi_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int gai = getaddrinfo(place->host, place->port, &hints, &list);
    if (gai != 0)
        return error_set(err, EHOSTUNREACH, "url", "The host \"%s\" is not known: %s.", place->host,
                         gai_strerror(gai));
    int fd = -EHOSTUNREACH;
    for (struct addrinfo *it = list; it && fd < 0; it = it->ai_next)
        fd = connect_address(it->ai_addr, it->ai_addrlen, timeout_sec);
    freeaddrinfo(list);
    int on = 1;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static int no_connection(const struct http_place *place, int code, struct vdi_error *err)
{
    error_set(err, code, "url", "No connection to the controller at %s%s%s%s: %s.",
              place->is_unix ? "unix:" : "", place->host, place->is_unix ? "" : ":", place->port,
              strerror(-code));
    error_hint(err, NULL,
               code == -ENOENT || code == -ECONNREFUSED
                   ? "is vdictld running? VDI_URL says where it listens"
                   : NULL);
    return code;
}

int http_link_open(const struct http_place *place, const char *ca_file, unsigned timeout_sec,
                   struct http_link **ret, struct vdi_error *err)
{
    _cleanup_(http_link_freep) struct http_link *link = calloc(1, sizeof(*link));
    if (!link)
        return -ENOMEM;
    link->timeout_sec = timeout_sec;
    link->fd = place->is_unix ? connect_unix(place->host, timeout_sec)
                              : connect_tcp(place, timeout_sec, err);
    if (link->fd < 0 && link->fd == -EHOSTUNREACH && err && err->code == EHOSTUNREACH)
        return link->fd;
    if (link->fd < 0)
        return no_connection(place, link->fd, err);
    if (place->is_tls) {
        int r = http_tls_open(link->fd, place->host, ca_file, timeout_sec, &link->tls, err);
        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(link);
    return 0;
}

static int lost(int code, struct vdi_error *err)
{
    return error_set(err, code, "url", "The connection to the controller broke: %s.",
                     strerror(code));
}

ssize_t http_link_read(struct http_link *link, void *data, size_t size, struct vdi_error *err)
{
    if (link->tls)
        return http_tls_read(link->tls, data, size, err);
    for (;;) {
        ssize_t n = recv(link->fd, data, size, MSG_DONTWAIT);
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return lost(errno, err);
        int r = http_link_wait(link->fd, POLLIN, link->timeout_sec, err);
        if (r < 0)
            return r;
    }
}

static ssize_t write_plain(struct http_link *link, const void *data, size_t len,
                           struct vdi_error *err)
{
    for (;;) {
        ssize_t n = send(link->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return lost(errno, err);
        int r = http_link_wait(link->fd, POLLOUT, link->timeout_sec, err);
        if (r < 0)
            return r;
    }
}

int http_link_write(struct http_link *link, const void *data, size_t len, struct vdi_error *err)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n =
            link->tls ? http_tls_write(link->tls, at, len, err) : write_plain(link, at, len, err);
        if (n < 0)
            return (int)n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

bool http_link_is_idle(const struct http_link *link)
{
    struct pollfd p = {.fd = link->fd, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, 0) == 0;
}

void http_link_free(struct http_link *link)
{
    if (!link)
        return;
    http_tls_free(link->tls);
    if (link->fd >= 0)
        close(link->fd);
    free(link);
}
