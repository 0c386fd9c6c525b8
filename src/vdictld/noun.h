/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noun.h - what the event core knows of each noun: a row of functions.
 *
 * Objects are immutable and reference counted (model/); a noun's row says how
 * an event makes the next one and how both are written down.
 */
#ifndef VDICTLD_NOUN_H
#define VDICTLD_NOUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include <vdi/types.h>

enum noun_id {
    NOUN_JOB,
    NOUN_INSTANCE,
    NOUN_NODE,
    NOUN_TOKEN,
    NOUN_AUDIT,
    NOUN_IMAGE,
    NOUN_DISK,
    NOUN_NOTICE,
    NOUN_CLASS,
    NOUN_OCCURRENCE,
    NOUN_N
};

struct noun_meta {
    const char *owner;
    const char *state;
    int64_t begin_usec, end_usec;
    bool ended;   /* leaves memory after keep_done, lives on in the archive */
    char key[24]; /* of its row in the archive; "": its own key */
};

struct noun {
    const char *name;
    uint32_t version;
    bool numeric; /* keys are numbers that the core gives out */
    int (*apply)(const void *old, uint64_t id, const char *key, const void *event, void **ret,
                 struct vdi_error *err);
    void (*unref)(void *object);
    void *(*ref)(void *object);
    void (*set_seq)(void *object, uint64_t seq);
    uint64_t (*seq)(const void *object);
    uint64_t (*id)(const void *object); /* numeric nouns */
    const char *(*event_name)(const void *event);
    int64_t (*event_time)(const void *event);
    void (*event_encode)(const void *event, struct buf *out);
    /* Decodes and applies: the replay of one record. */
    int (*replay)(const void *old, uint64_t id, const char *key, const char *type,
                  int64_t time_usec, uint32_t version, const char *body, size_t len, void **ret,
                  struct vdi_error *err);
    void (*encode)(const void *object, struct buf *out);
    int (*decode)(uint64_t id, const char *key, uint32_t version, const char *body, size_t len,
                  void **ret, struct vdi_error *err);
    void (*meta)(const void *object, struct noun_meta *ret);
};

extern const struct noun nouns[NOUN_N]; /* by id */
int noun_from(const char *name);        /* -1: unknown */

#endif
