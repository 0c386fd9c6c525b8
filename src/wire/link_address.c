/* SPDX-License-Identifier: Apache-2.0 */
/* link_address.c - addresses of the node link: texts, neighbours, socket options. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/link_internal.h"

#define GONE_MSEC 15000
#define KEEPALIVE_SEC 5

static int refuse(const char *address, struct vdi_error *err)
{
    error_set(err, EINVAL, "address", "\"%.80s\" is not an address with a port.", address);
    error_hint(err, NULL, "Write it as \"10.0.0.1:6820\", \"[::1]:6820\" or \"name:6820\".");
    return -EINVAL;
}

int link_address_split(const char *address, char *ret_host, char *ret_port, struct vdi_error *err)
{
    const char *colon = strrchr(address, ':');
    if (!colon)
        return refuse(address, err);
    const char *host = address;
    size_t len = (size_t)(colon - address);
    if (host[0] == '[' && len > 2 && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (memchr(host, ':', len))
        return refuse(address, err); /* IPv6 without brackets */
    uint64_t port;
    if (len == 0 || len >= LINK_HOST_MAX || str_to_u64(colon + 1, 0, 65535, &port) < 0)
        return refuse(address, err);
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    snprintf(ret_port, 8, "%u", (unsigned)port);
    return 0;
}

void link_address_text(const struct sockaddr *address, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    if (address->sa_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)))
        snprintf(buf, size, "%s:%u", host, ntohs(v4->sin_port));
    else if (address->sa_family == AF_INET6 &&
             inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)))
        snprintf(buf, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    else
        str_copy(buf, size, "?");
}

bool link_address_is_near(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
    const struct in6_addr *a6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    const struct in6_addr *b6 = &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr;
    /* The whole of IPv4 lies in one /64 of mapped addresses. */
    return memcmp(a6, b6, IN6_IS_ADDR_V4MAPPED(a6) ? 16 : 8) == 0;
}

void link_socket_tune(int fd)
{
    static const int on = 1, msec = GONE_MSEC, sec = KEEPALIVE_SEC, probes = 3;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &sec, sizeof(sec));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &sec, sizeof(sec));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &msec, sizeof(msec));
}
