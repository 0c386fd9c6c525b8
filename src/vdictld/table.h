/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - the objects of one noun: what readers see and what is staged.
 *
 * `pub` is what has been committed, `staged` what it will be when everything
 * appended so far is durable; they are the same pointer most of the time.
 * Checks look at staged, readers at pub.
 */
#ifndef VDICTLD_TABLE_H
#define VDICTLD_TABLE_H

#include "vdictld/noun.h"

struct slot {
    uint64_t id; /* numeric nouns */
    char *key;   /* the others; owned */
    void *pub, *staged;
    uint32_t taken; /* by the snapshot of this number; snapshot.c */
};

struct table;

struct table *table_new(const struct noun *noun);
void table_free(struct table *t);
/* Finds; makes an empty slot when `make`. NULL: not there, or no memory. */
struct slot *table_slot(struct table *t, uint64_t id, const char *key, bool make);
/* Forgets a slot and the objects in it. */
void table_remove(struct table *t, struct slot *slot);
size_t table_count(const struct table *t);
/* Slots in the order of their ids (numeric) or as they came. Index 0 .. table_end-1;
 * NULL where one was removed. */
size_t table_end(const struct table *t);
struct slot *table_at(const struct table *t, size_t i);
/* How often the indexes have changed: a walk that goes on later begins again then. */
unsigned table_shifts(const struct table *t);
/* The first index whose id is above `id` (numeric nouns). */
size_t table_after(const struct table *t, uint64_t id);

/* Sets slot->staged (takes a reference from the caller). */
void table_stage(struct table *t, struct slot *slot, void *object);
/* Makes `object` what readers see (takes a new reference). */
void table_publish(struct table *t, struct slot *slot, void *object);
/* Back to what is published. A slot without anything is removed. */
void table_revert(struct table *t, struct slot *slot);

#endif
