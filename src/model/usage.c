/* SPDX-License-Identifier: Apache-2.0 */
/* usage.c - what instances held, summed up. */
#include "model/usage.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "model/gpu.h"

#define MSEC 1000

const char *const usage_by_names[] = {
    "owner", "account", "partition", "qos", "template", "profile", NULL,
};

struct usage {
    unsigned by;
    int64_t *cuts;
    size_t n_cuts;
    struct hash *hash; /* of struct group */
    struct group **groups;
    size_t n, size;
    bool sorted;
};

struct group {
    struct usage_sum sum;
    char key[]; /* the period and every value, each with its NUL in one text for the hash */
};

struct usage *usage_new(const int64_t *cuts, size_t n_cuts, unsigned by)
{
    struct usage *u = calloc(1, sizeof(*u));

    if (!u)
        return NULL;
    u->by = by;
    u->n_cuts = n_cuts;
    u->hash = hash_new_str();
    u->cuts = calloc(n_cuts, sizeof(*cuts));
    if (!u->hash || !u->cuts) {
        usage_free(u);
        return NULL;
    }
    memcpy(u->cuts, cuts, n_cuts * sizeof(*cuts));
    return u;
}

void usage_free(struct usage *u)
{
    if (!u)
        return;
    for (size_t i = 0; i < u->n; i++)
        free(u->groups[i]);
    free(u->groups);
    hash_free(u->hash);
    free(u->cuts);
    free(u);
}

static const char *value_of(const struct instance *in, enum usage_by by)
{
    switch (by) {
    case USAGE_OWNER:
        return in->owner;
    case USAGE_ACCOUNT:
        return in->account;
    case USAGE_PARTITION:
        return in->partition;
    case USAGE_QOS:
        return in->qos;
    case USAGE_TEMPLATE:
        return in->template_name;
    case USAGE_PROFILE:
        return in->profile;
    case USAGE_N_BY:
        break;
    }
    return "";
}

/* '\x1f' between values: no name holds a control character. */
static void key_make(const struct usage *u, const struct instance *in, size_t period,
                     struct buf *key)
{
    buf_clear(key);
    buf_printf(key, "%zu", period);
    for (enum usage_by by = 0; by < USAGE_N_BY; by++)
        if (u->by & (1u << by))
            buf_printf(key, "\x1f%s", value_of(in, by));
}

/* The values of a new group, pointing into a copy of its own behind the key. */
static struct group *group_new(const struct usage *u, const struct instance *in, size_t period,
                               const struct buf *key)
{
    struct group *g = calloc(1, sizeof(*g) + 2 * (key->len + 1));
    char *text;

    if (!g)
        return NULL;
    memcpy(g->key, key->data, key->len + 1);
    text = g->key + key->len + 1;
    g->sum.period = period;
    for (enum usage_by by = 0; by < USAGE_N_BY; by++) {
        if (!(u->by & (1u << by)))
            continue;
        size_t len = strlen(value_of(in, by));
        memcpy(text, value_of(in, by), len + 1);
        g->sum.by[by] = text;
        text += len + 1;
    }
    return g;
}

static int group_find(struct usage *u, const struct instance *in, size_t period, struct group **ret)
{
    struct buf key = BUF_INIT(0);
    struct group *g;
    int r = 0;

    key_make(u, in, period, &key);
    g = key.failed ? NULL : hash_get(u->hash, key.data);
    if (!g && u->n == USAGE_GROUPS_MAX) {
        r = -E2BIG;
    } else if (!g) {
        if (u->n == u->size) {
            size_t size = u->size ? 2 * u->size : 64;
            struct group **grown = reallocarray(u->groups, size, sizeof(*grown));

            if (grown) {
                u->groups = grown;
                u->size = size;
            }
        }
        g = key.failed || u->n == u->size ? NULL : group_new(u, in, period, &key);
        if (g && hash_put(u->hash, g->key, g) >= 0) {
            u->groups[u->n++] = g;
        } else {
            free(g);
            g = NULL;
            r = -ENOMEM;
        }
    }
    buf_done(&key);
    *ret = g;
    return r;
}

double usage_held_part(const struct instance *in, int64_t end_usec)
{
    int64_t held = end_usec - in->request_usec, saved = in->saved_total_usec;

    if (in->state == INSTANCE_SAVED && end_usec > in->state_usec)
        saved += end_usec - in->state_usec;
    if (saved <= 0 || held <= 0)
        return 1;
    return saved >= held ? 0 : (double)(held - saved) / (double)held;
}

static void sum_add(struct usage_sum *s, const struct instance *in, uint64_t msec)
{
    uint32_t framebuffer = profile_framebuffer_mib(in->profile);

    s->instances++;
    s->held_msec += msec;
    s->gpu_msec += msec * in->gpus;
    s->cpu_msec += msec * in->vcpus;
    s->memory_mib_msec += msec * in->memory_mib;
    s->framebuffer_mib_msec += msec * in->gpus * framebuffer;
    if (!framebuffer)
        s->gpu_unsized_msec += msec * in->gpus;
}

/* The first period that ends after usec. */
static size_t period_of(const struct usage *u, int64_t usec)
{
    size_t lo = 0, hi = u->n_cuts - 1;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (u->cuts[mid + 1] <= usec)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int usage_add(struct usage *u, const struct instance *in, int64_t now_usec)
{
    int64_t end = in->gone_usec ? in->gone_usec : now_usec;

    for (size_t i = period_of(u, in->request_usec); i + 1 < u->n_cuts && u->cuts[i] < end; i++) {
        int64_t from = u->cuts[i] > in->request_usec ? u->cuts[i] : in->request_usec;
        int64_t to = u->cuts[i + 1] < end ? u->cuts[i + 1] : end;
        struct group *g;
        int r;

        if (to <= from)
            continue;
        r = group_find(u, in, i, &g);
        if (r < 0)
            return r;
        sum_add(&g->sum, in, (uint64_t)((double)(to - from) * usage_held_part(in, end)) / MSEC);
    }
    return 0;
}

size_t usage_count(const struct usage *u)
{
    return u->n;
}

static int compare(const void *a, const void *b)
{
    const struct usage_sum *x = &(*(struct group *const *)a)->sum;
    const struct usage_sum *y = &(*(struct group *const *)b)->sum;

    if (x->period != y->period)
        return x->period < y->period ? -1 : 1;
    for (int by = 0; by < USAGE_N_BY; by++) {
        int r = x->by[by] ? strcmp(x->by[by], y->by[by]) : 0;

        if (r)
            return r;
    }
    return 0;
}

const struct usage_sum *usage_at(struct usage *u, size_t i)
{
    if (!u->sorted && u->n)
        qsort(u->groups, u->n, sizeof(*u->groups), compare);
    u->sorted = true;
    return &u->groups[i]->sum;
}
