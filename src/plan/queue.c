/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - the line of pending jobs: a treap that counts its subtrees.
 *
 * Kept: in-order is entry_compare(); a parent's weight is at least its
 * children's; `count` is the size of the subtree. Weights come from id and
 * seed, so the tree is the same whatever order the entries came in.
 */
#include "plan/queue.h"

#include <stddef.h>

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int entry_compare(const struct entry *a, const struct entry *b)
{
    int c = compare_i64(a->late ? a->begin_usec : 0, b->late ? b->begin_usec : 0);
    if (a->late != b->late)
        return a->late ? 1 : -1;
    if (c)
        return c;
    if ((c = compare_i64(b->tier, a->tier)))
        return c;
    if ((c = compare_i64(b->priority, a->priority)))
        return c;
    if ((c = compare_i64(a->submit_usec, b->submit_usec)))
        return c;
    return (a->id > b->id) - (a->id < b->id);
}

/* splitmix64's finisher. */
static uint64_t weight(const struct queue *q, const struct entry *e)
{
    uint64_t x = (e->id + q->seed) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t count(const struct entry *e)
{
    return e ? e->count : 0;
}

static void recount(struct entry *e)
{
    e->count = 1 + count(e->left) + count(e->right);
}

static void replace_child(struct queue *q, struct entry *parent, struct entry *old,
                          struct entry *child)
{
    if (!parent)
        q->root = child;
    else if (parent->left == old)
        parent->left = child;
    else
        parent->right = child;
    if (child)
        child->parent = parent;
}

/* Puts e, a child, in its parent's place. */
static void rotate_up(struct queue *q, struct entry *e)
{
    struct entry *parent = e->parent;
    struct entry *inner;

    replace_child(q, parent->parent, parent, e);
    if (parent->left == e) {
        inner = e->right;
        parent->left = inner;
        e->right = parent;
    } else {
        inner = e->left;
        parent->right = inner;
        e->left = parent;
    }
    if (inner)
        inner->parent = parent;
    parent->parent = e;
    recount(parent);
    recount(e);
}

void queue_insert(struct queue *q, struct entry *e)
{
    struct entry **link = &q->root;
    struct entry *parent = NULL;

    while (*link) {
        parent = *link;
        parent->count++;
        link = entry_compare(e, parent) < 0 ? &parent->left : &parent->right;
    }
    *link = e;
    e->left = e->right = NULL;
    e->parent = parent;
    e->count = 1;
    while (e->parent && weight(q, e->parent) < weight(q, e))
        rotate_up(q, e);
}

void queue_remove(struct queue *q, struct entry *e)
{
    while (e->left && e->right)
        rotate_up(q, weight(q, e->left) > weight(q, e->right) ? e->left : e->right);
    replace_child(q, e->parent, e, e->left ? e->left : e->right);
    for (struct entry *up = e->parent; up; up = up->parent)
        up->count--;
    e->left = e->right = e->parent = NULL;
}

struct entry *queue_first(const struct queue *q)
{
    struct entry *e = q->root;
    while (e && e->left)
        e = e->left;
    return e;
}

struct entry *queue_next(const struct entry *e)
{
    if (e->right) {
        struct entry *next = e->right;
        while (next->left)
            next = next->left;
        return next;
    }
    while (e->parent && e->parent->right == e)
        e = e->parent;
    return e->parent;
}

uint32_t queue_count(const struct queue *q)
{
    return count(q->root);
}

uint32_t queue_rank(const struct entry *e)
{
    uint32_t rank = count(e->left) + 1;
    for (; e->parent; e = e->parent)
        if (e->parent->right == e)
            rank += count(e->parent->left) + 1;
    return rank;
}
