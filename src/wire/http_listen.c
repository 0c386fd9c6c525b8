/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_listen.c - listen addresses, their sockets, and the files of TLS.
 *
 * What is opened here is always private on its way: TLS, a unix socket, or plain HTTP on
 * a loopback address. Addresses are numeric, so nothing here waits for DNS. A unix socket
 * left behind by a dead server is removed, one that somebody answers on is not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/http_internal.h"

#define BACKLOG 1024
#define PEM_MAX (1024 * 1024)

DEFINE_FREEP(struct http_listener, http_listener_free)

/* Does somebody accept on it? 0: no; -EADDRINUSE: yes. */
static int probe_socket(const struct sockaddr_un *addr)
{
    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
        return -EADDRINUSE;
    return errno == ECONNREFUSED || errno == ENOENT ? 0 : -EADDRINUSE;
}

static int remove_stale(const struct sockaddr_un *addr, struct vdi_error *err)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) < 0)
        return errno == ENOENT ? 0
                               : error_set(err, errno, "listen", "\"%s\" cannot be looked at: %s.",
                                           addr->sun_path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, EEXIST, "listen", "\"%s\" exists and is not a socket.",
                         addr->sun_path);
    int r = probe_socket(addr);
    if (r < 0) {
        error_set(err, -r, "listen", "Another server answers on \"%s\".", addr->sun_path);
        error_hint(err, NULL, "Stop it first, or choose another path.");
        return r;
    }
    if (unlink(addr->sun_path) < 0 && errno != ENOENT)
        return error_set(err, errno, "listen", "The old socket \"%s\" cannot be removed: %s.",
                         addr->sun_path, strerror(errno));
    return 0;
}

static int open_unix(struct http_listener *listener, const char *path, struct vdi_error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;
    if (path[0] != '/' || !str_copy(addr.sun_path, sizeof(addr.sun_path), path)) {
        error_set(err, EINVAL, "listen", "\"%s\" is not a socket's path.", path);
        error_hint(err, "107 bytes", "Give an absolute path in an existing directory.");
        return -EINVAL;
    }
    int r = remove_stale(&addr, err);
    if (r < 0)
        return r;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 || bind(listener->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        chmod(path, 0666) < 0 || lstat(path, &st) < 0 || listen(listener->fd, BACKLOG) < 0)
        return error_set(err, errno, "listen", "\"%s\" cannot be listened on: %s.", path,
                         strerror(errno));
    listener->unix_dev = st.st_dev;
    listener->unix_ino = st.st_ino;
    listener->unix_path = strdup(path);
    return listener->unix_path ? 0 : -ENOMEM;
}

static bool is_loopback(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

/* "ADDR:PORT" or "[ADDR]:PORT" */
static int parse_tcp(const char *text, struct addrinfo **ret, struct vdi_error *err)
{
    char host[HTTP_ADDRESS_MAX + 1];
    uint64_t port;
    bool bracket = text[0] == '[';
    const char *begin = text + bracket;
    const char *end = bracket ? strchr(begin, ']') : strrchr(begin, ':');
    const char *colon = end && bracket ? end + 1 : end;
    if (!end || *colon != ':' || (size_t)(end - begin) >= sizeof(host) ||
        str_to_u64(colon + 1, 0, UINT16_MAX, &port) < 0) {
        error_set(err, EINVAL, "listen", "\"%s\" is not an address and a port.", text);
        error_hint(err, NULL, "Write 192.0.2.1:8443 or [2001:db8::1]:8443.");
        return -EINVAL;
    }
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, colon + 1, &hints, ret) != 0) {
        error_set(err, EINVAL, "listen", "\"%s\" is not an IP address.", host);
        error_hint(err, NULL, "Give a numeric address; 0.0.0.0 or [::] means all.");
        return -EINVAL;
    }
    return 0;
}

static int bind_tcp(struct http_listener *listener, const struct addrinfo *info)
{
    int on = 1;
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    listener->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (listener->fd < 0 ||
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(listener->fd, info->ai_addr, info->ai_addrlen) < 0 ||
        listen(listener->fd, BACKLOG) < 0 ||
        getsockname(listener->fd, (struct sockaddr *)&bound, &len) < 0)
        return -errno;
    listener->server->port =
        ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                         : ((struct sockaddr_in6 *)&bound)->sin6_port);
    return 0;
}

static int open_tcp(struct http_listener *listener, const char *text, struct vdi_error *err)
{
    struct addrinfo *info = NULL;
    int r = parse_tcp(text, &info, err);
    if (r < 0)
        return r;
    if (!listener->tls && !is_loopback(info->ai_addr)) {
        r = error_set(err, EPERM, "listen",
                      "\"http:%s\" would carry credentials in the clear over a network.", text);
        error_hint(err, "plain HTTP: loopback only", "Use https: with a certificate and key.");
    } else {
        r = bind_tcp(listener, info);
        if (r < 0)
            error_set(err, -r, "listen", "\"%s\" cannot be listened on: %s.", text, strerror(-r));
    }
    freeaddrinfo(info);
    return r;
}

/* NUL-terminated; the caller frees. A private file is one that only its owner can read. */
static int read_pem(const char *path, const char *field, bool is_private, char **ret,
                    struct vdi_error *err)
{
    struct stat st;
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, errno, field, "\"%s\" cannot be read: %s.", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX)
        return error_set(err, EINVAL, field, "\"%s\" is not a PEM file.", path);
    if (is_private && (st.st_mode & 077)) {
        error_set(err, EPERM, field, "The key \"%s\" has mode %04o: others can use it.", path,
                  (unsigned)st.st_mode & 07777);
        error_hint(err, "mode 0600", "chmod 600 it, and consider the key known.");
        return -EPERM;
    }
    char *text = calloc(1, (size_t)st.st_size + 1);
    if (!text)
        return -ENOMEM;
    if (read(fd, text, (size_t)st.st_size) != st.st_size) {
        free(text);
        return error_set(err, EIO, field, "\"%s\" could not be read whole.", path);
    }
    *ret = text;
    return 0;
}

static int start_tls(struct http_listener *listener, const char *cert_file, const char *key_file,
                     struct vdi_error *err)
{
    _cleanup_(freep) char *cert = NULL;
    char *key = NULL;
    if (!cert_file || !key_file)
        return error_set(err, EINVAL, "listen", "https: needs a certificate and a key.");
    int r = read_pem(cert_file, "tls_cert", false, &cert, err);
    if (r == 0)
        r = read_pem(key_file, "tls_key", true, &key, err);
    if (r == 0)
        r = http_listener_start(listener, cert, key, err);
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
    return r;
}

int http_server_listen(struct http_server *server, const char *address, const char *cert_file,
                       const char *key_file, struct vdi_error *err)
{
    _cleanup_(http_listener_freep) struct http_listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return -ENOMEM;
    list_init(&listener->link);
    listener->server = server;
    listener->fd = -1;
    listener->tls = str_starts_with(address, "https:");
    int r;
    if (str_starts_with(address, "unix:"))
        r = open_unix(listener, address + strlen("unix:"), err);
    else if (listener->tls || str_starts_with(address, "http:"))
        r = open_tcp(listener, strchr(address, ':') + 1, err);
    else
        r = error_set(err, EINVAL, "listen", "\"%s\" does not begin with unix:, https: or http:.",
                      address);
    if (r == 0)
        r = listener->tls ? start_tls(listener, cert_file, key_file, err)
                          : http_listener_start(listener, NULL, NULL, err);
    if (r < 0)
        return r;
    list_append(&server->listeners, &TAKE_PTR(listener)->link);
    return 0;
}
