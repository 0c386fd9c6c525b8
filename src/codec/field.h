/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field.h - tables of fields: one row is a member of a struct and of a JSON object.
 *
 * Parsing, checking, printing, OpenAPI, `-o` names and man page checks all come
 * from these rows. JSON is parsed by jansson (duplicates refused, depth and
 * size bounded by the caller), records of our own by yajl (kept.h), and written
 * straight to a buffer.
 */
#ifndef CODEC_FIELD_H
#define CODEC_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

enum field_type {
    FIELD_END,    /* ends a table */
    FIELD_STRING, /* char *: owned, but "" may be shared; NULL is ""; max = bytes */
    FIELD_TEXT,   /* the same, newlines allowed */
    FIELD_WORD,   /* const char *: a word (base/word.h) */
    FIELD_FIXED,  /* char[size] */
    FIELD_DIGEST, /* unsigned char[size] <-> hexadecimal; all 0 <-> "" */
    FIELD_BOOL,   /* bool */
    FIELD_U32,
    FIELD_I32,
    FIELD_U64,
    FIELD_I64,
    FIELD_TIME,      /* int64 usec <-> RFC 3339 string; 0 <-> null */
    FIELD_ENUM,      /* uint32 or enum <-> one of names[] */
    FIELD_DOCUMENTS, /* const char *: a list that is JSON already; shown, never read */
};

enum field_flags {
    FIELD_SUBMIT = 1 << 0,     /* taken at POST */
    FIELD_UPDATE = 1 << 1,     /* taken at PATCH from the owner */
    FIELD_ADMIN = 1 << 2,      /* taken at PATCH from an operator */
    FIELD_SHOW = 1 << 3,       /* in documents of the API */
    FIELD_KEEP = 1 << 4,       /* in events and snapshots */
    FIELD_LIST = 1 << 5,       /* in a listing that names no fields= */
    FIELD_REQUIRED = 1 << 6,   /* must be there at POST */
    FIELD_SKIP_EMPTY = 1 << 7, /* not written when "" / 0 / false */
};

struct field {
    const char *name;
    enum field_type type;
    uint16_t offset;
    uint16_t size;
    uint32_t flags;
    int64_t min, max;         /* numbers: range; strings: max bytes */
    const char *const *names; /* FIELD_ENUM; NULL-terminated */
    const char *help;         /* one line */
};

/* Writes the fields that have all of `flags` as `"a":1,"b":"x"` (no braces, no
 * leading comma; *io_first says whether one is needed, and is updated). */
void fields_write(const struct field *fields, const void *base, uint32_t flags, struct buf *out,
                  bool *io_first);
void field_write_value(const struct field *f, const void *base, struct buf *out);
const struct field *field_find(const struct field *fields, const char *name);

/*
 * Reads a JSON object into base. Only fields with one of `accept` are taken:
 * any other name is -EINVAL naming it (a known one says that it is read-only).
 * *ret_seen (may be NULL) gets a bit per row; a table has at most 63 rows.
 * FIELD_KEEP alone reads a record of our own: unknown names are ignored (a newer
 * minor version wrote it), and of the rows' limits only what the member can hold
 * counts (a value may come from vdi.conf or a plugin, not from a request).
 */
int fields_read(const struct field *fields, void *base, const char *json, size_t len,
                uint32_t accept, uint64_t *ret_seen, struct vdi_error *err);

void json_write_string(struct buf *out, const char *s);
/* RFC 3339 in quotes; null: 0, or a time that could not be read again. */
void json_write_time(struct buf *out, int64_t usec);

#endif
