/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.c - open addressing with linear probing; grows and shrinks a few slots at a time.
 *
 * A slot is empty when its value is NULL. Between an entry's home slot and
 * the entry itself no slot is empty; removal keeps that by moving later
 * entries back. At most 3/4 of the slots are in use.
 *
 * A table of another size is filled from the old one with every put and remove, so that
 * none of them takes long. Meanwhile an entry is in one of the two; in the old one what
 * was moved or removed leaves MOVED behind, which is not empty.
 */
#include "base/hash.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIN_SLOTS 16
#define MOVE_SLOTS 8 /* the old table is empty long before the new one is full */

struct slot {
    uint64_t tag; /* a number: itself; a text: its hash */
    void *value;
};

struct slots {
    struct slot *at;
    const char **texts; /* NULL: the keys are numbers */
    size_t n;           /* a power of two; 0: none */
};

struct hash {
    struct slots now, old;
    size_t n_moved; /* slots of `old` that are done */
    size_t n;
    bool of_text;
    uint64_t seed[2];
};

static char moved;
#define MOVED ((void *)&moved)

static int slots_init(struct slots *s, size_t n, bool of_text)
{
    *s = (struct slots){
        .at = calloc(n, sizeof(*s->at)),
        .texts = of_text ? calloc(n, sizeof(*s->texts)) : NULL,
        .n = n,
    };
    if (s->at && (s->texts || !of_text))
        return 0;
    free(s->at);
    free(s->texts);
    *s = (struct slots){0};
    return -ENOMEM;
}

static void slots_done(struct slots *s)
{
    free(s->at);
    free(s->texts);
    *s = (struct slots){0};
}

static struct hash *hash_new(bool of_text)
{
    struct hash *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->of_text = of_text;
    if (slots_init(&h->now, MIN_SLOTS, of_text) < 0 ||
        getrandom(h->seed, sizeof(h->seed), 0) != sizeof(h->seed)) {
        hash_free(h);
        return NULL;
    }
    return h;
}

struct hash *hash_new_str(void)
{
    return hash_new(true);
}

struct hash *hash_new_u64(void)
{
    return hash_new(false);
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    slots_done(&h->now);
    slots_done(&h->old);
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

uint64_t hash_bytes(const uint64_t seed[2], const void *data, size_t len)
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
    uint64_t hash, tag;
    const char *text;
};

static struct wanted want_str(const struct hash *h, const char *key)
{
    uint64_t hash = hash_bytes(h->seed, key, strlen(key));
    return (struct wanted){.hash = hash, .tag = hash, .text = key};
}

static struct wanted want_u64(const struct hash *h, uint64_t key)
{
    return (struct wanted){.hash = hash_bytes(h->seed, &key, sizeof(key)), .tag = key};
}

static uint64_t hash_of(const struct hash *h, const struct slot *slot)
{
    return h->of_text ? slot->tag : hash_bytes(h->seed, &slot->tag, sizeof(slot->tag));
}

/* The place of the key, or the empty one where it belongs. */
static size_t find(const struct slots *s, const struct wanted *w)
{
    for (size_t i = w->hash;; i++) {
        size_t at = i & (s->n - 1);
        const struct slot *slot = &s->at[at];
        if (!slot->value)
            return at;
        if (slot->tag == w->tag && slot->value != MOVED &&
            (!w->text || strcmp(s->texts[at], w->text) == 0))
            return at;
    }
}

static void *lookup(const struct hash *h, const struct wanted *w)
{
    void *value = h->now.at[find(&h->now, w)].value;
    if (!value && h->old.n)
        value = h->old.at[find(&h->old, w)].value;
    return value;
}

static void move_one(struct hash *h, size_t i)
{
    struct slot *slot = &h->old.at[i];
    if (!slot->value || slot->value == MOVED)
        return;
    size_t at = hash_of(h, slot) & (h->now.n - 1);
    while (h->now.at[at].value)
        at = (at + 1) & (h->now.n - 1);
    h->now.at[at] = *slot;
    if (h->of_text)
        h->now.texts[at] = h->old.texts[i];
    slot->value = MOVED;
}

static void move_some(struct hash *h, size_t n)
{
    for (; n && h->n_moved < h->old.n; n--)
        move_one(h, h->n_moved++);
    if (h->old.n && h->n_moved == h->old.n)
        slots_done(&h->old);
}

static int resize(struct hash *h, size_t n_slots)
{
    struct slots slots;
    int r = slots_init(&slots, n_slots, h->of_text);
    if (r < 0)
        return r;
    move_some(h, h->old.n); /* nothing, by the sizes above */
    h->old = h->now;
    h->now = slots;
    h->n_moved = 0;
    return 0;
}

static int put(struct hash *h, const struct wanted *w, void *value)
{
    if (!value)
        return -EINVAL;
    if (lookup(h, w))
        return -EEXIST;
    if ((h->n + 1) * 4 > h->now.n * 3) {
        int r = resize(h, h->now.n * 2);
        if (r < 0)
            return r;
    }
    move_some(h, MOVE_SLOTS);
    size_t at = find(&h->now, w);
    h->now.at[at] = (struct slot){.tag = w->tag, .value = value};
    if (h->of_text)
        h->now.texts[at] = w->text;
    h->n++;
    return 0;
}

/* Makes the slot empty: what probed past it moves back. */
static void close_hole(struct hash *h, size_t hole)
{
    struct slots *s = &h->now;
    size_t mask = s->n - 1;
    for (size_t i = (hole + 1) & mask; s->at[i].value; i = (i + 1) & mask) {
        size_t home = hash_of(h, &s->at[i]) & mask;
        /* It may move back to the hole unless its home lies behind the hole. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->at[hole] = s->at[i];
        if (h->of_text)
            s->texts[hole] = s->texts[i];
        hole = i;
    }
    s->at[hole].value = NULL;
}

static void *take(struct hash *h, const struct wanted *w)
{
    size_t at = find(&h->now, w);
    void *value = h->now.at[at].value;
    if (value) {
        close_hole(h, at);
    } else if (h->old.n) {
        at = find(&h->old, w);
        value = h->old.at[at].value;
        if (value)
            h->old.at[at].value = MOVED;
    }
    if (!value)
        return NULL;
    h->n--;
    move_some(h, MOVE_SLOTS);
    /* Without memory for the smaller table the larger one serves on. */
    if (h->now.n > MIN_SLOTS && h->n * 8 < h->now.n && !h->old.n)
        (void)resize(h, h->now.n / 2);
    return value;
}

void *hash_get(const struct hash *h, const char *key)
{
    struct wanted w = want_str(h, key);
    return lookup(h, &w);
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
    return lookup(h, &w);
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
    while (*pos < h->now.n + h->old.n) {
        size_t i = (*pos)++;
        void *value = i < h->now.n ? h->now.at[i].value : h->old.at[i - h->now.n].value;
        if (!value || value == MOVED)
            continue;
        *ret_value = value;
        return true;
    }
    return false;
}
