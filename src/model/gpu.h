/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpu.h - the law of a GPU: which profiles may live on one device together. Pure.
 *
 * A kind is what the GPUs of a node are and offer; a state is what one device holds.
 * States can be joined over time: what fits the join of all states of a window fits
 * that whole window, and nothing else does. (DESIGN, "The law of a GPU".)
 */
#ifndef MODEL_GPU_H
#define MODEL_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gpu_law {
    GPU_WHOLE,       /* one instance has the device */
    GPU_HOMOGENEOUS, /* one profile at a time, so many of it; another only when empty */
    GPU_MIXED,       /* sizes are powers of two at aligned places */
    GPU_POOL,        /* any mix; each takes its share of one pool */
    GPU_SLICES,      /* each profile at its own places of the card */
    GPU_SHARED,      /* so many at once, whatever they are */
    GPU_N_LAWS
};
extern const char *const gpu_law_names[]; /* NULL-terminated, by enum gpu_law */

#define GPU_SLOTS_MAX 64
#define GPU_OFFERS_MAX 64
#define GPU_PLACES_MAX 64 /* devices of one node */

/* A profile as one kind of GPU offers it. */
struct gpu_offer {
    char profile[64];
    uint32_t framebuffer_mib; /* 0: not known */
    uint32_t instances;       /* of it alone on one device, at least 1 */
    uint32_t size;            /* mixed, slices: slots; pool: MiB; else 1 */
    uint64_t starts; /* slices: bit i: it may begin at slot i; mixed: at i times its size */
    bool display;    /* has a picture that can be taken outside the guest */
};

struct gpu_kind {
    enum gpu_law law;
    uint32_t framebuffer_mib; /* of the device; 0: not known */
    uint32_t capacity;        /* whole 1, shared: count, pool: MiB, mixed and slices: slots */
    size_t n_offers;          /* 0: any profile, as the whole device */
    struct gpu_offer offers[GPU_OFFERS_MAX];
};

/* What one device holds at a time, or may hold within a window. {0}: nothing. */
struct gpu_state {
    uint64_t slots; /* mixed, slices: those that are taken */
    uint32_t used;  /* whole, homogeneous, shared: instances; pool: MiB */
    uint32_t tag;   /* homogeneous: offer + 1; GPU_CLASH: several at different times */
};
#define GPU_CLASH UINT32_MAX

/* Where on a node a share lies: the device, and of its starts which (mixed, slices). */
struct gpu_place {
    uint8_t gpu, slot;
};

static inline bool gpu_has_slots(const struct gpu_kind *kind)
{
    return kind->law == GPU_MIXED || kind->law == GPU_SLICES;
}
/* The starts at which the offer would fit the state, for laws with slots; else 1 or 0. */
uint64_t gpu_fit(const struct gpu_kind *kind, const struct gpu_state *state, size_t offer);
/* Of those starts the one that leaves most to others; ties: the lowest. `starts` is not 0. */
uint8_t gpu_best_slot(const struct gpu_kind *kind, const struct gpu_state *state, size_t offer,
                      uint64_t starts);
void gpu_take(const struct gpu_kind *kind, struct gpu_state *state, size_t offer, uint8_t slot);
void gpu_give(const struct gpu_kind *kind, struct gpu_state *state, size_t offer, uint8_t slot);
static inline void gpu_join(struct gpu_state *a, const struct gpu_state *b)
{
    a->slots |= b->slots;
    a->used = a->used > b->used ? a->used : b->used;
    if (b->tag && a->tag != b->tag)
        a->tag = a->tag ? GPU_CLASH : b->tag;
}
static inline bool gpu_state_is_equal(const struct gpu_state *a, const struct gpu_state *b)
{
    return a->slots == b->slots && a->used == b->used && a->tag == b->tag;
}
/* How often the offer fits beside what the state has. */
uint32_t gpu_count(const struct gpu_kind *kind, const struct gpu_state *state, size_t offer);
/* What is free of the device, in thousandths of it. */
uint32_t gpu_free_permille(const struct gpu_kind *kind, const struct gpu_state *state);
/* Nothing else fits beside it. */
bool gpu_is_whole(const struct gpu_kind *kind, size_t offer);
/* -1: the kind does not offer it. A kind without offers takes every profile as offer 0. */
int gpu_find_offer(const struct gpu_kind *kind, const char *profile);

/*
 * Works out capacity, sizes, starts and instances of a kind from law, framebuffer, capacity
 * (shared, slices) and of each offer framebuffer, instances (0: follows), size and starts
 * (slices). Returns NULL, or which sentence says what is missing; *ret_offer: whose.
 */
const char *gpu_kind_settle(struct gpu_kind *kind, size_t *ret_offer);

/* How a wish for GPUs is written: "a,b" profiles, the best first; "fb>=MIB"; "whole"; "". */
#define GPU_WISH_TEXT 256 /* bytes of the longest, with its end */
#define GPU_WISH_SIZE "fb>="
#define GPU_WISH_WHOLE "whole"

/* Framebuffer of one GPU of the profile, as its name says (nvidia-a40-4q, 1g.10gb); 0: it
 * says nothing. */
uint32_t profile_framebuffer_mib(const char *profile);

/* "nvidia-a40-4q:0,3", ":0" (a whole device), "1g.10gb:2@4" (its start 4): what is held
 * of which devices as text, and back. -EINVAL: no such text, or more than `max` places. */
#define GPU_HELD_TEXT (64 + GPU_PLACES_MAX * 6)
void gpu_held_format(const char *profile, const struct gpu_place *places, size_t n, bool slots,
                     char *ret, size_t size);
int gpu_held_parse(const char *text, char profile[64], struct gpu_place *ret, size_t max,
                   size_t *ret_n);

#endif
