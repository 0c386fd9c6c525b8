/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - fair share: what accounts and their users have used lately, against what is theirs.
 *
 * Accounts are a tree with users as its leaves; usage decays by a half life. Normalised shares and
 * effective usage are Slurm's: https://slurm.schedmd.com/classic_fair_share.html. Pure; what is
 * used is in units of the caller's. All follows from the times at which things were held, so it is
 * the same however often it is brought up to date.
 */
#ifndef MODEL_SHARE_H
#define MODEL_SHARE_H

#include <stdint.h>

#define SHARE_NODES_MAX 1000000 /* accounts, and users of each */

struct share_tree;

/* half_life_usec above 0. NULL: no memory. */
struct share_tree *share_tree_new(int64_t half_life_usec);
void share_tree_free(struct share_tree *t); /* takes NULL */
/* An account; its parent ("": none) was added before. -EEXIST, -ENOENT, -ENOMEM, -E2BIG. */
int share_add_account(struct share_tree *t, const char *name, const char *parent, uint32_t shares);
/* What is left of 1 after so long. */
double share_left(int64_t half_life_usec, int64_t usec);
/* What is left at `at` of `rate` a second that was used between the times. */
double share_decay(int64_t half_life_usec, double rate, int64_t from_usec, int64_t to_usec,
                   int64_t at_usec);
double share_decayed(const struct share_tree *t, double rate, int64_t from_usec, int64_t to_usec,
                     int64_t at_usec);
/* Of an account that was not added the user is at the top, as one without an account.
 * All: -ENOMEM, -E2BIG. */
int share_use(struct share_tree *t, const char *account, const char *owner, double rate,
              int64_t from_usec, int64_t to_usec);
/*
 * A round: what is used now by those who hold something still (what is left of it at the time of
 * the round; may be negative, to take it back), and who waits. A user who neither waits nor has
 * used anything that counts has no share of his account's.
 */
void share_begin(struct share_tree *t);
int share_use_now(struct share_tree *t, const char *account, const char *owner, double amount);
int share_wait(struct share_tree *t, const char *account, const char *owner);
void share_end(struct share_tree *t, int64_t now_usec);
/* As of the last round: the part that is theirs, and that they used, both 0 to 1. */
int share_of(struct share_tree *t, const char *account, const char *owner, double *ret_share,
             double *ret_usage);

#endif
