/* SPDX-License-Identifier: Apache-2.0 */
/* budget.c - token buckets by principal. */
#include "vdictld/budget.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/time.h"

struct bucket {
    struct list link; /* oldest use first */
    double tokens;
    int64_t at_usec;
    char who[];
};

struct budget {
    struct hash *buckets;
    struct list by_age;
};

struct budget *budget_new(void)
{
    struct budget *b = calloc(1, sizeof(*b));

    if (!b)
        return NULL;
    list_init(&b->by_age);
    b->buckets = hash_new_str();
    if (!b->buckets) {
        free(b);
        return NULL;
    }
    return b;
}

static void bucket_drop(struct budget *b, struct bucket *bucket)
{
    hash_remove(b->buckets, bucket->who);
    list_remove(&bucket->link);
    free(bucket);
}

void budget_free(struct budget *b)
{
    if (!b)
        return;
    list_for_each_safe (it, &b->by_age)
        bucket_drop(b, list_entry(it, struct bucket, link));
    hash_free(b->buckets);
    free(b);
}

static void forget_full(struct budget *b, uint32_t per_sec, uint32_t burst, int64_t now_usec)
{
    int64_t full_after = (int64_t)burst * USEC_PER_SEC / per_sec + USEC_PER_SEC;

    while (!list_is_empty(&b->by_age)) {
        struct bucket *oldest = list_entry(b->by_age.next, struct bucket, link);

        if (now_usec - oldest->at_usec < full_after)
            break;
        bucket_drop(b, oldest);
    }
}

static struct bucket *bucket_get(struct budget *b, const char *who, uint32_t burst,
                                 int64_t now_usec)
{
    struct bucket *bucket = hash_get(b->buckets, who);

    if (bucket)
        return bucket;
    bucket = malloc(sizeof(*bucket) + strlen(who) + 1);
    if (!bucket)
        return NULL;
    memcpy(bucket->who, who, strlen(who) + 1);
    bucket->tokens = burst;
    bucket->at_usec = now_usec;
    list_append(&b->by_age, &bucket->link);
    if (hash_put(b->buckets, bucket->who, bucket) < 0) {
        list_remove(&bucket->link);
        free(bucket);
        return NULL;
    }
    return bucket;
}

bool budget_take(struct budget *b, const char *who, uint32_t per_sec, uint32_t burst,
                 int64_t now_usec)
{
    struct bucket *bucket;
    double gained;

    if (!per_sec)
        return true; /* no limit configured */
    forget_full(b, per_sec, burst, now_usec);
    bucket = bucket_get(b, who, burst, now_usec);
    if (!bucket)
        return false;
    gained = (double)(now_usec - bucket->at_usec) * per_sec / USEC_PER_SEC;
    bucket->tokens += gained > 0 ? gained : 0;
    if (bucket->tokens > burst)
        bucket->tokens = burst;
    bucket->at_usec = now_usec;
    list_remove(&bucket->link);
    list_append(&b->by_age, &bucket->link);
    if (bucket->tokens < 1)
        return false;
    bucket->tokens -= 1;
    return true;
}
