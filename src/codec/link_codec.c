/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_codec.c - what vdid and vdictld say to each other, by tables of fields.
 *
 * A type is a row of `types`: its name and its fields. The parts that a flat table cannot
 * hold (the hello's versions, an order's body) are taken out of the object first.
 */
#include "codec/link_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/json.h"

#define AT(s, m) offsetof(struct link_##s, m), sizeof(((struct link_##s *)0)->m)
#define MUST (FIELD_SUBMIT | FIELD_REQUIRED)
#define MAY (FIELD_SUBMIT | FIELD_SKIP_EMPTY)
#define LAX (FIELD_SUBMIT | FIELD_KEEP)
#define LAX_MUST (LAX | FIELD_REQUIRED)
#define U32 0, UINT32_MAX, NULL
#define U64 0, INT64_MAX, NULL
#define NONE 0, 0, NULL
#define PEM 0, 16 * 1024, NULL

static const char *const verbs[] = {
    "start",   "stop",       "suspend",   "resume", "reboot", "bind",     "poll",    "signal",
    "message", "connection", "inventory", "output", "log",    "prefetch", "discard", NULL,
};
static const char *const kinds[] = {"done", "progress", "state", "inventory", NULL};

static const struct field protocol_fields[] = {
    {"min", FIELD_U32, AT(hello, protocol_min), LAX_MUST, U32, "oldest version spoken"},
    {"max", FIELD_U32, AT(hello, protocol_max), LAX_MUST, U32, "newest version spoken"},
    {.type = FIELD_END},
};

static const struct field hello_fields[] = {
    {"node", FIELD_FIXED, AT(hello, node), LAX_MUST, NONE, "the node's name"},
    {"boot_id", FIELD_FIXED, AT(hello, boot_id), LAX_MUST, NONE, "of the host"},
    {"version", FIELD_FIXED, AT(hello, version), LAX_MUST, NONE, "of vdid"},
    {"epoch_seen", FIELD_U64, AT(hello, epoch_seen), LAX, U64, "highest epoch obeyed"},
    {"time", FIELD_TIME, AT(hello, time_usec), LAX_MUST, NONE, "the node's clock"},
    {"stream", FIELD_FIXED, AT(hello, stream), LAX_MUST, NONE, "stream of its reports"},
    {"first", FIELD_U64, AT(hello, first), LAX_MUST, 1, INT64_MAX, NULL, "first report kept"},
    {"peer_stream", FIELD_FIXED, AT(hello, peer_stream), LAX, NONE, "stream of orders known"},
    {"received", FIELD_U64, AT(hello, received), LAX, U64, "last order received of it"},
    {.type = FIELD_END},
};

static const struct field welcome_fields[] = {
    {"protocol", FIELD_U32, AT(welcome, protocol), MUST, U32, "version chosen"},
    {"epoch", FIELD_U64, AT(welcome, epoch), MUST, U64, "the controller's epoch"},
    {"heartbeat_sec", FIELD_U32, AT(welcome, heartbeat_sec), MUST, 1, 3600, NULL, "heartbeats"},
    {"silence_sec", FIELD_U32, AT(welcome, silence_sec), MUST, 1, 3600, NULL, "lost after"},
    {"time", FIELD_TIME, AT(welcome, time_usec), MUST, NONE, "the controller's clock"},
    {"stream", FIELD_FIXED, AT(welcome, stream), MUST, NONE, "stream of its orders"},
    {"first", FIELD_U64, AT(welcome, first), MUST, 1, INT64_MAX, NULL, "first order kept"},
    {"received", FIELD_U64, AT(welcome, received), MUST, U64, "last report received"},
    {.type = FIELD_END},
};

static const struct field bye_fields[] = {
    {"reason", FIELD_FIXED, AT(bye, reason), MUST, NONE, "why the link is closed"},
    {.type = FIELD_END},
};

static const struct field heartbeat_fields[] = {
    {"time", FIELD_TIME, AT(heartbeat, time_usec), MUST, NONE, "the sender's clock"},
    {"epoch", FIELD_U64, AT(heartbeat, epoch), MAY, U64, "the controller's epoch"},
    {"inventory", FIELD_FIXED, AT(heartbeat, inventory), MAY, NONE, "digest of the inventory"},
    {"received", FIELD_U64, AT(heartbeat, received), MAY, U64, "last message received"},
    {.type = FIELD_END},
};

static const struct field order_fields[] = {
    {"seq", FIELD_U64, AT(order, seq), MUST, 1, INT64_MAX, NULL, "number in the stream"},
    {"op", FIELD_U64, AT(order, op), MUST, 1, INT64_MAX, NULL, "operation"},
    {"epoch", FIELD_U64, AT(order, epoch), MUST, U64, "the controller's epoch"},
    {"instance", FIELD_U64, AT(order, instance), MAY, U64, "instance"},
    {"generation", FIELD_U32, AT(order, generation), MAY, U32, "its generation"},
    {"verb", FIELD_ENUM, AT(order, verb), MUST, 0, 0, verbs, "what to do"},
    {.type = FIELD_END},
};

static const struct field report_fields[] = {
    {"seq", FIELD_U64, AT(report, seq), MUST, 1, INT64_MAX, NULL, "number in the stream"},
    {"op", FIELD_U64, AT(report, op), MAY, U64, "the order's operation"},
    {"epoch", FIELD_U64, AT(report, epoch), MUST, U64, "the order's epoch"},
    {"instance", FIELD_U64, AT(report, instance), MAY, U64, "instance"},
    {"generation", FIELD_U32, AT(report, generation), MAY, U32, "its generation"},
    {"kind", FIELD_ENUM, AT(report, kind), MUST, 0, 0, kinds, "what is reported"},
    {"code", FIELD_I32, AT(report, code), MAY, 0, 4095, NULL, "0 or errno"},
    {"reason", FIELD_FIXED, AT(report, reason), MAY, NONE, "in words"},
    {.type = FIELD_END},
};

static const struct field ack_fields[] = {
    {"seq", FIELD_U64, AT(ack, seq), MUST, U64, "all up to this number are here"},
    {.type = FIELD_END},
};

static const struct field enroll_fields[] = {
    {"token", FIELD_FIXED, AT(enroll, token), MUST, NONE, "enroll token"},
    {"csr", FIELD_TEXT, AT(enroll, csr), MUST, PEM, "certificate request"},
    {"spice_csr", FIELD_TEXT, AT(enroll, spice_csr), MAY, PEM, "the same for SPICE"},
    {.type = FIELD_END},
};

static const struct field enrolled_fields[] = {
    {"cert", FIELD_TEXT, AT(enrolled, cert), MUST, PEM, "the node's certificate"},
    {"ca", FIELD_TEXT, AT(enrolled, ca), MUST, PEM, "the CA's certificate"},
    {"spice_cert", FIELD_TEXT, AT(enrolled, spice_cert), MAY, PEM, "of the SPICE servers"},
    {.type = FIELD_END},
};

static const struct {
    const char *name;
    const struct field *fields;
} types[LINK_N_TYPES] = {
    [LINK_TYPE_HELLO] = {"hello", hello_fields},
    [LINK_TYPE_WELCOME] = {"welcome", welcome_fields},
    [LINK_TYPE_BYE] = {"bye", bye_fields},
    [LINK_TYPE_HEARTBEAT] = {"heartbeat", heartbeat_fields},
    [LINK_TYPE_ORDER] = {"order", order_fields},
    [LINK_TYPE_REPORT] = {"report", report_fields},
    [LINK_TYPE_ACK] = {"ack", ack_fields},
    [LINK_TYPE_ENROLL] = {"enroll", enroll_fields},
    [LINK_TYPE_ENROLLED] = {"enrolled", enrolled_fields},
};

const char *link_type_name(enum link_type type)
{
    return types[type].name;
}

const char *link_verb_name(enum link_verb verb)
{
    return verbs[verb];
}

/* Where a message of this type begins in the union. */
static void *content(struct link_message *m)
{
    return &m->hello;
}

static char **body_of(struct link_message *m)
{
    return m->type == LINK_TYPE_ORDER    ? &m->order.body
           : m->type == LINK_TYPE_REPORT ? &m->report.body
                                         : NULL;
}

/* ---- writing ---- */

void link_message_encode(const struct link_message *message, struct buf *out)
{
    struct link_message *m = (struct link_message *)message; /* only looked at */
    char **body = body_of(m);
    bool first = false;
    buf_printf(out, "{\"type\":\"%s\"", types[m->type].name);
    if (m->type == LINK_TYPE_HELLO) {
        bool inner = true;
        buf_puts(out, ",\"protocol\":{");
        fields_write(protocol_fields, content(m), FIELD_SUBMIT, out, &inner);
        buf_putc(out, '}');
    }
    fields_write(types[m->type].fields, content(m), FIELD_SUBMIT, out, &first);
    if (body) {
        buf_puts(out, ",\"body\":");
        buf_puts(out, *body ? *body : "{}");
    }
    buf_putc(out, '}');
}

/* ---- reading ---- */

/* The table's lenient reading asks for nothing, so what must be there is asked for here. */
static int read_hello_part(const struct field *fields, void *base, json_t *object,
                           struct vdi_error *err)
{
    uint64_t seen;
    int r = fields_read_value(fields, base, object, FIELD_KEEP, &seen, err);
    for (const struct field *f = fields; r == 0 && f->type != FIELD_END; f++)
        if ((f->flags & FIELD_REQUIRED) && !(seen & (UINT64_C(1) << (f - fields))))
            r = error_set(err, EINVAL, f->name, "'%s' is missing", f->name);
    return r;
}

static int read_hello(struct link_hello *hello, json_t *object, struct vdi_error *err)
{
    json_t *protocol = json_object_get(object, "protocol");
    if (!json_is_object(protocol))
        return error_set(err, EINVAL, "protocol", "'protocol' must be an object");
    int r = read_hello_part(protocol_fields, hello, protocol, err);
    return r < 0 ? r : read_hello_part(hello_fields, hello, object, err);
}

static int take_body(json_t *object, char **ret, struct vdi_error *err)
{
    json_t *body = json_object_get(object, "body");
    if (!json_is_object(body))
        return error_set(err, EINVAL, "body", "'body' must be an object");
    *ret = json_dumps(body, JSON_COMPACT);
    if (!*ret)
        return error_set(err, ENOMEM, "body", "out of memory");
    json_object_del(object, "body");
    return 0;
}

static int take_type(json_t *object, enum link_type *ret, struct vdi_error *err)
{
    const char *name = json_string_value(json_object_get(object, "type"));
    for (int i = 0; name && i < LINK_N_TYPES; i++) {
        if (strcmp(name, types[i].name) == 0) {
            *ret = (enum link_type)i;
            json_object_del(object, "type");
            return 0;
        }
    }
    return error_set(err, EINVAL, "type", "there is no message of type '%.40s'", name ? name : "");
}

static int check_texts(const struct link_message *m, struct vdi_error *err)
{
    if (m->type == LINK_TYPE_ENROLL && str_is_empty(m->enroll.csr))
        return error_set(err, EINVAL, "csr", "'csr' is empty");
    if (m->type == LINK_TYPE_ENROLLED &&
        (str_is_empty(m->enrolled.cert) || str_is_empty(m->enrolled.ca)))
        return error_set(err, EINVAL, "cert", "'cert' or 'ca' is empty");
    return 0;
}

static int read_message(struct link_message *m, json_t *object, struct vdi_error *err)
{
    int r = take_type(object, &m->type, err);
    if (r < 0)
        return r;
    if (m->type == LINK_TYPE_HELLO)
        return read_hello(&m->hello, object, err);
    char **body = body_of(m);
    if (body)
        r = take_body(object, body, err);
    if (r < 0)
        return r;
    r = fields_read_value(types[m->type].fields, content(m), object, FIELD_SUBMIT, NULL, err);
    return r < 0 ? r : check_texts(m, err);
}

/* jansson allows 2,048 levels; what is inside a string does not count. */
static bool is_deep(const char *json, size_t len)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = json[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > LINK_DEPTH_MAX)
            return true;
    }
    return false;
}

int link_message_decode(const char *json, size_t len, struct link_message *ret,
                        struct vdi_error *err)
{
    struct link_message m = {0};
    if (is_deep(json, len))
        return error_set(err, EINVAL, "body", "objects lie more than %d deep", LINK_DEPTH_MAX);
    json_auto_t *object = fields_parse_object(json, len, err);
    if (!object)
        return -EINVAL;
    int r = read_message(&m, object, err);
    if (r < 0)
        link_message_done(&m);
    else
        *ret = m;
    return r;
}

void link_message_done(struct link_message *m)
{
    char **body = body_of(m);
    if (body)
        free(*body);
    if (m->type == LINK_TYPE_ENROLL) {
        free(m->enroll.csr);
        free(m->enroll.spice_csr);
    }
    if (m->type == LINK_TYPE_ENROLLED) {
        free(m->enrolled.cert);
        free(m->enrolled.ca);
        free(m->enrolled.spice_cert);
    }
    *m = (struct link_message){0};
}
