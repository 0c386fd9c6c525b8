/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - between the files of codec/ alone: tables of fields over jansson's values. */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <jansson.h>

#include "codec/field.h"

/* What a reader found at a member, whichever reader it is. */
struct scalar {
    enum {
        SCALAR_NULL,
        SCALAR_BOOL,
        SCALAR_INTEGER,
        SCALAR_REAL,
        SCALAR_STRING,
        SCALAR_LIST,
        SCALAR_OBJECT
    } kind;
    const char *text; /* SCALAR_STRING; NUL-terminated */
    size_t len;
    int64_t number; /* SCALAR_BOOL, SCALAR_INTEGER */
};

/* Checks the value against its row and puts it in its place; kept: a record of ours, where
 * only what the member can hold counts. */
int field_read_scalar(const struct field *f, void *base, const struct scalar *value, bool kept,
                      struct vdi_error *err);
/* The object in the text, or NULL with err filled. */
json_t *fields_parse_object(const char *json, size_t len, struct vdi_error *err);
/* fields_read() on an object that is parsed already. */
int fields_read_value(const struct field *fields, void *base, json_t *object, uint32_t accept,
                      uint64_t *ret_seen, struct vdi_error *err);

#endif
