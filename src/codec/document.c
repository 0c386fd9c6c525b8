/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.c - a JSON text read by a program that asks for members by name.
 *
 * A document is jansson's tree under another name: struct value is never
 * defined, a pointer to it is a json_t.
 */
#include "codec/document.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

struct document {
    json_t *root;
};

static json_t *json_of(const struct value *value)
{
    return (json_t *)(uintptr_t)value;
}

static const struct value *value_of(const json_t *json)
{
    return (const struct value *)json;
}

int document_parse(const char *json, size_t len, struct document **ret, struct vdi_error *err)
{
    if (len > DOCUMENT_MAX) {
        error_set(err, EFBIG, "", "the JSON text has %zu bytes", len);
        error_hint(err, "at most 64 MiB are read", NULL);
        return -EFBIG;
    }
    json_error_t why;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!root)
        return error_set(err, EBADMSG, "", "not a JSON text: line %d: %s", why.line, why.text);
    struct document *document = calloc(1, sizeof(*document));
    if (!document) {
        json_decref(root);
        return error_set(err, ENOMEM, "", "no memory for a JSON text of %zu bytes", len);
    }
    document->root = root;
    *ret = document;
    return 0;
}

void document_free(struct document *document)
{
    if (!document)
        return;
    json_decref(document->root);
    free(document);
}

const struct value *document_root(const struct document *document)
{
    return document ? value_of(document->root) : NULL;
}

const struct value *value_get(const struct value *value, const char *path)
{
    const json_t *at = json_of(value);
    char name[64];
    while (at && *path) {
        size_t n = strcspn(path, ".");
        if (n >= sizeof(name))
            return NULL;
        memcpy(name, path, n);
        name[n] = '\0';
        at = json_object_get(at, name);
        path += n + (path[n] == '.');
    }
    return value_of(at);
}

bool value_is_null(const struct value *value)
{
    return !value || json_is_null(json_of(value));
}

bool value_is_string(const struct value *value)
{
    return json_is_string(json_of(value));
}

bool value_is_list(const struct value *value)
{
    return json_is_array(json_of(value));
}

bool value_is_object(const struct value *value)
{
    return json_is_object(json_of(value));
}

const char *value_string(const struct value *value, const char *otherwise)
{
    const char *s = json_string_value(json_of(value));
    return s ? s : otherwise;
}

int64_t value_int(const struct value *value, int64_t otherwise)
{
    const json_t *json = json_of(value);
    return json_is_integer(json) ? (int64_t)json_integer_value(json) : otherwise;
}

bool value_bool(const struct value *value, bool otherwise)
{
    const json_t *json = json_of(value);
    return json_is_boolean(json) ? json_is_true(json) : otherwise;
}

const char *value_get_string(const struct value *object, const char *path, const char *otherwise)
{
    return value_string(value_get(object, path), otherwise);
}

int64_t value_get_int(const struct value *object, const char *path, int64_t otherwise)
{
    return value_int(value_get(object, path), otherwise);
}

double value_get_real(const struct value *object, const char *path, double otherwise)
{
    const json_t *number = json_of(value_get(object, path));

    return json_is_number(number) ? json_number_value(number) : otherwise;
}

bool value_get_bool(const struct value *object, const char *path, bool otherwise)
{
    return value_bool(value_get(object, path), otherwise);
}

size_t value_count(const struct value *list)
{
    return json_array_size(json_of(list));
}

const struct value *value_item(const struct value *list, size_t i)
{
    return value_of(json_array_get(json_of(list), i));
}

bool value_next(const struct value *object, void **io_pos, const char **ret_name,
                const struct value **ret_value)
{
    json_t *json = json_of(object);
    void *pos = *io_pos ? json_object_iter_next(json, *io_pos) : json_object_iter(json);
    if (!pos)
        return false;
    *io_pos = pos;
    *ret_name = json_object_iter_key(pos);
    *ret_value = value_of(json_object_iter_value(pos));
    return true;
}

static int append(const char *data, size_t len, void *out)
{
    return buf_append(out, data, len) < 0 ? -1 : 0;
}

void value_write(const struct value *value, unsigned indent, struct buf *out)
{
    size_t flags = JSON_ENCODE_ANY | (indent ? JSON_INDENT(indent) : JSON_COMPACT);
    if (value && json_dump_callback(json_of(value), append, out, flags) < 0)
        out->failed = true;
}
