/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field.c - reading and writing structs by their table of fields.
 *
 * Reading: jansson parses (duplicates refused), then every member is checked
 * against its row before anything is stored. Writing goes straight to a buffer:
 * a list of 100,000 jobs would otherwise build millions of short-lived nodes.
 */
#include "codec/field.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "base/word.h"
#include "codec/json.h"

/* 9999-12-31T23:59:59.999999Z: RFC 3339 has years of four digits. */
#define TIME_MAX_USEC INT64_C(253402300799999999)
#define FIELD_ACCEPT (FIELD_SUBMIT | FIELD_UPDATE | FIELD_ADMIN | FIELD_KEEP)

static void write_escape(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        buf_puts(out, "\\\"");
        break;
    case '\\':
        buf_puts(out, "\\\\");
        break;
    case '\n':
        buf_puts(out, "\\n");
        break;
    case '\t':
        buf_puts(out, "\\t");
        break;
    default:
        buf_printf(out, "\\u%04x", c);
    }
}

/* A byte that is no UTF-8 (text cut in the middle of a character) becomes '?': whatever
 * is in memory, what is written can be read again, and is no longer than it was. */
void json_write_string(struct buf *out, const char *s)
{
    const char *plain = s, *end = s + strlen(s);

    buf_putc(out, '"');
    while (s < end) {
        unsigned char c = (unsigned char)*s;
        uint32_t point;
        unsigned n = c < 0x80 ? 1 : str_utf8(s, (size_t)(end - s), &point);

        if (n && c >= 0x20 && c != '"' && c != '\\') {
            s += n;
            continue;
        }
        buf_append(out, plain, (size_t)(s - plain));
        if (n)
            write_escape(out, c);
        else
            buf_putc(out, '?');
        plain = ++s;
    }
    buf_append(out, plain, (size_t)(end - plain));
    buf_putc(out, '"');
}

static void write_u64(struct buf *out, uint64_t v)
{
    char text[24], *p = text + sizeof(text);

    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    buf_append(out, p, (size_t)(text + sizeof(text) - p));
}

static void write_i64(struct buf *out, int64_t v)
{
    if (v < 0)
        buf_putc(out, '-');
    write_u64(out, v < 0 ? (uint64_t)0 - (uint64_t)v : (uint64_t)v);
}

void json_write_time(struct buf *out, int64_t usec)
{
    char text[40];

    if (usec <= 0 || usec > TIME_MAX_USEC) { /* none, or none that could be read again */
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '"');
    buf_puts(out, time_to_rfc3339(usec, text));
    buf_putc(out, '"');
}

static bool digest_is_empty(const unsigned char *digest, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (digest[i])
            return false;
    return true;
}

static void write_digest(struct buf *out, const unsigned char *digest, size_t size)
{
    char text[2 * 64 + 1] = "";

    if (size <= sizeof(text) / 2 && !digest_is_empty(digest, size))
        str_to_hex(digest, size, text);
    json_write_string(out, text);
}

static uint32_t read_enum(const struct field *f, const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    for (uint32_t i = 0; i <= v; i++)
        if (!f->names[i])
            return 0;
    return v;
}

void field_write_value(const struct field *f, const void *base, struct buf *out)
{
    const void *p = (const char *)base + f->offset;

    switch (f->type) {
    case FIELD_STRING:
    case FIELD_TEXT:
    case FIELD_WORD:
        json_write_string(out, *(const char *const *)p ? *(const char *const *)p : "");
        break;
    case FIELD_FIXED:
        json_write_string(out, p);
        break;
    case FIELD_DIGEST:
        write_digest(out, p, f->size);
        break;
    case FIELD_BOOL:
        buf_puts(out, *(const bool *)p ? "true" : "false");
        break;
    case FIELD_U32:
        write_u64(out, *(const uint32_t *)p);
        break;
    case FIELD_I32:
        write_i64(out, *(const int32_t *)p);
        break;
    case FIELD_U64:
        write_u64(out, *(const uint64_t *)p);
        break;
    case FIELD_I64:
        write_i64(out, *(const int64_t *)p);
        break;
    case FIELD_TIME:
        json_write_time(out, *(const int64_t *)p);
        break;
    case FIELD_ENUM:
        json_write_string(out, f->names[read_enum(f, p)]);
        break;
    case FIELD_DOCUMENTS:
        buf_puts(out, *(const char *const *)p ? *(const char *const *)p : "[]");
        break;
    case FIELD_END:
        break;
    }
}

static bool field_is_empty(const struct field *f, const void *base)
{
    const void *p = (const char *)base + f->offset;

    switch (f->type) {
    case FIELD_STRING:
    case FIELD_TEXT:
    case FIELD_WORD:
    case FIELD_DOCUMENTS:
        return str_is_empty(*(const char *const *)p);
    case FIELD_FIXED:
        return !*(const char *)p;
    case FIELD_DIGEST:
        return digest_is_empty(p, f->size);
    case FIELD_BOOL:
        return !*(const bool *)p;
    case FIELD_U32:
    case FIELD_I32:
    case FIELD_ENUM:
        return !*(const uint32_t *)p;
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_TIME:
        return !*(const uint64_t *)p;
    case FIELD_END:
        break;
    }
    return true;
}

void fields_write(const struct field *fields, const void *base, uint32_t flags, struct buf *out,
                  bool *io_first)
{
    for (const struct field *f = fields; f->type != FIELD_END; f++) {
        if ((f->flags & flags) != flags)
            continue;
        if ((flags & FIELD_KEEP) && field_is_empty(f, base))
            continue;
        if ((f->flags & FIELD_SKIP_EMPTY) && field_is_empty(f, base))
            continue;
        if (!*io_first)
            buf_putc(out, ',');
        *io_first = false;
        buf_putc(out, '"');
        buf_puts(out, f->name);
        buf_puts(out, "\":");
        field_write_value(f, base, out);
    }
}

const struct field *field_find(const struct field *fields, const char *name)
{
    for (const struct field *f = fields; f->type != FIELD_END; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

static const char *const kind_names[] = {
    [SCALAR_NULL] = "null",        [SCALAR_BOOL] = "true or false", [SCALAR_INTEGER] = "a number",
    [SCALAR_REAL] = "a number",    [SCALAR_STRING] = "a string",    [SCALAR_LIST] = "a list",
    [SCALAR_OBJECT] = "an object",
};

static struct scalar scalar_of(const json_t *value)
{
    struct scalar s = {.kind = SCALAR_NULL};

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        s.kind = SCALAR_OBJECT;
        break;
    case JSON_ARRAY:
        s.kind = SCALAR_LIST;
        break;
    case JSON_STRING:
        s.kind = SCALAR_STRING;
        s.text = json_string_value(value);
        s.len = json_string_length(value);
        break;
    case JSON_INTEGER:
        s.kind = SCALAR_INTEGER;
        s.number = json_integer_value(value);
        break;
    case JSON_REAL:
        s.kind = SCALAR_REAL;
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        s.kind = SCALAR_BOOL;
        s.number = json_is_true(value);
        break;
    case JSON_NULL:
        break;
    }
    return s;
}

static int read_string(const struct field *f, const struct scalar *value, bool kept,
                       struct vdi_error *err)
{
    size_t max = f->type == FIELD_FIXED ? f->size - 1u : (size_t)f->max;
    char limit[40];

    if (value->kind != SCALAR_STRING)
        return error_set(err, EINVAL, f->name, "'%s' must be a string, not %s", f->name,
                         kind_names[value->kind]);
    if (kept)
        return 0;
    if (value->len > max) {
        error_set(err, EINVAL, f->name, "'%s' has %zu bytes", f->name, value->len);
        snprintf(limit, sizeof(limit), "%zu bytes", max);
        error_hint(err, limit, "shorten it");
        return -EINVAL;
    }
    if (!str_is_text(value->text, value->len, f->type == FIELD_TEXT))
        return error_set(err, EINVAL, f->name,
                         "'%s' holds a control character or is not valid UTF-8", f->name);
    return 0;
}

/* What the member itself can hold; what is kept knows no other limit. */
static void number_range(const struct field *f, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = f->type == FIELD_I64 ? INT64_MIN : f->type == FIELD_I32 ? INT32_MIN : 0;
    *ret_max = f->type == FIELD_U32 ? UINT32_MAX : f->type == FIELD_I32 ? INT32_MAX : INT64_MAX;
}

/* A name ends in its unit; a person is told it as such. */
static const char *unit_of(const char *name)
{
    const char *end = strrchr(name, '_');

    return str_equal(end, "_sec") ? " s" : str_equal(end, "_mib") ? " MiB" : "";
}

static int read_number(const struct field *f, const struct scalar *value, bool kept, int64_t *ret,
                       struct vdi_error *err)
{
    int64_t n = value->number, min = f->min, max = f->max;
    char limit[64];

    if (value->kind != SCALAR_INTEGER)
        return error_set(err, EINVAL, f->name, "'%s' must be a whole number, not %s", f->name,
                         kind_names[value->kind]);
    if (kept)
        number_range(f, &min, &max);
    if (n < min || n > max) {
        error_set(err, ERANGE, f->name, "'%s' is %" PRId64 "%s", f->name, n, unit_of(f->name));
        snprintf(limit, sizeof(limit), "%" PRId64 " to %" PRId64 "%s", min, max, unit_of(f->name));
        error_hint(err, limit, NULL);
        return -ERANGE;
    }
    *ret = n;
    return 0;
}

/* 0 stands for no time: nobody may ask for that instant, or for one before it. */
static int read_time(const struct field *f, const struct scalar *value, bool kept, int64_t *ret,
                     struct vdi_error *err)
{
    int64_t usec = 0;

    if (value->kind == SCALAR_NULL) {
        *ret = 0;
        return 0;
    }
    if (value->kind != SCALAR_STRING || time_from_rfc3339(value->text, &usec) < 0 ||
        (!kept && (usec <= 0 || usec > TIME_MAX_USEC))) {
        error_set(err, EINVAL, f->name, "'%s' is not a time from 1970 to 9999", f->name);
        error_hint(err, NULL, "write it as 2026-10-13T10:15:00Z");
        return -EINVAL;
    }
    *ret = usec;
    return 0;
}

static int read_name(const struct field *f, const struct scalar *value, int64_t *ret,
                     struct vdi_error *err)
{
    struct buf all = BUF_INIT(120);

    for (int64_t i = 0; value->text && f->names[i]; i++) {
        if (!strcmp(value->text, f->names[i])) {
            *ret = i;
            return 0;
        }
    }
    error_set(err, EINVAL, f->name, "'%s' cannot be '%.40s'", f->name,
              value->text ? value->text : kind_names[value->kind]);
    for (size_t i = 0; f->names[i]; i++)
        buf_printf(&all, "%s%s", i ? ", " : "one of: ", f->names[i]);
    error_hint(err, NULL, all.data);
    buf_done(&all);
    return -EINVAL;
}

static int read_digest(const struct field *f, const struct scalar *value, struct vdi_error *err)
{
    unsigned char digest[64];

    if (value->kind == SCALAR_STRING && f->size <= sizeof(digest) &&
        (!value->len || str_from_hex(value->text, f->size, digest)))
        return 0;
    return error_set(err, EINVAL, f->name, "'%s' is no digest of %u bytes in hexadecimal", f->name,
                     f->size);
}

static int check_value(const struct field *f, const struct scalar *value, bool kept,
                       int64_t *ret_number, struct vdi_error *err)
{
    switch (f->type) {
    case FIELD_STRING:
    case FIELD_TEXT:
    case FIELD_WORD:
    case FIELD_FIXED:
        return read_string(f, value, kept, err);
    case FIELD_DIGEST:
        return read_digest(f, value, err);
    case FIELD_BOOL:
        if (value->kind != SCALAR_BOOL)
            return error_set(err, EINVAL, f->name, "'%s' must be true or false, not %s", f->name,
                             kind_names[value->kind]);
        *ret_number = value->number;
        return 0;
    case FIELD_TIME:
        return read_time(f, value, kept, ret_number, err);
    case FIELD_ENUM:
        return read_name(f, value, ret_number, err);
    default:
        return read_number(f, value, kept, ret_number, err);
    }
}

/* A string member that holds "" need not be heap: it may be the noun's shared empty one. */
static int store_string(char **member, const char *value)
{
    char *copy = NULL;

    if (str_equal(*member, value) || (!*member && !*value))
        return 0;
    if (*value) {
        copy = strdup(value);
        if (!copy)
            return -ENOMEM;
    }
    if (!str_is_empty(*member)) {
        if (!copy) { /* keep the block: its owner may not free a literal */
            **member = '\0';
            return 0;
        }
        free(*member);
    }
    *member = copy;
    return 0;
}

static int store_value(const struct field *f, void *base, const char *text, int64_t number)
{
    void *p = (char *)base + f->offset;

    switch (f->type) {
    case FIELD_STRING:
    case FIELD_TEXT:
        return store_string(p, text);
    case FIELD_WORD:
        return word_set(p, text);
    case FIELD_FIXED:
        str_copy(p, f->size, text);
        return 0;
    case FIELD_DIGEST:
        memset(p, 0, f->size);
        if (*text)
            str_from_hex(text, f->size, p);
        return 0;
    case FIELD_BOOL:
        *(bool *)p = number != 0;
        return 0;
    case FIELD_U32:
    case FIELD_ENUM:
        *(uint32_t *)p = (uint32_t)number;
        return 0;
    case FIELD_I32:
        *(int32_t *)p = (int32_t)number;
        return 0;
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_TIME:
        *(int64_t *)p = number;
        return 0;
    case FIELD_DOCUMENTS:
    case FIELD_END:
        break;
    }
    return 0;
}

int field_read_scalar(const struct field *f, void *base, const struct scalar *value, bool kept,
                      struct vdi_error *err)
{
    int64_t number = 0;
    int r = check_value(f, value, kept, &number, err);

    if (r < 0)
        return r;
    if (store_value(f, base, value->text, number) < 0)
        return error_set(err, ENOMEM, f->name, "out of memory");
    return 0;
}

static int refuse_name(const struct field *f, const char *name, struct vdi_error *err)
{
    char shown[41];

    snprintf(shown, sizeof(shown), "%.40s", name);
    if (f)
        return error_set(err, EINVAL, shown, "'%s' cannot be set here", shown);
    error_set(err, EINVAL, shown, "there is no field '%s'", shown);
    error_hint(err, NULL, "see /v1/openapi.json for the fields");
    return -EINVAL;
}

int fields_read_value(const struct field *fields, void *base, json_t *object, uint32_t accept,
                      uint64_t *ret_seen, struct vdi_error *err)
{
    bool kept = accept == FIELD_KEEP;
    uint64_t seen = 0;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        const struct field *f = field_find(fields, name);
        struct scalar scalar = scalar_of(value);
        int r;

        if (!f || !(f->flags & accept & FIELD_ACCEPT)) {
            if (kept)
                continue;
            return refuse_name(f, name, err);
        }
        r = field_read_scalar(f, base, &scalar, kept, err);
        if (r < 0)
            return r;
        seen |= UINT64_C(1) << (f - fields);
    }
    for (const struct field *f = fields; f->type != FIELD_END && (accept & FIELD_SUBMIT); f++)
        if ((f->flags & FIELD_REQUIRED) && !(seen & (UINT64_C(1) << (f - fields))))
            return error_set(err, EINVAL, f->name, "'%s' is missing", f->name);
    if (ret_seen)
        *ret_seen = seen;
    return 0;
}

json_t *fields_parse_object(const char *json, size_t len, struct vdi_error *err)
{
    json_error_t where;
    json_t *object = json_loadb(json, len, JSON_REJECT_DUPLICATES, &where);

    if (!object) {
        error_set(err, EINVAL, "body", "the body is not valid JSON: %s (line %d, column %d)",
                  where.text, where.line, where.column);
        return NULL;
    }
    if (!json_is_object(object)) {
        error_set(err, EINVAL, "body", "the body must be a JSON object, not %s",
                  kind_names[scalar_of(object).kind]);
        json_decref(object);
        return NULL;
    }
    return object;
}

int fields_read(const struct field *fields, void *base, const char *json, size_t len,
                uint32_t accept, uint64_t *ret_seen, struct vdi_error *err)
{
    json_t *object = fields_parse_object(json, len, err);
    int r;

    if (!object)
        return -EINVAL;
    r = fields_read_value(fields, base, object, accept, ret_seen, err);
    json_decref(object);
    return r;
}
