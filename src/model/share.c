/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.c - fair share: the tree of accounts and users, and what each has used.
 *
 * Kept: a parent is before its children in `nodes`, the root first.
 */
#include "model/share.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"

#define USEC 1e6
#define COUNTS 1e-6 /* a smaller part of all that was used is none */

struct node {
    struct node *parent;
    uint32_t shares;
    bool is_account, waits;
    bool counts; /* among its siblings, since the last round */
    double past; /* what is left of it at at_usec */
    int64_t at_usec;
    double now;             /* of the round */
    double used, child_sum; /* with those below; the shares of those who count */
    double share, usage;    /* normalised; effective */
    char key[];             /* account, and of a user '\x1f' and the name */
};

struct share_tree {
    int64_t half_life_usec;
    struct hash *hash;
    struct node **nodes;
    size_t n, size;
    struct buf key;
};

static struct node *node_add(struct share_tree *t, const char *key, struct node *parent,
                             uint32_t shares)
{
    struct node *n = calloc(1, sizeof(*n) + strlen(key) + 1);

    if (t->n == t->size) {
        size_t size = t->size ? 2 * t->size : 64;
        struct node **grown = reallocarray(t->nodes, size, sizeof(struct node *));

        t->nodes = grown ? grown : t->nodes;
        t->size = grown ? size : t->size;
    }
    if (!n || t->n == t->size) {
        free(n);
        return NULL;
    }
    memcpy(n->key, key, strlen(key) + 1);
    n->parent = parent;
    n->shares = shares;
    if (hash_put(t->hash, n->key, n) < 0) {
        free(n);
        return NULL;
    }
    t->nodes[t->n++] = n;
    return n;
}

struct share_tree *share_tree_new(int64_t half_life_usec)
{
    struct share_tree *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->half_life_usec = half_life_usec;
    t->key = BUF_INIT(0);
    t->hash = hash_new_str();
    if (t->hash && node_add(t, "", NULL, 1)) {
        t->nodes[0]->is_account = true;
        t->nodes[0]->share = t->nodes[0]->usage = 1;
        return t;
    }
    share_tree_free(t);
    return NULL;
}

void share_tree_free(struct share_tree *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->nodes[i]);
    free(t->nodes);
    hash_free(t->hash);
    buf_done(&t->key);
    free(t);
}

int share_add_account(struct share_tree *t, const char *name, const char *parent, uint32_t shares)
{
    struct node *above = hash_get(t->hash, parent), *n;

    if (hash_get(t->hash, name))
        return -EEXIST;
    if (!above)
        return -ENOENT;
    if (t->n >= SHARE_NODES_MAX)
        return -E2BIG;
    n = node_add(t, name, above, shares);
    if (!n)
        return -ENOMEM;
    n->is_account = true;
    return 0;
}

/* ---- usage ---- */

/* Of a time that is to come it is more than 1. */
double share_left(int64_t half_life_usec, int64_t usec)
{
    return exp2(-(double)usec / (double)half_life_usec);
}

/* The integral of rate * 2^(-(at - x) / half life) over the time. */
double share_decay(int64_t half_life_usec, double rate, int64_t from_usec, int64_t to_usec,
                   int64_t at_usec)
{
    double scale = (double)half_life_usec / USEC / M_LN2;

    if (to_usec <= from_usec)
        return 0;
    return rate * scale *
           (share_left(half_life_usec, at_usec - to_usec) -
            share_left(half_life_usec, at_usec - from_usec));
}

double share_decayed(const struct share_tree *t, double rate, int64_t from_usec, int64_t to_usec,
                     int64_t at_usec)
{
    return share_decay(t->half_life_usec, rate, from_usec, to_usec, at_usec);
}

/* Its numbers as they will be once a round has met it. */
static void settle(struct node *n, double siblings, double all)
{
    double own = siblings > 0 ? n->shares / siblings : 0, actual = all > 0 ? n->used / all : 0;

    n->share = n->parent->share * own;
    n->usage = actual; /* at the top; further down that of the account counts, too */
    if (n->parent->parent)
        n->usage += (n->parent->usage - actual) * own;
}

static int user_get(struct share_tree *t, const char *account, const char *owner, struct node **ret)
{
    struct node *above = hash_get(t->hash, account), *n;

    if (!above || !above->is_account)
        above = t->nodes[0];
    buf_clear(&t->key);
    buf_printf(&t->key, "%s\x1f%s", above->key, owner);
    n = t->key.failed ? NULL : hash_get(t->hash, t->key.data);
    if (!n && t->n >= SHARE_NODES_MAX)
        return -E2BIG;
    if (!n && !t->key.failed && (n = node_add(t, t->key.data, above, 1)))
        settle(n, above->child_sum + 1, t->nodes[0]->used);
    *ret = n;
    return n ? 0 : -ENOMEM;
}

int share_use(struct share_tree *t, const char *account, const char *owner, double rate,
              int64_t from_usec, int64_t to_usec)
{
    struct node *n;
    int r = user_get(t, account, owner, &n);

    if (r < 0)
        return r;
    if (to_usec > n->at_usec) {
        n->past *= share_left(t->half_life_usec, to_usec - n->at_usec);
        n->at_usec = to_usec;
    }
    n->past += share_decayed(t, rate, from_usec, to_usec, n->at_usec);
    return 0;
}

void share_begin(struct share_tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        t->nodes[i]->now = 0;
        t->nodes[i]->waits = false;
    }
}

int share_use_now(struct share_tree *t, const char *account, const char *owner, double amount)
{
    struct node *n;
    int r = user_get(t, account, owner, &n);

    if (r >= 0)
        n->now += amount;
    return r;
}

int share_wait(struct share_tree *t, const char *account, const char *owner)
{
    struct node *n;
    int r = user_get(t, account, owner, &n);

    if (r >= 0)
        n->waits = true;
    return r;
}

void share_end(struct share_tree *t, int64_t now_usec)
{
    double all;

    for (size_t i = 0; i < t->n; i++) {
        struct node *n = t->nodes[i];

        n->used = n->past * share_left(t->half_life_usec, now_usec - n->at_usec) + n->now;
        n->used = n->used > 0 ? n->used : 0;
        n->child_sum = 0;
    }
    for (size_t i = t->n; --i > 0;)
        t->nodes[i]->parent->used += t->nodes[i]->used;
    all = t->nodes[0]->used;
    for (size_t i = 1; i < t->n; i++) {
        struct node *n = t->nodes[i];

        n->counts = n->is_account || n->waits || n->used > COUNTS * all;
        if (n->counts)
            n->parent->child_sum += n->shares;
    }
    for (size_t i = 1; i < t->n; i++) {
        struct node *n = t->nodes[i];

        settle(n, n->parent->child_sum + (n->counts ? 0 : n->shares), all);
    }
}

int share_of(struct share_tree *t, const char *account, const char *owner, double *ret_share,
             double *ret_usage)
{
    struct node *n;
    int r = user_get(t, account, owner, &n);

    if (r < 0)
        return r;
    *ret_share = n->share;
    *ret_usage = n->usage;
    return 0;
}
