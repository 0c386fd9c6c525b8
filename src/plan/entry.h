/* SPDX-License-Identifier: Apache-2.0 */
/* entry.h - a job as the planner keeps it: what it needs of struct job, and where it stands. */
#ifndef PLAN_ENTRY_H
#define PLAN_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

struct gpu_hold;
struct plan_node;
struct shape;

enum entry_place {
    ENTRY_ASIDE,     /* pending, but held, unknown or in a closed partition: not in line */
    ENTRY_QUEUED,    /* in line */
    ENTRY_TENTATIVE, /* its start was given out: counted until put again or PLAN_RETRY */
    ENTRY_TOLD,      /* its deadline was given out */
    ENTRY_ACTIVE,    /* holds resources of a node */
};

/*
 * A job on several nodes is one entry, on the first of them, and a part on each other: an entry
 * in the list of its node alone, with the same shape, place and end.
 * At most 128 bytes with the allocator's own: 100,000 of these are kept. */
struct entry {
    uint64_t id;
    union {
        struct { /* QUEUED: queue.c */
            struct entry *left, *right, *parent;
        };
        struct {                   /* tentative, active */
            struct gpu_hold *gpus; /* on its node; NULL: none */
            struct entry *part;    /* the next part of the job */
            struct entry *head;    /* parts: the job's own entry; else NULL */
        };
    };
    union {
        struct entry *next;         /* in the list of its node: tentative, active */
        struct plan_node **planned; /* QUEUED, several nodes: where; NULL: none */
    };
    struct shape *shape;
    struct plan_node *node; /* that holds it; QUEUED: where the estimate sees it (the
                             * first of several), or NULL */
    int64_t submit_usec;
    int64_t begin_usec; /* before that it does not start; tentative, active: since when it holds
                         * what it has, 0: since before the planner knew it */
    union {
        int64_t deadline_usec;
        int64_t asked_usec; /* active: to make room; 0: not */
    };
    int64_t wake_usec; /* wake.c */
    int64_t time_usec; /* tentative, active: expected end. QUEUED: estimated start, 0: none */
    int32_t tier;
    int32_t priority;
    uint32_t count;     /* queue.c: entries in this subtree */
    uint32_t slot;      /* wake.c: place in the heap, 0: not in it */
    uint8_t place;      /* enum entry_place */
    uint8_t disk_block; /* enum plan_disk_block */
    bool late : 1;      /* begin is ahead: stands behind all that may start */
    bool held_user : 1, held_admin : 1, unknown : 1;
    bool is_idle : 1; /* active: nobody touches it */
    uint32_t image;   /* plan_terms.image */
};

#endif
