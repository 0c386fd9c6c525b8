/* SPDX-License-Identifier: Apache-2.0 */
/* idem.c - retry keys by (principal, key), oldest first for their expiry. */
#include "vdictld/idem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"

#define IDEM_NOUN "retry_key"

struct entry {
    struct list link;
    int64_t time_usec;
    uint64_t job;
    char digest[65];
    char id[]; /* owner, newline, key */
};

struct idem {
    struct hash *entries;
    struct list by_age;
    struct list *collect; /* the next for a snapshot */
};

struct idem *idem_new(void)
{
    struct idem *idem = calloc(1, sizeof(*idem));

    if (!idem)
        return NULL;
    list_init(&idem->by_age);
    idem->collect = &idem->by_age;
    idem->entries = hash_new_str();
    if (!idem->entries) {
        free(idem);
        return NULL;
    }
    return idem;
}

static void entry_drop(struct idem *idem, struct entry *e)
{
    if (idem->collect == &e->link)
        idem->collect = e->link.next;
    hash_remove(idem->entries, e->id);
    list_remove(&e->link);
    free(e);
}

void idem_free(struct idem *idem)
{
    if (!idem)
        return;
    list_for_each_safe (it, &idem->by_age)
        entry_drop(idem, list_entry(it, struct entry, link));
    hash_free(idem->entries);
    free(idem);
}

/* Neither owners nor keys hold a newline: both are checked before they get here. */
static struct entry *find(const struct idem *idem, const char *owner, const char *key)
{
    _cleanup_(freep) char *id = str_printf("%s\n%s", owner, key);

    return id ? hash_get(idem->entries, id) : NULL;
}

uint64_t idem_find(const struct idem *idem, const char *owner, const char *key,
                   const char **ret_digest)
{
    const struct entry *e = find(idem, owner, key);

    if (!e)
        return 0;
    *ret_digest = e->digest;
    return e->job;
}

static int put(struct idem *idem, const char *id, const char *digest, uint64_t job,
               int64_t time_usec)
{
    struct entry *e;

    if (hash_get(idem->entries, id))
        return 0;
    e = calloc(1, sizeof(*e) + strlen(id) + 1);
    if (!e)
        return -ENOMEM;
    memcpy(e->id, id, strlen(id) + 1);
    str_copy(e->digest, sizeof(e->digest), digest);
    e->job = job;
    e->time_usec = time_usec;
    if (hash_put(idem->entries, e->id, e) < 0) {
        free(e);
        return -ENOMEM;
    }
    list_append(&idem->by_age, &e->link);
    return 0;
}

int idem_put(struct idem *idem, const char *owner, const char *key, const char *digest,
             uint64_t job, int64_t time_usec)
{
    _cleanup_(freep) char *id = str_printf("%s\n%s", owner, key);

    return id ? put(idem, id, digest, job, time_usec) : -ENOMEM;
}

void idem_remove(struct idem *idem, const char *owner, const char *key)
{
    struct entry *e = find(idem, owner, key);

    if (e)
        entry_drop(idem, e);
}

void idem_expire(struct idem *idem, int64_t now_usec)
{
    while (!list_is_empty(&idem->by_age)) {
        struct entry *oldest = list_entry(idem->by_age.next, struct entry, link);

        if (now_usec - oldest->time_usec < IDEM_KEEP_USEC)
            return;
        entry_drop(idem, oldest);
    }
}

void idem_collect_begin(struct idem *idem)
{
    idem->collect = idem->by_age.next;
}

int idem_collect(struct idem *idem, struct table *jobs, struct events_extra *ret)
{
    const struct entry *e = list_entry(idem->collect, struct entry, link);

    if (idem->collect == &idem->by_age)
        return 0;
    idem->collect = idem->collect->next;
    if (table_slot(jobs, e->job, NULL, false))
        return -EAGAIN;
    /* Without a slot it ended and left memory: it was committed long ago. */
    *ret = (struct events_extra){
        .noun = IDEM_NOUN,
        .key = strdup(e->id),
        .body = str_printf("%s %" PRIu64, e->digest, e->job),
        .time_usec = e->time_usec,
    };
    return 1;
}

void idem_restore(struct idem *idem, const struct vdi_store_object *row)
{
    char digest[65] = "";
    uint64_t job = 0;

    if (strcmp(row->noun, IDEM_NOUN) != 0)
        return;
    if (sscanf(row->body, "%64s %" SCNu64, digest, &job) == 2 && job)
        put(idem, row->key, digest, job, row->begin_usec);
}
