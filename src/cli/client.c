/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - a command's way to vdictld: where it is, who asks, what was answered.
 *
 * A token never leaves for a peer that could read it on the way: the transport
 * is a unix socket, loopback or TLS (http_client_new refuses others), and its
 * file must be the caller's alone.
 */
#include "cli/client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/http_client.h"
#include "wire/munge_sign.h"

#define TOKEN_MAX 4096
#define AUTHORIZATION_MAX 16384
#define TIMEOUT_SEC 60

struct client {
    const char *url;
    struct http_client *http;
    unsigned timeout_sec; /* of http */
    char cluster[64];     /* for munge; "" until it is needed */
    char token[TOKEN_MAX];
    bool peer_is_kernel; /* a unix socket: no credential is sent */
};

static int token_read(const char *path, char *ret, struct vdi_error *err)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set(err, errno, "VDI_TOKEN_FILE", "%.200s: %s", path, strerror(errno));
        error_hint(err, NULL, "vdictl token issue writes one");
        return -EACCES;
    }
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || (st.st_uid != geteuid() && st.st_uid)) {
        error_set(err, EACCES, "VDI_TOKEN_FILE", "%.200s can be read or written by others", path);
        error_hint(err, NULL, "chmod 600 it, or issue a new token");
        return -EACCES;
    }
    ssize_t n = read(fd, ret, TOKEN_MAX - 1);
    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, " \t\r\n")] = '\0';
    if (str_is_empty(ret) || n == TOKEN_MAX - 1)
        return error_set(err, EACCES, "VDI_TOKEN_FILE", "%.200s holds no token", path), -EACCES;
    return 0;
}

/* A new connection, because the time one may take is fixed when it is made. */
static int client_connect(struct client *client, unsigned timeout_sec, struct vdi_error *err)
{
    if (client->http && client->timeout_sec == timeout_sec)
        return 0;
    http_client_free(TAKE_PTR(client->http));
    client->timeout_sec = timeout_sec;
    return http_client_new(client->url, getenv("VDI_CA_FILE"), timeout_sec, &client->http, err);
}

int client_new(struct client **ret, struct vdi_error *err)
{
    _cleanup_(client_freep) struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return error_set(err, ENOMEM, "", "no memory");
    const char *url = getenv("VDI_URL"), *token_file = getenv("VDI_TOKEN_FILE");
    client->url = str_is_empty(url) ? CLIENT_URL_DEFAULT : url;
    client->peer_is_kernel = str_starts_with(client->url, "unix:");
    if (!client->peer_is_kernel && !str_is_empty(token_file)) {
        int r = token_read(token_file, client->token, err);
        if (r < 0)
            return r;
    }
    if (client_connect(client, TIMEOUT_SEC, err) < 0)
        return -EINVAL;
    *ret = TAKE_PTR(client);
    return 0;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    http_client_free(client->http);
    explicit_bzero(client->token, sizeof(client->token));
    free(client);
}

/* A credential is bound to the cluster; who does not know its name asks. */
static int cluster_find(struct client *client, struct vdi_error *err)
{
    if (!str_is_empty(client->cluster))
        return 0;
    const char *set = getenv("VDI_CLUSTER");
    if (!str_is_empty(set)) {
        str_copy(client->cluster, sizeof(client->cluster), set);
        return 0;
    }
    struct http_reply reply = {.status = 0};
    int r = http_client_do(client->http, "GET", "/v1/ping", NULL, NULL, 0, NULL, NULL, &reply, err);
    if (r < 0)
        return r;
    _cleanup_(document_freep) struct document *ping = NULL;
    if (reply.status == 200 && document_parse(reply.body.data, reply.body.len, &ping, NULL) == 0)
        str_copy(client->cluster, sizeof(client->cluster),
                 value_get_string(document_root(ping), "cluster", ""));
    http_reply_done(&reply);
    if (!str_is_empty(client->cluster))
        return 0;
    error_set(err, EACCES, "cluster", "%.100s does not name its cluster", client->url);
    error_hint(err, NULL, "set VDI_CLUSTER");
    return -EACCES;
}

static int authorize(struct client *client, const struct client_request *q, char *ret, size_t size,
                     struct vdi_error *err)
{
    *ret = '\0';
    if (client->peer_is_kernel)
        return 0;
    if (!str_is_empty(client->token)) {
        snprintf(ret, size, "Authorization: Bearer %s", client->token);
        return 0;
    }
    int r = cluster_find(client, err);
    if (r < 0)
        return r;
    r = munge_sign(client->cluster, q->method, q->target, q->body ? q->body : "", q->body_len, ret,
                   size, err);
    return r < 0 ? -EACCES : 0;
}

/* Whatever kept the answer away, except that time passed or the peer went, is one thing. */
static int transport_error(int r)
{
    return r == -ETIMEDOUT || r == -ECONNRESET || r == -EPIPE || r == -EACCES ? r : -EHOSTUNREACH;
}

int client_do(struct client *client, const struct client_request *q, struct buf *ret_text,
              struct vdi_error *err)
{
    int r = client_connect(client, q->timeout_sec ? q->timeout_sec : TIMEOUT_SEC, err);
    if (r < 0)
        return transport_error(r);
    char authorization[AUTHORIZATION_MAX];
    r = authorize(client, q, authorization, sizeof(authorization), err);
    if (r < 0)
        return transport_error(r);
    const char *headers[5] = {"Accept: application/json, */*;q=0.5"};
    size_t n = 1;
    if (*authorization)
        headers[n++] = authorization;
    if (q->body)
        headers[n++] = "Content-Type: application/json";
    if (q->header)
        headers[n++] = q->header;
    struct http_reply reply = {.status = 0};
    r = http_client_do(client->http, q->method, q->target, headers, q->body, q->body_len,
                       q->on_data, q->arg, &reply, err);
    explicit_bzero(authorization, sizeof(authorization));
    if (r < 0)
        return transport_error(r);
    if (reply.status < 200 || reply.status > 299)
        r = client_problem(reply.status, reply.body.data, reply.body.len, err);
    else if (ret_text)
        buf_append(ret_text, reply.body.data, reply.body.len);
    http_reply_done(&reply);
    return r;
}

int client_send(struct client *client, const char *method, const char *target,
                const struct buf *body, struct document **ret, struct vdi_error *err)
{
    struct client_request request = {.method = method, .target = target};
    if (body) {
        request.body = body->data;
        request.body_len = body->len;
    }
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    int r = client_do(client, &request, &text, err);
    if (r < 0 || !ret)
        return r;
    r = document_parse(text.len ? text.data : "null", text.len ? text.len : 4, ret, err);
    return r < 0 ? -EREMOTEIO : 0;
}

int client_get(struct client *client, const char *target, struct document **ret,
               struct vdi_error *err)
{
    return client_send(client, "GET", target, NULL, ret, err);
}

static int errno_of_status(unsigned status)
{
    if (status == 404 || status == 410)
        return ENOENT;
    return status == 401 || status == 403 ? EACCES : EREMOTEIO;
}

int client_problem(unsigned status, const char *body, size_t len, struct vdi_error *err)
{
    int code = errno_of_status(status);
    _cleanup_(document_freep) struct document *document = NULL;
    if (len && document_parse(body, len, &document, NULL) < 0)
        document = NULL;
    const struct value *problem = document_root(document);
    const char *detail = value_get_string(problem, "detail", NULL);
    if (!detail)
        detail = value_get_string(problem, "title", NULL);
    if (detail)
        error_set(err, code, value_get_string(problem, "field", ""), "%s", detail);
    else
        error_set(err, code, "", "the controller answered %u and did not say why", status);
    const struct value *limit = value_get(problem, "limit");
    char number[32];
    snprintf(number, sizeof(number), "%lld", (long long)value_int(limit, 0));
    error_hint(err, value_string(limit, value_int(limit, 0) ? number : NULL),
               value_get_string(problem, "remedy", NULL));
    return -code;
}

enum exit_code client_exit_code(int r)
{
    switch (r) {
    case 0:
        return EXIT_OK;
    case -EINVAL:
        return EXIT_USAGE;
    case -ENOENT:
        return EXIT_ABSENT;
    case -EACCES:
        return EXIT_DENIED;
    case -EHOSTUNREACH:
    case -ETIMEDOUT:
    case -ECONNRESET:
    case -EPIPE:
        return EXIT_UNREACHABLE;
    default:
        return EXIT_REFUSED;
    }
}

/* What a server or a file says must not steer the terminal. */
static void say_plain(FILE *to, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        fputc(*p < 32 || *p == 127 ? ' ' : *p, to);
}

enum exit_code client_fail(const char *program, int r, const struct vdi_error *err)
{
    char text[1024];
    struct vdi_error plain = *err;
    if (*plain.detail) /* a whole sentence: it says what it is about in people's words */
        plain.field[0] = '\0';
    size_t n = strlen(plain.detail);
    if (n && plain.detail[n - 1] == '.') /* the sentence goes on */
        plain.detail[n - 1] = '\0';
    fprintf(stderr, "%s: ", program);
    say_plain(stderr, error_text(&plain, text, sizeof(text)));
    fputc('\n', stderr);
    return client_exit_code(r);
}

void client_escape(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (isalnum(*p) || strchr("-._~,:", *p))
            buf_putc(out, (char)*p);
        else
            buf_printf(out, "%%%02X", *p);
}

void client_query(struct buf *target, const char *name, const char *text)
{
    if (str_is_empty(text))
        return;
    buf_putc(target, strchr(target->data ? target->data : "", '?') ? '&' : '?');
    buf_puts(target, name);
    buf_putc(target, '=');
    client_escape(target, text);
}
