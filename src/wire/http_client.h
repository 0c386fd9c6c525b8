/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client.h - a blocking HTTP/1.1 client for the commands.
 *
 * URLs: "unix:PATH", "https://HOST:PORT", "http://127.0.0.1:PORT" (loopback only). TLS checks
 * the chain (system store, or ca_file) and the host name. It is our own because starting is
 * what it must be good at: one exchange over a unix socket adds 0.2 ms to an empty process,
 * where loading libcurl takes 9 ms, libevent's evhttp 2.5 ms (and no unix sockets in 2.1)
 * and libssl alone 1 ms; so libssl is loaded when an https: URL is opened.
 */
#ifndef WIRE_HTTP_CLIENT_H
#define WIRE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

struct http_client;

struct http_reply {
    unsigned status;
    char content_type[64];
    char location[256];
    struct buf body;
};

/* timeout_sec: for connecting, and for each silence of the server. */
int http_client_new(const char *url, const char *ca_file, unsigned timeout_sec,
                    struct http_client **ret, struct vdi_error *err);
void http_client_free(struct http_client *client); /* takes NULL */
/*
 * One exchange on a kept-alive connection. headers: "Name: value" lines,
 * NULL-terminated, may be NULL. Any HTTP status is success here. -ECONNREFUSED,
 * -ENOENT, -ETIMEDOUT, -ECONNRESET, -EKEYREJECTED (certificate), -EPROTO, -EFBIG
 * (over 64 MiB) with err saying where. `reply` is the caller's (http_reply_done).
 * If on_data is given, a 200's body goes there in pieces as it comes (return
 * negative to stop) and not into reply->body.
 */
int http_client_do(struct http_client *client, const char *method, const char *target,
                   const char *const *headers, const char *body, size_t body_len,
                   int (*on_data)(void *arg, const char *data, size_t len), void *arg,
                   struct http_reply *ret, struct vdi_error *err);
void http_reply_done(struct http_reply *reply);

#endif
