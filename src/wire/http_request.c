/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_request.c - one exchange: checks, body, what the handler sees, the answer.
 *
 * A request is refused here, with a problem document (RFC 9457), before memory is taken
 * for its body: by its announced length, and a chunked one as soon as it is over the
 * limit (what comes after is thrown away, up to twice the limit, then the connection is cut:
 * MHD takes no answer in the middle of a body). The handler owns a request from its call
 * until its answer; MHD's connection lives at least as long unless the server is freed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "wire/http_internal.h"

#define ANSWER_HEADERS_MAX 32

/* Without a connection the server is being freed: nobody counts any more. */
static void body_free(struct http_request *r)
{
    if (r->connection) {
        r->server->held -= r->body.len;
        http_conn_of(r->connection)->peer->held -= r->body.len;
    }
    buf_done(&r->body);
}

static void request_free(struct http_request *r)
{
    list_remove(&r->link);
    for (unsigned i = 0; i < r->n_headers; i++)
        free((char *)r->headers[i].name);
    free(r->headers);
    free(r->target);
    body_free(r);
    if (r->response)
        MHD_destroy_response(r->response);
    free(r);
}

void *http_request_on_line(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http_listener *listener = cls;
    struct http_conn *conn = http_conn_of(connection);
    size_t size = strlen(target) + 1;
    struct http_request *r = calloc(1, sizeof(*r) + size);
    if (!r || !conn) {
        free(r);
        return NULL;
    }
    memcpy(r->raw_target, target, size);
    list_init(&r->link);
    r->server = listener->server;
    r->connection = connection;
    r->is_unix = conn->is_unix;
    r->uid = conn->uid;
    r->gid = conn->gid;
    memcpy(r->address, conn->address, sizeof(r->address));
    r->body_limit = r->server->limits.body_bytes;
    r->body = BUF_INIT(r->body_limit);
    http_conn_request_begins(conn);
    return r;
}

static const char *method_name(const char *method)
{
    static const char *const methods[] = {"GET", "POST", "PATCH", "DELETE"};
    for (size_t i = 0; i < ELEMENTS(methods); i++)
        if (strcmp(method, methods[i]) == 0)
            return methods[i];
    return NULL;
}

static const char *status_title(unsigned status)
{
    switch (status) {
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Bad Request";
    }
}

/* Answers by itself, and the connection ends with that: what follows could be anything. */
static void refuse(struct http_request *r, unsigned status, uint32_t limit, const char *detail)
{
    struct buf body = BUF_INIT(0);
    buf_printf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\"",
               status_title(status), status, detail);
    if (limit)
        buf_printf(&body, ",\"limit\":\"%u bytes\",\"remedy\":\"send less in one request\"", limit);
    buf_puts(&body, "}\n");
    r->server->stats.refused_requests++;
    r->phase = HTTP_HANDLER;
    http_request_add_header(r, "Connection", "close");
    http_request_reply(r, status, "application/problem+json", &body);
}

/* How the body is framed must be beyond doubt (RFC 9112 section 6.3). */
struct framing {
    unsigned n_lengths, n_encodings, n_hosts;
    const char *length, *encoding;
};

static enum MHD_Result look_at_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct framing *f = cls;
    if (strcasecmp(name, "Content-Length") == 0) {
        f->n_lengths++;
        f->length = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->n_encodings++;
        f->encoding = value;
    } else if (strcasecmp(name, "Host") == 0) {
        f->n_hosts++;
    }
    return MHD_YES;
}

static void check_framing(struct http_request *r)
{
    struct framing f = {0};
    uint64_t length = 0;
    int r_length = 0;
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, look_at_header, &f);
    if (f.n_lengths > 1 || f.n_encodings > 1 || f.n_hosts > 1 || (f.n_lengths && f.n_encodings))
        refuse(r, 400, 0, "Host, Content-Length or Transfer-Encoding is given more than once.");
    else if (f.encoding && strcasecmp(f.encoding, "chunked") != 0)
        refuse(r, 501, 0, "The only Transfer-Encoding known here is chunked.");
    else if (f.length && (r_length = str_to_u64(f.length, 0, UINT64_MAX, &length)) == -EINVAL)
        refuse(r, 400, 0, "Content-Length is not a number.");
    else if (r_length < 0 || length > r->body_limit)
        refuse(r, 413, r->body_limit, "The request's body is larger than this server takes.");
}

/*
 * MHD hands over C strings, so a NUL in the request line would hide the rest of the target.
 * Target and version are neighbours in its buffer: more than the target between them is that.
 */
static bool has_hidden_part(const struct http_request *r, const char *url, const char *version,
                            size_t header_size)
{
    uintptr_t begin = (uintptr_t)url, end = (uintptr_t)version;
    bool neighbours = end > begin && end - begin <= header_size;
    return neighbours && end - begin != strlen(r->raw_target) + 1;
}

static void check_head(struct http_request *r, const char *url, const char *method,
                       const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    uint32_t header_limit = r->server->limits.header_bytes;
    r->method = method_name(method);
    int parsed;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        refuse(r, 400, 0, "The request line is not one of HTTP/1.1.");
    else if (info && info->header_size > header_limit)
        refuse(r, 431, header_limit, "The request's header is larger than this server takes.");
    else if (has_hidden_part(r, url, version, info ? info->header_size : 0))
        refuse(r, 400, 0, "The request line has a NUL or more spaces than it should.");
    else if (!r->method)
        refuse(r, 501, 0, "The methods known here are GET, POST, PATCH and DELETE.");
    else if ((parsed = http_target_parse(r->raw_target, &r->target)) == -E2BIG)
        refuse(r, 400, 0, "The query has more than 64 parameters.");
    else if (parsed < 0)
        refuse(r, 400, 0, "The request's target has a bad percent escape or is not a path.");
    else
        check_framing(r);
}

static enum MHD_Result queue(struct http_request *r)
{
    struct MHD_Response *response = TAKE_PTR(r->response);
    if (!response)
        return MHD_NO;
    enum MHD_Result ok = MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response); /* MHD keeps its own reference */
    return ok;
}

static enum MHD_Result on_head(struct http_request *r, const char *url, const char *method,
                               const char *version)
{
    r->phase = HTTP_BODY;
    check_head(r, url, method, version);
    if (r->phase != HTTP_ANSWERED)
        return MHD_YES;
    http_conn_request_arrived(http_conn_of(r->connection));
    return queue(r);
}

static bool is_crowded(const struct http_request *r, size_t len)
{
    uint64_t most = r->server->limits.body_bytes;
    return r->server->held + len > most * HTTP_BODIES ||
           http_conn_of(r->connection)->peer->held + len > most * HTTP_BODIES_CLIENT;
}

static enum MHD_Result on_body(struct http_request *r, const char *data, size_t *len)
{
    bool is_large = r->body.len + *len > r->body_limit;
    if (!r->drained)
        r->is_crowded = !is_large && is_crowded(r, *len);
    if (r->drained || is_large || r->is_crowded) {
        body_free(r);
        r->drained += *len;
        if (r->drained > 2 * (uint64_t)r->body_limit)
            return MHD_NO;
    } else if (buf_append(&r->body, data, *len) < 0) {
        return MHD_NO;
    } else {
        r->server->held += *len;
        http_conn_of(r->connection)->peer->held += *len;
    }
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result on_arrived(struct http_request *r)
{
    struct http_server *server = r->server;
    http_conn_request_arrived(http_conn_of(r->connection));
    r->phase = HTTP_HANDLER;
    if (r->is_crowded) {
        http_request_add_header(r, "Retry-After", "1");
        refuse(r, 503, 0, "The bodies of other requests take all the room there is.");
    } else if (r->drained) {
        refuse(r, 413, r->body_limit, "The request's body is larger than this server takes.");
    } else {
        server->stats.requests++;
        server->fn(server->arg, r);
    }
    if (r->phase == HTTP_ANSWERED)
        return queue(r);
    r->phase = HTTP_WAITING;
    http_request_suspend(r);
    return MHD_YES;
}

enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *data, size_t *data_len, void **context)
{
    struct http_request *r = *context;
    if (!r || r->server->stopping)
        return MHD_NO;
    if (r->phase == HTTP_HEAD)
        return on_head(r, url, method, version);
    if (r->phase == HTTP_BODY)
        return *data_len ? on_body(r, data, data_len) : on_arrived(r);
    return r->phase == HTTP_ANSWERED ? queue(r) : MHD_NO;
}

void http_request_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                               enum MHD_RequestTerminationCode code)
{
    struct http_request *r = *context;
    *context = NULL;
    if (!r)
        return;
    http_conn_request_ends(http_conn_of(connection));
    http_stream_closed(TAKE_PTR(r->stream));
    if (r->phase == HTTP_WAITING) { /* the server is being freed; the handler still has r */
        list_remove(&r->link);
        r->connection = NULL;
        r->server = NULL;
    } else {
        request_free(r);
    }
}

void http_request_suspend(struct http_request *r)
{
    list_append(&r->server->suspended, &r->link);
    MHD_suspend_connection(r->connection);
}

void http_request_resume(struct http_request *r)
{
    list_remove(&r->link);
    MHD_resume_connection(r->connection);
    http_listener_run(http_conn_of(r->connection)->listener);
}

/* Without a response (no memory) the connection ends instead. */
void http_request_answered(struct http_request *r, unsigned status, const char *content_type)
{
    if (content_type && r->response)
        MHD_add_response_header(r->response, "Content-Type", content_type);
    for (unsigned i = 0; r->response && i < r->n_headers; i++)
        if (MHD_add_response_header(r->response, r->headers[i].name, r->headers[i].value) !=
            MHD_YES)
            log_warning("http: answer header %s left out: bad value", r->headers[i].name);
    r->status = status;
    bool was_waiting = r->phase == HTTP_WAITING;
    r->phase = HTTP_ANSWERED;
    if (was_waiting)
        http_request_resume(r);
}

void http_request_add_header(struct http_request *r, const char *name, const char *value)
{
    struct http_pair *grown = NULL;
    char *copy = NULL;
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    if (r->n_headers < ANSWER_HEADERS_MAX)
        grown = reallocarray(r->headers, r->n_headers + 1, sizeof(*grown));
    if (grown) {
        r->headers = grown;
        copy = malloc(name_size + value_size);
    }
    if (!copy) {
        log_warning("http: answer header %s left out: no room", name);
        return;
    }
    memcpy(copy, name, name_size);
    memcpy(copy + name_size, value, value_size);
    r->headers[r->n_headers++] = (struct http_pair){.name = copy, .value = copy + name_size};
}

void http_request_reply(struct http_request *r, unsigned status, const char *content_type,
                        struct buf *body)
{
    size_t len = 0;
    char *data = NULL;
    if (body && body->failed)
        status = 500;
    else if (body && body->data)
        data = buf_take(body, &len);
    if (body)
        buf_done(body);
    if (!r->connection) {
        free(data);
        request_free(r);
        return;
    }
    r->response = MHD_create_response_from_buffer(
        len, data ? data : (void *)"", data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!r->response)
        free(data);
    http_request_answered(r, status, content_type);
}

const char *http_request_method(const struct http_request *r)
{
    return r->method;
}

const char *http_request_path(const struct http_request *r)
{
    return r->target->path;
}

const char *http_request_target(const struct http_request *r)
{
    return r->raw_target;
}

const char *http_request_query(const struct http_request *r, const char *name)
{
    for (unsigned i = 0; i < r->target->n_query; i++)
        if (strcmp(r->target->query[i].name, name) == 0)
            return r->target->query[i].value;
    return NULL;
}

void http_request_each_query(const struct http_request *r,
                             void (*fn)(void *arg, const char *name, const char *value), void *arg)
{
    for (unsigned i = 0; i < r->target->n_query; i++)
        fn(arg, r->target->query[i].name, r->target->query[i].value);
}

const char *http_request_header(const struct http_request *r, const char *name)
{
    if (!r->connection)
        return NULL;
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *http_request_body(const struct http_request *r, size_t *ret_len)
{
    if (ret_len)
        *ret_len = r->body.len;
    return r->body.data ? r->body.data : "";
}

bool http_request_peer(const struct http_request *r, uint32_t *ret_uid, uint32_t *ret_gid)
{
    if (!r->is_unix)
        return false;
    *ret_uid = r->uid;
    *ret_gid = r->gid;
    return true;
}

bool http_request_is_secure(const struct http_request *r)
{
    return true; /* http_listen.c opens nothing else: TLS, unix sockets, loopback */
}

const char *http_request_address(const struct http_request *r)
{
    return r->address;
}
