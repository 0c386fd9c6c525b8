/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client.c - a blocking HTTP/1.1 client (RFC 9112) for the commands.
 *
 * A kept-alive connection on which the server has said something between two exchanges
 * (usually: its end) is made anew before the request goes out; a request that may have been
 * seen is never sent twice. Whatever comes back is checked against limits before memory is
 * taken: HEAD_MAX for status line and headers, BODY_MAX for a buffered body.
 */
#include "wire/http_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/http_link.h"

#define HEAD_MAX (64 * 1024)
#define BODY_MAX (64 * 1024 * 1024)
#define READ_SIZE (64 * 1024)

struct http_client {
    struct http_place place;
    char *ca_file;
    unsigned timeout_sec;
    struct http_link *link; /* NULL: not connected */
    struct buf in;          /* read and not yet taken from `at` on */
    size_t at;
};

/* One exchange under way. */
struct exchange {
    struct http_client *client;
    struct http_reply reply;
    int (*on_data)(void *arg, const char *data, size_t len); /* NULL: into reply.body */
    void *arg;
    size_t head_len;
    bool chunked, has_length, keep_alive;
    uint64_t length;
    struct vdi_error *err;
};

int http_client_new(const char *url, const char *ca_file, unsigned timeout_sec,
                    struct http_client **ret, struct vdi_error *err)
{
    struct http_place place;
    int r = http_place_parse(url, &place, err);
    if (r < 0)
        return r;
    struct http_client *client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->place = place;
    client->timeout_sec = timeout_sec;
    client->ca_file = ca_file ? strdup(ca_file) : NULL;
    client->in = BUF_INIT(0);
    if (ca_file && !client->ca_file) {
        http_client_free(client);
        return -ENOMEM;
    }
    *ret = client;
    return 0;
}

static void drop_link(struct http_client *client)
{
    http_link_free(TAKE_PTR(client->link));
    buf_clear(&client->in);
    client->at = 0;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    drop_link(client);
    buf_done(&client->in);
    free(client->ca_file);
    free(client);
}

void http_reply_done(struct http_reply *reply)
{
    buf_done(&reply->body);
}

static int garbled(struct exchange *x, const char *what)
{
    return error_set(x->err, EPROTO, "url", "The answer is not HTTP: %s.", what);
}

/* Reads more behind what is there; 0: the end. */
static ssize_t fill(struct exchange *x)
{
    struct http_client *c = x->client;
    if (c->at == c->in.len) {
        buf_clear(&c->in);
        c->at = 0;
    } else if (c->at > READ_SIZE) {
        buf_consume(&c->in, c->at);
        c->at = 0;
    }
    int r = buf_reserve(&c->in, READ_SIZE);
    if (r < 0)
        return r;
    ssize_t n = http_link_read(c->link, c->in.data + c->in.len, READ_SIZE, x->err);
    if (n > 0) {
        c->in.len += (size_t)n;
        c->in.data[c->in.len] = '\0';
    }
    return n;
}

/* One line without its end; valid until the next read. */
static int read_line(struct exchange *x, char **ret)
{
    struct http_client *c = x->client;
    char *end;
    while (!(end = memchr(c->in.data ? c->in.data + c->at : "", '\n', c->in.len - c->at))) {
        if (x->head_len + (c->in.len - c->at) > HEAD_MAX)
            return garbled(x, "a header without an end");
        ssize_t n = fill(x);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return error_set(x->err, ECONNRESET, "url",
                             "The controller ended the connection without an answer.");
    }
    char *line = c->in.data + c->at;
    c->at += (size_t)(end + 1 - line);
    x->head_len += (size_t)(end + 1 - line);
    if (x->head_len > HEAD_MAX)
        return garbled(x, "a header without an end");
    *end = '\0';
    if (end > line && end[-1] == '\r')
        end[-1] = '\0';
    if (strlen(line) + 2 < (size_t)(end + 1 - line))
        return garbled(x, "a NUL in a header");
    *ret = line;
    return 0;
}

static int read_status(struct exchange *x)
{
    char *line;
    int r = read_line(x, &line);
    if (r < 0)
        return r;
    uint64_t status;
    if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 || line[8] != ' ')
        return garbled(x, "no status line");
    x->keep_alive = line[7] != '0';
    if (line[12] == ' ')
        line[12] = '\0';
    if (str_to_u64(line + 9, 100, 999, &status) < 0)
        return garbled(x, "no status");
    x->reply.status = (unsigned)status;
    return 0;
}

static int take_header(struct exchange *x, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return garbled(x, "a header line without a colon");
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t n = strlen(value); n > 0 && strchr(" \t", value[n - 1]); n--)
        value[n - 1] = '\0';
    if (strcasecmp(line, "Content-Type") == 0)
        str_copy(x->reply.content_type, sizeof(x->reply.content_type), value);
    else if (strcasecmp(line, "Location") == 0)
        str_copy(x->reply.location, sizeof(x->reply.location), value);
    else if (strcasecmp(line, "Connection") == 0)
        x->keep_alive = x->keep_alive && strcasecmp(value, "close") != 0;
    else if (strcasecmp(line, "Transfer-Encoding") == 0)
        x->chunked = strcasecmp(value, "chunked") == 0;
    else if (strcasecmp(line, "Content-Length") == 0) {
        if (x->has_length || str_to_u64(value, 0, INT64_MAX, &x->length) < 0)
            return garbled(x, "a bad Content-Length");
        x->has_length = true;
    }
    return 0;
}

/* Interim answers (1xx) are passed over. */
static int read_head(struct exchange *x)
{
    do {
        int r = read_status(x);
        char *line = NULL;
        while (r == 0 && (r = read_line(x, &line)) == 0 && *line)
            r = take_header(x, line);
        if (r < 0)
            return r;
    } while (x->reply.status < 200);
    return 0;
}

static int deliver(struct exchange *x, const char *data, size_t len)
{
    if (x->on_data && x->reply.status == 200)
        return x->on_data(x->arg, data, len);
    int r = buf_append(&x->reply.body, data, len);
    if (r < 0) {
        error_set(x->err, EFBIG, "url", "The answer is larger than this program takes.");
        error_hint(x->err, "64 MiB", "ask for less at once");
        return -EFBIG;
    }
    return 0;
}

/* Delivers up to max bytes as they come. *ret_ended: the connection ended before. */
static int read_piece(struct exchange *x, uint64_t max, bool *ret_ended)
{
    struct http_client *c = x->client;
    *ret_ended = false;
    while (max > 0) {
        size_t n = c->in.len - c->at;
        if (n == 0) {
            ssize_t got = fill(x);
            if (got < 0)
                return (int)got;
            *ret_ended = got == 0;
            if (got == 0)
                return 0;
            continue;
        }
        if (n > max)
            n = (size_t)max;
        int r = deliver(x, c->in.data + c->at, n);
        if (r < 0)
            return r;
        c->at += n;
        max -= n;
    }
    return 0;
}

static int cut_short(struct exchange *x)
{
    return error_set(x->err, ECONNRESET, "url", "The answer was cut short.");
}

static int read_chunk_size(struct exchange *x, uint64_t *ret)
{
    char *line, *end;
    int r = read_line(x, &line);
    if (r < 0)
        return r;
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 15 || !strchr("; \t", line[digits]))
        return garbled(x, "a bad chunk");
    *ret = strtoull(line, &end, 16);
    return 0;
}

static int read_chunks(struct exchange *x)
{
    for (;;) {
        uint64_t size = 0;
        bool ended;
        char *line;
        x->head_len = 0;
        int r = read_chunk_size(x, &size);
        if (r < 0)
            return r;
        if (size == 0)
            break;
        r = read_piece(x, size, &ended);
        if (r == 0 && ended)
            r = cut_short(x);
        if (r == 0)
            r = read_line(x, &line);
        if (r < 0)
            return r;
        if (*line)
            return garbled(x, "a chunk without an end");
    }
    char *trailer;
    int r;
    while ((r = read_line(x, &trailer)) == 0 && *trailer)
        ;
    return r;
}

static int read_body(struct exchange *x)
{
    bool ended;
    if (x->reply.status == 204 || x->reply.status == 304)
        return 0;
    if (x->chunked)
        return read_chunks(x);
    int r = read_piece(x, x->has_length ? x->length : UINT64_MAX, &ended);
    if (r == 0 && ended && x->has_length)
        r = cut_short(x);
    if (!x->has_length)
        x->keep_alive = false;
    return r;
}

static bool is_line(const char *s)
{
    return strpbrk(s, "\r\n") == NULL;
}

static int put_request(struct http_client *c, const char *method, const char *target,
                       const char *const *headers, size_t body_len, struct buf *out)
{
    const char *host = c->place.is_unix ? "localhost" : c->place.host;
    bool bracket = strchr(host, ':') != NULL;
    if (!is_line(target) || strchr(target, ' ') || target[0] != '/')
        return -EINVAL;
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s%s%s\r\n", method, target, bracket ? "[" : "", host,
               bracket ? "]" : "");
    if (body_len > 0 || strcmp(method, "GET") != 0)
        buf_printf(out, "Content-Length: %zu\r\n", body_len);
    for (; headers && *headers; headers++) {
        if (!is_line(*headers))
            return -EINVAL;
        buf_printf(out, "%s\r\n", *headers);
    }
    return buf_puts(out, "\r\n");
}

static int connect_anew(struct http_client *c, struct vdi_error *err)
{
    if (c->link && c->at == c->in.len && http_link_is_idle(c->link))
        return 0;
    drop_link(c);
    return http_link_open(&c->place, c->ca_file, c->timeout_sec, &c->link, err);
}

/* A server may answer (413) and end before it has read everything: its answer counts. */
static int run(struct exchange *x, const struct buf *head, const char *body, size_t body_len)
{
    int sent = http_link_write(x->client->link, head->data, head->len, x->err);
    if (sent == 0 && body_len > 0)
        sent = http_link_write(x->client->link, body, body_len, x->err);
    if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET)
        return sent;
    int r = read_head(x);
    if (r == 0)
        r = read_body(x);
    if (sent < 0)
        x->keep_alive = false;
    return r;
}

int http_client_do(struct http_client *client, const char *method, const char *target,
                   const char *const *headers, const char *body, size_t body_len,
                   int (*on_data)(void *arg, const char *data, size_t len), void *arg,
                   struct http_reply *ret, struct vdi_error *err)
{
    struct exchange x = {.client = client, .on_data = on_data, .arg = arg, .err = err};
    struct buf head = BUF_INIT(HEAD_MAX);
    x.reply.body = BUF_INIT(BODY_MAX);
    int r = put_request(client, method, target, headers, body_len, &head);
    if (r == 0 && body_len > 0 && body_len < READ_SIZE && head.len + body_len < HEAD_MAX) {
        r = buf_append(&head, body, body_len); /* one packet, one wake-up */
        body_len = 0;
    }
    if (r < 0)
        error_set(err, -r, "request", "The request's target or a header cannot be sent.");
    if (r == 0)
        r = connect_anew(client, err);
    if (r == 0)
        r = run(&x, &head, body, body_len);
    buf_done(&head);
    if (r < 0 || !x.keep_alive)
        drop_link(client);
    if (r < 0)
        buf_done(&x.reply.body);
    else
        *ret = x.reply;
    return r;
}
