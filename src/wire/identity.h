/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - what NSS says of principals: groups, uid, name, account; never on the loop.
 *
 * Answers, also "no such user", are kept: for IDENTITY_FRESH_SEC as they are, and up to
 * IDENTITY_STALE_SEC they are still given at once while a fresh one is fetched. An NSS that
 * hangs costs those who wait for it their deadline and nobody else anything.
 */
#ifndef WIRE_IDENTITY_H
#define WIRE_IDENTITY_H

#include <stdint.h>

#include "loop/loop.h"
#include <vdi/types.h>

#define IDENTITY_FRESH_SEC 60
#define IDENTITY_STALE_SEC 600
#define IDENTITY_DEADLINE_SEC 5
#define IDENTITY_CACHE_MAX 4096 /* answers kept; the one unused for longest goes */
#define IDENTITY_THREADS 8
#define IDENTITY_PENDING_MAX 1024 /* look-ups waiting or running */
#define IDENTITY_HOME_MAX 256

enum identity_what {
    IDENTITY_GROUPS, /* name and gid -> groups; those past VDI_PRINCIPAL_GROUPS_MAX are left out */
    IDENTITY_NAME,   /* uid -> name, gid */
    IDENTITY_UID,    /* name -> uid, gid */
    /* uid and gid -> name, home, and the groups with their numbers: what an account is made of */
    IDENTITY_ACCOUNT,
};

struct identity_answer {
    struct vdi_principal who;                /* as asked, and filled */
    uint32_t gids[VDI_PRINCIPAL_GROUPS_MAX]; /* ACCOUNT: of who.groups */
    char home[IDENTITY_HOME_MAX];            /* ACCOUNT */
};

/* Runs on a worker and may block. Fills the answer; 0, -ENOENT (nobody), or another error. */
typedef int identity_lookup_fn(enum identity_what what, struct identity_answer *answer);
identity_lookup_fn identity_nss; /* the Name Service Switch */
/* answer: only when r is 0; borrowed. */
typedef void identity_done_fn(void *arg, int r, const struct identity_answer *answer);

struct identity;

/* lookup NULL: identity_nss. */
struct identity *identity_new(struct loop *loop, identity_lookup_fn *lookup);
/*
 * Calls `done` exactly once: inside this call if the answer is known or refused at once,
 * else later on the loop. r: 0, -ENOENT, -ETIMEDOUT (the deadline), -EBUSY (all threads hang
 * or too many wait), -ECANCELED (identity_free), or what the look-up said.
 */
void identity_get(struct identity *id, enum identity_what what,
                  const struct vdi_principal *principal, identity_done_fn *done, void *arg);
struct identity_stats {
    uint64_t hits, lookups, timeouts, refused;
    uint32_t cached, pending;
};
void identity_stats(const struct identity *id, struct identity_stats *ret);
/* Takes NULL. A look-up that hangs is left to itself (workers_abandon): the process ends. */
void identity_free(struct identity *id);

#endif
