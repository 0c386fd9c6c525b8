/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.h - between the files of codec/ alone: records of our own, read straight into structs.
 *
 * A start reads 100,000 of them, and a tree of values for each would be half of its time.
 * What counts is as for FIELD_KEEP (field.h): unknown members are passed over, a known one
 * that comes twice is refused.
 */
#ifndef CODEC_KEPT_H
#define CODEC_KEPT_H

#include "codec/field.h"

#define KEPT_DEPTH_MAX 32

/* The record itself (the first one), or an object that is a member of it. */
struct kept_object {
    const char *name; /* of the member */
    const struct field *fields;
    void *base;
    bool found;        /* set by the reader */
    uint64_t seen;     /* the reader's: bits of fields */
    unsigned expected; /* the reader's: fields come in the order of their table */
};

/* -EINVAL and others: err says what is wrong with the record; structs are half filled then. */
int kept_read(struct kept_object *objects, size_t n, const char *json, size_t len,
              struct vdi_error *err);

#endif
