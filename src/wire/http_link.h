/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_link.h - one blocking connection of the HTTP client: unix, TCP, or TLS.
 *
 * Every wait has a time limit. Errors are negative errno with err saying where and why.
 */
#ifndef WIRE_HTTP_LINK_H
#define WIRE_HTTP_LINK_H

#include <stdbool.h>
#include <sys/types.h>

#include <vdi/types.h>

/* Where to: "unix:PATH", "https://HOST[:PORT]", "http://LOOPBACK:PORT". */
struct http_place {
    bool is_unix, is_tls;
    char host[256]; /* or the socket's path */
    char port[8];
};

struct http_link;

int http_place_parse(const char *url, struct http_place *ret, struct vdi_error *err);
int http_link_open(const struct http_place *place, const char *ca_file, unsigned timeout_sec,
                   struct http_link **ret, struct vdi_error *err);
/* At least one byte; 0: the other side has ended in order. */
ssize_t http_link_read(struct http_link *link, void *data, size_t size, struct vdi_error *err);
/* All of it. */
int http_link_write(struct http_link *link, const void *data, size_t len, struct vdi_error *err);
/* Between two exchanges: nothing has come, not even the end. */
bool http_link_is_idle(const struct http_link *link);
void http_link_free(struct http_link *link); /* takes NULL */

/* TLS over a connected, non-blocking fd; http_tls.c. */
struct http_tls;
int http_tls_open(int fd, const char *host, const char *ca_file, unsigned timeout_sec,
                  struct http_tls **ret, struct vdi_error *err);
ssize_t http_tls_read(struct http_tls *tls, void *data, size_t size, struct vdi_error *err);
ssize_t http_tls_write(struct http_tls *tls, const void *data, size_t len, struct vdi_error *err);
void http_tls_free(struct http_tls *tls); /* takes NULL; the fd stays open */
/* Waits for poll(2) events; -ETIMEDOUT. */
int http_link_wait(int fd, short events, unsigned timeout_sec, struct vdi_error *err);

#endif
