/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.h - a JSON text read by a program that asks for members by name.
 *
 * The document owns everything: values and strings live as long as it does.
 * All getters take NULL and a wrong type: they then give the `otherwise` value,
 * so a reader states what it means by an absent member once, where it asks.
 */
#ifndef CODEC_DOCUMENT_H
#define CODEC_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include <vdi/types.h>

#define DOCUMENT_MAX (64u << 20) /* bytes of one text */

struct document;
struct value; /* one JSON value; borrowed */

/* -EFBIG: over DOCUMENT_MAX; -EBADMSG: not JSON, duplicate members, nested too deep. */
int document_parse(const char *json, size_t len, struct document **ret, struct vdi_error *err);
void document_free(struct document *document); /* takes NULL */
DEFINE_FREEP(struct document, document_free)
const struct value *document_root(const struct document *document);

/* A member by name, or by path: "error.field". NULL: not there. */
const struct value *value_get(const struct value *value, const char *path);
bool value_is_null(const struct value *value); /* absent or null */
bool value_is_string(const struct value *value);
bool value_is_list(const struct value *value);
bool value_is_object(const struct value *value);
const char *value_string(const struct value *value, const char *otherwise);
int64_t value_int(const struct value *value, int64_t otherwise);
bool value_bool(const struct value *value, bool otherwise);
/* The same, for a member of an object. */
const char *value_get_string(const struct value *object, const char *path, const char *otherwise);
int64_t value_get_int(const struct value *object, const char *path, int64_t otherwise);
double value_get_real(const struct value *object, const char *path, double otherwise);
bool value_get_bool(const struct value *object, const char *path, bool otherwise);

size_t value_count(const struct value *list); /* 0 if it is no list */
const struct value *value_item(const struct value *list, size_t i);
/* Members in the order of the text: for (void *i = NULL; value_next(object, &i, &name, &v);) */
bool value_next(const struct value *object, void **io_pos, const char **ret_name,
                const struct value **ret_value);
/* As JSON text again; indent 0: one line. */
void value_write(const struct value *value, unsigned indent, struct buf *out);

#endif
