/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.c - open addressing with linear probing.
 *
 * A slot is empty when its value is NULL. Between an entry's home slot and
 * the entry itself no slot is empty; removal keeps that by moving later
 * entries back, so there are no tombstones. At most 3/4 of the slots are in use.
 */
#include "base/hash.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIN_SLOTS 16

struct slot {
    uint64_t hash;
    union {
        const char *text;
        uint64_t number;
    } key;
    void *value;
};

struct hash {
    struct slot *slots;
    size_t n_slots; /* a power of two */
    size_t n;
    uint64_t seed[2];
};

static struct hash *hash_new(void)
{
    struct hash *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->n_slots = MIN_SLOTS;
    h->slots = calloc(MIN_SLOTS, sizeof(*h->slots));
    if (!h->slots || getrandom(h->seed, sizeof(h->seed), 0) != sizeof(h->seed)) {
        hash_free(h);
        return NULL;
    }
    return h;
}

struct hash *hash_new_str(void)
{
    return hash_new();
}

struct hash *hash_new_u64(void)
{
    return hash_new();
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    free(h->slots);
    free(h);
}

size_t hash_count(const struct hash *h)
{
    return h->n;
}

/* ---- SipHash-1-3 (Aumasson and Bernstein, 2012): one round a word, three at the end ---- */

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static uint64_t siphash(const uint64_t seed[2], const void *data, size_t len)
{
    uint64_t v[4] = {
        seed[0] ^ UINT64_C(0x736f6d6570736575),
        seed[1] ^ UINT64_C(0x646f72616e646f6d),
        seed[0] ^ UINT64_C(0x6c7967656e657261),
        seed[1] ^ UINT64_C(0x7465646279746573),
    };
    const unsigned char *p = data;
    uint64_t word, last = (uint64_t)len << 56;
    for (size_t left = len; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        sip_word(v, le64toh(word));
    }
    for (unsigned i = 0; i < (len & 7); i++)
        last |= (uint64_t)p[i] << 8 * i;
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- slots ---- */

/* A key to look for: text if set, else number. */
struct wanted {
    uint64_t hash;
    const char *text;
    uint64_t number;
};

static struct wanted want_str(const struct hash *h, const char *key)
{
    return (struct wanted){.hash = siphash(h->seed, key, strlen(key)), .text = key};
}

static struct wanted want_u64(const struct hash *h, uint64_t key)
{
    return (struct wanted){.hash = siphash(h->seed, &key, sizeof(key)), .number = key};
}

/* The slot of the key, or the empty one where it belongs. */
static struct slot *find(const struct hash *h, const struct wanted *w)
{
    for (size_t i = w->hash;; i++) {
        struct slot *s = &h->slots[i & (h->n_slots - 1)];
        if (!s->value)
            return s;
        if (s->hash != w->hash)
            continue;
        if (w->text ? strcmp(s->key.text, w->text) == 0 : s->key.number == w->number)
            return s;
    }
}

static int resize(struct hash *h, size_t n_slots)
{
    struct slot *slots = calloc(n_slots, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < h->n_slots; i++) {
        if (!h->slots[i].value)
            continue;
        size_t at = h->slots[i].hash;
        while (slots[at & (n_slots - 1)].value)
            at++;
        slots[at & (n_slots - 1)] = h->slots[i];
    }
    free(h->slots);
    h->slots = slots;
    h->n_slots = n_slots;
    return 0;
}

static int put(struct hash *h, const struct wanted *w, void *value)
{
    if (!value)
        return -EINVAL;
    struct slot *s = find(h, w);
    if (s->value)
        return -EEXIST;
    if ((h->n + 1) * 4 > h->n_slots * 3) {
        int r = resize(h, h->n_slots * 2);
        if (r < 0)
            return r;
        s = find(h, w);
    }
    s->hash = w->hash;
    if (w->text)
        s->key.text = w->text;
    else
        s->key.number = w->number;
    s->value = value;
    h->n++;
    return 0;
}

static void *take(struct hash *h, const struct wanted *w)
{
    struct slot *s = find(h, w);
    void *value = s->value;
    if (!value)
        return NULL;
    size_t mask = h->n_slots - 1;
    size_t hole = (size_t)(s - h->slots);
    for (size_t i = (hole + 1) & mask; h->slots[i].value; i = (i + 1) & mask) {
        size_t home = h->slots[i].hash & mask;
        /* It may move back to the hole unless its home lies behind the hole. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        h->slots[hole] = h->slots[i];
        hole = i;
    }
    h->slots[hole].value = NULL;
    h->n--;
    /* Without memory for the smaller table the larger one serves on. */
    if (h->n_slots > MIN_SLOTS && h->n * 8 < h->n_slots)
        (void)resize(h, h->n_slots / 2);
    return value;
}

void *hash_get(const struct hash *h, const char *key)
{
    struct wanted w = want_str(h, key);
    return find(h, &w)->value;
}

int hash_put(struct hash *h, const char *key, void *value)
{
    struct wanted w = want_str(h, key);
    return put(h, &w, value);
}

void *hash_remove(struct hash *h, const char *key)
{
    struct wanted w = want_str(h, key);
    return take(h, &w);
}

void *hash_get_u64(const struct hash *h, uint64_t key)
{
    struct wanted w = want_u64(h, key);
    return find(h, &w)->value;
}

int hash_put_u64(struct hash *h, uint64_t key, void *value)
{
    struct wanted w = want_u64(h, key);
    return put(h, &w, value);
}

void *hash_remove_u64(struct hash *h, uint64_t key)
{
    struct wanted w = want_u64(h, key);
    return take(h, &w);
}

bool hash_next(const struct hash *h, size_t *pos, void **ret_value)
{
    while (*pos < h->n_slots) {
        void *value = h->slots[(*pos)++].value;
        if (!value)
            continue;
        *ret_value = value;
        return true;
    }
    return false;
}
