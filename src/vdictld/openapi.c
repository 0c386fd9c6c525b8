/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.c - /v1/openapi.json (OpenAPI 3.1.0), made from the request table. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "codec/request_input.h"
#include "vdictld/handlers.h"

static const char *schema_type(const struct field *f)
{
    switch (f->type) {
    case FIELD_BOOL:
        return "\"boolean\"";
    case FIELD_U32:
    case FIELD_I32:
    case FIELD_U64:
    case FIELD_I64:
        return "\"integer\"";
    case FIELD_TIME:
        return "[\"string\",\"null\"],\"format\":\"date-time\"";
    case FIELD_DOCUMENTS:
        return "\"array\",\"items\":{\"type\":\"object\"}";
    default:
        return "\"string\"";
    }
}

static void write_field(const struct field *f, struct buf *out)
{
    json_write_string(out, f->name);
    buf_printf(out, ":{\"type\":%s,\"description\":", schema_type(f));
    json_write_string(out, f->help);
    if (f->names) {
        buf_puts(out, ",\"enum\":[");
        for (size_t i = 0; f->names[i]; i++) {
            if (i)
                buf_putc(out, ',');
            json_write_string(out, f->names[i]);
        }
        buf_putc(out, ']');
    } else if ((f->type == FIELD_STRING || f->type == FIELD_WORD) && f->max) {
        buf_printf(out, ",\"maxLength\":%lld", (long long)f->max);
    } else if (f->type == FIELD_U32 || f->type == FIELD_I32 || f->type == FIELD_I64) {
        buf_printf(out, ",\"minimum\":%lld,\"maximum\":%lld", (long long)f->min, (long long)f->max);
    }
    buf_putc(out, '}');
}

static void write_properties(const struct field *fields, uint32_t flags, struct buf *out)
{
    bool first = true;

    buf_puts(out, "{\"type\":\"object\",\"properties\":{");
    for (const struct field *f = fields; f->type != FIELD_END; f++) {
        if (!(f->flags & flags))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        write_field(f, out);
    }
    buf_puts(out, "}}");
}

static void write_parameter(const char *name, size_t len, const char *in, struct buf *out,
                            bool *io_first)
{
    buf_printf(out,
               "%s{\"name\":\"%.*s\",\"in\":\"%s\",\"required\":%s,"
               "\"schema\":{\"type\":\"string\"}}",
               *io_first ? "" : ",", (int)len, name, in, strcmp(in, "path") ? "false" : "true");
    *io_first = false;
}

static void write_parameters(const struct request *r, struct buf *out)
{
    bool first = true;

    buf_puts(out, ",\"parameters\":[");
    for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{'))
        write_parameter(p + 1, strcspn(p + 1, "}"), "path", out, &first);
    for (const char *p = r->query; *p;) {
        size_t n = strcspn(p, ",");

        write_parameter(p, n, "query", out, &first);
        p += n + (p[n] == ',');
    }
    buf_putc(out, ']');
}

static void write_operation(const struct request *r, struct buf *out)
{
    char verb[8] = "";

    for (size_t i = 0; r->verb[i] && i < sizeof(verb) - 1; i++)
        verb[i] = (char)(r->verb[i] | 0x20);
    buf_printf(out, "\"%s\":{\"operationId\":\"%s\",\"x-role\":\"%s\",\"summary\":", verb, r->name,
               request_role_names[r->role]);
    json_write_string(out, r->summary);
    write_parameters(r, out);
    if (r->input == request_octet_fields) {
        buf_puts(out, ",\"requestBody\":{\"content\":{\"application/octet-stream\":{\"schema\":"
                      "{\"type\":\"string\",\"format\":\"binary\"}}}}");
    } else if (r->input) {
        buf_puts(out, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":");
        write_properties(r->input,
                         strcmp(r->verb, "PATCH") || r->id == REQUEST_NODE_UPDATE
                             ? FIELD_SUBMIT
                             : FIELD_UPDATE | FIELD_ADMIN,
                         out);
        buf_puts(out, "}}}");
    }
    buf_puts(out, ",\"responses\":{\"default\":{\"description\":\"a problem document (RFC "
                  "9457)\"},\"2XX\":{\"description\":");
    json_write_string(out, r->summary);
    if (r->output) {
        buf_puts(out, ",\"content\":{\"application/json\":{\"schema\":");
        write_properties(r->output, FIELD_SHOW, out);
        buf_puts(out, "}}");
    }
    buf_puts(out, "}}}");
}

static bool is_first_of_path(size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (!strcmp(requests[j].path, requests[i].path))
            return false;
    return true;
}

void handle_openapi(struct call *call)
{
    struct buf body = BUF_INIT(0);

    buf_puts(&body, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"OSVDI\",\"version\":\"1\"},"
                    "\"paths\":{");
    for (size_t i = 0; i < REQUEST_N; i++) {
        bool first = true;

        if (!is_first_of_path(i))
            continue;
        buf_puts(&body, i ? "," : "");
        json_write_string(&body, requests[i].path);
        buf_puts(&body, ":{");
        for (size_t j = i; j < REQUEST_N; j++) {
            if (strcmp(requests[j].path, requests[i].path) != 0)
                continue;
            if (!first)
                buf_putc(&body, ',');
            first = false;
            write_operation(&requests[j], &body);
        }
        buf_putc(&body, '}');
    }
    buf_puts(&body, "}}");
    call_reply_json(call, 200, &body);
    buf_done(&body);
}
