/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - an open-addressing hash table from string or u64 keys to pointers.
 *
 * The table owns neither keys nor values: a string key must live as long as
 * its entry (usually inside the value). Hashed with SipHash-1-3 under a random
 * key per table, so keys from users can't be made to collide. A value is never NULL.
 * No call takes long however large the table is: it is made larger or smaller bit by bit.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash;

struct hash *hash_new_str(void);
struct hash *hash_new_u64(void);
void hash_free(struct hash *h); /* takes NULL; values are the caller's */
size_t hash_count(const struct hash *h);
void *hash_get(const struct hash *h, const char *key);
/* -EEXIST, -ENOMEM; -EINVAL: NULL value. */
int hash_put(struct hash *h, const char *key, void *value);
void *hash_remove(struct hash *h, const char *key);
void *hash_get_u64(const struct hash *h, uint64_t key);
int hash_put_u64(struct hash *h, uint64_t key, void *value);
void *hash_remove_u64(struct hash *h, uint64_t key);
/* SipHash-1-3 of any bytes, for a caller that keeps its own secret seed. */
uint64_t hash_bytes(const uint64_t seed[2], const void *data, size_t len);
/* for (size_t i = 0; hash_next(h, &i, &value);) — no put or remove meanwhile. */
bool hash_next(const struct hash *h, size_t *pos, void **ret_value);

#endif
