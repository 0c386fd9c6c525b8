/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - between the files of codec/ alone: tables of fields over jansson's values. */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <jansson.h>

#include "codec/field.h"

/* The object in the text, or NULL with err filled. */
json_t *fields_parse_object(const char *json, size_t len, struct vdi_error *err);
/* fields_read() on an object that is parsed already. */
int fields_read_value(const struct field *fields, void *base, json_t *object, uint32_t accept,
                      uint64_t *ret_seen, struct vdi_error *err);

#endif
