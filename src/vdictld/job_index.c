/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_index.c - the ids of each owner's jobs.
 *
 * Kept: ids grow. One that is removed stays in its place, marked, until half are; jobs
 * come one by one and leave by the thousand, so neither may move the rest each time.
 */
#include "vdictld/job_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define GONE (UINT64_C(1) << 63) /* ids are below */

struct owner {
    uint64_t *ids;
    size_t n, size, n_gone;
    char name[];
};

struct job_index {
    struct hash *owners;
    bool broken;
};

struct job_index *job_index_new(void)
{
    struct job_index *index = calloc(1, sizeof(*index));

    if (!index)
        return NULL;
    index->owners = hash_new_str();
    if (!index->owners) {
        free(index);
        return NULL;
    }
    return index;
}

static void owner_free(struct owner *o)
{
    free(o->ids);
    free(o);
}

void job_index_free(struct job_index *index)
{
    void *o;

    if (!index)
        return;
    for (size_t i = 0; hash_next(index->owners, &i, &o);)
        owner_free(o);
    hash_free(index->owners);
    free(index);
}

static const char *name_of(const char *owner)
{
    const char *colon = strrchr(owner, ':');

    return colon ? colon + 1 : owner;
}

static struct owner *owner_get(struct job_index *index, const char *name)
{
    struct owner *o = hash_get(index->owners, name);

    if (o)
        return o;
    o = calloc(1, sizeof(*o) + strlen(name) + 1);
    if (!o)
        return NULL;
    memcpy(o->name, name, strlen(name) + 1);
    if (hash_put(index->owners, o->name, o) < 0) {
        free(o);
        return NULL;
    }
    return o;
}

/* The first place whose id is above `id`. */
static size_t place_after(const struct owner *o, uint64_t id)
{
    size_t lo = 0, hi = o->n;

    if (o->n && (o->ids[o->n - 1] & ~GONE) <= id)
        return o->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if ((o->ids[mid] & ~GONE) <= id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool make_room(struct owner *o)
{
    size_t size = o->size ? 2 * o->size : 4;
    uint64_t *ids;

    if (o->n < o->size)
        return true;
    ids = reallocarray(o->ids, size, sizeof(*ids));
    if (!ids)
        return false;
    o->ids = ids;
    o->size = size;
    return true;
}

void job_index_add(struct job_index *index, const struct job *job)
{
    struct owner *o = owner_get(index, name_of(job->spec->owner));
    size_t at;

    if (!o || !make_room(o)) {
        index->broken = true;
        return;
    }
    at = place_after(o, job->id); /* the end, but for a replay after damage */
    memmove(o->ids + at + 1, o->ids + at, (o->n - at) * sizeof(*o->ids));
    o->ids[at] = job->id;
    o->n++;
}

static void close_holes(struct owner *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n; i++)
        if (!(o->ids[i] & GONE))
            o->ids[n++] = o->ids[i];
    o->n = n;
    o->n_gone = 0;
}

void job_index_remove(struct job_index *index, const struct job *job)
{
    struct owner *o = hash_get(index->owners, name_of(job->spec->owner));
    size_t at = o ? place_after(o, job->id) : 0;

    if (!at || o->ids[at - 1] != job->id)
        return;
    o->ids[at - 1] |= GONE;
    o->n_gone++;
    if (o->n_gone == o->n) {
        hash_remove(index->owners, o->name);
        owner_free(o);
    } else if (o->n_gone > o->n / 2) {
        close_holes(o);
    }
}

bool job_index_is_whole(const struct job_index *index)
{
    return !index->broken;
}

uint64_t job_index_next(const struct job_index *index, const char *owner, uint64_t after)
{
    const struct owner *o = hash_get(index->owners, name_of(owner));

    for (size_t i = o ? place_after(o, after) : 0; o && i < o->n; i++)
        if (!(o->ids[i] & GONE))
            return o->ids[i];
    return 0;
}
