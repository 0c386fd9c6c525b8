/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.c - records of our own, read by yajl: it calls for every value, and keeps none.
 *
 * Kept: `object` is where the values of this depth go, NULL within what is passed over;
 * depth 1 is the record, depth 2 one of its members (`inner`).
 */
#include "codec/kept.h"

#include <errno.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/json.h"

struct reader {
    struct kept_object *objects;
    size_t n_objects;
    struct kept_object *object, *inner;
    const struct field *field;  /* the next value's; NULL: it is passed over */
    struct kept_object *member; /* the object that the next value is */
    unsigned depth;
    struct buf text; /* a string with its NUL */
    struct vdi_error *err;
    int result;
};

enum { STOP, GO_ON }; /* what a callback tells yajl */

static int refuse(struct reader *r, int result)
{
    r->result = result;
    return STOP;
}

static int value(struct reader *r, const struct scalar *s)
{
    const struct field *f = r->field;
    int result;

    if (!r->depth)
        return refuse(r, error_set(r->err, EINVAL, "body", "a record is an object"));
    if (r->member)
        return refuse(r, error_set(r->err, EINVAL, r->member->name, "'%s' is not an object",
                                   r->member->name));
    r->field = NULL;
    if (!f)
        return GO_ON;
    result = field_read_scalar(f, r->object->base, s, true, r->err);
    return result < 0 ? refuse(r, result) : GO_ON;
}

static int take_null(void *arg)
{
    return value(arg, &(struct scalar){.kind = SCALAR_NULL});
}

static int take_bool(void *arg, int b)
{
    return value(arg, &(struct scalar){.kind = SCALAR_BOOL, .number = b});
}

static int take_integer(void *arg, long long n)
{
    return value(arg, &(struct scalar){.kind = SCALAR_INTEGER, .number = n});
}

static int take_double(void *arg, double d)
{
    return value(arg, &(struct scalar){.kind = SCALAR_REAL});
}

static int take_string(void *arg, const unsigned char *text, size_t len)
{
    struct reader *r = arg;
    struct scalar s = {.kind = SCALAR_STRING, .len = len};

    if (r->depth && !r->field && !r->member)
        return GO_ON;
    buf_clear(&r->text);
    buf_append(&r->text, text, len);
    buf_putc(&r->text, '\0');
    if (r->text.failed)
        return refuse(r, error_set(r->err, ENOMEM, "", "out of memory"));
    if (memchr(text, '\0', len))
        return refuse(r, error_set(r->err, EINVAL, "body", "a string holds \\u0000"));
    s.text = r->text.data;
    return value(r, &s);
}

static bool is_called(const char *name, const unsigned char *text, size_t len)
{
    return !strncmp(name, (const char *)text, len) && !name[len];
}

static const struct field *find(struct kept_object *o, const unsigned char *name, size_t len)
{
    const struct field *f = &o->fields[o->expected];

    for (; f->type != FIELD_END; f++)
        if (is_called(f->name, name, len))
            return f;
    for (f = o->fields; f->type != FIELD_END; f++)
        if (is_called(f->name, name, len))
            return f;
    return NULL;
}

static int refuse_twice(struct reader *r, const char *name)
{
    return refuse(r, error_set(r->err, EINVAL, name, "'%s' is there twice", name));
}

static int take_name(void *arg, const unsigned char *name, size_t len)
{
    struct reader *r = arg;
    const struct field *f;

    if (!r->object)
        return GO_ON;
    f = find(r->object, name, len);
    if (f && (f->flags & FIELD_KEEP)) {
        uint64_t bit = UINT64_C(1) << (f - r->object->fields);

        if (r->object->seen & bit)
            return refuse_twice(r, f->name);
        r->object->seen |= bit;
        r->object->expected = (unsigned)(f - r->object->fields) + 1;
        r->field = f;
    }
    for (size_t i = 1; !f && r->depth == 1 && i < r->n_objects; i++) {
        if (!is_called(r->objects[i].name, name, len))
            continue;
        if (r->objects[i].found)
            return refuse_twice(r, r->objects[i].name);
        r->objects[i].found = true;
        r->member = &r->objects[i];
    }
    return GO_ON;
}

static int begin(struct reader *r, const struct scalar *s)
{
    struct kept_object *object = r->depth ? r->member : &r->objects[0];

    if (s->kind != SCALAR_OBJECT)
        object = NULL;
    if (!object && value(r, s) == STOP)
        return STOP;
    if (r->depth == KEPT_DEPTH_MAX)
        return refuse(r, error_set(r->err, EINVAL, "body", "the record is nested too deep"));
    if (++r->depth == 2)
        r->inner = object;
    r->object = object;
    r->member = NULL;
    return GO_ON;
}

static int begin_map(void *arg)
{
    return begin(arg, &(struct scalar){.kind = SCALAR_OBJECT});
}

static int begin_list(void *arg)
{
    return begin(arg, &(struct scalar){.kind = SCALAR_LIST});
}

static int end(void *arg)
{
    struct reader *r = arg;

    r->depth--;
    r->object = r->depth == 1 ? &r->objects[0] : r->depth == 2 ? r->inner : NULL;
    return GO_ON;
}

static const yajl_callbacks callbacks = {
    .yajl_null = take_null,
    .yajl_boolean = take_bool,
    .yajl_integer = take_integer,
    .yajl_double = take_double,
    .yajl_string = take_string,
    .yajl_start_map = begin_map,
    .yajl_map_key = take_name,
    .yajl_end_map = end,
    .yajl_start_array = begin_list,
    .yajl_end_array = end,
};

int kept_read(struct kept_object *objects, size_t n, const char *json, size_t len,
              struct vdi_error *err)
{
    struct reader r = {.objects = objects, .n_objects = n, .text = BUF_INIT(0), .err = err};
    yajl_handle handle = yajl_alloc(&callbacks, NULL, &r);
    yajl_status status;

    if (!handle)
        return error_set(err, ENOMEM, "", "out of memory");
    status = yajl_parse(handle, (const unsigned char *)json, len);
    if (status == yajl_status_ok)
        status = yajl_complete_parse(handle);
    if (status != yajl_status_ok && !r.result)
        r.result = error_set(err, EINVAL, "body", "the record is not valid JSON, at byte %zu",
                             yajl_get_bytes_consumed(handle));
    yajl_free(handle);
    buf_done(&r.text);
    return r.result;
}
