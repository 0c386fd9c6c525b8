/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idem.c - retry keys by (principal, key), oldest first for their expiry.
 *
 * While a job is in memory its spec has all there is to know: an entry is 48 bytes and a
 * slot of the hash. The table is keyed by a secret 64-bit hash of owner and key; the whole
 * key is compared. Two keys of one hash don't happen; if they do, the second is refused.
 */
#include "vdictld/idem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"

#define IDEM_NOUN "retry_key"
#define ID_MAX 256 /* owner, newline, key: each has its own, lower limit */

struct entry {
    struct list link;
    int64_t time_usec;
    uint64_t job;
    struct job_spec *spec;  /* of the job, which has owner, key and digest; NULL: they are here */
    unsigned char digest[]; /* without spec: JOB_DIGEST_BYTES, then owner, newline, key, NUL */
};

struct idem {
    struct hash *entries; /* by fingerprint of owner and key */
    uint64_t seed[2];
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
    idem->entries = hash_new_u64();
    if (!idem->entries || getrandom(idem->seed, sizeof(idem->seed), 0) != sizeof(idem->seed)) {
        idem_free(idem);
        return NULL;
    }
    return idem;
}

static const char *own_id(const struct entry *e)
{
    return (const char *)e->digest + JOB_DIGEST_BYTES;
}

/* Neither owners nor keys hold a newline: both are checked before they get here. */
static bool id_of(const char *owner, const char *key, char ret[ID_MAX])
{
    return snprintf(ret, ID_MAX, "%s\n%s", owner, key) < ID_MAX;
}

static void entry_id(const struct entry *e, char ret[ID_MAX])
{
    if (e->spec)
        id_of(e->spec->owner, e->spec->idempotency_key, ret);
    else
        str_copy(ret, ID_MAX, own_id(e));
}

static uint64_t fingerprint(const struct idem *idem, const char *id)
{
    return hash_bytes(idem->seed, id, strlen(id));
}

static bool entry_is(const struct entry *e, const char *id)
{
    const char *key = strchr(id, '\n') + 1;
    size_t n = (size_t)(key - id) - 1;

    if (!e->spec)
        return !strcmp(own_id(e), id);
    return !strncmp(e->spec->owner, id, n) && !e->spec->owner[n] &&
           !strcmp(e->spec->idempotency_key, key);
}

static void entry_free(struct idem *idem, struct entry *e)
{
    if (idem->collect == &e->link)
        idem->collect = e->link.next;
    list_remove(&e->link);
    job_spec_unref(e->spec);
    free(e);
}

static void entry_drop(struct idem *idem, struct entry *e)
{
    char id[ID_MAX];

    entry_id(e, id);
    hash_remove_u64(idem->entries, fingerprint(idem, id));
    entry_free(idem, e);
}

void idem_free(struct idem *idem)
{
    if (!idem)
        return;
    list_for_each_safe (it, &idem->by_age)
        entry_free(idem, list_entry(it, struct entry, link));
    hash_free(idem->entries);
    free(idem);
}

static struct entry *find(const struct idem *idem, const char *id)
{
    struct entry *e = hash_get_u64(idem->entries, fingerprint(idem, id));

    return e && entry_is(e, id) ? e : NULL;
}

uint64_t idem_find(const struct idem *idem, const char *owner, const char *key,
                   const unsigned char **ret_digest)
{
    char id[ID_MAX];
    const struct entry *e = id_of(owner, key, id) ? find(idem, id) : NULL;

    if (!e)
        return 0;
    *ret_digest = e->spec ? e->spec->request_digest : e->digest;
    return e->job;
}

static int put(struct idem *idem, const char *id, struct entry *e)
{
    int r = hash_put_u64(idem->entries, fingerprint(idem, id), e);

    if (r < 0)
        return r;
    list_append(&idem->by_age, &e->link);
    return 0;
}

int idem_put(struct idem *idem, struct job_spec *spec, uint64_t job, int64_t time_usec)
{
    char id[ID_MAX];
    struct entry *e;
    int r;

    if (!id_of(spec->owner, spec->idempotency_key, id))
        return -ENAMETOOLONG;
    if (find(idem, id))
        return 0;
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    *e = (struct entry){.time_usec = time_usec, .job = job, .spec = job_spec_ref(spec)};
    r = put(idem, id, e);
    if (r < 0) {
        job_spec_unref(spec);
        free(e);
    }
    return r;
}

void idem_remove(struct idem *idem, const char *owner, const char *key)
{
    char id[ID_MAX];
    struct entry *e = id_of(owner, key, id) ? find(idem, id) : NULL;

    if (e)
        entry_drop(idem, e);
}

/* An entry that has what it needs itself. */
static struct entry *own_new(const char *id, const unsigned char *digest, uint64_t job,
                             int64_t time_usec)
{
    struct entry *e = calloc(1, sizeof(*e) + JOB_DIGEST_BYTES + strlen(id) + 1);

    if (!e)
        return NULL;
    e->job = job;
    e->time_usec = time_usec;
    memcpy(e->digest, digest, JOB_DIGEST_BYTES);
    memcpy(e->digest + JOB_DIGEST_BYTES, id, strlen(id) + 1);
    return e;
}

void idem_outlive(struct idem *idem, const struct job *job)
{
    const struct job_spec *spec = job->spec;
    char id[ID_MAX];
    struct entry *e, *own;

    if (!spec->idempotency_key || !id_of(spec->owner, spec->idempotency_key, id))
        return;
    e = find(idem, id);
    if (!e || !e->spec || e->job != job->id)
        return;
    own = own_new(id, e->spec->request_digest, e->job, e->time_usec);
    if (!own)
        return; /* it lives on with the whole spec */
    hash_remove_u64(idem->entries, fingerprint(idem, id));
    if (hash_put_u64(idem->entries, fingerprint(idem, id), own) < 0) {
        free(own);
        entry_free(idem, e); /* forgotten before its time */
        return;
    }
    list_append(&e->link, &own->link); /* before e */
    if (idem->collect == &e->link)
        idem->collect = &own->link;
    entry_free(idem, e);
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
    char digest[2 * JOB_DIGEST_BYTES + 1], id[ID_MAX];

    if (idem->collect == &idem->by_age)
        return 0;
    idem->collect = idem->collect->next;
    if (table_slot(jobs, e->job, NULL, false))
        return -EAGAIN;
    /* Without a slot it ended and left memory: it was committed long ago. */
    str_to_hex(e->spec ? e->spec->request_digest : e->digest, JOB_DIGEST_BYTES, digest);
    entry_id(e, id);
    *ret = (struct events_extra){
        .noun = IDEM_NOUN,
        .key = strdup(id),
        .body = str_printf("%s %" PRIu64, digest, e->job),
        .time_usec = e->time_usec,
    };
    return 1;
}

void idem_restore(struct idem *idem, const struct vdi_store_object *row)
{
    unsigned char digest[JOB_DIGEST_BYTES];
    char hex[2 * JOB_DIGEST_BYTES + 1] = "";
    struct entry *e;
    uint64_t job = 0;

    if (strcmp(row->noun, IDEM_NOUN) != 0 || !strchr(row->key, '\n') ||
        strlen(row->key) >= ID_MAX || sscanf(row->body, "%64s %" SCNu64, hex, &job) != 2 || !job ||
        !str_from_hex(hex, JOB_DIGEST_BYTES, digest))
        return;
    e = own_new(row->key, digest, job, row->begin_usec);
    if (e && put(idem, row->key, e) < 0)
        free(e);
}
